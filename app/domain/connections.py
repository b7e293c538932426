"""What was asked for and stands, and what of it is ours."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.changes import Effect
from app.domain.documents import Document


class ConnectionStatus(StrEnum):
    """`failed`: its operation changed nothing, or took everything back."""

    PENDING = "pending"
    ACTIVE = "active"
    FAILED = "failed"
    MOVING = "moving"
    DISCONNECTING = "disconnecting"
    DISCONNECTED = "disconnected"
    NEEDS_ATTENTION = "needs_attention"


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection: `request` is the connect request as it was sent.

    `adopted` lists rules and memberships that it rests on and that are not ours: they are
    never removed. It ends by itself at `expires_at`, if it has one; `ending` tells of the last
    try, with `attempts`, `operation_id`, `error` and `next_attempt_at`. `conditions` say what
    was found when it was last looked at.
    """

    connection_id: str
    request: Document
    status: ConnectionStatus
    created_at: datetime
    adopted: tuple[Document, ...] = ()
    disconnected_at: datetime | None = None
    expires_at: datetime | None = None
    ending: Document | None = None
    conditions: tuple[Document, ...] = ()
    checked_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing is left of the connection."""
        return self.status in {ConnectionStatus.DISCONNECTED, ConnectionStatus.FAILED}

    @property
    def is_busy(self) -> bool:
        """Whether an operation makes the connection, moves it, or takes it back."""
        busy = {
            ConnectionStatus.PENDING,
            ConnectionStatus.MOVING,
            ConnectionStatus.DISCONNECTING,
        }
        return self.status in busy


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """Something in the cloud that is there because of us, and which connections need it."""

    entry_id: str
    operation_id: str
    effect: Effect
    users: frozenset[str]
