"""What changes between two layers: the ends that are touched, against everybody."""

from collections.abc import Hashable, Iterator, Mapping, Sequence

from app.domain.addresses import Block
from app.domain.flows import Flow, Traffic
from app.domain.judging.judges import OPPOSITE, Change, Judges
from app.domain.judging.layers import Layer, positions_of, split, union
from app.domain.judging.patches import Patch, identity
from app.domain.judging.shifts import Cell, Shift, Tag, shifts
from app.domain.judging.surroundings import Crowd, Surroundings
from app.domain.judging.turns import Turn, Turns
from app.domain.judging.wishes import Name, Wishes
from app.domain.rules import Direction, Protocol
from app.domain.world import AddressEnd, End, GroupEnd


class Comparison:
    """Compares two layers of the same ends, which differ in the touched ones only.

    A pair is judged where one of its ends is touched: as the target of everybody, then as
    the source of all who are not touched themselves.
    """

    def __init__(self, before: Layer, after: Layer, *, touched: int, asked: Sequence[Flow]) -> None:
        self._before, self._after = before, after
        self._turns = Turns(before, after, touched)
        self._moved = union(turn.bits for turn in self._turns.moved)
        self._wishes = Wishes(asked, after.plane, after.family)
        self._shifts: dict[Hashable, tuple[Shift, ...]] = {}

    def patches(self) -> Iterator[Patch]:
        """Return everything that changes; no pair of ends is in two patches of one sort."""
        if not self._turns.moved:
            return
        around = self._surroundings()
        for turn in self._turns.moved:
            for way in (Direction.INGRESS, Direction.EGRESS):
                yield from self._role(turn, way, around)

    # --- who may matter to them -----------------------------------------------------

    def _surroundings(self) -> Surroundings:
        blocks = list(self._wishes.blocks)
        first, last = self._turns.ports
        turns = [(turn, way) for turn in self._turns.moved for way in Direction]
        benches = dict.fromkeys(self._turns.benches(turn, way)[1] for turn, way in turns)
        for bench in benches:
            for line in bench.lines:
                if line.first <= last and first <= line.last:
                    blocks.extend(self._after.listed(line.peer))
        for turn, way in turns:
            for line in self._turns.changed_lines(turn, way):
                blocks.extend(self._before.listed(line.peer))
        worlds = (self._before.world, self._after.world)
        unread = {ref.group_id for world in worlds for ref in world.unread}
        known = worlds[0].complete | worlds[1].complete | unread
        return Surroundings(self._after, blocks, self._turns.unread_groups(), known)

    def _scope(self, turn: Turn, direction: Direction, around: Surroundings) -> int:
        """Return everybody to whom a packet through the `direction` side may fare otherwise."""
        turns = self._turns
        if turns.falls_back(turn, direction):
            scope = around.everyone
        else:
            scope = union(
                around.folded(union(around.matches(layer, line.peer)))
                for line in turns.changed_lines(turn, direction)
                for layer in (self._before, self._after)
            )
        old = self._before.inner(turn.before.example)
        new = self._after.inner(turn.after.example)
        scope |= (old.surely ^ new.surely) | (old.perhaps ^ new.perhaps)
        other = OPPOSITE[direction]
        for group_id in turns.renamed(turn):
            scope |= self._before.naming(group_id, other)
        scope |= around.group_bits(turns.named_anew(turn) | turns.named_no_more(turn))
        if direction is Direction.INGRESS:
            for each in turns.moved:
                if turns.is_changed(each, other) or turns.renamed(each):
                    scope |= each.bits
        else:
            scope &= ~self._moved
        near = self._after.near(turn.after.example)
        return scope & (near | around.addresses | around.unread)

    # --- one role -------------------------------------------------------------------

    def _role(self, turn: Turn, direction: Direction, around: Surroundings) -> Iterator[Patch]:
        """Return what changes for packets that go through this side of the turn's ends."""
        scope = self._scope(turn, direction, around)
        if not scope:
            return
        layers = {"before": self._before, "after": self._after}
        judges = Judges(turn, direction, scope, self._turns, around, **layers)
        for part in judges.parts():
            yield from self._patches_of(part, judges, around)

    def _patches_of(self, part: int, judges: Judges, around: Surroundings) -> Iterator[Patch]:
        changes = {protocol: judges.changes(part, protocol) for protocol in judges.protocols}
        masks = dict.fromkeys(mask for found in changes.values() for *_, mask in found)
        others = around.without_taken(union(masks), self._after.addresses)
        if not others:
            return
        for own in split(part, self.wish_masks(around)):
            cuts = [*masks, *self.wish_masks(around)]
            for other in split(others, cuts):
                yield from self._pair(own, other, changes, judges, around)

    def _pair(
        self,
        own: int,
        other: int,
        changes: Mapping[Protocol, Sequence[Change]],
        judges: Judges,
        around: Surroundings,
    ) -> Iterator[Patch]:
        ingress = judges.direction is Direction.INGRESS
        source, target = (other, own) if ingress else (own, other)
        wish = self._wishes.between(self._names(source, around), self._names(target, around))
        cells: dict[Protocol, list[Cell]] = {
            protocol: [
                (ports, sources, Tag(opens, certain))
                for ports, sources, opens, certain, mask in found
                if mask & other
            ]
            for protocol, found in changes.items()
        }
        found = self._shifts_of(cells, wish.traffics)
        crowds = (Crowd(self._after, around, source), Crowd(self._after, around, target))
        if not _are_two(*crowds):
            return
        for opens in (True, False):
            some = tuple(shift for shift in found if shift.tag.opens is opens)
            if some:
                yield Patch(*crowds, some, wish.at_all)

    def _shifts_of(
        self, cells: Mapping[Protocol, Sequence[Cell]], asked: frozenset[Traffic]
    ) -> tuple[Shift, ...]:
        key = (tuple((protocol, tuple(found)) for protocol, found in cells.items()), asked)
        if key not in self._shifts:
            self._shifts[key] = shifts(cells, self._after.family, asked)
        return self._shifts[key]

    # --- what was asked for -----------------------------------------------------------

    def wish_masks(self, around: Surroundings) -> Sequence[int]:
        """Return the ends that have one part in the request, for each part there is."""
        if self._wish_masks is None:
            self._wish_masks = tuple(self._find_wish_masks(around))
        return self._wish_masks

    _wish_masks: Sequence[int] | None = None

    def _find_wish_masks(self, around: Surroundings) -> Iterator[int]:
        if not self._wishes.is_any:
            return
        parts: dict[Hashable, int] = {}
        layer = self._after
        asked = union(around.inside(block) | layer.inside(block) for block in self._wishes.blocks)
        for instance_id in self._wishes.instance_ids:
            asked |= layer.positions.get(instance_id, 0)
        for group_id in self._wishes.group_ids:
            asked |= layer.members.get(group_id, 0)
        asked |= around.unread
        for position in positions_of(asked):
            names = self._names(1 << position, around)
            if names:
                part = self._wishes.part(names)
                parts[part] = parts.get(part, 0) | 1 << position
        yield from parts.values()

    def _names(self, chosen: int, around: Surroundings) -> tuple[Name, ...]:
        """Return the names by which the request may mean the chosen, who have the same ones."""
        if not self._wishes.is_any:
            return ()
        bits = chosen & self._after.everyone
        if not bits:
            end: End = around.example(chosen)
        else:
            end = self._after.ends[(bits & -bits).bit_length() - 1]
        blocks: tuple[Block, ...] = ()
        if not isinstance(end, GroupEnd):
            blocks = tuple(block for block in self._wishes.blocks if end.block.within(block))
        if isinstance(end, AddressEnd):
            return blocks
        return self._wishes.names(end, blocks)


def _are_two(one: Crowd, other: Crowd) -> bool:
    """Whether two crowds are more than the ends of one and the same instance."""
    if one.is_several or other.is_several:
        return True
    both = (next(iter(crowd)) for crowd in (one, other))
    return len({identity(end) for end in both}) == 2
