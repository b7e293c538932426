"""The two paging styles: PageNumber with PageSize, and MaxResults with NextToken."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.simulator.actions.request import Body
from app.simulator.errors import invalid_parameter
from app.simulator.parameters import Parameters

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """The items of one page, and the paging fields that the response carries."""

    items: Sequence[Item]
    fields: Body


def by_number(items: Sequence[Item], parameters: Parameters, *, largest: int) -> Page[Item]:
    """Return a page by PageNumber (from 1) and PageSize (default 10)."""
    number = parameters.number("PageNumber", 1)
    size = parameters.number("PageSize", 10)
    if number < 1:
        raise invalid_parameter('The specified parameter "PageNumber" is not valid.')
    if not 1 <= size <= largest:
        raise invalid_parameter('The specified parameter "PageSize" is not valid.')
    start = (number - 1) * size
    fields: Body = {
        "TotalCount": len(items),
        "PageNumber": number,
        "PageSize": size,
        "NextToken": "",
    }
    return Page(items[start : start + size], fields)


def by_token(
    items: Sequence[Item], parameters: Parameters, *, default: int, smallest: int, largest: int
) -> Page[Item]:
    """Return a page by NextToken and MaxResults; the last page has an empty NextToken."""
    size = parameters.number("MaxResults", default)
    if not smallest <= size <= largest:
        raise invalid_parameter('The specified parameter "MaxResults" is not valid.')
    start = _offset(parameters.get("NextToken"))
    end = start + size
    token = _token(end) if end < len(items) else ""
    return Page(items[start:end], {"NextToken": token})


def in_either_style(
    items: Sequence[Item], parameters: Parameters, *, largest_page: int, largest_result: int
) -> Page[Item]:
    """Return a page in the style that the call asks for; the new one needs one of its fields."""
    if parameters.get("MaxResults") or parameters.get("NextToken"):
        return by_token(items, parameters, default=10, smallest=1, largest=largest_result)
    return by_number(items, parameters, largest=largest_page)


def _token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"next/{offset}".encode()).decode()


def _offset(token: str | None) -> int:
    if token is None:
        return 0
    try:
        word, _, number = base64.urlsafe_b64decode(token).decode().partition("/")
        if word == "next" and number.isascii() and number.isdigit():
            return int(number)
    except ValueError:
        pass
    raise invalid_parameter('The specified parameter "NextToken" is not valid.')
