"""A world on one plane and in one family: every interface's address is a bit."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import NamedTuple, TypeAlias

from app.domain.addresses import AddressFamily, Block
from app.domain.groups import Instance
from app.domain.judging.atoms import AddressLine, outermost
from app.domain.judging.benches import Bench, Benches, Line, by_protocol
from app.domain.judging.routes import share_network
from app.domain.judging.rows import Row, Told, row
from app.domain.judging.spans import bits
from app.domain.rules import Direction, GroupPeer, NicType, Peer, Policy, PrefixListPeer, Protocol
from app.domain.world import InterfaceEnd, World


@dataclass(frozen=True, slots=True)
class Kind:
    """Ends that the same rules judge, and that have a route to the same others.

    `bits` are their positions among the ends of the layer, `example` is one of them.
    """

    example: InterfaceEnd
    bits: int


class Matches(NamedTuple):
    """Ends that a peer stands for, surely or perhaps, as bits."""

    surely: int
    perhaps: int = 0


NO_MATCHES = Matches(0)
NOWHERE = (0, 0)


class Layer:
    """Ends of one plane and family in order of their addresses, with all that judges them."""

    def __init__(
        self, world: World, plane: NicType, family: AddressFamily, benches: Benches
    ) -> None:
        self.world, self.plane, self.family = world, plane, family
        self.benches = benches
        self.ends = tuple(sorted(world.ends(plane, family), key=_order))
        self.firsts = [end.block.first for end in self.ends]
        self.everyone = (1 << len(self.ends)) - 1
        self.members = _members(self.ends)
        self._rows: dict[Hashable, Row] = {}
        self._lists: dict[str, Matches] = {}
        self._near: dict[Hashable, int] = {}
        self._crowded: dict[tuple[int, int], int] = {}
        self._parts: dict[int, tuple[Sequence[Line], Sequence[Told]]] = {}
        self._asked: dict[int, int] = {}
        self._entries: dict[str, Sequence[Block]] = {}

    # --- ends ---------------------------------------------------------------------

    def ends_of(self, chosen: int) -> Iterator[InterfaceEnd]:
        """Return the ends at these positions, by address."""
        return (self.ends[position] for position in positions_of(chosen))

    def listed(self, peer: Peer) -> tuple[Block, ...]:
        """Return the blocks of a peer that is a block or a prefix list that was read."""
        match peer:
            case Block():
                return (peer,)
            case PrefixListPeer(prefix_list_id):
                return self.world.prefix_lists.get(prefix_list_id, ())
            case GroupPeer():
                return ()

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Ends of each instance, as bits, by its id."""
        found: dict[str, int] = {}
        for position, end in enumerate(self.ends):
            key = end.instance.instance_id
            found[key] = found.get(key, 0) | 1 << position
        return found

    @cached_property
    def addresses(self) -> list[int]:
        """Addresses of all ends as numbers, in order, each once: several may have one."""
        return sorted(set(self.firsts))

    @cached_property
    def _longest(self) -> int:
        return self.family.bits

    @cached_property
    def _places(self) -> Mapping[int, tuple[int, int]]:
        """For each address, where its ends begin, and how many bits they are: all ones."""
        found: dict[int, tuple[int, int]] = {}
        for position, first in enumerate(self.firsts):
            low, ones = found.get(first, (position, 0))
            found[first] = (low, ones << 1 | 1)
        return found

    @cached_property
    def is_single(self) -> bool:
        """Whether no instance has two ends here."""
        return len(self.positions) == len(self.ends)

    def inside(self, block: Block) -> int:
        """Return the ends in a block: neighbours, for ends are sorted by address."""
        if block.prefix_length == self._longest:
            low, ones = self._places.get(block.first, NOWHERE)
            return ones << low
        key = (block.first, block.prefix_length)
        found = self._crowded.get(key)
        if found is None:
            low = bisect_left(self.firsts, block.first)
            high = bisect_right(self.firsts, block.last, low)
            found = ((1 << (high - low)) - 1) << low
            if high - low > _SOME:
                self._crowded[key] = found
        return found

    @cached_property
    def kinds(self) -> tuple[Kind, ...]:
        """All ends, each in one kind."""
        return self.kinds_of(self.everyone)

    def kinds_among(self, chosen: int) -> Iterator[Kind]:
        """Return the kinds of which some ends are chosen, whole."""
        if chosen.bit_count() < _FEW:
            numbers = {self._kind_at[position]: None for position in positions_of(chosen)}
            return (self.kinds[number] for number in numbers)
        return (kind for kind in self.kinds if kind.bits & chosen)

    def guarded(self, direction: Direction) -> int:
        """Return the ends whose rules may stop a packet in a direction."""
        if direction not in self._guarded:
            self._guarded[direction] = union(
                kind.bits for kind in self.kinds if not self.bench(kind.example, direction).is_free
            )
        return self._guarded[direction]

    @cached_property
    def _guarded(self) -> dict[Direction, int]:
        return {}

    @cached_property
    def _kind_at(self) -> Sequence[int]:
        """The number of each end's kind."""
        found = [0] * len(self.ends)
        for number, kind in enumerate(self.kinds):
            for position in positions_of(kind.bits):
                found[position] = number
        return found

    def kinds_of(self, chosen: int) -> tuple[Kind, ...]:
        """Sort some ends by what judges them and where they have a route to."""
        alike: dict[Hashable, list[int]] = {}
        for position in positions_of(chosen):
            end = self.ends[position]
            key = (end.eni.group_ids, network(end.instance))
            alike.setdefault(key, []).append(position)
        return tuple(kind for found in alike.values() for kind in self._by_own(found))

    def _by_own(self, positions: Sequence[int]) -> Iterator[Kind]:
        """Tell apart those to which different rules apply, for some name their own addresses."""
        example = self.ends[positions[0]]
        owns = {own for way in Direction for own in self.bench(example, way).owns}
        if not owns or len(positions) == 1:
            yield Kind(example, _as_bits(positions))
            return
        marks = [((own,), 1 << number) for number, own in enumerate(owns)]
        line = AddressLine(self.family, marks)
        told: dict[int, list[int]] = {}
        for position in positions:
            told.setdefault(line.at(self.firsts[position]), []).append(position)
        for found in told.values():
            yield Kind(self.ends[found[0]], _as_bits(found))

    def near(self, end: InterfaceEnd) -> int:
        """Return the ends between which and `end` there is a route."""
        if self.plane is NicType.INTERNET:
            return self.everyone
        key = network(end.instance)
        if key not in self._near:
            self._near[key] = 0
            for example, ends in self._networks.values():
                if share_network(example, end.instance):
                    self._near[key] |= ends
        return self._near[key]

    @cached_property
    def _networks(self) -> dict[Hashable, tuple[Instance, int]]:
        positions: dict[Hashable, list[int]] = {}
        for position, end in enumerate(self.ends):
            positions.setdefault(network(end.instance), []).append(position)
        return {
            key: (self.ends[found[0]].instance, _as_bits(found)) for key, found in positions.items()
        }

    def inner(self, end: InterfaceEnd) -> Matches:
        """Return the ends that share a group whose members reach each other with `end`.

        `perhaps` are those that share a group which could not be read.

        Source: ECS API, ModifySecurityGroupPolicy.
        """
        if self.plane is not NicType.INTRANET:
            return NO_MATCHES
        surely = perhaps = 0
        for group_id in end.eni.group_ids:
            group = self.world.groups.get(group_id)
            if group is None:
                perhaps |= self.members[group_id]
            elif group.connects_members:
                surely |= self.members[group_id]
        near = self.near(end)
        return Matches(surely & near, perhaps & near)

    # --- judging ------------------------------------------------------------------

    def touched(
        self, groups: frozenset[str], instances: frozenset[str], lists: frozenset[str]
    ) -> int:
        """Return the ends that changes of these groups, instances and lists can concern."""
        holders = groups | {
            group_id
            for group_id, group in (self.world.groups.items() if lists else ())
            for held in group.rules
            if isinstance(held.rule.peer, PrefixListPeer) and held.rule.peer.prefix_list_id in lists
        }
        return union(self.members.get(each, 0) for each in holders) | union(
            self.positions.get(each, 0) for each in instances
        )

    def bench(self, end: InterfaceEnd, direction: Direction) -> Bench:
        return self.benches.of(end, direction, self.plane)

    def matches(self, peer: Peer) -> tuple[int, int]:
        """Return the ends that a rule's peer stands for, surely and perhaps."""
        match peer:
            case Block():
                return self.inside(peer), 0
            case GroupPeer(group_id):
                return self.members.get(group_id, 0), 0
            case PrefixListPeer(prefix_list_id):
                if prefix_list_id not in self._lists:
                    self._lists[prefix_list_id] = self._listed(prefix_list_id)
                return self._lists[prefix_list_id]

    def teller(self, peer: Peer) -> "Layer":  # noqa: ARG002 - a changed layer looks at it
        """Return the layer that this one says the same as of a peer; itself, if no other."""
        return self

    def _listed(self, prefix_list_id: str) -> Matches:
        if prefix_list_id not in self.world.prefix_lists:
            return Matches(0, self.everyone)
        return Matches(union(self.inside(block) for block in self.entries(prefix_list_id)))

    def entries(self, prefix_list_id: str) -> Sequence[Block]:
        """Return the outermost blocks of a prefix list in this family; of an unread one, none."""
        if prefix_list_id not in self._entries:
            entries = self.world.prefix_lists.get(prefix_list_id, ())
            blocks = tuple(each for each in outermost(entries) if each.family is self.family)
            self._entries[prefix_list_id] = blocks
        return self._entries[prefix_list_id]

    def row(self, kind: Kind, direction: Direction, protocol: Protocol) -> Row:
        """Return what the rules of a kind say to every end that it has a route to."""
        end = kind.example
        bench = self.bench(end, direction)
        spoken = bench.spoken(protocol)
        own = end.block.first if bench.owns else 0
        key = (bench, spoken, network(end.instance), own)
        made = self._rows.get(key)
        if made is None:
            near = self.near(end)
            made = self._rows[key] = row_of(bench, self._told(bench, end, spoken), near)
        return made

    def _told(self, bench: Bench, end: InterfaceEnd, spoken: Protocol) -> Sequence[Told]:
        """Return what the lines of a protocol say; those of the bench asked last are at hand."""
        asked = (bench, end.block.first if bench.owns else 0)
        if self._last[0] != asked:
            told = self._told_by_all(bench, end)
            self._last = (asked, by_protocol(told, [line.protocol for line, _, _ in told]))
        told_by = self._last[1]
        return told_by.get(spoken) or told_by[Protocol.ALL]

    _last: tuple[Hashable, Mapping[Protocol, Sequence[Told]]] = (None, {})

    def _told_by_all(self, bench: Bench, end: InterfaceEnd) -> Sequence[Told]:
        """Return what all lines of a bench say; groups whose lines hold for all members of
        theirs say the same wherever they judge, so that of those asked often it is kept.
        """
        for lines in bench.parts:
            self._asked[id(lines)] = self._asked.get(id(lines), 0) + 1
        if bench.owns or all(self._asked[id(lines)] < _OFTEN for lines in bench.parts):
            return told_to_all(bench.lines, end, self.matches)
        parts = [self._told_by(lines, end) for lines in bench.parts]
        return parts[0] if len(parts) == 1 else sorted(chain.from_iterable(parts), key=_told_order)

    def _told_by(self, lines: Sequence[Line], end: InterfaceEnd) -> Sequence[Told]:
        """Return what the lines of one group say, kept together with the lines: by their id."""
        if id(lines) not in self._parts:
            self._parts[id(lines)] = (lines, told_to_all(lines, end, self.matches))
        return self._parts[id(lines)][1]

    def naming(self, group_id: str, direction: Direction) -> int:
        """Return the ends that a rule of this direction judges by naming `group_id`."""
        return self._naming.get((group_id, direction), 0)

    @cached_property
    def _naming(self) -> Mapping[tuple[str, Direction], int]:
        found: dict[tuple[str, Direction], int] = {}
        for group_id, group in self.world.groups.items():
            members = self.members.get(group_id, 0)
            for held in group.rules if members else ():
                if isinstance(held.rule.peer, GroupPeer):
                    key = (held.rule.peer.group_id, held.rule.direction)
                    found[key] = found.get(key, 0) | members
        return found

    # --- another world ----------------------------------------------------------------

    def after(
        self,
        world: World,
        *,
        groups: frozenset[str],
        instances: frozenset[str],
        lists: frozenset[str],
    ) -> "Layer":
        """Return the layer of a world with the same ends, where only these differ.

        What does not depend on them is shared, so that this takes little time.
        """
        return _Changed(self, world, groups, instances, lists)


def row_of(bench: Bench, told: Sequence[Told], scope: int) -> Row:
    """Return what a bench says to the ends in `scope`."""
    return row(told, scope, default=bench.default is Policy.ACCEPT, unread=bench.unread)


def told_of(
    lines: Iterable[Line], own: InterfaceEnd, matches: "MatchesOf", scope: int
) -> list[Told]:
    """Return what lines say at one end to those in `scope`, which `matches` finds for a peer."""
    return [
        (line, found & scope, needs)
        for line, found, needs in told_to_all(lines, own, matches)
        if found & scope
    ]


def _told_order(told: Told) -> tuple[tuple[int, bool], str, str]:
    return told[0].order


def told_to_all(lines: Iterable[Line], own: InterfaceEnd, matches: "MatchesOf") -> list[Told]:
    """Return what lines say at one end, to whomever."""
    address = own.block.first
    told: list[Told] = []
    for line in lines:
        if line.own_first <= address <= line.own_last:
            surely, perhaps = matches(line.peer)
            if surely:
                told.append((line, surely, line.needs))
            if perhaps:
                told.append((line, perhaps, line.needs_with_peer))
    return told


class Layers:
    """All layers of a world, each made when it is first asked for."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._benches = Benches(world)
        self._made: dict[tuple[NicType, AddressFamily], Layer] = {}

    def of(self, plane: NicType, family: AddressFamily) -> Layer:
        key = (plane, family)
        if key not in self._made:
            self._made[key] = Layer(self.world, plane, family, self._benches)
        return self._made[key]


class _Changed(Layer):
    """A layer that differs from another one in little, and asks that one for the rest."""

    def __init__(
        self,
        base: Layer,
        world: World,
        groups: frozenset[str],
        instances: frozenset[str],
        lists: frozenset[str],
    ) -> None:
        self.world, self.plane, self.family = world, base.plane, base.family
        self.benches = base.benches.after(world, groups, lists)
        self.positions, self.is_single = base.positions, base.is_single
        self.addresses, self._places = base.addresses, base._places  # noqa: SLF001 - of its own kind
        self._crowded = base._crowded  # noqa: SLF001 - of its own kind
        self._base, self._rows, self._lists, self._parts, self._asked = base, {}, {}, {}, {}
        self._entries = {}
        self.firsts, self.everyone = base.firsts, base.everyone
        self.ends, self.members = base.ends, base.members
        self._touched_groups, self._relisted = groups, lists
        self._renamed: frozenset[str] = frozenset()
        moved = union(base.positions.get(each, 0) for each in instances)
        if moved:
            self._move(moved)

    def _move(self, moved: int) -> None:
        ends, members = list(self.ends), dict(self.members)
        renamed: set[str] = set()
        for position in positions_of(moved):
            old, bit = ends[position], 1 << position
            new = ends[position] = _same_end(self.world, old)
            for group_id in old.eni.group_ids - new.eni.group_ids:
                members[group_id] &= ~bit
            for group_id in new.eni.group_ids - old.eni.group_ids:
                members[group_id] = members.get(group_id, 0) | bit
            renamed |= old.eni.group_ids ^ new.eni.group_ids
        self.ends, self.members = tuple(ends), members
        self._renamed = frozenset(renamed)

    def near(self, end: InterfaceEnd) -> int:
        return self._base.near(end)

    def teller(self, peer: Peer) -> Layer:
        match peer:
            case GroupPeer(group_id) if group_id in self._renamed:
                return self
            case PrefixListPeer(prefix_list_id) if prefix_list_id in self._relisted:
                return self
            case _:
                return self._base

    def _listed(self, prefix_list_id: str) -> Matches:
        if prefix_list_id in self._relisted:
            return super()._listed(prefix_list_id)
        surely, perhaps = self._base.matches(PrefixListPeer(prefix_list_id))
        return Matches(surely, perhaps)

    def _is_as_before(self, kind: Kind) -> bool:
        """Whether nothing that changed can be named by what judges this kind; a quick look."""
        return not (self._renamed or self._relisted) and kind.example.eni.group_ids.isdisjoint(
            self._touched_groups
        )

    def row(self, kind: Kind, direction: Direction, protocol: Protocol) -> Row:
        if self._is_as_before(kind):
            return self._base.row(kind, direction, protocol)
        bench = self.bench(kind.example, direction)
        if bench.named.isdisjoint(self._renamed) and self.benches.shares(bench):
            return self._base.row(kind, direction, protocol)
        return super().row(kind, direction, protocol)


MatchesOf: TypeAlias = Callable[[Peer], tuple[int, int]]
"""Finds the ends that a peer stands for, surely and perhaps."""


def network(instance: Instance) -> Hashable:
    """Return all that routes depend on."""
    place = instance.place
    return (place.account_id, place.region_id, instance.vpc_id, instance.classic_link_vpc_id)


def positions_of(mask: int) -> list[int]:
    """Return the positions of the bits that are set, lowest first."""
    if mask.bit_count() < _FEW:
        return list(bits(mask))
    return [position for position, digit in enumerate(reversed(f"{mask:b}")) if digit == "1"]


_FEW = 256
"""Up to so many bits are faster taken one by one."""

_OFTEN = 4
"""What a group says to all is kept when asked this often: before, keeping costs more."""

_SOME = 64
"""Blocks of more ends than these are few, named often, and worth keeping."""


def split(whole: int, masks: Iterable[int]) -> list[int]:
    """Split a set of ends so that each mask holds all of a part, or nothing of it."""
    parts = [whole]
    for mask in masks:
        parts = [piece for part in parts for piece in (part & mask, part & ~mask) if piece]
    return parts


def union(masks: Iterable[int]) -> int:
    found = 0
    for mask in masks:
        found |= mask
    return found


def _as_bits(positions: Iterable[int]) -> int:
    return union(1 << position for position in positions)


def _members(ends: Sequence[InterfaceEnd]) -> Mapping[str, int]:
    positions: dict[str, list[int]] = {}
    for position, end in enumerate(ends):
        for group_id in end.eni.group_ids:
            positions.setdefault(group_id, []).append(position)
    return {group_id: _as_bits(found) for group_id, found in positions.items()}


def _order(end: InterfaceEnd) -> tuple[int, str, str]:
    return (end.block.first, end.instance.instance_id, end.eni.eni_id)


def _same_end(world: World, old: InterfaceEnd) -> InterfaceEnd:
    instance = world.instances[old.instance.instance_id]
    eni = next(each for each in instance.enis if each.eni_id == old.eni.eni_id)
    return InterfaceEnd(instance, eni, old.block)
