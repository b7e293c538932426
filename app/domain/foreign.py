"""What somebody else changed while an operation ran: listed, and never undone by us."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from app.domain.changes import (
    AddedRule,
    DeletedGroup,
    Effect,
    InnerAccessSet,
    Joined,
    Left,
    RemovedRule,
)
from app.domain.documents import Document


def foreign_changes(
    before: Mapping[str, Any], after: Mapping[str, Any], effects: Sequence[Effect]
) -> list[Document]:
    """Compare two world documents of one scope and leave out what is there because of us.

    Each difference has a `kind`, the group that it is in and what differs; sorted by group.
    Descriptions are no part of a world document, so an edited one is no difference.
    """
    rules = _by_group(before, after, effects)
    members = _memberships(before, after, effects)
    return sorted([*rules, *members], key=_order)


def _order(difference: Document) -> tuple[str, str, str]:
    rule = difference.get("rule") or {}
    subject = rule.get("rule_id") or difference.get("instance_id") or ""
    return difference["group_id"], difference["kind"], subject


def _by_group(
    before: Mapping[str, Any], after: Mapping[str, Any], effects: Sequence[Effect]
) -> Iterator[Document]:
    deleted = {each.group_id for each in effects if isinstance(each, DeletedGroup)}
    set_ = {each.group_id: each.after for each in effects if isinstance(each, InnerAccessSet)}
    for group_id, old in before["groups"].items():
        place = {key: old[key] for key in ("account_id", "region_id")} | {"group_id": group_id}
        new = after["groups"].get(group_id)
        if new is None:
            if group_id not in deleted:
                yield {"kind": "group_gone", **place}
            continue
        yield from (place | each for each in _rules(old["rules"], new["rules"], group_id, effects))
        if set_.get(group_id, old["inner_access"]) != new["inner_access"]:
            yield {"kind": "inner_access_changed", **place, "inner_access": new["inner_access"]}


def _rules(
    old: Mapping[str, Document],
    new: Mapping[str, Document],
    group_id: str,
    effects: Iterable[Effect],
) -> Iterator[Document]:
    ours = {
        each.held.rule_id
        for each in effects
        if isinstance(each, AddedRule | RemovedRule) and each.group_id == group_id
    }
    for rule_id in (old.keys() | new.keys()) - ours:
        was, now = old.get(rule_id), new.get(rule_id)
        if was == now:
            continue
        kind = "rule_added" if was is None else "rule_removed" if now is None else "rule_changed"
        yield {"kind": kind, "rule": {"rule_id": rule_id, **(now or was or {})}}


def _memberships(
    before: Mapping[str, Any], after: Mapping[str, Any], effects: Sequence[Effect]
) -> Iterator[Document]:
    """Joins and leaves of groups of which every member is known on both sides."""
    whole = set(before["complete"]) & set(after["complete"])
    ours = {
        (each.group_id, each.instance_id) for each in effects if isinstance(each, Joined | Left)
    }
    was, now = _pairs(before, whole), _pairs(after, whole)
    for group_id, instance_id in (was ^ now) - ours:
        if group_id in before["groups"] and group_id in after["groups"]:
            group = before["groups"][group_id]
            yield {
                "kind": "joined" if (group_id, instance_id) in now else "left",
                "account_id": group["account_id"],
                "region_id": group["region_id"],
                "group_id": group_id,
                "instance_id": instance_id,
            }


def _pairs(world: Mapping[str, Any], groups: set[str]) -> set[tuple[str, str]]:
    return {
        (group_id, instance_id)
        for instance_id, instance in world["instances"].items()
        for interface in instance["interfaces"].values()
        for group_id in interface["group_ids"]
        if group_id in groups
    }
