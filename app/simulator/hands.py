"""Somebody else's hand: changes that the `edit` fault makes at the instant of a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from app.simulator.errors import ControlError, EstateError
from app.simulator.state.estate import check_rule_names
from app.simulator.state.rule_format import parse_rule
from app.simulator.state.store import Store


def edit(store: Store, changes: Mapping[str, object]) -> None:
    """Make the changes that are possible now, without quotas; the others are left out."""
    edits = cast(Mapping[str, list[Any]], changes)
    for item in edits.get("add_rules", []):
        _add_rule(store, item["group_id"], item["rule"])
    for rule_id in edits.get("remove_rule_ids", []):
        if rule_id in store.rule_groups:
            store.remove_rule(store.groups[store.rule_groups[rule_id]], rule_id)
    for item in edits.get("join", []):
        _move(store, item["instance_id"], item["group_id"], is_join=True)
    for item in edits.get("leave", []):
        _move(store, item["instance_id"], item["group_id"], is_join=False)


def check_edit(store: Store, changes: Mapping[str, object], label: str) -> None:
    """Refuse an edit whose rules are none, as far as their groups are there already."""
    for item in cast(list[Any], changes.get("add_rules", [])):
        group = store.groups.get(item["group_id"])
        if group is None:
            continue
        try:
            parse_rule(item["rule"], group)
        except EstateError as error:
            raise ControlError(f"{label}: {error}") from error


def _add_rule(store: Store, group_id: str, described: object) -> None:
    group = store.groups.get(group_id)
    if group is None:
        return
    try:
        rule = parse_rule(described, group)
        check_rule_names(store, group, rule)
    except EstateError:
        return
    if rule.identity() not in group.rule_ids and rule.rule_id not in store.rule_groups:
        store.add_rule(group, rule)


def _move(store: Store, instance_id: str, group_id: str, *, is_join: bool) -> None:
    instance, group = store.instances.get(instance_id), store.groups.get(group_id)
    if instance is None or group is None:
        return
    primary = instance.primary
    is_member = group_id in primary.group_ids
    fits = (group.owner_id, group.vpc_id) == (instance.owner_id, instance.vpc_id)
    if is_join and not is_member and fits:
        store.join(primary, group)
    elif not is_join and is_member and len(primary.group_ids) > 1:
        store.leave(primary, group)
