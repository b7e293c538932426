"""Verdicts against two opinions that share nothing with the evaluator, on random estates.

The first is the simulator's walk of one packet, the second a formula that Z3 reasons about. Which
rules decide, and on which side, must agree as well.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.evaluate import explain
from app.domain.flows import Flow, Outcome, Traffic
from app.domain.rules import PortRange, Protocol
from app.domain.world import AddressEnd, InterfaceEnd, World
from tests.support import solver
from tests.support.agreeing import assert_agree, compare_with_the_walk
from tests.support.chance import Chance, Seeded, Shrinking
from tests.support.classes import Packets, Questions, rules_of
from tests.support.reading import as_read
from tests.support.regions import an_estate, estates
from tests.support.walking import Walker

WIDE = (
    Traffic(Protocol.ALL),
    Traffic(Protocol.TCP),
    Traffic(Protocol.TCP, PortRange(20, 30)),
    Traffic(Protocol.TCP, PortRange(22, 80), PortRange(1024, 65535)),
    Traffic(Protocol.TCP, PortRange(22, 22)),
    Traffic(Protocol.UDP, PortRange(1, 22)),
    Traffic(Protocol.UDP, PortRange(65535, 65535)),
    Traffic(Protocol.GRE),
    Traffic(Protocol.OTHER),
)


# --- the packet walk --------------------------------------------------------------


@pytest.mark.parametrize("block", range(8))
def test_verdicts_are_those_of_the_packet_walk(block: int) -> None:
    counts = [compare_with_the_walk(f"walk {block}/{number}", 60) for number in range(60)]
    assert sum(counts) >= 3_600


@pytest.mark.long
@pytest.mark.parametrize("block", range(20))
def test_very_many_verdicts_are_those_of_the_packet_walk(block: int) -> None:
    counts = [compare_with_the_walk(f"long walk {block}/{number}", 60) for number in range(500)]
    assert sum(counts) >= 30_000


@settings(max_examples=60, deadline=None)
@given(st.data(), estates())
def test_verdicts_of_estates_that_shrink_are_those_of_the_packet_walk(
    data: st.DataObject, world: World
) -> None:
    chance = Shrinking(data.draw)
    read = as_read(world, chance)
    for _ in range(4):
        flow = Questions(world).draw(chance)
        assert_agree(explain(read, flow), Walker(world).walk(flow), flow)


# --- Z3 ---------------------------------------------------------------------------


def pairs(world: World, chance: Chance, count: int) -> Iterator[Flow]:
    """Draw flows of which the ends, the plane and the family count."""
    questions = Questions(world)
    for _ in range(count):
        yield questions.draw(chance)


def formula_of(world: World, flow: Flow) -> solver.Formula:
    return solver.passing(world, flow.source, flow.target, flow.plane, flow.family)


def compare_with_the_formula(seed: object, packets: int) -> int:
    """Judge random packets between random ends both ways; return how many."""
    chance = Seeded(seed)
    world = an_estate(chance)
    read = as_read(world, chance)
    count = 0
    for ends in pairs(world, chance, 8):
        formula = formula_of(world, ends)
        asked = Packets(ends.family, rules_of(world)).all
        for packet in chance.some(asked, packets, packets):
            said = explain(read, replace(ends, traffic=packet)).outcome
            value = z3.simplify(solver.at(formula, packet))
            assert z3.is_true(value) or z3.is_false(value)
            expected = Outcome.REACHABLE if z3.is_true(value) else Outcome.BLOCKED
            assert said is expected, (f"seed {seed}", ends, packet)
            count += 1
    return count


@pytest.mark.parametrize("block", range(4))
def test_verdicts_are_those_of_a_formula(block: int) -> None:
    counts = [compare_with_the_formula(f"formula {block}/{number}", 24) for number in range(32)]
    assert sum(counts) >= 5_000


@pytest.mark.long
@pytest.mark.parametrize("block", range(20))
def test_very_many_verdicts_are_those_of_a_formula(block: int) -> None:
    counts = [
        compare_with_the_formula(f"long formula {block}/{number}", 40) for number in range(100)
    ]
    assert sum(counts) >= 25_000


def prove_ranges(seed: object) -> int:
    """Prove of wide flows that every packet passes, or that some packet does not."""
    chance = Seeded(seed)
    world = an_estate(chance)
    count = 0
    for ends in pairs(world, chance, 6):
        formula = formula_of(world, ends)
        for traffic in chance.some(WIDE, 3, 3):
            stopped = solver.witness(
                solver.a_packet(ends.family), solver.is_of(traffic), z3.Not(formula)
            )
            said = explain(world, replace(ends, traffic=traffic)).outcome
            expected = Outcome.REACHABLE if stopped is None else Outcome.BLOCKED
            assert said is expected, (f"seed {seed}", ends, traffic, stopped)
            count += 1
    return count


@pytest.mark.parametrize("block", range(2))
def test_a_flow_is_reachable_exactly_if_no_packet_of_it_is_stopped(block: int) -> None:
    assert sum(prove_ranges(f"ranges {block}/{number}") for number in range(30)) >= 500


@pytest.mark.long
@pytest.mark.parametrize("block", range(10))
def test_many_flows_are_reachable_exactly_if_no_packet_is_stopped(block: int) -> None:
    assert sum(prove_ranges(f"long ranges {block}/{number}") for number in range(300)) >= 5_000


def test_the_two_opinions_agree_on_every_class_of_packets() -> None:
    """The second one as bits, which the difference is compared with."""
    for number in range(12):
        chance = Seeded(f"bits {number}")
        world = an_estate(chance)
        walker = Walker(world)
        for ends in pairs(world, chance, 12):
            packets = Packets(ends.family, rules_of(world))
            bits = packets.passing(world, ends.source, ends.target, ends.plane)
            for position, packet in enumerate(packets.all):
                walked = walker.walk(replace(ends, traffic=packet))
                assert walked.is_reachable == bool(bits >> position & 1), (number, ends, packet)


def test_estates_hold_everything_that_decides() -> None:
    """Who compares estates in which nothing happens proves nothing."""
    reasons = set()
    ends = set()
    for number in range(150):
        chance = Seeded(f"walk {number}")
        world = an_estate(chance)
        walker, questions = Walker(world), Questions(world)
        for _ in range(40):
            flow = questions.draw(chance)
            reasons.add((walker.walk(flow).reason, flow.plane, flow.family))
            ends |= {type(flow.source), type(flow.target)}
    found = {(reason, plane.value, family.value) for reason, plane, family in reasons}
    for reason in ("RULE", "INGRESS_DROP", "INGRESS_DEFAULT", "EGRESS_DROP", "EGRESS_DEFAULT"):
        assert (reason, "intranet", "ipv4") in found
        assert (reason, "intranet", "ipv6") in found
        assert (reason, "internet", "ipv4") in found
    assert ("INTRA_GROUP", "intranet", "ipv4") in found
    assert ("NO_ROUTE", "intranet", "ipv4") in found
    assert ends == {InterfaceEnd, AddressEnd}
