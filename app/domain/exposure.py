"""Which addresses the rules of an interface let in, port by port.

Judged are all addresses there are, not only those of machines that exist today. Where rules
leave it open, more counts as let in: a rule for some source ports is taken for all of them if it
accepts and for none if it drops, and so is one whose ports could not be read.

Source: ECS API, AuthorizeSecurityGroup (priorities, drop before accept, groups as private
addresses of their members).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from app.domain.addresses import AddressFamily, Block
from app.domain.groups import Eni, Instance
from app.domain.judging.atoms import AddressLine, Stretch
from app.domain.judging.matching import speaks_of
from app.domain.judging.spans import EVERY_PORT, Span, bits, span, stretches
from app.domain.rules import (
    ANY_PORT,
    Direction,
    GroupPeer,
    HeldRule,
    NicType,
    Peer,
    Policy,
    PrefixListPeer,
    Protocol,
    Rule,
)
from app.domain.world import World, addresses_on

_Key: TypeAlias = tuple[frozenset[str], NicType, AddressFamily]


@dataclass(frozen=True, slots=True)
class Guard:
    """Rules of some groups as they judge packets that come in to one own address, in order.

    Guards of one world are equal when they let in the same by the same rules: `groups` and
    `speaking`, the rules of them that speak of the own address, as bits, say which these are.
    """

    plane: NicType
    family: AddressFamily
    groups: frozenset[str]
    speaking: int
    rules: tuple[tuple[str, HeldRule], ...] = field(compare=False)


class Guards:
    """The guards of one world; rules of the same groups are put in order once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pools: dict[_Key, tuple[tuple[str, HeldRule], ...]] = {}
        self._made: dict[tuple[_Key, int], Guard] = {}

    def of(self, instance: Instance, eni: Eni, family: AddressFamily) -> Iterator[Guard]:
        """The guards of an interface's addresses: of both sides in the classic network.

        Groups that could not be read guard with no rule.
        """
        for block in eni.addresses:
            if block.family is family:
                yield self.at(eni.group_ids, NicType.INTRANET, family, block)
        public = eni.public_address
        if instance.is_classic and public is not None and public.family is family:
            yield self.at(eni.group_ids, NicType.INTERNET, family, public)

    def at(
        self, groups: frozenset[str], plane: NicType, family: AddressFamily, own: Block | None
    ) -> Guard:
        """The guard of one own address; None is that of a member that does not exist yet, of
        which rules that name an own address do not speak.
        """
        key = (groups, plane, family)
        if key not in self._pools:
            self._pools[key] = self._pool(*key)
        pool = self._pools[key]
        speaking = 0
        for position, (_, held) in enumerate(pool):
            meant = held.rule.own
            if meant is None or (own is not None and own.within(meant)):
                speaking |= 1 << position
        if (key, speaking) not in self._made:
            rules = tuple(pool[position] for position in bits(speaking))
            self._made[key, speaking] = Guard(plane, family, groups, speaking, rules)
        return self._made[key, speaking]

    def _pool(
        self, groups: frozenset[str], plane: NicType, family: AddressFamily
    ) -> tuple[tuple[str, HeldRule], ...]:
        """In a VPC every rule is of the intranet type and judges both sides."""
        read = [self._world.groups[each] for each in groups if each in self._world.groups]
        found = [
            (group.group_id, held)
            for group in read
            for held in group.rules
            if held.rule.direction is Direction.INGRESS
            and held.rule.nic_type is (plane if group.vpc_id is None else NicType.INTRANET)
            and speaks_of(held.rule, family)
        ]
        found.sort(key=lambda each: (each[1].rule.rank, each[0], each[1].rule_id))
        return tuple(found)


@dataclass(frozen=True)
class Exposure:
    """What one guard lets in, in one world."""

    world: World
    guard: Guard
    _found: dict[tuple[Protocol, int], tuple[Stretch, ...]] = field(default_factory=dict)

    @cached_property
    def _line(self) -> AddressLine:
        marks = [
            (self._blocks(held.rule.peer), 1 << position)
            for position, (_, held) in enumerate(self.guard.rules)
        ]
        return AddressLine(self.guard.family, [mark for mark in marks if mark[0]])

    def _blocks(self, peer: Peer) -> tuple[Block, ...]:
        match peer:
            case Block():
                return (peer,)
            case PrefixListPeer(prefix_list_id):
                return self.world.prefix_lists.get(prefix_list_id, ())
            case GroupPeer(group_id):
                return member_addresses(self.world, group_id)

    def cuts(self, protocol: Protocol) -> Iterator[int]:
        """Ports where what is let in may become something else."""
        for _, held in self.guard.rules:
            if held.rule.protocol.covers(protocol):
                first, last = span(held.rule.ports)
                yield from (first, last + 1)

    def lets_in(self, protocol: Protocol, port: int) -> tuple[Stretch, ...]:
        """Addresses that may reach the port, in order; any port of a protocol without ports."""
        key = (protocol, port)
        if key not in self._found:
            matching = accepting = 0
            for position, (_, held) in enumerate(self.guard.rules):
                if _speaks(held.rule, protocol, port):
                    matching |= 1 << position
                    if held.rule.policy is Policy.ACCEPT:
                        accepting |= 1 << position
            self._found[key] = tuple(self._accepted(matching, accepting))
        return self._found[key]

    def _accepted(self, matching: int, accepting: int) -> Iterator[Stretch]:
        for stretch, mask in self._line:
            rules = mask & matching
            if rules & -rules & accepting:  # the best of those that match
                yield stretch


def member_addresses(world: World, group_id: str) -> tuple[Block, ...]:
    """The private addresses of all members that were read."""
    return tuple(
        block for _, eni in world.members(group_id) for block in addresses_on(eni, NicType.INTRANET)
    )


def cells(
    before: Exposure | None, after: Exposure
) -> Iterator[tuple[Protocol, Span, tuple[Stretch, ...], tuple[Stretch, ...]]]:
    """For each protocol and stretch of ports, what is let in before and after.

    Stretches in which nothing was let in, nor is, are left out.
    """
    for protocol in Protocol.ALL.concrete(after.guard.family):
        cut = {*after.cuts(protocol), *(() if before is None else before.cuts(protocol))}
        spans = stretches(cut, EVERY_PORT) if protocol.has_ports else (EVERY_PORT,)
        for each in spans:
            old = () if before is None else before.lets_in(protocol, each[0])
            new = after.lets_in(protocol, each[0])
            if old or new:
                yield protocol, each, old, new


def _speaks(rule: Rule, protocol: Protocol, port: int) -> bool:
    if not rule.protocol.covers(protocol):
        return False
    vague = rule.source_ports != ANY_PORT or rule.ports is None
    if vague and rule.policy is Policy.DROP:
        return False
    first, last = span(rule.ports)
    return not protocol.has_ports or first <= port <= last


# --- sets of addresses ------------------------------------------------------------


def size(addresses: Iterable[Stretch]) -> int:
    """How many addresses."""
    return sum(last - first + 1 for first, last in addresses)


def minus(addresses: Sequence[Stretch], taken: Sequence[Stretch]) -> tuple[Stretch, ...]:
    """Addresses without others; both in order, and the answer too."""
    found: list[Stretch] = []
    rest = list(taken)
    for first, last in addresses:
        while rest and rest[0][1] < first:
            rest.pop(0)
        start = first
        for low, high in rest:
            if low > last:
                break
            if low > start:
                found.append((start, low - 1))
            start = max(start, high + 1)
        if start <= last:
            found.append((start, last))
    return tuple(found)


def joined(blocks: Iterable[Block], family: AddressFamily) -> tuple[Stretch, ...]:
    """Addresses of blocks of one family, in order, each once."""
    found: list[Stretch] = []
    for block in sorted(each for each in blocks if each.family is family):
        if found and block.first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], block.last))
        else:
            found.append((block.first, block.last))
    return tuple(found)
