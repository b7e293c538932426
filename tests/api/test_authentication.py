"""Who may ask, decided before the body is read."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.api.hosts import host_name
from tests.api.conftest import KEY
from tests.api.fakes import Fakes

RIGHT = b"Bearer " + KEY.encode()


async def ask(
    app: FastAPI,
    *headers: tuple[bytes, bytes],
    path: str = "/v1/accounts",
    method: str = "GET",
    parts: tuple[bytes, ...] = (),
) -> tuple[int, dict[bytes, bytes], int]:
    """Ask the app itself, byte by byte; return status, headers and how many parts it read."""
    taken = 0
    answers: list[Any] = []

    async def receive() -> dict[str, Any]:
        nonlocal taken
        part = parts[taken] if taken < len(parts) else b""
        taken += 1
        return {"type": "http.request", "body": part, "more_body": taken < len(parts)}

    async def send(message: Any) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": list(headers),
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    await app(scope, receive, send)
    return answers[0]["status"], dict(answers[0]["headers"]), taken


def status(app: FastAPI, *headers: tuple[bytes, bytes], **more: Any) -> int:
    return asyncio.run(ask(app, *headers, **more))[0]


HOST = (b"host", b"testserver")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer wrong",
        b"Basic " + KEY.encode(),
        KEY.encode(),
        RIGHT + b"x",
        RIGHT[:-1],
        RIGHT.upper(),
        b"Bearer \xd0\xba\xd0\xbb\xd1\x8e\xd1\x87",
        b"Bearer \xff\xfe",
        b"Bearer " + b"a" * 20_000,
        b"Bearer eyJhbGciOiJub25lIn0.e30.",
        RIGHT + b", " + RIGHT,
    ],
)
def test_a_wrong_key_is_a_challenge(app: FastAPI, fakes: Fakes, value: bytes) -> None:
    code, headers, _ = asyncio.run(ask(app, HOST, (b"authorization", value)))
    assert code == 401
    assert headers[b"www-authenticate"].startswith(b"Bearer")
    assert fakes.calls() == []


def test_the_scheme_may_be_written_in_any_case(app: FastAPI) -> None:
    assert status(app, HOST, (b"authorization", b"bearer " + KEY.encode())) == 200


def test_a_key_in_the_query_is_no_key(stranger: TestClient) -> None:
    answer = stranger.get("/v1/accounts", params={"api_key": KEY, "access_token": KEY})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_two_credentials_are_ambiguous_even_if_both_are_right(app: FastAPI) -> None:
    right = (b"authorization", RIGHT)
    assert status(app, HOST, right, right) == 400


def test_a_stranger_learns_nothing_about_paths(stranger: TestClient) -> None:
    for path in ("/v1/accounts", "/v1/nothing", "/", "/docsx", "/problems", "/metrics"):
        assert stranger.get(path).json()["code"] == "unauthenticated"
    assert stranger.put("/v1/accounts").status_code == 401


@pytest.mark.parametrize("headers", [(), ((b"authorization", b"Bearer wrong"),)])
def test_the_body_of_a_stranger_is_not_read(app: FastAPI, headers: Any) -> None:
    chunked = (b"transfer-encoding", b"chunked")
    code, answered, taken = asyncio.run(
        ask(app, HOST, chunked, *headers, method="POST", parts=(b" " * 1024,) * 1000)
    )
    assert (code, taken) == (401, 0)
    assert answered[b"connection"] == b"close"


def test_a_declared_length_over_the_limit_is_refused_unread(app: FastAPI) -> None:
    headers = (
        HOST,
        (b"authorization", RIGHT),
        (b"content-type", b"application/json"),
        (b"content-length", b"99999999"),
    )
    code, _, taken = asyncio.run(ask(app, *headers, method="POST", parts=(b" ",) * 1000))
    assert (code, taken) == (413, 0)


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ([b"testserver"], 200),
        ([b"TestServer:8000"], 200),
        ([b"[::1]:8000"], 200),
        ([], 400),
        ([b""], 400),
        ([b"evil.example"], 400),
        ([b"testserver.evil.example"], 400),
        ([b"testserver", b"testserver"], 400),
        ([b"[::1"], 200),
    ],
)
def test_only_requests_for_this_host_are_answered(
    app: FastAPI, hosts: list[bytes], expected: int
) -> None:
    headers = [(b"host", host) for host in hosts]
    assert status(app, *headers, (b"authorization", RIGHT)) == expected


@pytest.mark.parametrize(
    ("value", "name"),
    [("A.example:80", "a.example"), ("[2001:DB8::1]:80", "2001:db8::1"), ("[::1]", "::1")],
)
def test_a_host_is_compared_without_its_port(value: str, name: str) -> None:
    assert host_name(value) == name


@pytest.mark.parametrize("given", ["r-1", "0af7651916cd43dd8448eb211c80319c", "a.b_c:d", "a" * 128])
def test_a_sane_request_id_is_kept(client: TestClient, given: str) -> None:
    answer = client.get("/v1/plans/unknown", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"] == given


@pytest.mark.parametrize(
    "given", [b"", b"a" * 129, b"a b", b"a\tb", b"\x1b[31m", b"caf\xc3\xa9", b"a\r\nX: y", b"-"]
)
def test_any_other_request_id_is_replaced(app: FastAPI, given: bytes) -> None:
    _, headers, _ = asyncio.run(ask(app, HOST, (b"x-request-id", given), path="/livez"))
    assert len(headers[b"x-request-id"]) == 32


def test_two_requests_have_different_ids(client: TestClient) -> None:
    ids = {client.get("/livez").headers["X-Request-ID"] for _ in range(2)}
    assert len(ids) == 2


def test_answers_are_neither_kept_nor_guessed_at(client: TestClient) -> None:
    for answer in (client.get("/v1/accounts"), client.get("/v1/nothing"), client.get("/livez")):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
