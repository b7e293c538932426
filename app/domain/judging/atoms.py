"""The address space, cut where some block begins or ends."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from app.domain.addresses import AddressFamily, Block

Stretch: TypeAlias = tuple[int, int]
"""First and last address as numbers, both included."""


class AddressLine:
    """All addresses of a family in order, with a set of marks, as bits, on each."""

    def __init__(self, family: AddressFamily, marks: Iterable[tuple[tuple[Block, ...], int]]):
        """Cut at every block of `marks`; each mark is one bit, and covers all its blocks."""
        toggles = {0: 0}
        for blocks, bit in marks:
            for block in outermost(blocks):
                if block.family is family:
                    toggles[block.first] = toggles.get(block.first, 0) ^ bit
                    toggles[block.last + 1] = toggles.get(block.last + 1, 0) ^ bit
        self._end = 1 << family.bits
        self._starts = sorted(start for start in toggles if start < self._end)
        self._masks = list(_running(toggles[start] for start in self._starts))

    def at(self, address: int) -> int:
        """Marks on one address."""
        return self._masks[bisect_right(self._starts, address) - 1]

    def __iter__(self) -> Iterator[tuple[Stretch, int]]:
        """Every stretch of addresses between two cuts, in order, with its marks."""
        lasts = [*(start - 1 for start in self._starts[1:]), self._end - 1]
        for first, last, mask in zip(self._starts, lasts, self._masks, strict=True):
            yield (first, last), mask


def _running(toggles: Iterable[int]) -> Iterator[int]:
    mask = 0
    for toggle in toggles:
        mask ^= toggle
        yield mask


def outermost(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """Return the blocks that are in no other one, each once; they overlap nowhere."""
    found: list[Block] = []
    for block in sorted(set(blocks), key=lambda each: (each.family, each.first, -each.size)):
        if not (found and block.within(found[-1])):
            found.append(block)
    return tuple(found)


def without(stretch: Stretch, holes: list[int]) -> Iterator[Stretch]:
    """Cut single addresses, sorted, out of a stretch."""
    first, last = stretch
    for hole in holes[bisect_left(holes, first) : bisect_right(holes, last)]:
        if first < hole:
            yield (first, hole - 1)
        first = hole + 1
    if first <= last:
        yield (first, last)


def covering(family: AddressFamily, stretch: Stretch) -> Iterator[Block]:
    """Return the fewest blocks that are exactly this stretch, in order."""
    first, last = stretch
    while first <= last:
        aligned = (first & -first).bit_length() - 1 if first else family.bits
        length = min(aligned, (last - first + 1).bit_length() - 1)
        yield Block(family, first, family.bits - length)
        first += 1 << length
