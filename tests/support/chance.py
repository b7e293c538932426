"""Where random values come from: a seed if many are wanted, hypothesis if they must shrink."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


class Chance(Protocol):
    """Draws; what comes first is the simplest, and is what hypothesis shrinks to."""

    def number(self, least: int, most: int) -> int:
        """Return a whole number, both bounds included."""
        ...

    def one(self, options: Sequence[T]) -> T: ...

    def maybe(self, percent: int) -> bool: ...

    def some(self, options: Sequence[T], least: int, most: int) -> list[T]:
        """Return different options, in any order; fewer than `least` only if there are fewer."""
        ...


class Seeded:
    """The same draws for the same seed; a hundred times as fast as hypothesis."""

    def __init__(self, seed: object) -> None:
        self._random = Random(str(seed))

    def number(self, least: int, most: int) -> int:
        return self._random.randint(least, most)

    def one(self, options: Sequence[T]) -> T:
        return options[int(self._random.random() * len(options))]

    def maybe(self, percent: int) -> bool:
        return self._random.random() * 100 < percent

    def some(self, options: Sequence[T], least: int, most: int) -> list[T]:
        most = min(most, len(options))
        return self._random.sample(list(options), self._random.randint(min(least, most), most))


class Shrinking:
    """Draws of hypothesis."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self._draw = draw

    def number(self, least: int, most: int) -> int:
        drawn: int = self._draw(st.integers(least, most))
        return drawn

    def one(self, options: Sequence[T]) -> T:
        return options[self.number(0, len(options) - 1)]

    def maybe(self, percent: int) -> bool:
        return self.number(0, 99) >= 100 - percent

    def some(self, options: Sequence[T], least: int, most: int) -> list[T]:
        most = min(most, len(options))
        if not most:
            return []
        positions = st.lists(
            st.integers(0, len(options) - 1),
            min_size=min(least, most),
            max_size=most,
            unique=True,
        )
        return [options[position] for position in self._draw(positions)]
