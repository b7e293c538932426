"""Who we are in each account: roles assumed once, kept in memory, renewed by one thread."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from aliyunsdksts.request.v20150401.AssumeRoleRequest import AssumeRoleRequest
from aliyunsdksts.request.v20150401.GetCallerIdentityRequest import GetCallerIdentityRequest

from app.adapters.ecs.codes import BaseIdentityError, is_key_fault, is_transient, kind_of
from app.adapters.ecs.patience import Patience
from app.adapters.ecs.transport import (
    BASE,
    Identity,
    Keys,
    RefusedError,
    Reply,
    SdkRequest,
    Transport,
    WireError,
    build,
)
from app.domain.errors import (
    AccountUnreachableError,
    AppError,
    CloudThrottledError,
    CloudUnavailableError,
)
from app.ports.clock import Clock
from app.ports.ecs import AccountAccess

SESSION_NAME = "intercommunication"
"""What the account's own audit trail shows beside the role."""


class Sts:
    """The two calls of STS; both only read, and are repeated like reads."""

    def __init__(
        self,
        transport: Transport,
        *,
        base: Identity,
        region_id: str,
        session_length: timedelta,
        patience: Patience,
    ) -> None:
        self.base = base
        self._transport = transport
        self._region_id = region_id
        self._session_length = session_length
        self._patience = patience

    def assume(self, access: AccountAccess) -> Keys:
        """Assume the account's role, always with its external id.

        Source: STS API, AssumeRole.
        """
        fields = {
            "RoleArn": access.role_arn,
            "RoleSessionName": SESSION_NAME,
            "ExternalId": access.external_id,
            "DurationSeconds": int(self._session_length.total_seconds()),
        }
        reply = self._read(build(AssumeRoleRequest, fields), self.base, access.account_id)
        try:
            return _keys(access.account_id, reply["Credentials"])
        except (KeyError, TypeError, ValueError):
            raise _unreadable("AssumeRole", access.account_id) from None

    def caller(self, identity: Identity, account_id: str) -> str:
        """Return the account that `identity` belongs to; `account_id` is named in errors.

        Source: STS API, GetCallerIdentity.
        """
        reply = self._read(build(GetCallerIdentityRequest, {}), identity, account_id)
        if not reply.get("AccountId"):
            raise _unreadable("GetCallerIdentity", account_id)
        return str(reply["AccountId"])

    def knows_base(self) -> bool:
        """Ask once, without patience, whether the base identity is known."""
        request = build(GetCallerIdentityRequest, {})
        try:
            self._transport.send(request, region_id=self._region_id, identity=self.base)
        except WireError:
            return False
        return True

    def _read(self, request: SdkRequest, identity: Identity, account_id: str) -> Reply:
        def send() -> Reply:
            return self._transport.send(request, region_id=self._region_id, identity=identity)

        try:
            return self._patience(send)
        except WireError as error:
            raise _meaning(error, request, identity, account_id) from error


@dataclass(frozen=True, slots=True)
class _Session:
    access: AccountAccess
    identity: Identity
    renew_at: datetime | None

    def serves(self, access: AccountAccess, now: datetime) -> bool:
        """Say whether the session is of this access, and has time left."""
        return self.opens_for(access) and (self.renew_at is None or now < self.renew_at)

    def opens_for(self, access: AccountAccess) -> bool:
        ours, asked = self.access, access
        return (ours.role_arn, ours.external_id) == (asked.role_arn, asked.external_id)


@dataclass(slots=True)
class _Slot:
    """One account: its session, and the renewal that is under way."""

    lock: Lock = field(default_factory=Lock)
    session: _Session | None = None
    flight: "Future[_Session] | None" = None


class Sessions:
    """An identity for every account, proven to be that account's before it is used."""

    def __init__(
        self, sts: Sts, *, clock: Clock, session_length: timedelta, margin: timedelta
    ) -> None:
        self._sts = sts
        self._clock = clock
        self._lifetime = session_length - margin
        self._slots: dict[str, _Slot] = {}

    def identity(self, access: AccountAccess) -> Identity:
        """Return keys that still have some time to live.

        Raises:
            AccountUnreachableError: the role cannot be assumed, or is another account's.
        """
        slot = self._slots.setdefault(access.account_id, _Slot())
        session = slot.session
        if session is not None and session.serves(access, self._clock.now()):
            return session.identity
        return self._opened(slot, access).identity

    def renewed(self, access: AccountAccess, *, instead_of: Identity) -> Identity:
        """Return other keys than those that the cloud no longer takes."""
        slot = self._slots.setdefault(access.account_id, _Slot())
        with slot.lock:
            if slot.session is not None and slot.session.identity == instead_of:
                slot.session = None
        return self.identity(access)

    def whoami(self, access: AccountAccess) -> str:
        """Assume the role anew and return the account that the cloud names."""
        self._slots.pop(access.account_id, None)
        identity = self._sts.base if access.role_arn is None else self._sts.assume(access)
        return self._sts.caller(identity, access.account_id)

    def _opened(self, slot: _Slot, access: AccountAccess) -> _Session:
        """Open a session, or await the one that another thread is opening."""
        with slot.lock:
            session = slot.session
            if session is not None and session.serves(access, self._clock.now()):
                return session
            flight, ours = slot.flight, False
            if flight is None:
                flight, ours = Future(), True
                slot.flight = flight
        if ours:
            self._land(slot, flight, access)
        session = flight.result()
        return session if session.opens_for(access) else self._opened(slot, access)

    def _land(self, slot: _Slot, flight: "Future[_Session]", access: AccountAccess) -> None:
        try:
            session = self._open(access)
        except BaseException as error:
            with slot.lock:
                slot.flight = None
            flight.set_exception(error)
            raise
        with slot.lock:
            slot.session, slot.flight = session, None
        flight.set_result(session)

    def _open(self, access: AccountAccess) -> _Session:
        began = self._clock.now()
        identity = self._sts.base if access.role_arn is None else self._sts.assume(access)
        caller_id = self._sts.caller(identity, access.account_id)
        if caller_id != access.account_id:
            raise AccountUnreachableError(
                f"the identity for account {access.account_id} belongs to account {caller_id}",
                account_id=access.account_id,
                caller_account_id=caller_id,
            )
        # Counted from our own clock before the call: it needs no agreement with the cloud's.
        renew_at = None if access.role_arn is None else began + self._lifetime
        return _Session(access, identity, renew_at)


def _keys(account_id: str, credentials: Mapping[str, Any]) -> Keys:
    return Keys(
        holder=account_id,
        access_key_id=credentials["AccessKeyId"],
        secret=credentials["AccessKeySecret"],
        token=credentials["SecurityToken"],
    )


def _unreadable(action: str, account_id: str) -> CloudUnavailableError:
    detail = f"the answer to {action} cannot be understood"
    return CloudUnavailableError(detail, action=action, account_id=account_id)


def _meaning(
    error: WireError, request: SdkRequest, identity: Identity, account_id: str
) -> AppError:
    action = request.get_action_name()
    facts: dict[str, object] = {"action": action, "account_id": account_id}
    if not isinstance(error, RefusedError):
        return CloudUnavailableError(f"{action}: {error}", **facts)
    facts |= {"cloud_code": error.code, "cloud_request_id": error.request_id}
    if is_transient(error):
        kind = kind_of(error.code)
        throttled = kind if kind is CloudThrottledError else CloudUnavailableError
        return throttled(f"{action} was not answered: {error}", **facts)
    if is_key_fault(error.code) and identity.holder == BASE:
        return BaseIdentityError(f"the base identity is refused: {error}", **facts)
    return AccountUnreachableError(
        f"account {account_id} does not let the service in: {error}", **facts
    )
