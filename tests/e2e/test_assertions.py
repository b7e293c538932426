"""Assertions end to end: whatever is planned, none is broken, and each keeps its states."""

import pytest

from app.api import examples
from app.simulator.demo import demo_estate
from tests.support.e2e import Api, Cloud, Document, rule

WEB = {"account_id": examples.SHOP, "region_id": examples.REGION, "instance_ids": ["i-web01"]}
DB = {"account_id": examples.DATA, "region_id": examples.REGION, "instance_ids": ["i-db01"]}
ASK = examples.BY_GROUP


@pytest.fixture(autouse=True)
def demo(cloud: Cloud, api: Api) -> None:
    """The demonstration's estate, and no assertion of an earlier test."""
    cloud.put(demo_estate())
    for each in api.get("/assertions?limit=100")["items"]:
        api.ask("DELETE", f"/assertions/{each['id']}")


def asserted(api: Api, kind: str, **fields: object) -> Document:
    body: Document = {
        "kind": kind, "source": WEB, "target": DB, "owner": "the team", "reason": "it is so",
        "flows": [{"protocol": "tcp", "port_range": "3306/3306"}],
    }  # fmt: skip
    answer = api.ask("POST", "/assertions", body | fields)
    assert answer.status_code == 201, answer.text
    made: Document = answer.json()
    return made


def test_a_plan_that_would_break_an_assertion_is_refused_and_names_it(
    api: Api, cloud: Cloud
) -> None:
    never = asserted(api, "must_never_reach")
    assert never["status"] == "holds"
    cloud.clear_calls()
    problem = api.refused(ASK, 409, "assertion_broken")
    [broken] = problem["assertions"]
    assert (broken["assertion_id"], broken["kind"]) == (never["id"], "must_never_reach")
    [against] = broken["against"]["items"]
    assert (against["port_range"], against["verdict"]) == ("3306/3306", "reachable")
    plan = api.ask("POST", "/plans", {"kind": "connect", "connection": ASK})
    assert (plan.status_code, plan.json()["code"]) == (409, "assertion_broken")
    assert cloud.changes() == []


def test_a_plan_that_leaves_an_assertion_alone_says_that_it_was_asked(api: Api) -> None:
    other = asserted(api, "must_never_reach", flows=[{"protocol": "tcp", "port_range": "22/22"}])
    far = {
        "account_id": examples.SHOP,
        "region_id": examples.REGION,
        "security_group_ids": ["sg-spare"],
    }
    asserted(
        api, "must_never_reach", source=far, target=far | {"security_group_ids": ["sg-shared"]}
    )
    plan = api.plan(ASK)
    assert [(each["assertion_id"], each["status"]) for each in plan["assertions"]] == [
        (other["id"], "holds")
    ]


def test_what_must_be_reachable_is_not_disconnected(api: Api) -> None:
    operation = api.connect(ASK)
    must = asserted(api, "must_reach")
    assert must["status"] == "holds"
    gone = api.ask("DELETE", f"/connections/{operation['connection_id']}")
    assert (gone.status_code, gone.json()["code"]) == (409, "assertion_broken")
    back = api.ask("POST", f"/operations/{operation['id']}/rollback")
    assert (back.status_code, back.json()["code"]) == (409, "assertion_broken")
    assert api.ask("DELETE", f"/assertions/{must['id']}").status_code == 204
    api.disconnect(operation["connection_id"])


def test_a_restore_is_asked_as_well(api: Api, cloud: Cloud) -> None:
    body = {
        "account_id": examples.DATA,
        "region_id": examples.REGION,
        "security_group_ids": ["sg-db"],
    }
    backup = api.ask("POST", "/backups", body).json()["items"][0]
    operation = api.connect(ASK)
    must = asserted(api, "must_reach")
    plan = {"kind": "restore", "backup_id": backup["id"], "mode": "full"}
    refused = api.ask("POST", "/plans", plan)
    assert (refused.status_code, refused.json()["code"]) == (409, "assertion_broken")
    api.ask("DELETE", f"/assertions/{must['id']}")
    assert api.ask("POST", "/plans", plan).status_code == 201
    api.disconnect(operation["connection_id"])
    assert len(cloud.rules("sg-db")) == 1


def test_an_assertion_made_after_a_plan_stops_it(api: Api, cloud: Cloud) -> None:
    plan = api.plan(ASK)
    asserted(api, "must_never_reach")
    cloud.clear_calls()
    answer = api.apply(plan)
    assert (answer.status_code, answer.json()["code"]) == (409, "assertion_broken")
    assert cloud.changes() == []


def test_an_assertion_made_while_an_operation_waits_ends_it_untouched(
    api: Api, cloud: Cloud
) -> None:
    cloud.faults(cloud.fault("AuthorizeSecurityGroup", "hold", nth=1))
    first = api.start(connect_request_of("22/22"))
    cloud.await_call("AuthorizeSecurityGroup")
    second = api.start(ASK)
    asserted(api, "must_never_reach")
    cloud.clear_faults()
    api.ended(first)
    ended = api.ended(second, "rejected")
    assert ended["error"]["code"] == "assertion_broken"
    assert len(cloud.changes("AuthorizeSecurityGroup")) == 1


def connect_request_of(ports: str) -> Document:
    return ASK | {"flows": [{"protocol": "tcp", "port_range": ports}]}


def test_states_are_kept_in_order_as_the_cloud_changes(api: Api, cloud: Cloud) -> None:
    never = asserted(api, "must_never_reach")
    path = f"/assertions/{never['id']}"
    with cloud.edited() as estate:
        for group in estate["security_groups"]:
            if group["SecurityGroupId"] == "sg-db":
                group["Rules"].append(
                    rule("sgr-hand", ports="3306/3306", SourceCidrIp="10.170.1.1/32")
                )
    checked = api.ask("POST", f"{path}/check").json()
    assert checked["status"] == "broken"
    assert checked["judgement"]["against"]["count"] == 1
    assert api.ask("POST", f"{path}/check").json()["states"] == checked["states"]
    with cloud.edited() as estate:
        for group in estate["security_groups"]:
            if group["SecurityGroupId"] == "sg-db":
                group["Rules"] = [
                    each for each in group["Rules"] if each["SecurityGroupRuleId"] != "sgr-hand"
                ]
    api.plan(connect_request_of("22/22"))  # a plan that looks there finds it out as well
    told = api.get(path)
    assert [each["status"] for each in told["states"]] == ["holds", "broken", "holds"]
    assert told["checked_at"] >= checked["checked_at"]
    assert [each["id"] for each in api.get("/assertions?status=holds")["items"]] == [never["id"]]


def test_an_assertion_that_is_broken_already_is_not_broken_further(api: Api, cloud: Cloud) -> None:
    with cloud.edited() as estate:
        for group in estate["security_groups"]:
            if group["SecurityGroupId"] == "sg-db":
                group["Rules"].append(rule("sgr-hand", ports="22/22", SourceCidrIp="10.170.1.1/32"))
    whole = [{"protocol": "tcp", "port_range": "1/65535"}]
    never = asserted(api, "must_never_reach", flows=whole)
    assert never["status"] == "broken"
    problem = api.refused(ASK, 409, "assertion_broken")
    assert [each["port_range"] for each in problem["assertions"][0]["against"]["items"]] == [
        "3306/3306"
    ]
    assert api.plan(connect_request_of("22/22"))["changes"] == []  # it is open as it is


def test_sides_that_do_not_exist_are_refused(api: Api) -> None:
    body = {"kind": "must_reach", "source": WEB, "owner": "me", "reason": "why not"}
    for target in (DB | {"instance_ids": ["i-gone"]}, _groups("sg-gone")):
        answer = api.ask("POST", "/assertions", body | {"target": target})
        assert (answer.status_code, answer.json()["code"]) == (404, "target_not_found")


def _groups(group_id: str) -> Document:
    return {
        "account_id": examples.DATA,
        "region_id": examples.REGION,
        "security_group_ids": [group_id],
    }


@pytest.mark.parametrize("name", examples.ASSERTION_REQUESTS)
def test_an_example_holds_on_the_demonstrations_estate(api: Api, name: str) -> None:
    answer = api.ask("POST", "/assertions", examples.ASSERTION_REQUESTS[name]["value"])
    assert (answer.status_code, answer.json()["status"]) == (201, "holds")
