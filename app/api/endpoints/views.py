"""Many ends at once: who reaches whom, and who reaches one."""

from typing import Annotated, ClassVar

from fastapi import APIRouter, Body, Response

from app.api import examples
from app.api.answers import Described, answer
from app.api.dependencies import Views
from app.api.endpoints.inventory import FROM_THE_CLOUD
from app.api.refusals import refusals
from app.api.routing import StrictRoute
from app.api.schemas.views import (
    MatrixRequest,
    ReachabilityMatrix,
    WhoCanReach,
    WhoCanReachRequest,
)
from app.domain.errors import DuplicateItemError, InvalidPortError, TooManyItemsError
from app.domain.groups import Place
from app.services.views import Format, View

MEDIA_TYPES = {
    Format.CSV: "text/csv",
    Format.SVG: "image/svg+xml",
    Format.MERMAID: "text/vnd.mermaid",
}
TRUNCATED, READ_AT, AGE = "X-Truncated", "X-World-Read-At", "X-World-Age-Seconds"
HEADERS = {
    TRUNCATED: "`true` on a table that leaves rows out.",
    READ_AT: "On every format but JSON: when the first of what the answer rests on was read.",
    AGE: "On every format but JSON: how long ago that was, in seconds.",
}


class ViewRoute(StrictRoute):
    """A route whose request says in which format it is answered."""

    other_media_types: ClassVar[tuple[str, ...]] = tuple(MEDIA_TYPES.values())


router = APIRouter(prefix="/v1/reachability", tags=["reachability"], route_class=ViewRoute)


def _shown(description: str, example: examples.Json, texts: dict[str, str]) -> Described:
    """Describe an answer in all formats, each with an example."""
    described = answer(200, description, example)
    for kind, media_type in MEDIA_TYPES.items():
        content = {"schema": {"type": "string"}, "example": texts[kind]}
        described[200]["content"][media_type] = content
    described[200]["headers"] = {
        name: {"description": text, "schema": {"type": "string"}} for name, text in HEADERS.items()
    }
    return described


def _text(view: View, kind: Format) -> Response:
    """Answer a text; a picture may neither run nor load anything."""
    headers = {
        "Content-Security-Policy": "default-src 'none'",
        "X-Content-Type-Options": "nosniff",
        READ_AT: view.world["read_at"].isoformat().replace("+00:00", "Z"),
        AGE: str(view.world["age_seconds"]),
    }
    if view.truncated:
        headers[TRUNCATED] = "true"
    return Response(view.answer, media_type=MEDIA_TYPES[kind], headers=headers)


@router.post(
    "/matrix",
    response_model=ReachabilityMatrix,
    responses=_shown("All pairs, folded.", examples.MATRIX_ANSWER, examples.MATRIX_TEXTS)
    | refusals(TooManyItemsError, DuplicateItemError, *FROM_THE_CLOUD),
)
def show_matrix(
    body: Annotated[MatrixRequest, Body(openapi_examples=examples.MATRIX)], views: Views
) -> ReachabilityMatrix | Response:
    """Say for all pairs of a scope which packets pass: every protocol and port, on one side and
    in one address family. Instances that fare alike are one class. Nothing is changed.

    `format` asks for a table, a picture or a flowchart in place of JSON; a picture folds the
    instances by their groups, and the groups beyond what a person can follow into one node.
    """
    view = views.matrix(
        body.parts(),
        body.target_parts(),
        plane=body.nic_type,
        family=body.address_family,
        format=body.format,
        refresh=body.refresh,
    )
    if body.format is not Format.JSON:
        return _text(view, body.format)
    return ReachabilityMatrix.model_validate(view.answer)


@router.post(
    "/who-can-reach",
    response_model=WhoCanReach,
    responses=_shown("Who is on the other end.", examples.CIRCLE_ANSWER, examples.CIRCLE_TEXTS)
    | refusals(TooManyItemsError, DuplicateItemError, InvalidPortError, *FROM_THE_CLOUD),
)
def show_who_can_reach(
    body: Annotated[WhoCanReachRequest, Body(openapi_examples=examples.WHO_CAN_REACH)],
    views: Views,
) -> WhoCanReach | Response:
    """Say who reaches each address of an instance with some packets, and whom it reaches with
    them from there: instances, address blocks of nobody who was read, and groups that could not be
    read. Nothing is changed.

    Of a block only this instance's own side is judged. `format` asks for a table, a picture or
    a flowchart in place of JSON.
    """
    place = Place(body.instance.account_id, body.instance.region_id)
    view = views.who_can_reach(
        (place, body.instance.instance_id),
        body.traffic(),
        body.parts(),
        plane=body.nic_type,
        family=body.address_family,
        format=body.format,
        refresh=body.refresh,
    )
    if body.format is not Format.JSON:
        return _text(view, body.format)
    return WhoCanReach.model_validate(view.answer)
