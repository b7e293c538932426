"""One contract for the port `Steps`: the journal in memory and the durable one."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Protocol, TypeAlias

import pytest

from app.domain.errors import AppError, CloudThrottledError, PlanStaleError
from app.ports.steps import Json, Steps
from app.workflow.errors import StepFailedError
from tests.support.journal import Crash, Journal, JournalledSteps
from tests.workflow.engines import accept, launched, wait_until

Body: TypeAlias = Callable[[Steps], None]


class Runner(Protocol):
    def __call__(self, body: Body) -> None:
        """Run an operation to its end, through every `Crash` that it raises."""
        ...


def run_in_memory(body: Body) -> None:
    journal = Journal()
    while True:
        try:
            return body(JournalledSteps(journal))
        except Crash:
            continue


class Durable:
    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self, body: Body) -> None:
        self._failures: list[BaseException] = []
        crashed, ended = self._run(body, first=True)
        while crashed and not ended:
            crashed, ended = self._run(body, first=False)
        if self._failures:
            raise self._failures[0]

    def _run(self, body: Body, *, first: bool) -> tuple[bool, bool]:
        crashed, ended = threading.Event(), threading.Event()

        def operation(_: str, steps: Steps) -> None:
            try:
                body(steps)
            except Crash:
                crashed.set()
                raise
            except Exception as error:  # noqa: BLE001 - raised again in the test
                self._failures.append(error)
            ended.set()

        with launched(self._url, operation) as engine:
            if first:
                accept(engine, self._url, "operation-1")
            wait_until(lambda: crashed.is_set() or ended.is_set(), what="an end or a crash")
        return crashed.is_set(), ended.is_set()


@pytest.fixture(params=["in_memory", "sqlite", "postgresql"])
def run(request: pytest.FixtureRequest) -> Iterator[Runner]:
    if request.param == "in_memory":
        yield run_in_memory
    else:
        yield Durable(request.getfixturevalue(f"{request.param}_url"))


class Effects:
    """What happened in the world: it is not undone by a crash."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, name: str) -> Callable[[], str]:
        def step() -> str:
            self.seen.append(name)
            return name.upper()

        return step

    def crash_first_time(self, name: str) -> None:
        crashing = f"crash {name}"
        if crashing not in self.seen:
            self.seen.append(crashing)
            raise Crash


def test_steps_run_in_order_and_give_their_results(run: Runner) -> None:
    effects = Effects()
    results: list[object] = []

    def body(steps: Steps) -> None:
        results.extend(steps.run(name, effects(name)) for name in ("one", "two", "three"))

    run(body)
    assert effects.seen == ["one", "two", "three"]
    assert results == ["ONE", "TWO", "THREE"]


def test_a_result_is_json_the_first_time_and_after_a_crash(run: Runner) -> None:
    given: Json = {"list": [1, 2.5, None, True], "text": "ü", "nested": {"a": {}}}
    effects = Effects()
    results: list[object] = []

    def body(steps: Steps) -> None:
        results.append(steps.run("one", lambda: given))
        results.append(steps.run("nothing", lambda: None))
        effects.crash_first_time("later")

    run(body)
    assert results == [given, None] * 2
    assert results[0] is not given


def test_after_a_crash_between_steps_no_step_runs_again(run: Runner) -> None:
    effects = Effects()
    results: list[object] = []

    def body(steps: Steps) -> None:
        results.append(steps.run("one", effects("one")))
        results.append(steps.run("two", effects("two")))
        effects.crash_first_time("between")
        results.append(steps.run("three", effects("three")))

    run(body)
    assert effects.seen == ["one", "two", "crash between", "three"]
    assert results == ["ONE", "TWO", "ONE", "TWO", "THREE"]


def test_a_step_that_was_cut_short_runs_again_and_those_before_do_not(run: Runner) -> None:
    effects = Effects()

    def cut_short() -> str:
        effects("two")()
        effects.crash_first_time("in two")
        return "done"

    def body(steps: Steps) -> None:
        steps.run("one", effects("one"))
        steps.run("two", cut_short)

    run(body)
    assert effects.seen == ["one", "two", "crash in two", "two"]


def test_an_error_of_ours_keeps_its_class_text_and_facts(run: Runner) -> None:
    effects = Effects()
    caught: list[AppError] = []

    def fail() -> None:
        effects("failing")()
        raise PlanStaleError("the world changed", difference={"added": ["sgr-1"]}, count=2)

    def body(steps: Steps) -> None:
        try:
            steps.run("one", fail)
        except AppError as error:
            caught.append(error)
        effects.crash_first_time("later")
        steps.run("two", effects("two"))

    run(body)
    assert effects.seen == ["failing", "crash later", "two"]
    assert [type(error) for error in caught] == [PlanStaleError] * 2
    assert [str(error) for error in caught] == ["the world changed"] * 2
    assert [error.facts for error in caught] == [
        {"difference": {"added": ["sgr-1"]}, "count": 2}
    ] * 2


def test_an_error_of_another_kind_is_the_same_both_times(run: Runner) -> None:
    effects = Effects()
    caught: list[str] = []

    def fail() -> None:
        raise KeyError("lost")

    def body(steps: Steps) -> None:
        try:
            steps.run("one", fail)
        except StepFailedError as error:
            caught.append(str(error))
        effects.crash_first_time("later")

    run(body)
    assert caught == ["KeyError: 'lost'"] * 2


@pytest.mark.parametrize("result", [float("nan"), {1, 2}, object()])
def test_what_is_not_json_is_an_error_of_the_step(run: Runner, result: object) -> None:
    def body(steps: Steps) -> None:
        with pytest.raises(StepFailedError):
            steps.run("one", lambda: result)  # type: ignore[type-var] # what must not be

    run(body)


def test_a_step_may_follow_one_that_failed(run: Runner) -> None:
    effects = Effects()

    def fail() -> None:
        raise CloudThrottledError("slow down")

    def body(steps: Steps) -> None:
        with pytest.raises(CloudThrottledError):
            steps.run("one", fail)
        steps.run("undo one", effects("undo one"))

    run(body)
    assert effects.seen == ["undo one"]


def test_two_steps_cannot_have_one_name(run: Runner) -> None:
    def body(steps: Steps) -> None:
        steps.run("one", lambda: None)
        with pytest.raises(ValueError, match="one"):
            steps.run("one", lambda: None)

    run(body)


@pytest.mark.parametrize("seconds", [0.01, 1.1])
def test_a_pause_may_stand_between_steps_and_inside_one(run: Runner, seconds: float) -> None:
    effects = Effects()
    length = timedelta(seconds=seconds)

    def body(steps: Steps) -> None:
        steps.run("one", effects("one"))
        steps.pause(length)
        effects.crash_first_time("after the pause")
        steps.pause(timedelta(milliseconds=1))
        steps.run("two", effects("two"))

    run(body)
    assert effects.seen == ["one", "crash after the pause", "two"]
