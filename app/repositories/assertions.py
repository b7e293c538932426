"""Assertions and the states that they have had, as rows."""

from sqlalchemy import Connection, RowMapping, delete, insert, select

from app.domain.assertions import Assertion, AssertionStatus, Transition
from app.domain.concerns import Noun, concern_of_request
from app.ports.store import Page
from app.repositories import rows
from app.repositories.around import Around
from app.repositories.concerns import SqlConcerns, is_seen
from app.repositories.tables import assertion_states, assertions


def _assertion(row: RowMapping) -> Assertion:
    return Assertion(
        assertion_id=row["assertion_id"],
        request=row["request"],
        owner=row["owner"],
        reason=row["reason"],
        created_at=row["created_at"],
        status=AssertionStatus(row["status"]),
        checked_at=row["checked_at"],
        detail=row["detail"],
        managed_by=row["managed_by"],
        operation_id=row["operation_id"],
    )


class SqlAssertions:
    def __init__(self, connection: Connection, around: Around) -> None:
        self._connection = connection
        self._around = around

    def add(self, assertion: Assertion) -> None:
        key = assertions.c.assertion_id
        rows.add(self._connection, assertions, key, rows.values_of(assertion))
        self._around.note(Noun.ASSERTION, assertion.assertion_id)
        concern = concern_of_request(assertion.request)
        SqlConcerns(self._connection).keep(Noun.ASSERTION, assertion.assertion_id, concern)

    def get(self, assertion_id: str) -> Assertion | None:
        row = rows.find(self._connection, assertions.c.assertion_id, assertion_id)
        return None if row is None else _assertion(row)

    def all(self) -> tuple[Assertion, ...]:
        query = select(assertions).order_by(assertions.c.position)
        return tuple(_assertion(row) for row in self._connection.execute(query).mappings())

    def page(
        self, *, limit: int, position: int | None, status: AssertionStatus | None = None
    ) -> Page[Assertion]:
        query = select(assertions)
        if status is not None:
            query = query.where(assertions.c.status == status.value)
        seen = is_seen(Noun.ASSERTION, assertions.c.assertion_id, self._around.sight)
        if seen is not None:
            query = query.where(seen)
        return rows.page(
            self._connection,
            query,
            assertions.c.position,
            limit=limit,
            position=position,
            read=_assertion,
        )

    def update(self, assertion: Assertion) -> None:
        key = assertions.c.assertion_id
        rows.change(self._connection, assertions, key, rows.values_of(assertion))

    def remove(self, assertion_id: str) -> None:
        for table in (assertion_states, assertions):
            self._connection.execute(delete(table).where(table.c.assertion_id == assertion_id))
        SqlConcerns(self._connection).forget(Noun.ASSERTION, assertion_id)

    def note(self, assertion_id: str, transition: Transition) -> None:
        values = {"assertion_id": assertion_id, **rows.values_of(transition)}
        self._connection.execute(insert(assertion_states).values(values))

    def transitions(self, assertion_id: str) -> tuple[Transition, ...]:
        query = (
            select(assertion_states)
            .where(assertion_states.c.assertion_id == assertion_id)
            .order_by(assertion_states.c.position)
        )
        return tuple(
            Transition(AssertionStatus(row["status"]), row["at"], row["detail"])
            for row in self._connection.execute(query).mappings()
        )
