"""JSON read strictly: one meaning for every body, or none."""

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from app.domain.errors import DuplicateKeyError, InvalidInputError, MalformedBodyError


def parse(body: bytes) -> dict[str, Any]:
    """Read the one JSON object that `body` holds, in UTF-8 without a byte order mark.

    Refused is what parsers disagree about: a key that stands twice, numbers that are not
    finite or absurdly long, half a surrogate pair, nesting without end.

    Raises:
        MalformedBodyError, DuplicateKeyError: it cannot be read as JSON.
        InvalidInputError: it is not an object, or a string holds a NUL.
    """
    value = _load(body)
    if not isinstance(value, dict):
        raise InvalidInputError("the body is a JSON object")
    if b"\\u" in body:
        for text in _strings(value):
            _check_text(text)
    return value


def _load(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    if not body.strip():
        raise MalformedBodyError("the body is empty; a JSON object is expected")
    try:
        return json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_number,
            parse_constant=_refuse_constant,
        )
    except RecursionError as error:
        raise MalformedBodyError("the body is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise MalformedBodyError("the body is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise MalformedBodyError(f"the body is not JSON: {error.msg} at {error.pos}") from error
    except ValueError as error:  # an integer of thousands of digits
        raise MalformedBodyError("the body holds a number that is too long") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise DuplicateKeyError("an object of the body names a key twice")
    return result


def _number(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise MalformedBodyError("the body holds a number that is too large")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedBodyError(f"{name} is not JSON")


def _strings(value: object) -> Iterator[str]:
    """Every string in a JSON value, keys included."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text:
                yield text
            case dict() as members:
                yield from members
                waiting += members.values()
            case list() as items:
                waiting += items
            case _:
                pass


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise InvalidInputError("a string of the body holds a NUL character")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise MalformedBodyError("a string of the body holds half a surrogate pair")
