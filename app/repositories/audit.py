"""The audit as rows that are only ever added; triggers of the database hold to that."""

from collections.abc import Iterator

from sqlalchemy import Connection, RowMapping, Text, cast, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from app.domain.audit import UNREADABLE, AuditEntry, AuditEvent, Head, chained
from app.domain.errors import AuditUnavailableError
from app.ports.store import AuditFilter, Page
from app.repositories import rows
from app.repositories.tables import audit_events, audit_head

AT_A_TIME = 500


def _event(row: RowMapping) -> AuditEvent:
    entry = AuditEntry(
        at=row["at"],
        actor=row["actor"],
        action=row["action"],
        target=row["target"],
        account_ids=tuple(row["account_ids"]),
        outcome=row["outcome"],
        plan_fingerprint=row["plan_fingerprint"],
        detail=row["detail"],
    )
    return AuditEvent(row["number"], entry, row["previous_hash"], row["hash"])


class SqlAudit:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def append(self, entry: AuditEntry) -> AuditEvent:
        try:
            event = chained(self.head(), entry)
            values = rows.values_of(entry)
            values |= {
                "number": event.number,
                "previous_hash": event.previous_hash,
                "hash": event.hash,
            }
            self._connection.execute(insert(audit_events).values(values))
            moved = update(audit_head).values(number=event.number, hash=event.hash)
            self._connection.execute(moved)
        except SQLAlchemyError as error:
            reason = type(error).__name__
            raise AuditUnavailableError("the audit cannot be written", reason=reason) from error
        return event

    def head(self) -> Head:
        # Writers never interleave: nobody else moves it before this transaction has ended.
        found = self._connection.execute(select(audit_head.c.number, audit_head.c.hash)).all()
        if len(found) != 1:
            raise AuditUnavailableError("the head of the audit is not there, or not once")
        return Head(found[0].number, found[0].hash)

    def all(self) -> Iterator[AuditEvent]:
        query = select(audit_events).order_by(audit_events.c.number).limit(AT_A_TIME)
        numbers = select(audit_events.c.number).order_by(audit_events.c.number).limit(AT_A_TIME)
        while True:
            try:
                found = [_event(row) for row in self._connection.execute(query).mappings()]
            except (ValueError, TypeError):
                found = [self._one(number) for number in self._connection.scalars(numbers)]
            yield from found
            if len(found) < AT_A_TIME:
                return
            after = audit_events.c.number > found[-1].number
            query, numbers = query.where(after), numbers.where(after)

    def _one(self, number: int) -> AuditEvent:
        """A record, or what stands for one that does not say anything any more."""
        query = select(audit_events).where(audit_events.c.number == number)
        try:
            return _event(self._connection.execute(query).mappings().one())
        except (ValueError, TypeError):
            links = select(audit_events.c.previous_hash, audit_events.c.hash)
            row = self._connection.execute(links.where(audit_events.c.number == number)).one()
            return AuditEvent(number, UNREADABLE, row.previous_hash, row.hash)

    def page(self, *, limit: int, position: int | None, wanted: AuditFilter) -> Page[AuditEvent]:
        query = select(audit_events)
        for name in ("actor", "action", "target", "outcome"):
            value = getattr(wanted, name)
            if value is not None:
                query = query.where(audit_events.c[name] == value)
        if wanted.account_id is not None:
            spelt = cast(audit_events.c.account_ids, Text)
            query = query.where(spelt.contains(f'"{wanted.account_id}"', autoescape=True))
        return rows.page(
            self._connection,
            query,
            audit_events.c.number,
            limit=limit,
            position=position,
            read=_event,
        )
