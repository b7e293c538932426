"""The operation itself: a plain function over `Steps`, safe to be cut short anywhere.

turn → read, check, back up → change 1…n → verify → record; or, when a change fails for good or
somebody asks for it, the way back (`way_back`).
"""

from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import count

import structlog

from app.domain.documents import Document
from app.domain.errors import AppError, PlanStaleError, StorageUnavailableError, TargetBusyError
from app.domain.operations import Operation
from app.domain.principals import Sight
from app.ports.clock import Clock
from app.ports.steps import Steps
from app.ports.store import KeptPlan, Store, Work
from app.services.access import AccessService
from app.services.backups import BackupsService
from app.services.callers import looking
from app.services.changes import ChangesService, Course, Patience, gate_name
from app.services.completion import Completion
from app.services.courses import STEPS_BEFORE, course, is_watched
from app.services.endings import EndingsService, origin_of
from app.services.freezes import await_thaw
from app.services.looking import look
from app.services.operations import check_unchanged
from app.services.plans import Planned, PlansService, essence, keys_of
from app.services.queueing import await_turn
from app.services.resuming import Resuming
from app.services.verification import VerificationService
from app.services.way_back import WayBack, changes_of, problem_of

log = structlog.get_logger()

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
        completion: Completion,
        way_back: WayBack,
        resuming: Resuming,
        endings: EndingsService,
        clock: Clock,
        patience: Patience,
    ) -> None:
        self._store = store
        self._plans = plans
        self._backups = backups
        self._changes = changes
        self._verification = verification
        self._completion = completion
        self._way_back = way_back
        self._resuming = resuming
        self._endings = endings
        self._clock = clock
        self._patience = patience
        self._access = AccessService(store=store, clock=clock)

    def __call__(self, operation_id: str, steps: Steps) -> None:
        """Carry the operation to an end state, from wherever it was cut short.

        Raises:
            StorageUnavailableError: nothing can be recorded now; the engine takes it up again.
        """
        bound = structlog.contextvars.bound_contextvars(operation_id=operation_id)
        with bound, looking(self._eyes(operation_id)):
            if self._resuming.is_for(operation_id):
                self._resuming.run(operation_id, steps)
            elif self._ready(operation_id, steps):
                operation, kept = self._accepted(operation_id)
                self._carry_out(course(operation, operation, kept), steps)

    def _eyes(self, operation_id: str) -> Sight:
        """Those of whoever asked for what is made or taken back."""
        with self._store.read() as work:
            operation = work.operations.get(operation_id)
            if operation is None:
                return None
            origin = origin_of(work, operation)
        return self._access.eyes_of(origin)

    def _carry_out(self, forward: Course, steps: Steps) -> None:
        created: dict[str, str] = {}
        problem = self._forward(forward, created, steps)
        if problem is not None:
            log.warning("operation_turns_back", problem=problem["code"])
            self._way_back.go(forward, created, problem, steps)

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

    def _forward(self, course: Course, created: dict[str, str], steps: Steps) -> Document | None:
        """Make all changes, verify, record; return the problem that stopped it, if one did."""
        try:
            gate = partial(self._gate, course, created, steps)
            problem = self._changes.make(course, steps, created, gate)
            if problem is not None:
                return problem
            return self._completion.complete(course, created, steps)
        except StorageUnavailableError:
            raise
        except Exception as error:
            log.exception("operation_broken")
            return problem_of(error)

    def _gate(
        self, course: Course, created: dict[str, str], steps: Steps, made: int
    ) -> Document | None:
        """Before a removal: what was added shows, and nobody else changed anything."""
        part = replace(course, changes=course.changes[:made])
        once = partial(self._gated, part, created)
        name = gate_name("gate", course, made)
        problem: Document | None = look(name, self._patience, steps, once).get("problem")
        return problem

    def _gated(self, part: Course, created: dict[str, str], _: int) -> Document:
        return self._verification.gate(part, created)

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
        turns = looks = 1
        for number in count(1):
            await_turn(self._store, operation_id, steps)
            await_thaw(self._store, operation_id, steps)
            if not steps.run(f"begin {number}", lambda: self._endings.begin(operation_id)):
                return False
            last, sure = turns >= TURNS, looks >= self._patience.looks
            prepare = partial(self._prepare, operation_id, last=last, sure=sure)
            answer = steps.run(f"prepare {number}", prepare)
            if answer not in {"again", "behind"}:
                return answer == "ready"
            if answer == "again":
                turns += 1
            else:
                looks += 1
                steps.pause(self._patience.look_every)
        return False

    def _prepare(self, operation_id: str, *, last: bool, sure: bool) -> str:
        """One step: read the world, refuse or plan anew, and back up what will be touched.

        Answers `ready`, `ended` (the operation was rejected: nothing was touched), `again`
        (the operation has to queue for other groups) or, unless we are `sure`, `behind` (what
        is ours does not show: somebody took it away, or the cloud's reads lag).
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
        if planned.kept.document.get("gone") and not sure:
            return "behind"
        checked = self._clock.now()
        with self._store.write() as work:
            keys = keys_of(planned.kept)
            if self._has_ended(work, operation_id):
                return "ended"  # cancelled while the world was read
            lost = self._access.lost(work, operation)
            if lost is not None:
                self._endings.reject(work, operation_id, problem_of(lost))
                work.commit()
                return "ended"
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

    @staticmethod
    def _has_ended(work: Work, operation_id: str) -> bool:
        operation = work.operations.get(operation_id)
        return operation is None or operation.status.is_final

    def _keep_before(
        self,
        work: Work,
        operation: Operation,
        planned: Planned,
        times: tuple[datetime, datetime],
    ) -> tuple[str, ...]:
        """Keep the plan and every group as it is, within the transaction."""
        present = work.operations.get(operation.operation_id)
        assert present is not None
        if planned.kept.plan_id != operation.plan_id:
            work.plans.add(planned.kept)
        changes = changes_of(planned.kept)
        backup_ids = self._backups.take(work, planned.world, changes, operation.operation_id)
        self._endings.note_step(work, operation.operation_id, 1, "check", times[0])
        self._endings.note_step(work, operation.operation_id, 2, "back up", times[1])
        work.operations.update(
            replace(
                present,
                plan_id=planned.kept.plan_id,
                backup_ids=backup_ids,
                intended_steps=STEPS_BEFORE + len(changes) + 2 + is_watched(planned.kept),
            )
        )
        return backup_ids

    def _reject(self, operation_id: str, error: Exception) -> str:
        problem = problem_of(error)
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
        if operation.kind.makes_connection:
            _check_no_wider(first, planned.kept)
        return planned


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
