"""The ground truth, indexed by everything that actions ask for; not safe without the lock."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from app.simulator.state.identifiers import Identifiers
from app.simulator.state.resources import (
    Account,
    Group,
    Instance,
    Interface,
    PortList,
    PrefixList,
    Rule,
    Vpc,
)

Changeable: TypeAlias = Group | Instance | Interface

Undo: TypeAlias = "Callable[[], Undo]"
"""Takes back one change, and returns what makes it again exactly as it was."""

MOST_STEPS = 20_000
"""How many changes can be taken back; older ones are final."""


class Store:
    """Every resource by id, and every change to them; `version` counts the changes.

    Changes here check nothing: actions do that, and an estate is checked as it is read. Every
    change that an action makes is kept as a step that `as_of` can take back.
    """

    def __init__(self, identifiers: Identifiers) -> None:
        self.identifiers = identifiers
        self.version = 0
        self._steps: deque[tuple[int, Undo]] = deque(maxlen=MOST_STEPS)
        self.accounts: dict[str, Account] = {}
        self.logins: dict[str, str] = {}
        self.key_owners: dict[str, str] = {}
        self.vpcs: dict[str, Vpc] = {}
        self.vpc_users: dict[str, set[str]] = defaultdict(set)
        self.prefix_lists: dict[str, PrefixList] = {}
        self.port_lists: dict[str, PortList] = {}
        self.groups: dict[str, Group] = {}
        self.groups_of: dict[tuple[str, str], dict[str, Group]] = defaultdict(dict)
        self.instances: dict[str, Instance] = {}
        self.instances_of: dict[tuple[str, str], list[Instance]] = defaultdict(list)
        self.links: dict[str, list[Instance]] = defaultdict(list)
        self.interfaces: dict[str, Interface] = {}
        self.interfaces_of: dict[tuple[str, str], list[Interface]] = defaultdict(list)
        self.holders: dict[str, list[Interface]] = defaultdict(list)
        self.members: dict[str, dict[str, Interface]] = defaultdict(dict)
        self.rule_groups: dict[str, str] = {}
        self.references: dict[str, Counter[str]] = defaultdict(Counter)
        self.associations: dict[str, Counter[str]] = defaultdict(Counter)
        self.listings: dict[tuple[str, str], object] = {}

    # ---- what an estate brings and no action changes

    def add_account(self, account: Account) -> None:
        """Take in an account with its keys."""
        self.accounts[account.account_id] = account
        if account.login:
            self.logins[account.login] = account.account_id
        for key_id in account.access_keys:
            self.key_owners[key_id] = account.account_id

    def add_vpc(self, vpc: Vpc) -> None:
        """Take in a VPC; its owner may use it."""
        self.vpcs[vpc.vpc_id] = vpc
        self.vpc_users[vpc.vpc_id].add(vpc.owner_id)

    def add_instance(self, instance: Instance) -> None:
        """Take in an instance with its interfaces, addresses and memberships."""
        place = (instance.owner_id, instance.region_id)
        self.instances[instance.instance_id] = instance
        self.instances_of[place].append(instance)
        if instance.vpc_id:
            self.vpc_users[instance.vpc_id].add(instance.owner_id)
            self.interfaces_of[place].extend(instance.interfaces)
        if instance.classic_link_vpc_id:
            self.links[instance.classic_link_vpc_id].append(instance)
        for interface in instance.interfaces:
            self._add_interface(interface)

    def _add_interface(self, interface: Interface) -> None:
        self.interfaces[interface.interface_id] = interface
        for address in interface.addresses():
            self.holders[address].append(interface)
        for group_id in interface.group_ids:
            self.members[group_id][interface.interface_id] = interface

    # ---- the past

    def _step(self, undo: Undo) -> None:
        self.version += 1
        self._steps.append((self.version, undo))

    def begin(self, version: int = 0) -> None:
        """Take the present for the beginning, which no step goes back behind."""
        self.version += version
        self._steps.clear()

    @contextmanager
    def as_of(self, version: int) -> Iterator[None]:
        """Let the block see everything as it was; it must change nothing.

        Only the steps since then are taken back, and made again afterwards: what this costs does
        not depend on the size of the estate.
        """
        again: list[Undo] = []
        try:
            for made, undo in reversed(self._steps):
                if made <= version:
                    break
                again.append(undo())
            yield
        finally:
            for redo in reversed(again):
                redo()

    def change(self, resource: Changeable, **values: object) -> None:
        """Give fields that no index depends on other values, unless they have them already."""
        before = {name: getattr(resource, name) for name in values}
        if before != values:
            self._step(_swap(resource, values))

    def add_prefix_list(self, prefix_list: PrefixList) -> None:
        """Take in a prefix list."""
        self._step(self._put_prefix_list(prefix_list))

    def _put_prefix_list(self, prefix_list: PrefixList) -> Undo:
        self.prefix_lists[prefix_list.prefix_list_id] = prefix_list
        return partial(self._take_prefix_list, prefix_list)

    def _take_prefix_list(self, prefix_list: PrefixList) -> Undo:
        del self.prefix_lists[prefix_list.prefix_list_id]
        return partial(self._put_prefix_list, prefix_list)

    # ---- groups

    def add_group(self, group: Group) -> None:
        """Take in a group, with the rules that it already has."""
        if group.vpc_id:
            self.vpc_users[group.vpc_id].add(group.owner_id)
        rules = list(group.rules.values())
        group.rules.clear()
        self._step(self._put_group(group))
        for rule in rules:
            self.add_rule(group, rule)

    def remove_group(self, group: Group) -> None:
        """Forget a group without members that no rule names."""
        for rule in list(group.rules.values()):
            self.remove_rule(group, rule.rule_id)
        self._step(self._take_group(group))

    def _put_group(self, group: Group) -> Undo:
        self.groups[group.group_id] = group
        self.groups_of[group.owner_id, group.region_id][group.group_id] = group
        return partial(self._take_group, group)

    def _take_group(self, group: Group) -> Undo:
        del self.groups[group.group_id]
        del self.groups_of[group.owner_id, group.region_id][group.group_id]
        self.members.pop(group.group_id, None)
        self.references.pop(group.group_id, None)
        return partial(self._put_group, group)

    def referencing_group_ids(self, group_id: str) -> list[str]:
        """Return the groups whose rules name this one, sorted."""
        return sorted(self.references[group_id]) if group_id in self.references else []

    # ---- rules

    def weight(self, rule: Rule) -> int:
        """Return what a rule costs of the quota: a prefix list or a port list costs its maximum.

        One that names both costs their product, as if every pair were a rule.
        Source: ECS user guide, Prefix lists; ECS API, CreatePortRangeList.
        """
        weight = 1
        if rule.prefix_list_id:
            weight *= self.prefix_lists[rule.prefix_list_id].max_entries
        if rule.port_list_id:
            weight *= self.port_lists[rule.port_list_id].max_entries
        return weight

    def add_rule(self, group: Group, rule: Rule) -> Rule:
        """Add a rule, with a new id where it has none; return it as added."""
        if not rule.rule_id:
            rule = replace(rule, rule_id=self._new_rule_id())
        self._step(self._put_rule(group, rule, len(group.rules)))
        return rule

    def replace_rule(self, group: Group, rule: Rule) -> None:
        """Put a rule in the place of the one that has its id."""
        order = list(group.rules)
        self.remove_rule(group, rule.rule_id)
        self.add_rule(group, rule)
        group.rules = {rule_id: group.rules[rule_id] for rule_id in order}

    def remove_rule(self, group: Group, rule_id: str) -> None:
        """Remove a rule of the group."""
        self._step(self._take_rule(group, rule_id))

    def _put_rule(self, group: Group, rule: Rule, position: int) -> Undo:
        if position >= len(group.rules):
            group.rules[rule.rule_id] = rule
        else:
            rules = list(group.rules.values())
            rules.insert(position, rule)
            group.rules = {item.rule_id: item for item in rules}
        group.rule_ids[rule.identity()] = rule.rule_id
        group.weight += self.weight(rule)
        self.rule_groups[rule.rule_id] = group.group_id
        if rule.peer_group_id:
            self.references[rule.peer_group_id][group.group_id] += 1
        if rule.prefix_list_id:
            self.associations[rule.prefix_list_id][group.group_id] += 1
        return partial(self._take_rule, group, rule.rule_id)

    def _take_rule(self, group: Group, rule_id: str) -> Undo:
        position = next(place for place, key in enumerate(group.rules) if key == rule_id)
        rule = group.rules.pop(rule_id)
        if group.rule_ids.get(rule.identity()) == rule_id:
            del group.rule_ids[rule.identity()]
        group.weight -= self.weight(rule)
        del self.rule_groups[rule_id]
        if rule.peer_group_id:
            _forget(self.references[rule.peer_group_id], group.group_id)
        if rule.prefix_list_id:
            _forget(self.associations[rule.prefix_list_id], group.group_id)
        return partial(self._put_rule, group, rule, position)

    def _new_rule_id(self) -> str:
        return self._unused("sgr", self.rule_groups)

    def new_prefix_list_id(self) -> str:
        """Return an id that no prefix list has."""
        return self._unused("pl", self.prefix_lists)

    def new_group_id(self) -> str:
        """Return an id that no group has."""
        return self._unused("sg", self.groups)

    def _unused(self, prefix: str, taken: Iterable[str]) -> str:
        while (fresh := self.identifiers.resource(prefix)) in taken:
            pass
        return fresh

    # ---- memberships

    def join(self, interface: Interface, group: Group) -> None:
        """Put an interface into a group."""
        self._step(self._put_member(interface, group.group_id, len(interface.group_ids)))

    def leave(self, interface: Interface, group: Group) -> None:
        """Take an interface out of a group."""
        self._step(self._take_member(interface, group.group_id))

    def _put_member(self, interface: Interface, group_id: str, position: int) -> Undo:
        interface.group_ids.insert(position, group_id)
        self.members[group_id][interface.interface_id] = interface
        return partial(self._take_member, interface, group_id)

    def _take_member(self, interface: Interface, group_id: str) -> Undo:
        position = interface.group_ids.index(group_id)
        interface.group_ids.remove(group_id)
        del self.members[group_id][interface.interface_id]
        return partial(self._put_member, interface, group_id, position)

    def members_of(self, group: Group) -> Iterable[Interface]:
        """Return the interfaces in a group."""
        return self.members[group.group_id].values() if group.group_id in self.members else ()

    def groups_on(self, interface: Interface) -> list[Group]:
        """Return the groups of an interface, in the order of joining."""
        return [self.groups[group_id] for group_id in interface.group_ids]


def _swap(resource: Changeable, values: Mapping[str, object]) -> Undo:
    before = {name: getattr(resource, name) for name in values}
    for name, value in values.items():
        setattr(resource, name, value)
    return partial(_swap, resource, before)


def _forget(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
