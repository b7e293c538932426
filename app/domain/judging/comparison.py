"""What changes between two worlds, crowd by crowd."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

from app.domain.addresses import AddressFamily, Block
from app.domain.judging.atoms import Stretch, covering, without
from app.domain.judging.crowds import Crowd, Standing, Survey
from app.domain.judging.guards import NOT_JUDGED, UNREADABLE, Guard, Side, Unguarded, bits
from app.domain.judging.matching import Match
from app.domain.judging.routes import has_route
from app.domain.judging.shifts import Passage, Shift, shifts
from app.domain.judging.wishes import Wish
from app.domain.rules import NicType, Policy, PortRange, Protocol, Rule
from app.domain.world import AddressEnd, End, GroupEnd, InterfaceEnd


@dataclass(frozen=True)
class Patch:
    """Every source to every target, but for an instance to itself: all change alike.

    `shifts` all open, or all close. `wanted` says that something was asked for between
    these ends, whatever it was.
    """

    sources: tuple[End, ...]
    targets: tuple[End, ...]
    plane: NicType
    family: AddressFamily
    shifts: tuple[Shift, ...]
    wanted: bool

    @property
    def opens(self) -> bool:
        return self.shifts[0].tag.opens

    @cached_property
    def pairs(self) -> int:
        """Number of pairs of two different instances, addresses or groups."""
        at_source = Counter(identity(end) for end in self.sources)
        selves = sum(at_source[identity(end)] for end in self.targets)
        return len(self.sources) * len(self.targets) - selves


def identity(end: End) -> Hashable:
    """Return the instance, block or group that an end is of."""
    match end:
        case InterfaceEnd(instance):
            return instance.instance_id
        case AddressEnd(block):
            return block
        case GroupEnd(ref):
            return ref


class _Rules(NamedTuple):
    """What a guard depends on: rules that match, and that may, as bits of the survey's."""

    surely: int
    perhaps: int
    default: Policy
    unread: bool


_Told: TypeAlias = tuple[int, Policy, Protocol, PortRange | None, PortRange, bool]
"""All that a guard knows of a rule, once it matches both ends."""

_SideKey: TypeAlias = _Rules | Unguarded


class _Way(NamedTuple):
    """What a passage depends on."""

    inner: Match
    egress: _SideKey = NOT_JUDGED
    ingress: _SideKey = NOT_JUDGED


_Found: TypeAlias = tuple[tuple[Shift, ...], bool]
"""Shifts, and whether something was asked for between these ends."""

NOTHING: _Found = ((), False)


class Comparison:
    """Compares the two worlds of a survey; guards and shifts are worked out once each."""

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._guards: dict[_Rules, Guard] = {}
        self._alike: dict[Hashable, Guard] = {}
        self._shifts: dict[Hashable, tuple[Shift, ...]] = {}
        self._blocks: dict[Stretch, tuple[Block, ...]] = {}
        self._known: list[int] = []

    def patches(self) -> Iterator[Patch]:
        """Return everything that changes; no pair of ends is in two patches of one sort."""
        interfaces = self._survey.interface_crowds()
        moved = [crowd for crowd in interfaces if crowd.moved]
        if not moved:
            return
        self._known = self._survey.known_addresses()
        still = [crowd for crowd in interfaces if not crowd.moved]
        groups = self._survey.group_crowds(moved)
        addresses = self._survey.address_crowds()
        for crowd in moved:
            for other in moved:
                yield from self._to(crowd, other)
            for other in (*still, *groups):
                yield from self._to(crowd, other)
                yield from self._to(other, crowd)
            yield from self._to_addresses(crowd, addresses)
            yield from self._from_addresses(crowd, addresses)

    # --- patches --------------------------------------------------------------------

    def _to(self, source: Crowd, target: Crowd) -> Iterator[Patch]:
        found, wanted = self._between(source, target)
        for part in _by_sort(found):
            patch = self._patch(source.ends, target.ends, part, wanted=wanted)
            if patch.pairs:
                yield patch

    def _patch(
        self,
        sources: tuple[End, ...],
        targets: tuple[End, ...],
        part: tuple[Shift, ...],
        *,
        wanted: bool,
    ) -> Patch:
        survey = self._survey
        return Patch(sources, targets, survey.plane, survey.family, part, wanted)

    def _to_addresses(self, source: Crowd, addresses: Sequence[Crowd]) -> Iterator[Patch]:
        found = ((other, self._between(source, other)) for other in addresses)
        for ends, part, wanted in self._joined(found):
            yield self._patch(source.ends, ends, part, wanted=wanted)

    def _from_addresses(self, target: Crowd, addresses: Sequence[Crowd]) -> Iterator[Patch]:
        found = ((other, self._between(other, target)) for other in addresses)
        for ends, part, wanted in self._joined(found):
            yield self._patch(ends, target.ends, part, wanted=wanted)

    def _joined(
        self, found: Iterable[tuple[Crowd, _Found]]
    ) -> Iterator[tuple[tuple[End, ...], tuple[Shift, ...], bool]]:
        """Join neighbouring addresses that change alike, then cut known interfaces out."""
        alike: dict[_Found, list[Stretch]] = {}
        for crowd, (changes, wanted) in found:
            for part in _by_sort(changes):
                alike.setdefault((part, wanted), []).extend(crowd.stretches)
        for (part, wanted), stretches in alike.items():
            blocks = [block for each in _merged(stretches) for block in self._cover(each)]
            if blocks:
                yield tuple(AddressEnd(block) for block in blocks), part, wanted

    def _cover(self, stretch: Stretch) -> tuple[Block, ...]:
        if stretch not in self._blocks:
            self._blocks[stretch] = tuple(
                block
                for part in without(stretch, self._known)
                for block in covering(self._survey.family, part)
            )
        return self._blocks[stretch]

    # --- one crowd to another -------------------------------------------------------

    def _between(self, source: Crowd, target: Crowd) -> _Found:
        """Return what changes from any end of one crowd to any end of the other."""
        survey = self._survey
        before = self._way(source, source.before, target, target.before)
        after = self._way(source, source.after, target, target.after)
        perhaps = _perhaps_opens(source, target)
        if before == after and perhaps is None:
            return NOTHING
        if not has_route(source.example, target.example, survey.plane, survey.family):
            return NOTHING
        wish = survey.wishes.between(source.names, target.names)
        changed = self._shifts_of(self._passage(before), self._passage(after), perhaps, wish)
        return changed, wish.at_all

    def _shifts_of(
        self, before: Passage, after: Passage, perhaps: bool | None, wish: Wish
    ) -> tuple[Shift, ...]:
        key = (before, after, perhaps, wish.traffics)
        if key not in self._shifts:
            self._shifts[key] = shifts(
                before,
                after,
                self._survey.family,
                asked=wish.traffics,
                perhaps_opens=perhaps,
            )
        return self._shifts[key]

    def _way(self, source: Crowd, sender: Standing, target: Crowd, receiver: Standing) -> _Way:
        inner = self._inner(sender, receiver)
        if inner is Match.YES:
            return _Way(inner)
        return _Way(
            inner,
            _egress(source.example, sender, receiver),
            _ingress(target.example, receiver, sender),
        )

    def _inner(self, sender: Standing, receiver: Standing) -> Match:
        if self._survey.plane is not NicType.INTRANET:
            return Match.NO
        if sender.connecting & receiver.connecting:
            return Match.YES
        return Match.MAYBE if sender.unread & receiver.unread else Match.NO

    def _passage(self, way: _Way) -> Passage:
        return Passage(way.inner, self._side(way.egress), self._side(way.ingress))

    def _side(self, key: _SideKey) -> Side:
        if isinstance(key, Unguarded):
            return key
        if key not in self._guards:
            self._guards[key] = self._guard(key)
        return self._guards[key]

    def _guard(self, key: _Rules) -> Guard:
        """Return one and the same guard for rules that differ in nothing but whom they name."""
        rules = self._survey.rules
        told: dict[_Told, Rule] = {}
        for position in bits(key.surely | key.perhaps):
            rule, surely = rules[position], bool(key.surely >> position & 1)
            told.setdefault(_told(rule, surely=surely), rule)
        alike = (tuple(told), key.default, key.unread)
        if alike not in self._alike:
            surely_each = [surely for *_, surely in told]
            self._alike[alike] = Guard(
                list(told.values()), surely_each, key.default, unread=key.unread
            )
        return self._alike[alike]


def _told(rule: Rule, *, surely: bool) -> _Told:
    return (rule.priority, rule.policy, rule.protocol, rule.ports, rule.source_ports, surely)


def _egress(end: End, own: Standing, other: Standing) -> _SideKey:
    if not isinstance(end, InterfaceEnd):
        return _unguarded(end)
    surely = own.egress & other.peer_of
    perhaps = own.egress & other.perhaps_peer_of & ~surely
    return _Rules(surely, perhaps, own.egress_default, bool(own.unread))


def _ingress(end: End, own: Standing, other: Standing) -> _SideKey:
    if not isinstance(end, InterfaceEnd):
        return _unguarded(end)
    surely = own.ingress & other.peer_of
    perhaps = own.ingress & other.perhaps_peer_of & ~surely
    return _Rules(surely, perhaps, own.ingress_default, bool(own.unread))


def _unguarded(end: End) -> Unguarded:
    return UNREADABLE if isinstance(end, GroupEnd) else NOT_JUDGED


def _perhaps_opens(source: Crowd, target: Crowd) -> bool | None:
    """Say whether a group that nobody could read, on one end, names the other end anew."""
    for group, crowd in ((source, target), (target, source)):
        if isinstance(group.example, GroupEnd):
            if group.example.ref in crowd.named_anew:
                return True
            if group.example.ref in crowd.named_no_more:
                return False
    return None


def _by_sort(found: Sequence[Shift]) -> Iterator[tuple[Shift, ...]]:
    """Return those that open, then those that close; neither if there are none."""
    for opens in (True, False):
        part = tuple(shift for shift in found if shift.tag.opens is opens)
        if part:
            yield part


def _merged(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Join neighbours; the stretches overlap nowhere."""
    merged: list[Stretch] = []
    for first, last in sorted(stretches):
        if merged and merged[-1][1] + 1 == first:
            merged[-1] = (merged[-1][0], last)
        else:
            merged.append((first, last))
    return merged
