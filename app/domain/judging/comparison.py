"""What changes between two layers: the ends that are touched, against everybody."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple, TypeAlias

from app.domain.addresses import AddressFamily, Block
from app.domain.flows import Flow, Traffic
from app.domain.groups import GroupRef
from app.domain.judging.benches import Bench, Line
from app.domain.judging.layers import Kind, Layer, positions_of, row_of, told_of, union
from app.domain.judging.matching import Needs
from app.domain.judging.rows import Fate, Listed, Row, cases
from app.domain.judging.shifts import Cell, Shift, Tag, shifts
from app.domain.judging.spans import EVERY_PORT, Span, stretches
from app.domain.judging.surroundings import Crowd, Surroundings
from app.domain.judging.wishes import Name, Wishes
from app.domain.rules import Direction, GroupPeer, NicType, Protocol
from app.domain.world import AddressEnd, End, GroupEnd, InterfaceEnd

OPPOSITE = {Direction.EGRESS: Direction.INGRESS, Direction.INGRESS: Direction.EGRESS}


@dataclass(frozen=True)
class Patch:
    """Every source to every target, but for an instance to itself: all change alike.

    `shifts` all open, or all close. `wanted` says that something was asked for between
    these ends, whatever it was.
    """

    sources: Crowd
    targets: Crowd
    shifts: tuple[Shift, ...]
    wanted: bool

    @property
    def plane(self) -> NicType:
        return self.sources.layer.plane

    @property
    def family(self) -> AddressFamily:
        return self.sources.layer.family

    @property
    def opens(self) -> bool:
        return self.shifts[0].tag.opens

    @cached_property
    def pairs(self) -> int:
        """Number of pairs of two different instances, addresses or groups."""
        sources, targets, layer = self.sources, self.targets, self.sources.layer
        few, many = sorted((sources.bits, targets.bits), key=int.bit_count)
        selves = sum(
            (layer.positions[end.instance.instance_id] & many).bit_count()
            for end in layer.ends_of(few)
        )
        return len(sources) * len(targets) - selves


def identity(end: End) -> Hashable:
    """Return the instance, block or group that an end is of."""
    match end:
        case InterfaceEnd(instance):
            return instance.instance_id
        case AddressEnd(block):
            return block
        case GroupEnd(ref):
            return ref


class Turn(NamedTuple):
    """Touched ends that one and the same rules judged before, and judge after."""

    before: Kind
    after: Kind

    @property
    def bits(self) -> int:
        return self.after.bits


class _Other(NamedTuple):
    """Ends on whose own side the packets of a part fare alike, before and after."""

    bits: int
    before: Row
    after: Row


_Change: TypeAlias = tuple[Span, Span, bool, bool, int]
"""Ports, source ports, whether they open, whether that is certain, and for which ends."""


class Comparison:
    """Compares two layers of the same ends, which differ in the touched ones only.

    A pair is judged where one of its ends is touched: as the target of everybody, then as
    the source of all who are not touched themselves.
    """

    def __init__(self, before: Layer, after: Layer, *, touched: int, asked: Sequence[Flow]) -> None:
        self._before, self._after, self._touched = before, after, touched
        self._moved = 0
        self._changed: dict[tuple[int, Direction], list[Line]] = {}
        self._wishes = Wishes(asked, after.plane, after.family)
        self._shifts: dict[Hashable, tuple[Shift, ...]] = {}

    def patches(self) -> Iterator[Patch]:
        """Return everything that changes; no pair of ends is in two patches of one sort."""
        turns = [turn for turn in self._turns() if self._is_moved(turn)]
        self._moved = union(turn.bits for turn in turns)
        self._protocols = self._protocols_of(turns)
        surroundings = self._surroundings(turns)
        for turn in turns:
            yield from self._role(turn, Direction.INGRESS, turns, surroundings)
            yield from self._role(turn, Direction.EGRESS, turns, surroundings)

    # --- who is touched -------------------------------------------------------------

    def _turns(self) -> Iterator[Turn]:
        for old in self._before.kinds_of(self._touched):
            for new in self._after.kinds_of(old.bits):
                position = (new.bits & -new.bits).bit_length() - 1
                yield Turn(Kind(self._before.ends[position], new.bits), new)

    def _is_moved(self, turn: Turn) -> bool:
        return self._stands_anew(turn) or any(self._changed_lines(turn, way) for way in Direction)

    def _stands_anew(self, turn: Turn) -> bool:
        """Say whether more than rules changed, so that every protocol may fare otherwise."""
        return bool(
            any(self._falls_back(turn, way) for way in Direction)
            or self._renamed(turn)
            or self._before.inner(turn.before.example) != self._after.inner(turn.after.example)
        )

    def _protocols_of(self, turns: Sequence[Turn]) -> Sequence[Protocol]:
        """Return the protocols whose packets may fare otherwise."""
        every = Protocol.ALL.concrete(self._after.family)
        if any(self._stands_anew(turn) for turn in turns):
            return every
        spoken = {
            line.deciding.held.rule.protocol
            for turn in turns
            for way in Direction
            for line in self._changed_lines(turn, way)
        }
        return [each for each in every if each in spoken or Protocol.ALL in spoken]

    def _is_changed(self, turn: Turn, direction: Direction) -> bool:
        return self._falls_back(turn, direction) or bool(self._changed_lines(turn, direction))

    def _benches(self, turn: Turn, direction: Direction) -> tuple[Bench, Bench]:
        return (
            self._before.bench(turn.before.example, direction),
            self._after.bench(turn.after.example, direction),
        )

    def _changed_lines(self, turn: Turn, direction: Direction) -> list[Line]:
        """Return the lines that hold before or after, but not both times."""
        key = (turn.bits, direction)
        if key not in self._changed:
            old, new = self._benches(turn, direction)
            changed = _unlike(old.lines, new.lines)
            if self._before.world.prefix_lists is not self._after.world.prefix_lists:
                changed += [line for line in new.lines if self._relisted(line)]
            address = turn.after.example.block.first
            self._changed[key] = [
                line for line in changed if line.own_first <= address <= line.own_last
            ]
        return self._changed[key]

    def _relisted(self, line: Line) -> bool:
        return self._before.matches(line.peer) != self._after.matches(line.peer) or (
            self._before.listed(line.peer) != self._after.listed(line.peer)
        )

    def _falls_back(self, turn: Turn, direction: Direction) -> bool:
        """Say whether packets that no rule matches fare otherwise than before."""
        old, new = self._benches(turn, direction)
        return (old.default, old.unread) != (new.default, new.unread)

    def _renamed(self, turn: Turn) -> frozenset[str]:
        """Return the groups that these ends have joined or left."""
        return turn.before.example.eni.group_ids ^ turn.after.example.eni.group_ids

    # --- who may matter to them -----------------------------------------------------

    def _surroundings(self, turns: Sequence[Turn]) -> Surroundings:
        blocks = list(self._wishes.blocks)
        benches = {
            bench: layer
            for turn in turns
            for way in Direction
            for layer, bench in zip(
                (self._before, self._after), self._benches(turn, way), strict=True
            )
        }
        for bench, layer in benches.items():
            for line in bench.lines:
                blocks.extend(layer.listed(line.peer))
        worlds = (self._before.world, self._after.world)
        unread = {ref.group_id for world in worlds for ref in world.unread}
        known = worlds[0].complete | worlds[1].complete | unread
        return Surroundings(self._after, blocks, self._unread_groups(turns), known)

    def _unread_groups(self, turns: Sequence[Turn]) -> list[GroupRef]:
        """Return groups nobody could read that a changed rule names, or that name one joined."""
        if self._after.plane is not NicType.INTRANET:
            return []
        lines = (
            line for turn in turns for way in Direction for line in self._changed_lines(turn, way)
        )
        named = {
            GroupRef(line.peer.group_id, line.peer.account_id)
            for line in lines
            if isinstance(line.peer, GroupPeer)
        }
        refs = named & (self._before.world.unread | self._after.world.unread)
        for turn in turns:
            refs |= self._named_anew(turn) | self._named_no_more(turn)
        return sorted(refs)

    def _named_anew(self, turn: Turn) -> frozenset[GroupRef]:
        old, new = turn.before.example.eni.group_ids, turn.after.example.eni.group_ids
        return self._naming_unread(new - old)

    def _named_no_more(self, turn: Turn) -> frozenset[GroupRef]:
        old, new = turn.before.example.eni.group_ids, turn.after.example.eni.group_ids
        return self._naming_unread(old - new)

    def _naming_unread(self, group_ids: Iterable[str]) -> frozenset[GroupRef]:
        """Groups nobody could read that name one of these; rules name private addresses."""
        if self._after.plane is not NicType.INTRANET:
            return frozenset()
        return frozenset(
            ref
            for world in (self._before.world, self._after.world)
            for group_id in group_ids
            for ref in world.references.get(group_id, frozenset()) & world.unread
        )

    def _scope(
        self, turn: Turn, direction: Direction, turns: Sequence[Turn], around: Surroundings
    ) -> int:
        """Return everybody to whom a packet through the `direction` side may fare otherwise."""
        if self._falls_back(turn, direction):
            scope = around.everyone
        else:
            scope = union(
                around.folded(union(around.matches(layer, line.peer)))
                for line in self._changed_lines(turn, direction)
                for layer in (self._before, self._after)
            )
        old = self._before.inner(turn.before.example)
        new = self._after.inner(turn.after.example)
        scope |= (old.surely ^ new.surely) | (old.perhaps ^ new.perhaps)
        other = OPPOSITE[direction]
        for group_id in self._renamed(turn):
            scope |= self._before.naming(group_id, other)
        scope |= around.group_bits(self._named_anew(turn) | self._named_no_more(turn))
        if direction is Direction.INGRESS:
            for each in turns:
                if self._is_changed(each, other) or self._renamed(each):
                    scope |= each.bits
        else:
            scope &= ~self._moved
        near = self._after.near(turn.after.example)
        return scope & (near | around.addresses | around.unread)

    # --- one role -------------------------------------------------------------------

    def _role(
        self, turn: Turn, direction: Direction, turns: Sequence[Turn], around: Surroundings
    ) -> Iterator[Patch]:
        """Return what changes for packets that go through this side of the turn's ends."""
        scope = self._scope(turn, direction, turns, around)
        if not scope:
            return
        judges = _Judges(
            turn,
            direction,
            scope,
            turns,
            around,
            before=self._before,
            after=self._after,
            protocols=self._protocols,
            anew=around.group_bits(self._named_anew(turn)),
            no_more=around.group_bits(self._named_no_more(turn)),
        )
        for part in judges.parts():
            yield from self._patches_of(part, judges, around)

    def _patches_of(self, part: int, judges: "_Judges", around: Surroundings) -> Iterator[Patch]:
        changes = {protocol: judges.changes(part, protocol) for protocol in self._protocols}
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
        changes: Mapping[Protocol, Sequence[_Change]],
        judges: "_Judges",
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


class _Judges:
    """Both sides of the packets between one turn's ends and everybody in a scope."""

    def __init__(
        self,
        turn: Turn,
        direction: Direction,
        scope: int,
        turns: Sequence[Turn],
        around: Surroundings,
        *,
        before: Layer,
        after: Layer,
        protocols: Sequence[Protocol],
        anew: int,
        no_more: int,
    ) -> None:
        self._protocols = protocols
        self.direction = direction
        self._turn, self._scope, self._around = turn, scope, around
        self._layers = (before, after)
        self._anew, self._no_more = anew, no_more
        self._inner = [
            layer.inner(kind.example) for layer, kind in zip(self._layers, turn, strict=True)
        ]
        self._own: dict[Protocol, tuple[Row, Row]] = {}
        self._others = list(self._guarded(turns))
        guarded = union(bits for bits, _, _ in self._others)
        self._open = scope & ~guarded & ~around.unread

    def _guarded(self, turns: Sequence[Turn]) -> Iterator[tuple[int, Kind, Kind]]:
        """Return the ends in scope whose own side may stop a packet, by what judges them."""
        before, after = self._layers
        ends = self._scope & after.everyone
        for turn in turns:
            if turn.bits & ends:
                yield turn.bits & ends, turn.before, turn.after
        ends &= ~union(turn.bits for turn in turns)
        other = OPPOSITE[self.direction]
        for kind in before.kinds_among(ends):
            if not before.bench(kind.example, other).is_free:
                yield kind.bits & ends, kind, kind

    def _rows(self, old: Kind, new: Kind, protocol: Protocol) -> tuple[Row, Row]:
        before, after = self._layers
        other = OPPOSITE[self.direction]
        return before.row(old, other, protocol), after.row(new, other, protocol)

    def parts(self) -> list[int]:
        """Split the turn's ends so that everybody in scope treats all of a part alike."""
        masks: dict[int, None] = {}
        for _, old, new in self._others:
            for protocol in self._protocols:
                for row in self._rows(old, new, protocol):
                    masks.update(dict.fromkeys(mask & self._turn.bits for mask in row.masks()))
        masks.pop(0, None)
        masks.pop(self._turn.bits, None)
        return split(self._turn.bits, masks)

    def _own_rows(self, protocol: Protocol) -> tuple[Row, Row]:
        if protocol not in self._own:
            old, new = (
                self._own_row(layer, kind, protocol)
                for layer, kind in zip(self._layers, self._turn, strict=True)
            )
            self._own[protocol] = (old, new)
        return self._own[protocol]

    def _own_row(self, layer: Layer, kind: Kind, protocol: Protocol) -> Row:
        bench = layer.bench(kind.example, self.direction)
        scope = self._around.with_places(self._scope)
        find = partial(self._around.matches, layer)
        return row_of(bench, told_of(bench.covering(protocol), kind.example, find, scope), scope)

    def changes(self, part: int, protocol: Protocol) -> Sequence[_Change]:
        """Return how packets between a part and the rest of the scope change."""
        old, new = self._own_rows(protocol)
        others = self._treating(part, protocol)
        still = self._is_still(others)
        found: list[_Change] = []
        for ports in _columns([old, new], EVERY_PORT):
            if still and old.column(ports[0]) == new.column(ports[0]):
                continue
            seen = [row for each in others for row in (each.before, each.after)]
            for inside in _columns(seen, ports):
                for sources in _sources([old, new, *seen], inside[0], protocol):
                    passing = self._passing(old, new, others, inside[0], sources[0])
                    found.extend((inside, sources, *change) for change in passing)
        return found

    def _is_still(self, others: Sequence[_Other]) -> bool:
        """Whether nothing but the own side's rules can change anything."""
        return (
            self._inner[0] == self._inner[1]
            and not self._anew | self._no_more
            and all(each.before is each.after for each in others)
        )

    def _treating(self, part: int, protocol: Protocol) -> list[_Other]:
        """Return the other ends by how their own side treats a part, along the ports."""
        alike: dict[tuple[Hashable, Hashable], _Other] = {}
        for bits, kind_before, kind_after in self._others:
            first, second = self._rows(kind_before, kind_after, protocol)
            old = first.narrowed(part)
            new = old if first is second else second.narrowed(part)
            key = (old.key, new.key)
            if key in alike:
                same = alike[key]
                alike[key] = _Other(same.bits | bits, same.before, same.after)
            else:
                alike[key] = _Other(bits, old, old if old.key == new.key else new)
        return list(alike.values())

    def _passing(
        self, old: Row, new: Row, others: Sequence[_Other], port: int, source_port: int
    ) -> Iterator[tuple[bool, bool, int]]:
        """Return who begins to pass and who ceases to, surely or perhaps, for one packet."""
        (open_before, may_before), (open_after, may_after) = (
            self._outcome(row.at(port, source_port), others, port, source_port, moment)
            for moment, row in enumerate((old, new))
        )
        unknown_before, unknown_after = may_before & ~open_before, may_after & ~open_after
        both = unknown_before & unknown_after
        for opens, certain, mask in (
            (True, True, open_after & ~may_before),
            (
                True,
                False,
                (open_after & unknown_before) | (unknown_after & ~may_before) | (both & self._anew),
            ),
            (False, True, open_before & ~may_after),
            (
                False,
                False,
                (open_before & unknown_after)
                | (unknown_before & ~may_after)
                | (both & self._no_more),
            ),
        ):
            if mask:
                yield opens, certain, mask

    def _outcome(
        self,
        own: Fate,
        others: Sequence[_Other],
        port: int,
        source_port: int,
        moment: int,
    ) -> tuple[int, int]:
        """Return the ends in scope that are reached, and all that are or may be reached."""
        passing, unknown = self._open, self._scope & self._around.unread
        surely, perhaps, listed = own
        may = 0
        for each in others:
            passes, doubted, of_other = (each.after if moment else each.before).at(
                port, source_port
            )
            if passes:
                passing |= each.bits
            elif doubted:
                together = cases(listed, of_other)
                for case in together:
                    may |= each.bits & _may_pass(listed, of_other, case)
                if not together:
                    unknown |= each.bits
        inner = self._inner[moment]
        reached = (inner.surely & self._scope) | (surely & passing)
        may |= self._around.folded(surely | perhaps) & (passing | unknown)
        return reached, reached | may | (inner.perhaps & self._scope)


def _may_pass(own: Listed | None, other: Listed | None, case: tuple[Needs, Needs]) -> int:
    """Return the ends that may be passed to where port lists are so on both sides."""
    if own is None or other is None or not other.may_pass(*case):
        return 0
    return own.may_pass(*case)


def _are_two(one: Crowd, other: Crowd) -> bool:
    """Whether two crowds are more than the ends of one and the same instance."""
    if one.is_several or other.is_several:
        return True
    both = (next(iter(crowd)) for crowd in (one, other))
    return len({identity(end) for end in both}) == 2


def _unlike(old: Sequence[Line], new: Sequence[Line]) -> list[Line]:
    """Return the lines of one side whose rule the other side has not.

    Rules that both worlds hold as one object are told apart by that, which is fast.
    """
    both = {id(line.deciding.held) for line in old} & {id(line.deciding.held) for line in new}
    gone = {line.deciding.held.rule: line for line in old if id(line.deciding.held) not in both}
    come = {line.deciding.held.rule: line for line in new if id(line.deciding.held) not in both}
    return [gone[rule] for rule in gone if rule not in come] + [
        come[rule] for rule in come if rule not in gone
    ]


def split(whole: int, masks: Iterable[int]) -> list[int]:
    """Split a set of ends so that each mask holds all of a part, or nothing of it."""
    parts = [whole]
    for mask in masks:
        parts = [piece for part in parts for piece in (part & mask, part & ~mask) if piece]
    return parts


def _columns(rows: Iterable[Row], within: Span) -> tuple[Span, ...]:
    return stretches((start for row in rows for start in row.starts), within)


def _sources(rows: Iterable[Row], port: int, protocol: Protocol) -> tuple[Span, ...]:
    if not protocol.has_ports:
        return (EVERY_PORT,)
    return stretches((strip[0] for row in rows for strip in row.column(port)), EVERY_PORT)
