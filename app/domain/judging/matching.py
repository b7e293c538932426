"""Which packets a rule speaks of, as far as what was read can tell."""

from collections.abc import Iterable
from enum import StrEnum
from typing import assert_never

from app.domain.addresses import AddressFamily, Block, subtract
from app.domain.rules import GroupPeer, NicType, Peer, PrefixListPeer, Protocol, Rule
from app.domain.world import AddressEnd, End, GroupEnd, InterfaceEnd, World

ONE_FAMILY = {
    Protocol.ICMP: AddressFamily.IPV4,
    Protocol.ICMPV6: AddressFamily.IPV6,
}
"""Source: ECS API, AuthorizeSecurityGroup (icmp is IPv4 only, ping over IPv6 is icmpv6)."""


class Match(StrEnum):
    """`maybe` where it depends on what could not be read."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


def speaks_of(rule: Rule, family: AddressFamily) -> bool:
    """Say whether a rule can match packets of `family` at all; 0.0.0.0/0 covers no IPv6."""
    if ONE_FAMILY.get(rule.protocol, family) is not family:
        return False
    if rule.own is not None and rule.own.family is not family:
        return False
    return not isinstance(rule.peer, Block) or rule.peer.family is family


def is_readable(rule: Rule) -> bool:
    """Say whether the rule itself tells all of its protocol and ports.

    A rule for a protocol without a name here speaks of one protocol number, and nobody
    knows which one a packet of `other` has.
    """
    return rule.ports is not None and rule.protocol is not Protocol.OTHER


def peer_match(world: World, peer: Peer, end: End, plane: NicType) -> Match:
    """Say whether `end` is one of the addresses that `peer` stands for."""
    match peer:
        case Block():
            return blocks_match((peer,), end)
        case GroupPeer():
            return _group_match(world, peer, end, plane)
        case PrefixListPeer(prefix_list_id):
            entries = world.prefix_lists.get(prefix_list_id)
            return Match.MAYBE if entries is None else blocks_match(entries, end)
        case _:
            assert_never(peer)


def blocks_match(blocks: Iterable[Block], end: End) -> Match:
    """Say whether all addresses of `end` are in `blocks`; `maybe` where only some are."""
    if isinstance(end, GroupEnd):
        lengths = [block.prefix_length for block in blocks if block.family is end.family]
        if not lengths:
            return Match.NO
        return Match.YES if 0 in lengths else Match.MAYBE
    near = tuple(block for block in blocks if block.overlaps(end.block))
    if not near:
        return Match.NO
    return Match.MAYBE if subtract(end.block, near) else Match.YES


def _group_match(world: World, peer: GroupPeer, end: End, plane: NicType) -> Match:
    """Compare with a group: it stands for the private addresses of its members, no others.

    Source: ECS API, AuthorizeSecurityGroup, parameter SourceGroupId.
    """
    if plane is not NicType.INTRANET:
        return Match.NO
    match end:
        case InterfaceEnd(eni=eni):
            return Match.YES if peer.group_id in eni.group_ids else Match.NO
        case AddressEnd():
            return Match.NO if peer.group_id in world.complete else Match.MAYBE
        case GroupEnd(ref):
            return Match.YES if peer.group_id == ref.group_id else Match.MAYBE
        case _:
            assert_never(end)
