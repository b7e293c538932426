"""How rules stand among others, against every packet to small random groups, by brute force."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, combinations, product
from typing import Any, TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from app.domain.addresses import AddressFamily, Block
from app.domain.difference import difference
from app.domain.flows import Outcome
from app.domain.groups import Group, GroupRef
from app.domain.hygiene import Case, Removal
from app.domain.rules import (
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
from tests.support.judge import judge
from tests.support.strategies import FOREIGN, GROUPS, ends, rules, worlds
from tests.support.worlds import ACCOUNT

SUBJECT = "sg-1"
ADDRESSES = {
    AddressFamily.IPV4: (
        "0.0.0.0",
        "10.0.0.0",
        "10.0.0.1",
        "10.0.0.2",
        "10.0.0.4",
        "10.0.1.0",
        "47.0.0.0",
        "47.0.0.4",
    ),
    AddressFamily.IPV6: ("::", "fd00::", "fd00::1", "fd00::2", "fe00::"),
}
"""An address of every part into which the blocks of random rules cut a family."""

PORTS = (1, 20, 22, 23, 30, 31, 41)
SOURCE_PORTS = (1, 30, 41)

STRANGERS = tuple(
    (priority, accepts) for priority in (1, 2, 3, 100, 101) for accepts in (False, True)
)
"""Ranks that a rule of a further group, which matches everything, can have among random rules."""

Rank: TypeAlias = tuple[int, bool]
Membership: TypeAlias = GroupRef | str


@st.composite
def cases(draw: st.DrawFn, *, readable: bool = False) -> Case:
    """A group with companions of its members, in one network; all of it, or some, was read."""
    world = draw(worlds(all_read=True))
    subject = world.groups[SUBJECT]
    instances = {
        key: replace(each, vpc_id=subject.vpc_id, classic_link_vpc_id=None)
        for key, each in world.instances.items()
    }
    drawn: list[HeldRule] = []
    for number in range(draw(st.integers(2, 7))):
        fresh = draw(rules(rule_id=f"sgr-{number}"))
        drawn.append(_like(draw, fresh, drawn) if draw(st.booleans()) else fresh)
    direction = draw(st.sampled_from([Direction.INGRESS, Direction.INGRESS, Direction.EGRESS]))
    unique = {
        held.rule: held
        for held in (replace(each, rule=_towards(each.rule, direction)) for each in drawn)
        if not readable or is_readable(held.rule)
    }
    groups = {**world.groups, SUBJECT: replace(subject, rules=tuple(unique.values()))}
    if readable:
        groups = {key: _readable(each) for key, each in groups.items()}
    elif draw(st.booleans()):
        del groups["sg-3"]
    gone = frozenset({FOREIGN} if draw(st.booleans()) else ())
    return Case(replace(world, groups=groups, instances=instances), groups[SUBJECT], gone=gone)


def _like(draw: st.DrawFn, fresh: HeldRule, earlier: Sequence[HeldRule]) -> HeldRule:
    """Make a new rule like an earlier one but for one thing, so that rules meet often."""
    if not earlier:
        return fresh
    old, new = draw(st.sampled_from(earlier)).rule, fresh.rule
    change: dict[str, Any] = draw(
        st.sampled_from(
            [
                {"peer": new.peer, "own": None},
                {"policy": new.policy},
                {"priority": new.priority},
                {"protocol": new.protocol, "ports": new.ports, "source_ports": new.source_ports},
                {"own": None},
                {"source_ports": PortRange(1, 65535)} if old.protocol.has_ports else {},
            ]
        )
    )
    return replace(fresh, rule=replace(old, **change))


def _towards(rule: Rule, direction: Direction) -> Rule:
    return replace(rule, direction=direction)


def _readable(group: Group) -> Group:
    return replace(group, rules=tuple(held for held in group.rules if is_readable(held.rule)))


def is_readable(rule: Rule) -> bool:
    if rule.peer in {PrefixListPeer("pl-lost"), GroupPeer(FOREIGN.group_id, FOREIGN.account_id)}:
        return False
    return is_told(rule)


def is_told(rule: Rule) -> bool:
    return rule.ports is not None and rule.protocol is not Protocol.OTHER


class Company:
    """Groups of one interface, and every set of their rules that some packet matches."""

    def __init__(self, case: Case, group_ids: Iterable[str], direction: Direction) -> None:
        self.case = case
        ids = set(group_ids)
        groups = [case.world.groups[key] for key in sorted(ids) if key in case.world.groups]
        self.unread = len(groups) < len(ids)
        self.default = all(group.default(direction) is Policy.ACCEPT for group in groups)
        self.connecting = {group.ref for group in groups if group.connects_members}
        self.rules = [
            held for group in groups for held in group.rules if held.rule.direction is direction
        ]

    def matched(self, nic_type: NicType) -> set[frozenset[int]]:
        """Numbers of rules that may match one packet which rules of this NicType judge."""
        found: set[frozenset[int]] = set()
        classic = self.case.group.vpc_id is None
        for family in [AddressFamily.IPV4] if classic else list(AddressFamily):
            for plane in [nic_type] if classic else list(NicType):
                axes = (
                    self._by_peer(family, plane),
                    self._by_own(family),
                    self._by_packet(family, nic_type if classic else None),
                )
                found |= {one & two & three for one, two, three in product(*axes)}
        return found

    def _by_peer(self, family: AddressFamily, plane: NicType) -> set[frozenset[int]]:
        return {
            self._where(
                names(self.case.world, rule, Block.read(address), memberships)
                for rule in self._meanings()
            )
            for address in ADDRESSES[family]
            for memberships in self._memberships(plane)
        }

    def _by_own(self, family: AddressFamily) -> set[frozenset[int]]:
        return {
            self._where(
                rule.own is None or Block.read(address).within(rule.own)
                for rule in self._meanings()
            )
            for address in ADDRESSES[family]
        }

    def _by_packet(self, family: AddressFamily, nic_type: NicType | None) -> set[frozenset[int]]:
        found = set()
        for protocol in Protocol.ALL.concrete(family):
            numbered = protocol in {Protocol.TCP, Protocol.UDP}
            for port, source in product(PORTS, SOURCE_PORTS) if numbered else [(0, 0)]:
                found.add(
                    self._where(
                        nic_type in {None, rule.nic_type}
                        and speaks(rule, family, protocol, port, source)
                        for rule in self._meanings()
                    )
                )
        return found

    def _memberships(self, plane: NicType) -> list[frozenset[Membership]]:
        """All that the peer of a packet which is judged at all can be a member of."""
        own = [GroupRef(each, ACCOUNT) for each in GROUPS]
        sets: list[tuple[GroupRef, ...]] = [()]
        if plane is NicType.INTRANET:
            judged = [ref for ref in own if ref not in self.connecting]
            sets = [*subsets(judged), *(() if FOREIGN in self.case.gone else ((FOREIGN,),))]
        return [frozenset((*groups, *lists)) for groups in sets for lists in ((), ("pl-lost",))]

    def _meanings(self) -> Iterator[Rule]:
        return (held.rule for held in self.rules)

    def _where(self, chosen: Iterable[bool]) -> frozenset[int]:
        return frozenset(number for number, yes in enumerate(chosen) if yes)

    def number(self, held: HeldRule) -> int:
        return self.rules.index(held)

    def rank(self, number: int) -> Rank:
        rule = self.rules[number].rule
        return rule.priority, rule.policy is Policy.ACCEPT

    def outcomes(
        self, cell: frozenset[int], number: int, stranger: Rank | None
    ) -> Iterator[tuple[Rank | None, Rank | None]]:
        """What decides with a rule, and without it, in every way the unread may be."""
        sure = [each for each in cell if is_told(self.rules[each].rule)]
        perhaps = [each for each in cell if not is_told(self.rules[each].rule)]
        for chosen in subsets(perhaps):
            held = {*sure, *chosen}
            more = [] if stranger is None else [stranger]
            yield (
                min([*(self.rank(each) for each in held), *more], default=None),
                min([*(self.rank(each) for each in held - {number}), *more], default=None),
            )

    def passes(self, winner: Rank | None) -> bool:
        return self.default if winner is None else winner[1]

    def is_spared(self, held: HeldRule, strangers: Sequence[Rank | None]) -> bool:
        number = self.number(held)
        return all(
            self.passes(one) is self.passes(two)
            for cell in self.matched(held.rule.nic_type)
            if number in cell
            for stranger in strangers
            for one, two in self.outcomes(cell, number, stranger)
        )


def subsets(of: Sequence[Membership] | Sequence[int]) -> Iterator[tuple]:  # type: ignore[type-arg]
    return chain.from_iterable(combinations(of, size) for size in range(len(of) + 1))


def names(world: World, rule: Rule, address: Block, memberships: frozenset[Membership]) -> bool:
    match rule.peer:
        case GroupPeer(group_id, account_id):
            return GroupRef(group_id, account_id) in memberships
        case PrefixListPeer(list_id) if list_id in world.prefix_lists:
            return any(address.within(block) for block in world.prefix_lists[list_id])
        case PrefixListPeer(list_id):
            return list_id in memberships
        case block:
            return address.within(block)


def speaks(rule: Rule, family: AddressFamily, protocol: Protocol, port: int, source: int) -> bool:
    if rule.protocol not in {protocol, Protocol.ALL}:
        return False
    if {Protocol.ICMP: "ipv4", Protocol.ICMPV6: "ipv6"}.get(rule.protocol, family) != family:
        return False
    return not port or (holds(rule.ports, port) and holds(rule.source_ports, source))


def holds(ports: PortRange | None, port: int) -> bool:
    return ports is None or ports.first < 0 or ports.first <= port <= ports.last


def direction_of(case: Case) -> Direction:
    return case.group.rules[0].rule.direction if case.group.rules else Direction.INGRESS


@given(cases())
def test_a_rule_is_hidden_exactly_if_it_never_decides(case: Case) -> None:
    alone = Company(case, [SUBJECT], direction_of(case))
    for held in case.rules:
        number = alone.number(held)
        cells = [cell for cell in alone.matched(held.rule.nic_type) if number in cell]
        decides = any(
            one == alone.rank(number)
            for cell in cells
            for one, _ in alone.outcomes(cell, number, None)
            if number in cell
        )
        standing = case.standing(held)
        assert standing.matches is bool(cells)
        assert standing.decides is decides


@given(cases())
def test_a_rule_is_spared_exactly_if_no_packet_fares_otherwise_without_it(case: Case) -> None:
    direction = direction_of(case)
    alone = Company(case, [SUBJECT], direction)
    company = [Company(case, eni.group_ids, direction) for _, eni in case.members]
    for held in case.rules:
        standing = case.standing(held)
        if not standing.matches:
            continue
        ever = alone.is_spared(held, [None, *STRANGERS])
        now = alone.is_spared(held, [None]) and all(
            each.is_spared(held, [None, *STRANGERS] if each.unread else [None]) for each in company
        )
        expected = Removal.NOTHING_EVER if ever else Removal.NOTHING_NOW if now else None
        assert standing.spared is expected


@given(cases())
def test_what_hides_a_rule_does_so_by_itself(case: Case) -> None:
    for held in case.rules:
        standing = case.standing(held)
        if standing.hidden_by:
            kept = (held, *(each.held for each in standing.hidden_by))
            group = replace(case.group, rules=kept)
            smaller = Case(case.world, group, gone=case.gone)
            assert smaller.standing(held).hidden_by == standing.hidden_by


@given(cases())
def test_rules_not_to_be_removed_together_are_needed_once_one_is_gone(case: Case) -> None:
    for held in case.rules:
        standing = case.standing(held)
        if standing.spared is None or standing.hidden_by:
            continue
        left = without(case, held)
        for other in case.rules:
            if other != held and case.standing(other).spared and not case.standing(other).hidden_by:
                needed = left.standing(other).spared is None
                assert needed is (other in {each.held for each in standing.not_with})


@given(cases(readable=True), st.data())
def test_removing_what_can_be_spared_one_by_one_changes_nothing(
    case: Case, data: st.DataObject
) -> None:
    before = case.world
    for _ in range(len(case.rules)):
        spared = [held for held in case.rules if case.standing(held).spared]
        if not spared:
            break
        case = without(case, data.draw(st.sampled_from(spared)))
    assert not any(case.standing(held).spared for held in case.rules)
    compared = difference(
        before,
        case.world,
        touched_groups=frozenset({SUBJECT}),
        touched_instances=frozenset(),
        asked=(),
    )
    assert (compared.gained.pairs, compared.lost.pairs) == (0, 0)
    plane = data.draw(st.sampled_from(NicType))
    family = data.draw(st.sampled_from(AddressFamily))
    everybody = ends(before, plane, family)
    packet = (data.draw(st.sampled_from(Protocol.ALL.concrete(family))), 22, 30)
    for source, target in product(everybody, everybody):
        old = judge(before, source, target, plane, family, packet)
        new = judge(case.world, source, target, plane, family, packet)
        assert old is new or Outcome.UNKNOWN in {old, new}


def without(case: Case, held: HeldRule) -> Case:
    group = replace(case.group, rules=tuple(each for each in case.group.rules if each != held))
    world = replace(case.world, groups={**case.world.groups, SUBJECT: group})
    return Case(world, group, gone=case.gone)
