"""Builders of worlds: keyword-only, every argument with a default."""

from collections.abc import Iterable, Mapping

from app.domain.addresses import AddressFamily, Block
from app.domain.flows import Flow, Traffic
from app.domain.groups import Eni, Group, GroupKind, GroupRef, Instance, Place
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
from app.domain.world import AddressEnd, End, InterfaceEnd, World, addresses_of

ACCOUNT = "1000000000000001"
OTHER_ACCOUNT = "1000000000000002"
REGION = "cn-hangzhou"
VPC = "vpc-1"


def place(*, account: str = ACCOUNT, region: str = REGION) -> Place:
    return Place(account, region)


def peer_of(text: str, *, account: str = ACCOUNT) -> Peer:
    """Read `sg-…` as a group, `pl-…` as a prefix list, anything else as an address block."""
    if text.startswith("sg-"):
        return GroupPeer(text, account)
    return PrefixListPeer(text) if text.startswith("pl-") else Block.read(text)


def ports_of(text: str | None) -> PortRange | None:
    """Read `80` or `80/90`; "" is every port, and None a list that was not read."""
    if not text:
        return None if text is None else ANY_PORT
    first, _, last = text.partition("/")
    return PortRange(int(first), int(last or first))


def rule(
    *,
    rule_id: str = "sgr-1",
    direction: str = "ingress",
    protocol: str = "tcp",
    ports: str | None = "",
    peer: str = "0.0.0.0/0",
    peer_account: str = ACCOUNT,
    policy: str = "accept",
    priority: int = 1,
    nic_type: str = "intranet",
    own: str | None = None,
    source_ports: str = "",
    port_list_id: str | None = None,
) -> HeldRule:
    meaning = Rule(
        Direction(direction),
        Protocol(protocol),
        ports_of(ports),
        peer_of(peer, account=peer_account),
        Policy(policy),
        priority,
        NicType(nic_type),
        None if own is None else Block.read(own),
        ports_of(source_ports) or ANY_PORT,
        None if ports_of(ports) else port_list_id,
    )
    return HeldRule(rule_id, meaning)


def group(
    *,
    group_id: str = "sg-1",
    rules: Iterable[HeldRule] = (),
    vpc_id: str | None = None,
    kind: GroupKind = GroupKind.BASIC,
    inner_access: str = "accept",
    account: str = ACCOUNT,
    region: str = REGION,
) -> Group:
    policy = Policy.DROP if kind is GroupKind.ENTERPRISE else Policy(inner_access)
    return Group(
        group_id,
        place(account=account, region=region),
        vpc_id=vpc_id,
        kind=kind,
        inner_access=policy,
        rules=tuple(rules),
    )


def instance(
    *,
    instance_id: str = "i-a",
    addresses: Iterable[str] = ("10.0.0.1",),
    groups: Iterable[str] = ("sg-1",),
    public: str | None = None,
    vpc_id: str | None = None,
    classic_link: str | None = None,
    account: str = ACCOUNT,
    region: str = REGION,
    more_enis: Iterable[Eni] = (),
) -> Instance:
    primary = eni(eni_id=f"{instance_id}-0", addresses=addresses, groups=groups, public=public)
    return Instance(
        instance_id,
        place(account=account, region=region),
        (primary, *more_enis),
        vpc_id=vpc_id,
        classic_link_vpc_id=classic_link,
    )


def eni(
    *,
    eni_id: str = "eni-1",
    addresses: Iterable[str] = ("10.0.0.9",),
    groups: Iterable[str] = ("sg-1",),
    public: str | None = None,
) -> Eni:
    blocks = tuple(Block.read(address) for address in addresses)
    return Eni(eni_id, blocks, frozenset(groups), None if public is None else Block.read(public))


def world(
    *,
    groups: Iterable[Group] = (),
    instances: Iterable[Instance] = (),
    prefix_lists: Mapping[str, Iterable[str]] | None = None,
    references: Mapping[str, Iterable[GroupRef]] | None = None,
    complete: Iterable[str] | None = None,
    unread: Iterable[GroupRef] = (),
) -> World:
    """Build a world; left out, `complete` is every group in it."""
    by_id = {each.group_id: each for each in groups}
    return World(
        by_id,
        {each.instance_id: each for each in instances},
        {
            key: tuple(Block.read(each) for each in entries)
            for key, entries in (prefix_lists or {}).items()
        },
        {key: frozenset(refs) for key, refs in (references or {}).items()},
        frozenset(by_id if complete is None else complete),
        frozenset(unread),
    )


def end(
    of: Instance,
    *,
    plane: NicType = NicType.INTRANET,
    family: AddressFamily = AddressFamily.IPV4,
) -> InterfaceEnd:
    """Return the first address of the primary interface on a plane."""
    return InterfaceEnd(of, of.primary, addresses_of(of.primary, plane, family)[0])


def address(text: str) -> AddressEnd:
    return AddressEnd(Block.read(text))


def flow(
    source: Instance | End,
    target: Instance | End,
    *,
    protocol: str = "tcp",
    ports: str = "",
    source_ports: str = "",
    plane: NicType = NicType.INTRANET,
    family: AddressFamily = AddressFamily.IPV4,
) -> Flow:
    ends = [
        end(each, plane=plane, family=family) if isinstance(each, Instance) else each
        for each in (source, target)
    ]
    traffic = Traffic(
        Protocol(protocol), ports_of(ports) or ANY_PORT, ports_of(source_ports) or ANY_PORT
    )
    return Flow(ends[0], ends[1], traffic, plane, family)
