"""The rules that judge an interface, sorted once and found fast.

A bench is all that the groups of an interface say in one direction. `evaluate` asks it about
one pair of ends, `rows` about all of them; how a rule is read is decided here.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, TypeAlias

from app.domain.addresses import AddressFamily, Block
from app.domain.flows import DecidingRule
from app.domain.groups import Eni, Group
from app.domain.judging.atoms import outermost
from app.domain.judging.matching import Match, is_readable, peer_match, speaks_of
from app.domain.judging.spans import EVERY_PORT, span
from app.domain.rules import Direction, GroupPeer, NicType, Peer, Policy, PrefixListPeer, Protocol
from app.domain.world import End, InterfaceEnd, World


class Line(NamedTuple):
    """One rule as numbers; `certain` says that the rule itself could be read whole.

    Ports, source ports and own addresses run from first to last, both included.
    """

    rank: tuple[int, bool]
    accept: bool
    certain: bool
    first: int
    last: int
    source_first: int
    source_last: int
    own_first: int
    own_last: int
    peer: Peer
    deciding: DecidingRule

    def covers_port(self, port: int, source_port: int) -> bool:
        return (
            self.first <= port <= self.last and self.source_first <= source_port <= self.source_last
        )


_Numbered: TypeAlias = tuple[int, Line, bool]
"""A line, with its place in the order of judgement, and whether it surely matches."""


class Bench:
    """Rules of an interface's groups in one direction, plane and family, in their order.

    A rule of the classic network guards one side only; in a VPC each guards both.
    `default` is what happens to a packet that none of them matches. `unread` says that a
    group which could not be read judges as well: it may hold any rule.
    """

    def __init__(
        self,
        world: World,
        eni: Eni,
        direction: Direction,
        plane: NicType,
        family: AddressFamily,
        *,
        parts: Iterable[Sequence[Line]],
    ) -> None:
        groups = groups_read(world, eni)
        self.group_ids = eni.group_ids
        self.default = default_of(groups, direction)
        self.unread = len(groups) < len(eni.group_ids)
        self.family = family
        self._plane = plane
        self._world = world
        self.lines = tuple(sorted((line for part in parts for line in part), key=_order))

    @cached_property
    def owns(self) -> tuple[Block, ...]:
        """Blocks that narrow rules to a part of their own group, each once."""
        owns = (line.deciding.held.rule.own for line in self.lines)
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

    def covering(self, protocol: Protocol) -> tuple[Line, ...]:
        """Return the lines that match packets of one protocol."""
        if protocol not in self._covering:
            self._covering[protocol] = tuple(
                line for line in self.lines if line.deciding.held.rule.protocol.covers(protocol)
            )
        return self._covering[protocol]

    @cached_property
    def _covering(self) -> dict[Protocol, tuple[Line, ...]]:
        return {}

    def matching(self, protocol: Protocol, own: Block, other: End) -> list[tuple[Line, bool]]:
        """Return the lines that match two ends, surely or perhaps, in order of judgement."""
        address = own.first
        if isinstance(other, InterfaceEnd):
            found = self._finder(protocol).of(other)
        else:
            found = list(self._compared(protocol, other))
        return [
            (line, surely) for line, surely in found if line.own_first <= address <= line.own_last
        ]

    def _compared(self, protocol: Protocol, other: End) -> Iterator[tuple[Line, bool]]:
        for line in self.covering(protocol):
            match = peer_match(self._world, line.peer, other, self._plane)
            if match is not Match.NO:
                yield line, line.certain and match is Match.YES

    def _finder(self, protocol: Protocol) -> "_Finder":
        if protocol not in self._finders:
            lists = self._world.prefix_lists
            self._finders[protocol] = _Finder(self.covering(protocol), lists, self.family)
        return self._finders[protocol]

    @cached_property
    def _finders(self) -> dict[Protocol, "_Finder"]:
        return {}


class _Finder:
    """Finds the lines whose peer is an interface: by address, by group, or one after another."""

    def __init__(
        self,
        lines: Sequence[Line],
        lists: Mapping[str, tuple[Block, ...]],
        family: AddressFamily,
    ) -> None:
        self._family = family
        self._singles: dict[int, list[_Numbered]] = {}
        self._by_group: dict[str, list[_Numbered]] = {}
        self._wide: list[tuple[int, int, _Numbered]] = []
        for number, line in enumerate(lines):
            found = (number, line, line.certain)
            match line.peer:
                case Block() as block:
                    self._add(found, (block,))
                case GroupPeer(group_id):
                    self._by_group.setdefault(group_id, []).append(found)
                case PrefixListPeer(prefix_list_id) if prefix_list_id in lists:
                    self._add(found, outermost(lists[prefix_list_id]))
                case PrefixListPeer():
                    self._wide.append((0, (1 << family.bits) - 1, (number, line, False)))

    def _add(self, found: _Numbered, blocks: Iterable[Block]) -> None:
        for block in blocks:
            if block.family is not self._family:
                continue
            if block.is_single:
                self._singles.setdefault(block.first, []).append(found)
            else:
                self._wide.append((block.first, block.last, found))

    @cached_property
    def _stretches(self) -> tuple[list[int], list[list[_Numbered]]]:
        """The wide lines that hold from each start of a stretch of addresses to the next."""
        starts = sorted({0, *(edge for first, last, _ in self._wide for edge in (first, last + 1))})
        held: list[list[_Numbered]] = [[] for _ in starts]
        for first, last, each in self._wide:
            for number in range(bisect_left(starts, first), bisect_left(starts, last + 1)):
                held[number].append(each)
        return starts, held

    def of(self, end: InterfaceEnd) -> list[tuple[Line, bool]]:
        """Return the lines in order of judgement, and whether each surely matches."""
        address = end.block.first
        starts, held = self._stretches
        found = list(held[bisect_right(starts, address) - 1])
        found += self._singles.get(address, ())
        if self._by_group:
            for group_id in end.eni.group_ids:
                found += self._by_group.get(group_id, ())
        if len(found) > 1:
            found.sort(key=_number)
        return [(line, surely) for _, line, surely in found]


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
            made = Bench(self._world, eni, direction, plane, family, parts=parts)
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
        """Return the lines of one group, in any order; benches of many interfaces share them.

        Source: ECS API, AuthorizeSecurityGroup, parameter NicType (in the classic network
        each side has its own rules; in a VPC every rule judges both).
        """
        if self._base is not None and group.group_id not in self._touched_groups:
            return self._base._lines_of(group, direction, plane, family, classic=classic)  # noqa: SLF001 - of its own kind
        key = (group.group_id, classic, direction, plane, family)
        if key not in self._lines:
            self._lines[key] = [
                _line(DecidingRule(group.ref, held), family)
                for held in group.rules
                if held.rule.direction is direction
                and (held.rule.nic_type is plane or not classic)
                and speaks_of(held.rule, family)
                and not (isinstance(held.rule.peer, GroupPeer) and plane is not NicType.INTRANET)
            ]
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
    rule = deciding.held.rule
    ports = span(rule.ports) if rule.protocol.has_ports else EVERY_PORT
    sources = span(rule.source_ports) if rule.protocol.has_ports else EVERY_PORT
    own = (0, (1 << family.bits) - 1)
    if rule.own is not None:
        own = (rule.own.first, rule.own.last)
    accept = rule.policy is Policy.ACCEPT
    certain = is_readable(rule)
    return Line(rule.rank, accept, certain, *ports, *sources, *own, rule.peer, deciding)


def groups_read(world: World, eni: Eni) -> list[Group]:
    """Return the groups of an interface that were read, by id."""
    return [world.groups[key] for key in sorted(eni.group_ids) if key in world.groups]


def default_of(groups: Sequence[Group], direction: Direction) -> Policy:
    """Return what happens where no rule matches; groups of one interface are of one kind.

    Source: ECS API, CreateSecurityGroup, parameter SecurityGroupType.
    """
    policies = {group.default(direction) for group in groups}
    return Policy.DROP if Policy.DROP in policies else Policy.ACCEPT


def _order(line: Line) -> tuple[tuple[int, bool], str, str]:
    return (line.rank, line.deciding.held.rule_id, line.deciding.group.group_id)


def _number(found: _Numbered) -> int:
    return found[0]
