"""One thread, many tasks, virtual time: who runs next is drawn, and nothing else decides it."""

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

from greenlet import getcurrent, greenlet

from tests.support.chance import Seeded

START = datetime(2026, 3, 1, tzinfo=UTC).timestamp()


class Task:
    """Something that goes on by itself until it waits; `owner` is whose process it is in.

    `tenure_id` is set where it carries out an operation.
    """

    def __init__(
        self,
        name: str,
        act: Callable[[], None],
        owner: object,
        tenure_id: str | None,
        hub: greenlet,
    ) -> None:
        self.name = name
        self.owner = owner
        self.tenure_id = tenure_id
        self.wake_at = 0.0
        self.operation_id: str | None = None
        self.step_began = 0
        self.is_dying = False
        self.error: BaseException | None = None
        self._act = act
        self.greenlet = greenlet(self._run, parent=hub)

    def _run(self) -> None:
        try:
            self._act()
        except BaseException as error:  # noqa: BLE001 - the hub judges it
            self.error = error

    @property
    def is_over(self) -> bool:
        return bool(self.greenlet.dead)


class Hub:
    """Runs tasks one at a time; time stands still while any of them can go on."""

    def __init__(self, chance: Seeded) -> None:
        self._chance = chance
        self._main = getcurrent()
        self._numbers = count(1)
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._awaited = 0
        self.is_busy: Callable[[], bool] = lambda: False
        self.now = START
        self.tasks: list[Task] = []
        self.current: Task | None = None
        self.can_run: Callable[[Task], bool] = lambda _: True
        self.ended: Callable[[Task], None] = lambda _: None
        self.between: Callable[[], None] = lambda: None

    def spawn(
        self, name: str, act: Callable[[], None], owner: object, tenure_id: str | None = None
    ) -> Task:
        task = Task(name, act, owner, tenure_id, self._main)
        self.tasks.append(task)
        return task

    def at(self, delay: float, act: Callable[[], None]) -> None:
        """Do something later, beside all tasks; a run does not end before."""
        self._awaited += 1

        def counted() -> None:
            self._awaited -= 1
            act()

        self.now_and_then(delay, counted)

    def now_and_then(self, delay: float, act: Callable[[], None]) -> None:
        """Do something later, if a run goes on until then."""
        heapq.heappush(self._timers, (self.now + delay, next(self._numbers), act))

    def pause(self, seconds: float) -> None:
        """Let the present task wait; without one, time just passes."""
        if self.current is None:
            self.now += seconds
            return
        self.current.wake_at = self.now + seconds
        self._main.switch()

    def kill(self, task: Task, error: BaseException) -> None:
        """Let a task that waits die of the error, where it stands."""
        self.tasks.remove(task)
        task.is_dying = True
        if task.greenlet:
            before, self.current = self.current, task
            task.greenlet.throw(error)
            self.current = before

    def run(self, until: float) -> bool:
        """Run until nothing is to be done any more; False if it never is, or not before then."""
        while True:
            self.between()
            ready = [each for each in self.tasks if each.wake_at <= self.now and self.can_run(each)]
            if ready:
                self._switch(self._chance.one(ready) if len(ready) > 1 else ready[0])
                continue
            if not (self.tasks or self._awaited or self.is_busy()):
                return True
            times = [each.wake_at for each in self.tasks if self.can_run(each)]
            if self._timers:
                times.append(self._timers[0][0])
            if not times:
                return False
            if min(times) > until:
                return False
            self.now = max(self.now, min(times))
            while self._timers and self._timers[0][0] <= self.now:
                heapq.heappop(self._timers)[2]()

    def _switch(self, task: Task) -> None:
        self.current = task
        task.greenlet.switch()
        self.current = None
        if task.is_over and task in self.tasks:
            self.tasks.remove(task)
            self.ended(task)


class VirtualClock:
    """The wall clock of the service's machines: the hub's time, and how far somebody set it off."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.skew = timedelta(0)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._hub.now, UTC) + self.skew

    def elapsed(self) -> timedelta:
        """What nobody can set: the hub's time."""
        return timedelta(seconds=self._hub.now)


class CountedIds:
    """Ids in order; what is secret begins with a text that is found wherever it leaks to."""

    CANARY = "canary"

    def __init__(self) -> None:
        self._numbers = count(1)

    def new(self) -> str:
        return f"00000000-0000-4000-8000-{next(self._numbers):012d}"

    def secret(self) -> str:
        return f"{self.CANARY}{next(self._numbers):034d}"
