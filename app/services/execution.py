"""The operation itself: a plain function over `Steps`, safe to be cut short anywhere.

turn → read, check, back up → change 1…n → verify → record; or, when a change fails for good,
back in reverse order over what took effect, and verify again.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count

import structlog

from app.domain.changes import Change, Effect, way_back
from app.domain.documents import Document, change_document, effect_document, read_change
from app.domain.errors import (
    AppError,
    ChangeNotObservedError,
    NeedsAttentionError,
    PlanStaleError,
    StorageUnavailableError,
    TargetBusyError,
)
from app.domain.observation import marked
from app.domain.operations import Operation, OperationKind
from app.ports.clock import Clock, Ids
from app.ports.steps import Steps
from app.ports.store import KeptPlan, Store, Work
from app.services.backups import BackupsService
from app.services.changes import ChangesService, Course, Patience
from app.services.endings import EndingsService
from app.services.ledger import LedgerService
from app.services.operations import check_unchanged
from app.services.plans import Planned, PlansService, essence, keys_of
from app.services.problems import problem_document
from app.services.verification import VerificationService

log = structlog.get_logger()

STEPS_BEFORE = 2
"""Recorded steps before the first change: check, back up."""

TURNS = 5
"""Most times that an operation queues anew because its groups have changed meanwhile."""


class Execution:
    """Carries out one operation at a time for each group; many at once otherwise."""

    def __init__(
        self,
        *,
        store: Store,
        plans: PlansService,
        backups: BackupsService,
        changes: ChangesService,
        verification: VerificationService,
        endings: EndingsService,
        ledger: LedgerService,
        clock: Clock,
        ids: Ids,
        patience: Patience,
    ) -> None:
        self._store = store
        self._plans = plans
        self._backups = backups
        self._changes = changes
        self._verification = verification
        self._endings = endings
        self._ledger = ledger
        self._clock = clock
        self._ids = ids
        self._patience = patience

    def __call__(self, operation_id: str, steps: Steps) -> None:
        """Carry the operation to an end state, from wherever it was cut short.

        Raises:
            StorageUnavailableError: nothing can be recorded now; the engine takes it up again.
        """
        with structlog.contextvars.bound_contextvars(operation_id=operation_id):
            if not self._ready(operation_id, steps):
                return
            operation, kept = self._accepted(operation_id)
            course = _forward(operation, kept)
            created: dict[str, str] = {}
            problem = self._forward(course, created, steps)
            if problem is not None:
                log.warning("operation_turns_back", problem=problem["code"])
                self._back(course, created, problem, steps)

    def _ready(self, operation_id: str, steps: Steps) -> bool:
        """Get ready for the first change; whatever breaks before it has touched nothing."""
        try:
            return self._prepared(operation_id, steps)
        except StorageUnavailableError:
            raise
        except Exception as error:
            log.exception("operation_broken")
            self._reject(operation_id, error)
            return False

    def _back(
        self, course: Course, created: dict[str, str], problem: Document, steps: Steps
    ) -> None:
        """Go back; where that breaks, end loudly."""
        try:
            self._roll_back(course, created, problem, steps)
        except StorageUnavailableError:
            raise
        except Exception as error:
            log.exception("way_back_broken")
            self._give_up(course, created, _problem_of(error))

    def _forward(self, course: Course, created: dict[str, str], steps: Steps) -> Document | None:
        """Make all changes, verify, record; return the problem that stopped it, if one did."""
        try:
            problem = self._changes.make(course, steps, created)
            if problem is not None:
                return problem
            found = self._verified(course, created, steps)
            if "result" not in found:
                stopped: Document = found["problem"]
                return stopped
            last = course.first_step + len(course.changes)
            steps.run("record", partial(self._record, course.operation_id, found["result"], last))
        except StorageUnavailableError:
            raise
        except Exception as error:
            log.exception("operation_broken")
            return _problem_of(error)
        log.info("operation_succeeded")
        return None

    def _accepted(self, operation_id: str) -> tuple[Operation, KeptPlan]:
        with self._store.read() as work:
            operation = work.operations.get(operation_id)
            assert operation is not None
            kept = work.plans.get(operation.plan_id or "")
        assert kept is not None
        return operation, kept

    # --- before the first change ---

    def _prepared(self, operation_id: str, steps: Steps) -> bool:
        """Wait for the turn, then check and back up; False where that ended the operation."""
        for turn in count(1):
            self._await_turn(operation_id, steps)
            if not steps.run(f"begin {turn}", lambda: self._endings.begin(operation_id)):
                return False
            prepare = partial(self._prepare, operation_id, last=turn >= TURNS)
            answer = steps.run(f"prepare {turn}", prepare)
            if answer != "again":
                return answer == "ready"
        return False

    def _await_turn(self, operation_id: str, steps: Steps) -> None:
        """Wait until it is the operation's turn; once it is, it stays so until the end.

        So nothing has to be recorded, however long that takes.
        """
        pause = timedelta(milliseconds=20)
        while not self._is_first(operation_id):
            steps.pause(pause)
            pause = min(2 * pause, timedelta(milliseconds=500))

    def _is_first(self, operation_id: str) -> bool:
        with self._store.read() as work:
            return not work.turns.ahead(operation_id)

    def _prepare(self, operation_id: str, *, last: bool) -> str:
        """One step: read the world, refuse or plan anew, and back up what will be touched.

        Answers `ready`, `ended` (the operation was rejected: nothing was touched) or `again`
        (the operation has to queue for other groups).
        """
        operation, first = self._accepted(operation_id)
        if operation.status.is_final:
            return "ended"
        began = self._clock.now()
        try:
            planned = self._plan_anew(operation, first)
        except StorageUnavailableError:
            raise
        except AppError as error:
            return self._reject(operation_id, error)
        checked = self._clock.now()
        with self._store.write() as work:
            keys = keys_of(planned.kept)
            if work.turns.ahead(operation_id):
                return "again"  # it has queued anew already, and a crash made it forget
            if not set(keys) <= work.turns.keys(operation_id) and not last:
                work.turns.take(operation_id, keys)
                work.commit()
                return "again"
            if set(keys) <= work.turns.keys(operation_id):
                backup_ids = self._keep_before(work, operation, planned, (began, checked))
                work.commit()
            else:
                backup_ids = None
        if backup_ids is None:
            busy = TargetBusyError("the groups to be changed were different at every turn")
            return self._reject(operation_id, busy)
        for backup_id in backup_ids:
            self._backups.get(backup_id)  # read back: its hash is checked
        return "ready"

    def _keep_before(
        self,
        work: Work,
        operation: Operation,
        planned: Planned,
        times: tuple[datetime, datetime],
    ) -> tuple[str, ...]:
        """Keep the plan and every group as it is, within the transaction."""
        if planned.kept.plan_id != operation.plan_id:
            work.plans.add(planned.kept)
        changes = _changes_of(planned.kept)
        backup_ids = self._backups.take(work, planned.world, changes, operation.operation_id)
        self._endings.note_step(work, operation.operation_id, 1, "check", times[0])
        self._endings.note_step(work, operation.operation_id, 2, "back up", times[1])
        work.operations.update(
            replace(
                operation,
                plan_id=planned.kept.plan_id,
                backup_ids=backup_ids,
                intended_steps=STEPS_BEFORE + len(changes) + 2,
            )
        )
        return backup_ids

    def _reject(self, operation_id: str, error: Exception) -> str:
        problem = _problem_of(error)
        with self._store.write() as work:
            self._endings.reject(work, operation_id, problem)
            work.commit()
        log.info("operation_rejected", code=problem["code"])
        return "ended"

    def _plan_anew(self, operation: Operation, first: KeptPlan) -> Planned:
        """Plan from the world as it is now; keep the first plan where nothing has changed.

        Raises:
            PlanStaleError: the plan was applied as it stands, and the world is another one;
                or it would now open more than it said.
        """
        planned = self._plans.anew(first)
        if "status_before" in first.document:
            planned.kept.document["status_before"] = first.document["status_before"]
        if first.applied_by == operation.operation_id:
            check_unchanged(first, planned.kept)
        same = planned.kept.fingerprint == first.fingerprint
        if same and essence(planned.kept) == essence(first):
            return replace(planned, kept=first)
        if operation.kind is OperationKind.CONNECT:
            _check_no_wider(first, planned.kept)
        return planned

    # --- after the last change ---

    def _verified(self, course: Course, created: dict[str, str], steps: Steps) -> Document:
        """Look until all is as planned, or the settle window has passed."""
        found: Document = {}
        for look in range(1, self._patience.looks + 1):
            if look > 1:
                steps.pause(self._patience.look_every)
            once = partial(self._verify, course, created, look)
            found = _object(steps.run(f"verify {look}", once))
            if "result" in found:
                break
        return found

    def _verify(self, course: Course, created: dict[str, str], look: int) -> Document:
        began = self._clock.now()
        try:
            found = self._verification.verify(course, created)
        except StorageUnavailableError:
            raise
        except AppError as error:
            found = {"problem": problem_document(error)}
        with self._store.write() as work:
            number, name = course.first_step + len(course.changes), f"verify, look {look}"
            self._endings.note_step(work, course.operation_id, number, name, began)
            work.commit()
        return found

    def _record(self, operation_id: str, result: Document, steps_done: int) -> None:
        self._endings.succeed(operation_id, result, steps_done + 1)

    # --- the way back ---

    def _roll_back(
        self, course: Course, created: dict[str, str], problem: Document, steps: Steps
    ) -> None:
        operation_id = course.operation_id
        steps.run("turn back", lambda: self._endings.turn_back(operation_id, problem))
        found = self._found_effects(course, created, steps)
        failed: Document | None = found["problem"]
        again: dict[str, str] = {}
        if found["plan_id"]:
            back = self._backward(course, found["plan_id"])
            failed = self._changes.make(back, steps, again) or failed
            ended = partial(self._end_undo, course, back, again)
            if failed is None and self._until("verify undo", ended, steps):
                log.info("operation_rolled_back")
                return
        steps.run("ask for attention", lambda: self._give_up(course, created, failed))

    def _found_effects(self, course: Course, created: dict[str, str], steps: Steps) -> Document:
        """Look until every call that was answered shows, or the settle window has passed.

        Answers the plan of the way back (None: nothing could be read) and, where a call
        that was answered never showed, the problem that this is.
        """
        found: Document = {}
        for look in range(1, self._patience.looks + 1):
            if look > 1:
                steps.pause(self._patience.look_every)
            last = look == self._patience.looks
            once = partial(self._plan_undo, course, created, last=last)
            found = _object(steps.run(f"find what took effect, look {look}", once))
            if found["settled"]:
                break
        return found

    def _plan_undo(self, course: Course, created: dict[str, str], *, last: bool) -> Document:
        """Enter what took effect into the ledger, and keep the way back as a plan of its own,
        so that a crash does not change it.
        """
        operation, kept = self._accepted(course.operation_id)
        try:
            world = self._verification.read(course, created)
        except StorageUnavailableError:
            raise
        except AppError as error:
            log.warning("not_yet", step="find what took effect", code=error.code)
            return {"settled": False, "plan_id": None, "problem": problem_document(error)}
        effects = self._ledger.effects(course.operation_id, world)
        self._ledger.enter(operation, effects)
        unconfirmed = self._ledger.unconfirmed(course.operation_id, world)
        if unconfirmed and not last:
            return {"settled": False, "plan_id": None, "problem": None}
        problem = ChangeNotObservedError("a call may have done what was never seen")
        return {
            "settled": True,
            "plan_id": self._keep_undo(kept, effects),
            "problem": problem_document(problem) if unconfirmed else None,
        }

    def _keep_undo(self, kept: KeptPlan, effects: Sequence[Effect]) -> str:
        now = self._clock.now()
        undo = replace(
            kept,
            plan_id=self._ids.new(),
            kind="undo",
            document={"changes": [change_document(each) for each in way_back(effects)]},
            created_at=now,
            expires_at=now,
            applied_by=None,
        )
        with self._store.write() as work:
            work.plans.add(undo)
            work.commit()
        return undo.plan_id

    def _until(self, name: str, step: Callable[[], str], steps: Steps) -> str:
        """Run a step again and again until it answers something, within the settle window.

        A cloud that cannot be read just now is no answer.
        """

        def once() -> str:
            try:
                return step()
            except StorageUnavailableError:
                raise
            except AppError as error:
                log.warning("not_yet", step=name, code=error.code)
                return ""

        for look in range(1, self._patience.looks + 1):
            if look > 1:
                steps.pause(self._patience.look_every)
            answer = steps.run(f"{name}, look {look}", once)
            if answer:
                return str(answer)
        return ""

    def _backward(self, course: Course, plan_id: str) -> Course:
        with self._store.read() as work:
            undo = work.plans.get(plan_id)
        assert undo is not None
        first_step = course.first_step + len(course.changes) + 1
        changes = _changes_of(undo)
        return Course(course.operation_id, "undo", plan_id, changes, first_step)

    def _end_undo(self, course: Course, back: Course, renamed: dict[str, str]) -> str:
        """End the operation as rolled back if nothing of it is left, and say so."""
        _, kept = self._accepted(course.operation_id)
        world = self._verification.undone(kept, back, renamed)
        if world is None:
            return ""
        self._endings.rolled_back(course.operation_id, world, renamed)
        return "ended"

    def _give_up(self, course: Course, created: dict[str, str], failed: Document | None) -> None:
        """Say exactly what is left in the cloud, and what would take it away.

        What cannot be read is `unconfirmed`: calls that were made and may have taken effect.
        """
        operation, _ = self._accepted(course.operation_id)
        effects: Sequence[Effect] = ()
        try:
            world = self._verification.read(course, created)
            effects = self._ledger.effects(course.operation_id, world)
            sent = self._ledger.unconfirmed(course.operation_id, world)
        except StorageUnavailableError:
            raise
        except AppError:
            sent = self._ledger.sent(course.operation_id)
        self._ledger.enter(operation, effects)
        problem = NeedsAttentionError(
            failed["detail"] if failed else "the way back was not seen to take effect",
            remaining=[effect_document(effect) for effect in effects],
            remedy=[change_document(change) for change in way_back(effects)],
            unconfirmed=[change_document(each) for each in sent],
        )
        self._endings.need_attention(course.operation_id, problem_document(problem))


def _forward(operation: Operation, kept: KeptPlan) -> Course:
    changes = tuple(marked(_changes_of(kept), operation.operation_id))
    return Course(
        operation.operation_id, "change", kept.plan_id, changes, first_step=STEPS_BEFORE + 1
    )


def _changes_of(kept: KeptPlan) -> tuple[Change, ...]:
    return tuple(read_change(each) for each in kept.document["changes"])


def _check_no_wider(first: KeptPlan, anew: KeptPlan) -> None:
    """Refuse a plan that opens more than was asked for and the caller was told of.

    Raises:
        PlanStaleError: `difference` lists what would be opened besides.
    """
    told, now = first.document["gained"], anew.document["gained"]
    wider = [item for item in now["items"] if not item["asked"] and not _was_told(told, item)]
    capped = told["truncated"] or now["truncated"]
    if capped and anew.document["extra_pairs"] <= first.document["extra_pairs"]:
        wider = []  # not every item is listed, and there are no more of them than was said
    if wider or (capped and anew.document["extra_pairs"] > first.document["extra_pairs"]):
        raise PlanStaleError(
            "the cloud has changed: the connection would now open more than was planned",
            plan_id=first.plan_id,
            difference=wider,
        )


def _was_told(told: Document, item: Document) -> bool:
    """Whether an item lies within one that the caller was told of."""
    return any(
        all(one.get(key) == item.get(key) for key in SAME) and _covers(one, item)
        for one in told["items"]
    )


SAME = ("source", "target", "nic_type", "address_family", "source_port_range")
"""What two items have in common if one lies within the other."""


def _covers(one: Document, item: Document) -> bool:
    if one["protocol"] == "all":
        return True
    first, last = (int(port) for port in one["port_range"].rsplit("/", 1))
    low, high = (int(port) for port in item["port_range"].rsplit("/", 1))
    return bool(one["protocol"] == item["protocol"]) and first <= low and high <= last


def _problem_of(error: Exception) -> Document:
    if isinstance(error, AppError):
        return problem_document(error)
    return problem_document(AppError("an error inside the service stopped the operation"))


def _object(value: object) -> Document:
    assert isinstance(value, dict)
    return value
