"""What a change opens and closes, case by case."""

from collections.abc import Sequence

from app.domain.addresses import AddressFamily
from app.domain.changes import Authorize, Change, Join, Leave, NewRule
from app.domain.difference import Difference, Exposure, difference
from app.domain.flows import EVERYTHING, Flow, Traffic
from app.domain.groups import GroupRef
from app.domain.rules import Direction, HeldRule, NicType, PortRange, Protocol
from app.domain.world import AddressEnd, End, GroupEnd, InterfaceEnd, World
from tests.support.worlds import (
    OTHER_ACCOUNT,
    VPC,
    address,
    flow,
    group,
    instance,
    place,
    rule,
    world,
)

A = instance(instance_id="i-a", addresses=["10.0.0.1"], groups=["sg-1"])
B = instance(instance_id="i-b", addresses=["10.0.0.2"], groups=["sg-2"])
C = instance(instance_id="i-c", addresses=["10.0.0.3"], groups=["sg-2"])
FAR = GroupRef("sg-far", OTHER_ACCOUNT)
BASE = world(groups=[group(), group(group_id="sg-2")], instances=[A, B, C])
TCP_22 = Traffic(Protocol.TCP, PortRange(22, 22))


def authorize(*rules: HeldRule, group_id: str = "sg-2") -> Authorize:
    direction = rules[0].rule.direction
    return Authorize(place(), group_id, direction, tuple(NewRule(each.rule) for each in rules))


def made(before: World, change: Change, *asked: Flow, cap: int = 1000) -> Difference:
    return _between(before, before.after(change), change, asked, cap)


def unmade(before: World, change: Change) -> Difference:
    return _between(before.after(change), before, change, (), 1000)


def _between(
    before: World, after: World, change: Change, asked: Sequence[Flow], cap: int
) -> Difference:
    moved = {change.instance_id} if isinstance(change, Join | Leave) else set()
    groups = set() if moved else {change.group_id}
    return difference(
        before,
        after,
        touched_groups=frozenset(groups),
        touched_instances=frozenset(moved),
        asked=asked,
        cap=cap,
    )


def told(exposure: Exposure) -> list[tuple[str, str, Traffic]]:
    return [(_name(each.source), _name(each.target), each.traffic) for each in exposure.items]


def _name(end: End) -> str:
    match end:
        case InterfaceEnd(of):
            return of.instance_id
        case AddressEnd(block):
            return str(block)
        case GroupEnd(ref):
            return ref.group_id


def test_a_rule_in_a_group_opens_every_member_of_that_group() -> None:
    found = made(BASE, authorize(rule(ports="22", peer="10.0.0.1/32")), flow(A, B, ports="22"))
    assert told(found.gained) == [("i-a", "i-b", TCP_22), ("i-a", "i-c", TCP_22)]
    assert [each.asked for each in found.gained.items] == [True, False]
    assert (found.gained.pairs, found.lost.pairs, found.extra_pairs) == (2, 0, 1)


def test_a_narrowed_rule_opens_exactly_the_pair_asked_for() -> None:
    change = authorize(rule(ports="22", peer="10.0.0.1/32", own="10.0.0.2/32"))
    found = made(BASE, change, flow(A, B, ports="22"))
    assert told(found.gained) == [("i-a", "i-b", TCP_22)]
    assert found.extra_pairs == 0


def test_asked_and_extra_ports_are_separate_items() -> None:
    change = authorize(rule(ports="20/30", own="10.0.0.2/32", peer="10.0.0.1/32"))
    found = made(BASE, change, flow(A, B, ports="22"))
    assert [(str(each.traffic.ports), each.asked) for each in found.gained.items] == [
        ("20/21", False),
        ("22/22", True),
        ("23/30", False),
    ]
    assert (found.gained.pairs, found.extra_pairs) == (1, 0)


def test_joining_opens_both_directions_entirely_and_leaving_closes_them() -> None:
    join = Join(place(), "sg-2", "i-a")
    found = made(BASE, join, flow(A, B, protocol="all"))
    ways = [("i-a", "i-b"), ("i-a", "i-c"), ("i-b", "i-a"), ("i-c", "i-a")]
    assert told(found.gained) == [(*way, EVERYTHING) for way in ways]
    assert found.extra_pairs == 3
    assert told(unmade(BASE, join).lost) == told(found.gained)


def test_what_was_open_already_is_not_gained() -> None:
    before = BASE.after(authorize(rule(protocol="all", peer="10.0.0.1/32", ports="")))
    assert told(made(before, authorize(rule(ports="22", peer="sg-1"))).gained) == []


def test_a_drop_closes_and_is_counted_as_lost() -> None:
    before = BASE.after(authorize(rule(ports="20/30", peer="sg-1")))
    found = made(before, authorize(rule(ports="22", policy="drop", peer="10.0.0.1/32")))
    assert told(found.lost) == [("i-a", "i-b", TCP_22), ("i-a", "i-c", TCP_22)]
    assert found.gained.pairs == 0


def test_addresses_that_change_alike_come_as_few_blocks_without_known_interfaces() -> None:
    change = authorize(
        rule(ports="22", peer="10.0.0.0/31", own="10.0.0.3/32"),
        rule(rule_id="sgr-2", ports="22", peer="10.0.0.4/30", own="10.0.0.3/32"),
        rule(rule_id="sgr-3", ports="22", peer="10.0.0.8/29", own="10.0.0.3/32"),
    )
    sources = [source for source, _, _ in told(made(BASE, change).gained)]
    assert sources == ["i-a", "10.0.0.0/32", "10.0.0.4/30", "10.0.0.8/29"]


def test_asking_for_a_block_asks_for_the_interfaces_in_it() -> None:
    question = flow(address("10.0.0.0/30"), B, ports="22")
    change = authorize(rule(ports="22", peer="10.0.0.0/29", own="10.0.0.2/32"))
    found = made(BASE, change, question)
    asked = {_name(each.source): each.asked for each in found.gained.items}
    assert asked == {"i-a": True, "10.0.0.0/32": True, "10.0.0.4/30": False}
    assert found.extra_pairs == 1


def test_in_a_vpc_an_open_rule_opens_the_public_address_too() -> None:
    b = instance(instance_id="i-b", groups=["sg-2"], public="47.0.0.2", vpc_id=VPC)
    before = world(groups=[group(group_id="sg-2", vpc_id=VPC)], instances=[b])
    found = made(before, authorize(rule(ports="22")))
    assert {each.plane for each in found.gained.items} == set(NicType)


def test_members_of_an_unread_group_are_one_uncertain_end() -> None:
    before = world(groups=[group(group_id="sg-2")], instances=[B], unread=[FAR])
    change = authorize(rule(ports="22", peer="sg-far", peer_account=OTHER_ACCOUNT))
    found = made(before, change, flow(GroupEnd(FAR, AddressFamily.IPV4), B, ports="22"))
    assert told(found.gained) == [("sg-far", "i-b", TCP_22)]
    assert [(each.certain, each.asked) for each in found.gained.items] == [(False, True)]
    assert found.extra_pairs == 0


def test_joining_a_group_that_an_unread_group_names_may_open_the_way_there() -> None:
    before = world(
        groups=[group(), group(group_id="sg-2")],
        instances=[A],
        references={"sg-2": [FAR]},
        unread=[FAR],
    )
    join = Join(place(), "sg-2", "i-a")
    assert told(made(before, join).gained) == [("i-a", "sg-far", EVERYTHING)]
    assert told(unmade(before, join).lost) == [("i-a", "sg-far", EVERYTHING)]


def test_ports_are_counted_for_every_pair_and_each_once() -> None:
    range_of_ten = authorize(rule(ports="20/29", peer="10.0.0.1/32"))
    assert made(BASE, range_of_ten).gained.port_pairs == 20
    narrow = authorize(rule(ports="22", peer="10.0.0.1/32", source_ports="1/1000"))
    found = made(BASE, narrow)
    assert (found.gained.pairs, found.gained.port_pairs) == (2, 2)
    everything = authorize(rule(protocol="all", peer="10.0.0.1/32"))
    found = made(BASE, everything)
    assert found.gained.port_pairs == 2 * (2 * 65535 + len(["icmp", "gre", "other"]))


def test_ports_of_ipv6_pairs_are_counted_too() -> None:
    a = instance(instance_id="i-a", addresses=["10.0.0.1", "fd00::1"], groups=["sg-1"])
    b = instance(instance_id="i-b", addresses=["10.0.0.2", "fd00::2"], groups=["sg-2"])
    before = world(groups=[group(), group(group_id="sg-2")], instances=[a, b])
    found = made(before, authorize(rule(ports="22/23", peer="sg-1")))
    assert (found.gained.pairs, found.gained.port_pairs) == (2, 4)


def test_two_addresses_of_one_instance_are_no_pair() -> None:
    two = instance(instance_id="i-a", addresses=["10.0.0.1", "10.0.0.5"], groups=["sg-1"])
    before = world(groups=[group(inner_access="drop")], instances=[two])
    found = made(before, authorize(rule(peer="10.0.0.5/32"), group_id="sg-1"))
    assert found.gained.pairs == 0


def test_items_are_capped_and_counts_are_not() -> None:
    members = [
        instance(instance_id=f"i-{number:03}", addresses=[f"10.0.1.{number}"], groups=["sg-2"])
        for number in range(100)
    ]
    before = world(groups=[group(), group(group_id="sg-2")], instances=[A, *members])
    found = made(before, authorize(rule(peer="sg-1")), cap=10)
    assert (found.gained.pairs, len(found.gained.items)) == (100, 10)
    assert found.gained.truncated
    assert [target for _, target, _ in told(found.gained)][:2] == ["i-000", "i-001"]


def test_a_rule_of_the_egress_direction_changes_what_leaves() -> None:
    open_in = authorize(rule(protocol="all", peer="10.0.0.1/32"))
    drop = authorize(
        rule(direction="egress", protocol="all", policy="drop", peer="10.0.0.2/32"),
        group_id="sg-1",
    )
    found = made(BASE.after(open_in), drop)
    assert drop.direction is Direction.EGRESS
    assert told(found.lost) == [("i-a", "i-b", EVERYTHING)]


def test_joining_a_group_opens_what_rules_elsewhere_give_to_its_members() -> None:
    base = world(
        groups=[group(), group(group_id="sg-2", inner_access="drop"), group(group_id="sg-3")],
        instances=[A, B],
    )
    before = base.after(authorize(rule(ports="22", peer="sg-3")))
    assert told(made(before, Join(place(), "sg-3", "i-a")).gained) == [("i-a", "i-b", TCP_22)]


def test_leaving_a_group_nobody_could_read_settles_what_was_unknown() -> None:
    a = instance(instance_id="i-a", addresses=["10.0.0.1"], groups=["sg-1", "sg-lost"])
    base = world(groups=[group(), group(group_id="sg-2")], instances=[a, B])
    before = base.after(authorize(rule(protocol="all", peer="10.0.0.1/32")))
    found = made(before, Leave(place(), "sg-lost", "i-a"))
    assert ("i-a", "i-b", EVERYTHING) in told(found.gained)
    assert not any(each.certain for each in found.gained.items)
    assert ("i-b", "i-a", EVERYTHING) in told(found.lost)
