"""Making one change: intent first, then the call, then only what is known of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import count, pairwise
from typing import TypeAlias

from app.domain.changes import (
    Authorize,
    Change,
    CreateGroup,
    DeleteGroup,
    Join,
    Leave,
    Revoke,
    SetInnerAccess,
    bound,
    takes_away,
)
from app.domain.documents import ACTIONS, Document, change_document
from app.domain.errors import (
    AppError,
    CloudBusyError,
    CloudNotFoundError,
    CloudThrottledError,
    CloudUnavailableError,
    DriftDuringRunError,
    InvalidStateError,
    OutcomeUnknownError,
    RollbackAskedError,
    StillProcessingError,
    StorageUnavailableError,
)
from app.domain.observation import mark
from app.domain.operations import Step, StepStatus
from app.ports.clock import Clock
from app.ports.ecs import Clouds, Ecs, InventoryFilter, Performed
from app.ports.steps import Json, Steps
from app.ports.store import KeptIntent, Store, Work
from app.services.access import AccessService
from app.services.audit import record_call
from app.services.freezes import await_thaw, is_frozen
from app.services.problems import problem_document

FORWARD, BACK = "change", "undo"
"""Names of the two directions; they stand in tokens and in the names of steps."""

OPEN = frozenset({None, "unknown", "processing"})
"""Outcomes of calls of which nobody knows whether they took effect."""

MADE = frozenset({"done", "already"})
"""Outcomes after which there is nothing left to call."""

Gate: TypeAlias = Callable[[int], Document | None]
"""Asked before a removal that follows additions, with how many changes were made:
says what is in the way of it, or nothing."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what.

    `settle` is how long a change may stay unseen before it counts as absent, `look_every`
    the pause between two looks; `calm_down` is the pause after a call that was not let
    through; `sends` is how often one change is sent at most, always with the same token.
    """

    settle: timedelta = timedelta(minutes=10)
    look_every: timedelta = timedelta(seconds=2)
    calm_down: timedelta = timedelta(seconds=20)
    sends: int = 4

    @property
    def looks(self) -> int:
        return max(1, round(self.settle / self.look_every))


@dataclass(frozen=True, slots=True)
class Course:
    """The changes of one direction of an operation, in order.

    `name` is `FORWARD` or `BACK`; `first_step` is the number of the recorded step of the first
    change. `origin_id` is the operation whose changes these are or take back: the operation
    itself, or the earlier one that it takes up. `is_watched` says that a recorded step follows
    the verification.
    """

    operation_id: str
    origin_id: str
    name: str
    plan_id: str
    changes: tuple[Change, ...]
    first_step: int
    is_watched: bool = False

    @property
    def next_step(self) -> int:
        """The number of the first recorded step after the changes: the verification."""
        return self.first_step + len(self.changes)

    @property
    def last_step(self) -> int:
        """The number of the recorded step that ends it, or with which the way back begins."""
        return self.next_step + 1 + self.is_watched

    def token(self, number: int) -> str:
        """The token of a change: the same at every try, and of no other change."""
        return f"{self.operation_id}:{self.name}:{number}"


class ChangesService:
    """Sends the changes of a course one after another."""

    def __init__(self, *, store: Store, clouds: Clouds, clock: Clock, patience: Patience) -> None:
        self._store = store
        self._clouds = clouds
        self._clock = clock
        self._patience = patience
        self._access = AccessService(store=store, clock=clock)

    def make(
        self, course: Course, steps: Steps, created: dict[str, str], gate: Gate
    ) -> Document | None:
        """Make every change of the course; return the problem that stopped it, if one did.

        `created` gets the ids of new groups, by the name that the changes call them. Nothing
        is removed before what was added in its stead has been seen.
        """
        gated = gated_removals(course.changes)
        for number, change in enumerate(course.changes, 1):
            in_the_way = gate(number - 1) if number in gated else None
            if in_the_way is not None:
                return in_the_way
            answer = self._send(course, number, bound(change, created), steps)
            if answer.get("group_id"):
                created[change.group_id] = answer["group_id"]
            if answer["outcome"] != "done":
                problem: Document = answer["problem"]
                return problem
        return None

    def _send(self, course: Course, number: int, change: Change, steps: Steps) -> Document:
        answer: Document = {}
        for attempt in range(1, self._patience.sends + 1):
            name = f"{course.name} {number}" + (f", try {attempt}" if attempt > 1 else "")
            answer = self._once(name, course, number, change, steps)
            if answer["outcome"] in {"done", "refused"}:
                break
            if answer["outcome"] == "later" and attempt < self._patience.sends:
                steps.pause(self._pause_after(answer))
        return answer

    def _pause_after(self, answer: Document) -> timedelta:
        """Until there is a place in our own budget, or the cloud's minute is over."""
        seconds = answer["problem"].get("retry_after_seconds")
        return self._patience.calm_down if seconds is None else timedelta(seconds=seconds)

    def _once(
        self, name: str, course: Course, number: int, change: Change, steps: Steps
    ) -> Document:
        """Send once; look where that leaves the outcome open, wait where the cloud is behind."""
        perform = partial(self._perform, course, number, change)
        answer = _object(steps.run(name, perform))
        for again in count(1):
            if answer["outcome"] != "parked":
                break
            await_thaw(self._store, course.operation_id, steps)
            answer = _object(steps.run(f"{name}, after freeze {again}", perform))
        for again in range(1, self._patience.looks + 1):
            if answer["outcome"] != "busy":
                break
            steps.pause(self._patience.look_every)
            answer = _object(steps.run(f"{name}, again {again}", perform))
        if answer["outcome"] == "unknown":
            shown = self._look(name, course, change, steps)
            if shown is not None:
                return self._found(course, number, shown)
        return answer if answer["outcome"] != "busy" else answer | {"outcome": "refused"}

    def _found(self, course: Course, number: int, shown: Document) -> Document:
        """Note that a call whose outcome was open has taken effect."""
        group_id, now = shown["group_id"], self._clock.now()
        with self._store.write() as work:
            work.intents.end(course.token(number), "done", now, group_id=group_id)
            record_call(work, course.operation_id, course.token(number), "done", at=now)
            operation = work.operations.get(course.operation_id)
            for step in operation.steps if operation is not None else ():
                if step.number == course.first_step + number - 1:
                    seen = replace(step, status=StepStatus.SUCCEEDED, finished_at=now)
                    work.operations.keep_step(course.operation_id, seen)
            work.commit()
        return {"outcome": "done", "group_id": group_id}

    def _look(self, name: str, course: Course, change: Change, steps: Steps) -> Document | None:
        """Look until the change shows or the settle window has passed."""
        for look in range(1, self._patience.looks + 1):
            if look > 1:
                steps.pause(self._patience.look_every)
            shown = steps.run(f"{name}, look {look}", lambda: self._is_done(course, change))
            if shown is not None:
                return _object(shown)
        return None

    def _is_done(self, course: Course, change: Change) -> dict[str, Json] | None:
        """Say whether the cloud shows the change; one that cannot be read shows nothing."""
        try:
            return _is_shown(self._cloud(course, change), change)
        except StorageUnavailableError:
            raise
        except AppError:
            return None

    def _perform(self, course: Course, number: int, change: Change) -> Document:
        """One durable step: note the intent, make the call, note what came of it."""
        token = course.token(number)
        begun = self._begin(course, number, change, token)
        if begun is None:
            return {"outcome": "parked"}
        if isinstance(begun, AppError):
            return {"outcome": "refused", "problem": problem_document(begun)}
        if isinstance(begun, KeptIntent):
            made = begun.change["group_id"] if isinstance(change, CreateGroup) else None
            return {"outcome": "done", "group_id": made}
        step, maybe_done = begun
        try:
            performed = self._call(course, step, change, token, look_first=maybe_done)
        except StorageUnavailableError:
            raise
        except CloudBusyError as error:
            return self._end(course, step, token, "busy", error)
        except (CloudThrottledError, CloudUnavailableError) as error:
            outcome = "unknown" if maybe_done else "later"
            return self._end(course, step, token, outcome, error) | {"outcome": "later"}
        except StillProcessingError as error:
            return self._end(course, step, token, "processing", error) | {"outcome": "unknown"}
        except OutcomeUnknownError as error:
            return self._end(course, step, token, "unknown", error)
        except AppError as error:
            made = self._made_after_all(course, change)
            if made is not None:
                return self._end(course, step, token, "done", made) | {"group_id": made.group_id}
            outcome = "unknown" if maybe_done else "refused"
            return self._end(course, step, token, outcome, error) | {"outcome": "refused"}
        # What was so before the only call that we made is somebody else's.
        outcome = "already" if performed.already and not maybe_done else "done"
        answer = self._end(course, step, token, outcome, performed)
        return answer | {"outcome": "done", "group_id": performed.group_id}

    def _made_after_all(self, course: Course, change: Change) -> Performed | None:
        """A group that the cloud made although it said no, as our marker in it tells."""
        if not isinstance(change, CreateGroup):
            return None
        try:
            group_id = _made(self._cloud(course, change), change)
        except StorageUnavailableError:
            raise
        except AppError:
            return None
        return None if group_id is None else Performed("", group_id)

    def _cloud(self, course: Course, change: Change) -> Ecs:
        place, urgent = change.place, course.name == BACK
        return self._clouds.of(place.account_id, place.region_id, urgent=urgent)

    def _call(
        self, course: Course, step: Step, change: Change, token: str, *, look_first: bool
    ) -> Performed:
        cloud = self._cloud(course, change)
        if look_first and isinstance(change, CreateGroup):
            group_id = _made(cloud, change)  # how long the cloud keeps a token is not known
            if group_id is not None:
                return Performed("", group_id)
        just_read = course.name == FORWARD and step.number == course.first_step
        if isinstance(change, Revoke) and not (just_read and step.attempts == 1):
            _check_unedited(cloud, change)
        try:
            return cloud.perform(change, token=token, again=step.attempts > 1)
        except CloudNotFoundError:
            if not isinstance(change, Revoke):
                raise
        # Somebody else removed one of the rules: what is left of the batch still has to go.
        present = {
            held.rule_id for group in cloud.groups([change.group_id]) for held in group.rules
        }
        left = tuple(held for held in change.held if held.rule_id in present)
        if not left:
            return Performed("", already=True)
        try:
            return cloud.perform(replace(change, held=left), token=f"{token}:{len(left)}")
        except CloudNotFoundError as error:  # the read was behind: look before deciding
            raise OutcomeUnknownError(str(error), **error.facts) from error

    def _begin(
        self, course: Course, number: int, change: Change, token: str
    ) -> tuple[Step, bool] | KeptIntent | AppError | None:
        """Note the intent; return whether an earlier try may have done it, or why not to go on;
        None while it is frozen.

        Where the process died after it had noted the end of the call, that is returned: asked
        again, the cloud would say that it was so already, and what is ours would be nobody's.
        Looking whether to go on and noting the intent are one transaction: who cancels, asks
        to go back or takes the operation over is either in time or sees the intent.
        """
        now = self._clock.now()
        with self._store.write() as work:
            earlier = work.intents.get(token)
            if earlier is not None and earlier.outcome in MADE:
                return earlier
            maybe_done = earlier is not None and earlier.outcome in OPEN
            halt = self._halt(work, course, maybe_done=maybe_done)
            if halt is not None:
                return halt
            if course.name == FORWARD and not maybe_done and _is_frozen(work, course):
                return None
            attempts = work.intents.begin(course.operation_id, token, change_document(change), now)
            step = Step(
                number=course.first_step + number - 1,
                name=f"{course.name} {number}: {ACTIONS[type(change)]} {change.group_id}",
                status=StepStatus.RUNNING,
                started_at=now,
                attempts=attempts,
            )
            work.operations.keep_step(course.operation_id, step)
            record_call(work, course.operation_id, token, "begun", at=now)
            work.commit()
        return step, maybe_done

    def _halt(self, work: Work, course: Course, *, maybe_done: bool) -> AppError | None:
        """Say why the next call is not to be made; a call that is open is brought to its end."""
        operation = work.operations.get(course.operation_id)
        assert operation is not None
        if operation.status.is_final:
            return InvalidStateError("the operation has ended", operation_id=course.operation_id)
        if course.name != FORWARD or maybe_done:
            return None
        if operation.rollback_asked_at is not None:
            return RollbackAskedError("somebody asked to take the operation back")
        return self._access.lost(work, operation)

    def _end(
        self,
        course: Course,
        step: Step,
        token: str,
        outcome: str,
        found: AppError | Performed,
    ) -> Document:
        now = self._clock.now()
        answer: Document = {"outcome": outcome}
        group_id = None if isinstance(found, AppError) else found.group_id
        if isinstance(found, AppError):
            answer["problem"] = problem_document(found)
            request_id = str(found.facts.get("cloud_request_id") or "")
        else:
            request_id = found.request_id
        good = not isinstance(found, AppError)
        status = StepStatus.SUCCEEDED if good else StepStatus.FAILED
        ended = replace(
            step,
            status=status,
            finished_at=now,
            detail=str(found) if isinstance(found, AppError) else "",
            cloud_request_ids=(request_id,) if request_id else (),
        )
        with self._store.write() as work:
            work.intents.end(token, outcome, now, group_id=group_id)
            work.operations.keep_step(course.operation_id, ended)
            told = {"cloud_request_id": request_id}
            record_call(work, course.operation_id, token, outcome, at=now, **told)
            work.commit()
        return answer


def gated_removals(changes: Sequence[Change]) -> tuple[int, ...]:
    """Return the numbers of the removals that follow an addition right before, from 1."""
    removals = [takes_away(change) for change in changes]
    return tuple(
        number for number, (before, now) in enumerate(pairwise(removals), 2) if now and not before
    )


def gate_name(name: str, course: Course, made: int) -> str:
    """Name the gate after so many changes: the first one has the name alone."""
    return name if made + 1 == gated_removals(course.changes)[0] else f"{name} {made + 1}"


def _is_frozen(work: Work, course: Course) -> bool:
    operation = work.operations.get(course.operation_id)
    return operation is not None and is_frozen(work, operation)


def _is_shown(cloud: Ecs, change: Change) -> dict[str, Json] | None:
    shown: dict[str, Json] = {"group_id": None}
    match change:
        case Join() | Leave():
            found = cloud.instances([change.instance_id])
            member = any(change.group_id in instance.group_ids for instance in found)
            return shown if member is isinstance(change, Join) else None
        case Authorize():
            groups = cloud.groups([change.group_id])
            held = {each.rule for group in groups for each in group.rules}
            return shown if all(new.rule in held for new in change.rules) else None
        case Revoke():
            groups = cloud.groups([change.group_id])
            ids = {each.rule_id for group in groups for each in group.rules}
            return None if any(each.rule_id in ids for each in change.held) else shown
        case SetInnerAccess():
            groups = cloud.groups([change.group_id])
            return shown if any(each.inner_access is change.policy for each in groups) else None
        case DeleteGroup():
            return None if cloud.groups([change.group_id]) else shown
        case CreateGroup():
            group_id = _made(cloud, change)
            return None if group_id is None else {"group_id": group_id}


def _check_unedited(cloud: Ecs, change: Revoke) -> None:
    """Look right before rules go whether they are still what they were.

    The cloud removes by id, whatever somebody has made of the rule meanwhile: what remains is
    the time of one call.

    Raises:
        DriftDuringRunError: with the ids of rules that somebody has edited.
    """
    present = {
        held.rule_id: held for group in cloud.groups([change.group_id]) for held in group.rules
    }
    edited = [
        held.rule_id
        for held in change.held
        if (now := present.get(held.rule_id)) is not None
        and (now.rule != held.rule or mark(now.description) != mark(held.description))
    ]
    if edited:
        raise DriftDuringRunError(
            "somebody edited a rule that was to be removed",
            group_id=change.group_id,
            rule_ids=edited,
        )


def _made(cloud: Ecs, change: CreateGroup) -> str | None:
    """Find a group that an earlier call made, by its name and our marker in its description."""
    wanted = mark(change.description)
    token: str | None = None
    while wanted:
        page = cloud.page_of_groups(InventoryFilter(name=change.name), limit=50, token=token)
        for summary in page.items:
            if mark(summary.description) == wanted:
                return summary.group.group_id
        token = page.next_token
        if token is None:
            break
    return None


def _object(value: object) -> Document:
    assert isinstance(value, dict)
    return value
