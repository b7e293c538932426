"""Backups: every group complete, hashed, durable and read back before anything changes."""

from collections.abc import Iterable

from app.domain.backups import Backup, BackupOrigin, digest, kept_document, read_kept
from app.domain.changes import Change, CreateGroup
from app.domain.documents import Document
from app.domain.errors import NotFoundError
from app.domain.groups import Place
from app.domain.observation import Snapshot
from app.domain.world import World
from app.ports.clock import Clock, Ids
from app.ports.store import EVERY_BACKUP, BackupFilter, Page, Store, Work


def existing_backup(work: Work, backup_id: str) -> Backup:
    """Return a backup whose hash is right.

    Raises:
        NotFoundError, BackupCorruptError
    """
    backup = work.backups.get(backup_id)
    if backup is None:
        raise NotFoundError("there is no such backup", backup_id=backup_id)
    backup.check()
    return backup


class BackupsService:
    """Keeps what groups held; a restore goes through a plan."""

    def __init__(self, *, store: Store, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids

    def get(self, backup_id: str) -> Backup:
        """Return a backup whose hash is right.

        Raises:
            NotFoundError, BackupCorruptError
        """
        with self._store.read() as work:
            return existing_backup(work, backup_id)

    def page(
        self,
        limit: int,
        position: int | None,
        wanted: BackupFilter = EVERY_BACKUP,
    ) -> Page[Backup]:
        with self._store.read() as work:
            return work.backups.page(limit=limit, position=position, wanted=wanted)

    def take(
        self, work: Work, world: World, changes: Iterable[Change], operation_id: str
    ) -> tuple[str, ...]:
        """Keep every group that the changes touch, within the transaction; return the ids."""
        created = {each.group_id for each in changes if isinstance(each, CreateGroup)}
        touched = sorted({each.group_id for each in changes} - created)
        taken: list[str] = []
        for group_id in touched:
            place, content = world.groups[group_id].place, kept_document(world, group_id)
            backup = self._of(place, content, BackupOrigin.OPERATION, operation_id)
            work.backups.add(backup)
            taken.append(backup.backup_id)
        return tuple(taken)

    def keep(self, work: Work, place: Place, content: Document, origin: BackupOrigin) -> Backup:
        """Keep a content that no operation asked for, within the transaction."""
        backup = self._of(place, content, origin)
        work.backups.add(backup)
        return backup

    def _of(
        self,
        place: Place,
        content: Document,
        origin: BackupOrigin,
        operation_id: str | None = None,
    ) -> Backup:
        return Backup(
            backup_id=self._ids.new(),
            place=place,
            group_id=content["group_id"],
            created_at=self._clock.now(),
            content=content,
            sha256=digest(content),
            operation_id=operation_id,
            origin=origin,
        )

    def snapshot(self, backup_ids: Iterable[str]) -> Snapshot:
        """Return what the backups hold as a value to compare with.

        Raises:
            BackupCorruptError: one is not what was written.
        """
        backups = (self.get(backup_id) for backup_id in backup_ids)
        kept = {backup.group_id: read_kept(backup.content) for backup in backups}
        return Snapshot(
            {group_id: each.group for group_id, each in kept.items()},
            {group_id: each.primary_ids for group_id, each in kept.items()},
        )
