"""A freeze refuses what is new and parks what runs; a way back goes on."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.clouds import ACCOUNT, OTHER_ACCOUNT
from tests.support.e2e import Api, Cloud, connect_request, pair, until

FLOWS = [{"protocol": "tcp", "port_range": "3306/3306"}]
BOTH_WAYS = connect_request("address_rules", ["i-a"], ["i-b"], bidirectional=True)


@pytest.fixture(autouse=True)
def thawed(api: Api) -> Iterator[None]:
    yield
    for each in api.get("/freeze")["items"]:
        freeze(api, each["account_id"], frozen=False)


def freeze(api: Api, account_id: str = "*", *, frozen: bool = True) -> dict[str, Any]:
    body = {"frozen": frozen, "reason": "a migration", "account_id": account_id}
    answer = api.ask("PUT", "/freeze", body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def hold(cloud: Cloud, nth: int = 1) -> str:
    match = {"action": "AuthorizeSecurityGroup", "nth": nth}
    cloud.faults({"id": "hold", "match": match, "kind": "hold", "when": "after"})
    return "hold"


@pytest.mark.parametrize("account_id", ["*", ACCOUNT])
def test_what_is_new_is_refused_until_it_is_lifted(api: Api, cloud: Cloud, account_id: str) -> None:
    cloud.put(pair())
    plan = api.plan(BOTH_WAYS)
    shown = freeze(api, account_id)
    assert shown["frozen"] is (account_id == "*")
    [item] = shown["items"]
    assert (item["account_id"], item["reason"]) == (account_id, "a migration")
    problem = api.refused(BOTH_WAYS, 409, "account_frozen")
    assert problem["account_id"] == account_id
    assert api.apply(plan).json()["code"] == "account_frozen"
    assert cloud.changes() == []
    freeze(api, account_id, frozen=False)
    api.ended(api.apply(plan).json(), is_settled=False)


def test_another_account_is_not_touched_by_a_freeze(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    freeze(api, OTHER_ACCOUNT)
    api.connect(BOTH_WAYS)


def test_an_operation_that_runs_waits_before_its_next_change(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    held = hold(cloud)
    operation = api.start(BOTH_WAYS)
    cloud.await_call("AuthorizeSecurityGroup")
    freeze(api)
    cloud.release(held)
    until(
        lambda: len(_succeeded(api, operation)) >= 3,
        "its first change never ends",
    )
    for _ in range(10):  # it had the time of ten answers, and takes not one step
        assert len(cloud.changes("AuthorizeSecurityGroup")) == 1
        assert api.operation(operation)["status"] == "running"
    freeze(api, frozen=False)
    api.ended(operation)
    assert len(cloud.changes("AuthorizeSecurityGroup")) == 2


def _succeeded(api: Api, operation: dict[str, Any]) -> list[dict[str, Any]]:
    steps = api.operation(operation)["steps"]
    return [step for step in steps if step["status"] == "succeeded"]


def test_a_way_back_is_not_parked(api: Api, cloud: Cloud) -> None:
    start = cloud.put(pair())
    held = hold(cloud)
    operation = api.start(BOTH_WAYS)
    cloud.await_call("AuthorizeSecurityGroup")
    freeze(api)
    cloud.release(held)
    assert api.ask("POST", f"/operations/{operation['id']}/rollback").status_code == 202
    api.ended(operation, "rolled_back")
    assert cloud.estate() == start


@pytest.mark.parametrize(
    "change", [{"frozen": "yes"}, {"reason": ""}, {"account_id": "x"}, {"until": "tomorrow"}]
)
def test_a_freeze_that_makes_no_sense_is_refused(api: Api, change: dict[str, Any]) -> None:
    body = {"frozen": True, "reason": "r"} | change
    assert api.ask("PUT", "/freeze", body).status_code == 422
    assert api.get("/freeze") == {"frozen": False, "items": []}
