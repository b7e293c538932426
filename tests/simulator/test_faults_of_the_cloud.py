"""Every kind of fault, on every action, without HTTP and without sleeping."""

import contextlib
import json
from itertools import product
from typing import Any

import pytest

from app.simulator.actions import ACTIONS
from app.simulator.credentials import Caller
from app.simulator.dispatcher import Reply
from app.simulator.errors import ReplyLostError
from app.simulator.faults import KINDS, SHAPES
from tests.simulator.estates import ACCOUNT, REGION, Cloud, pair, rule

JOIN = {"SecurityGroupId": "sg-2", "InstanceId": "i-a"}
BATCH: dict[str, Any] = {
    "SecurityGroupId": "sg-2",
    "Permissions": [
        {
            "IpProtocol": "tcp",
            "PortRange": f"{port}/{port}",
            "SourceCidrIp": "10.0.0.1",
            "NicType": "intranet",
        }
        for port in (81, 82, 83)
    ],
}


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(pair(rule("sgr-1")))


def put(cloud: Cloud, *faults: dict[str, Any], **beside: Any) -> None:
    cloud.dispatcher.put_faults({**beside, "faults": list(faults)} if beside else list(faults))


def ports(cloud: Cloud) -> list[str]:
    return [item["PortRange"] for item in cloud.rules("sg-2")]


def true_ports(cloud: Cloud) -> list[str]:
    group = cloud.dispatcher.store.groups["sg-2"]
    return [item.port_range for item in group.rules.values()]


def joined(cloud: Cloud) -> bool:
    return "sg-2" in cloud.dispatcher.store.instances["i-a"].primary.group_ids


def reply(cloud: Cloud, action: str, **fields: str) -> Reply:
    parameters = {"RegionId": REGION, **fields}
    return cloud.dispatcher.call(Caller(ACCOUNT), action, parameters)


# ---- refusals


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("throttle", 400, "Throttling.User"),
        ("expired_token", 400, "InvalidSecurityToken.Expired"),
        ("forbidden", 403, "Forbidden.RAM"),
    ],
)
def test_a_refusal_prevents_the_action_or_hides_that_it_was_done(
    cloud: Cloud, kind: str, status: int, code: str
) -> None:
    put(cloud, {"kind": kind, "times": 1})
    assert cloud.refusal("JoinSecurityGroup", **JOIN) == (status, code)
    put(cloud, {"kind": kind, "when": "after", "times": 1})
    assert reply(cloud, "JoinSecurityGroup", **JOIN).status == status
    assert joined(cloud)


# ---- silence


def test_a_call_that_times_out_is_not_applied(cloud: Cloud) -> None:
    put(cloud, {"kind": "not_applied_timeout", "times": 1})
    with pytest.raises(ReplyLostError):
        cloud("JoinSecurityGroup", **JOIN)
    assert not joined(cloud)
    cloud("JoinSecurityGroup", **JOIN)


def test_a_silence_with_an_end_takes_so_long(cloud: Cloud) -> None:
    start = cloud.clock.now
    put(cloud, {"kind": "not_applied_timeout", "seconds": 30})
    with pytest.raises(ReplyLostError):
        cloud("JoinSecurityGroup", **JOIN)
    assert cloud.clock.now - start == 30


# ---- late effects


def test_a_late_call_is_applied_after_so_many_other_calls(cloud: Cloud) -> None:
    put(cloud, {"kind": "applied_late", "after_calls": 2, "match": {"action": "JoinSecurityGroup"}})
    with pytest.raises(ReplyLostError):
        cloud("JoinSecurityGroup", **JOIN)
    assert not joined(cloud)
    cloud("DescribeRegions")
    assert not joined(cloud)
    cloud("DescribeRegions")
    assert joined(cloud)
    entry = cloud.dispatcher.journal.as_json()["items"]
    assert isinstance(entry, list)
    assert (entry[0]["status"], entry[0]["applied"]) == (None, True)


def test_a_late_call_is_applied_after_so_many_seconds_even_if_nobody_calls(cloud: Cloud) -> None:
    put(cloud, {"kind": "applied_late", "after_seconds": 60, "times": 1})
    with pytest.raises(ReplyLostError):
        cloud("JoinSecurityGroup", **JOIN)
    cloud.clock.sleep(59)
    assert "sg-2" not in cloud.estate()["instances"][0]["SecurityGroupIds"]
    cloud.clock.sleep(1)
    assert "sg-2" in cloud.estate()["instances"][0]["SecurityGroupIds"]


def test_a_late_call_may_be_answered_at_once(cloud: Cloud) -> None:
    put(cloud, {"kind": "applied_late", "after_calls": 1, "reply": "success", "times": 1})
    assert set(cloud("JoinSecurityGroup", **JOIN)) == {"RequestId"}
    assert not joined(cloud)
    cloud("DescribeRegions")
    assert joined(cloud)


def test_a_late_call_that_has_become_impossible_is_lost_in_silence(cloud: Cloud) -> None:
    put(cloud, {"kind": "applied_late", "after_calls": 1, "times": 1})
    with pytest.raises(ReplyLostError):
        cloud("JoinSecurityGroup", **JOIN)
    cloud("JoinSecurityGroup", **JOIN)
    assert cloud.dispatcher.store.instances["i-a"].primary.group_ids == ["sg-1", "sg-2"]


def test_a_late_call_acts_once_with_the_retry_that_carries_its_token(cloud: Cloud) -> None:
    put(cloud, {"kind": "applied_late", "after_calls": 1, "times": 1})
    with pytest.raises(ReplyLostError):
        cloud("CreateSecurityGroup", ClientToken="t")
    cloud("CreateSecurityGroup", ClientToken="t")
    assert len(cloud.estate()["security_groups"]) == 3


def test_another_estate_forgets_the_late_calls_of_the_one_before(cloud: Cloud) -> None:
    put(cloud, {"kind": "applied_late", "after_calls": 1, "times": 1})
    with pytest.raises(ReplyLostError):
        cloud("JoinSecurityGroup", **JOIN)
    cloud.dispatcher.replace_estate(pair())
    cloud("DescribeRegions")
    assert not joined(cloud)


# ---- stale reads


def test_a_stale_read_sees_the_world_before_the_last_changes(cloud: Cloud) -> None:
    cloud("AuthorizeSecurityGroup", **BATCH)
    cloud("RevokeSecurityGroup", SecurityGroupId="sg-2", SecurityGroupRuleId=["sgr-1"])
    now = ["81/81", "82/82", "83/83"]
    assert ports(cloud) == now
    put(cloud, {"kind": "stale_read", "calls": 1})
    assert ports(cloud) == ["22/22", *now]
    put(cloud, {"kind": "stale_read", "calls": 2})
    assert ports(cloud) == ["22/22"]
    put(cloud, {"kind": "stale_read", "calls": 9})
    assert ports(cloud) == ["22/22"]
    put(cloud)
    assert ports(cloud) == now == true_ports(cloud)


def test_a_stale_read_sees_the_world_of_so_many_seconds_ago(cloud: Cloud) -> None:
    cloud.clock.sleep(100)
    cloud("JoinSecurityGroup", **JOIN)
    put(cloud, {"kind": "stale_read", "seconds": 10})
    assert groups_of(cloud, "i-a") == ["sg-1"]
    cloud.clock.sleep(10)
    assert groups_of(cloud, "i-a") == ["sg-1", "sg-2"]


def groups_of(cloud: Cloud, instance_id: str) -> list[str]:
    answer = cloud("DescribeInstances", InstanceIds=json.dumps([instance_id]))
    ids: list[str] = answer["Instances"]["Instance"][0]["SecurityGroupIds"]["SecurityGroupId"]
    return ids


def test_a_stale_read_sees_what_was_deleted_and_not_what_was_created(cloud: Cloud) -> None:
    before = names(cloud)
    created = cloud("CreateSecurityGroup")["SecurityGroupId"]
    cloud("JoinSecurityGroup", SecurityGroupId=created, InstanceId="i-a")
    cloud("LeaveSecurityGroup", SecurityGroupId="sg-1", InstanceId="i-a")
    cloud("DeleteSecurityGroup", SecurityGroupId="sg-1")
    truth = cloud.estate()
    put(cloud, {"kind": "stale_read", "calls": 1})
    assert names(cloud) == {*before, created}
    put(cloud, {"kind": "stale_read", "calls": 4})
    assert names(cloud) == before
    assert cloud.refusal("DescribeSecurityGroupAttribute", SecurityGroupId=created) == (
        404,
        "InvalidSecurityGroupId.NotFound",
    )
    assert cloud.estate() == truth


def names(cloud: Cloud) -> set[str]:
    groups = cloud("DescribeSecurityGroups")["SecurityGroups"]["SecurityGroup"]
    return {item["SecurityGroupId"] for item in groups}


def test_writes_and_packets_know_the_truth_whatever_reads_see(cloud: Cloud) -> None:
    cloud("JoinSecurityGroup", **JOIN)
    put(cloud, {"kind": "stale_read", "calls": 1})
    assert groups_of(cloud, "i-a") == ["sg-1"]
    assert cloud.refusal("JoinSecurityGroup", **JOIN)[1] == "InvalidInstanceId.AlreadyExists"
    assert cloud.verdict("i-a", "i-b") == "reachable: INTRA_GROUP"


# ---- batches


@pytest.mark.parametrize(("applied", "kept"), [(0, 0), (2, 2), (3, 3), (9, 3)])
def test_of_a_partial_batch_the_first_rules_take_effect(
    cloud: Cloud, applied: int, kept: int
) -> None:
    put(cloud, {"kind": "partial_batch", "applied": applied})
    cloud("AuthorizeSecurityGroup", **BATCH)
    assert true_ports(cloud) == ["22/22", "81/81", "82/82", "83/83"][: kept + 1]


def test_a_partial_batch_may_end_in_an_error_and_its_retry_completes_it(cloud: Cloud) -> None:
    error = {"code": "InternalError", "status": 500}
    put(cloud, {"kind": "partial_batch", "applied": 1, "times": 1, **error})
    with pytest.raises(Exception, match="InternalError"):
        cloud("AuthorizeSecurityGroup", **BATCH, ClientToken="t")
    assert true_ports(cloud) == ["22/22", "81/81"]
    cloud("AuthorizeSecurityGroup", **BATCH, ClientToken="t")
    assert true_ports(cloud) == ["22/22", "81/81", "82/82", "83/83"]


def test_a_revoke_by_ids_is_a_batch_and_a_call_without_one_is_a_batch_of_one(
    cloud: Cloud,
) -> None:
    cloud("AuthorizeSecurityGroup", **BATCH)
    ids = list(cloud.dispatcher.store.groups["sg-2"].rules)
    put(cloud, {"kind": "partial_batch", "applied": 2})
    cloud("RevokeSecurityGroup", SecurityGroupId="sg-2", SecurityGroupRuleId=ids)
    assert true_ports(cloud) == ["82/82", "83/83"]
    put(cloud, {"kind": "partial_batch", "applied": 0})
    cloud("JoinSecurityGroup", **JOIN)
    assert not joined(cloud)


# ---- malformed replies


@pytest.mark.parametrize("shape", SHAPES)
def test_a_malformed_reply_follows_an_action_that_was_done(cloud: Cloud, shape: str) -> None:
    put(cloud, {"kind": "malformed_reply", "shape": shape})
    answer = reply(cloud, "JoinSecurityGroup", **JOIN)
    assert answer.status == 200
    assert joined(cloud)
    assert not is_answer(answer.encoded())


def is_answer(encoded: bytes) -> bool:
    try:
        body = json.loads(encoded)
    except ValueError:
        return False
    return isinstance(body, dict) and "Code" not in body and isinstance(body["RequestId"], str)


def test_a_malformed_reply_before_the_action_prevents_it(cloud: Cloud) -> None:
    put(cloud, {"kind": "malformed_reply", "shape": "html", "when": "before"})
    answer = reply(cloud, "JoinSecurityGroup", **JOIN)
    assert (answer.content_type, answer.body) == ("text/html", {})
    assert not joined(cloud)


def test_wrong_types_leave_no_field_as_it_was(cloud: Cloud) -> None:
    put(cloud, {"kind": "malformed_reply", "shape": "wrong_types"})
    parameters = {"SecurityGroupId": "sg-2", "NicType": "intranet"}
    body = reply(cloud, "DescribeSecurityGroupAttribute", **parameters).body
    assert body["Permissions"] == {"Permission": "1"}
    assert body["VpcId"] == {"Value": ""}


def test_the_seed_draws_the_shapes(cloud: Cloud) -> None:
    drawn = []
    for seed in (1, 1, 2):
        put(cloud, {"kind": "malformed_reply"}, seed=seed)
        drawn.append([reply(cloud, "DescribeRegions").encoded() for _ in range(20)])
    assert [shape(item) for item in drawn[0]] == [shape(item) for item in drawn[1]]
    assert [shape(item) for item in drawn[0]] != [shape(item) for item in drawn[2]]
    assert {shape(item) for item in drawn[0]} == set(SHAPES)


def shape(encoded: bytes) -> str:
    if encoded.startswith(b"<html>"):
        return "html"
    try:
        body = json.loads(encoded)
    except ValueError:
        return "truncated"
    return "code_in_200" if "Code" in body else "wrong_types"


# ---- all of them


DESCRIBED: dict[str, dict[str, Any]] = {
    "error": {"code": "ServiceUnavailable", "status": 503},
    "applied_late": {"after_calls": 1},
    "stale_read": {"calls": 1},
    "partial_batch": {"applied": 1},
    "delay": {"seconds": 1},
    "edit": {"remove_rule_ids": ["sgr-1"]},
    "not_applied_timeout": {"seconds": 1},
}


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"hold"}))
def test_every_kind_strikes_every_action(kind: str) -> None:
    for version, action in ACTIONS:
        cloud = Cloud(pair(rule("sgr-1")))
        put(cloud, {"kind": kind, **DESCRIBED.get(kind, {})})
        with contextlib.suppress(ReplyLostError):
            reply(cloud, action, Version=version)
        (entry,) = cloud.dispatcher.journal._entries
        assert entry.faults == ["fault-1"]


def test_the_same_seed_and_calls_give_the_same_trace() -> None:
    kinds = [
        {"kind": kind, "match": {"probability": 0.2}, **DESCRIBED.get(kind, {})}
        for kind in sorted(set(KINDS) - {"hold"})
    ]
    assert trace(kinds, seed=7) == trace(kinds, seed=7) != trace(kinds, seed=8)


def trace(kinds: list[dict[str, Any]], *, seed: int) -> list[object]:
    cloud = Cloud(pair(rule("sgr-1")))
    put(cloud, *kinds, seed=seed)
    seen: list[object] = []
    for number, action in product(range(10), ("JoinSecurityGroup", "LeaveSecurityGroup", "X")):
        read = "DescribeInstances" if action == "X" else action
        fields = {} if action == "X" else JOIN | {"ClientToken": str(number)}
        try:
            seen.append(reply(cloud, read, **fields).encoded())
        except ReplyLostError as lost:
            seen.append(str(lost))
    return [*seen, cloud.estate(), cloud.dispatcher.journal.as_json()]
