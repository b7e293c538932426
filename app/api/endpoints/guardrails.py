"""Guardrails: what may never come to be; to be read and tried, never changed from here."""

from typing import Annotated

from fastapi import APIRouter, Body

from app.api import examples
from app.api.answers import answer
from app.api.dependencies import Guardrails
from app.api.endpoints.plans import AGAINST_A_CONNECTION, AGAINST_A_RESTORE
from app.api.refusals import refusals
from app.api.routing import StrictRoute
from app.api.schemas import guardrails as shapes
from app.domain.errors import InvalidInputError, InvalidStateError, NotFoundError

router = APIRouter(prefix="/v1/guardrails", tags=["guardrails"], route_class=StrictRoute)


@router.get("", responses=answer(200, "The guardrails in force.", examples.GUARDRAILS))
def get_guardrails(guardrails: Guardrails) -> shapes.Guardrails:
    """Return the guardrails in force. They are judged on what is open after a change, at every
    plan and again right before it is carried out, and are configured where the service runs.
    """
    return shapes.Guardrails.model_validate(guardrails.get())


@router.post(
    "/evaluate",
    responses=answer(200, "What the plan breaks.", examples.GUARDRAILS_VERDICT)
    | refusals(
        NotFoundError,
        InvalidInputError,
        InvalidStateError,
        *AGAINST_A_CONNECTION,
        *AGAINST_A_RESTORE,
    ),
)
def evaluate_guardrails(
    body: Annotated[shapes.GuardrailsTrial, Body(openapi_examples=examples.GUARDRAILS_TRIAL)],
    guardrails: Guardrails,
) -> shapes.GuardrailsVerdict:
    """Hold a plan against the guardrails in force, or against others before they are configured.
    The plan is made anew from the world of now; nothing is kept and nothing is changed.
    """
    found = guardrails.evaluate(body.plan_id, body.proposed())
    return shapes.GuardrailsVerdict.model_validate(found)
