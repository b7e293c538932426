"""What one side says to everybody at once: ends are bits, and a row is all ports of a protocol."""

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import compress, product
from typing import TypeAlias, TypeVar

from app.domain.judging.benches import Line
from app.domain.judging.matching import Needs, Sort
from app.domain.judging.passing import FIRST_DROP
from app.domain.judging.spans import EVERY_PORT, Span

Fate: TypeAlias = tuple[int, int, "Listed | None"]
"""The ends that pass, the ends of which it is unknown, and how port lists come into it."""

Strip: TypeAlias = tuple[int, int, int, "Listed | None"]
"""First source port, and the fate of the packets."""


_T = TypeVar("_T")

_Rule: TypeAlias = tuple[bool, bool, int, Needs]
"""Whether it is a first drop, whether it accepts, its ends, and what it needs."""


Told: TypeAlias = tuple[Line, int, Needs]
"""A rule as a row needs it: the line, which ends it matches, and all that this needs."""


@dataclass(frozen=True)
class Listed:
    """Rules for the same packets, of which some need that a port list holds their port.

    The other side may name the same lists, which hold it there as well, or not. `rules` are
    in order of judgement.
    """

    rules: tuple[_Rule, ...]
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

    def within(self, ports: Span) -> "Row":
        """Return what the row says of some ports; of others it says something, too."""
        first, last = ports
        low, high = bisect_right(self.starts, first) - 1, bisect_right(self.starts, last)
        if (low, high) == (0, len(self.starts)):
            return self
        return Row((EVERY_PORT[0], *self.starts[low + 1 : high]), self.columns[low:high])

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
    certain = [(ends, line.accept) for line, ends, needs in told if not needs]
    if len(certain) == len(told) and not unread:
        return _swept(told, certain, partial(_walk_certain, scope, default))
    rules = [(line.rank == FIRST_DROP, line.accept, ends, needs) for line, ends, needs in told]
    return _swept(told, rules, partial(_walk, scope, default, unread))


def _swept(told: Sequence[Told], rules: Sequence[_T], walk: Callable[[Iterable[_T]], Fate]) -> Row:
    """Walk once for every set of rules that hold for some packet."""
    sources = [line.sources for line, _, _ in told]
    narrow = [position for position, each in enumerate(sources) if each != EVERY_PORT]
    memo: dict[bytes, tuple[Strip, ...]] = {}
    starts: list[int] = []
    columns: list[tuple[Strip, ...]] = []
    last: tuple[Strip, ...] = ()
    for start, held in _sweep([line.ports for line, _, _ in told]):
        strips = memo.get(held)
        if strips is None:
            if narrow and any(held[position] for position in narrow):
                strips = tuple(_strips(rules, sources, held, walk))
            else:
                strips = ((1, *walk(compress(rules, held))),)
            memo[held] = strips
        if strips is not last and strips != last:
            starts.append(start)
            columns.append(strips)
            last = strips
    return Row(starts, columns)


def _sweep(spans: Sequence[Span]) -> Iterator[tuple[int, bytes]]:
    """Return, from each port on where it changes, which of the spans hold: 1, or else 0."""
    changing: dict[int, list[int]] = {EVERY_PORT[0]: []}
    known = changing.get
    for position, (first, last) in enumerate(spans):
        here, beyond = known(first), known(last + 1)
        if here is None:
            changing[first] = [position]
        else:
            here.append(position)
        if beyond is None:
            changing[last + 1] = [position]
        else:
            beyond.append(position)
    changing.pop(EVERY_PORT[1] + 1, None)
    held = bytearray(len(spans))
    for start in sorted(changing):
        for position in changing[start]:
            held[position] ^= 1
        yield start, bytes(held)


def _strips(
    rules: Sequence[_T], sources: Sequence[Span], held: bytes, walk: Callable[[Iterable[_T]], Fate]
) -> Iterator[Strip]:
    last: Fate | None = None
    here = list(compress(rules, held))
    for start, held_there in _sweep(list(compress(sources, held))):
        walked = walk(compress(here, held_there))
        if walked != last:
            yield (start, *walked)
            last = walked


def _walk_certain(scope: int, default: bool, rules: Iterable[tuple[int, bool]]) -> Fate:
    """Judge one packet of each end where every match is certain: ends, and whether it accepts.

    Of neighbouring rules that say the same, it does not matter which one matches first.
    """
    undecided, passing = scope, 0
    run, alike = 0, True
    for ends, accept in rules:
        if accept is alike:
            run |= ends
            continue
        hit = run & undecided
        undecided ^= hit
        if alike:
            passing |= hit
        run, alike = ends, accept
    hit = run & undecided
    if alike:
        passing |= hit
    return (passing | undecided ^ hit if default else passing), 0, None


def _walk(scope: int, default: bool, unread: bool, held: Iterable[_Rule]) -> Fate:
    """Judge one packet of each end where something could not be read."""
    rules = tuple(held)
    passing, unknown = _judged(rules, scope, default=default, unread=unread)
    listed = None
    if any(name.sort is Sort.PORT_LIST for *_, needs in rules for name in needs):
        listed = Listed(rules, scope, default, unread)
    return passing, unknown, listed


def _judged(rules: Iterable[_Rule], scope: int, *, default: bool, unread: bool) -> tuple[int, int]:
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
