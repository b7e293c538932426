"""The cloud's clock: the machine's, set off, moved on and stopped at will."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Latch:
    """Opens once, for threads that wait and for callbacks; both may come before or after."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened = threading.Event()
        self._callbacks: list[Callable[[], None]] = []

    def open(self) -> None:
        """Let all go on."""
        with self._lock:
            self._opened.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    @property
    def is_open(self) -> bool:
        """Tell whether it was opened."""
        return self._opened.is_set()

    def wait(self, seconds: float | None = None) -> None:
        """Block until it is open, or until the seconds are over."""
        self._opened.wait(seconds)

    def then(self, callback: Callable[[], None]) -> None:
        """Call back when it opens, or now; in whatever thread opens it."""
        with self._lock:
            if not self._opened.is_set():
                self._callbacks.append(callback)
                return
        callback()

    def forget(self, callback: Callable[[], None]) -> None:
        """Do not call back any more."""
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)


class Clock:
    """Seconds since 1970, `offset` ahead of its source; stopped, it moves only when it is moved."""

    def __init__(self, source: Callable[[], float]) -> None:
        self._source = source
        self._stopped_at: float | None = None
        self._change = Latch()
        self.offset = 0.0

    def now(self) -> float:
        """Return the cloud's time."""
        at = self._source() if self._stopped_at is None else self._stopped_at
        return at + self.offset

    @property
    def is_frozen(self) -> bool:
        """Tell whether the clock stands still."""
        return self._stopped_at is not None

    @property
    def next_change(self) -> Latch:
        """What opens when somebody sets, moves, stops or starts the clock the next time."""
        return self._change

    def set(self, *, offset: float, is_frozen: bool) -> None:
        """Set the clock; one that is stopped already stays at the instant where it stopped."""
        was = (self.offset, self.is_frozen)
        self.offset = offset
        if is_frozen != self.is_frozen:
            self._stopped_at = self._source() if is_frozen else None
        if was != (self.offset, self.is_frozen):
            self._changed()

    def thaw(self) -> None:
        """Let the clock go on from where it stands."""
        if self._stopped_at is not None:
            self.set(offset=self.offset + self._stopped_at - self._source(), is_frozen=False)

    def _changed(self) -> None:
        change, self._change = self._change, Latch()
        change.open()
