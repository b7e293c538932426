"""Mutating calls about to be made, as rows that are never removed."""

from datetime import datetime

from sqlalchemy import Connection, insert, update

from app.domain.documents import Document
from app.repositories.tables import intents


class SqlIntents:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def begin(self, operation_id: str, token: str, change: Document, at: datetime) -> int:
        times = self._connection.scalar(
            update(intents)
            .where(intents.c.token == token)
            .values(times_begun=intents.c.times_begun + 1, begun_again_at=at)
            .returning(intents.c.times_begun)
        )
        if times is not None:
            return int(times)
        values = {"operation_id": operation_id, "token": token, "change": change}
        self._connection.execute(
            insert(intents).values(values | {"begun_at": at, "times_begun": 1})
        )
        return 1

    def end(self, token: str, outcome: str, at: datetime) -> None:
        self._connection.execute(
            update(intents).where(intents.c.token == token).values(outcome=outcome, ended_at=at)
        )
