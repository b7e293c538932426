"""Backups as they are answered."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import MISSING, Field

from app.api.schemas.base import In, Out
from app.api.schemas.networks import Rule
from app.api.schemas.plans import Exposure
from app.api.schemas.values import AccountId, GroupIds, RegionId
from app.domain import backups as domain
from app.domain.backups import BackupOrigin
from app.domain.groups import GroupKind
from app.domain.rules import Policy


class BackupSummary(Out):
    """A backup as a listing shows it: without its content."""

    id: str
    group_id: str
    account_id: str
    region_id: str
    operation_id: Annotated[
        str | None, Field(description="The operation before which it was taken.")
    ]
    origin: Annotated[
        BackupOrigin,
        Field(description="Taken before an operation or by hand, or brought from elsewhere."),
    ]
    sha256: Annotated[str, Field(description="Of `content` as canonical JSON.")]
    created_at: datetime

    @classmethod
    def of(cls, backup: domain.Backup) -> Self:
        return cls.model_validate(_members(backup))


class BackedUpMember(Out):
    """An interface in a group; Join and Leave speak of an instance's primary one."""

    instance_id: str
    interface_id: str
    primary: bool


class _KeptGroup(Out):
    group_id: str
    account_id: str
    region_id: str
    name: str
    description: Annotated[str, Field(default="", description="The group's own description.")]
    tags: Annotated[dict[str, str], Field(default_factory=dict, description="Tags by key.")]
    vpc_id: str | None
    kind: GroupKind
    inner_access: Policy
    managed: bool
    members: list[BackedUpMember]


class NamedGroup(_KeptGroup):
    """A group that the rules name, without its own rules."""


class BackupContent(_KeptGroup):
    """A group at one instant, complete."""

    rules: Annotated[list[Rule], Field(description="Both directions, both NIC types, by id.")]
    named_groups: Annotated[
        list[NamedGroup],
        Field(default_factory=list, description="Groups that the rules name, with their members."),
    ]


class Backup(BackupSummary):
    """What a group held before an operation, complete enough to restore it."""

    content: BackupContent

    @classmethod
    def of(cls, backup: domain.Backup) -> Self:
        return cls.model_validate(_members(backup) | {"content": backup.content})


def _members(backup: domain.Backup) -> dict[str, object]:
    return {
        "id": backup.backup_id,
        "group_id": backup.group_id,
        "account_id": backup.place.account_id,
        "region_id": backup.place.region_id,
        "operation_id": backup.operation_id,
        "origin": backup.origin,
        "sha256": backup.sha256,
        "created_at": backup.created_at,
    }


class BackupPage(Out):
    """Backups, newest first."""

    items: list[BackupSummary]
    next_cursor: Annotated[str | None, Field(description="Null: this is the last page.")]


# --- by hand ----------------------------------------------------------------------


class BackupRequest(In):
    """Which groups to back up."""

    account_id: AccountId
    region_id: RegionId
    security_group_ids: Annotated[
        GroupIds | MISSING, Field(description="Left out: every group of the account and region.")
    ] = MISSING

    def group_ids(self) -> list[str] | None:
        """The groups by id; None: all of them."""
        found: list[str] | None = self.model_dump().get("security_group_ids")
        return found


# --- versions ---------------------------------------------------------------------


class RuleChanges(Out):
    """Rules by their meaning: ids and descriptions do not count."""

    added: list[Rule]
    removed: list[Rule]


class MemberChanges(Out):
    """Interfaces that came, and that went."""

    joined: list[BackedUpMember]
    left: list[BackedUpMember]


class InnerAccessChange(Out):
    """Whether members reach each other; null where the group is not there."""

    before: Policy | None
    after: Policy | None


class BackupDifference(Out):
    """What is different in the later version: its rules, and what they therefore open and close."""

    backup_id: str
    against: Annotated[str, Field(description="`current`, or the id of the other backup.")]
    group_id: Annotated[
        str, Field(description="What the group is called now, if another one stands for it.")
    ]
    identical: Annotated[bool, Field(description="Whether rules, members and policy are equal.")]
    rules: RuleChanges
    members: MemberChanges
    inner_access: InnerAccessChange
    gained: Annotated[Exposure, Field(description="What passes in the later version alone.")]
    lost: Annotated[Exposure, Field(description="What passed in the earlier version alone.")]
