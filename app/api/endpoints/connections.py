"""Connections: the main job."""

from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Response

from app.api import examples
from app.api.answers import accepted, answer, point_to, tagged
from app.api.conditions import AGAINST_A_CONDITION, AskedPrecondition
from app.api.dependencies import AskedPage, Connections, Drift, Wait
from app.api.endpoints.plans import AGAINST_A_CONNECTION
from app.api.paging import next_cursor
from app.api.refusals import refusals
from app.api.routing import StrictRoute
from app.api.schemas.connections import (
    Connection,
    ConnectionPage,
    ConnectionSummary,
    ConnectRequest,
    ExtendRequest,
)
from app.api.schemas.operations import Operation
from app.api.schemas.values import OwnId
from app.domain.connections import ConnectionStatus
from app.domain.errors import (
    AssertionBrokenError,
    InvalidCursorError,
    InvalidExpiryError,
    InvalidStateError,
    NotFoundError,
    TargetBusyError,
)

router = APIRouter(prefix="/v1/connections", tags=["connections"], route_class=StrictRoute)

OneConnection = Annotated[
    OwnId, Path(description="Id of the connection.", openapi_examples=examples.CONNECTION_ID)
]


@router.post(
    "",
    status_code=202,
    responses=accepted("The operation has begun; follow `Location`.", examples.OPERATION)
    | refusals(TargetBusyError, InvalidExpiryError, *AGAINST_A_CONNECTION),
)
def create_connection(
    body: Annotated[ConnectRequest, Body(openapi_examples=examples.CONNECT_REQUESTS)],
    connections: Connections,
    response: Response,
    wait: Wait = True,
) -> Operation:
    """Connect instances: plan and apply in one request. What stands in the way is a problem on
    this very answer; otherwise the operation has begun, which backs up, changes, verifies and,
    if anything goes wrong, takes everything back.
    """
    operation = connections.create(body.document(), wait=wait)
    return point_to(response, Operation.of(operation))


@router.get(
    "",
    responses=answer(200, "A page of connections.", examples.CONNECTION_PAGE)
    | refusals(InvalidCursorError),
)
def list_connections(
    connections: Connections,
    asked: AskedPage,
    status: Annotated[
        ConnectionStatus | None, Query(description="Only those in this state.")
    ] = None,
) -> ConnectionPage:
    """List connections, newest first."""
    page = connections.page(asked.limit, asked.position("connections", status), status)
    return ConnectionPage(
        items=[ConnectionSummary.of(each) for each in page.items],
        next_cursor=next_cursor(page.next_position, "connections", status),
    )


@router.get(
    "/{connection_id}",
    responses=tagged(answer(200, "The connection with its ledger.", examples.CONNECTION))
    | refusals(NotFoundError),
)
def get_connection(connection_id: OneConnection, connections: Connections) -> Connection:
    """Return a connection: the request as it was sent, and what in the cloud is there because
    of it.
    """
    return Connection.of_view(connections.get(connection_id))


@router.post(
    "/{connection_id}/extend",
    responses=answer(200, "The connection with its new end.", examples.EXTENDED)
    | refusals(NotFoundError, InvalidStateError, InvalidExpiryError),
)
def extend_connection(
    connection_id: OneConnection,
    body: Annotated[ExtendRequest, Body(openapi_examples=examples.EXTEND)],
    connections: Connections,
) -> Connection:
    """Let a connection end by itself at another time: later, or earlier, or, where it had no
    end, at all. Nothing is changed in the cloud until then.
    """
    return Connection.of_view(connections.extend(connection_id, body.expires_at))


@router.post(
    "/{connection_id}/check",
    responses=answer(200, "The connection as it was found.", examples.CHECKED)
    | refusals(NotFoundError, InvalidStateError, TargetBusyError),
)
def check_connection(connection_id: OneConnection, drift: Drift) -> Connection:
    """Read the cloud anew and say what has become of a connection: intact, widened (something
    passes that did not, between its ends or through what is ours) or broken (something asked
    for does not pass), and because of what. What changes nothing for it is not told. Where it
    cannot be read, the conditions are `unknown`.
    """
    return Connection.of_view(drift.check(connection_id))


@router.delete(
    "/{connection_id}",
    status_code=202,
    responses=accepted("The operation has begun; follow `Location`.", examples.DISCONNECTING)
    | refusals(
        NotFoundError,
        InvalidStateError,
        TargetBusyError,
        AssertionBrokenError,
        *AGAINST_A_CONNECTION[-6:],
        *AGAINST_A_CONDITION,
    ),
)
def disconnect_connection(
    connection_id: OneConnection,
    connections: Connections,
    response: Response,
    precondition: AskedPrecondition,
    wait: Wait = True,
) -> Operation:
    """Take a connection back: remove what is ours and what no other connection needs, nothing
    else. Asked again, the answer is the same operation.
    """
    precondition.look(lambda: Connection.of_view(connections.get(connection_id)))
    operation = connections.disconnect(connection_id, wait=wait)
    return point_to(response, Operation.of(operation))
