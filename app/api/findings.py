"""What pydantic finds wrong with a request, as one error with a place for each finding."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.api.problems import KINDS, kinds_of_errors
from app.domain.documents import Document
from app.domain.errors import AppError, InvalidInputError, UnknownFieldError
from app.domain.intents import MethodName

MOST = 50
"""Most findings in one answer."""

TAGS = frozenset(
    {
        *MethodName,
        "connect",
        "disconnect",
        "restore",
        "tighten",
        "compact",
        "tiers",
        "json",
        "csv",
        "by instance",
        "by address",
        "by group",
        "add_rule",
        "remove_rule",
        "join",
        "leave",
        "inner_access",
        "by block",
        "by members",
        "by list",
    }
)
"""Names of members of unions: pydantic puts them into the place of an error, but no body
has them there."""


def item_of(error: Mapping[str, Any]) -> Document:
    """Spell one finding of pydantic; what was sent is never repeated."""
    location, *path = error["loc"]
    named_last = error["type"] in {"extra_forbidden", "missing"}
    kept = [
        step
        for number, step in enumerate(path, 1)
        if step not in TAGS
        or (named_last and number == len(path))
        or path[number - 2 : number - 1] == [step]  # a member with the name of its tag
    ]
    if error["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        kept.append(error["ctx"]["discriminator"].strip("'"))
    return {
        "location": location,
        "pointer": "".join(f"/{_escape(step)}" for step in kept),
        "message": _message(error),
        "code": _code(error),
    }


def _escape(step: str | int) -> str:
    return str(step)[:LONGEST_NAME].replace("~", "~0").replace("/", "~1")


LONGEST_NAME = 80


def _message(error: Mapping[str, Any]) -> str:
    match error["type"]:
        case "extra_forbidden":
            return "this field is not known here"
        case "missing":
            return "this field is required"
        case "union_tag_invalid":
            return f"one of {error['ctx']['expected_tags']}"
        case "union_tag_not_found":
            return "this field is required"
        case _:
            return str(error["msg"])


CODES = {
    "extra_forbidden": UnknownFieldError.code,
    "too_long": "too_many_items",
    "too_short": "empty_change",
}


def _code(error: Mapping[str, Any]) -> str:
    kind: str = error["type"]
    code = CODES.get(kind, kind)
    return code if code in KINDS else InvalidInputError.code


def invalid(errors: Sequence[Document]) -> AppError:
    """Sum findings up in one error: with their code where they all have the same one."""
    codes = {item["code"] for item in errors}
    code = codes.pop() if len(codes) == 1 else InvalidInputError.code
    kind = next((each for each in kinds_of_errors() if each.code == code), InvalidInputError)
    return kind(_sum(errors), errors=list(errors[:MOST]))


def _sum(errors: Sequence[Document]) -> str:
    first = errors[0]
    where = first["pointer"] or f"the {first['location']}"
    more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    return f"{where}: {first['message']}{more}"
