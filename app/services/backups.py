"""Backups: every group complete, hashed, durable and read back before anything changes."""

from collections.abc import Iterable, Mapping

from app.domain.backups import Backup, digest
from app.domain.changes import Change, CreateGroup
from app.domain.documents import Document, group_document, read_group
from app.domain.errors import NotFoundError
from app.domain.observation import Snapshot
from app.domain.world import World
from app.ports.clock import Clock, Ids
from app.ports.store import Page, Store, Work


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
            backup = work.backups.get(backup_id)
        if backup is None:
            raise NotFoundError("there is no such backup", backup_id=backup_id)
        backup.check()
        return backup

    def page(
        self,
        limit: int,
        position: int | None,
        group_id: str | None = None,
        operation_id: str | None = None,
    ) -> Page[Backup]:
        with self._store.read() as work:
            return work.backups.page(
                limit=limit, position=position, group_id=group_id, operation_id=operation_id
            )

    def take(
        self, work: Work, world: World, changes: Iterable[Change], operation_id: str
    ) -> tuple[str, ...]:
        """Keep every group that the changes touch, within the transaction; return the ids."""
        created = {each.group_id for each in changes if isinstance(each, CreateGroup)}
        touched = sorted({each.group_id for each in changes} - created)
        backups = [self._of(world, group_id, operation_id) for group_id in touched]
        for backup in backups:
            work.backups.add(backup)
        return tuple(backup.backup_id for backup in backups)

    def _of(self, world: World, group_id: str, operation_id: str) -> Backup:
        group = world.groups[group_id]
        content: Document = {
            **group_document(group),
            "members": [
                {
                    "instance_id": instance.instance_id,
                    "interface_id": eni.eni_id,
                    "primary": eni == instance.primary,
                }
                for instance, eni in world.members(group_id)
            ],
        }
        return Backup(
            backup_id=self._ids.new(),
            place=group.place,
            group_id=group_id,
            created_at=self._clock.now(),
            content=content,
            sha256=digest(content),
            operation_id=operation_id,
        )

    def snapshot(self, backup_ids: Iterable[str]) -> Snapshot:
        """Return what the backups hold as a value to compare with.

        Raises:
            BackupCorruptError: one is not what was written.
        """
        contents: Mapping[str, Document] = {
            backup.group_id: backup.content
            for backup in (self.get(backup_id) for backup_id in backup_ids)
        }
        return Snapshot(
            {group_id: read_group(content) for group_id, content in contents.items()},
            {
                group_id: frozenset(
                    member["instance_id"] for member in content["members"] if member["primary"]
                )
                for group_id, content in contents.items()
            },
        )
