"""Operations: plans being carried out."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from app.api import examples
from app.api.answers import answer, ask_again, polled
from app.api.dependencies import AskedPage, Operations
from app.api.paging import next_cursor
from app.api.refusals import refusals
from app.api.routing import StrictRoute
from app.api.schemas.operations import Operation, OperationPage
from app.api.schemas.values import OwnId
from app.domain.errors import InvalidCursorError, NotFoundError
from app.domain.operations import OperationStatus

router = APIRouter(prefix="/v1/operations", tags=["operations"], route_class=StrictRoute)


@router.get(
    "",
    responses=answer(200, "A page of operations.", examples.OPERATION_PAGE)
    | refusals(InvalidCursorError),
)
def list_operations(
    operations: Operations,
    asked: AskedPage,
    status: Annotated[
        OperationStatus | None, Query(description="Only those in this state.")
    ] = None,
    connection_id: Annotated[
        OwnId | None, Query(description="Only those of this connection.")
    ] = None,
) -> OperationPage:
    """List operations, newest first."""
    listing = ("operations", status, connection_id)
    page = operations.page(asked.limit, asked.position(*listing), status, connection_id)
    return OperationPage(
        items=[Operation.of(each) for each in page.items],
        next_cursor=next_cursor(page.next_position, *listing),
    )


@router.get(
    "/{operation_id}",
    responses=polled("The operation as it is now.", examples.FINISHED) | refusals(NotFoundError),
)
def get_operation(
    operation_id: Annotated[
        str, Path(description="Id of the operation.", openapi_examples=examples.OPERATION_ID)
    ],
    operations: Operations,
    response: Response,
) -> Operation:
    """Return an operation. While it is not `done`, `Retry-After` says when to look again; an
    operation that failed is answered with 200 too, and has an `error`.
    """
    return ask_again(response, Operation.of(operations.get(operation_id)))
