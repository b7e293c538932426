"""Method 4: ingress accept rules that name the source's group, also of another account."""

from collections.abc import Iterator, Sequence

from app.domain.flows import SideOutcome
from app.domain.groups import Group, GroupKind, GroupRef
from app.domain.intents import GroupSide, Intent, Scope
from app.domain.obstacles import at, at_group, enterprise_obstacles, path_obstacles
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
    ObstacleCode,
    Proposal,
    asked_instances,
)
from app.domain.rules import GroupPeer
from app.domain.world import End, GroupEnd, InterfaceEnd, World


class GroupAuthorization:
    """Needs basic groups on both sides, of the same network."""

    def obstacles(self, world: World, intent: Intent) -> Sequence[Obstacle]:
        return (
            *path_obstacles(world, intent),
            *enterprise_obstacles(world, asked_instances(world, intent)),
            *_enterprise_peers(world, intent),
        )

    def propose(
        self, world: World, intent: Intent, asked: Sequence[AskedFlow], limits: Limits
    ) -> Proposal:
        opening = Opening(intent)
        closed = [each for each in asked if not each.is_open]
        note_drops(opening, closed)
        for each in closed:
            if each.before.ingress.outcome is not SideOutcome.ALLOWED:
                _open_ingress(opening, world, each, limits)
            open_egress(opening, world, each)
        return opening.proposal(world, limits)


def _enterprise_peers(world: World, intent: Intent) -> Iterator[Obstacle]:
    if isinstance(intent.source, GroupSide):
        for group_id in intent.source.group_ids:
            group = world.groups.get(group_id)
            if group is not None and group.kind is GroupKind.ENTERPRISE:
                detail = f"{group_id} is an enterprise group and cannot be named in a rule"
                yield at_group(group, ObstacleCode.ENTERPRISE, detail)


def _open_ingress(opening: Opening, world: World, asked: AskedFlow, limits: Limits) -> None:
    target = asked.flow.target
    assert isinstance(target, InterfaceEnd)
    receiving = usable_groups(opening, world, target.instance)
    named = list(_named_groups(opening, world, asked))
    if not receiving or not named:
        return
    pairs = [(holder, peer) for holder in receiving for peer in named if holder.ref != peer]
    if not pairs:
        detail = f"both sides are only in {receiving[0].group_id}, which cannot name itself"
        opening.obstacles.append(at(target.instance, ObstacleCode.NO_GROUP, detail))
        return
    holder, peer = min(pairs, key=lambda pair: _rank(opening, world, asked, pair, limits))
    rule = ingress_rule(
        opening.intent, asked.flow.traffic, GroupPeer(peer.group_id, peer.account_id), target
    )
    opening.add(holder, rule, _reason(world, asked, holder, peer))


def _named_groups(opening: Opening, world: World, asked: AskedFlow) -> Iterator[GroupRef]:
    """Groups that a rule may name for the source of this flow."""
    source, intent = asked.flow.source, opening.intent
    if isinstance(intent.source, GroupSide):
        own = _groups_of(source)
        for group_id in intent.source.group_ids:
            group = world.groups.get(group_id)
            if group is not None and group.managed:
                opening.managed.add(group.ref)
            elif group_id in own:
                yield GroupRef(group_id, intent.source.place.account_id)
    elif isinstance(source, InterfaceEnd):
        for group in usable_groups(opening, world, source.instance):
            yield group.ref


def _groups_of(end: End) -> frozenset[str]:
    match end:
        case InterfaceEnd(_, eni):
            return eni.group_ids
        case GroupEnd(ref):
            return frozenset({ref.group_id})
        case _:
            return frozenset()


def _rank(
    opening: Opening,
    world: World,
    asked: AskedFlow,
    pair: tuple[Group, GroupRef],
    limits: Limits,
) -> tuple[bool, int, str, str]:
    """Room first, then the fewest pairs beyond those asked for, ties by id."""
    holder, peer = pair
    source, target = asked.flow.source, asked.flow.target
    assert isinstance(target, InterfaceEnd)
    named, opened = 1, 1
    if isinstance(source, InterfaceEnd):
        named += others_in(opening, world, peer.group_id, source.instance)
    if opening.intent.scope is Scope.GROUP:
        opened += others_in(opening, world, holder.group_id, target.instance)
    return (lacks_room(holder, 1, limits), named * opened, holder.group_id, peer.group_id)


def _reason(world: World, asked: AskedFlow, holder: Group, peer: GroupRef) -> str:
    target = asked.flow.target
    name = target.instance.instance_id if isinstance(target, InterfaceEnd) else "the target"
    members = len(world.member_ids(peer.group_id))
    size = f"its {members} members" if members else "its members"
    return (
        f"{holder.group_id} guards {name}; {peer.group_id} of account {peer.account_id} "
        f"stands for the source and {size}"
    )
