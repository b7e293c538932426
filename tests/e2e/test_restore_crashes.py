"""A restore is cut short at every moment of every step, and ends done or taken back."""

from pathlib import Path

import pytest

from app.domain.operations import Operation, OperationStatus
from app.simulator.dispatcher import Dispatcher
from tests.support.clouds import (
    estate,
    group_entry,
    instance_entry,
)
from tests.support.crashing import PLACE, Process, Scene, accepted, meaning, once, passing
from tests.support.e2e import Document, group_in, rule
from tests.support.journal import Crashes, Moment

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


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("restore")
    dispatcher = Dispatcher(town())
    aim = meaning(dispatcher.estate()), passing(dispatcher, PACKETS)

    def accept(process: Process) -> Operation:
        taken = process.archive.take(PLACE, ["sg-app", "sg-web"])
        dispatcher.replace_estate(spoilt(dispatcher.estate()))
        wanted = {"backup_id": taken[0].backup_id, "mode": "full"}
        return process.operations.apply(process.plans.of_kind("restore", wanted).plan_id)

    return accepted(folder / "template.sqlite3", dispatcher, PACKETS, accept, aim)


def done(scene: Scene, folder: Path, crashes: Crashes) -> None:
    ended, dispatcher = scene.played(folder, crashes)
    assert ended.status is OperationStatus.SUCCEEDED, ended.error
    assert meaning(dispatcher.estate()) == scene.wanted
    assert passing(dispatcher, PACKETS) == scene.flows[1]


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
        assert passing(dispatcher, PACKETS) == scene.flows[0]
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
