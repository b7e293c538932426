"""Create, delete and describe groups, and set their inner access."""

from __future__ import annotations

import re
from collections.abc import Callable

from app.simulator.actions.listings import list_permissions
from app.simulator.actions.paging import by_token, in_either_style
from app.simulator.actions.request import Action, Body, Request
from app.simulator.actions.tags import new_tags, print_tags, wanted_tags
from app.simulator.errors import (
    ApiError,
    group_malformed,
    group_not_found,
    invalid_parameter,
    managed,
)
from app.simulator.parameters import Parameters
from app.simulator.state.quotas import Quotas
from app.simulator.state.resources import Group, Rule
from app.simulator.state.store import Store

_GROUP_ID = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)
_RESOURCE_GROUP_ID = re.compile(r"rg-[A-Za-z0-9]{1,64}", re.ASCII)
_NAME = re.compile(r"[A-Za-z\u3400-\u9fff][A-Za-z0-9\u3400-\u9fff:_.-]{1,127}")


def own_group(request: Request, group_id: str, *, in_region: bool = True) -> Group:
    """Return the caller's group; another account's, or another region's, is not found."""
    if not _GROUP_ID.fullmatch(group_id):
        raise group_malformed()
    group = request.store.groups.get(group_id)
    if group is None or group.owner_id != request.account_id:
        raise group_not_found()
    if in_region and request.region_id and group.region_id != request.region_id:
        raise group_not_found()
    return group


def own_free_group(request: Request, group_id: str) -> Group:
    """Return the caller's group, refused if a cloud product manages it."""
    group = own_group(request, group_id)
    if group.is_managed:
        raise managed()
    return group


# ---- CreateSecurityGroup


def create_security_group(request: Request) -> Body:
    """Create a group without rules. Source: ECS API, CreateSecurityGroup."""
    parameters, store = request.parameters, request.store
    name, description = _name(request), _description(request)
    tags = new_tags(request)
    kind = parameters.get("SecurityGroupType") or "normal"
    if kind not in ("normal", "enterprise"):
        raise invalid_parameter('The specified parameter "SecurityGroupType" is not valid.')
    vpc_id = _vpc_id(request, kind)
    _check_group_quota(request)
    group = Group(
        group_id=store.new_group_id(),
        name=name,
        owner_id=request.account_id,
        region_id=request.region_id,
        vpc_id=vpc_id,
        kind=kind,
        inner_access="Drop" if kind == "enterprise" else "Accept",
        is_managed=False,
        description=description,
        tags=tags,
        resource_group_id=_resource_group_id(request),
        created_at=request.timestamp(),
    )
    store.add_group(group)
    if group.is_enterprise and request.settings.variants.enterprise_egress == "open":
        store.add_rule(group, _way_out(request))
    return {"SecurityGroupId": group.group_id}


def _way_out(request: Request) -> Rule:
    """Return the rule that lets everything out.

    Source: ECS user guide, Advanced security groups.
    """
    return Rule(
        rule_id="",
        direction="egress",
        policy="accept",
        priority=1,
        protocol="all",
        port_range="-1/-1",
        nic_type="intranet",
        dest_cidr="0.0.0.0/0",
        created_at=request.timestamp(),
    )


def _name(request: Request) -> str:
    name = request.parameters.get("SecurityGroupName")
    if name is not None and not _NAME.fullmatch(name):
        raise ApiError(
            "InvalidSecurityGroupName.Malformed",
            400,
            'The specified parameter "SecurityGroupName" is not valid.',
        )
    return name or ""


def _description(request: Request) -> str | None:
    text = request.parameters.get("Description")
    if text is None:
        return None
    if not 2 <= len(text) <= 256 or text.startswith(("http://", "https://")):
        raise ApiError(
            "InvalidSecurityGroupDiscription.Malformed",
            400,
            'The specified parameter "Description" is not valid.',
        )
    return text


def _vpc_id(request: Request, kind: str) -> str | None:
    vpc_id = request.parameters.get("VpcId")
    if vpc_id is None:
        if kind == "enterprise" or not request.settings.variants.classic_network_offered:
            raise ApiError("InvalidVpcId.NotFound", 403, "The specified VpcId is not provided.")
        return None
    vpc = request.store.vpcs.get(vpc_id)
    users = request.store.vpc_users.get(vpc_id, ())
    if vpc is None or vpc.region_id != request.region_id or request.account_id not in users:
        raise ApiError("InvalidVpcId.NotFound", 404, "The specified VpcId does not exist.")
    if vpc.status != "Available":
        raise ApiError("IncorrectVpcStatus", 400, "Current VPC status does not support this.")
    return vpc_id


def _resource_group_id(request: Request) -> str | None:
    """Return the resource group; any possible id is taken for one that exists."""
    resource_group_id = request.parameters.get("ResourceGroupId")
    if resource_group_id is not None and not _RESOURCE_GROUP_ID.fullmatch(resource_group_id):
        raise ApiError(
            "InvalidResourceGroup.NotFound", 404, "The ResourceGroup provided does not exist."
        )
    return resource_group_id


def _check_group_quota(request: Request) -> None:
    limit = request.settings.quotas.groups_per_region
    place = (request.account_id, request.region_id)
    if limit is not None and len(request.store.groups_of.get(place, ())) >= limit:
        raise ApiError(
            "QuotaExceed.SecurityGroup", 403, "The maximum number of security groups is reached."
        )


# ---- DeleteSecurityGroup, ModifySecurityGroupAttribute, ModifySecurityGroupPolicy


def delete_security_group(request: Request) -> Body:
    """Delete an empty group that no rule names. Source: ECS API, DeleteSecurityGroup."""
    group = own_free_group(request, request.parameters.need("SecurityGroupId"))
    store = request.store
    if any(store.members_of(group)) or store.referencing_group_ids(group.group_id):
        raise ApiError(
            "DependencyViolation",
            403,
            "There is still instance(s) in the specified security group, or a rule names it.",
        )
    store.remove_group(group)
    return {}


def modify_security_group_attribute(request: Request) -> Body:
    """Give a group another name or description. Source: ECS API, ModifySecurityGroupAttribute."""
    group = own_free_group(request, request.parameters.need("SecurityGroupId"))
    name, description = _name(request) or group.name, _description(request) or group.description
    request.store.change(group, name=name, description=description)
    return {}


def modify_security_group_policy(request: Request) -> Body:
    """Let members reach one another, or not. Source: ECS API, ModifySecurityGroupPolicy."""
    if not request.region_id:
        raise ApiError("MissingParamter.RegionId", 400, "The regionId should not be null.")
    policy = request.parameters.need("InnerAccessPolicy").capitalize()
    if policy not in ("Accept", "Drop"):
        raise ApiError(
            "InvalidPolicy.Malformed", 400, "The specified InnerAccessPolicy is not valid."
        )
    group = own_free_group(request, request.parameters.need("SecurityGroupId"))
    if group.is_enterprise:
        # The vendor documents the refusal without a code: this one is invented.
        raise ApiError(
            "InvalidOperation.NotSupportEnterpriseGroup",
            403,
            "The inner access policy of an enterprise group cannot be changed.",
        )
    request.store.change(group, inner_access=policy)
    return {}


# ---- describing


def describe_security_groups(request: Request) -> Body:
    """List the caller's groups of a region. Source: ECS API, DescribeSecurityGroups."""
    parameters, store = request.parameters, request.store
    groups = list(store.groups_of.get((request.account_id, request.region_id), {}).values())
    ids = parameters.json_list("SecurityGroupIds", limit=100)
    one = parameters.get("SecurityGroupId")
    if one:
        ids = [one] if ids is None or one in ids else []
    if ids is not None:
        wanted = set(ids)
        groups = [group for group in groups if group.group_id in wanted]
    is_asked = _filter(request.parameters)
    groups = [group for group in groups if is_asked(group)]
    if parameters.flag("DryRun"):
        raise ApiError("DryRunOperation", 400, "Request validation has been passed with DryRun.")
    page = in_either_style(groups, parameters, largest_page=50, largest_result=100)
    return {
        "RegionId": request.region_id,
        "SecurityGroups": {"SecurityGroup": [_describe(request, group) for group in page.items]},
        **page.fields,
    }


def _filter(parameters: Parameters) -> Callable[[Group], bool]:
    """Return whether a group is asked for; the parameters are read once for all groups."""
    vpc_id, name = parameters.get("VpcId"), parameters.get("SecurityGroupName")
    network, kind = parameters.get("NetworkType"), parameters.get("SecurityGroupType")
    is_managed = parameters.flag("ServiceManaged")
    resource_group_id = parameters.get("ResourceGroupId")
    has_tags = wanted_tags(parameters)

    def is_asked(group: Group) -> bool:
        return (
            vpc_id in (None, group.vpc_id)
            and name in (None, group.name)
            and network in (None, "vpc" if group.vpc_id else "classic")
            and kind in (None, group.kind)
            and is_managed in (None, group.is_managed)
            and resource_group_id in (None, group.resource_group_id)
            and has_tags(group.tags)
        )

    return is_asked


def _room(request: Request, group: Group) -> int:
    """Return how many more members a group takes: instances if classic, addresses in a VPC."""
    used, limit = usage(request.store, request.settings.quotas, group)
    return 0 if limit is None else max(limit - used, 0)


def usage(store: Store, quotas: Quotas, group: Group) -> tuple[int, int | None]:
    """Return how much of a group is taken and its limit: classic counts instances, a VPC addresses.

    Source: ECS product introduction, Limits.
    """
    members = store.members_of(group)
    if group.vpc_id is None:
        return sum(1 for _ in members), quotas.instances_per_classic_group
    limit = (
        quotas.addresses_per_enterprise_group
        if group.is_enterprise
        else quotas.addresses_per_vpc_group
    )
    return sum(len(member.private_ips) for member in members), limit


def _describe(request: Request, group: Group) -> Body:
    members = len(list(request.store.members_of(group)))
    return {
        "SecurityGroupId": group.group_id,
        "SecurityGroupName": group.name,
        "Description": group.description or "",
        "SecurityGroupType": group.kind,
        "VpcId": group.vpc_id or "",
        "CreationTime": group.created_at,
        "EcsCount": members,
        "AvailableInstanceAmount": _room(request, group),
        "ResourceGroupId": group.resource_group_id or "",
        "ServiceManaged": group.is_managed,
        "ServiceID": 1 if group.is_managed else 0,
        "RuleCount": group.weight,
        "GroupToGroupRuleCount": len(group.peer_group_ids()),
        "Tags": print_tags(group.tags),
    }


def describe_security_group_attribute(request: Request) -> Body:
    """Describe one group with its rules; a classic one without NicType lists the internet side.

    Source: ECS API, DescribeSecurityGroupAttribute.
    """
    parameters = request.parameters
    group = own_group(request, parameters.need("SecurityGroupId"))
    nic_type, direction = _side(request, group)
    rules = [
        rule
        for rule in group.rules.values()
        if rule.nic_type == nic_type and direction in ("all", rule.direction)
    ]
    page = by_token(rules, parameters, default=500, smallest=10, largest=1000)
    return {
        "RegionId": group.region_id,
        "SecurityGroupId": group.group_id,
        "SecurityGroupName": group.name,
        "Description": group.description or "",
        "VpcId": group.vpc_id or "",
        "InnerAccessPolicy": group.inner_access,
        **page.fields,
        "Permissions": {
            "Permission": list_permissions(
                request.store,
                group,
                f"{nic_type} {direction}",
                page.items,
                priority_type=request.settings.variants.priority_type,
            )
        },
    }


def _side(request: Request, group: Group) -> tuple[str, str]:
    nic_type = request.parameters.get("NicType")
    if nic_type not in (None, "internet", "intranet"):
        raise ApiError(
            "InvalidNicType.ValueNotSupported", 400, "The specified NicType does not exist."
        )
    direction = request.parameters.get("Direction") or "all"
    if direction not in ("ingress", "egress", "all"):
        raise ApiError("InvalidParamter", 400, "The specified Direction is not valid.")
    return ("intranet" if group.vpc_id else nic_type or "internet"), direction


ACTIONS = (
    Action("CreateSecurityGroup", create_security_group, takes_token=True),
    Action("DeleteSecurityGroup", delete_security_group),
    Action("ModifySecurityGroupAttribute", modify_security_group_attribute),
    Action(
        "ModifySecurityGroupPolicy",
        modify_security_group_policy,
        needs_region=False,
        takes_token=True,
    ),
    Action("DescribeSecurityGroups", describe_security_groups),
    Action("DescribeSecurityGroupAttribute", describe_security_group_attribute),
)
