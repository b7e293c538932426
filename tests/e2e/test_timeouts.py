"""Calls whose answer does not come in time, and that take effect later, or never."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.support.clouds import group_entry
from tests.support.e2e import (
    IMPATIENT,
    Api,
    Chain,
    Cloud,
    Document,
    asked_probes,
    chained,
    connect_request,
    pair,
    until,
)

REQUESTS = [
    ("AuthorizeSecurityGroup", connect_request("address_rules", ["i-a"], ["i-b"])),
    (
        "JoinSecurityGroup",
        connect_request("shared_group", ["i-a"], ["i-b"], security_group_id="sg-both"),
    ),
    ("CreateSecurityGroup", connect_request("dedicated_group", ["i-a"], ["i-b"])),
]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """A service that does not wait long for an answer."""
    url = f"sqlite:///{tmp_path_factory.mktemp('chain') / 'intercom.sqlite3'}"
    with chained(url, **IMPATIENT, read_timeout=timedelta(seconds=1)) as chain:
        yield chain


def hold(cloud: Cloud, action: str) -> None:
    cloud.faults({"id": "hold", "match": {"action": action, "nth": 1}, "kind": "hold"})


@pytest.mark.fault("F16", "F17")
@pytest.mark.parametrize(("action", "request_"), REQUESTS)
def test_a_call_that_takes_effect_late_doubles_nothing(
    api: Api, cloud: Cloud, action: str, request_: Document
) -> None:
    start = cloud.put(pair(groups=[group_entry("sg-both")]))
    hold(cloud, action)
    operation = api.start(request_)
    cloud.await_call(action, 2)
    cloud.clear_faults()
    operation = api.ended(operation)
    after = cloud.estate()
    made = len(after["security_groups"]) - len(start["security_groups"])
    assert made == (1 if action == "CreateSecurityGroup" else 0)
    assert len(cloud.rules("sg-b")) == (1 if action == "AuthorizeSecurityGroup" else 0)
    assert all(cloud.passes(probe) for probe in asked_probes(start, request_))
    api.disconnect(operation["connection_id"])
    assert cloud.estate() == start


@pytest.mark.parametrize(("action", "request_"), [REQUESTS[0], REQUESTS[2]])
def test_a_call_that_is_still_under_way_is_not_taken_for_undone(
    api: Api, cloud: Cloud, action: str, request_: Document
) -> None:
    cloud.put(pair(groups=[group_entry("sg-both")]))
    hold(cloud, action)
    operation = api.start(request_)
    cloud.await_call(action)
    until(lambda: bool(api.operation(operation)["done"]), "the operation never ends")
    operation = api.operation(operation)
    seen = cloud.estate()
    cloud.clear_faults()
    until(lambda: is_judged(cloud.changes(action)[0]), "the held call never goes on")
    assert operation["status"] == "needs_attention" or cloud.estate() == seen


def is_judged(call: Document) -> bool:
    return bool(call["applied"]) or call["code"] is not None
