"""Backups: what groups held before they were changed."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from app.api import examples
from app.api.answers import answer
from app.api.dependencies import AskedPage, Backups
from app.api.paging import next_cursor
from app.api.refusals import refusals
from app.api.routing import StrictRoute
from app.api.schemas.backups import Backup, BackupPage, BackupSummary
from app.api.schemas.values import GroupId, OwnId
from app.domain.errors import (
    BackupCorruptError,
    InvalidCursorError,
    InvalidIdentifierError,
    NotFoundError,
)

router = APIRouter(prefix="/v1/backups", tags=["backups"], route_class=StrictRoute)


@router.get(
    "",
    responses=answer(200, "A page of backups.", examples.BACKUP_PAGE)
    | refusals(InvalidCursorError, InvalidIdentifierError),
)
def list_backups(
    backups: Backups,
    asked: AskedPage,
    group_id: Annotated[GroupId | None, Query(description="Only those of this group.")] = None,
    operation_id: Annotated[
        OwnId | None, Query(description="Only those taken before this operation.")
    ] = None,
) -> BackupPage:
    """List backups, newest first, without their content."""
    listing = ("backups", group_id, operation_id)
    page = backups.page(asked.limit, asked.position(*listing), group_id, operation_id)
    return BackupPage(
        items=[BackupSummary.of(each) for each in page.items],
        next_cursor=next_cursor(page.next_position, *listing),
    )


@router.get(
    "/{backup_id}",
    responses=answer(200, "The backup with its content.", examples.BACKUP)
    | refusals(NotFoundError, BackupCorruptError),
)
def get_backup(
    backup_id: Annotated[
        str, Path(description="Id of the backup.", openapi_examples=examples.BACKUP_ID)
    ],
    backups: Backups,
) -> Backup:
    """Return a backup: a group with all its rules and members at one instant. Its hash is
    checked first.
    """
    return Backup.of(backups.get(backup_id))
