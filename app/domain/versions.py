"""A group as it was, put into the world of now; and what is different between two versions."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from app.domain.backups import KeptGroup, KeptMember
from app.domain.difference import Difference, difference
from app.domain.documents import Document, held_document
from app.domain.groups import Eni, Group, GroupRef, Instance, Place
from app.domain.plan_documents import exposure_document
from app.domain.rules import GroupPeer, HeldRule, Policy, Rule
from app.domain.world import World


@dataclass(frozen=True, slots=True)
class Versions:
    """What is different in the later one of two versions of a group; None where there is none.

    Rules are compared by their meaning, members by instance and interface.
    """

    before: Group | None
    after: Group | None
    added: tuple[HeldRule, ...]
    removed: tuple[HeldRule, ...]
    joined: tuple[KeptMember, ...]
    left: tuple[KeptMember, ...]
    difference: Difference

    @property
    def is_identical(self) -> bool:
        one, other = self.before, self.after
        if one is None or other is None:
            return one is other
        same = one.inner_access is other.inner_access
        return same and not (self.added or self.removed or self.joined or self.left)


def version_of(world: World, kept: KeptGroup, gone: frozenset[GroupRef] = frozenset()) -> World:
    """Return the world as it would be if the group were still as the backup holds it.

    Instances that are gone stay gone. A group of `gone` that its rules named is there again
    with its members, for those rules only: it connects nobody by itself.
    """
    world = _with_version(world, kept)
    for each in _ghosts(kept, gone - {kept.group.ref}):
        world = _with_version(world, each)
    return world


def renamed(kept: KeptGroup, names: Mapping[GroupRef, str]) -> KeptGroup:
    """Return the group with the ids of groups that stand for some that are gone."""
    group = kept.group
    rules = tuple(replace(held, rule=_renamed(held.rule, names)) for held in group.rules)
    called = names.get(group.ref, group.group_id)
    return replace(
        kept,
        group=replace(group, group_id=called, rules=rules),
        named=tuple(renamed(each, names) for each in kept.named),
    )


def _renamed(rule: Rule, names: Mapping[GroupRef, str]) -> Rule:
    peer = rule.peer
    if not isinstance(peer, GroupPeer):
        return rule
    called = names.get(GroupRef(peer.group_id, peer.account_id), peer.group_id)
    return replace(rule, peer=replace(peer, group_id=called))


def named_by(kept: KeptGroup) -> frozenset[GroupRef]:
    """Return the groups that the rules of a group name."""
    peers = (held.rule.peer for held in kept.group.rules)
    return frozenset(
        GroupRef(peer.group_id, peer.account_id) for peer in peers if isinstance(peer, GroupPeer)
    )


def _ghosts(kept: KeptGroup, gone: frozenset[GroupRef]) -> Iterator[KeptGroup]:
    known = {named.group.ref: named for named in kept.named}
    for ref in sorted(named_by(kept) & gone):
        place = Place(ref.account_id, kept.group.place.region_id)
        found = known.get(ref) or KeptGroup(Group(ref.group_id, place), ())
        yield replace(found, group=replace(found.group, inner_access=Policy.DROP))


def _with_version(world: World, kept: KeptGroup) -> World:
    group_id = kept.group.group_id
    wanted = {(each.instance_id, each.interface_id) for each in kept.members}
    instances = {
        key: _as_member(instance, group_id, wanted) for key, instance in world.instances.items()
    }
    return replace(
        world,
        groups={**world.groups, group_id: kept.group},
        instances=instances,
        complete=world.complete | {group_id},
        references={group_id: frozenset(), **world.references},
    )


def _as_member(instance: Instance, group_id: str, wanted: set[tuple[str, str]]) -> Instance:
    """Return the instance with exactly the wanted ones of its interfaces in the group."""

    def eni_as_member(eni: Eni) -> Eni:
        if (instance.instance_id, eni.eni_id) in wanted:
            return replace(eni, group_ids=eni.group_ids | {group_id})
        return replace(eni, group_ids=eni.group_ids - {group_id})

    enis = tuple(eni_as_member(eni) for eni in instance.enis)
    return instance if enis == instance.enis else replace(instance, enis=enis)


def compare_versions(before: World, after: World, group_id: str) -> Versions:
    """Return what is different in the later version of a group, and what that opens and closes."""
    old, new = before.groups.get(group_id), after.groups.get(group_id)
    was, now = _rules(old), _rules(new)
    members, since = _members(before, group_id), _members(after, group_id)
    return Versions(
        before=old,
        after=new,
        added=_by_id(held for held in now if held.rule not in {each.rule for each in was}),
        removed=_by_id(held for held in was if held.rule not in {each.rule for each in now}),
        joined=tuple(each for key, each in sorted(since.items()) if key not in members),
        left=tuple(each for key, each in sorted(members.items()) if key not in since),
        difference=world_difference(before, after),
    )


def world_difference(before: World, after: World) -> Difference:
    """Return what opens and closes between two worlds, whatever they differ in."""
    return difference(
        before,
        after,
        touched_groups=differing(before.groups, after.groups),
        touched_instances=differing(before.instances, after.instances),
        asked=(),
    )


def differing(before: Mapping[str, object], after: Mapping[str, object]) -> frozenset[str]:
    """Return the names of what is not the same before and after."""
    names = before.keys() | after.keys()
    return frozenset(name for name in names if before.get(name) != after.get(name))


def _rules(group: Group | None) -> tuple[HeldRule, ...]:
    return () if group is None else group.rules


def _by_id(held: Iterable[HeldRule]) -> tuple[HeldRule, ...]:
    return tuple(sorted(held, key=lambda each: each.rule_id))


def _members(world: World, group_id: str) -> dict[tuple[str, str], KeptMember]:
    return {
        (instance.instance_id, eni.eni_id): KeptMember(
            instance.instance_id, eni.eni_id, eni == instance.primary
        )
        for instance, eni in world.members(group_id)
    }


def versions_document(found: Versions) -> Document:
    return {
        "identical": found.is_identical,
        "rules": {
            "added": [held_document(each) for each in found.added],
            "removed": [held_document(each) for each in found.removed],
        },
        "members": {
            "joined": [_member_document(each) for each in found.joined],
            "left": [_member_document(each) for each in found.left],
        },
        "inner_access": {
            "before": None if found.before is None else found.before.inner_access.value,
            "after": None if found.after is None else found.after.inner_access.value,
        },
        "gained": exposure_document(found.difference.gained),
        "lost": exposure_document(found.difference.lost),
    }


def _member_document(member: KeptMember) -> Document:
    return {
        "instance_id": member.instance_id,
        "interface_id": member.interface_id,
        "primary": member.primary,
    }
