"""Method 1: ingress accept rules on a group of each target, one for each source address."""

from collections import Counter
from collections.abc import Sequence

from app.domain.addresses import Block
from app.domain.flows import SideOutcome
from app.domain.groups import Group, Instance
from app.domain.intents import Intent, Scope
from app.domain.obstacles import path_obstacles
from app.domain.opening import (
    Opening,
    ingress_rule,
    lacks_room,
    note_drops,
    open_egress,
    others_in,
    usable_groups,
)
from app.domain.plan import (
    AskedFlow,
    Limits,
    Obstacle,
    Proposal,
)
from app.domain.world import AddressEnd, InterfaceEnd, World


class AddressRules:
    """Works with any kind of group, within one account or across two."""

    def obstacles(self, world: World, intent: Intent) -> Sequence[Obstacle]:
        return tuple(path_obstacles(world, intent))

    def propose(
        self, world: World, intent: Intent, asked: Sequence[AskedFlow], limits: Limits
    ) -> Proposal:
        opening = Opening(intent)
        closed = [each for each in asked if not each.is_open]
        note_drops(opening, closed)
        needed = Counter(
            each.flow.target.instance.instance_id
            for each in closed
            if isinstance(each.flow.target, InterfaceEnd)
        )
        for each in closed:
            if each.before.ingress.outcome is not SideOutcome.ALLOWED:
                _open_ingress(opening, world, each, needed, limits)
            open_egress(opening, world, each)
        return opening.proposal(world, limits)


def _open_ingress(
    opening: Opening, world: World, asked: AskedFlow, needed: Counter[str], limits: Limits
) -> None:
    source, target = asked.flow.source, asked.flow.target
    assert isinstance(source, InterfaceEnd | AddressEnd)
    assert isinstance(target, InterfaceEnd)
    group = _receiving(opening, world, target.instance, needed, limits)
    if group is not None:
        rule = ingress_rule(opening.intent, asked.flow.traffic, _peer(source), target)
        opening.add(group, rule, _reason(opening, world, group, target.instance))


def _peer(source: InterfaceEnd | AddressEnd) -> Block:
    return source.block


def _receiving(
    opening: Opening, world: World, instance: Instance, needed: Counter[str], limits: Limits
) -> Group | None:
    """The group with room and the least extra access, ties by id."""
    whole = opening.intent.scope is Scope.GROUP

    def rank(group: Group) -> tuple[bool, int, str]:
        full = lacks_room(group, needed[instance.instance_id], limits)
        extra = others_in(opening, world, group.group_id, instance) if whole else 0
        return (full, extra, group.group_id)

    return min(usable_groups(opening, world, instance), key=rank, default=None)


def _reason(opening: Opening, world: World, group: Group, instance: Instance) -> str:
    name = group.group_id
    if opening.intent.scope is Scope.INSTANCE:
        return f"{name} is a group of {instance.instance_id}; its other members stay closed"
    others = others_in(opening, world, name, instance)
    return f"{name} is the group of {instance.instance_id} with the fewest others: {others}"
