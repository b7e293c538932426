"""What the cloud says may repeat what it was told: no secret of ours passes on from there."""

import re
from collections.abc import Iterable

from app.adapters.ecs.transport import Identity, Keys, RefusedError, Reply, SdkRequest, Transport

API_KEY = re.compile(r"\bick_[0-9A-Za-z]+_[0-9A-Za-z]+")
"""Keys to this service are never sent to the cloud; who has sent one there did it by mistake."""

TAKEN_OUT = "…"
KEPT = 100
"""Accounts whose latest keys are known here."""


class Discreet:
    """A wire from whose refusals the secrets are taken out that calls were signed with."""

    def __init__(self, transport: Transport, base: Identity) -> None:
        self._transport = transport
        self._base = base
        self._latest: dict[str, Keys] = {}

    def send(self, request: SdkRequest, *, region_id: str, identity: Identity) -> Reply:
        if isinstance(identity, Keys) and self._latest.get(identity.holder) is not identity:
            self._latest.pop(identity.holder, None)
            self._latest[identity.holder] = identity
            for holder in list(self._latest)[:-KEPT]:
                self._latest.pop(holder, None)
        try:
            return self._transport.send(request, region_id=region_id, identity=identity)
        except RefusedError as refusal:
            message = without(refusal.message, self._secrets(identity))
            if message == refusal.message:
                raise
            # From nothing: the text of the first one would be printed with a traceback.
            raise RefusedError(
                refusal.code, message, status=refusal.status, request_id=refusal.request_id
            ) from None

    def _secrets(self, identity: Identity) -> set[str]:
        keys = [identity, self._base, *self._latest.copy().values()]
        return {
            secret
            for each in keys
            if isinstance(each, Keys)
            for secret in (each.secret, each.token)
            if secret
        }


def without(text: str, secrets: Iterable[str]) -> str:
    """Return a text with every secret taken out, the longest first."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, TAKEN_OUT)
    return API_KEY.sub(TAKEN_OUT, text)
