"""What took effect: found by comparing what was with what is, never by an answer."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.domain.changes import (
    AddedRule,
    Authorize,
    Change,
    CreatedGroup,
    CreateGroup,
    DeletedGroup,
    DeleteGroup,
    Effect,
    Join,
    Joined,
    Leave,
    Left,
    NewRule,
    RemovedRule,
    Revoke,
)
from app.domain.groups import Group
from app.domain.rules import HeldRule
from app.domain.world import World

MARKER = "intercom"


def marker(operation_id: str) -> str:
    """The beginning of the description of every rule that an operation adds."""
    return f"{MARKER}:{operation_id}:"


def marked(changes: Iterable[Change], operation_id: str) -> Iterator[Change]:
    """Number the new rules of an operation from 1, in their descriptions, before the reason."""
    number = 0
    for change in changes:
        if not isinstance(change, Authorize):
            yield change
            continue
        rules = []
        for new in change.rules:
            number += 1
            text = f"{marker(operation_id)}{number} {new.description}".rstrip()
            rules.append(NewRule(new.rule, text))
        yield replace(change, rules=tuple(rules))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Groups and their members right before the first change, as the backups hold them."""

    groups: Mapping[str, Group] = field(default_factory=dict)
    members: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def rule_ids(self, group_id: str) -> frozenset[str]:
        group = self.groups.get(group_id)
        return frozenset(held.rule_id for held in group.rules) if group else frozenset()

    def is_member(self, group_id: str, instance_id: str) -> bool:
        return instance_id in self.members.get(group_id, frozenset())


@dataclass(frozen=True, slots=True)
class Adopted:
    """A rule that does what ours would have done, and is somebody else's."""

    group_id: str
    held: HeldRule


@dataclass(frozen=True, slots=True)
class Observation:
    """`missing` are changes, or parts of them, that cannot be seen (yet)."""

    effects: tuple[Effect, ...]
    adopted: tuple[Adopted, ...]
    missing: tuple[Change, ...]


def observe(
    before: Snapshot, after: World, changes: Sequence[Change], descriptions: frozenset[str]
) -> Observation:
    """Compare two instants and say what of `changes` took effect, what not, and whose it is.

    A rule is ours only if its id was absent before, is present after, and its description is
    one of `descriptions`, those that we sent. A membership is ours if absent before and
    present after our Join.
    """
    effects: list[Effect] = []
    adopted: list[Adopted] = []
    missing: list[Change] = []
    for change in changes:
        match change:
            case Authorize():
                _observe_rules(before, after, change, descriptions, (effects, adopted, missing))
            case Revoke():
                _observe_removal(before, after, change, effects, missing)
            case _:
                effect = _seen(before, after, change)
                if effect is not None:
                    effects.append(effect)
                elif not _is_so(after, change):
                    missing.append(change)
    return Observation(tuple(effects), tuple(adopted), tuple(missing))


def _observe_rules(
    before: Snapshot,
    after: World,
    change: Authorize,
    descriptions: frozenset[str],
    found: tuple[list[Effect], list[Adopted], list[Change]],
) -> None:
    effects, adopted, missing = found
    old = before.rule_ids(change.group_id)
    group = after.groups.get(change.group_id)
    held = group.rules if group is not None else ()
    absent = []
    for new in change.rules:
        same = [each for each in held if each.rule == new.rule]
        ours = [
            each for each in same if each.rule_id not in old and each.description in descriptions
        ]
        effects.extend(AddedRule(change.place, change.group_id, each) for each in ours)
        if not same:
            absent.append(new)
        elif not ours:
            adopted.extend(Adopted(change.group_id, each) for each in same)
    if absent:
        missing.append(replace(change, rules=tuple(absent)))


def _observe_removal(
    before: Snapshot,
    after: World,
    change: Revoke,
    effects: list[Effect],
    missing: list[Change],
) -> None:
    old = before.rule_ids(change.group_id)
    group = after.groups.get(change.group_id)
    present = {each.rule_id for each in group.rules} if group is not None else set()
    effects.extend(
        RemovedRule(change.place, change.group_id, held)
        for held in change.held
        if held.rule_id in old and held.rule_id not in present
    )
    still = tuple(held for held in change.held if held.rule_id in present)
    if still:
        missing.append(replace(change, held=still))


def _seen(before: Snapshot, after: World, change: Change) -> Effect | None:
    """The effect of a change other than of rules, where before and after differ."""
    group_id = change.group_id
    match change:
        case Join(place, _, instance_id):
            was = before.is_member(group_id, instance_id)
            return Joined(place, group_id, instance_id) if _is_so(after, change) > was else None
        case Leave(place, _, instance_id):
            was = before.is_member(group_id, instance_id)
            return Left(place, group_id, instance_id) if was and _is_so(after, change) else None
        case CreateGroup(place, _, name, vpc_id):
            return CreatedGroup(place, group_id, name, vpc_id) if _is_so(after, change) else None
        case DeleteGroup(place):
            old = before.groups.get(group_id)
            if old is None or not _is_so(after, change):
                return None
            return DeletedGroup(place, group_id, old.name, old.vpc_id)
        case _:
            return None


def _is_so(after: World, change: Change) -> bool:
    """Whether the world is as the change wants it, whoever made it so."""
    match change:
        case Join():
            return change.instance_id in _primary_members(after, change.group_id)
        case Leave():
            return change.instance_id not in _primary_members(after, change.group_id)
        case CreateGroup():
            return change.group_id in after.groups
        case DeleteGroup():
            return change.group_id not in after.groups
        case _:
            return False


def _primary_members(world: World, group_id: str) -> frozenset[str]:
    return frozenset(
        instance.instance_id
        for instance, _ in world.members(group_id)
        if group_id in instance.group_ids
    )
