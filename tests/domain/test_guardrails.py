"""What may never come to be is refused, counted on what is open afterwards, and nothing else is."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.addresses import AddressFamily, Block
from app.domain.changes import (
    Authorize,
    Change,
    CreateGroup,
    Join,
    Leave,
    NewRule,
    Revoke,
    SetInnerAccess,
)
from app.domain.errors import InvalidInputError
from app.domain.exposure import Exposure, Guards, minus, size
from app.domain.groups import GroupRef, Instance
from app.domain.guardrail_documents import guardrails_document, read_guardrails
from app.domain.guardrails import (
    FEW,
    GuardedPorts,
    Guardrails,
    Violation,
    ViolationCode,
    violations,
)
from app.domain.plan import Plan, PlannedChange
from app.domain.planning import compare
from app.domain.rules import (
    ANY_PORT,
    Direction,
    GroupPeer,
    HeldRule,
    NicType,
    Policy,
    PortRange,
    PrefixListPeer,
    Protocol,
    Rule,
)
from app.domain.world import World
from tests.support.strategies import worlds
from tests.support.worlds import group, instance, place, rule, world

MYSQL = GuardedPorts(
    "databases",
    Protocol.TCP,
    (PortRange(3306, 3306),),
    (Block.parse("10.0.1.0/24"),),
    ("sg-app",),
)
STRICT = Guardrails(
    guarded_ports=(MYSQL,),
    ports=1000,
    all_protocols=False,
    protected_groups=frozenset({"sg-holy"}),
    protected_rules=frozenset({"sgr-holy"}),
)
SHIPPED = Guardrails()
BROAD = replace(STRICT, guarded_ports=())
BOUNDED = Guardrails(rules=3, extra_pairs=1)


def planned(before: World, *changes: Change) -> Plan:
    after = before
    for change in changes:
        after = after.after(change)
    return Plan(
        kind="connect",
        changes=tuple(PlannedChange(each, "because") for each in changes),
        asked=(),
        difference=compare(before, after, changes, ()),
        quotas=(),
        calls=0,
        fingerprint="",
        warnings=(),
    )


def adding(*rules: HeldRule, to: str = "sg-1") -> Change:
    new = tuple(NewRule(each.rule, "") for each in rules)
    return Authorize(place(), to, rules[0].rule.direction, new)


def broken(
    before: World, *changes: Change, guardrails: Guardrails = SHIPPED
) -> tuple[Violation, ...]:
    return violations(guardrails, planned(before, *changes), before)


def codes(found: Iterable[Violation]) -> set[str]:
    return {each.code.value for each in found}


def one(*rules: HeldRule, addresses: Sequence[str] = ("10.0.0.1",)) -> World:
    """A group of one member that holds these rules, in a VPC."""
    return world(
        groups=[group(rules=rules, vpc_id="vpc-1")],
        instances=[instance(vpc_id="vpc-1", addresses=addresses)],
    )


# --- addresses ----------------------------------------------------------------------


@pytest.mark.parametrize("peer", ["0.0.0.0/0", "0.0.0.0/1", "10.0.0.0/8", "10.0.0.0/15", "::/0"])
def test_more_addresses_than_the_limit_are_refused(peer: str) -> None:
    two = one(addresses=("10.0.0.1", "fd00::1"))
    [found] = broken(two, adding(rule(ports="80", peer=peer)))
    assert found.code is ViolationCode.TOO_MANY_ADDRESSES
    assert found.before == 0
    assert found.value == Block.read(peer).size
    assert found.limit == 65_536
    assert found.instance_id == "i-a"


@pytest.mark.parametrize("peer", ["10.0.0.0/16", "10.0.0.9/32", "sg-other"])
def test_the_limit_itself_is_allowed(peer: str) -> None:
    assert broken(one(), adding(rule(ports="80", peer=peer))) == ()


def test_narrow_requests_that_together_open_too_much_are_caught() -> None:
    halves = [rule(rule_id="sgr-1", ports="80", peer="10.0.0.0/17")]
    assert broken(one(), adding(*halves)) == ()
    more = rule(rule_id="sgr-2", ports="80", peer="10.1.0.0/17")
    assert broken(one(*halves), adding(more)) == ()
    last = rule(rule_id="sgr-3", ports="80", peer="10.2.0.7/32")
    [found] = broken(one(*halves, more), adding(last))
    assert (found.before, found.value) == (65_536, 65_537)


def test_blocks_of_several_groups_count_together() -> None:
    before = world(
        groups=[
            group(group_id="sg-1", vpc_id="vpc-1"),
            group(group_id="sg-2", vpc_id="vpc-1", rules=[rule(ports="80", peer="10.0.0.0/16")]),
        ],
        instances=[instance(vpc_id="vpc-1", groups=["sg-1", "sg-2"])],
    )
    assert codes(broken(before, adding(rule(ports="80", peer="10.9.0.0/24")))) == {
        "too_many_addresses"
    }
    assert broken(before, adding(rule(ports="81", peer="10.9.0.0/24"))) == ()


def test_joining_a_group_counts_as_what_its_rules_open() -> None:
    before = world(
        groups=[
            group(group_id="sg-1", vpc_id="vpc-1"),
            group(group_id="sg-wide", vpc_id="vpc-1", rules=[rule(ports="80")]),
        ],
        instances=[instance(vpc_id="vpc-1", groups=["sg-1"])],
    )
    [found] = broken(before, Join(place(), "sg-wide", "i-a"), guardrails=Guardrails())
    assert found.code is ViolationCode.TOO_MANY_ADDRESSES
    assert found.value == 1 << 32


def test_a_drop_before_it_closes_what_a_rule_would_open() -> None:
    before = one(rule(rule_id="sgr-d", ports="80", policy="drop", priority=1))
    assert broken(before, adding(rule(ports="80", peer="0.0.0.0/0", priority=2))) == ()
    assert codes(broken(before, adding(rule(ports="80/81", peer="0.0.0.0/0", priority=2)))) == {
        "too_many_addresses"
    }


def test_removing_a_drop_counts_as_what_was_hidden_by_it() -> None:
    drop = rule(rule_id="sgr-d", ports="80", policy="drop", priority=1)
    wide = rule(rule_id="sgr-w", ports="80", priority=2)
    change = Revoke(place(), "sg-1", Direction.INGRESS, (drop,))
    assert codes(broken(one(drop, wide), change)) == {"too_many_addresses"}


def test_where_more_was_open_single_addresses_may_be_added() -> None:
    before = one(rule(rule_id="sgr-w", ports="80", peer="10.0.0.0/8"))
    few = [rule(ports="80", peer=f"172.16.0.{number}/32") for number in range(3)]
    assert broken(before, adding(*few)) == ()
    assert Block.read("172.16.0.0/24").size > FEW
    wide = adding(rule(ports="80", peer="172.16.0.0/24"))
    assert codes(broken(before, wide)) == {"too_many_addresses"}


def test_what_is_open_already_is_no_violation() -> None:
    before = one(rule(rule_id="sgr-w", ports="80"))
    assert broken(before, adding(rule(ports="80", peer="10.0.0.0/8", priority=50))) == ()


def test_a_new_group_counts_as_if_somebody_joined_it() -> None:
    make = CreateGroup(place(), "new-group-1", "made", "vpc-1")
    wide = adding(rule(ports="80", peer="0.0.0.0/0"), to="new-group-1")
    [found] = broken(world(), make, wide)
    assert found.code is ViolationCode.TOO_MANY_ADDRESSES
    assert found.group_id == "new-group-1"
    assert found.instance_id is None


def test_the_public_side_of_the_classic_network_is_open_to_all_on_named_ports_only() -> None:
    before = world(groups=[group()], instances=[instance(public="47.0.0.1")])
    wide = rule(ports="80", peer="0.0.0.0/0", nic_type="internet")
    consent = Guardrails(public_ports=(PortRange(80, 80),))
    assert codes(broken(before, adding(wide))) == {"too_many_addresses"}
    assert broken(before, adding(wide), guardrails=consent) == ()
    inside = rule(ports="80", peer="0.0.0.0/0", nic_type="intranet")
    assert codes(broken(before, adding(inside), guardrails=consent)) == {"too_many_addresses"}


def _let_in_by_hand(of: World, owner: Instance, plane: NicType, port: int, address: int) -> bool:
    """One packet of tcp, by the words of the manual."""
    eni = owner.primary
    own = eni.public_address if plane is NicType.INTERNET else eni.addresses[0]
    assert own is not None
    matching: list[tuple[int, bool]] = []
    for group_id in eni.group_ids & of.groups.keys():
        held_by = of.groups[group_id]
        for held in held_by.rules:
            each = held.rule
            side = plane if held_by.vpc_id is None else NicType.INTRANET
            if (each.direction, each.nic_type) != (Direction.INGRESS, side):
                continue
            if each.protocol not in {Protocol.TCP, Protocol.ALL} or not _has(each.ports, port):
                continue
            if each.own is not None and not own.within(each.own):
                continue
            vague = each.ports is None or each.source_ports != ANY_PORT
            if vague and each.policy is Policy.DROP:
                continue
            if _names(of, each, address):
                matching.append((each.priority, each.policy is Policy.ACCEPT))
    return bool(matching) and min(matching)[1]


def _has(ports: PortRange | None, port: int) -> bool:
    return ports is None or ports == ANY_PORT or ports.first <= port <= ports.last


def _names(of: World, each: Rule, address: int) -> bool:
    match each.peer:
        case Block() as block:
            blocks: tuple[Block, ...] = (block,)
        case PrefixListPeer(name):
            blocks = of.prefix_lists.get(name, ())
        case GroupPeer(group_id):
            blocks = tuple(
                block
                for each_one in of.instances.values()
                for eni in each_one.enis
                if group_id in eni.group_ids
                for block in eni.addresses
            )
    return any(
        block.family is AddressFamily.IPV4 and block.first <= address <= block.last
        for block in blocks
    )


@given(worlds(), st.sampled_from([1, 22, 23, 80, 443, 65_535]))
def test_what_is_let_in_equals_what_the_manual_says_packet_by_packet(of: World, port: int) -> None:
    edges = {0, (1 << 32) - 1}
    for each_group in of.groups.values():
        for held in each_group.rules:
            if isinstance(held.rule.peer, Block):
                edges |= {held.rule.peer.first, held.rule.peer.last}
    for entries in of.prefix_lists.values():
        edges |= {edge for block in entries for edge in (block.first, block.last)}
    for owner in of.instances.values():
        edges |= {block.first for eni in owner.enis for block in eni.addresses}
    near = {
        address
        for edge in edges
        for address in (edge - 1, edge, edge + 1)
        if 0 <= address < 1 << 32
    }
    for owner in of.instances.values():
        for made in Guards(of).of(owner, owner.primary, AddressFamily.IPV4):
            stretches = Exposure(of, made).lets_in(Protocol.TCP, port)
            for address in near:
                told = any(first <= address <= last for first, last in stretches)
                assert told == _let_in_by_hand(of, owner, made.plane, port, address)


stretches = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), max_size=6).map(
    lambda pairs: _apart(sorted((first, first + length) for first, length in pairs))
)


def _apart(pairs: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    for first, last in pairs:
        if not found or first > found[-1][1]:
            found.append((first, last))
    return tuple(found)


@given(stretches, stretches)
def test_addresses_without_others_are_those(
    some: tuple[tuple[int, int], ...], others: tuple[tuple[int, int], ...]
) -> None:
    def each(of: Iterable[tuple[int, int]]) -> set[int]:
        return {number for first, last in of for number in range(first, last + 1)}

    left = minus(some, others)
    assert each(left) == each(some) - each(others)
    assert size(left) == len(each(left))


# --- ports --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "ports", "is_broken"),
    [
        ("10.0.1.7/32", "3306", False),
        ("10.0.1.0/24", "3306", False),
        ("10.0.2.7/32", "3306", True),
        ("10.0.0.0/23", "3306", True),
        ("10.0.2.7/32", "3300/3400", True),
        ("10.0.2.7/32", "3307", False),
        ("sg-app", "3306", False),
        ("sg-web", "3306", True),
    ],
)
def test_guarded_ports_are_for_named_sources(peer: str, ports: str, is_broken: bool) -> None:
    before = world(
        groups=[group(group_id=each, vpc_id="vpc-1") for each in ("sg-1", "sg-app", "sg-web")],
        instances=[
            instance(vpc_id="vpc-1"),
            instance(instance_id="i-1", addresses=["10.0.9.1"], groups=["sg-app"], vpc_id="vpc-1"),
            instance(instance_id="i-2", addresses=["10.0.9.2"], groups=["sg-web"], vpc_id="vpc-1"),
        ],
    )
    found = broken(before, adding(rule(ports=ports, peer=peer)), guardrails=STRICT)
    assert codes(found) == ({"guarded_port"} if is_broken else set())


@pytest.mark.parametrize(
    ("new", "code"),
    [
        (rule(protocol="all", peer="10.0.0.9/32"), "all_protocols"),
        (rule(ports="1/1001", peer="10.0.0.9/32"), "too_many_ports"),
        (rule(ports="1/65535", peer="10.0.0.9/32"), "too_many_ports"),
        (rule(ports="1/1001", peer="10.0.0.9/32", direction="egress"), "too_many_ports"),
        (rule(ports="1/1000", peer="10.0.0.9/32"), None),
        (rule(ports="1/1001", peer="10.0.0.9/32", policy="drop"), None),
        (rule(protocol="icmp", peer="10.0.0.9/32"), None),
    ],
)
def test_breadth_is_bounded(new: HeldRule, code: str | None) -> None:
    assert codes(broken(one(), adding(new), guardrails=BROAD)) == ({code} if code else set())


def test_ranges_of_several_requests_count_together() -> None:
    first = rule(rule_id="sgr-1", ports="1/700", peer="10.0.0.9/32")
    more = adding(rule(ports="600/1100", peer="10.0.0.9/32"))
    [found] = broken(one(first), more, guardrails=BROAD)
    assert (found.code, found.value) == (ViolationCode.TOO_MANY_PORTS, 1100)
    other = adding(rule(ports="600/1100", peer="10.0.0.8/32"))
    assert broken(one(first), other, guardrails=BROAD) == ()


def test_joining_a_group_counts_for_breadth_too() -> None:
    before = world(
        groups=[
            group(group_id="sg-1", vpc_id="vpc-1"),
            group(
                group_id="sg-2",
                vpc_id="vpc-1",
                rules=[rule(protocol="all", peer="10.0.0.9/32")],
            ),
        ],
        instances=[instance(vpc_id="vpc-1", groups=["sg-1"])],
    )
    found = broken(before, Join(place(), "sg-2", "i-a"), guardrails=BROAD)
    assert codes(found) == {"all_protocols"}


def test_access_inside_a_group_counts_only_where_it_is_to() -> None:
    before = world(
        groups=[group(group_id="sg-1"), group(group_id="sg-2")],
        instances=[
            instance(groups=["sg-1"]),
            instance(instance_id="i-b", addresses=["10.0.0.2"], groups=["sg-2"]),
        ],
    )
    join = Join(place(), "sg-2", "i-a")
    assert broken(before, join, guardrails=STRICT) == ()
    inside = replace(STRICT, include_intra_group=True)
    assert codes(broken(before, join, guardrails=inside)) == {
        "all_protocols",
        "too_many_ports",
        "guarded_port",
    }


def test_a_guarded_port_is_closed_to_groups_of_whose_members_nothing_is_known() -> None:
    before = world(
        groups=[group(vpc_id="vpc-1"), group(group_id="sg-none", vpc_id="vpc-1")],
        instances=[instance(vpc_id="vpc-1")],
        unread=[GroupRef("sg-far", "1000000000000077"), GroupRef("sg-app", "1000000000000077")],
    )
    empty = adding(rule(ports="3306", peer="sg-none"))
    assert codes(broken(before, empty, guardrails=STRICT)) == {"guarded_port"}
    opened = adding(rule(ports="3306", peer="sg-far"))
    assert codes(broken(before, opened, guardrails=STRICT)) == {"guarded_port"}
    named = adding(rule(ports="3306", peer="sg-app"))
    assert broken(before, named, guardrails=STRICT) == ()
    other = adding(rule(ports="3307", peer="sg-far"))
    assert broken(before, other, guardrails=STRICT) == ()
    after = before.after(opened)
    assert broken(after, adding(rule(ports="80", peer="sg-far")), guardrails=STRICT) == ()


def test_whoever_joins_a_group_is_let_in_where_rules_name_it() -> None:
    before = world(
        groups=[
            group(group_id="sg-db", vpc_id="vpc-1", rules=[rule(ports="3306", peer="sg-web")]),
            group(group_id="sg-web", vpc_id="vpc-1"),
            group(group_id="sg-other", vpc_id="vpc-1"),
        ],
        instances=[
            instance(groups=["sg-db"], vpc_id="vpc-1"),
            instance(
                instance_id="i-b", addresses=["10.0.9.1"], groups=["sg-other"], vpc_id="vpc-1"
            ),
        ],
    )
    [found] = broken(before, Join(place(), "sg-web", "i-b"), guardrails=STRICT)
    assert (found.code, found.instance_id) == (ViolationCode.GUARDED_PORT, "i-a")


def test_letting_members_reach_one_another_counts_as_joining_them() -> None:
    members = [
        instance(groups=["sg-1"]),
        instance(instance_id="i-b", addresses=["10.0.0.2"], groups=["sg-1"]),
    ]
    apart = world(groups=[group(group_id="sg-1", inner_access="drop")], instances=members)
    inside = replace(STRICT, include_intra_group=True)
    change = SetInnerAccess(place(), "sg-1", Policy.ACCEPT)
    assert "guarded_port" in codes(broken(apart, change, guardrails=inside))
    together = world(groups=[group(group_id="sg-1")], instances=members)
    assert broken(together, change, guardrails=inside) == ()


def test_what_is_brought_back_bit_by_bit_never_lets_in_half_of_all_addresses() -> None:
    before = one(rule(ports="80", peer="0.0.0.0/2"))
    more = adding(rule(ports="80", peer="64.0.0.0/2"))
    [found] = violations(SHIPPED, planned(before, more), before, counts_addresses=False)
    assert (found.code, found.value) == (ViolationCode.TOO_MANY_ADDRESSES, 1 << 31)
    less = adding(rule(ports="80", peer="64.0.0.0/3"))
    assert violations(SHIPPED, planned(before, less), before, counts_addresses=False) == ()


# --- what is touched ----------------------------------------------------------------


def test_what_is_protected_is_not_touched() -> None:
    holy = rule(rule_id="sgr-holy", ports="80", peer="10.0.0.9/32")
    before = world(
        groups=[group(rules=[holy]), group(group_id="sg-holy")],
        instances=[instance(groups=["sg-1", "sg-holy"])],
    )
    revoke = Revoke(place(), "sg-1", Direction.INGRESS, (holy,))
    leave = Leave(place(), "sg-holy", "i-a")
    add = adding(rule(ports="1", peer="10.0.0.8/32"), to="sg-holy")
    assert codes(broken(before, revoke, guardrails=STRICT)) == {"protected_rule"}
    assert codes(broken(before, leave, guardrails=STRICT)) == {"protected_group"}
    assert codes(broken(before, add, guardrails=STRICT)) == {"protected_group"}
    naming = adding(rule(ports="1", peer="sg-holy"))
    assert broken(before, naming, guardrails=STRICT) == ()


def test_an_operation_is_bounded_in_rules_and_in_extra_pairs() -> None:
    before = world(
        groups=[group(vpc_id="vpc-1"), group(group_id="sg-2", vpc_id="vpc-1")],
        instances=[
            instance(vpc_id="vpc-1"),
            instance(instance_id="i-1", addresses=["10.0.9.1"], groups=["sg-2"], vpc_id="vpc-1"),
            instance(instance_id="i-2", addresses=["10.0.9.2"], groups=["sg-2"], vpc_id="vpc-1"),
        ],
    )
    four = adding(*[rule(ports=f"{port}", peer="sg-2") for port in (80, 81, 82, 83)])
    found = broken(before, four, guardrails=BOUNDED)
    assert codes(found) == {"too_many_rules", "too_many_extra_pairs"}
    assert {(each.value, each.limit) for each in found} == {(4, 3), (2, 1)}
    assert broken(before, four) == ()


# --- spelling -----------------------------------------------------------------------


def test_guardrails_are_read_as_they_are_told() -> None:
    told = guardrails_document(STRICT)
    assert read_guardrails(told, Guardrails()) == STRICT
    assert read_guardrails({}, STRICT) == STRICT


@pytest.mark.parametrize(
    "document",
    [
        {"max_addreses": 5},
        {"max_addresses": "5"},
        {"max_addresses": None},
        {"max_addresses": -1},
        {"all_protocols": "no"},
        {"max_rules": True},
        {"protected_group_ids": "sg-1"},
        {"public_ports": ["80"]},
        {"guarded_ports": [{"name": "x", "port_ranges": []}]},
        {"guarded_ports": [{"name": "x", "port_ranges": ["1/2"], "adresses": []}]},
        {"guarded_ports": [{"name": "x", "port_ranges": ["1/2"], "addresses": ["10.0.0.1/8"]}]},
        {"guarded_ports": [{"name": "x", "protocol": "icmp", "port_ranges": ["-1/-1"]}]},
        {"guarded_ports": ["3306"]},
        {"version": ""},
    ],
)
def test_what_cannot_be_a_guardrail_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        read_guardrails(document, Guardrails())
