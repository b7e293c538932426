from typing import Any

import pytest

from tests.simulator.estates import OTHER_ACCOUNT, Cloud, estate, group, instance, rule, vpc


def world() -> dict[str, Any]:
    in_vpc = {"VpcId": "vpc-1"}
    nics = [
        {
            "NetworkInterfaceId": f"eni-{number}",
            "Primary": number == 1,
            "PrivateIps": [f"172.16.1.{number}"],
            "SecurityGroupIds": ["sg-vpc"],
        }
        for number in (1, 2)
    ]
    multi = instance("i-multi", "", VpcId="vpc-1", NetworkInterfaces=nics)
    del multi["PrivateIp"], multi["SecurityGroupIds"]
    return estate(
        vpcs=[vpc(), vpc("vpc-2")],
        groups=[
            group("sg-home"),
            group("sg-extra"),
            *(group(f"sg-{number}") for number in range(5)),
            group("sg-foreign", owner=OTHER_ACCOUNT),
            group("sg-vpc", **in_vpc),
            group("sg-vpc-b", **in_vpc),
            group("sg-vpc2", VpcId="vpc-2"),
            group("sg-ent", SecurityGroupType="enterprise", **in_vpc),
            group("sg-managed", ServiceManaged=True, **in_vpc),
        ],
        instances=[
            instance("i-a", "10.170.1.1", "sg-home"),
            instance("i-stopped", "10.170.1.2", "sg-home", Status="Stopped"),
            instance("i-starting", "10.170.1.3", "sg-home", Status="Starting"),
            instance("i-locked", "10.170.1.4", "sg-home", OperationLocks=["security"]),
            instance("i-financial", "10.170.1.5", "sg-home", OperationLocks=["financial"]),
            instance("i-foreign", "10.170.1.6", "sg-foreign", OwnerId=OTHER_ACCOUNT),
            instance("i-v", "172.16.0.1", "sg-vpc", VpcId="vpc-1"),
            instance("i-m", "172.16.0.2", "sg-managed", VpcId="vpc-1"),
            multi,
        ],
    )


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(world())


def groups_of(cloud: Cloud, instance_id: str) -> list[str]:
    answer = cloud("DescribeInstanceAttribute", InstanceId=instance_id)
    ids: list[str] = answer["SecurityGroupIds"]["SecurityGroupId"]
    return ids


@pytest.mark.parametrize("instance_id", ["i-a", "i-stopped", "i-financial"])
@pytest.mark.parametrize("region", ["cn-hangzhou", None])
def test_join_and_leave_leave_no_trace(cloud: Cloud, instance_id: str, region: str | None) -> None:
    start = cloud.estate()
    call: dict[str, Any] = {
        "SecurityGroupId": "sg-extra",
        "InstanceId": instance_id,
        "region": region,
    }
    cloud("JoinSecurityGroup", **call)
    assert groups_of(cloud, instance_id) == ["sg-home", "sg-extra"]
    cloud("LeaveSecurityGroup", **call)
    assert cloud.estate() == start


def test_a_secondary_interface_joins_alone(cloud: Cloud) -> None:
    call = {"SecurityGroupId": "sg-vpc-b", "NetworkInterfaceId": "eni-2"}
    cloud("JoinSecurityGroup", **call)
    assert groups_of(cloud, "i-multi") == ["sg-vpc"]
    cloud("LeaveSecurityGroup", **call)


JOIN_AND_LEAVE = [
    ({"SecurityGroupId": "sg-no"}, 404, "InvalidSecurityGroupId.NotFound"),
    ({"SecurityGroupId": "sg-foreign"}, 404, "InvalidSecurityGroupId.NotFound"),
    ({"SecurityGroupId": "sg*"}, 400, "InvalidSecurityGroupId.Malformed"),
    ({"SecurityGroupId": ""}, 400, "MissingParameter"),
    ({"InstanceId": "i-no"}, 404, "InvalidInstanceId.NotFound"),
    ({"InstanceId": "i-foreign"}, 404, "InvalidInstanceId.NotFound"),
    ({"InstanceId": "i*"}, 400, "InvalidInstanceId.Malformed"),
    ({"InstanceId": ""}, 400, "MissingParameter"),
    ({"InstanceId": "i-starting"}, 403, "IncorrectInstanceStatus"),
    ({"InstanceId": "i-locked"}, 403, "InstanceLockedForSecurity"),
    ({"SecurityGroupId": "sg-managed"}, 403, "InvalidOperation.ResourceManagedByCloudProduct"),
    ({"NetworkInterfaceId": "eni-2"}, 403, "InvalidParam.EniIdAndInstanceId.Conflict"),
    ({"NetworkInterfaceId": "eni-no", "InstanceId": ""}, 404, "InvalidEniId.NotFound"),
    ({"NetworkInterfaceId": "eni-1", "InstanceId": ""}, 403, "InvalidOperation.InvalidEniType"),
    (
        {"NetworkInterfaceId": "eni-2", "InstanceId": "", "region": None},
        400,
        "MissingParameter.RegionId",
    ),
    ({"region": "cn-beijing"}, 404, "InvalidSecurityGroupId.NotFound"),
]


@pytest.mark.parametrize(("fields", "status", "code"), JOIN_AND_LEAVE)
@pytest.mark.parametrize("action", ["JoinSecurityGroup", "LeaveSecurityGroup"])
def test_join_and_leave_say_what_is_wrong(
    cloud: Cloud, action: str, fields: dict[str, Any], status: int, code: str
) -> None:
    call = {"SecurityGroupId": "sg-extra", "InstanceId": "i-a", **fields}
    assert cloud.refusal(action, **call) == (status, code)


@pytest.mark.parametrize(
    ("group_id", "instance_id", "status", "code"),
    [
        ("sg-home", "i-a", 403, "InvalidInstanceId.AlreadyExists"),
        ("sg-vpc", "i-a", 400, "InvalidInstanceId.Mismatch"),
        ("sg-vpc2", "i-v", 400, "InvalidInstanceId.Mismatch"),
        ("sg-home", "i-v", 400, "InvalidInstanceId.Mismatch"),
        ("sg-ent", "i-v", 403, "InvalidOperation.InvalidSecurityGroupType"),
    ],
)
def test_join_refuses_what_does_not_fit(
    cloud: Cloud, group_id: str, instance_id: str, status: int, code: str
) -> None:
    call = {"SecurityGroupId": group_id, "InstanceId": instance_id}
    assert cloud.refusal("JoinSecurityGroup", **call) == (status, code)


def test_a_secondary_interface_stays_in_its_vpc(cloud: Cloud) -> None:
    call = {"SecurityGroupId": "sg-vpc2", "NetworkInterfaceId": "eni-2"}
    assert cloud.refusal("JoinSecurityGroup", **call) == (403, "InvalidOperation.VpcMismatch")


def test_the_last_group_is_not_left(cloud: Cloud) -> None:
    call = {"SecurityGroupId": "sg-home", "InstanceId": "i-a"}
    assert cloud.refusal("LeaveSecurityGroup", **call) == (403, "InstanceLastSecurityGroup")


def test_leaving_a_group_that_one_is_not_in_is_refused_as_set(cloud: Cloud) -> None:
    call = {"SecurityGroupId": "sg-extra", "InstanceId": "i-a"}
    refused = cloud.refusal("LeaveSecurityGroup", **call)
    assert refused == (403, "InvalidSecurityGroupAssociation.NotFound")
    cloud.dispatcher.put_settings({"variants": {"leave_of_non_member": "not_in_group"}})
    assert cloud.refusal("LeaveSecurityGroup", **call) == (403, "InstanceNotInSecurityGroup")
    cloud.dispatcher.put_settings({"variants": {"leave_of_non_member": "success"}})
    cloud("LeaveSecurityGroup", **call)


# ---- quotas


def test_an_instance_is_in_five_groups_at_most(cloud: Cloud) -> None:
    for number in range(4):
        cloud("JoinSecurityGroup", SecurityGroupId=f"sg-{number}", InstanceId="i-a")
    refused = cloud.refusal("JoinSecurityGroup", SecurityGroupId="sg-4", InstanceId="i-a")
    assert refused == (403, "InstanceSecurityGroupLimitExceeded")


def test_a_group_has_room_for_so_many_and_no_more(cloud: Cloud) -> None:
    quotas = {"instances_per_classic_group": 5, "addresses_per_vpc_group": 3}
    cloud.dispatcher.put_settings({"quotas": quotas})
    cloud("JoinSecurityGroup", SecurityGroupId="sg-0", InstanceId="i-a")
    cloud("JoinSecurityGroup", SecurityGroupId="sg-vpc-b", InstanceId="i-v")
    cloud.dispatcher.put_settings({"quotas": dict.fromkeys(quotas, 1)})
    refused = cloud.refusal("JoinSecurityGroup", SecurityGroupId="sg-0", InstanceId="i-stopped")
    assert refused == (403, "SecurityGroupInstanceLimitExceeded")
    call = {"SecurityGroupId": "sg-vpc-b", "NetworkInterfaceId": "eni-2"}
    refused = cloud.refusal("JoinSecurityGroup", **call)
    assert refused == (403, "SecurityGroupInstanceLimitExceeded")


def test_the_rules_of_all_groups_of_an_interface_have_a_limit() -> None:
    rules = [rule(PortRange=f"{number}/{number}") for number in range(1, 11)]
    cloud = Cloud(
        estate(
            groups=[group("sg-1", *rules), group("sg-2", *rules)],
            instances=[instance("i-a", "10.170.1.1", "sg-1")],
        )
    )
    cloud.dispatcher.put_settings({"quotas": {"rules_per_interface": 19}})
    call = {"SecurityGroupId": "sg-2", "InstanceId": "i-a"}
    assert cloud.refusal("JoinSecurityGroup", **call) == (403, "AclLimitExceed")


# ---- ModifyInstanceAttribute


def modified(cloud: Cloud, *groups: str, instance_id: str = "i-v") -> list[str]:
    cloud("ModifyInstanceAttribute", InstanceId=instance_id, SecurityGroupIds=list(groups))
    return groups_of(cloud, instance_id)


def test_the_whole_list_of_groups_is_replaced(cloud: Cloud) -> None:
    start = cloud.estate()
    assert set(modified(cloud, "sg-vpc-b", "sg-vpc")) == {"sg-vpc", "sg-vpc-b"}
    assert modified(cloud, "sg-vpc-b") == ["sg-vpc-b"]
    assert modified(cloud, "sg-vpc") == ["sg-vpc"]
    assert cloud.estate() == start


def test_the_type_of_all_groups_may_be_changed_at_once(cloud: Cloud) -> None:
    assert modified(cloud, "sg-ent") == ["sg-ent"]


def test_a_name_is_changed_and_groups_are_left_alone(cloud: Cloud) -> None:
    cloud("ModifyInstanceAttribute", region=None, InstanceId="i-a", InstanceName="new")
    assert cloud("DescribeInstanceAttribute", InstanceId="i-a")["InstanceName"] == "new"
    assert groups_of(cloud, "i-a") == ["sg-home"]


@pytest.mark.parametrize(
    ("instance_id", "groups", "status", "code"),
    [
        ("i-a", ["sg-extra"], 403, "OperationDenied"),
        ("i-no", ["sg-vpc"], 404, "InvalidInstanceId.NotFound"),
        ("i-v", ["sg-no"], 404, "InvalidSecurityGroupId.NotFound"),
        ("i-v", ["sg-foreign"], 404, "InvalidSecurityGroupId.NotFound"),
        ("i-v", ["sg-vpc", "sg-vpc"], 400, "InvalidParameter"),
        ("i-v", ["sg-vpc", "sg-vpc2"], 400, "InvalidInstanceId.Mismatch"),
        ("i-v", ["sg-vpc", "sg-ent"], 403, "InvalidOperation.InvalidSecurityGroupType"),
        ("i-v", ["sg-managed"], 403, "InvalidOperation.ResourceManagedByCloudProduct"),
        ("i-m", ["sg-vpc"], 403, "InvalidOperation.ResourceManagedByCloudProduct"),
        ("i-locked", ["sg-home"], 403, "InstanceLockedForSecurity"),
        ("i-starting", ["sg-home"], 403, "IncorrectInstanceStatus"),
    ],
)
def test_replacing_groups_says_what_is_wrong(
    cloud: Cloud, instance_id: str, groups: list[str], status: int, code: str
) -> None:
    call = {"InstanceId": instance_id, "SecurityGroupIds": groups}
    assert cloud.refusal("ModifyInstanceAttribute", **call) == (status, code)


def test_replacing_groups_keeps_to_the_quotas(cloud: Cloud) -> None:
    call = {"InstanceId": "i-v", "SecurityGroupIds": ["sg-vpc", "sg-vpc-b"]}
    cloud.dispatcher.put_settings({"quotas": {"groups_per_interface": 1}})
    refused = cloud.refusal("ModifyInstanceAttribute", **call)
    assert refused == (403, "InstanceSecurityGroupLimitExceeded")
    cloud.dispatcher.put_settings({"quotas": {"addresses_per_vpc_group": 0}})
    refused = cloud.refusal("ModifyInstanceAttribute", **call)
    assert refused == (403, "SecurityGroupInstanceLimitExceed")


# ---- ModifyNetworkInterfaceAttribute


def test_the_groups_of_a_secondary_interface_are_replaced_alone(cloud: Cloud) -> None:
    call: dict[str, Any] = {"NetworkInterfaceId": "eni-2", "SecurityGroupId": ["sg-vpc-b"]}
    cloud("ModifyNetworkInterfaceAttribute", **call)
    answer = cloud("DescribeNetworkInterfaces", NetworkInterfaceId=["eni-2"])
    (found,) = answer["NetworkInterfaceSets"]["NetworkInterfaceSet"]
    assert found["SecurityGroupIds"] == {"SecurityGroupId": ["sg-vpc-b"]}
    assert groups_of(cloud, "i-multi") == ["sg-vpc"]


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"NetworkInterfaceId": "eni-no"}, 404, "InvalidEniId.NotFound"),
        ({"SecurityGroupId": ["sg-no"]}, 404, "InvalidSecurityGroupId.NotFound"),
        ({"SecurityGroupId": ["sg-vpc2"]}, 400, "InvalidInstanceId.Mismatch"),
    ],
)
def test_replacing_groups_of_an_interface_says_what_is_wrong(
    cloud: Cloud, fields: dict[str, Any], status: int, code: str
) -> None:
    call = {"NetworkInterfaceId": "eni-2", "SecurityGroupId": ["sg-vpc"], **fields}
    assert cloud.refusal("ModifyNetworkInterfaceAttribute", **call) == (status, code)
