"""A disconnect takes back what is ours, says what it leaves, and can be asked for again."""

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
)

METHODS = ("address_rules", "shared_group", "dedicated_group", "group_authorization")
REQUEST = connect_request("address_rules", ["i-a"], ["i-b"])


@pytest.mark.parametrize("method", METHODS)
def test_a_second_disconnect_is_answered_by_the_first_one(
    api: Api, cloud: Cloud, method: str
) -> None:
    start = cloud.put(pair())
    connection_id = api.connect(connect_request(method, ["i-a"], ["i-b"]))["connection_id"]
    first = api.disconnect(connection_id)
    cloud.clear_calls()
    second = api.disconnect(connection_id)
    assert second == first
    assert cloud.changes() == []
    assert cloud.estate() == start
    connection = api.connection(connection_id)
    assert (connection["status"], connection["ledger"]) == ("disconnected", [])
    assert connection["disconnected_at"] is not None


def test_a_disconnect_under_way_answers_a_second_one(api: Api, cloud: Cloud) -> None:
    start = cloud.put(pair())
    connection_id = api.connect(REQUEST)["connection_id"]
    cloud.faults({"id": "hold", "match": {"action": "RevokeSecurityGroup"}, "kind": "hold"})
    first = api.ask("DELETE", f"/connections/{connection_id}").json()
    cloud.await_call("RevokeSecurityGroup")
    second = api.ask("DELETE", f"/connections/{connection_id}").json()
    assert second["id"] == first["id"]
    cloud.clear_faults()
    api.ended(first)
    assert len(cloud.changes("RevokeSecurityGroup")) == 1
    assert cloud.estate() == start


def test_a_connection_in_the_making_is_not_disconnected(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    cloud.faults({"id": "hold", "match": {"action": "AuthorizeSecurityGroup"}, "kind": "hold"})
    operation = api.start(REQUEST)
    cloud.await_call("AuthorizeSecurityGroup")
    answer = api.ask("DELETE", f"/connections/{operation['connection_id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "invalid_state")
    cloud.clear_faults()
    api.ended(operation)


def test_an_unknown_connection_is_not_found(api: Api) -> None:
    assert api.ask("DELETE", "/connections/nobody").status_code == 404


@pytest.mark.fault("F52")
@pytest.mark.parametrize("field", ["Description", "Priority", "PortRange"])
def test_a_rule_edited_by_hand_is_kept_and_reported(api: Api, cloud: Cloud, field: str) -> None:
    cloud.put(pair())
    connection_id = api.connect(REQUEST)["connection_id"]
    with cloud.edited() as estate:
        [held] = group_in(estate, "sg-b")["Rules"]
        held[field] = {"Description": "mine now", "Priority": 5, "PortRange": "3300/3310"}[field]
    edited = cloud.estate()
    plan = api.plan_disconnect(connection_id)
    assert plan["changes"] == []
    assert any("edited by hand" in each for each in plan["warnings"])
    cloud.clear_calls()
    operation = api.disconnect(connection_id)
    assert any("edited by hand" in each for each in operation["result"]["warnings"])
    assert operation["result"]["verdicts"][0]["verdict"] == "reachable"
    assert cloud.changes() == []
    assert cloud.estate() == edited


def test_a_rule_that_somebody_removed_is_not_missed(api: Api, cloud: Cloud) -> None:
    start = cloud.put(pair())
    flows = [{"protocol": "tcp", "port_range": port} for port in ("3306/3306", "3307/3307")]
    request = connect_request("address_rules", ["i-a"], ["i-b"], flows=flows)
    connection_id = api.connect(request)["connection_id"]
    with cloud.edited() as estate:
        del group_in(estate, "sg-b")["Rules"][0]
    api.disconnect(connection_id)
    assert cloud.estate() == start


@pytest.mark.fault("F32")
def test_a_rule_that_somebody_removes_meanwhile_is_not_missed(api: Api, cloud: Cloud) -> None:
    start = cloud.put(pair())
    flows = [{"protocol": "tcp", "port_range": port} for port in ("3306/3306", "3307/3307")]
    request = connect_request("address_rules", ["i-a"], ["i-b"], flows=flows)
    connection_id = api.connect(request)["connection_id"]
    first = cloud.rules("sg-b")[0]["SecurityGroupRuleId"]
    cloud.faults(cloud.fault("RevokeSecurityGroup", "edit", nth=1, remove_rule_ids=[first]))
    api.disconnect(connection_id)
    assert cloud.estate() == start


@pytest.mark.parametrize("method", ["shared_group", "dedicated_group"])
def test_a_membership_that_somebody_ended_is_not_missed(
    api: Api, cloud: Cloud, method: str
) -> None:
    start = cloud.put(pair())
    connection_id = api.connect(connect_request(method, ["i-a"], ["i-b"]))["connection_id"]
    with cloud.edited() as estate:
        for each, own in zip(estate["instances"], ("sg-a", "sg-b"), strict=True):
            each["SecurityGroupIds"] = [own]
    api.disconnect(connection_id)
    assert cloud.estate() == start


def test_a_group_of_ours_that_got_a_foreign_member_is_left(api: Api, cloud: Cloud) -> None:
    cloud.put(
        pair(
            groups=[group_entry("sg-c")],
            instances=[instance_entry("i-c", ["sg-c"], private_ip="10.170.0.3")],
        )
    )
    request = connect_request("dedicated_group", ["i-a"], ["i-b"], group_name="for-a-and-b")
    connection_id = api.connect(request)["connection_id"]
    [made] = cloud.groups_of("i-a") - {"sg-a"}
    assert cloud.group(made)["SecurityGroupName"] == "for-a-and-b"
    with cloud.edited() as estate:
        estate["instances"][2]["SecurityGroupIds"].append(made)
    operation = api.disconnect(connection_id)
    assert any(made in each for each in operation["result"]["warnings"])
    assert [cloud.groups_of(each) for each in ("i-a", "i-b", "i-c")] == [
        {"sg-a"},
        {"sg-b"},
        {"sg-c", made},
    ]


def name_it(estate: Document, made: str) -> None:
    named = rule("sgr-names", ports="22/22", SourceGroupId=made)
    group_in(estate, "sg-a")["Rules"].append(named)


def fill_it(estate: Document, made: str) -> None:
    theirs = rule("sgr-theirs", ports="22/22", SourceCidrIp="10.9.9.9/32")
    group_in(estate, made)["Rules"].append(theirs)


@pytest.mark.parametrize("edit", [name_it, fill_it])
def test_a_group_of_ours_that_somebody_uses_is_left(api: Api, cloud: Cloud, edit: object) -> None:
    cloud.put(pair())
    connection_id = api.connect(connect_request("dedicated_group", ["i-a"], ["i-b"]))[
        "connection_id"
    ]
    [made] = cloud.groups_of("i-a") - {"sg-a"}
    with cloud.edited() as estate:
        assert callable(edit)
        edit(estate, made)
    operation = api.disconnect(connection_id)
    assert any(made in each for each in operation["result"]["warnings"])
    assert cloud.group(made)
    assert cloud.groups_of("i-a") == {"sg-a"}


def test_an_instance_does_not_leave_its_last_group(api: Api, cloud: Cloud) -> None:
    cloud.put(pair(groups=[group_entry("sg-both")]))
    request = connect_request("shared_group", ["i-a"], ["i-b"], security_group_id="sg-both")
    connection_id = api.connect(request)["connection_id"]
    with cloud.edited() as estate:
        estate["instances"][0]["SecurityGroupIds"] = ["sg-both"]
    operation = api.disconnect(connection_id)
    assert any("last" in each for each in operation["result"]["warnings"])
    assert cloud.groups_of("i-a") == {"sg-both"}
    assert cloud.groups_of("i-b") == {"sg-b"}


def test_a_disconnect_says_what_still_allows_the_flow(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    connection_id = api.connect(REQUEST)["connection_id"]
    with cloud.edited() as estate:
        wide = rule("sgr-wide", ports="3306/3306", SourceCidrIp="10.170.0.0/16")
        group_in(estate, "sg-b")["Rules"].append(wide)
    operation = api.disconnect(connection_id)
    assert [each["SecurityGroupRuleId"] for each in cloud.rules("sg-b")] == ["sgr-wide"]
    assert any("sgr-wide" in each for each in operation["result"]["warnings"])
    assert operation["result"]["verdicts"][0]["verdict"] == "reachable"


@pytest.mark.fault("F45")
@pytest.mark.parametrize("method", METHODS)
def test_an_instance_that_is_gone_is_no_obstacle(api: Api, cloud: Cloud, method: str) -> None:
    cloud.put(pair())
    connection_id = api.connect(connect_request(method, ["i-a"], ["i-b"]))["connection_id"]
    with cloud.edited() as estate:
        del estate["instances"][0]
    api.disconnect(connection_id)
    assert cloud.rules("sg-b") == []
    assert cloud.groups_of("i-b") == {"sg-b"}
    assert len(cloud.estate()["security_groups"]) == 2


@pytest.mark.fault("F45")
def test_a_group_that_is_gone_is_no_obstacle(api: Api, cloud: Cloud) -> None:
    cloud.put(pair(groups=[group_entry("sg-c")]))
    connection_id = api.connect(REQUEST)["connection_id"]
    with cloud.edited() as estate:
        estate["instances"][1]["SecurityGroupIds"] = ["sg-c"]
        estate["security_groups"] = [
            each for each in estate["security_groups"] if each["SecurityGroupId"] != "sg-b"
        ]
    api.disconnect(connection_id)
    assert api.connection(connection_id)["status"] == "disconnected"
