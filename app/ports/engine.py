"""What the durable engine can say of an operation that it was handed."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Protocol


class Fate(StrEnum):
    """Why an operation will not go on by itself.

    `outdated`: its journal is of a version that no living process speaks. `given_up`: it was
    begun again so often that it seems to kill who runs it, or it broke.
    """

    OUTDATED = "outdated"
    GIVEN_UP = "given_up"


class Engine(Protocol):
    def abandoned(self, operation_ids: Collection[str]) -> Mapping[str, Fate]:
        """Return those of the operations that nobody will go on with."""
        ...
