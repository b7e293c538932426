"""How often each account and region was changed from here, as a row each."""

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from app.domain.groups import Place
from app.repositories.tables import revisions


class SqlRevisions:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> dict[Place, int]:
        rows = self._connection.execute(select(revisions))
        return {Place(row.account_id, row.region_id): row.number for row in rows}

    def advance(self, place: Place) -> None:
        """Let the number of a place grow, from 0 where it has none."""
        dialect = sqlite if self._connection.dialect.name == "sqlite" else postgresql
        first = {"account_id": place.account_id, "region_id": place.region_id, "number": 1}
        added = dialect.insert(revisions).values(first)
        key = [revisions.c.account_id, revisions.c.region_id]
        grown = {"number": revisions.c.number + 1}
        self._connection.execute(added.on_conflict_do_update(index_elements=key, set_=grown))
