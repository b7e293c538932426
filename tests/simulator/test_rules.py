import base64
from typing import Any

import pytest

from app.simulator.credentials import Caller
from app.simulator.tokens import RETENTION_SECONDS
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
)

SSH = {"IpProtocol": "tcp", "PortRange": "22/22", "SourceCidrIp": "10.0.0.1"}
INTRANET = SSH | {"NicType": "intranet"}


def world() -> dict[str, Any]:
    """Groups of every kind: classic, VPC, enterprise, managed, foreign."""
    in_vpc = {"VpcId": "vpc-1"}
    lists: list[dict[str, Any]] = [
        {
            "PrefixListId": f"pl-{family[-1]}",
            "OwnerId": ACCOUNT,
            "RegionId": "cn-hangzhou",
            "AddressFamily": family,
            "MaxEntries": 10,
            "Entries": [],
        }
        for family in ("IPv4", "IPv6")
    ]
    return estate(
        vpcs=[vpc(), vpc("vpc-2"), vpc("vpc-3", ClassicLinkEnabled=True)],
        prefix_lists=lists,
        groups=[
            group("sg-classic"),
            group("sg-peer"),
            group("sg-foreign", owner=OTHER_ACCOUNT),
            group("sg-vpc", **in_vpc),
            group("sg-vpc-peer", **in_vpc),
            group("sg-vpc-foreign", owner=OTHER_ACCOUNT, **in_vpc),
            group("sg-vpc2", VpcId="vpc-2"),
            group("sg-linked", VpcId="vpc-3"),
            group("sg-enterprise", SecurityGroupType="enterprise", **in_vpc),
            group("sg-managed", ServiceManaged=True, **in_vpc),
            group("sg-beijing") | {"RegionId": "cn-beijing"},
        ],
    )


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(world())


def authorize(cloud: Cloud, group_id: str = "sg-classic", **fields: Any) -> Any:
    return cloud("AuthorizeSecurityGroup", SecurityGroupId=group_id, **fields)


def test_a_rule_is_read_back_with_every_field(cloud: Cloud) -> None:
    authorize(cloud, **INTRANET, Description="ssh", Priority=5, Policy="DROP")
    (read,) = cloud.rules("sg-classic")
    assert read.pop("SecurityGroupRuleId").startswith("sgr-")
    assert read.pop("CreateTime") == "2023-11-14T22:13:20Z"
    used = {name: value for name, value in read.items() if value != ""}
    assert used == {
        "Direction": "ingress",
        "IpProtocol": "TCP",
        "PortRange": "22/22",
        "SourceCidrIp": "10.0.0.1/32",
        "NicType": "intranet",
        "Policy": "Drop",
        "Priority": "5",
        "Description": "ssh",
    }
    assert {"SourceGroupId", "DestPrefixListName", "Ipv6SourceCidrIp", "DestGroupName"} <= set(read)


def test_blocks_are_masked_and_always_have_a_length(cloud: Cloud) -> None:
    authorize(cloud, "sg-vpc", **SSH | {"SourceCidrIp": "10.159.6.18/12"})
    authorize(
        cloud,
        "sg-vpc",
        IpProtocol="icmpv6",
        PortRange="-1/-1",
        Ipv6SourceCidrIp="2408:0:0::00AB/64",
    )
    read = cloud.rules("sg-vpc")
    assert [item["SourceCidrIp"] or item["Ipv6SourceCidrIp"] for item in read] == [
        "10.144.0.0/12",
        "2408::/64",
    ]


def test_classic_rules_without_a_nic_type_land_on_the_internet_side(cloud: Cloud) -> None:
    authorize(cloud, **SSH)
    assert cloud.rules("sg-classic") == []
    assert len(cloud.rules("sg-classic", NicType="")) == 1
    assert len(cloud.rules("sg-classic", NicType="internet")) == 1


def test_vpc_rules_are_intranet_and_listed_whatever_side_is_asked_for(cloud: Cloud) -> None:
    authorize(cloud, "sg-vpc", **SSH)
    (read,) = cloud.rules("sg-vpc", NicType="internet")
    assert read["NicType"] == "intranet"


def test_directions_are_listed_apart_or_together(cloud: Cloud) -> None:
    authorize(cloud, **INTRANET)
    egress = {"IpProtocol": "all", "PortRange": "-1/-1", "DestCidrIp": "0.0.0.0/0"}
    cloud(
        "AuthorizeSecurityGroupEgress", SecurityGroupId="sg-classic", NicType="intranet", **egress
    )
    assert [item["Direction"] for item in cloud.rules("sg-classic")] == ["ingress", "egress"]
    assert len(cloud.rules("sg-classic", Direction="egress")) == 1
    assert len(cloud.rules("sg-classic", Direction="ingress")) == 1


def test_authorizing_twice_succeeds_and_leaves_one_rule_with_its_first_description(
    cloud: Cloud,
) -> None:
    authorize(cloud, **INTRANET, Description="first")
    authorize(cloud, **INTRANET | {"SourceCidrIp": "10.0.0.1/32"}, Description="second")
    assert [item["Description"] for item in cloud.rules("sg-classic")] == ["first"]


def test_rules_of_other_priority_policy_or_side_are_other_rules(cloud: Cloud) -> None:
    for change in ({}, {"Priority": 2}, {"Policy": "drop"}, {"DestCidrIp": "10.0.0.2"}):
        authorize(cloud, **INTRANET, **change)
    assert len(cloud.rules("sg-classic")) == 4


def test_a_block_silently_beats_a_group(cloud: Cloud) -> None:
    authorize(cloud, **INTRANET, SourceGroupId="sg-peer")
    (read,) = cloud.rules("sg-classic")
    assert (read["SourceCidrIp"], read["SourceGroupId"]) == ("10.0.0.1/32", "")


def test_a_foreign_group_is_named_by_id_or_login_and_read_back_by_id(cloud: Cloud) -> None:
    peer = {"SourceGroupId": "sg-foreign", "NicType": "intranet", "IpProtocol": "tcp"}
    authorize(cloud, **peer, PortRange="1/1", SourceGroupOwnerId=OTHER_ACCOUNT)
    authorize(cloud, **peer, PortRange="1/1", SourceGroupOwnerAccount="b@example.com")
    (read,) = cloud.rules("sg-classic")
    assert (read["SourceGroupOwnerAccount"], read["SourceGroupName"]) == (OTHER_ACCOUNT, "")


def test_an_own_group_is_named_with_or_without_its_owner(cloud: Cloud) -> None:
    peer = {"SourceGroupId": "sg-peer", "NicType": "intranet", "IpProtocol": "gre"}
    authorize(cloud, **peer, PortRange="-1/-1", SourceGroupOwnerId=ACCOUNT)
    authorize(cloud, **peer, PortRange="-1/-1")
    (read,) = cloud.rules("sg-classic")
    assert (read["SourceGroupOwnerAccount"], read["SourceGroupName"]) == ("", "peer")


def test_a_shared_vpc_lets_groups_of_two_accounts_name_each_other(cloud: Cloud) -> None:
    authorize(
        cloud,
        "sg-vpc",
        IpProtocol="tcp",
        PortRange="1/1",
        SourceGroupId="sg-vpc-foreign",
        SourceGroupOwnerId=OTHER_ACCOUNT,
    )
    assert len(cloud.rules("sg-vpc")) == 1


def test_classic_link_lets_groups_of_both_networks_name_each_other(cloud: Cloud) -> None:
    authorize(cloud, "sg-linked", IpProtocol="tcp", PortRange="1/1", SourceGroupId="sg-classic")
    assert len(cloud.rules("sg-linked")) == 1


def test_a_batch_is_added_whole_or_not_at_all(cloud: Cloud) -> None:
    good = [INTRANET | {"PortRange": f"{port}/{port}"} for port in range(1, 101)]
    authorize(cloud, Permissions=good)
    assert len(cloud.rules("sg-classic")) == 100
    bad = [INTRANET | {"Priority": 7}, INTRANET | {"Policy": "maybe"}]
    assert cloud.refusal(
        "AuthorizeSecurityGroup", SecurityGroupId="sg-classic", Permissions=bad
    ) == (400, "InvalidPolicy.Malformed")


GROUP = {"IpProtocol": "tcp", "PortRange": "1/1", "NicType": "intranet"}
V6 = {"IpProtocol": "tcp", "PortRange": "1/1", "Ipv6SourceCidrIp": "2408::/64"}


@pytest.mark.parametrize(
    ("group_id", "fields", "status", "code"),
    [
        ("sg-no", INTRANET, 404, "InvalidSecurityGroupId.NotFound"),
        ("sg-foreign", INTRANET, 404, "InvalidSecurityGroupId.NotFound"),
        ("sg-beijing", INTRANET, 404, "InvalidSecurityGroupId.NotFound"),
        ("sg no", INTRANET, 400, "InvalidSecurityGroupId.Malformed"),
        ("", INTRANET, 400, "MissingParameter"),
        ("sg-managed", SSH, 403, "InvalidOperation.ResourceManagedByCloudProduct"),
        ("sg-classic", {"PortRange": "1/1", "SourceCidrIp": "10.0.0.1"}, 400, "MissingParameter"),
        ("sg-classic", {"IpProtocol": "tcp", "SourceCidrIp": "10.0.0.1"}, 400, "MissingParameter"),
        ("sg-classic", {"IpProtocol": "tcp", "PortRange": "1/1"}, 400, "MissingParameter.Source"),
        (
            "sg-classic",
            INTRANET | {"IpProtocol": "sctp"},
            400,
            "InvalidIpProtocol.ValueNotSupported",
        ),
        ("sg-classic", INTRANET | {"IpProtocol": "47"}, 400, "InvalidIpProtocol.ValueNotSupported"),
        ("sg-classic", INTRANET | {"PortRange": "200/1"}, 400, "InvalidIpProtocol.Malformed"),
        ("sg-classic", INTRANET | {"PortRange": "0/1"}, 400, "InvalidIpProtocol.Malformed"),
        ("sg-classic", INTRANET | {"PortRange": "22"}, 400, "InvalidIpProtocol.Malformed"),
        ("sg-classic", INTRANET | {"PortRange": "-1/-1"}, 400, "OperationDenied"),
        (
            "sg-classic",
            INTRANET | {"IpProtocol": "icmp", "PortRange": "80/80"},
            400,
            "OperationDenied",
        ),
        (
            "sg-classic",
            INTRANET | {"SourcePortRange": "x"},
            400,
            "InvalidSourcePortRange.Malformed",
        ),
        (
            "sg-classic",
            INTRANET | {"SourceCidrIp": "10.0.0.0/33"},
            400,
            "InvalidSourceCidrIp.Malformed",
        ),
        (
            "sg-classic",
            INTRANET | {"SourceCidrIp": "10.0.0.0/255.0.0.0"},
            400,
            "InvalidSourceCidrIp.Malformed",
        ),
        ("sg-classic", INTRANET | {"DestCidrIp": "x"}, 400, "InvalidDestCidrIp.Malformed"),
        ("sg-classic", INTRANET | {"DestCidrIp": "10.0.0.1/32"}, 400, "InvalidParamter.Conflict"),
        ("sg-classic", INTRANET | {"Policy": "x"}, 400, "InvalidPolicy.Malformed"),
        ("sg-classic", INTRANET | {"Priority": "x"}, 400, "InvalidPriority.Malformed"),
        ("sg-classic", INTRANET | {"Priority": 0}, 400, "InvalidPriority.ValueNotSupported"),
        ("sg-classic", INTRANET | {"Priority": 101}, 400, "InvalidPriority.ValueNotSupported"),
        ("sg-classic", SSH | {"NicType": "x"}, 400, "InvalidNicType.ValueNotSupported"),
        ("sg-vpc", SSH | {"NicType": "internet"}, 400, "InvalidNicType.Mismatch"),
        (
            "sg-classic",
            INTRANET | {"Description": "x" * 513},
            400,
            "InvalidSecurityGroupDiscription.Malformed",
        ),
        ("sg-classic", V6, 400, "InvalidParam.Ipv6SourceCidrIp"),
        ("sg-vpc", V6 | {"Ipv6SourceCidrIp": "x::y"}, 400, "InvalidParam.Ipv6SourceCidrIp"),
        (
            "sg-vpc",
            V6 | {"SourceCidrIp": "10.0.0.1"},
            400,
            "InvalidParam.Ipv4ProtocolConflictWithIpv6Address",
        ),
        (
            "sg-vpc",
            V6 | {"IpProtocol": "icmp", "PortRange": "-1/-1"},
            400,
            "InvalidParam.Ipv4ProtocolConflictWithIpv6Address",
        ),
        (
            "sg-vpc",
            SSH | {"IpProtocol": "icmpv6", "PortRange": "-1/-1"},
            400,
            "InvalidParam.Ipv6ProtocolConflictWithIpv4Address",
        ),
        ("sg-classic", GROUP | {"SourceGroupId": "sg-no"}, 404, "InvalidSourceGroupId.NotFound"),
        (
            "sg-classic",
            GROUP | {"SourceGroupId": "sg-foreign"},
            404,
            "InvalidSourceGroupId.NotFound",
        ),
        (
            "sg-classic",
            GROUP | {"SourceGroupId": "sg-peer", "SourceGroupOwnerId": OTHER_ACCOUNT},
            404,
            "InvalidSourceGroupId.NotFound",
        ),
        (
            "sg-classic",
            GROUP | {"SourceGroupId": "sg-beijing"},
            404,
            "InvalidSourceGroupId.NotFound",
        ),
        ("sg-classic", GROUP | {"SourceGroupId": "sg-classic"}, 403, "InvalidParamter.Conflict"),
        (
            "sg-classic",
            GROUP | {"SourceGroupId": "sg-peer", "NicType": ""},
            403,
            "InvalidSourceGroupId.Mismatch",
        ),
        ("sg-vpc", GROUP | {"SourceGroupId": "sg-vpc2"}, 400, "InvalidSourceGroupId.Mismatch"),
        (
            "sg-vpc",
            GROUP | {"SourceGroupId": "sg-classic"},
            400,
            "InvalidSecurityGroup.InvalidNetworkType",
        ),
        (
            "sg-linked",
            GROUP | {"SourceGroupId": "sg-foreign", "SourceGroupOwnerId": OTHER_ACCOUNT},
            403,
            "InvalidNetworkType.Conflict",
        ),
        (
            "sg-enterprise",
            GROUP | {"SourceGroupId": "sg-vpc"},
            403,
            "InvalidSourceGroupId.Mismatch",
        ),
        (
            "sg-vpc",
            GROUP | {"SourceGroupId": "sg-enterprise"},
            403,
            "InvalidSourceGroupId.Mismatch",
        ),
        (
            "sg-vpc",
            GROUP | {"SourceGroupId": "sg-managed"},
            403,
            "InvalidOperation.ResourceManagedByCloudProduct",
        ),
        ("sg-vpc", GROUP | {"SourcePrefixListId": "pl-no"}, 404, "InvalidPrefixListId.NotFound"),
        (
            "sg-classic",
            GROUP | {"SourcePrefixListId": "pl-4"},
            400,
            "NotSupported.ClassicNetworkPrefixList",
        ),
        (
            "sg-vpc",
            GROUP | {"SourcePrefixListId": "pl-6", "DestCidrIp": "10.0.0.1"},
            400,
            "InvalidParam.PrefixListAddressFamilyMismatch",
        ),
        ("sg-classic", INTRANET | {"Permissions": [INTRANET]}, 400, "InvalidParameter"),
        ("sg-classic", {"Permissions": [INTRANET] * 101}, 400, "InvalidParameter"),
    ],
)
def test_authorize_says_what_is_wrong(
    cloud: Cloud, group_id: str, fields: dict[str, Any], status: int, code: str
) -> None:
    call = {"SecurityGroupId": group_id, **fields}
    assert cloud.refusal("AuthorizeSecurityGroup", **call) == (status, code)


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"DestCidrIp": "x"}, 400, "InvalidDestCidrIp.Malformed"),
        ({}, 400, "MissingParameter.Dest"),
        ({"DestGroupId": "sg-no"}, 404, "InvalidDestGroupId.NotFound"),
        ({"DestGroupId": "sg-peer", "NicType": "internet"}, 403, "InvalidDestGroupId.Mismatch"),
        ({"DestGroupId": "sg-classic"}, 403, "InvalidParamter.Conflict"),
        ({"SourceGroupId": "sg-peer"}, 400, "MissingParameter.Dest"),
    ],
)
def test_the_egress_codes_speak_of_the_destination(
    cloud: Cloud, fields: dict[str, Any], status: int, code: str
) -> None:
    call = {"SecurityGroupId": "sg-classic", **GROUP, **fields}
    assert cloud.refusal("AuthorizeSecurityGroupEgress", **call) == (status, code)


def test_a_region_is_needed_and_must_exist(cloud: Cloud) -> None:
    call = {"SecurityGroupId": "sg-classic", **INTRANET}
    refused = cloud.refusal("AuthorizeSecurityGroup", region=None, **call)
    assert refused == (400, "MissingParameter.RegionId")
    refused = cloud.refusal("AuthorizeSecurityGroup", region="xx-none", **call)
    assert refused == (404, "InvalidRegionId.NotFound")


# ---- revoke


def test_a_rule_is_revoked_by_id(cloud: Cloud) -> None:
    start = cloud.estate()
    authorize(cloud, **INTRANET)
    rule_id = cloud.rules("sg-classic")[0]["SecurityGroupRuleId"]
    cloud("RevokeSecurityGroup", SecurityGroupId="sg-classic", SecurityGroupRuleId=[rule_id])
    assert cloud.estate() == start


def test_an_id_is_never_given_twice(cloud: Cloud) -> None:
    seen = set()
    for _ in range(3):
        authorize(cloud, **INTRANET)
        rule_id = cloud.rules("sg-classic")[0]["SecurityGroupRuleId"]
        seen.add(rule_id)
        cloud("RevokeSecurityGroup", SecurityGroupId="sg-classic", SecurityGroupRuleId=[rule_id])
    assert len(seen) == 3


def test_an_unknown_rule_id_is_refused_in_two_spellings(cloud: Cloud) -> None:
    authorize(cloud, **INTRANET)
    ingress = cloud.rules("sg-classic")[0]["SecurityGroupRuleId"]
    call = {"SecurityGroupId": "sg-classic"}
    assert cloud.refusal(
        "RevokeSecurityGroup", **call, SecurityGroupRuleId=["sgr-no", ingress]
    ) == (
        400,
        "InvalidParam.SecurityGroupRuleId",
    )
    assert cloud.refusal("RevokeSecurityGroupEgress", **call, SecurityGroupRuleId=[ingress]) == (
        400,
        "InvalidSecurityGroupRule.RuleNotExist",
    )


def test_ids_and_fields_cannot_be_used_together(cloud: Cloud) -> None:
    call = {"SecurityGroupId": "sg-classic", "SecurityGroupRuleId": ["sgr-1"]}
    refused = cloud.refusal("RevokeSecurityGroup", **call, Permissions=[INTRANET])
    assert refused == (400, "InvalidParameter")


def test_revoking_by_fields_removes_every_priority_unless_one_is_sent(cloud: Cloud) -> None:
    for priority in (1, 2, 3):
        authorize(cloud, **INTRANET, Priority=priority)
    call = {"SecurityGroupId": "sg-classic", **INTRANET}
    cloud("RevokeSecurityGroup", **call, Priority=2)
    assert [item["Priority"] for item in cloud.rules("sg-classic")] == ["1", "3"]
    cloud("RevokeSecurityGroup", **call)
    assert cloud.rules("sg-classic") == []


def test_revoking_what_is_not_there_succeeds_unless_the_old_variant_is_set(cloud: Cloud) -> None:
    call = {"SecurityGroupId": "sg-classic", **INTRANET}
    cloud("RevokeSecurityGroup", **call)
    cloud.dispatcher.put_settings({"variants": {"revoke_of_missing_rule": "refused"}})
    assert cloud.refusal("RevokeSecurityGroup", **call) == (403, "InvalidGroupAuthItem.NotFound")


def test_a_foreign_group_is_not_revoked_without_its_owner(cloud: Cloud) -> None:
    peer = GROUP | {"SourceGroupId": "sg-foreign"}
    authorize(cloud, **peer, SourceGroupOwnerId=OTHER_ACCOUNT)
    call = {"SecurityGroupId": "sg-classic", **peer}
    assert cloud.refusal("RevokeSecurityGroup", **call) == (404, "InvalidSourceGroupId.NotFound")
    cloud("RevokeSecurityGroup", **call, SourceGroupOwnerId=OTHER_ACCOUNT)
    assert cloud.rules("sg-classic") == []


def test_revoke_spells_some_refusals_in_its_own_way(cloud: Cloud) -> None:
    call = {"SecurityGroupId": "sg-classic", **INTRANET}
    refused = cloud.refusal("RevokeSecurityGroup", **call | {"PortRange": "9/1"})
    assert refused == (400, "InvalidIpPortRange.Malformed")
    nothing = {"SourceCidrIp": ""}
    assert cloud.refusal("RevokeSecurityGroup", **call | nothing) == (400, "MissingParameter")
    peer = {"SourceGroupId": "sg-peer", "NicType": "internet", "SourceCidrIp": ""}
    assert cloud.refusal("RevokeSecurityGroup", **call | peer) == (403, "InvalidNicType.Mismatch")


# ---- listing


BACK = {"NextToken": base64.b64encode(b"next/-5").decode()}


def test_rules_are_paged_by_token() -> None:
    rules = [rule(f"sgr-{number:04d}", PortRange=f"{number}/{number}") for number in range(1, 602)]
    cloud = Cloud(pair(*rules))
    call = {"SecurityGroupId": "sg-2", "NicType": "intranet"}
    first = cloud("DescribeSecurityGroupAttribute", **call)
    assert len(first["Permissions"]["Permission"]) == 500
    last = cloud("DescribeSecurityGroupAttribute", **call, NextToken=first["NextToken"])
    assert (len(last["Permissions"]["Permission"]), last["NextToken"]) == (101, "")
    ids = [
        item["SecurityGroupRuleId"]
        for page in (first, last)
        for item in page["Permissions"]["Permission"]
    ]
    assert ids == [item["SecurityGroupRuleId"] for item in rules]
    for wrong in ({"MaxResults": 9}, {"MaxResults": 1001}, {"NextToken": "x"}, BACK):
        refused = cloud.refusal("DescribeSecurityGroupAttribute", **call, **wrong)
        assert refused == (400, "InvalidParameter")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"SecurityGroupId": "sg-foreign"}, 404, "InvalidSecurityGroupId.NotFound"),
        ({"SecurityGroupId": "sg*"}, 400, "InvalidSecurityGroupId.Malformed"),
        ({"NicType": "x"}, 400, "InvalidNicType.ValueNotSupported"),
        ({"Direction": "x"}, 400, "InvalidParamter"),
    ],
)
def test_describing_rules_says_what_is_wrong(
    cloud: Cloud, fields: dict[str, Any], status: int, code: str
) -> None:
    call = {"SecurityGroupId": "sg-classic", **fields}
    assert cloud.refusal("DescribeSecurityGroupAttribute", **call) == (status, code)


# ---- quotas


def test_a_group_takes_two_hundred_rules_in_both_directions_together() -> None:
    rules = [rule(PortRange=f"{number}/{number}") for number in range(1, 199)]
    cloud = Cloud(pair(*rules))
    call = {"SecurityGroupId": "sg-2", **INTRANET}
    cloud("AuthorizeSecurityGroup", **call)
    egress = {"IpProtocol": "tcp", "PortRange": "1/1", "DestCidrIp": "10.0.0.1"}
    cloud("AuthorizeSecurityGroupEgress", SecurityGroupId="sg-2", **egress)
    refused = cloud.refusal("AuthorizeSecurityGroup", **call | {"Priority": 9})
    assert refused == (403, "AuthorizationLimitExceed")
    cloud("AuthorizeSecurityGroup", **call)


def test_the_profile_of_2019_takes_one_hundred(cloud: Cloud) -> None:
    cloud.dispatcher.put_settings({"profile": "seed-2019"})
    batch = [INTRANET | {"PortRange": f"{port}/{port}"} for port in range(1, 101)]
    authorize(cloud, Permissions=batch)
    refused = cloud.refusal("AuthorizeSecurityGroup", SecurityGroupId="sg-classic", **SSH)
    assert refused == (403, "AuthorizationLimitExceed")


def test_the_present_profile_counts_the_rules_of_an_interface_only() -> None:
    rules = [rule(PortRange=f"{number}/{number}") for number in range(1, 999)]
    full = pair(*rules)
    full["security_groups"].append(group("sg-3", rule(), rule(Priority=2)))
    full["instances"].append(instance("i-c", "10.170.1.3", "sg-2", "sg-3"))
    cloud = Cloud(full)
    cloud.dispatcher.put_settings({"profile": "current"})
    refused = cloud.refusal("AuthorizeSecurityGroup", SecurityGroupId="sg-3", **INTRANET)
    assert refused == (403, "AuthorizationLimitExceed")
    cloud("AuthorizeSecurityGroup", SecurityGroupId="sg-1", **INTRANET)


def test_a_group_names_at_most_twenty_others() -> None:
    cloud = Cloud(estate(groups=[group("sg-0"), *(group(f"sg-p{n}") for n in range(21))]))
    call = {"SecurityGroupId": "sg-0", "IpProtocol": "tcp", "NicType": "intranet"}
    for number in range(20):
        cloud("AuthorizeSecurityGroup", **call, PortRange="1/1", SourceGroupId=f"sg-p{number}")
    cloud("AuthorizeSecurityGroup", **call, PortRange="2/2", SourceGroupId="sg-p0")
    refused = cloud.refusal(
        "AuthorizeSecurityGroup", **call, PortRange="1/1", SourceGroupId="sg-p20"
    )
    assert refused == (403, "AuthorizationLimitExceed")


def test_a_prefix_list_costs_its_maximum(cloud: Cloud) -> None:
    authorize(cloud, "sg-vpc", IpProtocol="tcp", PortRange="1/1", SourcePrefixListId="pl-4")
    groups = cloud("DescribeSecurityGroups", SecurityGroupId="sg-vpc")
    assert groups["SecurityGroups"]["SecurityGroup"][0]["RuleCount"] == 10
    cloud.dispatcher.put_settings({"quotas": {"rules_per_group": 19}})
    call = {"SecurityGroupId": "sg-vpc", "IpProtocol": "tcp", "PortRange": "2/2"}
    refused = cloud.refusal("AuthorizeSecurityGroup", **call, SourcePrefixListId="pl-4")
    assert refused == (403, "AuthorizationLimitExceed")
    cloud.dispatcher.put_settings({"quotas": {"associations_per_prefix_list": 1}})
    authorize(cloud, "sg-vpc", IpProtocol="tcp", PortRange="2/2", SourcePrefixListId="pl-4")
    call = call | {"SecurityGroupId": "sg-vpc2", "SourcePrefixListId": "pl-4"}
    refused = cloud.refusal("AuthorizeSecurityGroup", **call)
    assert refused == (403, "LimitExceed.PrefixListAssociationResource")


# ---- client tokens


def test_a_token_acts_once(cloud: Cloud) -> None:
    call = {"SecurityGroupName": "once", "ClientToken": "t-1"}
    first = cloud("CreateSecurityGroup", **call)["SecurityGroupId"]
    assert cloud("CreateSecurityGroup", **call)["SecurityGroupId"] == first
    names = [item.get("SecurityGroupName") for item in cloud.estate()["security_groups"]]
    assert names.count("once") == 1


def test_a_token_is_forgotten_after_a_day(cloud: Cloud) -> None:
    first = cloud("CreateSecurityGroup", ClientToken="t-1")["SecurityGroupId"]
    cloud.clock.now += RETENTION_SECONDS
    assert cloud("CreateSecurityGroup", ClientToken="t-1")["SecurityGroupId"] == first
    cloud("CreateSecurityGroup", ClientToken="t-2")
    cloud.clock.now += 1
    assert cloud("CreateSecurityGroup", ClientToken="t-1")["SecurityGroupId"] != first


def test_a_token_belongs_to_its_parameters(cloud: Cloud) -> None:
    cloud("CreateSecurityGroup", SecurityGroupName="one", ClientToken="t-1")
    refused = cloud.refusal("CreateSecurityGroup", SecurityGroupName="two", ClientToken="t-1")
    assert refused == (400, "IdempotentParameterMismatch")


def test_a_token_under_way_is_refused_until_its_call_has_ended(cloud: Cloud) -> None:
    create = {"ClientToken": "t-1", "SecurityGroupName": "one", "RegionId": "cn-hangzhou"}
    caller = Caller(ACCOUNT)
    cloud.dispatcher.put_faults(
        [{"kind": "hold", "id": "h", "match": {"action": "CreateSecurityGroup", "nth": 1}}]
    )
    parameters = {"Action": "CreateSecurityGroup", "Version": "2014-05-26", **create}
    held = cloud.dispatcher.steps("POST", parameters, {}, caller=caller)
    next(held)
    again = {"ClientToken": "t-1", "SecurityGroupName": "one"}
    assert cloud.refusal("CreateSecurityGroup", **again) == (403, "IdempotentProcessing")
    refused = cloud.refusal("CreateSecurityGroup", **again | {"SecurityGroupName": "two"})
    assert refused == (400, "IdempotentParameterMismatch")
    cloud.dispatcher.faults.clear()
    with pytest.raises(StopIteration) as ended:
        next(held)
    answer = cloud("CreateSecurityGroup", **again)
    assert answer["SecurityGroupId"] == ended.value.value.body["SecurityGroupId"]


def test_a_token_is_another_one_in_another_account_action_or_region(cloud: Cloud) -> None:
    create = {"SecurityGroupName": "one", "ClientToken": "t-1"}
    ids = {
        cloud("CreateSecurityGroup", **create)["SecurityGroupId"],
        cloud("CreateSecurityGroup", account_id=OTHER_ACCOUNT, **create)["SecurityGroupId"],
        cloud("CreateSecurityGroup", region="cn-beijing", **create)["SecurityGroupId"],
    }
    assert len(ids) == 3
    authorize(cloud, **INTRANET, ClientToken="t-1")


def test_a_replayed_authorize_does_not_come_back_after_a_revoke(cloud: Cloud) -> None:
    authorize(cloud, **INTRANET, ClientToken="t-1")
    cloud("RevokeSecurityGroup", SecurityGroupId="sg-classic", **INTRANET)
    authorize(cloud, **INTRANET, ClientToken="t-1")
    assert cloud.rules("sg-classic") == []


def test_a_refused_call_does_not_use_up_its_token(cloud: Cloud) -> None:
    call = {"SecurityGroupId": "sg-classic", "ClientToken": "t-1"}
    cloud.refusal("AuthorizeSecurityGroup", **call, **INTRANET | {"PortRange": "x"})
    authorize(cloud, **INTRANET, ClientToken="t-1")


def test_a_token_is_sixty_four_characters_at_most(cloud: Cloud) -> None:
    refused = cloud.refusal("CreateSecurityGroup", ClientToken="t" * 65)
    assert refused == (400, "InvalidParameter")


# ---- ModifySecurityGroupRule and ModifySecurityGroupEgressRule


def modify(
    cloud: Cloud, group_id: str = "sg-classic", *, egress: bool = False, **fields: Any
) -> Any:
    action = f"ModifySecurityGroup{'Egress' if egress else ''}Rule"
    return cloud(action, SecurityGroupId=group_id, **fields)


def test_a_rule_of_an_id_gets_other_values_and_keeps_its_place(cloud: Cloud) -> None:
    for port in ("22/22", "80/80", "443/443"):
        authorize(cloud, **INTRANET | {"PortRange": port})
    before = cloud.rules("sg-classic")
    modify(
        cloud,
        SecurityGroupRuleId=before[1]["SecurityGroupRuleId"],
        PortRange="81/82",
        Policy="Drop",
        Priority=7,
        SourceCidrIp="10.1.0.0/16",
        Description="new",
    )
    after = cloud.rules("sg-classic")
    changes = {
        "PortRange": "81/82",
        "Policy": "Drop",
        "Priority": "7",
        "SourceCidrIp": "10.1.0.0/16",
        "Description": "new",
    }
    assert after == [before[0], before[1] | changes, before[2]]


def test_a_rule_of_an_id_gets_another_group_for_its_group(cloud: Cloud) -> None:
    call = {"IpProtocol": "tcp", "PortRange": "22/22", "NicType": "intranet"}
    authorize(cloud, **call, SourceGroupId="sg-peer")
    (read,) = cloud.rules("sg-classic")
    rule_id = read["SecurityGroupRuleId"]
    modify(
        cloud,
        SecurityGroupRuleId=rule_id,
        SourceGroupId="sg-foreign",
        SourceGroupOwnerId=OTHER_ACCOUNT,
    )
    (read,) = cloud.rules("sg-classic")
    assert (read["SourceGroupId"], read["SourceGroupOwnerAccount"]) == ("sg-foreign", OTHER_ACCOUNT)
    modify(cloud, SecurityGroupRuleId=rule_id, PortRange="23/23")
    (read,) = cloud.rules("sg-classic")
    assert (read["SourceGroupId"], read["PortRange"]) == ("sg-foreign", "23/23")


def test_the_description_of_the_rule_with_these_fields_is_changed(cloud: Cloud) -> None:
    cloud(
        "AuthorizeSecurityGroupEgress",
        SecurityGroupId="sg-vpc",
        IpProtocol="all",
        PortRange="-1/-1",
        DestCidrIp="0.0.0.0/0",
        Description="old",
    )
    fields = {"IpProtocol": "ALL", "PortRange": "-1/-1", "DestCidrIp": "0.0.0.0/0"}
    modify(cloud, "sg-vpc", egress=True, **fields, Description="new")
    (read,) = cloud.rules("sg-vpc")
    assert read["Description"] == "new"


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"SecurityGroupRuleId": "sgr-no"}, 404, "SecurityGroupRule.NotFound"),
        (INTRANET | {"PortRange": "1/1", "Description": "x"}, 404, "SecurityGroupRule.NotFound"),
        ({"SourceGroupId": "sg-peer"}, 400, "InvalidParameter"),
        ({"NicType": "internet"}, 400, "InvalidParameter"),
        ({"PortRange": "80/80"}, 400, "InvalidParameter"),
        ({"PortRange": "0/80"}, 400, "InvalidIpProtocol.Malformed"),
        ({"Priority": "0"}, 400, "InvalidPriority.ValueNotSupported"),
        ({"SecurityGroupId": "sg-managed"}, 403, "InvalidOperation.ResourceManagedByCloudProduct"),
    ],
)
def test_modify_says_what_is_wrong(
    cloud: Cloud, fields: dict[str, Any], status: int, code: str
) -> None:
    authorize(cloud, **INTRANET)
    authorize(cloud, **INTRANET | {"PortRange": "80/80"})
    rule_id = cloud.rules("sg-classic")[0]["SecurityGroupRuleId"]
    call = {"SecurityGroupId": "sg-classic", **fields}
    if "IpProtocol" not in fields:
        call = {"SecurityGroupRuleId": rule_id, **call}
    assert cloud.refusal("ModifySecurityGroupRule", **call) == (status, code)


def test_ports_of_an_egress_rule_are_refused_by_another_name(cloud: Cloud) -> None:
    cloud(
        "AuthorizeSecurityGroupEgress",
        SecurityGroupId="sg-vpc",
        IpProtocol="tcp",
        PortRange="22/22",
        DestCidrIp="10.0.0.0/8",
    )
    rule_id = cloud.rules("sg-vpc")[0]["SecurityGroupRuleId"]
    call = {"SecurityGroupId": "sg-vpc", "SecurityGroupRuleId": rule_id, "PortRange": "9/1"}
    refused = cloud.refusal("ModifySecurityGroupEgressRule", **call)
    assert refused == (400, "InvalidParam.PortRange")
    refused = cloud.refusal("ModifySecurityGroupRule", **call)
    assert refused == (404, "SecurityGroupRule.NotFound")


def test_a_change_keeps_to_the_quotas(cloud: Cloud) -> None:
    vpc_rule = {"IpProtocol": "tcp", "PortRange": "22/22", "SourcePrefixListId": "pl-4"}
    authorize(cloud, "sg-vpc", **vpc_rule)
    small = cloud("CreatePrefixList", PrefixListName="big", AddressFamily="IPv4", MaxEntries=11)[
        "PrefixListId"
    ]
    cloud.dispatcher.put_settings({"quotas": {"rules_per_group": 10}})
    call = {
        "SecurityGroupId": "sg-vpc",
        "SecurityGroupRuleId": cloud.rules("sg-vpc")[0]["SecurityGroupRuleId"],
    }
    cloud("ModifySecurityGroupRule", **call, PortRange="23/23")
    refused = cloud.refusal("ModifySecurityGroupRule", **call, SourcePrefixListId=small)
    assert refused == (403, "AuthorizationLimitExceed")
