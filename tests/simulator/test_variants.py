"""Points on which the vendor's pages disagree: each choice can be made in the settings."""

from typing import Any

from app.simulator.packets import judge
from app.simulator.settings import Variants
from tests.simulator.estates import Cloud, estate, group, instance, pair, rule, vpc, vpc_pair


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
