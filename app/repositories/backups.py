"""Backups as rows."""

from sqlalchemy import Connection, RowMapping, select

from app.domain.backups import Backup
from app.domain.groups import Place
from app.ports.store import Page
from app.repositories import rows
from app.repositories.tables import backups


def _backup(row: RowMapping) -> Backup:
    return Backup(
        backup_id=row["backup_id"],
        place=Place(row["account_id"], row["region_id"]),
        group_id=row["group_id"],
        created_at=row["created_at"],
        content=row["content"],
        sha256=row["sha256"],
        operation_id=row["operation_id"],
    )


class SqlBackups:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, backup: Backup) -> None:
        values = {
            "backup_id": backup.backup_id,
            "account_id": backup.place.account_id,
            "region_id": backup.place.region_id,
            "group_id": backup.group_id,
            "created_at": backup.created_at,
            "content": backup.content,
            "sha256": backup.sha256,
            "operation_id": backup.operation_id,
        }
        rows.add(self._connection, backups, backups.c.backup_id, values)

    def get(self, backup_id: str) -> Backup | None:
        row = rows.find(self._connection, backups.c.backup_id, backup_id)
        return None if row is None else _backup(row)

    def page(
        self,
        *,
        limit: int,
        position: int | None,
        group_id: str | None = None,
        operation_id: str | None = None,
    ) -> Page[Backup]:
        query = select(backups)
        if group_id is not None:
            query = query.where(backups.c.group_id == group_id)
        if operation_id is not None:
            query = query.where(backups.c.operation_id == operation_id)
        return rows.page(
            self._connection,
            query,
            backups.c.position,
            limit=limit,
            position=position,
            read=_backup,
        )
