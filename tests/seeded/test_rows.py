"""Rows of the fault matrix, each as a story of its own; docs/faults.md says which."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.changes import Revoke
from app.domain.documents import change_document, read_held
from app.domain.operations import Operation
from app.domain.rules import Direction
from tests.seeded.test_boundaries import BUSY, LAST_CALL, connecting, disconnecting
from tests.seeded.test_regressions import crash_in, fault, statuses
from tests.support.e2e import Document, connect_request, rule
from tests.support.seeded.cloud import adding, described, removing
from tests.support.seeded.runs import run
from tests.support.seeded.scenes import METHODS, Act, Cue, Scene, place
from tests.support.seeded.simulation import Simulation

ADD, REMOVE, JOIN = "AuthorizeSecurityGroup", "RevokeSecurityGroup", "JoinSecurityGroup"
READ = "DescribeSecurityGroupAttribute"
ALWAYS = frozenset({"late"})
"""Trait of stories in which what is told may be more than what is."""


def when(scene: Scene, where: str, what: str, *arguments: Any, nth: int = 1) -> Scene:
    """The scene in which something happens at this place."""
    return replace(scene, cues=(*scene.cues, Cue(where, nth, what, arguments)))


def calling(
    scene: Scene, where: str, act: Callable[[Simulation], object], *, nth: int = 1
) -> Scene:
    return when(scene, where, "call", act, nth=nth)


def told(name: str, scene: Scene, **more: Any) -> tuple[Simulation, list[Operation]]:
    simulation = run(name, scene, **more)
    return simulation, simulation.truth.operations()


def calls(simulation: Simulation, action: str) -> int:
    return sum(line.endswith(f" send {action}") for line in simulation.trace)


def hand(*edits: Document) -> Callable[[Simulation], object]:
    def act(simulation: Simulation) -> None:
        simulation.truth.hand("as told")
        simulation.cloud.edit(*edits)

    return act


ONE_WAY = connect_request("address_rules", ["i-a"], ["i-b"])
CONNECT = Scene(estate=place(), requests=(), acts=(Act(0, "connect", (ONE_WAY,)),))
DISCONNECT = replace(CONNECT, acts=(*CONNECT.acts, Act(BUSY, "disconnect")))


# --- accepting ------------------------------------------------------------------------


@pytest.mark.fault("F1")
def test_a_crash_before_the_acceptance_is_kept_leaves_no_trace() -> None:
    simulation, operations = told("F1", CONNECT, crash_at=crash_in(CONNECT, "commit"))
    assert operations == []
    assert not simulation.shelf.tables["connections"]
    assert calls(simulation, ADD) == 0


@pytest.mark.fault("F2")
def test_a_crash_before_the_answer_loses_no_operation_and_doubles_none() -> None:
    simulation, operations = told("F2", CONNECT, crash_at=crash_in(CONNECT, "committed"))
    assert [each.status for each in operations][:1] == ["succeeded"]
    assert calls(simulation, ADD) == 1


@pytest.mark.fault("F3")
def test_what_cannot_be_kept_is_not_accepted() -> None:
    scene = replace(CONNECT, acts=(Act(0, "storage", ("commit", 1)), *CONNECT.acts))
    simulation, operations = told("F3", scene)
    assert operations == []
    assert "connect refused: storage_unavailable" in "\n".join(simulation.trace)


@pytest.mark.fault("F4")
def test_an_acceptance_whose_commit_was_not_confirmed_runs_once() -> None:
    scene = replace(CONNECT, acts=(Act(0, "storage", ("committed", 1)), *CONNECT.acts))
    simulation, _operations = told("F4", scene)
    assert statuses(simulation)[0] == "succeeded"
    assert calls(simulation, ADD) == 1
    assert "connect refused: storage_unavailable" in "\n".join(simulation.trace)


# --- before the first change ------------------------------------------------------------


def rejected(name: str, scene: Scene, code: str) -> None:
    simulation, operations = told(name, scene)
    assert [(each.status, (each.error or {}).get("code")) for each in operations] == [
        ("rejected", code)
    ]
    assert not any(calls(simulation, action) for action in (ADD, REMOVE, JOIN))


@pytest.mark.fault("F7")
@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ({"kind": "error", "code": "InternalError", "status": 500}, "cloud_unavailable"),
        ({"kind": "reply_lost"}, "cloud_unavailable"),
        ({"kind": "throttle"}, "cloud_throttled"),
        ({"kind": "malformed_reply", "shape": "wrong_types"}, "cloud_unavailable"),
    ],
)
def test_a_cloud_that_cannot_be_read_ends_an_operation_before_its_first_change(
    kind: Document, code: str
) -> None:
    trouble = {"match": {"action": READ}, **kind}
    rejected("F7", when(CONNECT, "before prepare 1", "trouble", trouble), code)


@pytest.mark.fault("F8")
def test_replicas_that_disagree_are_read_until_all_shows() -> None:
    settings = {"consistency": {"delay_seconds": 10, "replicas": 3, "seed": 3}}
    scene = replace(DISCONNECT, settings=settings, traits=frozenset({"stale"}))
    simulation, _ = told("F8", scene)
    assert statuses(simulation) == ["succeeded", "succeeded"]
    assert (calls(simulation, ADD), calls(simulation, REMOVE)) == (1, 1)


@pytest.mark.fault("F9")
def test_an_account_that_lets_nobody_in_any_more_is_not_touched() -> None:
    trouble = ({"match": {"action": READ}, "kind": "expired_token"},
               {"match": {"action": "AssumeRole"}, "kind": "forbidden"})  # fmt: skip
    rejected("F9", when(CONNECT, "before prepare 1", "trouble", *trouble), "account_unreachable")


def fill(simulation: Simulation) -> None:
    """Somebody uses up the group's room."""
    simulation.truth.hand("fill sg-b")
    for number in range(200):
        new = rule(f"sgr-{number}", ports=f"{number + 1}/{number + 1}", SourceCidrIp="10.9.9.9/32")
        simulation.cloud.edit(adding("sg-b", new))


@pytest.mark.fault("F12")
def test_without_room_for_the_rules_nothing_is_begun() -> None:
    rejected("F12", calling(CONNECT, "before prepare 1", fill), "quota_insufficient")


@pytest.mark.fault("F13")
@pytest.mark.parametrize("what", ["write", "commit", "committed"])
def test_a_backup_that_cannot_be_kept_is_kept_later_and_nothing_is_changed_before(
    what: str,
) -> None:
    scene = when(CONNECT, "before prepare 1", "storage", what, 3)
    simulation, _ = told("F13", scene)
    assert statuses(simulation)[0] == "succeeded"
    assert calls(simulation, ADD) == 1
    events = "\n".join(simulation.trace)
    assert events.index(f"STORAGE {what}") < events.index(f"send {ADD}")


def damaging(simulation: Simulation) -> None:
    """Let what is kept of a backup be another thing from the moment on that it is kept."""

    def damage(before: Any, after: Any) -> None:
        if before["backups"] is not after["backups"]:
            after["backups"].update(
                {
                    key: (number, replace(backup, content={**backup.content, "rules": ["?"]}))
                    for key, (number, backup) in after["backups"].items()
                }
            )

    simulation.shelf.watchers.append(damage)


@pytest.mark.fault("F14")
def test_a_backup_that_reads_back_otherwise_stops_everything() -> None:
    rejected("F14", calling(CONNECT, "before prepare 1", damaging), "backup_corrupt")


# --- the changes ------------------------------------------------------------------------


@pytest.mark.fault("F15")
@pytest.mark.parametrize("where", ["committed", f"send {ADD}"])
def test_an_intent_that_was_not_sent_is_sent_after_the_crash(where: str) -> None:
    nth = 4 if where == "committed" else 1
    simulation, _ = told("F15", CONNECT, crash_at=crash_in(CONNECT, where, nth=nth))
    assert statuses(simulation)[0] == "succeeded"


@pytest.mark.fault("F16", "F17", "F23", "F26")
@pytest.mark.parametrize(
    "kind",
    [
        {"kind": "throttle"},
        {"kind": "not_applied_timeout", "seconds": 15},
        {"kind": "reply_lost"},
        {"kind": "reply_lost", "when": "before"},
        {"kind": "error", "code": "InternalError", "status": 500},
        {"kind": "error", "code": "ServiceUnavailable", "status": 503, "when": "after"},
        {"kind": "malformed_reply", "shape": "html"},
        {"kind": "malformed_reply", "shape": "truncated"},
        {"kind": "malformed_reply", "shape": "code_in_200"},
        {"kind": "malformed_reply", "shape": "wrong_types"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", METHODS)
def test_a_call_without_an_answer_is_looked_after_and_made_once(
    method: str, kind: Document
) -> None:
    action = {"shared_group": JOIN, "dedicated_group": "CreateSecurityGroup"}.get(method, ADD)
    trouble = {"match": {"action": action}, **kind, "times": 1}
    simulation, _ = told("F16", replace(connecting(method), faults=(trouble,)))
    assert statuses(simulation) == ["succeeded", "succeeded"]  # and all was given back


@pytest.mark.fault("F18")
def test_what_takes_effect_after_a_rollback_is_swept_up() -> None:
    late = fault(ADD, "applied_late", after_seconds=100, times=4)
    simulation, operations = told("F18", replace(CONNECT, faults=(late,)))
    assert statuses(simulation) == ["rolled_back", "rolled_back"]
    assert operations[0].settled_by == operations[1].operation_id


@pytest.mark.fault("F20")
@pytest.mark.parametrize("refusal", [{}, {"code": "InternalError", "status": 500}], ids=str)
def test_of_a_batch_that_took_effect_in_part_the_rest_is_made(refusal: Document) -> None:
    both = connect_request("address_rules", ["i-a", "i-c"], ["i-b"])
    scene = replace(CONNECT, acts=(Act(0, "connect", (both,)),))
    part = fault(ADD, "partial_batch", applied=1, times=1, **refusal)
    _simulation, operations = told("F20", replace(scene, faults=(part,)))
    assert operations[0].status in {"succeeded", "rolled_back", "needs_attention"}
    assert not (operations[0].error or {}).get("remaining")


@pytest.mark.fault("F21")
def test_a_quota_that_is_used_up_half_way_takes_back_what_was_added() -> None:
    used_up: Document = {"match": {"action": ADD, "nth": 2}, "kind": "error"}
    used_up |= {"code": "AuthorizationLimitExceed", "status": 403}
    scene = replace(connecting("address_rules"), faults=(used_up,))
    simulation, operations = told("F21", scene)
    assert statuses(simulation) == ["rolled_back"]
    assert (operations[0].error or {})["code"] == "quota_exceeded"


@pytest.mark.fault("F22")
def test_a_throttled_minute_is_waited_for() -> None:
    settings = {"rate_limits": {"writes_per_minute": 1}}
    simulation, operations = told("F22", replace(connecting("shared_group"), settings=settings))
    assert statuses(simulation)[0] == "succeeded"
    took = operations[0].finished_at - operations[0].started_at  # type: ignore[operator]  # ended
    assert took > timedelta(seconds=60)


@pytest.mark.fault("F24")
def test_an_expired_token_is_renewed_once() -> None:
    expired = fault(ADD, "expired_token", times=1)
    simulation, _ = told("F24", replace(CONNECT, faults=(expired,)))
    assert statuses(simulation)[0] == "succeeded"
    assert calls(simulation, "AssumeRole") > 1


@pytest.mark.fault("F24")
def test_an_account_that_lets_nobody_in_half_way_needs_attention_and_can_be_resumed() -> None:
    scene = connecting("address_rules")
    trouble = [
        {"match": {"action": action}, "kind": "expired_token"} for action in (ADD, REMOVE, READ)
    ]
    trouble.append({"match": {"action": "AssumeRole"}, "kind": "forbidden"})
    scene = when(scene, "before change 2", "trouble", *trouble)
    simulation, operations = told("F24 for good", scene)
    assert statuses(simulation)[:2] == ["needs_attention", "rolled_back"]
    assert (operations[0].error or {})["unconfirmed"]


@pytest.mark.fault("F25")
def test_who_may_not_add_has_changed_nothing() -> None:
    simulation, _ = told("F25", replace(CONNECT, faults=(fault(ADD, "forbidden"),)))
    assert statuses(simulation) == ["rolled_back"]


# --- looking ------------------------------------------------------------------------------


@pytest.mark.fault("F27")
def test_a_rule_that_never_shows_is_neither_doubled_nor_forgotten() -> None:
    settings = {"consistency": {"delay_seconds": 500, "replicas": 1}}
    scene = replace(CONNECT, settings=settings, traits=frozenset({"stale"}))
    simulation, operations = told("F27", scene)
    assert operations[0].status == "needs_attention"
    assert (operations[0].error or {})["unconfirmed"]
    assert (calls(simulation, ADD), statuses(simulation)[1]) == (1, "rolled_back")


@pytest.mark.fault("F28")
@pytest.mark.parametrize("seed", range(6))
def test_a_rule_that_comes_and_goes_with_the_replica_is_not_added_again(seed: int) -> None:
    settings = {"consistency": {"delay_seconds": 12, "replicas": 3, "seed": seed}}
    scene = replace(CONNECT, settings=settings, traits=frozenset({"stale"}))
    simulation, _ = told(f"F28 {seed}", scene)
    assert (statuses(simulation)[0], calls(simulation, ADD)) == ("succeeded", 1)


# --- the gate before a removal ------------------------------------------------------------

NARROW = connect_request("address_rules", ["i-a"], ["i-d"])


def tightening(simulation: Simulation) -> None:
    """Let the second operation's plan go on with the removal of what the first one added.

    No method plans an addition and a removal together yet.
    """
    ((rule_id, held),) = simulation.cloud.ours().items()
    first = next(iter(simulation.shelf.tables["entries"].values()))[1].effect
    assert first.held.rule_id == rule_id
    removal = change_document(
        Revoke(first.place, held.group_id, Direction.INGRESS, (read_held_of(first),))
    )

    def extend(before: Any, after: Any) -> None:
        if before["backups"] is after["backups"]:
            return
        second = list(after["operations"].values())[1][1]
        number, plan = after["plans"][second.plan_id]
        changes = [*plan.document["changes"], removal]
        document = {**plan.document, "changes": changes}
        after["plans"][second.plan_id] = (number, replace(plan, document=document))

    simulation.shelf.watchers.append(extend)


def read_held_of(effect: Any) -> Any:
    document = change_document(Revoke(effect.place, "", Direction.INGRESS, (effect.held,)))
    return read_held(document["rules"][0])


def second_rule(simulation: Simulation) -> str:
    return list(simulation.cloud.ours())[1]


def remove_the_new_one(simulation: Simulation) -> None:
    hand(removing([second_rule(simulation)]))(simulation)


def edit_the_old_one(simulation: Simulation) -> None:
    rule_id, held = next(iter(simulation.cloud.ours().items()))
    edited = described(held, Priority=7)
    hand(removing([rule_id]), adding(held.group_id, edited))(simulation)


def shadow_the_new_one(simulation: Simulation) -> None:
    drop = rule("sgr-shadow", ports="3306/3306", policy="drop", SourceCidrIp="10.170.0.0/16")
    hand(adding("sg-b", drop))(simulation)


GATED = replace(
    CONNECT,
    acts=(*CONNECT.acts, Act(BUSY, "call", (tightening,)), Act(BUSY + 1, "connect", (NARROW,))),
)


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(remove_the_new_one, marks=pytest.mark.fault("F29")),
        pytest.param(edit_the_old_one, marks=pytest.mark.fault("F30")),
        pytest.param(shadow_the_new_one, marks=pytest.mark.fault("F31")),
    ],
)
def test_nothing_is_removed_before_what_comes_in_its_stead_stands(
    act: Callable[[Simulation], None],
) -> None:
    seen: list[str] = []

    def and_note(simulation: Simulation) -> None:
        seen.extend(simulation.cloud.ours())
        act(simulation)

    simulation, _ = told(act.__name__, calling(GATED, "before gate, look 1", and_note))
    assert statuses(simulation)[0] == "succeeded"
    assert statuses(simulation)[1] in {"rolled_back", "needs_attention"}
    second = simulation.truth.operations()[1].operation_id
    sent = [
        each.intent.change
        for each in simulation.truth._all("intents")
        if each.operation_id == second and each.intent.change["action"] == "remove_rules"
    ]
    assert seen[0] not in {rule["rule_id"] for each in sent for rule in each["rules"]}


# --- removals -----------------------------------------------------------------------------


@pytest.mark.fault("F32")
def test_a_rule_that_somebody_removes_at_the_last_moment_is_not_missed() -> None:
    def remove(simulation: Simulation) -> None:
        hand(removing(simulation.cloud.ours()))(simulation)

    scene = calling(DISCONNECT, "before change 1", remove, nth=2)
    simulation, _ = told("F32", scene)
    assert statuses(simulation)[:2] == ["succeeded", "succeeded"]


@pytest.mark.fault("F33")
def test_a_removal_that_is_throttled_for_good_leaves_no_less_than_before() -> None:
    throttled = fault(REMOVE, "throttle")
    scene = replace(disconnecting("address_rules"), faults=(throttled,))
    simulation, operations = told("F33", scene)
    assert statuses(simulation)[:2] == ["succeeded", "rolled_back"]
    assert (operations[1].error or {})["code"] == "cloud_throttled"


@pytest.mark.fault("F34")
@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("where", [f"send {REMOVE}", f"reply {REMOVE}", "after change 1"])
def test_a_crash_between_two_removals_leaves_no_half(where: str, nth: int) -> None:
    scene = disconnecting("address_rules")
    crash = crash_in(scene, where, nth=2 if where.startswith("after") else nth)
    simulation, _ = told("F34", scene, crash_at=crash)
    assert statuses(simulation) == ["succeeded", "succeeded"]


@pytest.mark.fault("F35")
@pytest.mark.parametrize("seconds", [3, 12])
def test_a_removal_that_takes_effect_late_is_waited_for(seconds: int) -> None:
    late = fault(REMOVE, "applied_late", after_seconds=seconds, times=1)
    simulation, _ = told("F35", replace(DISCONNECT, faults=(late,), traits=ALWAYS))
    assert statuses(simulation)[:2] == ["succeeded", "succeeded"]


@pytest.mark.fault("F36")
def test_a_removed_rule_that_never_goes_out_of_sight_needs_attention() -> None:
    def lag(simulation: Simulation) -> None:
        settings = {"consistency": {"delay_seconds": 500, "replicas": 1}}
        simulation.cloud.truth.put_settings(settings)

    def later(simulation: Simulation) -> None:
        simulation.hub.at(1000, simulation.do_disconnect)

    scene = replace(CONNECT, acts=(*CONNECT.acts, Act(BUSY, "call", (later,))))
    scene = replace(scene, traits=frozenset({"stale"}))
    scene = calling(scene, "before change 1", lag, nth=2)
    simulation, _operations = told("F36", scene)
    assert statuses(simulation)[1] == "needs_attention"


# --- the end ------------------------------------------------------------------------------


@pytest.mark.fault("F37")
def test_what_others_did_meanwhile_is_listed_and_left() -> None:
    theirs = rule("sgr-theirs", ports="22/22", SourceCidrIp="10.9.9.9/32")
    scene = calling(CONNECT, "before verify, look 1", hand(adding("sg-b", theirs)))
    simulation, operations = told("F37", scene)
    changes = (operations[0].result or {})["foreign_changes"]
    assert [each["rule"]["rule_id"] for each in changes] == ["sgr-theirs"]
    assert "sgr-theirs" in simulation.cloud.rules(simulation.cloud.truth)


@pytest.mark.fault("F38")
def test_a_rule_of_ours_that_is_gone_at_the_end_is_no_success() -> None:
    def remove(simulation: Simulation) -> None:
        hand(removing(simulation.cloud.ours()))(simulation)

    _simulation, operations = told("F38", calling(CONNECT, "before verify, look 1", remove))
    assert operations[0].status in {"rolled_back", "needs_attention"}


@pytest.mark.fault("F39")
@pytest.mark.parametrize("what", ["write", "commit", "committed"])
def test_a_database_that_fails_at_the_very_end_costs_no_further_change(what: str) -> None:
    simulation, _ = told("F39", when(CONNECT, "before record", "storage", what, 2))
    assert statuses(simulation)[0] == "succeeded"
    assert calls(simulation, ADD) == 1


@pytest.mark.fault("F43")
@pytest.mark.parametrize(
    "where", ["before change 1", f"send {ADD}", f"reply {ADD}", "before verify, look 1"]
)
def test_a_process_that_is_frozen_anywhere_makes_no_further_call(where: str) -> None:
    """Every call is checked to be made by a process whose tenure is not over."""
    scene = replace(CONNECT, processes=2)
    simulation, _ = told(f"F43 {where}", calling(scene, where, freeze))
    assert statuses(simulation)[0] in {"succeeded", "rolled_back"}


def freeze(simulation: Simulation) -> None:
    (task,) = [each for each in simulation.hub.tasks if each.tenure_id is not None]
    task.owner.frozen_until = simulation.hub.now + 90  # type: ignore[attr-defined]  # a process


@pytest.mark.fault("F44")
@pytest.mark.parametrize("seconds", [-86400, 86400])
@pytest.mark.parametrize("where", ["before begin 1", "before change 1", "before verify, look 1"])
def test_a_wall_clock_that_jumps_changes_nothing(where: str, seconds: int) -> None:
    simulation, _ = told("F44", when(DISCONNECT, where, "skew", seconds))
    assert statuses(simulation) == ["succeeded", "succeeded"]


@pytest.mark.fault("F21", "F25", "F45")
@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("Forbidden.RAM", 403),
        ("InvalidParameter", 400),
        ("AuthorizationLimitExceed", 403),
        ("InvalidSecurityGroupId.NotFound", 404),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_a_second_change_that_is_refused_leaves_nothing_of_the_first(
    method: str, code: str, status: int
) -> None:
    action, nth = LAST_CALL[method]
    refused: Document = {"match": {"action": action, "nth": nth}, "kind": "error"}
    refused |= {"code": code, "status": status}
    simulation, operations = told(
        f"{method} {code}", replace(connecting(method), faults=(refused,))
    )
    assert statuses(simulation) == ["rolled_back"]
    assert (operations[0].error or {})["cloud_code"] == code


@pytest.mark.fault("F46")
def test_an_instance_that_is_moved_meanwhile_is_no_success() -> None:
    def move(simulation: Simulation) -> None:
        simulation.truth.hand("move i-b")
        simulation.cloud.edit(
            {"join": [{"group_id": "sg-free", "instance_id": "i-b"}]},
            {"leave": [{"group_id": "sg-b", "instance_id": "i-b"}]},
        )

    _simulation, operations = told("F46", calling(CONNECT, "before verify, look 1", move))
    assert operations[0].status == "rolled_back"
    assert (operations[0].error or {})["code"] == "not_reachable_after_change"


# --- the way back -------------------------------------------------------------------------


@pytest.mark.fault("F49")
@pytest.mark.parametrize("kind", [
    {"kind": "reply_lost"}, {"kind": "throttle"},
    {"kind": "error", "code": "InternalError", "status": 500},
    {"kind": "applied_late", "after_seconds": 3}, {"kind": "malformed_reply"},
], ids=lambda kind: kind["kind"])  # fmt: skip
def test_what_goes_wrong_on_the_way_back_delays_it(kind: Document) -> None:
    refused = {"match": {"action": ADD, "nth": 2}, "kind": "forbidden"}
    trouble = {"match": {"action": REMOVE}, **kind, "times": 1}
    scene = replace(connecting("address_rules"), faults=(refused, trouble), traits=ALWAYS)
    simulation, _ = told("F49", scene)
    assert statuses(simulation)[0] == "rolled_back"


@pytest.mark.fault("F50")
def test_what_cannot_be_put_back_is_told_exactly_and_put_back_later() -> None:
    second = {"match": {"action": REMOVE, "nth": 2}, "kind": "forbidden"}
    scene = replace(disconnecting("address_rules"), faults=(second,))
    full: Document = {"match": {"action": ADD}, "kind": "error"}
    full |= {"code": "AuthorizationLimitExceed", "status": 403}
    scene = when(scene, "before turn back", "trouble", full)
    simulation, operations = told("F50", scene)
    assert statuses(simulation)[:3] == ["succeeded", "needs_attention", "rolled_back"]
    error = operations[1].error or {}
    assert [each["kind"] for each in error["remaining"]] == ["removed_rule"]
    assert [each["action"] for each in error["remedy"]] == ["add_rules"]


@pytest.mark.fault("F51")
def test_what_was_put_back_has_a_new_id_and_still_goes_with_its_connection() -> None:
    second = {"match": {"action": REMOVE, "nth": 2}, "kind": "forbidden", "times": 1}
    scene = replace(disconnecting("address_rules"), faults=(second,))
    simulation, _ = told("F51", scene)
    assert statuses(simulation) == ["succeeded", "rolled_back", "succeeded"]
    assert simulation.cloud.ours() == {}


@pytest.mark.fault("F52")
@pytest.mark.parametrize("change", [{"Description": "mine now"}, {"Priority": 9}], ids=str)
def test_a_rule_that_somebody_made_theirs_is_not_removed_on_the_way_back(change: Document) -> None:
    seen: list[str] = []

    def adopt(simulation: Simulation) -> None:
        ((rule_id, held),) = simulation.cloud.ours().items()
        seen.append(rule_id)
        hand(removing([rule_id]), adding(held.group_id, described(held, **change)))(simulation)

    refused = {"match": {"action": ADD, "nth": 2}, "kind": "forbidden"}
    scene = replace(connecting("address_rules"), faults=(refused,))
    simulation, _ = told("F52", calling(scene, "before undo 1", adopt))
    assert seen[0] in simulation.cloud.rules(simulation.cloud.truth)
