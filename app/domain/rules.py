"""What a security group holds and the evaluator reads."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self, TypeAlias

from app.domain.addresses import AddressFamily, Block
from app.domain.errors import (
    FamilyMismatchError,
    InvalidPortError,
    InvalidPriorityError,
    InvalidProtocolError,
)


class Direction(StrEnum):
    INGRESS = "ingress"
    EGRESS = "egress"


class Policy(StrEnum):
    ACCEPT = "accept"
    DROP = "drop"


class NicType(StrEnum):
    """Which side of an instance a rule guards.

    In the classic network the two sides have separate rules; in a VPC every rule is of
    the intranet type and judges public and private traffic alike.

    Source: ECS API, AuthorizeSecurityGroup, parameter NicType.
    """

    INTERNET = "internet"
    INTRANET = "intranet"


class Protocol(StrEnum):
    """IP protocols a rule can name; `OTHER` stands for every protocol without a name here."""

    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"
    ICMPV6 = "icmpv6"
    GRE = "gre"
    ALL = "all"
    OTHER = "other"

    @property
    def has_ports(self) -> bool:
        return self is Protocol.TCP or self is Protocol.UDP

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what a caller wrote.

        Raises:
            InvalidProtocolError: not one of tcp, udp, icmp, icmpv6, gre, all.
        """
        if text in NAMED_PROTOCOLS:
            return cls(text)
        raise InvalidProtocolError(f"the protocol is one of {', '.join(sorted(NAMED_PROTOCOLS))}")

    def covers(self, other: "Protocol") -> bool:
        """Say whether a rule for this protocol matches packets of `other`."""
        return self is Protocol.ALL or self is other

    def concrete(self, family: AddressFamily) -> tuple["Protocol", ...]:
        """The protocols a packet of this kind can have in `family`; `all` is every one."""
        return CONCRETE[family] if self is Protocol.ALL else (self,)


NAMED_PROTOCOLS = frozenset(
    protocol.value for protocol in Protocol if protocol is not Protocol.OTHER
)
CONCRETE = {
    AddressFamily.IPV4: (
        Protocol.TCP,
        Protocol.UDP,
        Protocol.ICMP,
        Protocol.GRE,
        Protocol.OTHER,
    ),
    AddressFamily.IPV6: (
        Protocol.TCP,
        Protocol.UDP,
        Protocol.ICMPV6,
        Protocol.GRE,
        Protocol.OTHER,
    ),
}


@dataclass(frozen=True, slots=True, order=True)
class PortRange:
    """Ports `first` to `last`, both included; `-1/-1` where a protocol has no ports.

    Source: ECS API, AuthorizeSecurityGroup, parameter PortRange.
    """

    first: int
    last: int

    def __post_init__(self) -> None:
        if (self.first, self.last) != (-1, -1) and not 0 <= self.first <= self.last <= MAX_PORT:
            raise InvalidPortError("a port range runs from 1 to 65535, the smaller port first")

    @classmethod
    def parse(cls, text: str, protocol: Protocol) -> Self:
        """Read `a/b` as the cloud writes it, and check that it fits `protocol`.

        Raises:
            InvalidPortError: wrong form, outside 1 to 65535, reversed, or ports for a
                protocol that has none.
        """
        if not re.fullmatch(r"-1/-1|[1-9][0-9]{0,4}/[1-9][0-9]{0,4}", text, re.ASCII):
            raise InvalidPortError("a port range is written as first/last, for example 80/80")
        first, last = (int(part) for part in text.split("/"))
        if protocol.has_ports == (first == -1):
            fitting = "1/65535 at the widest" if protocol.has_ports else "-1/-1"
            raise InvalidPortError(f"the port range of {protocol} is {fitting}")
        return cls(first, last)

    @property
    def is_every_port(self) -> bool:
        return self.first == -1 or (self.first <= 1 and self.last == MAX_PORT)

    @property
    def count(self) -> int:
        """Number of ports; 1 where there are none."""
        return self.last - self.first + 1

    def __str__(self) -> str:
        return f"{self.first}/{self.last}"


MAX_PORT = 65535
ANY_PORT = PortRange(-1, -1)


@dataclass(frozen=True, slots=True, order=True)
class GroupPeer:
    """The private addresses of all members of a group, now and later.

    `account_id` is always the owner's, also when the rule's own account owns the group.
    """

    group_id: str
    account_id: str


@dataclass(frozen=True, slots=True, order=True)
class PrefixListPeer:
    prefix_list_id: str


Peer: TypeAlias = Block | GroupPeer | PrefixListPeer


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule by its meaning: two rules are equal when the cloud calls them identical.

    `peer` is the source of an ingress rule and the destination of an egress rule; `own`
    narrows the group's own side to a block (the 5-tuple field of the other side's name);
    `source_ports` is `ANY_PORT` when the client's port does not matter. `ports` is None
    when they are kept in a port list, `port_list_id`, that was not read.

    Source: ECS API, AuthorizeSecurityGroup and AuthorizeSecurityGroupEgress.
    """

    direction: Direction
    protocol: Protocol
    ports: PortRange | None
    peer: Peer
    policy: Policy = Policy.ACCEPT
    priority: int = 1
    nic_type: NicType = NicType.INTRANET
    own: Block | None = None
    source_ports: PortRange = ANY_PORT
    port_list_id: str | None = None

    def __post_init__(self) -> None:
        # 110 is read back on default rules of before May 2020, but can never be written.
        if not 1 <= self.priority <= LOWEST_PRIORITY:
            raise InvalidPriorityError("a priority is a whole number from 1 to 100")
        if (
            isinstance(self.peer, Block)
            and self.own is not None
            and self.peer.family is not self.own.family
        ):
            raise FamilyMismatchError("both sides of a rule are of one address family")

    @property
    def rank(self) -> tuple[int, bool]:
        """Order of judgement: the smallest number first, a drop before an accept."""
        return (self.priority, self.policy is Policy.ACCEPT)


LOWEST_PRIORITY = 110


def check_priority(priority: int) -> int:
    """Return `priority` if a new rule may have it.

    Raises:
        InvalidPriorityError: outside 1 to 100.
    """
    if not 1 <= priority <= 100:
        raise InvalidPriorityError("a priority is a whole number from 1 to 100")
    return priority


@dataclass(frozen=True, slots=True)
class HeldRule:
    """A rule in a group: its id and description do not belong to its meaning.

    `ignored` are further peers that it was read with, which count for nothing: a block beats a
    group, and either beats a prefix list. They are not kept with the rule.

    Source: ECS API, AuthorizeSecurityGroup, parameters SourceCidrIp and SourceGroupId.
    """

    rule_id: str
    rule: Rule
    description: str = ""
    ignored: tuple[Peer, ...] = field(default=(), compare=False)
