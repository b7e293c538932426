"""The same chain on PostgreSQL: connect, share, go back, disconnect, by every method."""

from collections.abc import Iterator

import pytest

from tests.support.clouds import ACCOUNT, OTHER_ACCOUNT
from tests.support.databases import TEMPLATE, PostgreSql
from tests.support.e2e import (
    IMPATIENT,
    Api,
    Chain,
    Cloud,
    asked_probes,
    chained,
    connect_request,
    pair,
)

METHODS = ("address_rules", "shared_group", "dedicated_group", "group_authorization")


@pytest.fixture(scope="module")
def chain(postgresql: PostgreSql) -> Iterator[Chain]:
    """The whole chain on a database of its own."""
    url = postgresql.create("chain", template=TEMPLATE)
    with chained(url, **IMPATIENT) as chain:
        yield chain
    postgresql.drop("chain")


@pytest.mark.parametrize("vpc", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_connections_come_and_go(api: Api, cloud: Cloud, method: str, vpc: bool) -> None:
    to = OTHER_ACCOUNT if method in {"address_rules", "group_authorization"} else ACCOUNT
    start = cloud.put(pair(vpc=vpc, to=to))
    request = connect_request(method, ["i-a"], ["i-b"], to=to)
    first = api.connect(request)["connection_id"]
    second = api.connect(request)["connection_id"]
    added = cloud.estate()
    api.disconnect(first)
    assert cloud.estate() == added
    assert all(cloud.passes(probe) for probe in asked_probes(start, request))
    api.disconnect(second)
    assert cloud.estate() == start


@pytest.mark.parametrize("method", METHODS)
def test_a_refused_change_is_taken_back(api: Api, cloud: Cloud, method: str) -> None:
    start = cloud.put(pair())
    groups = {"dedicated_group": "JoinSecurityGroup", "shared_group": "JoinSecurityGroup"}
    action = groups.get(method, "AuthorizeSecurityGroup")
    cloud.faults(cloud.fault(action, "error", code="Forbidden.RAM", status=403))
    operation = api.connect(connect_request(method, ["i-a"], ["i-b"]), "rolled_back")
    assert operation["error"]["cloud_code"] == "Forbidden.RAM"
    assert cloud.estate() == start


def test_operations_on_one_group_wait_for_one_another(api: Api, cloud: Cloud) -> None:
    start = cloud.put(pair())
    cloud.faults({"id": "hold", "match": {"action": "AuthorizeSecurityGroup"}, "kind": "hold"})
    request = connect_request("address_rules", ["i-a"], ["i-b"])
    operations = [api.start(request) for _ in range(3)]
    cloud.await_call("AuthorizeSecurityGroup")
    answer = api.ask("POST", "/connections?wait=false", request)
    assert answer.json()["code"] == "target_busy"
    cloud.clear_faults()
    ended = [api.ended(each) for each in operations]
    assert len(cloud.rules("sg-b")) == 1
    for each in ended:
        api.disconnect(each["connection_id"])
    assert cloud.estate() == start
