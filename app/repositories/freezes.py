"""Freezes as rows: one for each account, or for all."""

from sqlalchemy import Connection, delete, insert, select

from app.domain.freezes import Freeze
from app.repositories import rows
from app.repositories.tables import freezes


class SqlFreezes:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, freeze: Freeze) -> None:
        self.lift(freeze.account_id)
        self._connection.execute(insert(freezes).values(rows.values_of(freeze)))

    def lift(self, account_id: str) -> None:
        self._connection.execute(delete(freezes).where(freezes.c.account_id == account_id))

    def all(self) -> tuple[Freeze, ...]:
        found = self._connection.execute(select(freezes).order_by(freezes.c.account_id))
        return tuple(Freeze(**row) for row in found.mappings())
