"""What other people do to the groups, with what is theirs and with what is ours."""

from collections.abc import Callable, Mapping

from tests.support.chance import Seeded
from tests.support.e2e import Document, rule
from tests.support.seeded.cloud import Held, TwinCloud, adding, described, removing

GROUPS = ("sg-a", "sg-b", "sg-both", "sg-free")


def act(cloud: TwinCloud, chance: Seeded) -> str:
    """Do something that was drawn, if it can be done now; return what."""
    name = chance.one((*sorted(ACTS), "recreate", "recreate", "edit"))
    return ACTS[name](cloud, chance) or f"no {name}"


def _address(cloud: TwinCloud, instance_id: str) -> str:
    return str(cloud.truth.store.instances[instance_id].primary.private_ips[0])


def _add(cloud: TwinCloud, chance: Seeded) -> str:
    """Add a rule: sometimes the very one that we would add."""
    port = chance.one((3306, 3306, 22))
    source = _address(cloud, chance.one(("i-a", "i-c")))
    rule_id = f"sgr-hand-{cloud.truth.store.version}"
    new = rule(rule_id, ports=f"{port}/{port}", SourceCidrIp=f"{source}/32")
    cloud.edit(adding("sg-b", new))
    return f"add {rule_id}"


def _shadow(cloud: TwinCloud, chance: Seeded) -> str:
    """Add a drop that beats accepts of its priority."""
    source = _address(cloud, "i-a")
    rule_id = f"sgr-drop-{cloud.truth.store.version}"
    new = rule(rule_id, ports="3306/3306", policy="drop", SourceCidrIp=f"{source}/32")
    cloud.edit(adding("sg-b", new))
    return f"drop {rule_id}"


def _some(rules: Mapping[str, Held], chance: Seeded) -> tuple[str, Held] | None:
    found = sorted(key for key, held in rules.items() if held.group_id in GROUPS)
    if not found:
        return None
    key = chance.one(found)
    return key, rules[key]


def _remove(cloud: TwinCloud, chance: Seeded) -> str | None:
    found = _some(cloud.rules(cloud.truth), chance)
    if found is None:
        return None
    cloud.edit(removing([found[0]]))
    return f"remove {found[0]}"


def _edit(cloud: TwinCloud, chance: Seeded) -> str | None:
    """Give a rule another priority, or a description of their own."""
    found = _some(cloud.rules(cloud.truth), chance)
    if found is None:
        return None
    rule_id, held = found
    edits: tuple[Document, ...] = ({"Priority": 7}, {"Description": "mine now"})
    change = chance.one(edits)
    cloud.edit(removing([rule_id]), adding(held.group_id, described(held, **change)))
    return f"edit {rule_id}"


def _recreate(cloud: TwinCloud, chance: Seeded) -> str | None:
    """Take one of our rules away and put an equal one in its place, which is theirs."""
    found = _some(cloud.ours(), chance)
    if found is None:
        return None
    rule_id, held = found
    fresh = f"sgr-again-{cloud.truth.store.version}"
    new = described(held, SecurityGroupRuleId=fresh, Description="put back by hand")
    cloud.edit(removing([rule_id]), adding(held.group_id, new))
    return f"recreate {rule_id}"


def _leave(cloud: TwinCloud, chance: Seeded) -> str | None:
    """End a membership of ours."""
    found = sorted(cloud.our_memberships())
    if not found:
        return None
    group_id, instance_id = chance.one(found)
    cloud.edit({"leave": [{"group_id": group_id, "instance_id": instance_id}]})
    return f"leave {group_id} {instance_id}"


def _join(cloud: TwinCloud, chance: Seeded) -> str:
    """Let an instance join a group that nobody asks for."""
    instance_id = chance.one(("i-a", "i-c"))
    cloud.edit({"join": [{"group_id": "sg-free", "instance_id": instance_id}]})
    return f"join sg-free {instance_id}"


ACTS: Mapping[str, Callable[[TwinCloud, Seeded], str | None]] = {
    "add": _add,
    "shadow": _shadow,
    "remove": _remove,
    "edit": _edit,
    "recreate": _recreate,
    "leave": _leave,
    "join": _join,
}
