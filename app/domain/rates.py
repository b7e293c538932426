"""How often the cloud may be called: a generic cell rate algorithm with a reserve.

The cloud counts calls of one action in one account and region by the minute, together with
the console and everybody else's tools, and refuses the rest of a minute once there were too
many. So at most half of the quota is used, a fifth of that only to take changes back, and
after a refusal nothing is sent until the next minute. In any 60 seconds there are at most

    burst + rate * 60 = `ordinary` calls, and `reserve` more on the way back.

Source: ECS user guide, API throttling.
"""

from dataclasses import dataclass, replace
from math import floor

SHARE = 0.5
RESERVE = 0.2
RETRIES = 0.2
FREE_RETRIES = 3.0
"""Retries that a bucket has before it has earned any."""

SMALLEST_QUOTA = 20
"""Calls a minute below which the shares would be less than one call."""

MARGIN_SECONDS = 1.0
"""By how much our minute may end before the cloud's."""


@dataclass(frozen=True, slots=True)
class Pace:
    """At most `calls` in any minute, `burst` of them at once."""

    calls: int
    burst: int

    @property
    def interval(self) -> float:
        """Seconds between calls once the burst is used up."""
        return 60 / max(1, self.calls - self.burst)

    @property
    def tolerance(self) -> float:
        return self.interval * (self.burst - 1)


@dataclass(frozen=True, slots=True)
class Quota:
    """What the cloud grants for one action, in calls a minute."""

    calls_a_minute: int

    def __post_init__(self) -> None:
        if self.calls_a_minute < SMALLEST_QUOTA:
            msg = f"a quota is at least {SMALLEST_QUOTA} calls a minute"
            raise ValueError(msg)

    @property
    def usable(self) -> int:
        return floor(self.calls_a_minute * SHARE)

    @property
    def reserve(self) -> Pace:
        calls = max(2, floor(self.usable * RESERVE + 0.999))
        return Pace(calls, max(1, calls // 2))

    @property
    def ordinary(self) -> Pace:
        calls = self.usable - self.reserve.calls
        return Pace(calls, max(1, calls // 4))


@dataclass(frozen=True, slots=True)
class Bucket:
    """One action in one account and region; times in seconds, of one clock.

    `ordinary_at` and `reserve_at` are when the next call would be due if calls came evenly.
    """

    ordinary_at: float = 0.0
    reserve_at: float = 0.0
    locked_until: float = 0.0
    retry_credit: float = FREE_RETRIES
    calls: int = 0
    retries: int = 0
    throttled: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """The bucket afterwards, and how long to wait: before the call if it is `granted`, else
    before asking again.
    """

    bucket: Bucket
    granted: bool
    wait: float


def decide(
    bucket: Bucket, quota: Quota, now: float, *, urgent: bool, retry: bool, patience: float
) -> Decision:
    """Say whether and when a call may be made; it is counted if it may.

    `urgent` calls take changes back: they may use the reserve as well. Whoever would have to
    wait longer than `patience` seconds is refused, and takes no place.
    """
    if now < bucket.locked_until:
        return _refused(bucket, bucket.locked_until - now)
    if retry and bucket.retry_credit < 1:
        return _refused(bucket, 60.0)
    ordinary = _wait(bucket.ordinary_at, quota.ordinary, now)
    reserve = _wait(bucket.reserve_at, quota.reserve, now)
    if urgent and reserve < ordinary:
        if reserve > patience:
            return _refused(bucket, reserve)
        due = max(bucket.reserve_at, now) + quota.reserve.interval
        return Decision(_counted(replace(bucket, reserve_at=due), retry=retry), True, reserve)
    if ordinary > patience:
        return _refused(bucket, ordinary)
    due = max(bucket.ordinary_at, now) + quota.ordinary.interval
    return Decision(_counted(replace(bucket, ordinary_at=due), retry=retry), True, ordinary)


def lock_out(bucket: Bucket, now: float) -> Bucket:
    """Send nothing more in this minute: the cloud has refused a call, and refuses the rest."""
    until = (floor(now / 60) + 1) * 60 + MARGIN_SECONDS
    return replace(bucket, locked_until=until, throttled=bucket.throttled + 1)


def _wait(due: float, pace: Pace, now: float) -> float:
    return max(0.0, due - now - pace.tolerance)


def _counted(bucket: Bucket, *, retry: bool) -> Bucket:
    if retry:
        credit = bucket.retry_credit - 1
        return replace(
            bucket, calls=bucket.calls + 1, retries=bucket.retries + 1, retry_credit=credit
        )
    # A fifth of all calls, retries included, is a quarter of the others.
    earned = RETRIES / (1 - RETRIES)
    credit = min(bucket.retry_credit + earned, 10 * FREE_RETRIES)
    return replace(bucket, calls=bucket.calls + 1, retry_credit=credit)


def _refused(bucket: Bucket, wait: float) -> Decision:
    return Decision(replace(bucket, refused=bucket.refused + 1), False, wait)
