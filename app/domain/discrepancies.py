"""What is not as it was: one by one, so that each can be thought away by itself."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import reduce

from app.domain.addresses import Block
from app.domain.changes import (
    AddedRule,
    CreatedGroup,
    DeletedGroup,
    Effect,
    InnerAccessSet,
    Joined,
    Left,
    RemovedRule,
)
from app.domain.documents import Document, read_rule, rule_document
from app.domain.groups import Eni, Group, GroupKind, GroupRef, Instance, Place
from app.domain.rules import HeldRule, Policy, Rule
from app.domain.world import World


class DiscrepancyKind(StrEnum):
    RULE_ADDED = "rule_added"
    RULE_REMOVED = "rule_removed"
    RULE_CHANGED = "rule_changed"
    JOINED = "joined"
    LEFT = "left"
    INNER_ACCESS_CHANGED = "inner_access_changed"
    GROUP_GONE = "group_gone"
    PREFIX_LIST_CHANGED = "prefix_list_changed"
    ADDRESS_CHANGED = "address_changed"
    CLASSIC_LINK_CHANGED = "classic_link_changed"


_K = DiscrepancyKind


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """Something that differs from how it was, with what is needed to think it away.

    `name` is the id of the group, prefix list or instance that it is about, `part` that of the
    rule, the instance or the interface within it. `before` and `after` are a rule's meaning,
    a policy, the entries of a list, addresses, or a VPC id; None where there was or is nothing.
    """

    kind: DiscrepancyKind
    place: Place
    name: str
    part: str = ""
    eni_id: str = ""
    before: object = None
    after: object = None

    @property
    def order(self) -> tuple[str, str, str, str]:
        return self.kind.value, self.name, self.part, self.eni_id


@dataclass(frozen=True, slots=True)
class Baseline:
    """How things were: a world document of then, and what was done since by us.

    `groups` have their rules by id. `members` are the groups of each interface that was known;
    of `complete` groups every member was known.
    """

    groups: Mapping[str, Group]
    members: Mapping[tuple[str, str], frozenset[str]]
    addresses: Mapping[tuple[str, str], tuple[Block, ...]]
    links: Mapping[str, str | None]
    lists: Mapping[str, tuple[Block, ...]]
    complete: frozenset[str]
    joined: frozenset[tuple[str, str]] = field(default=frozenset())
    left: frozenset[tuple[str, str]] = field(default=frozenset())

    def owner_of(self, block: Block) -> str | None:
        """The instance that had this address."""
        for (instance_id, _), blocks in self.addresses.items():
            if block in blocks:
                return instance_id
        return None

    def groups_of(self, instance: Instance, eni: Eni) -> frozenset[str]:
        """The groups that an interface was in; of one that was not known, those are told that
        cannot be otherwise.
        """
        was = self.members.get((instance.instance_id, eni.eni_id))
        if was is None:
            was = eni.group_ids - self.complete
        if eni == instance.primary:
            mine = instance.instance_id
            was |= {group_id for group_id, name in self.joined if name == mine}
            was -= {group_id for group_id, name in self.left if name == mine}
        return was


def read_baseline(document: Document, effects: Iterable[Effect] = ()) -> Baseline:
    """Read a world document, and add to it what took effect afterwards."""
    interfaces = {
        (instance_id, eni_id): interface
        for instance_id, instance in document["instances"].items()
        for eni_id, interface in instance["interfaces"].items()
    }
    kept = Baseline(
        groups={key: _group(key, each) for key, each in document["groups"].items()},
        members={key: frozenset(each["group_ids"]) for key, each in interfaces.items()},
        addresses={
            key: tuple(Block.read(text) for text in each["addresses"])
            for key, each in interfaces.items()
        },
        links={key: each["classic_link_vpc_id"] for key, each in document["instances"].items()},
        lists={
            key: tuple(Block.read(text) for text in entries)
            for key, entries in document["prefix_lists"].items()
        },
        complete=frozenset(document["complete"]),
    )
    return reduce(_with_effect, effects, kept)


def _group(group_id: str, document: Document) -> Group:
    return Group(
        group_id,
        Place(document["account_id"], document["region_id"]),
        vpc_id=document["vpc_id"],
        kind=GroupKind(document["kind"]),
        inner_access=Policy(document["inner_access"]),
        managed=document["managed"],
        rules=tuple(HeldRule(key, read_rule(each)) for key, each in document["rules"].items()),
    )


def _with_effect(kept: Baseline, effect: Effect) -> Baseline:
    group = kept.groups.get(effect.group_id)
    match effect:
        case CreatedGroup(place, group_id, name, vpc_id, kind):
            made = Group(group_id, place, name=name, vpc_id=vpc_id, kind=kind)
            return replace(
                kept, groups={**kept.groups, group_id: made}, complete=kept.complete | {group_id}
            )
        case DeletedGroup(group_id=group_id):
            left = {key: each for key, each in kept.groups.items() if key != group_id}
            return replace(kept, groups=left)
        case Joined(group_id=group_id, instance_id=instance_id):
            one = {(group_id, instance_id)}
            return replace(kept, joined=kept.joined | one, left=kept.left - one)
        case Left(group_id=group_id, instance_id=instance_id):
            one = {(group_id, instance_id)}
            return replace(kept, joined=kept.joined - one, left=kept.left | one)
        case _ if group is None:
            return kept
        case AddedRule(held=held):
            group = replace(group, rules=(*_but(group, held.rule_id), held))
        case RemovedRule(held=held):
            group = replace(group, rules=_but(group, held.rule_id))
        case InnerAccessSet(after=policy):
            group = replace(group, inner_access=policy)
    return replace(kept, groups={**kept.groups, group.group_id: group})


def _but(group: Group, rule_id: str) -> tuple[HeldRule, ...]:
    return tuple(held for held in group.rules if held.rule_id != rule_id)


# --- finding them -----------------------------------------------------------------


def discrepancies(kept: Baseline, world: World, gone: frozenset[GroupRef]) -> list[Discrepancy]:
    """Return all that is different in the world of now, in order.

    Descriptions and names are no difference. What could not be read on either side is none
    either; `gone` are groups that are known not to exist any more.
    """
    found = [
        *_of_groups(kept, world, gone),
        *_of_memberships(kept, world),
        *_of_instances(kept, world),
        *_of_lists(kept, world),
    ]
    return sorted(found, key=lambda each: each.order)


def _of_groups(kept: Baseline, world: World, gone: frozenset[GroupRef]) -> Iterator[Discrepancy]:
    for group_id, old in kept.groups.items():
        new = world.groups.get(group_id)
        if new is None:
            if old.ref in gone:
                yield Discrepancy(_K.GROUP_GONE, old.place, group_id, before=old)
            continue
        yield from _of_rules(old, new)
        if old.inner_access is not new.inner_access:
            yield Discrepancy(
                _K.INNER_ACCESS_CHANGED,
                new.place,
                group_id,
                before=old.inner_access,
                after=new.inner_access,
            )


def _of_rules(old: Group, new: Group) -> Iterator[Discrepancy]:
    was = {held.rule_id: held.rule for held in old.rules}
    now = {held.rule_id: held.rule for held in new.rules}
    for rule_id in was.keys() | now.keys():
        before, after = was.get(rule_id), now.get(rule_id)
        if before != after:
            kind = _K.RULE_ADDED if before is None else _K.RULE_REMOVED
            kind = _K.RULE_CHANGED if before and after else kind
            yield Discrepancy(kind, new.place, new.group_id, rule_id, before=before, after=after)


def _of_memberships(kept: Baseline, world: World) -> Iterator[Discrepancy]:
    for instance_id, instance in world.instances.items():
        for eni in instance.enis:
            was = kept.groups_of(instance, eni)
            for group_id in was ^ eni.group_ids:
                kind = _K.LEFT if group_id in was else _K.JOINED
                yield Discrepancy(kind, instance.place, group_id, instance_id, eni.eni_id)


def _of_instances(kept: Baseline, world: World) -> Iterator[Discrepancy]:
    for instance_id, instance in world.instances.items():
        for eni in instance.enis:
            was = kept.addresses.get((instance_id, eni.eni_id))
            if was is not None and set(was) != set(eni.addresses):
                yield Discrepancy(
                    _K.ADDRESS_CHANGED,
                    instance.place,
                    instance_id,
                    instance_id,
                    eni.eni_id,
                    before=was,
                    after=eni.addresses,
                )
        link = instance.classic_link_vpc_id
        if kept.links.get(instance_id, link) != link:
            yield Discrepancy(
                _K.CLASSIC_LINK_CHANGED,
                instance.place,
                instance_id,
                instance_id,
                before=kept.links[instance_id],
                after=link,
            )


def _of_lists(kept: Baseline, world: World) -> Iterator[Discrepancy]:
    places = {
        getattr(held.rule.peer, "prefix_list_id", None): group.place
        for group in world.groups.values()
        for held in group.rules
    }
    for list_id in kept.lists.keys() & world.prefix_lists.keys():
        was, now = kept.lists[list_id], world.prefix_lists[list_id]
        if set(was) != set(now) and list_id in places:
            yield Discrepancy(
                _K.PREFIX_LIST_CHANGED, places[list_id], list_id, before=was, after=now
            )


# --- thinking them away -------------------------------------------------------------


def reverted(world: World, found: Iterable[Discrepancy]) -> World:
    """Return the world as it would be if these had not happened."""
    return reduce(_without, found, world)


def _without(world: World, one: Discrepancy) -> World:
    match one.kind:
        case _K.RULE_ADDED | _K.RULE_REMOVED | _K.RULE_CHANGED:
            return _with_rule(world, one)
        case _K.JOINED | _K.LEFT:
            return _with_eni(world, one, _as_before)
        case _K.INNER_ACCESS_CHANGED:
            assert isinstance(one.before, Policy)
            group = replace(world.groups[one.name], inner_access=one.before)
            return replace(world, groups={**world.groups, one.name: group})
        case _K.GROUP_GONE:
            assert isinstance(one.before, Group)
            groups = {**world.groups, one.name: one.before}
            return replace(world, groups=groups, complete=world.complete | {one.name})
        case _K.PREFIX_LIST_CHANGED:
            assert isinstance(one.before, tuple)
            return replace(world, prefix_lists={**world.prefix_lists, one.name: one.before})
        case _K.ADDRESS_CHANGED:
            return _with_eni(world, one, _at_old_addresses)
        case _K.CLASSIC_LINK_CHANGED:
            assert one.before is None or isinstance(one.before, str)
            instance = replace(world.instances[one.part], classic_link_vpc_id=one.before)
            return replace(world, instances={**world.instances, one.part: instance})


def _with_rule(world: World, one: Discrepancy) -> World:
    group = world.groups.get(one.name)
    if group is None:
        return world
    rules = _but(group, one.part)
    if isinstance(one.before, Rule):
        rules = (*rules, HeldRule(one.part, one.before))
    return replace(world, groups={**world.groups, one.name: replace(group, rules=rules)})


def _as_before(eni: Eni, one: Discrepancy) -> Eni:
    change = eni.group_ids - {one.name} if one.kind is _K.JOINED else eni.group_ids | {one.name}
    return replace(eni, group_ids=change)


def _at_old_addresses(eni: Eni, one: Discrepancy) -> Eni:
    assert isinstance(one.before, tuple)
    return replace(eni, addresses=one.before)


def _with_eni(world: World, one: Discrepancy, change: Callable[[Eni, Discrepancy], Eni]) -> World:
    instance = world.instances[one.part]
    enis = tuple(change(eni, one) if eni.eni_id == one.eni_id else eni for eni in instance.enis)
    changed = replace(instance, enis=enis)
    return replace(world, instances={**world.instances, one.part: changed})


# --- telling them -------------------------------------------------------------------


def discrepancy_document(one: Discrepancy) -> Document:
    """Spell what somebody did; only what applies to its kind is there."""
    document: Document = {
        "kind": one.kind.value,
        "account_id": one.place.account_id,
        "region_id": one.place.region_id,
    }
    match one.kind:
        case _K.RULE_ADDED | _K.RULE_REMOVED | _K.RULE_CHANGED:
            document |= {"group_id": one.name, "rule_id": one.part}
            for name in ("before", "after"):
                rule = getattr(one, name)
                if isinstance(rule, Rule):
                    document[name] = rule_document(rule)
        case _K.JOINED | _K.LEFT:
            document |= {"group_id": one.name, "instance_id": one.part}
        case _K.INNER_ACCESS_CHANGED:
            document |= {"group_id": one.name, "inner_access": str(one.after)}
        case _K.GROUP_GONE:
            document["group_id"] = one.name
        case _K.PREFIX_LIST_CHANGED:
            document["prefix_list_id"] = one.name
        case _K.ADDRESS_CHANGED | _K.CLASSIC_LINK_CHANGED:
            document["instance_id"] = one.part
    return document


def sentence_of(one: Discrepancy) -> str:
    """Say what somebody did."""
    match one.kind:
        case _K.RULE_ADDED:
            return f"rule {one.part} was added to {one.name}"
        case _K.RULE_REMOVED:
            return f"rule {one.part} is gone from {one.name}"
        case _K.RULE_CHANGED:
            return f"rule {one.part} of {one.name} was edited"
        case _K.JOINED:
            return f"{one.part} joined {one.name}"
        case _K.LEFT:
            return f"{one.part} left {one.name}"
        case _K.INNER_ACCESS_CHANGED:
            return f"the inner access policy of {one.name} is {one.after} now"
        case _K.GROUP_GONE:
            return f"{one.name} is gone"
        case _K.PREFIX_LIST_CHANGED:
            return f"the entries of {one.name} have changed"
        case _K.ADDRESS_CHANGED:
            return f"{one.part} has another address"
        case _K.CLASSIC_LINK_CHANGED:
            return f"the ClassicLink of {one.part} has changed"
