from typing import Any

import pytest

from app.simulator.errors import ControlError
from app.simulator.packets import judge
from tests.simulator.estates import (
    ACCOUNT,
    OTHER_ACCOUNT,
    Cloud,
    estate,
    group,
    instance,
    pair,
    rule,
    vpc,
    vpc_pair,
)

OPEN = {"IpProtocol": "all", "PortRange": None}
EVERYWHERE = {"SourceCidrIp": "0.0.0.0/0"}


# ---- the six scenarios of the manual


def test_members_of_one_group_reach_each_other() -> None:
    members = [instance("i-a", "10.170.1.1", "sg-1"), instance("i-b", "10.170.1.2", "sg-1")]
    cloud = Cloud(estate(groups=[group("sg-1")], instances=members))
    assert cloud.verdict("i-a", "i-b", 3306) == "reachable: INTRA_GROUP"


def test_members_of_two_groups_do_not() -> None:
    assert Cloud(pair()).verdict("i-a", "i-b") == "blocked: INGRESS_DEFAULT"


def test_an_address_rule_opens_one_direction() -> None:
    cloud = Cloud(pair(rule(SourceCidrIp="10.170.1.1/32")))
    assert cloud.verdict("i-a", "i-b") == "reachable: RULE"
    assert cloud.verdict("i-b", "i-a") == "blocked: INGRESS_DEFAULT"


def test_a_rule_that_names_a_group_opens_its_port() -> None:
    cloud = Cloud(pair(rule(PortRange="8080/8080", SourceGroupId="sg-1")))
    assert cloud.verdict("i-a", "i-b", 8080) == "reachable: RULE"
    assert cloud.verdict("i-a", "i-b", 8081) == "blocked: INGRESS_DEFAULT"


def test_joining_one_group_opens_everything() -> None:
    cloud = Cloud(pair())
    created = cloud("CreateSecurityGroup")["SecurityGroupId"]
    for instance_id in ("i-a", "i-b"):
        cloud("JoinSecurityGroup", SecurityGroupId=created, InstanceId=instance_id)
    assert cloud.verdict("i-a", "i-b", None, protocol="icmp") == "reachable: INTRA_GROUP"


def test_a_rule_on_the_internet_side_has_no_effect_inside() -> None:
    cloud = Cloud(pair(rule(NicType="internet")))
    assert cloud.verdict("i-a", "i-b") == "blocked: INGRESS_DEFAULT"


# ---- priorities, drops, defaults


@pytest.mark.parametrize(
    ("accept", "drop", "verdict"),
    [
        (1, 2, "reachable: RULE"),
        (2, 1, "blocked: INGRESS_DROP"),
        (1, 1, "blocked: INGRESS_DROP"),
        (100, 110, "reachable: RULE"),
    ],
)
def test_the_smallest_number_wins_and_a_drop_wins_a_tie(
    accept: int, drop: int, verdict: str
) -> None:
    cloud = Cloud(pair(rule(Priority=accept), rule(Priority=drop, Policy="drop")))
    assert cloud.verdict("i-a", "i-b") == verdict


def test_inner_access_beats_every_drop_and_one_open_group_is_enough() -> None:
    drop = rule(**OPEN, **EVERYWHERE, Policy="drop")
    egress = rule(**OPEN, Direction="egress", DestCidrIp="0.0.0.0/0", Policy="drop")
    both = ("sg-open", "sg-closed")
    cloud = Cloud(
        estate(
            groups=[group("sg-open", drop, egress), group("sg-closed", InnerAccessPolicy="Drop")],
            instances=[
                instance("i-a", "10.170.1.1", *both),
                instance("i-b", "10.170.1.2", *both),
            ],
        )
    )
    assert cloud.verdict("i-a", "i-b") == "reachable: INTRA_GROUP"
    cloud("ModifySecurityGroupPolicy", SecurityGroupId="sg-open", InnerAccessPolicy="Drop")
    assert cloud.verdict("i-a", "i-b") == "blocked: EGRESS_DROP"


def test_inner_access_does_not_cover_the_internet_side() -> None:
    cloud = Cloud(
        estate(
            groups=[group("sg-1")],
            instances=[
                instance("i-a", "10.170.1.1", "sg-1", PublicIp="47.96.0.1"),
                instance("i-b", "10.170.1.2", "sg-1", PublicIp="47.96.0.2"),
            ],
        )
    )
    assert cloud.verdict("i-a", "i-b", nic_type="internet") == "blocked: INGRESS_DEFAULT"


def test_rules_of_all_groups_are_pooled() -> None:
    cloud = Cloud(
        estate(
            groups=[group("sg-1"), group("sg-2", rule()), group("sg-3", rule(Policy="drop"))],
            instances=[
                instance("i-a", "10.170.1.1", "sg-1"),
                instance("i-b", "10.170.1.2", "sg-2", "sg-3"),
            ],
        )
    )
    assert cloud.verdict("i-a", "i-b") == "blocked: INGRESS_DROP"


def test_an_enterprise_group_lets_nothing_out_or_across_by_itself() -> None:
    kind = {"VpcId": "vpc-1", "SecurityGroupType": "enterprise"}
    members = [
        instance(f"i-{number}", f"172.16.0.{number}", "sg-e", VpcId="vpc-1") for number in (1, 2)
    ]
    everything = estate(vpcs=[vpc()], groups=[group("sg-e", **kind)], instances=members)
    cloud = Cloud(everything)
    assert cloud.verdict("i-1", "i-2") == "blocked: EGRESS_DEFAULT"
    egress = {"IpProtocol": "all", "PortRange": "-1/-1", "DestCidrIp": "0.0.0.0/0"}
    cloud("AuthorizeSecurityGroupEgress", SecurityGroupId="sg-e", **egress)
    assert cloud.verdict("i-1", "i-2") == "blocked: INGRESS_DEFAULT"


# ---- what a rule matches


@pytest.mark.parametrize(
    ("fields", "packet", "reachable"),
    [
        ({"PortRange": "20/25"}, {"destination_port": 25}, True),
        ({"PortRange": "20/25"}, {"destination_port": 26}, False),
        ({}, {"protocol": "udp"}, False),
        ({"IpProtocol": "UDP"}, {"protocol": "udp"}, True),
        ({**OPEN}, {"protocol": "gre"}, True),
        ({**OPEN}, {"protocol": "icmp"}, True),
        ({"IpProtocol": "icmp", "PortRange": None}, {"protocol": "icmp"}, True),
        ({**EVERYWHERE, "DestCidrIp": "10.170.1.2"}, {}, True),
        ({**EVERYWHERE, "DestCidrIp": "10.170.1.3"}, {}, False),
        ({"SourceCidrIp": "10.170.1.7/24"}, {}, True),
        ({"SourceCidrIp": "10.170.2.0/24"}, {}, False),
        ({"SourcePortRange": "1000/2000"}, {"source_port": 1500}, True),
        ({"SourcePortRange": "1000/2000"}, {"source_port": 2001}, False),
        ({"SourcePortRange": "1000/2000"}, {}, False),
        ({"SourcePortRange": "1/65535"}, {}, True),
    ],
)
def test_a_rule_matches_on_all_its_fields(
    fields: dict[str, Any], packet: dict[str, Any], reachable: bool
) -> None:
    cloud = Cloud(pair(rule(**fields)))
    packet = {"port": packet.pop("destination_port", 22), **packet}
    assert cloud.verdict("i-a", "i-b", **packet).startswith("reachable") is reachable


def test_without_a_source_port_every_one_must_pass() -> None:
    halves = [rule(SourcePortRange="1/999"), rule(SourcePortRange="1000/65535")]
    assert Cloud(pair(*halves)).verdict("i-a", "i-b") == "reachable: RULE"
    hole = rule(SourcePortRange="500/500", Policy="drop")
    assert Cloud(pair(*halves, hole)).verdict("i-a", "i-b") == "blocked: INGRESS_DROP"


def test_egress_drops_are_judged_before_ingress() -> None:
    egress = rule(Direction="egress", DestCidrIp="10.170.1.2", Policy="drop")
    world = pair(rule())
    world["security_groups"][0]["Rules"] = [egress]
    assert Cloud(world).verdict("i-a", "i-b") == "blocked: EGRESS_DROP"


def test_the_deciding_rules_of_both_sides_are_named() -> None:
    world = pair(rule("sgr-in"), rule("sgr-late", Priority=2))
    world["security_groups"][0]["Rules"] = [rule("sgr-out", Direction="egress", DestGroupId="sg-2")]
    packet = {"source": "i-a", "destination": "i-b", "protocol": "tcp", "destination_port": 22}
    verdict = judge(Cloud(world).dispatcher.store, packet)
    assert verdict.as_json() == {
        "verdict": "reachable",
        "reason": "RULE",
        "rules": ["sgr-out", "sgr-in"],
    }


def test_a_group_stands_for_private_addresses_only() -> None:
    cloud = Cloud(vpc_pair(rule(SourceGroupId="sg-1")))
    assert cloud.verdict("i-a", "i-b") == "reachable: RULE"
    world = vpc_pair(rule(SourceGroupId="sg-1"))
    for number, described in enumerate(world["instances"], 1):
        described["PublicIp"] = f"47.96.0.{number}"
    assert Cloud(world).verdict("i-a", "i-b", nic_type="internet") == "blocked: INGRESS_DEFAULT"


def test_vpc_rules_judge_internet_traffic_too() -> None:
    world = vpc_pair(rule(SourceCidrIp="8.8.8.8"))
    world["instances"][1]["PublicIp"] = "47.96.0.2"
    cloud = Cloud(world)
    assert cloud.verdict("8.8.8.8", "47.96.0.2") == "reachable: RULE"
    assert cloud.verdict("8.8.8.8", "i-b", nic_type="internet") == "reachable: RULE"
    assert cloud.verdict("8.8.4.4", "47.96.0.2") == "blocked: INGRESS_DEFAULT"


def test_prefix_lists_stand_for_their_entries() -> None:
    prefix_list = {
        "PrefixListId": "pl-1",
        "OwnerId": ACCOUNT,
        "RegionId": "cn-hangzhou",
        "AddressFamily": "IPv4",
        "MaxEntries": 9,
        "Entries": ["192.168.0.0/16", "172.16.0.1"],
    }
    world = vpc_pair(rule(SourcePrefixListId="pl-1")) | {"prefix_lists": [prefix_list]}
    assert Cloud(world).verdict("i-a", "i-b") == "reachable: RULE"
    prefix_list["Entries"] = ["172.16.0.2"]
    assert Cloud(world).verdict("i-a", "i-b") == "blocked: INGRESS_DEFAULT"


def test_the_whole_of_ipv4_is_none_of_ipv6() -> None:
    cloud = Cloud(vpc_pair(rule(**OPEN, **EVERYWHERE)))
    assert cloud.verdict("i-a", "i-b") == "reachable: RULE"
    assert cloud.verdict("i-a", "i-b", address_family="ipv6") == "blocked: INGRESS_DEFAULT"
    six = Cloud(vpc_pair(rule(**OPEN, Ipv6SourceCidrIp="2408:0::A/128")))
    assert six.verdict("i-a", "2408:0:0::b") == "reachable: RULE"
    assert six.verdict("i-a", "i-b", None, protocol="icmpv6") == "reachable: RULE"
    assert six.verdict("i-a", "i-b") == "blocked: INGRESS_DEFAULT"


# ---- routes


def routes() -> Cloud:
    """Two classic regions, two VPCs of which one is linked, and a stopped instance."""
    everyone = rule(**OPEN, **EVERYWHERE)
    linked = {"ClassicLinkVpcId": "vpc-1"}
    return Cloud(
        estate(
            vpcs=[vpc(ClassicLinkEnabled=True), vpc("vpc-2")],
            groups=[
                group("sg-c", everyone),
                group("sg-f", everyone, owner=OTHER_ACCOUNT),
                group("sg-b", everyone) | {"RegionId": "cn-beijing"},
                group("sg-1", everyone, VpcId="vpc-1"),
                group("sg-1f", everyone, VpcId="vpc-1", owner=OTHER_ACCOUNT),
                group("sg-2", everyone, VpcId="vpc-2"),
            ],
            instances=[
                instance("i-c", "10.170.1.1", "sg-c"),
                instance("i-stopped", "10.170.1.2", "sg-c", Status="Stopped"),
                instance("i-linked", "10.170.1.3", "sg-c", **linked),
                instance("i-f", "10.170.1.4", "sg-f", OwnerId=OTHER_ACCOUNT),
                instance("i-beijing", "10.171.1.1", "sg-b", RegionId="cn-beijing"),
                instance("i-1", "172.16.0.1", "sg-1", VpcId="vpc-1"),
                instance("i-1f", "172.16.0.2", "sg-1f", VpcId="vpc-1", OwnerId=OTHER_ACCOUNT),
                instance("i-2", "172.16.0.1", "sg-2", VpcId="vpc-2"),
            ],
        )
    )


@pytest.mark.parametrize(
    ("source", "destination", "reason"),
    [
        ("i-c", "i-f", "RULE"),
        ("i-c", "i-beijing", "NO_ROUTE"),
        ("i-c", "i-1", "NO_ROUTE"),
        ("i-linked", "i-1", "RULE"),
        ("i-1", "i-linked", "RULE"),
        ("i-linked", "i-1f", "NO_ROUTE"),
        ("i-linked", "i-2", "NO_ROUTE"),
        ("i-1", "i-2", "NO_ROUTE"),
        ("i-1", "i-1f", "RULE"),
        ("i-c", "i-stopped", "NOT_RUNNING"),
        ("i-stopped", "i-c", "NOT_RUNNING"),
        ("i-stopped", "i-beijing", "NO_ROUTE"),
        ("i-1f", "172.16.0.1", "RULE"),
        ("i-2", "172.16.0.2", "NO_ROUTE"),
        ("i-c", "192.0.2.1", "RULE"),
        ("192.0.2.1", "i-c", "RULE"),
        ("i-c", "i-c", "INTRA_GROUP"),
    ],
)
def test_groups_give_no_routes(source: str, destination: str, reason: str) -> None:
    assert routes().verdict(source, destination).endswith(f": {reason}")


def test_an_instance_without_the_needed_address_has_no_route() -> None:
    cloud = routes()
    assert cloud.verdict("i-1", "i-1f", address_family="ipv6") == "blocked: NO_ROUTE"
    assert cloud.verdict("i-c", "i-f", nic_type="internet") == "blocked: NO_ROUTE"


def test_an_address_names_the_interface_that_has_it() -> None:
    nics = [
        {
            "NetworkInterfaceId": f"eni-{number}",
            "Primary": number == 1,
            "PrivateIps": [f"172.16.1.{number}"],
            "SecurityGroupIds": [f"sg-{number}"],
        }
        for number in (1, 2)
    ]
    multi = instance("i-multi", "", VpcId="vpc-1", NetworkInterfaces=nics)
    del multi["PrivateIp"], multi["SecurityGroupIds"]
    world = estate(
        vpcs=[vpc()],
        groups=[
            group("sg-1", VpcId="vpc-1"),
            group("sg-2", rule(**OPEN, **EVERYWHERE), VpcId="vpc-1"),
        ],
        instances=[multi, instance("i-a", "172.16.0.1", "sg-1", VpcId="vpc-1")],
    )
    cloud = Cloud(world)
    assert cloud.verdict("192.0.2.1", "i-multi") == "blocked: INGRESS_DEFAULT"
    assert cloud.verdict("192.0.2.1", "172.16.1.1") == "blocked: INGRESS_DEFAULT"
    assert cloud.verdict("192.0.2.1", "172.16.1.2") == "reachable: RULE"


# ---- packets that are none


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"source": "i-no"}, 404),
        ({"source": ""}, 400),
        ({"source": 7}, 400),
        ({"source": "x"}, 400),
        ({"destination": "8.8.8.8", "source": "8.8.4.4"}, 400),
        ({"protocol": "all"}, 400),
        ({"protocol": None}, 400),
        ({"destination_port": None}, 400),
        ({"destination_port": 0}, 400),
        ({"destination_port": "22"}, 400),
        ({"source_port": 65536}, 400),
        ({"nic_type": "x"}, 400),
        ({"address_family": "ipv6", "source": "10.170.1.1"}, 400),
        ({"port": 22}, 400),
    ],
)
def test_a_packet_that_makes_no_sense_is_refused(changes: dict[str, Any], status: int) -> None:
    packet = {"source": "i-a", "destination": "i-b", "protocol": "tcp", "destination_port": 22}
    with pytest.raises(ControlError) as refused:
        judge(Cloud(pair()).dispatcher.store, packet | changes)
    assert refused.value.status == status


def test_nulls_in_a_packet_mean_absent() -> None:
    nulls = dict.fromkeys(("source_port", "nic_type", "address_family"))
    assert Cloud(pair(rule())).verdict("i-a", "i-b", **nulls) == "reachable: RULE"
