"""Requests that change something: told to the audit, and carried out once where they have a key."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from app.api.authorization import Need, things_of
from app.api.idempotency import accepted_answer, key_of, keyed, once
from app.api.problems import request_id_of
from app.ports.store import Claim
from app.services.callers import answering
from app.services.house import House


async def change(
    request: Request, handle: Callable[[], Awaitable[Response]], need: Need, action: str
) -> Response:
    """Carry out a request that changes something."""
    house: House = request.app.state.house

    async def carry_out(claim: Claim | None = None) -> Response:
        request_id = request_id_of(request.scope)
        told = house.access.describe(action, things_of(request), request_id, claim, accepted_answer)
        with answering(told):
            return await handle()

    if request.method != "POST":
        return await carry_out()
    key = key_of(request, is_required=house.idempotency.is_required)
    if key is None:
        return await carry_out()
    sent = keyed(request, key, await request.json())
    return await once(house.idempotency, sent, carry_out, concealed=need.concealed)
