"""Who reaches whom among some instances, all pairs at once, with those that fare alike as one."""

from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from app.domain.addresses import AddressFamily
from app.domain.flows import EVERYTHING, Traffic
from app.domain.judging.layers import (
    Kind,
    Layer,
    Layers,
    Matches,
    positions_of,
    split,
    union,
)
from app.domain.judging.rows import Fate, Row, Strip, cases
from app.domain.judging.shifts import Cell, Shift, Tag, shifts
from app.domain.judging.spans import EVERY_PORT, Span, stretches
from app.domain.rules import Direction, NicType, Protocol
from app.domain.world import InterfaceEnd, World

REACHABLE, UNKNOWN = Tag(opens=True, certain=True), Tag(opens=True, certain=False)


@dataclass(frozen=True, slots=True)
class EndClass:
    """Addresses that fare alike as source and as target, whoever is on the other end.

    All are in the same groups. `name` is the only one of its matrix; `bits` are the
    positions of `ends` in the layer.
    """

    name: str
    bits: int
    ends: tuple[InterfaceEnd, ...]

    @property
    def group_ids(self) -> tuple[str, ...]:
        return tuple(sorted(self.ends[0].eni.group_ids))

    @property
    def instance_ids(self) -> tuple[str, ...]:
        return tuple(sorted({end.instance.instance_id for end in self.ends}))


@dataclass(frozen=True, slots=True)
class Passage:
    """Packets that pass from every one of `sources` to every one of `targets`, but for itself.

    Both are positions in the layer, as bits, and all of each are of one kind.
    """

    sources: int
    targets: int
    reachable: tuple[Traffic, ...]
    unknown: tuple[Traffic, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """What passes between two classes; `pairs` are of two different instances."""

    source: EndClass
    target: EndClass
    pairs: int
    reachable: tuple[Traffic, ...]
    unknown: tuple[Traffic, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """Pairs of two different instances: all that were asked about, those where some packets
    pass, and those where it is unknown whether any does. The rest is blocked.
    """

    asked: int
    reachable: int
    unknown: int


class Matrix:
    """All that the instances of `sources` may send to those of `targets`.

    One plane and one family; every protocol and port. An instance that has no address there
    is in no class.
    """

    def __init__(
        self,
        world: World,
        sources: Iterable[str],
        targets: Iterable[str],
        *,
        plane: NicType = NicType.INTRANET,
        family: AddressFamily = AddressFamily.IPV4,
    ) -> None:
        self.layer = Layers(world).of(plane, family)
        self._sources = self._bits(sources)
        self._targets = self._bits(targets)

    def _bits(self, instance_ids: Iterable[str]) -> int:
        return union(self.layer.positions.get(each, 0) for each in set(instance_ids))

    @cached_property
    def _judging(self) -> "_Judging":
        return _Judging(self.layer, self._sources, self._targets)

    @property
    def breadth(self) -> int:
        """Pairs of different sets of rules: to judge them all takes about 0.2 ms for each."""
        return self._judging.breadth

    @cached_property
    def passages(self) -> tuple[Passage, ...]:
        """Everything that passes; no pair of ends is in two of them."""
        return tuple(self._judging.passages())

    @cached_property
    def classes(self) -> tuple[EndClass, ...]:
        """Every asked end in one class, in order of their groups, then of their addresses."""
        asked = self._sources | self._targets
        parts = [
            part
            for kind in self.layer.kinds
            for whole in split(kind.bits & asked, [self._sources])
            if whole
            for half in split(whole, [self._targets])
            for part in split(half, self._judging.cuts(kind))
        ]
        return tuple(_named([(part, tuple(self.layer.ends_of(part))) for part in parts]))

    def entries(self) -> Iterator[Entry]:
        """Return what passes from class to class, in order, judged only as far as asked for."""
        for source in self.classes:
            for target in self.classes:
                passage = self._judging.passage(source.bits, target.bits)
                pairs = _pairs(source, target) if passage is not None else 0
                if passage is not None and pairs:
                    yield Entry(source, target, pairs, passage.reachable, passage.unknown)

    @cached_property
    def counts(self) -> Counts:
        """Exact numbers of pairs of instances, whatever number of addresses they have."""
        sources, targets = self._instances(self._sources), self._instances(self._targets)
        reachable: dict[str, int] = dict.fromkeys(sources, 0)
        perhaps: dict[str, int] = dict.fromkeys(sources, 0)
        for position, (surely, maybe) in self._judging.reach().items():
            own = self.layer.ends[position].instance.instance_id
            reachable[own] |= surely
            perhaps[own] |= surely | maybe
        counted = [
            (self._others(own, reachable[own]), self._others(own, perhaps[own])) for own in sources
        ]
        return Counts(
            len(sources) * len(targets) - len(sources & targets),
            sum(surely for surely, _ in counted),
            sum(maybe - surely for surely, maybe in counted),
        )

    def _others(self, own: str, chosen: int) -> int:
        """Count the instances of some ends, but for one."""
        rest = chosen & ~self.layer.positions[own]
        return rest.bit_count() if self.layer.is_single else len(self._instances(rest))

    def _instances(self, chosen: int) -> set[str]:
        return {end.instance.instance_id for end in self.layer.ends_of(chosen)}


def _pairs(source: EndClass, target: EndClass) -> int:
    sources, targets = set(source.instance_ids), set(target.instance_ids)
    return len(sources) * len(targets) - len(sources & targets)


def _named(parts: Iterable[tuple[int, tuple[InterfaceEnd, ...]]]) -> Iterator[EndClass]:
    """Name classes by their groups, and number those that are in the same ones."""
    by_groups: dict[tuple[str, ...], list[tuple[int, tuple[InterfaceEnd, ...]]]] = {}
    for bits, ends in parts:
        by_groups.setdefault(tuple(sorted(ends[0].eni.group_ids)), []).append((bits, ends))
    for group_ids, found in sorted(by_groups.items()):
        ordered = sorted(found, key=lambda each: each[0] & -each[0])
        for number, (bits, ends) in enumerate(ordered, 1):
            name = " + ".join(group_ids) or "no group"
            yield EndClass(name if len(found) == 1 else f"{name} #{number}", bits, ends)


class _Judging:
    """Judges kind against kind: rows of few kinds stand for all of their ends."""

    def __init__(self, layer: Layer, sources: int, targets: int) -> None:
        self._layer = layer
        self._sources, self._targets = sources, targets
        self._protocols = Protocol.ALL.concrete(layer.family)
        self._same: dict[Hashable, Row] = {}
        self._anyone: dict[int, int] = {}
        self._masks: dict[int, frozenset[int]] = {}
        self._told: dict[Hashable, tuple[Shift, ...]] = {}
        self._inner: dict[int, Matches] = {}
        self._numbers = {
            position: number
            for number, kind in enumerate(layer.kinds)
            for position in positions_of(kind.bits)
        }
        self._outward = self._rows(sources, Direction.EGRESS)
        self._inward = self._rows(targets, Direction.INGRESS)
        self._from = -1
        self._of_source: dict[int, tuple[Passage, ...]] = {}

    @property
    def breadth(self) -> int:
        return len(self._outward) * len(self._inward)

    def passages(self) -> Iterator[Passage]:
        for source in self._outward:
            for target in self._inward:
                yield from self._pair(source, target)

    def passage(self, sources: int, targets: int) -> Passage | None:
        """Return what passes between two classes, or None where nothing does."""
        source, target = (self._kind_of(each) for each in (sources, targets))
        if source not in self._outward or target not in self._inward:
            return None
        if self._from != source:
            self._from, self._of_source = source, {}
        if target not in self._of_source:
            self._of_source[target] = tuple(self._pair(source, target))
        for each in self._of_source[target]:
            if each.sources & sources and each.targets & targets:
                return each
        return None

    def cuts(self, kind: Kind) -> Collection[int]:
        """Return the sets of ends by which the other side may tell ends of a kind apart."""
        number, bits = self._kind_of(kind.bits), kind.bits & (self._sources | self._targets)
        if bits.bit_count() < 2:
            return ()
        found: set[int] = set()
        inner = self._layer.inner(kind.example).surely
        for ours, others in ((self._outward, self._inward), (self._inward, self._outward)):
            if number not in ours:
                continue
            mine = ours[number][1]
            for there, theirs in others.values():
                if not inner & there.bits:
                    for own, other in zip(mine, theirs, strict=True):
                        if self._anyone[id(own)] & there.bits:
                            found |= {mask & bits for mask in self._masks[id(other)]}
        return found - {0, bits}

    def reach(self) -> dict[int, tuple[int, int]]:
        """Return for each source the targets that some packets surely reach, and may reach."""
        surely = dict.fromkeys(positions_of(self._sources), 0)
        maybe = dict(surely)
        free = 0
        for source in self._outward:
            kind, rows = self._outward[source]
            inner, bits = self._layer.inner(kind.example), kind.bits & self._sources
            for position in positions_of(bits):
                surely[position] |= inner.surely & self._targets
                maybe[position] |= inner.perhaps & self._targets
            if all(self._is_free(row) for row in rows):
                free |= bits
            else:
                self._reach_of(source, inner.surely, surely, maybe)
        for kind, rows in self._inward.values():
            for found, sets in ((surely, _sure_masks(rows)), (maybe, _all_masks(rows))):
                for position in positions_of(union(sets) & free):
                    found[position] |= kind.bits & self._targets
        return {position: (surely[position], maybe[position]) for position in surely}

    def _reach_of(
        self, source: int, within: int, surely: dict[int, int], maybe: dict[int, int]
    ) -> None:
        """Note what sources reach whose own side holds something back."""
        kind, of_source = self._outward[source]
        sources = kind.bits & self._sources
        for other, of_target in self._inward.values():
            targets = other.bits & self._targets
            if targets & within:
                continue
            for outward, inward in zip(of_source, of_target, strict=True):
                if self._meet(outward, inward, (sources, targets), surely, maybe):
                    break

    def _meet(
        self,
        outward: Row,
        inward: Row,
        ends: tuple[int, int],
        surely: dict[int, int],
        maybe: dict[int, int],
    ) -> bool:
        """Note who reaches whom with one protocol; say whether that is everybody, everybody."""
        for square in self._squares(outward, inward, *ends, doubt=False):
            for position in positions_of(square.surely[0]):
                surely[position] |= square.surely[1]
            if square.surely == ends:
                return True
            for some, others in square.perhaps:
                for position in positions_of(some):
                    maybe[position] |= others
        return False

    def _is_free(self, row: Row) -> bool:
        """Whether a row lets all packets pass to every target."""
        if len(row.columns) != 1 or len(row.columns[0]) != 1:
            return False
        _, passing, _, listed = row.columns[0][0]
        return listed is None and passing & self._targets == self._targets

    def _kind_of(self, bits: int) -> int:
        return self._numbers[(bits & -bits).bit_length() - 1]

    def _pair(self, source: int, target: int) -> Iterator[Passage]:
        """Return what passes between two kinds."""
        (one, of_source), (other, of_target) = self._outward[source], self._inward[target]
        sources, targets = one.bits & self._sources, other.bits & self._targets
        if source not in self._inner:
            self._inner[source] = self._layer.inner(one.example)
        inner = self._inner[source]
        if inner.surely & other.bits:
            yield Passage(sources, targets, (EVERYTHING,), ())
            return
        doubt = bool(inner.perhaps & other.bits)
        yield from self._between(sources, targets, of_source, of_target, doubt=doubt)

    def _rows(self, chosen: int, direction: Direction) -> dict[int, tuple[Kind, list[Row]]]:
        """Return the rows of the chosen kinds, by protocol; equal rows are one object."""
        return {
            self._kind_of(kind.bits): (
                kind,
                [self._row(kind, direction, protocol) for protocol in self._protocols],
            )
            for kind in self._layer.kinds_among(chosen)
        }

    def _row(self, kind: Kind, direction: Direction, protocol: Protocol) -> Row:
        made = self._layer.row(kind, direction, protocol)
        row = self._same.setdefault(made.key, made)
        if id(row) not in self._anyone:
            self._masks[id(row)] = frozenset(row.masks())
            self._anyone[id(row)] = union(self._masks[id(row)])
        return row

    def _between(
        self,
        sources: int,
        targets: int,
        of_source: Sequence[Row],
        of_target: Sequence[Row],
        *,
        doubt: bool,
    ) -> Iterator[Passage]:
        """Return what passes between two kinds, part by part."""
        cells: dict[tuple[int, int], list[_Square]] = {}
        for outward, inward in zip(of_source, of_target, strict=True):
            key = (id(outward), id(inward))
            if key not in cells:
                cells[key] = list(self._squares(outward, inward, sources, targets, doubt=doubt))
        if not any(cells.values()):
            return
        squares = [square for found in cells.values() for square in found]
        source_cuts = dict.fromkeys(mask for each in squares for mask in each.source_masks)
        target_cuts = dict.fromkeys(mask for each in squares for mask in each.target_masks)
        rows = list(zip(of_source, of_target, strict=True))
        for one in split(sources, source_cuts):
            for other in split(targets, target_cuts):
                told = self._shifts(
                    tuple(
                        (
                            protocol,
                            tuple(_cells(cells[(id(rows[at][0]), id(rows[at][1]))], one, other)),
                        )
                        for at, protocol in enumerate(self._protocols)
                    )
                )
                if told:
                    yield Passage(one, other, *_sorted(told))

    def _squares(
        self, outward: Row, inward: Row, sources: int, targets: int, *, doubt: bool
    ) -> Iterator["_Square"]:
        away = not (self._anyone[id(inward)] & sources and self._anyone[id(outward)] & targets)
        if away and not doubt:
            return
        for ports in stretches((*outward.starts, *inward.starts), EVERY_PORT):
            columns = (outward.column(ports[0]), inward.column(ports[0]))
            for own in _source_spans(columns):
                square = _square(
                    (ports, own),
                    (outward.at(ports[0], own[0]), targets),
                    (inward.at(ports[0], own[0]), sources),
                    doubt=doubt,
                )
                if doubt or any(some and others for some, others in square.perhaps):
                    yield square

    def _shifts(self, cells: tuple[tuple[Protocol, tuple[Cell, ...]], ...]) -> tuple[Shift, ...]:
        if cells not in self._told:
            self._told[cells] = shifts(dict(cells), self._layer.family)
        return self._told[cells]


def _sure_masks(rows: Iterable[Row]) -> Iterator[int]:
    return (strip[1] for row in rows for strips in row.columns for strip in strips)


def _all_masks(rows: Iterable[Row]) -> Iterator[int]:
    return (strip[2] for row in rows for strips in row.columns for strip in strips)


@dataclass(frozen=True, slots=True)
class _Square:
    """Ports and source ports with the sources and the targets between which packets pass.

    `surely` each of its sources reaches each of its targets, `perhaps` so in each of several
    cases. `doubt` says that a shared group which could not be read may let everything pass.
    """

    packets: tuple[Span, Span]
    surely: tuple[int, int]
    perhaps: Sequence[tuple[int, int]]
    doubt: bool

    @property
    def source_masks(self) -> Iterator[int]:
        yield self.surely[0]
        yield from (sources for sources, _ in self.perhaps)

    @property
    def target_masks(self) -> Iterator[int]:
        yield self.surely[1]
        yield from (targets for _, targets in self.perhaps)


def _square(
    packets: tuple[Span, Span], sent: tuple[Fate, int], let_in: tuple[Fate, int], *, doubt: bool
) -> _Square:
    """Put together what the sources send, and to whom, and what the targets let in, from whom."""
    (to_them, perhaps_to, listed_out), targets = sent
    (from_them, perhaps_from, listed_in), sources = let_in
    perhaps = [((from_them | perhaps_from) & sources, (to_them | perhaps_to) & targets)]
    if listed_out is not None and listed_in is not None:
        perhaps = [
            (listed_in.may_pass(*case) & sources, listed_out.may_pass(*case) & targets)
            for case in cases(listed_out, listed_in)
        ] or perhaps
    return _Square(packets, (from_them & sources, to_them & targets), perhaps, doubt)


def _source_spans(columns: Iterable[tuple[Strip, ...]]) -> tuple[Span, ...]:
    """Cut the source ports where some column does; most of them do not, which is fast."""
    if all(len(each) == 1 for each in columns):
        return (EVERY_PORT,)
    return stretches((first for each in columns for first, *_ in each), EVERY_PORT)


def _cells(squares: Iterable[_Square], sources: int, targets: int) -> Iterator[Cell]:
    for square in squares:
        some, others = square.surely
        if sources & some and targets & others:
            yield (*square.packets, REACHABLE)
        elif square.doubt or any(sources & one and targets & two for one, two in square.perhaps):
            yield (*square.packets, UNKNOWN)


def _sorted(told: Iterable[Shift]) -> tuple[tuple[Traffic, ...], tuple[Traffic, ...]]:
    """Return what surely passes, and what may."""
    found: dict[bool, list[Traffic]] = {True: [], False: []}
    for each in told:
        found[each.tag.certain].append(each.traffic)
    return tuple(found[True]), tuple(found[False])
