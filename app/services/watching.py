"""Watching what was changed before it counts as done: claims are judged again and again."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from app.domain.assertions import AssertionStatus, judge_all, judgement_document, read_claim
from app.domain.documents import Document
from app.domain.errors import (
    AppError,
    AssertionBrokenError,
    RollbackAskedError,
    StorageUnavailableError,
)
from app.domain.operations import WATCH, Operation, Step, StepStatus
from app.ports.clock import Clock
from app.ports.steps import Steps
from app.ports.store import Store
from app.services.changes import Course, Patience
from app.services.problems import problem_document
from app.services.verification import VerificationService

log = structlog.get_logger()

LOOKS = 500
"""Most looks of one watch, however long it is."""


class Watching:
    """Judges the claims of a plan's watch until its time is over, or somebody ends it.

    A plan that has claims and no time is judged once. What cannot be read is asked again, for
    the settle window after the end at most.
    """

    def __init__(
        self,
        *,
        store: Store,
        verification: VerificationService,
        clock: Clock,
        patience: Patience,
    ) -> None:
        self._store = store
        self._verification = verification
        self._clock = clock
        self._patience = patience

    def watch(self, course: Course, created: Mapping[str, str], steps: Steps) -> Document | None:
        """Watch to the end; return the problem that ended it badly, if one did."""
        watch = self._watch_of(course)
        if not watch["claims"]:
            return None
        length = timedelta(seconds=watch["seconds"])
        until = datetime.fromisoformat(
            str(steps.run("watch", partial(self._begin, course, length)))
        )
        pause = max(self._patience.look_every, length / LOOKS)
        unread = number = 0
        while True:
            number += 1
            look = partial(self._look, course, dict(created), until, number)
            found: Document = steps.run(f"watch, look {number}", look)
            unread = unread + 1 if found["unread"] else 0
            if found["problem"] is not None:
                problem: Document = found["problem"]
                if not found["unread"] or unread > self._patience.looks:
                    return problem
            elif found["over"]:
                return None
            steps.pause(pause)

    def _watch_of(self, course: Course) -> Document:
        with self._store.read() as work:
            kept = work.plans.get(course.plan_id)
        assert kept is not None
        watch: Document = kept.document.get("watch") or {"seconds": 0, "claims": []}
        return watch

    def _begin(self, course: Course, length: timedelta) -> str:
        now = self._clock.now()
        with self._store.write() as work:
            step = Step(course.next_step + 1, WATCH, StepStatus.RUNNING, now)
            work.operations.keep_step(course.operation_id, step)
            work.commit()
        return (now + length).isoformat()

    def _look(
        self, course: Course, created: dict[str, str], until: datetime, number: int
    ) -> Document:
        with self._store.read() as work:
            operation = work.operations.get(course.operation_id)
        assert operation is not None
        if operation.rollback_asked_at is not None:
            asked = RollbackAskedError("somebody asked to take the operation back")
            return _answer(problem_document(asked))
        problem, is_unread = self._judged(course, created)
        over = operation.finish_asked_at is not None or self._clock.now() >= until
        detail = f"until {until.isoformat()}, looked {number} time(s)"
        self._note(operation, detail, problem, ended=over and not is_unread)
        return _answer(problem, unread=is_unread, over=over)

    def _judged(self, course: Course, created: dict[str, str]) -> tuple[Document | None, bool]:
        """The problem that a look found, and whether it is only that nothing could be read."""
        claims = [read_claim(each) for each in self._watch_of(course)["claims"]]
        try:
            world = self._verification.read(course, created)
        except StorageUnavailableError:
            raise
        except AppError as error:
            log.warning("watch_could_not_read", code=error.code)
            return problem_document(error), True
        told = judge_all(world, claims)
        broken = [
            {"claim": spelt, **judgement_document(judgement)}
            for spelt, judgement in zip(self._watch_of(course)["claims"], told, strict=True)
            if judgement.status is AssertionStatus.BROKEN
        ]
        if not broken:
            return None, False
        failed = AssertionBrokenError(
            f"{len(broken)} of {len(claims)} watched assertions do not hold", assertions=broken
        )
        return problem_document(failed), False

    def _note(
        self,
        operation: Operation,
        detail: str,
        problem: Document | None,
        *,
        ended: bool,
    ) -> None:
        """Keep in the watch's step how often was looked, and how it ends."""
        watch = next(each for each in operation.steps if each.name == WATCH)
        status = StepStatus.SUCCEEDED if ended else StepStatus.RUNNING
        if problem is not None:
            status = StepStatus.FAILED
        now = self._clock.now()
        finished = None if status is StepStatus.RUNNING else now
        with self._store.write() as work:
            work.operations.keep_step(
                operation.operation_id,
                replace(watch, status=status, detail=detail, finished_at=finished),
            )
            work.commit()


def _answer(
    problem: Document | None = None, *, unread: bool = False, over: bool = False
) -> Document:
    return {"problem": problem, "unread": unread, "over": over}
