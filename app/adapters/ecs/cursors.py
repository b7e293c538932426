"""Positions in a listing by page number, as text that means nothing to callers."""

import re

from app.domain.errors import InvalidCursorError


def page_of(token: str | None, limit: int, largest: int) -> tuple[int, int]:
    """Return number and size of the page that comes at `token`.

    The size goes with the token: another one would shift every page after the first.

    Raises:
        InvalidCursorError: the token is none of ours.
    """
    if token is None:
        return 1, max(1, min(limit, largest))
    match = re.fullmatch(r"([1-9][0-9]{0,8})\.([1-9][0-9]{0,2})", token, re.ASCII)
    if match is None or int(match[2]) > largest:
        raise InvalidCursorError("the page that was asked for does not exist")
    return int(match[1]), int(match[2])


def token_after(number: int, size: int, total: int) -> str | None:
    """Return the token of the next page, or None after the last one."""
    return f"{number + 1}.{size}" if number * size < total else None
