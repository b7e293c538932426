"""What a request must be before an endpoint sees it."""

import email.message
import re
from collections.abc import Callable, Coroutine
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from app.api import strict_json
from app.api.authorization import admit, need_of
from app.api.changing import change
from app.api.conditions import with_tag
from app.api.deprecation import EXTENSION
from app.api.errors import BodyTooLargeError, NotAcceptableError, UnsupportedMediaTypeError
from app.domain.errors import InvalidInputError, UnknownFieldError

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class StrictRoute(APIRoute):
    """A route that knows who may ask it and all of its query parameters, and reads its body
    strictly, after that.
    """

    media_type: ClassVar[str] = "application/json"
    """Of what it answers when all goes well."""

    other_media_types: ClassVar[tuple[str, ...]] = ()
    """What it answers as well, where the request asks for that."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        takes_body = self.body_field is not None
        needs_body = self.body_field is not None and self.body_field.field_info.is_required()
        need, action = need_of(self.name, self.path), self.name
        is_tagged = "ETag" in self.responses.get(200, {}).get("headers", {})
        headers = (self.openapi_extra or {}).get(EXTENSION, {})
        names = frozenset(
            field.alias
            for field in get_flat_params(self.dependant)
            if isinstance(field.field_info, params.Query)
        )

        async def strict(request: Request) -> Response:
            request.scope.setdefault("state", {})["headers"] = headers
            if need is not None:
                await admit(request, need)
            check_accept(request.headers.get("accept"), self.media_type, *self.other_media_types)
            check_query(request, names)
            read = StrictRequest(request)
            await read.fill(takes_body=takes_body, needs_body=needs_body)
            if need is not None and need.changes:
                return await change(read, partial(handle, read), need, action)
            answer = await handle(read)
            if is_tagged and answer.status_code == HTTPStatus.OK:
                return with_tag(answer, request.headers.get("if-none-match"))
            return answer

        return strict


class StreamRoute(StrictRoute):
    """A route that answers a stream of events."""

    media_type = "text/event-stream"


class StrictRequest(Request):
    """A request whose body was read once, within the limit, and means one thing."""

    def __init__(self, request: Request) -> None:
        super().__init__(request.scope, request.receive)
        self._bytes = b""
        self._value: dict[str, Any] = {}

    async def body(self) -> bytes:
        return self._bytes

    async def json(self) -> Any:  # noqa: ANN401 - as Starlette has it
        return self._value

    async def fill(self, *, takes_body: bool, needs_body: bool) -> None:
        """Read the body; where none is taken it is empty, or an empty object, and where none is
        needed it may be empty.

        Raises:
            UnsupportedMediaTypeError, BodyTooLargeError, MalformedBodyError, InvalidInputError
        """
        if self._has_body():
            check_media_type(self.headers.getlist("content-type"))
            check_encoding(self.headers.get("content-encoding"))
            self._bytes = await self._read()
        if takes_body and (needs_body or self._bytes):
            self._value = strict_json.parse(self._bytes)
        elif self._bytes:
            _refuse_fields(strict_json.parse(self._bytes))

    def _has_body(self) -> bool:
        length = self.headers.get("content-length", "0")
        return length != "0" or "transfer-encoding" in self.headers

    async def _read(self) -> bytes:
        limit: int = self.app.state.body_limit_bytes
        too_large = BodyTooLargeError(f"at most {limit} bytes are accepted", limit_bytes=limit)
        length = self.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length) > limit:
            raise too_large
        parts = bytearray()
        async for part in self.stream():
            parts += part
            if len(parts) > limit:
                raise too_large
        return bytes(parts)


def check_accept(accept: str | None, *media_types: str) -> None:
    """Refuse a caller who would not take what is answered here.

    Raises:
        NotAcceptableError
    """
    if accept is None or not accept.strip():
        return
    ranges = accept.split(",")
    if not any(_takes(each, media_type) for each in ranges for media_type in media_types):
        raise NotAcceptableError(f"accept {' or '.join(media_types)}")


def _takes(media_range: str, media_type: str) -> bool:
    name, *parameters = (part.strip().lower() for part in media_range.split(";"))
    refused = any(map(NO_QUALITY.fullmatch, parameters))
    family = media_type.split("/", 1)[0]
    return not refused and name in {"*/*", f"{family}/*", media_type}


NO_QUALITY = re.compile(r"q\s*=\s*0(\.0*)?")


def check_media_type(values: list[str]) -> None:
    """Refuse bodies that do not say that they are JSON in UTF-8.

    Raises:
        UnsupportedMediaTypeError
    """
    if len(values) == 1:
        message = email.message.Message()
        message["content-type"] = values[0]
        charset = str(message.get_param("charset", "utf-8")).lower()
        if message.get_content_type() == "application/json" and charset in {"utf-8", "utf8"}:
            return
    raise UnsupportedMediaTypeError("send application/json in UTF-8")


def check_encoding(encoding: str | None) -> None:
    """Refuse compressed bodies: how large they are would be known too late.

    Raises:
        UnsupportedMediaTypeError
    """
    if encoding is not None and encoding.strip().lower() != "identity":
        raise UnsupportedMediaTypeError("send the body without a Content-Encoding")


def check_query(request: Request, names: frozenset[str]) -> None:
    """Refuse parameters that are not known or stand twice, so that no typing error passes.

    Raises:
        InvalidInputError
    """
    given = [name for name, _ in request.query_params.multi_items()]
    unknown = [name for name in dict.fromkeys(given) if name not in names]
    twice = [name for name in sorted(names) if given.count(name) > 1]
    if unknown or twice:
        errors = [_query_error(name, "this parameter is not known here") for name in unknown]
        errors += [_query_error(name, "this parameter stands twice") for name in twice]
        raise InvalidInputError("a query parameter is not valid", errors=errors)


def _query_error(name: str, message: str) -> dict[str, str]:
    pointer = f"/{name[:80]}"
    return {"location": "query", "pointer": pointer, "message": message, "code": "validation"}


def _refuse_fields(body: dict[str, Any]) -> None:
    if body:
        raise UnknownFieldError("this endpoint takes no body")
