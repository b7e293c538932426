"""ClientTokens: the same token with the same parameters acts once and answers the same."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.simulator.actions.request import Action, Body, Request
from app.simulator.errors import ApiError, invalid_parameter

RETENTION_SECONDS = 24 * 3600
"""How long a token is remembered; the vendor does not say."""

_TOKEN = re.compile(r"[\x20-\x7e]{1,64}")


@dataclass(frozen=True, slots=True)
class _Answered:
    asked: dict[str, str]
    body: Body
    at: float


class ClientTokens:
    """The answers of calls that carried a token, for each account, region and action."""

    def __init__(self) -> None:
        self._answered: dict[tuple[str, str, str, str], _Answered] = {}

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
        earlier = self._answered.get(key)
        if earlier is None or request.now - earlier.at > RETENTION_SECONDS:
            body = action.handler(request)
            self._answered[key] = _Answered(asked, body, request.now)
            return body
        if earlier.asked != asked:
            raise ApiError(
                "IdempotentParameterMismatch",
                400,
                "The request uses the same client token as a previous, but non-identical request.",
            )
        return earlier.body
