"""The rules that judge an interface, sorted once and found fast.

A bench is all that the groups of an interface say in one direction. `evaluate` asks it about
one pair of ends, `rows` about all of them; how a rule is read is decided here.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import chain
from operator import itemgetter
from typing import NamedTuple, TypeAlias, TypeVar

from app.domain.addresses import AddressFamily, Block
from app.domain.flows import DecidingRule
from app.domain.groups import Eni, Group
from app.domain.judging.atoms import outermost
from app.domain.judging.matching import (
    SURE,
    Needs,
    Sort,
    Unread,
    is_readable,
    needs_of,
    speaks_of,
)
from app.domain.judging.spans import EVERY_PORT, Span, span
from app.domain.rules import Direction, GroupPeer, NicType, Peer, Policy, PrefixListPeer, Protocol
from app.domain.world import AddressEnd, End, GroupEnd, InterfaceEnd, World

_T = TypeVar("_T")

EVERY_ADDRESS = {family: (0, (1 << family.bits) - 1) for family in AddressFamily}


class Line(NamedTuple):
    """One rule as numbers; `needs` is what its protocol and ports depend on, if not read whole.

    Ports, source ports and own addresses run from first to last, both included. `order` is
    that of judgement, and the same every time.
    """

    order: tuple[tuple[int, bool], str, str]
    rank: tuple[int, bool]
    accept: bool
    first: int
    last: int
    source_first: int
    source_last: int
    own_first: int
    own_last: int
    needs: Needs
    peer: Peer
    protocol: Protocol
    deciding: DecidingRule
    ports: Span
    sources: Span

    def covers_port(self, port: int, source_port: int) -> bool:
        return (
            self.first <= port <= self.last and self.source_first <= source_port <= self.source_last
        )

    @property
    def needs_with_peer(self) -> Needs:
        """All that has to be so where nobody knows whether its peer stands for the other end."""
        direction = self.deciding.held.rule.direction
        match self.peer:
            case GroupPeer(group_id):
                return self.needs | {Unread(Sort.GROUP, group_id, direction)}
            case PrefixListPeer(prefix_list_id):
                return self.needs | {Unread(Sort.PREFIX_LIST, prefix_list_id, direction)}
            case Block():
                return self.needs


Found: TypeAlias = tuple[Line, Needs]
"""A line that matches two ends, if all that it needs is so."""


class Spot(NamedTuple):
    """One address on the other side.

    It is a member's of `groups`, surely, and of no group of `strange`, or of no other one at
    all where that is None.
    """

    address: int
    groups: Iterable[str] = ()
    strange: frozenset[str] | None = None


class Bench:
    """Rules of an interface's groups in one direction, plane and family, in their order.

    A rule of the classic network guards one side only; in a VPC each guards both.
    `parts` are the same lines by group, which benches share.
    `default` is what happens to a packet that none of them matches. `unread` says that a
    group which could not be read judges as well: it may hold any rule.
    """

    def __init__(
        self,
        world: World,
        eni: Eni,
        direction: Direction,
        family: AddressFamily,
        *,
        parts: Sequence[Sequence[Line]],
    ) -> None:
        groups = groups_read(world, eni)
        self.parts = parts
        self.lines: Sequence[Line] = parts[0] if len(parts) == 1 else _in_order(parts)
        self.group_ids = eni.group_ids
        self.default = default_of(groups, direction)
        self.unread = len(groups) < len(eni.group_ids)
        self.family = family
        self._world = world

    @cached_property
    def owns(self) -> tuple[Block, ...]:
        """Blocks that narrow rules to a part of their own group, each once."""
        every = EVERY_ADDRESS[self.family]
        narrow = (line for line in self.lines if (line.own_first, line.own_last) != every)
        owns = (line.deciding.held.rule.own for line in narrow)
        return tuple(dict.fromkeys(own for own in owns if own is not None))

    @cached_property
    def named(self) -> frozenset[str]:
        """Groups that some rule names as its peer."""
        peers = (line.peer for line in self.lines)
        return frozenset(peer.group_id for peer in peers if isinstance(peer, GroupPeer))

    @cached_property
    def lists(self) -> frozenset[str]:
        """Prefix lists that some rule names as its peer."""
        peers = (line.peer for line in self.lines)
        return frozenset(peer.prefix_list_id for peer in peers if isinstance(peer, PrefixListPeer))

    @cached_property
    def is_free(self) -> bool:
        """Whether it lets every packet pass."""
        return not self.lines and self.default is Policy.ACCEPT and not self.unread

    def spoken(self, protocol: Protocol) -> Protocol:
        """Return the protocol if some line names it, and else `all`: the rest fares alike."""
        return protocol if protocol in self._covering else Protocol.ALL

    def covering(self, protocol: Protocol) -> Sequence[Line]:
        """Return the lines that match packets of one protocol."""
        return self._covering[self.spoken(protocol)]

    @cached_property
    def _covering(self) -> Mapping[Protocol, Sequence[Line]]:
        return by_protocol(self.lines, [line.protocol for line in self.lines])

    def matching(
        self,
        protocol: Protocol,
        own: Block,
        spot: Spot,
        ports: Span = EVERY_PORT,
        source_ports: Span = EVERY_PORT,
    ) -> list[Found]:
        """Return the lines that match packets between two ends, in order of judgement.

        Each matches some of these ports and source ports.
        """
        finder = self._finders.get(protocol) or self._finder(protocol)
        return finder.find(own.first, spot, ports, source_ports)

    def _finder(self, protocol: Protocol) -> "_Finder":
        found = self._finders.get(protocol)
        if found is None:
            spoken = self.spoken(protocol)
            if spoken is protocol:
                lines, lists = self.covering(protocol), self._world.prefix_lists
                found = _Finder(lines, lists, self.family)
            else:
                found = self._finder(spoken)
            self._finders[protocol] = found
        return found

    @cached_property
    def _finders(self) -> dict[Protocol, "_Finder"]:
        return {}

    def spots(self, other: End) -> Sequence[Spot]:
        """Return one address for each part of an end that some rule tells from the others.

        Of a group that could not be read, these are all addresses that a member may have.
        """
        if isinstance(other, InterfaceEnd):
            return (Spot(other.block.first, other.eni.group_ids),)
        match other:
            case AddressEnd(block) if block.is_single:
                return (Spot(block.first, (), self._world.complete),)
            case AddressEnd(block):
                return [Spot(first, (), self._world.complete) for first in self._cuts(block)]
            case GroupEnd(ref, family):
                every = Block(family, 0, 0)
                return [Spot(first, (ref.group_id,), frozenset()) for first in self._cuts(every)]

    def _cuts(self, within: Block) -> list[int]:
        """Return the first address of every part that is not told apart any more."""
        starts = {within.first}
        for line in self.lines:
            for block in self._listed(line.peer):
                starts.add(block.first)
                starts.add(block.last + 1)
        return sorted(start for start in starts if within.first <= start <= within.last)

    def _listed(self, peer: Peer) -> Sequence[Block]:
        match peer:
            case Block():
                return (peer,)
            case PrefixListPeer(prefix_list_id):
                return self._world.prefix_lists.get(prefix_list_id, ())
            case GroupPeer():
                return ()


def by_protocol(
    lines: Sequence[_T], protocols: Iterable[Protocol]
) -> Mapping[Protocol, Sequence[_T]]:
    """Return for each protocol that is named, and for `all`, the lines that match its packets."""
    found: dict[Protocol, list[_T]] = {Protocol.ALL: []}
    for line, protocol in zip(lines, protocols, strict=True):
        if protocol is Protocol.ALL:
            for every in found.values():
                every.append(line)
        elif protocol in found:
            found[protocol].append(line)
        else:
            found[protocol] = [*found[Protocol.ALL], line]
    return found


_Entry: TypeAlias = tuple[int, int, int, int, int, int, int, Found]
"""A line's place in the order of judgement, its ports, source ports and own addresses, and what
was found."""


class _Finder:
    """Finds the lines whose peer an address is: by address, by group, or one after another."""

    def __init__(
        self,
        lines: Sequence[Line],
        lists: Mapping[str, tuple[Block, ...]],
        family: AddressFamily,
    ) -> None:
        self._family = family
        self._singles: dict[int, list[_Entry]] = {}
        self._by_group: dict[str, list[_Entry]] = {}
        self._wide: list[tuple[int, int, _Entry]] = []
        for number, line in enumerate(lines):
            found = _entry(number, line, line.needs)
            match line.peer:
                case Block() as block:
                    self._add(found, (block,))
                case GroupPeer(group_id):
                    self._by_group.setdefault(group_id, []).append(found)
                case PrefixListPeer(prefix_list_id) if prefix_list_id in lists:
                    self._add(found, outermost(lists[prefix_list_id]))
                case PrefixListPeer():
                    perhaps = _entry(number, line, line.needs_with_peer)
                    self._wide.append((0, (1 << family.bits) - 1, perhaps))

    def _add(self, found: _Entry, blocks: Iterable[Block]) -> None:
        for block in blocks:
            if block.family is not self._family:
                continue
            if block.is_single:
                self._singles.setdefault(block.first, []).append(found)
            else:
                self._wide.append((block.first, block.last, found))

    @cached_property
    def _stretches(self) -> tuple[list[int], list[list[_Entry]]]:
        """The wide lines that hold from each start of a stretch of addresses to the next."""
        starts = sorted({0, *(edge for first, last, _ in self._wide for edge in (first, last + 1))})
        held: list[list[_Entry]] = [[] for _ in starts]
        for first, last, each in self._wide:
            for number in range(bisect_left(starts, first), bisect_left(starts, last + 1)):
                held[number].append(each)
        return starts, held

    def find(self, own: int, spot: Spot, ports: Span, source_ports: Span) -> list[Found]:
        """Return the lines that match packets between two addresses, in order of judgement."""
        starts, held = self._stretches
        port, last_port = ports
        source, last_source = source_ports
        address, groups, strange = spot
        entries = held[bisect_right(starts, address) - 1]
        if address in self._singles:
            entries = entries + self._singles[address]
        named = self._by_group
        if named:
            for group_id in groups:
                if group_id in named:
                    entries = entries + named[group_id]
            if strange is not None:
                entries = entries + self._perhaps(groups, strange)
        found = [
            entry
            for entry in entries
            if entry[1] <= last_port
            and port <= entry[2]
            and entry[3] <= last_source
            and source <= entry[4]
            and entry[5] <= own <= entry[6]
        ]
        if len(found) > 1:
            found.sort(key=_first)
        return [entry[7] for entry in found]

    def _perhaps(self, groups: Iterable[str], strange: frozenset[str]) -> list[_Entry]:
        """Return the lines that match if the address is a member's of a group that they name."""
        named = self._by_group.keys() - groups - strange
        return [
            _entry(entry[0], entry[7][0], entry[7][0].needs_with_peer)
            for group_id in named
            for entry in self._by_group[group_id]
        ]


def _entry(number: int, line: Line, needs: Needs) -> _Entry:
    return (number, *line[3:9], (line, needs))


class Benches:
    """All benches of a world, each made when it is first asked for."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._made: dict[Hashable, Bench] = {}
        self._lines: dict[Hashable, Sequence[Line]] = {}
        self._base: Benches | None = None
        self._touched_groups: frozenset[str] = frozenset()
        self._touched_lists: frozenset[str] = frozenset()

    def of(self, end: InterfaceEnd, direction: Direction, plane: NicType) -> Bench:
        """Return the rules that judge one end."""
        eni, classic, family = end.eni, end.instance.is_classic, end.block.family
        if self._base is not None and eni.group_ids.isdisjoint(self._touched_groups):
            bench = self._base.of(end, direction, plane)
            if bench.lists.isdisjoint(self._touched_lists):
                return bench
        key = (eni.group_ids, classic, direction, plane, family)
        made = self._made.get(key)
        if made is None:
            parts = [
                self._lines_of(group, direction, plane, family, classic=classic)
                for group in groups_read(self._world, eni)
            ]
            made = Bench(self._world, eni, direction, family, parts=parts)
            self._made[key] = made
        return made

    def _lines_of(
        self,
        group: Group,
        direction: Direction,
        plane: NicType,
        family: AddressFamily,
        *,
        classic: bool,
    ) -> Sequence[Line]:
        """Return the lines of one group, in their order; benches of many interfaces share them.

        Source: ECS API, AuthorizeSecurityGroup, parameter NicType (in the classic network
        each side has its own rules; in a VPC every rule judges both).
        """
        if self._base is not None and group.group_id not in self._touched_groups:
            return self._base._lines_of(group, direction, plane, family, classic=classic)  # noqa: SLF001 - of its own kind
        key = (group.group_id, classic, direction, plane, family)
        if key not in self._lines:
            ref, private = group.ref, plane is NicType.INTRANET
            lines = [
                _line(DecidingRule(ref, held), family)
                for held in group.rules
                if held.rule.direction is direction
                and (held.rule.nic_type is plane or not classic)
                and (private or not isinstance(held.rule.peer, GroupPeer))
                and speaks_of(held.rule, family)
            ]
            lines.sort(key=_first)
            self._lines[key] = lines
        return self._lines[key]

    def after(
        self, world: World, groups: frozenset[str], lists: frozenset[str] = frozenset()
    ) -> "Benches":
        """Return the benches of a world that differs in these groups and prefix lists only."""
        benches = Benches(world)
        benches._base = self
        benches._touched_groups, benches._touched_lists = groups, lists
        return benches

    def shares(self, bench: Bench) -> bool:
        """Whether a bench of these is one of the world that this one was made from."""
        return (
            self._base is not None
            and bench.group_ids.isdisjoint(self._touched_groups)
            and bench.lists.isdisjoint(self._touched_lists)
        )


def _line(deciding: DecidingRule, family: AddressFamily) -> Line:
    held = deciding.held
    rule, rank = held.rule, held.rule.rank
    ports = sources = EVERY_PORT
    if rule.protocol.has_ports:
        ports, sources = span(rule.ports), span(rule.source_ports)
    first, last = EVERY_ADDRESS[family]
    if rule.own is not None:
        first, last = rule.own.first, rule.own.last
    return Line(
        (rank, held.rule_id, deciding.group.group_id),
        rank,
        rule.policy is Policy.ACCEPT,
        *ports,
        *sources,
        first,
        last,
        SURE if is_readable(rule) else needs_of(deciding),
        rule.peer,
        rule.protocol,
        deciding,
        ports,
        sources,
    )


def groups_read(world: World, eni: Eni) -> list[Group]:
    """Return the groups of an interface that were read, by id."""
    return [world.groups[key] for key in sorted(eni.group_ids) if key in world.groups]


def default_of(groups: Sequence[Group], direction: Direction) -> Policy:
    """Return what happens where no rule matches; groups of one interface are of one kind.

    Source: ECS API, CreateSecurityGroup, parameter SecurityGroupType.
    """
    policies = {group.default(direction) for group in groups}
    return Policy.DROP if Policy.DROP in policies else Policy.ACCEPT


def _in_order(parts: Iterable[Iterable[Line]]) -> list[Line]:
    return sorted(chain.from_iterable(parts), key=_first)


_first = itemgetter(0)
