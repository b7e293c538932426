"""Questions about what is reachable, and why."""

from typing import Annotated

from fastapi import APIRouter, Body

from app.api import examples
from app.api.answers import answer
from app.api.dependencies import Reachability
from app.api.endpoints.inventory import FROM_THE_CLOUD
from app.api.refusals import refusals
from app.api.routing import StrictRoute
from app.api.schemas.reachability import ExplainRequest, Explanation
from app.domain.errors import FamilyMismatchError, InvalidPortError

router = APIRouter(prefix="/v1/reachability", tags=["reachability"], route_class=StrictRoute)


@router.post(
    "/explain",
    responses=answer(200, "A verdict for each question, in order.", examples.EXPLANATION)
    | refusals(InvalidPortError, FamilyMismatchError, *FROM_THE_CLOUD),
)
def explain_reachability(
    body: Annotated[ExplainRequest, Body(openapi_examples=examples.EXPLAIN)],
    reachability: Reachability,
) -> Explanation:
    """Say whether packets get from one end to the other, and name the rules that decide it on
    each side. Nothing is changed. A verdict is `unknown` only where it depends on what could
    not be read.
    """
    flows = [flow.model_dump(mode="json", exclude_unset=True) for flow in body.flows]
    return Explanation.model_validate(reachability.explain(flows, refresh=body.refresh))
