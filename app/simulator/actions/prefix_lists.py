"""Prefix lists: create, list and describe them, and say which groups name them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from app.simulator.actions.paging import by_token
from app.simulator.actions.request import Action, Body, Request
from app.simulator.actions.tags import wanted_tags
from app.simulator.errors import ApiError, invalid_parameter
from app.simulator.state import addresses
from app.simulator.state.resources import PrefixList
from app.simulator.state.store import Store

_NAME = re.compile(r"[A-Za-z\u3400-\u9fff][A-Za-z0-9\u3400-\u9fff:_.-]{1,127}")
_FAMILIES: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {"IPv4": addresses.ipv4_block, "IPv6": addresses.ipv6_block}
)
_LIMIT = 100


def own_prefix_list(request: Request, prefix_list_id: str) -> PrefixList:
    """Return the caller's prefix list in the region of the call."""
    prefix_list = request.store.prefix_lists.get(prefix_list_id)
    place = (request.account_id, request.region_id)
    if prefix_list is None or (prefix_list.owner_id, prefix_list.region_id) != place:
        raise ApiError(
            "InvalidPrefixListId.NotFound", 404, "The specified prefix list does not exist."
        )
    return prefix_list


# ---- CreatePrefixList


def create_prefix_list(request: Request) -> Body:
    """Create a prefix list; its family and size stay. Source: ECS API, CreatePrefixList."""
    parameters, store = request.parameters, request.store
    name, family = parameters.need("PrefixListName"), parameters.need("AddressFamily")
    parameters.need("MaxEntries")
    size = parameters.number("MaxEntries", 0)
    most = request.settings.quotas.entries_per_prefix_list
    if not _NAME.fullmatch(name):
        raise _refusal("PrefixListName")
    if family not in _FAMILIES:
        raise _refusal("AddressFamily")
    if size < 1 or (most is not None and size > most):
        raise _refusal("MaxEntries")
    descriptions = _described_blocks(request, family)
    blocks = tuple(sorted(descriptions))
    if len(blocks) > size:
        raise _refusal("Entry")
    _check_quota(request)
    prefix_list = PrefixList(
        prefix_list_id=store.new_prefix_list_id(),
        owner_id=request.account_id,
        region_id=request.region_id,
        address_family=family,
        max_entries=size,
        entries=blocks,
        name=name,
        description=parameters.get("Description"),
        created_at=request.timestamp(),
        descriptions={block: text for block, text in descriptions.items() if text},
    )
    store.add_prefix_list(prefix_list)
    return {"PrefixListId": prefix_list.prefix_list_id}


def _refusal(name: str) -> ApiError:
    """Return the refusal of a value; the vendor's codes for it are not known."""
    return invalid_parameter(f'The specified parameter "{name}" is not valid.')


def _described_blocks(request: Request, family: str) -> dict[str, str]:
    canonical = _FAMILIES[family]
    given = request.parameters.structs("Entry")
    try:
        blocks = {
            canonical(fields.get("Cidr", "")): fields.get("Description", "") for fields in given
        }
    except ValueError as error:
        raise _refusal("Entry.N.Cidr") from error
    if len(blocks) != len(given):
        raise _refusal("Entry.N.Cidr")
    return blocks


def _check_quota(request: Request) -> None:
    limit = request.settings.quotas.prefix_lists_per_region
    place = (request.account_id, request.region_id)
    number = sum(
        (item.owner_id, item.region_id) == place for item in request.store.prefix_lists.values()
    )
    if limit is not None and number >= limit:
        # The limit is documented, its code is not.
        raise ApiError(
            "LimitExceed.PrefixList", 403, "The maximum number of prefix lists is reached."
        )


# ---- describing


def describe_prefix_lists(request: Request) -> Body:
    """List the caller's prefix lists. Source: ECS API, DescribePrefixLists."""
    parameters, store = request.parameters, request.store
    family, name = parameters.get("AddressFamily"), parameters.get("PrefixListName")
    if family not in (None, *_FAMILIES):
        raise _refusal("AddressFamily")
    wanted = set(parameters.repeated("PrefixListId", limit=_LIMIT))
    is_about_all = parameters.get("ResourceGroupId") is None and wanted_tags(parameters)({})
    found = [
        item
        for _, item in sorted(store.prefix_lists.items())
        if (item.owner_id, item.region_id) == (request.account_id, request.region_id)
        and (not wanted or item.prefix_list_id in wanted)
        and family in (None, item.address_family)
        and name in (None, item.name)
        and is_about_all  # prefix lists have no tags here, and are in no resource group
    ]
    page = by_token(found, parameters, default=10, smallest=1, largest=100)
    return {
        "PrefixLists": {"PrefixList": [_describe(store, item) for item in page.items]},
        **page.fields,
    }


def describe_prefix_list_attributes(request: Request) -> Body:
    """Describe one prefix list. Source: ECS API, DescribePrefixListAttributes."""
    prefix_list = own_prefix_list(request, request.parameters.need("PrefixListId"))
    return {
        **_describe(request.store, prefix_list),
        "Entries": {
            "Entry": [
                {"Cidr": block, "Description": prefix_list.descriptions.get(block, "")}
                for block in prefix_list.entries
            ]
        },
    }


def describe_prefix_list_associations(request: Request) -> Body:
    """List the groups that name a prefix list. Source: ECS API, DescribePrefixListAssociations."""
    prefix_list = own_prefix_list(request, request.parameters.need("PrefixListId"))
    naming = sorted(request.store.associations.get(prefix_list.prefix_list_id, ()))
    page = by_token(naming, request.parameters, default=10, smallest=1, largest=100)
    return {
        "PrefixListAssociations": {
            "PrefixListAssociation": [
                {"ResourceId": group_id, "ResourceType": "securitygroup"} for group_id in page.items
            ]
        },
        **page.fields,
    }


def _describe(store: Store, prefix_list: PrefixList) -> Body:
    return {
        "PrefixListId": prefix_list.prefix_list_id,
        "PrefixListName": prefix_list.name or "",
        "AddressFamily": prefix_list.address_family,
        "MaxEntries": prefix_list.max_entries,
        "AssociationCount": len(store.associations.get(prefix_list.prefix_list_id, ())),
        "CreationTime": prefix_list.created_at,
        "Description": prefix_list.description or "",
    }


ACTIONS = (
    Action("CreatePrefixList", create_prefix_list, takes_token=True),
    Action("DescribePrefixLists", describe_prefix_lists),
    Action("DescribePrefixListAttributes", describe_prefix_list_attributes),
    Action("DescribePrefixListAssociations", describe_prefix_list_associations),
)
