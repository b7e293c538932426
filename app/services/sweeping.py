"""What nobody would look at otherwise: operations left behind, and effects that came late."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import structlog

from app.domain.changes import Authorize, CreateGroup, Join
from app.domain.errors import AppError, EngineGaveUpError, StorageUnavailableError
from app.domain.operations import Operation, OperationStatus
from app.ports.clock import Clock
from app.ports.engine import Engine, Fate
from app.ports.store import Store
from app.services.courses import course_of
from app.services.endings import EndingsService, origin_of
from app.services.interventions import InterventionsService
from app.services.ledger import LedgerService
from app.services.problems import problem_document
from app.services.verification import VerificationService
from app.services.way_back import WayBack

log = structlog.get_logger()

UNENDED = frozenset(
    {OperationStatus.PENDING, OperationStatus.RUNNING, OperationStatus.ROLLING_BACK}
)


class SweepingService:
    """Done now and then by one replica; safe to be done by several, and to be cut short."""

    def __init__(
        self,
        *,
        store: Store,
        engine: Engine,
        way_back: WayBack,
        verification: VerificationService,
        ledger: LedgerService,
        endings: EndingsService,
        interventions: InterventionsService,
        clock: Clock,
        late_window: timedelta,
    ) -> None:
        """`late_window` is how long after its end an operation is asked for late effects."""
        self._store = store
        self._engine = engine
        self._way_back = way_back
        self._verification = verification
        self._ledger = ledger
        self._endings = endings
        self._interventions = interventions
        self._clock = clock
        self._late_window = late_window

    def __call__(self) -> None:
        for operation, fate in self._abandoned():
            self._guarded(operation, partial(self._settle, fate=fate))
        for operation in self._lately_rolled_back():
            self._guarded(operation, self._take_late_effects_back)

    def _guarded(self, operation: Operation, do: Callable[[Operation], None]) -> None:
        """One operation that cannot be looked at does not keep the others waiting."""
        with structlog.contextvars.bound_contextvars(operation_id=operation.operation_id):
            try:
                do(operation)
            except StorageUnavailableError:
                raise
            except AppError as error:
                log.warning("not_swept_yet", code=error.code)

    # --- left behind ---

    def _abandoned(self) -> list[tuple[Operation, Fate]]:
        with self._store.read() as work:
            unended = work.operations.of_status(UNENDED)
        fates = self._engine.abandoned([each.operation_id for each in unended])
        return [(each, fates[each.operation_id]) for each in unended if each.operation_id in fates]

    def _settle(self, operation: Operation, *, fate: Fate) -> None:
        """Bring an operation that nobody goes on with to an end, or to a new beginning."""
        operation_id = operation.operation_id
        problem = problem_document(EngineGaveUpError(WHY[fate]))
        with self._store.write() as work:
            touched = bool(work.intents.of_operation(operation_id))
            touched |= operation.status is OperationStatus.ROLLING_BACK
            if not touched:
                if fate is Fate.OUTDATED:
                    work.enqueue(operation_id, anew=True)
                else:
                    self._endings.reject(work, operation_id, problem)
                work.commit()
                log.warning("operation_left_behind", fate=fate.value)
                return
            course = course_of(work, operation)
        log.error("operation_given_up", fate=fate.value)
        created = self._ledger.created(course.origin_id)
        self._way_back.give_up(course, created, problem, problem)

    # --- late effects ---

    def _lately_rolled_back(self) -> list[Operation]:
        since = self._clock.now() - self._late_window
        with self._store.read() as work:
            ended = work.operations.of_status({OperationStatus.ROLLED_BACK}, since=since)
        return [each for each in ended if each.settled_by is None and self._is_open(each)]

    def _is_open(self, operation: Operation) -> bool:
        """Whether a call that adds something was never known to have failed, or to have ended."""
        with self._store.read() as work:
            origin_id = origin_of(work, operation).operation_id
        taken_up = operation.settles is not None
        calls = self._ledger.sent(origin_id) if taken_up else self._ledger.open_calls(origin_id)
        return any(isinstance(change, Authorize | Join | CreateGroup) for change in calls)

    def _take_late_effects_back(self, operation: Operation) -> None:
        with self._store.read() as work:
            course = course_of(work, operation)
        created = self._ledger.created(course.origin_id)
        world = self._verification.read(course, created)
        late = self._ledger.remaining(course.origin_id, world)
        if late:
            settling = self._interventions.take_back_late(operation.operation_id)
            log.error("late_effect_found", count=len(late), settled_by=settling.operation_id)


WHY = {
    Fate.OUTDATED: "an earlier version of the service left the operation behind",
    Fate.GIVEN_UP: "the operation was begun again too often, or broke",
}
