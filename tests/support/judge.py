"""A second opinion, written from the vendor's words: one packet at a time, by brute force.

What could not be read is tried in every way it may be; only a verdict that comes out the
same each time is certain.
"""

from collections.abc import Iterable, Iterator
from itertools import product

from app.domain.addresses import AddressFamily, Block
from app.domain.flows import Outcome
from app.domain.groups import GroupKind
from app.domain.rules import Direction, GroupPeer, NicType, Policy, Protocol, Rule
from app.domain.world import AddressEnd, End, GroupEnd, InterfaceEnd, World

NUMBERED = (Protocol.TCP, Protocol.UDP)


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
    outs = set(_verdicts(world, source, target, Direction.EGRESS, plane, family, packet))
    ins = set(_verdicts(world, target, source, Direction.INGRESS, plane, family, packet))
    results = {out and into for out in outs for into in ins}
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


def _verdicts(
    world: World,
    own: End,
    other: End,
    direction: Direction,
    plane: NicType,
    family: AddressFamily,
    packet: tuple[Protocol, int, int],
) -> Iterator[bool]:
    """Try every way in which what could not be read may be."""
    if isinstance(own, AddressEnd):
        yield True
        return
    if isinstance(own, GroupEnd):
        yield from (True, False)
        return
    groups = [world.groups[each] for each in own.eni.group_ids if each in world.groups]
    choices: list[list[tuple[int, bool] | None]] = []
    for group in groups:
        for held in group.rules:
            rule = held.rule
            if rule.direction is not direction:
                continue
            if own.instance.vpc_id is None and rule.nic_type is not plane:
                continue
            hits = _hits(world, rule, own, other, plane, family, packet)
            weight = (rule.priority, rule.policy is Policy.ACCEPT)
            if hits != {False}:
                choices.append([weight if hit else None for hit in sorted(hits)])
    if len(groups) < len(own.eni.group_ids):
        choices.append([None, (1, False), (1, True)])
    basic = all(group.kind is GroupKind.BASIC for group in groups)
    default = basic and direction is Direction.EGRESS
    for chosen in product(*choices):
        matching = [weight for weight in chosen if weight is not None]
        yield min(matching)[1] if matching else default


def _hits(
    world: World,
    rule: Rule,
    own: InterfaceEnd,
    other: End,
    plane: NicType,
    family: AddressFamily,
    packet: tuple[Protocol, int, int],
) -> set[bool]:
    """Return whether the rule matches: both where it depends on what could not be read."""
    protocol, port, source_port = packet
    if rule.protocol not in {protocol, Protocol.ALL}:
        return {False}
    if rule.protocol is Protocol.ICMP and family is AddressFamily.IPV6:
        return {False}
    if rule.protocol is Protocol.ICMPV6 and family is AddressFamily.IPV4:
        return {False}
    if rule.own is not None and not _inside(own.block, [rule.own]):
        return {False}
    if protocol in NUMBERED:
        if rule.source_ports.first != -1 and not (
            rule.source_ports.first <= source_port <= rule.source_ports.last
        ):
            return {False}
        if (
            rule.ports is not None
            and rule.ports.first != -1
            and not rule.ports.first <= port <= rule.ports.last
        ):
            return {False}
    hits = _peers(world, rule, other, plane, family)
    if rule.ports is None or rule.protocol is Protocol.OTHER:
        hits = hits | {False}
    return hits


def _peers(
    world: World, rule: Rule, other: End, plane: NicType, family: AddressFamily
) -> set[bool]:
    if isinstance(rule.peer, GroupPeer):
        if plane is NicType.INTERNET:
            return {False}
        if isinstance(other, InterfaceEnd):
            return {rule.peer.group_id in other.eni.group_ids}
        if isinstance(other, GroupEnd):
            return {True} if other.ref.group_id == rule.peer.group_id else {True, False}
        return {False} if rule.peer.group_id in world.complete else {True, False}
    if isinstance(rule.peer, Block):
        blocks = [rule.peer]
    elif rule.peer.prefix_list_id in world.prefix_lists:
        blocks = list(world.prefix_lists[rule.peer.prefix_list_id])
    else:
        return {True, False}
    blocks = [block for block in blocks if block.family is family]
    if isinstance(other, GroupEnd):
        if any(block.prefix_length == 0 for block in blocks):
            return {True}
        return {True, False} if blocks else {False}
    return {_inside(other.block, blocks)}


def _inside(single: Block, blocks: Iterable[Block]) -> bool:
    return any(
        single.family is block.family and block.first <= single.first <= block.last
        for block in blocks
    )
