"""The port `Steps` on DBOS."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar, cast

from dbos import DBOS

from app.ports.steps import Json
from app.workflow.errors import Interrupted, NotRunningError
from app.workflow.outcomes import Outcome, outcome_of, result_of

J = TypeVar("J", bound=Json)

SHORT = timedelta(seconds=1)
"""Pauses below this are not worth a place in the journal: a crash costs as much."""


class DurableSteps:
    """The journal of one operation, for the thread that runs it.

    Once `closing` is set no further step begins: `Interrupted` is raised instead. A step
    holds one of the `permits`, which it shares with the steps of other operations.
    """

    def __init__(self, *, closing: threading.Event, permits: threading.Semaphore) -> None:
        self._closing = closing
        self._permits = permits
        self._names: set[str] = set()

    def run(self, name: str, step: Callable[[], J]) -> J:
        if name in self._names:
            msg = f"there are two steps called {name!r}"
            raise ValueError(msg)
        self._names.add(name)
        return cast("J", result_of(self._recorded(name, lambda: outcome_of(step))))

    def pause(self, length: timedelta) -> None:
        # Not the engine's own sleep: that cannot be woken when the service stops, and on
        # SQLite with Python 3.11 its clock counts whole seconds.
        seconds = length.total_seconds()
        if length >= SHORT:
            end = self._recorded("pause", lambda: {"until": time.time() + seconds})["until"]
            seconds = end - time.time()
        if self._closing.wait(max(0.0, seconds)):
            raise Interrupted

    def _recorded(self, name: str, step: Callable[[], Outcome]) -> Outcome:
        with self._permits:
            return self._run(name, step)

    def _run(self, name: str, step: Callable[[], Outcome]) -> Outcome:
        if self._closing.is_set():
            raise Interrupted
        if DBOS.workflow_id is None:
            msg = "a step runs in the thread of its operation: elsewhere nothing is recorded"
            raise NotRunningError(msg)
        try:
            return DBOS.run_step({"name": name}, step)
        except Exception as error:
            # Steps do not raise here, so this is the engine's own: it lost the database, or
            # the operation belongs to another process by now. Nothing has failed in the cloud.
            raise Interrupted from error
