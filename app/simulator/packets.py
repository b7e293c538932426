"""The packet walk: may one packet pass, and which rules say so; written to be checked by eye.

Sources: ECS API, AuthorizeSecurityGroup and ModifySecurityGroupPolicy; ECS user guide, Security
group rules and ClassicLink. Outbound TCP 25 to the internet, which the platform blocks whatever
the rules say, is not judged here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from app.simulator.errors import ControlError
from app.simulator.settings import Variants
from app.simulator.state import addresses
from app.simulator.state.resources import PORT_PROTOCOLS, Group, Interface, Rule
from app.simulator.state.store import Store

PROTOCOLS = ("tcp", "udp", "icmp", "icmpv6", "gre")
_FAMILY_OF = {"icmp": "ipv4", "icmpv6": "ipv6"}
_FIELDS = (
    "source",
    "destination",
    "protocol",
    "destination_port",
    "source_port",
    "nic_type",
    "address_family",
)

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class End:
    """One end of a packet: an address, and the interface that has it, if any instance does."""

    address: str
    interface: Interface | None


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a new connection. `source_port` None asks about every source port."""

    source: End
    destination: End
    protocol: str
    destination_port: int | None
    source_port: int | None
    is_internet: bool
    variants: Variants

    @property
    def is_ipv6(self) -> bool:
        """Tell the packet's family."""
        return addresses.is_ipv6(self.source.address)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a packet, why, and the rules that decide, at most one for each side."""

    is_reachable: bool
    reason: str
    rules: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the verdict as the control interface answers it."""
        verdict = "reachable" if self.is_reachable else "blocked"
        return {"verdict": verdict, "reason": self.reason, "rules": list(self.rules)}


NO_ROUTE = Verdict(False, "NO_ROUTE")


def judge(store: Store, described: object, variants: Variants | None = None) -> Verdict:
    """Say what becomes of a packet; ControlError where the description makes no sense."""
    packet = read_packet(store, described, variants or Variants())
    return NO_ROUTE if packet is None else walk(store, packet)


def walk(store: Store, packet: Packet) -> Verdict:
    """Walk the packet from its source to its destination."""
    source, destination = packet.source.interface, packet.destination.interface
    if not _has_route(packet, source, destination):
        return NO_ROUTE
    if any(end and end.instance.status != "Running" for end in (source, destination)):
        return Verdict(False, "NOT_RUNNING")
    if _beats_rules(packet) and _share_open_group(store, source, destination):
        return Verdict(True, "INTRA_GROUP")
    passed = Verdict(True, "RULE")
    for port in _source_ports_to_try(store, packet):
        verdict = _judge_rules(store, packet, port)
        if not verdict.is_reachable:
            return verdict
        passed = verdict
    return passed


def _beats_rules(packet: Packet) -> bool:
    """Inner access is for the intranet, and no rule is asked where it holds.

    Source: ECS API, ModifySecurityGroupPolicy.
    """
    return not packet.is_internet and packet.variants.inner_access == "beats_rules"


def _judge_rules(store: Store, packet: Packet, source_port: int | None) -> Verdict:
    """Ask the source's egress rules, then the destination's ingress rules."""
    deciding: list[str] = []
    for direction, end in (("egress", packet.source), ("ingress", packet.destination)):
        if end.interface is None:
            continue
        groups = store.groups_on(end.interface)
        winner = _winner(store, packet, groups, direction, source_port)
        if winner is None:
            if not (_allows_by_default(direction, groups) or _is_let_in(store, packet)):
                return Verdict(False, f"{direction.upper()}_DEFAULT")
            continue
        if winner.policy == "drop":
            return Verdict(False, f"{direction.upper()}_DROP", (winner.rule_id,))
        deciding.append(winner.rule_id)
    return Verdict(True, "RULE", tuple(deciding))


def _is_let_in(store: Store, packet: Packet) -> bool:
    """Where inner access yields to rules, it is what holds when none of them matches."""
    return not packet.is_internet and _share_open_group(
        store, packet.source.interface, packet.destination.interface
    )


def _allows_by_default(direction: str, groups: Iterable[Group]) -> bool:
    """Without a matching rule only the egress of normal groups is open."""
    return direction == "egress" and not any(group.is_enterprise for group in groups)


def _winner(
    store: Store,
    packet: Packet,
    groups: Iterable[Group],
    direction: str,
    source_port: int | None,
) -> Rule | None:
    """Return the rule that decides: the smallest number wins, at equal numbers a drop does."""
    matching = [
        rule
        for group in groups
        for rule in group.rules.values()
        if rule.direction == direction
        and _is_on_side(rule, group, packet)
        and _matches(store, rule, packet, source_port)
    ]
    return min(
        matching,
        key=lambda rule: (rule.priority, rule.policy == "accept", rule.rule_id),
        default=None,
    )


def _is_on_side(rule: Rule, group: Group, packet: Packet) -> bool:
    """In the classic network each side has its rules; in a VPC one set judges all traffic."""
    return group.vpc_id is not None or (rule.nic_type == "internet") == packet.is_internet


def _matches(store: Store, rule: Rule, packet: Packet, source_port: int | None) -> bool:
    return (
        rule.protocol in ("all", packet.protocol)
        and _FAMILY_OF.get(rule.protocol, "ipv6" if packet.is_ipv6 else "ipv4")
        == ("ipv6" if packet.is_ipv6 else "ipv4")
        and any(
            _covers_port(port_range, packet.destination_port)
            for port_range in _port_ranges(store, rule)
        )
        and _covers_port(rule.source_port_range or addresses.ANY_PORT, source_port)
        and _covers_end(
            store,
            packet,
            packet.source,
            blocks=(rule.source_cidr, rule.ipv6_source_cidr),
            group_id=rule.source_group_id,
            prefix_list_id=rule.source_prefix_list_id,
        )
        and _covers_end(
            store,
            packet,
            packet.destination,
            blocks=(rule.dest_cidr, rule.ipv6_dest_cidr),
            group_id=rule.dest_group_id,
            prefix_list_id=rule.dest_prefix_list_id,
        )
    )


def _port_ranges(store: Store, rule: Rule) -> tuple[str, ...]:
    if rule.port_list_id:
        return store.port_lists[rule.port_list_id].entries
    return (rule.port_range,)


def _covers_port(port_range: str, port: int | None) -> bool:
    if port_range == addresses.ANY_PORT:
        return True
    low, high = addresses.ports(port_range)
    return port is not None and low <= port <= high


def _covers_end(
    store: Store,
    packet: Packet,
    end: End,
    *,
    blocks: tuple[str | None, str | None],
    group_id: str | None,
    prefix_list_id: str | None,
) -> bool:
    """Tell whether one end of the packet is what the rule says about that end."""
    given = [block for block in blocks if block]
    if given:
        return any(_contains(block, end.address) for block in given)
    if group_id:
        return _is_member(packet, end, group_id)
    if prefix_list_id:
        entries = store.prefix_lists[prefix_list_id].entries
        return any(_contains(block, end.address) for block in entries)
    return True


def _is_member(packet: Packet, end: End, group_id: str) -> bool:
    """A group stands for the private addresses of its members, never for public ones."""
    if packet.is_internet or end.interface is None:
        return False
    if packet.is_ipv6 and not packet.variants.group_peers_cover_ipv6:
        return False
    return group_id in end.interface.group_ids


def _contains(block: str, address: str) -> bool:
    network, number = _network(block), _number(address)
    return number.version == network.version and number in network


@lru_cache(maxsize=65536)
def _network(block: str) -> Network:
    return ipaddress.ip_network(block)


@lru_cache(maxsize=65536)
def _number(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(address)


def _source_ports_to_try(store: Store, packet: Packet) -> list[int | None]:
    """Return the source ports at which an answer can change; without any, one try is enough."""
    if packet.protocol not in PORT_PROTOCOLS or packet.source_port is not None:
        return [packet.source_port]
    tries = {1}
    for end in (packet.source, packet.destination):
        for group in store.groups_on(end.interface) if end.interface else ():
            for rule in group.rules.values():
                if rule.source_port_range:
                    low, high = addresses.ports(rule.source_port_range)
                    tries.update((low, high + 1))
    return [port for port in sorted(tries) if port <= addresses.HIGHEST_PORT]


# ---- routes


def _has_route(packet: Packet, source: Interface | None, destination: Interface | None) -> bool:
    """Say whether two addresses reach each other at all; groups give no routing."""
    if addresses.is_ipv6(packet.destination.address) != packet.is_ipv6:
        return False
    for end in (packet.source, packet.destination):
        if end.interface and not _is_on(end.interface, end.address, packet.is_internet):
            return False
    if packet.is_internet or source is None or destination is None:
        return True
    return _share_network(source, destination)


def _is_on(interface: Interface, address: str, is_internet: bool) -> bool:
    """Tell whether the interface has the address on that side; an IPv6 one is in the VPC only."""
    if is_internet:
        return address == interface.internet_ip
    return address in interface.private_ips or address in interface.ipv6s


def _share_network(one: Interface, other: Interface) -> bool:
    """Say whether private addresses reach each other: one VPC, one classic region, or a link.

    Source: ECS user guide, ClassicLink.
    """
    here, there = one.instance, other.instance
    if here.region_id != there.region_id:
        return False
    if here.vpc_id == there.vpc_id:
        return True
    classic, private = (here, there) if here.vpc_id is None else (there, here)
    if classic.vpc_id is not None:
        return False
    return classic.owner_id == private.owner_id and classic.classic_link_vpc_id == private.vpc_id


def _share_open_group(store: Store, one: Interface | None, other: Interface | None) -> bool:
    """Say whether a normal group with inner access holds both; it beats every rule.

    Source: ECS API, ModifySecurityGroupPolicy.
    """
    if one is None or other is None:
        return False
    return any(
        group.inner_access == "Accept" and group.group_id in other.group_ids
        for group in store.groups_on(one)
    )


# ---- reading a packet


def read_packet(store: Store, described: object, variants: Variants) -> Packet | None:
    """Return the packet; None where an instance has no address of the kind that it would need."""
    fields = _fields(described)
    protocol = _one_of(fields, "protocol", PROTOCOLS, None)
    names = (_name(fields, "source"), _name(fields, "destination"))
    family = _family(fields, protocol, names)
    nic_type = _one_of(fields, "nic_type", ("intranet", "internet"), _nic_type(store, names))
    is_internet = nic_type == "internet"
    ends = [_end(store, name, family, is_internet) for name in names]
    source, destination = _in_one_network(store, ends[0], ends[1])
    if source is None or destination is None:
        return None
    if source.interface is None and destination.interface is None:
        raise ControlError("neither source nor destination is an instance or has its address")
    return Packet(
        source,
        destination,
        protocol,
        _port(fields, "destination_port", protocol, must=True),
        _port(fields, "source_port", protocol, must=False),
        is_internet,
        variants,
    )


def _fields(described: object) -> dict[str, object]:
    if not isinstance(described, Mapping):
        raise ControlError("a packet must be an object")
    for name in described:
        if name not in _FIELDS:
            raise ControlError(f"a packet has no field {name!r}; it has {', '.join(_FIELDS)}")
    return {name: value for name, value in described.items() if value is not None}


def _one_of(
    fields: Mapping[str, object], name: str, choices: tuple[str, ...], default: str | None
) -> str:
    value = fields.get(name, default)
    if not isinstance(value, str) or value.lower() not in choices:
        raise ControlError(f"{name} must be one of {', '.join(choices)}")
    return value.lower()


def _name(fields: Mapping[str, object], side: str) -> str:
    value = fields.get(side)
    if not isinstance(value, str) or not value:
        raise ControlError(f"{side} must be an instance id or an address")
    if value.startswith("i-"):
        return value
    try:
        return addresses.address(value)
    except ValueError as error:
        raise ControlError(f"{side}: {error}") from error


def _is_instance(name: str) -> bool:
    return name.startswith("i-")


def _family(fields: Mapping[str, object], protocol: str, names: tuple[str, str]) -> str:
    ipv6_named = any(not _is_instance(name) and addresses.is_ipv6(name) for name in names)
    default = _FAMILY_OF.get(protocol, "ipv6" if ipv6_named else "ipv4")
    family = _one_of(fields, "address_family", ("ipv4", "ipv6"), default)
    for name in names:
        if not _is_instance(name) and addresses.is_ipv6(name) != (family == "ipv6"):
            raise ControlError(f"{name} is not an {family} address")
    return family


def _nic_type(store: Store, names: tuple[str, str]) -> str:
    """Return the side that is meant where none is said: a public address speaks of the internet."""
    is_public = any(
        holder.internet_ip == name for name in names for holder in store.holders.get(name, ())
    )
    return "internet" if is_public else "intranet"


def _end(store: Store, name: str, family: str, is_internet: bool) -> End | str | None:
    """Return an end; a bare address stays a string until the other end is known."""
    if not _is_instance(name):
        return name
    instance = store.instances.get(name)
    if instance is None:
        raise ControlError(f"no instance has the id {name!r}", 404)
    interface = instance.primary
    address: str | None = interface.private_ips[0]
    if family == "ipv6":
        address = interface.ipv6s[0] if interface.ipv6s and not is_internet else None
    elif is_internet:
        address = interface.internet_ip
    return End(address, interface) if address else None


def _in_one_network(
    store: Store, source: End | str | None, destination: End | str | None
) -> tuple[End | None, End | None]:
    """Find who has the bare addresses; of several holders the one that the other end can reach."""
    if isinstance(source, str):
        source = _holder(store, source, destination)
    if isinstance(destination, str):
        destination = _holder(store, destination, source)
    return source, destination


def _holder(store: Store, address: str, other: End | str | None) -> End:
    holders = store.holders.get(address, [])
    near = other.interface if isinstance(other, End) else None
    for holder in holders:
        if near is not None and _share_network(near, holder):
            return End(address, holder)
    return End(address, holders[0] if holders else None)


def _port(fields: Mapping[str, object], name: str, protocol: str, *, must: bool) -> int | None:
    value = fields.get(name)
    if protocol not in PORT_PROTOCOLS:
        return None
    if value is None and not must:
        return None
    if type(value) is not int or not 1 <= value <= addresses.HIGHEST_PORT:
        raise ControlError(f"{name} must be a port of 1 to {addresses.HIGHEST_PORT}")
    return value
