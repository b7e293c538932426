"""Calls that were taken in and take effect later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _LateCall:
    """`calls` are those that still go before it, `due_at` is when it takes effect; one is None."""

    seq: int
    calls: int | None
    due_at: float | None
    perform: Callable[[], None]


class LateCalls:
    """The calls that are still to take effect, in the order of their arrival."""

    def __init__(self) -> None:
        self._calls: list[_LateCall] = []

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(
        self, seq: int, calls: int | None, due_at: float | None, perform: Callable[[], None]
    ) -> None:
        """Let a call take effect after so many others, or at a time."""
        self._calls.append(_LateCall(seq, calls, due_at, perform))

    def count(self, seq: int) -> None:
        """Count one other call that has ended, and perform what is due by that."""
        for late in self._calls:
            if late.calls is not None and late.seq != seq:
                late.calls -= 1
        self._perform(lambda late: late.calls is not None and late.calls <= 0)

    def settle(self, now: float) -> None:
        """Perform what is due by now."""
        self._perform(lambda late: late.due_at is not None and late.due_at <= now)

    def forget(self) -> None:
        """Let none of them take effect."""
        self._calls.clear()

    def _perform(self, is_due: Callable[[_LateCall], bool]) -> None:
        due = [late for late in self._calls if is_due(late)]
        self._calls = [late for late in self._calls if late not in due]
        for late in due:
            late.perform()
