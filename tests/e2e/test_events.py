"""An operation is followed from its first event to its last, however often one looks away."""

import json
from typing import Any

import httpx

from tests.support.e2e import API_KEY, Api, Cloud, Document, connect_request, pair

BOTH_WAYS = connect_request("address_rules", ["i-a"], ["i-b"], bidirectional=True)


def follow(
    api: Api, operation: Document, after: int | None = None, most: int | None = None
) -> list[Document]:
    """Read events until the stream ends, or `most` of them."""
    headers = {"Authorization": f"Bearer {API_KEY}", "Accept": "text/event-stream"}
    if after is not None:
        headers["Last-Event-ID"] = str(after)
    found: list[Document] = []
    url = f"{api.url}/v1/operations/{operation['id']}/events"
    with httpx.stream("GET", url, headers=headers, timeout=30, trust_env=False) as answer:
        message: dict[str, Any] = {}
        for line in answer.iter_lines():
            if line.startswith(":"):
                continue
            if not line and message:
                found.append({**json.loads(message["data"]), "number": int(message["id"])})
                message = {}
                if len(found) == most:
                    break
            elif line:
                name, _, value = line.partition(": ")
                message[name] = value
    return found


def test_events_tell_the_whole_story_and_end_with_the_operation(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    hold = {"id": "hold", "match": {"action": "AuthorizeSecurityGroup", "nth": 2}, "kind": "hold"}
    cloud.faults(hold)
    operation = api.start(BOTH_WAYS)
    cloud.await_call("AuthorizeSecurityGroup", 2)
    first = follow(api, operation, most=3)  # while it runs
    cloud.release("hold")
    rest = follow(api, operation, after=first[-1]["number"])
    story = [*first, *rest]
    assert [each["number"] for each in story] == sorted({each["number"] for each in story})
    states = [each["status"] for each in story if each["kind"] == "status"]
    assert states == ["pending", "running", "succeeded"]
    steps = [(each["step"]["number"], each["step"]["status"]) for each in story if "step" in each]
    assert [number for number, status in steps if status == "succeeded"] == [1, 2, 3, 4, 5, 6]
    changes = [
        each["step"] for each in story if "step" in each and "change" in each["step"]["name"]
    ]
    assert all(each["cloud_request_ids"] for each in changes if each["status"] == "succeeded")
    progress = [each["progress"] for each in story]
    assert progress == sorted(progress)
    assert [each["done"] for each in story] == [False] * (len(story) - 1) + [True]
    ended = api.ended(api.operation(operation))
    assert (story[-1]["status"], story[-1]["progress"]) == (ended["status"], 100)
    assert follow(api, operation) == story
    assert follow(api, operation, after=story[-1]["number"]) == []
