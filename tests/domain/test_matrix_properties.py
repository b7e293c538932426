"""The matrix and the circle say of every pair what the evaluator says of it alone."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.addresses import AddressFamily
from app.domain.evaluate import Evaluator
from app.domain.flows import Flow, Outcome, Traffic
from app.domain.judging.layers import positions_of
from app.domain.matrix import Matrix
from app.domain.reach import Reach
from app.domain.rules import ANY_PORT, Direction, NicType, PortRange, Protocol
from app.domain.world import AddressEnd, GroupEnd, InterfaceEnd, World
from tests.support.strategies import EDGES, SOURCE_EDGES, ends, families, planes, worlds

IDS = ("i-0", "i-1", "i-2")
chosen = st.frozensets(st.sampled_from(IDS), min_size=1)


def covers(told: Traffic, asked: Traffic) -> bool:
    if told.protocol not in {Protocol.ALL, asked.protocol}:
        return False
    return not asked.protocol.has_ports or (
        _holds(told.ports, asked.ports) and _holds(told.source_ports, asked.source_ports)
    )


def _holds(told: PortRange, asked: PortRange) -> bool:
    return told.is_every_port or told.first <= asked.first <= asked.last <= told.last


@st.composite
def packets(draw: st.DrawFn, family: AddressFamily) -> Traffic:
    protocol = draw(st.sampled_from(Protocol.ALL.concrete(family)))
    if not protocol.has_ports:
        return Traffic(protocol)
    port, source = draw(st.sampled_from(EDGES)), draw(st.sampled_from(SOURCE_EDGES))
    return Traffic(protocol, PortRange(port, port), PortRange(source, source))


def outcome_of(matrix: Matrix, source: int, target: int, packet: Traffic) -> Outcome:
    found = [
        entry
        for entry in matrix.entries()
        if entry.source.bits >> source & 1 and entry.target.bits >> target & 1
    ]
    assert len(found) <= 1
    for entry in found:
        reachable = sum(covers(each, packet) for each in entry.reachable)
        unknown = sum(covers(each, packet) for each in entry.unknown)
        assert reachable + unknown <= 1
        if reachable:
            return Outcome.REACHABLE
        if unknown:
            return Outcome.UNKNOWN
    return Outcome.BLOCKED


@settings(max_examples=150, deadline=None)
@given(st.data(), worlds(), planes, families, chosen, chosen)
def test_the_matrix_says_of_every_pair_what_the_evaluator_says(
    data: st.DataObject,
    of: World,
    plane: NicType,
    family: AddressFamily,
    sources: frozenset[str],
    targets: frozenset[str],
) -> None:
    matrix = Matrix(of, sources, targets, plane=plane, family=family)
    evaluator = Evaluator(of)
    everyone = matrix.layer.ends
    asked = [data.draw(packets(family)) for _ in range(6)]
    for (one, source), (other, target) in product(enumerate(everyone), repeat=2):
        if source.instance.instance_id == target.instance.instance_id:
            continue
        inside = source.instance.instance_id in sources and target.instance.instance_id in targets
        for packet in asked:
            said = evaluator.explain(Flow(source, target, packet, plane, family)).outcome
            expected = said if inside else Outcome.BLOCKED
            assert outcome_of(matrix, one, other, packet) is expected, (source, target, packet)


@settings(max_examples=100, deadline=None)
@given(worlds(), planes, families, chosen, chosen)
def test_the_matrix_counts_pairs_of_instances_once(
    of: World,
    plane: NicType,
    family: AddressFamily,
    sources: frozenset[str],
    targets: frozenset[str],
) -> None:
    matrix = Matrix(of, sources, targets, plane=plane, family=family)
    reachable: set[tuple[str, str]] = set()
    perhaps: set[tuple[str, str]] = set()
    for entry in matrix.entries():
        pairs = {
            (source, target)
            for source in entry.source.instance_ids
            for target in entry.target.instance_ids
            if source != target
        }
        assert len(pairs) == entry.pairs
        perhaps |= pairs
        if entry.reachable:
            reachable |= pairs
    present = {end.instance.instance_id for end in matrix.layer.ends}
    asked = {(a, b) for a in sources & present for b in targets & present if a != b}
    assert matrix.counts.asked == len(asked)
    assert matrix.counts.reachable == len(reachable)
    assert matrix.counts.unknown == len(perhaps - reachable)


@settings(max_examples=100, deadline=None)
@given(worlds(), planes, families, chosen, chosen)
def test_every_asked_end_is_in_one_class_with_ends_of_the_same_groups(
    of: World,
    plane: NicType,
    family: AddressFamily,
    sources: frozenset[str],
    targets: frozenset[str],
) -> None:
    matrix = Matrix(of, sources, targets, plane=plane, family=family)
    found = sorted(position for each in matrix.classes for position in positions_of(each.bits))
    wanted = [
        position
        for position, end in enumerate(matrix.layer.ends)
        if end.instance.instance_id in sources | targets
    ]
    assert found == wanted
    names = [each.name for each in matrix.classes]
    assert len(set(names)) == len(names)
    for each in matrix.classes:
        assert {tuple(sorted(end.eni.group_ids)) for end in each.ends} == {each.group_ids}


@st.composite
def asked_traffic(draw: st.DrawFn, family: AddressFamily) -> Traffic:
    protocol = draw(st.sampled_from([*Protocol.ALL.concrete(family), Protocol.ALL]))
    if not protocol.has_ports:
        return Traffic(protocol)
    port = draw(st.sampled_from(EDGES))
    return Traffic(protocol, PortRange(port, port), ANY_PORT)


@settings(max_examples=200, deadline=None)
@given(st.data(), worlds(), planes, families, st.sampled_from(Direction))
def test_the_circle_holds_everybody_who_passes_and_nobody_else(
    data: st.DataObject, of: World, plane: NicType, family: AddressFamily, direction: Direction
) -> None:
    everyone = list(of.ends(plane, family))
    if not everyone:
        return
    own = data.draw(st.sampled_from(everyone))
    traffic = data.draw(asked_traffic(family))
    circle = Reach(of).circle(own, direction, traffic, plane)
    evaluator = Evaluator(of)
    blocked = 0
    for other in ends(of, plane, family):
        if isinstance(other, InterfaceEnd) and other.instance == own.instance:
            continue
        inward = direction is Direction.INGRESS
        source, target = (other, own) if inward else (own, other)
        said = evaluator.explain(Flow(source, target, traffic, plane, family)).outcome
        match other:
            case AddressEnd(block):
                told = [
                    each.outcome
                    for each in circle.addresses
                    if isinstance(each.end, AddressEnd) and block.within(each.end.block)
                ]
            case GroupEnd():
                told = [each.outcome for each in circle.groups if each.end == other]
            case InterfaceEnd():
                told = [each.outcome for each in circle.interfaces if each.end == other]
                blocked += said is Outcome.BLOCKED
        assert told == ([] if said is Outcome.BLOCKED else [said]), (other, traffic)
    assert circle.blocked == blocked
