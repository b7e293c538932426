"""The actions of ECS and STS, a module a noun, and the registry of them all."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from app.simulator.actions import (
    account_attributes,
    classic_links,
    groups,
    instances,
    interfaces,
    membership,
    prefix_lists,
    references,
    regions,
    rule_changes,
    rules,
    sts,
    tags,
)
from app.simulator.actions.request import ECS, STS, Action

ACTIONS: Mapping[tuple[str, str], Action] = MappingProxyType(
    {
        (product.version, action.name): action
        for product, actions in (
            (
                ECS,
                (
                    *regions.ACTIONS,
                    *instances.ACTIONS,
                    *groups.ACTIONS,
                    *references.ACTIONS,
                    *rules.ACTIONS,
                    *rule_changes.ACTIONS,
                    *membership.ACTIONS,
                    *interfaces.ACTIONS,
                    *classic_links.ACTIONS,
                    *prefix_lists.ACTIONS,
                    *tags.ACTIONS,
                    *account_attributes.ACTIONS,
                ),
            ),
            (STS, sts.ACTIONS),
        )
        for action in actions
    }
)
"""Every action by version and name."""
