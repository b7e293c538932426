"""Conditional requests: what has not changed is not sent again, and not changed unseen."""

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.api import examples
from app.api.conditions import named, tag_of
from app.api.schemas.accounts import Account
from tests.api.contract import operations
from tests.api.fakes import ACCOUNT, KNOWN, Fakes

ONE_ACCOUNT = f"/v1/accounts/{examples.SHOP}"
SINGLE = [
    ONE_ACCOUNT,
    "/v1/plans/p",
    "/v1/connections/c",
    f"/v1/operations/{KNOWN}",
    "/v1/operations/running",
    "/v1/backups/b",
    "/v1/assertions/a",
    "/v1/security-groups/sg-web",
    "/v1/api-keys/k",
]


@pytest.mark.parametrize("path", SINGLE)
def test_what_has_not_changed_is_not_sent_again(client: TestClient, path: str) -> None:
    first = client.get(path)
    tag = first.headers["ETag"]
    assert tag[0] == tag[-1] == '"'
    for asked in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = client.get(path, headers={"If-None-Match": asked})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
        assert again.headers.get("Retry-After") == first.headers.get("Retry-After")
        assert again.headers["X-Request-ID"]
    for asked in ('"other"', tag[:-2] + '"', "nonsense", ""):
        again = client.get(path, headers={"If-None-Match": asked})
        assert (again.status_code, again.content) == (200, first.content)


def test_every_single_resource_has_a_tag_that_the_contract_tells_of(client: TestClient) -> None:
    told = {
        operation["operationId"]
        for _, _, operation in operations()
        if "ETag" in operation["responses"].get("200", {}).get("headers", {})
    }
    assert {
        "get_account", "get_plan", "get_connection", "get_operation", "get_backup",
        "get_assertion", "get_security_group", "get_api_key",
    } <= told  # fmt: skip
    for _, pattern, operation in operations():
        if operation["operationId"] in told:
            assert any(pattern.fullmatch(path) for path in SINGLE)
            assert "304" in operation["responses"]
            names = {each["name"] for each in operation["parameters"]}
            assert "If-None-Match" in names


def test_lists_and_refusals_have_no_tag(client: TestClient) -> None:
    assert "ETag" not in client.get("/v1/accounts").headers
    assert "ETag" not in client.get("/v1/plans/unknown").headers


CHANGES: list[tuple[str, str, Any]] = [
    ("PATCH", ONE_ACCOUNT, {"name": "web shop"}),
    ("DELETE", ONE_ACCOUNT, None),
    ("DELETE", "/v1/backups/b", None),
    ("DELETE", "/v1/assertions/a", None),
    ("DELETE", "/v1/connections/c", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_what_was_seen_is_changed_and_nothing_else(
    client: TestClient, fakes: Fakes, method: str, path: str, body: Any
) -> None:
    tag = client.get(path).headers["ETag"]
    for asked in (tag, f'"other", {tag}', "*"):
        good = client.request(method, path, json=body, headers={"If-Match": asked})
        assert good.is_success, good.text
    done = [name for name, _ in fakes.calls()]
    for asked in ('"other"', f"W/{tag}"):
        bad = client.request(method, path, json=body, headers={"If-Match": asked})
        assert (bad.status_code, bad.json()["code"]) == (412, "precondition_failed")
        assert bad.json()["etag"] == tag
    assert [name for name, _ in fakes.calls() if name not in {"get", *done}] == []


@pytest.mark.parametrize("asked", ["nonsense", '"half', 'tag"', '"a" "b"', '"a",', ""])
def test_a_condition_that_means_nothing_is_refused(
    client: TestClient, fakes: Fakes, asked: str
) -> None:
    answer = client.patch(ONE_ACCOUNT, json={}, headers={"If-Match": asked})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation")
    assert answer.json()["errors"][0]["pointer"] == "/If-Match"
    assert fakes.calls() == []


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_a_condition_may_be_required(
    app: FastAPI, client: TestClient, fakes: Fakes, method: str, path: str, body: Any
) -> None:
    app.state.require_if_match = True
    try:
        answer = client.request(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (428, "precondition_required")
        assert fakes.calls() == []
        assert client.request(method, path, json=body, headers={"If-Match": "*"}).is_success
    finally:
        app.state.require_if_match = False


def test_a_tag_is_of_the_bytes_that_are_answered(client: TestClient) -> None:
    assert client.get(ONE_ACCOUNT).headers["ETag"] == tag_of(Account.of(ACCOUNT))


def test_a_comma_within_a_tag_does_not_end_it() -> None:
    assert named('"a,b", "c"', '"a,b"', weakly=False)
    assert not named('"a,b", "c"', '"b"', weakly=True)
