"""Method 2: every instance joins one existing group whose members reach each other."""

from collections.abc import Iterator, Sequence

from app.domain.difference import difference
from app.domain.groups import Group, GroupKind
from app.domain.intents import Intent
from app.domain.joining import joins, not_members, respected_drops
from app.domain.obstacles import at_group, joining_obstacles, one_network_obstacles
from app.domain.plan import (
    AskedFlow,
    Limits,
    Obstacle,
    ObstacleCode,
    Proposal,
    asked_instances,
)
from app.domain.rules import Policy
from app.domain.world import World

CANDIDATES = 8
"""Most groups that are compared exactly when the caller names none."""


class SharedGroup:
    """Within one account and network; opens everything, both ways."""

    def obstacles(self, world: World, intent: Intent) -> Sequence[Obstacle]:
        return tuple(one_network_obstacles(world, intent))

    def propose(
        self, world: World, intent: Intent, asked: Sequence[AskedFlow], limits: Limits
    ) -> Proposal:
        if all(each.is_open for each in asked):
            return Proposal()
        group = self._group(world, intent, limits)
        if group is None:
            return Proposal(obstacles=(_no_group(world, intent),))
        if group.managed:
            return Proposal(managed=(group.ref,))
        joining = not_members(world, intent, group.group_id)
        found = [
            *respected_drops(intent, asked),
            *_unfit(world, intent, group),
            *joining_obstacles(world, group, joining, limits),
        ]
        return Proposal(joins(group, joining), tuple(found))

    def _group(self, world: World, intent: Intent, limits: Limits) -> Group | None:
        """The group that is named, or one that can be joined, with the least extra access."""
        if intent.group_id is not None:
            return world.groups.get(intent.group_id)
        usable = [group for group in _candidates(world, intent) if group.connects_members]
        free = [group for group in usable if not any(_joining(world, intent, group, limits))]
        few = sorted(free or usable, key=lambda each: len(world.members(each.group_id)))
        some = few[:CANDIDATES]
        return min(some, key=lambda each: _extra_access(world, intent, each), default=None)


def _candidates(world: World, intent: Intent) -> Iterator[Group]:
    """Groups that an asked instance is in and that may be joined, by id."""
    ids = {each for instance in asked_instances(world, intent) for each in instance.group_ids}
    for group_id in sorted(ids):
        group = world.groups.get(group_id)
        if group is not None and not group.managed and group.kind is GroupKind.BASIC:
            yield group


def _joining(world: World, intent: Intent, group: Group, limits: Limits) -> Iterator[Obstacle]:
    return joining_obstacles(world, group, not_members(world, intent, group.group_id), limits)


def _extra_access(world: World, intent: Intent, group: Group) -> tuple[int, str]:
    """Pairs that joining the group would open beyond those asked for; ties by id."""
    after = world
    joining = not_members(world, intent, group.group_id)
    for planned in joins(group, joining):
        after = after.after(planned.change)
    changed = difference(
        world,
        after,
        touched_groups=frozenset(),
        touched_instances=frozenset(instance.instance_id for instance in joining),
        asked=(),
        cap=0,
    )
    return (changed.gained.pairs, group.group_id)


def _unfit(world: World, intent: Intent, group: Group) -> Iterator[Obstacle]:
    first = asked_instances(world, intent)[0]
    if group.kind is GroupKind.ENTERPRISE:
        detail = f"{group.group_id} is an enterprise group"
        yield at_group(group, ObstacleCode.ENTERPRISE, detail)
    elif group.inner_access is Policy.DROP:
        detail = f"members of {group.group_id} are isolated: its inner access policy is Drop"
        yield at_group(group, ObstacleCode.INNER_ACCESS, detail)
    if group.vpc_id != first.vpc_id:
        both = group.vpc_id is not None and first.vpc_id is not None
        code = ObstacleCode.CROSS_VPC if both else ObstacleCode.NETWORK_TYPE
        detail = f"{group.group_id} is in another network than {first.instance_id}"
        yield at_group(group, code, detail)


def _no_group(world: World, intent: Intent) -> Obstacle:
    candidates = list(_candidates(world, intent))
    place = intent.target.place
    if candidates:
        detail = "every group of the asked instances isolates its members"
        return at_group(candidates[0], ObstacleCode.INNER_ACCESS, detail)
    detail = "none of the asked instances is in a group that can be shared; name one"
    return Obstacle(ObstacleCode.NO_GROUP, detail, place.account_id)
