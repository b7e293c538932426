"""Who is touched by a change, and what was said of them before and is said after."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from app.domain.groups import GroupRef
from app.domain.judging.benches import Bench, Line
from app.domain.judging.layers import Kind, Layer
from app.domain.judging.spans import EVERY_PORT, Span
from app.domain.rules import Direction, GroupPeer, NicType, Protocol


class Turn(NamedTuple):
    """Touched ends that one and the same rules judged before, and judge after."""

    before: Kind
    after: Kind

    @property
    def bits(self) -> int:
        return self.after.bits


class Turns:
    """All touched ends for whom something changed, by what judges them before and after."""

    def __init__(self, before: Layer, after: Layer, touched: int) -> None:
        self._before, self._after = before, after
        self._changed: dict[tuple[int, Direction], list[Line]] = {}
        self.moved = [turn for turn in self._all(touched) if self.is_moved(turn)]

    def _all(self, touched: int) -> Iterator[Turn]:
        for old in self._before.kinds_of(touched):
            for new in self._after.kinds_of(old.bits):
                position = (new.bits & -new.bits).bit_length() - 1
                yield Turn(Kind(self._before.ends[position], new.bits), new)

    def is_moved(self, turn: Turn) -> bool:
        return self.stands_anew(turn) or any(self.changed_lines(turn, way) for way in Direction)

    def stands_anew(self, turn: Turn) -> bool:
        """Say whether more than rules changed, so that every protocol may fare otherwise."""
        return bool(
            any(self.falls_back(turn, way) for way in Direction)
            or self.renamed(turn)
            or self._before.inner(turn.before.example) != self._after.inner(turn.after.example)
        )

    @cached_property
    def protocols(self) -> Sequence[Protocol]:
        """The protocols whose packets may fare otherwise."""
        every = Protocol.ALL.concrete(self._after.family)
        if self._is_any_anew:
            return every
        spoken = {line.protocol for line in self._all_changed_lines}
        return [each for each in every if each in spoken or Protocol.ALL in spoken]

    @cached_property
    def ports(self) -> Span:
        """The ports, from first to last, of packets that may fare otherwise."""
        if self._is_any_anew:
            return EVERY_PORT
        lines = self._all_changed_lines
        return min(line.first for line in lines), max(line.last for line in lines)

    @cached_property
    def _is_any_anew(self) -> bool:
        return any(self.stands_anew(turn) for turn in self.moved)

    @cached_property
    def _all_changed_lines(self) -> Sequence[Line]:
        return [
            line
            for turn in self.moved
            for way in Direction
            for line in self.changed_lines(turn, way)
        ]

    def is_changed(self, turn: Turn, direction: Direction) -> bool:
        return self.falls_back(turn, direction) or bool(self.changed_lines(turn, direction))

    def benches(self, turn: Turn, direction: Direction) -> tuple[Bench, Bench]:
        return (
            self._before.bench(turn.before.example, direction),
            self._after.bench(turn.after.example, direction),
        )

    def changed_lines(self, turn: Turn, direction: Direction) -> list[Line]:
        """Return the lines that hold before or after, but not both times."""
        key = (turn.bits, direction)
        if key not in self._changed:
            old, new = self.benches(turn, direction)
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

    def falls_back(self, turn: Turn, direction: Direction) -> bool:
        """Say whether packets that no rule matches fare otherwise than before."""
        old, new = self.benches(turn, direction)
        return (old.default, old.unread) != (new.default, new.unread)

    def renamed(self, turn: Turn) -> frozenset[str]:
        """Return the groups that these ends have joined or left."""
        return turn.before.example.eni.group_ids ^ turn.after.example.eni.group_ids

    # --- groups that could not be read ----------------------------------------------

    def unread_groups(self) -> list[GroupRef]:
        """Return groups nobody could read that a changed rule names, or that name one joined."""
        if self._after.plane is not NicType.INTRANET:
            return []
        named = {
            GroupRef(line.peer.group_id, line.peer.account_id)
            for line in self._all_changed_lines
            if isinstance(line.peer, GroupPeer)
        }
        refs = named & (self._before.world.unread | self._after.world.unread)
        for turn in self.moved:
            refs |= self.named_anew(turn) | self.named_no_more(turn)
        return sorted(refs)

    def named_anew(self, turn: Turn) -> frozenset[GroupRef]:
        old, new = turn.before.example.eni.group_ids, turn.after.example.eni.group_ids
        return self._naming_unread(new - old)

    def named_no_more(self, turn: Turn) -> frozenset[GroupRef]:
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
