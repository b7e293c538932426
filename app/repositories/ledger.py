"""What is ours in the cloud, as rows: an entry, and one row for each connection using it."""

from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from app.domain.connections import LedgerEntry
from app.domain.documents import effect_document, read_effect
from app.repositories import rows
from app.repositories.tables import ledger_entries, ledger_users


class SqlLedger:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, entry: LedgerEntry) -> None:
        if rows.find(self._connection, ledger_entries.c.entry_id, entry.entry_id) is not None:
            return
        self._connection.execute(
            insert(ledger_entries).values(
                entry_id=entry.entry_id,
                operation_id=entry.operation_id,
                group_id=entry.effect.group_id,
                effect=effect_document(entry.effect),
            )
        )
        for connection_id in sorted(entry.users):
            self.use(entry.entry_id, connection_id)

    def of_connection(self, connection_id: str) -> tuple[LedgerEntry, ...]:
        used = select(ledger_users.c.entry_id).where(ledger_users.c.connection_id == connection_id)
        return self._entries(ledger_entries.c.entry_id.in_(used))

    def of_operation(self, operation_id: str) -> tuple[LedgerEntry, ...]:
        return self._entries(ledger_entries.c.operation_id == operation_id)

    def of_groups(self, group_ids: Iterable[str]) -> tuple[LedgerEntry, ...]:
        return self._entries(ledger_entries.c.group_id.in_(sorted(group_ids)))

    def use(self, entry_id: str, connection_id: str) -> None:
        self.release(entry_id, connection_id)
        self._connection.execute(
            insert(ledger_users).values(entry_id=entry_id, connection_id=connection_id)
        )

    def release(self, entry_id: str, connection_id: str) -> None:
        same = ledger_users.c.entry_id == entry_id
        same &= ledger_users.c.connection_id == connection_id
        self._connection.execute(delete(ledger_users).where(same))

    def remove(self, entry_id: str) -> None:
        for table in (ledger_users, ledger_entries):
            self._connection.execute(delete(table).where(table.c.entry_id == entry_id))

    def _entries(self, condition: ColumnElement[bool]) -> tuple[LedgerEntry, ...]:
        query = select(ledger_entries).where(condition).order_by(ledger_entries.c.position)
        found = self._connection.execute(query).mappings().all()
        users = self._users(condition)
        return tuple(
            LedgerEntry(
                entry_id=row["entry_id"],
                operation_id=row["operation_id"],
                effect=read_effect(row["effect"]),
                users=frozenset(users[row["entry_id"]]),
            )
            for row in found
        )

    def _users(self, condition: ColumnElement[bool]) -> defaultdict[str, set[str]]:
        query = select(ledger_users).join(ledger_entries).where(condition)
        users: defaultdict[str, set[str]] = defaultdict(set)
        for row in self._connection.execute(query):
            users[row.entry_id].add(row.connection_id)
        return users
