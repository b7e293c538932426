"""Connections that end by themselves when their time has come."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from app.domain.connections import Connection
from app.domain.documents import Document
from app.domain.errors import AccountFrozenError, AppError, StorageUnavailableError
from app.domain.expiry import FIRST_PAUSE, pause_after
from app.domain.operations import Operation
from app.ports.clock import Clock, Stopwatch
from app.ports.store import Expiring, Store, Work
from app.services.operations import OperationsService
from app.services.plans import PlansService
from app.services.problems import problem_document

log = structlog.get_logger()


class Deadlines:
    """Says whose time has come, and is not deceived by a wall clock that somebody sets.

    It has come when the wall clock says so and, besides, as much time has passed as was left
    when this process first saw the deadline. A clock that is set forward ends nothing early;
    one that is set back is believed. After a restart there is only the wall clock.
    """

    def __init__(self, *, clock: Clock, stopwatch: Stopwatch) -> None:
        self._clock = clock
        self._stopwatch = stopwatch
        self._looked: tuple[datetime, timedelta] | None = None
        self._due: dict[tuple[str, datetime], timedelta] = {}

    def look(self, standing: Iterable[Expiring]) -> list[Expiring]:
        """Return those that are due, the longest overdue first; all of them have to be shown at
        every look, for a deadline that is new now may have been set before the clock was.
        """
        wall, passed = self._clock.now(), self._stopwatch.elapsed()
        slow = wall
        if self._looked is not None:
            slow = min(wall, self._looked[0] + (passed - self._looked[1]))
        self._looked = wall, passed
        before, self._due = self._due, {}
        found = []
        for each in standing:
            key = each.connection_id, each.expires_at
            self._due[key] = before.get(key, passed + (each.expires_at - slow))
            if wall >= each.expires_at and passed >= self._due[key]:
                found.append(each)
        return sorted(found, key=lambda each: (each.expires_at, each.connection_id))


class ExpiryService:
    """Looks in every process, and in the one that `leads` starts the disconnects.

    Safe to be done by several: a disconnect is accepted once, in the transaction that finds its
    connection standing and its time unchanged. A try in vain is repeated after a pause.
    """

    def __init__(
        self,
        *,
        store: Store,
        plans: PlansService,
        operations: OperationsService,
        clock: Clock,
        stopwatch: Stopwatch,
        leads: Callable[[], bool],
    ) -> None:
        self._store = store
        self._plans = plans
        self._operations = operations
        self._clock = clock
        self._stopwatch = stopwatch
        self._leads = leads
        self._deadlines = Deadlines(clock=clock, stopwatch=stopwatch)
        self._not_before: dict[str, timedelta] = {}

    def __call__(self) -> None:
        with self._store.read() as work:
            standing = work.connections.expiring()
        due = self._deadlines.look(standing)
        if not self._leads():
            return
        names = {each.connection_id for each in due}
        self._not_before = {key: at for key, at in self._not_before.items() if key in names}
        for each in due:
            with structlog.contextvars.bound_contextvars(connection_id=each.connection_id):
                self._end(each)

    def _end(self, due: Expiring) -> None:
        """Disconnect, unless something else is going on, or a try in vain was a moment ago."""
        if not self._may_try(due.connection_id):
            return
        try:
            kept = self._plans.for_disconnect(due.connection_id).kept
            operation = self._operations.expire(kept, due.expires_at)
        except StorageUnavailableError:
            raise
        except AppError as error:
            self._note_failure(due, problem_document(error))
            return
        if operation is not None:
            log.info("connection_expired", operation_id=operation.operation_id)

    def _may_try(self, connection_id: str) -> bool:
        """Whether to try now; an operation that ended in vain counts as a try in vain."""
        with self._store.read() as work:
            connection = work.connections.get(connection_id)
            tried = None if connection is None else _tried(work, connection)
        if connection is None or connection.is_busy:
            return False
        if tried is not None:
            self._note_failure(connection, tried.error or {}, tried.operation_id)
            return False
        return self._stopwatch.elapsed() >= self._not_before.get(connection_id, timedelta(0))

    def _note_failure(
        self, due: Expiring | Connection, problem: Document, operation_id: str | None = None
    ) -> None:
        """Keep what was in the way, and when it is tried again; `operation_id` if one was."""
        with self._store.write() as work:
            connection = work.connections.get(due.connection_id)
            if connection is None or connection.expires_at != due.expires_at:
                return
            ending = dict(connection.ending or {"attempts": 0, "operation_id": operation_id})
            if operation_id is None:
                ending["attempts"] += 1  # else it was counted when the operation was accepted
            pause = pause_after(ending["attempts"])
            if problem.get("code") == AccountFrozenError.code:
                pause = FIRST_PAUSE  # it ends soon after the freeze is lifted, however long it was
            again = self._clock.now() + pause
            ending |= {"operation_id": operation_id, "error": problem}
            ending["next_attempt_at"] = again.isoformat()
            work.connections.update(replace(connection, ending=ending))
            work.commit()
        self._not_before[due.connection_id] = self._stopwatch.elapsed() + pause
        log.warning("connection_not_ended_yet", code=problem.get("code"))


def _tried(work: Work, connection: Connection) -> Operation | None:
    """The operation of the last try, if it has ended in vain and nobody has noted that."""
    ending = connection.ending
    if ending is None or ending["operation_id"] is None or ending["error"] is not None:
        return None
    operation = work.operations.get(ending["operation_id"])
    return operation if operation is not None and operation.status.is_final else None
