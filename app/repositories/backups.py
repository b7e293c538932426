"""Backups as rows.

A content is kept as its canonical text, so that its hash is that of the very bytes.
"""

import json
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    LargeBinary,
    RowMapping,
    Select,
    cast,
    delete,
    func,
    select,
)

from app.domain.backups import Backup, BackupOrigin, canonical_text
from app.domain.concerns import Noun, concern_of_backup
from app.domain.documents import Document
from app.domain.groups import Place
from app.ports.store import EVERY_BACKUP, BackupFilter, KeptBackup, Page
from app.repositories import rows
from app.repositories.around import Around
from app.repositories.concerns import SqlConcerns, is_seen
from app.repositories.tables import backups


def _content(kept: bytes | str) -> Document:
    """Return the document of a text that is canonical JSON; {} of any other, whose hash is not
    that of anything that was kept.
    """
    try:
        text = kept if isinstance(kept, str) else bytes(kept).decode("utf-8")
        content = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(content, dict) or canonical_text(content) != text:
        return {}
    return content


def _backup(row: RowMapping) -> Backup:
    return Backup(
        backup_id=row["backup_id"],
        place=Place(row["account_id"], row["region_id"]),
        group_id=row["group_id"],
        created_at=row["created_at"],
        content=_content(row["kept"]),
        sha256=row["sha256"],
        operation_id=row["operation_id"],
        origin=BackupOrigin(row["origin"]),
    )


class SqlBackups:
    def __init__(self, connection: Connection, around: Around) -> None:
        self._connection = connection
        self._around = around

    def add(self, backup: Backup) -> None:
        values = {
            "backup_id": backup.backup_id,
            "account_id": backup.place.account_id,
            "region_id": backup.place.region_id,
            "group_id": backup.group_id,
            "created_at": backup.created_at,
            "content": canonical_text(backup.content),
            "sha256": backup.sha256,
            "operation_id": backup.operation_id,
            "origin": backup.origin.value,
        }
        rows.add(self._connection, backups, backups.c.backup_id, values)
        self._around.note(Noun.BACKUP, backup.backup_id)
        concern = concern_of_backup(backup.place.account_id, backup.content)
        SqlConcerns(self._connection).keep(Noun.BACKUP, backup.backup_id, concern)

    def get(self, backup_id: str) -> Backup | None:
        query = self._select().where(backups.c.backup_id == backup_id)
        row = self._connection.execute(query).mappings().one_or_none()
        return None if row is None else _backup(row)

    def page(
        self, *, limit: int, position: int | None, wanted: BackupFilter = EVERY_BACKUP
    ) -> Page[Backup]:
        query = self._select()
        for name in ("account_id", "region_id", "group_id", "operation_id"):
            value = getattr(wanted, name)
            if value is not None:
                query = query.where(backups.c[name] == value)
        seen = is_seen(Noun.BACKUP, backups.c.backup_id, self._around.sight)
        if seen is not None:
            query = query.where(seen)
        return rows.page(
            self._connection,
            query,
            backups.c.position,
            limit=limit,
            position=position,
            read=_backup,
        )

    def was_taken(self, sha256: str) -> bool:
        alike = select(backups.c.sha256).where(backups.c.sha256 == sha256)
        taken = alike.where(backups.c.origin != BackupOrigin.IMPORT.value).limit(1)
        return self._connection.scalar(taken) is not None

    def outdated(self, before: datetime, newest: int) -> tuple[KeptBackup, ...]:
        number = func.row_number().over(
            partition_by=(backups.c.account_id, backups.c.region_id, backups.c.group_id),
            order_by=backups.c.position.desc(),
        )
        numbered = select(backups.c.position, number.label("number")).subquery()
        query = (
            select(backups.c.backup_id, backups.c.operation_id)
            .join(numbered, numbered.c.position == backups.c.position)
            .where(backups.c.created_at < before, numbered.c.number > newest)
            .order_by(backups.c.position)
        )
        return tuple(KeptBackup(*row) for row in self._connection.execute(query))

    def remove(self, backup_id: str) -> None:
        self._connection.execute(delete(backups).where(backups.c.backup_id == backup_id))
        SqlConcerns(self._connection).forget(Noun.BACKUP, backup_id)

    def _select(self) -> "Select[tuple[object, ...]]":
        others = [column for column in backups.c if column is not backups.c.content]
        return select(*others, self._bytes().label("kept"))

    def _bytes(self) -> "ColumnElement[object]":
        """The content as it is in the file: SQLite itself would refuse bytes that are no text."""
        if self._connection.dialect.name == "sqlite":
            return cast(backups.c.content, LargeBinary)
        return backups.c.content
