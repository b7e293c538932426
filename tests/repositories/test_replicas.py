"""Who is there, who is no more, and whose work may be taken over: by the database's clock."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from app.domain.errors import SupersededError
from app.ports.store import Store, Work
from app.repositories.store import SqlStore

NOTHING, AGES = timedelta(0), timedelta(days=1)


def in_a_transaction(store: Store, act: Callable[[Work], object]) -> object:
    with store.write() as work:
        answer = act(work)
        work.commit()
    return answer


def test_each_start_is_a_tenure_of_its_own(store: Store) -> None:
    first = in_a_transaction(store, lambda work: work.replicas.enlist("one", "2"))
    second = in_a_transaction(store, lambda work: work.replicas.enlist("two", "1"))
    again = in_a_transaction(store, lambda work: work.replicas.enlist("one", "2"))
    assert (first, second, again) == ("one@1", "two@1", "one@2")
    with store.read() as work:
        assert work.replicas.living() == {"two@1": "1", "one@2": "2"}
        assert next(iter(work.replicas.living())) == "two@1"  # eldest first
    assert not in_a_transaction(store, lambda work: work.replicas.beat("one@1"))
    assert in_a_transaction(store, lambda work: work.replicas.beat("one@2"))


def test_processes_that_start_within_one_tick_of_the_clock_are_told_apart(store: Store) -> None:
    names = [f"replica-{number}" for number in range(20, 0, -1)]
    with store.write() as work:
        started = [work.replicas.enlist(name, "2") for name in names]
        assert list(work.replicas.living()) == started
        gone = work.replicas.lapse(started[0], NOTHING)
        assert sorted(gone) == sorted(started[1:])
        assert sorted(work.replicas.due(NOTHING)) == sorted(gone)
        work.commit()


def test_only_the_silent_lapse_and_never_oneself(store: Store) -> None:
    for name in ("one", "two", "three"):
        in_a_transaction(store, lambda work, name=name: work.replicas.enlist(name, "2"))  # type: ignore[misc]  # bound early
    assert in_a_transaction(store, lambda work: work.replicas.lapse("one@1", AGES)) == ()
    gone = in_a_transaction(store, lambda work: work.replicas.lapse("one@1", NOTHING))
    assert gone == ("three@1", "two@1")
    with store.read() as work:
        assert list(work.replicas.living()) == ["one@1"]


def test_work_is_taken_over_after_the_grace_and_once(store: Store) -> None:
    for name in ("one", "two"):
        in_a_transaction(store, lambda work, name=name: work.replicas.enlist(name, "2"))  # type: ignore[misc]  # bound early
    in_a_transaction(store, lambda work: work.replicas.lapse("one@1", NOTHING))
    with store.read() as work:
        assert work.replicas.due(AGES) == ()
        assert work.replicas.due(NOTHING) == ("two@1",)
    in_a_transaction(store, lambda work: work.replicas.settle("two@1"))
    with store.read() as work:
        assert work.replicas.due(NOTHING) == ()


def test_whoever_left_in_good_order_is_not_waited_for(store: Store) -> None:
    in_a_transaction(store, lambda work: work.replicas.enlist("one", "2"))
    in_a_transaction(store, lambda work: work.replicas.leave("one@1"))
    with store.read() as work:
        assert work.replicas.due(AGES) == ("one@1",)


def test_nothing_is_written_for_a_tenure_that_is_over(database_url: str) -> None:
    on_behalf_of: list[str | None] = [None]
    store = SqlStore(url=database_url, tenure=lambda: on_behalf_of[0])
    in_a_transaction(store, lambda work: work.replicas.enlist("one", "2"))
    on_behalf_of[0] = "one@1"
    in_a_transaction(store, lambda work: work.turns.take("operation-1", ["sg-a"]))
    on_behalf_of[0] = None
    in_a_transaction(store, lambda work: work.replicas.lapse("two@1", NOTHING))
    on_behalf_of[0] = "one@1"
    with pytest.raises(SupersededError):
        in_a_transaction(store, lambda work: work.turns.take("operation-2", ["sg-b"]))
    with store.read() as work:
        assert work.turns.holders(["sg-a", "sg-b"]) == ("operation-1",)
    store.close()
