"""The seam between an operation and the engine that makes it durable."""

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol, TypeAlias, TypeVar

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

J = TypeVar("J", bound="Json")


class Steps(Protocol):
    """A journal: what ran to its end once is not run again, also after a crash.

    A step that was cut short runs again from its beginning, so every step must be safe to
    repeat. Its result is kept in the journal: small, and never a secret.
    """

    def run(self, name: str, step: Callable[[], J]) -> J:
        """Run `step` and keep its result under `name`, or return the result kept before.

        Names are unique within an operation and come in the same order on every run. An
        error that the step raises is kept and raised like a result; only
        StorageUnavailableError is not: the journal is in that store, so the operation is
        interrupted, by what is no Exception, and goes on when the store can be used.
        """
        ...

    def pause(self, length: timedelta) -> None:
        """Let time pass; a crash does not start the pause anew."""
        ...
