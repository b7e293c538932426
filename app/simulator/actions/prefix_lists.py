"""DescribePrefixLists, DescribePrefixListAttributes and DescribePrefixListAssociations."""

from __future__ import annotations

from app.simulator.actions.paging import by_token
from app.simulator.actions.request import Action, Body, Request
from app.simulator.errors import ApiError, invalid_parameter
from app.simulator.state.resources import CREATED_BEFORE, PrefixList
from app.simulator.state.store import Store


def own_prefix_list(request: Request, prefix_list_id: str) -> PrefixList:
    """Return the caller's prefix list in the region of the call."""
    prefix_list = request.store.prefix_lists.get(prefix_list_id)
    place = (request.account_id, request.region_id)
    if prefix_list is None or (prefix_list.owner_id, prefix_list.region_id) != place:
        raise ApiError(
            "InvalidPrefixListId.NotFound", 404, "The specified prefix list does not exist."
        )
    return prefix_list


def describe_prefix_lists(request: Request) -> Body:
    """List the caller's prefix lists. Source: ECS API, DescribePrefixLists."""
    parameters, store = request.parameters, request.store
    family, name = parameters.get("AddressFamily"), parameters.get("PrefixListName")
    if family not in (None, "IPv4", "IPv6"):
        raise invalid_parameter('The specified parameter "AddressFamily" is not valid.')
    wanted = set(parameters.repeated("PrefixListId"))
    found = [
        item
        for _, item in sorted(store.prefix_lists.items())
        if (item.owner_id, item.region_id) == (request.account_id, request.region_id)
        and (not wanted or item.prefix_list_id in wanted)
        and family in (None, item.address_family)
        and name in (None, item.name)
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
        "Entries": {"Entry": [{"Cidr": block, "Description": ""} for block in prefix_list.entries]},
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
        "CreationTime": CREATED_BEFORE,
        "Description": "",
    }


ACTIONS = (
    Action("DescribePrefixLists", describe_prefix_lists),
    Action("DescribePrefixListAttributes", describe_prefix_list_attributes),
    Action("DescribePrefixListAssociations", describe_prefix_list_associations),
)
