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
    InnerAccessSet,
    Join,
    Joined,
    Leave,
    Left,
    NewRule,
    RemovedRule,
    Revoke,
    SetInnerAccess,
)
from app.domain.groups import Group
from app.domain.rules import HeldRule
from app.domain.world import World

MARKER = "intercom"


def marker(operation_id: str) -> str:
    """The beginning of the description of every rule that an operation adds."""
    return f"{MARKER}:{operation_id}:"


def marked(changes: Iterable[Change], operation_id: str) -> Iterator[Change]:
    """Number the new rules of an operation from 1, in their descriptions, before the reason.

    A new group is number 0, further ones 0.2 and so on: by its description it is found again,
    whatever its name.
    """
    number = groups = 0
    for change in changes:
        if isinstance(change, CreateGroup):
            groups += 1
            place = "0" if groups == 1 else f"0.{groups}"
            text = f"{marker(operation_id)}{place} {change.description}".rstrip()
            yield replace(change, description=text)
            continue
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
    before: Snapshot, after: World, wanted: Sequence[Change], sent: Sequence[Change]
) -> Observation:
    """Compare two instants and say what took effect, what is still missing, and whose it is.

    `wanted` are all changes, `sent` those of which a call was made that may have done
    something: what nobody sent for us is nobody's work of ours. A rule is ours only if its
    id was absent before, is present after, and it carries the marker that we sent with it. A
    membership is ours if absent before and present after our Join.
    """
    return Observation(
        tuple(_effects(before, after, sent)),
        tuple(_adopted(before, after, wanted)),
        tuple(missing(after, wanted)),
    )


def missing(after: World, wanted: Iterable[Change]) -> Iterator[Change]:
    """Return the changes, or the parts of them, that the world does not show."""
    for change in wanted:
        match change:
            case Authorize():
                held = {each.rule for each in _rules(after, change.group_id)}
                absent = tuple(new for new in change.rules if new.rule not in held)
                if absent:
                    yield replace(change, rules=absent)
            case Revoke():
                ids = {each.rule_id for each in _rules(after, change.group_id)}
                still = tuple(each for each in change.held if each.rule_id in ids)
                if still:
                    yield replace(change, held=still)
            case _:
                if not _is_so(after, change):
                    yield change


def _effects(before: Snapshot, after: World, sent: Iterable[Change]) -> Iterator[Effect]:
    for change in sent:
        match change:
            case Authorize(place, group_id):
                for new in change.rules:
                    for held in _ours(before, after, group_id, new):
                        yield AddedRule(place, group_id, held)
            case Revoke(place, group_id):
                old = before.rule_ids(group_id)
                ids = {each.rule_id for each in _rules(after, group_id)}
                for held in change.held:
                    if held.rule_id in old and held.rule_id not in ids:
                        yield RemovedRule(place, group_id, held)
            case _:
                effect = _seen(before, after, change)
                if effect is not None:
                    yield effect


def _adopted(before: Snapshot, after: World, wanted: Iterable[Change]) -> Iterator[Adopted]:
    """Rules that stand where ours would: somebody else's, and never removed by us."""
    for change in wanted:
        if isinstance(change, Authorize):
            for new in change.rules:
                if not _ours(before, after, change.group_id, new):
                    for held in _rules(after, change.group_id):
                        if held.rule == new.rule:
                            yield Adopted(change.group_id, held)


def _ours(before: Snapshot, after: World, group_id: str, new: NewRule) -> list[HeldRule]:
    old = before.rule_ids(group_id)
    return [
        held
        for held in _rules(after, group_id)
        if held.rule == new.rule
        and held.rule_id not in old
        and mark(held.description) == mark(new.description)
    ]


def mark(description: str) -> str:
    """Return the marker of a description, which is its first word; the reason follows."""
    return description.split(" ", 1)[0]


def _rules(world: World, group_id: str) -> tuple[HeldRule, ...]:
    group = world.groups.get(group_id)
    return group.rules if group is not None else ()


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
        case SetInnerAccess(place, _, policy):
            old = before.groups.get(group_id)
            if old is None or old.inner_access is policy or not _is_so(after, change):
                return None
            return InnerAccessSet(place, group_id, old.inner_access, policy)
        case CreateGroup(place, _, name, vpc_id, kind=kind):
            made = CreatedGroup(place, group_id, name, vpc_id, kind)
            return made if _is_so(after, change) else None
        case DeleteGroup(place):
            old = before.groups.get(group_id)
            if old is None or not _is_so(after, change):
                return None
            return DeletedGroup(place, group_id, old.name, old.vpc_id, old.kind)
        case _:
            return None


def _is_so(after: World, change: Change) -> bool:
    """Whether the world is as the change wants it, whoever made it so."""
    match change:
        case Join():
            return change.instance_id in _primary_members(after, change.group_id)
        case Leave():
            return change.instance_id not in _primary_members(after, change.group_id)
        case SetInnerAccess():
            group = after.groups.get(change.group_id)
            return group is not None and group.inner_access is change.policy
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
