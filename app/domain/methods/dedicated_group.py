"""Method 3: a new basic group without rules, made solely for intercommunication."""

from collections.abc import Sequence

from app.domain.changes import NEW_GROUP_ID, CreateGroup
from app.domain.groups import Group
from app.domain.intents import Intent
from app.domain.joining import joins, respected_drops
from app.domain.obstacles import joining_obstacles, one_network_obstacles
from app.domain.plan import (
    AskedFlow,
    Limits,
    Obstacle,
    PlannedChange,
    Proposal,
    asked_instances,
)
from app.domain.world import World


class DedicatedGroup:
    """Within one account and network; opens everything, both ways, and nothing to others."""

    def obstacles(self, world: World, intent: Intent) -> Sequence[Obstacle]:
        return tuple(one_network_obstacles(world, intent))

    def propose(
        self, world: World, intent: Intent, asked: Sequence[AskedFlow], limits: Limits
    ) -> Proposal:
        if all(each.is_open for each in asked):
            return Proposal()
        instances = asked_instances(world, intent)
        first = instances[0]
        name = intent.new_group_name
        group = Group(NEW_GROUP_ID, first.place, name=name, vpc_id=first.vpc_id)
        create = CreateGroup(first.place, NEW_GROUP_ID, name, first.vpc_id, intent.reason)
        changes = (
            PlannedChange(create, "a group without rules opens nothing but its members"),
            *joins(group, instances),
        )
        found = (
            *respected_drops(intent, asked),
            *joining_obstacles(world, group, instances, limits),
        )
        return Proposal(changes, found)
