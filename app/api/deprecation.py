"""How an operation is taken out of service: said in the contract, and in every answer."""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

EXTENSION = "x-deprecation"


def deprecated(*, since: datetime, sunset: datetime | None = None, page: str) -> dict[str, Any]:
    """Return what a route is declared with that is going away.

    Its answers, refusals too, then carry `Deprecation` (RFC 9745), `Sunset` (RFC 8594) where
    the last day is known, and a `Link` to the page that says what to use instead.

        @router.get("/old", **deprecated(since=…, sunset=…, page="/docs/…"))
    """
    headers = {"Deprecation": f"@{int(since.timestamp())}", "Link": f'<{page}>; rel="deprecation"'}
    if sunset is not None:
        if sunset < since:
            msg = "what is deprecated ends after that, not before"
            raise ValueError(msg)
        headers["Sunset"] = format_datetime(sunset.astimezone(UTC), usegmt=True)
    return {"deprecated": True, "openapi_extra": {EXTENSION: headers}}
