"""Backups as they are answered."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field

from app.api.schemas.base import Out
from app.api.schemas.networks import Rule
from app.domain import backups as domain
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


class BackupContent(Out):
    """A group at one instant, complete."""

    group_id: str
    account_id: str
    region_id: str
    name: str
    vpc_id: str | None
    kind: GroupKind
    inner_access: Policy
    managed: bool
    rules: Annotated[list[Rule], Field(description="Both directions, both NIC types, by id.")]
    members: list[BackedUpMember]


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
        "sha256": backup.sha256,
        "created_at": backup.created_at,
    }


class BackupPage(Out):
    """Backups, newest first."""

    items: list[BackupSummary]
    next_cursor: Annotated[str | None, Field(description="Null: this is the last page.")]
