"""Reads that lag behind writes, as a setting."""

from typing import Any

import pytest

from tests.simulator.estates import Cloud, estate, group, instance, pair, rule, vpc

JOIN = {"SecurityGroupId": "sg-2", "InstanceId": "i-a"}
RULE = {"SecurityGroupId": "sg-2", "IpProtocol": "tcp", "PortRange": "9/9", "SourceGroupId": "sg-1"}


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(pair(rule("sgr-1")))


def lag(cloud: Cloud, **consistency: Any) -> None:
    cloud.dispatcher.put_settings({"consistency": consistency})


def is_seen(cloud: Cloud) -> bool:
    answer = cloud("DescribeInstances", InstanceIds='["i-a"]')
    return "sg-2" in answer["Instances"]["Instance"][0]["SecurityGroupIds"]["SecurityGroupId"]


def test_reads_see_every_write_at_once_by_default(cloud: Cloud) -> None:
    cloud("JoinSecurityGroup", **JOIN)
    assert is_seen(cloud)


def test_a_write_is_seen_after_the_delay(cloud: Cloud) -> None:
    lag(cloud, delay_seconds=10)
    cloud("JoinSecurityGroup", **JOIN)
    assert not is_seen(cloud)
    cloud.clock.sleep(9.5)
    assert not is_seen(cloud)
    cloud.clock.sleep(0.5)
    assert is_seen(cloud)


def test_a_write_is_seen_after_so_many_reads(cloud: Cloud) -> None:
    lag(cloud, delay_reads=2)
    cloud("JoinSecurityGroup", **JOIN)
    assert [is_seen(cloud) for _ in range(4)] == [False, False, True, True]


def test_writes_become_visible_in_their_order(cloud: Cloud) -> None:
    lag(cloud, delay_seconds=10)
    for port in (81, 82, 83):
        cloud(
            "AuthorizeSecurityGroup",
            SecurityGroupId="sg-2",
            IpProtocol="tcp",
            PortRange=f"{port}/{port}",
            SourceCidrIp="10.0.0.1",
            NicType="intranet",
        )
        cloud.clock.sleep(4)
    seen = []
    for _ in range(4):
        seen.append([item["PortRange"] for item in cloud.rules("sg-2")])
        cloud.clock.sleep(4)
    assert [len(ports) for ports in seen] == [2, 3, 4, 4]
    assert all(ports == seen[-1][: len(ports)] for ports in seen)


def test_the_packet_walk_and_the_estate_know_the_truth(cloud: Cloud) -> None:
    lag(cloud, delay_seconds=10)
    cloud("JoinSecurityGroup", **JOIN)
    assert not is_seen(cloud)
    assert cloud.verdict("i-a", "i-b") == "reachable: INTRA_GROUP"
    assert cloud.estate()["instances"][0]["SecurityGroupIds"] == ["sg-1", "sg-2"]


def test_replicas_disagree_and_the_seed_says_which_one_answers(cloud: Cloud) -> None:
    def drawn(seed: int) -> list[bool]:
        other = Cloud(pair(rule("sgr-1")))
        lag(other, delay_seconds=10, replicas=3, seed=seed)
        other("JoinSecurityGroup", **JOIN)
        return [is_seen(other) for _ in range(30)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert {True, False} == set(drawn(1))


def test_every_replica_sees_a_write_in_the_end(cloud: Cloud) -> None:
    lag(cloud, delay_seconds=10, delay_reads=5, replicas=4)
    cloud("JoinSecurityGroup", **JOIN)
    cloud.clock.sleep(10)
    for _ in range(5):
        is_seen(cloud)
    assert all(is_seen(cloud) for _ in range(30))


def test_what_was_deleted_is_still_listed_for_a_while(cloud: Cloud) -> None:
    created = cloud("CreateSecurityGroup")["SecurityGroupId"]
    cloud.clock.sleep(60)
    lag(cloud, delay_seconds=10)
    cloud("DeleteSecurityGroup", SecurityGroupId=created)
    assert cloud("DescribeSecurityGroupAttribute", SecurityGroupId=created)
    cloud.clock.sleep(10)
    assert cloud.refusal("DescribeSecurityGroupAttribute", SecurityGroupId=created)[0] == 404


def tag(kind: str, resource_id: str) -> tuple[str, dict[str, Any]]:
    fields = {"ResourceType": kind, "ResourceId": [resource_id], "Tag": [{"Key": "k"}]}
    return "TagResources", fields


IN_GROUP: dict[str, Any] = {"SecurityGroupId": "sg-2"}
WRITES: dict[str, tuple[str, dict[str, Any]]] = {
    "a group's name": (
        "ModifySecurityGroupAttribute",
        {"SecurityGroupId": "sg-2", "SecurityGroupName": "other", "Description": "other"},
    ),
    "a group's inner access": (
        "ModifySecurityGroupPolicy",
        {"SecurityGroupId": "sg-2", "InnerAccessPolicy": "Drop"},
    ),
    "a group's tags": tag("securitygroup", "sg-2"),
    "an instance's tags": tag("instance", "i-a"),
    "an interface's tags": tag("eni", "eni-1"),
    "an instance's name": (
        "ModifyInstanceAttribute",
        {"InstanceId": "i-a", "InstanceName": "other"},
    ),
    "memberships": ("ModifyInstanceAttribute", {"InstanceId": "i-a", "SecurityGroupIds": ["sg-2"]}),
    "an interface's groups": (
        "ModifyNetworkInterfaceAttribute",
        {"NetworkInterfaceId": "eni-1", "SecurityGroupId": ["sg-2"]},
    ),
    "a rule": ("AuthorizeSecurityGroup", RULE),
    "no rule": (
        "RevokeSecurityGroup",
        {"SecurityGroupId": "sg-2", "SecurityGroupRuleId": ["sgr-1"]},
    ),
    "another rule": (
        "ModifySecurityGroupRule",
        {"SecurityGroupId": "sg-2", "SecurityGroupRuleId": "sgr-1", "Priority": 9},
    ),
    "a group": ("CreateSecurityGroup", {"VpcId": "vpc-1"}),
    "no group": ("DeleteSecurityGroup", {"SecurityGroupId": "sg-3"}),
    "a prefix list": (
        "CreatePrefixList",
        {"PrefixListName": "web", "AddressFamily": "IPv4", "MaxEntries": 2},
    ),
}


def everything(cloud: Cloud) -> Any:
    """All that any read shows, without what is new in every answer."""
    groups = [cloud("DescribeSecurityGroupAttribute", SecurityGroupId=f"sg-{n}") for n in (1, 2)]
    seen = [
        *groups,
        cloud("DescribeSecurityGroups"),
        cloud("DescribeSecurityGroupReferences", SecurityGroupId=["sg-1", "sg-2"]),
        cloud("DescribeInstances"),
        cloud("DescribeInstanceAttribute", InstanceId="i-a"),
        cloud("DescribeNetworkInterfaces"),
        cloud("DescribePrefixLists"),
    ]
    return [{name: item for name, item in body.items() if name != "RequestId"} for body in seen]


@pytest.mark.parametrize("what", WRITES)
def test_whatever_was_written_is_read_late_and_then_entirely(what: str) -> None:
    nic = {"NetworkInterfaceId": "eni-1", "Primary": True}
    nic |= {"PrivateIps": ["172.16.0.9"], "SecurityGroupIds": ["sg-1"]}
    in_vpc = estate(
        vpcs=[vpc()],
        groups=[
            group("sg-1", VpcId="vpc-1"),
            group("sg-2", rule("sgr-1"), VpcId="vpc-1"),
            group("sg-3", VpcId="vpc-1"),
        ],
        instances=[
            {name: text for name, text in instance("i-a", "").items() if text}
            | {"VpcId": "vpc-1", "NetworkInterfaces": [nic]}
        ],
    )
    late, prompt = Cloud(in_vpc), Cloud(in_vpc)
    before = everything(late)
    lag(late, delay_seconds=10)
    action, call = WRITES[what]
    for cloud in (late, prompt):
        cloud(action, **call)
    assert everything(late) == before
    late.clock.sleep(10)
    prompt.clock.sleep(10)
    assert everything(late) == everything(prompt) != before
