"""DescribeNetworkInterfaces; classic instances have none in the API."""

from __future__ import annotations

from collections.abc import Sequence

from app.simulator.actions.instances import address_sets, allocation_id, mac_of, vswitch_of
from app.simulator.actions.paging import Page, by_number, by_token
from app.simulator.actions.request import Action, Body, Request
from app.simulator.actions.tags import print_tags, wanted_tags
from app.simulator.parameters import Parameters
from app.simulator.state.resources import Interface

_LIMIT = 100


def describe_network_interfaces(request: Request) -> Body:
    """List the caller's interfaces; the group filter finds secondary ones only.

    Source: ECS API, DescribeNetworkInterfaces.
    """
    parameters = request.parameters
    has_tags = wanted_tags(parameters)
    found = [
        item for item in _candidates(request) if _is_asked(parameters, item) and has_tags(item.tags)
    ]
    page = _page(found, parameters)
    return {
        "NetworkInterfaceSets": {"NetworkInterfaceSet": [_describe(item) for item in page.items]},
        **page.fields,
    }


def _candidates(request: Request) -> Sequence[Interface]:
    """Return the interfaces that the cheapest index offers."""
    store, parameters = request.store, request.parameters
    place = (request.account_id, request.region_id)
    ids = parameters.repeated("NetworkInterfaceId", limit=_LIMIT)
    instance_id = parameters.get("InstanceId")
    if ids:
        found = [store.interfaces[key] for key in dict.fromkeys(ids) if key in store.interfaces]
    elif instance_id:
        instance = store.instances.get(instance_id)
        found = list(instance.interfaces) if instance else []
    else:
        return store.interfaces_of.get(place, ())
    return [
        item
        for item in found
        if (item.instance.owner_id, item.instance.region_id) == place and item.instance.vpc_id
    ]


def _is_asked(parameters: Parameters, interface: Interface) -> bool:
    instance = interface.instance
    group_id, private = (
        parameters.get("SecurityGroupId"),
        parameters.repeated("PrivateIpAddress", limit=_LIMIT),
    )
    is_managed = parameters.flag("ServiceManaged")
    return (
        parameters.get("VpcId") in (None, instance.vpc_id)
        and parameters.get("InstanceId") in (None, instance.instance_id)
        and parameters.get("VSwitchId") in (None, vswitch_of(instance))
        and parameters.get("PrimaryIpAddress") in (None, interface.private_ips[0])
        and parameters.get("Type") in (None, _type(interface))
        and parameters.get("Status") in (None, interface.status)
        and is_managed in (None, interface.is_managed)
        and (not private or any(address in private for address in interface.private_ips))
        and (group_id is None or (not interface.is_primary and group_id in interface.group_ids))
        and parameters.get("ResourceGroupId") is None
        and parameters.get("NetworkInterfaceName") in (None, interface.name)
    )


def _page(items: Sequence[Interface], parameters: Parameters) -> Page[Interface]:
    if parameters.get("MaxResults") or parameters.get("NextToken"):
        return by_token(items, parameters, default=10, smallest=1, largest=500)
    return by_number(items, parameters, largest=100)


def _type(interface: Interface) -> str:
    return "Primary" if interface.is_primary else "Secondary"


def _describe(interface: Interface) -> Body:
    instance = interface.instance
    return {
        "NetworkInterfaceId": interface.interface_id,
        "NetworkInterfaceName": interface.name or "",
        "Description": interface.description or "",
        "InstanceId": instance.instance_id,
        "Type": _type(interface),
        "Status": interface.status,
        "VpcId": instance.vpc_id or "",
        "VSwitchId": vswitch_of(instance),
        "ZoneId": instance.zone_id,
        "MacAddress": mac_of(interface),
        "PrivateIpAddress": interface.private_ips[0],
        **address_sets(interface),
        "PrivateIpSets": {"PrivateIpSet": _private_ips(interface)},
        "SecurityGroupIds": {"SecurityGroupId": list(interface.group_ids)},
        "OwnerId": instance.owner_id,
        "ServiceManaged": interface.is_managed,
        "AssociatedPublicIp": _public(interface),
        "CreationTime": "2021-07-01T00:00:00Z",
        "ResourceGroupId": "",
        "Tags": print_tags(interface.tags),
    }


def _private_ips(interface: Interface) -> list[Body]:
    """Return the private addresses; the public one belongs to the first of them."""
    return [
        {
            "PrivateIpAddress": address,
            "Primary": number == 0,
            "AssociatedPublicIp": _public(interface) if number == 0 else {},
        }
        for number, address in enumerate(interface.private_ips)
    ]


def _public(interface: Interface) -> Body:
    if interface.elastic_ip:
        return {
            "PublicIpAddress": interface.elastic_ip,
            "AllocationId": allocation_id(interface),
        }
    return {"PublicIpAddress": interface.public_ip} if interface.public_ip else {}


ACTIONS = (Action("DescribeNetworkInterfaces", describe_network_interfaces),)
