"""Every class of packets of a family at once, each packet a bit; and the flows to ask about.

Between two neighbouring ports at which no rule begins or ends all packets fare alike. Of each
such class the first and the last packet are asked, so that nothing is off by one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from app.domain.addresses import AddressFamily, Block
from app.domain.flows import Flow, Traffic
from app.domain.groups import GroupKind, Instance
from app.domain.rules import (
    ANY_PORT,
    Direction,
    GroupPeer,
    NicType,
    Policy,
    PortRange,
    PrefixListPeer,
    Protocol,
    Rule,
)
from app.domain.world import AddressEnd, End, InterfaceEnd, World
from tests.support.chance import Chance

HIGHEST = 65535
NUMBERED = (Protocol.TCP, Protocol.UDP)
UNNUMBERED = {
    AddressFamily.IPV4: (Protocol.ICMP, Protocol.GRE),
    AddressFamily.IPV6: (Protocol.ICMPV6, Protocol.GRE),
}


def edges(ranges: Iterable[PortRange]) -> tuple[int, ...]:
    """Return the first and the last port of every class that these ranges make."""
    firsts = {1}
    for each in ranges:
        if each != ANY_PORT:
            firsts |= {each.first, each.last + 1}
    firsts.discard(HIGHEST + 1)
    lasts = {first - 1 for first in firsts if first > 1} | {HIGHEST}
    return tuple(sorted(firsts | lasts))


def rules_of(*worlds: World) -> list[Rule]:
    return [
        held.rule for world in worlds for group in world.groups.values() for held in group.rules
    ]


@dataclass(frozen=True)
class Packets:
    """Packets of a family, each standing for its class among `rules`.

    `has_others` adds one of a protocol without a name, which the simulator does not know.
    """

    family: AddressFamily
    rules: Sequence[Rule]
    has_others: bool = False

    @cached_property
    def all(self) -> tuple[Traffic, ...]:
        ports = edges(rule.ports for rule in self.rules if rule.ports is not None)
        sources = edges(rule.source_ports for rule in self.rules)
        numbered = tuple(
            Traffic(protocol, PortRange(port, port), PortRange(source, source))
            for protocol, port, source in product(NUMBERED, ports, sources)
        )
        rest = UNNUMBERED[self.family] + ((Protocol.OTHER,) if self.has_others else ())
        return numbered + tuple(Traffic(protocol) for protocol in rest)

    @cached_property
    def every(self) -> int:
        return (1 << len(self.all)) - 1

    @cached_property
    def _masks(self) -> dict[Traffic, int]:
        return {}

    def within(self, traffic: Traffic) -> int:
        """Return the packets that are of a kind of traffic, as bits."""
        if traffic not in self._masks:
            self._masks[traffic] = sum(
                1 << position for position, packet in enumerate(self.all) if _holds(traffic, packet)
            )
        return self._masks[traffic]

    def passing(self, world: World, source: End, target: End, plane: NicType) -> int:
        """Judge every packet between two ends of a world that was read entirely, as bits."""
        if not _routed(source, target, plane, self.family):
            return 0
        if plane is NicType.INTRANET and _let_in(world, source, target):
            return self.every
        going = self._side(world, Direction.EGRESS, source, target, plane)
        return going and going & self._side(world, Direction.INGRESS, target, source, plane)

    def _side(
        self, world: World, direction: Direction, own: End, other: End, plane: NicType
    ) -> int:
        if not isinstance(own, InterfaceEnd):
            return self.every
        groups = [world.groups[group_id] for group_id in own.eni.group_ids]
        matching = [
            held.rule
            for group in groups
            for held in group.rules
            if held.rule.direction is direction
            and (group.vpc_id is not None or held.rule.nic_type is plane)
            and (held.rule.own is None or _holds_address(held.rule.own, own.block))
            and _is_peer(world, held.rule, other, plane)
            and self.family in _families(held.rule)
        ]
        matching.sort(key=lambda rule: (rule.priority, rule.policy is Policy.ACCEPT))
        allowed, undecided = 0, self.every
        for rule in matching:
            hit = undecided & self.within(
                Traffic(rule.protocol, rule.ports or ANY_PORT, rule.source_ports)
            )
            undecided ^= hit
            if rule.policy is Policy.ACCEPT:
                allowed |= hit
        if direction is Direction.EGRESS and groups[0].kind is GroupKind.BASIC:
            allowed |= undecided
        return allowed


def _holds(traffic: Traffic, packet: Traffic) -> bool:
    return (
        traffic.protocol in {packet.protocol, Protocol.ALL}
        and _holds_port(traffic.ports, packet.ports)
        and _holds_port(traffic.source_ports, packet.source_ports)
    )


def _holds_port(ports: PortRange, packet: PortRange) -> bool:
    return ANY_PORT in {ports, packet} or ports.first <= packet.first <= ports.last


def _holds_address(block: Block, single: Block) -> bool:
    return block.family is single.family and block.first <= single.first <= block.last


def _families(rule: Rule) -> tuple[AddressFamily, ...]:
    """Return the families that a rule's protocol is for."""
    one = {Protocol.ICMP: AddressFamily.IPV4, Protocol.ICMPV6: AddressFamily.IPV6}
    return (one[rule.protocol],) if rule.protocol in one else tuple(AddressFamily)


def _is_peer(world: World, rule: Rule, other: End, plane: NicType) -> bool:
    assert isinstance(other, InterfaceEnd | AddressEnd)
    match rule.peer:
        case GroupPeer(group_id):
            return (
                plane is NicType.INTRANET
                and isinstance(other, InterfaceEnd)
                and group_id in other.eni.group_ids
            )
        case PrefixListPeer(name):
            return any(_holds_address(block, other.block) for block in world.prefix_lists[name])
        case Block():
            return _holds_address(rule.peer, other.block)


def _let_in(world: World, source: End, target: End) -> bool:
    if not (isinstance(source, InterfaceEnd) and isinstance(target, InterfaceEnd)):
        return False
    shared = [world.groups[key] for key in source.eni.group_ids & target.eni.group_ids]
    return any(
        group.kind is GroupKind.BASIC and group.inner_access is Policy.ACCEPT for group in shared
    )


def _routed(source: End, target: End, plane: NicType, family: AddressFamily) -> bool:
    assert isinstance(source, InterfaceEnd | AddressEnd)
    assert isinstance(target, InterfaceEnd | AddressEnd)
    if not source.block.family is target.block.family is family:
        return False
    if plane is NicType.INTERNET:
        return True
    if not (isinstance(source, InterfaceEnd) and isinstance(target, InterfaceEnd)):
        return True
    return _joined(source.instance, target.instance)


def _joined(one: Instance, other: Instance) -> bool:
    """Source: ECS user guide, Intranet, and ClassicLink."""
    if one.place.region_id != other.place.region_id:
        return False
    if one.vpc_id == other.vpc_id:
        return True
    links = [
        (here, there)
        for here, there in ((one, other), (other, one))
        if here.vpc_id is None and here.classic_link_vpc_id == there.vpc_id
    ]
    return any(here.place.account_id == there.place.account_id for here, there in links)


# --- what to ask ------------------------------------------------------------------


def addresses_at_edges(
    worlds: Iterable[World], plane: NicType, family: AddressFamily
) -> list[AddressEnd]:
    """Return addresses at the edges of every block, but for those that interfaces have there."""
    worlds = list(worlds)
    blocks = {
        block
        for rule in rules_of(*worlds)
        for block in (rule.peer, rule.own)
        if isinstance(block, Block)
    }
    blocks |= {
        block for world in worlds for entries in world.prefix_lists.values() for block in entries
    }
    taken = {end.block.first for world in worlds for end in world.ends(plane, family)}
    last = (1 << family.bits) - 1
    near = {
        number
        for block in blocks
        if block.family is family
        for number in (block.first - 1, block.first, block.last, block.last + 1)
        if 0 <= number <= last
    }
    return [AddressEnd(Block(family, number, family.bits)) for number in sorted(near - taken)]


@dataclass(frozen=True)
class Questions:
    """Draws flows of one packet between the ends of a world, where rules begin and end."""

    world: World

    def draw(self, chance: Chance) -> Flow:
        """Return a flow from or to an interface; every interface has a private IPv4 address."""
        plane = chance.one((NicType.INTRANET, NicType.INTRANET, NicType.INTERNET))
        family = chance.one((AddressFamily.IPV4, AddressFamily.IPV4, AddressFamily.IPV6))
        if not any(self.world.ends(plane, family)):
            plane, family = NicType.INTRANET, AddressFamily.IPV4
        interfaces, addresses, packets = self._of(plane, family)
        others: list[End] = [*interfaces]
        if addresses and chance.maybe(30):
            others = [*addresses]
        one: End = chance.one(interfaces)
        other = chance.one(others)
        source, target = (one, other) if chance.maybe(50) else (other, one)
        return Flow(source, target, chance.one(packets), plane, family)

    @cached_property
    def _found(
        self,
    ) -> dict[
        tuple[NicType, AddressFamily],
        tuple[list[InterfaceEnd], list[AddressEnd], tuple[Traffic, ...]],
    ]:
        return {}

    def _of(
        self, plane: NicType, family: AddressFamily
    ) -> tuple[list[InterfaceEnd], list[AddressEnd], tuple[Traffic, ...]]:
        if (plane, family) not in self._found:
            self._found[plane, family] = (
                list(self.world.ends(plane, family)),
                addresses_at_edges([self.world], plane, family),
                Packets(family, rules_of(self.world)).all,
            )
        return self._found[plane, family]
