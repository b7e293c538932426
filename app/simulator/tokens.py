"""ClientTokens: the same token with the same parameters acts once and answers the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from app.simulator.actions.request import Action, Body, Request
from app.simulator.errors import ApiError, invalid_parameter
from app.simulator.parameters import Parameters

RETENTION_SECONDS = 24 * 3600
"""How long a token is remembered; the vendor does not say."""

_Key: TypeAlias = tuple[str, str, str, str]
_TOKEN = re.compile(r"[\x20-\x7e]{1,64}")


@dataclass(frozen=True, slots=True)
class _Answered:
    asked: dict[str, str]
    body: Body
    at: float


@dataclass(frozen=True, slots=True)
class Flight:
    """A call with a token that is under way."""

    key: _Key


class ClientTokens:
    """The answers of calls that carried a token, for each account, region and action."""

    def __init__(self) -> None:
        self._answered: dict[_Key, _Answered] = {}  # oldest first
        self._in_flight: dict[_Key, dict[str, str]] = {}

    def begin(self, account_id: str, action: Action, flat: Mapping[str, str]) -> Flight | None:
        """Note that a call with a token is under way, and refuse it while another one is.

        Returns what `end` wants. Source: ECS API, How to ensure idempotence.
        """
        parameters = Parameters(flat)
        token = parameters.get("ClientToken")
        if token is None or not action.takes_token:
            return None
        key = (account_id, flat.get("RegionId", ""), action.name, token)
        asked = parameters.business()
        if self._in_flight.setdefault(key, asked) is not asked:
            if self._in_flight[key] != asked:
                raise _mismatch()
            raise ApiError(
                "IdempotentProcessing", 403, "The previous idempotent request(s) is processing."
            )
        return Flight(key)

    def end(self, flight: Flight | None) -> None:
        """Note that the call has ended, one way or another; doing it twice does no harm."""
        if flight is not None:
            self._in_flight.pop(flight.key, None)

    def once(self, request: Request, action: Action) -> Body:
        """Carry out the action, or answer as the same call was answered before.

        Source: ECS API, How to ensure idempotence.
        """
        token = request.parameters.get("ClientToken")
        if token is None:
            return action.handler(request)
        if not _TOKEN.fullmatch(token):
            raise invalid_parameter('The specified parameter "ClientToken" is not valid.')
        key = (request.account_id, request.region_id, action.name, token)
        asked = request.parameters.business()
        self._forget_before(request.now - RETENTION_SECONDS)
        earlier = self._answered.get(key)
        if earlier is None:
            body = action.handler(request)
            self._answered[key] = _Answered(asked, body, request.now)
            return body
        if earlier.asked != asked:
            raise _mismatch()
        return earlier.body

    def _forget_before(self, oldest: float) -> None:
        while self._answered:
            first = next(iter(self._answered))
            if self._answered[first].at >= oldest:
                return
            del self._answered[first]


def _mismatch() -> ApiError:
    return ApiError(
        "IdempotentParameterMismatch",
        400,
        "The request uses the same client token as a previous, but non-identical request.",
    )
