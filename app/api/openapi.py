"""The contract: what FastAPI derives from the code, made fit for readers and generators."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.api.answers import unveiled
from app.api.authentication import is_open
from app.api.authorization import NEEDS
from app.api.errors import (
    BodyTooLargeError,
    MalformedRequestError,
    NotAcceptableError,
    RateLimitedError,
    UnsupportedMediaTypeError,
)
from app.api.idempotency import HEADER
from app.api.problems import MEDIA_TYPE, kinds_of_errors
from app.api.refusals import problem_examples, refusals
from app.api.schemas.base import COMPONENT
from app.api.schemas.values import REFUSED_AS
from app.domain.documents import Document
from app.domain.errors import (
    AccountFrozenError,
    AmbiguousCredentialsError,
    AppError,
    AuditUnavailableError,
    DuplicateItemError,
    DuplicateKeyError,
    EmptyChangeError,
    ForbiddenError,
    IdempotencyKeyInvalidError,
    IdempotencyKeyRequiredError,
    IdempotencyKeyReusedError,
    InvalidInputError,
    MalformedBodyError,
    RequestInProgressError,
    StorageUnavailableError,
    TooManyItemsError,
    UnauthenticatedError,
    UnknownFieldError,
)
from app.domain.principals import Role

TITLE = "ECS Intercommunication API"
SUMMARY = "Instance A may reach instance B on port p: planned, proven, applied, taken back."
DESCRIPTION = """\
Connects Alibaba Cloud ECS instances by changing security groups in one of four ways, within one
account or across two. Before anything changes, a plan says exactly what would open and close and
which rules decide. What changes is backed up first, verified afterwards, and taken back where it
went wrong.

### A tour in three steps

1. [Find the ids](#/inventory/list_instances) of the instances, and
   [ask why](#/reachability/explain_reachability) one does not reach the other today.
2. [Plan the connection](#/plans/create_plan) and read what it would open; then
   [apply the plan](#/plans/apply_plan), or [connect at once](#/connections/create_connection).
3. [Follow the operation](#/operations/get_operation) to its end, and one day
   [take the connection back](#/connections/disconnect_connection).

### Conventions

- Every change of the cloud answers `202` with an operation and its address in `Location`.
- Errors are problem details (RFC 9457). Branch on `code`; `type` is the address of a page about it.
- Listings answer `{"items": […], "next_cursor": …}`; hand `next_cursor` back as `cursor`.
- Unknown fields and parameters are refused, so that a typing error is never ignored.
- A change that is sent with an `Idempotency-Key` is carried out once, however often it is sent.
- Single resources carry a strong `ETag`: `If-None-Match` saves the body (`304`), `If-Match` changes
  only what you have seen (`412`).
- Each answer carries `X-Request-ID`, yours if you sent one; `traceparent` is taken over into
  problems and the log. Too many requests are answered with `429` and `Retry-After`.
- What goes away says so months before, by `Deprecation`, `Sunset` and `Link`. Times are UTC.
"""
TAGS = [
    {"name": "accounts", "description": "Accounts that the service may speak for."},
    {"name": "inventory", "description": "Instances and security groups, read from the cloud."},
    {"name": "reachability", "description": "What is reachable, and because of which rules."},
    {"name": "plans", "description": "What would be changed, and what that means."},
    {"name": "connections", "description": "The main job: who may reach whom."},
    {"name": "operations", "description": "Plans being carried out."},
    {
        "name": "assertions",
        "description": "What must, or must never, be reachable, whatever is planned.",
    },
    {"name": "backups", "description": "What groups held before they were changed."},
    {"name": "guardrails", "description": "What may never be opened, whoever asks."},
    {"name": "access", "description": "Keys to this service, and what each of them opens."},
    {"name": "audit", "description": "Who did what, and whether anybody touched the records."},
    {"name": "service", "description": "Whether and which version of the service answers."},
]
SECURITY_SCHEME = "api_key"
BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key: `Authorization: Bearer …`. With the simulated cloud this page "
    "fills in its key by itself.",
}
UNUSED = {"HTTPValidationError", "ValidationError"}
"""What FastAPI would answer to an invalid request; we answer problems."""

SCHEMAS = "#/components/schemas/"
NOT_SCHEMAS = frozenset({"example", "examples", "default"})
"""Members that hold values as they are sent, not what describes them."""

IF_NONE_MATCH: Document = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of what you have: if it is so still, the answer is `304`, empty.",
    "schema": {"type": "string"},
}

METHODS = ("get", "post", "patch", "put", "delete")


def openapi_document(app: FastAPI) -> Document:
    """Return the contract of an app as OpenAPI 3.1.0."""
    document = get_openapi(
        title=TITLE,
        summary=SUMMARY,
        description=DESCRIPTION,
        version=app.version,
        openapi_version="3.1.0",
        routes=app.routes,
        tags=TAGS,
        servers=[{"url": "/", "description": "where this document came from"}],
        contact={"name": "ECS Intercommunication API"},
        license_info={"name": "Apache 2.0", "identifier": "Apache-2.0"},
    )
    components = document["components"]
    components["securitySchemes"] = {SECURITY_SCHEME: BEARER}
    for path, method, operation in _operations(document):
        _complete(path, method, operation, _refused_values(document, operation))
        for parameter in operation.get("parameters", []):
            parameter["schema"] = _not_null(parameter["schema"])
    _simplify(document)
    answered = _answered_codes(document)
    components["examples"] = {
        code: each for code, each in problem_examples().items() if code in answered
    }
    schemas = components["schemas"]
    components["schemas"] = {name: schemas[name] for name in sorted(schemas.keys() - UNUSED)}
    return document


def openapi_text(app: FastAPI) -> str:
    """Return the contract as the text that is committed: the same for the same code."""
    return json.dumps(openapi_document(app), indent=2, ensure_ascii=False) + "\n"


def _operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


IDEMPOTENCY: tuple[type[AppError], ...] = (
    IdempotencyKeyInvalidError,
    IdempotencyKeyRequiredError,
    IdempotencyKeyReusedError,
    RequestInProgressError,
)
IDEMPOTENCY_KEY: Document = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "A text of your own, for this one request. Sent again within 7 days, with the "
    "same body, it is answered as it was at first, with `Idempotent-Replayed: true`, and done "
    "once. Left out, every request is a new one.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}

OF_LISTS: Mapping[str, type[AppError]] = {
    "minItems": EmptyChangeError,
    "maxItems": TooManyItemsError,
    "uniqueItems": DuplicateItemError,
}
"""Which error a list is that does not keep to a keyword of its schema."""


def _refused_values(document: Document, operation: Document) -> list[type[AppError]]:
    """Return the errors that single values of a request may be, wherever they stand in it."""
    by_code = {kind.code: kind for kind in kinds_of_errors()}
    found: set[str] = set()
    seen: set[str] = set()
    waiting: list[Any] = [operation.get("parameters", []), operation.get("requestBody", {})]
    while waiting:
        match waiting.pop():
            case dict() as node:
                if isinstance(code := node.get(REFUSED_AS), str):
                    found.add(code)
                found |= {kind.code for key, kind in OF_LISTS.items() if key in node}
                reference = node.get("$ref") or f"{SCHEMAS}{node.get(COMPONENT, '')}"
                name = reference.removeprefix(SCHEMAS)
                if name in document["components"]["schemas"] and name not in seen:
                    seen.add(name)
                    waiting.append(document["components"]["schemas"][name])
                waiting += [each for key, each in node.items() if key not in NOT_SCHEMAS]
            case list() as items:
                waiting += items
            case _:
                pass
    return [by_code[code] for code in found]


def _complete(
    path: str, method: str, operation: Document, refused_as: list[type[AppError]]
) -> None:
    """Describe what every operation has in common, who may ask and what is refused, and which
    problems values are that it does not take.
    """
    common: list[type[AppError]] = [NotAcceptableError, InvalidInputError, AppError]
    if is_open(path):
        operation["security"] = []
    else:
        operation["security"] = [{SECURITY_SCHEME: []}]
        common += [
            UnauthenticatedError,
            AmbiguousCredentialsError,
            ForbiddenError,
            StorageUnavailableError,
            RateLimitedError,
        ]
    if path not in {"/livez", "/readyz"}:
        common.append(MalformedRequestError)
    if method != "get":  # where no body is taken, one that is sent is not ignored
        common += [
            MalformedBodyError,
            DuplicateKeyError,
            UnknownFieldError,
            BodyTooLargeError,
            UnsupportedMediaTypeError,
        ]
    need = NEEDS.get(operation["operationId"])
    if need is not None and need.changes:
        common.append(AuditUnavailableError)
        if need.role is Role.OPERATOR:
            common.append(AccountFrozenError)
        if method == "post":
            common += IDEMPOTENCY
            operation["parameters"] = [*operation.get("parameters", []), IDEMPOTENCY_KEY]
    if "304" in operation["responses"]:
        operation.setdefault("parameters", []).append(IF_NONE_MATCH)
    _add_refusals(operation["responses"], common + refused_as)


def _answered_codes(document: Document) -> set[str]:
    """Codes of the problems that some operation answers; others end operations."""
    return {
        code
        for _, _, operation in _operations(document)
        for described in operation["responses"].values()
        if MEDIA_TYPE in described.get("content", {})
        for code in described["content"][MEDIA_TYPE]["examples"]
    }


def _not_null(schema: Document) -> Document:
    """A parameter is left out or has a value: in a URL there is no null."""
    some: list[Document] = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
    if len(some) == 1:
        return some[0]
    return {key: value for key, value in schema.items() if key != "description"}


def _add_refusals(responses: Document, kinds: list[type[AppError]]) -> None:
    for status, described in refusals(*kinds).items():
        present = responses.get(str(status), described)
        if MEDIA_TYPE in present["content"]:
            ours, theirs = (each["content"][MEDIA_TYPE] for each in (present, described))
            ours["examples"] = dict(sorted((theirs["examples"] | ours["examples"]).items()))
        else:  # what FastAPI says of 422 by itself
            present = described
        responses[str(status)] = present
    _with_headers(responses)
    ordered = sorted(responses.items())
    responses.clear()
    responses.update(ordered)


def _with_headers(responses: Document) -> None:
    for status, name, description in (
        ("401", "WWW-Authenticate", "The scheme to be used."),
        ("429", "Retry-After", "Seconds after which to repeat the request."),
        ("503", "Retry-After", "Seconds after which to repeat the request."),
    ):
        if status in responses:
            responses[status]["headers"] = {
                name: {"description": description, "schema": {"type": "string"}}
            }


def _simplify(node: Any) -> None:  # noqa: ANN401 - any JSON value
    """Take out what only adds noise: titles that repeat names, whole numbers as fractions."""
    match node:
        case dict():
            if COMPONENT in node:
                node["$ref"] = f"{SCHEMAS}{node.pop(COMPONENT)}"
            node.pop(REFUSED_AS, None)
            if isinstance(node.get("title"), str) and _is_schema(node):
                del node["title"]
            for key, value in node.items():
                if isinstance(value, float) and value.is_integer():
                    node[key] = int(value)
                elif key == "example":
                    node[key] = unveiled(value)
                elif key not in NOT_SCHEMAS:
                    _simplify(value)
        case list():
            for item in node:
                _simplify(item)
        case _:
            pass


def _is_schema(node: Document) -> bool:
    return any(key in node for key in ("type", "anyOf", "oneOf", "allOf", "$ref", "enum", "const"))
