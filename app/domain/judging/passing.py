"""What one side says of packets between two ends, given the lines that match these ends.

The best rank that surely matches decides. A better line that only may match leaves the
answer open unless it says the same, or matches only where a still better one does too; so
does a group that could not be read, which may hold any rule: only a drop of the highest
priority stands against that.

Source: ECS API, AuthorizeSecurityGroup (smallest priority, then drop before accept).
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import NamedTuple, TypeAlias

from app.domain.addresses import AddressFamily
from app.domain.flows import Cause, DecidingRule, SideOutcome, SideVerdict, Traffic
from app.domain.judging.benches import Bench, Found, Line, Spot
from app.domain.judging.doubts import Doubt, can_all_pass
from app.domain.judging.matching import SURE, Needs
from app.domain.judging.spans import Span, span, stretches
from app.domain.rules import Policy, Protocol
from app.domain.world import End, GroupEnd, InterfaceEnd

FIRST_DROP = (1, False)
"""The rank that no rule can beat."""

Ruling: TypeAlias = tuple[SideOutcome, Cause, tuple[DecidingRule, ...]]
"""What becomes of some packets, why, and the rules that decide or on which it depends."""

NOT_JUDGED = SideVerdict(SideOutcome.ALLOWED, Cause.NOT_JUDGED)
FREE = SideVerdict(SideOutcome.ALLOWED, Cause.DEFAULT)
UNREADABLE = SideVerdict(SideOutcome.UNKNOWN, Cause.UNREADABLE)


class Packets(NamedTuple):
    """A block of packets of some protocols."""

    protocols: Sequence[Protocol]
    ports: Span
    source_ports: Span

    @classmethod
    def of(cls, traffic: Traffic, family: AddressFamily) -> "Packets":
        protocols = traffic.protocol.concrete(family)
        return cls(protocols, span(traffic.ports), span(traffic.source_ports))


def side(bench: Bench, own: InterfaceEnd, other: End, packets: Packets) -> SideVerdict:
    """Judge a block of packets: one that is blocked outweighs the rest, then one unknown.

    It is blocked as well where, however what could not be read may be, some packet is.
    `rules` of the verdict are all that decide over any packet of that outcome.
    """
    if bench.is_free:
        return FREE
    if isinstance(other, InterfaceEnd) and len(packets.protocols) == 1:
        spot = Spot(other.block.first, other.eni.group_ids)
        found = _matching(bench, own, packets.protocols[0], spot, packets)
        if _is_one_cell(found, packets):
            return SideVerdict(*decide(bench, found))
    spots = bench.spots(other)
    if isinstance(other, GroupEnd):
        return _anywhere([_at(bench, own, [spot], packets) for spot in spots])
    return _at(bench, own, spots, packets)


def _at(bench: Bench, own: InterfaceEnd, spots: Sequence[Spot], packets: Packets) -> SideVerdict:
    rulings = [
        decide(bench, cell)
        for protocol in packets.protocols
        for spot in spots
        for _, cell in _cells(_matching(bench, own, protocol, spot, packets), packets)
    ]
    if len(rulings) == 1:
        return SideVerdict(*rulings[0])
    told = _worst(rulings)
    if told.outcome is not SideOutcome.UNKNOWN:
        return told
    if can_all_pass(doubts(bench, own, spots, packets)):
        return told
    return SideVerdict(SideOutcome.BLOCKED, Cause.UNREADABLE, told.rules)


def _worst(rulings: Sequence[Ruling]) -> SideVerdict:
    worst = min((outcome for outcome, _, _ in rulings), key=_GRAVITY.__getitem__)
    telling = [(cause, rules) for outcome, cause, rules in rulings if outcome is worst]
    causes = [cause for cause, _ in telling]
    cause = Cause.RULE if Cause.RULE in causes else causes[0]
    deciding = dict.fromkeys(rule for _, rules in telling for rule in rules)
    return SideVerdict(worst, cause, tuple(sorted(deciding, key=_order)))


_GRAVITY = {SideOutcome.BLOCKED: 0, SideOutcome.UNKNOWN: 1, SideOutcome.ALLOWED: 2}


def _anywhere(verdicts: Sequence[SideVerdict]) -> SideVerdict:
    """Return what is said of an address that may be any of these: what all of them say."""
    told = _worst([(each.outcome, each.cause, each.rules) for each in verdicts])
    if all(each.outcome is told.outcome for each in verdicts):
        return told
    rules = dict.fromkeys(rule for each in verdicts for rule in each.rules)
    return SideVerdict(SideOutcome.UNKNOWN, Cause.UNREADABLE, tuple(sorted(rules, key=_order)))


def _order(deciding: DecidingRule) -> tuple[tuple[int, bool], str, str]:
    held = deciding.held
    return (held.rule.rank, held.rule_id, deciding.group.group_id)


def doubts(
    bench: Bench, own: InterfaceEnd, spots: Sequence[Spot], packets: Packets
) -> Iterator[Doubt]:
    """Return what the answer for packets depends on, for every cell in which it does."""
    for protocol in packets.protocols:
        for spot in spots:
            found = _matching(bench, own, protocol, spot, packets)
            for columns, cell in _cells(found, packets):
                if decide(bench, cell)[0] is SideOutcome.UNKNOWN:
                    numbered = columns if protocol.has_ports else None
                    yield Doubt(numbered, spot.address, tuple(_ways(bench, cell)))


def _matching(
    bench: Bench, own: InterfaceEnd, protocol: Protocol, spot: Spot, packets: Packets
) -> list[Found]:
    return bench.matching(protocol, own.block, spot, packets.ports, packets.source_ports)


def _ways(bench: Bench, found: Iterable[Found]) -> Iterator[tuple[Needs, bool]]:
    """Return what decides if its needs are so and those of all before it are not, to the end."""
    for line, needs in found:
        if bench.unread and line.rank != FIRST_DROP:
            break
        yield needs, line.accept
    yield SURE, bench.unread or bench.default is Policy.ACCEPT


def cells(matching: Sequence[Found], packets: Packets) -> Iterator[Sequence[Found]]:
    """For every cell of ports and source ports in which all packets fare alike, the lines that
    match them, in the order in which they were given.
    """
    meeting = [each for each in matching if _meets(each[0], packets)]
    return (cell for _, cell in _cells(meeting, packets))


def _cells(found: Sequence[Found], packets: Packets) -> Iterable[tuple[Span, Sequence[Found]]]:
    """Return the cells, each with its ports, of packets that every line meets."""
    _, ports, source_ports = packets
    if _is_one_cell(found, packets):
        return ((ports, found),)
    return _cut(found, ports, source_ports)


def _is_one_cell(found: Sequence[Found], packets: Packets) -> bool:
    """Whether every line matches all of the packets, so that they fare alike."""
    _, (port, last_port), (source, last_source) = packets
    for line, _ in found:
        if not (
            line.first <= port
            and last_port <= line.last
            and line.source_first <= source
            and last_source <= line.source_last
        ):
            return False
    return True


def _cut(
    found: Sequence[Found], ports: Span, source_ports: Span
) -> Iterator[tuple[Span, Sequence[Found]]]:
    columns = stretches(_starts((line.first, line.last) for line, _ in found), ports)
    rows = stretches(
        _starts((line.source_first, line.source_last) for line, _ in found), source_ports
    )
    for column, (source_port, _) in product(columns, rows):
        yield column, [each for each in found if each[0].covers_port(column[0], source_port)]


def _meets(line: Line, packets: Packets) -> bool:
    _, ports, source_ports = packets
    return (
        line.first <= ports[1]
        and ports[0] <= line.last
        and line.source_first <= source_ports[1]
        and source_ports[0] <= line.source_last
    )


def _starts(spans: Iterable[Span]) -> Iterator[int]:
    for first, last in spans:
        yield first
        yield last + 1


def _surely(found: Sequence[Found]) -> Ruling:
    """Judge a packet that the first line surely matches: only lines of its rank count."""
    rank, outcome = found[0][0].rank, SideOutcome.ALLOWED
    if not found[0][0].accept:
        outcome = SideOutcome.BLOCKED
    deciding = tuple(line.deciding for line, needs in found if line.rank == rank and not needs)
    return outcome, Cause.RULE, deciding


def decide(bench: Bench, found: Sequence[Found]) -> Ruling:
    """Judge one packet by the lines that match it, which are in order of judgement."""
    if found and not found[0][1] and not bench.unread:
        return _surely(found)
    doubtful: list[DecidingRule] = []
    deciding: list[DecidingRule] = []
    seen: list[Needs] = []
    contrary = {True: False, False: False}
    accept, rank = bench.default is Policy.ACCEPT, None
    for line, needs in found:
        if rank is not None and line.rank != rank:
            break
        if not needs:
            rank, accept = line.rank, line.accept
            deciding.append(line.deciding)
        elif rank is None and not is_beaten(needs, seen):
            seen.append(needs)
            doubtful.append(line.deciding)
            contrary[line.accept] = True
    if contrary[not accept] or (bench.unread and rank != FIRST_DROP):
        return SideOutcome.UNKNOWN, Cause.UNREADABLE, tuple(doubtful)
    outcome = SideOutcome.ALLOWED if accept else SideOutcome.BLOCKED
    if rank is None:
        return outcome, Cause.DEFAULT, ()
    return outcome, Cause.RULE, tuple(deciding)


def is_beaten(needs: Needs, seen: Iterable[Needs]) -> bool:
    """Whether a line with these needs matches only where one with some that were seen does."""
    return any(each <= needs for each in seen)
