"""Whether packets can all pass, although it depends on what could not be read.

One packet is simple: a line decides if nothing before it has to match where it does. Of several
packets, or of both sides of one, the unread is one and the same, so that all have to be looked
at together.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from app.domain.judging.matching import Needs, Sort, Unread
from app.domain.judging.spans import Span, stretches

Ways: TypeAlias = Sequence[tuple[Needs, bool]]
"""What decides, in order of judgement, and whether it accepts; the last one needs nothing."""

_Name: TypeAlias = tuple[Unread, int]
"""Something unread about one port, or about one address."""

_Steps: TypeAlias = Sequence[tuple[frozenset[_Name], bool]]


class Doubt(NamedTuple):
    """Packets of which it is unknown whether they pass; `ports` is None where they have none."""

    ports: Span | None
    address: int
    ways: Ways


MOST_STEPS = 20_000
"""So many cases are looked at; beyond, packets are taken to pass perhaps, which is careful."""


def can_all_pass(doubts: Iterable[Doubt]) -> bool:
    """Say whether what could not be read may be such that all these packets pass.

    Packets of one side, or of both: each `Unread` says at which one it is meant.
    """
    named = list(_named(list(doubts)))
    return len(named) < 2 or _Search(named).finds()


def _named(doubts: Sequence[Doubt]) -> Iterator[_Steps]:
    """Tell apart the ports of which rules and their lists may speak, and addresses for the rest."""
    starts = [
        start for each in doubts if each.ports for start in (each.ports[0], each.ports[1] + 1)
    ]
    for doubt in doubts:
        names = {name for needs, _ in doubt.ways for name in needs}
        ports = [_NO_PORT]
        if doubt.ports is not None and any(name.sort in _OF_PORTS for name in names):
            ports = [first for first, _ in stretches(starts, doubt.ports)]
        for port in ports:
            at = {name: port if name.sort in _OF_PORTS else doubt.address for name in names}
            yield [
                (frozenset((name, at[name]) for name in needs), accept)
                for needs, accept in doubt.ways
            ]


_OF_PORTS = {Sort.PORT_LIST, Sort.RULE}
_NO_PORT = -1


class _Search:
    """Tries what could not be read, one thing after the other, as long as all packets may pass."""

    def __init__(self, packets: Sequence[_Steps]) -> None:
        self._packets = sorted(packets, key=len)
        self._steps = 0

    def finds(self) -> bool:
        return self._goes_on(frozenset(), frozenset())

    def _goes_on(self, true: frozenset[_Name], false: frozenset[_Name]) -> bool:
        self._steps += 1
        if self._steps > MOST_STEPS:
            return True
        for steps in self._packets:
            for needs, accept in steps:
                if needs & false:
                    continue
                missing = needs - true
                if missing:
                    name = min(missing)
                    tries = ((true | {name}, false), (true, false | {name}))
                    return any(self._goes_on(*each) for each in (tries if accept else tries[::-1]))
                if not accept:
                    return False
                break
        return True
