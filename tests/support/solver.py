"""A world's rules as a formula for Z3, written from the vendor's words: a third opinion.

Addresses, ports and the protocol are bit vectors, the rules of a side one nested "if": the formula
speaks of every packet there is, and what Z3 says of it is a proof.

Sources: ECS API, AuthorizeSecurityGroup and ModifySecurityGroupPolicy; ECS user guide, ClassicLink.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, TypeAlias

import z3

from app.domain.addresses import AddressFamily, Block
from app.domain.flows import Traffic
from app.domain.groups import Group, GroupKind
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

Formula: TypeAlias = Any
"""Z3 has no annotations."""

NUMBERS = {
    Protocol.TCP: 6,
    Protocol.UDP: 17,
    Protocol.ICMP: 1,
    Protocol.ICMPV6: 58,
    Protocol.GRE: 47,
    Protocol.OTHER: 253,
}
"""Source: IANA; 253 is for experiments, and stands for all that have no name here."""

POSSIBLE = {
    AddressFamily.IPV4: (6, 17, 1, 47, 253),
    AddressFamily.IPV6: (6, 17, 58, 47, 253),
}
PROTOCOL = z3.BitVec("protocol", 8)
PORT = z3.BitVec("port", 16)
SOURCE_PORT = z3.BitVec("source_port", 16)

ANYBODY = None
"""An end that is any address; which one is a variable of the formula."""


@lru_cache
def stranger(family: AddressFamily) -> Formula:
    """Return the variable that stands for the address of `ANYBODY`."""
    return z3.BitVec(f"stranger_{family}", family.bits)


def a_packet(family: AddressFamily) -> Formula:
    """Say that protocol and ports are those of some packet; without ports they are zero."""
    numbered = z3.Or(PROTOCOL == 6, PROTOCOL == 17)
    return z3.And(
        z3.Or([number == PROTOCOL for number in POSSIBLE[family]]),
        z3.If(numbered, z3.And(PORT != 0, SOURCE_PORT != 0), z3.And(PORT == 0, SOURCE_PORT == 0)),
    )


def is_of(traffic: Traffic) -> Formula:
    """Say that the packet is of a kind of traffic."""
    return z3.And(
        _has_protocol(traffic.protocol),
        _has_port(PORT, traffic.ports),
        _has_port(SOURCE_PORT, traffic.source_ports),
    )


def is_in(block: Block) -> Formula:
    """Say that the address of `ANYBODY` is in a block."""
    return _in_block(stranger(block.family), block)


def is_none_of(addresses: Iterable[int], family: AddressFamily) -> Formula:
    return z3.And([stranger(family) != address for address in addresses])


def passing(
    world: World, source: End | None, target: End | None, plane: NicType, family: AddressFamily
) -> Formula:
    """Say that the packet may pass between two ends of a world that was read entirely."""
    if not _routed(source, target, plane, family):
        return z3.BoolVal(False)
    if plane is NicType.INTRANET and _connected(world, source, target):
        return z3.BoolVal(True)
    return z3.And(
        _side(world, source, target, Direction.EGRESS, plane, family),
        _side(world, target, source, Direction.INGRESS, plane, family),
    )


def at(formula: Formula, traffic: Traffic) -> Formula:
    """Return the formula for one packet."""
    numbered = traffic.protocol.has_ports
    return z3.substitute(
        formula,
        (PROTOCOL, z3.BitVecVal(NUMBERS[traffic.protocol], 8)),
        (PORT, z3.BitVecVal(traffic.ports.first if numbered else 0, 16)),
        (SOURCE_PORT, z3.BitVecVal(traffic.source_ports.first if numbered else 0, 16)),
    )


def witness(*claims: Formula) -> Formula:
    """Return a packet for which all claims are true, or None: then there is none."""
    solver = z3.Solver()
    solver.add(*claims)
    answer = solver.check()
    assert answer != z3.unknown
    return solver.model() if answer == z3.sat else None


# --- one side ---------------------------------------------------------------------


def _side(
    world: World,
    own: End | None,
    other: End | None,
    direction: Direction,
    plane: NicType,
    family: AddressFamily,
) -> Formula:
    if not isinstance(own, InterfaceEnd):
        return z3.BoolVal(True)
    groups = [world.groups[group_id] for group_id in sorted(own.eni.group_ids)]
    opens = direction is Direction.EGRESS and all(each.kind is GroupKind.BASIC for each in groups)
    verdict = z3.BoolVal(opens)
    for rule in reversed(_in_order(groups)):
        if rule.direction is direction and _is_on(rule, own, plane):
            matches = z3.And(
                _has_protocol(rule.protocol),
                _has_family(rule.protocol, family),
                _has_port(PORT, rule.ports or ANY_PORT),
                _has_port(SOURCE_PORT, rule.source_ports),
                True if rule.own is None else _in_block(_address(own, family), rule.own),
                _is_peer(world, rule, other, plane, family),
            )
            verdict = z3.If(matches, rule.policy is Policy.ACCEPT, verdict)
    return verdict


def _in_order(groups: Iterable[Group]) -> list[Rule]:
    """Smallest priority first, and a drop before an accept."""
    rules = [held.rule for group in groups for held in group.rules]
    return sorted(rules, key=lambda rule: 2 * rule.priority + (rule.policy is Policy.ACCEPT))


def _is_on(rule: Rule, own: InterfaceEnd, plane: NicType) -> bool:
    return own.instance.vpc_id is not None or rule.nic_type is plane


def _has_protocol(protocol: Protocol) -> Formula:
    return z3.BoolVal(True) if protocol is Protocol.ALL else NUMBERS[protocol] == PROTOCOL


def _has_family(protocol: Protocol, family: AddressFamily) -> bool:
    wrong = {AddressFamily.IPV4: Protocol.ICMPV6, AddressFamily.IPV6: Protocol.ICMP}
    return protocol is not wrong[family]


def _has_port(port: Formula, ports: PortRange) -> Formula:
    if ports == ANY_PORT:
        return z3.BoolVal(True)
    return z3.And(z3.UGE(port, ports.first), z3.ULE(port, ports.last))


def _is_peer(
    world: World, rule: Rule, other: End | None, plane: NicType, family: AddressFamily
) -> Formula:
    if isinstance(rule.peer, GroupPeer):
        is_member = isinstance(other, InterfaceEnd) and rule.peer.group_id in other.eni.group_ids
        return z3.BoolVal(is_member and plane is NicType.INTRANET)
    address = _address(other, family)
    if isinstance(rule.peer, PrefixListPeer):
        entries = world.prefix_lists[rule.peer.prefix_list_id]
        return z3.Or([_in_block(address, block) for block in entries])
    return _in_block(address, rule.peer)


def _in_block(address: Formula, block: Block) -> Formula:
    bits = block.family.bits
    if address.size() != bits:
        return z3.BoolVal(False)
    mask = (1 << bits) - (1 << (bits - block.prefix_length))
    return address & z3.BitVecVal(mask, bits) == z3.BitVecVal(block.first, bits)


def _address(end: End | None, family: AddressFamily) -> Formula:
    if end is ANYBODY:
        return stranger(family)
    assert isinstance(end, InterfaceEnd | AddressEnd)
    return z3.BitVecVal(end.block.first, family.bits)


# --- both -------------------------------------------------------------------------


def _connected(world: World, source: End | None, target: End | None) -> bool:
    if not (isinstance(source, InterfaceEnd) and isinstance(target, InterfaceEnd)):
        return False
    shared = source.eni.group_ids.intersection(target.eni.group_ids)
    return any(
        world.groups[each].inner_access is Policy.ACCEPT
        for each in shared
        if world.groups[each].kind is not GroupKind.ENTERPRISE
    )


def _routed(source: End | None, target: End | None, plane: NicType, family: AddressFamily) -> bool:
    for end in (source, target):
        if isinstance(end, InterfaceEnd | AddressEnd) and end.block.family is not family:
            return False
    if plane is NicType.INTERNET:
        return True
    if not (isinstance(source, InterfaceEnd) and isinstance(target, InterfaceEnd)):
        return True
    one, two = source.instance, target.instance
    if one.place.region_id != two.place.region_id:
        return False
    match one.vpc_id, two.vpc_id:
        case None, None:
            return True
        case None, vpc_id:
            return one.place == two.place and one.classic_link_vpc_id == vpc_id
        case vpc_id, None:
            return one.place == two.place and two.classic_link_vpc_id == vpc_id
        case first, second:
            return first == second
