from typing import Any

import pytest

from tests.simulator.estates import ACCOUNT, OTHER_ACCOUNT, Cloud, estate, group, vpc

WEB = {"PrefixListName": "web", "AddressFamily": "IPv4", "MaxEntries": 3}


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(estate(vpcs=[vpc()], groups=[group("sg-v", VpcId="vpc-1")]))


def created(cloud: Cloud, **fields: Any) -> Any:
    return cloud("CreatePrefixList", **{**WEB, **fields})["PrefixListId"]


def test_a_created_list_is_described_in_canonical_form(cloud: Cloud) -> None:
    entries = [{"Cidr": "10.1.2.3/8"}, {"Cidr": "192.168.0.1"}]
    list_id = created(cloud, Entry=entries, Description="the web")
    answer = cloud("DescribePrefixListAttributes", PrefixListId=list_id)
    assert [item["Cidr"] for item in answer["Entries"]["Entry"]] == ["10.0.0.0/8", "192.168.0.1/32"]
    described = ("PrefixListName", "AddressFamily", "MaxEntries", "AssociationCount", "Description")
    assert [answer[name] for name in described] == ["web", "IPv4", 3, 0, "the web"]
    assert Cloud(cloud.estate()).estate() == cloud.estate()


def test_addresses_of_the_sixth_version_are_compressed(cloud: Cloud) -> None:
    list_id = created(cloud, AddressFamily="IPv6", Entry=[{"Cidr": "2408:0:0::00AB"}])
    answer = cloud("DescribePrefixListAttributes", PrefixListId=list_id)
    assert answer["Entries"]["Entry"][0]["Cidr"] == "2408::ab/128"


def test_a_rule_that_names_a_list_costs_its_maximum_and_is_listed(cloud: Cloud) -> None:
    list_id = created(cloud)
    cloud(
        "AuthorizeSecurityGroup",
        SecurityGroupId="sg-v",
        IpProtocol="tcp",
        PortRange="22/22",
        SourcePrefixListId=list_id,
    )
    (found,) = cloud("DescribeSecurityGroups")["SecurityGroups"]["SecurityGroup"]
    assert found["RuleCount"] == 3
    answer = cloud("DescribePrefixListAssociations", PrefixListId=list_id)
    assert answer["PrefixListAssociations"]["PrefixListAssociation"] == [
        {"ResourceId": "sg-v", "ResourceType": "securitygroup"}
    ]


def test_lists_are_found_by_family_name_and_id_and_paged(cloud: Cloud) -> None:
    ids = [created(cloud, PrefixListName=f"web{number}") for number in range(3)]
    created(cloud, AddressFamily="IPv6")

    def listed(**fields: Any) -> list[str]:
        answer = cloud("DescribePrefixLists", **fields)
        return [item["PrefixListName"] for item in answer["PrefixLists"]["PrefixList"]]

    assert sorted(listed(AddressFamily="IPv4")) == ["web0", "web1", "web2"]
    assert listed(Tag=[{"Key": "k"}]) == listed(ResourceGroupId="rg-1") == []
    assert listed(PrefixListName="web1") == ["web1"]
    assert sorted(listed(PrefixListId=ids[:2])) == ["web0", "web1"]
    page = cloud("DescribePrefixLists", MaxResults=3)
    assert len(listed(MaxResults=3, NextToken=page["NextToken"])) == 1
    other = cloud("DescribePrefixLists", account_id=OTHER_ACCOUNT)
    assert other["PrefixLists"] == {"PrefixList": []}


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"PrefixListName": "1"}, 400, "InvalidParameter"),
        ({"PrefixListName": ""}, 400, "MissingParameter"),
        ({"AddressFamily": "IPv5"}, 400, "InvalidParameter"),
        ({"MaxEntries": 0}, 400, "InvalidParameter"),
        ({"MaxEntries": 201}, 400, "InvalidParameter"),
        ({"Entry": [{"Cidr": "2408::/64"}]}, 400, "InvalidParameter"),
        ({"Entry": [{"Cidr": "10.0.0.1/8"}, {"Cidr": "10.0.0.0/8"}]}, 400, "InvalidParameter"),
        (
            {"MaxEntries": 1, "Entry": [{"Cidr": "1.1.1.1"}, {"Cidr": "2.2.2.2"}]},
            400,
            "InvalidParameter",
        ),
    ],
)
def test_create_says_what_is_wrong(
    cloud: Cloud, fields: dict[str, Any], status: int, code: str
) -> None:
    assert cloud.refusal("CreatePrefixList", **{**WEB, **fields}) == (status, code)


def test_a_region_takes_so_many_lists_of_an_account(cloud: Cloud) -> None:
    cloud.dispatcher.put_settings({"quotas": {"prefix_lists_per_region": 1}})
    created(cloud)
    assert cloud.refusal("CreatePrefixList", **WEB) == (403, "LimitExceed.PrefixList")
    created(cloud, region="cn-beijing")


def test_a_list_of_another_account_is_not_found(cloud: Cloud) -> None:
    list_id = created(cloud)
    refused = cloud.refusal(
        "DescribePrefixListAttributes", account_id=OTHER_ACCOUNT, PrefixListId=list_id
    )
    assert refused == (404, "InvalidPrefixListId.NotFound")
    assert cloud.estate()["prefix_lists"][0]["OwnerId"] == ACCOUNT


def test_descriptions_of_entries_are_answered_and_kept(cloud: Cloud) -> None:
    entries = [{"Cidr": "10.0.0.1", "Description": "the office"}, {"Cidr": "10.0.0.2"}]
    list_id = created(cloud, Entry=entries)
    for each in (cloud, Cloud(cloud.estate())):
        answer = each("DescribePrefixListAttributes", PrefixListId=list_id)
        assert [(item["Cidr"], item["Description"]) for item in answer["Entries"]["Entry"]] == [
            ("10.0.0.1/32", "the office"),
            ("10.0.0.2/32", ""),
        ]
    (kept,) = cloud.estate()["prefix_lists"]
    assert kept["Entries"] == [{"Cidr": "10.0.0.1/32", "Description": "the office"}, "10.0.0.2/32"]
