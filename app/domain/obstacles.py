"""What stands in the way of a connection, whichever method is asked for."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from app.domain.flows import DecidingRule, Flow, SideOutcome
from app.domain.groups import Group, GroupKind, Instance, Place
from app.domain.intents import GroupSide, InstanceSide, Intent
from app.domain.plan import (
    AskedFlow,
    Limits,
    Obstacle,
    ObstacleCode,
    asked_instances,
    own_end,
    source_instances,
    target_instances,
)
from app.domain.rules import Policy, Rule
from app.domain.world import World


def network_name(vpc_id: str | None) -> str:
    return "the classic network" if vpc_id is None else f"VPC {vpc_id}"


def at(instance: Instance, code: ObstacleCode, detail: str) -> Obstacle:
    """Return an obstacle that lies at an instance."""
    return Obstacle(code, detail, instance.place.account_id, instance.instance_id)


def at_group(
    group: Group, code: ObstacleCode, detail: str, *, instance_id: str | None = None
) -> Obstacle:
    """Return an obstacle that lies at a group."""
    return Obstacle(code, detail, group.place.account_id, instance_id, group.group_id)


def path_obstacles(world: World, intent: Intent) -> Iterator[Obstacle]:
    """Say why addresses of the two sides cannot reach each other at all.

    Source: ECS user guide, Intranet; Connect a classic network to a VPC (ClassicLink).
    """
    if intent.source_place is not None:
        yield from region_obstacles(intent.source_place, intent.target.place)
    for target in target_instances(world, intent):
        for source in source_instances(world, intent):
            yield from _between(source, target)
    yield from _peer_group_paths(world, intent)
    yield from _missing_addresses(world, intent)


def region_obstacles(source: Place, target: Place) -> Iterator[Obstacle]:
    if source.region_id != target.region_id:
        yield Obstacle(
            ObstacleCode.CROSS_REGION,
            f"{source.region_id} and {target.region_id} are not connected over the intranet",
            source.account_id,
        )


def _between(source: Instance, target: Instance) -> Iterator[Obstacle]:
    if source.vpc_id == target.vpc_id or source.place.region_id != target.place.region_id:
        return
    names = f"{network_name(source.vpc_id)} and {network_name(target.vpc_id)}"
    if source.is_classic or target.is_classic:
        if not _linked(source, target):
            classic = source if source.is_classic else target
            detail = f"{names} are not connected: {classic.instance_id} has no ClassicLink"
            yield at(classic, ObstacleCode.NETWORK_TYPE, f"{detail} to that VPC")
    else:
        yield at(source, ObstacleCode.CROSS_VPC, f"{names} are separate networks")


def _linked(one: Instance, other: Instance) -> bool:
    classic, private = (one, other) if one.is_classic else (other, one)
    return classic.classic_link_vpc_id == private.vpc_id and classic.place == private.place


def _peer_group_paths(world: World, intent: Intent) -> Iterator[Obstacle]:
    if not isinstance(intent.source, GroupSide):
        return
    for group_id in intent.source.group_ids:
        group = world.groups.get(group_id)
        for target in target_instances(world, intent):
            if group is not None and group.vpc_id != target.vpc_id:
                both = group.vpc_id is not None and target.vpc_id is not None
                code = ObstacleCode.CROSS_VPC if both else ObstacleCode.NETWORK_TYPE
                detail = f"{group_id} is in {network_name(group.vpc_id)}"
                yield at(target, code, f"{detail}, not in {network_name(target.vpc_id)}")


def _missing_addresses(world: World, intent: Intent) -> Iterator[Obstacle]:
    for instance in asked_instances(world, intent):
        if own_end(instance, intent) is None:
            detail = f"{instance.instance_id} has no {intent.family} address"
            yield at(instance, ObstacleCode.NETWORK_TYPE, detail)


def enterprise_obstacles(world: World, instances: Iterable[Instance]) -> Iterator[Obstacle]:
    """Say which instances are in enterprise groups, which know no peers and no inner access.

    Source: ECS user guide, Advanced security groups.
    """
    for instance in instances:
        for group_id in sorted(instance.group_ids):
            group = world.groups.get(group_id)
            if group is not None and group.kind is GroupKind.ENTERPRISE:
                detail = f"{group_id} is an enterprise group"
                yield at_group(
                    group, ObstacleCode.ENTERPRISE, detail, instance_id=instance.instance_id
                )


def one_network_obstacles(world: World, intent: Intent) -> Iterator[Obstacle]:
    """Say why the asked instances cannot all be members of one group.

    Source: ECS API, JoinSecurityGroup: own account, one region, one network.
    """
    source, target = intent.source, intent.target
    assert isinstance(source, InstanceSide)
    if source.place.account_id != target.place.account_id:
        detail = "a group belongs to one account, and only its instances can join it"
        yield Obstacle(ObstacleCode.CROSS_ACCOUNT, detail, source.place.account_id)
    yield from region_obstacles(source.place, target.place)
    instances = asked_instances(world, intent)
    first = instances[0]
    for other in instances[1:]:
        if other.vpc_id != first.vpc_id:
            both = other.vpc_id is not None and first.vpc_id is not None
            code = ObstacleCode.CROSS_VPC if both else ObstacleCode.NETWORK_TYPE
            names = f"{network_name(other.vpc_id)}, not in {network_name(first.vpc_id)}"
            yield at(other, code, f"{other.instance_id} is in {names}")
    yield from enterprise_obstacles(world, instances)
    yield from _missing_addresses(world, intent)


def joining_obstacles(
    world: World, group: Group, joining: Sequence[Instance], limits: Limits
) -> Iterator[Obstacle]:
    """Say why these instances cannot become members of the group now.

    Source: ECS API, JoinSecurityGroup, error codes.
    """
    for instance in joining:
        if "security" in instance.locks:
            detail = f"{instance.instance_id} is locked for security reasons"
            yield at(instance, ObstacleCode.LOCKED, detail)
        elif instance.status not in {"Running", "Stopped"}:
            detail = f"{instance.instance_id} is {instance.status}, not Running or Stopped"
            yield at(instance, ObstacleCode.LOCKED, detail)
        if len(instance.group_ids) >= limits.groups_per_nic:
            detail = f"{instance.instance_id} is in {len(instance.group_ids)} groups already"
            yield at(instance, ObstacleCode.GROUP_LIMIT, f"{detail}, the most it can be in")
    yield from _room_obstacles(world, group, joining, limits)


def _room_obstacles(
    world: World, group: Group, joining: Sequence[Instance], limits: Limits
) -> Iterator[Obstacle]:
    limit = member_limit(group, limits)
    members = len(world.members(group.group_id))
    if joining and members + len(joining) > limit:
        detail = f"{group.group_id} has {members} members, and room for {limit}"
        yield at_group(group, ObstacleCode.GROUP_FULL, detail)


def member_limit(group: Group, limits: Limits) -> int:
    if group.vpc_id is None:
        return limits.members_per_classic_group
    return limits.members_per_vpc_group


OVERRIDE = "set override_drops to open the flow all the same"


def drop_obstacles(
    asked: Iterable[AskedFlow], why: Callable[[Rule], str | None]
) -> Iterator[Obstacle]:
    """Name each drop rule that blocks an asked flow today, with the reason to respect it.

    `why` answers None for a rule that the caller overrides and may.
    """
    for each in asked:
        for side in (each.before.egress, each.before.ingress):
            if side.outcome is SideOutcome.BLOCKED:
                for deciding in side.rules:
                    reason = why(deciding.held.rule)
                    if deciding.held.rule.policy is Policy.DROP and reason is not None:
                        yield _drop(each.flow, deciding, reason)


def _drop(flow: Flow, deciding: DecidingRule, reason: str) -> Obstacle:
    rule_id, group = deciding.held.rule_id, deciding.group
    return Obstacle(
        ObstacleCode.DROP_RULE,
        f"rule {rule_id} of {group.group_id} (priority {deciding.held.rule.priority}) drops "
        f"{flow.traffic.protocol} on purpose; {reason}",
        group.account_id,
        group_id=group.group_id,
        rule_id=rule_id,
    )
