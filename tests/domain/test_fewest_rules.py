"""Rules of a plan are as few as say the same."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.addresses import AddressFamily, Block
from app.domain.fewest import MOST_BOXES, fewest
from app.domain.rules import ANY_PORT, GroupPeer, Peer, PortRange, Protocol, Rule
from tests.support.worlds import rule

BASE = Block.read("10.0.0.0/29")
BLOCKS = [
    Block(AddressFamily.IPV4, first, length)
    for length in range(29, 33)
    for first in range(BASE.first, BASE.last + 1, 1 << (32 - length))
]
OWNS = [None, Block.read("10.0.1.0/32"), Block.read("10.0.1.1/32"), Block.read("10.0.1.0/31")]
PORTS = range(1, 6)
GROUPS = [GroupPeer("sg-1", "1000000000000001"), GroupPeer("sg-2", "1000000000000001")]
PEERS: list[Peer] = [*BLOCKS, *GROUPS]

Packet = tuple[Protocol, object, object, int]


@st.composite
def some_rules(draw: st.DrawFn) -> Rule:
    protocol = draw(st.sampled_from([Protocol.TCP, Protocol.TCP, Protocol.UDP, Protocol.ALL]))
    first = draw(st.sampled_from(PORTS))
    last = draw(st.integers(first, PORTS[-1]))
    ports = PortRange(first, last) if protocol is not Protocol.ALL else ANY_PORT
    peer = draw(st.sampled_from([*PEERS, *BLOCKS[-8:]]))
    return replace(
        rule(protocol="tcp", ports="80", peer="10.0.0.1/32").rule,
        protocol=protocol,
        ports=ports,
        peer=peer,
        own=draw(st.sampled_from(OWNS)),
    )


def packets(rules: Iterable[Rule]) -> set[Packet]:
    """Every packet of the small world that some rule lets in, one by one."""
    return {packet for each in rules for packet in _of(each)}


def _of(each: Rule) -> Iterator[Packet]:
    assert each.ports is not None
    peers = _addresses(each.peer) if isinstance(each.peer, Block) else [each.peer]
    owns = _addresses(each.own) if each.own is not None else [None]
    if each.protocol is Protocol.ALL:
        kinds = [(Protocol.TCP, port) for port in PORTS] + [(Protocol.UDP, port) for port in PORTS]
        kinds.append((Protocol.OTHER, 0))
    else:
        kinds = [(each.protocol, port) for port in range(each.ports.first, each.ports.last + 1)]
    for peer, own, (protocol, port) in product(peers, owns, kinds):
        yield (protocol, peer, own, port)


def _addresses(block: Block) -> range:
    return range(block.first, block.last + 1)


@settings(max_examples=300, deadline=None)
@given(st.lists(some_rules(), min_size=1, max_size=10), st.booleans())
def test_fewer_rules_say_neither_more_nor_less(some: list[Rule], join: bool) -> None:
    found = fewest(some, join_addresses=join)
    assert packets(found.rules) == packets(some)
    assert found.at_least <= len(found.rules) <= len(set(some))


@settings(max_examples=60, deadline=None)
@given(st.lists(some_rules(), min_size=1, max_size=6))
def test_no_fewer_rules_say_the_same(some: list[Rule]) -> None:
    """Every set of rules that there can be was tried, by other means than ours."""
    found = fewest(some, join_addresses=True)
    assert found.is_proven
    wanted = packets(some)
    every = {
        frozenset(mine)
        for protocol, peer, own in product((Protocol.TCP, Protocol.UDP, Protocol.ALL), PEERS, OWNS)
        for ports in _every_range(protocol)
        if (mine := set(_of(_like(some[0], protocol, ports, peer, own)))) <= wanted
    }
    assert not _covered(wanted, sorted(every, key=len, reverse=True), len(found.rules) - 1)


def _every_range(protocol: Protocol) -> Iterator[PortRange]:
    if protocol is Protocol.ALL:
        yield ANY_PORT
        return
    for first in PORTS:
        for last in range(first, PORTS[-1] + 1):
            yield PortRange(first, last)


def _like(
    example: Rule, protocol: Protocol, ports: PortRange, peer: Peer, own: Block | None
) -> Rule:
    return replace(example, protocol=protocol, ports=ports, peer=peer, own=own)


def _covered(wanted: set[Packet], every: list[frozenset[Packet]], most: int) -> bool:
    """Say whether so few sets hold everything, by trying all that hold the hardest packet."""
    if not wanted:
        return True
    if not most or sum(sorted((len(each & wanted) for each in every), reverse=True)[:most]) < len(
        wanted
    ):
        return False
    hardest = min(wanted, key=lambda packet: sum(packet in each for each in every))
    useful = {each & wanted for each in every if hardest in each}
    best = [each for each in useful if not any(each < other for other in useful)]
    return any(_covered(wanted - each, every, most - 1) for each in best)


def test_neighbouring_ranges_of_one_peer_become_one_rule() -> None:
    some = [rule(ports=ports).rule for ports in ("81/81", "80/80", "90/95", "82/84")]
    for join in (False, True):
        joined = [
            (each.protocol, str(each.ports)) for each in fewest(some, join_addresses=join).rules
        ]
        assert joined == [(Protocol.TCP, "80/84"), (Protocol.TCP, "90/95")]


def spelt(some: list[Rule], *, join: bool) -> list[str]:
    return [f"{each.peer} {each.own}" for each in fewest(some, join_addresses=join).rules]


def test_addresses_are_joined_where_all_of_a_block_is_wanted_and_only_there() -> None:
    some = [rule(ports="80", peer=f"10.0.0.{last}/32").rule for last in (1, 2, 3, 4)]
    assert spelt(some, join=True) == ["10.0.0.1/32 None", "10.0.0.2/31 None", "10.0.0.4/32 None"]
    assert len(spelt(some, join=False)) == 4


def test_targets_are_joined_like_sources() -> None:
    some = [
        rule(ports="80", peer=f"10.0.0.{source}/32", own=f"10.0.1.{target}/32").rule
        for source in range(4)
        for target in range(8)
    ]
    assert spelt(some, join=True) == ["10.0.0.0/30 10.0.1.0/29"]


def test_what_a_wider_rule_opens_needs_no_rule_of_its_own() -> None:
    everything = rule(protocol="all", peer="10.0.0.0/24").rule
    some = [everything, rule(ports="80", peer="10.0.0.9/32").rule]
    assert fewest(some, join_addresses=True).rules == (everything,)


@pytest.mark.parametrize("scattered", [False, True])
def test_a_request_of_the_largest_size_is_covered(scattered: bool) -> None:
    step = 2 if scattered else 1
    sources = [Block.read(f"10.0.0.{step * number}/32") for number in range(100)]
    owns = [Block.read(f"10.0.1.{step * number}/32") for number in range(100)]
    example = rule(ports="80", peer="10.9.9.9/32").rule
    some = [replace(example, peer=peer, own=own) for peer, own in product(sources, owns)]
    found = fewest(some, join_addresses=True)
    assert found.is_proven
    assert len(found.rules) == (10_000 if scattered else 9)


def test_what_cannot_be_searched_says_what_is_needed_at_least() -> None:
    """Ports that differ from source to source in a pattern with very many joins."""
    some = [
        rule(ports=str(port), peer=f"10.0.{number // 256}.{number % 256}/32").rule
        for number in range(MOST_BOXES)
        for port in range(1, 40)
        if (number * 7 + port * port) % 5
    ]
    found = fewest(some, join_addresses=True)
    assert found.at_least <= len(found.rules) < len(some)
