"""Port lists: rules that name them, what they cost, and what the packet walk makes of them."""

from typing import Any

import pytest

from app.simulator.dispatcher import Dispatcher
from app.simulator.errors import EstateError
from tests.simulator.estates import ACCOUNT, OTHER_ACCOUNT, REGION, Cloud, rule, vpc_pair

WEB = {
    "PortRangeListId": "prl-web",
    "PortRangeListName": "web",
    "OwnerId": ACCOUNT,
    "RegionId": REGION,
    "MaxEntries": 3,
    "Entries": ["443/443", "80/81"],
}
PERMISSION = {
    "SecurityGroupId": "sg-2",
    "IpProtocol": "tcp",
    "PortRangeListId": "prl-web",
    "SourceCidrIp": "172.16.0.1",
}
LISTED = rule("sgr-1", PortRange=None, PortRangeListId="prl-web", SourceCidrIp="172.16.0.1")


def holding(*rules: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return vpc_pair(*rules) | {"port_lists": [WEB | fields]}


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(holding())


def test_a_rule_with_a_list_is_answered_with_it_and_without_a_range(cloud: Cloud) -> None:
    cloud("AuthorizeSecurityGroup", **PERMISSION)
    (shown,) = cloud.rules("sg-2")
    named = ("PortRange", "PortRangeListId", "PortRangeListName")
    assert [shown[name] for name in named] == ["", "prl-web", "web"]


def test_the_packet_walk_looks_into_the_list() -> None:
    cloud = Cloud(holding(LISTED))
    passed = [port for port in (79, 80, 81, 82, 443) if cloud.verdict("i-a", "i-b", port)[0] == "r"]
    assert passed == [80, 81, 443]


def test_an_empty_list_lets_nothing_in() -> None:
    cloud = Cloud(holding(LISTED, Entries=[]))
    assert cloud.verdict("i-a", "i-b", 80) == "blocked: INGRESS_DEFAULT"


def test_a_range_beats_the_list(cloud: Cloud) -> None:
    cloud("AuthorizeSecurityGroup", **PERMISSION, PortRange="22/22")
    (shown,) = cloud.rules("sg-2")
    assert (shown["PortRange"], shown["PortRangeListId"]) == ("22/22", "")
    assert cloud.verdict("i-a", "i-b", 80) == "blocked: INGRESS_DEFAULT"


def test_a_list_costs_its_maximum_and_a_prefix_list_multiplies_it() -> None:
    prefixes = {
        "PrefixListId": "pl-1",
        "OwnerId": ACCOUNT,
        "RegionId": REGION,
        "AddressFamily": "IPv4",
        "MaxEntries": 5,
    }
    cloud = Cloud(holding() | {"prefix_lists": [prefixes]})

    def cost() -> int:
        answer = cloud("DescribeSecurityGroups", SecurityGroupId="sg-2")
        return int(answer["SecurityGroups"]["SecurityGroup"][0]["RuleCount"])

    cloud("AuthorizeSecurityGroup", **PERMISSION)
    assert cost() == 3
    both = {name: text for name, text in PERMISSION.items() if name != "SourceCidrIp"}
    cloud("AuthorizeSecurityGroup", **both, SourcePrefixListId="pl-1")
    assert cost() == 18
    cloud.dispatcher.put_settings({"quotas": {"rules_per_group": 18}})
    more = PERMISSION | {"SourceCidrIp": "172.16.0.9"}
    refused = (403, "AuthorizationLimitExceed")
    assert cloud.refusal("AuthorizeSecurityGroup", **more) == refused


def test_the_same_rule_is_there_once_and_another_list_is_another_rule() -> None:
    other = WEB | {"PortRangeListId": "prl-other"}
    cloud = Cloud(vpc_pair() | {"port_lists": [WEB, other]})
    for _ in range(2):
        cloud("AuthorizeSecurityGroup", **PERMISSION)
    cloud("AuthorizeSecurityGroup", **PERMISSION | {"PortRangeListId": "prl-other"})
    assert len(cloud.rules("sg-2")) == 2
    cloud("RevokeSecurityGroup", **PERMISSION)
    assert [item["PortRangeListId"] for item in cloud.rules("sg-2")] == ["prl-other"]


def test_a_modified_rule_keeps_to_lists_or_to_ranges() -> None:
    other = WEB | {"PortRangeListId": "prl-other"}
    ranged = rule("sgr-2", PortRange="22/22")
    cloud = Cloud(vpc_pair(LISTED, ranged) | {"port_lists": [WEB, other]})
    call = {"SecurityGroupId": "sg-2", "SecurityGroupRuleId": "sgr-1"}
    cloud("ModifySecurityGroupRule", **call, PortRangeListId="prl-other", Priority=9)
    (changed,) = [item for item in cloud.rules("sg-2") if item["SecurityGroupRuleId"] == "sgr-1"]
    assert (changed["PortRangeListId"], changed["Priority"]) == ("prl-other", "9")
    refused = (400, "InvalidOperation.ModifyPortRangeType")
    assert cloud.refusal("ModifySecurityGroupRule", **call, PortRange="1/2") == refused
    call["SecurityGroupRuleId"] = "sgr-2"
    assert cloud.refusal("ModifySecurityGroupRule", **call, PortRangeListId="prl-web") == refused


def test_an_estate_with_lists_is_read_as_it_was_printed() -> None:
    estate = Dispatcher(holding(LISTED, Entries=["443/443", "80/80"])).estate()
    assert Dispatcher(estate).estate() == estate
    assert estate["port_lists"] == [WEB | {"Entries": ["80/80", "443/443"]}]
    assert "port_lists" not in Dispatcher(vpc_pair()).estate()


@pytest.mark.parametrize(
    ("fields", "held", "reason"),
    [
        ({"MaxEntries": 1}, LISTED, "more entries than MaxEntries"),
        ({"Entries": ["0/1"]}, LISTED, "not a range"),
        ({"OwnerId": OTHER_ACCOUNT}, LISTED, "prl-web is no port list of its account"),
        ({}, LISTED | {"PortRangeListId": "prl-no"}, "prl-no is no port list of its account"),
        ({}, LISTED | {"IpProtocol": "icmp"}, "does not go with icmp"),
    ],
)
def test_an_estate_with_an_impossible_list_is_refused(
    fields: dict[str, Any], held: dict[str, Any], reason: str
) -> None:
    with pytest.raises(EstateError, match=reason):
        Dispatcher(holding(held, **fields))
