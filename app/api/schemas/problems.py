"""Problems (RFC 9457) as the contract describes them."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from app.api.schemas.base import Out, left_out


class Finding(Out):
    """One value that is not valid."""

    location: Literal["body", "query", "path", "header"]
    pointer: Annotated[
        str, Field(description="JSON pointer (RFC 6901) of the value; empty for the whole.")
    ]
    message: str
    code: Annotated[str, Field(description="Stable name of what is wrong with the value.")]


class Problem(Out):
    """What went wrong. Which further members there are depends on `code`."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[str, Field(description="Address of a page about this kind of problem.")]
    title: Annotated[str, Field(description="The kind of problem, in words.")]
    status: Annotated[int, Field(description="The HTTP status it is answered with.")]
    code: Annotated[str, Field(description="Stable name of the kind of problem; branch on this.")]
    detail: str | SkipJsonSchema[None] = left_out("What went wrong this time.")
    instance: str | SkipJsonSchema[None] = left_out("The path that was asked for.")
    request_id: str | SkipJsonSchema[None] = left_out("Id of the request, as in the log.")
    trace_id: str | SkipJsonSchema[None] = left_out("Trace of the request, from `traceparent`.")
    errors: list[Finding] | SkipJsonSchema[None] = left_out("Each value that is not valid.")
    obstacles: list[dict[str, Any]] | SkipJsonSchema[None] = left_out(
        "Each reason why the method is not possible here, with its own `code`."
    )
    possible_methods: list[str] | SkipJsonSchema[None] = left_out("Methods that would work.")
    quotas: list[dict[str, Any]] | SkipJsonSchema[None] = left_out("Quotas without room.")
    operation_id: str | SkipJsonSchema[None] = left_out("The operation that is in the way.")
    difference: list[dict[str, Any]] | SkipJsonSchema[None] = left_out("What changed.")
