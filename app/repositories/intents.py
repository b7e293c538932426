"""Mutating calls about to be made, as rows that are never removed."""

from datetime import datetime

from sqlalchemy import Connection, RowMapping, insert, select, update

from app.domain.documents import Document
from app.domain.groups import Place
from app.ports.store import KeptIntent
from app.repositories import rows
from app.repositories.revisions import SqlRevisions
from app.repositories.tables import intents


def _intent(row: RowMapping) -> KeptIntent:
    return KeptIntent(row["token"], row["change"], row["outcome"], row["times_begun"])


class SqlIntents:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, token: str) -> KeptIntent | None:
        row = rows.find(self._connection, intents.c.token, token)
        return None if row is None else _intent(row)

    def of_operation(self, operation_id: str) -> tuple[KeptIntent, ...]:
        query = select(intents).where(intents.c.operation_id == operation_id)
        found = self._connection.execute(query.order_by(intents.c.position)).mappings()
        return tuple(_intent(row) for row in found)

    def begin(self, operation_id: str, token: str, change: Document, at: datetime) -> int:
        self._advance(change)
        times = self._connection.scalar(
            update(intents)
            .where(intents.c.token == token)
            .values(times_begun=intents.c.times_begun + 1, begun_again_at=at, outcome=None)
            .returning(intents.c.times_begun)
        )
        if times is not None:
            return int(times)
        values = {"operation_id": operation_id, "token": token, "change": change}
        self._connection.execute(
            insert(intents).values(values | {"begun_at": at, "times_begun": 1})
        )
        return 1

    def end(self, token: str, outcome: str, at: datetime, *, group_id: str | None = None) -> None:
        values: dict[str, object] = {"outcome": outcome, "ended_at": at}
        kept = self.get(token)
        if kept is not None:
            self._advance(kept.change)
        if group_id is not None and kept is not None:
            called = kept.change.get("called", kept.change["group_id"])
            values["change"] = kept.change | {"group_id": group_id, "called": called}
        self._connection.execute(update(intents).where(intents.c.token == token).values(values))

    def _advance(self, change: Document) -> None:
        """What was read of the place before is out of date, whoever asks."""
        place = Place(change["account_id"], change["region_id"])
        SqlRevisions(self._connection).advance(place)
