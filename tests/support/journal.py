"""A journal in memory: the port `Steps` for seeded simulation, thousands of runs a second."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TypeAlias, TypeVar, cast

from app.ports.steps import Json
from app.workflow.outcomes import Outcome, outcome_of, result_of

J = TypeVar("J", bound=Json)

SHORT = timedelta(seconds=1)
"""Pauses below this are not journalled: how many there were may differ from run to run."""


class Crash(BaseException):
    """The process died here. Not an Exception: nobody can catch that in a real one."""


class Diverged(BaseException):
    """A run went through other steps than the one before: its journal is of no use."""


class Moment(StrEnum):
    """When a process can die: nothing of the step happened; its effect happened and nobody
    knows; its outcome is kept."""

    BEFORE = "before"
    CUT_SHORT = "cut_short"
    AFTER = "after"


Crashes: TypeAlias = Callable[[Moment, str], bool]
"""Say whether the process dies at this moment of the step of this name."""


def never(_moment: Moment, _name: str) -> bool:
    return False


@dataclass(slots=True)
class Journal:
    """What outlives a crash: names and outcomes of steps that ended, in order."""

    entries: list[tuple[str, Outcome]] = field(default_factory=list)


class JournalledSteps:
    """One run of an operation. After a `Crash` the next run gets the same journal.

    `wait` lets the fake time pass. A pause that a crash cut short counts as over.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        crashes: Crashes = never,
        wait: Callable[[timedelta], None] = lambda _: None,
    ) -> None:
        self._journal = journal
        self._crashes = crashes
        self._wait = wait
        self._place = 0
        self._names: set[str] = set()

    def run(self, name: str, step: Callable[[], J]) -> J:
        if name in self._names:
            msg = f"there are two steps called {name!r}"
            raise ValueError(msg)
        self._names.add(name)
        if self._place == len(self._journal.entries):
            self._crash(Moment.BEFORE, name)
            outcome = outcome_of(step)
            self._crash(Moment.CUT_SHORT, name)
            self._journal.entries.append((name, outcome))
            self._crash(Moment.AFTER, name)
        return cast("J", result_of(self._kept(name)))

    def pause(self, length: timedelta) -> None:
        if length < SHORT:
            self._crash(Moment.BEFORE, "pause")
            self._wait(length)
            return
        if self._place == len(self._journal.entries):
            self._journal.entries.append(("pause", {"result": None}))
            self._crash(Moment.BEFORE, "pause")
            self._wait(length)
            self._crash(Moment.AFTER, "pause")
        self._kept("pause")

    def _kept(self, name: str) -> Outcome:
        kept, outcome = self._journal.entries[self._place]
        if kept != name:
            msg = f"step {self._place + 1} was {kept!r} and is {name!r} now"
            raise Diverged(msg)
        self._place += 1
        return outcome

    def _crash(self, moment: Moment, name: str) -> None:
        if self._crashes(moment, name):
            msg = f"{moment} {name}"
            raise Crash(msg)
