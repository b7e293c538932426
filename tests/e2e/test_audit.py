"""What was done stands in the audit, before it is done; and no secret stands anywhere."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from app.cli.logs import configure
from tests.support.clouds import BASE_KEY_SECRET, OTHER_ACCOUNT
from tests.support.e2e import IMPATIENT, Api, Chain, Cloud, chained, connect_request, pair, until

REQUEST = connect_request("group_authorization", ["i-a"], ["i-b"], to=OTHER_ACCOUNT)


def events(api: Api, **wanted: str) -> list[dict[str, Any]]:
    """Records, oldest first."""
    query = "&".join(f"{name}={value}" for name, value in wanted.items())
    found: list[dict[str, Any]] = api.get(f"/audit-events?limit=200&{query}")["items"]
    return found[::-1]


def test_an_operation_is_told_from_the_request_to_its_end(api: Api, cloud: Cloud) -> None:
    cloud.put(pair(to=OTHER_ACCOUNT))
    key = api.hand_out(every="operator")
    caller = api.with_key(key["key"])
    operation = api.ended(caller.start(REQUEST))
    told = events(api, target=f"operation/{operation['id']}")
    assert [(each["action"], each["outcome"]) for each in told] == [
        ("create_connection", "done"),
        ("cloud.add_rules", "begun"),
        ("cloud.add_rules", "done"),
        ("operation.end", "succeeded"),
    ]
    assert {each["actor"] for each in told} == {key["id"]}
    plan = api.get(f"/plans/{operation['plan_id']}")
    assert {each["plan_fingerprint"] for each in told} == {plan["fingerprint"]}
    [step] = [each for each in operation["steps"] if each["cloud_request_ids"]]
    assert told[2]["detail"]["cloud_request_id"] == step["cloud_request_ids"][0]
    assert told[2]["account_ids"] == [OTHER_ACCOUNT]
    caller.close()


def test_every_change_of_a_record_of_ours_is_told(api: Api, cloud: Cloud) -> None:
    cloud.put(pair(to=OTHER_ACCOUNT))
    first = api.ask("POST", "/audit-events/verify", {}).json()["head"]["number"]
    api.ask("PATCH", f"/accounts/{OTHER_ACCOUNT}", {"name": "renamed"})
    key = api.hand_out(every="viewer")
    api.ask("DELETE", f"/api-keys/{key['id']}")
    plan = api.plan(REQUEST)
    told = [each for each in events(api) if each["number"] > first]
    assert [(each["action"], each["target"]) for each in told] == [
        ("change_account", f"account/{OTHER_ACCOUNT}"),
        ("create_api_key", f"api_key/{key['id']}"),
        ("revoke_api_key", f"api_key/{key['id']}"),
        ("create_plan", f"plan/{plan['id']}"),
    ]
    api.ask("GET", "/accounts")
    assert api.ask("POST", "/audit-events/verify", {}).json()["checked"] == first + 4


def test_verify_answers_a_head_to_come_back_with(api: Api) -> None:
    found = api.ask("POST", "/audit-events/verify", {}).json()
    assert found["valid"] is True
    head = found["head"]
    api.hand_out(every="viewer")
    assert api.ask("POST", "/audit-events/verify", {"head": head}).json()["valid"] is True
    wrong = api.ask("POST", "/audit-events/verify", {"head": head | {"hash": "0" * 64}}).json()
    assert wrong["faults"] == [
        {"code": "rewritten", "first": head["number"], "last": head["number"]}
    ]


@contextmanager
def without_audit(path: Path) -> Iterator[None]:
    """Somebody takes the table away, and puts it back."""

    def rename(old: str, new: str) -> None:
        connection = sqlite3.connect(path, timeout=30)
        connection.execute(f"ALTER TABLE {old} RENAME TO {new}")
        connection.commit()
        connection.close()

    rename("audit_events", "elsewhere")
    yield
    rename("elsewhere", "audit_events")


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    path = tmp_path_factory.mktemp("chain") / "intercom.sqlite3"
    with chained(f"sqlite:///{path}", **IMPATIENT) as chain:
        yield chain


def file_of(chain: Chain) -> Path:
    return Path(chain.service.database_url.removeprefix("sqlite:///"))


def test_without_an_audit_no_request_changes_anything(api: Api, cloud: Cloud, chain: Chain) -> None:
    cloud.put(pair(to=OTHER_ACCOUNT))
    before = api.get("/operations")["items"]
    with without_audit(file_of(chain)):
        answer = api.ask("POST", "/connections", REQUEST)
        assert (answer.status_code, answer.json()["code"]) == (503, "audit_unavailable")
        assert answer.headers["Retry-After"]
        assert api.ask("GET", "/accounts").status_code == 200
    assert api.get("/operations")["items"] == before
    assert cloud.changes() == []


def test_without_an_audit_an_operation_makes_no_further_call(
    api: Api, cloud: Cloud, chain: Chain
) -> None:
    cloud.put(pair())
    match = {"action": "AuthorizeSecurityGroup", "nth": 1}
    cloud.faults({"id": "hold", "match": match, "kind": "hold", "when": "after"})
    operation = api.start(connect_request("address_rules", ["i-a"], ["i-b"], bidirectional=True))
    cloud.await_call("AuthorizeSecurityGroup")
    with without_audit(file_of(chain)):
        cloud.release("hold")
        for _ in range(20):  # it had the time of twenty answers
            assert not api.operation(operation)["done"]
        assert len(cloud.changes()) == 1
    api.ended(operation)
    begun = events(api, outcome="begun", target=f"operation/{operation['id']}")
    assert len(begun) >= len(cloud.changes()) >= 2


# --- secrets ----------------------------------------------------------------------------


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[Path]:
    """A file that the service logs to, as it does in production, until the test is over."""
    former, path = structlog.get_config(), tmp_path / "log"
    configure("json")
    with path.open("w", encoding="utf-8") as file:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(file))
        yield path
        structlog.configure(**former)


def test_no_secret_stands_anywhere(
    chain: Chain, api: Api, cloud: Cloud, logged: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nor one that the cloud repeats in its errors, as it may with what a call was signed with."""
    cloud.put(pair(to=OTHER_ACCOUNT))
    key = api.ask(
        "POST",
        "/api-keys",
        {"name": "canary", "grants": [{"account_id": "*", "role": "operator"}]},
        {"Idempotency-Key": "canary"},
    ).json()["key"]
    caller = api.with_key(key)
    answers = []
    for code, status in (("InvalidAccessKeyId.NotFound", 404), ("Forbidden.RAM", 403)):
        echoed = f"the key {BASE_KEY_SECRET} is not good for {key}"
        for action in ("AuthorizeSecurityGroup", "DescribeInstances"):
            fault = cloud.fault(action, "error", code=code, status=status, message=echoed)
            cloud.faults(fault)
            answer = caller.ask("POST", "/connections", REQUEST)
            answers.append(answer.text)
            if answer.status_code == 202:
                operation = answer.json()
                until(lambda each=operation: api.operation(each)["done"], "it never ends")  # type: ignore[misc]  # bound early
                answers.append(api.ask("GET", f"/operations/{operation['id']}").text)
            cloud.clear_faults()
    answers += [api.ask("GET", path).text for path in ("/api-keys", "/audit-events?limit=200")]
    caller.ask("GET", f"/plans/{key}")
    api.with_key(key + "x").ask("GET", "/accounts")
    caller.close()
    printed, log = capfd.readouterr(), logged.read_text(encoding="utf-8")
    assert "operation_turns_back" in log
    path = file_of(chain)
    kept = b"".join(each.read_bytes() for each in path.parent.iterdir() if each.is_file())
    secrets = (BASE_KEY_SECRET, key, key.rpartition("_")[2])
    for secret in secrets:
        assert secret.encode() not in kept
        assert secret not in printed.out + printed.err + log
        assert not [each for each in answers if secret in each]
