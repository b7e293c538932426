"""A process dies at every effect, once each: connect by each method, move, disconnect, rollback."""

from collections.abc import Callable, Iterator
from time import perf_counter

import pytest

from tests.support.clouds import ACCOUNT
from tests.support.e2e import Document, connect_request
from tests.support.seeded.runs import run
from tests.support.seeded.scenes import METHODS, Act, Scene, place, way

WIDE = {"address_rules", "group_authorization"}
"""Methods whose rules go one way: both ways makes two changes of it."""

LAST_CALL = {
    "address_rules": ("AuthorizeSecurityGroup", 2),
    "group_authorization": ("AuthorizeSecurityGroup", 2),
    "shared_group": ("JoinSecurityGroup", 2),
    "dedicated_group": ("JoinSecurityGroup", 2),
}
BUSY = 10_000
"""More boundaries than there are: what is due then happens when all has come to rest."""


def request(method: str) -> Document:
    fields: Document = {"bidirectional": True} if method in WIDE else {}
    if method == "shared_group":
        fields["security_group_id"] = "sg-both"
    return connect_request(method, ["i-a"], ["i-b"], to=ACCOUNT, **fields)


def connecting(method: str) -> Scene:
    return Scene(estate=place(), requests=(), acts=(Act(0, "connect", (request(method),)),))


def disconnecting(method: str) -> Scene:
    scene = connecting(method)
    return Scene(estate=place(), requests=(), acts=(*scene.acts, Act(BUSY, "disconnect")))


def rolling_back(method: str) -> Scene:
    """The last call is refused, so that what was done before has to be undone."""
    action, nth = LAST_CALL[method]
    fault = {"match": {"action": action, "nth": nth}, "kind": "forbidden"}
    acts = connecting(method).acts
    return Scene(estate=place(), requests=(), acts=acts, faults=(fault,))


def taking_back(method: str) -> Scene:
    """What succeeded is asked back: a rollback of a success."""
    acts = (*connecting(method).acts, Act(BUSY, "roll_back"))
    return Scene(estate=place(), requests=(), acts=acts)


def moving(old: str, new: str, *faults: Document) -> Scene:
    acts = (*connecting(old).acts, Act(BUSY, "move", (way(new),)))
    return Scene(estate=place(), requests=(), acts=acts, faults=faults)


def stuck(action: str, nth: int) -> Document:
    """The old path is still there when this is refused: the new one has to go again."""
    return {"match": {"action": action, "nth": nth}, "kind": "forbidden"}


SCENES = {
    **{f"connect by {method}": connecting(method) for method in METHODS},
    "disconnect of dedicated_group": disconnecting("dedicated_group"),
    "disconnect of address_rules": disconnecting("address_rules"),
    **{f"rollback of {method}": rolling_back(method) for method in METHODS},
    "move from address_rules": moving("address_rules", "dedicated_group"),
    "move from dedicated_group": moving("dedicated_group", "group_authorization"),
    "rollback of a move to shared_group": moving(
        "dedicated_group", "shared_group", stuck("LeaveSecurityGroup", 2)
    ),
    "rollback of a success": taking_back("group_authorization"),
}  # fmt: skip


def effects_of(name: str) -> int:
    """How many effects there are without a crash, which is how many moments there are to die."""
    simulation = run(name, SCENES[name])
    kinds = [each.status.value for each in simulation.truth.operations()]
    assert kinds[0] == ("rolled_back" if name in ROLLED_BACK else "succeeded"), kinds
    return simulation.effects_before_heal


CONNECTED = {
    "disconnect of dedicated_group": "connect by dedicated_group",
    "disconnect of address_rules": "connect by address_rules",
    "move from address_rules": "connect by address_rules",
    "move from dedicated_group": "connect by dedicated_group",
    "rollback of a move to shared_group": "connect by dedicated_group",
    "rollback of a success": "connect by group_authorization",
}
"""Scenes that begin like another one, where its process has died at every effect already."""

ROLLED_BACK = {f"rollback of {method}" for method in METHODS}


MOVES = [name for name in SCENES if "move" in name]
"""Scenes of many effects: by default the process dies at every third one, else at each."""

EVERY = [
    *((name, 1) for name in SCENES if name not in MOVES),
    *((name, 3) for name in MOVES[1:]),
    *(pytest.param(name, 1, marks=pytest.mark.long) for name in MOVES),
]


@pytest.mark.parametrize(("name", "step"), EVERY)
def test_a_process_may_die_at_every_effect(
    name: str, step: int, record_property: Callable[[str, object], None]
) -> None:
    began = perf_counter()
    first = effects_of(CONNECTED[name]) + 1 if name in CONNECTED else 1
    moments = range(first, effects_of(name) + 1, step)
    assert len(moments) > 20
    for number in moments:
        simulation = run(name, SCENES[name], crash_at=frozenset({number}))
        assert simulation.crashed == 1
    record_property("seeded runs", (len(moments), perf_counter() - began))


def pairs(name: str) -> Iterator[frozenset[int]]:
    """A crash at every effect, and another one at every effect of the recovery."""
    count = effects_of(name)
    for first in range(1, count + 1):
        alone = run(name, SCENES[name], crash_at=frozenset({first}))
        for second in range(first + 1, alone.effects_before_heal + 1):
            yield frozenset({first, second})


@pytest.mark.long
@pytest.mark.parametrize("name", SCENES)
def test_a_process_may_die_again_while_it_recovers(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    began, count = perf_counter(), 0
    for both in pairs(name):
        run(name, SCENES[name], crash_at=both)
        count += 1
    assert count > 300
    record_property("seeded runs", (count, perf_counter() - began))


FAULTS = (
    {"kind": "throttle"},
    {"kind": "error", "code": "InternalError", "status": 500},
    {"kind": "error", "code": "InternalError", "status": 500, "when": "after"},
    {"kind": "error", "code": "IdempotentProcessing", "status": 403},
    {"kind": "reply_lost"},
    {"kind": "not_applied_timeout", "seconds": 5},
    {"kind": "applied_late", "after_seconds": 4},
    {"kind": "applied_late", "after_seconds": 4, "reply": "success"},
    {"kind": "malformed_reply"},
    {"kind": "expired_token"},
    {"kind": "forbidden"},
    {"kind": "partial_batch", "applied": 0},
    {"kind": "partial_batch", "applied": 0, "code": "InternalError", "status": 500},
)
CHANGING = ("Authorize", "Revoke", "Join", "Leave", "Create", "Delete")


def single_faults(name: str) -> Iterator[Scene]:
    """Every fault at every call that changes something, the Nth of its action."""
    plain = run(name, SCENES[name])
    counts: dict[str, int] = {}
    for line in plain.trace:
        words = line.split(" send ")
        if len(words) > 1 and words[1].startswith(CHANGING):
            counts[words[1]] = counts.get(words[1], 0) + 1
    scene = SCENES[name]
    for action, count in counts.items():
        for nth in range(1, count + 1):
            for fault in FAULTS:
                match = {"match": {"action": action, "nth": nth}}
                yield Scene(
                    estate=scene.estate,
                    requests=(),
                    acts=scene.acts,
                    faults=(*scene.faults, match | fault),
                    traits=frozenset({"late"}),
                )


SINGLE = (
    "disconnect of dedicated_group",
    "disconnect of address_rules",
    "rollback of shared_group",
)


@pytest.mark.parametrize("name", SINGLE)
def test_every_call_may_go_wrong_in_every_way(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    began, count = perf_counter(), 0
    for scene in single_faults(name):
        run(f"{name} {scene.faults[-1]}", scene)
        count += 1
    assert count >= len(FAULTS) * 3
    record_property("seeded runs", (count, perf_counter() - began))
