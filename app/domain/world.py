"""All that was read of the cloud at one instant, frozen, and who can speak in it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

from app.domain.addresses import AddressFamily, Block
from app.domain.changes import (
    Authorize,
    Change,
    CreateGroup,
    DeleteGroup,
    Join,
    Leave,
    Revoke,
    SetInnerAccess,
)
from app.domain.groups import Eni, Group, GroupKind, GroupRef, Instance, Place
from app.domain.rules import HeldRule, NicType, Policy


@dataclass(frozen=True, slots=True)
class InterfaceEnd:
    """One address of one interface of an instance that was read."""

    instance: Instance
    eni: Eni
    block: Block


@dataclass(frozen=True, slots=True)
class AddressEnd:
    """Addresses of which no security group is known: nothing is judged on that side."""

    block: Block


@dataclass(frozen=True, slots=True)
class GroupEnd:
    """Any member of a group that cannot be read: neither its addresses nor its rules are known."""

    ref: GroupRef
    family: AddressFamily


End: TypeAlias = InterfaceEnd | AddressEnd | GroupEnd


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a group, or who is in it, could not be read: a stable code, and a sentence."""

    code: str
    detail: str


@dataclass(frozen=True)
class World:
    """Groups and instances of one region, read at one instant.

    `groups` have all their rules. `instances` have all their interfaces with all group ids,
    so whether an instance is in a group is always known; whether *all* members of a group
    are among the instances is known for `complete` groups only. `references` says for a
    complete group which groups name it in a rule. `unread` holds groups that rules name, or
    that name ours, in accounts that cannot be read. `group_counts` says how many groups an
    account has in a region, where that was asked for; `networks` are those in which owners of
    bare addresses were looked for (None is the classic one). What is absent here is unknown;
    `refusals` say why, for groups of which anything was asked for in vain.
    """

    groups: Mapping[str, Group] = field(default_factory=dict)
    instances: Mapping[str, Instance] = field(default_factory=dict)
    prefix_lists: Mapping[str, tuple[Block, ...]] = field(default_factory=dict)
    references: Mapping[str, frozenset[GroupRef]] = field(default_factory=dict)
    complete: frozenset[str] = frozenset()
    unread: frozenset[GroupRef] = frozenset()
    group_counts: Mapping[Place, int] = field(default_factory=dict)
    networks: frozenset[str | None] = frozenset()
    refusals: Mapping[GroupRef, Refusal] = field(default_factory=dict)

    @cached_property
    def _members(self) -> Mapping[str, tuple[tuple[Instance, Eni], ...]]:
        found: dict[str, list[tuple[Instance, Eni]]] = {}
        for _, instance in sorted(self.instances.items()):
            for eni in instance.enis:
                for group_id in eni.group_ids:
                    found.setdefault(group_id, []).append((instance, eni))
        return {group_id: tuple(members) for group_id, members in found.items()}

    def members(self, group_id: str) -> tuple[tuple[Instance, Eni], ...]:
        """Interfaces in the group, by instance id; all of them only if the group is complete."""
        return self._members.get(group_id, ())

    def member_ids(self, group_id: str) -> frozenset[str]:
        """Ids of the instances in the group, by any of their interfaces."""
        return self._member_ids.get(group_id, frozenset())

    @cached_property
    def _member_ids(self) -> Mapping[str, frozenset[str]]:
        return {
            group_id: frozenset(instance.instance_id for instance, _ in members)
            for group_id, members in self._members.items()
        }

    def ends(self, plane: NicType, family: AddressFamily) -> Iterator[InterfaceEnd]:
        """Every address of every interface that can speak on `plane`, by instance id."""
        for _, instance in sorted(self.instances.items()):
            for eni in instance.enis:
                for block in addresses_of(eni, plane, family):
                    yield InterfaceEnd(instance, eni, block)

    def end_at(self, plane: NicType, block: Block) -> InterfaceEnd | AddressEnd:
        """Return the interface that has this single address, or the bare address."""
        for end in self.ends(plane, block.family):
            if end.block == block:
                return end
        return AddressEnd(block)

    def after(self, change: Change) -> "World":
        """Return the world as it is once `change` has taken effect.

        A rule that stands already is not added again, as in the cloud.
        """
        match change:
            case Authorize(group_id=group_id):
                return self._with_group(authorized(self.groups[group_id], change))
            case Revoke(group_id=group_id):
                gone = {held.rule_id for held in change.held}
                group = self.groups[group_id]
                kept = tuple(held for held in group.rules if held.rule_id not in gone)
                return self._with_group(replace(group, rules=kept))
            case Join(group_id=group_id, instance_id=instance_id):
                return self._with_membership(instance_id, group_id, member=True)
            case Leave(group_id=group_id, instance_id=instance_id):
                return self._with_membership(instance_id, group_id, member=False)
            case SetInnerAccess(group_id=group_id, policy=policy):
                return self._with_group(replace(self.groups[group_id], inner_access=policy))
            case CreateGroup():
                group = created(change)
                world = self._with_group(group)
                return replace(
                    world,
                    complete=self.complete | {change.group_id},
                    references={**self.references, change.group_id: frozenset()},
                )
            case DeleteGroup(group_id=group_id):
                left = {key: group for key, group in self.groups.items() if key != group_id}
                return replace(self, groups=left, complete=self.complete - {group_id})

    def _with_group(self, group: Group) -> "World":
        return replace(self, groups={**self.groups, group.group_id: group})

    def _with_membership(self, instance_id: str, group_id: str, *, member: bool) -> "World":
        instance = self.instances[instance_id]
        primary = instance.primary
        groups = primary.group_ids | {group_id} if member else primary.group_ids - {group_id}
        enis = (replace(primary, group_ids=groups), *instance.enis[1:])
        changed = replace(instance, enis=enis)
        return replace(self, instances={**self.instances, instance_id: changed})


def addresses_on(eni: Eni, plane: NicType) -> tuple[Block, ...]:
    """The addresses of an interface on one side, of both families."""
    if plane is NicType.INTRANET:
        return eni.addresses
    return () if eni.public_address is None else (eni.public_address,)


def addresses_of(eni: Eni, plane: NicType, family: AddressFamily) -> tuple[Block, ...]:
    """The addresses of an interface on one side: private ones, or the public one."""
    return tuple(block for block in addresses_on(eni, plane) if block.family is family)


def created(change: CreateGroup) -> Group:
    """Return a group as it is right after it was made."""
    basic = change.kind is GroupKind.BASIC
    return Group(
        change.group_id,
        change.place,
        name=change.name,
        vpc_id=change.vpc_id,
        kind=change.kind,
        inner_access=Policy.ACCEPT if basic else Policy.DROP,
        description=change.description,
        tags=change.tags,
    )


def authorized(group: Group, change: Authorize) -> Group:
    """Return the group with the rules of `change` that it does not hold yet.

    New rules have the ids `new-1`, `new-2`, … in the order of the change, which no rule
    of the cloud can have.
    """
    present = {held.rule for held in group.rules}
    taken = sum(is_planned(held) for held in group.rules)
    added: list[HeldRule] = []
    for new in change.rules:
        if new.rule not in present:
            present.add(new.rule)
            rule_id = f"new-{taken + len(added) + 1}"
            added.append(HeldRule(rule_id, new.rule, new.description))
    return replace(group, rules=(*group.rules, *added))


def is_planned(held: HeldRule) -> bool:
    """Whether a rule is one of `authorized`, which the cloud does not hold yet."""
    return held.rule_id.startswith("new-")
