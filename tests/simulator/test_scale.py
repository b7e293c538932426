"""An estate of 10,000 instances, 1,000 groups and 60,000 rules is one like any other."""

from typing import Any

import pytest

from app.simulator.state.store import MOST_STEPS
from tests.simulator.estates import Cloud, estate, group, instance, rule

GROUPS, MEMBERS, RULES = 1000, 10, 60


def address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    groups = [
        group(
            f"sg-{each}",
            *(
                rule(
                    f"sgr-{each}-{number}",
                    SourceCidrIp=address(each * RULES + number),
                    PortRange=f"{number + 1}/{number + 1}",
                )
                for number in range(RULES)
            ),
        )
        for each in range(GROUPS)
    ]
    instances = [
        instance(f"i-{each}", address(each + 1), f"sg-{each // MEMBERS}")
        for each in range(GROUPS * MEMBERS)
    ]
    return Cloud(estate(groups=groups, instances=instances))


def test_a_large_estate_is_served_and_changed(cloud: Cloud) -> None:
    cloud.dispatcher.put_settings({"quotas": {"groups_per_region": None}})
    created = cloud("CreateSecurityGroup")["SecurityGroupId"]
    for each in range(3):
        cloud("JoinSecurityGroup", SecurityGroupId=created, InstanceId=f"i-{each * 1000}")
    assert cloud.verdict("i-0", "i-2000", 9999) == "reachable: INTRA_GROUP"
    assert cloud.verdict("i-11", "i-5", 13) == "reachable: RULE"
    assert cloud.verdict("i-0", "i-9999", 9999) == "blocked: INGRESS_DEFAULT"
    assert len(cloud.rules("sg-999")) == RULES


def test_looking_back_costs_what_has_changed_and_not_what_there_is(cloud: Cloud) -> None:
    store = cloud.dispatcher.store
    before = store.version
    cloud("RevokeSecurityGroup", SecurityGroupId="sg-7", SecurityGroupRuleId=["sgr-7-3"])
    assert len(store._steps) < 10 < MOST_STEPS
    fault = {"kind": "stale_read", "calls": 1}
    cloud.dispatcher.put_faults([fault])
    assert len(cloud.rules("sg-7")) == RULES
    cloud.dispatcher.put_faults([])
    assert len(cloud.rules("sg-7")) == RULES - 1
    assert store.version == before + 1


def test_a_listing_is_spelt_out_again_when_anything_in_it_has_changed(cloud: Cloud) -> None:
    def ports() -> list[Any]:
        return [item["PortRange"] for item in cloud.rules("sg-8")]

    first = ports()
    assert ports() == first
    listing = cloud.dispatcher.store.listings["sg-8", "intranet all text"]
    cloud.rules("sg-8")
    assert cloud.dispatcher.store.listings["sg-8", "intranet all text"] is listing
    cloud("RevokeSecurityGroup", SecurityGroupId="sg-8", SecurityGroupRuleId=["sgr-8-0"])
    assert ports() == first[1:]


def test_a_listing_shows_the_present_name_of_a_peer(cloud: Cloud) -> None:
    peer = cloud("CreateSecurityGroup", SecurityGroupName="before")["SecurityGroupId"]
    cloud(
        "AuthorizeSecurityGroup",
        SecurityGroupId="sg-9",
        IpProtocol="tcp",
        PortRange="1/1",
        SourceGroupId=peer,
        NicType="intranet",
    )
    names = []
    for name in ("before", "after"):
        cloud("ModifySecurityGroupAttribute", SecurityGroupId=peer, SecurityGroupName=name)
        names.append([item["SourceGroupName"] for item in cloud.rules("sg-9")][-1])
    assert names == ["before", "after"]


def test_what_was_handed_out_can_be_changed_without_harm(cloud: Cloud) -> None:
    cloud.rules("sg-6")[0].clear()
    assert cloud.rules("sg-6")[0]["PortRange"]
