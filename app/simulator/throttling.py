"""Limits for each account, region and action in a minute; a minute that is used up stays so."""

from __future__ import annotations

from app.simulator.errors import ApiError
from app.simulator.settings import RateLimits


class Throttle:
    """Counts the calls of the present minute.

    Source: ECS API, API throttling.
    """

    def __init__(self) -> None:
        self._minute = 0
        self._counts: dict[tuple[str, str, str], int] = {}

    def admit(
        self,
        limits: RateLimits,
        *,
        account_id: str,
        region_id: str,
        action: str,
        is_read: bool | None,
        now: float,
    ) -> None:
        """Count a call; ApiError if it is one too many for this minute."""
        limit = limits.of(action, is_read=is_read)
        if limit is None:
            return
        minute = int(now // 60)
        if minute != self._minute:
            self._minute, self._counts = minute, {}
        key = (account_id, region_id, action)
        self._counts[key] = self._counts.get(key, 0) + 1
        if self._counts[key] > limit:
            raise ApiError(limits.code, 400, "Request was denied due to request throttling.")
