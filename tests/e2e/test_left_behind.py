"""Operations that nobody goes on with, and effects that come after the end."""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.simulator.server import running
from tests.e2e.test_processes import check_settled, hold
from tests.support.clouds import ACCOUNT
from tests.support.e2e import (
    IMPATIENT,
    Api,
    Chain,
    Cloud,
    Document,
    chained,
    connect_request,
    pair,
    until,
)
from tests.support.replicas import replica

pytestmark = pytest.mark.timeout(240)

READ, ADD = "DescribeSecurityGroupAttribute", "AuthorizeSecurityGroup"
ONE_WAY = connect_request("address_rules", ["i-a"], ["i-b"])
BOTH_WAYS = connect_request("address_rules", ["i-a"], ["i-b"], bidirectional=True)
OUTDATED = "UPDATE workflow_status SET application_version = '1' WHERE workflow_uuid = ?"
GIVEN_UP = (
    "UPDATE workflow_status SET status = 'MAX_RECOVERY_ATTEMPTS_EXCEEDED', queue_name = NULL "
    "WHERE workflow_uuid = ?"
)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with running(pair()) as simulator:
        cloud = Cloud(simulator.url)
        yield cloud
        cloud.clear_faults()
        cloud.close()


def left_behind(
    cloud: Cloud, folder: Path, moment: tuple[str, int, str], how: str
) -> tuple[Path, Document]:
    """Kill a service in the middle of an operation, and let the engine's row say that nobody
    will go on with it.
    """
    database = folder / "intercom.sqlite3"
    with replica(cloud, database, folder) as service:
        service.api.register(ACCOUNT)
        hold(cloud, *moment)
        operation = service.api.start(BOTH_WAYS)
        action, nth, _ = moment
        until(
            lambda: len([each for each in cloud.calls() if each["action"] == action]) >= nth,
            "the call never came",
        )
        service.kill()
    cloud.clear_faults()
    with sqlite3.connect(database) as connection:
        assert connection.execute(how, [operation["id"]]).rowcount == 1
    connection.close()
    return database, operation


@pytest.mark.fault("F54")
def test_what_an_earlier_version_left_untouched_is_begun_anew(cloud: Cloud, tmp_path: Path) -> None:
    start = cloud.put(pair())
    database, operation = left_behind(cloud, tmp_path, (READ, 5, "before"), OUTDATED)
    with replica(cloud, database, tmp_path) as service:
        assert check_settled(service.api, cloud, start, operation) == "succeeded"


@pytest.mark.fault("F54")
@pytest.mark.parametrize("how", [OUTDATED, GIVEN_UP], ids=["outdated", "given-up"])
def test_what_was_left_halfway_needs_attention_and_is_out_of_the_way(
    cloud: Cloud, tmp_path: Path, how: str
) -> None:
    start = cloud.put(pair())
    database, operation = left_behind(cloud, tmp_path, (ADD, 1, "after"), how)
    with replica(cloud, database, tmp_path) as service:
        api = service.api
        operation = api.ended(api.operation(operation), "needs_attention")
        [left] = operation["error"]["remaining"]
        [held] = cloud.rules(left["group_id"])
        assert left["rule"]["rule_id"] == held["SecurityGroupRuleId"]
        later = api.connect(BOTH_WAYS)  # its groups are free again
        api.disconnect(later["connection_id"])
        resumed = api.ask("POST", f"/operations/{operation['id']}/resume").json()
        api.ended(resumed, "rolled_back")
        assert cloud.estate() == start


def test_what_was_given_up_untouched_is_rejected(cloud: Cloud, tmp_path: Path) -> None:
    start = cloud.put(pair())
    database, operation = left_behind(cloud, tmp_path, (READ, 5, "before"), GIVEN_UP)
    with replica(cloud, database, tmp_path) as service:
        operation = service.api.ended(service.api.operation(operation), "rejected")
        assert operation["error"]["code"] == "engine_gave_up"
        assert cloud.estate() == start
        service.api.connect(BOTH_WAYS)


# --- late effects -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """A service that sends each change once, and looks for late effects all the time."""
    url = f"sqlite:///{tmp_path_factory.mktemp('late') / 'intercom.sqlite3'}"
    late = {"sends": 1, "sweep_interval": timedelta(seconds=0.3)}
    with chained(url, **IMPATIENT, **late) as chain:
        yield chain


def settled(api: Api, operation: Document) -> Document:
    until(lambda: api.operation(operation)["settled_by"] is not None, "nobody looks for it")
    later = api.operation({"id": api.operation(operation)["settled_by"]})
    return api.ended(later, "rolled_back")


@pytest.mark.fault("F18")
@pytest.mark.parametrize(
    ("action", "request_"),
    [
        (ADD, ONE_WAY),
        ("JoinSecurityGroup", connect_request("shared_group", ["i-a"], ["i-b"])),
    ],
)
def test_what_takes_effect_after_a_rollback_is_found_and_taken_back(
    chain: Chain, action: str, request_: Document
) -> None:
    api, cloud = chain.api, chain.cloud
    start = cloud.put(pair())
    cloud.faults(cloud.fault(action, "applied_late", times=1, after_seconds=3))
    operation = api.connect(request_, "rolled_back")
    assert cloud.estate() == start
    cloud.clear_faults()
    later = settled(api, operation)
    assert (later["settles"], later["kind"]) == (operation["id"], "connect")
    assert any(each["name"].startswith("undo 1") for each in later["steps"])
    assert cloud.estate() == start
    assert api.operation(operation)["status"] == "rolled_back"
    assert api.connection(operation["connection_id"])["status"] == "failed"
