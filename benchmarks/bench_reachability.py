"""Verdicts, all pairs and differences on large estates, beside plain ways to the same answers.

Run it as `python -m benchmarks.bench_reachability [--interfaces N …]`. Every ratio comes from
one run: the plain ways are timed on a sample of pairs and multiplied, which is said. Times are
the engine's alone, without HTTP, JSON or reading the cloud, and are time of the processor: other
programs of the machine do not count, though they slow it down. Of single flows, what reading that
clock takes is taken off. All sizes take about two minutes and 2 GB; memory is the most that the
process ever had, the world included.

Targets, at 10,000 interfaces and about 60,000 rules: all pairs in 1.5 s and 300 MB, in 10 s where
no two interfaces share their groups; 5,000 times as fast as pair by pair, 1,500 times as packet by
packet for one port, 50,000 times as Z3; one flow p50 20 us and p99 100 us; one change p95 10 ms.
"""

import argparse
import gc
import os
import platform
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random

import z3

from app.domain.addresses import AddressFamily
from app.domain.difference import changes
from app.domain.evaluate import Evaluator
from app.domain.flows import Cause, Flow, Outcome, Traffic
from app.domain.judging.layers import Layer, Layers
from app.domain.judging.spans import span
from app.domain.rules import (
    Direction,
    GroupPeer,
    NicType,
    Peer,
    Policy,
    PortRange,
    PrefixListPeer,
    Protocol,
    Rule,
)
from app.domain.world import InterfaceEnd, World
from benchmarks.estates import Size, estate, one_rule
from tests.support import solver as solving

FAMILY, PLANE = AddressFamily.IPV4, NicType.INTRANET
PORTS = (22, 80, 443, 3306, 8080, 50000)
SAMPLE = 300
"""Pairs on which the plain ways are timed."""
FORMULAS = 100
"""Pairs of which Z3 gets a formula."""
FLOWS, CHANGES = 12_000, 200
AIM = 10_000
"""Interfaces for which the targets hold."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds, but for the numbers of interfaces and rules."""

    interfaces: int
    rules: int
    all_pairs: float
    explain: float
    difference: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interfaces", type=int, nargs="+", default=[1000, 10_000, 50_000])
    sizes = sorted(parser.parse_args().interfaces)
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores")
    found = []
    for interfaces in sizes:
        found.append(measure(Size(interfaces)))
        if interfaces == AIM:
            worst(Size(interfaces, sharing=False))
    growth(found)


def growth(found: Sequence[Measured]) -> None:
    """Say what many times as many interfaces cost; all pairs grow with the square of these."""
    print(
        "\ngrowth, as many times as the size before: interfaces, pairs, all pairs, one flow, change"
    )
    for small, large in pairwise(found):
        factor = large.interfaces / small.interfaces
        print(
            f"  {small.interfaces} to {large.interfaces}: {factor:.0f}, {factor * factor:.0f}, "
            f"{large.all_pairs / small.all_pairs:.0f}, {large.explain / small.explain:.1f}, "
            f"{large.difference / small.difference:.1f}"
        )


def aim(size: Size, *, met: bool, text: str) -> str:
    """Say whether a target is reached, where there is one for this size."""
    if size.interfaces != AIM:
        return ""
    return f" (target {text}: {'reached' if met else 'NOT reached'})"


def worst(size: Size) -> None:
    """Time all pairs where every interface is judged by rules of its own."""
    layers = Layers(estate(size))
    gc.freeze()
    whole = timed(lambda: all_pairs(layers.of(PLANE, FAMILY)))
    kinds = len(layers.of(PLANE, FAMILY).kinds)
    print(
        f"  all pairs where nobody shares groups: {whole:.2f} s ({kinds} kinds)"
        f"{aim(size, met=whole <= 10, text='10 s')}"
    )


def measure(size: Size) -> Measured:
    world = estate(size)
    rules = sum(len(group.rules) for group in world.groups.values())
    print(f"\n{size.interfaces} interfaces, {size.groups} groups, {rules} rules")
    gc.freeze()
    layers = Layers(world)
    whole = timed(lambda: all_pairs(layers.of(PLANE, FAMILY)))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    kinds = len(layers.of(PLANE, FAMILY).kinds)
    print(
        f"  all pairs, all ports, 5 protocols: {whole:.2f} s ({kinds} kinds), {memory:.0f} MB"
        f"{aim(size, met=whole <= 1.5 and memory <= 300, text='1.5 s, 300 MB')}"
    )
    beside(size, world, whole)
    explain = explained(size, world)
    return Measured(size.interfaces, rules, whole, explain, differences(layers, size, whole))


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds of a processor some work takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def all_pairs(layer: Layer) -> int:
    """Work out both factors of every pair: what each kind lets in, and lets out."""
    rows = 0
    for kind in layer.kinds:
        for way in Direction:
            if layer.bench(kind.example, way).is_free:
                continue
            for protocol in Protocol.ALL.concrete(FAMILY):
                layer.row(kind, way, protocol)
                rows += 1
    return rows


def percentile(times: Sequence[float], share: float) -> float:
    ordered = sorted(times)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


# --- one flow ---------------------------------------------------------------------


def explained(size: Size, world: World) -> float:
    """Time one flow after the other, and return the middle."""
    evaluator, flows = Evaluator(world), some_flows(world, FLOWS)
    for flow in flows:
        evaluator.explain(flow)
    reading = percentile([timed(lambda: None) for _ in flows], 0.5)
    times = [
        timed(lambda flow=flow: evaluator.explain(flow)) - reading  # type: ignore[misc]  # a default binds the flow
        for flow in flows
    ]
    middle, late = percentile(times, 0.5), percentile(times, 0.99)
    print(
        f"  explain, warm, {FLOWS} flows: p50 {middle * 1e6:.0f} us, p99 {late * 1e6:.0f} us"
        f"{aim(size, met=middle <= 20e-6 and late <= 100e-6, text='20 and 100 us')}"
    )
    return middle


def some_flows(world: World, count: int) -> list[Flow]:
    random = Random(2)
    ends = list(world.ends(PLANE, FAMILY))
    return [
        Flow(
            random.choice(ends),
            random.choice(ends),
            Traffic(Protocol.TCP, PortRange(port, port)),
        )
        for port in (random.choice(PORTS) for _ in range(count))
    ]


# --- one change -------------------------------------------------------------------


def differences(layers: Layers, size: Size, whole: float) -> float:
    """Time what one rule more, or one less, opens and closes, and return the middle."""
    random, world = Random(3), layers.world
    times = []
    for number in range(CHANGES):
        group = world.groups[f"sg-{random.randrange(size.groups)}"]
        rules = (*group.rules, one_rule(random, size, number))
        if random.random() < 0.5:
            rules = group.rules[1:]
        changed = replace(group, rules=rules)
        after = replace(world, groups={**world.groups, group.group_id: changed})
        touched = frozenset({group.group_id})
        times.append(
            timed(
                lambda after=after, touched=touched: changes(  # type: ignore[misc]  # bound at once
                    layers, after, touched_groups=touched, touched_instances=frozenset()
                )
            )
        )
    middle, late = percentile(times, 0.5), percentile(times, 0.95)
    print(
        f"  difference of one rule, {CHANGES} changes: p50 {middle * 1e3:.1f} ms, "
        f"p95 {late * 1e3:.1f} ms, max {max(times) * 1e3:.0f} ms"
        f"{aim(size, met=late <= 10e-3, text='p95 10 ms')}; "
        f"all pairs anew take {whole / middle:.0f} times as long"
    )
    return middle


# --- plain ways -------------------------------------------------------------------


def beside(size: Size, world: World, whole: float) -> None:
    """Time a packet judged rule by rule, and a pair judged by lists of port intervals."""
    flows = some_flows(world, SAMPLE)
    everyone = len(list(world.ends(PLANE, FAMILY)))
    pairs = everyone * everyone
    evaluator = Evaluator(world)
    for flow in flows:
        reached = packet_passes(world, flow)
        assert reached == (evaluator.explain(flow).outcome is Outcome.REACHABLE), flow
    check_rows(world, flows, evaluator)
    packet = timed(lambda: [packet_passes(world, flow) for flow in flows]) / len(flows)
    pair = timed(lambda: [open_ports(world, flow) for flow in flows]) / len(flows)
    print(
        f"  packet by packet, one port only: {packet * 1e6:.0f} us each, {packet * pairs:.0f} s "
        f"for all pairs (from {SAMPLE}), {packet * pairs / whole:.0f} times as long"
        f"{aim(size, met=packet * pairs / whole >= 1_500, text='1,500')}"
    )
    print(
        f"  pair by pair, lists of intervals: {pair * 1e6:.0f} us each, {pair * pairs:.0f} s "
        f"for all pairs (from {SAMPLE}), {pair * pairs / whole:.0f} times as long"
        f"{aim(size, met=pair * pairs / whole >= 5_000, text='5,000')}"
    )
    asked = flows[:FORMULAS]
    point = solved(world, asked)
    print(
        f"  Z3, one port only: {point * 1e6:.0f} us each, its formulas made before, "
        f"{point * pairs:.0f} s for all pairs (from {FORMULAS}), "
        f"{point * pairs / whole:.0f} times as long"
        f"{aim(size, met=point * pairs / whole >= 50_000, text='50,000')}"
    )


def check_rows(world: World, flows: Sequence[Flow], evaluator: Evaluator) -> None:
    """Compare what rows say of some packets with what the evaluator says of each."""
    layer = Layers(world).of(PLANE, FAMILY)
    at = {end: position for position, end in enumerate(layer.ends)}
    for flow in flows:
        told = []
        sides = ((flow.source, flow.target, Direction.EGRESS),
                 (flow.target, flow.source, Direction.INGRESS))  # fmt: skip
        for own, other, way in sides:
            assert isinstance(own, InterfaceEnd)
            assert isinstance(other, InterfaceEnd)
            (kind,) = layer.kinds_of(1 << at[own])
            ports, sources = flow.traffic.ports, span(flow.traffic.source_ports)
            row = layer.row(kind, way, flow.traffic.protocol)
            told += [row.at(ports.first, each)[0] >> at[other] & 1 for each in sources]
        verdict = evaluator.explain(flow)
        if verdict.cause is not Cause.INTRA_GROUP:
            assert all(told) == (verdict.outcome is Outcome.REACHABLE), flow


def solved(world: World, flows: Sequence[Flow]) -> float:
    """Ask Z3 of each flow whether some packet is stopped; return the mean time of a question."""
    evaluator, total = Evaluator(world), 0.0
    for flow in flows:
        solver = z3.Solver()
        solver.add(solving.a_packet(FAMILY), solving.is_of(flow.traffic))
        solver.add(z3.Not(solving.passing(world, flow.source, flow.target, PLANE, FAMILY)))
        start = time.process_time()
        passes = solver.check() == z3.unsat
        total += time.process_time() - start
        assert passes == (evaluator.explain(flow).outcome is Outcome.REACHABLE), flow
    return total / len(flows)


def packet_passes(world: World, flow: Flow) -> bool:
    """Judge one tcp packet the plain way: scan all rules of both sides."""
    assert isinstance(flow.source, InterfaceEnd)
    assert isinstance(flow.target, InterfaceEnd)
    if connected(world, flow.source, flow.target):
        return True
    port = flow.traffic.ports.first
    return side_passes(world, flow.source, flow.target, Direction.EGRESS, port) and side_passes(
        world, flow.target, flow.source, Direction.INGRESS, port
    )


def connected(world: World, one: InterfaceEnd, other: InterfaceEnd) -> bool:
    shared = one.eni.group_ids & other.eni.group_ids
    return any(world.groups[group_id].connects_members for group_id in shared)


def side_passes(
    world: World, own: InterfaceEnd, other: InterfaceEnd, direction: Direction, port: int
) -> bool:
    best: tuple[int, bool] | None = None
    for rule in rules_of(world, own, direction):
        first, last = span(rule.ports)
        source_first, _ = span(rule.source_ports)
        whole = source_first == 1 or rule.policy is Policy.DROP
        if first <= port <= last and whole and names(world, rule.peer, other):
            best = rule.rank if best is None else min(best, rule.rank)
    return direction is Direction.EGRESS if best is None else best[1]


def rules_of(world: World, own: InterfaceEnd, direction: Direction) -> list[Rule]:
    return [
        held.rule
        for group_id in own.eni.group_ids
        for held in world.groups[group_id].rules
        if held.rule.direction is direction and held.rule.protocol.covers(Protocol.TCP)
    ]


def names(world: World, peer: Peer, end: InterfaceEnd) -> bool:
    match peer:
        case GroupPeer(group_id):
            return group_id in end.eni.group_ids
        case PrefixListPeer(prefix_list_id):
            return any(end.block.within(block) for block in world.prefix_lists[prefix_list_id])
        case _:
            return end.block.within(peer)


def open_ports(world: World, flow: Flow) -> list[tuple[int, int]]:
    """Work out all open tcp ports of one pair by cutting lists of intervals, rule by rule."""
    assert isinstance(flow.source, InterfaceEnd)
    assert isinstance(flow.target, InterfaceEnd)
    if connected(world, flow.source, flow.target):
        return [(1, 65535)]
    out = side_ports(world, flow.source, flow.target, Direction.EGRESS)
    into = side_ports(world, flow.target, flow.source, Direction.INGRESS)
    return common(out, into)


def side_ports(
    world: World, own: InterfaceEnd, other: InterfaceEnd, direction: Direction
) -> list[tuple[int, int]]:
    undecided, opened = [(1, 65535)], []
    matching = [rule for rule in rules_of(world, own, direction) if names(world, rule.peer, other)]
    for rule in sorted(matching, key=lambda each: each.rank):
        hit = common(undecided, [span(rule.ports)])
        undecided = without(undecided, span(rule.ports))
        if rule.policy is Policy.ACCEPT:
            opened += hit
    return sorted(opened + (undecided if direction is Direction.EGRESS else []))


def common(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [
        (max(first, begin), min(last, end))
        for first, last in one
        for begin, end in other
        if max(first, begin) <= min(last, end)
    ]


def without(spans: list[tuple[int, int]], hole: tuple[int, int]) -> list[tuple[int, int]]:
    left = [(first, min(last, hole[0] - 1)) for first, last in spans]
    right = [(max(first, hole[1] + 1), last) for first, last in spans]
    return [each for each in left + right if each[0] <= each[1]]


if __name__ == "__main__":
    main()
