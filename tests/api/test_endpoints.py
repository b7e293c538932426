"""Each endpoint asks one service, and spells its answer."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.api import examples
from app.domain.documents import Document
from app.domain.errors import (
    CloudThrottledError,
    GuardrailViolationError,
    MethodNotPossibleError,
    PlanStaleError,
    TargetBusyError,
)
from app.domain.flows import Traffic
from app.domain.groups import Place
from app.domain.rules import PortRange, Protocol
from app.services.views import Part
from tests.api.fakes import KNOWN, UNKNOWN, Fakes, Unforeseen


def test_an_account_is_registered_and_its_address_is_answered(
    client: TestClient, fakes: Fakes
) -> None:
    body = examples.REGISTER["with a role"]["value"]
    answer = client.post("/v1/accounts", json=body)
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/v1/accounts/{examples.SHOP}"
    assert answer.json()["external_id"] == "external"
    assert answer.json()["created_at"] == "2026-01-05T08:00:00Z"
    assert fakes.accounts.asked == [
        ("register", (examples.SHOP, "shop", body["role_arn"], ("cn-hangzhou",)))
    ]


def test_an_account_registered_twice_is_a_conflict(client: TestClient) -> None:
    body = examples.REGISTER["the service's own"]["value"] | {"name": "twice"}
    answer = client.post("/v1/accounts", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "already_exists")
    assert answer.json()["account_id"] == "1000000000000009"


def test_only_what_is_given_is_changed(client: TestClient, fakes: Fakes) -> None:
    path = f"/v1/accounts/{examples.SHOP}"
    assert client.patch(path, json={"name": "web shop"}).json()["name"] == "web shop"
    assert client.patch(path, json={}).status_code == 200
    assert fakes.accounts.asked == [
        ("change", (examples.SHOP, {"name": "web shop"})),
        ("change", (examples.SHOP, {})),
    ]


def test_what_was_used_of_the_clouds_limits_is_told(client: TestClient, fakes: Fakes) -> None:
    answer = client.get(f"/v1/accounts/{examples.SHOP}/calls")
    [count] = answer.json()["items"]
    assert (count["action"], count["calls"], count["is_locked"]) == ("JoinSecurityGroup", 7, True)
    assert client.get(f"/v1/accounts/{examples.DATA}/calls").status_code == 404
    assert [name for name, _ in fakes.calls()] == ["get", "spent", "get"]


def test_removing_answers_nothing(client: TestClient) -> None:
    answer = client.delete(f"/v1/accounts/{examples.SHOP}")
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("body", [None, b"", b"{}"])
def test_a_check_takes_no_body_or_an_empty_one(client: TestClient, body: bytes | None) -> None:
    headers = {"Content-Type": "application/json"} if body == b"{}" else {}
    answer = client.post(f"/v1/accounts/{examples.SHOP}/check", content=body, headers=headers)
    assert (answer.status_code, answer.json()["access"]) == (200, "ok")


def test_a_listing_goes_on_where_it_ended(client: TestClient, fakes: Fakes) -> None:
    first = client.get("/v1/accounts", params={"limit": 1}).json()
    second = client.get("/v1/accounts", params={"cursor": first["next_cursor"]}).json()
    assert second["next_cursor"] is None
    assert fakes.accounts.asked == [("page", (1, None)), ("page", (50, 7))]


def test_a_cursor_of_another_listing_or_filter_is_refused(client: TestClient) -> None:
    cursor = client.get("/v1/accounts").json()["next_cursor"]
    of_operations = client.get("/v1/operations").json()["next_cursor"]
    for path, given in (
        ("/v1/operations", cursor),
        ("/v1/accounts", of_operations),
        ("/v1/operations?status=running", of_operations),
    ):
        answer = client.get(path, params={"cursor": given} | _query(path))
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


def _query(path: str) -> dict[str, str]:
    return {"status": "running"} if "status" in path else {}


def test_inventory_filters_are_handed_on(client: TestClient, fakes: Fakes) -> None:
    params = {"account_id": examples.SHOP, "group_id": "sg-web", "name": "web-*", "cursor": "next"}
    page = client.get("/v1/instances", params=params).json()
    assert page["next_cursor"] == "further"
    assert page["items"][0]["interfaces"][0]["group_ids"] == ["sg-web"]
    asked = fakes.inventory.asked[0][1][0]
    assert asked == params | {"region_id": None, "vpc_id": None, "limit": 50}


def test_groups_are_listed_without_rules_and_read_with_them(client: TestClient) -> None:
    summary = client.get("/v1/security-groups").json()["items"][0]
    assert summary["rule_count"] is None
    group = client.get("/v1/security-groups/sg-web").json()
    assert group["rules"] == examples.GROUP["rules"]
    assert group["members"][0]["instance_id"] == "i-web01"
    missing = client.get("/v1/security-groups/sg-other")
    assert (missing.status_code, missing.json()["code"]) == (404, "target_not_found")


def test_findings_of_a_group_come_with_their_proof(client: TestClient, fakes: Fakes) -> None:
    params = {"account_id": examples.SHOP, "severity": "high"}
    found = client.get("/v1/security-groups/sg-web/findings", params=params).json()
    assert found["items"] == examples.FINDINGS["items"]
    world = {"read_at": "2026-01-05T08:00:00Z", "fingerprint": "f"}
    assert found["world"] == examples.READ_WORLD | world
    assert fakes.hygiene.asked == [("findings", ("sg-web", examples.SHOP, None, "high", False))]
    missing = client.get("/v1/security-groups/sg-other/findings")
    assert (missing.status_code, missing.json()["code"]) == (404, "target_not_found")


@pytest.mark.parametrize("name", examples.CONNECT_REQUESTS)
def test_the_service_gets_the_connect_request_as_it_was_sent(
    client: TestClient, fakes: Fakes, name: str
) -> None:
    body = examples.CONNECT_REQUESTS[name]["value"]
    answer = client.post("/v1/connections", json=body)
    assert answer.status_code == 202
    assert answer.headers["Location"] == "/v1/operations/op-1"
    assert answer.headers["Retry-After"] == "1"
    assert answer.json()["connection_id"] == "con-1"
    assert fakes.connections.asked == [("create", (body, True))]


@pytest.mark.parametrize("name", examples.PLAN_REQUESTS)
def test_a_plan_is_made_and_its_address_is_answered(
    client: TestClient, fakes: Fakes, name: str
) -> None:
    body = examples.PLAN_REQUESTS[name]["value"]
    answer = client.post("/v1/plans", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == "/v1/plans/plan-1"
    asked = {name: value for name, value in body.items() if name != "kind"}
    if body["kind"] in {"connect", "disconnect", "move", "repair"}:
        assert fakes.plans.asked == [(body["kind"], tuple(asked.values()))]
    else:
        assert fakes.plans.asked == [("of_kind", (body["kind"], asked))]


def test_a_check_answers_what_was_found(client: TestClient, fakes: Fakes) -> None:
    found = client.post(f"/v1/connections/{KNOWN}/check").json()
    assert found["conditions"] == examples.CHECKED["conditions"]
    assert found["checked_at"] == "2026-01-05T08:00:00Z"
    assert fakes.drift.asked == [("check", (KNOWN,))]
    assert client.post(f"/v1/connections/{UNKNOWN}/check").status_code == 404


def test_a_connection_is_given_another_end(client: TestClient, fakes: Fakes) -> None:
    body = examples.EXTEND["later"]["value"]
    answer = client.post(f"/v1/connections/{KNOWN}/extend", json=body)
    assert (answer.status_code, answer.json()["expires_at"]) == (200, body["expires_at"])
    assert fakes.connections.asked == [("extend", (KNOWN, body["expires_at"]))]
    for wrong in ({}, {"expires_at": None}, {"expires_at": "soon"}, {**body, "for": "ever"}):
        assert client.post(f"/v1/connections/{KNOWN}/extend", json=wrong).status_code == 422


@pytest.mark.parametrize("name", examples.COMPARE_REQUESTS)
def test_methods_are_compared_for_the_request_as_it_was_sent(
    client: TestClient, fakes: Fakes, name: str
) -> None:
    body = examples.COMPARE_REQUESTS[name]["value"]
    answer = client.post("/v1/plans/compare", json=body)
    assert (answer.status_code, answer.json()) == (200, examples.COMPARISON)
    assert fakes.comparisons.asked == [("compare", (body["connection"],))]


def test_a_plan_is_spelled_as_it_was_kept(client: TestClient) -> None:
    plan = client.get("/v1/plans/plan-1").json()
    own = {"id": "plan-1", "created_at": "2026-01-05T08:00:00Z"}
    assert plan == examples.PLAN | own | {"expires_at": "2026-01-05T08:00:00Z"}


@pytest.mark.parametrize(
    ("query", "wait"), [("", True), ("?wait=true", True), ("?wait=false", False)]
)
def test_a_caller_may_refuse_to_wait(
    client: TestClient, fakes: Fakes, query: str, wait: bool
) -> None:
    client.post(f"/v1/plans/p/apply{query}")
    client.delete(f"/v1/connections/c{query}")
    client.post(f"/v1/connections{query}", json=examples.BY_GROUP)
    assert fakes.operations.asked == [("apply", ("p", wait))]
    assert fakes.connections.asked == [
        ("disconnect", ("c", wait)),
        ("create", (examples.BY_GROUP, wait)),
    ]


def test_a_connection_is_answered_with_its_ledger(client: TestClient) -> None:
    connection = client.get("/v1/connections/con-1").json()
    assert connection["request"] == examples.BY_GROUP
    expected = examples.CONNECTION["ledger"][0] | {"operation_id": "op-1", "shared_with": ["con-2"]}
    assert connection["ledger"] == [expected]
    summary = client.get("/v1/connections", params={"status": "active"}).json()["items"][0]
    assert "ledger" not in summary


def test_an_operation_says_when_to_look_again_until_it_is_done(client: TestClient) -> None:
    running = client.get("/v1/operations/op-1")
    assert running.headers["Retry-After"] == "1"
    assert running.json()["done"] is False
    done = client.get(f"/v1/operations/{KNOWN}")
    assert "Retry-After" not in done.headers
    assert done.json()["done"] is True
    assert done.json()["steps"][0]["name"] == "prepare"


def test_the_error_of_an_operation_reads_like_an_answered_one(client: TestClient) -> None:
    error = client.get(f"/v1/operations/{KNOWN}").json()["error"]
    assert error == {
        "type": "/problems/plan-stale",
        "title": "Stale",
        "status": 409,
        "code": "plan_stale",
        "detail": "it changed",
        "difference": [],
    }


def test_backups_are_listed_without_their_content_and_read_with_it(client: TestClient) -> None:
    assert "content" not in client.get("/v1/backups?group_id=sg-db").json()["items"][0]
    assert client.get(f"/v1/backups/{KNOWN}").json()["content"] == examples.BACKUP["content"]


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [
        ("csv", "text/csv; charset=utf-8"),
        ("svg", "image/svg+xml"),
        ("mermaid", "text/vnd.mermaid; charset=utf-8"),
    ],
)
def test_views_are_answered_in_the_format_that_was_asked_for(
    client: TestClient, kind: str, media_type: str
) -> None:
    for path, example, texts in (
        ("matrix", examples.MATRIX["two accounts"], examples.MATRIX_TEXTS),
        ("who-can-reach", examples.WHO_CAN_REACH["a database"], examples.CIRCLE_TEXTS),
    ):
        body = example["value"] | {"format": kind}
        accept = {"Accept": media_type.split(";", maxsplit=1)[0]}
        answer = client.post(f"/v1/reachability/{path}", json=body, headers=accept)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == media_type
        assert answer.headers["X-Truncated"] == "true"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'"
        assert answer.text == texts[kind]


def test_what_a_view_is_asked_for_is_handed_on(client: TestClient, fakes: Fakes) -> None:
    body = examples.MATRIX["from a group"]["value"] | {"format": "json", "nic_type": "internet"}
    answer = client.post("/v1/reachability/matrix", json=body)
    assert answer.json() == examples.MATRIX_ANSWER
    scope = Part(Place(examples.SHOP, examples.REGION), group_ids=frozenset({"sg-app"}))
    targets = Part(Place(examples.DATA, examples.REGION), frozenset({"i-db01", "i-db02"}))
    ((_, asked),) = fakes.views.asked
    assert asked[:2] == ([scope], [targets])
    expected = {"plane": "internet", "family": "ipv4", "format": "json", "refresh": False}
    assert asked[2] == expected
    body = examples.WHO_CAN_REACH["a database"]["value"]
    assert client.post("/v1/reachability/who-can-reach", json=body).json() == examples.CIRCLE_ANSWER
    _, (_, asked) = fakes.views.asked
    place = Place(examples.DATA, examples.REGION)
    packets = Traffic(Protocol.TCP, PortRange(3306, 3306))
    assert asked[:3] == ((place, "i-db01"), packets, [])


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("matrix", {"scope": []}, "empty_change"),
        ("matrix", {"scope": [examples.SHOP_PART] * 2}, "duplicate_item"),
        ("matrix", {"scope": [examples.SHOP_PART | {"instance_ids": []}]}, "empty_change"),
        (
            "matrix",
            {"scope": [examples.SHOP_PART | {"instance_ids": [f"i-{n}" for n in range(1001)]}]},
            "too_many_items",
        ),
        ("matrix", {"scope": [examples.SHOP_PART], "format": "pdf"}, "validation"),
        ("who-can-reach", {"protocol": "tcp"}, "invalid_port"),
        ("who-can-reach", {"protocol": "icmp", "port": 80}, "invalid_port"),
    ],
)
def test_views_that_mean_nothing_are_refused(
    client: TestClient, path: str, body: Document, code: str
) -> None:
    if path == "who-can-reach":
        body |= {"instance": examples.SHOP_PART | {"instance_id": "i-web01"}}
    answer = client.post(f"/v1/reachability/{path}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


@pytest.mark.parametrize("name", examples.EXPLAIN)
def test_questions_are_handed_on_as_they_were_sent(
    client: TestClient, fakes: Fakes, name: str
) -> None:
    body = examples.EXPLAIN[name]["value"]
    answer = client.post("/v1/reachability/explain", json=body)
    assert answer.status_code == 200
    assert answer.json()["items"] == examples.EXPLANATION["items"][: len(body["flows"])]
    asked = (body["flows"], body.get("refresh", False))
    assert fakes.reachability.asked == [("explain", asked)]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/v1/plans/{UNKNOWN}"),
        ("POST", f"/v1/plans/{UNKNOWN}/apply"),
        ("GET", f"/v1/connections/{UNKNOWN}"),
        ("DELETE", f"/v1/connections/{UNKNOWN}"),
        ("GET", f"/v1/operations/{UNKNOWN}"),
        ("GET", f"/v1/backups/{UNKNOWN}"),
        ("GET", f"/v1/accounts/{examples.DATA}"),
    ],
)
def test_what_does_not_exist_is_not_found(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("failure", "status", "facts"),
    [
        (TargetBusyError("busy", operation_id="op-9"), 409, {"operation_id": "op-9"}),
        (GuardrailViolationError("too much"), 403, {}),
        (
            MethodNotPossibleError("no", obstacles=[{"code": "x"}], possible_methods=["y"]),
            422,
            {"obstacles": [{"code": "x"}], "possible_methods": ["y"]},
        ),
        (CloudThrottledError("slow", cloud_code="Throttling"), 503, {"cloud_code": "Throttling"}),
    ],
)
def test_what_stands_in_the_way_is_a_problem_on_the_answer(
    client: TestClient, fakes: Fakes, failure: Exception, status: int, facts: dict[str, Any]
) -> None:
    fakes.connections.failure = failure
    answer = client.post("/v1/connections", json=examples.BY_GROUP)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json().items() >= facts.items()
    assert answer.json()["instance"] == "/v1/connections"
    assert ("Retry-After" in answer.headers) == (status == 503)


def test_a_stale_plan_says_what_changed(client: TestClient, fakes: Fakes) -> None:
    fakes.operations.failure = PlanStaleError("stale", difference=[{"group_id": "sg-db"}])
    answer = client.post("/v1/plans/p/apply")
    assert (answer.status_code, answer.json()["code"]) == (409, "plan_stale")
    assert answer.json()["difference"] == [{"group_id": "sg-db"}]


def test_the_unforeseen_is_answered_without_a_word_about_it(
    client: TestClient, fakes: Fakes
) -> None:
    fakes.plans.failure = Unforeseen("password=hunter2")
    answer = client.get("/v1/plans/plan-1", headers={"X-Request-ID": "r-1"})
    assert answer.status_code == 500
    assert answer.headers["X-Request-ID"] == "r-1"
    assert answer.json() == {
        "type": "/problems/internal-error",
        "title": "Something went wrong inside the service",
        "status": 500,
        "code": "internal_error",
        "instance": "/v1/plans/plan-1",
        "request_id": "r-1",
    }


def test_probes_are_open_and_say_what_is_missing(stranger: TestClient, fakes: Fakes) -> None:
    assert stranger.get("/livez", headers={"Host": "10.0.0.9"}).json() == {"status": "ok"}
    assert stranger.get("/readyz").json()["checks"] == {"database": True, "cloud": True}
    fakes.health.checks = {"database": True, "cloud": False}
    answer = stranger.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert answer.json()["checks"] == {"database": True, "cloud": False}
    assert stranger.get("/version").json() == {"version": "0.1.0"}


# --- assertions ------------------------------------------------------------------


@pytest.mark.parametrize("name", examples.ASSERTION_REQUESTS)
def test_an_assertion_is_kept_as_it_was_sent(client: TestClient, fakes: Fakes, name: str) -> None:
    body = examples.ASSERTION_REQUESTS[name]["value"]
    answer = client.post("/v1/assertions", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/v1/assertions/{KNOWN}"
    assert fakes.assertions.asked == [("create", (body,))]


def test_an_assertion_is_spelled_with_its_states(client: TestClient) -> None:
    own = {"id": KNOWN, "created_at": "2026-01-05T08:00:00Z", "checked_at": "2026-01-05T08:00:00Z"}
    [state] = examples.ASSERTION["states"]
    states = [state | {"at": "2026-01-05T08:00:00Z"}]
    expected = examples.ASSERTION | own | {"states": states}
    for method, path in (("get", KNOWN), ("post", f"{KNOWN}/check")):
        assert client.request(method, f"/v1/assertions/{path}").json() == expected
    page = client.get("/v1/assertions", params={"status": "holds"}).json()
    assert page["items"] == [
        {key: value for key, value in expected.items() if key not in {"states", "judgement"}}
    ]


def test_a_forgotten_assertion_answers_nothing(client: TestClient) -> None:
    assert client.delete(f"/v1/assertions/{KNOWN}").status_code == 204
    missing = client.delete(f"/v1/assertions/{UNKNOWN}")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
