"""Requests with an Idempotency-Key: carried out once, and answered the same ever after.

A request claims its key first, in a transaction of its own; others with the same key wait for
its answer. What it changes is committed together with the note that it took effect, and only by
whoever holds the claim: one that was taken over because its holder seemed dead can commit
nothing any more. The answer is kept in that same transaction where it is an operation, and right
after it otherwise.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from app.domain.errors import IdempotencyKeyReusedError
from app.ports.clock import Clock, Ids
from app.ports.store import Answer, Claim, KeptRequest, Store
from app.services.callers import acting_principal

LEASE = timedelta(seconds=60)
"""After so long a claim without an effect may be taken over, where several processes share the
database; whoever held it finds it gone, and changes nothing."""


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """What a key was sent with: `route` is method and path, `content` the query and the body."""

    key: str
    route: str
    content: bytes


class IdempotencyService:
    """`lifetime` is how long an answer is kept; with `is_required` no change goes without a key.

    `alone`: no other process uses the database, so a claim of another one is of a dead one.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        ids: Ids,
        is_required: bool,
        alone: bool,
        lifetime: timedelta = timedelta(days=7),
    ) -> None:
        self.is_required = is_required
        self._store = store
        self._clock = clock
        self._ids = ids
        self._alone = alone
        self._lifetime = lifetime
        self._process = ids.new()

    def claim(self, request: KeyedRequest) -> Claim | Answer | None:
        """Take a request on; or return what it was answered before; None: wait, somebody is at it.

        Raises:
            IdempotencyKeyReusedError: the key was sent with something else.
        """
        scope = _digest(acting_principal().principal_id, request.route, request.key)
        fingerprint = hashlib.sha256(request.content).hexdigest()
        now = self._clock.now()
        with self._store.write() as work:
            kept = work.idempotency.get(scope)
            if kept is not None and now < kept.expires_at:
                if kept.fingerprint != fingerprint:
                    raise IdempotencyKeyReusedError("the key was sent before, with another request")
                if kept.answer is not None:
                    return kept.answer
                if not self._is_left(kept):
                    return None
            claim = Claim(scope, self._ids.new())
            work.idempotency.put(
                KeptRequest(
                    scope=scope,
                    fingerprint=fingerprint,
                    claim_id=claim.claim_id,
                    claimed_by=self._process,
                    claimed_at=now,
                    expires_at=now + self._lifetime,
                )
            )
            work.commit()
        return claim

    def look(self, request: KeyedRequest) -> Answer | None:
        """Return what a request was answered, if it was by now; without waiting for writers."""
        scope = _digest(acting_principal().principal_id, request.route, request.key)
        with self._store.read() as work:
            kept = work.idempotency.get(scope)
        return None if kept is None else kept.answer

    def is_free(self, request: KeyedRequest) -> bool:
        """Say whether nobody is at a request (any more)."""
        scope = _digest(acting_principal().principal_id, request.route, request.key)
        with self._store.read() as work:
            kept = work.idempotency.get(scope)
        return kept is None or self._is_left(kept)

    def keep(self, claim: Claim, answer: Answer) -> None:
        """Keep what a request was answered."""
        with self._store.write() as work:
            work.idempotency.hold(claim, answer)
            work.commit()

    def release(self, claim: Claim) -> None:
        """Let the key be used anew: the request has changed nothing."""
        with self._store.write() as work:
            work.idempotency.release(claim)
            work.commit()

    def __call__(self) -> None:
        """Forget what is older than answers are kept."""
        with self._store.write() as work:
            work.idempotency.purge(self._clock.now())
            work.commit()

    def _is_left(self, kept: KeptRequest) -> bool:
        if kept.claimed_by == self._process:
            return False
        return self._alone or self._clock.now() - kept.claimed_at > LEASE


def _digest(*parts: str) -> str:
    spelt = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(spelt.encode()).hexdigest()
