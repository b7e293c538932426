"""How many requests a caller may send."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.api.limits import MOST_CALLERS, Buckets
from app.main import create_app
from tests.api.conftest import KEY, Reader
from tests.api.fakes import Fakes, OneKey


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_minutes_worth_may_be_sent_at_once_and_comes_back_evenly() -> None:
    clock = Clock()
    buckets = Buckets(60, clock)
    assert [buckets.take("a") for _ in range(60)] == [0.0] * 60
    assert buckets.take("a") == pytest.approx(1.0)
    assert buckets.take("b") == 0.0
    clock.now = 0.5
    assert buckets.take("a") == pytest.approx(0.5)
    clock.now = 2.0
    assert [buckets.take("a") for _ in range(3)] == [0.0, 0.0, pytest.approx(1.0)]
    clock.now = 1000.0
    assert [buckets.take("a") for _ in range(61)][-2:] == [0.0, pytest.approx(1.0)]


def test_asking_while_there_is_nothing_left_costs_nothing() -> None:
    clock = Clock()
    buckets = Buckets(1, clock)
    assert buckets.take("a") == 0.0
    for _ in range(100):
        assert buckets.take("a") == pytest.approx(60.0)
    clock.now = 60.0
    assert buckets.take("a") == 0.0


def test_callers_who_have_not_asked_for_long_are_forgotten() -> None:
    clock = Clock()
    buckets = Buckets(60, clock)
    for number in range(MOST_CALLERS - 1):
        buckets.take(str(number))
    clock.now = 100.0
    for _ in range(60):
        buckets.take("busy")
    buckets.take("one more")
    assert len(buckets._buckets) == 2
    assert buckets.take("busy") > 0


@pytest.fixture
def limited(fakes: Fakes) -> FastAPI:
    return create_app(
        fakes.house,
        identity=OneKey(KEY),
        docs_key=None,
        allowed_hosts=("testserver",),
        body_limit_bytes=1024,
        version="0.1.0",
        requests_per_minute=2,
    )


def test_who_asks_too_often_is_told_when_to_ask_again(limited: FastAPI, fakes: Fakes) -> None:
    client: TestClient = Reader(limited, headers={"Authorization": f"Bearer {KEY}"})
    assert [client.get("/v1/accounts").status_code for _ in range(2)] == [200, 200]
    refused = client.post("/v1/connections", json={})
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert refused.headers["Retry-After"] == "30"
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["limit_per_minute"] == 2
    assert [name for name, _ in fakes.calls()] == ["page", "page"]


def test_probes_pages_and_strangers_are_not_counted(limited: FastAPI) -> None:
    somebody: TestClient = Reader(limited)
    for _ in range(5):
        assert somebody.get("/livez").status_code == 200
        assert somebody.get("/readyz").status_code == 200
        assert somebody.get("/problems/rate-limited").status_code == 200
        wrong = somebody.get("/v1/accounts", headers={"Authorization": "Bearer wrong"})
        assert wrong.status_code == 401
    client: TestClient = Reader(limited, headers={"Authorization": f"Bearer {KEY}"})
    assert client.get("/v1/accounts").status_code == 200
