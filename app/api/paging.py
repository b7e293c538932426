"""Pages of a listing: how many, and where to go on."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Annotated

from fastapi import Query
from pydantic import BeforeValidator, WithJsonSchema

from app.api.schemas.values import spoken
from app.domain.errors import InvalidCursorError

MOST_ITEMS = 200
USUAL_ITEMS = 50


def read_limit(value: object) -> int:
    """Read how many items a page has: digits and nothing else.

    Raises:
        InvalidCursorError
    """
    if isinstance(value, int):
        return value
    text = str(value)
    if text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MOST_ITEMS:
        return int(text)
    raise InvalidCursorError(f"a page has 1 to {MOST_ITEMS} items")


Limit = Annotated[
    int,
    BeforeValidator(spoken(read_limit)),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST_ITEMS}),
    Query(description="Most items of the page."),
]
Cursor = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "maxLength": 4000}),
    Query(
        max_length=4000,
        description="`next_cursor` of the page before; left out, the listing begins.",
    ),
]


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page of a listing is asked for; `noun` and filters belong to its cursors.

    A cursor carries a digest of the listing it was made for: taken to another one it is
    refused rather than misread.
    """

    limit: int
    cursor: str | None

    def position(self, *listing: object) -> int | None:
        """Return the position that the cursor stands for, or None for the first page.

        Raises:
            InvalidCursorError: not a cursor of this listing.
        """
        if self.cursor is None:
            return None
        try:
            text = base64.urlsafe_b64decode(self.cursor.encode("ascii")).decode("ascii")
        except (binascii.Error, UnicodeError) as error:
            raise InvalidCursorError("the cursor is not one of ours") from error
        number = text.partition(".")[0]
        if not (number.isdigit() and len(number) < 19) or self.cursor != spell(
            int(number), *listing
        ):
            raise InvalidCursorError("the cursor does not belong to this listing")
        return int(number)


def spell(position: int, *listing: object) -> str:
    """Return the cursor that stands for a position in a listing."""
    digest = hashlib.sha256(repr((position, *map(str, listing))).encode()).hexdigest()[:12]
    return base64.urlsafe_b64encode(f"{position}.{digest}".encode()).decode()


def next_cursor(position: int | None, *listing: object) -> str | None:
    return None if position is None else spell(position, *listing)


async def asked_page(limit: Limit = USUAL_ITEMS, cursor: Cursor = None) -> Paging:
    return Paging(limit, cursor)
