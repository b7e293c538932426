"""What changes alike, for whom and towards whom."""

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property

from app.domain.addresses import AddressFamily
from app.domain.judging.shifts import Shift, port_count
from app.domain.judging.surroundings import Crowd
from app.domain.rules import NicType
from app.domain.world import AddressEnd, End, GroupEnd, InterfaceEnd


@dataclass(frozen=True)
class Patch:
    """Every source to every target, but for an instance to itself: all change alike.

    `shifts` all open, or all close. `wanted` says that something was asked for between
    these ends, whatever it was.
    """

    sources: Crowd
    targets: Crowd
    shifts: tuple[Shift, ...]
    wanted: bool

    @property
    def plane(self) -> NicType:
        return self.sources.layer.plane

    @property
    def family(self) -> AddressFamily:
        return self.sources.layer.family

    @property
    def opens(self) -> bool:
        return self.shifts[0].tag.opens

    @cached_property
    def pairs(self) -> int:
        """Number of pairs of two different instances, addresses or groups."""
        sources, targets, layer = self.sources, self.targets, self.sources.layer
        few, many = sorted((sources.bits, targets.bits), key=int.bit_count)
        selves = sum(
            (layer.positions[end.instance.instance_id] & many).bit_count()
            for end in layer.ends_of(few)
        )
        return len(sources) * len(targets) - selves

    @property
    def port_pairs(self) -> int:
        """Number of pairs, each as often as ports change between the two."""
        return self.pairs * port_count(self.shifts, self.family)

    @property
    def extra_port_pairs(self) -> int:
        """What of the `port_pairs` nobody asked for."""
        besides = [shift for shift in self.shifts if not shift.tag.asked]
        return self.pairs * port_count(besides, self.family)


def identity(end: End) -> Hashable:
    """Return the instance, block or group that an end is of."""
    match end:
        case InterfaceEnd(instance):
            return instance.instance_id
        case AddressEnd(block):
            return block
        case GroupEnd(ref):
            return ref
