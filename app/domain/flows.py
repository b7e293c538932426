"""A packet's question, and the answer with its reasons."""

from dataclasses import dataclass
from enum import StrEnum

from app.domain.addresses import AddressFamily
from app.domain.groups import GroupRef
from app.domain.rules import ANY_PORT, HeldRule, NicType, PortRange, Protocol
from app.domain.world import End


@dataclass(frozen=True, slots=True)
class Traffic:
    """A kind of packet by protocol and ports; `source_ports` is `ANY_PORT` for every port.

    `protocol` may be `all`. `ports` is `ANY_PORT` for protocols without ports, and for `all`.
    """

    protocol: Protocol
    ports: PortRange = ANY_PORT
    source_ports: PortRange = ANY_PORT


EVERYTHING = Traffic(Protocol.ALL)


@dataclass(frozen=True, slots=True)
class Flow:
    """The question whether packets of `traffic` may go from `source` to `target`."""

    source: End
    target: End
    traffic: Traffic
    plane: NicType = NicType.INTRANET
    family: AddressFamily = AddressFamily.IPV4


class Outcome(StrEnum):
    """Whether a flow may pass.

    `reachable`: every packet of the flow passes. `blocked`: some packet does not.
    `unknown`: it depends on what could not be read.
    """

    REACHABLE = "reachable"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """Why a verdict is as it is.

    `intra_group`: both ends are in a basic group whose members may reach each other.
    `rule`: the named rules decide. `default`: no rule matches. `no_route`: the addresses
    cannot reach each other, whatever the groups say. `not_judged`: no group is known to
    guard that side. `unreadable`: what decides could not be read; a flow may be blocked for
    that where some packet is stopped whatever it is.
    """

    INTRA_GROUP = "intra_group"
    RULE = "rule"
    DEFAULT = "default"
    NO_ROUTE = "no_route"
    NOT_JUDGED = "not_judged"
    UNREADABLE = "unreadable"


class SideOutcome(StrEnum):
    ALLOWED = "allowed"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DecidingRule:
    """A rule that decides, and the group that holds it."""

    group: GroupRef
    held: HeldRule


@dataclass(frozen=True, slots=True)
class SideVerdict:
    """What one side says: `rules` are all that decide, by priority then id, or none."""

    outcome: SideOutcome
    cause: Cause
    rules: tuple[DecidingRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """May `flow` pass, and because of what.

    `shared_groups` are the groups that connect their members where the cause is
    `intra_group`, sorted by id; both sides then carry that cause and no rules.
    """

    flow: Flow
    outcome: Outcome
    cause: Cause
    egress: SideVerdict
    ingress: SideVerdict
    shared_groups: tuple[GroupRef, ...] = ()
