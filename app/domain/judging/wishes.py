"""What the caller asked for, to be told from what opens besides."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from app.domain.addresses import AddressFamily, Block
from app.domain.flows import Flow, Traffic
from app.domain.rules import NicType
from app.domain.world import AddressEnd, End, GroupEnd, InterfaceEnd

Name: TypeAlias = Hashable
"""How a request can name an end: one address of an interface, its instance, a block, a group."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked between two ends: `traffics`, or at least something between the two."""

    traffics: frozenset[Traffic] = frozenset()
    at_all: bool = False


class Wishes:
    """The asked flows of one plane and family, by their ends.

    Between instances something was asked `at_all` also where it was asked for another
    address, or another family.
    """

    def __init__(self, asked: Sequence[Flow], plane: NicType, family: AddressFamily) -> None:
        self._traffics: dict[tuple[Name, Name], set[Traffic]] = {}
        for flow in asked:
            if flow.plane is not plane:
                continue
            loose = (_loose(flow.source), _loose(flow.target))
            self._traffics.setdefault(loose, set())
            if flow.family is family:
                exact = (_exact(flow.source), _exact(flow.target))
                self._traffics.setdefault(exact, set()).add(flow.traffic)
        self._ends = [end for flow in asked for end in (flow.source, flow.target)]
        blocks = {end.block for end in self._ends if isinstance(end, AddressEnd)}
        self.blocks = tuple(sorted(blocks))
        self._sources = _profiles((s, (t, frozenset(x))) for (s, t), x in self._traffics.items())
        self._targets = _profiles((t, (s, frozenset(x))) for (s, t), x in self._traffics.items())

    @property
    def is_any(self) -> bool:
        """Whether anything was asked for on this plane."""
        return bool(self._traffics)

    @property
    def instance_ids(self) -> frozenset[str]:
        """Instances that a request means."""
        return frozenset(
            end.instance.instance_id for end in self._ends if isinstance(end, InterfaceEnd)
        )

    @property
    def group_ids(self) -> frozenset[str]:
        """Groups that a request means, which could not be read."""
        return frozenset(end.ref.group_id for end in self._ends if isinstance(end, GroupEnd))

    def names(self, end: End, blocks: Iterable[Block] = ()) -> tuple[Name, ...]:
        """Return the names by which a request could mean `end`, which lies in `blocks`."""
        names = [_exact(end), _loose(end), *blocks]
        if isinstance(end, InterfaceEnd):
            names.extend(sorted(end.eni.group_ids))
        return tuple(
            dict.fromkeys(name for name in names if name in self._sources or name in self._targets)
        )

    def part(self, names: Iterable[Name]) -> Hashable:
        """Return the same value for ends that have the same part in every request."""
        return frozenset((self._sources.get(name), self._targets.get(name)) for name in names)

    def between(self, sources: Sequence[Name], targets: Sequence[Name]) -> Wish:
        """Return what was asked from an end with these names to one with those."""
        found = [
            self._traffics[source, target]
            for source in sources
            for target in targets
            if (source, target) in self._traffics
        ]
        return Wish(frozenset().union(*found), at_all=bool(found))


def _exact(end: End) -> Name:
    match end:
        case InterfaceEnd(instance, eni, block):
            return (instance.instance_id, eni.eni_id, block)
        case _:
            return _loose(end)


def _loose(end: End) -> Name:
    match end:
        case InterfaceEnd(instance):
            return ("instance", instance.instance_id)
        case AddressEnd(block):
            return block
        case GroupEnd(ref):
            return ref.group_id


def _profiles(links: Iterable[tuple[Name, Hashable]]) -> dict[Name, int]:
    """Number the names so that those with equal links have equal numbers."""
    linked: dict[Name, set[Hashable]] = {}
    for name, link in links:
        linked.setdefault(name, set()).add(link)
    numbers: dict[Hashable, int] = {}
    return {
        name: numbers.setdefault(frozenset(of_name), len(numbers))
        for name, of_name in linked.items()
    }
