"""Looking at the cloud again and again, as long as it may be behind."""

from collections.abc import Callable
from functools import partial

import structlog

from app.domain.documents import Document
from app.domain.errors import AppError, StorageUnavailableError
from app.ports.steps import Steps
from app.services.changes import Patience
from app.services.problems import problem_document

log = structlog.get_logger()


def look(name: str, patience: Patience, steps: Steps, once: Callable[[int], Document]) -> Document:
    """Look until what was found has no `problem`, is `final`, or the settle window has passed.

    `once` is given the number of the look, from 1. A cloud that cannot be read just now is
    such a problem. Each look is a recorded step; returns what the last one found.
    """
    found: Document = {}
    for number in range(1, patience.looks + 1):
        if number > 1:
            steps.pause(patience.look_every)
        answer = steps.run(f"{name}, look {number}", partial(_look, name, once, number))
        assert isinstance(answer, dict)
        found = answer
        if found.get("problem") is None or found.get("final"):
            break
    return found


def _look(name: str, once: Callable[[int], Document], number: int) -> Document:
    try:
        return once(number)
    except StorageUnavailableError:
        raise
    except AppError as error:
        log.warning("not_yet", step=name, code=error.code)
        return {"problem": problem_document(error)}
