"""Plans are bound to the world they were made for; operations on one group wait for one another."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from tests.support.clouds import group_entry, instance_entry
from tests.support.e2e import (
    Api,
    Cloud,
    Document,
    connect_request,
    group_in,
    pair,
    rule,
    until,
)

REQUEST = connect_request("address_rules", ["i-a"], ["i-b"])
ANY: Document = {"SourceCidrIp": "10.9.9.9/32"}


def of(api: Api, plan: Document, status: str = "succeeded") -> Document:
    answer = api.apply(plan)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/operations/{answer.json()['id']}"
    return api.ended(answer.json(), status)


def refused(api: Api, plan: Document, code: str) -> Document:
    answer = api.apply(plan)
    problem: Document = answer.json()
    assert (answer.status_code, problem["code"]) == (409, code)
    return problem


@pytest.mark.parametrize(
    "method", ["address_rules", "shared_group", "dedicated_group", "group_authorization"]
)
def test_an_unchanged_plan_is_applied_once(api: Api, cloud: Cloud, method: str) -> None:
    start = cloud.put(pair())
    plan = api.plan(connect_request(method, ["i-a"], ["i-b"]))
    assert api.get(f"/plans/{plan['id']}") == plan
    operation = of(api, plan)
    assert operation["plan_id"] == plan["id"]
    added = cloud.estate()
    cloud.clear_calls()
    assert refused(api, plan, "invalid_state")["operation_id"] == operation["id"]
    assert cloud.changes() == []
    assert cloud.estate() == added
    away = api.plan_disconnect(operation["connection_id"])
    of(api, away)
    refused(api, away, "invalid_state")
    assert cloud.estate() == start


def add_rule(estate: Document) -> None:
    group_in(estate, "sg-b")["Rules"].append(rule("sgr-new", ports="22/22", **ANY))


def change_rule(estate: Document) -> None:
    group_in(estate, "sg-b")["Rules"][0]["Priority"] = 7


def remove_rule(estate: Document) -> None:
    group_in(estate, "sg-b")["Rules"].clear()


def isolate(estate: Document) -> None:
    group_in(estate, "sg-a")["InnerAccessPolicy"] = "Drop"


def join(estate: Document) -> None:
    estate["instances"][2]["SecurityGroupIds"].append("sg-b")


def move(estate: Document) -> None:
    estate["instances"][0]["PrivateIp"] = "10.170.7.7"


def world() -> Document:
    return pair(
        target_rules=[rule("sgr-old", ports="81/81", Description="old", **ANY)],
        groups=[group_entry("sg-far")],
        instances=[instance_entry("i-far", ["sg-far"], private_ip="10.170.9.1")],
    )


@pytest.mark.fault("F10")
@pytest.mark.parametrize("change", [add_rule, change_rule, remove_rule, isolate, join, move])
def test_a_plan_whose_world_has_changed_is_stale(
    api: Api, cloud: Cloud, change: Callable[[Document], None]
) -> None:
    cloud.put(world())
    plan = api.plan(REQUEST)
    with cloud.edited() as estate:
        change(estate)
    changed = cloud.estate()
    problem = refused(api, plan, "plan_stale")
    assert problem["difference"]
    for each in problem["difference"]:
        assert each["before"] != each["after"]
        assert each["path"].startswith("/")
    assert cloud.changes() == []
    assert cloud.estate() == changed


def rename(estate: Document) -> None:
    group_in(estate, "sg-b")["SecurityGroupName"] = "renamed"
    estate["instances"][0]["InstanceName"] = "renamed"


def describe(estate: Document) -> None:
    group_in(estate, "sg-b")["Rules"][0]["Description"] = "new words"


def change_elsewhere(estate: Document) -> None:
    group_in(estate, "sg-far")["Rules"].append(rule("sgr-far", ports="22/22", **ANY))


def stop(estate: Document) -> None:
    estate["instances"][0]["Status"] = "Stopped"


@pytest.mark.parametrize("change", [rename, describe, change_elsewhere, stop])
def test_a_change_that_decides_nothing_makes_no_plan_stale(
    api: Api, cloud: Cloud, change: Callable[[Document], None]
) -> None:
    cloud.put(world())
    plan = api.plan(REQUEST)
    with cloud.edited() as estate:
        change(estate)
    operation = of(api, plan)
    api.disconnect(operation["connection_id"])


def test_a_stale_plan_of_a_disconnect_is_refused(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    connection_id = api.connect(REQUEST)["connection_id"]
    plan = api.plan_disconnect(connection_id)
    with cloud.edited() as estate:
        add_rule(estate)
    cloud.clear_calls()
    refused(api, plan, "plan_stale")
    assert cloud.changes() == []
    assert api.connection(connection_id)["status"] == "active"


def test_two_equal_plans_end_as_one_and_a_stale_one(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    first, second = api.plan(REQUEST), api.plan(REQUEST)
    assert first["fingerprint"] == second["fingerprint"]
    of(api, first)
    refused(api, second, "plan_stale")


@pytest.mark.fault("F10")
def test_a_plan_that_waits_for_another_one_is_rejected_as_stale(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    plans = [api.plan(REQUEST), api.plan(REQUEST)]
    hold(cloud)
    operations = [api.apply(plan).json() for plan in plans]
    cloud.await_call("AuthorizeSecurityGroup")
    cloud.clear_faults()
    api.ended(operations[0])
    rejected = api.ended(operations[1], "rejected")
    assert rejected["error"]["code"] == "plan_stale"
    assert rejected["error"]["difference"]
    assert len(cloud.changes()) == 1
    assert api.connection(rejected["connection_id"])["status"] == "failed"


# --- waiting ---------------------------------------------------------------------------


def hold(cloud: Cloud, action: str = "AuthorizeSecurityGroup", nth: int = 1) -> None:
    fault = {"id": "hold", "match": {"action": action, "nth": nth}, "kind": "hold"}
    cloud.faults(fault)


def port(number: int) -> list[Document]:
    return [{"protocol": "tcp", "port_range": f"{number}/{number}"}]


def test_a_caller_who_does_not_wait_is_told_who_is_in_the_way(api: Api, cloud: Cloud) -> None:
    start = cloud.put(pair())
    hold(cloud)
    first = api.start(REQUEST)
    cloud.await_call("AuthorizeSecurityGroup")
    other = connect_request("address_rules", ["i-a"], ["i-b"], flows=port(22))
    answer = api.ask("POST", "/connections?wait=false", other)
    assert (answer.status_code, answer.json()["code"]) == (409, "target_busy")
    assert answer.json()["operation_id"] == first["id"]
    plan = api.plan(other)
    answer = api.ask("POST", f"/plans/{plan['id']}/apply?wait=false")
    assert (answer.status_code, answer.json()["code"]) == (409, "target_busy")
    cloud.clear_faults()
    first = api.ended(first)
    answer = api.ask("POST", "/connections?wait=false", other)
    assert answer.status_code == 202
    second = api.ended(answer.json())
    for each in (first, second):
        api.disconnect(each["connection_id"])
    assert cloud.estate() == start


def test_operations_on_one_group_are_carried_out_in_order(api: Api, cloud: Cloud) -> None:
    start = cloud.put(pair())
    hold(cloud)
    operations = [
        api.start(connect_request("address_rules", ["i-a"], ["i-b"], flows=port(number)))
        for number in (21, 22, 23, 24)
    ]
    cloud.await_call("AuthorizeSecurityGroup")
    assert [api.operation(each)["done"] for each in operations] == [False] * 4
    cloud.clear_faults()
    ended = [api.ended(each) for each in operations]
    ports = [
        call["parameters"]["Permissions.1.PortRange"]
        for call in cloud.changes("AuthorizeSecurityGroup")
    ]
    assert ports == ["21/21", "22/22", "23/23", "24/24"]
    for one, next_one in pairwise(ended):
        assert one["finished_at"] <= next_one["finished_at"]
    for each in ended:
        api.disconnect(each["connection_id"])
    assert cloud.estate() == start


def test_operations_on_other_groups_do_not_wait(api: Api, cloud: Cloud) -> None:
    cloud.put(
        pair(
            groups=[group_entry("sg-c")],
            instances=[instance_entry("i-c", ["sg-c"], private_ip="10.170.0.3")],
        )
    )
    hold(cloud)
    first = api.start(REQUEST)
    cloud.await_call("AuthorizeSecurityGroup")
    api.connect(connect_request("address_rules", ["i-a"], ["i-c"]))
    assert not api.operation(first)["done"]
    cloud.clear_faults()
    api.ended(first)


def test_what_was_asked_twice_at_once_is_made_once(api: Api, cloud: Cloud) -> None:
    start = cloud.put(pair())
    hold(cloud)
    operations = [api.start(REQUEST), api.start(REQUEST)]
    cloud.await_call("AuthorizeSecurityGroup")
    cloud.clear_faults()
    first, second = (api.ended(each) for each in operations)
    assert len(cloud.rules("sg-b")) == 1
    assert len(cloud.changes()) == 1
    api.disconnect(first["connection_id"])
    assert len(cloud.rules("sg-b")) == 1
    api.disconnect(second["connection_id"])
    assert cloud.estate() == start


def waiting(api: Api, cloud: Cloud, request: Document) -> tuple[Document, Document]:
    """An operation that is held, and one for the same group that waits for it."""
    hold(cloud)
    first = api.start(connect_request("address_rules", ["i-a"], ["i-b"], flows=port(21)))
    cloud.await_call("AuthorizeSecurityGroup")
    second = api.start(request)
    return first, second


def test_an_operation_that_waited_is_planned_anew(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    first, second = waiting(api, cloud, REQUEST)
    with cloud.edited() as estate:
        group_in(estate, "sg-b")["Rules"].append(
            rule("sgr-open", ports="3306/3306", SourceCidrIp="10.170.0.1/32")
        )
    cloud.clear_faults()
    api.ended(first)
    second = api.ended(second)
    assert len(cloud.changes("AuthorizeSecurityGroup")) == 1
    assert api.connection(second["connection_id"])["ledger"] == []


def test_an_operation_that_would_open_more_than_it_said_is_rejected(api: Api, cloud: Cloud) -> None:
    cloud.put(
        pair(
            groups=[group_entry("sg-far")],
            instances=[instance_entry("i-far", ["sg-far"], private_ip="10.170.9.1")],
        )
    )
    request = connect_request("group_authorization", ["i-a"], ["i-b"])
    first, second = waiting(api, cloud, request)
    with cloud.edited() as estate:
        estate["instances"][2]["SecurityGroupIds"] = ["sg-far", "sg-a"]
    cloud.clear_faults()
    api.ended(first)
    rejected = api.ended(second, "rejected")
    assert rejected["error"]["code"] == "plan_stale"
    assert {each["source"]["instance_id"] for each in rejected["error"]["difference"]} == {"i-far"}
    assert len(cloud.changes()) == 1


def test_an_operation_that_has_become_impossible_is_rejected(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    first, second = waiting(api, cloud, REQUEST)
    with cloud.edited() as estate:
        group_in(estate, "sg-b")["Rules"].append(
            rule("sgr-drop", ports="3306/3306", policy="drop", SourceCidrIp="0.0.0.0/0")
        )
    cloud.clear_faults()
    api.ended(first)
    rejected = api.ended(second, "rejected")
    assert rejected["error"]["code"] == "method_not_possible"
    assert rejected["error"]["obstacles"][0]["rule_id"] == "sgr-drop"
    assert len(cloud.changes()) == 1


@pytest.mark.fault("F45")
def test_an_operation_whose_instance_is_gone_is_rejected(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    first, second = waiting(api, cloud, REQUEST)
    with cloud.edited() as estate:
        del estate["instances"][0]
    cloud.clear_faults()
    until(lambda: api.operation(first)["done"], "the first one never ends")
    rejected = api.ended(second, "rejected")
    assert rejected["error"]["code"] == "target_not_found"


# --- what an operation tells ---------------------------------------------------------


def test_an_operation_tells_its_steps_backup_and_verdicts(api: Api, cloud: Cloud) -> None:
    start = cloud.put(pair(target_rules=[rule("sgr-old", ports="81/81", **ANY)]))
    operation = api.connect(REQUEST)
    assert operation["progress"] == 100
    assert operation["error"] is None
    assert [each["status"] for each in operation["steps"]] == ["succeeded"] * len(
        operation["steps"]
    )
    assert operation["result"]["verdicts"][0]["verdict"] == "reachable"
    [backup_id] = operation["backup_ids"]
    backup = api.get(f"/backups/{backup_id}")
    assert backup["group_id"] == "sg-b"
    held = [each["rule_id"] for each in backup["content"]["rules"]]
    assert held == [each["SecurityGroupRuleId"] for each in group_in(start, "sg-b")["Rules"]]


def test_plans_last_for_their_lifetime(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    plan = api.plan(REQUEST)
    made, ends = (datetime.fromisoformat(plan[key]) for key in ("created_at", "expires_at"))
    assert ends - made == timedelta(hours=1)
