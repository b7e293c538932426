"""Sessions that are held to the policy that came with AssumeRole."""

import json
from typing import Any

import pytest

from app.simulator.credentials import Caller
from app.simulator.ram import read_policy
from tests.simulator.estates import ACCOUNT, BASE_ACCOUNT, Cloud, pair, rule

ROLE = f"acs:ram::{ACCOUNT}:role/intercommunication"
GROUP_1 = f"acs:ecs:cn-hangzhou:{ACCOUNT}:securitygroup/sg-1"


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return allow(action, resource, **more) | {"Effect": "Deny"}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "1", "Statement": list(statements)})


def refusal(
    *statements: dict[str, Any], action: str = "DescribeSecurityGroups", **call: Any
) -> Any:
    """What a session with these statements is refused with, None if it is not."""
    cloud = Cloud(pair(rule("sgr-1")))
    policy = {"Policy": document(*statements)} if statements else {}
    assumed = {"RoleArn": ROLE, "RoleSessionName": "session", **policy}
    key = cloud("AssumeRole", account_id=BASE_ACCOUNT, **assumed)["Credentials"]["AccessKeyId"]
    session = cloud.dispatcher._sessions.find(key)
    assert session is not None
    parameters = {"RegionId": "cn-hangzhou", **call}
    return cloud.dispatcher.call(session.caller, action, parameters).body.get("Code")


def test_a_session_without_a_policy_may_do_everything() -> None:
    assert refusal() is None


@pytest.mark.parametrize(
    ("statements", "is_refused"),
    [
        ([allow("*")], False),
        ([allow("ecs:*")], False),
        ([allow("ecs:Describe*")], False),
        ([allow("ECS:describesecuritygroups")], False),
        ([allow(["sts:*", "ecs:DescribeSecurityGroups"])], False),
        ([allow("ecs:DescribeInstances")], True),
        ([allow("ecs:Describe*"), deny("ecs:DescribeSecurityGroups")], True),
        ([allow("*", GROUP_1)], True),
        ([allow("*", f"acs:ecs:*:{ACCOUNT}:securitygroup/*")], False),
        ([allow("*", Condition={"IpAddress": {}})], True),
        ([allow("*"), deny("*", Condition={"IpAddress": {}})], True),
    ],
)
def test_what_no_statement_allows_or_any_denies_is_refused(
    statements: list[dict[str, Any]], is_refused: bool
) -> None:
    assert refusal(*statements) == ("Forbidden.RAM" if is_refused else None)


def test_joining_needs_both_the_instance_and_the_group() -> None:
    join = {"action": "JoinSecurityGroup", "SecurityGroupId": "sg-2", "InstanceId": "i-a"}
    groups = allow("ecs:JoinSecurityGroup", "acs:ecs:*:*:securitygroup/*")
    instances = allow("ecs:JoinSecurityGroup", "acs:ecs:*:*:instance/i-a")
    assert refusal(groups, **join) == refusal(instances, **join) == "Forbidden.RAM"
    assert refusal(groups, instances, **join) is None


def test_one_group_may_be_changed_and_another_not() -> None:
    fields = {"action": "DescribeSecurityGroupAttribute"}
    assert refusal(allow("ecs:*", GROUP_1), **fields, SecurityGroupId="sg-1") is None
    assert refusal(allow("ecs:*", GROUP_1), **fields, SecurityGroupId="sg-2") == "Forbidden.RAM"
    tag = {"action": "TagResources", "ResourceType": "securitygroup", "Tag.1.Key": "k"}
    both = {"ResourceId.1": "sg-1", "ResourceId.2": "sg-2"}
    assert refusal(allow("ecs:*", GROUP_1), **tag, **{"ResourceId.1": "sg-1"}) is None
    assert refusal(allow("ecs:*", GROUP_1), **tag, **both) == "Forbidden.RAM"


def test_who_one_is_may_be_asked_and_another_role_not() -> None:
    nothing = deny("*")
    assert refusal(nothing, action="GetCallerIdentity") is None
    assert refusal(nothing, action="AssumeRole", RoleArn=ROLE) == "NoPermission"


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"Version": "2", "Statement": []}',
        '{"Version": "1"}',
        '{"Version": "1", "Statement": [7]}',
        document({"Effect": "Perhaps", "Action": "*", "Resource": "*"}),
        document({"Effect": "Allow", "Resource": "*"}),
        document({"Effect": "Allow", "Action": []}),
        document(allow("*", NotAction="x")),
        document(allow("x" * 2048)),
        "[" * 2000,
    ],
)
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"polic|statement|Effect|Action|Expecting|long"):
        read_policy(text)
    assumed = {"RoleArn": ROLE, "RoleSessionName": "session", "Policy": text}
    reply = Cloud(pair()).dispatcher.call(Caller(BASE_ACCOUNT), "AssumeRole", assumed)
    assert reply.body["Code"] == "InvalidParameter.PolicyGrammar"
