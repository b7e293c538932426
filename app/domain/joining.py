"""Memberships that open everything: what `shared_group` and `dedicated_group` share."""

from collections.abc import Iterator, Sequence

from app.domain.changes import Join
from app.domain.groups import Group, Instance
from app.domain.intents import Intent
from app.domain.obstacles import OVERRIDE, drop_obstacles
from app.domain.plan import AskedFlow, Obstacle, PlannedChange, asked_instances
from app.domain.world import World


def not_members(world: World, intent: Intent, group_id: str) -> tuple[Instance, ...]:
    """The asked instances that are not in the group yet, sources first."""
    return tuple(
        instance
        for instance in asked_instances(world, intent)
        if group_id not in instance.group_ids
    )


def joins(group: Group, joining: Sequence[Instance]) -> tuple[PlannedChange, ...]:
    """One change for each instance; members of the group reach each other in everything."""
    return tuple(
        PlannedChange(
            Join(instance.place, group.group_id, instance.instance_id),
            f"members of {group.group_id} reach each other",
        )
        for instance in joining
    )


def respected_drops(intent: Intent, asked: Sequence[AskedFlow]) -> Iterator[Obstacle]:
    """Refuse to let inner access beat a drop rule that blocks an asked flow today.

    Source: ECS API, ModifySecurityGroupPolicy: members reach each other whatever rules say.
    """
    return drop_obstacles(asked, lambda _: None if intent.override_drops else OVERRIDE)
