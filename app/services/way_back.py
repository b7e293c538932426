"""The way back: what took effect is taken away again, last one first, and that is verified.

What can be gone neither forward nor back ends loudly, with what remains in the cloud.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import structlog

from app.domain.changes import Change, Effect, takes_away, way_back
from app.domain.documents import Document, change_document, effect_document, read_change
from app.domain.errors import (
    AppError,
    ChangeNotObservedError,
    NeedsAttentionError,
    StorageUnavailableError,
)
from app.domain.operations import WATCH, Operation
from app.ports.clock import Clock, Ids
from app.ports.steps import Steps
from app.ports.store import KeptPlan, Store
from app.services.changes import BACK, ChangesService, Course, Patience, gate_name
from app.services.endings import EndingsService
from app.services.ledger import LedgerService
from app.services.looking import look
from app.services.problems import problem_document
from app.services.verification import VerificationService

log = structlog.get_logger()

TURNED, OPEN_STILL, ENDED = "turned", "open", "ended"
"""What came of turning back: done, not before a removal's outcome is known, over already."""


class WayBack:
    """Takes back what a course did, its own or that of the operation which it takes up."""

    def __init__(
        self,
        *,
        store: Store,
        changes: ChangesService,
        verification: VerificationService,
        endings: EndingsService,
        ledger: LedgerService,
        clock: Clock,
        ids: Ids,
        patience: Patience,
    ) -> None:
        self._store = store
        self._changes = changes
        self._verification = verification
        self._endings = endings
        self._ledger = ledger
        self._clock = clock
        self._ids = ids
        self._patience = patience

    def go(self, course: Course, created: dict[str, str], problem: Document, steps: Steps) -> None:
        """Go back because of `problem`; where that breaks, end loudly."""
        try:
            self._go(course, created, problem, steps)
        except StorageUnavailableError:
            raise
        except Exception as error:
            log.exception("way_back_broken")
            self.give_up(course, created, problem_of(error), problem)

    def _go(self, course: Course, created: dict[str, str], problem: Document, steps: Steps) -> None:
        turned = steps.run("turn back", lambda: self._turn_back(course, problem))
        if turned == ENDED:
            return
        found = self._found_effects(course, created, steps)
        if turned == OPEN_STILL and found["plan_id"]:
            steps.run("turn back after all", lambda: self._turn_back(course, problem, known=True))
        failed: Document | None = found["problem"]
        if found["plan_id"]:
            again: dict[str, str] = {}
            back = self._backward(course, found["plan_id"])
            gate = partial(self._gate, course, back, again, steps)
            failed = self._changes.make(back, steps, again, gate) or failed
            if failed is None:
                failed = self._until_undone(course, back, again, steps).get("problem")
            if failed is None:
                log.info("operation_rolled_back")
                return
        steps.run("ask for attention", lambda: self.give_up(course, created, failed, problem))

    def _turn_back(self, course: Course, problem: Document, *, known: bool = False) -> str:
        """Choose the way back, unless it is not known yet what a removal did."""
        if not known and self._ledger.has_open_removals(course.origin_id):
            return OPEN_STILL
        return TURNED if self._endings.turn_back(course.operation_id, problem) else ENDED

    def _found_effects(self, course: Course, created: dict[str, str], steps: Steps) -> Document:
        """Look until every call that was answered shows, or the settle window has passed.

        Answers the plan of the way back and, where a call that was answered never showed,
        the problem that this is: unless it did not show to an earlier operation either, whose
        work this one takes up, or all showed before the watch, so that somebody else took it
        away since. There is no plan where nothing could be read, or where a
        removal may still take effect: then neither direction is the right one yet.
        """
        last = self._patience.looks

        def once(number: int) -> Document:
            return self._plan_back(course, created, is_last=number == last)

        found = look("find what took effect", self._patience, steps, once)
        return {"plan_id": None, "problem": None} | found

    def _plan_back(self, course: Course, created: dict[str, str], *, is_last: bool) -> Document:
        """Enter what took effect into the ledger, and keep the way back as a plan of its own,
        so that a crash does not change it.
        """
        origin, kept = self._accepted(course)
        world = self._verification.read(course, created, urgent=True)
        self._ledger.enter(origin, self._ledger.effects(course.origin_id, world))
        unconfirmed = self._ledger.unconfirmed(course.origin_id, world)
        problem = problem_document(
            ChangeNotObservedError("a call may have done what was never seen")
        )
        if unconfirmed and (not is_last or any(takes_away(each) for each in unconfirmed)):
            return {"problem": problem}
        effects = self._ledger.remaining(course.origin_id, world)
        taken_up = course.operation_id != course.origin_id
        explained = taken_up or any(step.name == WATCH for step in origin.steps)
        return {
            "plan_id": self._keep(kept, effects),
            "problem": problem if unconfirmed and not explained else None,
            "final": True,
        }

    def _keep(self, kept: KeptPlan, effects: Sequence[Effect]) -> str:
        now = self._clock.now()
        undo = replace(
            kept,
            plan_id=self._ids.new(),
            kind=BACK,
            document={"changes": [change_document(each) for each in way_back(effects)]},
            created_at=now,
            expires_at=now,
            applied_by=None,
        )
        with self._store.write() as work:
            work.plans.add(undo)
            work.commit()
        return undo.plan_id

    def _backward(self, course: Course, plan_id: str) -> Course:
        with self._store.read() as work:
            undo = work.plans.get(plan_id)
        assert undo is not None
        return replace(
            course,
            name=BACK,
            plan_id=plan_id,
            changes=changes_of(undo),
            first_step=course.last_step,
        )

    def _until_undone(
        self, course: Course, back: Course, renamed: dict[str, str], steps: Steps
    ) -> Document:
        def once(_: int) -> Document:
            """End the operation as rolled back if nothing of it is left."""
            world = self._verification.undone(course, back, renamed)
            if world is None:
                problem = ChangeNotObservedError("the way back was not seen to take effect")
                return {"problem": problem_document(problem)}
            remade = self._ledger.remade(course.origin_id)
            earlier = {old: new.group_id for old, new in remade.items()}
            self._endings.rolled_back(course.operation_id, world, earlier | renamed)
            return {}

        return look("verify undo", self._patience, steps, once)

    def _gate(
        self, course: Course, back: Course, renamed: dict[str, str], steps: Steps, made: int
    ) -> Document | None:
        """Before what was added is removed, what was put back in its stead has to be seen."""
        part = replace(back, changes=back.changes[:made])

        def once(_: int) -> Document:
            if self._verification.undone(course, part, renamed) is not None:
                return {}
            problem = ChangeNotObservedError("what was put back does not show yet")
            return {"problem": problem_document(problem)}

        name = gate_name("gate undo", back, made)
        problem: Document | None = look(name, self._patience, steps, once).get("problem")
        return problem

    def _accepted(self, course: Course) -> tuple[Operation, KeptPlan]:
        with self._store.read() as work:
            origin = work.operations.get(course.origin_id)
            kept = work.plans.get(course.plan_id)
        assert origin is not None
        assert kept is not None
        return origin, kept

    def give_up(
        self,
        course: Course,
        created: dict[str, str],
        failed: Document | None,
        cause: Document | None,
    ) -> None:
        """Say exactly what is left in the cloud, and what would take it away.

        What cannot be read is `unconfirmed`: calls that were made and may have taken effect.
        """
        origin, _ = self._accepted(course)
        remaining: Sequence[Effect] = ()
        try:
            world = self._verification.read(course, created, urgent=True)
            self._ledger.enter(origin, self._ledger.effects(course.origin_id, world))
            remaining = self._ledger.remaining(course.origin_id, world)
            sent = self._ledger.unconfirmed(course.origin_id, world)
        except StorageUnavailableError:
            raise
        except AppError:
            sent = self._ledger.sent(course.origin_id)
        problem = NeedsAttentionError(
            failed["detail"] if failed else "the way back was not seen to take effect",
            remaining=[effect_document(effect) for effect in remaining],
            remedy=[change_document(change) for change in way_back(remaining)],
            unconfirmed=[change_document(each) for each in sent],
            resume={"method": "POST", "path": f"/v1/operations/{course.operation_id}/resume"},
        )
        self._endings.need_attention(course.operation_id, problem_document(problem), cause)


def changes_of(kept: KeptPlan) -> tuple[Change, ...]:
    return tuple(read_change(each) for each in kept.document["changes"])


def problem_of(error: Exception) -> Document:
    if isinstance(error, AppError):
        return problem_document(error)
    return problem_document(AppError("an error inside the service stopped the operation"))
