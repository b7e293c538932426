"""Requests that carry an Idempotency-Key: carried out once, answered the same ever after."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import RETRY_SECONDS
from app.api.schemas.operations import Operation
from app.domain import operations as domain
from app.domain.errors import (
    IdempotencyKeyInvalidError,
    IdempotencyKeyRequiredError,
    RequestInProgressError,
)
from app.ports.store import Answer, Claim
from app.services.idempotency import IdempotencyService, KeyedRequest

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
SHAPE = re.compile(r"[\x20-\x7e]{1,255}")

FIRST_LOOK, LONGEST_LOOK, PATIENCE = 0.02, 0.25, 30.0
"""Seconds between two looks for the answer of a request that is under way, and in all."""

KEPT_HEADERS = ("location", "retry-after", "content-type")


def key_of(request: Request, *, is_required: bool) -> str | None:
    """Return the key that a request carries.

    Raises:
        IdempotencyKeyInvalidError, IdempotencyKeyRequiredError
    """
    given = request.headers.getlist(HEADER)
    if not given:
        if is_required:
            raise IdempotencyKeyRequiredError(f"send the header {HEADER} with every change")
        return None
    if len(given) > 1 or not SHAPE.fullmatch(given[0]):
        raise IdempotencyKeyInvalidError("a key has 1 to 255 printable ASCII characters")
    return given[0]


def keyed(request: Request, key: str, value: Mapping[str, Any]) -> KeyedRequest:
    """Say what a key was sent with: the body counts by what it means, not by how it is spelt."""
    content = json.dumps([request.url.query, value], sort_keys=True, separators=(",", ":"))
    return KeyedRequest(key, f"{request.method} {request.url.path}", content.encode())


async def once(
    service: IdempotencyService,
    request: KeyedRequest,
    handle: Callable[[Claim], Awaitable[Response]],
    *,
    concealed: tuple[str, ...],
) -> Response:
    """Carry a request out, or answer what it was answered before.

    `concealed` members of the answer are not kept: they are null in a repeated one.
    """
    claim = await _claimed(service, request)
    if isinstance(claim, Answer):
        return _replayed(claim)
    try:
        response = await handle(claim)
    except BaseException:
        await run_in_threadpool(service.release, claim)
        raise
    if 200 <= response.status_code < 300:
        answer = _answer(response, concealed)
        await run_in_threadpool(service.keep, claim, answer)
    else:
        await run_in_threadpool(service.release, claim)
    return response


async def _claimed(service: IdempotencyService, request: KeyedRequest) -> Claim | Answer:
    pause, waited = FIRST_LOOK, 0.0
    claim = await run_in_threadpool(service.claim, request)
    while claim is None:
        if waited > PATIENCE:
            raise RequestInProgressError("the first request with this key is not answered yet")
        await asyncio.sleep(pause)
        waited += pause
        pause = min(2 * pause, LONGEST_LOOK)
        claim = await run_in_threadpool(service.look, request)
        if claim is None and await run_in_threadpool(service.is_free, request):
            claim = await run_in_threadpool(service.claim, request)
    return claim


def accepted_answer(operation: domain.Operation) -> Answer:
    """Return what a change of the cloud is answered, to be kept together with its operation."""
    shown = Operation.of(operation)
    headers = {
        "location": f"/v1/operations/{shown.id}",
        "retry-after": str(RETRY_SECONDS),
        "content-type": "application/json",
    }
    return Answer(202, shown.model_dump_json(), headers)


def _answer(response: Response, concealed: tuple[str, ...]) -> Answer:
    body = bytes(response.body).decode()
    if concealed:
        body = json.dumps(json.loads(body) | dict.fromkeys(concealed), separators=(",", ":"))
    kept = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    return Answer(response.status_code, body, kept)


def _replayed(answer: Answer) -> Response:
    headers = {**answer.headers, REPLAYED: "true"}
    return Response(answer.body, answer.status, headers)
