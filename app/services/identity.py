"""Recognising callers by their keys."""

import hashlib
import hmac

from app.domain.api_keys import ApiKeyStatus, prefix_of
from app.domain.errors import UnauthenticatedError
from app.domain.principals import EVERY_ACCOUNT, Principal, Role
from app.ports.clock import Clock
from app.ports.store import Store

FIRST_ADMINISTRATOR = "bootstrap"
"""Id of the principal whose key is a setting."""


class IdentityService:
    """Knows the key of the first administrator, which is a setting and is kept nowhere, and the
    keys that were handed out. Nothing is remembered: a key that is revoked is so at once, for
    every replica.
    """

    def __init__(self, *, bootstrap_key: str, store: Store, clock: Clock) -> None:
        self._bootstrap = digest(bootstrap_key.encode())
        self._store = store
        self._clock = clock

    def of(self, credential: bytes) -> Principal:
        # Digests are of one length and of bytes: nothing about the key shows in time or type.
        given = digest(credential)
        if hmac.compare_digest(given, self._bootstrap):
            return Principal(
                FIRST_ADMINISTRATOR, "first administrator", {EVERY_ACCOUNT: Role.ADMIN}
            )
        prefix = prefix_of(credential)
        if prefix is not None:
            with self._store.read() as work:
                key = work.api_keys.with_prefix(prefix)
            is_right = key is not None and hmac.compare_digest(given, key.digest)
            if key is not None and is_right and key.status(self._clock.now()) is _ACTIVE:
                return key.principal
        raise UnauthenticatedError("the API key is not valid")


_ACTIVE = ApiKeyStatus.ACTIVE


def digest(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()
