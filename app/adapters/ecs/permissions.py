"""Rules of the domain and permissions of the wire, both ways.

Source: ECS API, AuthorizeSecurityGroup, AuthorizeSecurityGroupEgress and
DescribeSecurityGroupAttribute.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from app.domain.addresses import AddressFamily, Block
from app.domain.changes import NewRule
from app.domain.errors import AppError, InvalidPortError, InvalidProtocolError
from app.domain.rules import (
    ANY_PORT,
    Direction,
    GroupPeer,
    HeldRule,
    NicType,
    Peer,
    Policy,
    PortRange,
    PrefixListPeer,
    Protocol,
    Rule,
)

Permission: TypeAlias = dict[str, str]

SIDES = {Direction.INGRESS: ("Source", "Dest"), Direction.EGRESS: ("Dest", "Source")}
"""How the wire calls the peer's side of a rule, and the group's own."""

PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        "all": Protocol.ALL,
        "-1": Protocol.ALL,
        "tcp": Protocol.TCP,
        "6": Protocol.TCP,
        "udp": Protocol.UDP,
        "17": Protocol.UDP,
        "icmp": Protocol.ICMP,
        "1": Protocol.ICMP,
        "gre": Protocol.GRE,
        "47": Protocol.GRE,
        "icmpv6": Protocol.ICMPV6,
        "58": Protocol.ICMPV6,
    }
)
"""Some regions take protocol numbers, and answer what they took. Source: IANA."""


class UnreadableRuleError(ValueError):
    """A permission that is not one of this API as we know it."""


# --- out ---------------------------------------------------------------------------


def permission(new: NewRule, *, account_id: str) -> Permission:
    """Spell a rule for a group of `account_id`; the NIC type is always among the fields.

    Raises:
        InvalidPortError: the ports are in no range and in no list.
        InvalidProtocolError: the protocol was read as a number that has no name here.
    """
    rule = new.rule
    if rule.protocol is Protocol.OTHER:
        raise InvalidProtocolError("a rule for a protocol without a name cannot be written")
    fields = {
        "Policy": rule.policy.value,
        "Priority": str(rule.priority),
        "IpProtocol": rule.protocol.value,
        "NicType": rule.nic_type.value,
    }
    fields |= _port_fields(rule)
    peer_side, own_side = SIDES[rule.direction]
    fields |= _peer_fields(peer_side, rule.peer, account_id)
    if rule.own is not None:
        fields |= _block_fields(own_side, rule.own)
    if rule.source_ports != ANY_PORT:
        fields["SourcePortRange"] = str(rule.source_ports)
    if new.description:
        fields["Description"] = new.description
    return fields


def _port_fields(rule: Rule) -> Permission:
    """A range, or the list that holds the ports; sent together, the list would not count."""
    if rule.ports is not None:
        return {"PortRange": str(rule.ports)}
    if rule.port_list_id is None:
        raise InvalidPortError("a rule whose ports nothing says cannot be written")
    return {"PortRangeListId": rule.port_list_id}


def _peer_fields(side: str, peer: Peer, account_id: str) -> Permission:
    match peer:
        case Block():
            return _block_fields(side, peer)
        case PrefixListPeer(prefix_list_id):
            return {f"{side}PrefixListId": prefix_list_id}
        case GroupPeer(group_id, owner_id):
            fields = {f"{side}GroupId": group_id}
            return fields if owner_id == account_id else fields | {f"{side}GroupOwnerId": owner_id}


def _block_fields(side: str, block: Block) -> Permission:
    if block.family is AddressFamily.IPV4:
        return {f"{side}CidrIp": str(block)}
    return {f"Ipv6{side}CidrIp": str(block)}


# --- in ----------------------------------------------------------------------------


def held_rule(fields: Mapping[str, Any], *, account_id: str) -> HeldRule:
    """Read a permission of a group of `account_id`; "" counts as absent.

    Raises:
        UnreadableRuleError: it names no peer, or a value is none of this API's.
    """
    rule_id = str(fields.get("SecurityGroupRuleId") or "")
    try:
        rule = _rule(fields, account_id)
        _, *ignored = _peers(fields, SIDES[rule.direction][0], account_id)
    except (AppError, ValueError, KeyError) as error:
        msg = f"the rule {rule_id or 'without an id'} cannot be understood: {error}"
        raise UnreadableRuleError(msg) from error
    return HeldRule(rule_id, rule, fields.get("Description") or "", tuple(ignored))


def _rule(fields: Mapping[str, Any], account_id: str) -> Rule:
    direction = Direction(fields["Direction"].lower())
    protocol = PROTOCOLS.get(fields["IpProtocol"].lower(), Protocol.OTHER)
    ports = _ports(fields, protocol)
    peer_side, own_side = SIDES[direction]
    return Rule(
        direction=direction,
        protocol=protocol,
        ports=ports,
        peer=_peer(fields, peer_side, account_id),
        policy=Policy((fields.get("Policy") or "accept").lower()),
        priority=int(fields.get("Priority") or 1),
        nic_type=NicType((fields.get("NicType") or "intranet").lower()),
        own=_block(fields, own_side),
        source_ports=_range(fields.get("SourcePortRange") or "-1/-1"),
        port_list_id=(fields.get("PortRangeListId") or None) if ports is None else None,
    )


def _ports(fields: Mapping[str, Any], protocol: Protocol) -> PortRange | None:
    """Return None where nothing says the ports, or only a list, which a range would beat."""
    if text := fields.get("PortRange"):
        return _range(text)
    return None if fields.get("PortRangeListId") or protocol.has_ports else ANY_PORT


def _range(text: str) -> PortRange:
    first, _, last = text.partition("/")
    return PortRange(int(first), int(last))


def _peer(fields: Mapping[str, Any], side: str, account_id: str) -> Peer:
    for peer in _peers(fields, side, account_id):
        return peer
    raise UnreadableRuleError("no peer is named")


def _peers(fields: Mapping[str, Any], side: str, account_id: str) -> Iterator[Peer]:
    """Every peer that is named; the first one counts: a block beats a group, a group a list."""
    block = _block(fields, side)
    if block is not None:
        yield block
    if group_id := fields.get(f"{side}GroupId"):
        yield GroupPeer(group_id, str(fields.get(f"{side}GroupOwnerAccount") or account_id))
    if prefix_list_id := fields.get(f"{side}PrefixListId"):
        yield PrefixListPeer(prefix_list_id)


def _block(fields: Mapping[str, Any], side: str) -> Block | None:
    text = fields.get(f"{side}CidrIp") or fields.get(f"Ipv6{side}CidrIp")
    return Block.read(text) if text else None
