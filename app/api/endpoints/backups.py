"""Backups: what groups held before they were changed, or when somebody asked."""

from typing import Annotated, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter, Body, Path, Query, Response
from fastapi import status as http

from app.api import examples
from app.api.answers import Described, answer, created, emptied, tagged
from app.api.conditions import AGAINST_A_CONDITION, AskedPrecondition
from app.api.dependencies import Archive, AskedPage, Backups, Retention
from app.api.endpoints.inventory import FROM_THE_CLOUD
from app.api.paging import next_cursor
from app.api.refusals import refusals
from app.api.routing import StrictRoute
from app.api.schemas.backups import (
    Backup,
    BackupDifference,
    BackupPage,
    BackupRequest,
    BackupSummary,
)
from app.api.schemas.exports import CsvImport, ExportedGroup, ImportRequest
from app.api.schemas.values import AccountId, Against, ExportFormat, GroupId, OwnId, RegionId
from app.domain.errors import (
    BackupCorruptError,
    BackupMismatchError,
    DuplicateItemError,
    InUseError,
    InvalidCursorError,
    InvalidIdentifierError,
    InvalidInputError,
    NotFoundError,
)
from app.domain.groups import Place
from app.ports.store import BackupFilter

CSV = "text/csv"


class ExportRoute(StrictRoute):
    """A route whose query says in which format it is answered."""

    other_media_types: ClassVar[tuple[str, ...]] = (CSV,)


router = APIRouter(prefix="/v1/backups", tags=["backups"], route_class=StrictRoute)
exports = APIRouter(prefix="/v1/backups", tags=["backups"], route_class=ExportRoute)

OneBackup = Annotated[
    OwnId, Path(description="Id of the backup.", openapi_examples=examples.BACKUP_ID)
]


@router.get(
    "",
    responses=answer(200, "A page of backups.", examples.BACKUP_PAGE)
    | refusals(InvalidCursorError, InvalidIdentifierError),
)
def list_backups(
    backups: Backups,
    asked: AskedPage,
    *,
    group_id: Annotated[GroupId | None, Query(description="Only those of this group.")] = None,
    operation_id: Annotated[
        OwnId | None, Query(description="Only those taken before this operation.")
    ] = None,
    account_id: Annotated[
        AccountId | None, Query(description="Only those of groups of this account.")
    ] = None,
    region_id: Annotated[
        RegionId | None, Query(description="Only those of groups in this region.")
    ] = None,
) -> BackupPage:
    """List backups, newest first, without their content; with `group_id` the versions of a
    group.
    """
    wanted = BackupFilter(account_id, region_id, group_id, operation_id)
    listing = ("backups", group_id, operation_id, account_id, region_id)
    page = backups.page(asked.limit, asked.position(*listing), wanted)
    return BackupPage(
        items=[BackupSummary.of(each) for each in page.items],
        next_cursor=next_cursor(page.next_position, *listing),
    )


@router.post(
    "",
    status_code=201,
    responses=created("The groups are backed up.", examples.TAKEN_BACKUPS)
    | refusals(DuplicateItemError, InvalidIdentifierError, *FROM_THE_CLOUD),
)
def create_backups(
    body: Annotated[BackupRequest, Body(openapi_examples=examples.BACKUP_REQUESTS)],
    archive: Archive,
    response: Response,
) -> BackupPage:
    """Back up one group, several, or all of an account and region: every rule, the members and
    the groups that rules name. Nothing is changed. `Location` lists the versions.
    """
    place = Place(body.account_id, body.region_id)
    taken = archive.take(place, body.group_ids())
    response.headers["Location"] = _listing(place, [each.group_id for each in taken])
    return BackupPage(items=[BackupSummary.of(each) for each in taken], next_cursor=None)


def _listing(place: Place, group_ids: list[str]) -> str:
    query = {"account_id": place.account_id, "region_id": place.region_id}
    if len(group_ids) == 1:
        query["group_id"] = group_ids[0]
    return f"/v1/backups?{urlencode(query)}"


@router.post(
    "/import",
    status_code=201,
    responses=created("The backup is kept.", examples.IMPORTED_BACKUP)
    | refusals(InvalidInputError, BackupCorruptError, *FROM_THE_CLOUD),
)
def import_backup(
    body: Annotated[ImportRequest, Body(openapi_examples=examples.IMPORTS)],
    archive: Archive,
    response: Response,
) -> BackupSummary:
    """Keep an exported group as a backup: JSON as it was exported or as the cloud answers
    `DescribeSecurityGroupAttribute`, or a table. Nothing is changed; a restore goes through a
    plan.
    """
    asked = body.root
    if isinstance(asked, CsvImport):
        backup = archive.import_csv(asked.table)
    else:
        backup = archive.import_json(asked.document())
    response.headers["Location"] = f"/v1/backups/{backup.backup_id}"
    return BackupSummary.of(backup)


@router.get(
    "/{backup_id}",
    responses=tagged(answer(200, "The backup with its content.", examples.BACKUP))
    | refusals(NotFoundError, BackupCorruptError),
)
def get_backup(backup_id: OneBackup, backups: Backups) -> Backup:
    """Return a backup: a group with all its rules and members at one instant. Its hash is
    checked first.
    """
    return Backup.of(backups.get(backup_id))


@router.delete(
    "/{backup_id}",
    status_code=http.HTTP_204_NO_CONTENT,
    responses=emptied("The backup is gone.")
    | refusals(NotFoundError, InUseError, *AGAINST_A_CONDITION),
)
def delete_backup(
    backup_id: OneBackup, backups: Backups, retention: Retention, precondition: AskedPrecondition
) -> None:
    """Delete a backup that nothing needs: no operation under way, no connection that stands, no
    plan that can still be applied.
    """
    precondition.look(lambda: Backup.of(backups.get(backup_id)))
    retention.delete(backup_id)


@router.get(
    "/{backup_id}/diff",
    responses=answer(200, "What is different.", examples.BACKUP_DIFFERENCE)
    | refusals(
        NotFoundError,
        BackupCorruptError,
        BackupMismatchError,
        InvalidIdentifierError,
        *FROM_THE_CLOUD,
    ),
)
def compare_backup(
    backup_id: OneBackup,
    archive: Archive,
    against: Annotated[
        Against,
        Query(description="`current`, the group as it is now, or the id of another backup of it."),
    ] = "current",
) -> BackupDifference:
    """Say what is different in a later version of a group, or in the group as it is now: by rule,
    by member, and by reachability, exactly what opens and closes in the world of now.
    """
    return BackupDifference.model_validate(archive.difference(backup_id, against))


def _exported() -> Described:
    described = answer(200, "The backup as a file.", examples.EXPORT)
    table = {"schema": {"type": "string"}, "example": examples.EXPORTED_TABLE}
    described[200]["content"][CSV] = table
    described[200]["headers"] = {
        "Content-Disposition": {
            "description": "A name for the file.",
            "schema": {"type": "string"},
        }
    }
    return described


@exports.get(
    "/{backup_id}/export",
    response_model=ExportedGroup,
    responses=_exported() | refusals(NotFoundError, BackupCorruptError),
)
def export_backup(
    backup_id: OneBackup,
    archive: Archive,
    response: Response,
    format: Annotated[ExportFormat, Query(description="`json` or `csv`.")] = ExportFormat.JSON,  # noqa: A002 - as it is spelt in the query
) -> ExportedGroup | Response:
    """Return a backup as a file: JSON in the shape of `DescribeSecurityGroupAttribute`, one entry
    for each NIC type, or a table. Either can be imported again.
    """
    if format is ExportFormat.CSV:
        name, table = archive.export_csv(backup_id)
        headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
        return Response(table, media_type=CSV, headers=headers)
    name, document = archive.export(backup_id)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.json"'
    return ExportedGroup.model_validate(document)
