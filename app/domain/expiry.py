"""When a connection ends by itself: how that is written, and how long to wait between tries."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from app.domain.errors import InvalidExpiryError

WRITTEN = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.0+)?(Z|[+-]\d{2}:\d{2})", re.ASCII | re.IGNORECASE
)

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=15)


def read_expiry(text: object) -> datetime:
    """Read an instant of RFC 3339, with its zone and to the second.

    Raises:
        InvalidExpiryError
    """
    if not isinstance(text, str) or not WRITTEN.fullmatch(text):
        raise InvalidExpiryError(
            "a time to end at is written to the second and with its zone: 2026-03-01T18:00:00Z"
        )
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        raise InvalidExpiryError("there is no such day or time") from None


def expiry_of(request: Mapping[str, Any]) -> datetime | None:
    """Return when a connection that is asked for shall end; None: not by itself.

    Raises:
        InvalidExpiryError
    """
    text = request.get("expires_at")
    return None if text is None else read_expiry(text)


def check_expiry(expires_at: datetime, now: datetime, longest: timedelta, *, at: str) -> None:
    """Refuse a time that has passed, or that is further ahead than `longest`.

    `at` is where in the request it stands.

    Raises:
        InvalidExpiryError
    """
    if expires_at <= now:
        raise InvalidExpiryError("the time to end at has passed", pointer=at)
    if expires_at - now > longest:
        detail = f"the time to end at is more than {_spoken(longest)} ahead"
        raise InvalidExpiryError(detail, pointer=at)


def _spoken(length: timedelta) -> str:
    days, rest = divmod(length, timedelta(days=1))
    return f"{days} days" if days and not rest else f"{length.total_seconds():g} seconds"


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many tries in vain: twice as long each time, up to a bound."""
    doublings = max(0, min(attempts - 1, 10))
    return min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)
