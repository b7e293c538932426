"""Answers that are described in the contract, each with an example and its headers."""

from typing import Any

from fastapi import Response

from app.api.schemas.operations import Operation

Described = dict[int | str, dict[str, Any]]

RETRY_SECONDS = 1
"""How long a caller who polls an operation should wait."""

_LOCATION = {
    "description": "Where the resource is.",
    "required": True,
    "schema": {"type": "string"},
}
_RETRY_AFTER = {
    "description": "Seconds after which to look again.",
    "schema": {"type": "integer"},
}


_ETAG = {
    "description": "Strong entity tag of what is answered, for `If-None-Match` and `If-Match`.",
    "required": True,
    "schema": {"type": "string"},
}

NULL = "\x00"
"""Stands for null in an example until FastAPI, which takes every null out, has seen it."""


def veiled(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a copy of an example in which NULL stands for null."""
    match value:
        case None:
            return NULL
        case dict():
            return {key: veiled(member) for key, member in value.items()}
        case list():
            return [veiled(item) for item in value]
        case _:
            return value


def unveiled(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return the example that `veiled` was given."""
    match value:
        case dict():
            return {key: unveiled(member) for key, member in value.items()}
        case list():
            return [unveiled(item) for item in value]
        case _:
            return None if value == NULL else value


def answer(status: int, description: str, example: Any) -> Described:  # noqa: ANN401 - any JSON
    """Describe what is answered when all went well."""
    return {
        status: {
            "description": description,
            "content": {"application/json": {"example": veiled(example)}},
        }
    }


def tagged(described: Described) -> Described:
    """Add to the description of one resource that it has a tag, which may be asked with."""
    ok = described[200]
    headers = ok.get("headers", {}) | {"ETag": _ETAG}
    unchanged = {"description": "It is what `If-None-Match` names.", "headers": {"ETag": _ETAG}}
    return described | {200: ok | {"headers": headers}, 304: unchanged}


def emptied(description: str) -> Described:
    """Describe the answer to a removal."""
    return {204: {"description": description}}


def created(description: str, example: Any) -> Described:  # noqa: ANN401 - any JSON
    """Describe the answer to something of ours that was made, with its address."""
    described = answer(201, description, example)
    described[201]["headers"] = {"Location": _LOCATION}
    return described


def accepted(description: str, example: Any) -> Described:  # noqa: ANN401 - any JSON
    """Describe the answer to a change of the cloud, which goes on after it."""
    described = answer(202, description, example)
    described[202]["headers"] = {"Location": _LOCATION, "Retry-After": _RETRY_AFTER}
    return described


def polled(description: str, example: Any) -> Described:  # noqa: ANN401 - any JSON
    """Describe the answer to a question that may be asked again."""
    described = answer(200, description, example)
    described[200]["headers"] = {"Retry-After": _RETRY_AFTER}
    return described


def streamed(description: str, example: str) -> Described:
    """Describe a stream of events, and that there is none left to stream."""
    content = {"text/event-stream": {"schema": {"type": "string"}, "example": example}}
    return {
        200: {"description": description, "content": content},
        204: {"description": "Everything was seen before, and nothing can follow."},
    }


def point_to(response: Response, operation: Operation) -> Operation:
    """Say where to follow an operation, and answer it."""
    response.headers["Location"] = f"/v1/operations/{operation.id}"
    return ask_again(response, operation)


def ask_again(response: Response, operation: Operation) -> Operation:
    """Say when to look at an operation again, unless it has ended."""
    if not operation.done:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return operation
