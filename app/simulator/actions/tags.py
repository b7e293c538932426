"""Tags as calls carry them, and TagResources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from app.simulator.actions.request import Action, Body, Request
from app.simulator.errors import ApiError, managed, missing_parameter
from app.simulator.parameters import Parameters
from app.simulator.state.resources import Group, Interface
from app.simulator.state.store import Changeable, Store

_LONGEST_VALUE = 128
_MOST_RESOURCES = 50


def wanted_tags(parameters: Parameters) -> Callable[[Mapping[str, str]], bool]:
    """Return whether tags are those that a describing call filters by.

    Source: ECS API, DescribeInstances.
    """
    tags = parameters.tags(
        lambda: ApiError(
            "InvalidTagCount", 400, "The specified tags are beyond the permitted range."
        )
    )
    if "" in tags:
        raise ApiError("InvalidTag.Mismatch", 400, "The specified Tag.n.Key is missing.")
    return lambda own: all(key in own and value in ("", own[key]) for key, value in tags.items())


def new_tags(request: Request) -> dict[str, str]:
    """Return the tags that a call gives a resource, sorted; ApiError where they cannot be.

    Source: ECS API, TagResources.
    """
    structs = request.parameters.structs("Tag")
    tags = request.parameters.tags(
        lambda: ApiError("NumberExceed.Tags", 400, "The number of tags exceeds the limit.")
    )
    if len(tags) != len(structs):
        raise ApiError("Duplicate.TagKey", 400, "The Tag.N.Key contain duplicate key.")
    longest_key = request.settings.quotas.characters_per_tag_key
    for key, value in tags.items():
        if not key or not _is_tag(key, longest_key) or key.startswith(("aliyun", "acs:")):
            raise ApiError("InvalidTagKey.Malformed", 400, "The specified Tag.N.Key is not valid.")
        if not _is_tag(value, _LONGEST_VALUE):
            raise ApiError(
                "InvalidTagValue.Malformed", 400, "The specified Tag.N.Value is not valid."
            )
    return dict(sorted(tags.items()))


def _is_tag(text: str, longest: int | None) -> bool:
    return (longest is None or len(text) <= longest) and not text.startswith(
        ("http://", "https://")
    )


def print_tags(tags: Mapping[str, str]) -> Body:
    """Return tags as describing actions answer them."""
    return {"Tag": [{"TagKey": key, "TagValue": value} for key, value in tags.items()]}


# ---- TagResources


def tag_resources(request: Request) -> Body:
    """Add tags to groups, instances or interfaces, all or none. Source: ECS API, TagResources."""
    find = _FINDERS.get(request.parameters.need("ResourceType").lower())
    if find is None:
        raise ApiError(
            "InvalidResourceType.NotFound", 404, "The specified ResourceType is not found."
        )
    ids = request.parameters.repeated("ResourceId")
    if not ids:
        raise missing_parameter("ResourceId.1")
    if len(ids) > _MOST_RESOURCES:
        raise ApiError(
            "NumberExceed.ResourceIds", 400, "The number of ResourceIds exceeds the limit."
        )
    if not request.parameters.structs("Tag"):
        raise missing_parameter("Tag.1.Key")
    tags = new_tags(request)
    resources = [_own(request, find(request.store, resource_id)) for resource_id in ids]
    limit = request.settings.quotas.tags_per_resource
    for resource in resources:
        if isinstance(resource, Group) and resource.is_managed:
            raise managed()
        if limit is not None and len(resource.tags | tags) > limit:
            raise ApiError(
                "QuotaExceed.Tags", 403, "The maximum number of tags of the resource is reached."
            )
    for resource in resources:
        request.store.change(resource, tags=dict(sorted((resource.tags | tags).items())))
    return {}


def _own(request: Request, resource: Changeable | None) -> Changeable:
    owner = resource.instance if isinstance(resource, Interface) else resource
    place = (request.account_id, request.region_id)
    if resource is None or owner is None or (owner.owner_id, owner.region_id) != place:
        raise ApiError("InvalidResourceId.NotFound", 404, "The specified ResourceId is not found.")
    return resource


def _interface(store: Store, resource_id: str) -> Interface | None:
    """Find an interface; a classic instance's is not seen."""
    interface = store.interfaces.get(resource_id)
    return interface if interface and interface.instance.vpc_id else None


_FINDERS: Mapping[str, Callable[[Store, str], Changeable | None]] = MappingProxyType(
    {
        "securitygroup": lambda store, resource_id: store.groups.get(resource_id),
        "instance": lambda store, resource_id: store.instances.get(resource_id),
        "eni": _interface,
    }
)

ACTIONS = (Action("TagResources", tag_resources),)
