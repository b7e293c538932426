"""Rules that judge one interface together, tried on every packet that there can be.

A packet is an own address, a peer, a protocol and two ports. Its peer is any address that may
besides be in any groups that rules name, and in any prefix list that could not be read. All
that matters of a packet is which rules match it: a *cell* is such a set, as bits. The cells of
a rule are found by cutting each axis where some rule begins or ends, so that they are all
there can be, not only those of interfaces that exist today.

Of a peer's memberships it is enough to try none, or the one that the rule itself names, each
with at most one further: suppose that a rule matters to a peer of many memberships. Then some
other rule, the best of the rest, decides otherwise without it. That one matches by the peer's
address or by one single membership; take away all further ones, and it is still the best of
a smaller rest. For the same reason a further membership matters only if some rule that names
it decides otherwise than the rule in question: all else it adds can but hide or carry that rule.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from app.domain.addresses import AddressFamily, Block
from app.domain.flows import DecidingRule
from app.domain.groups import Group, GroupRef
from app.domain.judging.atoms import AddressLine
from app.domain.judging.matching import is_readable, speaks_of
from app.domain.rules import (
    MAX_PORT,
    Direction,
    GroupPeer,
    NicType,
    Policy,
    PortRange,
    PrefixListPeer,
    Protocol,
    Rule,
)
from app.domain.world import World

Cell: TypeAlias = int
"""Rules, as bits of their positions in a pool, that match one and the same packet."""

Token: TypeAlias = GroupRef | str
"""A membership of a peer: a group, or the id of a prefix list that could not be read."""

Span: TypeAlias = tuple[int, int]

EVERY_PORT: Span = (1, MAX_PORT)

ANY = frozenset({-1})
"""Rules that speak of a packet's ports where it has none: all of them."""


@dataclass(frozen=True)
class Pool:
    """Rules of one direction and side that the groups of one interface hold.

    `groups` are those that were read, `unread` says that there is another one. `plane` is None
    in a VPC, where every rule judges both sides: what holds for all peers of the intranet side
    holds for those of the other one, who have no memberships. `gone` are groups that nobody
    can be a member of any more.
    """

    world: World
    groups: tuple[Group, ...]
    direction: Direction
    plane: NicType | None
    gone: frozenset[GroupRef] = frozenset()
    unread: bool = False

    @cached_property
    def rules(self) -> tuple[DecidingRule, ...]:
        """All rules in order of judgement; a bit of a cell is a position here."""
        found = [
            DecidingRule(group.ref, held)
            for group in self.groups
            for held in group.rules
            if held.rule.direction is self.direction
            and (self.plane is None or held.rule.nic_type is self.plane)
        ]
        return tuple(sorted(found, key=_order))

    @cached_property
    def position(self) -> dict[DecidingRule, int]:
        return {deciding: position for position, deciding in enumerate(self.rules)}

    @cached_property
    def default(self) -> Policy:
        policies = {group.default(self.direction) for group in self.groups}
        return Policy.DROP if Policy.DROP in policies else Policy.ACCEPT

    # --- what is known of a cell ------------------------------------------------------

    @cached_property
    def sure(self) -> int:
        """Rules whose protocol and ports could be read."""
        return self._where(is_readable(rule) for rule in self._meanings)

    @cached_property
    def accepting(self) -> int:
        return self._where(rule.policy is Policy.ACCEPT for rule in self._meanings)

    def better(self, position: int) -> int:
        """Rules that are judged before this one, whatever else is there."""
        return self._ranks[self._meanings[position].rank][0]

    def as_good(self, position: int) -> int:
        """The better ones and those of the same rank, itself among them."""
        return self._ranks[self._meanings[position].rank][1]

    def winners(self, cell: Cell) -> int:
        """Rules that decide; the best rank of those that surely match."""
        best = lowest(cell & self.sure)
        return cell & self.sure & self.as_good(best.bit_length() - 1) if best else 0

    def accepts(self, bit: int) -> bool:
        return bool(bit & self.accepting)

    def hides(self, cell: Cell, position: int) -> bool:
        """Whether this rule does not decide there, because a better one surely does."""
        return bool(cell & self.sure & self.better(position))

    def covers(self, cell: Cell, position: int) -> bool:
        """Whether another rule is as good there, so that this one adds nothing in any company.

        No weaker condition would do: a rule of another group, judged between this one and the
        next, could decide otherwise once this one is gone.
        """
        return bool(cell & self.sure & self.as_good(position) & ~(1 << position))

    def spares(self, cell: Cell, position: int) -> bool:
        """Whether the packet fares the same without this rule: another says so, or the default.

        Rules that only may match must not be able to turn it.
        """
        if self.covers(cell, position):
            return True
        rest = cell & ~(1 << position)
        best = lowest(rest & self.sure)
        accepted = self.accepts(1 << position)
        if (self.accepts(best) if best else self.default is Policy.ACCEPT) is not accepted:
            return False
        before = (best - 1) if best else -1
        contrary = ~self.accepting if accepted else self.accepting
        perhaps = rest & ~self.sure & before & ~self.as_good(position)
        return not perhaps & contrary and not self.unread

    # --- cells ------------------------------------------------------------------------

    def cells(self, position: int, within: Span = EVERY_PORT) -> frozenset[Cell]:
        """Every different cell of one rule; none if no packet can match it.

        `within` keeps to packets of protocols with ports, to these ports.
        """
        key = (position, within)
        if key not in self._cells_found:
            self._cells_found[key] = self._cut(position, within)
        return self._cells_found[key]

    @cached_property
    def _cells_found(self) -> dict[tuple[int, Span], frozenset[Cell]]:
        return {}

    def _cut(self, position: int, within: Span) -> frozenset[Cell]:
        rule, bit = self._meanings[position], 1 << position
        found: set[Cell] = set()
        for family in self._families:
            if not speaks_of(rule, family):
                continue
            for protocol in rule.protocol.concrete(family):
                if within != EVERY_PORT and not protocol.has_ports:
                    continue
                ports = self._port_masks(position, within) if protocol.has_ports else ANY
                near = self._speaking(family, protocol) & _union(ports)
                owns = {each & near for each in self._owns(family) if each & bit}
                peers = self._peers(family, position, near)
                columns = {one & two for one in owns for two in peers}
                found |= {column & mask for column in columns for mask in ports}
        return frozenset(found)

    @cached_property
    def _meanings(self) -> tuple[Rule, ...]:
        return tuple(deciding.held.rule for deciding in self.rules)

    @cached_property
    def _ranks(self) -> dict[tuple[int, bool], tuple[int, int]]:
        ranks: dict[tuple[int, bool], tuple[int, int]] = {}
        for position, rule in enumerate(self._meanings):
            before = ranks[rule.rank][0] if rule.rank in ranks else (1 << position) - 1
            ranks[rule.rank] = (before, (2 << position) - 1)
        return ranks

    @cached_property
    def _families(self) -> tuple[AddressFamily, ...]:
        """The classic network has no IPv6. Source: ECS API, AuthorizeSecurityGroup."""
        return tuple(AddressFamily) if self.plane is None else (AddressFamily.IPV4,)

    def _where(self, chosen: Iterable[bool]) -> int:
        return sum(1 << position for position, yes in enumerate(chosen) if yes)

    def _speaking(self, family: AddressFamily, protocol: Protocol) -> int:
        key = (family, protocol)
        if key not in self._spoken:
            self._spoken[key] = self._where(
                speaks_of(rule, family) and rule.protocol.covers(protocol)
                for rule in self._meanings
            )
        return self._spoken[key]

    @cached_property
    def _spoken(self) -> dict[tuple[AddressFamily, Protocol], int]:
        return {}

    def _port_masks(self, position: int, within: Span) -> frozenset[int]:
        """Rules that speak of one port and source port of this rule's, for all it has."""
        key = (position, within)
        if key not in self._ports_found:
            ports, sources = self._port_spans[position], self._source_spans[position]
            by_port = _stretches(self._port_spans, _overlap(ports, within))
            by_source = _stretches(self._source_spans, sources)
            self._ports_found[key] = frozenset(one & two for one in by_port for two in by_source)
        return self._ports_found[key]

    @cached_property
    def _ports_found(self) -> dict[tuple[int, Span], frozenset[int]]:
        return {}

    @cached_property
    def _port_spans(self) -> tuple[Span, ...]:
        return tuple(_span(rule.ports) for rule in self._meanings)

    @cached_property
    def _source_spans(self) -> tuple[Span, ...]:
        return tuple(_span(rule.source_ports) for rule in self._meanings)

    # --- the axes ---------------------------------------------------------------------

    def _owns(self, family: AddressFamily) -> frozenset[int]:
        """Rules that speak of an own address, for all there can be."""
        if family not in self._own_masks:
            whole = self._where(rule.own is None for rule in self._meanings)
            marks = [
                ((rule.own,), 1 << position)
                for position, rule in enumerate(self._meanings)
                if rule.own is not None
            ]
            line = AddressLine(family, marks)
            self._own_masks[family] = frozenset(mask | whole for _, mask in line)
        return self._own_masks[family]

    @cached_property
    def _own_masks(self) -> dict[AddressFamily, frozenset[int]]:
        return {}

    def _peers(self, family: AddressFamily, position: int, near: int) -> set[int]:
        """Which of these rules name one and the same peer as this rule, for all there can be.

        A further membership matters only where a rule that names it decides otherwise.
        """
        token = self._token_of(self._meanings[position])
        bit = 1 << position
        contrary = near & (~self.accepting if self.accepts(bit) else self.accepting)
        addresses = {mask & near for mask in self._addresses(family)}
        named = 0
        if token is None:
            addresses = {mask for mask in addresses if mask & bit}
        elif token in self._tokens:
            named = self._tokens[token] & near
        else:
            return set()
        further = {
            mask & near
            for other, mask in self._tokens.items()
            if mask & contrary and (token is None or _go(token, other))
        }
        return {address | named | mask for address in addresses for mask in {0, *further}}

    def _addresses(self, family: AddressFamily) -> frozenset[int]:
        """Rules whose peer an address is by itself, for all addresses there are."""
        if family not in self._address_masks:
            marks = [
                (self.blocks_of(rule), 1 << position)
                for position, rule in enumerate(self._meanings)
            ]
            line = AddressLine(family, [mark for mark in marks if mark[0]])
            self._address_masks[family] = frozenset(mask for _, mask in line)
        return self._address_masks[family]

    @cached_property
    def _address_masks(self) -> dict[AddressFamily, frozenset[int]]:
        return {}

    def blocks_of(self, rule: Rule) -> tuple[Block, ...]:
        """Addresses that a rule names as such; none for a group or an unread list."""
        match rule.peer:
            case Block() as block:
                return (block,)
            case PrefixListPeer(prefix_list_id):
                return self.world.prefix_lists.get(prefix_list_id, ())
            case GroupPeer():
                return ()

    @cached_property
    def _tokens(self) -> dict[Token, int]:
        """Rules by the membership that they name; only memberships that rules can judge."""
        found: dict[Token, int] = {}
        for position, rule in enumerate(self._meanings):
            token = self._token_of(rule)
            if token is not None and self._is_possible(token):
                found[token] = found.get(token, 0) | 1 << position
        return found

    def _token_of(self, rule: Rule) -> Token | None:
        match rule.peer:
            case GroupPeer(group_id, account_id):
                return GroupRef(group_id, account_id)
            case PrefixListPeer(prefix_list_id):
                read = prefix_list_id in self.world.prefix_lists
                return None if read else prefix_list_id
            case Block():
                return None

    def _is_possible(self, token: Token) -> bool:
        """Whether a packet of such a peer can come to be judged by these rules at all.

        A group stands for private addresses; peers who share a group that connects its members
        are never judged; members of a group in another VPC have no route.

        Source: ECS API, AuthorizeSecurityGroup and ModifySecurityGroupPolicy.
        """
        if isinstance(token, str):
            return True
        if self.plane is NicType.INTERNET or token in self.gone:
            return False
        if any(group.ref == token and group.connects_members for group in self.groups):
            return False
        peer = self.world.groups.get(token.group_id)
        return peer is None or not any(out_of_reach(peer, group) for group in self.groups)


def out_of_reach(one: Group, other: Group) -> bool:
    """Say whether members of these groups can never reach each other by private addresses."""
    if one.place.region_id != other.place.region_id:
        return True
    return None not in {one.vpc_id, other.vpc_id} and one.vpc_id != other.vpc_id


def bits(mask: int) -> Iterator[int]:
    """Positions of the bits that are set, lowest first."""
    while mask:
        low = lowest(mask)
        yield low.bit_length() - 1
        mask ^= low


def lowest(mask: int) -> int:
    """Return the lowest bit that is set, or 0."""
    return mask & -mask


def fewest(choices: Collection[int]) -> int:
    """Return few bits of which every one of `choices`, none of them empty, holds one.

    The smallest position of those in most choices, again and again: not always the fewest
    there are, but one alone where one is enough.
    """
    found, left = 0, set(choices)
    while left:
        counts: dict[int, int] = {}
        for choice in left:
            for position in bits(choice):
                counts[position] = counts.get(position, 0) + 1
        best = min(counts, key=lambda position: (-counts[position], position))
        found |= 1 << best
        left = {choice for choice in left if not choice >> best & 1}
    return found


def _go(one: Token, other: Token) -> bool:
    """Whether a peer can have both memberships: groups of one account only."""
    if isinstance(one, GroupRef) and isinstance(other, GroupRef):
        return one.account_id == other.account_id
    return True


def _order(deciding: DecidingRule) -> tuple[tuple[int, bool], str, str]:
    return (deciding.held.rule.rank, deciding.held.rule_id, deciding.group.group_id)


def _span(ports: PortRange | None) -> Span:
    """Return the ports a range stands for; of a range that was not read, all it may."""
    if ports is None or ports.is_every_port:
        return EVERY_PORT
    return (max(ports.first, 1), max(ports.last, 1))


def _overlap(one: Span, other: Span) -> Span:
    """Return the ports of both; the first after the last where there are none."""
    return (max(one[0], other[0]), min(one[1], other[1]))


def _union(masks: Iterable[int]) -> int:
    found = 0
    for mask in masks:
        found |= mask
    return found


def _stretches(spans: Iterable[Span], within: Span) -> frozenset[int]:
    """Return every different set of positions whose spans hold one port within."""
    first, last = within
    if first > last:
        return frozenset()
    toggles: dict[int, int] = {first: 0}
    for position, (low, high) in enumerate(spans):
        if low > last or high < first:
            continue
        for edge in (max(low, first), high + 1):
            if edge <= last:
                toggles[edge] = toggles.get(edge, 0) ^ 1 << position
    found: set[int] = set()
    mask = 0
    for edge in sorted(toggles):
        mask ^= toggles[edge]
        found.add(mask)
    return frozenset(found)
