"""How often the cloud is called: never more than half of what it grants, with a reserve."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.rates import (
    FREE_RETRIES,
    RESERVE,
    SMALLEST_QUOTA,
    Bucket,
    Quota,
    decide,
    lock_out,
)

quotas = st.integers(SMALLEST_QUOTA, 2000).map(Quota)
asked = st.lists(st.tuples(st.floats(0, 20), st.booleans()), min_size=1, max_size=300)


def sent(
    quota: Quota, asks: list[tuple[float, bool]], patience: float = 5
) -> list[tuple[float, bool]]:
    """When calls are made, and which are urgent, if they are asked for after these pauses."""
    bucket, now, calls = Bucket(), 1_000.0, []
    for pause, urgent in asks:
        now += pause
        decision = decide(bucket, quota, now, urgent=urgent, retry=False, patience=patience)
        bucket = decision.bucket
        if decision.granted:
            calls.append((now + decision.wait, urgent))
    return sorted(calls)


def most_in_a_minute(times: list[float]) -> int:
    return max((sum(first <= each < first + 60 for each in times) for first in times), default=0)


@given(quotas, asked)
def test_no_minute_has_more_calls_than_half_of_the_quota(
    quota: Quota, asks: list[tuple[float, bool]]
) -> None:
    calls = sent(quota, asks)
    assert most_in_a_minute([at for at, _ in calls]) <= quota.calls_a_minute // 2
    ordinary = [at for at, urgent in calls if not urgent]
    assert most_in_a_minute(ordinary) <= quota.ordinary.calls


@given(quotas)
def test_a_fifth_is_kept_for_the_way_back_however_much_is_asked_for(quota: Quota) -> None:
    flood = [(0.0, False)] * (2 * quota.usable)
    bucket, now = Bucket(), 1_000.0
    for _ in flood:
        bucket = decide(bucket, quota, now, urgent=False, retry=False, patience=5).bucket
    granted = 0
    for second in range(60):
        decision = decide(bucket, quota, now + second, urgent=True, retry=False, patience=0)
        bucket = decision.bucket
        granted += decision.granted
    at_a_second_each = min(60, quota.reserve.calls)
    assert granted >= at_a_second_each - 1
    assert quota.reserve.calls >= RESERVE * quota.usable


@given(quotas, st.integers(1, 50))
def test_whoever_waits_gets_a_place_and_in_order(quota: Quota, count: int) -> None:
    calls = sent(quota, [(0.0, False)] * count, patience=1e9)
    assert len(calls) == count
    assert all(one <= other for (one, _), (other, _) in pairwise(calls))


def test_a_throttled_minute_is_lost_whole_and_the_next_one_is_not() -> None:
    quota = Quota(100)
    bucket = lock_out(Bucket(), now=125.0)
    for now in (125.0, 150.0, 179.9, 180.5):
        for urgent in (False, True):
            decision = decide(bucket, quota, now, urgent=urgent, retry=False, patience=1e9)
            assert not decision.granted
            assert decision.wait == pytest.approx(181 - now)
    assert decide(bucket, quota, 181.0, urgent=False, retry=False, patience=0).granted
    assert bucket.throttled == 1


def test_retries_stay_a_fifth_of_all_calls_while_everything_is_throttled() -> None:
    quota, bucket = Quota(600), Bucket()
    first = retries = 0
    for second in range(300):  # five minutes, with a new call and ten retries of it each second
        for retry in [False, *[True] * 10]:
            now = 1_000.0 + second
            decision = decide(bucket, quota, now, urgent=False, retry=retry, patience=0)
            bucket = decision.bucket
            first += decision.granted and not retry
            retries += decision.granted and retry
    assert first > 100
    assert retries <= 0.2 * (first + retries) + FREE_RETRIES
    assert (bucket.calls, bucket.retries) == (first + retries, retries)
    assert bucket.refused == 300 * 11 - bucket.calls


def test_a_quota_too_small_to_share_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 20"):
        Quota(SMALLEST_QUOTA - 1)
