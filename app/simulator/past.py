"""What reads see: the present, or an earlier state of the world."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from app.simulator.faults import Stale
from app.simulator.settings import Consistency

MOST_CHANGES = 10_000
"""Older changes are seen by every read."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one call changed: the version before it, when, and how many reads there were by then."""

    version_before: int
    at: float
    reads: int


class Past:
    """The latest changes, oldest first, and which of them a read is not to see yet."""

    def __init__(self) -> None:
        self._changes: deque[Change] = deque(maxlen=MOST_CHANGES)
        self._reads = 0
        self._consistency = Consistency()
        self._chance = random.Random(0)

    def follow(self, consistency: Consistency) -> None:
        """Let reads lag as set from now on; the same seed draws the same replicas again."""
        self._consistency = consistency
        self._chance = random.Random(consistency.seed)

    def note(self, version_before: int, now: float) -> None:
        """Note that the world has changed."""
        self._changes.append(Change(version_before, now, self._reads))

    def read(self, stale: Iterable[Stale], version: int, now: float) -> int:
        """Return the version that a read is to see; every call counts as one read."""
        seen = [version, *(self._before(each, now) for each in stale)]
        if not self._consistency.is_immediate:
            replica = self._chance.randrange(self._consistency.replicas)
            seen.append(self._at_replica(*self._consistency.lag(replica), now))
        self._reads += 1
        return min(each for each in seen if each is not None)

    def _before(self, stale: Stale, now: float) -> int | None:
        if stale.calls is not None:
            late = list(self._changes)[-stale.calls :]
        else:
            oldest = now - (stale.seconds or 0)
            late = [change for change in self._changes if change.at > oldest]
        return late[0].version_before if late else None

    def _at_replica(self, seconds: float, reads: int, now: float) -> int | None:
        for change in self._changes:
            if now - change.at < seconds or self._reads - change.reads < reads:
                return change.version_before
        return None
