"""Points on which the vendor's pages disagree: each choice can be made in the settings."""

from typing import Any

from app.simulator.credentials import Caller
from app.simulator.packets import judge
from app.simulator.settings import Variants
from app.simulator.wire import to_xml
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


def choose(cloud: Cloud, **variants: Any) -> Cloud:
    quotas = {"groups_per_interface": 1}
    cloud.dispatcher.put_settings({"variants": variants, "quotas": quotas})
    return cloud


def verdict(cloud: Cloud, source: str, destination: str, **variants: Any) -> str:
    packet = {
        "source": source,
        "destination": destination,
        "protocol": "tcp",
        "destination_port": 22,
        "address_family": "ipv6" if "group_peers_cover_ipv6" in variants else "ipv4",
    }
    return judge(cloud.dispatcher.store, packet, Variants(**variants)).reason


def test_inner_access_beats_rules_or_holds_where_none_matches() -> None:
    drop = rule("sgr-1", Policy="drop", SourceCidrIp="10.170.1.1")
    cloud = Cloud(
        estate(
            groups=[group("sg-1", drop)],
            instances=[
                instance("i-a", "10.170.1.1", "sg-1"),
                instance("i-b", "10.170.1.2", "sg-1"),
            ],
        )
    )
    assert verdict(cloud, "i-a", "i-b") == "INTRA_GROUP"
    assert verdict(cloud, "i-a", "i-b", inner_access="yields_to_rules") == "INGRESS_DROP"
    assert verdict(cloud, "i-b", "i-a") == "INTRA_GROUP"
    assert verdict(cloud, "i-b", "i-a", inner_access="yields_to_rules") == "RULE"


def test_a_group_as_a_peer_covers_ipv6_or_not() -> None:
    cloud = Cloud(vpc_pair(rule(SourceGroupId="sg-1")))
    assert verdict(cloud, "i-a", "i-b", group_peers_cover_ipv6=True) == "RULE"
    assert verdict(cloud, "i-a", "i-b", group_peers_cover_ipv6=False) == "INGRESS_DEFAULT"


def test_a_new_enterprise_group_lets_nothing_out_or_everything() -> None:
    fields = {"SecurityGroupType": "enterprise", "VpcId": "vpc-1"}
    for egress, rules in (("closed", 0), ("open", 1)):
        cloud = choose(Cloud(estate(vpcs=[vpc()])), enterprise_egress=egress)
        created = cloud("CreateSecurityGroup", **fields)["SecurityGroupId"]
        assert len(cloud.rules(created, Direction="egress")) == rules
        assert cloud.rules(created, Direction="ingress") == []


def test_refusals_with_two_documented_statuses_take_either() -> None:
    join = {"SecurityGroupId": "sg-2", "InstanceId": "i-a"}
    unknown = {"Action": "DescribeRegions", "Version": "2014-05-26", "AccessKeyId": "no"}
    unknown |= {"Signature": "x", "SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0"}
    unknown |= {"SignatureNonce": "1", "Timestamp": "2023-11-14T22:13:20Z"}
    for status, variants in (
        ((403, 404), {}),
        ((400, 400), {"join_limit_status": 400, "unknown_key_status": 400}),
    ):
        cloud = choose(Cloud(pair()), **variants)
        limit = (status[0], "InstanceSecurityGroupLimitExceeded")
        assert cloud.refusal("JoinSecurityGroup", **join) == limit
        reply = cloud.dispatcher.handle("GET", unknown)
        assert (reply.status, reply.body["Code"]) == (status[1], "InvalidAccessKeyId.NotFound")


SSH = {"SecurityGroupId": "sg-2", "IpProtocol": "tcp", "PortRange": "22/22", "NicType": "intranet"}


def test_the_letter_case_of_a_protocol_matters_or_does_not() -> None:
    call = SSH | {"IpProtocol": "TCP", "SourceCidrIp": "10.0.0.1"}
    cloud = choose(Cloud(pair()), protocol_case="lower")
    refused = (400, "InvalidIpProtocol.ValueNotSupported")
    assert cloud.refusal("AuthorizeSecurityGroup", **call) == refused
    cloud("AuthorizeSecurityGroup", **call | {"IpProtocol": "tcp"})
    choose(cloud, protocol_case="any")("RevokeSecurityGroup", **call)
    assert cloud.rules("sg-2") == []


def test_a_foreign_group_in_a_vpc_may_be_named_in_one_in_none_or_in_any() -> None:
    def outcome(peer: str, choice: str) -> Any:
        shared = group("sg-shared", owner=OTHER_ACCOUNT, VpcId="vpc-1")
        far = group("sg-far", owner=OTHER_ACCOUNT, VpcId="vpc-2")
        own = group("sg-own", VpcId="vpc-2")
        groups = [group("sg-2", VpcId="vpc-1"), shared, far, own]
        vpcs = [vpc(), vpc("vpc-2", owner=OTHER_ACCOUNT)]
        cloud = choose(Cloud(estate(vpcs=vpcs, groups=groups)), foreign_groups_in_vpc=choice)
        owner = {"SourceGroupOwnerId": OTHER_ACCOUNT} if peer != "sg-own" else {}
        call = SSH | {"SourceGroupId": peer} | owner
        reply = cloud.dispatcher.call(
            Caller(ACCOUNT), "AuthorizeSecurityGroup", call | {"RegionId": "cn-hangzhou"}
        )
        assert Cloud(cloud.estate()).estate() == cloud.estate()
        return reply.body.get("Code")

    refused = "InvalidSourceGroupId.Mismatch"
    for choice, outcomes in {
        "same_vpc": (None, refused, refused),
        "none": (refused, refused, refused),
        "any_vpc": (None, None, refused),
    }.items():
        named = ("sg-shared", "sg-far", "sg-own")
        assert tuple(outcome(peer, choice) for peer in named) == outcomes


def test_references_are_nested_or_flat_in_json_and_always_nested_in_xml() -> None:
    cloud = Cloud(pair(rule(SourceGroupId="sg-1")))
    naming = [{"AliUid": ACCOUNT, "SecurityGroupId": "sg-2"}]

    def references(**format_of: str) -> Any:
        call: Any = {"SecurityGroupId": ["sg-1"], **format_of}
        return cloud("DescribeSecurityGroupReferences", **call)["SecurityGroupReferences"]

    nested: Any = {"SecurityGroupId": "sg-1"}
    nested |= {"ReferencingSecurityGroups": {"ReferencingSecurityGroup": naming}}
    assert references() == {"SecurityGroupReference": [nested]}
    choose(cloud, references_in_json="flat")
    assert references() == [{"SecurityGroupId": "sg-1", "SecurityReferencingGroups": naming}]
    assert references(Format="XML") == {"SecurityGroupReference": [nested]}


def test_a_priority_is_answered_as_a_text_or_as_a_number() -> None:
    cloud = Cloud(pair(rule("sgr-1", Priority=7)))
    assert cloud.rules("sg-2")[0]["Priority"] == "7"
    choose(cloud, priority_type="number")
    assert cloud.rules("sg-2")[0]["Priority"] == 7
    assert b"<Priority>7</Priority>" in to_xml("x", {"Permission": cloud.rules("sg-2")})
    choose(cloud)
    assert cloud.rules("sg-2")[0]["Priority"] == "7"


def test_a_block_beats_a_group_or_the_two_are_refused() -> None:
    call = SSH | {"SourceCidrIp": "10.0.0.1", "SourceGroupId": "sg-1"}
    cloud = choose(Cloud(pair()), several_peers="refused")
    assert cloud.refusal("AuthorizeSecurityGroup", **call) == (400, "InvalidParameter")
    choose(cloud)("AuthorizeSecurityGroup", **call)
    (shown,) = cloud.rules("sg-2")
    assert (shown["SourceCidrIp"], shown["SourceGroupId"]) == ("10.0.0.1/32", "")


def test_tag_keys_were_shorter_once() -> None:
    cloud = Cloud(pair())
    tag: Any = {"ResourceType": "securitygroup", "ResourceId": ["sg-1"], "Tag": [{"Key": "k" * 65}]}
    cloud.dispatcher.put_settings({"profile": "seed-2019"})
    assert cloud.refusal("TagResources", **tag) == (400, "InvalidTagKey.Malformed")
    cloud.dispatcher.put_settings({})
    cloud("TagResources", **tag)
