"""How often, and for how long, a call that only reads is repeated."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from tenacity import (
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from app.adapters.ecs.codes import is_transient
from app.adapters.ecs.transport import RefusedError, WireError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """Bounds of the repetition: whichever is reached first ends it.

    `wait` is the upper bound of the first pause; it doubles each time, half of it by chance.
    A minute in which the cloud throttles is lost whole, so it is left to the caller.

    Source: ECS user guide, API throttling.
    """

    attempts: int
    total: timedelta
    wait: timedelta

    def __call__(self, read: Callable[[], T]) -> T:
        """Return what `read` returns; its last error where patience ends."""
        if self.attempts <= 1:
            return read()
        repeated = Retrying(
            stop=stop_after_attempt(self.attempts) | stop_before_delay(self.total),
            wait=wait_random_exponential(multiplier=self.wait.total_seconds(), max=20),
            retry=retry_if_exception(may_pass),
            reraise=True,
        )
        return repeated(read)


def may_pass(error: BaseException) -> bool:
    """Say whether a read that failed like this is worth repeating."""
    if isinstance(error, RefusedError):
        return is_transient(error)
    return isinstance(error, WireError)
