"""A restore is cut short at every moment of every step, and ends done or taken back."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

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
    estate,
    group_entry,
    in_memory_clouds,
    instance_entry,
)
from tests.support.e2e import Document, group_in, rule
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


# --- the scene ------------------------------------------------------------------------


def town() -> Document:
    """sg-app lets members of sg-web in, but for one drop; both have members."""
    return estate(
        groups=[
            group_entry("sg-web", rules=[rule("sgr-w", ports="22/22", SourceCidrIp="10.0.0.9/32")]),
            group_entry(
                "sg-app",
                rules=[
                    rule("sgr-drop", ports="22/22", policy="drop", SourceCidrIp="10.0.0.1/32"),
                    rule("sgr-app", ports="1/65535", priority=5, SourceGroupId="sg-web"),
                ],
            ),
            group_entry("sg-rest", InnerAccessPolicy="Drop"),
        ],
        instances=[
            instance_entry("i-web", ["sg-web", "sg-rest"], private_ip="10.0.0.1"),
            instance_entry("i-web2", ["sg-web", "sg-rest"], private_ip="10.0.0.4"),
            instance_entry("i-app", ["sg-app", "sg-rest"], private_ip="10.0.0.2"),
            instance_entry("i-rest", ["sg-rest"], private_ip="10.0.0.3"),
        ],
    )


def spoilt(present: Document) -> Document:
    """sg-web is deleted, and sg-app lets everybody of the network in."""
    present["security_groups"] = [
        each for each in present["security_groups"] if each["SecurityGroupId"] != "sg-web"
    ]
    for host in present["instances"]:
        host["SecurityGroupIds"] = [each for each in host["SecurityGroupIds"] if each != "sg-web"]
    group_in(present, "sg-app")["Rules"] = [
        rule("sgr-wide", ports="80/80", SourceCidrIp="10.0.0.0/24")
    ]
    return present


PACKETS: list[Document] = [
    {"source": source, "destination": target, "protocol": "tcp", "destination_port": port,
     "nic_type": "intranet", "address_family": "ipv4"}
    for source in ("10.0.0.1", "10.0.0.3", "10.0.0.4")
    for target in ("10.0.0.1", "10.0.0.2")
    for port in (22, 80, 443)
    if source != target
]  # fmt: skip


def passing(dispatcher: Dispatcher) -> set[int]:
    """Which of the packets pass, by the simulator's own walk."""
    told = (judge(dispatcher.store, packet) for packet in PACKETS)
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
    """A restore that is accepted and not yet begun, on a database that can be copied."""

    template: Path
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
            now = passing(dispatcher)
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


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("restore")
    template = folder / "template.sqlite3"
    url = f"sqlite:///{template}"
    schema.migrate(url)
    dispatcher = Dispatcher(town())
    wanted, last = meaning(dispatcher.estate()), passing(dispatcher)
    process = Process(url, dispatcher, Numbers())
    taken = process.archive.take(PLACE, ["sg-app", "sg-web"])
    dispatcher.replace_estate(spoilt(dispatcher.estate()))
    kept = process.plans.of_kind("restore", {"backup_id": taken[0].backup_id, "mode": "full"})
    operation = process.operations.apply(kept.plan_id)
    process.close()
    with SqlStore(url=url).read() as work:
        assert work.operations.get(operation.operation_id) is not None
    found = Scene(template, dispatcher.estate(), operation, wanted, (passing(dispatcher), last), [])

    def note(moment: Moment, name: str) -> bool:
        if moment is Moment.BEFORE:
            found.names.append(name)
        return False

    ended, _ = found.played(folder, note)
    assert ended.status is OperationStatus.SUCCEEDED
    return found


def once(moment: Moment, number: int, names: list[str]) -> Crashes:
    """Crash a single time, at this moment of the step of this number."""
    wanted, left = names[number % len(names)], [1]

    def crashes(at: Moment, name: str) -> bool:
        if (at, name) == (moment, wanted) and left:
            left.pop()
            return True
        return False

    return crashes


def done(scene: Scene, folder: Path, crashes: Crashes) -> None:
    ended, dispatcher = scene.played(folder, crashes)
    assert ended.status is OperationStatus.SUCCEEDED, ended.error
    assert meaning(dispatcher.estate()) == scene.wanted
    assert passing(dispatcher) == scene.flows[1]


REFUSED: Document = {
    "match": {"action": "RevokeSecurityGroup", "nth": 1},
    "times": 1,
    "when": "before",
    "kind": "error",
    "code": "Forbidden.RAM",
    "status": 403,
}
"""The first removal is refused: the restore is taken back, to the last rule."""


def back(scene: Scene, folder: Path, crashes: Crashes) -> OperationStatus:
    ended, dispatcher = scene.played(folder, crashes, REFUSED)
    if ended.status is OperationStatus.SUCCEEDED:  # asked again after the crash, the cloud obeyed
        assert meaning(dispatcher.estate()) == scene.wanted
    else:
        assert ended.status is OperationStatus.ROLLED_BACK, ended.error
        assert meaning(dispatcher.estate()) == meaning(scene.present)
        assert passing(dispatcher) == scene.flows[0]
    return ended.status


def test_a_restore_that_is_cut_short_in_the_middle_of_a_step_is_done_in_the_end(
    scene: Scene, tmp_path: Path
) -> None:
    assert [each for each in scene.names if each.startswith("gate")]
    for number in range(0, len(scene.names), 2):
        done(scene, tmp_path, once(Moment.CUT_SHORT, number, scene.names))


def names_back(scene: Scene, folder: Path) -> list[str]:
    """The steps of a restore that turns back."""
    names: list[str] = []

    def note(moment: Moment, name: str) -> bool:
        if moment is Moment.BEFORE:
            names.append(name)
        return False

    assert back(scene, folder, note) is OperationStatus.ROLLED_BACK
    return names


def test_a_restore_that_turns_back_and_is_cut_short_is_taken_back_or_done(
    scene: Scene, tmp_path: Path
) -> None:
    names = names_back(scene, tmp_path)
    first = next(number for number, name in enumerate(names) if name.startswith("turn back"))
    ends = {
        back(scene, tmp_path, once(Moment.CUT_SHORT, number, names))
        for number in range(first - 1, len(names), 2)
    }
    assert OperationStatus.ROLLED_BACK in ends


@pytest.mark.long
@pytest.mark.parametrize("moment", list(Moment))
def test_a_restore_that_is_cut_short_at_any_moment_is_done_in_the_end(
    scene: Scene, tmp_path: Path, moment: Moment
) -> None:
    for number in range(len(scene.names)):
        done(scene, tmp_path, once(moment, number, scene.names))
    names = names_back(scene, tmp_path)
    for number in range(len(names)):
        back(scene, tmp_path, once(moment, number, names))
