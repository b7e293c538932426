"""Requests that carried a key, and what they were answered."""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from app.domain.errors import ClaimLostError
from app.ports.store import Answer, Claim, KeptRequest
from app.repositories.tables import idempotency_keys as keys


class SqlIdempotency:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, scope: str) -> KeptRequest | None:
        query = select(keys).where(keys.c.scope == scope)
        row = self._connection.execute(query).mappings().one_or_none()
        if row is None:
            return None
        answer = None
        if row["status"] is not None:
            answer = Answer(row["status"], row["body"], row["headers"] or {})
        return KeptRequest(
            scope=row["scope"],
            fingerprint=row["fingerprint"],
            claim_id=row["claim_id"],
            claimed_by=row["claimed_by"],
            claimed_at=row["claimed_at"],
            expires_at=row["expires_at"],
            answer=answer,
        )

    def put(self, request: KeptRequest) -> None:
        self._connection.execute(delete(keys).where(keys.c.scope == request.scope))
        values = {
            "scope": request.scope,
            "fingerprint": request.fingerprint,
            "claim_id": request.claim_id,
            "claimed_by": request.claimed_by,
            "claimed_at": request.claimed_at,
            "expires_at": request.expires_at,
        }
        self._connection.execute(insert(keys).values(values))

    def hold(self, claim: Claim, answer: Answer | None = None) -> None:
        values: dict[str, object] = {"claim_id": claim.claim_id}
        if answer is not None:
            values |= {"status": answer.status, "body": answer.body}
            values["headers"] = dict(answer.headers)
        held = self._connection.execute(update(keys).where(_is_mine(claim)).values(values))
        if held.rowcount == 0:
            raise ClaimLostError("another request with this key has taken over")

    def release(self, claim: Claim) -> None:
        unanswered = keys.c.status.is_(None)
        self._connection.execute(delete(keys).where(_is_mine(claim), unanswered))

    def purge(self, before: datetime) -> None:
        self._connection.execute(delete(keys).where(keys.c.expires_at < before))


def _is_mine(claim: Claim) -> ColumnElement[bool]:
    return (keys.c.scope == claim.scope) & (keys.c.claim_id == claim.claim_id)
