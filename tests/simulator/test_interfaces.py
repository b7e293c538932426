"""What an estate says of interfaces: elastic addresses, names, descriptions and tags."""

from typing import Any

import pytest

from app.simulator.dispatcher import Dispatcher
from app.simulator.errors import EstateError
from tests.simulator.estates import ACCOUNT, OTHER_ACCOUNT, Cloud, estate, group, rule, vpc

ELASTIC = "47.96.7.1"
NICS: list[dict[str, Any]] = [
    {
        "NetworkInterfaceId": "eni-1",
        "Primary": True,
        "PrivateIps": ["172.16.0.1", "172.16.0.11"],
        "EipAddress": ELASTIC,
        "SecurityGroupIds": ["sg-1"],
        "NetworkInterfaceName": "front",
        "Description": "towards the users",
        "Tags": {"side": "front"},
    },
    {"NetworkInterfaceId": "eni-2", "PrivateIps": ["172.16.0.2"], "SecurityGroupIds": ["sg-1"]},
]


def holding(*nics: dict[str, Any], **fields: Any) -> dict[str, Any]:
    place = {"OwnerId": ACCOUNT, "RegionId": "cn-hangzhou", "VpcId": "vpc-1"}
    gate = {"InstanceId": "i-gate", **place, "NetworkInterfaces": list(nics), **fields}
    open_ssh = rule("sgr-1", SourceCidrIp="0.0.0.0/0")
    return estate(vpcs=[vpc()], groups=[group("sg-1", open_ssh, VpcId="vpc-1")], instances=[gate])


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(holding(*NICS))


def found(cloud: Cloud, action: str, **fields: Any) -> list[str]:
    answer = cloud(action, **fields)
    if action == "DescribeInstances":
        return [item["InstanceId"] for item in answer["Instances"]["Instance"]]
    listed = answer["NetworkInterfaceSets"]["NetworkInterfaceSet"]
    return [item["NetworkInterfaceId"] for item in listed]


def test_an_elastic_address_is_no_public_one(cloud: Cloud) -> None:
    for item in (
        cloud("DescribeInstanceAttribute", InstanceId="i-gate"),
        cloud("DescribeInstances")["Instances"]["Instance"][0],
    ):
        assert item["EipAddress"]["IpAddress"] == ELASTIC
        assert item["EipAddress"]["AllocationId"].startswith("eip-")
        assert item["PublicIpAddress"]["IpAddress"] == []
    one, other = cloud("DescribeNetworkInterfaces")["NetworkInterfaceSets"]["NetworkInterfaceSet"]
    assert one["AssociatedPublicIp"]["PublicIpAddress"] == ELASTIC
    assert (
        one["AssociatedPublicIp"] == one["PrivateIpSets"]["PrivateIpSet"][0]["AssociatedPublicIp"]
    )
    assert one["PrivateIpSets"]["PrivateIpSet"][1]["AssociatedPublicIp"] == {}
    assert other["AssociatedPublicIp"] == {}


def test_instances_are_found_by_their_elastic_address(cloud: Cloud) -> None:
    assert found(cloud, "DescribeInstances", EipAddresses=f'["{ELASTIC}"]') == ["i-gate"]
    assert found(cloud, "DescribeInstances", EipAddresses='["47.96.7.2"]') == []
    assert found(cloud, "DescribeInstances", PublicIpAddresses=f'["{ELASTIC}"]') == []


def test_the_internet_reaches_an_elastic_address(cloud: Cloud) -> None:
    assert cloud.verdict("8.8.8.8", ELASTIC) == "reachable: RULE"
    assert cloud.verdict("8.8.8.8", "i-gate", nic_type="internet") == "reachable: RULE"
    assert cloud.verdict("8.8.8.8", ELASTIC, 23) == "blocked: INGRESS_DEFAULT"


def test_names_descriptions_and_tags_are_answered_and_looked_for(cloud: Cloud) -> None:
    action = "DescribeNetworkInterfaces"
    front, plain = cloud(action)["NetworkInterfaceSets"]["NetworkInterfaceSet"]
    fields = ("NetworkInterfaceName", "Description")
    assert [front[name] for name in fields] == ["front", "towards the users"]
    assert front["Tags"]["Tag"] == [{"TagKey": "side", "TagValue": "front"}]
    assert [plain[name] for name in fields] == ["", ""]
    assert found(cloud, action, NetworkInterfaceName="front") == ["eni-1"]
    assert found(cloud, action, NetworkInterfaceName="back") == []
    assert found(cloud, action, ResourceGroupId="rg-1") == []
    assert found(cloud, action, Tag=[{"Key": "side", "Value": "front"}]) == ["eni-1"]
    assert found(cloud, action, Tag=[{"Key": "side", "Value": "back"}]) == []


def test_interfaces_are_tagged_by_their_owner(cloud: Cloud) -> None:
    call: Any = {"ResourceType": "eni", "ResourceId": ["eni-2"], "Tag": [{"Key": "k"}]}
    unknown = (404, "InvalidResourceId.NotFound")
    assert cloud.refusal("TagResources", account_id=OTHER_ACCOUNT, **call) == unknown
    cloud("TagResources", **call)
    assert found(cloud, "DescribeNetworkInterfaces", Tag=[{"Key": "k"}]) == ["eni-2"]


def test_a_managed_or_moving_interface_is_told_and_found() -> None:
    cloud = Cloud(holding(NICS[0], NICS[1] | {"Status": "Detaching", "ServiceManaged": True}))
    action = "DescribeNetworkInterfaces"
    assert found(cloud, action, Status="Detaching") == ["eni-2"]
    assert found(cloud, action, ServiceManaged="true") == ["eni-2"]
    assert found(cloud, action, Status="InUse", ServiceManaged="false") == ["eni-1"]
    assert Dispatcher(cloud.estate()).estate() == cloud.estate()
    with pytest.raises(EstateError, match="a primary interface is InUse"):
        Dispatcher(holding(NICS[0] | {"ServiceManaged": True}))


def test_an_estate_with_all_of_it_is_read_as_it_was_printed(cloud: Cloud) -> None:
    assert Dispatcher(cloud.estate()).estate() == cloud.estate()
    short: dict[str, Any] = {
        "PrivateIp": "172.16.0.9",
        "EipAddress": ELASTIC,
        "SecurityGroupIds": ["sg-1"],
    }
    printed: Any = Dispatcher(holding(**short)).estate()
    assert Dispatcher(printed).estate() == printed
    assert [(item["PrivateIp"], item["EipAddress"]) for item in printed["instances"]] == [
        ("172.16.0.9", ELASTIC)
    ]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"PublicIp": "47.96.7.9"}, "without a PublicIp"),
        ({"EipAddress": "2408::1"}, "must be IPv4"),
        ({"EipAddress": "172.16.0.2"}, "an address twice"),
        ({"EipAddress": "elastic"}, "elastic"),
    ],
)
def test_an_impossible_elastic_address_is_refused(fields: dict[str, str], reason: str) -> None:
    with pytest.raises(EstateError, match=reason):
        Dispatcher(holding(NICS[0] | fields, NICS[1]))
