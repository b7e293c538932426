"""The journal in memory crashes where it is told, and finds runs that diverge."""

from datetime import timedelta

import pytest

from tests.support.journal import Crash, Diverged, Journal, JournalledSteps, Moment


@pytest.mark.parametrize(
    ("moment", "effects"), [(Moment.BEFORE, 1), (Moment.CUT_SHORT, 2), (Moment.AFTER, 1)]
)
def test_a_crash_comes_before_in_or_after_a_step(moment: Moment, effects: int) -> None:
    journal = Journal()
    seen: list[str] = []
    told = JournalledSteps(journal, crashes=lambda at, name: (at, name) == (moment, "one"))
    with pytest.raises(Crash):
        told.run("one", lambda: seen.append("one"))
    JournalledSteps(journal).run("one", lambda: seen.append("one"))
    assert len(seen) == effects


def test_a_run_that_goes_through_other_steps_is_found() -> None:
    journal = Journal()
    JournalledSteps(journal).run("one", lambda: 1)
    with pytest.raises(Diverged):
        JournalledSteps(journal).run("another", lambda: 1)


def test_a_pause_lets_the_fake_time_pass_once() -> None:
    journal = Journal()
    waited: list[timedelta] = []
    for _ in range(2):
        JournalledSteps(journal, wait=waited.append).pause(timedelta(hours=1))
    assert waited == [timedelta(hours=1)]
