"""What the rules of one side say of packets between two ends, for every port at once.

`evaluate` asks a guard about one flow and `difference` about all of them: the judgement
is made here and nowhere else.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol as Interface
from typing import TypeAlias

from app.domain.flows import Cause, SideOutcome
from app.domain.judging.matching import is_readable
from app.domain.rules import MAX_PORT, Policy, PortRange, Protocol, Rule

HIGHEST_PRIORITY = 1

Span: TypeAlias = tuple[int, int]
"""First and last port, both included."""

EVERY_PORT: Span = (1, MAX_PORT)


def span(ports: PortRange | None) -> Span:
    """Return the ports a range stands for; of a range that was not read, all it may."""
    if ports is None or ports.is_every_port:
        return EVERY_PORT
    return (max(ports.first, 1), max(ports.last, 1))


def stretches(starts: Iterable[int], within: Span) -> tuple[Span, ...]:
    """Cut `within` where a stretch of ports starts, in order."""
    first, last = within
    cuts = sorted({first, *(start for start in starts if first < start <= last)})
    return tuple(zip(cuts, [*(cut - 1 for cut in cuts[1:]), last], strict=True))


@dataclass(frozen=True, slots=True)
class Ruling:
    """What one side says of one packet; `deciding` are positions in the guard's rules.

    Where the outcome is unknown, these are the rules on which it depends.
    """

    outcome: SideOutcome
    cause: Cause
    deciding: tuple[int, ...] = ()


class Cutting(Interface):
    """Something that tells packets apart by their ports."""

    def cuts(self, protocol: Protocol) -> tuple[Sequence[int], Sequence[int]]:
        """Ports, and source ports, from which on a packet may fare otherwise."""
        ...


class Side(Cutting, Interface):
    """One side of a passage. Between two neighbouring cuts every packet has one ruling."""

    def ruling(self, protocol: Protocol, port: int, source_port: int) -> Ruling: ...


@dataclass(frozen=True, slots=True)
class Unguarded:
    """A side of which no rule is known: one ruling for every packet."""

    always: Ruling

    def cuts(self, protocol: Protocol) -> tuple[Sequence[int], Sequence[int]]:  # noqa: ARG002 - Side
        return ((), ())

    def ruling(self, protocol: Protocol, port: int, source_port: int) -> Ruling:  # noqa: ARG002 - Side
        return self.always


NOT_JUDGED = Unguarded(Ruling(SideOutcome.ALLOWED, Cause.NOT_JUDGED))
UNREADABLE = Unguarded(Ruling(SideOutcome.UNKNOWN, Cause.UNREADABLE))


class Axis:
    """Rules along the ports: which of them, as bits, hold from one start to the next."""

    def __init__(self, spans: Iterable[Span]) -> None:
        toggles = {EVERY_PORT[0]: 0}
        for position, (first, last) in enumerate(spans):
            for edge in (first, last + 1):
                toggles[edge] = toggles.get(edge, 0) ^ 1 << position
        self.starts = sorted(toggles)
        self.masks: list[int] = []
        mask = 0
        for start in self.starts:
            mask ^= toggles[start]
            self.masks.append(mask)

    def at(self, port: int) -> int:
        return self.masks[bisect_right(self.starts, port) - 1]


@dataclass(frozen=True, eq=False)
class Guard:
    """Rules that match, or `surely` False: may match, the addresses of a pair of ends.

    `rules` are in order of judgement, those of one rank in any order. `unread` says that
    a group which could not be read is on this side too: it may hold any rule.
    """

    rules: Sequence[Rule]
    surely: Sequence[bool]
    default: Policy
    unread: bool = False

    def cuts(self, protocol: Protocol) -> tuple[Sequence[int], Sequence[int]]:
        if not protocol.has_ports:
            return ((), ())
        return (self._ports.starts, self._source_ports.starts)

    def ruling(self, protocol: Protocol, port: int, source_port: int) -> Ruling:
        """Judge one packet by all rules; port numbers mean nothing without ports."""
        mask = self._covering(protocol)
        if protocol.has_ports:
            mask &= self._ports.at(port) & self._source_ports.at(source_port)
        if mask not in self._rulings:
            self._rulings[mask] = self._decide(mask)
        return self._rulings[mask]

    @cached_property
    def _ports(self) -> Axis:
        return Axis(span(rule.ports) for rule in self.rules)

    @cached_property
    def _source_ports(self) -> Axis:
        return Axis(span(rule.source_ports) for rule in self.rules)

    @cached_property
    def _masks(self) -> dict[Protocol, int]:
        return {}

    @cached_property
    def _rulings(self) -> dict[int, Ruling]:
        return {}

    @cached_property
    def _certain(self) -> tuple[bool, ...]:
        pairs = zip(self.rules, self.surely, strict=True)
        return tuple(surely and is_readable(rule) for rule, surely in pairs)

    def _covering(self, protocol: Protocol) -> int:
        if protocol not in self._masks:
            self._masks[protocol] = sum(
                1 << position
                for position, rule in enumerate(self.rules)
                if rule.protocol.covers(protocol)
            )
        return self._masks[protocol]

    def _decide(self, mask: int) -> Ruling:
        """Judge a packet that the rules in `mask` match: the best rank that surely does wins.

        A better rule that only may match leaves the answer open, unless it says the same.

        Source: ECS API, AuthorizeSecurityGroup (smallest priority, then drop before accept).
        """
        matching = tuple(bits(mask))
        winner = next((position for position in matching if self._certain[position]), None)
        before = tuple(position for position in matching if winner is None or position < winner)
        policy = self.default if winner is None else self.rules[winner].policy
        others = {self.rules[position].policy for position in before} - {policy}
        if others or self._open_to_unread(winner):
            return Ruling(SideOutcome.UNKNOWN, Cause.UNREADABLE, before)
        outcome = SideOutcome.ALLOWED if policy is Policy.ACCEPT else SideOutcome.BLOCKED
        if winner is None:
            return Ruling(outcome, Cause.DEFAULT)
        rank = self.rules[winner].rank
        deciding = tuple(
            position
            for position in matching
            if self._certain[position] and self.rules[position].rank == rank
        )
        return Ruling(outcome, Cause.RULE, deciding)

    def _open_to_unread(self, winner: int | None) -> bool:
        """Whether a rule nobody could read may overrule the winner: all but a first drop."""
        first_drop = (HIGHEST_PRIORITY, False)
        return self.unread and (winner is None or self.rules[winner].rank != first_drop)


def bits(mask: int) -> Iterator[int]:
    """Positions of the bits that are set, lowest first."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def along(
    sides: Sequence[Cutting], protocol: Protocol, ports: Span, source_ports: Span
) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Cut ports and source ports so that in each cell every packet fares alike."""
    if not protocol.has_ports:
        return ((EVERY_PORT,), (EVERY_PORT,))
    cuts = [side.cuts(protocol) for side in sides]
    return (
        stretches((port for of_ports, _ in cuts for port in of_ports), ports),
        stretches((port for _, of_sources in cuts for port in of_sources), source_ports),
    )


def fold(
    side: Side, protocols: Iterable[Protocol], ports: Span, source_ports: Span
) -> tuple[Ruling, ...]:
    """Return every different ruling of one side over a block of packets."""
    found: dict[Ruling, None] = {}
    for protocol in protocols:
        columns, rows = along((side,), protocol, ports, source_ports)
        for port, _ in columns:
            for source_port, _ in rows:
                found[side.ruling(protocol, port, source_port)] = None
    return tuple(found)
