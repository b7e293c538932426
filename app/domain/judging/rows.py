"""What one side says to everybody at once: ends are bits, and a row is all ports of a protocol."""

from bisect import bisect_right, insort
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import NamedTuple, Protocol, TypeAlias

from app.domain.judging.matching import Needs, Sort
from app.domain.judging.passing import FIRST_DROP
from app.domain.judging.spans import EVERY_PORT

Fate: TypeAlias = tuple[int, int, "Listed | None"]
"""The ends that pass, the ends of which it is unknown, and how port lists come into it."""

Strip: TypeAlias = tuple[int, int, int, "Listed | None"]
"""First source port, and the fate of the packets."""


class Told(NamedTuple):
    """A rule as a row needs it: where it holds, which ends it matches, and what that needs."""

    rank: tuple[int, bool]
    accept: bool
    first: int
    last: int
    source_first: int
    source_last: int
    ends: int
    needs: Needs


@dataclass(frozen=True)
class Listed:
    """Rules for the same packets, of which some need that a port list holds their port.

    The other side may name the same lists, which hold it there as well, or not. `rules` are
    in order of judgement: whether it is a first drop, whether it accepts, its ends, its needs.
    """

    rules: tuple[tuple[bool, bool, int, Needs], ...]
    scope: int
    default: bool
    unread: bool

    @cached_property
    def names(self) -> Needs:
        """The port lists that are named."""
        return frozenset(
            name for *_, needs in self.rules for name in needs if name.sort is Sort.PORT_LIST
        )

    def may_pass(self, true: Needs, false: Needs) -> int:
        """Return the ends that may pass where some lists hold the port and others do not."""
        rules = [
            (first_drop, accept, ends, needs - true)
            for first_drop, accept, ends, needs in self.rules
            if needs.isdisjoint(false)
        ]
        passing, unknown = _judged(rules, self.scope, default=self.default, unread=self.unread)
        return passing | unknown

    def narrowed(self, part: int) -> "Listed":
        rules = tuple(
            (first_drop, accept, 1, needs)
            for first_drop, accept, ends, needs in self.rules
            if ends & part
        )
        return Listed(rules, 1, self.default, self.unread)


MOST_LISTS = 8
"""Of so many port lists that both sides name for one packet every case is looked at; of more,
each side is judged alone, which is careful."""


def cases(one: Listed | None, other: Listed | None) -> list[tuple[Needs, Needs]]:
    """Return how the port lists may be that both sides name: those that hold the port, and those
    that do not; nothing where no list is named by both.
    """
    if one is None or other is None:
        return []
    shared = sorted(one.names & other.names)
    if not shared or len(shared) > MOST_LISTS:
        return []
    return [
        (
            frozenset(name for name, holds in zip(shared, held, strict=True) if holds),
            frozenset(name for name, holds in zip(shared, held, strict=True) if not holds),
        )
        for held in product((True, False), repeat=len(shared))
    ]


class Row:
    """Ends that pass, by port and source port; between two starts every packet fares alike."""

    __slots__ = ("columns", "starts")

    def __init__(self, starts: Sequence[int], columns: Sequence[tuple[Strip, ...]]) -> None:
        self.starts = starts
        self.columns = columns

    def at(self, port: int, source_port: int) -> Fate:
        """Return what becomes of the packets of one port and source port."""
        strips = self.column(port)
        if len(strips) == 1:
            return strips[0][1:]
        for strip in reversed(strips):
            if strip[0] <= source_port:
                return strip[1:]
        raise AssertionError(source_port)

    def column(self, port: int) -> tuple[Strip, ...]:
        """Return who passes at one port, by source port."""
        return self.columns[bisect_right(self.starts, port) - 1]

    def narrowed(self, part: int) -> "Row":
        """Return what the row says to a part that it treats alike: to bit 0 in place of all."""
        starts: list[int] = []
        columns: list[tuple[Strip, ...]] = []
        for start, strips in zip(self.starts, self.columns, strict=True):
            narrow = tuple(_alike(strips, part))
            if not columns or columns[-1] != narrow:
                starts.append(start)
                columns.append(narrow)
        return Row(starts, columns)

    @property
    def key(self) -> Hashable:
        """The same value for rows that say the same."""
        return (tuple(self.starts), tuple(self.columns))

    def masks(self) -> Iterator[int]:
        """Every set of ends that is told from the others somewhere."""
        for strips in self.columns:
            for _, passing, unknown, listed in strips:
                yield passing
                yield unknown
                if listed is not None:
                    yield from (ends for _, _, ends, _ in listed.rules)


def _alike(strips: Sequence[Strip], part: int) -> Iterator[Strip]:
    last: Fate | None = None
    for first, passing, unknown, listed in strips:
        narrow = None if listed is None else listed.narrowed(part)
        told = (int(passing & part != 0), int(unknown & part != 0), narrow)
        if told != last:
            yield (first, *told)
            last = told


def row(told: Sequence[Told], scope: int, *, default: bool, unread: bool) -> Row:
    """Judge every packet of one protocol between the own side and each end in `scope`.

    `told` is in order of judgement. `default` says that a packet which no rule matches
    passes; `unread` that a group which could not be read judges as well.
    """
    certain = not unread and not any(each.needs for each in told)
    walk: _Walk = _walk_certain if certain else _walk
    narrow = {
        position
        for position, each in enumerate(told)
        if (each.source_first, each.source_last) != EVERY_PORT
    }
    memo: dict[tuple[int, ...], tuple[Strip, ...]] = {}
    starts: list[int] = []
    columns: list[tuple[Strip, ...]] = []
    for start, active in _sweep([(each.first, each.last) for each in told]):
        key = tuple(active)
        strips = memo.get(key)
        if strips is None:
            here = [told[position] for position in active]
            if narrow and not narrow.isdisjoint(active):
                strips = tuple(_strips(walk, here, scope, default=default, unread=unread))
            else:
                strips = ((1, *walk(here, scope, default=default, unread=unread)),)
            memo[key] = strips
        if not columns or columns[-1] != strips:
            starts.append(start)
            columns.append(strips)
    return Row(starts, columns)


def _sweep(spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, list[int]]]:
    """Return, from each port on where it changes, the positions of the spans that hold."""
    events: dict[int, tuple[list[int], list[int]]] = {EVERY_PORT[0]: ([], [])}
    for position, (first, last) in enumerate(spans):
        events.setdefault(first, ([], []))[0].append(position)
        if last < EVERY_PORT[1]:
            events.setdefault(last + 1, ([], []))[1].append(position)
    active: list[int] = []
    for start in sorted(events):
        begun, ended = events[start]
        for position in ended:
            active.remove(position)
        for position in begun:
            insort(active, position)
        yield start, active


def _strips(
    walk: "_Walk", told: Sequence[Told], scope: int, *, default: bool, unread: bool
) -> Iterator[Strip]:
    last: Fate | None = None
    for start, active in _sweep([(each.source_first, each.source_last) for each in told]):
        here = [told[position] for position in active]
        walked = walk(here, scope, default=default, unread=unread)
        if walked != last:
            yield (start, *walked)
            last = walked


class _Walk(Protocol):
    """Judges one packet of each end."""

    def __call__(
        self, told: Sequence[Told], scope: int, *, default: bool, unread: bool
    ) -> Fate: ...


def _walk_certain(
    told: Sequence[Told],
    scope: int,
    *,
    default: bool,
    unread: bool,  # noqa: ARG001 - the face of _walk
) -> Fate:
    """Judge one packet of each end where every match is certain."""
    undecided, passing = scope, 0
    for each in told:
        hit = each.ends & undecided
        if hit:
            undecided ^= hit
            if each.accept:
                passing |= hit
            if not undecided:
                break
    return (passing | undecided if default else passing), 0, None


def _walk(told: Sequence[Told], scope: int, *, default: bool, unread: bool) -> Fate:
    """Judge one packet of each end where something could not be read."""
    rules = tuple((each.rank == FIRST_DROP, each.accept, each.ends, each.needs) for each in told)
    passing, unknown = _judged(rules, scope, default=default, unread=unread)
    listed = None
    if any(name.sort is Sort.PORT_LIST for each in told for name in each.needs):
        listed = Listed(rules, scope, default, unread)
    return passing, unknown, listed


def _judged(
    rules: Iterable[tuple[bool, bool, int, Needs]], scope: int, *, default: bool, unread: bool
) -> tuple[int, int]:
    """Judge one packet of each end: it may be accepted, dropped, or either.

    A rule that matches surely ends the matter for an end. One that may match opens a way,
    unless it matches only where a better rule does as well.
    """
    undecided = scope
    may_pass = may_stop = 0
    taken: dict[Needs, int] = {}
    for first_drop, accept, ends, needs in rules:
        if unread and not first_drop:
            break
        reached = undecided & ends
        for better, of_better in taken.items():
            if better <= needs:
                reached &= ~of_better
        if needs:
            taken[needs] = taken.get(needs, 0) | reached
        else:
            undecided &= ~ends
        if accept:
            may_pass |= reached
        else:
            may_stop |= reached
    if default or unread:
        may_pass |= undecided
    if unread or not default:
        may_stop |= undecided
    return may_pass & ~may_stop, may_pass & may_stop
