"""Keys that stand for a principal: only their digests are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.concerns import Concern
from app.domain.principals import Principal, Role

MARK = "ick"
"""Every key begins with it, so that a scanner for leaked secrets can tell one."""


class ApiKeyStatus(StrEnum):
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is kept. `prefix` finds it, `digest` (SHA-256, hexadecimal) proves it.

    `grants` are roles by account id, or by `*`; they never change.
    """

    api_key_id: str
    name: str
    prefix: str
    digest: str
    grants: Mapping[str, Role]
    created_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    revoked_by: str | None = None

    def status(self, now: datetime) -> ApiKeyStatus:
        if self.revoked_at is not None:
            return ApiKeyStatus.REVOKED
        return ApiKeyStatus.ACTIVE if now < self.expires_at else ApiKeyStatus.EXPIRED

    @property
    def principal(self) -> Principal:
        return Principal(self.api_key_id, self.name, self.grants)

    @property
    def concern(self) -> Concern:
        """A key may be seen and revoked by whoever could have handed it out."""
        return Concern(frozenset(self.grants))


def spell_key(prefix: str, secret: str) -> str:
    return f"{MARK}_{prefix}_{secret}"


def prefix_of(key: bytes) -> str | None:
    """Return what finds a key; None if it is not shaped like one of ours."""
    parts = key.split(b"_")
    if len(parts) != 3 or parts[0] != MARK.encode() or not parts[1].isalnum():
        return None
    return parts[1].decode("ascii")
