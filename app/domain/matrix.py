"""Who reaches whom among some instances, all pairs at once, with those that fare alike as one."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from app.domain.addresses import AddressFamily
from app.domain.flows import EVERYTHING, Traffic
from app.domain.judging.layers import Kind, Layer, Layers, positions_of, split, union
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
    def passages(self) -> tuple[Passage, ...]:
        """Everything that passes; no pair of ends is in two of them."""
        return tuple(_Judging(self.layer, self._sources, self._targets).passages())

    @cached_property
    def classes(self) -> tuple[EndClass, ...]:
        """Every asked end in one class, in order of their groups, then of their addresses."""
        masks: dict[int, list[int]] = {}
        kinds = self.layer.kinds
        at = {bit: number for number, kind in enumerate(kinds) for bit in positions_of(kind.bits)}
        for mask in {each.sources for each in self.passages} | {
            each.targets for each in self.passages
        }:
            masks.setdefault(at[(mask & -mask).bit_length() - 1], []).append(mask)
        parts = [
            part
            for number, kind in enumerate(kinds)
            for whole in split(kind.bits & (self._sources | self._targets), [self._sources])
            if whole
            for half in split(whole, [self._targets])
            for part in split(half, masks.get(number, ()))
        ]
        return tuple(_named([(part, tuple(self.layer.ends_of(part))) for part in parts]))

    def entries(self) -> Iterator[Entry]:
        """Return what passes from class to class, in order, made only as far as asked for."""
        for source in self.classes:
            found = self._of_source(source)
            for target in self.classes:
                for passage in found:
                    if passage.targets & target.bits:
                        pairs = _pairs(source, target)
                        if pairs:
                            told = (passage.reachable, passage.unknown)
                            yield Entry(source, target, pairs, *told)
                        break

    def _of_source(self, source: EndClass) -> Sequence[Passage]:
        return self._by_end.get((source.bits & -source.bits).bit_length() - 1, ())

    @cached_property
    def _by_end(self) -> dict[int, list[Passage]]:
        found: dict[int, list[Passage]] = {}
        for passage in self.passages:
            for position in positions_of(passage.sources):
                found.setdefault(position, []).append(passage)
        return found

    @cached_property
    def counts(self) -> Counts:
        """Exact numbers of pairs of instances, whatever number of addresses they have."""
        sources, targets = self._instances(self._sources), self._instances(self._targets)
        reachable: dict[str, set[str]] = {each: set() for each in sources}
        perhaps: dict[str, set[str]] = {each: set() for each in sources}
        for position, passages in self._by_end.items():
            own = self.layer.ends[position].instance.instance_id
            sure = union(each.targets for each in passages if each.reachable)
            maybe = union(each.targets for each in passages)
            reachable[own] |= self._instances(sure)
            perhaps[own] |= self._instances(maybe)
        return Counts(
            len(sources) * len(targets) - len(sources & targets),
            sum(len(found - {own}) for own, found in reachable.items()),
            sum(len(found - reachable[own] - {own}) for own, found in perhaps.items()),
        )

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
        self._told: dict[Hashable, tuple[Shift, ...]] = {}

    def passages(self) -> Iterator[Passage]:
        outward = self._rows(self._sources, Direction.EGRESS)
        inward = self._rows(self._targets, Direction.INGRESS)
        for source, of_source in outward:
            inner = self._layer.inner(source.example)
            for target, of_target in inward:
                sources, targets = source.bits & self._sources, target.bits & self._targets
                if inner.surely & target.bits:
                    yield Passage(sources, targets, (EVERYTHING,), ())
                    continue
                doubt = bool(inner.perhaps & target.bits)
                yield from self._between(sources, targets, of_source, of_target, doubt=doubt)

    def _rows(self, chosen: int, direction: Direction) -> list[tuple[Kind, list[Row]]]:
        """Return the rows of the chosen kinds, by protocol; equal rows are one object."""
        return [
            (kind, [self._row(kind, direction, protocol) for protocol in self._protocols])
            for kind in self._layer.kinds_among(chosen)
        ]

    def _row(self, kind: Kind, direction: Direction, protocol: Protocol) -> Row:
        made = self._layer.row(kind, direction, protocol)
        row = self._same.setdefault(made.key, made)
        if id(row) not in self._anyone:
            self._anyone[id(row)] = union(row.masks())
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
