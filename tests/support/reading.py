"""Rules as the cloud answers them, with everything in the answer that does not count."""

from dataclasses import replace
from typing import Any

from app.adapters.ecs.permissions import held_rule
from app.domain.addresses import AddressFamily, Block
from app.domain.groups import Group
from app.domain.rules import ANY_PORT, Direction, GroupPeer, HeldRule, Peer
from app.domain.world import World
from tests.support.chance import Chance

Fields = dict[str, Any]

PEER_SIDE = {Direction.INGRESS: "Source", Direction.EGRESS: "Dest"}
OWN_SIDE = {Direction.INGRESS: "Dest", Direction.EGRESS: "Source"}


def as_read(world: World, chance: Chance) -> World:
    """Return the same world, each of its rules read from an answer of the cloud."""
    groups = {key: _read(group, world, chance) for key, group in world.groups.items()}
    return replace(world, groups=groups)


def _read(group: Group, world: World, chance: Chance) -> Group:
    account_id = group.place.account_id
    rules = [
        held_rule(_answer(held, group, world, chance), account_id=account_id)
        for held in group.rules
    ]
    return replace(group, rules=tuple(rules))


def _answer(held: HeldRule, group: Group, world: World, chance: Chance) -> Fields:
    rule = held.rule
    fields: Fields = {
        "SecurityGroupRuleId": held.rule_id,
        "Direction": rule.direction.value,
        "IpProtocol": rule.protocol.value.upper(),
        "PortRange": str(rule.ports),
        "Policy": rule.policy.value.capitalize(),
        "Priority": str(rule.priority),
        "NicType": rule.nic_type.value,
        "SourcePortRange": "" if rule.source_ports == ANY_PORT else str(rule.source_ports),
    }
    if rule.own is not None:
        fields |= _block(OWN_SIDE[rule.direction], rule.own)
    if chance.maybe(20):
        fields["PortRangeListId"] = "prl-ignored"
    return fields | _peer(PEER_SIDE[rule.direction], rule.peer, group, world, chance)


def _peer(side: str, peer: Peer, group: Group, world: World, chance: Chance) -> Fields:
    """Spell a peer, and beside it what a block, and then a group, takes precedence over.

    Source: ECS API, AuthorizeSecurityGroup, parameters SourceCidrIp and SourceGroupId.
    """
    fields: Fields = {}
    if chance.maybe(30):
        fields[f"{side}PrefixListId"] = chance.one(sorted(world.prefix_lists))
    if isinstance(peer, Block):
        if chance.maybe(40):
            fields |= _group(side, world.groups[chance.one(sorted(world.groups))])
        return fields | _block(side, peer)
    if isinstance(peer, GroupPeer):
        return fields | _group(side, world.groups[peer.group_id])
    return {f"{side}PrefixListId": peer.prefix_list_id}


def _group(side: str, group: Group) -> Fields:
    return {
        f"{side}GroupId": group.group_id,
        f"{side}GroupOwnerAccount": group.place.account_id,
    }


def _block(side: str, block: Block) -> Fields:
    family = "" if block.family is AddressFamily.IPV4 else "Ipv6"
    return {f"{family}{side}CidrIp": str(block)}
