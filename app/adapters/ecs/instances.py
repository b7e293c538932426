"""Instances and their interfaces, read from replies.

Source: ECS API, DescribeInstances and DescribeNetworkInterfaces.
"""

from collections.abc import Iterable, Iterator, Mapping

from app.adapters.ecs.paging import Item, items
from app.domain.addresses import AddressFamily, Block
from app.domain.groups import Eni, Instance, Place

INSTANCES = ("Instances", "Instance")
INTERFACES = ("NetworkInterfaceSets", "NetworkInterfaceSet")


def instance(fields: Item, secondary: Mapping[str, Item], *, place: Place) -> Instance:
    """Read an instance; `secondary` holds its other interfaces by id.

    An interface that was detached between the two reads is left out.
    """
    vpc_id = vpc_of(fields)
    others = [secondary[key] for key in secondary_ids(fields) if key in secondary]
    primary = _primary(fields) if vpc_id else _classic(fields)
    return Instance(
        instance_id=fields["InstanceId"],
        place=place,
        enis=(primary, *(_eni(other) for other in others)),
        name=fields.get("InstanceName") or "",
        zone_id=fields.get("ZoneId") or "",
        status=fields.get("Status") or "",
        vpc_id=vpc_id,
        locks=frozenset(
            lock["LockReason"] for lock in items(fields, "OperationLocks", "LockReason")
        ),
    )


def vpc_of(fields: Item) -> str | None:
    """Return the VPC of an instance, or None in the classic network."""
    attributes = fields.get("VpcAttributes") or {}
    return attributes.get("VpcId") or fields.get("VpcId") or None


def secondary_ids(fields: Item) -> list[str]:
    """Return the ids of all interfaces but the primary one, sorted."""
    interfaces = items(fields, "NetworkInterfaces", "NetworkInterface")
    return sorted(
        item["NetworkInterfaceId"] for item in interfaces if item.get("Type") == "Secondary"
    )


def _classic(fields: Item) -> Eni:
    return Eni(
        eni_id=fields["InstanceId"],
        addresses=_blocks(items(fields, "InnerIpAddress", "IpAddress")),
        group_ids=_group_ids(fields),
        public_address=_public(fields),
    )


def _primary(fields: Item) -> Eni:
    interfaces = items(fields, "NetworkInterfaces", "NetworkInterface")
    primary: Item = next((item for item in interfaces if item.get("Type") != "Secondary"), {})
    listed = items(fields["VpcAttributes"], "PrivateIpAddress", "IpAddress")
    return Eni(
        eni_id=primary.get("NetworkInterfaceId") or fields["InstanceId"],
        addresses=_blocks(_texts(primary) if primary else listed),
        group_ids=_group_ids(fields),
        public_address=_public(fields),
    )


def _eni(fields: Item) -> Eni:
    public = (fields.get("AssociatedPublicIp") or {}).get("PublicIpAddress")
    return Eni(
        eni_id=fields["NetworkInterfaceId"],
        addresses=_blocks(_texts(fields)),
        group_ids=_group_ids(fields),
        public_address=Block.read(public) if public else None,
    )


def _texts(interface: Item) -> Iterator[str]:
    """Every private address: the first IPv4 one first, IPv6 last."""
    sets = items(interface, "PrivateIpSets", "PrivateIpSet")
    for item in sorted(sets, key=lambda item: not item.get("Primary")):
        yield item["PrivateIpAddress"]
    for item in items(interface, "Ipv6Sets", "Ipv6Set"):
        yield item["Ipv6Address"]


def _blocks(texts: Iterable[str]) -> tuple[Block, ...]:
    blocks = dict.fromkeys(Block.read(text) for text in texts if text)
    return tuple(sorted(blocks, key=lambda block: block.family is AddressFamily.IPV6))


def _group_ids(fields: Item) -> frozenset[str]:
    return frozenset((fields.get("SecurityGroupIds") or {}).get("SecurityGroupId") or ())


def _public(fields: Item) -> Block | None:
    elastic = (fields.get("EipAddress") or {}).get("IpAddress")
    fixed = (fields.get("PublicIpAddress") or {}).get("IpAddress") or [None]
    text = elastic or fixed[0]
    return Block.read(text) if text else None
