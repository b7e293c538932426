"""Everybody whom the rules of some interfaces can tell apart, as bits."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from app.domain.addresses import AddressFamily, Block
from app.domain.groups import GroupRef
from app.domain.judging.atoms import Stretch, covering, without
from app.domain.judging.layers import Layer, positions_of, union
from app.domain.rules import GroupPeer, NicType, Peer, PrefixListPeer
from app.domain.world import AddressEnd, End, GroupEnd


@dataclass(frozen=True)
class Crowd:
    """Ends as bits of a layer, with bare addresses or unread groups beside them.

    How many blocks the addresses are is worked out when it is asked for: without the
    addresses of known interfaces there may be thousands.
    """

    layer: Layer
    around: "Surroundings"
    chosen: int

    @property
    def bits(self) -> int:
        """The chosen ends of the layer."""
        return self.chosen & self.layer.everyone

    @property
    def is_several(self) -> bool:
        """Whether there are others than the ends of one instance."""
        if self.chosen != self.bits:
            return True
        first = next(self.layer.ends_of(self.bits & -self.bits))
        return bool(self.bits & ~self.layer.positions[first.instance.instance_id])

    @cached_property
    def rest(self) -> tuple[End, ...]:
        """The chosen addresses in few blocks, then the chosen groups."""
        if self.chosen == self.bits:
            return ()
        return self.around.rest(self.chosen & ~self.bits, self.layer.addresses)

    def __len__(self) -> int:
        return self.bits.bit_count() + len(self.rest)

    def __iter__(self) -> Iterator[End]:
        ends = self.layer.ends
        for position in positions_of(self.bits):
            yield ends[position]
        yield from self.rest


class Surroundings:
    """The ends of a layer, all addresses between the cuts of some blocks, and some groups.

    The bits of the ends come first, then one for each stretch of addresses that no block of
    `blocks` tells apart, then those of `groups`, which nobody could read. Of groups in
    `known` no bare address is a member. A member of a group that could not be read may have
    any address: behind all others come the bits of its places, a stretch each.
    """

    def __init__(
        self,
        layer: Layer,
        blocks: Iterable[Block],
        groups: Sequence[GroupRef],
        known: frozenset[str],
    ) -> None:
        family: AddressFamily = layer.family
        self._family, self._plane, self._world = family, layer.plane, layer.world
        starts = {0}
        for block in blocks:
            if block.family is family:
                starts.add(block.first)
                starts.add(block.last + 1)
        self._starts = sorted(start for start in starts if start < 1 << family.bits)
        self.groups, self._known = groups, known
        self._matches: dict[tuple[int, int], tuple[int, int]] = {}
        self._kept: list[Peer] = []
        self._addresses_at = len(layer.ends)
        self._groups_at = self._addresses_at + len(self._starts)
        self._places_at = self._groups_at + len(groups)
        self.addresses = ((1 << len(self._starts)) - 1) << self._addresses_at
        self.unread = ((1 << len(groups)) - 1) << self._groups_at
        self.everyone = layer.everyone | self.addresses | self.unread

    def matches(self, layer: Layer, peer: Peer) -> tuple[int, int]:
        """Return everybody, and all places, that a peer stands for, surely and perhaps.

        Layers of the same ends, that differ in little, say the same of most peers.
        """
        key = (0 if isinstance(peer, Block) else id(layer.teller(peer)), id(peer))
        found = self._matches.get(key)
        if found is None:
            self._kept.append(peer)
            found = self._matches[key] = self._match(layer, peer)
        return found

    def _match(self, layer: Layer, peer: Peer) -> tuple[int, int]:
        if isinstance(peer, Block) and not self.groups:
            return layer.inside(peer) | self.inside(peer), 0
        surely, perhaps = layer.matches(peer)
        addresses = self._addresses_of(layer, peer)
        surely |= addresses
        perhaps |= self._addresses_perhaps(layer, peer)
        for number, ref in enumerate(self.groups):
            shift = self._shift(number)
            if isinstance(peer, GroupPeer) and peer.group_id == ref.group_id:
                surely |= self.addresses << shift
            elif isinstance(peer, GroupPeer) or self._is_lost(layer, peer):
                perhaps |= self.addresses << shift
            else:
                surely |= addresses << shift
        return surely, perhaps

    def _is_lost(self, layer: Layer, peer: Peer) -> bool:
        return (
            isinstance(peer, PrefixListPeer) and peer.prefix_list_id not in layer.world.prefix_lists
        )

    def _shift(self, number: int) -> int:
        """Return how far the places of a group are from the addresses."""
        return self._places_at + number * len(self._starts) - self._addresses_at

    def with_places(self, chosen: int) -> int:
        """Return the chosen, and all places of the chosen groups."""
        for number in range(len(self.groups)):
            if chosen >> (self._groups_at + number) & 1:
                chosen |= self.addresses << self._shift(number)
        return chosen

    def folded(self, chosen: int) -> int:
        """Return the chosen, with a group in place of any of its places."""
        for number in range(len(self.groups)):
            if chosen & self.addresses << self._shift(number):
                chosen |= 1 << (self._groups_at + number)
        return chosen & self.everyone

    def _addresses_of(self, layer: Layer, peer: Peer) -> int:
        match peer:
            case Block():
                return self.inside(peer)
            case PrefixListPeer(prefix_list_id):
                entries = layer.teller(peer).entries(prefix_list_id)
                return union(self.inside(each) for each in entries)
            case _:
                return 0

    def _addresses_perhaps(self, layer: Layer, peer: Peer) -> int:
        match peer:
            case GroupPeer(group_id):
                private = self._plane is NicType.INTRANET
                return self.addresses if private and group_id not in self._known else 0
            case PrefixListPeer():
                return self.addresses if self._is_lost(layer, peer) else 0
            case _:
                return 0

    def inside(self, block: Block) -> int:
        """Return the stretches of addresses in a block at whose ends there are cuts."""
        low = bisect_left(self._starts, block.first)
        high = bisect_left(self._starts, block.last + 1)
        return ((1 << (high - low)) - 1) << (low + self._addresses_at)

    def group_bits(self, refs: frozenset[GroupRef]) -> int:
        return union(
            1 << position
            for position, ref in enumerate(self.groups, self._groups_at)
            if ref in refs
        )

    def without_taken(self, chosen: int, taken: list[int]) -> int:
        """Return the chosen but for stretches of which every address is taken."""
        kept = chosen
        ends = [*self._starts[1:], 1 << self._family.bits]
        for position in positions_of((chosen & self.addresses) >> self._addresses_at):
            first, last = self._starts[position], ends[position] - 1
            if last - first < len(taken):
                found = bisect_right(taken, last) - bisect_left(taken, first)
                if found == last - first + 1:
                    kept &= ~(1 << (position + self._addresses_at))
        return kept

    def example(self, chosen: int) -> AddressEnd | GroupEnd:
        """Return one of those chosen that are not ends of the layer."""
        position = (chosen & -chosen).bit_length() - 1
        if position >= self._groups_at:
            return GroupEnd(self.groups[position - self._groups_at], self._family)
        first = self._starts[position - self._addresses_at]
        return AddressEnd(Block(self._family, first, self._family.bits))

    def rest(self, chosen: int, taken: list[int]) -> tuple[End, ...]:
        """Return the chosen addresses, in few blocks and without those `taken`, and groups."""
        stretches = list(self._stretches(chosen & self.addresses))
        blocks = (
            AddressEnd(block)
            for stretch in stretches
            for part in without(stretch, taken)
            for block in covering(self._family, part)
        )
        chosen_groups = positions_of((chosen & self.unread) >> self._groups_at)
        refs = (GroupEnd(self.groups[position], self._family) for position in chosen_groups)
        return (*blocks, *refs)

    def _stretches(self, chosen: int) -> Iterator[Stretch]:
        ends = [*self._starts[1:], 1 << self._family.bits]
        run: Stretch | None = None
        for position in positions_of(chosen >> self._addresses_at):
            first, last = self._starts[position], ends[position] - 1
            if run is not None and run[1] + 1 == first:
                run = (run[0], last)
                continue
            if run is not None:
                yield run
            run = (first, last)
        if run is not None:
            yield run
