"""Listings to their last page, and many ids in few calls."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias, TypeVar

from app.adapters.ecs.transport import Reply
from app.domain.errors import CloudUnavailableError

Item: TypeAlias = dict[str, Any]
T = TypeVar("T")
ReadPage: TypeAlias = Callable[[str | None], Reply]

MOST_PASSES = 4


def items(reply: Reply, *path: str) -> list[Any]:
    """Return the list at `path` of a reply, where lists are nested one level deeper."""
    value: Any = reply
    for name in path:
        value = (value or {}).get(name)
    return value or []


def settled(
    read: ReadPage, path: tuple[str, str], *, same: Callable[[Item], Hashable]
) -> tuple[Reply, list[Item]]:
    """Return the first page, and the items of all pages.

    One page is one atomic read. Between two pages the listing may change under our hands, so
    several pages are read until two passes in a row have the same items, which `same` compares.

    Raises:
        CloudUnavailableError: the listing does not come to rest, or runs in a circle.
    """
    pages = one_pass(read)
    found = _all(pages, path)
    if len(pages) == 1:
        return pages[0], found
    for _ in range(MOST_PASSES):
        again = _all(one_pass(read), path)
        if agree([same(item) for item in found], [same(item) for item in again]):
            return pages[0], again
        found = again
    raise unstable()


def agree(before: Sequence[Hashable], after: Sequence[Hashable]) -> bool:
    """Say whether two passes have the same items, each once.

    An item that comes twice in one pass has moved from page to page; another was missed.
    """
    return len(before) == len(after) == len(set(after)) and set(before) == set(after)


def one_pass(read: ReadPage) -> list[Reply]:
    """Return every page of one pass."""
    pages = [read(None)]
    seen: set[str] = set()
    while token := pages[-1].get("NextToken"):
        if token in seen:
            raise unstable()
        seen.add(token)
        pages.append(read(token))
    return pages


def _all(pages: Sequence[Reply], path: tuple[str, str]) -> list[Item]:
    return [item for page in pages for item in items(page, *path)]


def unstable() -> CloudUnavailableError:
    return CloudUnavailableError("unstable read: the listing changed while it was being read")


def batches(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Split the values, each taken once, into lists of at most `size`, in order."""
    unique = list(dict.fromkeys(values))
    for start in range(0, len(unique), size):
        yield unique[start : start + size]
