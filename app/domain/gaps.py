"""Whether changes made one after another pass through a world that is neither the one before
nor the one after.

A flow that is open in between must be open before or after, and one that is open before and
after must be open all the time: each flow changes at most once.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from app.domain.addresses import Block
from app.domain.changes import (
    Authorize,
    Change,
    CreateGroup,
    Join,
    Leave,
    Revoke,
    SetInnerAccess,
    is_new_group,
)
from app.domain.difference import changes as patches_between
from app.domain.flows import Traffic
from app.domain.groups import GroupKind
from app.domain.judging.layers import Layers
from app.domain.judging.patches import Patch, identity
from app.domain.judging.spans import span
from app.domain.rules import GroupPeer, Policy
from app.domain.versions import differing
from app.domain.world import AddressEnd, End, World


def is_seamless(world: World, changes: Sequence[Change]) -> bool:
    """Whether no flow surely changes more than once while these changes are made in order."""
    earlier: list[_Shift] = []
    found = list(stages(world, changes))
    if len(found) < 2:
        return True
    for stage in found:
        after = world
        for change in stage:
            after = after.after(change)
        shifts = [_Shift(patch) for patch in _patches(world, after)]
        if any(one.undoes(other) for one in shifts for other in earlier):
            return False
        earlier += shifts
        world = after
    return True


def stages(world: World, changes: Sequence[Change]) -> Iterator[list[Change]]:
    """Join neighbours that can only open, or only close: within such a stage no flow changes
    twice. What happens in a group that nobody is in yet changes nothing.
    """
    closing = _closing(world, changes)
    numbered = enumerate(changes)
    for _, run in groupby(numbered, key=lambda each: _sense(each[1], closing) or each[0]):
        yield [change for _, change in run]


def _closing(world: World, changes: Iterable[Change]) -> frozenset[str]:
    """Groups whose members are refused something because they are members: by a drop rule that
    the group holds or that names it, or because the group is an enterprise one.
    """
    found = {each.group_id for each in world.groups.values() if each.kind is GroupKind.ENTERPRISE}
    rules = [(each.group_id, held.rule) for each in world.groups.values() for held in each.rules]
    for change in changes:
        if isinstance(change, Authorize):
            rules += [(change.group_id, new.rule) for new in change.rules]
        elif isinstance(change, CreateGroup) and change.kind is GroupKind.ENTERPRISE:
            found.add(change.group_id)
    for group_id, rule in rules:
        if rule.policy is Policy.DROP:
            found.add(group_id)
            if isinstance(rule.peer, GroupPeer):
                found.add(rule.peer.group_id)
    return frozenset(found)


def _sense(change: Change, closing: Collection[str]) -> str | None:
    match change:
        case CreateGroup():
            return "opens"
        case Join(group_id=group_id):
            return None if group_id in closing else "opens"
        case Leave(group_id=group_id):
            return None if group_id in closing else "closes"
        case Authorize(rules=rules) | Revoke(held=rules):
            accepts = {each.rule.policy is Policy.ACCEPT for each in rules}
            if is_new_group(change.group_id):
                return "opens"
            if len(accepts) > 1:
                return None
            return "opens" if accepts == {isinstance(change, Authorize)} else "closes"
        case SetInnerAccess(policy=policy):
            if is_new_group(change.group_id):
                return "opens"
            return "opens" if policy is Policy.ACCEPT else "closes"
        case _:
            return None


def _patches(before: World, after: World) -> list[Patch]:
    return patches_between(
        Layers(before),
        after,
        touched_groups=differing(before.groups, after.groups),
        touched_instances=differing(before.instances, after.instances),
    )


@dataclass(frozen=True)
class _Shift:
    """Ends between which packets change alike, ready to be compared with those of another step."""

    patch: Patch

    def undoes(self, other: "_Shift") -> bool:
        """Whether some packet surely opened there and closes here, or the other way round."""
        one, two = self.patch, other.patch
        return (
            one.opens is not two.opens
            and one.plane is two.plane
            and one.family is two.family
            and any(_overlap(mine, theirs) for mine in self.traffic for theirs in other.traffic)
            and self._meets(other)
        )

    def _meets(self, other: "_Shift") -> bool:
        """Whether two different ends are on both sides of both."""
        sources = _common(self.sources, other.sources)
        targets = _common(self.targets, other.targets)
        return any(source != target for source in sources for target in targets)

    @cached_property
    def traffic(self) -> tuple[Traffic, ...]:
        return tuple(shift.traffic for shift in self.patch.shifts if shift.tag.certain)

    @cached_property
    def sources(self) -> "_Ends":
        return _Ends.of(self.patch.sources)

    @cached_property
    def targets(self) -> "_Ends":
        return _Ends.of(self.patch.targets)


@dataclass(frozen=True, slots=True)
class _Ends:
    """Ends of interfaces and groups as such, with whose they are; addresses as blocks."""

    known: dict[object, object]
    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, ends: Iterable[End]) -> "_Ends":
        known: dict[object, object] = {}
        blocks: list[Block] = []
        for end in ends:
            if isinstance(end, AddressEnd):
                blocks.append(end.block)
            else:
                known[_name(end)] = identity(end)
        return cls(known, tuple(blocks))


def _name(end: End) -> object:
    """What an end is called in every world: there its interface may be in other groups."""
    eni = getattr(end, "eni", None)
    return end if eni is None else (eni.eni_id, getattr(end, "block", None))


def _common(one: _Ends, other: _Ends) -> list[object]:
    """Whose the common ends are; a common address is nobody's."""
    found = [whose for name, whose in one.known.items() if name in other.known]
    for block in one.blocks:
        found.extend(block for each in other.blocks if block.overlaps(each))
    return list(dict.fromkeys(found))


def _overlap(one: Traffic, other: Traffic) -> bool:
    if not (one.protocol.covers(other.protocol) or other.protocol.covers(one.protocol)):
        return False
    pairs = ((one.ports, other.ports), (one.source_ports, other.source_ports))
    return all(_meet(span(mine), span(theirs)) for mine, theirs in pairs)


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]
