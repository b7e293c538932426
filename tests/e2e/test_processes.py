"""The service as a process of its own: killed, stopped, started twice, and the demonstration."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeAlias

import pytest

from app.cli.processes import started
from app.simulator.server import running
from tests.support.clouds import ACCOUNT, OTHER_ACCOUNT
from tests.support.databases import TEMPLATE, PostgreSql
from tests.support.e2e import (
    Api,
    Cloud,
    Document,
    asked_probes,
    connect_request,
    pair,
    service_environment,
    until,
)
from tests.support.swallowing import swallowing

pytestmark = pytest.mark.timeout(240)

BOTH_WAYS = connect_request("address_rules", ["i-a"], ["i-b"], bidirectional=True)
DEDICATED = connect_request("dedicated_group", ["i-a"], ["i-b"])
SHARED = connect_request("shared_group", ["i-a"], ["i-b"], security_group_id="sg-b")


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with running(pair()) as simulator:
        cloud = Cloud(simulator.url)
        yield cloud
        cloud.clear_faults()
        cloud.close()


@dataclass(frozen=True, slots=True)
class Served:
    """A service process and a user of it."""

    api: Api
    process: "subprocess.Popen[str]"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


TAKING_OVER = {
    "INTERCOM_LEASE": "2",
    "INTERCOM_READ_TIMEOUT": "2",
    "INTERCOM_CONNECT_TIMEOUT": "1",
}
"""Settings of a process that need not wait long for the calls of the one before it."""


@contextmanager
def served(
    cloud: Cloud, database: str | Path, folder: Path, *arguments: str, **settings: str
) -> Iterator[Served]:
    log = folder / f"{uuid.uuid4()}.log"
    environment = service_environment(cloud.url, database) | {"INTERCOM_SETTLE_WINDOW": "3"}
    environment |= settings
    serving = ["serve", "--port", "0", *arguments]
    with started(serving, environment, log) as (url, process):
        api = Api(url)
        try:
            yield Served(api, process)
        finally:
            api.close()


def hold(cloud: Cloud, action: str, nth: int, when: str) -> None:
    match = {"action": action, "nth": nth}
    cloud.faults({"id": "hold", "match": match, "kind": "hold", "when": when})


def check_settled(api: Api, cloud: Cloud, start: Document, operation: Document) -> str:
    """An operation has ended, all or nothing; its disconnect restores the start."""
    request = api.connection(operation["connection_id"])["request"]
    until(lambda: bool(api.operation(operation)["done"]), "the operation never ends")
    ended = api.operation(operation)
    passing = {cloud.passes(probe) for probe in asked_probes(start, request)}
    if ended["status"] == "succeeded":
        assert passing == {True}
        again = api.ask("POST", "/plans", {"kind": "connect", "connection": request}).json()
        assert again["changes"] == []
        assert api.connection(operation["connection_id"])["ledger"]
        api.disconnect(operation["connection_id"])
    else:
        assert ended["status"] == "rolled_back", ended
    assert cloud.estate() == start
    status: str = ended["status"]
    return status


LONG = pytest.mark.long
READ = "DescribeSecurityGroupAttribute"
Point: TypeAlias = tuple[Document, str, int, str]
"""Where a process is killed: the request, the action, which call of it, before or after it."""

POINTS: Mapping[str, Point] = {
    "before the first change": (BOTH_WAYS, READ, 5, "before"),
    "in the first change": (BOTH_WAYS, "AuthorizeSecurityGroup", 1, "before"),
    "after its effect": (BOTH_WAYS, "AuthorizeSecurityGroup", 1, "after"),
    "after the last effect": (BOTH_WAYS, "AuthorizeSecurityGroup", 2, "after"),
    "at the verification": (BOTH_WAYS, READ, 9, "before"),
    "before a new group": (DEDICATED, "CreateSecurityGroup", 1, "before"),
    "after a new group": (DEDICATED, "CreateSecurityGroup", 1, "after"),
    "after a second join": (DEDICATED, "JoinSecurityGroup", 2, "after"),
    "after a join": (SHARED, "JoinSecurityGroup", 1, "after"),
}
FEW = ("in the first change", "after its effect", "at the verification", "after a new group")


def kill_at(cloud: Cloud, service: Served, point: Point) -> Document:
    """Start an operation, and kill the process that carries it out at this point of it."""
    request, action, nth, when = point
    cloud.clear_calls()
    hold(cloud, action, nth, when)
    operation = service.api.start(request)
    until(
        lambda: len([each for each in cloud.calls() if each["action"] == action]) >= nth,
        "the call never came",
    )
    assert not service.api.operation(operation)["done"]
    service.kill()
    cloud.clear_faults()
    return operation


def kill_at_each(
    cloud: Cloud, database: str | Path, folder: Path, names: Iterable[str]
) -> list[str]:
    """Kill a service at each of the points; return how its operations ended after the next
    start, which is also where the next one begins.
    """
    start, ended = cloud.put(pair()), []
    operation: Document | None = None
    for name in [*names, None]:
        with served(cloud, database, folder, **TAKING_OVER) as service:
            if operation is None:
                service.api.register(ACCOUNT)
            else:
                ended.append(check_settled(service.api, cloud, start, operation))
            if name is not None:
                operation = kill_at(cloud, service, POINTS[name])
    return ended


@pytest.mark.fault("F15", "F17", "F39", "F41")
def test_an_operation_that_was_killed_anywhere_ends_after_a_restart(
    cloud: Cloud, tmp_path: Path
) -> None:
    ended = kill_at_each(cloud, tmp_path / "intercom.sqlite3", tmp_path, POINTS)
    assert ended == ["succeeded"] * 9


@pytest.mark.fault("F15", "F17", "F39", "F41")
@pytest.mark.parametrize("names", [FEW, pytest.param(tuple(POINTS), marks=LONG)], ids=len)
def test_an_operation_on_postgresql_that_was_killed_anywhere_ends_after_a_restart(
    cloud: Cloud, tmp_path: Path, postgresql: PostgreSql, names: tuple[str, ...]
) -> None:
    database = postgresql.create("killed", template=TEMPLATE)
    assert kill_at_each(cloud, database, tmp_path, names) == ["succeeded"] * len(names)
    postgresql.drop("killed")


@pytest.mark.fault("F4")
def test_an_acceptance_whose_confirmation_is_lost_is_carried_out_once(
    cloud: Cloud, tmp_path: Path, postgresql: PostgreSql
) -> None:
    start = cloud.put(pair())
    database = postgresql.create("swallowed", template=TEMPLATE)
    with swallowing(postgresql.folder, tmp_path) as wire:
        url = database.replace(str(postgresql.folder), str(tmp_path))
        with served(cloud, url, tmp_path) as service:
            service.api.register(ACCOUNT)
            wire.swallow_commit_after("INSERT INTO operations ")
            answer = service.api.ask("POST", "/connections", BOTH_WAYS)
            assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
            assert wire.swallowed.is_set()
            [operation] = service.api.get("/operations")["items"]
            assert check_settled(service.api, cloud, start, operation) == "succeeded"
            assert len(service.api.get("/connections")["items"]) == 1
    postgresql.drop("swallowed")


def test_a_call_of_a_killed_process_that_takes_effect_late_doubles_nothing(
    cloud: Cloud, tmp_path: Path
) -> None:
    start = cloud.put(pair())
    database = tmp_path / "intercom.sqlite3"
    with served(cloud, database, tmp_path) as service:
        service.api.register(ACCOUNT)
        hold(cloud, "CreateSecurityGroup", 1, "before")
        operation = service.api.start(DEDICATED)
        cloud.await_call("CreateSecurityGroup")
        service.kill()
    with served(cloud, database, tmp_path) as service:
        cloud.await_call("CreateSecurityGroup", 2)  # which the cloud answers: still processing
        cloud.clear_faults()
        service.api.ended(service.api.operation(operation))
        service.api.plan(DEDICATED)
        assert len(cloud.estate()["security_groups"]) == len(start["security_groups"]) + 1
        assert check_settled(service.api, cloud, start, operation) == "succeeded"


@pytest.mark.fault("F34", "F41")
def test_a_disconnect_that_was_killed_ends_after_a_restart(cloud: Cloud, tmp_path: Path) -> None:
    start = cloud.put(pair())
    database = tmp_path / "intercom.sqlite3"
    with served(cloud, database, tmp_path) as service:
        service.api.register(ACCOUNT)
        connection_id = service.api.connect(BOTH_WAYS)["connection_id"]
        hold(cloud, "RevokeSecurityGroup", 1, "after")
        operation = service.api.ask("DELETE", f"/connections/{connection_id}").json()
        cloud.await_call("RevokeSecurityGroup")
        service.kill()
    cloud.clear_faults()
    with served(cloud, database, tmp_path) as service:
        service.api.ended(operation)
        assert cloud.estate() == start
        assert service.api.connection(connection_id)["ledger"] == []


@pytest.mark.fault("F42")
def test_a_service_that_is_stopped_ends_well_and_goes_on_later(
    cloud: Cloud, tmp_path: Path
) -> None:
    start = cloud.put(pair())
    database = tmp_path / "intercom.sqlite3"
    with served(cloud, database, tmp_path) as service:
        service.api.register(ACCOUNT)
        cloud.faults(cloud.fault("AuthorizeSecurityGroup", "delay", seconds=1))
        operation = service.api.start(BOTH_WAYS)
        cloud.await_call("AuthorizeSecurityGroup")
        service.process.terminate()
        assert service.process.wait(timeout=30) == 0
    cloud.clear_faults()
    with served(cloud, database, tmp_path) as service:
        assert check_settled(service.api, cloud, start, operation) == "succeeded"


def test_a_second_service_on_the_same_file_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    database = tmp_path / "intercom.sqlite3"
    with served(cloud, database, tmp_path) as service:
        refused = subprocess.run(
            [sys.executable, "-m", "app.cli", "serve", "--port", "0"],
            env={**os.environ, **service_environment(cloud.url, database)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert refused.returncode != 0
        assert "a SQLite database serves one process" in refused.stderr
        assert str(service.process.pid) in refused.stderr
        assert "Traceback" not in refused.stderr
        assert refused.stdout == ""
        service.api.register(ACCOUNT)


def processes_with(mark: str) -> list[str]:
    """Command lines of all living processes that were given this mark in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return [each for each in found if each]


def test_the_demonstration_ends_well_and_leaves_nothing_running() -> None:
    mark = f"E2E_MARK={uuid.uuid4()}"
    name, value = mark.split("=")
    told = subprocess.run(
        [sys.executable, "-m", "app.cli", "demo"],
        env={**os.environ, "DEMO_EXIT": "1", name: value},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert "Traceback" not in told.stderr
    assert processes_with(mark) == []


def test_two_replicas_on_postgresql_take_turns(
    cloud: Cloud, tmp_path: Path, postgresql: PostgreSql
) -> None:
    start = cloud.put(pair(to=OTHER_ACCOUNT))
    database = postgresql.create("replicas", template=TEMPLATE)
    request = connect_request("group_authorization", ["i-a"], ["i-b"], to=OTHER_ACCOUNT)
    with (
        served(cloud, database, tmp_path, "--executor-id", "one") as one,
        served(cloud, database, tmp_path, "--executor-id", "two") as two,
    ):
        one.api.register(ACCOUNT, OTHER_ACCOUNT)
        operations = [each.api.start(request) for each in (one, two, one, two)]
        ended = [two.api.ended(each) for each in operations]
        assert len(cloud.rules("sg-b")) == 1
        assert len(cloud.changes()) == 1
        for each in ended:
            assert len(cloud.rules("sg-b")) == 1
            one.api.disconnect(each["connection_id"])
        assert cloud.estate() == start
    postgresql.drop("replicas")


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(6))
def test_a_service_that_is_killed_at_any_moment_leaves_nothing_half_done(
    cloud: Cloud, tmp_path: Path, seed: int
) -> None:
    chance = Random(seed)
    start = cloud.put(pair())
    database = tmp_path / "intercom.sqlite3"
    cloud.settings({"round_trip_seconds": 0.02})
    with served(cloud, database, tmp_path) as service:
        service.api.register(ACCOUNT)
    for _ in range(8):
        request = chance.choice([BOTH_WAYS, DEDICATED, SHARED])
        with served(cloud, database, tmp_path) as service:
            operation = service.api.start(request)
            time.sleep(chance.uniform(0, 1))
            service.kill()
        with served(cloud, database, tmp_path) as service:
            check_settled(service.api, cloud, start, operation)
