"""Worlds that might be: what would open and close if something were changed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from app.domain.addresses import AddressFamily, Block
from app.domain.changes import Authorize, Join, Leave, NewRule, Revoke
from app.domain.difference import Difference, difference
from app.domain.errors import InvalidInputError, TargetNotFoundError
from app.domain.groups import Group, GroupKind, Place
from app.domain.rules import GroupPeer, HeldRule, NicType, Policy, PrefixListPeer, Rule
from app.domain.world import World


@dataclass(frozen=True, slots=True)
class AddRule:
    """Suppose that a group held one more rule."""

    place: Place
    group_id: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class RemoveRule:
    """Suppose that a group held a rule no more."""

    place: Place
    group_id: str
    rule_id: str


@dataclass(frozen=True, slots=True)
class SetInnerAccess:
    """Suppose that members of a group reached each other whatever the rules say, or not."""

    place: Place
    group_id: str
    policy: Policy


Supposition: TypeAlias = AddRule | RemoveRule | Join | Leave | SetInnerAccess


def suppose(world: World, suppositions: Sequence[Supposition]) -> World:
    """Return the world in which all suppositions hold, one after the other.

    Groups and instances must have been read.

    Raises:
        TargetNotFoundError: a group holds no rule of an id.
        InvalidInputError: the cloud would never hold it.
    """
    for each in suppositions:
        world = _supposed(world, each)
    return world


def what_if(world: World, suppositions: Sequence[Supposition], cap: int = 1000) -> Difference:
    """Return exactly what would open and close; `cap` bounds the items, not the counts."""
    return difference(
        world,
        suppose(world, suppositions),
        touched_groups=frozenset(each.group_id for each in suppositions),
        touched_instances=frozenset(
            each.instance_id for each in suppositions if isinstance(each, Join | Leave)
        ),
        asked=(),
        cap=cap,
    )


def _supposed(world: World, supposition: Supposition) -> World:
    match supposition:
        case AddRule(place, group_id, rule):
            _check_rule(world, world.groups[group_id], rule)
            return world.after(Authorize(place, group_id, rule.direction, (NewRule(rule),)))
        case RemoveRule(place, group_id, rule_id):
            held = _held(world.groups[group_id], rule_id)
            return world.after(Revoke(place, group_id, held.rule.direction, (held,)))
        case Join():
            _check_join(world, supposition)
            return world.after(supposition)
        case Leave(_, group_id, instance_id):
            if world.instances[instance_id].group_ids == {group_id}:
                raise InvalidInputError(f"{group_id} is the last group of {instance_id}")
            return world.after(supposition)
        case SetInnerAccess(_, group_id, policy):
            group = world.groups[group_id]
            if group.kind is GroupKind.ENTERPRISE:
                raise InvalidInputError(f"{group_id}: an enterprise group never connects members")
            groups = {**world.groups, group_id: replace(group, inner_access=policy)}
            return replace(world, groups=groups)
        case _:
            assert_never(supposition)


def _held(group: Group, rule_id: str) -> HeldRule:
    for held in group.rules:
        if held.rule_id == rule_id:
            return held
    raise TargetNotFoundError(
        f"{group.group_id} holds no rule {rule_id}", group_id=group.group_id, rule_id=rule_id
    )


def _check_rule(world: World, group: Group, rule: Rule) -> None:
    """Refuse what no group of this kind can hold.

    Source: ECS API, AuthorizeSecurityGroup, its parameters and errors.
    """
    if group.vpc_id is not None and rule.nic_type is NicType.INTERNET:
        raise InvalidInputError("in a VPC every rule is of nic_type intranet")
    match rule.peer:
        case PrefixListPeer() if group.vpc_id is None:
            raise InvalidInputError("in the classic network no rule names a prefix list")
        case Block(family=AddressFamily.IPV6) if group.vpc_id is None:
            raise InvalidInputError("in the classic network no rule names IPv6 addresses")
        case GroupPeer(group_id) if not _may_name(group, world.groups.get(group_id)):
            raise InvalidInputError(f"{group_id} is in another VPC than {group.group_id}")
    if isinstance(rule.peer, GroupPeer):
        if group.kind is GroupKind.ENTERPRISE:
            raise InvalidInputError(f"{group.group_id}: an enterprise group names no group")
        if rule.peer.group_id == group.group_id:
            raise InvalidInputError("a group does not name itself")
        if rule.nic_type is NicType.INTERNET:
            raise InvalidInputError("a rule that names a group is of nic_type intranet")


def _may_name(group: Group, peer: Group | None) -> bool:
    """Whether rules of a group may name another one, as far as it was read.

    Those of two VPCs never; whether ClassicLink joins two networks is not looked at.
    """
    return peer is None or None in {peer.vpc_id, group.vpc_id} or peer.vpc_id == group.vpc_id


def _check_join(world: World, join: Join) -> None:
    group, instance = world.groups[join.group_id], world.instances[join.instance_id]
    if group.place != instance.place or group.vpc_id != instance.vpc_id:
        raise InvalidInputError(
            f"{join.instance_id} is not in the network of {join.group_id}, and cannot join it"
        )
