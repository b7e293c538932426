"""API keys: handed out once, seen never again, revoked at once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.api_keys import ApiKey, spell_key
from app.domain.concerns import Concern
from app.domain.errors import InvalidInputError, NotFoundError
from app.domain.principals import Decision, Role, decide
from app.ports.clock import Clock, Ids
from app.ports.store import Page, Store
from app.services.access import forbidden
from app.services.callers import acting_principal
from app.services.identity import digest

PREFIX_LENGTH = 12


@dataclass(frozen=True, slots=True)
class HandedOut:
    """A new key, and what opens with it: that is kept nowhere."""

    key: ApiKey
    secret: str


class ApiKeysService:
    def __init__(self, *, store: Store, clock: Clock, ids: Ids, lifetime: timedelta) -> None:
        """`lifetime` is how long a key lives at most."""
        self._store = store
        self._clock = clock
        self._ids = ids
        self._lifetime = lifetime

    def hand_out(
        self, name: str, grants: Mapping[str, Role], lifetime: timedelta | None = None
    ) -> HandedOut:
        """Make a key; whoever is an administrator of every account in it may.

        Raises:
            ForbiddenError
            InvalidInputError: it would live longer than any key may.
        """
        principal = acting_principal()
        if decide(principal, Role.ADMIN, Concern(frozenset(grants))) is not Decision.ALLOWED:
            raise forbidden(Role.ADMIN)
        lifetime = lifetime or self._lifetime
        if lifetime > self._lifetime:
            raise InvalidInputError(f"a key lives {self._lifetime.days} days at most")
        now = self._clock.now()
        prefix = self._ids.secret()[:PREFIX_LENGTH]
        secret = spell_key(prefix, self._ids.secret() + self._ids.secret())
        key = ApiKey(
            api_key_id=self._ids.new(),
            name=name,
            prefix=prefix,
            digest=digest(secret.encode()),
            grants=grants,
            created_by=principal.principal_id,
            created_at=now,
            expires_at=now + lifetime,
        )
        with self._store.write() as work:
            work.api_keys.add(key)
            work.commit()
        return HandedOut(key, secret)

    def now(self) -> datetime:
        """The instant by which keys are valid or expired."""
        return self._clock.now()

    def get(self, api_key_id: str) -> ApiKey:
        with self._store.read() as work:
            key = work.api_keys.get(api_key_id)
        if key is None:
            raise NotFoundError("there is no such key", api_key_id=api_key_id)
        return key

    def page(self, limit: int, position: int | None) -> Page[ApiKey]:
        """Keys that the caller could have handed out, newest first."""
        within = acting_principal().accounts(Role.ADMIN)
        with self._store.read() as work:
            return work.api_keys.page(limit=limit, position=position, within=within)

    def revoke(self, api_key_id: str) -> None:
        """Let a key open nothing any more; again and again, to no harm."""
        with self._store.write() as work:
            key = work.api_keys.get(api_key_id)
            if key is None:
                raise NotFoundError("there is no such key", api_key_id=api_key_id)
            if key.revoked_at is None:
                by = acting_principal().principal_id
                work.api_keys.update(replace(key, revoked_at=self._clock.now(), revoked_by=by))
                work.commit()
