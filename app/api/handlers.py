"""From an exception to an answer."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

import structlog
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.api.errors import MethodNotAllowedError
from app.api.findings import invalid, item_of
from app.api.problems import KINDS, render
from app.domain.errors import AppError, NotFoundError

log = structlog.get_logger(__name__)


async def on_app_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AppError)
    if KINDS[error.code].status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("request_failed", code=error.code, detail=str(error), path=request.url.path)
    return render(error, request.scope)


async def on_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return render(invalid([item_of(each) for each in error.errors()]), request.scope)


async def on_http_error(request: Request, error: Exception) -> JSONResponse:
    """Answer what the framework refuses: paths that do not exist, methods not offered."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(methods_of(request))
        answer = render(MethodNotAllowedError(f"use {allowed}"), request.scope)
        answer.headers["Allow"] = allowed
        return answer
    return render(NotFoundError("no such path"), request.scope)


def methods_of(request: Request) -> list[str]:
    """Every method that some route offers for the path of a request.

    Where a route has this very path, those with a parameter in its place do not count.
    """
    path = request.scope["path"]
    matching = [
        context
        for context in iter_route_contexts(request.app.routes)
        if context.path_regex.match(path)
    ]
    exact = [context for context in matching if context.path == path]
    found: set[str] = set()
    return sorted(found.union(*(context.methods or set() for context in exact or matching)))


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    AppError: on_app_error,
    RequestValidationError: on_validation_error,
    HTTPException: on_http_error,
}
