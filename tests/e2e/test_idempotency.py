"""One key, one request: carried out once, and answered the same however often it is sent."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.ports.store import Answer, Claim
from app.services.idempotency import KeyedRequest
from tests.support.clouds import ACCOUNT, REGION
from tests.support.databases import TEMPLATE, PostgreSql
from tests.support.e2e import IMPATIENT, Api, Chain, Cloud, chained, connect_request, pair

REQUEST = connect_request("address_rules", ["i-a"], ["i-b"])
MANY = 50


def send(api: Api, key: str, path: str = "/connections", body: Any = REQUEST) -> httpx.Response:
    return api.ask("POST", path, body, {"Idempotency-Key": key})


def essence(answer: httpx.Response) -> tuple[int, str, str | None]:
    return answer.status_code, answer.text, answer.headers.get("Location")


def at_once(api: Api, key: str) -> list[httpx.Response]:
    """Send the same request many times together."""
    together = threading.Barrier(MANY)

    def one(_: int) -> httpx.Response:
        caller = Api(api.url)
        together.wait()
        answer = send(caller, key)
        caller.close()
        return answer

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(one, range(MANY)))


def check_once(api: Api, cloud: Cloud, answers: list[httpx.Response]) -> None:
    assert len({essence(each) for each in answers}) == 1
    assert answers[0].status_code == 202
    assert [each.headers.get("Idempotent-Replayed") for each in answers].count(None) == 1
    api.ended(answers[0].json(), is_settled=False)
    assert len(cloud.changes()) == 1
    assert len(api.get("/operations?limit=200")["items"]) == 1


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Chain]:
    with chained(f"sqlite:///{tmp_path / 'intercom.sqlite3'}", **IMPATIENT) as chain:
        yield chain


def test_fifty_at_once_are_one_operation(fresh: Chain) -> None:
    fresh.cloud.put(pair())
    check_once(fresh.api, fresh.cloud, at_once(fresh.api, "fifty"))


def test_fifty_at_once_are_one_operation_on_postgresql(postgresql: PostgreSql) -> None:
    with chained(postgresql.create("fifty", template=TEMPLATE), **IMPATIENT) as chain:
        chain.cloud.put(pair())
        check_once(chain.api, chain.cloud, at_once(chain.api, "fifty"))
    postgresql.drop("fifty")


def test_the_answer_is_the_same_after_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'intercom.sqlite3'}"
    with chained(url, **IMPATIENT) as chain:
        chain.cloud.put(pair())
        first = send(chain.api, "restart")
        chain.api.ended(first.json(), is_settled=False)
    with chained(url, register=False, **IMPATIENT) as chain:
        again = send(chain.api, "restart")
        assert essence(again) == essence(first)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert len(chain.api.get("/operations")["items"]) == 1
        assert chain.cloud.changes() == []


def test_where_keys_are_required_a_change_without_one_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'intercom.sqlite3'}"
    with chained(url, register=False, idempotency_key_required=True) as chain:
        answer = chain.api.ask("POST", "/connections", REQUEST)
        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")
        assert chain.api.ask("POST", "/reachability/explain", {"flows": []}).status_code == 422
        assert chain.api.ask("GET", "/connections").status_code == 200


def test_a_claim_of_a_dead_process_is_taken_over_and_its_holder_changes_nothing(
    api: Api, chain: Chain
) -> None:
    chain.cloud.put(pair())
    service = chain.service.house.idempotency
    request = KeyedRequest("dead", "POST /v1/connections", b"the same")
    lost = service.claim(request)
    assert isinstance(lost, Claim)
    assert service.claim(request) is None
    service.release(lost)
    taken = service.claim(request)
    assert isinstance(taken, Claim)
    assert taken.claim_id != lost.claim_id
    with pytest.raises(Exception, match="taken over"):
        service.keep(lost, Answer(202, "{}", {}))
    service.keep(taken, Answer(202, "{}", {}))
    assert service.claim(request) == Answer(202, "{}", {})


def test_another_body_with_the_same_key_is_refused(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    first = send(api, "body")
    api.ended(first.json(), is_settled=False)
    other = send(api, "body", body=REQUEST | {"reason": "another one"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    query = send(api, "body", path="/connections?wait=false")
    assert (query.status_code, query.json()["code"]) == (422, "idempotency_key_reused")
    spelt_otherwise = dict(reversed(REQUEST.items()))
    assert essence(send(api, "body", body=spelt_otherwise)) == essence(first)


def test_a_key_belongs_to_its_sender_and_its_path(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    plan = {"kind": "connect", "connection": REQUEST}
    first = send(api, "mine", "/plans", plan)
    somebody = api.with_key(api.hand_out(every="operator")["key"])
    assert send(somebody, "mine", "/plans", plan).json()["id"] != first.json()["id"]
    applied = send(api, "mine", f"/plans/{first.json()['id']}/apply", None)
    assert applied.status_code == 202
    again = send(api, "mine", f"/plans/{first.json()['id']}/apply", None)
    assert essence(again) == essence(applied)
    api.ended(applied.json(), is_settled=False)
    somebody.close()


def test_what_failed_may_be_tried_again_with_its_key(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    missing = connect_request("address_rules", ["i-none"], ["i-b"])
    for _ in range(2):
        answer = send(api, "failed", body=missing)
        assert (answer.status_code, answer.json()["code"]) == (404, "target_not_found")
        assert "Idempotent-Replayed" not in answer.headers


@pytest.mark.parametrize("key", ["", "a" * 256, "caf\xe9", "a\tb"])
def test_a_key_that_cannot_be_one_is_refused(api: Api, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}
    answer = api.ask("POST", "/connections", REQUEST, headers)  # type: ignore[arg-type]  # bytes
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")


@pytest.mark.parametrize("key", ["a", "a" * 255, "two words", '{"x": 1}'])
def test_any_printable_key_will_do(api: Api, cloud: Cloud, key: str) -> None:
    cloud.put(pair())
    body = {"account_id": ACCOUNT, "region_id": REGION, "security_group_ids": ["sg-a"]}
    first, again = (send(api, key, "/backups", body) for _ in range(2))
    assert first.status_code == 201
    assert essence(first) == essence(again)


def test_the_secret_of_a_new_key_is_not_in_a_repeated_answer(api: Api) -> None:
    body = {"name": "once", "grants": [{"account_id": "*", "role": "viewer"}]}
    first, again = (send(api, "secret", "/api-keys", body) for _ in range(2))
    assert first.json()["key"] is not None
    assert again.json() == first.json() | {"key": None}
