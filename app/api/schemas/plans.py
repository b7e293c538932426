"""Plans: as they are asked for, one shape for each kind, and as they are answered."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, RootModel

from app.api.schemas.base import In, Out
from app.api.schemas.connections import ConnectRequest
from app.api.schemas.networks import DecidingRule, NewRule, Rule, Traffic, Verdict
from app.api.schemas.values import OwnId
from app.ports.store import KeptPlan

# --- requests ---------------------------------------------------------------------


class ConnectPlanRequest(In):
    """Plan a connection."""

    kind: Literal["connect"]
    connection: ConnectRequest


class DisconnectPlanRequest(In):
    """Plan to take a connection back."""

    kind: Literal["disconnect"]
    connection_id: OwnId


class PlanRequest(
    RootModel[Annotated[ConnectPlanRequest | DisconnectPlanRequest, Field(discriminator="kind")]]
):
    """What shall be planned."""


# --- changes ----------------------------------------------------------------------


class _Change(Out):
    action: str
    account_id: str
    region_id: str
    group_id: str
    reason: Annotated[str, Field(description="Why the change is needed.")]


class AddRules(_Change):
    """Add rules to a group, in one call."""

    action: Literal["add_rules"]
    rules: list[NewRule]


class RemoveRules(_Change):
    """Remove rules from a group, in one call."""

    action: Literal["remove_rules"]
    rules: list[Rule]


class Join(_Change):
    """Let an instance join a group."""

    action: Literal["join"]
    instance_id: str


class Leave(_Change):
    """Let an instance leave a group."""

    action: Literal["leave"]
    instance_id: str


class CreateGroup(_Change):
    """Make a group without rules; until the cloud names it, its id is `sg-new`."""

    action: Literal["create_group"]
    group_name: str
    vpc_id: str | None


class DeleteGroup(_Change):
    """Delete a group that we made."""

    action: Literal["delete_group"]


class PlannedChange(
    RootModel[
        Annotated[
            AddRules | RemoveRules | Join | Leave | CreateGroup | DeleteGroup,
            Field(discriminator="action"),
        ]
    ]
):
    """One step of a plan."""


# --- what it means -------------------------------------------------------------------


class AskedOutcome(Traffic):
    """A flow that was asked for, before the plan and after it."""

    before: Verdict
    after: Verdict | None


class Asked(Out):
    """Everything that was asked for."""

    pairs: Annotated[int, Field(description="Number of different (source, target).")]
    items: list[AskedOutcome]


class ExposureItem(Traffic):
    """Packets that pass before and not after, or after and not before."""

    asked: Annotated[bool, Field(description="Whether they were asked for; otherwise extra.")]
    certain: Annotated[bool, Field(description="False where it depends on what could not be read.")]


class Exposure(Out):
    """What opens, or what closes: exactly counted, the first items listed."""

    pairs: Annotated[int, Field(description="Number of different (source, target) in all.")]
    items: list[ExposureItem]
    truncated: Annotated[bool, Field(description="Whether there are more items than listed.")]


class QuotaUse(Out):
    """A quota of the cloud."""

    name: str
    account_id: str
    subject: Annotated[str, Field(description="What it is counted for.")]
    used: int
    after: Annotated[int, Field(description="Used once the plan is applied.")]
    limit: int


class Membership(Out):
    """That an instance is in a group."""

    group_id: str
    instance_id: str


class Support(Out):
    """What flows that are open already rest on."""

    rules: list[DecidingRule]
    memberships: list[Membership]


class Plan(Out):
    """What would be changed and what that means. Nothing is changed until it is applied."""

    id: str
    kind: Literal["connect", "disconnect"]
    changes: Annotated[list[PlannedChange], Field(description="In order; empty: nothing to do.")]
    asked: Asked
    gained: Annotated[Exposure, Field(description="What opens.")]
    lost: Annotated[Exposure, Field(description="What closes.")]
    extra_pairs: Annotated[
        int, Field(description="Pairs that open although nothing was asked between them.")
    ]
    quotas: Annotated[list[QuotaUse], Field(description="Every quota that the plan draws on.")]
    calls: Annotated[
        int, Field(description="Cloud calls that change the groups or read their rules.")
    ]
    warnings: list[str]
    rests_on: Annotated[Support, Field(description="What makes asked flows reachable already.")]
    fingerprint: Annotated[
        str, Field(description="Digest of the world that the plan was made for.")
    ]
    created_at: datetime
    expires_at: Annotated[datetime, Field(description="It cannot be applied from then on.")]

    @classmethod
    def of(cls, kept: KeptPlan) -> Self:
        members = {
            "id": kept.plan_id,
            "created_at": kept.created_at,
            "expires_at": kept.expires_at,
        }
        return cls.model_validate(kept.document | members)
