"""The problems that an endpoint may answer, as the contract describes them."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from app.api.problems import KINDS, MEDIA_TYPE, kinds_of_errors, problem
from app.domain.documents import Document
from app.domain.errors import AppError


def refusals(*kinds: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """Describe the problems that an endpoint may answer, by status, with an example each."""
    found: dict[int | str, dict[str, Any]] = {}
    for code in sorted({kind.code for kind in kinds}):
        status = KINDS[code].status
        described = found.setdefault(status, _refusal(status))
        reference = {"$ref": f"#/components/examples/{code}"}
        described["content"][MEDIA_TYPE]["examples"][code] = reference
    return found


def problem_examples() -> Document:
    """Return an example of every problem, by code."""
    kinds = {kind.code: kind for kind in kinds_of_errors()}
    return {
        code: {"summary": kinds[code].title, "value": example(kinds[code])}
        for code in sorted(KINDS)
    }


def _refusal(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": schema, "examples": {}}},
    }


def example(kind: type[AppError]) -> Document:
    """Return a problem of this kind as it may be answered."""
    members = EXAMPLE_FACTS.get(kind.code, {})
    detail = EXAMPLE_DETAILS.get(kind.code, KINDS[kind.code].advice)
    common = {"instance": "/v1/connections", "request_id": "6f1c2a5e0b7d4c0f9a3e"}
    return problem(kind.code, kind.title, detail, **common, **members)


EXAMPLE_DETAILS: Mapping[str, str] = {
    "validation": "/target: this field is required",
    "guardrail_violation": "the source stands for 4294967296 addresses; at most 65536 may be "
    "opened by one request",
    "method_not_possible": "a group belongs to one account, and only its instances can join it",
    "plan_stale": "the cloud has changed since the plan was made",
    "target_not_found": "i-web99 does not exist in 1000000000000001/cn-hangzhou",
    "too_many_extra_pairs": "group_authorization would open 1 pairs besides those asked for; at "
    "most 0 may",
    "quota_insufficient": "sg-near-quota would use 205 of 200 rules per group",
}

EXAMPLE_FACTS: Mapping[str, Document] = {
    "validation": {
        "errors": [
            {
                "location": "body",
                "pointer": "/target",
                "message": "this field is required",
                "code": "validation",
            }
        ]
    },
    "method_not_possible": {
        "obstacles": [
            {
                "code": "cross_account_not_possible",
                "detail": "a group belongs to one account, and only its instances can join it",
                "account_id": "1000000000000001",
            }
        ],
        "possible_methods": ["address_rules", "group_authorization"],
    },
    "target_busy": {"operation_id": "0b8f6c3e-5d0e-4f5e-8a55-2f6f0c9f7a01"},
    "quota_insufficient": {
        "quotas": [
            {
                "name": "rules_per_group",
                "account_id": "1000000000000002",
                "subject": "sg-near-quota",
                "used": 195,
                "after": 205,
                "limit": 200,
            }
        ]
    },
    "assertion_broken": {
        "assertions": [
            {
                "assertion_id": "f2d96b1a-4c57-4e0b-9f88-0a3c5d7e1b06",
                "kind": "must_never_reach",
                "owner": "the database team",
                "reason": "the web tier goes through the application",
                "against": {"count": 1, "items": []},
            }
        ]
    },
    "too_many_extra_pairs": {
        "extra_pairs": 1,
        "max_extra_pairs": 0,
        "possible_methods": ["address_rules"],
    },
    "not_ready": {"checks": {"database": True, "cloud": False}},
}
