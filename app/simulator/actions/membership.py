"""Join and leave a group, or replace the whole list of groups of an instance or an interface."""

from __future__ import annotations

from collections.abc import Sequence

from app.simulator.actions.groups import own_free_group, own_group, usage
from app.simulator.actions.instances import INSTANCE_ID, own_instance
from app.simulator.actions.request import Action, Body, Request
from app.simulator.errors import ApiError, invalid_parameter, managed, missing_parameter
from app.simulator.state.quotas import Quotas
from app.simulator.state.resources import Group, Instance, Interface
from app.simulator.state.store import Store


def join_security_group(request: Request) -> Body:
    """Put an instance's primary interface, or a named one, into a group.

    Source: ECS API, JoinSecurityGroup.
    """
    _check_target(request)
    group = own_free_group(request, request.parameters.need("SecurityGroupId"))
    interface = _interface(request)
    _check_state(interface)
    if group.group_id in interface.group_ids:
        raise ApiError(
            "InvalidInstanceId.AlreadyExists",
            403,
            "The specified instance already exists in the specified security group.",
        )
    _check_fits(request, interface, group)
    _check_quotas(request, interface, group)
    request.store.join(interface, group)
    return {}


def leave_security_group(request: Request) -> Body:
    """Take an interface out of a group, unless it is its last one.

    Source: ECS API, LeaveSecurityGroup.
    """
    _check_target(request)
    group = own_free_group(request, request.parameters.need("SecurityGroupId"))
    interface = _interface(request)
    _check_state(interface)
    if group.group_id not in interface.group_ids:
        _refuse_non_member(request)
        return {}
    if len(interface.group_ids) == 1:
        raise ApiError(
            "InstanceLastSecurityGroup",
            403,
            "The instance must be in at least one security group, and this is its last.",
        )
    request.store.leave(interface, group)
    return {}


def _check_target(request: Request) -> None:
    """Refuse a call that names no target or two, or an interface without a region."""
    instance_id = request.parameters.get("InstanceId")
    interface_id = request.parameters.get("NetworkInterfaceId")
    if instance_id and interface_id:
        raise ApiError(
            "InvalidParam.EniIdAndInstanceId.Conflict",
            403,
            "NetworkInterfaceId and InstanceId cannot be specified together.",
        )
    if not (instance_id or interface_id):
        raise missing_parameter("InstanceId")
    if interface_id and not request.region_id:
        raise missing_parameter("RegionId")
    if instance_id and not INSTANCE_ID.fullmatch(instance_id):
        raise ApiError("InvalidInstanceId.Malformed", 400, "The specified InstanceId is not valid.")


def _interface(request: Request) -> Interface:
    interface_id = request.parameters.get("NetworkInterfaceId")
    if interface_id is None:
        return _instance(request, request.parameters.need("InstanceId")).primary
    interface = _own_interface(request, interface_id)
    if interface.is_primary:
        raise ApiError(
            "InvalidOperation.InvalidEniType", 403, "A primary interface goes with its instance."
        )
    return interface


def _own_interface(request: Request, interface_id: str) -> Interface:
    interface = request.store.interfaces.get(interface_id)
    if interface is None or interface.instance.owner_id != request.account_id:
        raise ApiError("InvalidEniId.NotFound", 404, "The specified eni is not found.")
    if interface.instance.region_id != request.region_id or not interface.instance.vpc_id:
        raise ApiError("InvalidEniId.NotFound", 404, "The specified eni is not found.")
    return interface


def _instance(request: Request, instance_id: str) -> Instance:
    instance = own_instance(request, instance_id)
    if request.region_id and instance.region_id != request.region_id:
        raise ApiError(
            "InvalidInstanceId.NotFound", 404, "The specified InstanceId does not exist."
        )
    return instance


def _check_state(interface: Interface) -> None:
    instance = interface.instance
    if interface.is_managed:
        raise ApiError(
            "InvalidOperation.EniServiceManaged", 403, "A cloud product manages the eni."
        )
    if interface.status != "InUse":
        raise ApiError(
            "InvalidOperation.InvalidEniState",
            400,
            "The current state of the eni does not support this operation.",
        )
    if instance.status not in ("Running", "Stopped"):
        raise ApiError(
            "IncorrectInstanceStatus",
            403,
            "The current status of the instance does not support this operation.",
        )
    if "security" in instance.locks:
        raise _locked()


def _locked() -> ApiError:
    """Return the refusal of a change to a locked instance.

    Source: ECS API, API behaviour when an instance is locked.
    """
    return ApiError(
        "InstanceLockedForSecurity",
        403,
        "The specified operation is denied as your instance is locked for security reasons.",
    )


def _refuse_non_member(request: Request) -> None:
    """Refuse as the present API does, unless an older behaviour is set.

    Source: ECS API, LeaveSecurityGroup.
    """
    variant = request.settings.variants.leave_of_non_member
    if variant == "success":
        return
    code = (
        "InstanceNotInSecurityGroup"
        if variant == "not_in_group"
        else "InvalidSecurityGroupAssociation.NotFound"
    )
    raise ApiError(code, 403, "The instance is not in the specified security group.")


def _check_fits(request: Request, interface: Interface, group: Group) -> None:
    """Refuse a group of another place, network or type. Source: ECS API, JoinSecurityGroup."""
    instance = interface.instance
    same_place = instance.region_id == group.region_id and instance.vpc_id == group.vpc_id
    if not same_place and request.parameters.get("NetworkInterfaceId"):
        raise ApiError(
            "InvalidOperation.VpcMismatch", 403, "The group and the eni are in different VPCs."
        )
    if not same_place:
        raise ApiError(
            "InvalidInstanceId.Mismatch",
            400,
            "The specified instance and security group are not in the same network.",
        )
    if any(other.kind != group.kind for other in request.store.groups_on(interface)):
        raise _mixed_types()


def _mixed_types() -> ApiError:
    """Return the refusal of mixed group types; the vendor documents no code, this is invented."""
    return ApiError(
        "InvalidOperation.InvalidSecurityGroupType",
        403,
        "An instance cannot be in normal and enterprise groups at once.",
    )


def _check_quotas(request: Request, interface: Interface, group: Group) -> None:
    quotas, store = request.settings.quotas, request.store
    if _is_over(quotas.groups_per_interface, len(interface.group_ids) + 1):
        raise ApiError(
            "InstanceSecurityGroupLimitExceeded",
            403,
            "The maximum number of security groups of the instance is reached.",
        )
    if is_full(store, quotas, group, interface):
        raise ApiError(
            "SecurityGroupInstanceLimitExceeded",
            403,
            "The maximum number of instances in the security group is reached.",
        )
    pooled = sum(other.weight for other in store.groups_on(interface)) + group.weight
    if _is_over(quotas.rules_per_interface, pooled):
        raise ApiError(
            "AclLimitExceed", 403, "The rules of all the instance's groups exceed the limit."
        )


def _is_over(limit: int | None, number: int) -> bool:
    return limit is not None and number > limit


def is_full(store: Store, quotas: Quotas, group: Group, joining: Interface) -> bool:
    """Tell whether a group has no room for one more."""
    used, limit = usage(store, quotas, group)
    return _is_over(limit, used + (len(joining.private_ips) if group.vpc_id else 1))


# ---- ModifyInstanceAttribute, ModifyNetworkInterfaceAttribute


def modify_instance_attribute(request: Request) -> Body:
    """Replace the whole list of groups of a VPC instance, or its name.

    Source: ECS API, ModifyInstanceAttribute.
    """
    instance = own_instance(request, request.parameters.need("InstanceId"))
    ids = request.parameters.repeated("SecurityGroupIds")
    name = request.parameters.get("InstanceName")
    if "security" in instance.locks:
        raise _locked()
    if ids:
        _set_groups(request, instance.primary, ids)
    if name:
        request.store.change(instance, name=name)
    return {}


def modify_network_interface_attribute(request: Request) -> Body:
    """Replace the whole list of groups of an interface, primary or not.

    Source: ECS API, ModifyNetworkInterfaceAttribute.
    """
    interface = _own_interface(request, request.parameters.need("NetworkInterfaceId"))
    ids = request.parameters.repeated("SecurityGroupId")
    if ids:
        _set_groups(request, interface, ids)
    return {}


def _set_groups(request: Request, interface: Interface, ids: Sequence[str]) -> None:
    _check_state(interface)
    groups = _new_groups(request, interface.instance, ids)
    _check_replacement(request, interface, groups)
    _replace(request.store, interface, groups)


def _new_groups(request: Request, instance: Instance, ids: Sequence[str]) -> list[Group]:
    if instance.vpc_id is None:
        # The refusal is documented, its code is not.
        raise ApiError(
            "OperationDenied", 403, "The groups of a classic instance cannot be replaced."
        )
    if len(set(ids)) != len(ids):
        raise invalid_parameter("SecurityGroupIds must be unique.")
    groups = [own_group(request, group_id, in_region=False) for group_id in ids]
    if any(group.region_id != instance.region_id for group in groups):
        raise ApiError(
            "InvalidOperation.InvalidRegion", 403, "A group is in another region than the instance."
        )
    return groups


def _check_replacement(request: Request, interface: Interface, groups: Sequence[Group]) -> None:
    quotas, store = request.settings.quotas, request.store
    changed = {group.group_id for group in groups} ^ set(interface.group_ids)
    if any(store.groups[group_id].is_managed for group_id in changed):
        raise managed()
    if any(group.vpc_id != interface.instance.vpc_id for group in groups):
        raise ApiError(
            "InvalidInstanceId.Mismatch", 400, "A group is in another network than the instance."
        )
    if len({group.kind for group in groups}) != 1:
        raise _mixed_types()
    if _is_over(quotas.groups_per_interface, len(groups)):
        raise ApiError(
            "InstanceSecurityGroupLimitExceeded",
            403,
            "The maximum number of security groups of the instance is reached.",
        )
    joined = [group for group in groups if group.group_id not in interface.group_ids]
    if any(is_full(store, quotas, group, interface) for group in joined):
        raise ApiError(
            "SecurityGroupInstanceLimitExceed",
            403,
            "The maximum number of instances in the security group is reached.",
        )
    if _is_over(quotas.rules_per_interface, sum(group.weight for group in groups)):
        raise ApiError(
            "AclLimitExceed", 403, "The rules of all the instance's groups exceed the limit."
        )


def _replace(store: Store, interface: Interface, groups: Sequence[Group]) -> None:
    wanted = {group.group_id: group for group in groups}
    for group in groups:
        if group.group_id not in interface.group_ids:
            store.join(interface, group)
    for group in store.groups_on(interface):
        if group.group_id not in wanted:
            store.leave(interface, group)


ACTIONS = (
    Action("JoinSecurityGroup", join_security_group, needs_region=False),
    Action("LeaveSecurityGroup", leave_security_group, needs_region=False),
    Action("ModifyInstanceAttribute", modify_instance_attribute, needs_region=False),
    Action("ModifyNetworkInterfaceAttribute", modify_network_interface_attribute),
)
