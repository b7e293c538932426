"""What must be true of every world."""

from dataclasses import replace
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.addresses import AddressFamily
from app.domain.evaluate import explain
from app.domain.flows import EVERYTHING, Flow, Outcome, Traffic
from app.domain.rules import NicType, PortRange, Protocol
from app.domain.world import World
from tests.support.judge import judge
from tests.support.strategies import EDGES, SOURCE_EDGES, ends, families, planes, rules, worlds

Packet = tuple[Protocol, int, int]


def packets(traffic: Traffic, family: AddressFamily) -> list[Packet]:
    """Packets of a flow at all ports where a random rule may begin or end."""
    found = []
    for protocol in traffic.protocol.concrete(family):
        if not protocol.has_ports:
            found.append((protocol, 0, 0))
            continue
        ports = [port for port in EDGES if _holds(traffic.ports, port)]
        sources = [port for port in SOURCE_EDGES if _holds(traffic.source_ports, port)]
        found.extend((protocol, port, source) for port, source in product(ports, sources))
    return found


def _holds(ports: PortRange, port: int) -> bool:
    return ports.is_every_port or ports.first <= port <= ports.last


def together(outcomes: set[Outcome]) -> Outcome:
    order = (Outcome.BLOCKED, Outcome.UNKNOWN, Outcome.REACHABLE)
    return next(outcome for outcome in order if outcome in outcomes)


traffics = st.sampled_from(
    [
        EVERYTHING,
        Traffic(Protocol.TCP),
        Traffic(Protocol.TCP, PortRange(22, 22)),
        Traffic(Protocol.TCP, PortRange(22, 22), PortRange(30, 30)),
        Traffic(Protocol.TCP, PortRange(1, 1), PortRange(1, 1)),
        Traffic(Protocol.TCP, PortRange(20, 31), PortRange(30, 30)),
        Traffic(Protocol.UDP, PortRange(19, 23)),
        Traffic(Protocol.ICMP),
        Traffic(Protocol.OTHER),
    ]
)


@st.composite
def flows(draw: st.DrawFn, of: World) -> Flow:
    plane, family = draw(planes), draw(families)
    everyone = ends(of, plane, family)
    one = draw(st.sampled_from(list(of.ends(plane, family)) or everyone))
    other = draw(st.sampled_from(everyone))
    source, target = (one, other) if draw(st.booleans()) else (other, one)
    return Flow(source, target, draw(traffics), plane, family)


@settings(max_examples=200, deadline=None)
@given(st.data(), worlds())
def test_a_verdict_equals_a_second_opinion_on_every_packet(data: st.DataObject, of: World) -> None:
    for _ in range(4):
        flow = data.draw(flows(of))
        said = {
            judge(of, flow.source, flow.target, flow.plane, flow.family, packet)
            for packet in packets(flow.traffic, flow.family)
        }
        assert explain(of, flow).outcome is together(said)


@settings(max_examples=100, deadline=None)
@given(st.data(), worlds())
def test_the_order_of_rules_never_matters(data: st.DataObject, of: World) -> None:
    flow = data.draw(flows(of))
    shuffled = {
        key: replace(group, rules=tuple(data.draw(st.permutations(group.rules))))
        for key, group in of.groups.items()
    }
    assert explain(replace(of, groups=shuffled), flow) == explain(of, flow)


@settings(max_examples=100, deadline=None)
@given(st.data(), worlds())
def test_adding_an_accept_never_closes_what_is_open(data: st.DataObject, of: World) -> None:
    flow = data.draw(flows(of))
    held = data.draw(rules(rule_id="sgr-more"))
    accept = replace(held, rule=replace(held.rule, policy=type(held.rule.policy).ACCEPT))
    group_id = data.draw(st.sampled_from(sorted(of.groups)))
    group = of.groups[group_id]
    more = replace(of, groups={**of.groups, group_id: replace(group, rules=(*group.rules, accept))})
    if explain(of, flow).outcome is Outcome.REACHABLE:
        assert explain(more, flow).outcome is Outcome.REACHABLE


@settings(max_examples=100, deadline=None)
@given(st.data(), worlds(all_read=True))
def test_between_two_interfaces_nothing_is_unknown_when_all_was_read(
    data: st.DataObject, of: World
) -> None:
    of = replace(of, prefix_lists={**of.prefix_lists, "pl-lost": ()})
    readable = {
        key: replace(
            group,
            rules=tuple(
                held
                for held in group.rules
                if held.rule.ports is not None and held.rule.protocol is not Protocol.OTHER
            ),
        )
        for key, group in of.groups.items()
    }
    of = replace(of, groups=readable)
    everyone = list(of.ends(NicType.INTRANET, AddressFamily.IPV4))
    source, target = data.draw(st.sampled_from(everyone)), data.draw(st.sampled_from(everyone))
    verdict = explain(of, Flow(source, target, data.draw(traffics)))
    assert verdict.outcome is not Outcome.UNKNOWN
