"""Values as JSON documents: one spelling for the API, the database and fingerprints."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from app.domain.addresses import Block
from app.domain.changes import (
    AddedRule,
    Authorize,
    Change,
    CreatedGroup,
    CreateGroup,
    DeletedGroup,
    DeleteGroup,
    Effect,
    InnerAccessSet,
    Join,
    Joined,
    Leave,
    Left,
    NewRule,
    RemovedRule,
    Revoke,
    SetInnerAccess,
)
from app.domain.groups import Group, GroupKind, Place
from app.domain.rules import (
    ANY_PORT,
    Direction,
    GroupPeer,
    HeldRule,
    NicType,
    Peer,
    Policy,
    PortRange,
    PrefixListPeer,
    Protocol,
    Rule,
)

Document: TypeAlias = dict[str, Any]
"""A JSON object: strings, numbers, booleans, None, and lists and objects of them."""


def peer_document(peer: Peer) -> Document:
    match peer:
        case Block():
            return {"cidr": str(peer)}
        case GroupPeer(group_id, account_id):
            return {"group_id": group_id, "account_id": account_id}
        case PrefixListPeer(prefix_list_id):
            return {"prefix_list_id": prefix_list_id}


def read_peer(document: Mapping[str, str]) -> Peer:
    if "cidr" in document:
        return Block.read(document["cidr"])
    if "group_id" in document:
        return GroupPeer(document["group_id"], document["account_id"])
    return PrefixListPeer(document["prefix_list_id"])


def rule_document(rule: Rule) -> Document:
    """Spell a rule by its meaning; what narrows, and a port list, only where it is there."""
    document: Document = {
        "direction": rule.direction.value,
        "policy": rule.policy.value,
        "priority": rule.priority,
        "protocol": rule.protocol.value,
        "port_range": None if rule.ports is None else str(rule.ports),
        "nic_type": rule.nic_type.value,
        "peer": peer_document(rule.peer),
    }
    if rule.own is not None:
        document["own_cidr"] = str(rule.own)
    if rule.source_ports != ANY_PORT:
        document["source_port_range"] = str(rule.source_ports)
    if rule.port_list_id is not None:
        document["port_list_id"] = rule.port_list_id
    return document


def _read_ports(text: str) -> PortRange:
    first, last = text.rsplit("/", 1)
    return PortRange(int(first), int(last))


def read_rule(document: Mapping[str, Any]) -> Rule:
    """Return the rule of a document that `rule_document` wrote."""
    ports = document["port_range"]
    own = document.get("own_cidr")
    return Rule(
        direction=Direction(document["direction"]),
        policy=Policy(document["policy"]),
        priority=document["priority"],
        protocol=Protocol(document["protocol"]),
        ports=None if ports is None else _read_ports(ports),
        nic_type=NicType(document["nic_type"]),
        peer=read_peer(document["peer"]),
        own=None if own is None else Block.read(own),
        source_ports=_read_ports(document.get("source_port_range", "-1/-1")),
        port_list_id=document.get("port_list_id"),
    )


def held_document(held: HeldRule) -> Document:
    return {
        "rule_id": held.rule_id,
        **rule_document(held.rule),
        "description": held.description,
    }


def read_held(document: Mapping[str, Any]) -> HeldRule:
    return HeldRule(document["rule_id"], read_rule(document), document["description"])


def group_document(group: Group) -> Document:
    """Spell a group with all its rules, sorted by id."""
    return {
        "group_id": group.group_id,
        "account_id": group.place.account_id,
        "region_id": group.place.region_id,
        "name": group.name,
        "vpc_id": group.vpc_id,
        "kind": group.kind.value,
        "inner_access": group.inner_access.value,
        "managed": group.managed,
        "description": group.description,
        "tags": dict(group.tags),
        "rules": [held_document(held) for held in sorted(group.rules, key=_by_id)],
    }


def _by_id(held: HeldRule) -> str:
    return held.rule_id


def change_document(change: Change) -> Document:
    """Spell a change for people and machines; `action` names its kind."""
    document: Document = {
        "action": ACTIONS[type(change)],
        "account_id": change.place.account_id,
        "region_id": change.place.region_id,
        "group_id": change.group_id,
    }
    match change:
        case Authorize():
            document["rules"] = [
                {**rule_document(new.rule), "description": new.description} for new in change.rules
            ]
        case Revoke():
            document["rules"] = [held_document(held) for held in change.held]
        case Join() | Leave():
            document["instance_id"] = change.instance_id
        case SetInnerAccess():
            document["inner_access"] = change.policy.value
        case CreateGroup():
            document |= {
                "group_name": change.name,
                "vpc_id": change.vpc_id,
                "description": change.description,
                "group_kind": change.kind.value,
                "tags": dict(change.tags),
            }
        case DeleteGroup():
            pass
    return document


def read_change(document: Mapping[str, Any]) -> Change:
    """Return the change of a document that `change_document` wrote."""
    place = Place(document["account_id"], document["region_id"])
    group_id = document["group_id"]
    match document["action"]:
        case "add_rules":
            new = tuple(NewRule(read_rule(each), each["description"]) for each in document["rules"])
            return Authorize(place, group_id, new[0].rule.direction, new)
        case "remove_rules":
            held = tuple(read_held(each) for each in document["rules"])
            return Revoke(place, group_id, held[0].rule.direction, held)
        case "join":
            return Join(place, group_id, document["instance_id"])
        case "leave":
            return Leave(place, group_id, document["instance_id"])
        case "set_inner_access":
            return SetInnerAccess(place, group_id, Policy(document["inner_access"]))
        case "create_group":
            return CreateGroup(
                place,
                group_id,
                document["group_name"],
                document["vpc_id"],
                document["description"],
                GroupKind(document.get("group_kind", GroupKind.BASIC)),
                tuple(sorted(document.get("tags", {}).items())),
            )
        case "delete_group":
            return DeleteGroup(place, group_id)
        case other:
            msg = f"no change is called {other!r}"
            raise ValueError(msg)


def read_group(document: Mapping[str, Any]) -> Group:
    """Return the group of a document that `group_document` wrote."""
    return Group(
        group_id=document["group_id"],
        place=Place(document["account_id"], document["region_id"]),
        name=document["name"],
        vpc_id=document["vpc_id"],
        kind=GroupKind(document["kind"]),
        inner_access=Policy(document["inner_access"]),
        managed=document["managed"],
        rules=tuple(read_held(each) for each in document["rules"]),
        description=document.get("description", ""),
        tags=tuple(sorted(document.get("tags", {}).items())),
    )


ACTIONS: Mapping[type[Change], str] = {
    Authorize: "add_rules",
    Revoke: "remove_rules",
    Join: "join",
    Leave: "leave",
    SetInnerAccess: "set_inner_access",
    CreateGroup: "create_group",
    DeleteGroup: "delete_group",
}


def effect_document(effect: Effect) -> Document:
    """Spell what took effect; `kind` names what it is."""
    document: Document = {
        "kind": EFFECTS[type(effect)],
        "account_id": effect.place.account_id,
        "region_id": effect.place.region_id,
        "group_id": effect.group_id,
    }
    match effect:
        case AddedRule() | RemovedRule():
            document["rule"] = held_document(effect.held)
        case Joined() | Left():
            document["instance_id"] = effect.instance_id
        case InnerAccessSet():
            document |= {"before": effect.before.value, "inner_access": effect.after.value}
        case CreatedGroup() | DeletedGroup():
            document |= {"group_name": effect.name, "vpc_id": effect.vpc_id}
            document["group_kind"] = effect.kind.value
    return document


EFFECTS: Mapping[type[Effect], str] = {
    AddedRule: "added_rule",
    RemovedRule: "removed_rule",
    Joined: "joined",
    Left: "left",
    InnerAccessSet: "inner_access_set",
    CreatedGroup: "created_group",
    DeletedGroup: "deleted_group",
}


def read_effect(document: Mapping[str, Any]) -> Effect:
    """Return the effect of a document that `effect_document` wrote."""
    place = Place(document["account_id"], document["region_id"])
    group_id = document["group_id"]
    match document["kind"]:
        case "added_rule":
            return AddedRule(place, group_id, read_held(document["rule"]))
        case "removed_rule":
            return RemovedRule(place, group_id, read_held(document["rule"]))
        case "joined":
            return Joined(place, group_id, document["instance_id"])
        case "left":
            return Left(place, group_id, document["instance_id"])
        case "inner_access_set":
            before, after = Policy(document["before"]), Policy(document["inner_access"])
            return InnerAccessSet(place, group_id, before, after)
        case "created_group" | "deleted_group" as kind:
            made = CreatedGroup if kind == "created_group" else DeletedGroup
            of = GroupKind(document.get("group_kind", GroupKind.BASIC))
            return made(place, group_id, document["group_name"], document["vpc_id"], of)
        case other:
            msg = f"no effect is called {other!r}"
            raise ValueError(msg)
