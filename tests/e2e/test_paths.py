"""Drops, priorities, egress and isolation: planned right, or refused with the rule named."""

import pytest

from tests.support.clouds import ACCOUNT, group_entry, instance_entry
from tests.support.e2e import (
    Api,
    Cloud,
    Document,
    Radius,
    Truth,
    asked_probes,
    connect_request,
    pair,
    probes,
    rule,
)

RULES = ("address_rules", "group_authorization")
ENTERPRISE = {"SecurityGroupType": "enterprise", "InnerAccessPolicy": "Drop"}


def works(api: Api, cloud: Cloud, estate: Document, request: Document) -> Document:
    """Connect and disconnect; check flows and blast radius by the packet walk. Return the plan."""
    start = cloud.put(estate)
    packets = probes(start, strangers=("10.99.0.9", "172.20.0.9"))
    before = Truth.of(cloud, packets)
    plan = api.plan(request)
    operation = api.connect(request)
    after = Truth.of(cloud, packets)
    assert all(cloud.passes(probe) for probe in asked_probes(start, request))
    gained, perhaps = Radius(plan["gained"]).split(packets)
    assert before.opened(after) == gained | (perhaps & before.opened(after))
    assert before.closed(after) == set()
    api.disconnect(operation["connection_id"])
    assert cloud.estate() == start
    return plan


def refused_for(api: Api, cloud: Cloud, estate: Document, request: Document, rule_id: str) -> None:
    start = cloud.put(estate)
    problem = api.refused(request, 422, "method_not_possible")
    assert {(each["code"], each.get("rule_id")) for each in problem["obstacles"]} == {
        ("drop_rule", rule_id)
    }
    assert rule_id in problem["detail"]
    assert cloud.changes() == []
    assert cloud.estate() == start


def dropped(priority: int, *, egress: bool = False) -> Document:
    fields: Document = {"policy": "drop", "priority": priority}
    if egress:
        out = rule("sgr-drop", egress=True, DestCidrIp="10.170.0.2/32", **fields)
        return pair(source_rules=[out])
    return pair(target_rules=[rule("sgr-drop", SourceCidrIp="10.170.0.0/16", **fields)])


@pytest.mark.parametrize("egress", [False, True])
@pytest.mark.parametrize("method", RULES)
@pytest.mark.parametrize("priority", [1, 2, 50, 100])
def test_a_drop_is_not_overridden_unasked(
    api: Api, cloud: Cloud, method: str, priority: int, egress: bool
) -> None:
    request = connect_request(method, ["i-a"], ["i-b"])
    refused_for(api, cloud, dropped(priority, egress=egress), request, "sgr-drop")


@pytest.mark.parametrize("egress", [False, True])
@pytest.mark.parametrize("method", RULES)
@pytest.mark.parametrize(("own", "theirs"), [(1, 2), (99, 100)])
def test_a_drop_of_a_worse_priority_is_overridden_on_demand(
    api: Api, cloud: Cloud, method: str, own: int, theirs: int, egress: bool
) -> None:
    request = connect_request(method, ["i-a"], ["i-b"], priority=own, override_drops=True)
    plan = works(api, cloud, dropped(theirs, egress=egress), request)
    assert len(plan["changes"]) == (2 if egress else 1)


@pytest.mark.parametrize("egress", [False, True])
@pytest.mark.parametrize("method", RULES)
@pytest.mark.parametrize(("own", "theirs"), [(1, 1), (2, 1), (50, 50), (51, 50)])
def test_a_drop_of_an_equal_or_better_priority_is_not_overridden(
    api: Api, cloud: Cloud, method: str, own: int, theirs: int, egress: bool
) -> None:
    request = connect_request(method, ["i-a"], ["i-b"], priority=own, override_drops=True)
    refused_for(api, cloud, dropped(theirs, egress=egress), request, "sgr-drop")


@pytest.mark.parametrize("method", RULES)
def test_a_drop_of_another_port_is_no_obstacle(api: Api, cloud: Cloud, method: str) -> None:
    drop = rule("sgr-drop", ports="22/22", policy="drop", SourceCidrIp="0.0.0.0/0")
    works(api, cloud, pair(target_rules=[drop]), connect_request(method, ["i-a"], ["i-b"]))


@pytest.mark.parametrize("method", RULES)
def test_a_drop_within_the_asked_range_is_an_obstacle(api: Api, cloud: Cloud, method: str) -> None:
    drop = rule("sgr-drop", ports="3350/3350", policy="drop", SourceCidrIp="0.0.0.0/0")
    flows = [{"protocol": "tcp", "port_range": "3300/3400"}]
    request = connect_request(method, ["i-a"], ["i-b"], flows=flows)
    refused_for(api, cloud, pair(target_rules=[drop]), request, "sgr-drop")


@pytest.mark.parametrize("method", RULES)
def test_a_drop_on_the_internet_side_is_no_obstacle_in_the_classic_network(
    api: Api, cloud: Cloud, method: str
) -> None:
    drop = rule("sgr-drop", nic="internet", policy="drop", SourceCidrIp="0.0.0.0/0")
    works(api, cloud, pair(target_rules=[drop]), connect_request(method, ["i-a"], ["i-b"]))


@pytest.mark.parametrize("method", RULES)
def test_a_drop_in_another_group_of_the_target_is_named(
    api: Api, cloud: Cloud, method: str
) -> None:
    drop = rule("sgr-drop", policy="drop", priority=1, SourceCidrIp="10.170.0.1/32")
    estate = pair(
        groups=[group_entry("sg-c", rules=[drop])],
        target_fields={"SecurityGroupIds": ["sg-b", "sg-c"]},
    )
    refused_for(api, cloud, estate, connect_request(method, ["i-a"], ["i-b"]), "sgr-drop")


@pytest.mark.parametrize("method", ["shared_group", "dedicated_group"])
@pytest.mark.parametrize("egress", [False, True])
def test_inner_access_beats_every_drop_on_demand(
    api: Api, cloud: Cloud, method: str, egress: bool
) -> None:
    estate = dropped(1, egress=egress)
    refused_for(api, cloud, estate, connect_request(method, ["i-a"], ["i-b"]), "sgr-drop")
    works(api, cloud, estate, connect_request(method, ["i-a"], ["i-b"], override_drops=True))


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("at", ["source", "target"])
def test_an_enterprise_group_gets_its_egress_rule(
    api: Api, cloud: Cloud, at: str, both: bool
) -> None:
    group: Document = {f"{at}_group": ENTERPRISE}
    request = connect_request("address_rules", ["i-a"], ["i-b"], bidirectional=both)
    plan = works(api, cloud, pair(vpc=True, **group), request)
    directions = sorted(
        (each["group_id"], each["rules"][0]["direction"]) for each in plan["changes"]
    )
    forth = [("sg-b", "ingress")] + ([("sg-a", "egress")] if at == "source" else [])
    back = [("sg-a", "ingress")] + ([("sg-b", "egress")] if at == "target" else [])
    assert directions == sorted(forth + (back if both else []))


def test_an_enterprise_group_with_its_egress_open_gets_none(api: Api, cloud: Cloud) -> None:
    out = rule("sgr-out", protocol="all", egress=True, priority=100, DestCidrIp="172.16.0.0/16")
    estate = pair(vpc=True, source_group=ENTERPRISE, source_rules=[out])
    plan = works(api, cloud, estate, connect_request("address_rules", ["i-a"], ["i-b"]))
    assert [each["group_id"] for each in plan["changes"]] == ["sg-b"]


@pytest.mark.parametrize("method", ["address_rules", "dedicated_group"])
def test_members_of_an_isolating_group_can_be_connected(
    api: Api, cloud: Cloud, method: str
) -> None:
    estate = pair(
        source_group={"InnerAccessPolicy": "Drop"},
        target_fields={"SecurityGroupIds": ["sg-a"]},
        instances=[instance_entry("i-c", ["sg-a"], private_ip="10.170.0.3")],
    )
    works(api, cloud, estate, connect_request(method, ["i-a"], ["i-b"]))


def test_a_group_cannot_be_let_in_by_itself(api: Api, cloud: Cloud) -> None:
    cloud.put(
        pair(
            source_group={"InnerAccessPolicy": "Drop"}, target_fields={"SecurityGroupIds": ["sg-a"]}
        )
    )
    request = connect_request("group_authorization", ["i-a"], ["i-b"])
    problem = api.refused(request, 422, "method_not_possible")
    assert problem["obstacles"][0]["code"] == "no_usable_group"
    assert "address_rules" in problem["possible_methods"]


@pytest.mark.parametrize("scope", ["instance", "group"])
@pytest.mark.parametrize("method", RULES)
def test_of_several_groups_the_one_with_least_extra_access_is_used(
    api: Api, cloud: Cloud, method: str, scope: str
) -> None:
    crowd = [
        instance_entry(f"i-c{number}", ["sg-b"], private_ip=f"10.170.1.{number}")
        for number in range(1, 4)
    ]
    estate = pair(
        groups=[group_entry("sg-own"), group_entry("sg-web")],
        instances=[*crowd, instance_entry("i-d", ["sg-a"], private_ip="10.170.2.1")],
        source_fields={"SecurityGroupIds": ["sg-a", "sg-web"]},
        target_fields={"SecurityGroupIds": ["sg-b", "sg-own"]},
    )
    request = connect_request(method, ["i-a"], ["i-b"], scope=scope)
    plan = works(api, cloud, estate, request)
    [change] = plan["changes"]
    if scope == "group":
        assert change["group_id"] == "sg-own"
    if method == "group_authorization":
        assert change["rules"][0]["peer"] == {"group_id": "sg-web", "account_id": ACCOUNT}
    assert plan["extra_pairs"] == 0
    assert change["reason"]


def test_of_several_groups_one_with_room_is_used(api: Api, cloud: Cloud) -> None:
    full = [rule(f"sgr-{n}", ports=f"{n}/{n}", SourceCidrIp="10.9.9.9/32") for n in range(1, 201)]
    estate = pair(
        target_rules=full,
        groups=[group_entry("sg-c")],
        target_fields={"SecurityGroupIds": ["sg-b", "sg-c"]},
    )
    plan = works(api, cloud, estate, connect_request("address_rules", ["i-a"], ["i-b"]))
    assert plan["changes"][0]["group_id"] == "sg-c"


def test_sharing_prefers_a_group_that_can_be_joined(api: Api, cloud: Cloud) -> None:
    more = [group_entry(f"sg-{n}", InnerAccessPolicy="Drop") for n in range(4)]
    groups = ["sg-b", *(each["SecurityGroupId"] for each in more)]
    estate = pair(groups=more, target_fields={"SecurityGroupIds": groups})
    plan = works(api, cloud, estate, connect_request("shared_group", ["i-a"], ["i-b"]))
    assert [(each["group_id"], each["instance_id"]) for each in plan["changes"]] == [
        ("sg-b", "i-a")
    ]


def test_a_stopped_instance_is_judged_as_if_it_ran(api: Api, cloud: Cloud) -> None:
    cloud.put(pair(target_fields={"Status": "Stopped"}))
    request = connect_request("address_rules", ["i-a"], ["i-b"])
    plan = api.plan(request)
    assert any("i-b is Stopped" in each for each in plan["warnings"])
    operation = api.connect(request)
    with cloud.edited() as estate:
        estate["instances"][1]["Status"] = "Running"
    assert all(cloud.passes(probe) for probe in asked_probes(cloud.estate(), request))
    api.disconnect(operation["connection_id"])
