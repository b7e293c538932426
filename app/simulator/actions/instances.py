"""DescribeInstances, DescribeInstanceAttribute, and the name part of ModifyInstanceAttribute."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from app.simulator.actions.paging import Page, by_number, by_token
from app.simulator.actions.request import Action, Body, Request
from app.simulator.actions.tags import print_tags, wanted_tags
from app.simulator.errors import ApiError, instance_not_found
from app.simulator.parameters import Parameters
from app.simulator.state.estate import STATUSES
from app.simulator.state.identifiers import letters
from app.simulator.state.resources import Instance, Interface

Filter: TypeAlias = Callable[[Instance], bool]

INSTANCE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", re.ASCII)
_LIMIT = 100
_CREATED = "2021-07-01T00:00Z"
_EXPIRES = "2099-12-31T15:59Z"
_TYPE, _TYPE_FAMILY = "ecs.g6.large", "ecs.g6"
_LOCK_REASONS = ("financial", "security", "recycling", "dedicatedhostfinancial", "refunded")
_BOUNDS: Mapping[str, tuple[str, bool]] = MappingProxyType(
    {
        "CreationStartTime": (_CREATED, True),
        "CreationEndTime": (_CREATED, False),
        "ExpiredStartTime": (_EXPIRES, True),
        "ExpiredEndTime": (_EXPIRES, False),
    }
)


def own_instance(request: Request, instance_id: str) -> Instance:
    """Return the caller's instance; another account's is not found."""
    instance = request.store.instances.get(instance_id)
    if instance is None or instance.owner_id != request.account_id:
        raise instance_not_found()
    return instance


def describe_instances(request: Request) -> Body:
    """List the caller's instances of a region. Source: ECS API, DescribeInstances."""
    parameters = request.parameters
    filters = _filters(parameters)
    candidates = _candidates(request)
    if filters:
        candidates = [item for item in candidates if all(test(item) for test in filters)]
    if parameters.flag("DryRun"):
        raise ApiError("DryRunOperation", 400, "Request validation has been passed with DryRun.")
    page = _page(candidates, parameters)
    return {
        "Instances": {"Instance": [_describe(item) for item in page.items]},
        **page.fields,
    }


def _candidates(request: Request) -> Sequence[Instance]:
    """Return the instances that the cheapest index offers."""
    place = (request.account_id, request.region_id)
    store = request.store
    ids = request.parameters.json_list("InstanceIds", limit=_LIMIT)
    if ids is not None:
        found = (store.instances.get(instance_id) for instance_id in dict.fromkeys(ids))
        return [item for item in found if item and (item.owner_id, item.region_id) == place]
    group_id = request.parameters.get("SecurityGroupId")
    if group_id:
        group = store.groups.get(group_id)
        if group is None or (group.owner_id, group.region_id) != place:
            return []
        return [item.instance for item in store.members_of(group) if item.is_primary]
    return store.instances_of.get(place, ())


def _page(items: Sequence[Instance], parameters: Parameters) -> Page[Instance]:
    """Return a page; MaxResults is lifted to 10 and cut to 100, as only this action does."""
    if not (parameters.get("MaxResults") or parameters.get("NextToken")):
        return by_number(items, parameters, largest=_LIMIT)
    from_token = Parameters(
        {
            "MaxResults": str(min(max(parameters.number("MaxResults", 10), 10), _LIMIT)),
            "NextToken": parameters.get("NextToken") or "",
        }
    )
    page = by_token(items, from_token, default=10, smallest=10, largest=_LIMIT)
    return Page(page.items, {"TotalCount": 0, "PageNumber": 0, "PageSize": 0, **page.fields})


def _filters(parameters: Parameters) -> list[Filter]:
    filters: list[Filter] = []
    _add_plain_filters(filters, parameters)
    _add_address_filters(filters, parameters)
    group_id = parameters.get("SecurityGroupId")
    if group_id and parameters.get("InstanceIds"):
        filters.append(lambda item: group_id in item.primary.group_ids)
    has_tags = wanted_tags(parameters)
    if parameters.structs("Tag"):
        filters.append(lambda item: has_tags(item.tags))
    if not _includes_everything(parameters):
        filters.append(lambda _: False)
    return filters


def _includes_everything(parameters: Parameters) -> bool:
    """Tell whether what all instances have in common is asked for.

    They are paid by use, of one type, of no resource group, created and expiring at one time.
    """
    charge = _choice(
        parameters,
        "InstanceChargeType",
        ("PrePaid", "PostPaid"),
        "InvalidInstanceChargeType.NotFound",
    )
    return (
        charge in (None, "PostPaid")
        and parameters.get("InstanceType") in (None, _TYPE)
        and parameters.get("InstanceTypeFamily") in (None, _TYPE_FAMILY)
        and parameters.get("ResourceGroupId") is None
        and all(_is_within(fields) for fields in parameters.structs("Filter"))
    )


def _is_within(fields: Mapping[str, str]) -> bool:
    """Compare a time with the bound of a Filter; times of one format sort like text."""
    bound = _BOUNDS.get(fields.get("Key", ""))
    if bound is None:
        raise ApiError("InvalidFilterKey.NotFound", 404, "The specified FilterKey is not found.")
    time, is_lower_bound = bound
    value = fields.get("Value", time)
    return value <= time if is_lower_bound else time <= value


def _add_plain_filters(filters: list[Filter], parameters: Parameters) -> None:
    network = _choice(
        parameters, "InstanceNetworkType", ("classic", "vpc"), "InvalidNetworkType.NotFound"
    )
    status = _choice(parameters, "Status", STATUSES, "InvalidStatus.NotFound")
    vpc_id, zone_id = parameters.get("VpcId"), parameters.get("ZoneId")
    vswitch_id, pattern = parameters.get("VSwitchId"), parameters.get("InstanceName")
    lock = _choice(parameters, "LockReason", _LOCK_REASONS, "InvalidLockReason.NotFound")
    if network:
        filters.append(lambda item: item.network_type == network)
    if status:
        filters.append(lambda item: item.status == status)
    if vpc_id:
        filters.append(lambda item: item.vpc_id == vpc_id)
    if zone_id:
        filters.append(lambda item: item.zone_id == zone_id)
    if vswitch_id:
        filters.append(lambda item: vswitch_of(item) == vswitch_id)
    if pattern:
        wanted = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
        filters.append(lambda item: wanted.fullmatch(item.name) is not None)
    if lock:
        filters.append(lambda item: lock in item.locks)


def _choice(parameters: Parameters, name: str, choices: Sequence[str], code: str) -> str | None:
    value = parameters.get(name)
    if value is not None and value not in choices:
        raise ApiError(code, 404, f"The specified {name} is not found.")
    return value


def _add_address_filters(filters: list[Filter], parameters: Parameters) -> None:
    private = parameters.json_list("PrivateIpAddresses", limit=_LIMIT)
    inner = parameters.json_list("InnerIpAddresses", limit=_LIMIT)
    public = parameters.json_list("PublicIpAddresses", limit=_LIMIT)
    elastic = parameters.json_list("EipAddresses", limit=_LIMIT)
    if private is not None:
        filters.append(lambda item: bool(item.vpc_id) and _holds(item.primary, private))
    if inner is not None:
        filters.append(lambda item: not item.vpc_id and _holds(item.primary, inner))
    if public is not None:
        filters.append(lambda item: item.primary.public_ip in public)
    if elastic is not None:
        filters.append(lambda item: item.primary.elastic_ip in elastic)


def _holds(interface: Interface, addresses: Sequence[str]) -> bool:
    return any(address in addresses for address in interface.private_ips)


def vswitch_of(instance: Instance) -> str:
    """Return the vSwitch of an instance: one for each VPC and zone, as the estate has none."""
    if not instance.vpc_id:
        return ""
    return f"vsw-bp1{letters(f'{instance.vpc_id}/{instance.zone_id}', 17)}"


def _describe(instance: Instance) -> Body:
    in_vpc = bool(instance.vpc_id)
    return {
        **_common(instance),
        "HostName": instance.name,
        "ImageId": "aliyun_3_x64_20G_alibase_20210425.vhd",
        "OSName": "Alibaba Cloud Linux 3.2104 64 bit",
        "OSNameEn": "Alibaba Cloud Linux 3.2104 64 bit",
        "OSType": "linux",
        "IoOptimized": True,
        "StartTime": _CREATED,
        "AutoReleaseTime": "",
        "StoppedMode": "KeepCharging" if instance.status == "Stopped" else "Not-applicable",
        "InternetMaxBandwidthIn": 100,
        "InternetMaxBandwidthOut": 5 if instance.primary.internet_ip else 0,
        "KeyPairName": "",
        "SaleCycle": "",
        "SpotStrategy": "NoSpot",
        "SpotPriceLimit": 0,
        "DeviceAvailable": True,
        "GPUAmount": 0,
        "GPUSpec": "",
        "LocalStorageAmount": 0,
        "LocalStorageCapacity": 0,
        "DeploymentSetId": "",
        "HpcClusterId": "",
        "CreditSpecification": "",
        "InstanceTypeFamily": _TYPE_FAMILY,
        "DeletionProtection": False,
        "Recyclable": False,
        "ResourceGroupId": "",
        "NetworkInterfaces": {
            "NetworkInterface": [_brief(item) for item in instance.interfaces] if in_vpc else []
        },
        "Tags": print_tags(instance.tags),
    }


def _common(instance: Instance) -> Body:
    """Return what both describing actions answer; EipAddress stands before PublicIpAddress.

    Some clients read them in this order.
    """
    primary = instance.primary
    private = list(primary.private_ips)
    return {
        "InstanceId": instance.instance_id,
        "InstanceName": instance.name,
        "Description": "",
        "RegionId": instance.region_id,
        "ZoneId": instance.zone_id,
        "ClusterId": "",
        "Status": instance.status,
        "InstanceType": _TYPE,
        "InstanceNetworkType": instance.network_type,
        "InstanceChargeType": "PostPaid",
        "InternetChargeType": "PayByTraffic",
        "CreationTime": _CREATED,
        "ExpiredTime": _EXPIRES,
        "Cpu": 2,
        "Memory": 8192,
        "SerialNumber": "",
        "VlanId": "",
        "SecurityGroupIds": {"SecurityGroupId": list(primary.group_ids)},
        "InnerIpAddress": {"IpAddress": [] if instance.vpc_id else private},
        "EipAddress": _elastic(primary),
        "PublicIpAddress": {"IpAddress": [primary.public_ip] if primary.public_ip else []},
        "VpcAttributes": {
            "VpcId": instance.vpc_id or "",
            "VSwitchId": vswitch_of(instance),
            "NatIpAddress": "",
            "PrivateIpAddress": {"IpAddress": private[:1] if instance.vpc_id else []},
        },
        "OperationLocks": {
            "LockReason": [{"LockReason": reason, "LockMsg": ""} for reason in instance.locks]
        },
    }


def _elastic(interface: Interface) -> Body:
    has_one = interface.elastic_ip is not None
    return {
        "AllocationId": allocation_id(interface),
        "IpAddress": interface.elastic_ip or "",
        "InternetChargeType": "PayByTraffic" if has_one else "",
        "Bandwidth": 5 if has_one else 0,
    }


def allocation_id(interface: Interface) -> str:
    """Return the id of an interface's elastic address, or ""; the estate has no ids of them."""
    return f"eip-bp1{letters(interface.elastic_ip, 17)}" if interface.elastic_ip else ""


def _brief(interface: Interface) -> Body:
    return {
        "NetworkInterfaceId": interface.interface_id,
        "MacAddress": mac_of(interface),
        "PrimaryIpAddress": interface.private_ips[0],
        "Type": "Primary" if interface.is_primary else "Secondary",
        **address_sets(interface),
    }


def address_sets(interface: Interface) -> Body:
    """Return the private and IPv6 addresses of an interface as two actions answer them."""
    return {
        "PrivateIpSets": {
            "PrivateIpSet": [
                {"PrivateIpAddress": address, "Primary": number == 0}
                for number, address in enumerate(interface.private_ips)
            ]
        },
        "Ipv6Sets": {"Ipv6Set": [{"Ipv6Address": address} for address in interface.ipv6s]},
    }


def mac_of(interface: Interface) -> str:
    """Return a hardware address that stays the same."""
    octets = [int(part) for part in interface.private_ips[0].split(".")]
    return "00:16:" + ":".join(f"{octet:02x}" for octet in octets)


def describe_instance_attribute(request: Request) -> Body:
    """Describe one instance, flat. Source: ECS API, DescribeInstanceAttribute."""
    instance = own_instance(request, request.parameters.need("InstanceId"))
    return {**_common(instance), "IoOptimized": "optimized"}


ACTIONS = (
    Action("DescribeInstances", describe_instances),
    Action("DescribeInstanceAttribute", describe_instance_attribute, needs_region=False),
)
