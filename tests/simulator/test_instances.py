from typing import Any

import pytest

from tests.simulator.estates import ACCOUNT, OTHER_ACCOUNT, Cloud, estate, group, instance, vpc


def world() -> dict[str, Any]:
    nics = [
        {
            "NetworkInterfaceId": "eni-1",
            "Primary": True,
            "PrivateIps": ["172.16.0.2", "172.16.0.3"],
            "Ipv6s": ["2408::2"],
            "SecurityGroupIds": ["sg-vpc"],
        },
        {
            "NetworkInterfaceId": "eni-2",
            "Primary": False,
            "PrivateIps": ["172.16.0.4"],
            "SecurityGroupIds": ["sg-vpc", "sg-vpc2"],
        },
    ]
    multi = instance("i-multi", "", VpcId="vpc-1", NetworkInterfaces=nics)
    del multi["PrivateIp"], multi["SecurityGroupIds"]
    return estate(
        vpcs=[vpc(ClassicLinkEnabled=True)],
        groups=[
            group("sg-1"),
            group("sg-2"),
            group("sg-vpc", VpcId="vpc-1"),
            group("sg-vpc2", VpcId="vpc-1"),
            group("sg-foreign", owner=OTHER_ACCOUNT),
        ],
        instances=[
            instance(
                "i-a", "10.170.1.1", "sg-1", "sg-2", PublicIp="47.96.0.1", Tags={"tier": "web"}
            ),
            instance("i-b", "10.170.1.2", "sg-2", Status="Stopped", OperationLocks=["security"]),
            instance("i-linked", "10.170.1.3", "sg-1", ClassicLinkVpcId="vpc-1"),
            multi,
            instance("i-foreign", "10.170.1.4", "sg-foreign", OwnerId=OTHER_ACCOUNT),
        ],
    )


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(world())


def listed(cloud: Cloud, **fields: Any) -> list[str]:
    answer = cloud("DescribeInstances", **fields)
    return [item["InstanceId"] for item in answer["Instances"]["Instance"]]


def test_a_classic_instance_has_an_inner_address_and_no_interface(cloud: Cloud) -> None:
    answer = cloud("DescribeInstances", InstanceIds='["i-a"]')
    (found,) = answer["Instances"]["Instance"]
    assert found["InstanceNetworkType"] == "classic"
    assert found["InnerIpAddress"] == {"IpAddress": ["10.170.1.1"]}
    assert found["PublicIpAddress"] == {"IpAddress": ["47.96.0.1"]}
    assert found["VpcAttributes"]["PrivateIpAddress"] == {"IpAddress": []}
    assert found["NetworkInterfaces"] == {"NetworkInterface": []}
    assert found["SecurityGroupIds"] == {"SecurityGroupId": ["sg-1", "sg-2"]}
    assert found["Tags"] == {"Tag": [{"TagKey": "tier", "TagValue": "web"}]}
    fields = list(found)
    assert fields.index("EipAddress") < fields.index("PublicIpAddress")


def test_a_vpc_instance_shows_all_its_interfaces(cloud: Cloud) -> None:
    answer = cloud("DescribeInstances", InstanceIds='["i-multi"]')
    (found,) = answer["Instances"]["Instance"]
    assert found["InnerIpAddress"] == {"IpAddress": []}
    assert found["VpcAttributes"]["PrivateIpAddress"] == {"IpAddress": ["172.16.0.2"]}
    first, second = found["NetworkInterfaces"]["NetworkInterface"]
    assert (first["Type"], second["Type"]) == ("Primary", "Secondary")
    assert first["PrivateIpSets"]["PrivateIpSet"] == [
        {"PrivateIpAddress": "172.16.0.2", "Primary": True},
        {"PrivateIpAddress": "172.16.0.3", "Primary": False},
    ]
    assert first["Ipv6Sets"] == {"Ipv6Set": [{"Ipv6Address": "2408::2"}]}


@pytest.mark.parametrize(
    ("fields", "ids"),
    [
        ({}, ["i-a", "i-b", "i-linked", "i-multi"]),
        ({"InstanceIds": '["i-b", "i-foreign", "i-no"]'}, ["i-b"]),
        ({"SecurityGroupId": "sg-1"}, ["i-a", "i-linked"]),
        ({"SecurityGroupId": "sg-vpc2"}, []),
        ({"SecurityGroupId": "sg-foreign"}, []),
        ({"SecurityGroupId": "sg-1", "InstanceIds": '["i-a", "i-b"]'}, ["i-a"]),
        ({"InstanceNetworkType": "vpc"}, ["i-multi"]),
        ({"VpcId": "vpc-1"}, ["i-multi"]),
        ({"Status": "Stopped"}, ["i-b"]),
        ({"LockReason": "security"}, ["i-b"]),
        ({"InstanceName": "l*ed"}, ["i-linked"]),
        ({"InstanceName": "[a-z]"}, []),
        ({"InstanceName": "?"}, []),
        ({"ZoneId": "cn-hangzhou-c"}, []),
        ({"InnerIpAddresses": '["10.170.1.2", "172.16.0.2"]'}, ["i-b"]),
        ({"PrivateIpAddresses": '["10.170.1.2", "172.16.0.3"]'}, ["i-multi"]),
        ({"PublicIpAddresses": '["47.96.0.1"]'}, ["i-a"]),
        ({"Tag__1__Key": "tier", "Tag__1__Value": "web"}, ["i-a"]),
        ({"PageSize": 3, "PageNumber": 2}, ["i-multi"]),
        ({"region": "cn-beijing"}, []),
    ],
)
def test_instances_are_listed_by_filter(
    cloud: Cloud, fields: dict[str, Any], ids: list[str]
) -> None:
    assert listed(cloud, **fields) == ids


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"Status": "Gone"}, 404, "InvalidStatus.NotFound"),
        ({"InstanceNetworkType": "x"}, 404, "InvalidNetworkType.NotFound"),
        ({"InstanceIds": "i-a"}, 400, "InvalidParameter"),
        ({"Tag": [{"Key": f"k{n}"} for n in range(21)]}, 400, "InvalidTagCount"),
        ({"region": None}, 400, "MissingParameter.RegionId"),
        ({"region": "xx"}, 404, "InvalidRegionId.NotFound"),
    ],
)
def test_listing_instances_says_what_is_wrong(
    cloud: Cloud, fields: dict[str, Any], status: int, code: str
) -> None:
    assert cloud.refusal("DescribeInstances", **fields) == (status, code)


def test_few_results_are_lifted_to_ten_and_many_cut_to_a_hundred() -> None:
    many = [instance(f"i-{number:03d}", f"10.170.2.{number}", "sg-1") for number in range(150)]
    cloud = Cloud(estate(groups=[group("sg-1")], instances=many))
    assert len(listed(cloud, MaxResults=1)) == 10
    first = cloud("DescribeInstances", MaxResults=1000)
    assert len(first["Instances"]["Instance"]) == 100
    assert len(listed(cloud, MaxResults=1000, NextToken=first["NextToken"])) == 50


def test_one_instance_is_described_without_a_region(cloud: Cloud) -> None:
    found = cloud("DescribeInstanceAttribute", region=None, InstanceId="i-b")
    assert found["Status"] == "Stopped"
    assert found["IoOptimized"] == "optimized"
    assert found["OperationLocks"] == {"LockReason": [{"LockReason": "security", "LockMsg": ""}]}
    for instance_id in ("i-no", "i-foreign"):
        refused = cloud.refusal("DescribeInstanceAttribute", InstanceId=instance_id)
        assert refused == (404, "InvalidInstanceId.NotFound")


def test_interfaces_are_those_of_vpc_instances(cloud: Cloud) -> None:
    answer = cloud("DescribeNetworkInterfaces")
    found = answer["NetworkInterfaceSets"]["NetworkInterfaceSet"]
    assert [item["NetworkInterfaceId"] for item in found] == ["eni-1", "eni-2"]
    assert answer["TotalCount"] == 2
    assert found[1]["SecurityGroupIds"] == {"SecurityGroupId": ["sg-vpc", "sg-vpc2"]}
    assert found[0]["OwnerId"] == ACCOUNT


@pytest.mark.parametrize(
    ("fields", "ids"),
    [
        ({"SecurityGroupId": "sg-vpc"}, ["eni-2"]),
        ({"InstanceId": "i-multi", "Type": "Primary"}, ["eni-1"]),
        ({"InstanceId": "i-a"}, []),
        ({"NetworkInterfaceId": ["eni-2", "eni-no"]}, ["eni-2"]),
        ({"PrivateIpAddress": ["172.16.0.3"]}, ["eni-1"]),
        ({"PrimaryIpAddress": "172.16.0.4"}, ["eni-2"]),
        ({"VpcId": "vpc-1", "MaxResults": 1}, ["eni-1"]),
        ({"Status": "Available"}, []),
        ({"account_id": OTHER_ACCOUNT}, []),
    ],
)
def test_interfaces_are_listed_by_filter(
    cloud: Cloud, fields: dict[str, Any], ids: list[str]
) -> None:
    answer = cloud("DescribeNetworkInterfaces", **fields)
    found = answer["NetworkInterfaceSets"]["NetworkInterfaceSet"]
    assert [item["NetworkInterfaceId"] for item in found] == ids


def test_links_are_listed_by_vpc_or_by_instance(cloud: Cloud) -> None:
    link = {"Link": [{"InstanceId": "i-linked", "VpcId": "vpc-1"}]}
    assert cloud("DescribeClassicLinkInstances", VpcId="vpc-1")["Links"] == link
    assert cloud("DescribeClassicLinkInstances", InstanceId="i-a,i-linked")["Links"] == link
    assert cloud("DescribeClassicLinkInstances", InstanceId="i-a")["Links"] == {"Link": []}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "InvalidParameter.InvalidInstanceIdAndVpcId"),
        ({"InstanceId": "i-no"}, "InvalidInstanceId.NotFound"),
        ({"InstanceId": "i-foreign"}, "InvalidInstanceId.NotBelong"),
        ({"VpcId": "vpc-no"}, "InvalidVpc.NotBelong"),
        ({"InstanceId": "i-a," * 101}, "InvalidParameter.ToManyInstanceIds"),
    ],
)
def test_listing_links_says_what_is_wrong(cloud: Cloud, fields: dict[str, Any], code: str) -> None:
    assert cloud.refusal("DescribeClassicLinkInstances", **fields) == (403, code)


def test_prefix_lists_are_described_with_their_entries() -> None:
    prefix_list = {
        "PrefixListId": "pl-1",
        "PrefixListName": "offices",
        "OwnerId": ACCOUNT,
        "RegionId": "cn-hangzhou",
        "AddressFamily": "IPv4",
        "MaxEntries": 5,
        "Entries": ["10.0.0.9/24"],
    }
    cloud = Cloud(
        estate(vpcs=[vpc()], groups=[group("sg-1", VpcId="vpc-1")], prefix_lists=[prefix_list])
    )
    cloud(
        "AuthorizeSecurityGroup",
        SecurityGroupId="sg-1",
        IpProtocol="tcp",
        PortRange="1/1",
        SourcePrefixListId="pl-1",
    )
    (listed_one,) = cloud("DescribePrefixLists")["PrefixLists"]["PrefixList"]
    assert (listed_one["MaxEntries"], listed_one["AssociationCount"]) == (5, 1)
    attributes = cloud("DescribePrefixListAttributes", PrefixListId="pl-1")
    assert attributes["Entries"] == {"Entry": [{"Cidr": "10.0.0.0/24", "Description": ""}]}
    associations = cloud("DescribePrefixListAssociations", PrefixListId="pl-1")
    assert associations["PrefixListAssociations"]["PrefixListAssociation"] == [
        {"ResourceId": "sg-1", "ResourceType": "securitygroup"}
    ]
    assert cloud("DescribePrefixLists", AddressFamily="IPv6")["PrefixLists"] == {"PrefixList": []}
    refused = cloud.refusal(
        "DescribePrefixListAttributes", account_id=OTHER_ACCOUNT, PrefixListId="pl-1"
    )
    assert refused == (404, "InvalidPrefixListId.NotFound")


def test_regions_are_listed_in_a_known_language(cloud: Cloud) -> None:
    regions = cloud("DescribeRegions", region=None)["Regions"]["Region"]
    assert {"cn-hangzhou", "cn-beijing"} <= {item["RegionId"] for item in regions}
    names = {item["RegionId"]: item["LocalName"] for item in regions}
    assert names["cn-hangzhou"] == "华东1(杭州)"
    answer = cloud("DescribeRegions", AcceptLanguage="en-US")["Regions"]["Region"]
    assert {"RegionId": "cn-hangzhou", "LocalName": "China (Hangzhou)"}.items() <= next(
        item for item in answer if item["RegionId"] == "cn-hangzhou"
    ).items()
    refused = cloud.refusal("DescribeRegions", AcceptLanguage="xx")
    assert refused == (404, "InvalidAcceptLanguage.NotFound")


def test_a_region_that_only_the_estate_knows_is_listed_as_long_as_something_is_in_it() -> None:
    elsewhere = vpc("vpc-9") | {"RegionId": "xx-nowhere-1"}
    for vpcs, is_there in (([elsewhere], True), ([], False)):
        cloud = Cloud(estate(vpcs=vpcs))
        answer = cloud("DescribeRegions", region=None)["Regions"]["Region"]
        assert ("xx-nowhere-1" in {item["RegionId"] for item in answer}) == is_there
        if is_there:
            assert cloud("DescribeInstances", region="xx-nowhere-1")["TotalCount"] == 0
            continue
        refused = cloud.refusal("DescribeInstances", region="xx-nowhere-1")
        assert refused == (404, "InvalidRegionId.NotFound")


@pytest.mark.parametrize(
    ("action", "name"),
    [
        ("DescribeNetworkInterfaces", "NetworkInterfaceId"),
        ("DescribeNetworkInterfaces", "PrivateIpAddress"),
        ("DescribePrefixLists", "PrefixListId"),
    ],
)
def test_at_most_a_hundred_can_be_asked_for(cloud: Cloud, action: str, name: str) -> None:
    asked: dict[str, Any] = {name: ["x"] * 100}
    assert cloud(action, **asked)
    asked[name].append("x")
    assert cloud.refusal(action, **asked) == (400, "InvalidParameter")
