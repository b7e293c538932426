"""How often the cloud may still be called."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Called:
    """One call about to be made; `urgent` ones take changes back."""

    account_id: str
    region_id: str
    action: str
    urgent: bool = False
    retry: bool = False


@dataclass(frozen=True, slots=True)
class Spent:
    """What was used of the budget of one action, since it was first called.

    `limit` is how many calls a minute we allow ourselves, `refused` how many we did not make;
    `throttled` is how often the cloud refused one. `is_locked` says that nothing is sent until
    the next minute.
    """

    account_id: str
    region_id: str
    action: str
    limit: int | None
    calls: int
    retries: int
    throttled: int
    refused: int
    is_locked: bool


class Budget(Protocol):
    """One for all replicas. Calls of actions without a limit are granted and not counted."""

    def take(self, call: Called) -> timedelta:
        """Take a place for a call; return how long to wait before it is made.

        Raises:
            CloudThrottledError: there is none soon; `retry_after_seconds`.
        """
        ...

    def throttled(self, call: Called) -> None:
        """Note that the cloud refused a call: the rest of its minute is lost."""
        ...

    def spent(self, account_id: str) -> tuple[Spent, ...]:
        """What was used, by region and action."""
        ...


class NoBudget:
    """For a cloud that counts nothing."""

    def take(self, call: Called) -> timedelta:  # noqa: ARG002 - every call is granted
        return timedelta(0)

    def throttled(self, call: Called) -> None: ...

    def spent(self, account_id: str) -> tuple[Spent, ...]:  # noqa: ARG002 - nothing is counted
        return ()
