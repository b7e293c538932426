"""Making one change: intent first, then the call, then only what is known of it."""

from dataclasses import dataclass, replace
from datetime import timedelta

from app.domain.changes import (
    Authorize,
    Change,
    CreateGroup,
    DeleteGroup,
    Join,
    Leave,
    Revoke,
    bound,
)
from app.domain.documents import ACTIONS, Document, change_document
from app.domain.errors import (
    AppError,
    CloudError,
    CloudNotFoundError,
    CloudThrottledError,
    CloudUnavailableError,
    OutcomeUnknownError,
)
from app.domain.operations import Step, StepStatus
from app.ports.clock import Clock
from app.ports.ecs import Clouds, Performed
from app.ports.steps import Steps
from app.ports.store import Store
from app.services.problems import problem_document


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

    `name` is `change` on the way forward and `undo` on the way back; `first_step` is the
    number of the recorded step of the first change.
    """

    operation_id: str
    name: str
    plan_id: str
    changes: tuple[Change, ...]
    first_step: int

    @property
    def descriptions(self) -> frozenset[str]:
        """Descriptions of all rules that the course adds."""
        return frozenset(
            new.description
            for change in self.changes
            if isinstance(change, Authorize)
            for new in change.rules
        )


class ChangesService:
    """Sends the changes of a course one after another."""

    def __init__(self, *, store: Store, clouds: Clouds, clock: Clock, patience: Patience) -> None:
        self._store = store
        self._clouds = clouds
        self._clock = clock
        self._patience = patience

    def make(self, course: Course, steps: Steps, created: dict[str, str]) -> Document | None:
        """Make every change of the course; return the problem that stopped it, if one did.

        `created` gets the ids of new groups, by the name that the changes call them.
        """
        for number, change in enumerate(course.changes, 1):
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
            answer = _object(steps.run(name, lambda: self._perform(course, number, change)))
            if answer["outcome"] == "later":
                steps.pause(self._patience.calm_down)
            elif answer["outcome"] != "unknown":
                return answer
            elif self._shows(name, change, steps):
                return {"outcome": "done"}
        return answer

    def _shows(self, name: str, change: Change, steps: Steps) -> bool:
        """Look until the change shows or the settle window has passed.

        A new group cannot be looked for, but its token makes sending it again harmless.
        """
        if isinstance(change, CreateGroup):
            return False
        for look in range(1, self._patience.looks + 1):
            if steps.run(f"{name}, look {look}", lambda: self._is_done(change)):
                return True
            steps.pause(self._patience.look_every)
        return False

    def _is_done(self, change: Change) -> bool:
        """Say whether the cloud shows the change; one that cannot be read shows nothing."""
        try:
            return self._is_shown(change)
        except CloudError:
            return False

    def _is_shown(self, change: Change) -> bool:
        cloud = self._clouds.of(change.place.account_id, change.place.region_id)
        match change:
            case Join() | Leave():
                found = cloud.instances([change.instance_id])
                member = any(change.group_id in instance.group_ids for instance in found)
                return member is isinstance(change, Join)
            case Authorize():
                groups = cloud.groups([change.group_id])
                held = {each.rule for group in groups for each in group.rules}
                return all(new.rule in held for new in change.rules)
            case Revoke():
                groups = cloud.groups([change.group_id])
                ids = {each.rule_id for group in groups for each in group.rules}
                return not any(each.rule_id in ids for each in change.held)
            case DeleteGroup():
                return not cloud.groups([change.group_id])
            case CreateGroup():
                return False

    def _perform(self, course: Course, number: int, change: Change) -> Document:
        """One durable step: note the intent, make the call, note what came of it."""
        token = f"{course.operation_id}:{course.name}:{number}"
        step = self._begin(course, number, change, token)
        try:
            performed = self._call(change, token)
        except (CloudThrottledError, CloudUnavailableError) as error:
            return self._end(course, step, token, "later", error)
        except OutcomeUnknownError as error:
            return self._end(course, step, token, "unknown", error)
        except AppError as error:
            return self._end(course, step, token, "refused", error)
        answer = self._end(course, step, token, "done", performed)
        return answer | {"group_id": performed.group_id}

    def _call(self, change: Change, token: str) -> Performed:
        cloud = self._clouds.of(change.place.account_id, change.place.region_id)
        try:
            return cloud.perform(change, token=token)
        except CloudNotFoundError:
            if not isinstance(change, Revoke):
                raise
        # Somebody else removed one of the rules: what is left of the batch still has to go.
        present = {
            held.rule_id for group in cloud.groups([change.group_id]) for held in group.rules
        }
        left = tuple(held for held in change.held if held.rule_id in present)
        if not left:
            return Performed("")
        return cloud.perform(replace(change, held=left), token=f"{token}:{len(left)}")

    def _begin(self, course: Course, number: int, change: Change, token: str) -> Step:
        now = self._clock.now()
        with self._store.write() as work:
            attempts = work.intents.begin(course.operation_id, token, change_document(change), now)
            step = Step(
                number=course.first_step + number - 1,
                name=f"{course.name} {number}: {ACTIONS[type(change)]} {change.group_id}",
                status=StepStatus.RUNNING,
                started_at=now,
                attempts=attempts,
            )
            work.operations.keep_step(course.operation_id, step)
            work.commit()
        return step

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
        if isinstance(found, AppError):
            answer["problem"] = problem_document(found)
            request_id = str(found.facts.get("cloud_request_id") or "")
        else:
            request_id = found.request_id
        status = StepStatus.SUCCEEDED if outcome == "done" else StepStatus.FAILED
        ended = replace(
            step,
            status=status,
            finished_at=now,
            detail=str(found) if isinstance(found, AppError) else "",
            cloud_request_ids=(request_id,) if request_id else (),
        )
        with self._store.write() as work:
            work.intents.end(token, outcome, now)
            work.operations.keep_step(course.operation_id, ended)
            work.commit()
        return answer


def _object(value: object) -> Document:
    assert isinstance(value, dict)
    return value
