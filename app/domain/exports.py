"""Backups in the shape of the cloud's own answers, and back.

Of the fields that the cloud sends along, those that say nothing about the meaning of a rule
(names, times) are left empty, and not read.

Source: ECS API, DescribeSecurityGroupAttribute; ECS user guide, Export security group rules.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

from app.domain.addresses import AddressFamily, Block
from app.domain.documents import Document, held_document, read_group
from app.domain.errors import AppError, InvalidInputError
from app.domain.groups import Group
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

Fields: TypeAlias = dict[str, str]

SIDES = MappingProxyType(
    {Direction.INGRESS: ("Source", "Dest"), Direction.EGRESS: ("Dest", "Source")}
)
"""How the cloud calls the peer's side of a rule, and the group's own."""

_OF_A_SIDE = (
    "{}CidrIp",
    "Ipv6{}CidrIp",
    "{}GroupId",
    "{}GroupName",
    "{}GroupOwnerAccount",
    "{}PrefixListId",
    "{}PrefixListName",
)
PERMISSION_FIELDS = (
    "SecurityGroupRuleId",
    "Direction",
    "NicType",
    "Policy",
    "Priority",
    "IpProtocol",
    "PortRange",
    "SourcePortRange",
    *(name.format("Source") for name in _OF_A_SIDE),
    *(name.format("Dest") for name in _OF_A_SIDE),
    "PortRangeListId",
    "PortRangeListName",
    "CreateTime",
    "Description",
)
"""Every field of a permission; those that do not apply are "", as the cloud has it."""

NUMBERS = MappingProxyType({"-1": "all", "6": "tcp", "17": "udp", "1": "icmp", "47": "gre",
                            "58": "icmpv6"})  # fmt: skip
"""Protocols by the numbers that some regions answer. Source: IANA."""


class BadExportError(InvalidInputError):
    """A document that is no export; `errors` points at the place."""

    def __init__(self, detail: str, pointer: str) -> None:
        place = {"location": "body", "pointer": pointer, "message": detail, "code": self.code}
        super().__init__(f"{pointer}: {detail}", errors=[place])


# --- rules ------------------------------------------------------------------------


def permission(held: HeldRule, account_id: str) -> Fields:
    """Spell a rule of a group of `account_id` as the cloud answers it."""
    rule = held.rule
    fields = dict.fromkeys(PERMISSION_FIELDS, "")
    peer_side, own_side = SIDES[rule.direction]
    fields |= {
        "SecurityGroupRuleId": held.rule_id,
        "Direction": rule.direction.value,
        "NicType": rule.nic_type.value,
        "Policy": rule.policy.value.capitalize(),
        "Priority": str(rule.priority),
        "IpProtocol": rule.protocol.value.upper(),
        "PortRange": "" if rule.ports is None else str(rule.ports),
        "PortRangeListId": rule.port_list_id or "",
        "Description": held.description,
    }
    if rule.source_ports != ANY_PORT:
        fields["SourcePortRange"] = str(rule.source_ports)
    fields |= _peer_fields(peer_side, rule.peer, account_id)
    return fields if rule.own is None else fields | _block_fields(own_side, rule.own)


def _peer_fields(side: str, peer: Peer, account_id: str) -> Fields:
    match peer:
        case Block():
            return _block_fields(side, peer)
        case PrefixListPeer(prefix_list_id):
            return {f"{side}PrefixListId": prefix_list_id}
        case GroupPeer(group_id, owner_id):
            owner = "" if owner_id == account_id else owner_id
            return {f"{side}GroupId": group_id, f"{side}GroupOwnerAccount": owner}


def _block_fields(side: str, block: Block) -> Fields:
    name = f"{side}CidrIp" if block.family is AddressFamily.IPV4 else f"Ipv6{side}CidrIp"
    return {name: str(block)}


def read_permission(fields: Mapping[str, str], account_id: str) -> HeldRule:
    """Return the rule of a permission of a group of `account_id`.

    Raises:
        AppError, ValueError, KeyError: it is none of this API's.
    """
    direction = Direction(fields["Direction"].lower())
    peer_side, own_side = SIDES[direction]
    protocol = Protocol(NUMBERS.get(fields["IpProtocol"], fields["IpProtocol"].lower()))
    list_id = fields.get("PortRangeListId") or None
    ports = _ports(fields.get("PortRange") or "", protocol, has_list=list_id is not None)
    rule = Rule(
        direction=direction,
        protocol=protocol,
        ports=ports,
        peer=_read_peer(fields, peer_side, account_id),
        policy=Policy((fields.get("Policy") or "accept").lower()),
        priority=int(fields.get("Priority") or 1),
        nic_type=NicType((fields.get("NicType") or "intranet").lower()),
        own=_read_block(fields, own_side),
        source_ports=_range(fields.get("SourcePortRange") or "-1/-1", protocol),
        port_list_id=list_id if ports is None else None,
    )
    return HeldRule(fields.get("SecurityGroupRuleId") or "", rule, fields.get("Description") or "")


def _ports(text: str, protocol: Protocol, *, has_list: bool) -> PortRange | None:
    if text:
        return _range(text, protocol)
    return None if has_list or protocol.has_ports else ANY_PORT


def _range(text: str, protocol: Protocol) -> PortRange:
    """Read a range; what a rule of a protocol without a name had is taken as it is."""
    if text == "-1/-1":
        return ANY_PORT
    return PortRange.parse(text, Protocol.TCP if protocol is Protocol.OTHER else protocol)


def _read_peer(fields: Mapping[str, str], side: str, account_id: str) -> Peer:
    """The peer that counts: a block beats a group, and either beats a prefix list."""
    block = _read_block(fields, side)
    if block is not None:
        return block
    if group_id := fields.get(f"{side}GroupId"):
        return GroupPeer(group_id, fields.get(f"{side}GroupOwnerAccount") or account_id)
    if prefix_list_id := fields.get(f"{side}PrefixListId"):
        return PrefixListPeer(prefix_list_id)
    raise InvalidInputError("the rule names no peer")


def _read_block(fields: Mapping[str, str], side: str) -> Block | None:
    text = fields.get(f"{side}CidrIp") or fields.get(f"Ipv6{side}CidrIp")
    return Block.read(text) if text else None


# --- JSON -------------------------------------------------------------------------


def export_document(content: Mapping[str, Any], sha256: str) -> Document:
    """Spell a backup's content: what the cloud would answer, once for each NIC type that the
    group's network has, and beside it what that answer does not hold.
    """
    group = read_group(content)
    spoken = {held.rule.nic_type for held in group.rules} | {NicType.INTRANET}
    planes = [each for each in NicType if each in spoken or not group.vpc_id]
    return {
        "format": "json",
        "account_id": group.place.account_id,
        "sha256": sha256,
        "kind": group.kind.value,
        "managed": group.managed,
        "tags": _tags(content),
        "attributes": [_attribute(group, plane) for plane in planes],
        "members": content["members"],
        "named_groups": [_named_export(each) for each in content.get("named_groups", ())],
    }


def _named_export(named: Mapping[str, Any]) -> Document:
    """Spell a group that rules name: it comes without its own ones."""
    rest = {key: value for key, value in named.items() if key != "rules"}
    return rest | {"vpc_id": named["vpc_id"] or "", "tags": _tags(named)}


def _tags(content: Mapping[str, Any]) -> list[Fields]:
    tags: Mapping[str, str] = content.get("tags", {})
    return [{"key": key, "value": value} for key, value in sorted(tags.items())]


def _read_tags(document: Mapping[str, Any]) -> Fields:
    return {each["key"]: each["value"] for each in document.get("tags", ())}


def _attribute(group: Group, plane: NicType) -> Document:
    permissions = [
        permission(held, group.place.account_id)
        for held in group.rules
        if held.rule.nic_type is plane
    ]
    return {
        "RegionId": group.place.region_id,
        "SecurityGroupId": group.group_id,
        "SecurityGroupName": group.name,
        "Description": group.description,
        "VpcId": group.vpc_id or "",
        "InnerAccessPolicy": group.inner_access.value.capitalize(),
        "NicType": plane.value,
        "Permissions": {"Permission": permissions},
    }


def content_of_export(document: Mapping[str, Any]) -> Document:
    """Return the content of a backup that an export spells.

    Raises:
        BadExportError: it contradicts itself, or a rule is none of this API's.
    """
    account_id = document["account_id"]
    first, *others = document["attributes"]
    for number, other in enumerate(others, 1):
        for name in ("RegionId", "SecurityGroupId", "SecurityGroupName", "Description",
                     "VpcId", "InnerAccessPolicy"):  # fmt: skip
            if other.get(name, "") != first.get(name, ""):
                raise BadExportError(
                    f"all entries are of one group: {name} differs",
                    f"/attributes/{number}/{name}",
                )
    rules = [
        _pointed(fields, account_id, f"/attributes/{number}/Permissions/Permission/{place}")
        for number, attribute in enumerate(document["attributes"])
        for place, fields in enumerate(attribute["Permissions"]["Permission"])
    ]
    return _checked(_content(document, first, rules))


def _pointed(fields: Mapping[str, str], account_id: str, pointer: str) -> HeldRule:
    try:
        return read_permission(fields, account_id)
    except AppError as error:
        raise BadExportError(str(error), pointer) from error
    except (ValueError, KeyError) as error:
        raise BadExportError("the rule has a value that no rule has", pointer) from error


def _content(
    document: Mapping[str, Any], attribute: Mapping[str, Any], rules: Iterable[HeldRule]
) -> Document:
    held = sorted(rules, key=lambda each: each.rule_id)
    seen: set[Rule] = set()
    for each in held:
        if each.rule in seen:
            raise BadExportError("two rules say the same", "/attributes")
        seen.add(each.rule)
    return {
        "group_id": attribute["SecurityGroupId"],
        "account_id": document["account_id"],
        "region_id": attribute["RegionId"],
        "name": attribute.get("SecurityGroupName", ""),
        "vpc_id": attribute.get("VpcId") or None,
        "kind": document.get("kind", "normal"),
        "inner_access": (attribute.get("InnerAccessPolicy") or "accept").lower(),
        "managed": document.get("managed", False),
        "description": attribute.get("Description", ""),
        "tags": _read_tags(document),
        "rules": [held_document(each) for each in held],
        "members": [dict(each) for each in document.get("members", ())],
        "named_groups": [
            {**each, "vpc_id": each["vpc_id"] or None, "tags": _read_tags(each), "rules": []}
            for each in document.get("named_groups", ())
        ],
    }


# --- CSV --------------------------------------------------------------------------

GROUP_FIELDS = (
    "AccountId",
    "RegionId",
    "SecurityGroupId",
    "SecurityGroupName",
    "SecurityGroupType",
    "ServiceManaged",
    "VpcId",
    "InnerAccessPolicy",
)
MEMBER_FIELDS = ("InstanceId", "NetworkInterfaceId", "Primary")
TAG_FIELDS = ("TagKey", "TagValue")
COLUMNS = ("Record", *GROUP_FIELDS, *PERMISSION_FIELDS, *MEMBER_FIELDS, *TAG_FIELDS)
WRITTEN_BY_PEOPLE = frozenset({"SecurityGroupName", "Description", *TAG_FIELDS})

SUSPECT = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
"""What a spreadsheet would take for the beginning of a formula, and what stands for that."""


def export_table(content: Mapping[str, Any]) -> str:
    """Spell a backup's content as CSV: one row for the group, for each rule, each member and
    each tag; the groups that it names likewise, as `named_…`.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for row in _rows(content, ""):
        writer.writerow({name: _shown(name, value) for name, value in row.items()})
    return text.getvalue()


def _shown(name: str, value: str) -> str:
    risky = name in WRITTEN_BY_PEOPLE and value.startswith(SUSPECT)
    return f"'{value}" if risky else value


def _read(name: str, value: str) -> str:
    return value[1:] if name in WRITTEN_BY_PEOPLE and value.startswith("'") else value


def _rows(content: Mapping[str, Any], prefix: str) -> Iterator[Fields]:
    group = read_group(content)
    yield {
        "Record": f"{prefix}group",
        "AccountId": group.place.account_id,
        "RegionId": group.place.region_id,
        "SecurityGroupId": group.group_id,
        "SecurityGroupName": group.name,
        "SecurityGroupType": group.kind.value,
        "ServiceManaged": str(group.managed).lower(),
        "VpcId": group.vpc_id or "",
        "InnerAccessPolicy": group.inner_access.value.capitalize(),
        "Description": group.description,
    }
    same = {"SecurityGroupId": group.group_id}
    for key, value in group.tags:
        yield {"Record": f"{prefix}tag", **same, "TagKey": key, "TagValue": value}
    for held in group.rules:
        yield {"Record": f"{prefix}rule", **same, **permission(held, group.place.account_id)}
    for member in content["members"]:
        yield {
            "Record": f"{prefix}member",
            **same,
            "InstanceId": member["instance_id"],
            "NetworkInterfaceId": member["interface_id"],
            "Primary": str(member["primary"]).lower(),
        }
    for named in content.get("named_groups", ()):
        yield from _rows(named, "named_")


def content_of_table(text: str) -> Document:
    """Return the content of a backup that a table spells.

    Raises:
        BadExportError: it is no such table, or a row is none of this API's.
    """
    drafts: list[_Draft] = []
    for line, row in _parsed(text):
        record = row["Record"].removeprefix("named_")
        if record == "group":
            if bool(drafts) is not row["Record"].startswith("named_"):
                raise BadExportError("one `group` comes first, then `named_group`s", _at(line))
            drafts.append(_Draft(_group_of(row, line)))
        elif not drafts:
            raise BadExportError("the first row is that of the group", _at(line))
        else:
            drafts[-1].add(record, row, line)
    if not drafts:
        raise BadExportError("the table has no rows", "/table")
    contents = [draft.content for draft in drafts]
    for each in contents:
        each["rules"].sort(key=lambda rule: rule["rule_id"])
    group, *named = contents
    return _checked(group | {"named_groups": [_without_named(each) for each in named]})


def _parsed(text: str) -> Iterator[tuple[int, Fields]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise BadExportError(
                "the first line names the columns, as an export has them", "/table"
            )
        for row in reader:
            if None in row or None in row.values():
                raise BadExportError("a row has as many cells as columns", _at(reader.line_num))
            yield reader.line_num, {name: _read(name, value) for name, value in row.items()}
    except csv.Error as error:
        raise BadExportError("the text is no table of comma-separated values", "/table") from error


def _at(line: int) -> str:
    return f"/table/{line}"


def _group_of(row: Fields, line: int) -> Document:
    attribute = {name: row[name] for name in (*GROUP_FIELDS, "Description")}
    document = {
        "account_id": row["AccountId"],
        "kind": row["SecurityGroupType"],
        "managed": _truth(row["ServiceManaged"], line),
    }
    return _content(document, attribute, ())


@dataclass
class _Draft:
    """The content of a group whose rows are still coming."""

    content: Document
    rules: set[Rule] = field(default_factory=set)

    def add(self, record: str, row: Fields, line: int) -> None:
        if row["SecurityGroupId"] != self.content["group_id"]:
            raise BadExportError("the row is of another group", _at(line))
        match record:
            case "rule":
                self._add_rule(_pointed(row, self.content["account_id"], _at(line)), line)
            case "member":
                member = {
                    "instance_id": row["InstanceId"],
                    "interface_id": row["NetworkInterfaceId"],
                    "primary": _truth(row["Primary"], line),
                }
                self.content["members"].append(member)
            case "tag":
                self.content["tags"][row["TagKey"]] = row["TagValue"]
            case _:
                raise BadExportError("`Record` is group, rule, member or tag", _at(line))

    def _add_rule(self, held: HeldRule, line: int) -> None:
        if held.rule in self.rules:
            raise BadExportError("two rules say the same", _at(line))
        self.rules.add(held.rule)
        self.content["rules"].append(held_document(held))


def _truth(text: str, line: int) -> bool:
    if text not in {"true", "false"}:
        raise BadExportError("either true or false", _at(line))
    return text == "true"


def _without_named(content: Document) -> Document:
    return {key: value for key, value in content.items() if key != "named_groups"}


# --- both -------------------------------------------------------------------------

SHAPES: Mapping[str, str] = MappingProxyType(
    {
        "account_id": "[0-9]{16}",
        "region_id": "[a-z]{2}-[a-z0-9-]{2,30}",
        "group_id": "sg-[0-9a-zA-Z-]{1,61}",
        "kind": "normal|enterprise",
        "inner_access": "accept|drop",
    }
)


def _checked(content: Document) -> Document:
    for name, shape in SHAPES.items():
        for each in (content, *content["named_groups"]):
            if not re.fullmatch(shape, str(each[name]), re.ASCII):
                raise BadExportError(f"{name} looks like {shape}", "/")
    for each in content["members"]:
        if not re.fullmatch("i-[0-9a-zA-Z-]{1,62}", each["instance_id"], re.ASCII):
            raise BadExportError("an instance id looks like i-web01", "/members")
    return content
