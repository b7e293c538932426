"""Which host names the service answers to: a page of another site must not speak to it."""

from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import MalformedRequestError
from app.api.problems import render

PROBES = frozenset({"/livez", "/readyz"})
"""Probes come by address, and learn nothing that matters."""

ANY_HOST = "*"


class AllowedHosts:
    """Refuses requests for another host, and paths that no route can have."""

    def __init__(self, app: ASGIApp, *, names: Iterable[str]) -> None:
        self._app = app
        self._names = frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (detail := self._complaint(scope)):
            await render(MalformedRequestError(detail), scope)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _complaint(self, scope: Scope) -> str:
        if not scope["path"].isprintable():
            return "the path holds control characters"
        if scope["path"] in PROBES:
            return ""
        hosts = Headers(scope=scope).getlist("host")
        if len(hosts) != 1 or not hosts[0]:
            return "one Host header is required"
        if ANY_HOST not in self._names and host_name(hosts[0]) not in self._names:
            return "this service is not the host that the request names"
        return ""


def host_name(value: str) -> str:
    """Return the host of a Host header: lower case, without port, IPv6 without brackets."""
    if value.startswith("["):
        return value[1:].partition("]")[0].lower()
    return value.partition(":")[0].lower()
