"""A second opinion, written from the vendor's words: one packet at a time, by brute force.

What could not be read is tried in every way it may be, and is the same for all rules; only a
verdict that comes out the same each time is certain.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import TypeAlias

from app.domain.addresses import AddressFamily, Block
from app.domain.flows import Outcome
from app.domain.groups import GroupKind
from app.domain.rules import (
    Direction,
    GroupPeer,
    NicType,
    Peer,
    Policy,
    PrefixListPeer,
    Protocol,
    Rule,
)
from app.domain.world import AddressEnd, End, GroupEnd, InterfaceEnd, World

NUMBERED = (Protocol.TCP, Protocol.UDP)

Case: TypeAlias = tuple[NicType, AddressFamily, tuple[Protocol, int, int]]
"""Plane, family and packet."""

Truth: TypeAlias = Mapping[Hashable, object]
"""How everything is that could not be read."""


def judge(
    world: World,
    source: End,
    target: End,
    plane: NicType,
    family: AddressFamily,
    packet: tuple[Protocol, int, int],
) -> Outcome:
    """Say what becomes of one packet: protocol, port, source port."""
    if not _routed(source, target, plane, family):
        return Outcome.BLOCKED
    shared = _shared(source, target, plane)
    if any(
        world.groups[each].kind is GroupKind.BASIC
        and world.groups[each].inner_access is Policy.ACCEPT
        for each in shared
        if each in world.groups
    ):
        return Outcome.REACHABLE
    case = (plane, family, packet)
    results = {
        _side(world, source, target, Direction.EGRESS, case, truth)
        and _side(world, target, source, Direction.INGRESS, case, truth)
        for truth in _truths(world, source, target, case)
    }
    if shared - world.groups.keys():
        results.add(True)
    if len(results) == 2:
        return Outcome.UNKNOWN
    return Outcome.REACHABLE if results.pop() else Outcome.BLOCKED


def _shared(source: End, target: End, plane: NicType) -> frozenset[str]:
    if plane is NicType.INTERNET:
        return frozenset()
    if isinstance(source, InterfaceEnd) and isinstance(target, InterfaceEnd):
        return source.eni.group_ids & target.eni.group_ids
    return frozenset()


def _routed(source: End, target: End, plane: NicType, family: AddressFamily) -> bool:
    for end in (source, target):
        if (end.family if isinstance(end, GroupEnd) else end.block.family) is not family:
            return False
        if isinstance(end, InterfaceEnd):
            here = [end.eni.public_address] if plane is NicType.INTERNET else end.eni.addresses
            if end.block not in here:
                return False
    if plane is NicType.INTERNET:
        return True
    if not (isinstance(source, InterfaceEnd) and isinstance(target, InterfaceEnd)):
        return True
    one, two = source.instance, target.instance
    if one.place.region_id != two.place.region_id:
        return False
    if one.vpc_id == two.vpc_id:
        return True
    if one.vpc_id is not None and two.vpc_id is not None:
        return False
    linked = {one.classic_link_vpc_id, two.classic_link_vpc_id} - {None}
    vpc = one.vpc_id or two.vpc_id
    return vpc in linked and one.place.account_id == two.place.account_id


def _truths(world: World, source: End, target: End, case: Case) -> Iterator[Truth]:
    """Say in every way how what could not be read may be; each thing is so, or not, everywhere."""
    plane, family, _ = case
    things: dict[Hashable, Sequence[object]] = {}
    for own, other, direction in (
        (source, target, Direction.EGRESS),
        (target, source, Direction.INGRESS),
    ):
        if isinstance(own, GroupEnd):
            things["side", direction] = (True, False)
            continue
        if isinstance(own, AddressEnd):
            continue
        rules = list(_rules(world, own, direction))
        if isinstance(other, GroupEnd):
            things["where"] = _edges(world, rules, family)
        if own.eni.group_ids - world.groups.keys():
            things["unread", direction] = (None, (1, False), (1, True))
        for name in (name for rule in rules for name in _names(world, rule, other, plane)):
            things[name] = (True, False)
    for chosen in product(*things.values()):
        yield dict(zip(things, chosen, strict=True))


def _names(world: World, rule: Rule, other: End, plane: NicType) -> Iterator[Hashable]:
    """What a rule depends on that was not read."""
    peer = rule.peer
    if isinstance(peer, PrefixListPeer) and peer.prefix_list_id not in world.prefix_lists:
        yield (rule.direction, peer)
    if isinstance(peer, GroupPeer) and plane is NicType.INTRANET:
        if isinstance(other, AddressEnd) and peer.group_id not in world.complete:
            yield (rule.direction, peer)
        if isinstance(other, GroupEnd) and peer.group_id != other.ref.group_id:
            yield (rule.direction, peer)
    if rule.ports is None or rule.protocol is Protocol.OTHER:
        yield rule.port_list_id or rule


def _edges(world: World, rules: Iterable[Rule], family: AddressFamily) -> Sequence[int]:
    """Addresses of which one is in every part that some rules tell from the others."""
    blocks = [block for rule in rules for block in _blocks(world, rule.peer)]
    starts = {0} | {edge for block in blocks for edge in (block.first, block.last + 1)}
    return sorted(start for start in starts if start < 1 << family.bits)


def _blocks(world: World, peer: Peer) -> tuple[Block, ...]:
    if isinstance(peer, Block):
        return (peer,)
    if isinstance(peer, PrefixListPeer):
        return world.prefix_lists.get(peer.prefix_list_id, ())
    return ()


def _rules(world: World, own: InterfaceEnd, direction: Direction) -> Iterator[Rule]:
    for group_id in sorted(own.eni.group_ids & world.groups.keys()):
        for held in world.groups[group_id].rules:
            if held.rule.direction is direction:
                yield held.rule


def _side(
    world: World, own: End, other: End, direction: Direction, case: Case, truth: Truth
) -> bool:
    if isinstance(own, AddressEnd):
        return True
    if isinstance(own, GroupEnd):
        return bool(truth["side", direction])
    plane, family, packet = case
    weights = [
        (rule.priority, rule.policy is Policy.ACCEPT)
        for rule in _rules(world, own, direction)
        if (own.instance.vpc_id is not None or rule.nic_type is plane)
        and _speaks(rule, own, family, packet)
        and _is_peer(world, rule, other, plane, family, truth)
        and truth.get(rule.port_list_id or rule, True)
    ]
    more = truth.get(("unread", direction))
    if more is not None:
        assert isinstance(more, tuple)
        weights.append(more)
    groups = [world.groups[each] for each in own.eni.group_ids if each in world.groups]
    basic = all(group.kind is GroupKind.BASIC for group in groups)
    return min(weights)[1] if weights else basic and direction is Direction.EGRESS


def _speaks(
    rule: Rule, own: InterfaceEnd, family: AddressFamily, packet: tuple[Protocol, int, int]
) -> bool:
    """Say whether a rule is for such packets, as far as it was read."""
    protocol, port, source_port = packet
    if rule.protocol not in {protocol, Protocol.ALL}:
        return False
    if rule.protocol is Protocol.ICMP and family is AddressFamily.IPV6:
        return False
    if rule.protocol is Protocol.ICMPV6 and family is AddressFamily.IPV4:
        return False
    if rule.own is not None and not _inside(own.block, [rule.own]):
        return False
    if protocol not in NUMBERED:
        return True
    sources, ports = rule.source_ports, rule.ports
    return (sources.first == -1 or sources.first <= source_port <= sources.last) and (
        ports is None or ports.first == -1 or ports.first <= port <= ports.last
    )


def _is_peer(
    world: World, rule: Rule, other: End, plane: NicType, family: AddressFamily, truth: Truth
) -> bool:
    told = truth.get((rule.direction, rule.peer))
    if told is not None:
        return bool(told)
    if isinstance(rule.peer, GroupPeer):
        if plane is NicType.INTERNET:
            return False
        if isinstance(other, InterfaceEnd):
            return rule.peer.group_id in other.eni.group_ids
        return isinstance(other, GroupEnd)
    blocks = [block for block in _blocks(world, rule.peer) if block.family is family]
    if isinstance(other, GroupEnd):
        place = truth["where"]
        assert isinstance(place, int)
        return any(block.first <= place <= block.last for block in blocks)
    return _inside(other.block, blocks)


def _inside(single: Block, blocks: Iterable[Block]) -> bool:
    return any(
        single.family is block.family and block.first <= single.first <= block.last
        for block in blocks
    )
