"""Errors as problem details (RFC 9457): the only module that knows which status they are.

The registry feeds the answers, the pages at `/problems/{code}` and the contract.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi.responses import JSONResponse
from starlette.types import Scope

from app.api.errors import BodyTooLargeError
from app.domain.documents import Document
from app.domain.errors import AppError

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a problem means in HTTP, and what its reader can do about it.

    `retry_after` is in seconds; None where the same request would fail again.
    """

    status: int
    advice: str
    retry_after: int | None = None


_LOOK = "Correct what `errors` points at, or what `detail` names, and send the request again."

KINDS: Mapping[str, Kind] = {
    "validation": Kind(422, _LOOK),
    "unknown_field": Kind(422, "Remove or rename the field: an unknown one is never ignored."),
    "invalid_identifier": Kind(422, "Send the id as the cloud shows it, for example `i-web01`."),
    "invalid_connection": Kind(422, "Choose sides that fit the method; `detail` says which."),
    "invalid_cidr": Kind(422, "Write `address/length` in canonical form, without host bits."),
    "family_mismatch": Kind(422, "Send addresses and protocols of one `address_family`."),
    "invalid_port": Kind(422, "Write `first/last` within 1 to 65535, or `-1/-1` without ports."),
    "invalid_protocol": Kind(422, "Send one of tcp, udp, icmp, icmpv6, gre, all."),
    "invalid_priority": Kind(422, "Send a whole number from 1 to 100; 1 is judged first."),
    "invalid_description": Kind(422, "Send up to 200 printable characters, without our marker."),
    "invalid_expiry": Kind(
        422, "Send a time to come as `2026-03-01T18:00:00Z`, with its zone, and not too far ahead."
    ),
    "too_many_items": Kind(422, "Split the list over several requests."),
    "duplicate_item": Kind(422, "Name each thing once."),
    "empty_change": Kind(422, "Name at least one thing."),
    "invalid_cursor": Kind(422, "Take `next_cursor` as it was answered, or begin anew without."),
    "account_mismatch": Kind(422, "Send the ARN of a role of this very account."),
    "secret_not_accepted": Kind(422, "Take the secret out of the request, and consider it known."),
    "idempotency_key_reused": Kind(422, "Send a key of its own with every new request."),
    "idempotency_key_invalid": Kind(400, "Send one key of 1 to 255 printable ASCII characters."),
    "idempotency_key_required": Kind(400, "Send an `Idempotency-Key` with every change."),
    "malformed_body": Kind(400, "Send one JSON object in UTF-8."),
    "duplicate_key": Kind(400, "Name each key of an object once."),
    "malformed_request": Kind(400, "Send the request to the host name of this service."),
    "ambiguous_credentials": Kind(400, "Send one `Authorization` header."),
    "unauthenticated": Kind(401, "Send `Authorization: Bearer` and an API key."),
    "forbidden": Kind(403, "Use a key with the `role` in every account that this concerns."),
    "access_revoked": Kind(403, "Ask for it with a key that is valid, if it is still wanted."),
    "guardrail_violation": Kind(403, "Ask for less: no request may open this."),
    "not_found": Kind(404, "Look up the id in the listing."),
    "target_not_found": Kind(404, "Look up the id with the account and region it belongs to."),
    "method_not_allowed": Kind(405, "Use a method that the `Allow` header names."),
    "not_acceptable": Kind(406, "Accept `application/json`."),
    "target_managed": Kind(409, "Change the group with the cloud product that manages it."),
    "plan_stale": Kind(409, "Make the plan anew; `difference` says what changed."),
    "target_busy": Kind(409, "Wait for the operation that `operation_id` names, or let this wait."),
    "account_frozen": Kind(409, "Wait until the freeze is lifted, or ask whoever declared it."),
    "request_in_progress": Kind(409, "Repeat the request later, with the same key."),
    "not_owned": Kind(409, "Change it where it was made."),
    "invalid_state": Kind(409, "Read the resource again; where there is one, send the `remedy`."),
    "already_exists": Kind(409, "Read or change the one that exists."),
    "in_use": Kind(409, "End what still needs it first."),
    "assertion_broken": Kind(409, "Plan otherwise, or end what `assertions` names first."),
    "account_unreachable": Kind(409, "Let the role trust the service with the `external_id`."),
    "quota_exceeded": Kind(409, "Make room, or ask the cloud for a higher quota."),
    "precondition_failed": Kind(412, "Read the resource again, and decide anew."),
    "precondition_required": Kind(428, "Send `If-Match` with the `ETag` of what you have read."),
    "rate_limited": Kind(429, "Send fewer requests; repeat this one later.", retry_after=1),
    "body_too_large": Kind(413, "Split the request."),
    "unsupported_media_type": Kind(415, "Send `application/json`, not compressed."),
    "method_not_possible": Kind(422, "Use one of `possible_methods`, or remove the `obstacles`."),
    "too_many_extra_pairs": Kind(
        422, "Use one of `possible_methods`, choose other groups, or allow more `max_extra_pairs`."
    ),
    "no_safe_order": Kind(422, "Make it in two parts: `partial` first, or one group at a time."),
    "quota_insufficient": Kind(422, "Make room in what `quotas` names, or use another method."),
    "not_reachable_after_change": Kind(422, "Read `detail`: something else blocks the flow."),
    "not_a_tightening": Kind(422, "Ask only for what is open today, and name rules that let in."),
    "confirmation_required": Kind(422, "Read `lost`, and send it as `confirm_lost` if it may go."),
    "needs_attention": Kind(500, "Send what `resume` says: it looks again, and ends what can be."),
    "cancelled": Kind(409, "Nothing was touched; ask anew if it is wanted after all."),
    "rollback_asked": Kind(409, "What was done is taken back; ask anew if it is wanted after all."),
    "engine_gave_up": Kind(500, "Ask anew; if it needs attention, send what `resume` says."),
    "drift_during_run": Kind(409, "Read `difference`; then plan anew from the cloud as it is."),
    "backup_corrupt": Kind(422, "Do not use the backup; find out who changed the database."),
    "backup_mismatch": Kind(422, "Choose backups of one and the same group."),
    "internal_error": Kind(500, "Report the `request_id`; the log of the service has the rest."),
    "cloud_refused": Kind(502, "Read `cloud_code`: the role may lack a permission."),
    "cloud_busy": Kind(503, "Repeat the request later.", retry_after=10),
    "outcome_unknown": Kind(502, "Read the group before anything else is changed."),
    "change_not_observed": Kind(504, "Read the group; the cloud took longer than the settle time."),
    "cloud_throttled": Kind(503, "Repeat the request later.", retry_after=60),
    "cloud_unavailable": Kind(503, "Repeat the request later.", retry_after=10),
    "storage_unavailable": Kind(503, "Repeat the request later.", retry_after=5),
    "audit_unavailable": Kind(503, "Repeat the request later.", retry_after=5),
    "not_ready": Kind(503, "Wait, or mend what `checks` names.", retry_after=5),
}


def kinds_of_errors() -> Iterator[type[AppError]]:
    """Every class of error there is."""
    waiting: list[type[AppError]] = [AppError]
    while waiting:
        kind = waiting.pop()
        yield kind
        waiting += kind.__subclasses__()


def titles() -> dict[str, str]:
    """The title of every problem, by code."""
    return {kind.code: kind.title for kind in kinds_of_errors()}


def type_of(code: str) -> str:
    return f"/problems/{code.replace('_', '-')}"


def request_id_of(scope: Scope) -> str:
    request_id: str = scope.get("state", {}).get("request_id", "")
    return request_id


def trace_of(scope: Scope) -> dict[str, str]:
    """Return the trace that the caller's request is part of, where it is part of one."""
    trace_id = scope.get("state", {}).get("trace_id")
    return {} if trace_id is None else {"trace_id": trace_id}


def problem(code: str, title: str, detail: str = "", **members: object) -> Document:
    """Spell a problem: the standard members first, never overwritten by its own."""
    standard: Document = {
        "type": type_of(code),
        "title": title,
        "status": KINDS[code].status,
        "code": code,
    }
    if detail:
        standard["detail"] = detail
    return standard | {name: each for name, each in members.items() if name not in standard}


def kept_problem(document: Mapping[str, Any]) -> Document:
    """Complete the error that an operation keeps, so that it reads like an answered one."""
    code = document["code"] if document["code"] in KINDS else AppError.code
    rest = {key: value for key, value in document.items() if key not in {"code", "title", "detail"}}
    return problem(code, document["title"], document.get("detail", ""), **rest)


def render(error: AppError, scope: Scope) -> JSONResponse:
    """Answer a request with an error."""
    kind = KINDS[error.code]
    members = {
        **_placed(error),
        "instance": scope.get("path", "/"),
        "request_id": request_id_of(scope),
        **trace_of(scope),
    }
    body = problem(error.code, error.title, str(error), **members)
    headers = {} if kind.retry_after is None else {"Retry-After": str(kind.retry_after)}
    if isinstance(error, BodyTooLargeError):
        headers["Connection"] = "close"  # the rest of the body is not waited for
    return JSONResponse(body, kind.status, headers, media_type=MEDIA_TYPE)


def _placed(error: AppError) -> Mapping[str, object]:
    """The facts of an error; where it names the place of a value, told as a shape tells it."""
    if "pointer" not in error.facts:
        return error.facts
    pointer, rest = error.facts["pointer"], {**error.facts}
    del rest["pointer"]
    place = {"location": "body", "pointer": pointer, "message": str(error), "code": error.code}
    return {**rest, "errors": [place]}


def render_unexpected(scope: Scope) -> JSONResponse:
    """Answer what nobody foresaw, without a word about it."""
    return render(AppError(""), scope)
