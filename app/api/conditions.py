"""Conditional requests (RFC 9110): strong entity tags, `If-None-Match` and `If-Match`."""

import hashlib
import re
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import Depends, Header, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.api.errors import PreconditionRequiredError
from app.domain.errors import InvalidInputError, PreconditionFailedError

TAGS = re.compile(r'\s*(?:\*|(?:W/)?"[\x21\x23-\x7e]*"(?:\s*,\s*(?:W/)?"[\x21\x23-\x7e]*")*)\s*')
TAG = re.compile(r'(W/)?("[\x21\x23-\x7e]*")')
EVERY_TAG = "*"
KEPT = ("Retry-After",)
"""What an answer says besides its body, which holds for 304 as well."""


def tag_of_bytes(body: bytes) -> str:
    """Return the strong entity tag of a representation: a digest of its bytes."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def tag_of(resource: BaseModel) -> str:
    """Return the tag that the resource has where it is answered alone."""
    return tag_of_bytes(resource.model_dump_json(by_alias=True).encode())


def named(header: str, tag: str, *, weakly: bool) -> bool:
    """Say whether a header names a tag; compared strongly, a weak one never does."""
    if header.strip() == EVERY_TAG:
        return True
    return any(each == tag and (weakly or not weak) for weak, each in TAG.findall(header))


def with_tag(answer: Response, asked: str | None) -> Response:
    """Give an answer its tag; who has it already gets 304 and no body."""
    tag = tag_of_bytes(bytes(answer.body))
    if asked is not None and named(asked, tag, weakly=True):
        kept = {name: answer.headers[name] for name in KEPT if name in answer.headers}
        return Response(status_code=304, headers=kept | {"ETag": tag})
    answer.headers["ETag"] = tag
    return answer


AGAINST_A_CONDITION = (PreconditionFailedError, PreconditionRequiredError)

T = TypeVar("T")


class Precondition:
    """What a caller has seen, and wants to be so still."""

    def __init__(self, header: str | None) -> None:
        self._header = header

    def of(self, shape: Callable[[T], BaseModel]) -> Callable[[T], None]:
        """Return the check of a thing that is answered in this shape."""
        return lambda thing: self.check(shape(thing))

    def look(self, read: Callable[[], BaseModel]) -> None:
        """Read a thing right before it is removed, where the caller says what it was."""
        if self._header is not None:
            self.check(read())

    def check(self, resource: BaseModel) -> None:
        """Refuse to change what is no longer as it was seen.

        Raises:
            PreconditionFailedError
        """
        if self._header is not None and not named(self._header, tag_of(resource), weakly=False):
            raise PreconditionFailedError(
                "the resource is not as `If-Match` has it; read it again", etag=tag_of(resource)
            )


async def asked_precondition(
    request: Request,
    if_match: Annotated[
        str | None,
        Header(
            alias="If-Match",
            max_length=4000,
            description="The `ETag` of the resource as you have seen it: unless it is so still, "
            "nothing is done (`412`). A service may be set to require it (`428`).",
        ),
    ] = None,
) -> Precondition:
    """Raises: PreconditionRequiredError, InvalidInputError."""
    if if_match is None and getattr(request.app.state, "require_if_match", False):
        raise PreconditionRequiredError("send If-Match with the ETag that you have seen")
    if if_match is not None and TAGS.fullmatch(if_match) is None:
        where = {"location": "header", "pointer": "/If-Match", "code": "validation"}
        where["message"] = "entity tags in quotes, separated by commas, or *"
        raise InvalidInputError("If-Match is not valid", errors=[where])
    return Precondition(if_match)


AskedPrecondition = Annotated[Precondition, Depends(asked_precondition)]
