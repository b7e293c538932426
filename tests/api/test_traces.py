"""The caller's trace, and what is going out of service, are carried by every answer."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import structlog
from fastapi import APIRouter
from fastapi.testclient import TestClient
from starlette.datastructures import Headers

from app.api.correlation import Correlation, accepted_trace
from app.api.deprecation import deprecated
from app.api.openapi import openapi_document
from app.api.routing import StrictRoute
from app.domain.errors import NotFoundError
from app.main import bare_app
from tests.api.fakes import Fakes

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GIVEN = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """The log as it is written for machines."""
    sink = io.StringIO()
    former = structlog.get_config()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.JSONRenderer(default=str),
        ],
        logger_factory=structlog.PrintLoggerFactory(sink),
        cache_logger_on_first_use=False,
    )
    yield sink
    structlog.configure(**former)


def test_the_callers_trace_stands_in_problems_and_in_the_log(
    client: TestClient, fakes: Fakes, lines: io.StringIO
) -> None:
    headers = {"traceparent": GIVEN, "tracestate": "vendor=opaque", "X-Request-ID": "r-1"}
    problem = client.get("/v1/plans/unknown", headers=headers).json()
    assert (problem["trace_id"], problem["request_id"]) == (TRACE, "r-1")
    fakes.plans.failure = RuntimeError("unforeseen")
    assert client.get("/v1/plans/p", headers=headers).json()["trace_id"] == TRACE
    [line] = [json.loads(each) for each in lines.getvalue().splitlines()]
    carried = {"trace_id": TRACE, "parent_id": PARENT, "tracestate": "vendor=opaque"}
    assert line.items() >= (carried | {"request_id": "r-1"}).items()


def test_who_is_part_of_no_trace_gets_none(client: TestClient) -> None:
    assert "trace_id" not in client.get("/v1/plans/unknown").json()


@pytest.mark.parametrize(
    "given",
    [
        "",
        "nonsense",
        GIVEN.upper(),
        GIVEN + "-more",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE[:-1]}-{PARENT}-01",
        f" {GIVEN}\x1b[31m",
    ],
)
def test_what_is_no_trace_is_passed_over(given: str) -> None:
    assert accepted_trace(Headers({"traceparent": given, "tracestate": "a=b"})) == {}


def test_a_later_version_may_say_more() -> None:
    headers = Headers({"traceparent": f"01-{TRACE}-{PARENT}-01-more"})
    assert accepted_trace(headers) == {"trace_id": TRACE, "parent_id": PARENT}


def test_two_traces_are_none_and_a_long_state_is_dropped() -> None:
    twice = Headers(raw=[(b"traceparent", GIVEN.encode())] * 2)
    assert accepted_trace(twice) == {}
    long = Headers({"traceparent": GIVEN, "tracestate": "a=" + "x" * 512})
    assert "tracestate" not in accepted_trace(long)


# --- deprecation --------------------------------------------------------------------------

SINCE = datetime(2026, 3, 1, tzinfo=UTC)
SUNSET = datetime(2026, 9, 1, 2, tzinfo=timezone(timedelta(hours=2)))


def going_away() -> Any:
    """An app with one route that is going away."""
    router = APIRouter(route_class=StrictRoute, tags=["service"])

    @router.get("/old", **deprecated(since=SINCE, sunset=SUNSET, page="/docs/new"))
    def get_version(name: str = "") -> dict[str, str]:
        """Get what is old."""
        if name:
            raise NotFoundError("there is nothing old of that name")
        return {}

    app = bare_app("0.1.0", [router])
    app.add_middleware(Correlation)
    return app


def test_an_operation_that_goes_away_says_so_in_every_answer() -> None:
    client = TestClient(going_away())
    for query, status in (("", 200), ("?name=x", 404), ("?nam=x", 422)):
        answer = client.get(f"/old{query}")
        assert answer.status_code == status
        assert answer.headers["Deprecation"] == "@1772323200"
        assert answer.headers["Sunset"] == "Tue, 01 Sep 2026 00:00:00 GMT"
        assert answer.headers["Link"] == '</docs/new>; rel="deprecation"'


def test_an_operation_that_goes_away_says_so_in_the_contract() -> None:
    described = openapi_document(going_away())["paths"]["/old"]["get"]
    assert described["deprecated"] is True
    assert described["x-deprecation"]["Sunset"] == "Tue, 01 Sep 2026 00:00:00 GMT"


def test_nothing_else_says_that_it_goes_away(client: TestClient) -> None:
    assert "Deprecation" not in client.get("/v1/accounts").headers


def test_nothing_ends_before_it_was_deprecated() -> None:
    with pytest.raises(ValueError, match="not before"):
        deprecated(since=SINCE, sunset=SINCE - timedelta(days=1), page="/docs/new")
