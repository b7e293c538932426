"""Assertions that come with tiers: they follow what was laid, and go with what is taken back."""

from dataclasses import replace
from datetime import datetime

from app.domain.assertions import Assertion, AssertionStatus, Transition
from app.domain.documents import Document
from app.domain.intents import canonical
from app.domain.operations import Operation
from app.ports.store import Work


def follow_tiers(work: Work, operation: Operation, result: Document, at: datetime) -> None:
    """Keep the assertions of tiers that were laid in the place of those before; forget those of
    an operation that was taken back.
    """
    kept = work.plans.get(operation.plan_id or "")
    manager = None if kept is None else kept.document.get("manages")
    if manager is None:
        return
    earlier = [each for each in work.assertions.all() if each.managed_by == manager]
    if "tiers" in result:
        _renew(work, earlier, _assertions(operation, manager, result["tiers"], at))
    else:
        for each in earlier:
            if each.operation_id == operation.settles:
                work.assertions.remove(each.assertion_id)


def _assertions(
    operation: Operation, manager: str, laid: Document, at: datetime
) -> list[Assertion]:
    return [
        Assertion(
            assertion_id=f"{operation.operation_id}-{number}",
            request={key: each[key] for key in each if key not in {"reason", "judgement"}},
            owner=manager,
            reason=each["reason"],
            created_at=at,
            status=AssertionStatus(each["judgement"]["status"]),
            checked_at=at,
            detail=each["judgement"],
            managed_by=manager,
            operation_id=operation.operation_id,
        )
        for number, each in enumerate(laid["assertions"], 1)
    ]


def _renew(work: Work, earlier: list[Assertion], wanted: list[Assertion]) -> None:
    """Add what is new and remove what is not wanted any more; the rest keeps its states."""
    standing = {canonical(each.request): each for each in earlier}
    for each in wanted:
        old = standing.pop(canonical(each.request), None)
        if old is None:
            work.assertions.add(each)
            work.assertions.note(
                each.assertion_id, Transition(each.status, each.created_at, each.detail)
            )
        elif old.reason != each.reason:
            work.assertions.update(replace(old, reason=each.reason))
    for each in standing.values():
        work.assertions.remove(each.assertion_id)
