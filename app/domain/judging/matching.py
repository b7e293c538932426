"""Which packets a rule speaks of, as far as what was read can tell."""

from enum import StrEnum
from typing import NamedTuple, TypeAlias

from app.domain.addresses import AddressFamily, Block
from app.domain.flows import DecidingRule
from app.domain.rules import Direction, Protocol, Rule

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


class Sort(StrEnum):
    """What could not be read: which addresses a prefix list holds, which ports a port list holds,
    whether an address is a member's of a group, or what a rule itself speaks of.
    """

    PREFIX_LIST = "prefix_list"
    PORT_LIST = "port_list"
    GROUP = "group"
    RULE = "rule"


class Unread(NamedTuple):
    """One thing that could not be read, about one packet: it is so, or it is not.

    Rules that depend on the same one depend on it alike. Of lists of addresses and groups
    `direction` says at which side's rules: there the other end's address is looked for.
    """

    sort: Sort
    name: str
    direction: Direction | None = None


Needs: TypeAlias = frozenset[Unread]
"""All that has to be so for a rule to match a packet; nothing where it surely matches."""

SURE: Needs = frozenset()


def speaks_of(rule: Rule, family: AddressFamily) -> bool:
    """Say whether a rule can match packets of `family` at all; 0.0.0.0/0 covers no IPv6."""
    peer, own = rule.peer, rule.own
    if isinstance(peer, Block) and peer.family is not family:
        return False
    if own is not None and own.family is not family:
        return False
    return ONE_FAMILY.get(rule.protocol, family) is family


def is_readable(rule: Rule) -> bool:
    """Say whether the rule itself tells all of its protocol and ports.

    A rule for a protocol without a name here speaks of one protocol number, and nobody
    knows which one a packet of `other` has.
    """
    return rule.ports is not None and rule.protocol is not Protocol.OTHER


def needs_of(unreadable: DecidingRule) -> Needs:
    """Return what it depends on of which protocol and ports a rule is that was not read whole.

    Rules of older groups have no ids of their own: they go by all that was read of them.
    """
    rule = unreadable.held.rule
    if rule.protocol is Protocol.OTHER or rule.port_list_id is None:
        name = f"{unreadable.group.group_id} {unreadable.held}"
        return frozenset({Unread(Sort.RULE, name)})
    return frozenset({Unread(Sort.PORT_LIST, rule.port_list_id)})
