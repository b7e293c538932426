"""Listings of several pages, which may change while they are read."""

from collections.abc import Iterable, Iterator

import pytest

from app.adapters.ecs.paging import Item, batches, settled
from app.adapters.ecs.transport import Reply
from app.domain.errors import CloudUnavailableError

PATH = ("Things", "Thing")


class Listing:
    """A listing of two items a page, which is another one on each pass."""

    def __init__(self, passes: Iterable[str]) -> None:
        self._passes: Iterator[str] = iter(passes)
        self._now = ""
        self.calls = 0

    def __call__(self, token: str | None) -> Reply:
        self.calls += 1
        if token is None:
            self._now = next(self._passes, self._now)
        start = int(token or 0)
        page = [{"Id": letter} for letter in self._now[start : start + 2]]
        more = str(start + 2) if start + 2 < len(self._now) else ""
        return {"RequestId": "r", "NextToken": more, "Things": {"Thing": page}}


def ids(listing: Listing) -> str:
    _, found = settled(listing, PATH, same=by_id)
    return "".join(sorted(by_id(item) for item in found))


def by_id(item: Item) -> str:
    return str(item["Id"])


@pytest.mark.fault("F8")
@pytest.mark.parametrize(
    ("passes", "found", "calls"),
    [
        (["", "ab"], "", 1),
        (["ab", "abc"], "ab", 1),
        (["abcd", "abcd"], "abcd", 4),
        (["abcd", "dcba"], "abcd", 4),
        (["abcd", "bcd", "bcd"], "bcd", 6),
        (["abc", "ab", "ab"], "ab", 4),
        (["abcc", "abc"], "abc", 6),
    ],
)
def test_several_pages_are_read_until_two_passes_agree(
    passes: list[str], found: str, calls: int
) -> None:
    listing = Listing(passes)
    assert ids(listing) == found
    assert listing.calls == calls


@pytest.mark.fault("F8")
def test_a_listing_that_never_rests_is_an_unstable_read() -> None:
    listing = Listing(f"abc{chr(ord('d') + n)}" for n in range(20))
    with pytest.raises(CloudUnavailableError, match="unstable read"):
        ids(listing)


def test_ids_are_taken_once_and_in_order() -> None:
    assert list(batches("abcab", 2)) == [["a", "b"], ["c"]]
    assert list(batches("", 2)) == []
