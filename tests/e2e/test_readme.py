"""The README's tour is sent to the real service, block by block."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.cli.processes import started
from app.settings import DEMO_API_KEY
from tests.house.repository import ROOT

BLOCK = re.compile(r"```(http|json)\n(.*?)```", re.DOTALL)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    with started(["simulator", "--port", "0"], {}, tmp_path / "simulator.log") as (cloud, _):
        environment = {
            "INTERCOM_CLOUD": "simulator",
            "INTERCOM_ECS_ENDPOINT": cloud,
            "INTERCOM_STS_ENDPOINT": cloud,
            "INTERCOM_DATABASE_URL": f"sqlite:///{tmp_path / 'readme.sqlite3'}",
        }
        serving = ["serve", "--port", "0"]
        with started(serving, environment, tmp_path / "service.log") as (url, _):
            headers = {"Authorization": f"Bearer {DEMO_API_KEY}"}
            with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=30) as each:
                each.headers["X-Simulator"] = cloud  # where the pages' other requests go
                for account_id in ("1000000000000001", "1000000000000002"):
                    body = {
                        "account_id": account_id,
                        "name": "readme",
                        "role_arn": f"acs:ram::{account_id}:role/intercommunication",
                        "region_ids": ["cn-hangzhou"],
                    }
                    assert each.post("/v1/accounts", json=body).status_code == 201
                yield each


def assert_shows(shown: Any, answered: Any, path: str = "") -> None:
    """What is shown is in the answer; lists are shown whole."""
    if isinstance(shown, dict):
        for key, value in shown.items():
            assert key in answered, f"{path}/{key}"
            assert_shows(value, answered[key], f"{path}/{key}")
    elif isinstance(shown, list):
        assert len(shown) == len(answered), path
        for number, (one, other) in enumerate(zip(shown, answered, strict=True)):
            assert_shows(one, other, f"{path}/{number}")
    else:
        assert shown == answered, path


def ended(client: httpx.Client, operation_id: str) -> Any:
    for _ in range(600):
        operation = client.get(f"/v1/operations/{operation_id}").json()
        if operation["done"]:
            return operation
        time.sleep(0.05)
    raise AssertionError("the operation does not end")


def test_the_tour_of_the_readme_is_what_the_service_answers(client: httpx.Client) -> None:
    blocks = BLOCK.findall((ROOT / "README.md").read_text("utf-8"))
    answer: Any = None
    sent = 0
    for language, text in blocks:
        if language == "http":
            line, body = text.split("\n", 1)
            verb, path = line.split()
            answer = client.request(verb, path, json=json.loads(body)).json()
            sent += 1
            continue
        shown = json.loads(text)
        if shown.get("done"):
            answer = ended(client, answer["id"])
        assert_shows(shown, answer)
    assert sent == 4
    connections = client.get("/v1/connections").json()["items"]
    gone = client.delete(f"/v1/connections/{connections[0]['id']}").json()
    assert ended(client, gone["id"])["status"] == "succeeded"


def test_the_page_about_many_ends_shows_what_the_service_answers(client: httpx.Client) -> None:
    blocks = BLOCK.findall((ROOT / "docs" / "reachability.md").read_text("utf-8"))
    answer: Any = None
    sent = 0
    for language, text in blocks:
        if language == "http":
            line, body = text.split("\n", 1)
            verb, path = line.split()
            answer = client.request(verb, path, json=json.loads(body)).json()
            sent += 1
        else:
            assert_shows(json.loads(text), answer)
    assert sent == 3


def told_by(client: httpx.Client, page: str) -> int:
    """Send what a page sends, with the ids of this run, and hold the answers against what it
    shows; return how much was sent."""
    ids: dict[str, str] = {}
    answer: Any = None
    sent = 0
    for language, text in BLOCK.findall((ROOT / "docs" / page).read_text("utf-8")):
        if language == "http":
            for name, value in ids.items():
                text = text.replace(f"{{{name}}}", value)  # noqa: PLW2901 - with the ids of this run
            line, _, body = text.partition("\n")
            verb, path = line.split()
            document = json.loads(body) if body.strip() else None
            base = client.headers["X-Simulator"] if path.startswith("/_simulator") else ""
            reply = client.request(verb, base + path, json=document)
            answer = reply.json() if reply.content else None
            sent += 1
            continue
        shown = json.loads(text)
        if shown.get("done"):
            answer = ended(client, answer["id"])
            ids |= {"operation_id": answer["id"], "connection_id": answer["connection_id"]}
            ledger = client.get(f"/v1/connections/{answer['connection_id']}").json()["ledger"]
            ids["rule_id"] = ledger[0].get("rule", {}).get("rule_id", "")
        elif shown.get("kind") in {"repair", "move"}:
            ids["plan_id"] = answer["id"]
        assert_shows(shown, answer)
    for each in client.get("/v1/connections?status=active").json()["items"]:
        gone = client.delete(f"/v1/connections/{each['id']}").json()
        assert ended(client, gone["id"])["status"] == "succeeded"
    return sent


def test_the_page_about_expiry_shows_what_the_service_answers(client: httpx.Client) -> None:
    assert told_by(client, "expiry.md") == 4


def test_the_page_about_moving_shows_what_the_service_answers(client: httpx.Client) -> None:
    assert told_by(client, "moving.md") == 4


def test_the_page_about_drift_shows_what_the_service_answers(client: httpx.Client) -> None:
    assert told_by(client, "drift.md") == 7


def test_the_page_about_methods_shows_what_the_service_answers(client: httpx.Client) -> None:
    blocks = BLOCK.findall((ROOT / "docs" / "choosing.md").read_text("utf-8"))
    answer: Any = None
    sent = 0
    for language, text in blocks:
        if language == "http":
            line, body = text.split("\n", 1)
            verb, path = line.split()
            answer = client.request(verb, path, json=json.loads(body)).json()
            sent += 1
        else:
            assert_shows(json.loads(text), answer)
    assert sent == 2
    assert client.get("/v1/connections").json()["items"] == []


def test_the_page_about_backups_shows_what_the_service_answers(client: httpx.Client) -> None:
    blocks = BLOCK.findall((ROOT / "docs" / "backups.md").read_text("utf-8"))
    ids: dict[str, str] = {}
    answer: Any = None
    sent = 0
    for language, text in blocks:
        if language == "http":
            for name, value in ids.items():
                text = text.replace(f"{{{name}}}", value)  # noqa: PLW2901 - with the ids of this run
            line, _, body = text.partition("\n")
            verb, path = line.split()
            reply = client.request(verb, path, json=json.loads(body) if body.strip() else None)
            assert reply.is_success, reply.text
            answer = reply.json()
            sent += 1
            continue
        shown = json.loads(text)
        if shown.get("done"):
            answer = ended(client, answer["id"])
            ids["operation_id"] = answer["id"]
        elif shown.get("kind") == "restore":
            ids["plan_id"] = answer["id"]
        elif "items" in shown:
            ids["backup_id"] = answer["items"][0]["id"]
        assert_shows(shown, answer)
    assert sent == 7
    [connection] = client.get("/v1/connections").json()["items"]
    gone = client.delete(f"/v1/connections/{connection['id']}").json()
    assert ended(client, gone["id"])["status"] == "succeeded"


def test_the_page_about_guardrails_shows_what_the_service_answers(client: httpx.Client) -> None:
    plan_id, answer = "", None
    sent = 0
    for language, text in BLOCK.findall((ROOT / "docs" / "guardrails.md").read_text("utf-8")):
        if language == "http":
            line, _, body = text.replace("{plan_id}", plan_id).partition("\n")
            verb, path = line.split()
            reply = client.request(verb, path, json=json.loads(body) if body.strip() else None)
            assert reply.is_success, reply.text
            answer = reply.json()
            plan_id = answer.get("id", plan_id)
            sent += 1
        else:
            assert_shows(json.loads(text), answer)
    assert sent == 3


def with_ids(text: str, ids: dict[str, str]) -> str:
    """Put the ids of this run into a block."""
    for name, value in ids.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def walk(client: httpx.Client, page: str) -> int:
    """Send every request of a page and compare every answer; return how many were sent.

    What is answered is called `plan_id`, `operation_id` or by its noun from then on; what is shown
    with `done` is followed to its end.
    """
    ids: dict[str, str] = {}
    answer: Any = None
    sent = 0
    for language, text in BLOCK.findall((ROOT / "docs" / page).read_text("utf-8")):
        block = with_ids(text, ids)
        if language == "http":
            line, _, body = block.partition("\n")
            verb, path = line.split()
            reply = client.request(verb, path, json=json.loads(body) if body.strip() else None)
            answer = reply.json()
            if reply.is_success and "id" in answer:
                noun = reply.headers.get("Location", path).split("/")[2].removesuffix("s")
                ids[f"{noun}_id"] = answer["id"]
            sent += 1
            continue
        shown = json.loads(with_ids(text, ids))
        if shown.get("done"):
            answer = ended(client, answer["id"])
        assert_shows(shown, answer)
    return sent


def test_the_page_about_assertions_shows_what_the_service_answers(client: httpx.Client) -> None:
    assert walk(client, "assertions.md") == 4


def test_the_page_about_tightening_shows_what_the_service_answers(client: httpx.Client) -> None:
    plan_id = ""
    answer: Any = None
    for language, text in BLOCK.findall((ROOT / "docs" / "tighten.md").read_text("utf-8")):
        if language == "http":
            line, _, body = text.replace("{plan_id}", plan_id).partition("\n")
            verb, path = line.split()
            reply = client.request(verb, path, json=json.loads(body))
            assert reply.is_success, reply.text
            answer = reply.json()
            plan_id = plan_id or answer["id"]
        else:
            shown = json.loads(text)
            answer = ended(client, answer["id"]) if shown.get("done") else answer
            assert_shows(shown, answer)
    assert answer["kind"] == "tighten"


def test_the_page_about_compaction_shows_what_the_service_answers(client: httpx.Client) -> None:
    assert walk(client, "compaction.md") == 4


def test_the_page_about_tiers_shows_what_the_service_answers(client: httpx.Client) -> None:
    assert walk(client, "tiers.md") == 5
