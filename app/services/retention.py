"""How long backups are kept: never shorter than somebody needs them."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import structlog

from app.domain.documents import Document
from app.domain.errors import InUseError, NotFoundError
from app.domain.operations import Operation, OperationKind, OperationStatus
from app.ports.clock import Clock
from app.ports.store import KeptBackup, Store, Work

log = structlog.get_logger()

UNENDED = frozenset(
    {OperationStatus.PENDING, OperationStatus.RUNNING, OperationStatus.ROLLING_BACK}
)


class RetentionService:
    """Deletes backups, one that is asked for or all that are old; not one that is needed.

    Needed is what was taken before an operation that is under way, that needs attention or
    whose connection stands, and what a restore that is planned or under way restores.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        lifetime: timedelta,
        versions: int,
        every: timedelta = timedelta(minutes=10),
    ) -> None:
        """`versions` of each group are kept however old they are; `every` is how often to look."""
        self._store = store
        self._clock = clock
        self._lifetime = lifetime
        self._versions = versions
        self._every = every
        self._next: datetime | None = None

    def delete(self, backup_id: str) -> None:
        """Delete a backup.

        Raises:
            NotFoundError
            InUseError: `needed_by` says what needs it.
        """
        with self._store.write() as work:
            backup = work.backups.get(backup_id)
            if backup is None:
                raise NotFoundError("there is no such backup", backup_id=backup_id)
            kept = KeptBackup(backup_id, backup.operation_id)
            needed_by = [*_needs(work, kept, _restored(work, self._clock.now()))]
            if needed_by:
                raise InUseError("the backup is still needed", needed_by=needed_by)
            work.backups.remove(backup_id)
            work.commit()

    def __call__(self) -> None:
        """Delete what is old and not needed, if it is time to look again."""
        now = self._clock.now()
        if self._next is not None and now < self._next:
            return
        self._next = now + self._every
        removed = 0
        with self._store.write() as work:
            restored = _restored(work, now)
            for kept in work.backups.outdated(now - self._lifetime, self._versions):
                if not any(True for _ in _needs(work, kept, restored)):
                    work.backups.remove(kept.backup_id)
                    removed += 1
            work.commit()
        if removed:
            log.info("backups_outlived", count=removed)


def _needs(work: Work, kept: KeptBackup, restored: dict[str, Document]) -> Iterator[Document]:
    """What needs a backup."""
    if kept.backup_id in restored:
        yield restored[kept.backup_id]
    operation = None if kept.operation_id is None else work.operations.get(kept.operation_id)
    if operation is None:
        return
    if _is_open(work, operation):
        yield {"operation_id": operation.operation_id}
    connection = work.connections.get(operation.connection_id or "")
    if connection is not None and not connection.is_over:
        yield {"connection_id": connection.connection_id}


def _is_open(work: Work, operation: Operation) -> bool:
    """Whether an operation, or one that takes it up, has still something to do."""
    later: Operation | None = operation
    while later is not None:
        if not later.status.is_final:
            return True
        if later.settled_by is None:
            return later.status is OperationStatus.NEEDS_ATTENTION
        later = work.operations.get(later.settled_by)
    return False


def _restored(work: Work, now: datetime) -> dict[str, Document]:
    """Backups that a restore restores which is planned, or under way."""
    found: dict[str, Document] = {}
    for plan in work.plans.of_kind("restore", now):
        if plan.applied_by is None:
            for backup_id in plan.document["restore"]["backup_ids"]:
                found[backup_id] = {"plan_id": plan.plan_id}
    for operation in work.operations.of_status(UNENDED):
        under_way = work.plans.get(operation.plan_id or "")
        if operation.kind is OperationKind.RESTORE and under_way is not None:
            for backup_id in under_way.document["restore"]["backup_ids"]:
                found[backup_id] = {"operation_id": operation.operation_id}
    return found
