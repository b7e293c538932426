"""Exactly which flows a change opens and closes."""

from dataclasses import dataclass

from app.domain.addresses import AddressFamily
from app.domain.flows import Traffic
from app.domain.rules import NicType
from app.domain.world import End


@dataclass(frozen=True, slots=True)
class Item:
    """Packets that every address of `source` gains or loses towards every one of `target`.

    `asked` says that the caller asked for them; `certain` is False where it depends on
    what could not be read whether they change.
    """

    source: End
    target: End
    plane: NicType
    family: AddressFamily
    traffic: Traffic
    asked: bool
    certain: bool


@dataclass(frozen=True, slots=True)
class Exposure:
    """What opens, or what closes.

    `pairs` is the exact number of different (source, target, plane) with any item, where
    a block of addresses counts as one end; `items` are the first ones of all, in order of
    their ends, and `truncated` says that there are more.
    """

    pairs: int
    items: tuple[Item, ...]
    truncated: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """What two worlds allow differently.

    `extra_pairs` counts the gained (source, target, plane), by instance, between which
    nothing was asked for.
    """

    gained: Exposure
    lost: Exposure
    extra_pairs: int
