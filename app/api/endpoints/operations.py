"""Operations: plans being carried out."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from app.api import examples
from app.api.answers import accepted, answer, ask_again, point_to, polled, streamed, tagged
from app.api.dependencies import AskedPage, Health, Interventions, Operations
from app.api.endpoints.plans import AGAINST_A_CONNECTION
from app.api.paging import next_cursor
from app.api.refusals import refusals
from app.api.routing import StreamRoute, StrictRoute
from app.api.schemas.operations import Operation, OperationPage
from app.api.schemas.values import OwnId
from app.api.streams import LastEventId, Stream
from app.domain.errors import (
    InUseError,
    InvalidCursorError,
    InvalidStateError,
    NoSafeOrderError,
    NotFoundError,
)
from app.domain.operations import OperationStatus

router = APIRouter(prefix="/v1/operations", tags=["operations"], route_class=StrictRoute)
streams = APIRouter(prefix="/v1/operations", tags=["operations"], route_class=StreamRoute)

OneOperation = Annotated[
    OwnId, Path(description="Id of the operation.", openapi_examples=examples.OPERATION_ID)
]


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
    responses=tagged(polled("The operation as it is now.", examples.FINISHED))
    | refusals(NotFoundError),
)
def get_operation(
    operation_id: OneOperation, operations: Operations, response: Response
) -> Operation:
    """Return an operation. While it is not `done`, `Retry-After` says when to look again; an
    operation that failed is answered with 200 too, and has an `error`.
    """
    return ask_again(response, Operation.of(operations.get(operation_id)))


@streams.get(
    "/{operation_id}/events",
    response_class=Response,
    responses=streamed("What happens, as it happens, to the end.", examples.EVENTS)
    | refusals(NotFoundError, InvalidCursorError),
)
async def follow_operation(
    operation_id: OneOperation,
    operations: Operations,
    health: Health,
    last_event_id: LastEventId = None,
) -> Response:
    """Follow an operation: server-sent events, one for each step that begins or ends and for
    each state, from the first on. Each `data` is an `OperationEvent`. Whoever comes back with
    `Last-Event-ID` gets what followed that event, from any replica. The stream ends with the
    operation; comments keep it open until then.
    """
    stream = Stream(operations, health, operation_id)
    return await stream.answer(last_event_id)


@router.post(
    "/{operation_id}/cancel",
    responses=answer(200, "The operation is cancelled.", examples.CANCELLED)
    | refusals(NotFoundError, InvalidStateError),
)
def cancel_operation(operation_id: OneOperation, interventions: Interventions) -> Operation:
    """Cancel an operation that has touched nothing yet: it is over at once. After its first
    change that is a problem, which says how to take the operation back instead.
    """
    return Operation.of(interventions.cancel(operation_id))


@router.post(
    "/{operation_id}/rollback",
    status_code=202,
    responses=accepted("Follow `Location` to the end.", examples.TURNING_BACK)
    | refusals(
        NotFoundError, InvalidStateError, InUseError, NoSafeOrderError, *AGAINST_A_CONNECTION
    ),
)
def roll_back_operation(
    operation_id: OneOperation, interventions: Interventions, response: Response
) -> Operation:
    """Take back what an operation did. One that runs turns back before its next change; one
    that has touched nothing is cancelled. A connect that succeeded is taken back by a
    disconnect, which is answered, unless other connections need what it made; a move by a move
    back; a restore by another restore, of what is still in effect of it. An operation that
    needs attention is taken up, and taken back, by a new one.
    """
    return point_to(response, Operation.of(interventions.roll_back(operation_id)))


@router.post(
    "/{operation_id}/resume",
    status_code=202,
    responses=accepted("A new operation takes it up; follow `Location`.", examples.RESUMING)
    | refusals(NotFoundError, InvalidStateError),
)
def resume_operation(
    operation_id: OneOperation, interventions: Interventions, response: Response
) -> Operation:
    """Take up an operation that needs attention. A new one looks at the cloud again and ends
    it: well, if all is as planned and it had not turned back; otherwise by taking back what
    is left of it. Once the obstacle is out of the way, this is all there is to do.
    """
    return point_to(response, Operation.of(interventions.resume(operation_id)))
