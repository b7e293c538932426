"""What one side says of packets between two ends, given the lines that match these ends.

The best rank that surely matches decides. A better line that only may match leaves the
answer open unless it says the same, and so does a group that could not be read, which may
hold any rule: only a drop of the highest priority stands against that.

Source: ECS API, AuthorizeSecurityGroup (smallest priority, then drop before accept).
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import NamedTuple, TypeAlias

from app.domain.flows import Cause, DecidingRule, SideOutcome, SideVerdict
from app.domain.judging.benches import Bench, Line
from app.domain.judging.spans import Span, stretches
from app.domain.rules import Policy, Protocol
from app.domain.world import End, InterfaceEnd

FIRST_DROP = (1, False)
"""The rank that no rule can beat."""

Found: TypeAlias = tuple[Line, bool]
"""A line that matches two ends, and whether it surely does."""

Ruling: TypeAlias = tuple[SideOutcome, Cause, tuple[DecidingRule, ...]]
"""What becomes of some packets, why, and the rules that decide or on which it depends."""

NOT_JUDGED = SideVerdict(SideOutcome.ALLOWED, Cause.NOT_JUDGED)
UNREADABLE = SideVerdict(SideOutcome.UNKNOWN, Cause.UNREADABLE)


class Packets(NamedTuple):
    """A block of packets of some protocols."""

    protocols: Iterable[Protocol]
    ports: Span
    source_ports: Span


def side(bench: Bench, own: InterfaceEnd, other: End, packets: Packets) -> SideVerdict:
    """Judge a block of packets: one that is blocked outweighs the rest, then one unknown.

    `rules` of the verdict are all that decide over any packet of that outcome.
    """
    rulings = [
        _decide(bench, cell)
        for protocol in packets.protocols
        for cell in cells(
            bench.matching(protocol, own.block, other), packets.ports, packets.source_ports
        )
    ]
    if len(rulings) == 1:
        return SideVerdict(*rulings[0])
    worst = min((outcome for outcome, _, _ in rulings), key=_GRAVITY.__getitem__)
    telling = [(cause, rules) for outcome, cause, rules in rulings if outcome is worst]
    causes = [cause for cause, _ in telling]
    cause = Cause.RULE if Cause.RULE in causes else causes[0]
    deciding = dict.fromkeys(rule for _, rules in telling for rule in rules)
    return SideVerdict(worst, cause, tuple(sorted(deciding, key=_order)))


_GRAVITY = {SideOutcome.BLOCKED: 0, SideOutcome.UNKNOWN: 1, SideOutcome.ALLOWED: 2}


def _order(deciding: DecidingRule) -> tuple[tuple[int, bool], str, str]:
    held = deciding.held
    return (held.rule.rank, held.rule_id, deciding.group.group_id)


def cells(matching: Sequence[Found], ports: Span, source_ports: Span) -> Iterator[Sequence[Found]]:
    """For every cell of ports and source ports in which all packets fare alike, the lines that
    match them, in the order in which they were given.
    """
    found = [each for each in matching if _meets(each[0], ports, source_ports)]
    if all(_covers(line, ports, source_ports) for line, _ in found):
        yield found
        return
    columns = stretches(_starts((line.first, line.last) for line, _ in found), ports)
    rows = stretches(
        _starts((line.source_first, line.source_last) for line, _ in found), source_ports
    )
    for (port, _), (source_port, _) in product(columns, rows):
        yield [each for each in found if each[0].covers_port(port, source_port)]


def _meets(line: Line, ports: Span, source_ports: Span) -> bool:
    return (
        line.first <= ports[1]
        and ports[0] <= line.last
        and line.source_first <= source_ports[1]
        and source_ports[0] <= line.source_last
    )


def _covers(line: Line, ports: Span, source_ports: Span) -> bool:
    return (
        line.first <= ports[0]
        and ports[1] <= line.last
        and line.source_first <= source_ports[0]
        and source_ports[1] <= line.source_last
    )


def _starts(spans: Iterable[Span]) -> Iterator[int]:
    for first, last in spans:
        yield first
        yield last + 1


def _decide(bench: Bench, found: Sequence[Found]) -> Ruling:
    """Judge one packet by the lines that match it, which are in order of judgement."""
    doubtful: list[DecidingRule] = []
    contrary = {True: False, False: False}
    accept = bench.default is Policy.ACCEPT
    rank = None
    for line, surely in found:
        if surely:
            rank, accept = line.rank, line.accept
            break
        doubtful.append(line.deciding)
        contrary[line.accept] = True
    if contrary[not accept] or (bench.unread and rank != FIRST_DROP):
        return SideOutcome.UNKNOWN, Cause.UNREADABLE, tuple(doubtful)
    outcome = SideOutcome.ALLOWED if accept else SideOutcome.BLOCKED
    if rank is None:
        return outcome, Cause.DEFAULT, ()
    deciding = tuple(
        line.deciding for line, surely in found[len(doubtful) :] if surely and line.rank == rank
    )
    return outcome, Cause.RULE, deciding
