"""One id for a request, in its answer, its problems and its log lines."""

import re
import uuid
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import render_unexpected

REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", re.ASCII)

NOTHING_ACTIVE = "default-src 'none'; frame-ancestors 'none'"

log = structlog.get_logger(__name__)


class Correlation:
    """The outermost layer: nothing leaves without an id, and nothing unforeseen gets past."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = accepted_id(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = request_id
        trace = accepted_trace(Headers(scope=scope))
        scope["state"] |= {name: trace[name] for name in trace.keys() & {"trace_id"}}
        answer = _Answer(send, request_id, scope["state"])
        with structlog.contextvars.bound_contextvars(request_id=request_id, **trace):
            try:
                await self._app(scope, receive, answer)
            except Exception:
                log.exception("request_crashed", method=scope["method"], path=scope["path"])
                if answer.has_begun:
                    raise
                await render_unexpected(scope)(scope, receive, answer)


def accepted_id(headers: Headers) -> str:
    """Return the caller's id where it is fit for a log line, or a new one."""
    given = headers.getlist("x-request-id")
    if len(given) == 1 and REQUEST_ID.fullmatch(given[0]):
        return given[0]
    return uuid.uuid4().hex


TRACE = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?", re.ASCII)
TRACE_STATE = re.compile(r"[\x20-\x7e]{1,512}", re.ASCII)


def accepted_trace(headers: Headers) -> dict[str, str]:
    """Return the trace that a request is part of, as log lines name it; empty: of none.

    Source: W3C Trace Context. A version after ours may have more parts; ours has four.
    """
    given = headers.getlist("traceparent")
    found = TRACE.fullmatch(given[0]) if len(given) == 1 else None
    if found is None or (found[1] == "00" and found[4]):
        return {}
    if not found[2].strip("0") or not found[3].strip("0"):
        return {}
    trace = {"trace_id": found[2], "parent_id": found[3]}
    state = ",".join(headers.getlist("tracestate"))
    return trace | {"tracestate": state} if TRACE_STATE.fullmatch(state) else trace


class _Answer:
    """Sends on, with the headers that every answer carries, and those that its route has."""

    def __init__(self, send: Send, request_id: str, state: Mapping[str, Any]) -> None:
        self._send = send
        self._request_id = request_id
        self._state = state
        self.has_begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._request_id
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "no-referrer"
            for name, value in self._state.get("headers", {}).items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
            headers.setdefault("Content-Security-Policy", NOTHING_ACTIVE)
        await self._send(message)
