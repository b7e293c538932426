"""What a step gave, as a JSON object that outlives the process."""

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, TypeVar, cast

from app.domain.errors import AppError, StorageUnavailableError
from app.ports.steps import Json
from app.workflow.errors import Interrupted, StepFailedError

J = TypeVar("J", bound=Json)

Outcome: TypeAlias = dict[str, Any]
"""`{"result": …}` or `{"error": {"kind", "detail", "facts"}}`."""


def outcome_of(step: Callable[[], J]) -> Outcome:
    """Run `step` and return its result or its error.

    What is no Exception passes through: the step was cut short and has no outcome.

    Raises:
        Interrupted: the database could not be used. It keeps the outcomes too: the step is
            to be run again when it can.
    """
    try:
        return {"result": json.loads(json.dumps(step(), allow_nan=False))}
    except StorageUnavailableError as error:
        raise Interrupted from error
    except Exception as error:  # noqa: BLE001 - every error is an outcome
        return {"error": _document(error)}


def result_of(outcome: Outcome) -> Json:
    """Return the result of an outcome, or raise its error.

    Raises:
        AppError: of the same class, with the same text and facts.
        StepFailedError: the error was of a kind that is none of ours.
    """
    if "error" in outcome:
        raise _error(outcome["error"])
    return cast("Json", outcome["result"])


def _document(error: Exception) -> dict[str, Any]:
    if isinstance(error, AppError):
        facts = json.loads(json.dumps(error.facts, default=str))
        return {"kind": type(error).__name__, "detail": str(error), "facts": facts}
    return {"kind": None, "detail": f"{type(error).__name__}: {error}", "facts": {}}


def _error(document: dict[str, Any]) -> Exception:
    kind = {known.__name__: known for known in _family(AppError)}.get(document["kind"])
    if kind is None:
        return StepFailedError(document["detail"])
    error = kind.__new__(kind)
    AppError.__init__(error, document["detail"], **document["facts"])
    return cast("Exception", error)


def _family(kind: type[AppError]) -> Iterator[type[AppError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _family(child)
