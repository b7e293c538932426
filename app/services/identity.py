"""Recognising callers by their keys."""

import hashlib
import hmac

from app.domain.errors import UnauthenticatedError
from app.domain.principals import EVERY_ACCOUNT, Principal, Role

FIRST_ADMINISTRATOR = "bootstrap"
"""Id of the principal whose key is a setting."""


class IdentityService:
    """Knows the key of the first administrator, which is a setting and is kept nowhere."""

    def __init__(self, *, bootstrap_key: str) -> None:
        self._bootstrap = digest(bootstrap_key.encode())

    def of(self, credential: bytes) -> Principal:
        # Digests are of one length and of bytes: nothing about the key shows in time or type.
        if hmac.compare_digest(digest(credential), self._bootstrap):
            return Principal(
                FIRST_ADMINISTRATOR, "first administrator", {EVERY_ACCOUNT: Role.ADMIN}
            )
        raise UnauthenticatedError("the API key is not valid")


def digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
