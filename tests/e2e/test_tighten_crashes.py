"""A tightening that is cut short ends done or as it began; what is needed never closes."""

from pathlib import Path

import pytest

from app.domain.operations import Operation, OperationStatus
from app.simulator.dispatcher import Dispatcher
from tests.support.clouds import ACCOUNT, REGION, estate, group_entry, instance_entry
from tests.support.crashing import Process, Scene, accepted, meaning, once, passing
from tests.support.e2e import Document, rule, side
from tests.support.journal import Crashes, Moment

WATCHED_SECONDS = 3


def town() -> Document:
    """sg-db lets everybody in, twice; its members and two machines besides."""
    wide = [
        rule("sgr-all", protocol="all", SourceCidrIp="0.0.0.0/0"),
        rule("sgr-half", ports="22/22", SourceCidrIp="0.0.0.0/1"),
    ]
    return estate(
        groups=[
            group_entry("sg-db", rules=wide),
            group_entry("sg-app"),
            group_entry("sg-rest", InnerAccessPolicy="Drop"),
        ],
        instances=[
            instance_entry("i-db", ["sg-db"], private_ip="10.0.0.1"),
            instance_entry("i-db2", ["sg-db"], private_ip="10.0.0.4"),
            instance_entry("i-app", ["sg-app", "sg-rest"], private_ip="10.0.0.2"),
            instance_entry("i-rest", ["sg-rest"], private_ip="10.0.0.3"),
        ],
    )


PACKETS: list[Document] = [
    {"source": source, "destination": target, "protocol": "tcp", "destination_port": port,
     "nic_type": "intranet", "address_family": "ipv4"}
    for source in ("10.0.0.2", "10.0.0.3", "10.9.9.9")
    for target in ("10.0.0.1", "10.0.0.4")
    for port in (22, 3306)
]  # fmt: skip


NEEDED = ("10.0.0.2", "10.0.0.1", 3306)


def needed(source: str, target: str, port: int, **fields: str) -> Document:
    flows = [{"protocol": "tcp", "port_range": f"{port}/{port}"}]
    source_side, target_side = side(ACCOUNT, [source]), side(ACCOUNT, [target])
    return {"source": source_side, "target": target_side, "flows": flows, **fields}


def never(source: str, target: str, port: int) -> Document:
    return {"kind": "must_never_reach", **needed(source, target, port)}


def tightening(
    folder: Path,
    *assertions: Document,
    ends: OperationStatus = OperationStatus.SUCCEEDED,
) -> Scene:
    dispatcher = Dispatcher(town())
    asked = {
        "account_id": ACCOUNT,
        "region_id": REGION,
        "security_group_id": "sg-db",
        "needed": [
            needed("i-app", "i-db", 3306),
            needed("i-rest", "i-db2", 22, method="dedicated_group"),
        ],
        "watch_seconds": WATCHED_SECONDS,
        "assertions": list(assertions),
    }

    def accept(process: Process) -> Operation:
        kept = process.plans.of_kind("tighten", asked)
        lost = kept.document["lost"]["pairs"]
        return process.operations.apply(kept.plan_id, confirm_lost=lost)

    return accepted(folder / "template.sqlite3", dispatcher, PACKETS, accept, ends=ends)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    found = tightening(tmp_path_factory.mktemp("tighten"), never("i-rest", "i-db", 3306))
    assert len([each for each in found.names if each.startswith("watch, look")]) > 1
    assert len(found.flows[1]) < len(found.flows[0])
    return found


REFUSED: Document = {
    "match": {"action": "RevokeSecurityGroup", "nth": 1},
    "times": 1,
    "when": "before",
    "kind": "error",
    "code": "Forbidden.RAM",
    "status": 403,
}
"""The first removal is refused: all paths are taken back."""


def done_or_restored(
    scene: Scene, folder: Path, crashes: Crashes, *faults: Document
) -> OperationStatus:
    ended, dispatcher = scene.played(folder, crashes, *faults)
    if ended.status is OperationStatus.SUCCEEDED:
        assert meaning(dispatcher.estate()) == scene.wanted
        assert passing(dispatcher, PACKETS) == scene.flows[1]
    else:
        assert ended.status is OperationStatus.ROLLED_BACK, ended.error
        assert meaning(dispatcher.estate()) == meaning(scene.present)
    return ended.status


def names_of(scene: Scene, folder: Path, *faults: Document) -> list[str]:
    """The steps of a run that is not cut short."""
    names: list[str] = []

    def note(moment: Moment, name: str) -> bool:
        if moment is Moment.BEFORE:
            names.append(name)
        return False

    done_or_restored(scene, folder, note, *faults)
    return names


def test_a_tightening_that_is_cut_short_is_done_in_the_end(scene: Scene, tmp_path: Path) -> None:
    for number in range(0, len(scene.names), 2):
        crashes = once(Moment.CUT_SHORT, number, scene.names)
        assert done_or_restored(scene, tmp_path, crashes) is OperationStatus.SUCCEEDED


def test_a_tightening_that_turns_back_and_is_cut_short_ends_whole(
    scene: Scene, tmp_path: Path
) -> None:
    names = names_of(scene, tmp_path, REFUSED)
    first = next(number for number, name in enumerate(names) if name.startswith("turn back"))
    ends = {
        done_or_restored(scene, tmp_path, once(Moment.CUT_SHORT, number, names), REFUSED)
        for number in range(first - 1, len(names), 2)
    }
    assert OperationStatus.ROLLED_BACK in ends


def test_a_watch_that_fails_and_is_cut_short_restores_the_start(tmp_path: Path) -> None:
    contrary = never("i-app", "i-db", 3306)
    failing = tightening(tmp_path, contrary, ends=OperationStatus.ROLLED_BACK)
    needed_ones = [
        number
        for number, each in enumerate(PACKETS)
        if (each["source"], each["destination"], each["destination_port"]) == NEEDED
    ]
    failing.flows = ({*range(len(PACKETS))}, {*needed_ones})
    first = failing.names.index("watch")
    for number in range(first, len(failing.names)):
        crashes = once(Moment.CUT_SHORT, number, failing.names)
        status = done_or_restored(failing, tmp_path, crashes)
        assert status is OperationStatus.ROLLED_BACK


@pytest.mark.long
@pytest.mark.parametrize("moment", list(Moment))
def test_a_tightening_that_is_cut_short_at_any_moment_ends_whole(
    scene: Scene, tmp_path: Path, moment: Moment
) -> None:
    for number in range(len(scene.names)):
        crashes = once(moment, number, scene.names)
        assert done_or_restored(scene, tmp_path, crashes) is OperationStatus.SUCCEEDED
    names = names_of(scene, tmp_path, REFUSED)
    for number in range(len(names)):
        done_or_restored(scene, tmp_path, once(moment, number, names), REFUSED)
