"""Who is calling: access keys, signatures, clocks, nonces, and the tokens that STS gave out."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from app.simulator import wire
from app.simulator.errors import ApiError, missing_parameter
from app.simulator.ram import Policy
from app.simulator.state.store import Store
from app.simulator.wire import SignedHeaders

SKEW_SECONDS = 15 * 60
NONCE_SECONDS = 31 * 60
"""How long a nonce may not be used again, as the gateway's engineers state it."""

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_STS_VERSION = "2015-04-01"
_V1_REQUIRED = (
    "AccessKeyId",
    "Signature",
    "SignatureMethod",
    "SignatureVersion",
    "SignatureNonce",
    "Timestamp",
)
_V3_REQUIRED = ("SignatureNonce", "Timestamp")


@dataclass(frozen=True, slots=True)
class Caller:
    """The identity behind a call; `role_name` and `session_name` are there for a role's.

    `policy` is what the session is held to, if anything.
    """

    account_id: str
    role_name: str | None = None
    session_name: str | None = None
    policy: Policy | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """Temporary credentials of an assumed role."""

    access_key_id: str
    secret: str
    token: str
    caller: Caller
    expires_at: float


class Sessions:
    """The tokens that STS gave out; they outlive a change of the estate."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def add(self, session: Session) -> None:
        """Remember a session by its key."""
        self._sessions[session.access_key_id] = session

    def find(self, access_key_id: str) -> Session | None:
        """Return the session that a key belongs to, expired or not."""
        return self._sessions.get(access_key_id)


class Nonces:
    """The nonces of the last 31 minutes, for each key."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], float] = {}

    def use(self, access_key_id: str, nonce: str, now: float) -> None:
        """Use up a nonce; the second use within the window is refused.

        Source: ECS API, common error codes, SignatureNonceUsed.
        """
        self._forget_before(now - NONCE_SECONDS)
        if (access_key_id, nonce) in self._seen:
            raise ApiError("SignatureNonceUsed", 400, "Specified signature nonce was used already.")
        self._seen[access_key_id, nonce] = now

    def _forget_before(self, oldest: float) -> None:
        while self._seen:
            first = next(iter(self._seen))
            if self._seen[first] >= oldest:
                return
            del self._seen[first]


def authenticate(
    method: str,
    parameters: Mapping[str, str],
    *,
    store: Store,
    sessions: Sessions,
    nonces: Nonces,
    now: float,
    signed_headers: SignedHeaders | None = None,
) -> Caller:
    """Return who signed the call; ApiError says what is wrong with it, in the gateway's order.

    With `signed_headers` the call is signed by version 3, else by version 1 in its parameters.
    Source: ECS API, Signature method; common error codes.
    """
    for name in _V1_REQUIRED if signed_headers is None else _V3_REQUIRED:
        if not parameters.get(name):
            raise missing_parameter(name)
    if signed_headers is None:
        _check_method(parameters)
    elif not signed_headers.is_complete:
        raise ApiError(
            "IncompleteSignature",
            400,
            "The request signature does not conform to the signature standard.",
        )
    _check_timestamp(parameters["Timestamp"], now)
    key_id = parameters["AccessKeyId"]
    session = sessions.find(key_id)
    caller, secret = (
        (session.caller, session.secret) if session else _owner(store, key_id, parameters)
    )
    if signed_headers is None:
        text = wire.string_to_sign(method, parameters)
        _check_signature(text, parameters["Signature"], wire.sign(secret, text))
    else:
        text = signed_headers.string_to_sign
        _check_signature(text, signed_headers.signature, wire.v3_sign(secret, text))
    if session:
        _check_token(session, parameters.get("SecurityToken", ""), now)
    nonces.use(key_id, parameters["SignatureNonce"], now)
    return caller


def _check_method(parameters: Mapping[str, str]) -> None:
    given = (parameters["SignatureMethod"], parameters["SignatureVersion"])
    if given != ("HMAC-SHA1", "1.0"):
        raise ApiError(
            "InvalidParameter",
            400,
            "Only the signature method HMAC-SHA1 of version 1.0 is understood.",
        )


def _check_timestamp(text: str, now: float) -> None:
    refusal = ApiError(
        "InvalidTimeStamp.Format",
        400,
        "Specified time stamp or date value is not well formatted.",
    )
    if not _TIMESTAMP.fullmatch(text):
        raise refusal
    try:
        sent = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise refusal from error
    if abs(now - sent) > SKEW_SECONDS:
        raise ApiError(
            "InvalidTimeStamp.Expired", 400, "Specified time stamp or date value is expired."
        )


def _owner(store: Store, key_id: str, parameters: Mapping[str, str]) -> tuple[Caller, str]:
    account_id = store.key_owners.get(key_id)
    if account_id is None:
        raise ApiError("InvalidAccessKeyId.NotFound", 404, "Specified access key is not found.")
    account = store.accounts[account_id]
    if key_id in account.inactive_key_ids:
        raise _disabled(parameters["Version"])
    return Caller(account_id), account.access_keys[key_id]


def _disabled(version: str) -> ApiError:
    """Return the refusal of a disabled key, which the two products name differently.

    Source: ECS API, common error codes; STS API, common error codes.
    """
    if version == _STS_VERSION:
        return ApiError("InvalidAccessKeyId.Inactive", 400, "Specified access key is disabled.")
    return ApiError("Forbidden.AccessKeyDisabled", 403, "The AccessKey is disabled.")


def _check_signature(text: str, given: str, expected: str) -> None:
    """Refuse a wrong signature; SDKs look for what follows the message's colon."""
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise ApiError(
            "SignatureDoesNotMatch",
            400,
            "Specified signature is not matched with our calculation. "
            f"server string to sign is:{text}",
        )


def _check_token(session: Session, token: str, now: float) -> None:
    """Refuse a wrong or an expired token. Source: STS API, common error codes."""
    if not token:
        raise ApiError("MissingSecurityToken", 400, "SecurityToken is mandatory for this action.")
    if token != session.token:
        raise ApiError(
            "InvalidSecurityToken.MismatchWithAccessKey",
            400,
            "Specified SecurityToken mismatch with the AccessKey.",
        )
    if now >= session.expires_at:
        raise ApiError("InvalidSecurityToken.Expired", 400, "Specified SecurityToken is expired.")
