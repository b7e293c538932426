"""A plan can be applied for a while only."""

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.support.e2e import Api, Chain, Cloud, chained, connect_request, pair


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """A service whose plans do not last."""
    url = f"sqlite:///{tmp_path_factory.mktemp('chain') / 'intercom.sqlite3'}"
    with chained(url, plan_lifetime=timedelta(milliseconds=50)) as chain:
        yield chain


def test_an_expired_plan_is_not_applied(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    plan = api.plan(connect_request("address_rules", ["i-a"], ["i-b"]))
    time.sleep(0.06)
    answer = api.apply(plan)
    assert (answer.status_code, answer.json()["code"]) == (409, "plan_stale")
    assert "expired" in answer.json()["detail"]
    assert cloud.changes() == []


def test_a_connection_is_made_whatever_becomes_of_plans(api: Api, cloud: Cloud) -> None:
    start = cloud.put(pair())
    operation = api.connect(connect_request("address_rules", ["i-a"], ["i-b"]))
    api.disconnect(operation["connection_id"])
    assert cloud.estate() == start
