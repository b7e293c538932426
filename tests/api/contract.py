"""The contract, as somebody reads it who holds answers against it."""

import re
from functools import cache
from typing import Any

from app.api.openapi import METHODS, openapi_document
from app.main import bare_app

PROBLEM = "application/problem+json"
NO_ROUTE = {"not_found", "method_not_allowed", "malformed_request", "unauthenticated"}
"""What is answered where the contract describes nothing."""


@cache
def operations() -> tuple[tuple[str, re.Pattern[str], dict[str, Any]], ...]:
    """Every operation, with its method and the paths that it answers."""
    document = openapi_document(bare_app("0.1.0"))
    return tuple(
        (method, re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    )


def complaint(method: str, path: str, status: int, code: str | None) -> str | None:
    """Say what an answer has that the contract does not; None where it has it all."""
    asked = [
        each
        for verb, pattern, each in operations()
        if verb == method.lower() and pattern.fullmatch(path)
    ]
    if not asked:
        is_foreign = not path.startswith("/v1/") or code in NO_ROUTE
        return None if is_foreign else f"{method} {path} is not described, and answers {status}"
    operation = asked[0]
    name = operation["operationId"]
    described = operation["responses"].get(str(status))
    if described is None:
        return f"{name} may not answer {status} ({code})"
    if code is not None and code not in described["content"][PROBLEM]["examples"]:
        return f"{name} may not answer {status} with {code}"
    return None
