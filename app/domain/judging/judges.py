"""What becomes of packets between some ends and everybody else, before and after."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

from app.domain.judging.layers import Kind, Layer, row_of, split, told_of, union
from app.domain.judging.matching import Needs
from app.domain.judging.rows import Fate, Listed, Row, cases
from app.domain.judging.spans import EVERY_PORT, Span, stretches
from app.domain.judging.surroundings import Surroundings
from app.domain.judging.turns import Turn, Turns
from app.domain.rules import Direction, Protocol

OPPOSITE = {Direction.EGRESS: Direction.INGRESS, Direction.INGRESS: Direction.EGRESS}


class Other(NamedTuple):
    """Ends on whose own side the packets of a part fare alike, before and after."""

    bits: int
    before: Row
    after: Row


Change: TypeAlias = tuple[Span, Span, bool, bool, int]
"""Ports, source ports, whether they open, whether that is certain, and for which ends."""


class Judges:
    """Both sides of the packets between one turn's ends and everybody in a scope."""

    def __init__(
        self,
        turn: Turn,
        direction: Direction,
        scope: int,
        turns: Turns,
        around: Surroundings,
        *,
        before: Layer,
        after: Layer,
    ) -> None:
        self.protocols, self._ports = turns.protocols, turns.ports
        self.direction = direction
        self._turn, self._scope, self._around = turn, scope, around
        self._layers = (before, after)
        self._anew = around.group_bits(turns.named_anew(turn))
        self._no_more = around.group_bits(turns.named_no_more(turn))
        self._inner = [
            layer.inner(kind.example) for layer, kind in zip(self._layers, turn, strict=True)
        ]
        self._own: dict[Protocol, tuple[Row, Row]] = {}
        self._others = list(self._guarded(turns.moved))
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
        for kind in before.kinds_among(ends & before.guarded(other)):
            yield kind.bits & ends, kind, kind

    def _rows(self, old: Kind, new: Kind, protocol: Protocol) -> tuple[Row, Row]:
        before, after = self._layers
        other = OPPOSITE[self.direction]
        first, second = before.row(old, other, protocol), after.row(new, other, protocol)
        narrow = first.within(self._ports)
        return narrow, narrow if first is second else second.within(self._ports)

    def parts(self) -> list[int]:
        """Split the turn's ends so that everybody in scope treats all of a part alike."""
        masks: dict[int, None] = {}
        for _, old, new in self._others:
            for protocol in self.protocols:
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
        first, last = self._ports
        lines = (
            line for line in bench.covering(protocol) if line.first <= last and first <= line.last
        )
        return row_of(bench, told_of(lines, kind.example, find, scope), scope)

    def changes(self, part: int, protocol: Protocol) -> Sequence[Change]:
        """Return how packets between a part and the rest of the scope change."""
        old, new = self._own_rows(protocol)
        others = self._treating(part, protocol)
        still = self._is_still(others)
        found: list[Change] = []
        for ports in _columns([old, new], self._ports):
            if still and old.column(ports[0]) == new.column(ports[0]):
                continue
            seen = [row for each in others for row in (each.before, each.after)]
            for inside in _columns(seen, ports):
                for sources in _sources([old, new, *seen], inside[0], protocol):
                    passing = self._passing(old, new, others, inside[0], sources[0])
                    found.extend((inside, sources, *change) for change in passing)
        return found

    def _is_still(self, others: Sequence[Other]) -> bool:
        """Whether nothing but the own side's rules can change anything."""
        return (
            self._inner[0] == self._inner[1]
            and not self._anew | self._no_more
            and all(each.before is each.after for each in others)
        )

    def _treating(self, part: int, protocol: Protocol) -> list[Other]:
        """Return the other ends by how their own side treats a part, along the ports."""
        alike: dict[tuple[Hashable, Hashable], Other] = {}
        for bits, kind_before, kind_after in self._others:
            first, second = self._rows(kind_before, kind_after, protocol)
            old = first.narrowed(part)
            new = old if first is second else second.narrowed(part)
            key = (old.key, new.key)
            if key in alike:
                same = alike[key]
                alike[key] = Other(same.bits | bits, same.before, same.after)
            else:
                alike[key] = Other(bits, old, old if old.key == new.key else new)
        return list(alike.values())

    def _passing(
        self, old: Row, new: Row, others: Sequence[Other], port: int, source_port: int
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
        others: Sequence[Other],
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


def _columns(rows: Iterable[Row], within: Span) -> tuple[Span, ...]:
    return stretches((start for row in rows for start in row.starts), within)


def _sources(rows: Iterable[Row], port: int, protocol: Protocol) -> tuple[Span, ...]:
    if not protocol.has_ports:
        return (EVERY_PORT,)
    return stretches((strip[0] for row in rows for strip in row.column(port)), EVERY_PORT)
