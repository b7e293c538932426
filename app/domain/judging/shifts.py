"""Which packets between two ends open or close from one world to the next."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from typing import TypeAlias

from app.domain.addresses import AddressFamily
from app.domain.evaluate import combined
from app.domain.flows import EVERYTHING, Outcome, Traffic
from app.domain.judging.guards import EVERY_PORT, Side, Span, along, span
from app.domain.judging.matching import Match
from app.domain.rules import ANY_PORT, PortRange, Protocol


@dataclass(frozen=True, slots=True)
class Passage:
    """What stands between two ends in one world: a shared group, or two sides."""

    inner: Match
    egress: Side
    ingress: Side

    def outcome(self, protocol: Protocol, port: int, source_port: int) -> Outcome:
        """Judge one packet."""
        if self.inner is Match.YES:
            return Outcome.REACHABLE
        egress = self.egress.ruling(protocol, port, source_port).outcome
        ingress = self.ingress.ruling(protocol, port, source_port).outcome
        outcome = combined(egress, ingress)
        if outcome is Outcome.BLOCKED and self.inner is Match.MAYBE:
            return Outcome.UNKNOWN
        return outcome


@dataclass(frozen=True, slots=True)
class Tag:
    """How packets change: they open or close, surely or perhaps, as asked or besides."""

    opens: bool
    certain: bool
    asked: bool


@dataclass(frozen=True, slots=True)
class Shift:
    """A largest block of packets that change alike."""

    traffic: Traffic
    tag: Tag


OPENNESS = {Outcome.BLOCKED: 0, Outcome.UNKNOWN: 1, Outcome.REACHABLE: 2}

TagOf: TypeAlias = Callable[[int, int], Tag | None]


@dataclass(frozen=True, slots=True)
class _Asked:
    """Asked traffic, with the cuts of a side so that it shares the cells."""

    traffics: frozenset[Traffic]
    family: AddressFamily

    def holds(self, protocol: Protocol, port: int, source_port: int) -> bool:
        return any(
            _within(port, span(traffic.ports)) and _within(source_port, span(traffic.source_ports))
            for traffic in self._of(protocol)
        )

    def cuts(self, protocol: Protocol) -> tuple[Sequence[int], Sequence[int]]:
        traffics = list(self._of(protocol))
        return (
            [edge for each in traffics for edge in _edges(span(each.ports))],
            [edge for each in traffics for edge in _edges(span(each.source_ports))],
        )

    def _of(self, protocol: Protocol) -> Iterator[Traffic]:
        for traffic in self.traffics:
            if protocol in traffic.protocol.concrete(self.family):
                yield traffic


def shifts(
    before: Passage,
    after: Passage,
    family: AddressFamily,
    *,
    asked: frozenset[Traffic] = frozenset(),
    perhaps_opens: bool | None = None,
) -> tuple[Shift, ...]:
    """Return every packet that opens or closes, as few blocks of packets.

    `perhaps_opens` says what becomes of packets that are unknown in both worlds: whether a
    group that nobody could read may let them in now (True) or no longer (False); without
    it, they stay as they are.
    """
    wish = _Asked(asked, family)
    sides = (before.egress, before.ingress, after.egress, after.ingress)
    found: list[Shift] = []
    for protocol in Protocol.ALL.concrete(family):

        def tag(port: int, source_port: int, protocol: Protocol = protocol) -> Tag | None:
            old = before.outcome(protocol, port, source_port)
            new = after.outcome(protocol, port, source_port)
            return _tag(old, new, perhaps_opens, asked=wish.holds(protocol, port, source_port))

        found.extend(_blocks(protocol, sides, wish, tag))
    return _whole(found, family)


def _tag(old: Outcome, new: Outcome, perhaps_opens: bool | None, *, asked: bool) -> Tag | None:
    if old is not new:
        opens = OPENNESS[new] > OPENNESS[old]
        return Tag(opens, certain=Outcome.UNKNOWN not in {old, new}, asked=asked)
    if new is Outcome.UNKNOWN and perhaps_opens is not None:
        return Tag(perhaps_opens, certain=False, asked=asked)
    return None


def _blocks(protocol: Protocol, sides: Sequence[Side], wish: _Asked, tag: TagOf) -> Iterator[Shift]:
    """Judge each cell once, then join the cells of one tag: ports first, source ports last."""
    columns, rows = along((*sides, wish), protocol, EVERY_PORT, EVERY_PORT)
    tags = {(column, row): tag(column[0], row[0]) for column, row in product(columns, rows)}
    for one in dict.fromkeys(each for each in tags.values() if each is not None):
        by_column = [
            (column, _joined([row for row in rows if tags[column, row] == one]))
            for column in columns
        ]
        for sources, run in groupby(by_column, key=lambda pair: pair[1]):
            spans = [column for column, _ in run]
            for source in sources:
                yield Shift(_traffic(protocol, (spans[0][0], spans[-1][1]), source), one)


def _joined(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Join neighbouring spans, which are in order."""
    found: list[Span] = []
    for first, last in spans:
        if found and found[-1][1] + 1 == first:
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return tuple(found)


def _traffic(protocol: Protocol, ports: Span, source_ports: Span) -> Traffic:
    if not protocol.has_ports:
        return Traffic(protocol)
    source = ANY_PORT if source_ports == EVERY_PORT else PortRange(*source_ports)
    return Traffic(protocol, PortRange(*ports), source)


def _whole(found: Sequence[Shift], family: AddressFamily) -> tuple[Shift, ...]:
    """Say `all` once where every protocol changes entirely, and alike."""
    entire = {
        _traffic(protocol, EVERY_PORT, EVERY_PORT) for protocol in Protocol.ALL.concrete(family)
    }
    tags = {shift.tag for shift in found}
    if len(tags) == 1 and {shift.traffic for shift in found} == entire:
        return (Shift(EVERYTHING, tags.pop()),)
    return tuple(found)


def _edges(within: Span) -> tuple[int, int]:
    return (within[0], within[1] + 1)


def _within(port: int, within: Span) -> bool:
    return within[0] <= port <= within[1]
