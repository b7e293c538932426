"""Somebody cancels an operation, takes it back, or takes up one that needs attention."""

import pytest

from tests.e2e.test_faults import METHODS, SECOND_CALL, passes, place, twin, two_changes
from tests.support.e2e import Api, Cloud, Document, connect_request, pair, rule, until

NO = {"code": "Forbidden.RAM", "status": 403}
REMOVING = ("RevokeSecurityGroup", "LeaveSecurityGroup", "DeleteSecurityGroup")
BOTH_WAYS = connect_request("address_rules", ["i-a"], ["i-b"], bidirectional=True)
ONE_WAY = connect_request("address_rules", ["i-a"], ["i-b"])


def hold(cloud: Cloud, action: str, nth: int = 1, when: str = "before") -> None:
    match = {"action": action, "nth": nth}
    cloud.faults({"id": "hold", "match": match, "kind": "hold", "when": when})


def ask(api: Api, operation: Document, what: str, status: int = 202) -> Document:
    answer = api.ask("POST", f"/operations/{operation['id']}/{what}")
    assert answer.status_code == status, answer.text
    body: Document = answer.json()
    return body


def disconnecting(api: Api, connection_id: str) -> Document:
    body: Document = api.ask("DELETE", f"/connections/{connection_id}").json()
    return body


# --- cancel ---------------------------------------------------------------------------


def test_an_operation_that_waits_its_turn_is_cancelled_and_touches_nothing(
    api: Api, cloud: Cloud
) -> None:
    cloud.put(pair())
    hold(cloud, "AuthorizeSecurityGroup")
    first = api.start(ONE_WAY)
    cloud.await_call("AuthorizeSecurityGroup")
    waiting = api.start(BOTH_WAYS)
    cancelled = ask(api, waiting, "cancel", 200)
    assert (cancelled["status"], cancelled["done"], cancelled["progress"]) == (
        "cancelled",
        True,
        100,
    )
    assert cancelled["error"]["code"] == "cancelled"
    cloud.clear_faults()
    api.ended(first)
    assert ask(api, waiting, "cancel", 200) == cancelled
    assert api.connection(waiting["connection_id"])["status"] == "failed"
    assert len(cloud.changes()) == 1
    assert cloud.rules("sg-a") == []


@pytest.mark.fault("F47")
def test_an_operation_is_cancelled_while_it_reads(api: Api, cloud: Cloud) -> None:
    start = cloud.put(pair())
    api.plan(ONE_WAY)
    reads = len([each for each in cloud.calls() if each["action"] == "DescribeInstances"])
    hold(cloud, "DescribeInstances", 2 * reads)  # those of the request, then those of the check
    operation = api.start(ONE_WAY)
    until(lambda: api.operation(operation)["status"] == "running", "it never begins")
    ask(api, operation, "cancel", 200)
    cloud.clear_faults()
    later = api.connect(BOTH_WAYS)  # its turn comes: the cancelled one is out of the way
    assert api.operation(operation)["status"] == "cancelled"
    assert api.operation(operation)["backup_ids"] == []
    api.disconnect(later["connection_id"])
    assert cloud.estate() == start


def test_after_the_first_change_there_is_nothing_to_cancel_but_to_take_back(
    api: Api, cloud: Cloud
) -> None:
    start = cloud.put(pair())
    hold(cloud, "AuthorizeSecurityGroup")
    operation = api.start(BOTH_WAYS)
    cloud.await_call("AuthorizeSecurityGroup")
    problem = ask(api, operation, "cancel", 409)
    assert problem["code"] == "invalid_state"
    path = problem["remedy"]["path"].removeprefix("/v1")
    assert api.ask(problem["remedy"]["method"], path).status_code == 202
    cloud.clear_faults()
    api.ended(operation, "rolled_back")
    assert cloud.estate() == start
    assert ask(api, operation, "cancel", 409)["status"] == 409


@pytest.mark.parametrize("what", ["cancel", "rollback", "resume"])
def test_what_does_not_exist_is_not_steered(api: Api, what: str) -> None:
    assert ask(api, {"id": "no-such-operation"}, what, 404)["code"] == "not_found"


# --- rollback -------------------------------------------------------------------------


@pytest.mark.fault("F47")
@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("method", METHODS)
def test_a_running_operation_turns_back_at_the_next_boundary(
    api: Api, cloud: Cloud, method: str, nth: int
) -> None:
    start = cloud.put(place())
    action = SECOND_CALL[method] if nth == 2 else "AuthorizeSecurityGroup"
    if method in {"shared_group", "dedicated_group"}:
        action = "JoinSecurityGroup"
    hold(cloud, action, nth)
    operation = api.start(two_changes(method))
    cloud.await_call(action, nth)
    asked = ask(api, operation, "rollback")
    assert asked["id"] == operation["id"]
    assert asked["rollback_asked_at"]
    assert ask(api, operation, "rollback")["id"] == operation["id"]
    cloud.clear_faults()
    operation = api.ended(operation, "rolled_back")
    assert operation["error"]["code"] == "rollback_asked"
    assert len(cloud.changes(action)) == nth
    assert cloud.estate() == start
    connection = api.connection(operation["connection_id"])
    assert (connection["status"], connection["ledger"]) == ("failed", [])


def test_a_disconnect_that_is_taken_back_midway_restores_the_connection(
    api: Api, cloud: Cloud
) -> None:
    start = cloud.put(pair())
    connection_id = api.connect(BOTH_WAYS)["connection_id"]
    hold(cloud, "RevokeSecurityGroup")
    operation = disconnecting(api, connection_id)
    cloud.await_call("RevokeSecurityGroup")
    ask(api, operation, "rollback")
    cloud.clear_faults()
    api.ended(operation, "rolled_back")
    assert passes(cloud, BOTH_WAYS)
    assert len(cloud.changes("RevokeSecurityGroup")) == 1
    assert api.connection(connection_id)["status"] == "active"
    api.disconnect(connection_id)
    assert cloud.estate() == start


def test_taking_back_what_has_touched_nothing_cancels_it(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    hold(cloud, "AuthorizeSecurityGroup")
    first = api.start(ONE_WAY)
    cloud.await_call("AuthorizeSecurityGroup")
    waiting = api.start(BOTH_WAYS)
    assert ask(api, waiting, "rollback")["status"] == "cancelled"
    cloud.clear_faults()
    api.ended(first)
    assert ask(api, waiting, "rollback", 409)["code"] == "invalid_state"


@pytest.mark.parametrize("method", METHODS)
def test_what_succeeded_is_taken_back_by_a_disconnect(api: Api, cloud: Cloud, method: str) -> None:
    start = cloud.put(place())
    made = api.connect(two_changes(method))
    back = ask(api, made, "rollback")
    assert (back["kind"], back["settles"]) == ("disconnect", made["id"])
    api.ended(back)
    assert cloud.estate() == start
    assert api.operation(made)["settled_by"] == back["id"]
    assert api.operation(made)["status"] == "succeeded"
    assert ask(api, made, "rollback")["id"] == back["id"]


def test_what_another_connection_needs_is_not_taken_back(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    made = api.connect(ONE_WAY)
    other = api.connect(ONE_WAY)
    problem = ask(api, made, "rollback", 409)
    assert (problem["code"], problem["connection_ids"]) == ("in_use", [other["connection_id"]])
    assert passes(cloud, ONE_WAY)


def test_a_disconnect_that_succeeded_is_taken_back_by_the_request_that_it_names(
    api: Api, cloud: Cloud
) -> None:
    cloud.put(pair())
    made = api.connect(ONE_WAY)
    gone = api.disconnect(made["connection_id"])
    remedy = ask(api, gone, "rollback", 409)["remedy"]
    answer = api.ask(remedy["method"], remedy["path"].removeprefix("/v1"), remedy["body"])
    assert answer.status_code == 202
    api.ended(answer.json())
    assert passes(cloud, ONE_WAY)


# --- resume ---------------------------------------------------------------------------


def stuck(api: Api, cloud: Cloud, method: str) -> Document:
    """An operation that can be finished neither way, as long as the faults stand."""
    nth = 1 if method == "dedicated_group" else 2
    cloud.faults(
        cloud.fault(SECOND_CALL[method], "error", nth=nth, **NO),
        *(cloud.fault(action, "error", **NO) for action in REMOVING),
    )
    return api.connect(two_changes(method), "needs_attention")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("what", ["resume", "rollback"])
def test_what_turned_back_in_vain_is_taken_up_and_brought_back(
    api: Api, cloud: Cloud, method: str, what: str
) -> None:
    start = cloud.put(place())
    operation = stuck(api, cloud, method)
    assert operation["error"]["turned_back"] is True
    resume = operation["error"]["resume"]
    assert resume["path"] == f"/v1/operations/{operation['id']}/resume"
    cloud.clear_faults()
    later = ask(api, operation, what)
    assert (later["kind"], later["settles"]) == ("connect", operation["id"])
    later = api.ended(later, "rolled_back")
    assert cloud.estate() == start
    assert later["backup_ids"]
    assert api.operation(operation)["status"] == "needs_attention"  # an end state never changes
    assert api.operation(operation)["settled_by"] == later["id"]
    connection = api.connection(operation["connection_id"])
    assert (connection["status"], connection["ledger"]) == ("failed", [])
    assert ask(api, operation, "resume", 409)["operation_id"] == later["id"]


def test_what_remains_is_exactly_what_is_there_after_every_try(api: Api, cloud: Cloud) -> None:
    start = cloud.put(place())
    operation = stuck(api, cloud, "address_rules")
    for _ in range(2):
        [left] = operation["error"]["remaining"]
        [held] = cloud.rules(left["group_id"])
        assert left["rule"]["rule_id"] == held["SecurityGroupRuleId"]
        [remedy] = operation["error"]["remedy"]
        assert remedy["action"] == "remove_rules"
        assert [each["rule_id"] for each in remedy["rules"]] == [held["SecurityGroupRuleId"]]
        operation = api.ended(ask(api, operation, "resume"), "needs_attention")
    cloud.clear_faults()
    api.ended(ask(api, operation, "resume"), "rolled_back")
    assert cloud.estate() == start


def test_what_was_put_back_halfway_is_put_back_to_the_end(api: Api, cloud: Cloud) -> None:
    """Of three removals two are made; one of them is put back, then the cloud says no."""
    rules = [rule("sgr-old", ports="22/22", SourceCidrIp="10.9.9.9/32")]
    start = cloud.put(pair(target_rules=rules))
    both = connect_request("address_rules", ["i-a"], ["i-b"], bidirectional=True)
    connection_id = api.connect(both)["connection_id"]
    made = cloud.estate()
    cloud.faults(
        cloud.fault("RevokeSecurityGroup", "error", nth=2, **NO),
        cloud.fault("AuthorizeSecurityGroup", "error", **NO),
    )
    operation = api.ended(disconnecting(api, connection_id), "needs_attention")
    assert [each["kind"] for each in operation["error"]["remaining"]] == ["removed_rule"]
    cloud.clear_faults()
    api.ended(ask(api, operation, "resume"), "rolled_back")
    assert passes(cloud, both)
    assert api.connection(connection_id)["status"] == "active"
    assert len(cloud.rules("sg-b")) == len(made["security_groups"][1]["Rules"])
    api.disconnect(connection_id)
    assert cloud.estate() == start


@pytest.mark.fault("F49")
@pytest.mark.parametrize("arrives", [True, False])
def test_no_direction_is_chosen_while_a_removal_may_still_take_effect(
    api: Api, cloud: Cloud, *, arrives: bool
) -> None:
    start = cloud.put(pair())
    connection_id = api.connect(ONE_WAY)["connection_id"]
    [held] = cloud.rules("sg-b")
    cloud.faults(cloud.fault("RevokeSecurityGroup", "reply_lost", when="before"))
    operation = disconnecting(api, connection_id)
    until(lambda: bool(api.operation(operation)["done"]), "it never ends")
    operation = api.ended(api.operation(operation), "needs_attention")
    error = operation["error"]
    assert error["turned_back"] is False
    assert error["remaining"] == []
    [open_] = error["unconfirmed"]
    assert [each["rule_id"] for each in open_["rules"]] == [held["SecurityGroupRuleId"]]
    cloud.clear_faults()
    if arrives:
        with cloud.edited() as estate:
            for group in estate["security_groups"]:
                group["Rules"] = []
    later = ask(api, operation, "resume")
    if arrives:
        api.ended(later, "succeeded")
        assert api.connection(connection_id)["status"] == "disconnected"
    else:
        until(lambda: bool(api.operation(later)["done"]), "it never ends")
        assert passes(cloud, ONE_WAY)
        api.disconnect(connection_id)
    assert cloud.estate() == start


def test_only_what_needs_attention_is_resumed(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    made = api.connect(ONE_WAY)
    problem = ask(api, made, "resume", 409)
    assert problem["code"] == "invalid_state"


def test_a_resumption_that_is_cancelled_leaves_the_connection_as_it_was(
    api: Api, cloud: Cloud
) -> None:
    start = cloud.put(place())
    operation = stuck(api, cloud, "address_rules")
    hold(cloud, "DescribeSecurityGroupAttribute")
    later = ask(api, operation, "resume")
    assert ask(api, operation, "resume")["id"] == later["id"]  # it is under way
    ask(api, later, "cancel", 200)
    cloud.clear_faults()
    assert api.connection(operation["connection_id"])["status"] == "needs_attention"
    api.ended(ask(api, operation, "resume"), "rolled_back")
    assert cloud.estate() == start


# --- what others did meanwhile ----------------------------------------------------------


@pytest.mark.fault("F37")
def test_what_somebody_else_changed_meanwhile_is_listed_and_left_alone(
    api: Api, cloud: Cloud
) -> None:
    old = rule("sgr-old", ports="22/22", SourceCidrIp="10.9.9.9/32")
    cloud.put(pair(target_rules=[old]))
    theirs = twin(PortRange="9999/9999")
    hand = {"add_rules": [theirs], "remove_rule_ids": ["sgr-old"]}
    cloud.faults(cloud.fault("AuthorizeSecurityGroup", "edit", edit=hand))
    operation = api.connect(ONE_WAY, is_settled=False)
    found = operation["result"]["foreign_changes"]
    told = {(each["kind"], each["group_id"], each["rule"]["port_range"]) for each in found}
    assert told == {("rule_added", "sg-b", "9999/9999"), ("rule_removed", "sg-b", "22/22")}
    cloud.clear_faults()
    api.disconnect(operation["connection_id"])
    assert [each["PortRange"] for each in cloud.rules("sg-b")] == ["9999/9999"]


def test_an_operation_alone_sees_nobody_else(api: Api, cloud: Cloud) -> None:
    cloud.put(place())
    for method in METHODS:
        made = api.connect(two_changes(method))
        assert made["result"]["foreign_changes"] == []
        gone = api.disconnect(made["connection_id"])
        assert gone["result"]["foreign_changes"] == []
