"""Which addresses can reach each other at all, whatever the security groups say."""

from app.domain.addresses import AddressFamily
from app.domain.groups import Instance
from app.domain.rules import NicType
from app.domain.world import AddressEnd, End, InterfaceEnd, addresses_on


def has_route(source: End, target: End, plane: NicType, family: AddressFamily) -> bool:
    """Say whether packets of `family` get from `source` to `target` on `plane`.

    Bare addresses and groups that could not be read have a route to everything, for
    nothing is known of their network.
    """
    if not (speaks(source, plane, family) and speaks(target, plane, family)):
        return False
    if plane is NicType.INTERNET:
        return True
    if isinstance(source, InterfaceEnd) and isinstance(target, InterfaceEnd):
        return share_network(source.instance, target.instance)
    return True


def speaks(end: End, plane: NicType, family: AddressFamily) -> bool:
    """Say whether `end` has its address on `plane`, and of `family`."""
    if isinstance(end, InterfaceEnd):
        return end.block.family is family and end.block in addresses_on(end.eni, plane)
    return (end.block if isinstance(end, AddressEnd) else end).family is family


def share_network(one: Instance, other: Instance) -> bool:
    """Say whether private addresses of two instances reach each other, in either direction.

    The classic network is one for each region and for all accounts; a VPC may be shared
    by accounts; ClassicLink joins a classic instance and a VPC of one account.

    Source: ECS documentation, ClassicLink; ECS API, AttachClassicLinkVpc.
    """
    if one.place.region_id != other.place.region_id:
        return False
    if one.vpc_id == other.vpc_id:
        return True
    if one.is_classic == other.is_classic:
        return False
    classic, private = (one, other) if one.is_classic else (other, one)
    return classic.place == private.place and classic.classic_link_vpc_id == private.vpc_id
