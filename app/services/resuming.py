"""Taking up what needed attention: look again, then finish it, or go back to the end.

The operation that does so is a new one: an end state never changes.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import structlog

from app.domain.changes import CreateGroup, bound
from app.domain.documents import Document
from app.domain.errors import RollbackAskedError, StorageUnavailableError
from app.domain.operations import Operation
from app.ports.clock import Clock
from app.ports.steps import Steps
from app.ports.store import Store
from app.services.backups import BackupsService
from app.services.changes import Course
from app.services.completion import Completion
from app.services.courses import STEPS_BEFORE, course_of
from app.services.endings import EndingsService, origin_of
from app.services.ledger import LedgerService
from app.services.problems import problem_document
from app.services.queueing import await_turn
from app.services.verification import VerificationService
from app.services.way_back import WayBack, problem_of

log = structlog.get_logger()


class Resuming:
    """Carries out operations that settle an earlier one which needed attention."""

    def __init__(
        self,
        *,
        store: Store,
        backups: BackupsService,
        verification: VerificationService,
        completion: Completion,
        way_back: WayBack,
        endings: EndingsService,
        ledger: LedgerService,
        clock: Clock,
    ) -> None:
        self._store = store
        self._backups = backups
        self._verification = verification
        self._completion = completion
        self._way_back = way_back
        self._endings = endings
        self._ledger = ledger
        self._clock = clock

    def is_for(self, operation_id: str) -> bool:
        """Whether this operation takes up another one; so it does from its beginning to its end."""
        with self._store.read() as work:
            operation = work.operations.get(operation_id)
            return operation is not None and origin_of(work, operation) != operation

    def run(self, operation_id: str, steps: Steps) -> None:
        """Look, then finish in the direction that was chosen; back where none was and all is
        not as planned.

        Raises:
            StorageUnavailableError: nothing can be recorded now; the engine takes it up again.
        """
        await_turn(self._store, operation_id, steps)
        if not steps.run("begin 1", lambda: self._endings.begin(operation_id)):
            return
        course, earlier = self._course(operation_id)
        created = self._ledger.created(course.origin_id)
        if not steps.run("prepare 1", partial(self._prepare, course, created)):
            return
        problem = self._problem(course, earlier, created, steps)
        if problem is not None:
            self._way_back.go(course, created, problem, steps)

    def _problem(
        self, course: Course, earlier: Operation, created: dict[str, str], steps: Steps
    ) -> Document | None:
        """Finish if that is the direction; otherwise say why to go back."""
        if earlier.turned_back:
            why: Document = (earlier.error or {}).get("cause") or earlier.error or {}
            return why
        if steps.run("asked", lambda: self._asked_back(course.operation_id)):
            return problem_document(RollbackAskedError("somebody asked to take it back"))
        try:
            return self._completion.complete(course, created, steps)
        except StorageUnavailableError:
            raise
        except Exception as error:
            log.exception("operation_broken")
            return problem_of(error)

    def _asked_back(self, operation_id: str) -> bool:
        with self._store.read() as work:
            operation = work.operations.get(operation_id)
        return operation is not None and operation.rollback_asked_at is not None

    def _course(self, operation_id: str) -> tuple[Course, Operation]:
        """The changes of the first operation, and the one that needs attention by now."""
        with self._store.read() as work:
            operation = work.operations.get(operation_id)
            assert operation is not None
            assert operation.settles is not None
            earlier = work.operations.get(operation.settles)
            assert earlier is not None
            return course_of(work, operation), earlier

    def _prepare(self, course: Course, created: Mapping[str, str]) -> bool:
        """One step: read, and back up what may be touched; False where that ended the operation."""
        try:
            return self._back_up(course, created)
        except StorageUnavailableError:
            raise
        except Exception as error:
            log.exception("operation_not_resumed")
            with self._store.write() as work:
                self._endings.reject(work, course.operation_id, problem_of(error))
                work.commit()
            return False

    def _back_up(self, course: Course, created: Mapping[str, str]) -> bool:
        began = self._clock.now()
        changes = [bound(change, dict(created)) for change in course.changes]
        world = self._verification.read(course, created)
        checked = self._clock.now()
        present = [
            change
            for change in changes
            if change.group_id in world.groups and not isinstance(change, CreateGroup)
        ]
        with self._store.write() as work:
            operation = work.operations.get(course.operation_id)
            assert operation is not None
            if operation.status.is_final:
                return False
            backup_ids = self._backups.take(work, world, present, course.operation_id)
            self._endings.note_step(work, course.operation_id, 1, "check", began)
            self._endings.note_step(work, course.operation_id, 2, "back up", checked)
            intended = STEPS_BEFORE + len(changes) + 2
            work.operations.update(
                replace(operation, backup_ids=backup_ids, intended_steps=intended)
            )
            work.commit()
        for backup_id in backup_ids:
            self._backups.get(backup_id)  # read back: its hash is checked
        return True
