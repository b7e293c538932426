"""Rules of a plan are as few as say the same."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.domain.opening import fewest
from app.domain.rules import PortRange, Protocol, Rule
from tests.support.worlds import rule

SPAN = st.tuples(st.integers(1, 60), st.integers(0, 20))


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    protocol = draw(st.sampled_from(["tcp", "udp", "icmp"]))
    first, more = draw(SPAN)
    ports = f"{first}/{first + more}" if protocol != "icmp" else ""
    peer = draw(st.sampled_from(["10.0.0.1/32", "10.0.0.2/32", "sg-1"]))
    own = draw(st.sampled_from([None, "10.0.0.9/32"]))
    return rule(protocol=protocol, ports=ports, peer=peer, own=own).rule


def said(of: Rule) -> set[tuple[object, ...]]:
    assert of.ports is not None
    ports = range(of.ports.first, of.ports.last + 1)
    return {(of.direction, of.protocol, of.peer, of.own, port) for port in ports}


@given(st.lists(rules(), max_size=12))
def test_joined_rules_say_neither_more_nor_less(some: list[Rule]) -> None:
    before = set().union(*map(said, some))
    assert set().union(*map(said, fewest(some))) == before


@given(st.lists(rules(), max_size=12))
def test_no_two_joined_rules_could_be_one(some: list[Rule]) -> None:
    alike: dict[tuple[object, ...], list[PortRange]] = {}
    for each in fewest(some):
        assert each.ports is not None
        key = (each.direction, each.protocol, each.peer, each.own)
        alike.setdefault(key, []).append(each.ports)
    for ranges in alike.values():
        assert all(one.last + 1 < other.first for one, other in pairwise(sorted(ranges)))


def test_neighbouring_ranges_of_one_peer_become_one_rule() -> None:
    some = [rule(ports=ports).rule for ports in ("81/81", "80/80", "90/95", "82/84")]
    joined = [(each.protocol, str(each.ports)) for each in fewest(some)]
    assert joined == [(Protocol.TCP, "80/84"), (Protocol.TCP, "90/95")]
