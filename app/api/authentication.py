"""Who is asking, from headers alone, before the body is read."""

import hashlib
import hmac

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.problems import render
from app.domain.errors import AmbiguousCredentialsError, AppError, UnauthenticatedError

OPEN_PATHS = frozenset({"/livez", "/readyz", "/version", "/docs", "/openapi.json"})
OPEN_FOLDERS = ("/docs/", "/problems/")

CHALLENGE = 'Bearer realm="intercom"'


class Authentication:
    """Lets requests pass that carry the API key, and those for open paths."""

    def __init__(self, app: ASGIApp, *, api_key: str) -> None:
        self._app = app
        self._digest = digest(api_key.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not is_open(scope["path"]):
            refusal = self._refusal(Headers(scope=scope))
            if refusal is not None:
                await self._refuse(refusal, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, headers: Headers) -> AppError | None:
        given = [value for name, value in headers.raw if name == b"authorization"]
        if len(given) > 1:
            return AmbiguousCredentialsError("send one Authorization header")
        if not given:
            return UnauthenticatedError("send Authorization: Bearer and an API key")
        scheme, _, key = given[0].partition(b" ")
        if scheme.lower() != b"bearer" or not self._is_right(key.strip()):
            return UnauthenticatedError("the API key is not valid")
        return None

    def _is_right(self, key: bytes) -> bool:
        # Digests are of one length and of bytes: nothing about the key shows in time or type.
        return hmac.compare_digest(digest(key), self._digest)

    @staticmethod
    async def _refuse(refusal: AppError, scope: Scope, receive: Receive, send: Send) -> None:
        answer = render(refusal, scope)
        headers = MutableHeaders(raw=answer.raw_headers)
        # A body is not read for strangers, so the connection is of no further use.
        headers["Connection"] = "close"
        if isinstance(refusal, UnauthenticatedError):
            headers["WWW-Authenticate"] = CHALLENGE
        await answer(scope, receive, send)


def digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def is_open(path: str) -> bool:
    """Say whether a path is for everybody: probes and the documentation."""
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)
