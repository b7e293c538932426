"""Processes that carry operations out, as rows: one from each start to its end.

Every time here is the database's own, in seconds since 1970: the clocks of the hosts may
differ, and are never compared.
"""

from datetime import timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    case,
    func,
    insert,
    literal_column,
    select,
    update,
)

from app.domain.errors import SupersededError
from app.repositories.tables import tenures

TICK_SECONDS = 0.001
"""What SQLite's clock tells apart."""


def present(connection: Connection) -> ColumnElement[float]:
    """The database's clock at this moment, not at the beginning of the transaction."""
    if connection.dialect.name == "sqlite":
        return literal_column("((julianday('now') - 2440587.5) * 86400.0)", Double())
    return literal_column(
        "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)", Double()
    )


class SqlReplicas:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._now = present(connection)

    def enlist(self, name: str, version: str) -> str:
        """Begin a tenure; one that the name still has is over by that."""
        earlier = select(tenures.c.tenure_id).where(tenures.c.name == name, _lives())
        for tenure_id in self._connection.scalars(earlier).all():
            self._end(tenure_id, by="a later start")
        count = select(func.count()).select_from(tenures).where(tenures.c.name == name)
        tenure_id = f"{name}@{(self._connection.scalar(count) or 0) + 1}"
        values = {"tenure_id": tenure_id, "name": name, "version": version}
        times = {"began_at": self._next(), "beat_at": self._now}
        self._connection.execute(insert(tenures).values(values | times))
        return tenure_id

    def beat(self, tenure_id: str) -> bool:
        """Say that it goes on; False if it is over."""
        mine = update(tenures).where(tenures.c.tenure_id == tenure_id, _lives())
        return self._connection.execute(mine.values(beat_at=self._now)).rowcount > 0

    def lapse(self, tenure_id: str, lease: timedelta) -> tuple[str, ...]:
        """End every other tenure that was not heard of for so long; return them.

        A lease of zero ends them all, also one that was heard of within the clock's last tick
        (1 ms on SQLite).
        """
        latest = self._now - lease.total_seconds()
        silent = select(tenures.c.tenure_id).where(
            tenures.c.tenure_id != tenure_id, tenures.c.beat_at <= latest, _lives()
        )
        found = tuple(self._connection.scalars(silent.order_by(tenures.c.tenure_id)))
        for each in found:
            self._end(each, by=tenure_id)
        return found

    def leave(self, tenure_id: str) -> None:
        """End a tenure whose last call has come to its end."""
        self._end(tenure_id, by=tenure_id)

    def due(self, grace: timedelta) -> tuple[str, ...]:
        """Tenures that are over, with nothing of theirs under way any more, and not settled."""
        latest = self._now - grace.total_seconds()
        quiet = (tenures.c.ended_at <= latest) | (tenures.c.ended_by == tenures.c.tenure_id)
        query = select(tenures.c.tenure_id).where(
            tenures.c.ended_at.is_not(None), tenures.c.settled_at.is_(None), quiet
        )
        return tuple(self._connection.scalars(query.order_by(tenures.c.tenure_id)))

    def settle(self, tenure_id: str) -> None:
        """Note that nothing is left that it began."""
        values = {"settled_at": self._now}
        self._connection.execute(
            update(tenures).where(tenures.c.tenure_id == tenure_id).values(values)
        )

    def living(self) -> dict[str, str]:
        """The version of each living tenure, eldest first."""
        query = select(tenures.c.tenure_id, tenures.c.version).where(_lives())
        rows = self._connection.execute(query.order_by(tenures.c.began_at, tenures.c.tenure_id))
        return {row.tenure_id: row.version for row in rows}

    def check(self, tenure_id: str) -> None:
        """Refuse to go on for a tenure that is over.

        Raises:
            SupersededError
        """
        mine = select(tenures.c.tenure_id).where(tenures.c.tenure_id == tenure_id, _lives())
        if self._connection.scalar(mine) is None:
            raise SupersededError("another process has taken over", tenure_id=tenure_id)

    def _next(self) -> ColumnElement[float]:
        """The present, or a tick after the last beginning: who began later never looks elder."""
        last = select(func.coalesce(func.max(tenures.c.began_at), 0.0)).scalar_subquery()
        return case((last >= self._now, last + TICK_SECONDS), else_=self._now)

    def _end(self, tenure_id: str, *, by: str) -> None:
        values = {"ended_at": self._now, "ended_by": by}
        self._connection.execute(
            update(tenures).where(tenures.c.tenure_id == tenure_id, _lives()).values(values)
        )


def _lives() -> ColumnElement[bool]:
    return tenures.c.ended_at.is_(None)
