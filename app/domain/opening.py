"""Rules that open an asked flow: what `address_rules` and `group_authorization` share.

Both add accept rules to a group of each target, and where the source's egress holds a flow
back, an egress rule to a group of the source. They differ only in the peer they name.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from app.domain.addresses import Block
from app.domain.changes import Authorize, NewRule, batched
from app.domain.fewest import Fewest, fewest
from app.domain.flows import SideOutcome, Traffic
from app.domain.groups import Group, GroupRef, Instance, Place
from app.domain.intents import InstanceSide, Intent, Scope
from app.domain.obstacles import OVERRIDE, at, drop_obstacles
from app.domain.plan import (
    AskedFlow,
    Limits,
    Obstacle,
    ObstacleCode,
    PlannedChange,
    Proposal,
)
from app.domain.rules import Direction, GroupPeer, Peer, Rule
from app.domain.world import InterfaceEnd, World


@dataclass
class Opening:
    """Collects the rules of a proposal, each once, under the group that is to hold it."""

    intent: Intent
    rules: dict[tuple[Place, str, Direction], dict[Rule, None]] = field(default_factory=dict)
    reasons: dict[tuple[Place, str, Direction], str] = field(default_factory=dict)
    obstacles: list[Obstacle] = field(default_factory=list)
    managed: set[GroupRef] = field(default_factory=set)
    counted: dict[tuple[str, bool], int] = field(default_factory=dict)

    @cached_property
    def sides(self) -> tuple[frozenset[str], frozenset[str]]:
        """Ids of the asked instances of the source side, and of the target side."""
        return asked_ids(self.intent)

    def add(self, group: Group, rule: Rule, reason: str) -> None:
        key = (group.place, group.group_id, rule.direction)
        self.rules.setdefault(key, {})[rule] = None
        self.reasons.setdefault(key, reason)

    def proposal(self, world: World, limits: Limits) -> Proposal:
        """Return everything collected: egress after ingress, groups in order, full batches.

        Of each group as few rules as say the same are added. In the classic network every
        address keeps a rule of its own. Source: ECS user guide, Add security group rules.
        """
        singly = tuple(planned.change for planned in self._changes())
        covers = {
            key: fewest(rules, join_addresses=world.groups[key[1]].vpc_id is not None)
            for key, rules in self.rules.items()
        }
        self.rules = {key: dict.fromkeys(cover.rules) for key, cover in covers.items()}
        obstacles = [*dict.fromkeys(self.obstacles), *self._peer_obstacles(world, limits)]
        return Proposal(
            tuple(self._changes()),
            tuple(obstacles),
            tuple(_unproven(key[1], cover) for key, cover in covers.items() if not cover.is_proven),
            tuple(sorted(self.managed)),
            singly,
        )

    def _changes(self) -> Iterator[PlannedChange]:
        for key in sorted(self.rules, key=lambda key: (key[2] is Direction.EGRESS, key)):
            place, group_id, direction = key
            new = tuple(NewRule(rule, self.intent.reason) for rule in self.rules[key])
            for change in batched([Authorize(place, group_id, direction, new)]):
                yield PlannedChange(change, self.reasons[key])

    def _peer_obstacles(self, world: World, limits: Limits) -> Iterator[Obstacle]:
        for place, group_id, _ in sorted(self.rules):
            group = world.groups[group_id]
            new = [rule for key in self.rules if key[1] == group_id for rule in self.rules[key]]
            before = len(peer_groups(held.rule for held in group.rules))
            after = len(peer_groups([*(held.rule for held in group.rules), *new]))
            if before < after > limits.peer_groups_per_group:
                detail = f"{group_id} would name {after} groups; the cloud allows"
                yield Obstacle(
                    ObstacleCode.PEER_LIMIT,
                    f"{detail} {limits.peer_groups_per_group}",
                    place.account_id,
                    group_id=group_id,
                )


def _unproven(group_id: str, cover: Fewest) -> str:
    return (
        f"{group_id}: {len(cover.rules)} rules; whether fewer could say the same was not proven, "
        f"at least {cover.at_least} are needed"
    )


def peer_groups(rules: Iterable[Rule]) -> frozenset[str]:
    """Ids of the distinct groups that rules name.

    Source: ECS API, AuthorizeSecurityGroup: at most 20 a group.
    """
    return frozenset(rule.peer.group_id for rule in rules if isinstance(rule.peer, GroupPeer))


def ingress_rule(intent: Intent, traffic: Traffic, peer: Peer, target: InterfaceEnd) -> Rule:
    """The narrowest accept rule on the target's side: with scope `instance` for its address
    alone, by the 5-tuple field of the group's own side.
    """
    return Rule(
        direction=Direction.INGRESS,
        protocol=traffic.protocol,
        ports=traffic.ports,
        peer=peer,
        priority=intent.priority,
        own=_own(intent, target),
    )


def _own(intent: Intent, end: InterfaceEnd) -> Block | None:
    return end.block if intent.scope is Scope.INSTANCE else None


def open_egress(opening: Opening, world: World, asked: AskedFlow) -> None:
    """Add the egress rule of a flow that the source's side holds back."""
    flow = asked.flow
    if asked.before.egress.outcome is not SideOutcome.BLOCKED:
        return
    assert isinstance(flow.source, InterfaceEnd)
    assert isinstance(flow.target, InterfaceEnd)
    group = first_usable(opening, world, flow.source.instance)
    if group is not None:
        rule = Rule(
            direction=Direction.EGRESS,
            protocol=flow.traffic.protocol,
            ports=flow.traffic.ports,
            peer=flow.target.block,
            priority=opening.intent.priority,
            own=_own(opening.intent, flow.source),
        )
        opening.add(group, rule, f"{group.group_id} holds back what its members send")


def first_usable(opening: Opening, world: World, instance: Instance) -> Group | None:
    """Return a group of the instance that may be changed, or note why there is none."""
    usable = usable_groups(opening, world, instance)
    return usable[0] if usable else None


def usable_groups(opening: Opening, world: World, instance: Instance) -> list[Group]:
    """Groups of the instance that may be changed, by id; notes why there is none."""
    wanted = chosen_group(opening.intent, instance)
    groups = [
        world.groups[group_id]
        for group_id in sorted(instance.group_ids)
        if group_id in world.groups and wanted in {None, group_id}
    ]
    free = [group for group in groups if not group.managed]
    if not free and groups:
        opening.managed.update(group.ref for group in groups)
    elif not free:
        detail = f"{instance.instance_id} is not in {wanted or 'any group that can be read'}"
        opening.obstacles.append(at(instance, ObstacleCode.NO_GROUP, detail))
    return free


def chosen_group(intent: Intent, instance: Instance) -> str | None:
    """The group that the request names for the side of this instance."""
    for side in (intent.target, intent.source):
        if isinstance(side, InstanceSide) and (
            side.place == instance.place and instance.instance_id in side.instance_ids
        ):
            return side.group_id
    return None


def others_in(opening: Opening, world: World, group_id: str, instance: Instance) -> int:
    """How many members of the group are not of the asked side that the instance is on."""
    sources, targets = opening.sides
    is_source = instance.instance_id in sources
    key = (group_id, is_source)
    if key not in opening.counted:
        side = sources if is_source else targets
        opening.counted[key] = len(world.member_ids(group_id) - side)
    return opening.counted[key]


def asked_ids(intent: Intent) -> tuple[frozenset[str], frozenset[str]]:
    """Ids of the asked instances: of the source side, and of the target side."""
    source = intent.source
    ids = source.instance_ids if isinstance(source, InstanceSide) else ()
    return frozenset(ids), frozenset(intent.target.instance_ids)


def lacks_room(group: Group, needed: int, limits: Limits) -> bool:
    return len(group.rules) + needed > limits.rules_per_group


def note_drops(opening: Opening, asked: Sequence[AskedFlow]) -> None:
    """Refuse flows that a drop rule blocks today, unless the caller overrides it and can.

    At equal priority a drop wins, so only a smaller number overrides one.
    Source: ECS API, AuthorizeSecurityGroup, parameter Priority.
    """

    def why(rule: Rule) -> str | None:
        if not opening.intent.override_drops:
            return OVERRIDE
        if opening.intent.priority >= rule.priority:
            return f"a new rule of priority {opening.intent.priority} cannot override it"
        return None

    opening.obstacles.extend(drop_obstacles(asked, why))
