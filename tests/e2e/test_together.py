"""What happens side by side, and what is left when neither way can be gone to its end."""

from typing import Any

import pytest

from tests.support.e2e import Api, Cloud, Document, connect_request, pair, rule

METHODS = ("address_rules", "shared_group", "dedicated_group", "group_authorization")
GROUP_METHODS = ("shared_group", "dedicated_group")


def asked(method: str, **fields: Any) -> Document:
    return connect_request(method, ["i-a"], ["i-b"], **fields)


@pytest.mark.parametrize("method", METHODS)
def test_two_disconnects_at_once_of_what_both_need_leave_nothing(
    api: Api, cloud: Cloud, method: str
) -> None:
    start = cloud.put(pair())
    one, other = (api.connect(asked(method))["connection_id"] for _ in range(2))
    cloud.faults(*[cloud.fault(action, "delay", seconds=0.2) for action in ("DescribeInstances",)])
    operations = [api.ask("DELETE", f"/connections/{each}").json() for each in (one, other)]
    for operation in operations:
        api.ended(operation)
    assert cloud.estate() == start


def test_a_plan_to_disconnect_is_stale_once_another_connection_needs_its_rule(
    api: Api, cloud: Cloud
) -> None:
    cloud.put(pair())
    first = api.connect(asked("address_rules"))["connection_id"]
    plan = api.plan_disconnect(first)
    assert plan["changes"]
    api.connect(asked("address_rules"))
    answer = api.apply(plan)
    assert (answer.status_code, answer.json()["code"]) == (409, "plan_stale")
    assert cloud.changes("RevokeSecurityGroup") == []


def test_a_membership_that_somebody_made_just_before_us_is_not_ours(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    hand = {"join": [{"instance_id": "i-b", "group_id": "sg-a"}]}
    cloud.faults(cloud.fault("JoinSecurityGroup", "edit", times=1, when="before", **hand))
    made = api.connect(asked("shared_group", security_group_id="sg-a"))
    assert cloud.groups_of("i-b") == {"sg-a", "sg-b"}
    api.disconnect(made["connection_id"])
    assert cloud.groups_of("i-b") == {"sg-a", "sg-b"}


@pytest.mark.parametrize("method", GROUP_METHODS)
@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_joining_a_group_respects_a_drop_unless_told_otherwise(
    api: Api, cloud: Cloud, method: str, direction: str
) -> None:
    egress = direction == "egress"
    peer: dict[str, Any] = {"DestCidrIp" if egress else "SourceCidrIp": "0.0.0.0/0"}
    drop = rule("sgr-drop", egress=egress, policy="drop", ports="3306/3306", **peer)
    cloud.put(pair(source_rules=[drop] if egress else [], target_rules=[] if egress else [drop]))
    problem = api.refused(asked(method), 422, "method_not_possible")
    assert {each["code"] for each in problem["obstacles"]} == {"drop_rule"}
    assert {each["rule_id"] for each in problem["obstacles"]} == {"sgr-drop"}
    assert problem["possible_methods"] == []
    api.connect(asked(method, override_drops=True))


@pytest.mark.parametrize("method", METHODS)
def test_no_method_connects_an_instance_without_an_address_of_the_family(
    api: Api, cloud: Cloud, method: str
) -> None:
    cloud.put(pair())
    problem = api.refused(asked(method, address_family="ipv6"), 422, "method_not_possible")
    assert problem["possible_methods"] == []


def test_a_request_that_waited_is_not_refused_for_what_it_asked(api: Api, cloud: Cloud) -> None:
    start = cloud.put(pair())
    first = api.connect(asked("address_rules"))["connection_id"]
    held = cloud.fault("RevokeSecurityGroup", "hold", times=1) | {"id": "held"}
    cloud.faults(held)
    leaving = api.ask("DELETE", f"/connections/{first}").json()
    cloud.await_call("RevokeSecurityGroup")
    waiting = api.start(asked("address_rules"))
    cloud.release("held")
    api.ended(leaving)
    made = api.ended(waiting)
    api.disconnect(made["connection_id"])
    assert cloud.estate() == start


def test_what_a_broken_operation_left_is_taken_away_by_a_later_disconnect(
    api: Api, cloud: Cloud
) -> None:
    start = cloud.put(pair())
    refusal = {"code": "Forbidden.RAM", "status": 403}
    cloud.faults(
        cloud.fault("AuthorizeSecurityGroup", "error", nth=2, **refusal),
        cloud.fault("RevokeSecurityGroup", "error", times=50, **refusal),
    )
    broken = api.connect(asked("address_rules", bidirectional=True), "needs_attention")
    left = broken["error"]["remaining"]
    assert [each["kind"] for each in left] == ["added_rule"]
    assert cloud.estate() != start
    cloud.clear_faults()
    assert len(api.connection(broken["connection_id"])["ledger"]) == 1
    api.disconnect(broken["connection_id"])
    assert cloud.estate() == start


@pytest.mark.fault("F51")
def test_a_group_made_anew_on_the_way_back_is_still_ours(api: Api, cloud: Cloud) -> None:
    start = cloud.put(pair())
    made = api.connect(asked("dedicated_group"))
    error = {"code": "Unheard.Of", "status": 400, "when": "after"}
    cloud.faults(cloud.fault("DeleteSecurityGroup", "error", times=1, **error))
    operation = api.ask("DELETE", f"/connections/{made['connection_id']}").json()
    while not operation["done"]:
        operation = api.operation(operation)
    cloud.clear_faults()
    api.disconnect(made["connection_id"])
    assert cloud.estate() == start


def test_a_group_that_was_made_although_the_cloud_said_no_is_found(api: Api, cloud: Cloud) -> None:
    start = cloud.put(pair())
    error = {"code": "Unheard.Of", "status": 400, "when": "after"}
    cloud.faults(cloud.fault("CreateSecurityGroup", "error", times=1, **error))
    made = api.connect(asked("dedicated_group", reason="https://ticket.example/7"))
    assert len(cloud.estate()["security_groups"]) == len(start["security_groups"]) + 1
    api.disconnect(made["connection_id"])
    assert cloud.estate() == start
