"""What can be done to the cloud, what took effect, and the way back. Changes are data."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TypeAlias, TypeVar, assert_never
from urllib.parse import quote

from app.domain.groups import GroupKind, Place
from app.domain.rules import Direction, GroupPeer, HeldRule, Policy, Rule

T = TypeVar("T")

RULES_A_CALL = 100
"""Most rules in one call. Source: ECS API, AuthorizeSecurityGroup, Permissions.N."""

BYTES_A_CALL = 60_000
"""Most bytes of rules in one call: the SDK sends them in the query string, and parsers of
URLs commonly count in 16 bits (our own bound)."""


@dataclass(frozen=True, slots=True)
class NewRule:
    """A rule to be added, with the description it gets."""

    rule: Rule
    description: str = ""


@dataclass(frozen=True, slots=True)
class Authorize:
    """Add rules of one direction to a group; at most `RULES_A_CALL`."""

    place: Place
    group_id: str
    direction: Direction
    rules: tuple[NewRule, ...]


@dataclass(frozen=True, slots=True)
class Revoke:
    """Remove rules of one direction from a group by their ids; at most `RULES_A_CALL`."""

    place: Place
    group_id: str
    direction: Direction
    held: tuple[HeldRule, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """Attach the primary interface of an instance to a group."""

    place: Place
    group_id: str
    instance_id: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Detach the primary interface of an instance from a group."""

    place: Place
    group_id: str
    instance_id: str


@dataclass(frozen=True, slots=True)
class SetInnerAccess:
    """Set whether members of a basic group reach each other whatever the rules say."""

    place: Place
    group_id: str
    policy: Policy


@dataclass(frozen=True, slots=True)
class CreateGroup:
    """Make a group without rules, a basic one unless told otherwise.

    `group_id` is a name of ours (`is_new_group`) until the cloud has given an id; changes that
    follow speak of the group by it, and rules name it so.
    """

    place: Place
    group_id: str
    name: str
    vpc_id: str | None
    description: str = ""
    kind: GroupKind = GroupKind.BASIC
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class DeleteGroup:
    place: Place
    group_id: str


NEW_GROUP_ID = "sg-new"

Change: TypeAlias = Authorize | Revoke | Join | Leave | SetInnerAccess | CreateGroup | DeleteGroup


def new_group_id(number: int) -> str:
    """Return a name of ours for one of several groups that are to be made, from 1."""
    return f"{NEW_GROUP_ID}-{number}"


def is_new_group(group_id: str) -> bool:
    """Whether an id is a name of ours for a group that the cloud has not made yet."""
    return re.fullmatch(rf"{NEW_GROUP_ID}(-[0-9]+)?", group_id) is not None


def takes_away(change: Change) -> bool:
    """Whether a change removes what may be needed: a rule, a membership, a policy, a group."""
    if isinstance(change, SetInnerAccess):
        return change.policy is Policy.DROP and not is_new_group(change.group_id)
    return isinstance(change, Revoke | Leave | DeleteGroup)


def bound(change: Change, group_ids: Mapping[str, str]) -> Change:
    """Return `change` with names of new groups replaced by the ids that the cloud gave."""
    if isinstance(change, Authorize):
        rules = tuple(_bound_rule(new, group_ids) for new in change.rules)
        change = replace(change, rules=rules)
    return replace(change, group_id=group_ids.get(change.group_id, change.group_id))


def _bound_rule(new: NewRule, group_ids: Mapping[str, str]) -> NewRule:
    peer = new.rule.peer
    if not isinstance(peer, GroupPeer) or peer.group_id not in group_ids:
        return new
    named = replace(peer, group_id=group_ids[peer.group_id])
    return replace(new, rule=replace(new.rule, peer=named))


# --- what took effect ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AddedRule:
    """A rule that is there because of us."""

    place: Place
    group_id: str
    held: HeldRule


@dataclass(frozen=True, slots=True)
class RemovedRule:
    """A rule that is gone because of us."""

    place: Place
    group_id: str
    held: HeldRule


@dataclass(frozen=True, slots=True)
class Joined:
    place: Place
    group_id: str
    instance_id: str


@dataclass(frozen=True, slots=True)
class Left:
    place: Place
    group_id: str
    instance_id: str


@dataclass(frozen=True, slots=True)
class InnerAccessSet:
    """The policy of a group is another one than before because of us."""

    place: Place
    group_id: str
    before: Policy
    after: Policy


@dataclass(frozen=True, slots=True)
class CreatedGroup:
    place: Place
    group_id: str
    name: str
    vpc_id: str | None
    kind: GroupKind = GroupKind.BASIC


@dataclass(frozen=True, slots=True)
class DeletedGroup:
    place: Place
    group_id: str
    name: str
    vpc_id: str | None
    kind: GroupKind = GroupKind.BASIC


Effect: TypeAlias = (
    AddedRule | RemovedRule | Joined | Left | InnerAccessSet | CreatedGroup | DeletedGroup
)


def inverse(effect: Effect) -> Change:
    """Return the change that takes `effect` back.

    A rule or group that is made anew gets a new id: what is restored is the meaning.
    """
    match effect:
        case AddedRule(place, group_id, held):
            return Revoke(place, group_id, held.rule.direction, (held,))
        case RemovedRule(place, group_id, held):
            new = NewRule(held.rule, held.description)
            return Authorize(place, group_id, held.rule.direction, (new,))
        case Joined(place, group_id, instance_id):
            return Leave(place, group_id, instance_id)
        case Left(place, group_id, instance_id):
            return Join(place, group_id, instance_id)
        case CreatedGroup(place, group_id):
            return DeleteGroup(place, group_id)
        case InnerAccessSet(place, group_id, before):
            return SetInnerAccess(place, group_id, before)
        case DeletedGroup(place, group_id, name, vpc_id, kind):
            return CreateGroup(place, group_id, name, vpc_id, kind=kind)
        case _:
            assert_never(effect)


def way_back(effects: Sequence[Effect]) -> tuple[Change, ...]:
    """Return the changes that take `effects` back: last one first, rules in full batches."""
    return tuple(batched(inverse(effect) for effect in reversed(effects)))


def batched(changes: Iterable[Change]) -> Iterator[Change]:
    """Join neighbouring changes of the same group and kind into as few calls as allowed.

    Accepts and drops are never in one call: what it opens or closes, should only a part of it
    take effect, would not lie between before and after.
    """

    def same_call(change: Change) -> tuple[object, ...]:
        match change:
            case Authorize(rules=rules) | Revoke(held=rules):
                policies = frozenset(each.rule.policy for each in rules)
                key = (type(change), change.place, change.group_id, change.direction)
                return (*key, policies)
            case _:
                return (id(change),)

    for _, run in groupby(changes, key=same_call):
        yield from _joined(list(run))


def _joined(run: list[Change]) -> Iterator[Change]:
    match run[0]:
        case Authorize() as first:
            rules = [new for change in run if isinstance(change, Authorize) for new in change.rules]
            for part in _parts(rules, _size):
                yield replace(first, rules=tuple(part))
        case Revoke() as first:
            held = [rule for change in run if isinstance(change, Revoke) for rule in change.held]
            for some in _parts(held, lambda _: 1):
                yield replace(first, held=tuple(some))
        case other:
            yield other


def _parts(items: list[T], size: Callable[[T], int]) -> Iterator[list[T]]:
    part: list[T] = []
    weight = 0
    for item in items:
        if part and (len(part) == RULES_A_CALL or weight + size(item) > BYTES_A_CALL):
            yield part
            part, weight = [], 0
        part.append(item)
        weight += size(item)
    if part:
        yield part


def _size(new: NewRule) -> int:
    # Names and values of all other fields of a permission take less than 420 bytes.
    return 420 + len(quote(new.description))
