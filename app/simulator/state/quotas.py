"""How much the cloud allows, by profile: the figures changed over the years."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Quotas:
    """The limits that actions check; None means that the limit does not exist.

    Source: ECS product introduction, Limits; ECS API, AuthorizeSecurityGroup.
    """

    rules_per_group: int | None = 200
    rules_per_interface: int | None = 1000
    groups_per_interface: int | None = 5
    instances_per_classic_group: int | None = 1000
    addresses_per_vpc_group: int | None = 2000
    addresses_per_enterprise_group: int | None = 65536
    groups_per_region: int | None = 100
    peer_groups_per_group: int | None = 20
    permissions_per_call: int | None = 100
    prefix_lists_per_region: int | None = 100
    entries_per_prefix_list: int | None = 200
    associations_per_prefix_list: int | None = 1000
    tags_per_resource: int | None = 20
    characters_per_tag_key: int | None = 128

    def with_changes(self, changes: Mapping[str, object]) -> Quotas:
        """Return these quotas with some replaced; ValueError names what is wrong."""
        known = {field.name for field in fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"no quota is called {name!r}")
            if value is not None and (type(value) is not int or value < 0):
                raise ValueError(f"the quota {name!r} must be a whole number, or null for none")
        return replace(self, **changes)  # type: ignore[arg-type]  # names and values checked above


DEFAULT_PROFILE = "2021"
PROFILES: Mapping[str, Quotas] = MappingProxyType(
    {
        "seed-2019": Quotas(
            rules_per_group=100, rules_per_interface=500, characters_per_tag_key=64
        ),
        "2021": Quotas(),
        "current": Quotas(rules_per_group=None, addresses_per_vpc_group=6000),
    }
)
