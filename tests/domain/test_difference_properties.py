"""The difference of two random worlds, against the evaluator at every boundary."""

from collections.abc import Hashable, Iterable
from dataclasses import replace
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.addresses import AddressFamily
from app.domain.difference import Difference, Item, difference
from app.domain.evaluate import explain
from app.domain.flows import EVERYTHING, Flow, Outcome, Traffic
from app.domain.judging.patches import identity
from app.domain.rules import NicType, PortRange, Protocol
from app.domain.world import AddressEnd, End, GroupEnd, InterfaceEnd, World
from tests.support.strategies import (
    EDGES,
    SOURCE_EDGES,
    changed,
    ends,
    families,
    planes,
    worlds,
)

OPENNESS = [Outcome.BLOCKED, Outcome.UNKNOWN, Outcome.REACHABLE]
WISHES = (EVERYTHING, Traffic(Protocol.TCP, PortRange(22, 30)), Traffic(Protocol.ICMP))


def all_packets(family: AddressFamily) -> list[Traffic]:
    """Single packets at all ports where a random rule may begin or end."""
    numbered = (Protocol.TCP, Protocol.UDP)
    rest = [Traffic(each) for each in Protocol.ALL.concrete(family) if each not in numbered]
    tuples = product(numbered, EDGES, SOURCE_EDGES)
    return [Traffic(p, PortRange(a, a), PortRange(b, b)) for p, a, b in tuples] + rest


def some_packets(family: AddressFamily) -> st.SearchStrategy[list[Traffic]]:
    return st.lists(st.sampled_from(all_packets(family)), min_size=8, max_size=12, unique=True)


def covers(wide: Traffic, packet: Traffic, family: AddressFamily) -> bool:
    if packet.protocol not in wide.protocol.concrete(family):
        return False
    return _within(packet.ports, wide.ports) and _within(packet.source_ports, wide.source_ports)


def _within(one: PortRange, wide: PortRange) -> bool:
    return wide.is_every_port or wide.first <= one.first <= wide.last


def is_part(end: End, of: End) -> bool:
    """Say whether an end that is one address, or one group, is in the end of an item."""
    match end, of:
        case (AddressEnd(), AddressEnd()):
            return end.block.within(of.block)
        case (InterfaceEnd(), InterfaceEnd()):
            return _place(end) == _place(of)
        case _:
            return end == of


def _place(end: InterfaceEnd) -> Hashable:
    return (end.instance.instance_id, end.eni.eni_id, end.block)


def covering(items: tuple[Item, ...], flow: Flow) -> list[Item]:
    return [
        item
        for item in items
        if item.plane is flow.plane
        and item.family is flow.family
        and covers(item.traffic, flow.traffic, flow.family)
        and is_part(flow.source, item.source)
        and is_part(flow.target, item.target)
    ]


def compared(before: World, after: World, asked: list[Flow]) -> Difference:
    """Touched is what differs, and no more."""
    groups = {key for key in before.groups if before.groups[key] != after.groups[key]}
    moved = {key for key in before.instances if before.instances[key] != after.instances[key]}
    return difference(
        before,
        after,
        touched_groups=frozenset(groups),
        touched_instances=frozenset(moved),
        asked=asked,
        cap=10**9,
    )


def interfaces(of: World) -> list[InterfaceEnd]:
    return [end for plane in NicType for family in AddressFamily for end in of.ends(plane, family)]


@st.composite
def wishes(draw: st.DrawFn, of: World, plane: NicType, family: AddressFamily) -> list[Flow]:
    everyone = ends(of, plane, family)
    end = st.sampled_from(everyone)
    wish = st.builds(Flow, end, end, st.sampled_from(WISHES), st.just(plane), st.just(family))
    return draw(st.lists(wish, max_size=3))


def is_asked(asked: list[Flow], flow: Flow) -> bool:
    return any(
        covers(each.traffic, flow.traffic, flow.family)
        and _means(each.source, flow.source)
        and _means(each.target, flow.target)
        for each in asked
    )


def _means(asked: End, end: End) -> bool:
    if isinstance(asked, AddressEnd) and isinstance(end, InterfaceEnd):
        return end.block.within(asked.block)
    return is_part(end, asked)


def tells(told: Difference, unread: GroupEnd) -> bool:
    """Whether a group that could not be read is named: it is where a changed rule names it."""
    items = (*told.gained.items, *told.lost.items)
    return any(unread in {item.source, item.target} for item in items)


def fully_known(of: World) -> World:
    """Members of unread groups are `GroupEnd`s, so that no bare address is one."""
    return replace(of, complete=of.complete | {ref.group_id for ref in of.unread})


def assert_told(told: Difference, flow: Flow, old: Outcome, new: Outcome, *, asked: bool) -> None:
    """What opens is gained once, what closes is lost once, and the rest is not mentioned."""
    gained, lost = covering(told.gained.items, flow), covering(told.lost.items, flow)
    step = OPENNESS.index(new) - OPENNESS.index(old)
    assert (len(gained), len(lost)) == (int(step > 0), int(step < 0)), (flow, old, new)
    for item in (*gained, *lost):
        assert item.certain == (Outcome.UNKNOWN not in {old, new})
        assert item.asked == asked


@settings(max_examples=80, deadline=None)
@given(st.data(), worlds(), planes, families)
def test_the_difference_is_what_the_evaluator_says_before_and_after_and_nothing_more(
    data: st.DataObject, before: World, plane: NicType, family: AddressFamily
) -> None:
    after = data.draw(changed(before))
    asked = data.draw(wishes(after, plane, family))
    told = compared(before, after, asked)
    old_world, new_world = fully_known(before), fully_known(after)
    olds = dict(zip(map(_place, interfaces(before)), interfaces(before), strict=True))
    packets = data.draw(some_packets(family))
    everyone = [
        end
        for end in ends(after, plane, family)
        if not isinstance(end, GroupEnd)
        or (before.instances == after.instances and tells(told, end))
    ]
    for source, target in product(everyone, everyone):
        if identity(source) == identity(target) or not (
            isinstance(source, InterfaceEnd) or isinstance(target, InterfaceEnd)
        ):
            continue
        old_source = olds[_place(source)] if isinstance(source, InterfaceEnd) else source
        old_target = olds[_place(target)] if isinstance(target, InterfaceEnd) else target
        for packet in packets:
            flow = Flow(source, target, packet, plane, family)
            old = explain(old_world, Flow(old_source, old_target, packet, plane, family)).outcome
            new = explain(new_world, flow).outcome
            assert_told(told, flow, old, new, asked=is_asked(asked, flow))


@settings(max_examples=80, deadline=None)
@given(st.data(), worlds())
def test_counts_equal_the_number_of_pairs_among_all_items(
    data: st.DataObject, before: World
) -> None:
    after = data.draw(changed(before))
    asked = data.draw(wishes(after, NicType.INTRANET, AddressFamily.IPV4))
    told = compared(before, after, asked)
    for exposure in (told.gained, told.lost):
        pairs = {(_name(item.source), _name(item.target), item.plane) for item in exposure.items}
        assert exposure.pairs == len(pairs)
        assert exposure.port_pairs == ports_between(exposure.items)
        assert not exposure.truncated
    wanted = {
        (identity(item.source), identity(item.target), item.plane)
        for item in told.gained.items
        if any(
            each.plane is item.plane
            and _is_named(each.source, item.source)
            and _is_named(each.target, item.target)
            for each in asked
        )
    }
    pairs_of = {
        (identity(item.source), identity(item.target), item.plane) for item in told.gained.items
    }
    assert told.extra_pairs == len(pairs_of - wanted)


def ports_between(items: Iterable[Item]) -> int:
    """Count every port of every pair, a bit for each."""
    found: dict[Hashable, int] = {}
    for item in items:
        for protocol in item.traffic.protocol.concrete(item.family):
            ports = item.traffic.ports
            first, last = (1, 65535) if ports.is_every_port else (ports.first, ports.last)
            pair = (_name(item.source), _name(item.target), item.plane, protocol)
            bits = (1 << last + 1) - (1 << first) if protocol.has_ports else 1
            found[pair] = found.get(pair, 0) | bits
    return sum(bits.bit_count() for bits in found.values())


def _is_named(asked: End, end: End) -> bool:
    return identity(asked) == identity(end) or _means(asked, end)


def _name(end: End) -> Hashable:
    return _place(end) if isinstance(end, InterfaceEnd) else end


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_a_world_does_not_differ_from_itself(of: World) -> None:
    told = difference(
        of,
        of,
        touched_groups=frozenset(of.groups),
        touched_instances=frozenset(of.instances),
        asked=[],
    )
    assert told.gained.pairs == told.lost.pairs == told.extra_pairs == 0


@settings(max_examples=60, deadline=None)
@given(st.data(), worlds())
def test_what_one_change_opens_its_opposite_closes(data: st.DataObject, before: World) -> None:
    after = data.draw(changed(before))
    there, back = compared(before, after, []), compared(after, before, [])
    assert there.gained.pairs == back.lost.pairs
    assert there.lost.pairs == back.gained.pairs
