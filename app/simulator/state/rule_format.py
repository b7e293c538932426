"""Rules in the estate's spelling: parsed into canonical form, and printed again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from app.simulator.errors import EstateError
from app.simulator.state import addresses
from app.simulator.state.resources import PORT_PROTOCOLS, PROTOCOLS, Group, Rule

_FIELDS = {
    "SecurityGroupRuleId": "rule_id",
    "Direction": "direction",
    "Policy": "policy",
    "Priority": "priority",
    "IpProtocol": "protocol",
    "PortRange": "port_range",
    "NicType": "nic_type",
    "SourcePortRange": "source_port_range",
    "SourceCidrIp": "source_cidr",
    "DestCidrIp": "dest_cidr",
    "Ipv6SourceCidrIp": "ipv6_source_cidr",
    "Ipv6DestCidrIp": "ipv6_dest_cidr",
    "SourceGroupId": "source_group_id",
    "SourceGroupOwnerId": "source_group_owner_id",
    "DestGroupId": "dest_group_id",
    "DestGroupOwnerId": "dest_group_owner_id",
    "SourcePrefixListId": "source_prefix_list_id",
    "DestPrefixListId": "dest_prefix_list_id",
    "PortRangeListId": "port_list_id",
    "Description": "description",
}
HIGHEST_PRIORITY_READ = 110
"""Default rules of groups older than May 2020 have priority 110, which cannot be written."""


def print_rule(rule: Rule) -> dict[str, object]:
    """Return a rule in the estate's spelling; absent fields are left out."""
    return {
        spelling: value
        for spelling, name in _FIELDS.items()
        if (value := getattr(rule, name)) not in (None, "")
    }


def parse_rule(entry: object, group: Group) -> Rule:
    """Return the rule that an estate describes; EstateError says what contradicts what.

    Whether its peer and its lists exist is for the caller to check. Without an id it has the id "".
    """
    try:
        return _parse(_texts(entry), group)
    except ValueError as error:
        raise EstateError(f"a rule of {group.group_id}: {error}") from error


def _texts(entry: object) -> dict[str, str]:
    if not isinstance(entry, Mapping):
        raise ValueError("is not an object")
    texts = {}
    for name, value in entry.items():
        if name not in _FIELDS:
            raise ValueError(f"has an unknown field {name!r}")
        if value is None or value == "":
            continue
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise ValueError(f"{name} must be a string or a number")
        texts[name] = str(value)
    return texts


def _parse(texts: Mapping[str, str], group: Group) -> Rule:
    protocol = _one_of(texts, "IpProtocol", PROTOCOLS, None)
    direction = _one_of(texts, "Direction", ("ingress", "egress"), None)
    port_range, port_list_id = _ports(texts, protocol, group)
    rule = Rule(
        rule_id=texts.get("SecurityGroupRuleId", ""),
        direction=direction,
        policy=_one_of(texts, "Policy", ("accept", "drop"), "accept"),
        priority=_priority(texts.get("Priority", "1")),
        protocol=protocol,
        port_range=port_range,
        port_list_id=port_list_id,
        nic_type=_nic_type(texts, group),
        source_port_range=_source_ports(protocol, texts.get("SourcePortRange")),
        source_cidr=_block(texts, "SourceCidrIp", addresses.ipv4_block),
        dest_cidr=_block(texts, "DestCidrIp", addresses.ipv4_block),
        ipv6_source_cidr=_block(texts, "Ipv6SourceCidrIp", addresses.ipv6_block),
        ipv6_dest_cidr=_block(texts, "Ipv6DestCidrIp", addresses.ipv6_block),
        source_group_id=texts.get("SourceGroupId"),
        source_group_owner_id=_owner(texts.get("SourceGroupOwnerId"), group),
        dest_group_id=texts.get("DestGroupId"),
        dest_group_owner_id=_owner(texts.get("DestGroupOwnerId"), group),
        source_prefix_list_id=texts.get("SourcePrefixListId"),
        dest_prefix_list_id=texts.get("DestPrefixListId"),
        description=texts.get("Description"),
    )
    _check_peer(rule, group)
    return rule


def _one_of(
    texts: Mapping[str, str], name: str, choices: tuple[str, ...], default: str | None
) -> str:
    value = texts.get(name, default)
    if value is None:
        raise ValueError(f"lacks {name}")
    if value.lower() not in choices:
        raise ValueError(f"{name} {value!r} is not one of {', '.join(choices)}")
    return value.lower()


def _priority(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= HIGHEST_PRIORITY_READ:
        raise ValueError(f"Priority {text!r} is not within 1 and {HIGHEST_PRIORITY_READ}")
    return int(text)


def _ports(texts: Mapping[str, str], protocol: str, group: Group) -> tuple[str, str | None]:
    """Return a range, or the list that counts only where no range is given."""
    port_list_id = texts.get("PortRangeListId")
    if port_list_id is None or "PortRange" in texts:
        return _port_range(protocol, texts.get("PortRange")), None
    if protocol not in PORT_PROTOCOLS:
        raise ValueError(f"names a port list, which does not go with {protocol}")
    if group.vpc_id is None:
        raise ValueError("names a port list, which a classic group may not")
    return "", port_list_id


def _port_range(protocol: str, text: str | None) -> str:
    if protocol not in PORT_PROTOCOLS:
        if text not in (None, addresses.ANY_PORT):
            raise ValueError(f"PortRange of {protocol} must be {addresses.ANY_PORT}")
        return addresses.ANY_PORT
    if text is None:
        raise ValueError("lacks PortRange")
    return "{}/{}".format(*addresses.ports(text))


def _source_ports(protocol: str, text: str | None) -> str | None:
    if text in (None, addresses.ANY_PORT):
        return None
    if protocol not in PORT_PROTOCOLS:
        raise ValueError(f"SourcePortRange does not go with {protocol}")
    return "{}/{}".format(*addresses.ports(str(text)))


def _nic_type(texts: Mapping[str, str], group: Group) -> str:
    names_group = "SourceGroupId" in texts or "DestGroupId" in texts
    default = "intranet" if group.vpc_id or names_group else "internet"
    nic_type = _one_of(texts, "NicType", ("internet", "intranet"), default)
    if nic_type == "internet" and (group.vpc_id or names_group):
        raise ValueError("NicType must be intranet in a VPC and for a rule that names a group")
    return nic_type


def _block(texts: Mapping[str, str], name: str, canonical: Callable[[str], str]) -> str | None:
    return canonical(texts[name]) if name in texts else None


def _owner(owner_id: str | None, group: Group) -> str | None:
    return None if owner_id == group.owner_id else owner_id


def _check_peer(rule: Rule, group: Group) -> None:
    inward = (
        rule.source_cidr,
        rule.ipv6_source_cidr,
        rule.source_group_id,
        rule.source_prefix_list_id,
    )
    outward = (rule.dest_cidr, rule.ipv6_dest_cidr, rule.dest_group_id, rule.dest_prefix_list_id)
    peers, own_side = (inward, outward) if rule.direction == "ingress" else (outward, inward)
    if sum(peer is not None for peer in peers) != 1:
        raise ValueError("needs exactly one peer: a block, a group or a prefix list")
    if own_side[2:] != (None, None):
        raise ValueError("names a group or a prefix list on its own side")
    if _is_mixed(rule):
        raise ValueError("mixes IPv4 with IPv6")
    if rule.peer_group_id == group.group_id:
        raise ValueError("names its own group")
    if rule.peer_group_id and group.is_enterprise:
        raise ValueError("names a group, which an enterprise group's rule may not")
    if group.vpc_id is None and (rule.prefix_list_id or is_ipv6_rule(rule)):
        raise ValueError("uses IPv6 or a prefix list, which a classic group may not")


def is_ipv6_rule(rule: Rule) -> bool:
    """Tell whether a rule names an IPv6 block or protocol."""
    return bool(rule.ipv6_source_cidr or rule.ipv6_dest_cidr or rule.protocol == "icmpv6")


def _is_mixed(rule: Rule) -> bool:
    is_ipv4 = bool(rule.source_cidr or rule.dest_cidr or rule.protocol == "icmp")
    return is_ipv4 and is_ipv6_rule(rule)
