"""DescribeAccountAttributes: what an account may have in a region."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from app.simulator.actions.request import Action, Body, Request


def describe_account_attributes(request: Request) -> Body:
    """Answer the asked attributes, or all; unknown ones are left out.

    Source: ECS API, DescribeAccountAttributes.
    """
    asked = request.parameters.repeated("AttributeName")
    return {
        "AccountAttributeItems": {
            "AccountAttributeItem": [
                {
                    "AttributeName": name,
                    "AttributeValues": {
                        "ValueItem": [
                            {"Value": value, "ZoneId": "", "InstanceType": "", "DiskCategory": ""}
                            for value in values(request)
                        ]
                    },
                }
                for name, values in _ATTRIBUTES.items()
                if not asked or name in asked
            ]
        }
    }


def _most_groups(request: Request) -> list[str]:
    limit = request.settings.quotas.groups_per_region
    return [] if limit is None else [str(limit)]


def _network_types(request: Request) -> list[str]:
    return ["classic", "vpc"] if request.settings.variants.classic_network_offered else ["vpc"]


_ATTRIBUTES: Mapping[str, Callable[[Request], list[str]]] = MappingProxyType(
    {
        "instance-network-type": _network_types,
        "max-security-groups": _most_groups,
    }
)

ACTIONS = (Action("DescribeAccountAttributes", describe_account_attributes),)
