"""Exactly which flows a change opens and closes."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from operator import itemgetter
from typing import TypeAlias

from app.domain.addresses import AddressFamily
from app.domain.flows import Flow, Traffic
from app.domain.judging.comparison import Comparison
from app.domain.judging.layers import Layers
from app.domain.judging.patches import Patch, identity
from app.domain.judging.shifts import Shift
from app.domain.rules import NicType, PortRange
from app.domain.world import AddressEnd, End, GroupEnd, InterfaceEnd, World


@dataclass(frozen=True, slots=True)
class Item:
    """Packets that every address of `source` gains or loses towards every one of `target`.

    `asked` says that the caller asked for them; `certain` is False where it depends on
    what could not be read whether they change.
    """

    source: End
    target: End
    plane: NicType
    family: AddressFamily
    traffic: Traffic
    asked: bool
    certain: bool


@dataclass(frozen=True, slots=True)
class Exposure:
    """What opens, or what closes.

    `pairs` is the exact number of different (source, target, plane) with any item, where
    a block of addresses counts as one end, and `port_pairs` that of different (source,
    target, plane, protocol, port), where a protocol without ports has one; `items` are the
    first ones of all, in order of their ends, and `truncated` says that there are more.
    """

    pairs: int
    port_pairs: int
    items: tuple[Item, ...]
    truncated: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """What two worlds allow differently.

    `extra_pairs` counts the gained (source, target, plane), by instance, between which
    nothing was asked for; `extra_port_pairs` what of the `port_pairs` that open was not asked
    for, be it between ends of which something else was asked.
    """

    gained: Exposure
    lost: Exposure
    extra_pairs: int
    extra_port_pairs: int = 0


def difference(
    before: World,
    after: World,
    *,
    touched_groups: frozenset[str],
    touched_instances: frozenset[str],
    touched_lists: frozenset[str] = frozenset(),
    asked: Sequence[Flow],
    cap: int = 1000,
    layers: Layers | None = None,
) -> Difference:
    """Return exactly what opens and what closes from `before` to `after`.

    The worlds differ in rules and policies of `touched_groups`, in memberships of
    `touched_instances` and in entries of `touched_lists`, and in nothing else. Judged are
    both planes, both families, every protocol and port, between every address of every
    interface and every other address there is; addresses that change alike come as few
    blocks. A pair of one and the same instance is not counted. `cap` bounds the items on
    each side, not the counts. `layers` are those of `before`, where many worlds are
    compared with it.
    """
    made = Layers(before) if layers is None else layers
    found = changes(
        made,
        after,
        touched_groups=touched_groups,
        touched_instances=touched_instances,
        touched_lists=touched_lists,
        asked=asked,
    )
    gained = [patch for patch in found if patch.opens]
    lost = [patch for patch in found if not patch.opens]
    return Difference(
        _exposure(gained, cap),
        _exposure(lost, cap),
        _extra_pairs(gained),
        sum(patch.extra_port_pairs for patch in gained),
    )


def changes(
    layers: Layers,
    after: World,
    *,
    touched_groups: frozenset[str],
    touched_instances: frozenset[str],
    touched_lists: frozenset[str] = frozenset(),
    asked: Sequence[Flow] = (),
) -> list[Patch]:
    """Return what opens and closes as sets of ends that change alike, not yet listed."""
    patches: list[Patch] = []
    for plane, family in product(NicType, AddressFamily):
        old = layers.of(plane, family)
        new = old.after(
            after, groups=touched_groups, instances=touched_instances, lists=touched_lists
        )
        touched = old.touched(touched_groups, touched_instances, touched_lists)
        touched |= new.touched(touched_groups, touched_instances, touched_lists)
        if touched:
            patches.extend(Comparison(old, new, touched=touched, asked=asked).patches())
    return patches


# --- counting ---------------------------------------------------------------------


def _exposure(patches: Sequence[Patch], cap: int) -> Exposure:
    items = tuple(islice(_items(patches), cap + 1))
    pairs = sum(patch.pairs for patch in patches)
    port_pairs = sum(patch.port_pairs for patch in patches)
    return Exposure(pairs, port_pairs, items[:cap], truncated=len(items) > cap)


def _extra_pairs(gained: Sequence[Patch]) -> int:
    """Count gained pairs of instances of which no patch is wanted."""
    layers = {id(patch.sources.layer): patch.sources.layer for patch in gained}
    planes = {layer.plane for layer in layers.values()}
    if len(planes) == len(layers) and all(layer.is_single for layer in layers.values()):
        return sum(patch.pairs for patch in gained if not patch.wanted)
    return _extra_identities(gained)


def _extra_identities(gained: Iterable[Patch]) -> int:
    """Count by instance where one has several addresses, in rows of bits: there may be many."""
    numbers: dict[Hashable, int] = {}
    rows: dict[tuple[Hashable, NicType], int] = {}
    wanted: dict[tuple[Hashable, NicType], int] = {}
    for patch in gained:
        targets = 0
        for target in patch.targets:
            targets |= 1 << numbers.setdefault(identity(target), len(numbers))
        for source in patch.sources:
            key = (identity(source), patch.plane)
            rows[key] = rows.get(key, 0) | targets
            if patch.wanted:
                wanted[key] = wanted.get(key, 0) | targets
    return sum(
        (row & ~wanted.get(key, 0) & ~_bit(numbers, key[0])).bit_count()
        for key, row in rows.items()
    )


def _bit(numbers: dict[Hashable, int], key: Hashable) -> int:
    return 1 << numbers[key] if key in numbers else 0


# --- items ------------------------------------------------------------------------

_EndOrder: TypeAlias = tuple[int, str, str, str, int, int]


def _items(patches: Iterable[Patch]) -> Iterator[Item]:
    """Return all items in order, made only as far as they are asked for."""
    by_source: dict[_EndOrder, tuple[End, list[Patch]]] = {}
    for patch in patches:
        for source in patch.sources:
            by_source.setdefault(_end_order(source), (source, []))[1].append(patch)
    for _, (source, of_source) in sorted(by_source.items(), key=itemgetter(0)):
        towards = [
            (_end_order(target), target, patch)
            for patch in of_source
            for target in patch.targets
            if identity(target) != identity(source)
        ]
        for _, target, patch in sorted(towards, key=lambda each: (each[0], each[2].plane)):
            for shift in sorted(patch.shifts, key=_shift_order):
                yield _item(source, target, patch, shift)


def _item(source: End, target: End, patch: Patch, shift: Shift) -> Item:
    return Item(
        source,
        target,
        patch.plane,
        patch.family,
        shift.traffic,
        asked=shift.tag.asked,
        certain=shift.tag.certain,
    )


def _end_order(end: End) -> _EndOrder:
    match end:
        case InterfaceEnd(instance, eni, block):
            where = (block.family, block.first, block.prefix_length)
            return (0, instance.instance_id, eni.eni_id, *where)
        case AddressEnd(block):
            return (1, "", "", block.family, block.first, block.prefix_length)
        case GroupEnd(ref, family):
            return (2, ref.group_id, ref.account_id, family, 0, 0)


def _shift_order(shift: Shift) -> tuple[str, PortRange, PortRange, bool, bool]:
    traffic, tag = shift.traffic, shift.tag
    return (traffic.protocol, traffic.ports, traffic.source_ports, tag.asked, tag.certain)
