from typing import Any

import pytest

from tests.simulator.estates import (
    ACCOUNT,
    OTHER_ACCOUNT,
    Cloud,
    estate,
    group,
    instance,
    rule,
    vpc,
)


def world() -> dict[str, Any]:
    return estate(
        vpcs=[vpc(), vpc("vpc-foreign", owner=OTHER_ACCOUNT), vpc("vpc-new", Status="Pending")],
        groups=[
            group("sg-web", Tags={"tier": "web"}, Description="web tier"),
            group("sg-named"),
            group(
                "sg-foreign",
                rule("sgr-f", SourceGroupId="sg-named", SourceGroupOwnerId=ACCOUNT),
                owner=OTHER_ACCOUNT,
            ),
            group("sg-vpc", VpcId="vpc-1"),
            group("sg-ent", VpcId="vpc-1", SecurityGroupType="enterprise"),
            group("sg-managed", VpcId="vpc-1", ServiceManaged=True),
        ],
        instances=[instance("i-a", "10.170.1.1", "sg-web")],
    )


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(world())


def listed(cloud: Cloud, **fields: Any) -> list[str]:
    answer = cloud("DescribeSecurityGroups", **fields)
    return [item["SecurityGroupId"] for item in answer["SecurityGroups"]["SecurityGroup"]]


def test_a_group_is_created_without_rules_and_deleted_without_trace(cloud: Cloud) -> None:
    start = cloud.estate()
    created = cloud(
        "CreateSecurityGroup", SecurityGroupName="new", Description="for tests", Tag__1__Key="k"
    )["SecurityGroupId"]
    answer = cloud("DescribeSecurityGroups", SecurityGroupId=created)
    (found,) = answer["SecurityGroups"]["SecurityGroup"]
    assert (found["SecurityGroupName"], found["VpcId"], found["RuleCount"]) == ("new", "", 0)
    assert found["Tags"] == {"Tag": [{"TagKey": "k", "TagValue": ""}]}
    attribute = cloud("DescribeSecurityGroupAttribute", SecurityGroupId=created)
    assert (attribute["InnerAccessPolicy"], attribute["Permissions"]) == (
        "Accept",
        {"Permission": []},
    )
    cloud("DeleteSecurityGroup", SecurityGroupId=created)
    assert cloud.estate() == start


def test_an_enterprise_group_has_no_inner_access(cloud: Cloud) -> None:
    call = {"VpcId": "vpc-1", "SecurityGroupType": "enterprise"}
    created = cloud("CreateSecurityGroup", **call)["SecurityGroupId"]
    answer = cloud("DescribeSecurityGroupAttribute", SecurityGroupId=created)
    assert answer["InnerAccessPolicy"] == "Drop"


def test_two_groups_may_have_one_name(cloud: Cloud) -> None:
    for _ in range(2):
        cloud("CreateSecurityGroup", SecurityGroupName="same")
    assert len(listed(cloud, SecurityGroupName="same")) == 2


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"SecurityGroupName": "1st"}, 400, "InvalidSecurityGroupName.Malformed"),
        ({"SecurityGroupName": "x"}, 400, "InvalidSecurityGroupName.Malformed"),
        ({"SecurityGroupName": "http://x"}, 400, "InvalidSecurityGroupName.Malformed"),
        ({"Description": "x"}, 400, "InvalidSecurityGroupDiscription.Malformed"),
        ({"Description": "https://x"}, 400, "InvalidSecurityGroupDiscription.Malformed"),
        ({"VpcId": "vpc-no"}, 404, "InvalidVpcId.NotFound"),
        ({"VpcId": "vpc-foreign"}, 404, "InvalidVpcId.NotFound"),
        ({"VpcId": "vpc-new"}, 400, "IncorrectVpcStatus"),
        ({"SecurityGroupType": "enterprise"}, 403, "InvalidVpcId.NotFound"),
        ({"SecurityGroupType": "other"}, 400, "InvalidParameter"),
        ({"Tag__1__Key": "acs:x"}, 400, "InvalidTagKey.Malformed"),
        ({"Tag__1__Value": "x"}, 400, "InvalidTagKey.Malformed"),
        ({"Tag__1__Key": "k", "Tag__1__Value": "x" * 129}, 400, "InvalidTagValue.Malformed"),
        ({"Tag__1__Key": "k", "Tag__2__Key": "k"}, 400, "Duplicate.TagKey"),
        ({"Tag": [{"Key": f"k{n}"} for n in range(21)]}, 400, "NumberExceed.Tags"),
    ],
)
def test_create_says_what_is_wrong(
    cloud: Cloud, fields: dict[str, Any], status: int, code: str
) -> None:
    assert cloud.refusal("CreateSecurityGroup", **fields) == (status, code)


def test_a_shared_vpc_takes_groups_of_an_account_that_is_in_it() -> None:
    shared = world()
    shared["security_groups"].append(group("sg-guest", owner=OTHER_ACCOUNT, VpcId="vpc-1"))
    cloud = Cloud(shared)
    call = {"account_id": OTHER_ACCOUNT, "VpcId": "vpc-1"}
    assert cloud("CreateSecurityGroup", **call)["SecurityGroupId"]


def test_a_region_takes_one_hundred_groups_of_an_account() -> None:
    cloud = Cloud(estate(groups=[group(f"sg-{number}") for number in range(99)]))
    cloud("CreateSecurityGroup")
    assert cloud.refusal("CreateSecurityGroup") == (403, "QuotaExceed.SecurityGroup")
    cloud("CreateSecurityGroup", region="cn-beijing")


def test_where_classic_is_not_offered_a_group_needs_a_vpc(cloud: Cloud) -> None:
    cloud.dispatcher.put_settings({"variants": {"classic_network_offered": False}})
    assert cloud.refusal("CreateSecurityGroup") == (403, "InvalidVpcId.NotFound")


@pytest.mark.parametrize(
    ("group_id", "status", "code"),
    [
        ("sg-web", 403, "DependencyViolation"),
        ("sg-named", 403, "DependencyViolation"),
        ("sg-managed", 403, "InvalidOperation.ResourceManagedByCloudProduct"),
        ("sg-foreign", 404, "InvalidSecurityGroupId.NotFound"),
        ("sg-no", 404, "InvalidSecurityGroupId.NotFound"),
    ],
)
def test_a_group_in_use_is_not_deleted(cloud: Cloud, group_id: str, status: int, code: str) -> None:
    refused = cloud.refusal("DeleteSecurityGroup", SecurityGroupId=group_id)
    assert refused == (status, code)


def test_references_name_who_names_a_group_in_any_account(cloud: Cloud) -> None:
    answer = cloud("DescribeSecurityGroupReferences", SecurityGroupId=["sg-web", "sg-named"])
    assert answer["SecurityGroupReferences"] == {
        "SecurityGroupReference": [
            {
                "SecurityGroupId": "sg-named",
                "ReferencingSecurityGroups": {
                    "ReferencingSecurityGroup": [
                        {"AliUid": OTHER_ACCOUNT, "SecurityGroupId": "sg-foreign"}
                    ]
                },
            }
        ]
    }


def test_references_stop_at_a_hundred_in_all() -> None:
    named = [group(f"sg-named-{each}") for each in range(2)]
    naming = [
        group(
            f"sg-naming-{number:03}",
            *(rule(f"sgr-{number}-{each}", SourceGroupId=f"sg-named-{each}") for each in range(2)),
        )
        for number in range(60)
    ]
    cloud = Cloud(estate(groups=[*named, *naming]))
    ids = [item["SecurityGroupId"] for item in named]
    answer = cloud("DescribeSecurityGroupReferences", SecurityGroupId=ids)
    found = answer["SecurityGroupReferences"]["SecurityGroupReference"]
    counts = [len(item["ReferencingSecurityGroups"]["ReferencingSecurityGroup"]) for item in found]
    assert counts == [60, 40]


def test_references_are_asked_for_one_to_ten_own_groups(cloud: Cloud) -> None:
    for ids in ([], [f"sg-{number}" for number in range(11)]):
        refused = cloud.refusal("DescribeSecurityGroupReferences", SecurityGroupId=ids)
        assert refused == (400, "InvalidSecurityGroupId.Malformed")
    refused = cloud.refusal("DescribeSecurityGroupReferences", SecurityGroupId=["sg-foreign"])
    assert refused == (404, "InvalidSecurityGroupId.NotFound")


def test_the_inner_access_of_a_group_is_changed_in_any_case(cloud: Cloud) -> None:
    call = {"SecurityGroupId": "sg-web"}
    cloud("ModifySecurityGroupPolicy", **call, InnerAccessPolicy="drop")
    assert cloud("DescribeSecurityGroupAttribute", **call)["InnerAccessPolicy"] == "Drop"
    cloud("ModifySecurityGroupPolicy", **call, InnerAccessPolicy="ACCEPT")
    assert cloud("DescribeSecurityGroupAttribute", **call)["InnerAccessPolicy"] == "Accept"


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"InnerAccessPolicy": "x"}, 400, "InvalidPolicy.Malformed"),
        ({"region": None}, 400, "MissingParamter.RegionId"),
        ({"SecurityGroupId": "sg-no"}, 404, "InvalidSecurityGroupId.NotFound"),
        ({"SecurityGroupId": "sg-ent"}, 403, "InvalidOperation.NotSupportEnterpriseGroup"),
        (
            {"SecurityGroupId": "sg-managed"},
            403,
            "InvalidOperation.ResourceManagedByCloudProduct",
        ),
    ],
)
def test_changing_inner_access_says_what_is_wrong(
    cloud: Cloud, fields: dict[str, Any], status: int, code: str
) -> None:
    call = {"SecurityGroupId": "sg-web", "InnerAccessPolicy": "Drop", **fields}
    assert cloud.refusal("ModifySecurityGroupPolicy", **call) == (status, code)


@pytest.mark.parametrize(
    ("fields", "ids"),
    [
        ({}, ["sg-ent", "sg-managed", "sg-named", "sg-vpc", "sg-web"]),
        ({"VpcId": "vpc-1"}, ["sg-ent", "sg-managed", "sg-vpc"]),
        ({"NetworkType": "classic"}, ["sg-named", "sg-web"]),
        ({"SecurityGroupType": "enterprise"}, ["sg-ent"]),
        ({"ServiceManaged": "true"}, ["sg-managed"]),
        ({"SecurityGroupName": "web"}, ["sg-web"]),
        ({"Tag__1__Key": "tier"}, ["sg-web"]),
        ({"Tag__1__Key": "tier", "Tag__1__Value": "app"}, []),
        ({"SecurityGroupIds": '["sg-web", "sg-foreign", "sg-no"]'}, ["sg-web"]),
        ({"SecurityGroupId": "sg-foreign"}, []),
        ({"PageSize": 2, "PageNumber": 3}, ["sg-web"]),
        ({"PageSize": 2, "PageNumber": 9}, []),
        ({"Nonsense": "ignored"}, ["sg-ent", "sg-managed", "sg-named", "sg-vpc", "sg-web"]),
    ],
)
def test_groups_are_listed_by_filter(cloud: Cloud, fields: dict[str, Any], ids: list[str]) -> None:
    assert listed(cloud, **fields) == ids


def test_groups_are_paged_by_number_or_by_token(cloud: Cloud) -> None:
    numbered = cloud("DescribeSecurityGroups", PageSize=2)
    assert [numbered[key] for key in ("TotalCount", "PageNumber", "PageSize")] == [5, 1, 2]
    ids: list[str] = []
    token = ""
    while True:
        page = cloud("DescribeSecurityGroups", MaxResults=2, NextToken=token)
        ids += [item["SecurityGroupId"] for item in page["SecurityGroups"]["SecurityGroup"]]
        token = page["NextToken"]
        assert "TotalCount" not in page
        if not token:
            break
    assert ids == listed(cloud)
    for wrong in ({"PageSize": 51}, {"PageNumber": 0}, {"MaxResults": 101}, {"PageSize": "x"}):
        assert cloud.refusal("DescribeSecurityGroups", **wrong) == (400, "InvalidParameter")
    assert cloud.refusal("DescribeSecurityGroups", SecurityGroupIds="sg-1")[0] == 400


def test_a_dry_run_answers_that_it_was_one(cloud: Cloud) -> None:
    for action in ("DescribeSecurityGroups", "DescribeInstances"):
        assert cloud.refusal(action, DryRun="true") == (400, "DryRunOperation")


# ---- ModifySecurityGroupAttribute, TagResources, DescribeAccountAttributes


def test_a_group_gets_another_name_and_description(cloud: Cloud) -> None:
    call = {"SecurityGroupId": "sg-web"}
    cloud("ModifySecurityGroupAttribute", **call, SecurityGroupName="front")
    cloud("ModifySecurityGroupAttribute", **call, Description="front tier")
    answer = cloud("DescribeSecurityGroupAttribute", **call)
    assert (answer["SecurityGroupName"], answer["Description"]) == ("front", "front tier")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"SecurityGroupName": "1"}, 400, "InvalidSecurityGroupName.Malformed"),
        ({"Description": "x"}, 400, "InvalidSecurityGroupDiscription.Malformed"),
        ({"SecurityGroupId": "sg-no"}, 404, "InvalidSecurityGroupId.NotFound"),
        (
            {"SecurityGroupId": "sg-managed", "Description": "ours"},
            403,
            "InvalidOperation.ResourceManagedByCloudProduct",
        ),
    ],
)
def test_changing_a_group_says_what_is_wrong(
    cloud: Cloud, fields: dict[str, Any], status: int, code: str
) -> None:
    call = {"SecurityGroupId": "sg-web", **fields}
    assert cloud.refusal("ModifySecurityGroupAttribute", **call) == (status, code)


def test_a_group_keeps_its_resource_group(cloud: Cloud) -> None:
    created = cloud("CreateSecurityGroup", ResourceGroupId="rg-abc")["SecurityGroupId"]
    assert listed(cloud, ResourceGroupId="rg-abc") == [created]
    answer = cloud("DescribeSecurityGroups", SecurityGroupId=created)
    assert answer["SecurityGroups"]["SecurityGroup"][0]["ResourceGroupId"] == "rg-abc"
    assert Cloud(cloud.estate()).estate() == cloud.estate()
    refused = cloud.refusal("CreateSecurityGroup", ResourceGroupId="default")
    assert refused == (404, "InvalidResourceGroup.NotFound")


def test_a_group_says_how_much_room_it_has(cloud: Cloud) -> None:
    def room(group_id: str) -> Any:
        answer = cloud("DescribeSecurityGroups", SecurityGroupId=group_id)
        return answer["SecurityGroups"]["SecurityGroup"][0]["AvailableInstanceAmount"]

    assert (room("sg-web"), room("sg-vpc"), room("sg-ent")) == (999, 2000, 65536)


def tag(cloud: Cloud, *ids: str, kind: str = "securitygroup", **tags: str) -> None:
    fields = [{"Key": key, "Value": value} for key, value in tags.items()]
    cloud("TagResources", ResourceType=kind, ResourceId=list(ids), Tag=fields)


def test_tags_are_added_to_groups_and_instances(cloud: Cloud) -> None:
    tag(cloud, "sg-web", "sg-vpc", tier="app", owner="")
    tag(cloud, "i-a", kind="instance", tier="web")
    assert listed(cloud, Tag=[{"Key": "tier", "Value": "app"}]) == ["sg-vpc", "sg-web"]
    found = cloud("DescribeInstances", Tag=[{"Key": "tier"}])
    assert found["Instances"]["Instance"][0]["Tags"] == {
        "Tag": [{"TagKey": "tier", "TagValue": "web"}]
    }


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"ResourceType": "disk"}, 404, "InvalidResourceType.NotFound"),
        ({"ResourceId": ["sg-web", "sg-foreign"]}, 404, "InvalidResourceId.NotFound"),
        ({"ResourceId": []}, 400, "MissingParameter"),
        ({"ResourceId": ["sg-web"] * 51}, 400, "NumberExceed.ResourceIds"),
        ({"Tag": []}, 400, "MissingParameter"),
        ({"Tag": [{"Key": f"k{n}"} for n in range(21)]}, 400, "NumberExceed.Tags"),
        ({"Tag": [{"Key": f"k{n}"} for n in range(20)]}, 403, "QuotaExceed.Tags"),
        ({"Tag": [{"Key": "k"}, {"Key": "k"}]}, 400, "Duplicate.TagKey"),
        ({"Tag": [{"Key": "aliyun"}]}, 400, "InvalidTagKey.Malformed"),
        ({"Tag": [{"Key": "k", "Value": "http://"}]}, 400, "InvalidTagValue.Malformed"),
    ],
)
def test_tagging_says_what_is_wrong(
    cloud: Cloud, fields: dict[str, Any], status: int, code: str
) -> None:
    call = {
        "ResourceType": "securitygroup",
        "ResourceId": ["sg-web"],
        "Tag": [{"Key": "k", "Value": "v"}],
        **fields,
    }
    assert cloud.refusal("TagResources", **call) == (status, code)


def test_an_account_says_what_it_may_have(cloud: Cloud) -> None:
    def attributes(**fields: Any) -> dict[str, list[str]]:
        items = cloud("DescribeAccountAttributes", **fields)["AccountAttributeItems"]
        return {
            item["AttributeName"]: [
                value["Value"] for value in item["AttributeValues"]["ValueItem"]
            ]
            for item in items["AccountAttributeItem"]
        }

    whole = {"instance-network-type": ["classic", "vpc"], "max-security-groups": ["100"]}
    assert attributes() == whole
    cloud.dispatcher.put_settings({"variants": {"classic_network_offered": False}})
    asked = ["instance-network-type", "max-disks"]
    assert attributes(AttributeName=asked) == {"instance-network-type": ["vpc"]}
