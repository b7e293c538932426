"""The wire form of a rule: read from a call's fields with the cloud's refusals, and printed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from app.simulator.actions.prefix_lists import own_prefix_list
from app.simulator.actions.request import Body, Request
from app.simulator.errors import ApiError, invalid_parameter, managed, missing_parameter
from app.simulator.state import addresses
from app.simulator.state.resources import (
    PORT_PROTOCOLS,
    PROTOCOLS,
    Group,
    PortList,
    PrefixList,
    Rule,
)
from app.simulator.state.store import Store

FIELDS = (
    "Policy",
    "Priority",
    "IpProtocol",
    "PortRange",
    "PortRangeListId",
    "NicType",
    "SourcePortRange",
    "SourceCidrIp",
    "Ipv6SourceCidrIp",
    "DestCidrIp",
    "Ipv6DestCidrIp",
    "SourceGroupId",
    "SourceGroupOwnerId",
    "SourceGroupOwnerAccount",
    "SourcePrefixListId",
    "DestGroupId",
    "DestGroupOwnerId",
    "DestGroupOwnerAccount",
    "DestPrefixListId",
    "Description",
)
"""The fields of a rule, flat in a call or within `Permissions.N`."""


class Purpose(Enum):
    """What a rule is read for."""

    AUTHORIZE = "authorize"
    REVOKE = "revoke"
    MODIFY = "modify"


@dataclass(frozen=True, slots=True)
class Permission:
    """One rule as a call describes it; `priority_was_sent` matters to a revoke only."""

    rule: Rule
    priority_was_sent: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading one permission needs: the call, the group, and the direction's spellings."""

    request: Request
    group: Group
    direction: str
    purpose: Purpose

    @property
    def is_revoke(self) -> bool:
        """Whether the rule is to be removed; some refusals are spelt otherwise then."""
        return self.purpose is Purpose.REVOKE

    @property
    def far(self) -> str:
        """The side that the peer is on, as field names spell it."""
        return "Source" if self.direction == "ingress" else "Dest"

    @property
    def near(self) -> str:
        """The group's own side, as field names spell it."""
        return "Dest" if self.direction == "ingress" else "Source"


def read_permission(reading: Reading, fields: Mapping[str, str]) -> Permission:
    """Return the rule that the fields describe, without an id; ApiError where they do not.

    Source: ECS API, AuthorizeSecurityGroup and AuthorizeSecurityGroupEgress.
    """
    protocol = _protocol(reading, fields)
    nic_type = _nic_type(reading, fields)
    peer = _peer(reading, fields, protocol, nic_type)
    port_range, port_list_id = _ports(reading, fields, protocol)
    rule = Rule(
        rule_id="",
        direction=reading.direction,
        policy=_policy(fields),
        priority=_priority(fields),
        protocol=protocol,
        port_range=port_range,
        port_list_id=port_list_id,
        nic_type=nic_type,
        source_port_range=_source_port_range(fields, protocol),
        description=_description(fields),
        created_at=reading.request.timestamp(),
        **peer,
    )
    return Permission(rule, priority_was_sent="Priority" in fields)


# ---- protocol, ports and the rest


def _protocol(reading: Reading, fields: Mapping[str, str]) -> str:
    protocol = fields.get("IpProtocol")
    if protocol is None:
        raise missing_parameter("IpProtocol")
    may_be_upper = reading.request.settings.variants.protocol_case == "any"
    if (protocol.lower() if may_be_upper else protocol) not in PROTOCOLS:
        raise ApiError(
            "InvalidIpProtocol.ValueNotSupported",
            400,
            "The specified IpProtocol does not exist or IpProtocol and PortRange do not match.",
        )
    return protocol.lower()


def _ports(reading: Reading, fields: Mapping[str, str], protocol: str) -> tuple[str, str | None]:
    """Return a range, or the port list that counts only where no range is sent."""
    port_list_id = fields.get("PortRangeListId")
    if port_list_id is None or "PortRange" in fields:
        return _port_range(reading, fields, protocol), None
    if reading.group.vpc_id is None:
        # The vendor documents the refusal without a code: this one is invented.
        raise ApiError(
            "NotSupported.ClassicNetworkPortRangeList",
            400,
            "A group in the classic network cannot name a port list.",
        )
    if protocol not in PORT_PROTOCOLS:
        raise ApiError(
            "InvalidParam.ProtocolNotSupportPortRangeList",
            400,
            "The specified protocol does not support the port range list.",
        )
    return "", _own_port_list(reading.request, port_list_id).port_list_id


def _own_port_list(request: Request, port_list_id: str) -> PortList:
    port_list = request.store.port_lists.get(port_list_id)
    place = (request.account_id, request.region_id)
    if port_list is None or (port_list.owner_id, port_list.region_id) != place:
        raise ApiError(
            "InvalidPortRangeListId.NotFound", 400, "The specified port range list was not found."
        )
    return port_list


def _port_range(reading: Reading, fields: Mapping[str, str], protocol: str) -> str:
    text = fields.get("PortRange")
    if text is None:
        raise missing_parameter("PortRange")
    if (text == addresses.ANY_PORT) == (protocol in PORT_PROTOCOLS):
        _ports_or_refuse(reading, text)
        raise ApiError(
            "OperationDenied", 400, "The specified IpProtocol and PortRange do not match."
        )
    return _ports_or_refuse(reading, text)


def _ports_or_refuse(reading: Reading, text: str) -> str:
    if text == addresses.ANY_PORT:
        return text
    try:
        return "{}/{}".format(*addresses.ports(text))
    except ValueError as error:
        code = "InvalidIpPortRange" if reading.is_revoke else "InvalidIpProtocol"
        code = f"{code}.Malformed"
        if reading.purpose is Purpose.MODIFY and reading.direction == "egress":
            code = "InvalidParam.PortRange"
        raise ApiError(code, 400, 'The specified parameter "PortRange" is not valid.') from error


def _source_port_range(fields: Mapping[str, str], protocol: str) -> str | None:
    text = fields.get("SourcePortRange", addresses.ANY_PORT)
    if text == addresses.ANY_PORT:
        return None
    refusal = ApiError(
        "InvalidSourcePortRange.Malformed",
        400,
        'The specified parameter "SourcePortRange" is not valid.',
    )
    if protocol not in PORT_PROTOCOLS:
        raise refusal
    try:
        return "{}/{}".format(*addresses.ports(text))
    except ValueError as error:
        raise refusal from error


def _policy(fields: Mapping[str, str]) -> str:
    policy = fields.get("Policy", "accept").lower()
    if policy not in ("accept", "drop"):
        raise ApiError(
            "InvalidPolicy.Malformed", 400, 'The specified parameter "Policy" is not valid.'
        )
    return policy


def _priority(fields: Mapping[str, str]) -> int:
    text = fields.get("Priority", "1")
    if not re.fullmatch(r"[+-]?\d{1,9}", text, re.ASCII):
        raise ApiError(
            "InvalidPriority.Malformed", 400, 'The specified parameter "Priority" is not valid.'
        )
    if not 1 <= int(text) <= 100:
        raise ApiError(
            "InvalidPriority.ValueNotSupported", 400, "The specified Priority is not supported."
        )
    return int(text)


def _nic_type(reading: Reading, fields: Mapping[str, str]) -> str:
    in_vpc = reading.group.vpc_id is not None
    nic_type = fields.get("NicType", "intranet" if in_vpc else "internet").lower()
    if nic_type not in ("internet", "intranet"):
        raise ApiError(
            "InvalidNicType.ValueNotSupported", 400, "The specified NicType does not exist."
        )
    if in_vpc and nic_type == "internet":
        status = 403 if reading.is_revoke else 400
        raise ApiError(
            "InvalidNicType.Mismatch", status, "A group in a VPC has rules of NicType intranet."
        )
    return nic_type


def _description(fields: Mapping[str, str]) -> str | None:
    text = fields.get("Description")
    if text is not None and len(text) > 512:
        raise ApiError(
            "InvalidSecurityGroupDiscription.Malformed",
            400,
            'The specified parameter "Description" is not valid.',
        )
    return text


# ---- the peer, and the own side of a 5-tuple rule


def _peer(
    reading: Reading, fields: Mapping[str, str], protocol: str, nic_type: str
) -> dict[str, str | None]:
    """Return the fields of the one peer that counts, and of the own side.

    An address block beats a group, and either beats a prefix list.
    """
    far, near = reading.far, reading.near
    blocks = {
        f"{far.lower()}_cidr": _ipv4(fields, far),
        f"ipv6_{far.lower()}_cidr": _ipv6(reading, fields, far),
        f"{near.lower()}_cidr": _ipv4(fields, near),
        f"ipv6_{near.lower()}_cidr": _ipv6(reading, fields, near),
    }
    family = _family(blocks, protocol)
    _check_one_peer(reading, fields)
    peer: dict[str, str | None] = {}
    if blocks[f"{far.lower()}_cidr"] or blocks[f"ipv6_{far.lower()}_cidr"]:
        _check_distinct(blocks)
    elif f"{far}GroupId" in fields:
        peer = _group_peer(reading, fields, nic_type)
    elif f"{far}PrefixListId" in fields:
        peer = _prefix_list_peer(reading, fields[f"{far}PrefixListId"], family)
    else:
        code = "MissingParameter" if reading.is_revoke else f"MissingParameter.{far}"
        raise ApiError(code, 400, f"The parameter of the {far.lower()} is missing.")
    return {**blocks, **peer}


def _check_one_peer(reading: Reading, fields: Mapping[str, str]) -> None:
    """Refuse a block and a group together, where only one of them may be sent."""
    far = reading.far
    has_block = f"{far}CidrIp" in fields or f"Ipv6{far}CidrIp" in fields
    refuses = reading.request.settings.variants.several_peers == "refused"
    if refuses and has_block and f"{far}GroupId" in fields:
        # The vendor asks to choose one, without a code: this one is our choice.
        raise invalid_parameter(f"{far}CidrIp and {far}GroupId cannot be used together.")


def _ipv4(fields: Mapping[str, str], side: str) -> str | None:
    return _block(
        fields.get(f"{side}CidrIp"), addresses.ipv4_block, f"Invalid{side}CidrIp.Malformed"
    )


def _ipv6(reading: Reading, fields: Mapping[str, str], side: str) -> str | None:
    code = f"InvalidParam.Ipv6{side}CidrIp"
    block = _block(fields.get(f"Ipv6{side}CidrIp"), addresses.ipv6_block, code)
    if block is not None and reading.group.vpc_id is None:
        raise ApiError(code, 400, "A group in the classic network has no IPv6 rules.")
    return block


def _block(text: str | None, canonical: Callable[[str], str], code: str) -> str | None:
    if text is None:
        return None
    try:
        return canonical(text)
    except ValueError as error:
        raise ApiError(code, 400, "The specified address block is not valid.") from error


def _family(blocks: Mapping[str, str | None], protocol: str) -> str | None:
    """Return the one family that blocks and protocol speak of, or None for either."""
    has_ipv6 = any(block and addresses.is_ipv6(block) for block in blocks.values())
    has_ipv4 = any(block and not addresses.is_ipv6(block) for block in blocks.values())
    if has_ipv6 and (has_ipv4 or protocol == "icmp"):
        raise ApiError(
            "InvalidParam.Ipv4ProtocolConflictWithIpv6Address",
            400,
            "IPv4 and IPv6 addresses or protocols cannot be mixed in a rule.",
        )
    if has_ipv4 and protocol == "icmpv6":
        raise ApiError(
            "InvalidParam.Ipv6ProtocolConflictWithIpv4Address",
            400,
            "IPv4 and IPv6 addresses or protocols cannot be mixed in a rule.",
        )
    if has_ipv6 or protocol == "icmpv6":
        return "IPv6"
    return "IPv4" if has_ipv4 or protocol == "icmp" else None


def _check_distinct(blocks: Mapping[str, str | None]) -> None:
    given = [block for block in blocks.values() if block]
    if len(set(given)) != len(given):
        raise ApiError(
            "InvalidParamter.Conflict", 400, "Source and destination address must be different."
        )


def _group_peer(
    reading: Reading, fields: Mapping[str, str], nic_type: str
) -> dict[str, str | None]:
    far, request = reading.far, reading.request
    peer_id = fields[f"{far}GroupId"]
    if nic_type != "intranet":
        code = "InvalidNicType" if reading.is_revoke else f"Invalid{far}GroupId"
        raise ApiError(
            f"{code}.Mismatch", 403, "A rule that names a group must be of NicType intranet."
        )
    if peer_id == reading.group.group_id:
        raise ApiError(
            "InvalidParamter.Conflict",
            403,
            f"The SecurityGroupId should be different from the {far}GroupId.",
        )
    owner_id = _owner_id(request, fields, far)
    peer = request.store.groups.get(peer_id)
    if peer is None or (peer.owner_id, peer.region_id) != (owner_id, reading.group.region_id):
        raise ApiError(
            f"Invalid{far}GroupId.NotFound", 404, f"The specified {far}GroupId does not exist."
        )
    _check_group_peer(reading, peer)
    foreign = peer.owner_id if peer.owner_id != request.account_id else None
    return {f"{far.lower()}_group_id": peer_id, f"{far.lower()}_group_owner_id": foreign}


def _owner_id(request: Request, fields: Mapping[str, str], far: str) -> str | None:
    """Return the peer's account: by id, by login, or the caller's own where neither is sent."""
    owner_id = fields.get(f"{far}GroupOwnerId")
    login = fields.get(f"{far}GroupOwnerAccount")
    if owner_id is not None:
        return owner_id
    if login is not None:
        return request.store.logins.get(login, login)
    return request.account_id


def _check_group_peer(reading: Reading, peer: Group) -> None:
    """Refuse a peer of the wrong kind or network. Source: ECS API, AuthorizeSecurityGroup."""
    group = reading.group
    if peer.is_managed:
        raise managed()
    if group.is_enterprise or peer.is_enterprise:
        # Refused as documented, though the code is not documented for this case.
        raise ApiError(
            f"Invalid{reading.far}GroupId.Mismatch",
            403,
            "Enterprise groups neither name groups nor are named by them.",
        )
    if group.vpc_id and peer.vpc_id and group.owner_id != peer.owner_id:
        may_name = reading.request.settings.variants.foreign_groups_in_vpc
    else:
        may_name = "same_vpc"
    if group.vpc_id == peer.vpc_id and may_name != "none":
        return
    if group.vpc_id and peer.vpc_id and may_name == "any_vpc":
        return
    if group.vpc_id and peer.vpc_id:
        raise ApiError(
            f"Invalid{reading.far}GroupId.Mismatch", 400, "The groups are in different VPCs."
        )
    if group.owner_id != peer.owner_id:
        raise ApiError(
            "InvalidNetworkType.Conflict", 403, "The groups are in different types of network."
        )
    if not reading.request.store.vpcs[str(group.vpc_id or peer.vpc_id)].classic_link_enabled:
        raise ApiError(
            "InvalidSecurityGroup.InvalidNetworkType",
            400,
            "The network types differ, and ClassicLink is not enabled for the VPC.",
        )


def _prefix_list_peer(
    reading: Reading, prefix_list_id: str, family: str | None
) -> dict[str, str | None]:
    if reading.group.vpc_id is None:
        raise ApiError(
            "NotSupported.ClassicNetworkPrefixList",
            400,
            "A group in the classic network cannot name a prefix list.",
        )
    prefix_list = own_prefix_list(reading.request, prefix_list_id)
    if family not in (None, prefix_list.address_family):
        raise ApiError(
            "InvalidParam.PrefixListAddressFamilyMismatch",
            400,
            "The address family of the prefix list does not match the rule.",
        )
    if not reading.is_revoke:
        _check_associations(reading, prefix_list)
    return {f"{reading.far.lower()}_prefix_list_id": prefix_list_id}


def _check_associations(reading: Reading, prefix_list: PrefixList) -> None:
    limit = reading.request.settings.quotas.associations_per_prefix_list
    naming = reading.request.store.associations.get(prefix_list.prefix_list_id, ())
    if limit is not None and reading.group.group_id not in naming and len(naming) >= limit:
        raise ApiError(
            "LimitExceed.PrefixListAssociationResource",
            403,
            "The prefix list is associated with the maximum number of resources.",
        )


# ---- printing

PRINTED = (
    "SecurityGroupRuleId",
    "Direction",
    "IpProtocol",
    "PortRange",
    "SourcePortRange",
    "SourceCidrIp",
    "Ipv6SourceCidrIp",
    "SourceGroupId",
    "SourceGroupName",
    "SourceGroupOwnerAccount",
    "SourcePrefixListId",
    "SourcePrefixListName",
    "DestCidrIp",
    "Ipv6DestCidrIp",
    "DestGroupId",
    "DestGroupName",
    "DestGroupOwnerAccount",
    "DestPrefixListId",
    "DestPrefixListName",
    "NicType",
    "Policy",
    "Priority",
    "Description",
    "CreateTime",
    "PortRangeListId",
    "PortRangeListName",
)
"""The fields of a printed rule, in the order of `permission_row`."""


def print_permission(store: Store, group: Group, rule: Rule) -> Body:
    """Return a rule as DescribeSecurityGroupAttribute does: every field there, "" if unused.

    Source: ECS API, DescribeSecurityGroupAttribute.
    """
    return dict(zip(PRINTED, permission_row(store, group, rule), strict=True))


def permission_row(
    store: Store, group: Group, rule: Rule, *, priority_type: str = "text"
) -> tuple[str | int, ...]:
    """Return what a printed rule says, in the order of `PRINTED`."""
    return (
        rule.rule_id,
        rule.direction,
        rule.protocol.upper(),
        rule.port_range,
        rule.source_port_range or "",
        rule.source_cidr or "",
        rule.ipv6_source_cidr or "",
        rule.source_group_id or "",
        _name(store, group, rule.source_group_id),
        rule.source_group_owner_id or "",
        rule.source_prefix_list_id or "",
        _prefix_list_name(store, rule.source_prefix_list_id),
        rule.dest_cidr or "",
        rule.ipv6_dest_cidr or "",
        rule.dest_group_id or "",
        _name(store, group, rule.dest_group_id),
        rule.dest_group_owner_id or "",
        rule.dest_prefix_list_id or "",
        _prefix_list_name(store, rule.dest_prefix_list_id),
        rule.nic_type,
        "Accept" if rule.policy == "accept" else "Drop",
        rule.priority if priority_type == "number" else str(rule.priority),
        rule.description or "",
        rule.created_at,
        rule.port_list_id or "",
        _port_list_name(store, rule.port_list_id),
    )


def peer_names(store: Store, group: Group, rule: Rule) -> tuple[str, str]:
    """Return the names that a printed rule shows of its peers: a group's and a prefix list's."""
    return (
        _name(store, group, rule.peer_group_id),
        _prefix_list_name(store, rule.prefix_list_id),
    )


def _name(store: Store, group: Group, peer_id: str | None) -> str:
    """Return the name of a peer group of the same account; a foreign one's is not told."""
    if peer_id is None:
        return ""
    peer = store.groups.get(peer_id)
    return peer.name if peer is not None and peer.owner_id == group.owner_id else ""


def _prefix_list_name(store: Store, prefix_list_id: str | None) -> str:
    if prefix_list_id is None:
        return ""
    prefix_list = store.prefix_lists.get(prefix_list_id)
    return (prefix_list.name or "") if prefix_list else ""


def _port_list_name(store: Store, port_list_id: str | None) -> str:
    if port_list_id is None:
        return ""
    port_list = store.port_lists.get(port_list_id)
    return (port_list.name or "") if port_list else ""
