"""Blocks of packets that change alike, as few as there can be."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from app.domain.addresses import AddressFamily
from app.domain.flows import EVERYTHING, Traffic
from app.domain.judging.spans import EVERY_PORT, Span, span, stretches
from app.domain.rules import ANY_PORT, PortRange, Protocol


@dataclass(frozen=True, slots=True)
class Tag:
    """How packets change: they open or close, surely or perhaps, as asked or besides."""

    opens: bool
    certain: bool
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Shift:
    """A largest block of packets that change alike."""

    traffic: Traffic
    tag: Tag


Cell: TypeAlias = tuple[Span, Span, Tag]
"""Ports, source ports, and how the packets of both change."""


def shifts(
    cells: Mapping[Protocol, Sequence[Cell]],
    family: AddressFamily,
    asked: frozenset[Traffic] = frozenset(),
) -> tuple[Shift, ...]:
    """Join cells into few blocks, but tell packets that were asked for from the others.

    The cells of a protocol overlap nowhere.
    """
    found = [
        shift
        for protocol, of_protocol in cells.items()
        for shift in _blocks(protocol, _split(protocol, of_protocol, asked, family))
    ]
    return _whole(found, family)


def port_count(found: Iterable[Shift], family: AddressFamily) -> int:
    """Count different (protocol, port); a protocol without ports counts as one port."""
    ports: dict[Protocol, int] = {}
    for shift in found:
        traffic = shift.traffic
        first, last = span(traffic.ports)
        for protocol in traffic.protocol.concrete(family):
            run = ((1 << (last - first + 1)) - 1) << first if protocol.has_ports else 1
            ports[protocol] = ports.get(protocol, 0) | run
    return sum(run.bit_count() for run in ports.values())


def _split(
    protocol: Protocol, cells: Sequence[Cell], asked: frozenset[Traffic], family: AddressFamily
) -> Sequence[Cell]:
    wanted = [
        (span(traffic.ports), span(traffic.source_ports))
        for traffic in asked
        if protocol in traffic.protocol.concrete(family)
    ]
    if not wanted:
        return cells
    port_cuts = [edge for (first, last), _ in wanted for edge in (first, last + 1)]
    source_cuts = [edge for _, (first, last) in wanted for edge in (first, last + 1)]
    return [
        (ports, sources, Tag(tag.opens, tag.certain, _is_within(ports, sources, wanted)))
        for whole, whole_sources, tag in cells
        for ports in stretches(port_cuts, whole)
        for sources in stretches(source_cuts, whole_sources)
    ]


def _is_within(ports: Span, sources: Span, wanted: Sequence[tuple[Span, Span]]) -> bool:
    return any(
        first <= ports[0] <= last and source_first <= sources[0] <= source_last
        for (first, last), (source_first, source_last) in wanted
    )


def _blocks(protocol: Protocol, cells: Sequence[Cell]) -> Iterator[Shift]:
    """Join the cells of one tag: ports first, source ports last."""
    by_tag: dict[Tag, dict[Span, list[Span]]] = {}
    for ports, sources, tag in cells:
        by_tag.setdefault(tag, {}).setdefault(ports, []).append(sources)
    for tag, columns in by_tag.items():
        runs = [(ports, _joined(sorted(sources))) for ports, sources in sorted(columns.items())]
        for sources, alike in groupby(runs, key=lambda run: run[1]):
            for ports in _joined([ports for ports, _ in alike]):
                for source in sources:
                    yield Shift(_traffic(protocol, ports, source), tag)


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
