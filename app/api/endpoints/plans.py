"""Plans: what would be changed, and what that means."""

from typing import Annotated

from fastapi import APIRouter, Body, Path, Response
from pydantic import MISSING

from app.api import examples
from app.api.answers import accepted, answer, created, point_to, tagged
from app.api.dependencies import Comparisons, Operations, Plans, Wait
from app.api.endpoints.inventory import FROM_THE_CLOUD
from app.api.refusals import refusals
from app.api.routing import StrictRoute
from app.api.schemas.comparisons import CompareRequest, MethodComparison
from app.api.schemas.operations import Operation
from app.api.schemas.plans import (
    ApplyRequest,
    DisconnectPlanRequest,
    MovePlanRequest,
    Plan,
    PlanRequest,
    RepairPlanRequest,
    StandalonePlanRequest,
)
from app.api.schemas.values import OwnId
from app.domain.errors import (
    AssertionBrokenError,
    BackupCorruptError,
    BackupMismatchError,
    ConfirmationRequiredError,
    EmptyChangeError,
    FamilyMismatchError,
    GuardrailViolationError,
    InvalidCidrError,
    InvalidConnectionError,
    InvalidExpiryError,
    InvalidInputError,
    InvalidStateError,
    MethodNotPossibleError,
    NoSafeOrderError,
    NotATighteningError,
    NotFoundError,
    PlanStaleError,
    QuotaInsufficientError,
    TargetBusyError,
    TargetManagedError,
    TooManyExtraPairsError,
    UnknownFieldError,
)

router = APIRouter(prefix="/v1/plans", tags=["plans"], route_class=StrictRoute)

OnePlan = Annotated[OwnId, Path(description="Id of the plan.", openapi_examples=examples.PLAN_ID)]

NOTHING = ApplyRequest()

AGAINST_A_TIGHTENING = (EmptyChangeError, NotATighteningError)

AGAINST_A_RESTORE = (BackupCorruptError, BackupMismatchError, NoSafeOrderError)

AGAINST_A_CONNECTION = (
    InvalidInputError,
    UnknownFieldError,
    InvalidConnectionError,
    InvalidCidrError,
    AssertionBrokenError,
    FamilyMismatchError,
    GuardrailViolationError,
    MethodNotPossibleError,
    QuotaInsufficientError,
    TooManyExtraPairsError,
    TargetManagedError,
    *FROM_THE_CLOUD,
)


@router.post(
    "",
    status_code=201,
    responses=created("The plan is kept.", examples.PLAN)
    | refusals(
        NotFoundError,
        InvalidStateError,
        InvalidExpiryError,
        *AGAINST_A_CONNECTION,
        *AGAINST_A_RESTORE,
        *AGAINST_A_TIGHTENING,
    ),
)
def create_plan(
    body: Annotated[PlanRequest, Body(openapi_examples=examples.PLAN_REQUESTS)],
    plans: Plans,
    response: Response,
) -> Plan:
    """Plan a change. This is the dry run: it says what would be changed, in order and why; the
    verdict of each asked flow before and after; exactly what opens and closes besides; and
    what of each quota is used. Nothing is changed until the plan is applied.
    """
    asked = body.root
    if isinstance(asked, DisconnectPlanRequest):
        kept = plans.disconnect(asked.connection_id)
    elif isinstance(asked, RepairPlanRequest):
        kept = plans.repair(asked.connection_id)
    elif isinstance(asked, StandalonePlanRequest):
        kept = plans.of_kind(asked.kind, asked.document())
    elif isinstance(asked, MovePlanRequest):
        kept = plans.move(asked.connection_id, asked.to.document())
    else:
        kept = plans.connect(asked.connection.document())
    response.headers["Location"] = f"/v1/plans/{kept.plan_id}"
    return Plan.of(kept)


@router.post(
    "/compare",
    responses=answer(200, "All four methods.", examples.COMPARISON)
    | refusals(
        InvalidInputError,
        UnknownFieldError,
        InvalidConnectionError,
        InvalidCidrError,
        GuardrailViolationError,
        *FROM_THE_CLOUD,
    ),
)
def compare_plans(
    body: Annotated[CompareRequest, Body(openapi_examples=examples.COMPARE_REQUESTS)],
    comparisons: Comparisons,
) -> MethodComparison:
    """Compare what each of the four methods would do for a connect request without a method:
    whether it is possible, or what stands in its way; what it changes, opens besides, uses of
    each quota and for how many more connections that leaves room; what taking it back takes
    and what the connection survives. One is recommended, with the reasons. That none is
    possible is an answer, not a problem. Nothing is kept.
    """
    return MethodComparison.model_validate(comparisons.compare(body.connection.document()))


@router.get(
    "/{plan_id}",
    responses=tagged(answer(200, "The plan as it was made.", examples.PLAN))
    | refusals(NotFoundError),
)
def get_plan(plan_id: OnePlan, plans: Plans) -> Plan:
    """Return a plan as it was made."""
    return Plan.of(plans.get(plan_id))


@router.post(
    "/{plan_id}/apply",
    status_code=202,
    responses=accepted("The operation has begun; follow `Location`.", examples.OPERATION)
    | refusals(
        NotFoundError,
        PlanStaleError,
        TargetBusyError,
        InvalidStateError,
        ConfirmationRequiredError,
        *AGAINST_A_CONNECTION,
        *AGAINST_A_RESTORE,
        *AGAINST_A_TIGHTENING,
    ),
)
def apply_plan(
    plan_id: OnePlan,
    operations: Operations,
    response: Response,
    body: Annotated[ApplyRequest, Body(openapi_examples=examples.APPLY_REQUESTS)] = NOTHING,
    wait: Wait = True,
) -> Operation:
    """Apply a plan, once. The cloud is read again first: if it has changed since the plan was
    made, nothing is done. A plan to tighten wants to be told how many pairs it takes away. Answers
    at once; follow `Location` for the outcome.
    """
    confirmed = None if body.confirm_lost is MISSING else body.confirm_lost
    operation = operations.apply(plan_id, wait=wait, confirm_lost=confirmed)
    return point_to(response, Operation.of(operation))
