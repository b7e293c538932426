"""How many requests a caller may send: a bucket of tokens for each, in this process."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import RateLimitedError
from app.api.problems import render
from app.domain.principals import Principal

MOST_CALLERS = 10_000
"""Buckets that are kept; more than that are full ones, which say nothing."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a caller has left at an instant of the monotonic clock, in seconds."""

    tokens: float
    at: float


class Buckets:
    """Holds a minute's worth of tokens for each caller, which comes back evenly."""

    def __init__(self, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._most = float(per_minute)
        self._pace = per_minute / 60
        self._now = now
        self._buckets: dict[str, Bucket] = {}

    def take(self, caller: str) -> float:
        """Take a token; return 0, or after how many seconds there will be one."""
        now = self._now()
        tokens = self._filled(self._buckets.get(caller, Bucket(self._most, now)), now)
        if tokens < 1:
            return (1 - tokens) / self._pace
        if len(self._buckets) >= MOST_CALLERS and caller not in self._buckets:
            self._forget(now)
        self._buckets[caller] = Bucket(tokens - 1, now)
        return 0.0

    def _filled(self, bucket: Bucket, now: float) -> float:
        return min(self._most, bucket.tokens + (now - bucket.at) * self._pace)

    def _forget(self, now: float) -> None:
        """Forget callers whose bucket is full again; where there is none, everybody's."""
        kept = {
            caller: bucket
            for caller, bucket in self._buckets.items()
            if self._filled(bucket, now) < self._most
        }
        self._buckets = kept if len(kept) < MOST_CALLERS else {}


class RateLimits:
    """Refuses the requests of a known caller who sends too many.

    It stands behind authentication: open paths, which have no caller, are not counted, so
    probes are answered whoever else asks.
    """

    def __init__(self, app: ASGIApp, *, buckets: Buckets, per_minute: int) -> None:
        self._app = app
        self._buckets = buckets
        self._per_minute = per_minute

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal: Principal | None = scope.get("state", {}).get("principal")
        seconds = 0.0 if principal is None else self._buckets.take(principal.principal_id)
        if seconds > 0:
            refusal = RateLimitedError(
                f"at most {self._per_minute} requests a minute are answered",
                limit_per_minute=self._per_minute,
            )
            answer = render(refusal, scope)
            answer.headers["Retry-After"] = str(math.ceil(seconds))
            answer.headers["Connection"] = "close"  # the body is not waited for
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)
