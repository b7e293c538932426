"""The audit: what is appended to it where, and whether it still hangs together."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from app.domain.audit import BEGINNING, AuditEntry, AuditEvent, Fault, Head, faults
from app.domain.documents import Document
from app.domain.errors import AuditUnavailableError
from app.domain.operations import Operation
from app.ports.store import AuditFilter, Page, Store, Work

UNKNOWN = "unknown"
"""The actor of operations that began before it was kept who asked for them."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found: `checked` records, up to `head`, broken where `faults` say."""

    checked: int
    head: Head
    faults: tuple[Fault, ...]


class AuditService:
    def __init__(self, *, store: Store) -> None:
        self._store = store

    def page(self, limit: int, position: int | None, wanted: AuditFilter) -> Page[AuditEvent]:
        with self._store.read() as work:
            return work.audit.page(limit=limit, position=position, wanted=wanted)

    def verify(self, known: Head | None = None, *, most: int = 100) -> Verification:
        """Go through all records; list the first `most` faults."""
        counted = 0
        found: list[Fault] = []
        with self._store.read() as work:
            head = _head(work)

            def counting() -> Iterator[AuditEvent]:
                nonlocal counted
                for event in work.audit.all():
                    counted += 1
                    yield event

            for fault in faults(counting(), head, known):
                if len(found) < most:
                    found.append(fault)
        return Verification(counted, head, tuple(found))


def _head(work: Work) -> Head:
    """The head that is kept; without one the chain ends nowhere that is known."""
    try:
        return work.audit.head()
    except AuditUnavailableError:
        return BEGINNING


def record_call(
    work: Work, operation_id: str, token: str, outcome: str, *, at: datetime, **detail: str
) -> None:
    """Note that a changing call is about to be made (`begun`), or what came of it, within the
    transaction that notes it as the intent with this token.
    """
    operation, intent = work.operations.get(operation_id), work.intents.get(token)
    assert operation is not None
    assert intent is not None
    change = intent.change
    work.audit.append(
        AuditEntry(
            at=at,
            actor=operation.actor or UNKNOWN,
            action=f"cloud.{change['action']}",
            target=f"operation/{operation_id}",
            account_ids=(change["account_id"],),
            outcome=outcome,
            plan_fingerprint=work.plans.fingerprint(operation.plan_id or ""),
            detail={"token": token, "group_id": change["group_id"], **detail},
        )
    )


def record_ending(work: Work, operation: Operation, status: str, at: datetime) -> None:
    """Note how an operation ended, within the transaction."""
    kept: Document = {"kind": operation.kind.value}
    work.audit.append(
        AuditEntry(
            at=at,
            actor=operation.actor or UNKNOWN,
            action="operation.end",
            target=f"operation/{operation.operation_id}",
            account_ids=(),
            outcome=status,
            plan_fingerprint=work.plans.fingerprint(operation.plan_id or ""),
            detail=kept,
        )
    )
