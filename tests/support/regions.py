"""Random estates with everything that decides about traffic, small enough for things to meet.

Two accounts, two regions, classic networks and VPCs, one of them shared and one linked with a
classic instance; all that the simulator accepts as an estate, and nothing else.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from app.domain.addresses import AddressFamily, Block
from app.domain.groups import Eni, Group, GroupKind, Instance, Place
from app.domain.rules import (
    ANY_PORT,
    Direction,
    GroupPeer,
    HeldRule,
    NicType,
    Peer,
    Policy,
    PortRange,
    PrefixListPeer,
    Protocol,
    Rule,
)
from app.domain.world import World
from tests.support.chance import Chance, Seeded, Shrinking
from tests.support.worlds import ACCOUNT, OTHER_ACCOUNT, REGION

FAR_REGION = "cn-beijing"


@dataclass(frozen=True, slots=True)
class Network:
    """Where groups and instances of one account are: a VPC, or the classic network."""

    place: Place
    vpc_id: str | None = None


CLASSIC = Network(Place(ACCOUNT, REGION))
CLASSIC_OF_OTHER = Network(Place(OTHER_ACCOUNT, REGION))
CLASSIC_FAR = Network(Place(ACCOUNT, FAR_REGION))
PRIVATE = Network(Place(ACCOUNT, REGION), "vpc-1")
SHARED = Network(Place(OTHER_ACCOUNT, REGION), "vpc-1")
PRIVATE_TWO = Network(Place(ACCOUNT, REGION), "vpc-2")
PRIVATE_FAR = Network(Place(ACCOUNT, FAR_REGION), "vpc-far")

VPC_OWNERS = {network.vpc_id: network.place for network in (PRIVATE, PRIVATE_TWO, PRIVATE_FAR)}

LAYOUTS: tuple[tuple[Network, ...], ...] = (
    (PRIVATE,),
    (CLASSIC,),
    (PRIVATE, SHARED),
    (CLASSIC, PRIVATE),
    (CLASSIC, CLASSIC_OF_OTHER),
    (CLASSIC, CLASSIC_OF_OTHER, PRIVATE, SHARED),
    (PRIVATE, PRIVATE_TWO),
    (CLASSIC, CLASSIC_FAR, PRIVATE, PRIVATE_FAR),
)

BLOCKS = {
    AddressFamily.IPV4: tuple(
        Block.read(text)
        for text in (
            "0.0.0.0/0",
            "10.0.0.0/16",
            "10.0.0.0/24",
            "10.0.0.1/32",
            "10.0.0.2/31",
            "10.0.1.0/24",
            "10.0.0.3/32",
            "47.0.0.0/30",
            "47.0.0.1/32",
        )
    ),
    AddressFamily.IPV6: tuple(
        Block.read(text) for text in ("::/0", "fd00::/64", "fd00::1/128", "fd00::2/127")
    ),
}
PREFIX_LISTS = {
    (Place(ACCOUNT, REGION), AddressFamily.IPV4): "pl-a4",
    (Place(ACCOUNT, REGION), AddressFamily.IPV6): "pl-a6",
    (Place(OTHER_ACCOUNT, REGION), AddressFamily.IPV4): "pl-b4",
    (Place(ACCOUNT, FAR_REGION), AddressFamily.IPV4): "pl-f4",
}
PORTS = (
    ANY_PORT,
    PortRange(22, 22),
    PortRange(20, 30),
    PortRange(22, 80),
    PortRange(80, 80),
    PortRange(1, 65535),
    PortRange(1, 1),
    PortRange(65535, 65535),
    PortRange(30, 65535),
    PortRange(1, 22),
)
SOURCE_PORTS = (PortRange(1024, 65535), PortRange(1, 1023), PortRange(40000, 40000))
PRIORITIES = (1, 2, 50, 100, 110)
PROTOCOLS = {
    AddressFamily.IPV4: ("tcp", "all", "tcp", "tcp", "udp", "icmp", "gre"),
    AddressFamily.IPV6: ("tcp", "all", "tcp", "tcp", "udp", "icmpv6", "gre"),
}


@st.composite
def estates(draw: st.DrawFn) -> World:
    return an_estate(Shrinking(draw))


def seeded_estate(seed: object) -> World:
    return an_estate(Seeded(seed))


def an_estate(chance: Chance, *, unique: bool = False) -> World:
    """Return a world of which everything was read.

    A private address is unique in its network, and in another one it may come again unless
    it must be `unique`.
    """
    return _Drawing(chance, unique=unique).world()


def a_change(chance: Chance, before: World) -> World:
    """Return the world after one thing changed: a rule, a membership or an inner access."""
    return _Changing(chance, before).changed()


def a_changed_list(chance: Chance, before: World) -> World:
    """Return the world after somebody wrote other entries into one prefix list."""
    names = {name: family for (_, family), name in PREFIX_LISTS.items()}
    rules = [held.rule for group in before.groups.values() for held in group.rules]
    peers = {rule.peer for rule in rules}
    used = sorted(peer.prefix_list_id for peer in peers if isinstance(peer, PrefixListPeer))
    name = chance.one(used or sorted(names))
    entries = tuple(sorted(chance.some(BLOCKS[names[name]], 0, 3)))
    return replace(before, prefix_lists={**before.prefix_lists, name: entries})


def touched_lists(before: World, after: World) -> frozenset[str]:
    """Return the prefix lists in which two worlds differ."""
    lists = before.prefix_lists
    return frozenset(key for key in lists if lists[key] != after.prefix_lists[key])


def touched(before: World, after: World) -> tuple[frozenset[str], frozenset[str]]:
    """Return the groups and the instances in which two worlds differ."""
    groups = {key for key in before.groups if before.groups[key] != after.groups[key]}
    moved = {key for key in before.instances if before.instances[key] != after.instances[key]}
    return frozenset(groups), frozenset(moved)


# --- rules ------------------------------------------------------------------------


def a_rule(chance: Chance, group: Group, groups: Sequence[Group]) -> Rule:
    """Draw a rule that the cloud would take for this group."""
    classic = group.vpc_id is None
    family = AddressFamily.IPV4
    if not classic and chance.maybe(30):
        family = AddressFamily.IPV6
    protocol = Protocol(chance.one(PROTOCOLS[family]))
    peer = _a_peer(chance, group, groups, family)
    nic_type = NicType.INTRANET
    if classic and isinstance(peer, Block) and chance.maybe(35):
        nic_type = NicType.INTERNET
    own = chance.one(BLOCKS[family]) if chance.maybe(20) else None
    has_ports = protocol.has_ports
    return Rule(
        direction=chance.one((Direction.INGRESS, Direction.INGRESS, Direction.EGRESS)),
        protocol=protocol,
        ports=chance.one(PORTS[1:]) if has_ports else ANY_PORT,
        peer=peer,
        policy=chance.one((Policy.ACCEPT, Policy.ACCEPT, Policy.DROP)),
        priority=chance.one(PRIORITIES),
        nic_type=nic_type,
        own=own,
        source_ports=chance.one(SOURCE_PORTS) if has_ports and chance.maybe(20) else ANY_PORT,
    )


def _a_peer(chance: Chance, group: Group, groups: Sequence[Group], family: AddressFamily) -> Peer:
    kind = chance.number(0, 9)
    nameable = [each for each in groups if _may_name(group, each)]
    if kind >= 6 and nameable:
        named = chance.one(nameable)
        return GroupPeer(named.group_id, named.place.account_id)
    prefix_list = PREFIX_LISTS.get((group.place, family))
    if kind >= 4 and group.vpc_id is not None and prefix_list is not None:
        return PrefixListPeer(prefix_list)
    return chance.one(BLOCKS[family][:3] if kind < 2 else BLOCKS[family])


def _may_name(group: Group, other: Group) -> bool:
    """Whether a rule of one group may name another. Source: ECS API, AuthorizeSecurityGroup."""
    return (
        group.group_id != other.group_id
        and group.kind is GroupKind.BASIC
        and group.place.region_id == other.place.region_id
        and (group.vpc_id is None or other.vpc_id is None or group.vpc_id == other.vpc_id)
    )


# --- estates ----------------------------------------------------------------------


class _Drawing:
    def __init__(self, chance: Chance, *, unique: bool) -> None:
        self._chance = chance
        self._hosts = 0
        self._rules = 0
        self._reuses_addresses = not unique and chance.maybe(30)
        self._in_network: Counter[tuple[str | None, str]] = Counter()

    def world(self) -> World:
        chance = self._chance
        networks = chance.one(LAYOUTS)
        bare = [
            group
            for number, network in enumerate(networks)
            for group in self._groups(number, network, few=len(networks) > 2)
        ]
        groups = [self._with_rules(group, bare) for group in bare]
        instances = [
            instance
            for network in networks
            for instance in self._instances(network, bare, few=len(networks) > 2)
        ]
        lists = {name: self._entries(family) for (_, family), name in PREFIX_LISTS.items()}
        return World(
            {group.group_id: group for group in groups},
            {instance.instance_id: instance for instance in instances},
            lists,
            complete=frozenset(group.group_id for group in groups),
        )

    def _entries(self, family: AddressFamily) -> tuple[Block, ...]:
        return tuple(sorted(self._chance.some(BLOCKS[family][1:], 0, 3)))

    def _groups(self, number: int, network: Network, *, few: bool) -> list[Group]:
        return [
            self._group(f"sg-{number}{letter}", network)
            for letter in "abc"[: self._chance.number(1, 2 if few else 3)]
        ]

    def _group(self, group_id: str, network: Network) -> Group:
        enterprise = network.vpc_id is not None and self._chance.maybe(20)
        return Group(
            group_id,
            network.place,
            group_id,
            vpc_id=network.vpc_id,
            kind=GroupKind.ENTERPRISE if enterprise else GroupKind.BASIC,
            inner_access=Policy.DROP
            if enterprise
            else self._chance.one((Policy.DROP, Policy.DROP, Policy.ACCEPT)),
        )

    def _with_rules(self, group: Group, groups: Sequence[Group]) -> Group:
        count = self._chance.number(0, 7)
        rules = dict.fromkeys(a_rule(self._chance, group, groups) for _ in range(count))
        return replace(group, rules=tuple(self._held(rule) for rule in rules))

    def _held(self, rule: Rule) -> HeldRule:
        self._rules += 1
        return HeldRule(f"sgr-{self._rules:03}", rule)

    def _instances(self, network: Network, groups: Sequence[Group], *, few: bool) -> list[Instance]:
        own = [
            group
            for group in groups
            if group.place == network.place and group.vpc_id == network.vpc_id
        ]
        return [
            self._instance(network, own) for _ in range(self._chance.number(1, 2 if few else 3))
        ]

    def _instance(self, network: Network, own: Sequence[Group]) -> Instance:
        self._hosts += 1
        number = self._hosts
        where = (network.vpc_id, network.place.region_id)
        self._in_network[where] += 1
        host = self._in_network[where] if self._reuses_addresses else number
        linked = network == CLASSIC and self._chance.maybe(50)
        more = network.vpc_id is not None and self._chance.maybe(25)
        enis = [self._eni(network, own, number, host, second=False)]
        if more:
            enis.append(self._eni(network, own, number, host, second=True))
        return Instance(
            f"i-{number}",
            network.place,
            tuple(enis),
            vpc_id=network.vpc_id,
            classic_link_vpc_id=PRIVATE.vpc_id if linked else None,
        )

    def _eni(
        self, network: Network, own: Sequence[Group], number: int, host: int, *, second: bool
    ) -> Eni:
        chance = self._chance
        last = 20 + host if second else host
        addresses = [f"10.0.{int(second)}.{last}"]
        if network.vpc_id is not None:
            if chance.maybe(20):
                addresses.append(f"10.0.1.{100 + last}")
            if chance.maybe(60):
                addresses.append(f"fd00::{last:x}")
        public = f"47.0.0.{20 + number if second else number}" if chance.maybe(60) else None
        first = chance.one(own)
        alike = [group.group_id for group in own if group.kind is first.kind and group != first]
        return Eni(
            f"i-{number}" if network.vpc_id is None else f"eni-{number}-{int(second)}",
            tuple(Block.read(text) for text in addresses),
            frozenset([first.group_id, *chance.some(alike, 0, 2)]),
            None if public is None else Block.read(public),
        )


class _Changing:
    def __init__(self, chance: Chance, before: World) -> None:
        self._chance = chance
        self._before = before

    def changed(self) -> World:
        """Return the world after a change; a rule more where nothing else can change."""
        ways = (self._more_rules, self._fewer_rules, self._moved, self._other_access)
        way = self._chance.one((0, 0, 1, 1, 2, 2, 3))
        return ways[way]() or self._more_rules() or self._before

    def _more_rules(self) -> World | None:
        before, chance = self._before, self._chance
        group = before.groups[chance.one(sorted(before.groups))]
        present = {held.rule for held in group.rules}
        fresh = dict.fromkeys(
            a_rule(chance, group, list(before.groups.values())) for _ in range(chance.number(1, 2))
        )
        added = [
            HeldRule(f"sgr-new-{number}", rule)
            for number, rule in enumerate(fresh)
            if rule not in present
        ]
        return self._with(replace(group, rules=(*group.rules, *added)))

    def _fewer_rules(self) -> World | None:
        holders = [group for _, group in sorted(self._before.groups.items()) if group.rules]
        if not holders:
            return None
        group = self._chance.one(holders)
        gone = self._chance.some(group.rules, 1, 2)
        return self._with(
            replace(group, rules=tuple(held for held in group.rules if held not in gone))
        )

    def _moved(self) -> World | None:
        """Let an instance join or leave a group, by its primary interface."""
        before = self._before
        instance = before.instances[self._chance.one(sorted(before.instances))]
        own = instance.primary.group_ids
        kind = before.groups[min(own)].kind
        joinable = [
            group.group_id
            for group in before.groups.values()
            if (group.place, group.vpc_id, group.kind) == (instance.place, instance.vpc_id, kind)
        ]
        ways = [own | {each} for each in sorted(joinable) if each not in own]
        ways += [own - {each} for each in sorted(own) if len(own) > 1]
        if not ways:
            return None
        primary = replace(instance.primary, group_ids=self._chance.one(ways))
        moved = replace(instance, enis=(primary, *instance.enis[1:]))
        return replace(before, instances={**before.instances, moved.instance_id: moved})

    def _other_access(self) -> World | None:
        basic = [
            group
            for _, group in sorted(self._before.groups.items())
            if group.kind is GroupKind.BASIC
        ]
        if not basic:
            return None
        group = self._chance.one(basic)
        other = Policy.DROP if group.inner_access is Policy.ACCEPT else Policy.ACCEPT
        return self._with(replace(group, inner_access=other))

    def _with(self, group: Group) -> World:
        return replace(self._before, groups={**self._before.groups, group.group_id: group})
