"""What one side says to everybody at once: ends are bits, and a row is all ports of a protocol."""

from bisect import bisect_right, insort
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from app.domain.judging.passing import FIRST_DROP
from app.domain.judging.spans import EVERY_PORT

Strip: TypeAlias = tuple[int, int, int]
"""First source port, the ends that pass, and the ends of which it is unknown."""


class Told(NamedTuple):
    """A rule as a row needs it: where it holds, and which ends it matches surely or perhaps."""

    rank: tuple[int, bool]
    accept: bool
    first: int
    last: int
    source_first: int
    source_last: int
    surely: int
    perhaps: int


class Row:
    """Ends that pass, by port and source port; between two starts every packet fares alike."""

    __slots__ = ("columns", "starts")

    def __init__(self, starts: Sequence[int], columns: Sequence[tuple[Strip, ...]]) -> None:
        self.starts = starts
        self.columns = columns

    def at(self, port: int, source_port: int) -> tuple[int, int]:
        """Return the ends whose packets pass, and those of which it is unknown."""
        strips = self.column(port)
        if len(strips) == 1:
            return strips[0][1:]
        for first, passing, unknown in reversed(strips):
            if first <= source_port:
                return passing, unknown
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
            for _, passing, unknown in strips:
                yield passing
                yield unknown


def _alike(strips: Sequence[Strip], part: int) -> Iterator[Strip]:
    last: tuple[bool, bool] | None = None
    for first, passing, unknown in strips:
        told = (passing & part != 0, unknown & part != 0)
        if told != last:
            yield (first, *told)
            last = told


def row(told: Sequence[Told], scope: int, *, default: bool, unread: bool) -> Row:
    """Judge every packet of one protocol between the own side and each end in `scope`.

    `told` is in order of judgement. `default` says that a packet which no rule matches
    passes; `unread` that a group which could not be read judges as well.
    """
    certain = not unread and not any(each.perhaps for each in told)
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
    last: tuple[int, int] | None = None
    for start, active in _sweep([(each.source_first, each.source_last) for each in told]):
        here = [told[position] for position in active]
        walked = walk(here, scope, default=default, unread=unread)
        if walked != last:
            yield (start, *walked)
            last = walked


class _Walk(Protocol):
    """Judges one packet of each end: who passes, and of whom it is unknown."""

    def __call__(
        self, told: Iterable[Told], scope: int, *, default: bool, unread: bool
    ) -> tuple[int, int]: ...


def _walk_certain(
    told: Iterable[Told],
    scope: int,
    *,
    default: bool,
    unread: bool,  # noqa: ARG001 - the face of _walk
) -> tuple[int, int]:
    """Judge one packet of each end where every match is certain."""
    undecided, passing = scope, 0
    for each in told:
        hit = each.surely & undecided
        if hit:
            undecided ^= hit
            if each.accept:
                passing |= hit
            if not undecided:
                break
    return (passing | undecided if default else passing), 0


def _walk(told: Iterable[Told], scope: int, *, default: bool, unread: bool) -> tuple[int, int]:
    """Judge one packet of each end: it may be accepted, dropped, or either.

    A rule that matches surely ends the matter for an end; one that may match opens a way.
    """
    undecided = scope
    may_pass = may_stop = 0
    for each in told:
        if unread and each.rank != FIRST_DROP:
            break
        reached = undecided & (each.surely | each.perhaps)
        if each.accept:
            may_pass |= reached
        else:
            may_stop |= reached
        undecided &= ~each.surely
    if default or unread:
        may_pass |= undecided
    if unread or not default:
        may_stop |= undecided
    return may_pass & ~may_stop, may_pass & may_stop
