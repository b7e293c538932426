"""What a comparison says of each method is what its plan says, and what comes of it."""

from typing import Any

import pytest

from app.simulator.demo import demo_estate
from tests.support.clouds import ACCOUNT, OTHER_ACCOUNT
from tests.support.e2e import Api, Cloud, Document, connect_request, pair, rule, side

METHODS = ("address_rules", "shared_group", "dedicated_group", "group_authorization")
FLOWS = [{"protocol": "tcp", "port_range": "3306/3306"}]


def compared(api: Api, **connection: Any) -> Document:
    answer = api.ask("POST", "/plans/compare", {"connection": connection})
    assert answer.status_code == 200, answer.text
    body: Document = answer.json()
    assert [each["method"] for each in body["methods"]] == list(METHODS)
    return body


def between(api: Api, to: str = ACCOUNT, **fields: Any) -> Document:
    source, target = side(ACCOUNT, ["i-a"]), side(to, ["i-b"])
    return compared(api, source=source, target=target, flows=FLOWS, **fields)


def test_each_method_would_do_what_its_plan_says_and_the_cloud_says_the_same(
    api: Api, cloud: Cloud
) -> None:
    start = cloud.put(pair())
    told = between(api, reason="why")
    assert (told["recommended"], told["situation"]["code"]) == ("address_rules", "few_instances")
    for each in told["methods"]:
        request = connect_request(each["method"], ["i-a"], ["i-b"], flows=FLOWS, reason="why")
        plan, work = api.plan(request), each["work"]
        for name in ("changes", "gained", "extra_pairs", "calls", "warnings"):
            assert work[name] == plan[name], (each["method"], name)
        assert [{**use, "still_fit": None} for use in plan["quotas"]] == [
            {**use, "still_fit": None} for use in work["quotas"]
        ]
        operation = api.connect(request)
        cloud.clear_calls()
        api.disconnect(operation["connection_id"])
        undone = cloud.changes("RevokeSecurityGroup", "LeaveSecurityGroup", "DeleteSecurityGroup")
        undoing = work["undoing"]
        assert len(undone) == bool(undoing["rules"]) + undoing["memberships"] + undoing["groups"]
        assert cloud.estate() == start
    assert (
        told["fingerprint"]
        == api.plan(connect_request("address_rules", ["i-a"], ["i-b"]))["fingerprint"]
    )


def test_what_is_not_possible_says_what_a_connect_request_would_be_refused_with(
    api: Api, cloud: Cloud
) -> None:
    cloud.put(pair(to=OTHER_ACCOUNT))
    told = between(api, OTHER_ACCOUNT)
    assert [each["possible"] for each in told["methods"]] == [True, False, False, True]
    assert told["situation"]["advised"] == "group_authorization"
    for each in told["methods"][1:3]:
        request = connect_request(each["method"], ["i-a"], ["i-b"], to=OTHER_ACCOUNT)
        problem = api.refused(request, 422, each["refusal"]["code"])
        for name in ("detail", "obstacles"):
            assert each["refusal"][name] == problem[name]
    assert cloud.changes() == []


def test_that_nothing_is_possible_is_an_answer(api: Api, cloud: Cloud) -> None:
    drop = rule("sgr-drop", policy="drop", ports="1/65535", SourceCidrIp="0.0.0.0/0")
    cloud.put(pair(target_rules=[drop]))
    told = between(api)
    assert (told["recommended"], {each["possible"] for each in told["methods"]}) == (None, {False})
    assert told["reasons"] == ["no method is possible; each says what stands in its way"]


def test_addresses_are_compared_with_what_cannot_take_them(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    source = {"addresses": ["10.9.9.9/32"]}
    told = compared(api, source=source, target=side(ACCOUNT, ["i-b"]), flows=FLOWS)
    assert told["recommended"] == "address_rules"
    assert {each["refusal"]["code"] for each in told["methods"][1:]} == {"invalid_connection"}


@pytest.mark.parametrize(
    ("source", "status", "code"),
    [
        ({"addresses": ["0.0.0.0/0"]}, 403, "guardrail_violation"),
        ({"addresses": ["10.9.9.0/24"]}, 422, "invalid_cidr"),
        ({"addresses": ["fd00::1/128"]}, 422, "family_mismatch"),
        (side(ACCOUNT, ["i-nobody"]), 404, "target_not_found"),
        (side(ACCOUNT, ["i-b"]), 422, "invalid_connection"),
    ],
)
def test_what_no_method_may_do_is_a_problem(
    api: Api, cloud: Cloud, source: Document, status: int, code: str
) -> None:
    cloud.put(pair())
    body = {"connection": {"source": source, "target": side(ACCOUNT, ["i-b"]), "flows": FLOWS}}
    answer = api.ask("POST", "/plans/compare", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_more_extra_pairs_than_allowed_are_refused_wherever_a_connection_is_asked_for(
    api: Api, cloud: Cloud
) -> None:
    cloud.put(demo_estate())
    request = {
        "method": "group_authorization",
        "source": side(ACCOUNT, ["i-web01"]),
        "target": side(OTHER_ACCOUNT, ["i-db01"]),
        "flows": FLOWS,
        "max_extra_pairs": 0,
    }
    problem = api.refused(request, 422, "too_many_extra_pairs")
    assert (problem["extra_pairs"], problem["max_extra_pairs"]) == (1, 0)
    assert problem["possible_methods"] == ["address_rules"]
    answer = api.ask("POST", "/plans", {"kind": "connect", "connection": request})
    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_extra_pairs")
    assert cloud.changes() == []
    told = compared(api, **{key: each for key, each in request.items() if key != "method"})
    assert told["methods"][3]["refusal"]["code"] == "too_many_extra_pairs"
    assert told["methods"][3]["work"]["extra_pairs"] == 1
    assert api.plan(request | {"max_extra_pairs": 1})["extra_pairs"] == 1


def test_what_waited_may_not_open_more_than_it_allowed_when_its_turn_comes(
    api: Api, cloud: Cloud
) -> None:
    cloud.put(demo_estate())
    first = connect_request("address_rules", ["i-web02"], ["i-db01"], to=OTHER_ACCOUNT)
    request = connect_request(
        "group_authorization", ["i-web01", "i-web02"], ["i-db01"], to=OTHER_ACCOUNT
    ) | {"max_extra_pairs": 0}
    cloud.faults({"id": "hold", "match": {"action": "AuthorizeSecurityGroup"}, "kind": "hold"})
    before = api.start(first)
    cloud.await_call("AuthorizeSecurityGroup")
    waiting = api.start(request)
    with cloud.edited() as estate:
        [moved] = [each for each in estate["instances"] if each["InstanceId"] == "i-shared01"]
        moved["SecurityGroupIds"] = ["sg-shared", "sg-web"]
    cloud.release("hold")
    api.ended(before, is_settled=False)
    rejected = api.ended(waiting, "rejected")
    assert rejected["error"]["code"] == "too_many_extra_pairs"
    assert rejected["error"]["extra_pairs"] == 1
