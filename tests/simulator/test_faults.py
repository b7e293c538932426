import threading
from typing import Any

import pytest

from app.simulator.control import control
from app.simulator.credentials import Caller
from app.simulator.errors import ControlError, ReplyLostError
from app.simulator.journal import MOST_CHARACTERS, MOST_COUNTED, Journal
from tests.simulator.estates import (
    ACCOUNT,
    OTHER_ACCOUNT,
    Cloud,
    RefusedError,
    pair,
    rule,
)

JOIN = {"SecurityGroupId": "sg-2", "InstanceId": "i-a"}


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(pair(rule("sgr-1")))


def put(cloud: Cloud, *faults: dict[str, Any], **beside: Any) -> None:
    cloud.dispatcher.put_faults({**beside, "faults": list(faults)} if beside else list(faults))


def codes(cloud: Cloud, times: int, action: str = "DescribeRegions", **fields: Any) -> str:
    """One letter a call: `.` if it was answered, `x` if it was refused."""
    letters = ""
    for _ in range(times):
        try:
            cloud(action, **fields)
            letters += "."
        except RefusedError:
            letters += "x"
    return letters


def joined(cloud: Cloud) -> bool:
    return "sg-2" in cloud.dispatcher.store.instances["i-a"].primary.group_ids


ERROR = {"kind": "error", "code": "InternalError", "status": 500}


def test_an_error_is_answered_instead_of_acting(cloud: Cloud) -> None:
    put(cloud, {**ERROR, "match": {"action": "JoinSecurityGroup"}})
    assert cloud.refusal("JoinSecurityGroup", **JOIN) == (500, "InternalError")
    cloud("DescribeRegions")


def test_an_error_after_the_action_leaves_it_done(cloud: Cloud) -> None:
    put(cloud, {**ERROR, "when": "after", "message": "as told"})
    with pytest.raises(RefusedError, match="as told"):
        cloud("JoinSecurityGroup", **JOIN)
    assert joined(cloud)


def test_throttling_is_a_refusal_of_the_user(cloud: Cloud) -> None:
    put(cloud, {"kind": "throttle"})
    assert cloud.refusal("DescribeRegions") == (400, "Throttling.User")


def test_a_lost_reply_is_told_by_an_error_and_the_action_is_done(cloud: Cloud) -> None:
    put(cloud, {"kind": "reply_lost", "match": {"action": "JoinSecurityGroup"}})
    with pytest.raises(ReplyLostError):
        cloud("JoinSecurityGroup", **JOIN)
    assert joined(cloud)
    (entry,) = _calls(cloud)["items"]
    assert (entry["applied"], entry["status"], entry["faults"]) == (True, None, ["fault-1"])


def test_a_reply_lost_before_the_action_prevents_it(cloud: Cloud) -> None:
    put(cloud, {"kind": "reply_lost", "when": "before"})
    with pytest.raises(ReplyLostError):
        cloud("JoinSecurityGroup", **JOIN)
    assert not joined(cloud)
    assert _calls(cloud)["items"][0]["applied"] is False


def test_a_delay_and_a_round_trip_take_time(cloud: Cloud) -> None:
    start = cloud.clock.now
    put(cloud, {"kind": "delay", "seconds": 3})
    cloud.dispatcher.put_settings({"round_trip_seconds": 0.5})
    cloud("DescribeRegions")
    assert cloud.clock.now - start == pytest.approx(3.5)


def test_a_held_call_waits_while_others_go_on_until_its_fault_is_deleted(cloud: Cloud) -> None:
    put(cloud, {"id": "h", "kind": "hold", "match": {"action": "JoinSecurityGroup"}})
    call = threading.Thread(target=lambda: cloud("JoinSecurityGroup", **JOIN))
    call.start()
    cloud("DescribeRegions")
    assert not joined(cloud)
    cloud.dispatcher.faults.delete("h")
    call.join(timeout=10)
    assert joined(cloud)


def test_somebody_elses_hand_moves_at_the_instant_of_the_call(cloud: Cloud) -> None:
    edit = {
        "add_rules": [{"group_id": "sg-1", "rule": rule("sgr-new")}],
        "remove_rule_ids": ["sgr-1", "sgr-no"],
        "join": [{"instance_id": "i-b", "group_id": "sg-1"}],
        "leave": [{"instance_id": "i-b", "group_id": "sg-2"}],
    }
    action = {"match": {"action": "DescribeInstances"}, "times": 1}
    put(cloud, {"kind": "edit", "edit": edit, **action})
    answer = cloud("DescribeInstances", InstanceIds='["i-b"]')
    assert answer["Instances"]["Instance"][0]["SecurityGroupIds"]["SecurityGroupId"] == ["sg-1"]
    assert cloud.rules("sg-2") == []
    assert [item["SecurityGroupRuleId"] for item in cloud.rules("sg-1")] == ["sgr-new"]


def test_an_edit_may_stand_beside_the_kind_and_strike_after_the_call(cloud: Cloud) -> None:
    put(cloud, {"kind": "edit", "remove_rule_ids": ["sgr-1"], "when": "after", "times": 1})
    assert len(cloud.rules("sg-2")) == 1
    assert cloud.rules("sg-2") == []


def test_what_an_edit_cannot_do_is_left_out(cloud: Cloud) -> None:
    edit = {
        "add_rules": [
            {"group_id": "sg-no", "rule": rule()},
            {"group_id": "sg-2", "rule": rule()},
            {"group_id": "sg-2", "rule": rule(SourceGroupId="sg-no")},
        ],
        "join": [{"instance_id": "i-no", "group_id": "sg-1"}],
        "leave": [{"instance_id": "i-a", "group_id": "sg-1"}],
    }
    before = cloud.estate()
    put(cloud, {"kind": "edit", "edit": edit})
    cloud("DescribeRegions")
    assert cloud.estate() == before


# ---- which calls


def test_a_fault_strikes_the_account_that_it_names(cloud: Cloud) -> None:
    put(cloud, {**ERROR, "match": {"account_id": OTHER_ACCOUNT}})
    assert codes(cloud, 1) == "."
    assert codes(cloud, 1, account_id=OTHER_ACCOUNT) == "x"


def test_a_fault_strikes_the_nth_match_only(cloud: Cloud) -> None:
    put(cloud, {**ERROR, "match": {"action": "DescribeRegions", "nth": 3}})
    cloud("DescribeInstances")
    assert codes(cloud, 5) == "..x.."


def test_a_fault_strikes_so_many_times(cloud: Cloud) -> None:
    put(cloud, {**ERROR, "times": 2})
    assert codes(cloud, 4) == "xx.."


def test_chance_is_the_same_for_the_same_seed(cloud: Cloud) -> None:
    fault = {**ERROR, "match": {"probability": 0.5}}
    drawn = []
    for seed in (1, 1, 2):
        put(cloud, fault, seed=seed)
        drawn.append(codes(cloud, 40))
    assert drawn[0] == drawn[1] != drawn[2]
    assert 5 < drawn[0].count("x") < 35


def test_several_faults_strike_in_their_order(cloud: Cloud) -> None:
    start = cloud.clock.now
    put(cloud, {"kind": "delay", "seconds": 1}, ERROR, {"kind": "delay", "seconds": 9})
    assert codes(cloud, 1) == "x"
    assert cloud.clock.now - start == 1


def test_faults_strike_after_authentication_and_before_the_actions_own_checks(
    cloud: Cloud,
) -> None:
    put(cloud, ERROR)
    unsigned = {"Action": "DescribeRegions", "Version": "2014-05-26", "Format": "JSON"}
    assert cloud.dispatcher.handle("POST", unsigned).body["Code"] == "MissingParameter"
    assert cloud.refusal("JoinSecurityGroup", region="xx") == (500, "InternalError")


# ---- the control interface


def ask(cloud: Cloud, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
    return control(cloud.dispatcher, method, f"/_simulator{path}", body)


def _calls(cloud: Cloud) -> Any:
    return ask(cloud, "GET", "/calls")[1]


def test_faults_are_got_as_they_were_put_and_deleted_one_by_one(cloud: Cloud) -> None:
    put(cloud, ERROR, {"id": "mine", "kind": "throttle"})
    listed = ask(cloud, "GET", "/faults")
    assert listed == (200, [{"id": "fault-1", **ERROR}, {"id": "mine", "kind": "throttle"}])
    assert ask(cloud, "DELETE", "/faults/mine") == (204, None)
    assert ask(cloud, "DELETE", "/faults/mine")[0] == 404
    assert ask(cloud, "DELETE", "/faults") == (204, None)
    assert ask(cloud, "GET", "/faults") == (200, [])
    put(cloud, ERROR, seed=3)
    answer = ask(cloud, "GET", "/faults")[1]
    assert answer == {"seed": 3, "faults": [{"id": "fault-1", **ERROR}]}
    cloud.dispatcher.put_faults(answer)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (7, "must be a list"),
        ([7], "must be an object"),
        ([{}], "kind must be one of"),
        ([{"kind": "nonsense"}], "kind must be one of"),
        ([{"kind": "stale_read"}], "needs either calls or seconds"),
        ([{"kind": "stale_read", "calls": 1, "seconds": 1}], "needs either calls or seconds"),
        ([{"kind": "applied_late"}], "needs either after_calls or after_seconds"),
        ([{"kind": "applied_late", "after_calls": 1, "reply": "x"}], "reply must be"),
        ([{"kind": "partial_batch"}], "applied must be"),
        ([{"kind": "partial_batch", "applied": 1, "code": "X"}], "a code, and a status"),
        ([{"kind": "malformed_reply", "shape": "round"}], "shape must be one of"),
        ([{"kind": "not_applied_timeout", "when": "after"}], "cannot strike after"),
        ([{"kind": "not_applied_timeout", "seconds": -1}], "seconds must be within"),
        ([{"kind": "error", "code": "X"}], "a code, and a status"),
        ([{"kind": "error", "code": "X", "status": 200}], "a code, and a status"),
        ([{"kind": "delay"}], "seconds must be a number"),
        ([{"kind": "delay", "seconds": -1}], "seconds must be within"),
        ([{"kind": "hold", "seconds": 1}], "unknown field 'seconds'"),
        ([{"kind": "hold", "match": {"aktion": "X"}}], "unknown field 'aktion'"),
        ([{"kind": "hold", "match": {"nth": 0}}], "nth must be"),
        ([{"kind": "hold", "match": {"probability": 2}}], "probability must be"),
        ([{"kind": "hold", "match": {"action": 1}}], "action must be a string"),
        ([{"kind": "hold", "times": True}], "times must be"),
        ([{"kind": "hold", "when": "now"}], "when must be"),
        ([{"kind": "hold", "id": 1}], "id of a fault"),
        ([{"kind": "hold", "id": "a"}, {"kind": "hold", "id": "a"}], "two faults have one id"),
        ([{"kind": "edit"}], "an edit needs one of"),
        ([{"kind": "edit", "edit": {"ad_rules": []}}], "unknown field 'ad_rules'"),
        ([{"kind": "edit", "join": [{"instance_id": "i-a"}]}], "join must hold objects"),
        ([{"kind": "edit", "remove_rule_ids": [1]}], "must hold strings"),
        ([{"kind": "edit", "add_rules": [{"group_id": "sg-1", "rule": {}}]}], "lacks IpProtocol"),
        ({"seed": "x", "faults": []}, "seed must be"),
        ({"sed": 1, "faults": []}, "unknown field 'sed'"),
    ],
)
def test_a_fault_that_is_none_is_refused_with_the_reason(
    cloud: Cloud, body: Any, reason: str
) -> None:
    put(cloud, ERROR)
    with pytest.raises(ControlError, match=reason):
        cloud.dispatcher.put_faults(body)
    assert codes(cloud, 1) == "x"


def test_the_journal_tells_who_called_what_without_secrets(cloud: Cloud) -> None:
    version = cloud.dispatcher.store.version
    cloud("JoinSecurityGroup", **JOIN)
    assert codes(cloud, 1, "JoinSecurityGroup", **JOIN) == "x"
    headers = {"user-agent": "me"}
    secret = {"Action": "AssumeRole", "Version": "2015-04-01", "ExternalId": "e"}
    secret |= {"AccessKeyId": "key", "SecurityToken": "token", "Signature": "sig"}
    cloud.dispatcher.handle("POST", secret, headers)
    journal = _calls(cloud)
    assert journal["counts"] == {"AssumeRole": 1, "JoinSecurityGroup": 2}
    first, second, third = journal["items"]
    assert first == {
        "seq": 1,
        "at": "2023-11-14T22:13:20.000000Z",
        "action": "JoinSecurityGroup",
        "account_id": ACCOUNT,
        "region_id": "cn-hangzhou",
        "parameters": {**JOIN, "RegionId": "cn-hangzhou"},
        "user_agent": "",
        "status": 200,
        "code": None,
        "applied": True,
        "version": version + 1,
        "faults": [],
    }
    assert (second["status"], second["code"], second["applied"]) == (
        403,
        "InvalidInstanceId.AlreadyExists",
        False,
    )
    assert (third["account_id"], third["parameters"], third["user_agent"]) == (None, {}, "me")
    assert ask(cloud, "DELETE", "/calls") == (204, None)
    assert _calls(cloud) == {"items": [], "counts": {}}


def test_the_journal_forgets_the_oldest_calls_when_large_ones_would_fill_the_memory() -> None:
    journal = Journal()
    large = "x" * (MOST_CHARACTERS // 3)  # one text, however many calls carry it
    for number in range(5):
        journal.enter(
            at="", parameters={"Action": f"A{number}", "P": large}, user_agent="", version=0
        )
    entries: Any = journal.as_json()
    assert [entry["seq"] for entry in entries["items"]] == [4, 5]
    assert sum(entries["counts"].values()) == 5


def test_the_journal_counts_so_many_actions_whatever_they_are_called() -> None:
    journal = Journal()
    for number in range(MOST_COUNTED + 5):
        journal.enter(at="", parameters={"Action": f"A{number}"}, user_agent="", version=0)
    entries: Any = journal.as_json()
    assert (len(entries["counts"]), len(entries["items"])) == (MOST_COUNTED, MOST_COUNTED + 5)


def test_putting_an_estate_keeps_faults_and_the_journal(cloud: Cloud) -> None:
    put(cloud, {"kind": "throttle"})
    assert codes(cloud, 1) == "x"
    cloud.dispatcher.replace_estate(pair())
    assert codes(cloud, 1) == "x"
    assert _calls(cloud)["counts"] == {"DescribeRegions": 2}


def test_settings_are_one_object_with_defaults(cloud: Cloud) -> None:
    status, settings = ask(cloud, "GET", "/settings")
    assert (status, settings["profile"], settings["round_trip_seconds"]) == (200, "2021", 0)
    assert settings["quotas"]["rules_per_group"] == 200
    cloud.dispatcher.put_settings({"profile": "seed-2019", "quotas": {"groups_per_interface": 9}})
    changed = ask(cloud, "GET", "/settings")[1]
    assert changed["quotas"]["rules_per_group"] == 100
    assert changed["quotas"]["groups_per_interface"] == 9
    cloud.dispatcher.put_settings(changed)
    assert ask(cloud, "GET", "/settings")[1] == changed
    cloud.dispatcher.put_settings({})
    assert ask(cloud, "GET", "/settings")[1] == settings


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ([], "must be an object"),
        ({"colour": "red"}, "unknown field 'colour'"),
        ({"profile": "1999"}, "profile must be one of"),
        ({"quotas": {"rules": 1}}, "unknown field 'rules'"),
        ({"quotas": {"rules_per_group": -1}}, "whole number"),
        ({"quotas": {"rules_per_group": "9"}}, "whole number"),
        ({"round_trip_seconds": -1}, "must be within 0"),
        ({"round_trip_seconds": "1"}, "number of seconds"),
        ({"clock_offset_seconds": True}, "number of seconds"),
        ({"clock_offset_seconds": 10**400}, "must be within"),
        ({"variants": {"x": 1}}, "unknown field 'x'"),
        ({"variants": {"leave_of_non_member": "x"}}, "must be one of"),
    ],
)
def test_settings_that_are_none_are_refused_with_the_reason(
    cloud: Cloud, body: Any, reason: str
) -> None:
    with pytest.raises(ControlError, match=reason):
        cloud.dispatcher.put_settings(body)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", b"", 404),
        ("POST", "/estate", b"{}", 405),
        ("GET", "/faults/x", b"", 405),
        ("PUT", "/estate", b"{", 400),
        ("PUT", "/estate", b"\xff", 400),
        ("PUT", "/estate", b'{"accounts": ["\\ud800"]}', 400),
        ("PUT", "/estate", b"[" * 100_000, 400),
        ("PUT", "/estate", b'{"instances": 7}', 422),
        ("PUT", "/faults", b"7", 400),
        ("POST", "/packets", b"{}", 400),
    ],
)
def test_a_wrong_control_call_says_what_is_wrong(
    cloud: Cloud, method: str, path: str, body: bytes, status: int
) -> None:
    answered, reason = ask(cloud, method, path, body)
    assert answered == status
    assert reason["error"]


def test_a_list_of_packets_is_answered_with_a_list(cloud: Cloud) -> None:
    packet = b'{"source":"i-a","destination":"i-b","protocol":"tcp","destination_port":22}'
    verdict = {"verdict": "reachable", "reason": "RULE", "rules": ["sgr-1"]}
    assert ask(cloud, "POST", "/packets", packet) == (200, verdict)
    assert ask(cloud, "POST", "/packets", b"[" + packet + b"]") == (200, [verdict])


def test_a_dispatcher_is_shared_by_threads(cloud: Cloud) -> None:
    def create() -> None:
        for _ in range(10):
            cloud.dispatcher.call(
                Caller(ACCOUNT), "CreateSecurityGroup", {"RegionId": "cn-hangzhou"}
            )

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(cloud.estate()["security_groups"]) == 82
