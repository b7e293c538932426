import json
from typing import Any

import pytest

from app.simulator.demo import demo_estate
from app.simulator.dispatcher import Dispatcher
from app.simulator.errors import EstateError
from tests.simulator.estates import (
    ACCOUNT,
    OTHER_ACCOUNT,
    Cloud,
    account,
    estate,
    group,
    instance,
    pair,
    rule,
    vpc,
    vpc_pair,
)


def nics(*numbers: int) -> list[dict[str, Any]]:
    return [
        {
            "NetworkInterfaceId": f"eni-{number}",
            "Primary": number == 1,
            "PrivateIps": [f"172.16.1.{number}", f"172.16.2.{number}"],
            "SecurityGroupIds": ["sg-1"],
        }
        for number in numbers
    ]


def multi(*numbers: int) -> dict[str, Any]:
    whole = instance("i-m", "", VpcId="vpc-1", NetworkInterfaces=nics(*numbers))
    del whole["PrivateIp"], whole["SecurityGroupIds"]
    return whole


def world() -> dict[str, Any]:
    everything = vpc_pair(rule("sgr-1", SourceGroupId="sg-1"), rule(SourceCidrIp="10.0.0.9/8"))
    everything["instances"].append(multi(1, 2))
    everything["vpcs"].append(vpc("vpc-0", Status="Pending"))
    return everything


@pytest.mark.parametrize("described", [{}, pair(rule()), world(), demo_estate()])
def test_what_is_got_can_be_put_and_is_got_again(described: dict[str, Any]) -> None:
    dispatcher = Dispatcher(described)
    first = json.loads(json.dumps(dispatcher.estate()))
    dispatcher.replace_estate(first)
    assert dispatcher.estate() == first


def test_order_and_spelling_do_not_matter() -> None:
    one = world()
    other = json.loads(json.dumps(world()))
    for name in ("security_groups", "instances", "vpcs", "accounts"):
        other[name].reverse()
    other["security_groups"][0]["Rules"][1] |= {
        "SecurityGroupRuleId": "sgr-2",
        "SourceCidrIp": "10.1.2.3/8",
        "IpProtocol": "TCP",
        "Policy": "Accept",
        "Priority": "1",
        "Description": "",
    }
    one["security_groups"][1]["Rules"][1]["SecurityGroupRuleId"] = "sgr-2"
    for item in other["instances"]:
        if "Ipv6" in item:
            item["Ipv6"] = item["Ipv6"].upper().replace("::", ":0:0::")
    assert Dispatcher(one).estate() == Dispatcher(other).estate()


def test_ids_are_kept_and_absent_ones_are_given() -> None:
    rules = Cloud(world()).estate()["security_groups"][1]["Rules"]
    ids = [item["SecurityGroupRuleId"] for item in rules]
    assert "sgr-1" in ids
    assert all(rule_id.startswith("sgr-") for rule_id in ids)


def test_absent_is_absent() -> None:
    text = json.dumps(Cloud(world()).estate())
    assert '""' not in text
    assert "null" not in text


def test_an_estate_needs_no_quota() -> None:
    many = [rule(PortRange=f"{number}/{number}") for number in range(1, 500)]
    assert Cloud(pair(*many)).estate()


def test_old_default_rules_have_priority_110() -> None:
    cloud = Cloud(pair(rule(Priority=110)))
    assert cloud.rules("sg-2")[0]["Priority"] == "110"


def test_a_group_of_an_unknown_account_is_taken_on_trust() -> None:
    peer = rule(SourceGroupId="sg-elsewhere", SourceGroupOwnerId="1000000000000777")
    cloud = Cloud(pair(peer))
    assert cloud.rules("sg-2")[0]["SourceGroupOwnerAccount"] == "1000000000000777"
    assert cloud.verdict("i-a", "i-b") == "blocked: INGRESS_DEFAULT"


def changed(described: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    whole = json.loads(json.dumps(described))
    *steps, last = path.split(".")
    place: Any = whole
    for step in steps:
        place = place[int(step) if step.isdigit() else step]
    if value is ...:
        del place[last]
    else:
        place[int(last) if last.isdigit() else last] = value
    result: dict[str, Any] = whole
    return result


CLASSIC = pair(rule("sgr-1"))
IN_VPC = vpc_pair(rule("sgr-1"))
RULE = "security_groups.1.Rules.0."


@pytest.mark.parametrize(
    ("described", "reason"),
    [
        ([], "the estate must be an object"),
        ({"security_group": []}, "unknown field 'security_group'"),
        ({"instances": {}}, "instances must be a list"),
        (changed(CLASSIC, "instances.0.Nonsense", 1), "i-a: unknown field 'Nonsense'"),
        (changed(CLASSIC, "instances.0.InstanceId", ...), "lacks InstanceId"),
        (changed(CLASSIC, "instances.0.InstanceId", "i b"), "is not a possible id"),
        (changed(CLASSIC, "instances.0.InstanceId", "i-b"), "the id is there twice"),
        (changed(CLASSIC, "instances.0.OwnerId", "7"), "no account of the estate"),
        (changed(CLASSIC, "instances.0.OwnerId", OTHER_ACCOUNT), "of another account or region"),
        (changed(CLASSIC, "instances.0.RegionId", "cn-beijing"), "of another account or region"),
        (changed(CLASSIC, "instances.0.SecurityGroupIds", []), "is in no security group"),
        (changed(CLASSIC, "instances.0.SecurityGroupIds", ["sg-x"]), "sg-x is no group"),
        (changed(CLASSIC, "instances.0.SecurityGroupIds", ["sg-1"] * 2), "repeats a value"),
        (changed(CLASSIC, "instances.0.PrivateIp", "10.170.1.2"), "10.170.1.2 too"),
        (changed(CLASSIC, "instances.0.PublicIp", "47.96.0.2"), "47.96.0.2 too"),
        (changed(CLASSIC, "instances.0.PublicIp", "10.170.1.1"), "has an address twice"),
        (changed(CLASSIC, "instances.0.PrivateIp", "x"), "does not appear to be"),
        (changed(CLASSIC, "instances.0.PrivateIp", ...), "lacks PrivateIp"),
        (changed(CLASSIC, "instances.0.Ipv6", "2408::1"), "no IPv6"),
        (changed(CLASSIC, "instances.0.VpcId", "vpc-1"), "no VPC of the estate"),
        (changed(IN_VPC, "instances.0.VpcId", ...), "a classic instance has one interface"),
        (changed(IN_VPC, "instances.0.InstanceNetworkType", "classic"), "contradicts VpcId"),
        (changed(CLASSIC, "instances.0.Status", "Gone"), "Status must be one of"),
        (changed(CLASSIC, "instances.0.ClassicLinkVpcId", "vpc-9"), "no VPC of the estate"),
        (changed(IN_VPC, "instances.0.ClassicLinkVpcId", "vpc-1"), "needs a classic instance"),
        (changed(CLASSIC, "security_groups.0.SecurityGroupId", "sg-2"), "the id is there twice"),
        (changed(CLASSIC, "security_groups.0.SecurityGroupType", "x"), "normal or enterprise"),
        (changed(CLASSIC, "security_groups.0.SecurityGroupType", "enterprise"), "is in a VPC"),
        (changed(CLASSIC, "security_groups.0.InnerAccessPolicy", "x"), "Accept or Drop"),
        (changed(CLASSIC, "security_groups.0.ServiceManaged", "yes"), "must be true or false"),
        (changed(CLASSIC, "security_groups.0.VpcId", "vpc-1"), "no VPC of the estate"),
        (changed(CLASSIC, RULE + "SourceGroupId", "sg-1"), "exactly one peer"),
        (changed(CLASSIC, RULE + "SourceCidrIp", ...), "exactly one peer"),
        (changed(CLASSIC, RULE + "SourceCidrIp", "10.0.0.0/33"), "10.0.0.0/33"),
        (changed(CLASSIC, RULE + "IpProtocol", "sctp"), "is not one of"),
        (changed(CLASSIC, RULE + "IpProtocol", ...), "lacks IpProtocol"),
        (changed(CLASSIC, RULE + "PortRange", ...), "lacks PortRange"),
        (changed(CLASSIC, RULE + "PortRange", "2/1"), "2/1"),
        (changed(CLASSIC, RULE + "IpProtocol", "icmp"), "PortRange of icmp must be -1/-1"),
        (changed(CLASSIC, RULE + "Priority", 111), "Priority '111'"),
        (changed(CLASSIC, RULE + "Ipv6DestCidrIp", "::/0"), "mixes IPv4 with IPv6"),
        (changed(CLASSIC, RULE + "Colour", "red"), "unknown field 'Colour'"),
        (changed(CLASSIC, RULE + "DestGroupId", "sg-1"), "on its own side"),
        (changed(IN_VPC, RULE + "NicType", "internet"), "NicType must be intranet"),
        (
            changed(CLASSIC, "security_groups.1.Rules", [rule("sgr-1"), rule("sgr-1", Priority=2)]),
            "twice",
        ),
        (
            changed(CLASSIC, "security_groups.1.Rules", [rule("sgr-1"), rule("sgr-2")]),
            "the same as sgr-1",
        ),
        (pair(rule(SourceGroupId="sg-2")), "names its own group"),
        (pair(rule(SourceGroupId="sg-3")), "sg-3 is no group of account"),
        (
            pair(rule(SourceGroupId="sg-1", SourceGroupOwnerId=OTHER_ACCOUNT)),
            "is no group of account",
        ),
        (pair(rule(SourcePrefixListId="pl-1")), "a classic group may not"),
        (vpc_pair(rule(SourcePrefixListId="pl-1")), "no prefix list"),
        (estate(vpcs=[vpc(), vpc()]), "the id is there twice"),
        (estate(vpcs=[vpc(ClassicLinkEnabled="yes")]), "must be true or false"),
        (estate(accounts=[account(ACCOUNT), account(ACCOUNT)]), "the id is there twice"),
        (estate(accounts=[account("a")]), "must be digits"),
        (
            estate(vpcs=[vpc()], groups=[group("sg-1", VpcId="vpc-1")], instances=[multi(2)]),
            "exactly one primary",
        ),
    ],
)
def test_an_estate_that_contradicts_itself_is_refused_with_the_reason(
    described: Any, reason: str
) -> None:
    with pytest.raises(EstateError) as refused:
        Dispatcher(described)
    assert reason in str(refused.value)


def test_a_refused_estate_leaves_the_present_one() -> None:
    cloud = Cloud(CLASSIC)
    before = cloud.estate()
    with pytest.raises(EstateError):
        cloud.dispatcher.replace_estate({"instances": 7})
    assert cloud.estate() == before


# ---- the demo


@pytest.fixture
def demo() -> Cloud:
    return Cloud(demo_estate())


def test_the_demo_estate_is_kept_in_canonical_form() -> None:
    assert Dispatcher(demo_estate()).estate() == demo_estate()


@pytest.mark.parametrize(
    ("source", "destination", "port", "verdict"),
    [
        ("i-web01", "i-db01", 3306, "blocked: INGRESS_DEFAULT"),
        ("i-web01", "i-web02", 80, "reachable: INTRA_GROUP"),
        ("i-web01", "i-app01", 8080, "reachable: RULE"),
        ("i-app01", "i-db02", 3306, "reachable: RULE"),
        ("i-app01", "i-report01", 22, "blocked: INGRESS_DROP"),
        ("i-report01", "i-wide01", 9999, "reachable: RULE"),
        ("i-vpc-web01", "i-vpc-app01", 8080, "reachable: RULE"),
        ("i-vpc-app01", "i-vpc-db01", 5432, "reachable: RULE"),
        ("i-vpc-web01", "i-vpc2-a", 80, "blocked: NO_ROUTE"),
        ("i-app01", "i-vpc-app01", 22, "blocked: INGRESS_DEFAULT"),
        ("i-web01", "i-stopped01", 8080, "blocked: NOT_RUNNING"),
        ("i-isolated01", "i-isolated02", 22, "blocked: INGRESS_DEFAULT"),
        ("i-web01", "i-bj-web01", 80, "blocked: NO_ROUTE"),
        ("i-vpc-web01", "i-ent01", 9000, "reachable: RULE"),
    ],
)
def test_the_demo_starts_as_the_documentation_says(
    demo: Cloud, source: str, destination: str, port: int, verdict: str
) -> None:
    assert demo.verdict(source, destination, port) == verdict


def test_the_demo_has_a_group_with_room_for_five_more_rules(demo: Cloud) -> None:
    call = {"account_id": OTHER_ACCOUNT, "SecurityGroupId": "sg-near-quota"}
    rules = [
        {"IpProtocol": "udp", "PortRange": f"{n}/{n}", "SourceCidrIp": "10.0.0.1"}
        for n in range(1, 7)
    ]
    refused = demo.refusal("AuthorizeSecurityGroup", **call, Permissions=rules)
    assert refused == (403, "AuthorizationLimitExceed")
    demo("AuthorizeSecurityGroup", **call, Permissions=rules[:5])
