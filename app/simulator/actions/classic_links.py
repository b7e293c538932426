"""DescribeClassicLinkInstances: which classic instances are linked to which VPC."""

from __future__ import annotations

from app.simulator.actions.paging import by_number
from app.simulator.actions.request import Action, Body, Request
from app.simulator.errors import ApiError
from app.simulator.state.resources import Instance

_MOST_ASKED = 100


def describe_classic_link_instances(request: Request) -> Body:
    """List links by VPC, by instances, or both. Source: ECS API, DescribeClassicLinkInstances."""
    vpc_id, ids = _asked(request)
    instances = (
        [_own_instance(request, instance_id) for instance_id in ids]
        if ids
        else request.store.links.get(vpc_id or "", [])
    )
    links = [
        {"InstanceId": item.instance_id, "VpcId": item.classic_link_vpc_id}
        for item in instances
        if item.classic_link_vpc_id and vpc_id in (None, item.classic_link_vpc_id)
    ]
    page = by_number(links, request.parameters, largest=100)
    fields = {name: value for name, value in page.fields.items() if name != "NextToken"}
    return {"Links": {"Link": list(page.items)}, **fields}


def _asked(request: Request) -> tuple[str | None, list[str]]:
    vpc_id = request.parameters.get("VpcId")
    ids = [part for part in (request.parameters.get("InstanceId") or "").split(",") if part]
    if vpc_id is None and not ids:
        raise ApiError(
            "InvalidParameter.InvalidInstanceIdAndVpcId",
            403,
            "InstanceId and VpcId cannot both be empty.",
        )
    if len(ids) > _MOST_ASKED:
        raise ApiError(
            "InvalidParameter.ToManyInstanceIds", 403, "At most 100 instances can be asked for."
        )
    if vpc_id is not None:
        vpc = request.store.vpcs.get(vpc_id)
        place = (request.account_id, request.region_id)
        if vpc is None or (vpc.owner_id, vpc.region_id) != place:
            raise ApiError("InvalidVpc.NotBelong", 403, "The VPC does not belong to you.")
    return vpc_id, list(dict.fromkeys(ids))


def _own_instance(request: Request, instance_id: str) -> Instance:
    instance = request.store.instances.get(instance_id)
    if instance is None or instance.region_id != request.region_id:
        raise ApiError(
            "InvalidInstanceId.NotFound", 403, "The specified InstanceId does not exist."
        )
    if instance.owner_id != request.account_id:
        raise ApiError("InvalidInstanceId.NotBelong", 403, "The instance does not belong to you.")
    return instance


ACTIONS = (Action("DescribeClassicLinkInstances", describe_classic_link_instances),)
