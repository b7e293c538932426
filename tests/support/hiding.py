"""What could not be read is taken away from a world, and put back in every way that it may be."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import TypeVar

from app.domain.addresses import Block
from app.domain.flows import Flow
from app.domain.groups import Group, GroupKind
from app.domain.rules import (
    ANY_PORT,
    Direction,
    GroupPeer,
    HeldRule,
    NicType,
    Policy,
    PortRange,
    PrefixListPeer,
    Protocol,
    Rule,
)
from app.domain.world import AddressEnd, InterfaceEnd, World
from tests.support.chance import Chance
from tests.support.worlds import rule

T = TypeVar("T")

PORT_LISTS = ("prl-1", "prl-2")


def hidden(world: World, chance: Chance) -> World:
    """Return the world as somebody reads it who may not see everything."""
    unread = chance.some(sorted(world.groups), 0, 1) if chance.maybe(60) else []
    lists = chance.some(sorted(world.prefix_lists), 0, 2)
    groups = {
        key: replace(group, rules=tuple(_without_ports(held, chance) for held in group.rules))
        for key, group in world.groups.items()
        if key not in unread
    }
    return replace(
        world,
        groups=groups,
        prefix_lists={key: each for key, each in world.prefix_lists.items() if key not in lists},
        complete=frozenset(key for key in groups if chance.maybe(60)),
    )


def _without_ports(held: HeldRule, chance: Chance) -> HeldRule:
    if not held.rule.protocol.has_ports or not chance.maybe(15):
        return held
    listed = replace(held.rule, ports=None, port_list_id=chance.one(PORT_LISTS))
    return HeldRule(held.rule_id, listed)


def completions(world: World, flow: Flow) -> Iterator[World]:
    """Return every world, as far as it matters to a flow of one packet, that may be the real one.

    A prefix list may hold either end's address, a port list the port; a bare address may be of
    a member of a group of which not all members are known; and a group that could not be read may
    let in, let out, refuse or connect its members.
    """
    group_ids, rules = _guarding(world, flow)
    for lists, ports, members, groups in product(
        _choices(_unread_lists(world, rules), _entries(flow)),
        _choices(_port_lists(rules), (True, False)),
        _choices(_strange_groups(world, flow, rules), (True, False)),
        _unread_groups(world, flow, group_ids),
    ):
        yield _Completion(flow, lists, ports, members, groups).of(world)


def _guarding(world: World, flow: Flow) -> tuple[frozenset[str], list[Rule]]:
    """Return the groups on both ends, and the rules of those that were read."""
    guards = [end for end in (flow.source, flow.target) if isinstance(end, InterfaceEnd)]
    group_ids: frozenset[str] = frozenset().union(*(end.eni.group_ids for end in guards))
    read = [world.groups[key] for key in sorted(group_ids) if key in world.groups]
    return group_ids, [held.rule for group in read for held in group.rules]


def _choices(names: Iterable[str], options: Iterable[T]) -> list[dict[str, T]]:
    names = sorted(names)
    return [dict(zip(names, chosen, strict=True)) for chosen in product(options, repeat=len(names))]


def _unread_lists(world: World, rules: Iterable[Rule]) -> set[str]:
    peers = {rule.peer for rule in rules}
    named = {peer.prefix_list_id for peer in peers if isinstance(peer, PrefixListPeer)}
    return named - world.prefix_lists.keys()


def _entries(flow: Flow) -> tuple[tuple[Block, ...], ...]:
    """Return which of the two ends an unread list may hold."""
    one, other = (
        end.block
        for end in (flow.source, flow.target)
        if isinstance(end, InterfaceEnd | AddressEnd)
    )
    return ((), (one,), (other,), (one, other))


def _port_lists(rules: Iterable[Rule]) -> set[str]:
    return {rule.port_list_id for rule in rules if rule.ports is None and rule.port_list_id}


def _strange_groups(world: World, flow: Flow, rules: Iterable[Rule]) -> set[str]:
    """Return the groups that a bare address may be in; they stand for private addresses only."""
    if flow.plane is NicType.INTERNET or not any(
        isinstance(end, AddressEnd) for end in (flow.source, flow.target)
    ):
        return set()
    peers = {rule.peer for rule in rules}
    return {peer.group_id for peer in peers if isinstance(peer, GroupPeer)} - world.complete


@dataclass(frozen=True)
class _Completion:
    flow: Flow
    lists: Mapping[str, tuple[Block, ...]]
    ports: Mapping[str, bool]
    members: Mapping[str, bool]
    groups: Mapping[str, Group]

    def of(self, world: World) -> World:
        read = {
            key: replace(group, rules=tuple(self._rules(group)))
            for key, group in world.groups.items()
        }
        groups = {**read, **self.groups}
        peers = {held.rule.peer for group in read.values() for held in group.rules}
        named = {peer.group_id for peer in peers if isinstance(peer, GroupPeer)}
        lists = {**world.prefix_lists, **self.lists}
        return replace(
            world, groups=groups, prefix_lists=lists, complete=frozenset(named | groups.keys())
        )

    def _rules(self, group: Group) -> Iterator[HeldRule]:
        for held in group.rules:
            whole = self._with_ports(held.rule)
            yield HeldRule(held.rule_id, whole)
            if isinstance(whole.peer, GroupPeer) and self.members.get(whole.peer.group_id):
                for end in (self.flow.source, self.flow.target):
                    if isinstance(end, AddressEnd) and self._fits(whole, end.block):
                        yield HeldRule(f"{held.rule_id}-member", replace(whole, peer=end.block))

    def _fits(self, whole: Rule, block: Block) -> bool:
        return whole.own is None or whole.own.family is block.family

    def _with_ports(self, listed: Rule) -> Rule:
        if listed.ports is not None or listed.port_list_id is None:
            return listed
        asked = self.flow.traffic.ports
        other = PortRange(1, 1) if asked.first != 1 else PortRange(2, 2)
        if asked == ANY_PORT or self.ports.get(listed.port_list_id, False):
            return replace(listed, ports=asked)
        return replace(listed, ports=other)


def _unread_groups(world: World, flow: Flow, group_ids: Iterable[str]) -> list[dict[str, Group]]:
    """Return what the groups on the ends that could not be read may be."""
    unread = sorted(set(group_ids) - world.groups.keys())
    every = [list(_any_group(world, flow, group_id)) for group_id in unread]
    return [dict(zip(unread, chosen, strict=True)) for chosen in product(*every)]


def _any_group(world: World, flow: Flow, group_id: str) -> Iterator[Group]:
    ends = (flow.source, flow.target)
    holders = [
        end for end in ends if isinstance(end, InterfaceEnd) and group_id in end.eni.group_ids
    ]
    beside = {
        world.groups[key].kind
        for end in holders
        for key in end.eni.group_ids
        if key in world.groups
    }
    kinds = beside or set(GroupKind if holders[0].instance.vpc_id else [GroupKind.BASIC])
    for kind, access, out, into in product(sorted(kinds), Policy, (None, *Policy), (None, *Policy)):
        if kind is GroupKind.ENTERPRISE and access is Policy.ACCEPT:
            continue
        yield Group(
            group_id,
            holders[0].instance.place,
            vpc_id=holders[0].instance.vpc_id,
            kind=kind,
            inner_access=access,
            rules=tuple(_any_rules(flow, group_id, out, into)),
        )


def _any_rules(
    flow: Flow, group_id: str, out: Policy | None, into: Policy | None
) -> Iterator[HeldRule]:
    for direction, policy in ((Direction.EGRESS, out), (Direction.INGRESS, into)):
        if policy is not None:
            for peer in ("0.0.0.0/0", "::/0"):
                yield rule(
                    rule_id=f"sgr-{group_id}-{direction}-{peer}",
                    direction=direction,
                    protocol=Protocol.ALL,
                    peer=peer,
                    policy=policy,
                    nic_type=flow.plane,
                )
