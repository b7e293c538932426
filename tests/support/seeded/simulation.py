"""One run: real operations over the journal in memory, in processes that die, freeze and go on."""

import logging
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Any, NoReturn, TypeVar

import structlog

from app.adapters.ecs.transport import Identity, Reply, SdkRequest
from app.domain.accounts import Account
from app.domain.errors import AppError, StorageUnavailableError, SupersededError
from app.domain.operations import Operation
from app.domain.plan import Limits
from app.ports.engine import Fate
from app.workflow.errors import Interrupted
from tests.support.chance import Seeded
from tests.support.clouds import ACCOUNT, OTHER_ACCOUNT, REGION, ROLE, InMemoryTransport
from tests.support.journal import Crash, Journal, JournalledSteps, Moment
from tests.support.memory import MemoryStore, Shelf
from tests.support.seeded import hands
from tests.support.seeded.cloud import TwinCloud
from tests.support.seeded.hub import START, CountedIds, Hub, Task, VirtualClock
from tests.support.seeded.parts import Parts, parts
from tests.support.seeded.scenes import Act, Scene, probes_of
from tests.support.seeded.truth import Truth, Violation

T = TypeVar("T")

LEASE, GRACE, BEAT, REVIVAL = 30.0, 20.0, 5.0, 5.0
LONGEST = 12 * 3600
"""Seconds after which a run that still goes on is one that never ends."""

MOST_BOUNDARIES = 6_000
"""After which a run is one that never ends, whatever the time."""

BROKEN = {"operation_broken", "way_back_broken", "operation_not_resumed"}
"""What the service logs of errors that are no answers of the cloud."""


@dataclass(eq=False, slots=True)
class Process:
    """A process from one start to one end; all that it holds in memory goes with it."""

    name: str
    tenure_id: str
    heard: float
    parts: Parts
    is_alive: bool = True
    is_closing: bool = False
    frozen_until: float = 0.0


class Simulation:
    """`crash_at` are numbers of effects at which the process dies, whatever the scene says."""

    def __init__(
        self, scene: Scene, seed: object, *, crash_at: frozenset[int] = frozenset()
    ) -> None:
        self.scene = scene
        self.chance = Seeded(f"run {seed}")
        self.hub = Hub(self.chance)
        self.hub.can_run = self._can_run
        self.hub.ended = self._ended
        self.hub.between = self._between
        self.hub.is_busy = self._is_busy
        self.clock = VirtualClock(self.hub)
        self.ids = CountedIds()
        self.shelf = Shelf()
        self.cloud = TwinCloud(scene.estate, self.hub, probes_of(scene.estate))
        self.journals: dict[str, Journal] = {}
        self.owners: dict[str, str] = {}
        self.waiting: list[str] = []
        self.processes: list[Process] = []
        self.fates: dict[str, Fate] = {}
        self.acts = list(scene.acts)
        self.trace: list[str] = []
        self._cues = list(scene.cues)
        self._told: Counter[str] = Counter()
        self.boundaries = 0
        self.effects = self.effects_before_heal = 0
        self.crashed = 0
        self.residual = False
        self.is_healed = False
        self._crash_at = crash_at
        self._broken: Violation | None = None
        self._failing = ""
        self._failures = 0
        self.truth = Truth(self)
        self.shelf.watchers.append(self.truth.committed)
        self.cloud.truth.put_settings(scene.settings)
        self.cloud.truth.put_faults(
            {"seed": self.chance.number(0, 10**9), "faults": list(scene.faults)}
        )
        self.wire = Wire(self)
        self._register()
        for number in range(scene.processes):
            self._start(f"p{number + 1}")

    # --- telling --------------------------------------------------------------------

    def tell(self, text: str) -> None:
        task = self.hub.current
        name = "" if task is None else task.name
        self.trace.append(f"{self.hub.now - START:.3f} {name} {text}")
        if self._cues:
            self._follow(text)

    def _follow(self, text: str) -> None:
        """Put what waits for this place first among what is due."""
        self._told[text] += 1
        for cue in [each for each in self._cues if each.where == text]:
            if self._told[text] == cue.nth:
                self._cues.remove(cue)
                self.acts.insert(0, Act(0, cue.what, cue.arguments))

    @property
    def digest(self) -> str:
        return sha256("\n".join(self.trace).encode()).hexdigest()

    # --- boundaries -----------------------------------------------------------------

    def boundary(self, where: str, *, is_effect: bool, may_switch: bool) -> None:
        """Something is about to happen or has just happened: here anything can come in between."""
        task = self.hub.current
        if task is None or task.is_dying:
            return
        self.boundaries += 1
        if self.boundaries > MOST_BOUNDARIES:
            raise Violation("I14: it goes on and on")
        self.tell(where)
        if is_effect:
            self.effects += 1
            self._maybe_crash(where)
        if may_switch and (
            (self.acts and self.acts[0].at <= self.boundaries)
            or (self.scene.switches and self.chance.number(1, 1000) <= self.scene.switches)
        ):
            self.hub.pause(0)

    def _maybe_crash(self, where: str) -> None:
        drawn = not self.is_healed and self.scene.crashes
        if self.effects in self._crash_at or (
            drawn and self.chance.number(1, 1000) <= self.scene.crashes
        ):
            self.crashed += 1
            self.tell(f"CRASH {where}")
            raise Crash(where)

    def _between(self) -> None:
        """Do what is due, beside all tasks."""
        if self._broken is not None:
            raise self._broken
        while self.acts and (self.acts[0].at <= self.boundaries or not self.hub.tasks):
            act = self.acts.pop(0)
            self.tell(f"act {act.what}")
            getattr(self, f"do_{act.what}")(*act.arguments)
            if self.hub.tasks:
                return

    # --- processes ------------------------------------------------------------------

    def _register(self) -> None:
        with MemoryStore(shelf=self.shelf).write() as work:
            for account_id in (ACCOUNT, OTHER_ACCOUNT):
                work.accounts.add(
                    Account(
                        account_id=account_id,
                        name=account_id,
                        role_arn=f"acs:ram::{account_id}:role/{ROLE}",
                        external_id=self.ids.secret(),
                        region_ids=(REGION,),
                        created_at=self.clock.now(),
                    )
                )
            work.commit()

    @property
    def is_alone(self) -> bool:
        return self.scene.processes == 1

    def _start(self, name: str) -> Process:
        """Start a process: it takes up at once what its name left, as a launch does."""
        with self._plain().write() as work:
            tenure_id = work.replicas.enlist(name, "2")
            if self.is_alone:
                work.replicas.lapse(tenure_id, timedelta(0))
            work.commit()
        store = MemoryStore(
            shelf=self.shelf,
            enqueue=self._enqueue,
            tenure=self._tenure,
            clock=lambda: self.hub.now,
            broken=self._storage,
        )
        process = Process(name, tenure_id, self.hub.now, None)  # type: ignore[arg-type]  # set below
        process.parts = parts(
            store=store,
            transport=WireOf(self.wire),
            clock=self.clock,
            stopwatch=self.clock,
            ids=self.ids,
            patience=self.scene.patience,
            read_attempts=self.scene.read_attempts,
            limits=Limits(),
            permit=lambda: self._permit(process),
            fates=self.fates,
        )
        self.processes.append(process)
        self.tell(f"start {tenure_id}")
        if self.is_alone:
            self._take_over(process)
        else:
            self.hub.now_and_then(0, lambda: self._beat(process))
        self._claim()
        return process

    def _come_back(self, name: str) -> None:
        self._start(name)

    def _plain(self) -> MemoryStore:
        return MemoryStore(shelf=self.shelf, clock=lambda: self.hub.now)

    def _tenure(self) -> str | None:
        return None if self.hub.current is None else self.hub.current.tenure_id

    def _permit(self, process: Process) -> None:
        if self._tenure() is None or self.is_alone:
            return
        if self.hub.now - process.heard >= LEASE or process.is_closing:
            raise SupersededError("this process was silent for longer than its lease")

    def _beat(self, process: Process) -> None:
        """Say that it is there, end those that do not, take over what nobody works on."""
        if not process.is_alive or process.is_closing:
            return
        if process.frozen_until > self.hub.now:
            self.hub.now_and_then(
                process.frozen_until - self.hub.now + 0.01, lambda: self._beat(process)
            )
            return
        with self._plain().write() as work:
            lives = work.replicas.beat(process.tenure_id)
            if lives:
                work.replicas.lapse(process.tenure_id, timedelta(seconds=LEASE))
            work.commit()
        if not lives:
            self.tell(f"superseded {process.tenure_id}")
            process.is_closing = True
            self._start(process.name)
            return
        process.heard = self.hub.now
        self._take_over(process)
        self.hub.now_and_then(BEAT, lambda: self._beat(process))

    def _is_busy(self) -> bool:
        return bool(self.acts or self.waiting or self.owners)

    def _take_over(self, process: Process) -> None:
        store, grace = self._plain(), timedelta(seconds=0 if self.is_alone else GRACE)
        with store.read() as work:
            due = work.replicas.due(grace)
        for tenure_id in due:
            for operation_id, owner in sorted(self.owners.items()):
                if owner == tenure_id:
                    self._carry(operation_id, process)
            with store.write() as work:
                work.replicas.settle(tenure_id)
                work.commit()
        with store.read() as work:
            known = {*work.replicas.living(), *work.replicas.due(timedelta(0))}
        for operation_id, owner in sorted(self.owners.items()):
            if owner not in known and not self.is_alone:
                self._carry(operation_id, process)

    def _living(self) -> list[Process]:
        return [each for each in self.processes if each.is_alive and not each.is_closing]

    def _can_run(self, task: Task) -> bool:
        owner = task.owner
        return not isinstance(owner, Process) or owner.frozen_until <= self.hub.now

    def _die(self, process: Process, *, restart: float | None) -> None:
        process.is_alive = False
        self.tell(f"died {process.tenure_id}")
        for task in [each for each in self.hub.tasks if each.owner is process]:
            self.hub.kill(task, Crash("killed"))
        if restart is not None:
            self.hub.at(restart, partial(self._come_back, process.name))

    # --- operations -----------------------------------------------------------------

    def _enqueue(self, operation_id: str, anew: bool) -> None:
        if anew or operation_id not in self.journals:
            self.journals[operation_id] = Journal()
            self.waiting.append(operation_id)

    def _claim(self) -> None:
        living = self._living()
        while self.waiting and living:
            operation_id = self.waiting.pop(0)
            self._carry(operation_id, self.chance.one(living))

    def _carry(self, operation_id: str, process: Process) -> None:
        self.owners[operation_id] = process.tenure_id
        steps = JournalledSteps(
            self.journals[operation_id],
            crashes=lambda moment, name: self._step(process, moment, name),
            wait=lambda length: self.hub.pause(length.total_seconds()),
        )
        self.hub.spawn(
            f"{process.tenure_id} {operation_id[-3:]}",
            lambda: process.parts.execution(operation_id, steps),
            process,
            process.tenure_id,
        ).operation_id = operation_id

    def _step(self, process: Process, moment: Moment, name: str) -> bool:
        task = self.hub.current
        if moment is Moment.BEFORE and task is not None:
            task.step_began = self.boundaries
        self.boundary(f"{moment} {name}", is_effect=name != "pause", may_switch=True)
        if moment is Moment.CUT_SHORT and not self._lives(process):
            raise Interrupted  # the journal is no longer this process's
        if moment is Moment.BEFORE and process.is_closing:
            raise Interrupted
        return False

    def _lives(self, process: Process) -> bool:
        return self.shelf.tables["tenures"][process.tenure_id][1].ended_at is None

    def _ended(self, task: Task) -> None:
        process, error = task.owner, task.error
        operation_id = task.operation_id
        if isinstance(error, Violation):
            raise error
        if isinstance(error, Crash):
            assert isinstance(process, Process)
            self._die(process, restart=self._restart())
        elif operation_id is not None:
            assert isinstance(process, Process)
            self._carried(operation_id, process, error)
        elif error is not None and not isinstance(error, AppError | Interrupted):
            raise Violation("a request broke") from error
        self._claim()

    def _restart(self) -> float | None:
        """How long until a process comes back; None: never, if there are others."""
        if self.is_alone or len(self._living()) == 1:
            return self.chance.one((0.5, 5.0, 40.0))
        return self.chance.one((0.5, 5.0, None))

    def _carried(self, operation_id: str, process: Process, error: BaseException | None) -> None:
        if self.owners.get(operation_id) != process.tenure_id:
            return  # somebody else has taken it over
        if error is None:
            del self.owners[operation_id]
            self.truth.carried(operation_id)
        elif not isinstance(error, Interrupted | StorageUnavailableError):
            raise Violation(f"operation {operation_id} broke") from error
        elif self._lives(process) and not process.is_closing:
            self.hub.at(REVIVAL, lambda: self._revive(operation_id, process))

    def _revive(self, operation_id: str, process: Process) -> None:
        if process.is_alive and self.owners.get(operation_id) == process.tenure_id:
            self._carry(operation_id, process)

    def _storage(self, what: str) -> None:
        """A transaction begins, is about to be committed, or was."""
        if what in {"commit", "committed"}:
            self.boundary(what, is_effect=True, may_switch=False)
        if what == self._failing and self._failures and self.hub.current is not None:
            self._failures -= 1
            self.tell(f"STORAGE {what}")
            raise StorageUnavailableError("the database cannot be used", reason="ordered")

    # --- users ----------------------------------------------------------------------

    def _request(self, name: str, ask: Callable[[Parts], object]) -> None:
        living = self._living()
        if living:
            process = self.chance.one(living)
            self.hub.spawn(name, lambda: self._answer(name, ask, process), process)

    def _answer(self, name: str, ask: Callable[[Parts], object], process: Process) -> None:
        try:
            answer = ask(process.parts)
        except AppError as error:
            self.tell(f"{name} refused: {error.code}")
            raise
        told = answer.operation_id if isinstance(answer, Operation) else ""
        self.tell(f"{name} accepted {told}")

    def do_connect(self, request: Mapping[str, Any]) -> None:
        self._request("connect", lambda asked: asked.connections.create(dict(request)))

    def do_plan(self, request: Mapping[str, Any]) -> None:
        """Plan, and apply the plan twice at once: it is used up by one of them."""

        def ask(asked: Parts) -> object:
            plan = asked.plans.connect(dict(request))
            self._request("apply again", lambda other: other.operations.apply(plan.plan_id))
            return asked.operations.apply(plan.plan_id)

        self._request("apply", ask)

    def do_move(self, to: Mapping[str, Any]) -> None:
        """Move a connection, if there is one: plan, and apply at once."""
        found = list(self.shelf.tables["connections"])
        if found:
            connection_id = self.chance.one(found)

            def ask(asked: Parts) -> object:
                plan = asked.plans.move(connection_id, dict(to))
                return asked.operations.apply(plan.plan_id)

            self._request("move", ask)

    def do_disconnect(self) -> None:
        found = list(self.shelf.tables["connections"])
        if found:
            connection_id = self.chance.one(found)
            self._request("disconnect", lambda asked: asked.connections.disconnect(connection_id))

    def _steer(self, what: str) -> None:
        found = list(self.shelf.tables["operations"])
        if found:
            operation_id = self.chance.one(found)
            self._request(what, lambda asked: getattr(asked.interventions, what)(operation_id))

    def do_cancel(self) -> None:
        self._steer("cancel")

    def do_roll_back(self) -> None:
        self._steer("roll_back")

    def do_resume(self) -> None:
        self._steer("resume")

    def do_sweep(self) -> None:
        self._request("sweep", lambda asked: asked.sweeping())

    # --- others ---------------------------------------------------------------------

    def do_hand(self) -> None:
        self.truth.hand(hands.act(self.cloud, self.chance))
        self.truth.look()

    def do_freeze(self, seconds: float) -> None:
        living = self._living()
        if len(living) > 1:
            self.chance.one(living).frozen_until = self.hub.now + seconds

    def do_lose(self) -> None:
        """Kill a process, wherever it is."""
        living = self._living()
        if len(living) > 1:
            self._die(self.chance.one(living), restart=self.chance.one((1.0, None)))

    def do_storage(self, what: str, times: int) -> None:
        """Let the database fail so often, where it is asked this: `committed` is a lost reply."""
        self._failing, self._failures = what, times

    def do_trouble(self, *faults: Mapping[str, Any]) -> None:
        """Let the cloud have other faults from now on."""
        self.cloud.truth.put_faults(list(faults))

    def do_call(self, act: Callable[["Simulation"], object]) -> None:
        """Do what a test says."""
        act(self)

    def do_skew(self, seconds: float) -> None:
        self.clock.skew += timedelta(seconds=seconds)

    # --- the end --------------------------------------------------------------------

    def run(self) -> None:
        """Let everything happen, then let nothing go wrong any more.

        Raises:
            Violation
        """
        before = structlog.get_config()
        structlog.configure(
            processors=[self._logged],
            wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        )
        try:
            self._run()
        finally:
            structlog.configure(**before)
            for task in list(self.hub.tasks):
                self.hub.kill(task, Crash("the run is over"))

    def _run(self) -> None:
        self._settle("the faults")
        self.heal()
        self._settle("the end of all faults")
        self.truth.at_rest()

    def heal(self) -> None:
        self.tell("heal")
        self.effects_before_heal = self.effects
        self.is_healed = True
        self._crash_at = frozenset()
        self._failures = 0
        self.cloud.truth.put_faults([])
        self.cloud.truth.put_settings({})
        for process in self.processes:
            process.frozen_until = 0.0
        if not self._living():
            self._start("p1")

    def _settle(self, what: str) -> None:
        if not self.hub.run(self.hub.now + LONGEST):
            raise Violation(f"after {what} it never ends")

    def ask(self, name: str, ask: Callable[[Parts], T]) -> T:
        """Ask a living process and let everything come to rest; return the answer.

        Raises:
            AppError
        """
        answers: list[T] = []
        errors: list[AppError] = []

        def act() -> None:
            try:
                answers.append(ask(process.parts))
            except AppError as error:
                errors.append(error)

        process = self._living()[0]
        self.hub.spawn(name, act, process)
        self._settle(name)
        if errors:
            raise errors[0]
        if not answers:
            raise Violation(f"{name} was not answered")
        return answers[0]

    def rest(self, seconds: float) -> None:
        """Let time pass."""
        self.hub.at(seconds, lambda: None)
        self._settle("a rest")

    def expire(self) -> None:
        self.ask("expire", lambda asked: asked.expiry())

    def sweep(self) -> None:
        self.ask("sweep", lambda asked: asked.sweeping())

    def _logged(self, _: object, __: str, event: MutableMapping[str, Any]) -> NoReturn:
        """An error that no fault of the cloud explains is a defect, whatever becomes of it."""
        error = sys.exc_info()[1]
        if event["event"] in BROKEN and not isinstance(error, AppError | None):
            self._broken = Violation("".join(traceback.format_exception(error)))
        raise structlog.DropEvent


class Wire:
    """The simulator's dispatcher, with a boundary before each call and after it."""

    def __init__(self, run: Simulation) -> None:
        self.run = run
        self.inner = InMemoryTransport(run.cloud.truth)


class WireOf:
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def send(self, request: SdkRequest, *, region_id: str, identity: Identity) -> Reply:
        run, action = self._wire.run, request.get_action_name()
        changes = not action.startswith(("Describe", "Assume", "Get"))
        legitimate = run.truth.may_call() if changes else True
        # Who waits for another one's session would block the only thread there is.
        switches = action not in {"AssumeRole", "GetCallerIdentity"}
        run.boundary(f"send {action}", is_effect=changes, may_switch=switches)
        if changes:
            run.truth.before_call(request, legitimate=legitimate)
        try:
            return self._wire.inner.send(request, region_id=region_id, identity=identity)
        finally:
            run.truth.look()
            if changes:
                run.boundary(f"reply {action}", is_effect=True, may_switch=True)
