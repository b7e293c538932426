"""Drift: what has become of connections that stand, asked for or looked at now and then."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog

from app.domain.documents import Document
from app.domain.drifting import (
    Condition,
    ConditionStatus,
    Ours,
    condition_documents,
    conditions,
    inspect,
    unreadable,
)
from app.domain.errors import (
    AppError,
    CloudThrottledError,
    StorageUnavailableError,
    TargetBusyError,
)
from app.ports.clock import Clock
from app.ports.store import Store
from app.services.connections import ConnectionsService, ConnectionView
from app.services.standing import Standing, gone_groups, read_standing
from app.services.worlds import Worlds

log = structlog.get_logger()

LOOKS = 2
"""How often a connection is looked at that seems to have drifted: what happened between the
reading of the cloud and of the ledger is no drift."""


QUIET = timedelta(minutes=2)
"""How long nothing is checked in turn after a call that was not let through."""


@dataclass(frozen=True, slots=True)
class _Look:
    """`busy` is an operation that is changing one of the groups at this very moment."""

    found: tuple[Condition, ...]
    busy: str | None

    @property
    def is_intact(self) -> bool:
        return self.found[0].status is ConditionStatus.TRUE


class DriftService:
    """Checks one connection when it is asked to, and in turn all of them, one at a time."""

    def __init__(
        self,
        *,
        store: Store,
        worlds: Worlds,
        connections: ConnectionsService,
        clock: Clock,
        every: timedelta,
    ) -> None:
        """`every` is how often each connection is to be looked at; 0: only when asked."""
        self._store = store
        self._worlds = worlds
        self._connections = connections
        self._clock = clock
        self._every = every
        self._quiet_until = datetime.min.replace(tzinfo=UTC)

    def check(self, connection_id: str) -> ConnectionView:
        """Read anew and say whether a connection is intact, widened or broken.

        Raises:
            NotFoundError
            InvalidStateError: it is not active.
            TargetBusyError: it does not seem to be intact, but an operation is changing one of
                its groups at this moment.
        """
        look = self._looked_at(connection_id)
        if look.busy is not None and not look.is_intact:
            raise TargetBusyError(
                f"operation {look.busy} is changing the same group", operation_id=look.busy
            )
        self._keep(connection_id, look.found)
        return self._connections.get(connection_id)

    def __call__(self) -> None:
        """Check the connection that was not looked at for the longest time, if it is due.

        Where the budget of calls has no place for that, leave it to others for a while: that
        says nothing of the connection.
        """
        if not self._every or self._clock.now() < self._quiet_until:
            return
        due = self._due()
        if due is None:
            return
        with structlog.contextvars.bound_contextvars(connection_id=due):
            try:
                look = self._looked_at(due)
            except StorageUnavailableError:
                raise
            except Exception:
                self._keep(due, None)  # else it would keep all others waiting for ever
                log.exception("connection_not_checked")
                return
            if look.found[0].reason == CloudThrottledError.code:
                self._quiet_until = self._clock.now() + QUIET
            elif look.busy is None or look.is_intact:
                self._keep(due, look.found)
            else:
                self._keep(due, None)

    def _due(self) -> str | None:
        before = self._clock.now() - self._every
        with self._store.read() as work:
            return work.connections.unchecked(before)

    def _looked_at(self, connection_id: str) -> _Look:
        look = self._look(connection_id)
        for _ in range(LOOKS - 1):
            if look.is_intact:
                break
            look = self._look(connection_id)
        return look

    def _look(self, connection_id: str) -> _Look:
        with self._store.read() as work:
            standing = read_standing(work, connection_id)
        try:
            world = self._worlds.read(standing.scope)
        except StorageUnavailableError:
            raise
        except AppError as error:
            return _Look(unreadable(error.code, str(error)), None)
        with self._store.read() as work:
            entries = work.ledger.of_groups(world.groups)
            busy = work.turns.holders({*world.groups, *_asked(standing)})
        others = [each.effect for each in entries if connection_id not in each.users]
        ours = Ours(standing.own, tuple(others))
        found = inspect(world, standing.intent, standing.baseline, ours, gone_groups(world))
        return _Look(conditions(found), busy[0] if busy else None)

    def _keep(self, connection_id: str, found: Sequence[Condition] | None) -> None:
        """Keep the conditions, or only that they were looked for in vain."""
        now = self._clock.now()
        with self._store.write() as work:
            connection = work.connections.get(connection_id)
            if connection is None or connection.is_over or connection.is_busy:
                return
            told = connection.conditions
            if found is not None:
                told = condition_documents(found, told, now)
                _tell(connection_id, connection.conditions, told)
            work.connections.update(replace(connection, conditions=told, checked_at=now))
            work.commit()


def _asked(standing: Standing) -> set[str]:
    request = standing.connection.request
    sides = (request["source"], request["target"])
    return {each for side in sides for each in side.get("instance_ids", ())}


def _tell(connection_id: str, before: Sequence[Document], after: Sequence[Document]) -> None:
    was = {each["type"]: each["status"] for each in before}
    now = {each["type"]: each["status"] for each in after}
    if was and was != now:
        log.warning("connection_drifted", connection_id=connection_id, **now)
