"""Who is asking, from headers alone, before the body is read."""

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.problems import render
from app.domain.errors import AmbiguousCredentialsError, AppError, UnauthenticatedError
from app.ports.identity import Identity
from app.services.callers import acting

OPEN_PATHS = frozenset({"/livez", "/readyz", "/version", "/docs", "/openapi.json"})
OPEN_FOLDERS = ("/docs/", "/problems/")

CHALLENGE = 'Bearer realm="intercom"'


class Authentication:
    """Lets requests pass whose sender is known, and those for open paths.

    What follows is done on behalf of that principal, who also stands in the request's state.
    """

    def __init__(self, app: ASGIApp, *, identity: Identity) -> None:
        self._app = app
        self._identity = identity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            credential = credential_of(Headers(scope=scope))
            principal = await run_in_threadpool(self._identity.of, credential)
        except AppError as refusal:
            await self._refuse(refusal, scope, receive, send)
            return
        scope.setdefault("state", {})["principal"] = principal
        with acting(principal):
            await self._app(scope, receive, send)

    @staticmethod
    async def _refuse(refusal: AppError, scope: Scope, receive: Receive, send: Send) -> None:
        answer = render(refusal, scope)
        headers = MutableHeaders(raw=answer.raw_headers)
        # A body is not read for strangers, so the connection is of no further use.
        headers["Connection"] = "close"
        if isinstance(refusal, UnauthenticatedError):
            headers["WWW-Authenticate"] = CHALLENGE
        await answer(scope, receive, send)


def credential_of(headers: Headers) -> bytes:
    """Return what was sent as a bearer's credential.

    Raises:
        AmbiguousCredentialsError, UnauthenticatedError
    """
    given = [value for name, value in headers.raw if name == b"authorization"]
    if len(given) > 1:
        raise AmbiguousCredentialsError("send one Authorization header")
    if not given:
        raise UnauthenticatedError("send Authorization: Bearer and an API key")
    scheme, _, credential = given[0].partition(b" ")
    if scheme.lower() != b"bearer":
        raise UnauthenticatedError("the API key is not valid")
    return credential.strip()


def is_open(path: str) -> bool:
    """Say whether a path is for everybody: probes and the documentation."""
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)
