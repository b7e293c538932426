"""Events of an operation over HTTP: an EventSource must be able to follow them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.fakes import KNOWN, UNKNOWN, Fakes

EVENTS = f"/v1/operations/{KNOWN}/events"


def messages(text: str) -> Iterator[dict[str, Any]]:
    """Read a stream as its specification says, comments left out."""
    for block in text.split("\n\n"):
        fields = [line.split(": ", 1) for line in block.splitlines() if not line.startswith(":")]
        if fields:
            message: dict[str, Any] = dict(fields)
            yield message | {"data": json.loads(message["data"])}


def test_events_come_with_numbers_kinds_and_what_had_happened(client: TestClient) -> None:
    answer = client.get(EVENTS, headers={"Accept": "text/event-stream"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.headers["Cache-Control"] == "no-store"
    found = list(messages(answer.text))
    assert [(each["id"], each["event"]) for each in found] == [
        ("4", "status"),
        ("6", "step"),
        ("9", "status"),
    ]
    assert [each["data"]["progress"] for each in found] == [0, 50, 100]
    assert found[1]["data"]["step"]["name"] == "prepare"
    assert "step" not in found[0]["data"]
    assert found[2]["data"]["done"] is True


def test_whoever_comes_back_gets_what_followed(client: TestClient, fakes: Fakes) -> None:
    answer = client.get(EVENTS, headers={"Last-Event-ID": "4"})
    assert [each["id"] for each in messages(answer.text)] == ["6", "9"]
    assert ("events", (KNOWN, 4)) in fakes.operations.asked


def test_whoever_has_seen_everything_is_told_to_come_back_no_more(client: TestClient) -> None:
    answer = client.get(EVENTS, headers={"Last-Event-ID": "9"})
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("number", ["x", "-1", "1.5", "9" * 19, "²"])
def test_what_is_no_number_of_an_event_is_refused(client: TestClient, number: str) -> None:
    answer = client.get(EVENTS, headers={b"Last-Event-ID": number.encode()})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


def test_events_of_nothing_are_not_found(client: TestClient) -> None:
    assert client.get(f"/v1/operations/{UNKNOWN}/events").status_code == 404


@pytest.mark.parametrize(
    ("accept", "status"),
    [("text/event-stream", 200), ("text/*", 200), ("*/*", 200), ("application/json", 406)],
)
def test_a_stream_is_sent_to_whoever_takes_one(
    client: TestClient, accept: str, status: int
) -> None:
    assert client.get(EVENTS, headers={"Accept": accept}).status_code == status


def test_a_stream_needs_a_key(stranger: TestClient) -> None:
    assert stranger.get(EVENTS).status_code == 401


@pytest.mark.parametrize("what", ["cancel", "rollback", "resume"])
def test_an_operation_is_steered_without_a_body(
    client: TestClient, fakes: Fakes, what: str
) -> None:
    answer = client.post(f"/v1/operations/{KNOWN}/{what}")
    assert answer.status_code == (200 if what == "cancel" else 202)
    assert ("Location" in answer.headers) is (what != "cancel")
    [(asked, arguments)] = fakes.interventions.asked
    assert (asked.replace("_", ""), arguments) == (what, (KNOWN,))
    refused = client.post(f"/v1/operations/{KNOWN}/{what}", json={"force": True})
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_field")
