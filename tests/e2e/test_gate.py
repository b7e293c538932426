"""Adds, observed, then removals: nothing is removed before its successor stands, or after drift.

No method plans an addition and a removal together, so a removal is written into the plan of
an operation while its process is dead: it goes on with both.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.domain.changes import Revoke
from app.domain.documents import change_document, read_held
from app.domain.groups import Place
from app.domain.rules import Direction
from app.simulator.server import running
from tests.e2e.test_processes import hold
from tests.support.clouds import ACCOUNT, REGION
from tests.support.e2e import Api, Cloud, Document, connect_request, group_in, pair, rule
from tests.support.replicas import replica

pytestmark = pytest.mark.timeout(240)

ADD, REMOVE, READ = (
    "AuthorizeSecurityGroup",
    "RevokeSecurityGroup",
    "DescribeSecurityGroupAttribute",
)
ONE_WAY = connect_request("address_rules", ["i-a"], ["i-b"])
BROAD = rule("sgr-broad", ports="3306/3306", SourceCidrIp="10.170.0.0/16")
THEIRS = {"sgr-other", "sgr-broad"}


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with running(pair()) as simulator:
        cloud = Cloud(simulator.url)
        yield cloud
        cloud.clear_faults()
        cloud.close()


@contextmanager
def going_on(
    cloud: Cloud, folder: Path, meanwhile: Document | None = None
) -> Iterator[tuple[Api, Document]]:
    """An operation that has added its rule and is to remove another one next.

    `meanwhile` is a rule that somebody else adds to the same group.
    """
    database = folder / "intercom.sqlite3"
    cloud.put(pair(target_rules=[rule("sgr-other", ports="22/22", SourceCidrIp="10.9.9.9/32")]))
    with replica(cloud, database, folder) as service:
        service.api.register(ACCOUNT)
        hold(cloud, ADD, 1, "after")
        operation = service.api.start(ONE_WAY)
        cloud.await_call(ADD)
        service.kill()
    cloud.clear_faults()
    to_be_removed(database, operation)
    if meanwhile is not None:
        with cloud.edited() as estate:
            group_in(estate, "sg-b")["Rules"].append(meanwhile)
    with replica(cloud, database, folder) as service:
        yield service.api, operation


def to_be_removed(database: Path, operation: Document) -> None:
    held = read_held(
        {
            "rule_id": "sgr-other", "direction": "ingress", "policy": "accept", "priority": 1,
            "protocol": "tcp", "port_range": "22/22", "nic_type": "intranet",
            "peer": {"cidr": "10.9.9.9/32"}, "description": "",
        }
    )  # fmt: skip
    place = Place(ACCOUNT, REGION)
    removal = change_document(Revoke(place, "sg-b", Direction.INGRESS, (held,)))
    with sqlite3.connect(database) as connection:
        [(plan_id, text)] = connection.execute(
            "SELECT plan_id, document FROM plans WHERE plan_id = "
            "(SELECT plan_id FROM operations WHERE operation_id = ?)",
            [operation["id"]],
        )
        document = json.loads(text)
        document["changes"].append(removal)
        values = [json.dumps(document), plan_id]
        connection.execute("UPDATE plans SET document = ? WHERE plan_id = ?", values)
    connection.close()


def test_what_was_added_is_read_back_before_anything_is_removed(
    cloud: Cloud, tmp_path: Path
) -> None:
    with going_on(cloud, tmp_path) as (api, operation):
        api.ended(api.operation(operation))
    assert [each["PortRange"] for each in cloud.rules("sg-b")] == ["3306/3306"]
    actions = [each["action"] for each in cloud.calls()]
    last_add = len(actions) - 1 - actions[::-1].index(ADD)
    assert READ in actions[last_add : actions.index(REMOVE)]


@pytest.mark.fault("F31")
def test_nothing_is_removed_once_somebody_else_has_changed_the_group(
    cloud: Cloud, tmp_path: Path
) -> None:
    with going_on(cloud, tmp_path, meanwhile=BROAD) as (api, operation):
        error = api.ended(api.operation(operation), "rolled_back")["error"]
    assert error["code"] == "drift_during_run"
    assert [each["rule"]["rule_id"] for each in error["difference"]] == ["sgr-broad"]
    assert cloud.changes(REMOVE)[0]["parameters"]["SecurityGroupRuleId.1"] not in THEIRS
    assert {each["SecurityGroupRuleId"] for each in cloud.rules("sg-b")} == THEIRS
