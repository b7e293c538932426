"""A plan being carried out: its states, its steps, and what it leaves behind."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.documents import Document
from app.domain.errors import InvalidStateError


class OperationKind(StrEnum):
    CONNECT = "connect"
    DISCONNECT = "disconnect"
    MOVE = "move"
    RESTORE = "restore"
    TIGHTEN = "tighten"
    COMPACT = "compact"
    TIERS = "tiers"
    REPAIR = "repair"

    @property
    def makes_connection(self) -> bool:
        """Whether it adds what a connection needs: that is then ours, and has to let it through."""
        return self in {OperationKind.CONNECT, OperationKind.MOVE, OperationKind.REPAIR}


class OperationStatus(StrEnum):
    """`rejected` and `cancelled`: nothing was touched. `rolled_back`: what was touched is as
    it was. `needs_attention`: it is not, and the error says exactly what remains.
    """

    PENDING = "pending"
    RUNNING = "running"
    ROLLING_BACK = "rolling_back"
    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled_back"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    NEEDS_ATTENTION = "needs_attention"

    @property
    def is_final(self) -> bool:
        return not MOVES[self]


_S = OperationStatus
MOVES: dict[OperationStatus, frozenset[OperationStatus]] = {
    _S.PENDING: frozenset({_S.RUNNING, _S.CANCELLED, _S.REJECTED}),
    _S.RUNNING: frozenset(
        {_S.SUCCEEDED, _S.REJECTED, _S.CANCELLED, _S.ROLLING_BACK, _S.NEEDS_ATTENTION}
    ),
    _S.ROLLING_BACK: frozenset({_S.ROLLED_BACK, _S.NEEDS_ATTENTION}),
    _S.SUCCEEDED: frozenset(),
    _S.ROLLED_BACK: frozenset(),
    _S.REJECTED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.NEEDS_ATTENTION: frozenset(),
}


def check_move(present: OperationStatus, wanted: OperationStatus) -> None:
    """Refuse a move that the table of states does not have; staying is always allowed.

    Raises:
        InvalidStateError: an end state never changes, and nothing runs backwards.
    """
    if wanted is not present and wanted not in MOVES[present]:
        raise InvalidStateError(f"an operation that is {present} cannot become {wanted}")


TURNED_BACK = "turned_back"
"""Member of the error of an operation that needs attention: whether it had turned back."""


WATCH = "watch"
"""Name of the step in which an operation is watched before it counts as done."""


class StepStatus(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Step:
    """The smallest recorded unit of an operation, in order of `number` (from 1).

    `attempts` counts how often it was begun; `cloud_request_ids` are those of its mutating
    calls.
    """

    number: int
    name: str
    status: StepStatus
    started_at: datetime
    finished_at: datetime | None = None
    attempts: int = 1
    detail: str = ""
    cloud_request_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """`result` and `error` are documents for the caller; at its end exactly one is set.
    `connection_id` is None where the operation is of no connection: a restore.

    `intended_steps` is how many steps the way forward has, once that is known. `settles` is
    the earlier operation that this one takes up (it needed attention) or takes back (it had
    succeeded), and `settled_by` is the same seen from there: an end state never changes.
    `rollback_asked_at` is when somebody asked to go back. `actor` is the id of the principal who
    asked for the operation; None where an earlier version kept none.
    """

    operation_id: str
    kind: OperationKind
    status: OperationStatus
    connection_id: str | None
    created_at: datetime
    plan_id: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    intended_steps: int | None = None
    steps: tuple[Step, ...] = ()
    backup_ids: tuple[str, ...] = ()
    result: Document | None = None
    error: Document | None = None
    rollback_asked_at: datetime | None = None
    finish_asked_at: datetime | None = None
    settles: str | None = None
    settled_by: str | None = None
    actor: str | None = None

    @property
    def turned_back(self) -> bool:
        """Whether the way back was chosen, which is for good."""
        if self.status in {OperationStatus.ROLLING_BACK, OperationStatus.ROLLED_BACK}:
            return True
        return self.error is not None and bool(self.error.get(TURNED_BACK))

    @property
    def progress(self) -> int:
        """Percentage done: 100 exactly at the end."""
        done = sum(step.status is StepStatus.SUCCEEDED for step in self.steps)
        return progress_of(self.status, done, self.intended_steps)


def is_watching(operation: Operation) -> bool:
    """Whether all is changed and verified, and only watched now."""
    return any(step.name == WATCH and step.status is StepStatus.RUNNING for step in operation.steps)


def progress_of(status: OperationStatus, done: int, intended: int | None) -> int:
    """Return the percentage of steps that are done: 100 exactly at the end."""
    if status.is_final:
        return 100
    return min(99, 100 * done // intended) if intended else 0


class EventKind(StrEnum):
    STATUS = "status"
    STEP = "step"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an operation, as it was then; `number` only grows.

    `step` is set for events of that kind.
    """

    number: int
    kind: EventKind
    status: OperationStatus
    progress: int
    step: Step | None = None
