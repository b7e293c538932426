"""The switch that lets nothing be changed."""

from typing import Annotated

from fastapi import APIRouter, Body

from app.api import examples
from app.api.answers import answer
from app.api.dependencies import FreezesOf
from app.api.refusals import refusals
from app.api.routing import StrictRoute
from app.api.schemas.freezes import FreezeRequest, Freezes
from app.domain.errors import InvalidIdentifierError

router = APIRouter(prefix="/v1/freeze", tags=["access"], route_class=StrictRoute)


@router.get("", responses=answer(200, "What is frozen.", examples.FREEZES))
def get_freeze(freezes: FreezesOf) -> Freezes:
    """Say what is frozen, and why."""
    return Freezes.of(freezes.all())


@router.put(
    "",
    responses=answer(200, "What is frozen now.", examples.FREEZES)
    | refusals(InvalidIdentifierError),
)
def set_freeze(
    body: Annotated[FreezeRequest, Body(openapi_examples=examples.FREEZE_REQUESTS)],
    freezes: FreezesOf,
) -> Freezes:
    """Let nothing be changed, in one account or in all, or lift that. While it lasts new changes
    are refused (`account_frozen`), and operations that run wait before their next change; they go
    on when it is lifted. One that is going back goes on. Reading and planning stay possible.
    """
    if body.frozen:
        freezes.freeze(body.account_id, body.reason)
    else:
        freezes.lift(body.account_id)
    return Freezes.of(freezes.all())
