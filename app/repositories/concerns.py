"""Which accounts things concern, as rows beside them."""

from collections.abc import Collection, Iterable

from sqlalchemy import Column, ColumnElement, Connection, and_, delete, exists, insert, select

from app.domain.concerns import Concern, Noun
from app.domain.principals import Sight
from app.repositories.tables import concerns


class SqlConcerns:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of(self, noun: Noun, thing_id: str) -> Concern:
        query = select(concerns.c.account_id, concerns.c.touched).where(_is(noun, thing_id))
        found = self._connection.execute(query).all()
        return Concern(
            frozenset(row.account_id for row in found if row.touched),
            frozenset(row.account_id for row in found if not row.touched),
        )

    def keep(self, noun: Noun, thing_id: str, *parts: Concern) -> None:
        """Note what a thing concerns, besides what was noted before."""
        before = self.of(noun, thing_id)
        touched = before.touched.union(*(part.touched for part in parts))
        shown = before.accounts.union(*(part.shown for part in parts)) - touched
        if (touched, shown) == (before.touched, before.shown):
            return
        self.forget(noun, thing_id)
        for accounts, is_touched in ((touched, True), (shown, False)):
            self._add(noun, thing_id, sorted(accounts), touched=is_touched)

    def forget(self, noun: Noun, thing_id: str) -> None:
        self._connection.execute(delete(concerns).where(_is(noun, thing_id)))

    def _add(self, noun: Noun, thing_id: str, account_ids: Iterable[str], *, touched: bool) -> None:
        thing = {"noun": noun.value, "thing_id": thing_id, "touched": touched}
        values = [thing | {"account_id": account_id} for account_id in account_ids]
        if values:
            self._connection.execute(insert(concerns), values)


def _is(noun: Noun, thing_id: str) -> ColumnElement[bool]:
    return and_(concerns.c.noun == noun.value, concerns.c.thing_id == thing_id)


def is_seen(noun: Noun, key: Column[str], sight: Sight) -> ColumnElement[bool] | None:
    """Say of rows whether they concern accounts in sight alone; None: everything is in sight."""
    if sight is None:
        return None
    row = and_(concerns.c.noun == noun.value, concerns.c.thing_id == key)
    return and_(exists().where(row), ~exists().where(row, _is_elsewhere(sight)))


def _is_elsewhere(sight: Collection[str]) -> ColumnElement[bool]:
    return concerns.c.account_id.not_in(sorted(sight))
