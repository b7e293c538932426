"""The end of the way forward: look until all is as planned, watch it, then record it."""

from functools import partial

import structlog

from app.domain.documents import Document
from app.domain.errors import AppError, RollbackAskedError, StorageUnavailableError
from app.ports.clock import Clock
from app.ports.steps import Steps
from app.ports.store import Store
from app.services.changes import Course, Patience
from app.services.endings import EndingsService
from app.services.looking import look
from app.services.problems import problem_document
from app.services.verification import VerificationService
from app.services.watching import Watching

log = structlog.get_logger()


class Completion:
    """Verifies a course and ends its operation well."""

    def __init__(
        self,
        *,
        store: Store,
        verification: VerificationService,
        watching: Watching,
        endings: EndingsService,
        clock: Clock,
        patience: Patience,
    ) -> None:
        self._store = store
        self._verification = verification
        self._watching = watching
        self._endings = endings
        self._clock = clock
        self._patience = patience

    def complete(self, course: Course, created: dict[str, str], steps: Steps) -> Document | None:
        """End the operation if all is as planned; otherwise return the problem."""
        once = partial(self._verify, course, created)
        found = look("verify", self._patience, steps, once)
        if "result" not in found:
            problem: Document = found["problem"]
            return problem
        broken = self._watching.watch(course, created, steps)
        if broken is not None:
            return broken
        result, number = found["result"], course.last_step
        record = partial(self._endings.succeed, course.operation_id, result, number)
        if steps.run("record", record):
            log.info("operation_succeeded")
            return None
        return problem_document(RollbackAskedError("somebody asked to take the operation back"))

    def _verify(self, course: Course, created: dict[str, str], number: int) -> Document:
        began = self._clock.now()
        with self._store.read() as work:
            operation = work.operations.get(course.operation_id)
        if operation is not None and operation.rollback_asked_at is not None:
            asked = RollbackAskedError("somebody asked to take the operation back")
            return {"problem": problem_document(asked), "final": True}
        try:
            found = self._verification.verify(course, created)
        except StorageUnavailableError:
            raise
        except AppError as error:
            found = {"problem": problem_document(error)}
        with self._store.write() as work:
            name = f"verify, look {number}"
            self._endings.note_step(work, course.operation_id, course.next_step, name, began)
            work.commit()
        return found
