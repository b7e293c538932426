"""What every cloud answers to a read."""

import pytest

from app.domain.addresses import Block
from app.domain.errors import CloudRefusedError, InvalidCursorError, TargetNotFoundError
from app.domain.groups import GroupKind, GroupRef
from app.domain.rules import NicType, Policy
from app.ports.ecs import Ecs, InventoryFilter
from tests.contract.conftest import Stage
from tests.support.clouds import (
    ACCOUNT,
    OTHER_ACCOUNT,
    REGION,
    estate,
    group_entry,
    instance_entry,
)

VPC = "vpc-1"


def interface(eni_id: str, ip: str, *group_ids: str, primary: bool = False) -> dict[str, object]:
    return {
        "NetworkInterfaceId": eni_id,
        "Primary": primary,
        "PrivateIps": [ip],
        "SecurityGroupIds": list(group_ids),
    }


TWO_INTERFACES = estate(
    groups=[group_entry("sg-front", vpc_id=VPC), group_entry("sg-back", vpc_id=VPC)],
    instances=[
        instance_entry(
            "i-gate",
            [],
            vpc_id=VPC,
            NetworkInterfaces=[
                interface("eni-2", "10.0.2.1", "sg-back"),
                interface("eni-1", "10.0.1.1", "sg-front", primary=True),
            ],
        ),
        instance_entry("i-plain", ["sg-front"], vpc_id=VPC, private_ip="10.0.1.2"),
    ],
)


def permission(number: int) -> dict[str, object]:
    return {
        "SecurityGroupRuleId": f"sgr-{number:05}",
        "Direction": "ingress",
        "Policy": "accept",
        "Priority": 1,
        "IpProtocol": "tcp",
        "PortRange": f"{number + 1}/{number + 1}",
        "NicType": "intranet",
        "SourceCidrIp": "10.0.0.1/32",
    }


@pytest.fixture
def ecs(stage: Stage) -> Ecs:
    return stage.ecs()


def test_groups_that_do_not_exist_are_left_out(ecs: Ecs) -> None:
    found = ecs.groups(["sg-web", "sg-none", "sg-app", "sg-web"])
    assert [group.group_id for group in found] == ["sg-web", "sg-app"]


def test_a_foreign_group_is_not_there(ecs: Ecs) -> None:
    assert ecs.groups(["sg-db"]) == ()


def test_a_group_carries_what_decides_about_traffic(ecs: Ecs) -> None:
    enterprise, managed, isolated = ecs.groups(["sg-enterprise", "sg-managed", "sg-isolated"])
    assert (enterprise.kind, enterprise.inner_access) == (GroupKind.ENTERPRISE, Policy.DROP)
    assert (managed.managed, managed.vpc_id) == (True, "vpc-1")
    assert (isolated.inner_access, isolated.vpc_id) == (Policy.DROP, None)


def test_both_sides_of_a_classic_group_are_read_every_time(stage: Stage) -> None:
    clouds = stage.clouds(workers=4)
    first, second = (clouds.of(ACCOUNT, REGION).groups(["sg-wide-open"]) for _ in range(2))
    assert first == second
    assert [held.rule.nic_type for held in first[0].rules] == [NicType.INTERNET, NicType.INTRANET]
    assert stage.count("DescribeSecurityGroupAttribute") == 4


@pytest.mark.parametrize(("count", "calls"), [(500, 1), (1000, 1), (1001, 4)])
def test_every_page_of_rules_is_read(stage: Stage, count: int, calls: int) -> None:
    group = group_entry("sg-1", vpc_id=VPC, rules=[permission(number) for number in range(count)])
    stage.set(estate(groups=[group]))
    (found,) = stage.ecs().groups(["sg-1"])
    assert [held.rule_id for held in found.rules] == [f"sgr-{n:05}" for n in range(count)]
    assert stage.count("DescribeSecurityGroupAttribute") == calls, "several pages are read twice"


def test_instances_that_do_not_exist_are_left_out(ecs: Ecs) -> None:
    found = ecs.instances(["i-web02", "i-none", "i-db01", "i-web01"])
    assert [item.instance_id for item in found] == ["i-web02", "i-web01"]


def test_a_classic_instance_has_one_interface_and_two_addresses(ecs: Ecs) -> None:
    (found,) = ecs.instances(["i-web01"])
    assert found.is_classic
    assert found.primary.eni_id == "i-web01"
    assert found.primary.addresses == (Block.read("10.170.1.1"),)
    assert found.primary.public_address == Block.read("47.96.1.1")


def test_a_vpc_instance_has_both_families_ipv4_first(ecs: Ecs) -> None:
    (found,) = ecs.instances(["i-vpc-web01"])
    assert found.vpc_id == "vpc-1"
    assert found.primary.addresses == tuple(map(Block.read, ("172.16.1.1", "2408:4005:3a0:1::11")))
    assert found.primary.public_address == Block.read("47.96.2.1")


def test_locks_and_status_are_read(ecs: Ecs) -> None:
    locked, stopped = ecs.instances(["i-locked01", "i-stopped01"])
    assert locked.locks == {"security"}
    assert stopped.status == "Stopped"


def test_secondary_interfaces_bring_their_own_groups(stage: Stage) -> None:
    stage.set(TWO_INTERFACES)
    (gate,) = stage.ecs().instances(["i-gate"])
    assert [(eni.eni_id, set(eni.group_ids)) for eni in gate.enis] == [
        ("eni-1", {"sg-front"}),
        ("eni-2", {"sg-back"}),
    ]
    assert gate.group_ids == {"sg-front"}


def test_members_are_found_by_any_interface(stage: Stage) -> None:
    stage.set(TWO_INTERFACES)
    ecs = stage.ecs()
    assert [item.instance_id for item in ecs.members("sg-front")] == ["i-gate", "i-plain"]
    (gate,) = ecs.members("sg-back")
    assert gate.instance_id == "i-gate"
    assert len(gate.enis) == 2


def test_every_page_of_members_is_read(stage: Stage) -> None:
    instances = [
        instance_entry(f"i-{n:03}", ["sg-1"], private_ip=f"10.0.{n // 250}.{n % 250 + 1}")
        for n in range(250)
    ]
    stage.set(estate(groups=[group_entry("sg-1")], instances=instances))
    found = stage.ecs().members("sg-1")
    assert [item.instance_id for item in found] == [f"i-{n:03}" for n in range(250)]


def test_many_ids_go_out_in_hundreds(stage: Stage) -> None:
    instances = [
        instance_entry(f"i-{n:03}", ["sg-1"], private_ip=f"10.0.0.{n + 1}") for n in range(150)
    ]
    stage.set(estate(groups=[group_entry("sg-1")], instances=instances))
    found = stage.ecs().instances([f"i-{n:03}" for n in range(150)])
    assert len(found) == 150
    assert stage.calls() == {"DescribeInstances": 2}


@pytest.mark.parametrize(
    ("addresses", "vpc_id", "owners"),
    [
        (["10.170.1.1", "10.170.2.1"], None, ["i-app01", "i-web01"]),
        (["172.16.1.1"], "vpc-1", ["i-vpc-web01"]),
        (["172.16.1.1"], "vpc-2", ["i-vpc2-a"]),
        (["172.16.1.1"], None, []),
        (["2408:4005:3a0:1::11"], "vpc-1", ["i-vpc-web01"]),
        (["172.16.1.0/24", "172.16.2.1"], "vpc-1", ["i-vpc-app01", "i-vpc-web01"]),
        ([], None, []),
    ],
)
def test_owners_of_addresses_are_found(
    ecs: Ecs, addresses: list[str], vpc_id: str | None, owners: list[str]
) -> None:
    found = ecs.owners_of([Block.read(text) for text in addresses], vpc_id)
    assert [item.instance_id for item in found] == owners


def test_the_owner_of_a_secondary_address_is_found(stage: Stage) -> None:
    stage.set(TWO_INTERFACES)
    (found,) = stage.ecs().owners_of([Block.read("10.0.2.1")], VPC)
    assert found.instance_id == "i-gate"


def test_links_with_a_vpc_are_read(ecs: Ecs) -> None:
    assert ecs.links(["i-app01", "i-web01"]) == {"i-app01": "vpc-1"}
    assert ecs.links([]) == {}


def test_references_name_groups_of_every_account(ecs: Ecs) -> None:
    assert ecs.references(["sg-app", "sg-web", "sg-spare", "sg-none"]) == {
        "sg-app": {GroupRef("sg-db", OTHER_ACCOUNT)},
        "sg-web": {GroupRef("sg-app", ACCOUNT)},
        "sg-spare": frozenset(),
    }


def test_references_go_out_in_tens(stage: Stage) -> None:
    groups = [group_entry(f"sg-{n:02}") for n in range(25)]
    stage.set(estate(groups=groups))
    assert len(stage.ecs().references([f"sg-{n:02}" for n in range(25)])) == 25
    assert stage.calls() == {"DescribeSecurityGroupReferences": 3}


def test_a_full_answer_about_many_groups_is_asked_for_group_by_group(stage: Stage) -> None:
    naming = [naming_entry(f"sg-a{n:02}", "sg-1") for n in range(60)]
    naming += [naming_entry(f"sg-b{n:02}", "sg-2") for n in range(60)]
    stage.set(estate(groups=[group_entry("sg-1"), group_entry("sg-2"), *naming]))
    found = stage.ecs().references(["sg-1", "sg-2"])
    assert [len(found[group_id]) for group_id in ("sg-1", "sg-2")] == [60, 60]


def test_references_that_the_cloud_cuts_off_are_not_taken_for_all(stage: Stage) -> None:
    naming = [naming_entry(f"sg-{n:03}", "sg-peer") for n in range(101)]
    stage.set(estate(groups=[group_entry("sg-peer"), *naming]))
    with pytest.raises(CloudRefusedError, match="all groups"):
        stage.ecs().references(["sg-peer"])


def naming_entry(group_id: str, peer_id: str) -> dict[str, object]:
    named = permission(0) | {"SecurityGroupRuleId": f"sgr-{group_id}", "SourceGroupId": peer_id}
    del named["SourceCidrIp"]
    return group_entry(group_id, rules=[named])


@pytest.mark.parametrize("code", ["InvalidPrefixListId.NotFound", "Forbidden.RAM", "NoPermission"])
def test_a_prefix_list_that_may_not_be_read_is_not_there(stage: Stage, code: str) -> None:
    match = {"action": "DescribePrefixListAttributes"}
    stage.faults({"match": match, "kind": "error", "code": code, "status": 403})
    assert stage.ecs().prefix_list("pl-offices") is None


def test_a_prefix_list_is_read_or_not_there(ecs: Ecs) -> None:
    assert ecs.prefix_list("pl-offices") == (
        Block.read("172.30.1.0/24"),
        Block.read("172.30.2.0/24"),
    )
    assert ecs.prefix_list("pl-none") is None


def test_groups_are_counted_in_one_call(stage: Stage) -> None:
    assert stage.ecs(OTHER_ACCOUNT).group_count() == 4
    assert stage.calls() == {"DescribeSecurityGroups": 1}


def test_the_inventory_is_read_page_by_page(ecs: Ecs) -> None:
    seen, token = [], None
    while True:
        page = ecs.page_of_instances(InventoryFilter(name="*-1"), limit=2, token=token)
        seen += [item.name for item in page.items]
        assert len(page.items) <= 2
        if (token := page.next_token) is None:
            break
    assert len(seen) == len(set(seen)) > 4
    assert all(name.endswith("-1") for name in seen)


def test_group_pages_show_counts_without_rules(ecs: Ecs) -> None:
    page = ecs.page_of_groups(InventoryFilter(group_id="sg-app"), limit=50, token=None)
    (shown,) = page.items
    assert (shown.group.group_id, shown.member_count, shown.rule_count) == ("sg-app", 3, 1)
    assert (shown.group.rules, page.next_token) == ((), None)


@pytest.mark.parametrize("token", ["", "x", "0.10", "1.9999", "1.10\n", "-1.5"])
def test_a_page_that_was_never_given_out_is_refused(ecs: Ecs, token: str) -> None:
    with pytest.raises(InvalidCursorError):
        ecs.page_of_groups(InventoryFilter(), limit=10, token=token)
    with pytest.raises(InvalidCursorError):
        ecs.page_of_instances(InventoryFilter(), limit=10, token=token)


def test_an_account_is_known_with_its_regions_only(stage: Stage) -> None:
    clouds = stage.clouds()
    for account_id, region_id in (("1000000000000003", "cn-hangzhou"), (ACCOUNT, "mars")):
        with pytest.raises(TargetNotFoundError):
            clouds.of(account_id, region_id)
    assert stage.count("AssumeRole") == 0, "nothing is called yet"
