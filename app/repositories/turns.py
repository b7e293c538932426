"""Who may change what, as rows.

An operation has one number for all its keys, and numbers only grow: of two operations that
share several keys the same one comes first everywhere, so none waits for the other in a ring.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, delete, func, insert, select

from app.repositories.tables import turns


class SqlTurns:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def take(self, operation_id: str, keys: Sequence[str]) -> None:
        self.release(operation_id)
        last = self._connection.scalar(select(func.max(turns.c.number))) or 0
        for key in sorted(set(keys)):
            values = {"key": key, "operation_id": operation_id, "number": last + 1}
            self._connection.execute(insert(turns).values(values))

    def keys(self, operation_id: str) -> frozenset[str]:
        query = select(turns.c.key).where(turns.c.operation_id == operation_id)
        return frozenset(self._connection.scalars(query))

    def ahead(self, operation_id: str) -> tuple[str, ...]:
        mine = turns.alias()
        query = (
            select(turns.c.operation_id, turns.c.number)
            .join(mine, (mine.c.key == turns.c.key) & (turns.c.number < mine.c.number))
            .where(mine.c.operation_id == operation_id)
            .distinct()
            .order_by(turns.c.number)
        )
        return tuple(self._connection.scalars(query))

    def holders(self, keys: Iterable[str]) -> tuple[str, ...]:
        query = (
            select(turns.c.operation_id, turns.c.number)
            .where(turns.c.key.in_(sorted(keys)))
            .distinct()
            .order_by(turns.c.number)
        )
        return tuple(self._connection.scalars(query))

    def release(self, operation_id: str) -> None:
        self._connection.execute(delete(turns).where(turns.c.operation_id == operation_id))
