"""Plans: as they are asked for, one shape for each kind, and as they are answered."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import MISSING, Field, RootModel, StrictInt
from pydantic.json_schema import SkipJsonSchema

from app.api.schemas.base import In, Out, left_out
from app.api.schemas.connections import ConnectRequest, SentRequest, Way
from app.api.schemas.networks import DecidingRule, NewRule, PathVerdict, Rule, RuleMeaning, Traffic
from app.api.schemas.tiers import TiersDetails, TiersFields
from app.api.schemas.tightening import TightenDetails, TightenFields, Watch
from app.api.schemas.values import AccountId, GroupId, OwnId, RegionId
from app.domain.assertions import AssertionKind, AssertionStatus
from app.domain.documents import Document
from app.domain.groups import GroupKind
from app.domain.restoring import LossCode
from app.domain.rules import Policy
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


class RepairPlanRequest(In):
    """Plan to repair a connection: to add what is missing, and to remove nothing."""

    kind: Literal["repair"]
    connection_id: OwnId


class MovePlanRequest(In):
    """Plan to move a connection to another method, without a gap."""

    kind: Literal["move"]
    connection_id: OwnId
    to: Way


class StandalonePlanRequest(In):
    """What belongs to no connection."""

    def document(self) -> Document:
        """Return the request as it was sent, but for its kind."""
        document: Document = self.model_dump(mode="json", exclude_unset=True, exclude={"kind"})
        return document


class RestorePlanRequest(StandalonePlanRequest):
    """Plan to restore a backup."""

    kind: Literal["restore"]
    backup_id: OwnId
    mode: Annotated[
        Literal["full", "partial"],
        Field(description="`full` makes the group equal, `partial` adds what is missing."),
    ]


class TightenPlanRequest(TightenFields, StandalonePlanRequest):
    """Plan to replace what is too open by what is needed."""

    kind: Literal["tighten"]


class TiersPlanRequest(TiersFields, StandalonePlanRequest):
    """Plan to lay an application in tiers, or to change tiers that are laid."""

    kind: Literal["tiers"]


class CompactPlanRequest(StandalonePlanRequest):
    """Plan to say the rules of a group by fewer: nothing opens and nothing closes."""

    kind: Literal["compact"]
    account_id: AccountId
    region_id: RegionId
    security_group_id: GroupId


class PlanRequest(
    RootModel[
        Annotated[
            ConnectPlanRequest
            | DisconnectPlanRequest
            | MovePlanRequest
            | RepairPlanRequest
            | RestorePlanRequest
            | TightenPlanRequest
            | CompactPlanRequest
            | TiersPlanRequest,
            Field(discriminator="kind"),
        ]
    ]
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


class SetInnerAccess(_Change):
    """Set whether members of a group reach each other whatever the rules say."""

    action: Literal["set_inner_access"]
    inner_access: Policy


class CreateGroup(_Change):
    """Make a group without rules; until the cloud names it, its id is `sg-new`, or `sg-new-1`
    and so on where there are several.
    """

    action: Literal["create_group"]
    group_name: str
    vpc_id: str | None
    group_kind: GroupKind = GroupKind.BASIC


class DeleteGroup(_Change):
    """Delete a group that we made."""

    action: Literal["delete_group"]


class PlannedChange(
    RootModel[
        Annotated[
            AddRules | RemoveRules | Join | Leave | SetInnerAccess | CreateGroup | DeleteGroup,
            Field(discriminator="action"),
        ]
    ]
):
    """One step of a plan."""


# --- what it means -------------------------------------------------------------------


class AskedOutcome(Traffic):
    """A flow that was asked for, before the plan and after it."""

    before: PathVerdict
    after: PathVerdict | None


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
    port_pairs: int | SkipJsonSchema[None] = left_out(
        "Number of different (source, target, protocol, port) in all; a protocol without ports "
        "counts as one port. Left out of plans that were kept before this was counted."
    )
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


class RemappedGroup(Out):
    """A group that is gone, and the one that stands for it."""

    account_id: str
    region_id: str
    group_id: str
    becomes: Annotated[
        str, Field(description="Until the cloud has made it, the id that the changes call it by.")
    ]


class _Subject(Out):
    group_id: str
    account_id: str
    rule: Rule | SkipJsonSchema[None] = left_out("The rule, where it is about one.")
    instance_id: str | SkipJsonSchema[None] = left_out("The member, where it is about one.")


class NotRestorable(_Subject):
    """Something that the backup holds and that is not brought back."""

    code: LossCode
    detail: str


class NotInTheBackup(_Subject):
    """Something that the group holds and the backup does not."""

    reason: str
    connection_ids: list[str] | SkipJsonSchema[None] = left_out("Connections that rest on it.")


class RestoreDetails(Out):
    """What a restore does beyond its changes, and what it does not."""

    mode: Literal["full", "partial", "taken_back"]
    backup_ids: Annotated[
        list[str],
        Field(description="The backup that is restored, then those of groups made anew with it."),
    ]
    remapped: Annotated[
        list[RemappedGroup], Field(description="Groups that are gone, and what stands for them.")
    ]
    not_restorable: list[NotRestorable]
    going: Annotated[
        list[NotInTheBackup], Field(description="Made since the backup, and removed by `full`.")
    ]
    staying: Annotated[list[NotInTheBackup], Field(description="Made since the backup, and kept.")]


class CompactionProof(Out):
    """Why a step changes nothing, and the comparison of the group with and without it."""

    statement: str
    gained: Exposure
    lost: Exposure


class CompactionStep(Out):
    """Rules that go, and those that say the same in their place."""

    removed: list[Rule]
    added: list[RuleMeaning]
    because: Annotated[
        list[DecidingRule],
        Field(
            description="Where nothing is added, the rules that match all of it; the id of one "
            "that the plan makes begins with `merged-`."
        ),
    ]
    proof: CompactionProof


class RuleLeftAlone(Out):
    """A rule that is not touched, and why; nothing leans on it either."""

    rule: Rule
    reason: str


class CompactDetails(Out):
    """How the rules of a group come to be fewer."""

    rules_before: int
    rules_after: int
    postponed: Annotated[
        int, Field(description="Steps that have no room yet beside the rules that they replace.")
    ]
    steps: list[CompactionStep]
    left_alone: list[RuleLeftAlone]


class TouchedAssertion(Out):
    """An assertion that the plan was asked about, with its status before the plan."""

    assertion_id: str
    kind: AssertionKind
    owner: str
    reason: str
    status: AssertionStatus


class ApplyRequest(In):
    """What the caller confirms."""

    confirm_lost: Annotated[
        StrictInt | MISSING,
        Field(
            ge=0,
            description="How many pairs the plan says will be lost; required for `tighten`.",
        ),
    ] = MISSING


class MoveDetails(Out):
    """What a move does beyond its changes."""

    request: Annotated[SentRequest, Field(description="What the connection is asked for then.")]
    kept: Annotated[
        list[str], Field(description="What of the old path serves the new one too, by ledger id.")
    ]
    extra_pairs_before: Annotated[
        int, Field(description="Extra pairs that are open because of the old path alone.")
    ]
    extra_pairs_after: Annotated[
        int, Field(description="Extra pairs that the new path would open by itself.")
    ]
    quotas_between: Annotated[list[QuotaUse], Field(description="While both paths stand.")]
    between: Annotated[
        list[PathVerdict],
        Field(description="Of each asked flow, right before anything of the old path goes."),
    ]


class Plan(Out):
    """What would be changed and what that means. Nothing is changed until it is applied."""

    id: str
    kind: Literal[
        "connect", "disconnect", "move", "repair", "restore", "tighten", "compact", "tiers"
    ]
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
    assertions: list[TouchedAssertion] | SkipJsonSchema[None] = left_out(
        "Assertions about whoever is in a changed group; the plan breaks none of them."
    )
    restore: RestoreDetails | SkipJsonSchema[None] = left_out("Of a plan to restore.")
    move: MoveDetails | SkipJsonSchema[None] = left_out("Of a plan to move.")
    tighten: TightenDetails | SkipJsonSchema[None] = left_out("Of a plan to tighten.")
    watch: Watch | SkipJsonSchema[None] = left_out("What is judged after the changes.")
    compact: CompactDetails | SkipJsonSchema[None] = left_out("Of a plan to compact.")
    tiers: TiersDetails | SkipJsonSchema[None] = left_out("Of a plan to lay tiers.")
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
