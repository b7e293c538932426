"""The way forward of an operation, as it was planned."""

from app.domain.observation import marked
from app.domain.operations import Operation
from app.ports.store import KeptPlan, Work
from app.services.changes import FORWARD, Course
from app.services.endings import origin_of
from app.services.way_back import changes_of

STEPS_BEFORE = 2
"""Recorded steps before the first change: check, back up."""


def course_of(work: Work, operation: Operation) -> Course:
    """Return the changes that an operation makes, or of which it takes up those of another."""
    origin = origin_of(work, operation)
    kept = work.plans.get(origin.plan_id or "")
    assert kept is not None
    return course(operation, origin, kept)


def course(operation: Operation, origin: Operation, kept: KeptPlan) -> Course:
    return Course(
        operation_id=operation.operation_id,
        origin_id=origin.operation_id,
        name=FORWARD,
        plan_id=kept.plan_id,
        changes=tuple(marked(changes_of(kept), origin.operation_id)),
        first_step=STEPS_BEFORE + 1,
        is_watched=is_watched(kept),
    )


def is_watched(kept: KeptPlan) -> bool:
    """Whether claims are judged after the changes of a plan."""
    return bool(kept.document.get("watch", {}).get("claims"))
