"""Questions about what is reachable, and why."""

from typing import Annotated

from fastapi import APIRouter, Body

from app.api import examples
from app.api.answers import answer
from app.api.dependencies import Reachability, Suppositions
from app.api.endpoints.inventory import FROM_THE_CLOUD
from app.api.refusals import refusals
from app.api.routing import StrictRoute
from app.api.schemas.reachability import ExplainRequest, Explanation
from app.api.schemas.suppositions import WhatIf, WhatIfRequest
from app.domain.errors import FamilyMismatchError, InvalidInputError, InvalidPortError

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
    each side; of a blocked flow, everything that stands in the way and the smallest change that
    would open it. Nothing is changed. A verdict is `unknown` only where it depends on what could
    not be read.
    """
    flows = [flow.model_dump(mode="json", exclude_unset=True) for flow in body.flows]
    return Explanation.model_validate(reachability.explain(flows, refresh=body.refresh))


@router.post(
    "/what-if",
    responses=answer(200, "What would open and what would close.", examples.SUPPOSED)
    | refusals(InvalidInputError, InvalidPortError, FamilyMismatchError, *FROM_THE_CLOUD),
)
def suppose_changes(
    body: Annotated[WhatIfRequest, Body(openapi_examples=examples.SUPPOSE)],
    suppositions: Suppositions,
) -> WhatIf:
    """Say exactly which flows would open and which would close if rules, memberships or inner
    access were changed, for every address there is. Nothing is changed, and no plan is kept.
    """
    changes = [change.model_dump(mode="json") for change in body.changes]
    return WhatIf.model_validate(
        suppositions.what_if(changes, most=body.most_items, refresh=body.refresh)
    )
