"""Verdicts against the Linux kernel: hosts with nftables rules, and packets really sent."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from app.domain.addresses import AddressFamily
from app.domain.evaluate import explain
from app.domain.flows import Cause, Flow, Outcome, Traffic
from app.domain.rules import NicType, PortRange, Protocol
from app.domain.world import World
from tests.support.chance import Chance, Seeded
from tests.support.classes import edges, rules_of
from tests.support.namespaces import Namespace
from tests.support.regions import an_estate
from tests.support.sending import Shot, fire, volleys
from tests.support.stage import Stage

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("kernel")]

PROTOCOLS = {
    AddressFamily.IPV4: ("tcp", "tcp", "udp", "udp", "icmp", "gre", "other"),
    AddressFamily.IPV6: ("tcp", "tcp", "udp", "udp", "icmpv6", "gre", "other"),
}


def shots_in(world: World, chance: Chance, number: int) -> list[Shot]:
    """Draw packets between interfaces that have a route, and say what becomes of them.

    Most of what is blocked is left out, for far more is blocked than passes.
    """
    ports = edges(rule.ports for rule in rules_of(world) if rule.ports is not None)
    sources = edges(rule.source_ports for rule in rules_of(world))
    found = []
    numbers = count(1)
    for _ in range(number):
        family = chance.one((AddressFamily.IPV4, AddressFamily.IPV4, AddressFamily.IPV6))
        ends = list(world.ends(NicType.INTRANET, family))
        if len(ends) < 2:
            continue
        source, target = chance.some(ends, 2, 2)
        if source.eni == target.eni:
            continue
        protocol = Protocol(chance.one(PROTOCOLS[family]))
        traffic = Traffic(protocol)
        if protocol.has_ports:
            port = chance.one(ports)
            source_port = chance.one(sources) if chance.maybe(50) else chance.number(1, 65535)
            traffic = Traffic(protocol, PortRange(port, port), PortRange(source_port, source_port))
        flow = Flow(source, target, traffic, NicType.INTRANET, family)
        verdict = explain(world, flow)
        assert verdict.outcome is not Outcome.UNKNOWN
        passes = verdict.outcome is Outcome.REACHABLE
        if verdict.cause is not Cause.NO_ROUTE and (passes or chance.maybe(35)):
            found.append(Shot(next(numbers), flow, source, target, passes))
    return found


def compare_with_the_kernel(seed: str, number: int) -> Counter[tuple[str, bool]]:
    """Send the packets of one estate; return how many there were of each protocol and verdict."""
    chance = Seeded(seed)
    world = an_estate(chance, unique=True)
    judged: Counter[tuple[str, bool]] = Counter()
    with Stage(world) as stage:
        for volley in volleys(shots_in(world, chance, number)):
            arrived = fire(stage, volley.shots)
            for shot in volley.shots:
                assert (shot.number in arrived) is shot.passes, (f"seed {seed}", shot)
                judged[shot.protocol.value, shot.passes] += 1
    return judged


def test_packets_arrive_exactly_if_the_verdict_says_so(
    record_property: Callable[[str, object], None],
) -> None:
    judged: Counter[tuple[str, bool]] = Counter()
    for number in range(28):
        judged += compare_with_the_kernel(f"kernel {number}", 200)
    record_property("verdicts", judged.total())
    assert judged.total() >= 1_000
    for protocol in ("tcp", "udp", "icmp", "icmpv6", "gre", "other"):
        assert judged[protocol, True] > 10, judged
        assert judged[protocol, False] > 10, judged


CHILD = """
import sys
from tests.support.chance import Seeded
from tests.support.regions import an_estate
from tests.support.stage import Stage
with Stage(an_estate(Seeded("killed"), unique=True)) as stage:
    print(next(iter(stage.hosts.values())).path, flush=True)
    sys.stdin.read()
"""


def test_a_stage_is_gone_with_its_process_even_a_killed_one() -> None:
    """A cable into one of its hosts vanishes with the host."""
    outside = Namespace()
    folder = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
    ) as child:
        assert child.stdout is not None
        host = child.stdout.readline().strip()
        cable = ("link", "add", "near", "type", "veth", "peer", "name", "far", "netns", host)
        outside.run("ip", *cable)
        assert "near" in devices_in(outside)
        child.send_signal(signal.SIGKILL)
    until = time.monotonic() + 20
    while "near" in devices_in(outside):
        assert time.monotonic() < until, "the host is still there"
    outside.close()


def devices_in(network: Namespace) -> set[str]:
    with network.entered():
        return {name for _, name in socket.if_nameindex()}


def test_nothing_of_a_stage_is_seen_outside() -> None:
    before = socket.if_nameindex()
    with Stage(an_estate(Seeded("outside"), unique=True)) as stage:
        assert socket.if_nameindex() == before
        assert all("eth0" in devices_in(host) for host in stage.hosts.values())


@pytest.mark.long
@pytest.mark.parametrize("block", range(10))
def test_very_many_packets_arrive_exactly_if_the_verdict_says_so(block: int) -> None:
    judged: Counter[tuple[str, bool]] = Counter()
    for number in range(60):
        judged += compare_with_the_kernel(f"long kernel {block}/{number}", 200)
    assert judged.total() >= 2_000
