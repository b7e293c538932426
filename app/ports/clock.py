"""Time and ids come in from outside, so that a test can decide them."""

from datetime import datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Return the present time, with time zone UTC."""
        ...


class Stopwatch(Protocol):
    def elapsed(self) -> timedelta:
        """Return how much time has passed since some instant; nobody can set it."""
        ...


class Ids(Protocol):
    def new(self) -> str:
        """Return an id that was never given before: a UUID as text."""
        ...

    def secret(self) -> str:
        """Return an unguessable text of letters and digits, at least 128 bits."""
        ...
