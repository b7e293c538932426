"""Stretches of ports, and what one side may say of the packets in them."""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from app.domain.rules import MAX_PORT, PortRange

Span: TypeAlias = tuple[int, int]
"""First and last port, both included."""

EVERY_PORT: Span = (1, MAX_PORT)


def span(ports: PortRange | None) -> Span:
    """Return the ports a range stands for; of a range that was not read, all it may."""
    if ports is None:
        return EVERY_PORT
    first, last = ports.first, ports.last
    if first > 0:
        return (first, last)
    return EVERY_PORT if first < 0 else (1, max(last, 1))


def stretches(starts: Iterable[int], within: Span) -> tuple[Span, ...]:
    """Cut `within` where a stretch of ports starts, in order."""
    first, last = within
    cuts = sorted({first, *(start for start in starts if first < start <= last)})
    return tuple(zip(cuts, [*(cut - 1 for cut in cuts[1:]), last], strict=True))


def bits(mask: int) -> Iterator[int]:
    """Positions of the bits that are set, lowest first."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
