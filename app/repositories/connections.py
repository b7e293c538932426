"""Connections as rows."""

from datetime import datetime

from sqlalchemy import ColumnElement, RowMapping, func, select
from sqlalchemy import Connection as Database

from app.domain.concerns import Noun, concern_of_request
from app.domain.connections import Connection, ConnectionStatus
from app.ports.store import Expiring, Page
from app.repositories import rows
from app.repositories.around import Around
from app.repositories.concerns import SqlConcerns, is_seen
from app.repositories.tables import connections


def _connection(row: RowMapping) -> Connection:
    return Connection(
        connection_id=row["connection_id"],
        request=row["request"],
        status=ConnectionStatus(row["status"]),
        created_at=row["created_at"],
        adopted=tuple(row["adopted"]),
        disconnected_at=row["disconnected_at"],
        expires_at=row["expires_at"],
        ending=row["ending"],
        conditions=tuple(row["conditions"] or ()),
        checked_at=row["checked_at"],
    )


def _stands() -> ColumnElement[bool]:
    over = (ConnectionStatus.DISCONNECTED.value, ConnectionStatus.FAILED.value)
    return connections.c.status.not_in(over)


class SqlConnections:
    def __init__(self, database: Database, around: Around) -> None:
        self._database = database
        self._around = around

    def add(self, connection: Connection) -> None:
        key = connections.c.connection_id
        rows.add(self._database, connections, key, rows.values_of(connection))
        self._around.note(Noun.CONNECTION, connection.connection_id)
        concern = concern_of_request(connection.request)
        SqlConcerns(self._database).keep(Noun.CONNECTION, connection.connection_id, concern)

    def get(self, connection_id: str) -> Connection | None:
        row = rows.find(self._database, connections.c.connection_id, connection_id)
        return None if row is None else _connection(row)

    def page(
        self, *, limit: int, position: int | None, status: str | None = None
    ) -> Page[Connection]:
        query = select(connections)
        if status is not None:
            query = query.where(connections.c.status == status)
        seen = is_seen(Noun.CONNECTION, connections.c.connection_id, self._around.sight)
        if seen is not None:
            query = query.where(seen)
        return rows.page(
            self._database,
            query,
            connections.c.position,
            limit=limit,
            position=position,
            read=_connection,
        )

    def standing(self) -> tuple[Connection, ...]:
        query = select(connections).where(_stands()).order_by(connections.c.position)
        return tuple(_connection(row) for row in self._database.execute(query).mappings())

    def expiring(self) -> tuple[Expiring, ...]:
        columns = (connections.c.connection_id, connections.c.status, connections.c.expires_at)
        query = select(*columns).where(connections.c.expires_at.is_not(None), _stands())
        return tuple(
            Expiring(row.connection_id, ConnectionStatus(row.status), row.expires_at)
            for row in self._database.execute(query)
        )

    def unchecked(self, before: datetime) -> str | None:
        looked = func.coalesce(connections.c.checked_at, connections.c.created_at)
        query = (
            select(connections.c.connection_id)
            .where(connections.c.status == ConnectionStatus.ACTIVE.value)
            .where(looked < before)
            .order_by(looked, connections.c.position)
            .limit(1)
        )
        found: str | None = self._database.scalar(query)
        return found

    def update(self, connection: Connection) -> None:
        key = connections.c.connection_id
        rows.change(self._database, connections, key, rows.values_of(connection))
