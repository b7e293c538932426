"""One account and region on the wire: reads are repeated, changes are sent once."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import TypeAlias

from app.adapters.ecs.codes import BaseIdentityError, is_key_fault, kind_of
from app.adapters.ecs.patience import Patience
from app.adapters.ecs.sessions import Sessions
from app.adapters.ecs.transport import (
    Identity,
    NoAnswerError,
    NotSentError,
    RefusedError,
    Reply,
    SdkRequest,
    Transport,
    WireError,
)
from app.domain.errors import (
    AccountUnreachableError,
    AppError,
    CloudError,
    CloudThrottledError,
    CloudUnavailableError,
    InvalidInputError,
    OutcomeUnknownError,
)
from app.domain.groups import Place
from app.ports.budget import Budget, Called, NoBudget
from app.ports.ecs import AccountAccess


class RefusedChange(Exception):  # noqa: N818 - it becomes an error only if it is not good news
    """A change that the cloud refused with this code, and what that means."""

    def __init__(self, refusal: RefusedError, meaning: AppError) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
        self.meaning = meaning


Permit: TypeAlias = Callable[[], None]


def free() -> None:
    """Permit every call."""


class Calls:
    """Sends requests with the account's identity, and says in our words what came of them."""

    def __init__(
        self,
        transport: Transport,
        sessions: Sessions,
        *,
        access: AccountAccess,
        region_id: str,
        patience: Patience,
        permit: Permit = free,
        budget: Budget | None = None,
        urgent: bool = False,
    ) -> None:
        """`permit` is asked right before each call that changes something; it may raise.

        Every call takes a place in the `budget` first; `urgent` ones take changes back.
        """
        self._permit = permit
        self._budget = budget or NoBudget()
        self._urgent = urgent
        self.place = Place(access.account_id, region_id)
        self._transport = transport
        self._sessions = sessions
        self._access = access
        self._patience = patience

    def read(self, request: SdkRequest) -> Reply:
        """Return the reply to a call that changes nothing, within our patience."""
        tries = count()
        try:
            return self._patience(lambda: self._send(request, retry=next(tries) > 0))
        except RefusedError as refusal:
            raise self._refused(refusal, request, kind_of_read(refusal)) from refusal
        except WireError as error:
            raise self._error(CloudUnavailableError, str(error), request) from error

    @contextmanager
    def understanding(self, action: str) -> Iterator[None]:
        """Turn what goes wrong while a reply is taken apart into an error of the cloud's.

        A reply that is not understood is never half used: the world would be a wrong one.
        """
        try:
            yield
        except (KeyError, TypeError, ValueError, AttributeError, InvalidInputError) as error:
            # The name of a missing field, or the value that is not of this API: no secrets there.
            detail = f"{action}: the answer cannot be understood: {error}"
            raise CloudUnavailableError(
                detail,
                action=action,
                account_id=self.place.account_id,
                region_id=self.place.region_id,
            ) from error

    def change(self, request: SdkRequest, *, again: bool = False) -> Reply:
        """Send a call that changes something, once; `again` if it was sent before.

        Raises:
            RefusedChange: the cloud answered with an error code; `meaning` is to be raised
                unless the code says that all is well.
        """
        try:
            reply = self._send(request, self._permit, retry=again)
            if not isinstance(reply["RequestId"], str):
                raise NoAnswerError("the reply is not one of this API")
        except RefusedError as refusal:
            meaning = self._refused(refusal, request, kind_of_change(refusal))
            raise RefusedChange(refusal, meaning) from refusal
        except WireError as error:
            kind = CloudUnavailableError if isinstance(error, NotSentError) else OutcomeUnknownError
            raise self._error(kind, str(error), request) from error
        return reply

    def _send(self, request: SdkRequest, permit: Permit = free, *, retry: bool) -> Reply:
        identity = self._sessions.identity(self._access)
        try:
            return self._sent(request, identity, permit, retry=retry)
        except RefusedError as refusal:
            if self._access.role_arn is None or not is_key_fault(refusal.code):
                raise
        # Nothing was done: keys are judged first. New ones are tried, once.
        identity = self._sessions.renewed(self._access, instead_of=identity)
        return self._sent(request, identity, permit, retry=True)

    def _sent(
        self, request: SdkRequest, identity: Identity, permit: Permit, *, retry: bool
    ) -> Reply:
        """Wait for a place in the budget, then send at once, if we still may."""
        call = Called(
            account_id=self.place.account_id,
            region_id=self.place.region_id,
            action=request.get_action_name(),
            urgent=self._urgent,
            retry=retry,
        )
        pause = self._budget.take(call).total_seconds()
        if pause > 0:
            time.sleep(pause)
        permit()
        try:
            return self._transport.send(request, region_id=self.place.region_id, identity=identity)
        except RefusedError as refusal:
            if kind_of(refusal.code) is CloudThrottledError:
                self._budget.throttled(call)
            raise

    def _refused(
        self, refusal: RefusedError, request: SdkRequest, kind: type[CloudError]
    ) -> AppError:
        facts = {"cloud_code": refusal.code, "cloud_request_id": refusal.request_id}
        if kind is BaseIdentityError and self._access.role_arn is not None:
            return self._error(AccountUnreachableError, str(refusal), request, **facts)
        return self._error(kind, str(refusal), request, **facts)

    def _error(
        self, kind: type[AppError], detail: str, request: SdkRequest, **facts: object
    ) -> AppError:
        action = request.get_action_name()
        return kind(
            f"{action}: {detail}",
            action=action,
            account_id=self.place.account_id,
            region_id=self.place.region_id,
            **facts,
        )


def kind_of_read(refusal: RefusedError) -> type[CloudError]:
    """A read has no outcome to be unsure of: what it cannot say now, it can say later."""
    kind = kind_of(refusal.code)
    failed = refusal.status >= 500 and kind is not CloudThrottledError
    if failed or issubclass(kind, OutcomeUnknownError):
        return CloudUnavailableError
    return kind


def kind_of_change(refusal: RefusedError) -> type[CloudError]:
    """An internal error of the cloud does not say that nothing was done."""
    kind = kind_of(refusal.code)
    if kind is CloudUnavailableError or (refusal.status >= 500 and kind is not CloudThrottledError):
        return OutcomeUnknownError
    return kind
