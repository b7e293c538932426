"""Assertions: what must, or must never, be reachable."""

from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Response

from app.api import examples
from app.api.answers import answer, created, emptied, tagged
from app.api.conditions import AGAINST_A_CONDITION, AskedPrecondition
from app.api.dependencies import AskedPage, Assertions
from app.api.endpoints.inventory import FROM_THE_CLOUD
from app.api.paging import next_cursor
from app.api.refusals import refusals
from app.api.routing import StrictRoute
from app.api.schemas.assertions import (
    Assertion,
    AssertionPage,
    AssertionRequest,
    AssertionSummary,
)
from app.api.schemas.values import OwnId
from app.domain.assertions import AssertionStatus
from app.domain.errors import (
    InvalidConnectionError,
    InvalidCursorError,
    InvalidInputError,
    NotFoundError,
    UnknownFieldError,
)

router = APIRouter(prefix="/v1/assertions", tags=["assertions"], route_class=StrictRoute)

OneAssertion = Annotated[
    OwnId, Path(description="Id of the assertion.", openapi_examples=examples.ASSERTION_ID)
]


@router.get(
    "",
    responses=answer(200, "A page of assertions.", examples.ASSERTION_PAGE)
    | refusals(InvalidCursorError),
)
def list_assertions(
    assertions: Assertions,
    asked: AskedPage,
    *,
    status: Annotated[
        AssertionStatus | None, Query(description="Only those of this status, as last looked at.")
    ] = None,
) -> AssertionPage:
    """List the assertions, newest first, each with its status when it was last looked at."""
    listing = ("assertions", status)
    page = assertions.page(asked.limit, asked.position(*listing), status)
    return AssertionPage(
        items=[AssertionSummary.of(each) for each in page.items],
        next_cursor=next_cursor(page.next_position, *listing),
    )


@router.post(
    "",
    status_code=201,
    responses=created("The assertion is kept.", examples.ASSERTION)
    | refusals(InvalidInputError, UnknownFieldError, InvalidConnectionError, *FROM_THE_CLOUD),
)
def create_assertion(
    body: Annotated[AssertionRequest, Body(openapi_examples=examples.ASSERTION_REQUESTS)],
    assertions: Assertions,
    response: Response,
) -> Assertion:
    """Say what must, or must never, be reachable. It is checked at once, and kept whether it
    holds or not; from then on a plan of whatever kind that would break it, or break it further,
    is refused and names it.
    """
    view = assertions.create(body.document())
    response.headers["Location"] = f"/v1/assertions/{view.assertion.assertion_id}"
    return Assertion.of_view(view)


@router.get(
    "/{assertion_id}",
    responses=tagged(answer(200, "The assertion.", examples.ASSERTION)) | refusals(NotFoundError),
)
def get_assertion(assertion_id: OneAssertion, assertions: Assertions) -> Assertion:
    """Return an assertion with what was found last, and every state that it has had."""
    return Assertion.of_view(assertions.get(assertion_id))


@router.delete(
    "/{assertion_id}",
    status_code=204,
    responses=emptied("The assertion is forgotten.")
    | refusals(NotFoundError, *AGAINST_A_CONDITION),
)
def remove_assertion(
    assertion_id: OneAssertion, assertions: Assertions, precondition: AskedPrecondition
) -> None:
    """Forget an assertion; from then on plans may break it. Nothing is changed in the cloud."""
    precondition.look(lambda: Assertion.of_view(assertions.get(assertion_id)))
    assertions.remove(assertion_id)


@router.post(
    "/{assertion_id}/check",
    responses=answer(200, "The assertion with what was found.", examples.ASSERTION)
    | refusals(NotFoundError, *FROM_THE_CLOUD),
)
def check_assertion(assertion_id: OneAssertion, assertions: Assertions) -> Assertion:
    """Read the cloud and say whether the assertion holds now; another status than before is kept
    as a further state.
    """
    return Assertion.of_view(assertions.check(assertion_id))
