"""An operation that is cut short at a moment of a step, over a database that can be copied.

Packets are looked at before and after every step, by the simulator's own walk.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from app.bootstrap import plan_kinds
from app.domain.groups import Place
from app.domain.operations import Operation, OperationStatus
from app.domain.plan import Limits
from app.domain.planning import Bounds
from app.repositories import schema
from app.repositories.store import SqlStore
from app.services.archive import ArchiveService
from app.services.assertions import AssertionsService
from app.services.backups import BackupsService
from app.services.changes import ChangesService, Patience
from app.services.completion import Completion
from app.services.endings import EndingsService
from app.services.execution import Execution
from app.services.ledger import LedgerService
from app.services.operations import OperationsService
from app.services.plans import PlansService
from app.services.resuming import Resuming
from app.services.verification import VerificationService
from app.services.watching import Watching
from app.services.way_back import WayBack
from app.services.worlds import Worlds
from app.simulator.dispatcher import Dispatcher
from app.simulator.packets import judge
from tests.support.clouds import (
    ACCOUNT,
    REGION,
    TickingClock,
    in_memory_clouds,
)
from tests.support.e2e import Document
from tests.support.journal import Crash, Crashes, Journal, JournalledSteps, Moment

PLACE = Place(ACCOUNT, REGION)
PATIENCE = Patience(settle=timedelta(seconds=3), look_every=timedelta(seconds=1), sends=3)


@dataclass
class Numbers:
    """Ids in order."""

    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def new(self) -> str:
        return f"id-{next(self.numbers)}"

    def secret(self) -> str:
        return "secret"


class Process:
    """The service over a database and a cloud: what a crash leaves is taken up by another one."""

    def __init__(self, url: str, dispatcher: Dispatcher, ids: Numbers) -> None:
        clock = TickingClock()
        self.store = store = SqlStore(url=url, enqueue=lambda *_: None)
        clouds = in_memory_clouds(dispatcher, clock=clock)
        self.worlds = worlds = Worlds(clouds=clouds, places=lambda: {PLACE}, threads=1)
        self._clock = clock
        backups = BackupsService(store=store, clock=clock, ids=ids)
        ledger = LedgerService(store=store, backups=backups)
        self.plans = PlansService(
            store=store, worlds=worlds, ledger=ledger, clock=clock, ids=ids,
            limits=Limits(), bounds=Bounds(), lifetime=timedelta(hours=1),
            longest=timedelta(days=366),
            kinds=plan_kinds(store, worlds, Limits(), Bounds()),
            assertions=AssertionsService(store=store, worlds=worlds, clock=clock, ids=ids),
        )  # fmt: skip
        self.operations = OperationsService(store=store, plans=self.plans, clock=clock, ids=ids)
        self.archive = ArchiveService(store=store, worlds=worlds, clouds=clouds, backups=backups)
        endings = EndingsService(store=store, clock=clock)
        changes = ChangesService(store=store, clouds=clouds, clock=clock, patience=PATIENCE)
        verification = VerificationService(
            store=store, plans=self.plans, worlds=worlds, backups=backups, ledger=ledger
        )
        completion = Completion(
            store=store, verification=verification, endings=endings, clock=clock,
            patience=PATIENCE,
            watching=Watching(
                store=store, verification=verification, clock=clock, patience=PATIENCE
            ),
        )  # fmt: skip
        way_back = WayBack(
            store=store, changes=changes, verification=verification, endings=endings,
            ledger=ledger, clock=clock, ids=ids, patience=PATIENCE,
        )  # fmt: skip
        resuming = Resuming(
            store=store, backups=backups, verification=verification, completion=completion,
            way_back=way_back, endings=endings, ledger=ledger, clock=clock,
        )  # fmt: skip
        self.execution = Execution(
            store=store, plans=self.plans, backups=backups, changes=changes,
            verification=verification, completion=completion, way_back=way_back,
            resuming=resuming, endings=endings, clock=clock, patience=PATIENCE,
        )  # fmt: skip

    def run(self, operation: Operation, journal: Journal, crashes: Crashes) -> None:
        steps = JournalledSteps(journal, crashes=crashes, wait=self._clock.tick)
        self.execution(operation.operation_id, steps)

    def close(self) -> None:
        self.worlds.close()
        self.store.close()


def passing(dispatcher: Dispatcher, packets: Sequence[Document]) -> set[int]:
    """Which of the packets pass, by the simulator's own walk."""
    told = (judge(dispatcher.store, packet) for packet in packets)
    return {number for number, each in enumerate(told) if each.is_reachable}


def meaning(of: Mapping[str, Any]) -> Document:
    """Groups by name, with their rules and members; ids differ from run to run."""
    names = {each["SecurityGroupId"]: each["SecurityGroupName"] for each in of["security_groups"]}

    def said(held: Document) -> str:
        peer = names.get(held.get("SourceGroupId", ""), held.get("SourceCidrIp"))
        return f"{held['Policy']} {held['Priority']} {held['PortRange']} {peer}"

    return {
        "groups": {each["SecurityGroupName"]: sorted(map(said, each["Rules"]))
                   for each in of["security_groups"]},
        "members": {each["InstanceId"]: sorted(names[one] for one in each["SecurityGroupIds"])
                    for each in of["instances"]},
    }  # fmt: skip


@dataclass
class Scene:
    """An operation that is accepted and not yet begun, on a database that can be copied.

    `flows` are which of `packets` pass before and afterwards, `names` the steps of a run that is
    not cut short.
    """

    template: Path
    packets: Sequence[Document]
    present: Document
    operation: Operation
    wanted: Document
    flows: tuple[set[int], set[int]]
    names: list[str]

    def played(
        self, folder: Path, crashes: Crashes, *faults: Document
    ) -> tuple[Operation, Dispatcher]:
        """Run to the end, beginning again after each crash; look at the packets all along."""
        path = folder / "copy.sqlite3"
        shutil.copy(self.template, path)
        dispatcher = Dispatcher(self.present)
        dispatcher.put_faults(list(faults))
        ids = Numbers(count(1000))
        journal = Journal()

        def watched(moment: Moment, name: str) -> bool:
            first, last = self.flows
            now = passing(dispatcher, self.packets)
            assert now <= first | last, f"{name}: something is open that is open neither way"
            assert now >= first & last, f"{name}: something is cut that stays open"
            return crashes(moment, name)

        while True:
            process = Process(f"sqlite:///{path}", dispatcher, ids)
            try:
                process.run(self.operation, journal, watched)
            except Crash:
                continue
            else:
                with process.store.read() as work:
                    ended = work.operations.get(self.operation.operation_id)
                assert ended is not None
                return ended, dispatcher
            finally:
                process.close()


def once(moment: Moment, number: int, names: list[str]) -> Crashes:
    """Crash a single time, at this moment of the step of this number."""
    wanted, left = names[number % len(names)], [1]

    def crashes(at: Moment, name: str) -> bool:
        if (at, name) == (moment, wanted) and left:
            left.pop()
            return True
        return False

    return crashes


def accepted(
    template: Path,
    dispatcher: Dispatcher,
    packets: Sequence[Document],
    accept: Callable[["Process"], Operation],
    aim: tuple[Document, set[int]] | None = None,
    *,
    ends: OperationStatus = OperationStatus.SUCCEEDED,
) -> Scene:
    """Let a process accept an operation, and run it once to its end on a copy.

    `aim` is what the estate means afterwards and which packets pass then; left out, as that
    run leaves them.
    """
    url = f"sqlite:///{template}"
    schema.migrate(url)
    process = Process(url, dispatcher, Numbers())
    operation = accept(process)
    process.close()
    first = passing(dispatcher, packets)
    wanted, flows = {}, (set[int](), set(range(len(packets))))
    if aim is not None:
        wanted, flows = aim[0], (first, aim[1])
    found = Scene(template, packets, dispatcher.estate(), operation, wanted, flows, [])

    def note(moment: Moment, name: str) -> bool:
        if moment is Moment.BEFORE:
            found.names.append(name)
        return False

    ended, after = found.played(template.parent, note)
    assert ended.status is ends, ended.error
    if aim is None:
        found.wanted = meaning(after.estate())
        found.flows = (first, passing(after, packets))
    return found
