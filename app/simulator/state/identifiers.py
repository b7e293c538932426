"""New ids in the cloud's look, the same ones in the same order for the same seed."""

from __future__ import annotations

import hashlib
import itertools
import uuid

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def letters(seed: str, length: int) -> str:
    """Return `length` digits and letters drawn from a digest of `seed`."""
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest(), "big")
    drawn = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        drawn.append(_DIGITS[digit])
    return "".join(drawn)


class Identifiers:
    """Counters that never go back: no id is given twice, and reads do not shift the others."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._numbers = itertools.count(1)
        self._requests = itertools.count(1)

    def resource(self, prefix: str) -> str:
        """Return an id such as `sg-bp1` and 17 more characters."""
        return f"{prefix}-bp1{letters(f'{self._seed}/{next(self._numbers)}', 17)}"

    def request(self) -> str:
        """Return a request id: an upper-case UUID."""
        digest = hashlib.md5(
            f"{self._seed}/{next(self._requests)}".encode(), usedforsecurity=False
        ).digest()
        return str(uuid.UUID(bytes=digest, version=4)).upper()

    def secret(self, length: int) -> str:
        """Return the letters of a key or a token; safe enough for a cloud on loopback."""
        return letters(f"secret/{self._seed}/{next(self._numbers)}", length)
