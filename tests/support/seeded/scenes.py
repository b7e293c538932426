"""What a seed is about: an estate, what is asked for, who else acts, and what goes wrong."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from app.services.changes import Patience
from tests.support.chance import Seeded
from tests.support.clouds import ACCOUNT, OTHER_ACCOUNT, group_entry, instance_entry
from tests.support.e2e import Document, Probe, connect_request, ends, estate, rule

PATIENCE = Patience(
    settle=timedelta(seconds=20),
    look_every=timedelta(seconds=5),
    calm_down=timedelta(seconds=61),
    sends=3,
)
LAG = 12
"""Most seconds that reads lag behind: less than the last look of the settle window."""

METHODS = ("address_rules", "shared_group", "dedicated_group", "group_authorization")
MEMBERSHIPS = {"shared_group", "dedicated_group"}
READS = (
    "DescribeSecurityGroupAttribute",
    "DescribeSecurityGroups",
    "DescribeInstances",
    "DescribeSecurityGroupReferences",
)
RULES = ("AuthorizeSecurityGroup", "RevokeSecurityGroup")
WRITES = (
    *RULES, "JoinSecurityGroup", "LeaveSecurityGroup", "CreateSecurityGroup", "DeleteSecurityGroup",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Act:
    """Something that happens once so many boundaries were passed: `what` is a method of the run."""

    at: int
    what: str
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Cue:
    """Something that happens where the trace comes to this place for the `nth` time."""

    where: str
    nth: int
    what: str
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that is drawn before the run.

    `crashes` and `switches` are chances at a boundary, in thousandths: that the process dies
    there, and that somebody else goes on. `traits` name what was switched on.
    """

    estate: Document
    requests: tuple[Document, ...]
    acts: tuple[Act, ...]
    cues: tuple[Cue, ...] = ()
    faults: tuple[Document, ...] = ()
    settings: Document = field(default_factory=dict)
    traits: frozenset[str] = frozenset()
    processes: int = 1
    crashes: int = 0
    switches: int = 0
    read_attempts: int = 1
    patience: Patience = PATIENCE


# --- places ---------------------------------------------------------------------------


def place(*, vpc: bool = False, to: str = ACCOUNT, rules: tuple[Document, ...] = ()) -> Document:
    """Two sources in sg-a, two targets in sg-b, and a group that both sides can join."""
    vpc_id = "vpc-1" if vpc else None
    network = "172.16.0" if vpc else "10.170.0"

    def host(instance_id: str, group_id: str, number: int, account: str) -> Document:
        return instance_entry(
            instance_id,
            [group_id],
            private_ip=f"{network}.{number}",
            vpc_id=vpc_id,
            account=account,
        )

    return estate(
        [
            group_entry("sg-a", vpc_id=vpc_id),
            group_entry("sg-b", vpc_id=vpc_id, account=to, rules=rules),
            group_entry("sg-both", vpc_id=vpc_id),
            group_entry("sg-free", vpc_id=vpc_id),
        ],
        [
            host("i-a", "sg-a", 1, ACCOUNT),
            host("i-b", "sg-b", 2, to),
            host("i-c", "sg-a", 3, ACCOUNT),
            host("i-d", "sg-b", 4, to),
        ],
    )


def probes_of(place: Document) -> tuple[Probe, ...]:
    """Every pair at the asked port and at its neighbours, and a stranger."""
    hosts = ends(place)
    ports = (3306, 3307, 22)
    pairs = [(one, other) for one in hosts for other in hosts if one != other]
    found = [Probe(one, other, "tcp", 3306) for one, other in pairs]
    for port in ports[1:]:
        found += [Probe(hosts[0], hosts[1], "tcp", port), Probe(hosts[2], hosts[3], "tcp", port)]
    found.append(Probe(hosts[0], hosts[1], "udp", 3306))
    stranger = type(hosts[0])("10.99.0.9")
    return (*found, Probe(stranger, hosts[1], "tcp", 3306), Probe(stranger, hosts[3], "tcp", 22))


# --- draws ----------------------------------------------------------------------------


def drawn(seed: object) -> Scene:
    """Draw a scene: which kinds of trouble there are, and how much of each."""
    chance = Seeded(f"scene {seed}")
    traits = frozenset(
        name
        for name, percent in (
            ("hands", 35), ("stale", 25), ("faults", 75), ("late", 15), ("crash", 45),
            ("freeze", 12), ("limits", 10), ("steer", 50), ("skew", 10), ("refuse", 20),
            ("stuck", 8), ("storage", 10),
        )
        if chance.maybe(percent)
    )  # fmt: skip
    processes = 2 if "freeze" in traits else chance.one((1, 1, 1, 2))
    vpc = chance.maybe(40)
    to = OTHER_ACCOUNT if chance.maybe(25) else ACCOUNT
    scene = Scene(
        estate=place(vpc=vpc, to=to, rules=tuple(_standing(chance, vpc=vpc))),
        requests=tuple(_request(chance, to) for _ in range(chance.one((1, 1, 2)))),
        acts=(),
        traits=traits,
        processes=processes,
        crashes=chance.one((4, 10, 25)) if "crash" in traits else 0,
        switches=chance.one((0, 20, 80)),
        read_attempts=chance.one((1, 1, 2)),
    )
    scene = replace(
        scene, faults=tuple(_faults(chance, traits)), settings=_settings(chance, traits)
    )
    acts = [*_acts(chance, scene), *_moves(Seeded(f"moves {seed}"), to)]
    return replace(scene, acts=tuple(sorted(acts, key=lambda act: act.at)))


def _standing(chance: Seeded, *, vpc: bool) -> list[Document]:
    """Rules of others that stand in the target's group."""
    source = "172.16.0.1/32" if vpc else "10.170.0.1/32"
    menu = [
        rule("sgr-equal", ports="3306/3306", SourceCidrIp=source),
        rule("sgr-other", ports="22/22", SourceCidrIp=source),
        rule("sgr-named", ports="8080/8080", SourceGroupId="sg-a", SourceGroupOwnerId=ACCOUNT),
        rule("sgr-drop", ports="22/22", policy="drop", priority=50, SourceCidrIp="10.99.0.0/16"),
        rule("sgr-late", ports="3306/3306", policy="drop", priority=90, SourceCidrIp=source),
    ]
    return chance.some(menu, 0, 2)


def _request(chance: Seeded, to: str) -> Document:
    method = chance.one(METHODS if to == ACCOUNT else ("address_rules", "group_authorization"))
    sources = chance.one((["i-a"], ["i-a"], ["i-a", "i-c"]))
    targets = chance.one((["i-b"], ["i-b"], ["i-d"], ["i-b", "i-d"]))
    fields: dict[str, Any] = {}
    if method in MEMBERSHIPS:
        if method == "shared_group":
            fields["security_group_id"] = "sg-both"
    else:
        if chance.maybe(30):
            fields["bidirectional"] = True
        if chance.maybe(20):
            fields["scope"] = "group"
    return connect_request(method, sources, targets, to=to, **fields)


def _moves(chance: Seeded, to: str) -> list[Act]:
    """Moves to another method, drawn apart: what else is drawn is the same without them."""
    if not chance.maybe(30):
        return []
    methods = METHODS if to == ACCOUNT else ("address_rules", "group_authorization")
    return [
        Act(chance.number(100, 400), "move", (way(chance.one(methods)),))
        for _ in range(chance.number(1, 2))
    ]


def way(method: str) -> Document:
    """How to connect by a method in these places."""
    return {"method": method} | (
        {"security_group_id": "sg-both"} if method == "shared_group" else {}
    )


def _settings(chance: Seeded, traits: frozenset[str]) -> Document:
    settings: Document = {}
    if "stale" in traits:
        settings["consistency"] = {
            "delay_seconds": chance.number(1, LAG),
            "replicas": chance.number(1, 3),
            "seed": chance.number(0, 10**6),
        }
    if "limits" in traits:
        settings["rate_limits"] = {"writes_per_minute": chance.number(1, 3)}
    settings["variants"] = {
        "revoke_of_missing_rule": chance.one(("success", "refused")),
        "leave_of_non_member": chance.one(("not_found", "not_in_group", "success")),
    }
    return settings


Kind = Callable[[Seeded], Document]


def _error(code: str, status: int, when: str = "before") -> Kind:
    return lambda _: {"kind": "error", "code": code, "status": status, "when": when}


PASSING: Mapping[str, Kind] = {
    "throttle": lambda _: {"kind": "throttle"},
    "failed": _error("InternalError", 500),
    "failed after": _error("InternalError", 500, "after"),
    "unavailable": _error("ServiceUnavailable", 503),
    "reply lost": lambda _: {"kind": "reply_lost"},
    "never arrived": lambda _: {"kind": "not_applied_timeout", "seconds": 5},
    "malformed": lambda _: {"kind": "malformed_reply"},
    "slow": lambda _: {"kind": "delay", "seconds": 3},
    "expired": lambda _: {"kind": "expired_token"},
    "partial": lambda chance: {
        "kind": "partial_batch",
        "applied": chance.number(0, 1),
        **(chance.one(({}, {"code": "InternalError", "status": 500}))),
    },
    "processing": _error("IdempotentProcessing", 403),
    "conflict": _error("OperationConflict", 409),
}
"""What may be another time, or was done all the same."""

LATE: Mapping[str, Kind] = {
    "late": lambda chance: {
        "kind": "applied_late",
        "after_seconds": chance.number(1, LAG),
        "reply": chance.one(("lost", "success")),
    },
}
REFUSING: Mapping[str, Kind] = {
    "forbidden": lambda _: {"kind": "forbidden"},
    "limit": _error("AuthorizationLimitExceed", 403),
    "wrong": _error("InvalidParameter", 400),
}


def _faults(chance: Seeded, traits: frozenset[str]) -> list[Document]:
    found: list[Document] = []
    if "faults" in traits:
        found += [
            _fault(chance, PASSING[name], (*WRITES, *READS[:2]), limited=True)
            for name in chance.some(sorted(PASSING), 1, 3)
        ]
    if "late" in traits:
        found.append(_fault(chance, LATE["late"], WRITES, limited=True))
        if chance.maybe(40):  # after all tries: its marker tells it long afterwards
            match = {"action": "AuthorizeSecurityGroup"}
            found.append({"match": match, "kind": "applied_late", "after_seconds": 100, "times": 4})
    if "refuse" in traits:
        name = chance.one(sorted(REFUSING))
        found.append(_fault(chance, REFUSING[name], WRITES, limited=chance.maybe(60)))
    if "stuck" in traits:
        found += [
            {"match": {"action": action}, "kind": "forbidden"}
            for action in ("RevokeSecurityGroup", "LeaveSecurityGroup")
        ]
    return found


def _fault(chance: Seeded, kind: Kind, actions: tuple[str, ...], *, limited: bool) -> Document:
    match: Document = {"action": chance.one(actions)}
    match["probability"] = chance.one((0.3, 0.6, 1.0))
    fault: Document = {"match": match, **kind(chance)}
    if limited:
        fault["times"] = chance.number(1, 4)
    return fault


def _acts(chance: Seeded, scene: Scene) -> list[Act]:
    acts = [
        Act(
            chance.number(0, 120) if number else 0,
            chance.one(("connect", "connect", "plan")),
            (request,),
        )
        for number, request in enumerate(scene.requests)
    ]
    acts += [Act(chance.number(150, 500), "disconnect") for _ in range(chance.number(0, 1))]
    if "steer" in scene.traits:
        steering = ("cancel", "roll_back", "roll_back", "resume")
        acts += [Act(chance.number(20, 400), each) for each in chance.some(steering, 1, 2)]
    if scene.traits & {"steer", "late"}:
        acts += [Act(chance.number(100, 600), "sweep") for _ in range(chance.number(0, 2))]
    if "stuck" in scene.traits:
        acts.append(Act(chance.number(40, 120), "roll_back"))
    if "storage" in scene.traits:
        failing = chance.one(("write", "commit", "committed"))
        acts.append(Act(chance.number(0, 200), "storage", (failing, chance.number(1, 3))))
    if "hands" in scene.traits:
        acts += [Act(chance.number(5, 350), "hand") for _ in range(chance.number(1, 3))]
    if "freeze" in scene.traits:
        acts.append(Act(chance.number(20, 250), "freeze", (chance.one((10, 40, 90)),)))
    if "crash" in scene.traits and scene.processes > 1:
        acts.append(Act(chance.number(20, 250), "lose"))
    if "skew" in scene.traits:
        acts.append(Act(chance.number(1, 200), "skew", (chance.one((-86400, 86400)),)))
    return acts
