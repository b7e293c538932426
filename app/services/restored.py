"""After a restore or the like: what was remembered by an id that is gone, by the new one now."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from app.domain.changes import (
    AddedRule,
    Authorize,
    Change,
    CreatedGroup,
    CreateGroup,
    Effect,
    Join,
    Joined,
)
from app.domain.connections import LedgerEntry
from app.domain.documents import Document, read_change, read_effect
from app.domain.operations import Operation
from app.domain.rules import GroupPeer, Rule
from app.ports.store import Work
from app.services.ledger import entry_of


def follow_restored(work: Work, operation: Operation, result: Document, at: datetime) -> None:
    """Note which groups stand for others now, and let the ledger speak of rules that were put
    back, so that connections find what is theirs.
    """
    remapped = result["restore"]["remapped"] if "restore" in result else ()
    renamed = {each["group_id"]: each["becomes"] for each in remapped}
    for each in remapped:
        work.successors.add(
            each["account_id"], each["group_id"], each["becomes"], operation.operation_id, at
        )
    effects = [read_effect(each) for each in result["effects"]]
    groups = {effect.group_id for effect in effects} | renamed.keys()
    for entry in work.ledger.of_groups(groups):
        moved = _moved(entry.effect, effects, renamed)
        if moved != entry.effect:
            follow(work, operation, entry, moved)


def follow(work: Work, operation: Operation, entry: LedgerEntry, moved: Effect) -> None:
    """Replace an entry of the ledger by one that says what stands for it now."""
    name = moved.held.rule_id if isinstance(moved, AddedRule) else entry.entry_id[-40:]
    entry_id = f"{operation.operation_id}/{moved.group_id}/{name}"
    work.ledger.remove(entry.entry_id)
    work.ledger.add(replace(entry, entry_id=entry_id, effect=moved))


def _moved(effect: Effect, effects: Iterable[Effect], renamed: Mapping[str, str]) -> Effect:
    moved = replace(effect, group_id=renamed.get(effect.group_id, effect.group_id))
    if not isinstance(moved, AddedRule):
        return moved
    rule = _renamed(moved.held.rule, renamed)
    for each in effects:
        if not isinstance(each, AddedRule) or each.group_id != moved.group_id:
            continue
        if each.held.rule == rule:
            return replace(moved, held=each.held)
    return moved


def _renamed(rule: Rule, renamed: Mapping[str, str]) -> Rule:
    peer = rule.peer
    if isinstance(peer, GroupPeer) and peer.group_id in renamed:
        return replace(rule, peer=replace(peer, group_id=renamed[peer.group_id]))
    return rule


def enter_uses(work: Work, operation: Operation, result: Document) -> None:
    """What an operation of no connection added for connections is theirs from now on."""
    kept = work.plans.get(operation.plan_id or "")
    assert kept is not None
    effects = [read_effect(each) for each in result["effects"]]
    for use in kept.document.get("uses", ()):
        connection = work.connections.get(use["connection_id"])
        if connection is None or connection.is_over:
            continue
        changes = [read_change(each) for each in use["changes"]]
        for effect in effects:
            if any(_made_by(change, effect, changes) for change in changes):
                entry = entry_of(operation, effect, connection.connection_id)
                work.ledger.add(entry)
                work.ledger.use(entry.entry_id, connection.connection_id)


def _made_by(change: Change, effect: Effect, changes: Iterable[Change]) -> bool:
    """Whether an effect is that of a change; a new group has another id by now."""
    new = any(isinstance(each, CreateGroup) for each in changes)
    match change, effect:
        case Authorize(group_id=group_id), AddedRule(held=held):
            return effect.group_id == group_id and any(
                each.rule == held.rule for each in change.rules
            )
        case Join(instance_id=instance_id, group_id=group_id), Joined():
            return effect.instance_id == instance_id and (new or effect.group_id == group_id)
        case CreateGroup(name=name), CreatedGroup():
            return effect.name == name
        case _:
            return False
