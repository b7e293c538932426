"""What the engine promises beside its journal."""

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import text

from app.domain.errors import AppError, StorageUnavailableError
from app.ports.steps import Steps
from app.repositories import schema
from app.repositories.store import SqlStore
from app.workflow import guards
from app.workflow.engine import DurableEngine
from app.workflow.errors import (
    EngineError,
    Interrupted,
    NoOperationError,
    SecondEngineError,
    UnsupportedSqliteError,
)
from app.workflow.membership import Terms
from app.workflow.outcomes import outcome_of, result_of
from tests.repositories.values import operation as pending
from tests.support.databases import TEMPLATE, PostgreSql
from tests.workflow.engines import accept, launched, wait_until, writer


def nothing(_operation_id: str, _steps: Steps) -> None:
    pass


# --- accepting an operation ----------------------------------------------------


def test_a_transaction_that_is_undone_leaves_neither_row_nor_operation(database_url: str) -> None:
    ran: list[str] = []
    with launched(database_url, lambda operation_id, _: ran.append(operation_id)) as engine:
        store = SqlStore(url=database_url, enqueue=engine.enqueue)
        for operation_id, commits in (("undone", False), ("committed", True)):
            with store.write() as work:
                work.operations.add(pending(operation_id=operation_id))
                work.enqueue(operation_id)
                if commits:
                    work.commit()
        wait_until(lambda: ran, what="the committed operation")
        with store.read() as work:
            kept = work.operations.page(limit=5, position=None).items
        store.close()
    assert ran == [item.operation_id for item in kept] == ["committed"]


@pytest.mark.fault("F5", "F48")
def test_an_operation_that_is_enqueued_twice_runs_once(empty_url: str) -> None:
    ran: list[str] = []
    with launched(empty_url, lambda operation_id, _: ran.append(operation_id)) as engine:
        for operation_id in ("operation-1", "operation-1", "operation-2"):
            accept(engine, empty_url, operation_id)
        wait_until(lambda: "operation-2" in ran, what="the last operation")
    assert sorted(ran) == ["operation-1", "operation-2"]


def test_operations_are_accepted_before_anybody_runs_them(empty_url: str) -> None:
    ran: list[str] = []
    accepting = DurableEngine(database_url=empty_url, executor_id="accepts-only")
    accepting.prepare()
    accept(accepting, empty_url, "operation-1")
    accepting.close()
    with launched(empty_url, lambda operation_id, _: ran.append(operation_id)):
        wait_until(lambda: ran, what="the operation")


def test_the_tables_of_store_and_engine_stand_in_one_database(empty_url: str) -> None:
    with launched(empty_url, nothing):
        schema.migrate(empty_url)
        store = SqlStore(url=empty_url)
        assert store.is_ready()
        store.close()
    schema.downgrade(empty_url, "base")
    with launched(empty_url, nothing) as engine:
        assert engine.is_running


# --- running ---------------------------------------------------------------------


def test_an_operation_that_waits_for_another_does_not_keep_it_out(sqlite_url: str) -> None:
    ended: list[str] = []

    def operation(operation_id: str, steps: Steps) -> None:
        look = 0
        while operation_id != "last" and not steps.run(f"look {look}", lambda: "last" in ended):
            look += 1
            steps.pause(timedelta(milliseconds=20))
        steps.run("end", lambda: ended.append(operation_id))

    engine = DurableEngine(database_url=sqlite_url, executor_id="one", concurrency=1)
    engine.register(operation)
    engine.launch()
    try:
        for operation_id in (*(f"waiting-{n}" for n in range(10)), "last"):
            accept(engine, sqlite_url, operation_id)
        wait_until(lambda: len(ended) == 11, what="every operation")
    finally:
        engine.close()
    assert ended[0] == "last"


def test_no_more_steps_run_at_a_time_than_were_allowed(sqlite_url: str) -> None:
    at_a_time: list[int] = []
    running: set[str] = set()

    def operation(operation_id: str, steps: Steps) -> None:
        def step() -> None:
            running.add(operation_id)
            at_a_time.append(len(running))
            threading.Event().wait(0.03)
            running.discard(operation_id)

        steps.run("only", step)

    engine = DurableEngine(database_url=sqlite_url, executor_id="one", concurrency=2)
    engine.register(operation)
    engine.launch()
    try:
        for number in range(8):
            accept(engine, sqlite_url, f"operation-{number}")
        wait_until(lambda: len(at_a_time) == 8 and not running, what="every operation")
    finally:
        engine.close()
    assert max(at_a_time) == 2


def test_an_operation_that_breaks_does_not_stop_the_engine(sqlite_url: str) -> None:
    ran: list[str] = []

    def operation(operation_id: str, _: Steps) -> None:
        ran.append(operation_id)
        raise RuntimeError("broken")

    with launched(sqlite_url, operation) as engine:
        accept(engine, sqlite_url, "operation-1")
        wait_until(lambda: ran == ["operation-1"], what="the first")
        accept(engine, sqlite_url, "operation-2")
        wait_until(lambda: ran == ["operation-1", "operation-2"], what="the second")


def revived(url: str, operation: Callable[[str, Steps], None], ended: threading.Event) -> None:
    engine = DurableEngine(database_url=url, executor_id="one", revival=timedelta(milliseconds=100))
    engine.register(operation)
    engine.launch()
    try:
        accept(engine, url, "operation-1")
        wait_until(ended.is_set, what="the end")
    finally:
        engine.close()


@pytest.mark.fault("F6")
@pytest.mark.parametrize("inside", [True, False])
def test_an_operation_goes_on_when_the_store_can_be_used_again(
    empty_url: str, *, inside: bool
) -> None:
    ended = threading.Event()
    tries: list[str] = []

    def fail_first() -> None:
        tries.append("two")
        if len(tries) < 4:
            raise StorageUnavailableError("not now")

    def operation(_: str, steps: Steps) -> None:
        steps.run("one", lambda: tries.append("one"))
        if inside:
            steps.run("two", fail_first)
        else:
            fail_first()
        ended.set()

    revived(empty_url, operation, ended)
    assert tries == ["one", "two", "two", "two"]


@pytest.mark.fault("F6", "F39")
def test_an_operation_goes_on_when_the_journal_can_be_kept_again(empty_url: str) -> None:
    ended = threading.Event()
    tries: list[str] = []
    schema_name = "dbos." if empty_url.startswith("postgresql") else ""
    rename = "ALTER TABLE {} RENAME TO {}"

    def take_the_journal_away() -> None:
        tries.append("two")
        if len(tries) > 2:
            return
        with writer(empty_url) as transactions, transactions.begin() as connection:
            connection.execute(text(rename.format(f"{schema_name}operation_outputs", "hidden")))

    def give_it_back() -> None:
        with writer(empty_url) as transactions, transactions.begin() as connection:
            hidden, name = f"{schema_name}hidden", "operation_outputs"
            connection.execute(text(rename.format(hidden, name)))

    def operation(_: str, steps: Steps) -> None:
        steps.run("one", lambda: tries.append("one"))
        try:
            steps.run("two", take_the_journal_away)
        except Interrupted:
            give_it_back()
            raise
        ended.set()

    revived(empty_url, operation, ended)
    assert tries == ["one", "two", "two"]


# --- closing ---------------------------------------------------------------------


def test_closing_lets_a_step_end_and_the_rest_goes_on_at_the_next_launch(empty_url: str) -> None:
    ran: list[str] = []
    in_two, go_on = threading.Event(), threading.Event()

    def two() -> None:
        in_two.set()
        go_on.wait(10)
        ran.append("two")

    def operation(_: str, steps: Steps) -> None:
        steps.run("one", lambda: ran.append("one"))
        steps.run("two", two)
        steps.run("three", lambda: ran.append("three"))

    with launched(empty_url, operation) as engine:
        accept(engine, empty_url, "operation-1")
        in_two.wait(10)
        threading.Timer(0.2, go_on.set).start()
    assert ran == ["one", "two"]
    with launched(empty_url, operation):
        wait_until(lambda: "three" in ran, what="the rest")
    assert ran == ["one", "two", "three"]


def test_closing_ends_a_long_pause(sqlite_url: str) -> None:
    pausing = threading.Event()
    ended: list[BaseException | None] = []

    def operation(_: str, steps: Steps) -> None:
        pausing.set()
        try:
            steps.pause(timedelta(hours=1))
        except BaseException as error:
            ended.append(error)
            raise

    with launched(sqlite_url, operation) as engine:
        accept(engine, sqlite_url, "operation-1")
        assert pausing.wait(10)
    assert isinstance(ended[0], Interrupted)


def test_closing_twice_and_closing_what_never_ran_is_fine(sqlite_url: str) -> None:
    with launched(sqlite_url, nothing) as engine:
        engine.close()
        assert not engine.is_running
    DurableEngine(database_url=sqlite_url, executor_id="one").close()


# --- refusals --------------------------------------------------------------------


def test_a_second_engine_in_a_process_is_refused(sqlite_url: str, postgresql_url: str) -> None:
    with launched(sqlite_url, nothing) as first:
        with pytest.raises(SecondEngineError), launched(postgresql_url, nothing):
            pass
        assert first.is_running
    with launched(postgresql_url, nothing) as next_one:
        assert next_one.is_running


def test_an_engine_that_could_not_start_lets_the_next_one_start(sqlite_url: str) -> None:
    nowhere = "sqlite:////nowhere/at/all.sqlite3"
    with pytest.raises(EngineError, match="nowhere"), launched(nowhere, nothing):
        pass
    with launched(sqlite_url, nothing) as engine:
        assert engine.is_running


def test_what_an_operation_does_is_said_once_and_before_launch(sqlite_url: str) -> None:
    engine = DurableEngine(database_url=sqlite_url, executor_id="one")
    with pytest.raises(NoOperationError):
        engine.launch()
    engine.register(nothing)
    with pytest.raises(EngineError):
        engine.register(nothing)


@pytest.mark.parametrize(
    ("python", "sqlite", "works"),
    [
        ((3, 11), (3, 40, 1), True),
        ((3, 12), (3, 41, 2), False),
        ((3, 13), (3, 40, 1), False),
        ((3, 12), (3, 42, 0), True),
    ],
)
def test_versions_on_which_no_queue_would_start_are_refused(
    python: tuple[int, ...], sqlite: tuple[int, ...], *, works: bool
) -> None:
    if works:
        guards.check_versions(python, sqlite)
    else:
        with pytest.raises(UnsupportedSqliteError, match=r"3\.42"):
            guards.check_versions(python, sqlite)


def test_a_database_in_memory_is_refused() -> None:
    with pytest.raises(UnsupportedSqliteError):
        DurableEngine(database_url="sqlite://", executor_id="one")


def test_the_engine_is_silent(
    sqlite_url: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with launched(sqlite_url, nothing) as engine:
        accept(engine, sqlite_url, "operation-1")
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.name == "dbos"]


# --- outcomes --------------------------------------------------------------------


class LaterError(AppError):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}", one=one)


def test_an_error_with_a_constructor_of_its_own_comes_back() -> None:
    def fail() -> None:
        raise LaterError(1, 2)

    with pytest.raises(LaterError, match="1 and 2") as caught:
        result_of(outcome_of(fail))
    assert caught.value.facts == {"one": 1}


def test_outcomes_need_no_engine() -> None:
    program = "import sys, tests.support.journal; sys.exit('dbos' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == 0


# --- replicas --------------------------------------------------------------------


@contextmanager
def member(
    url: str, operation: Callable[[str, Steps], None], terms: Terms
) -> Iterator[tuple[DurableEngine, SqlStore]]:
    """An engine that knows of replicas."""
    engine = DurableEngine(
        database_url=url,
        executor_id="one",
        terms=terms,
        polling_interval=timedelta(milliseconds=20),
        revival=timedelta(milliseconds=100),
    )
    store = SqlStore(url=url, enqueue=engine.enqueue, tenure=engine.tenure)
    engine.register(operation, store=store)
    engine.launch()
    try:
        yield engine, store
    finally:
        engine.close()
        store.close()


def living(store: SqlStore) -> list[str]:
    with store.read() as work:
        return list(work.replicas.living())


QUICK = Terms(lease=timedelta(seconds=0.6), grace=timedelta(seconds=0.1))


@pytest.mark.fault("F43")
@pytest.mark.parametrize("settled", [False, True], ids=["in-time", "after-it-was-settled"])
def test_an_engine_that_was_taken_over_from_begins_anew_and_what_it_ran_writes_no_more(
    postgresql: PostgreSql, settled: bool
) -> None:
    """Also what it took from the queue when others had thought that it was done with."""
    url = postgresql.create("taken_over", template=TEMPLATE)
    in_two, go_on = threading.Event(), threading.Event()
    wrote: list[str | None] = []
    runs: list[str] = []

    def operation(_: str, steps: Steps) -> None:
        steps.run("one", lambda: None)
        first_time = not runs
        runs.append("run")
        steps.run("two", lambda: write(first_time=first_time))

    def write(*, first_time: bool) -> None:
        if first_time:
            in_two.set()
            go_on.wait(10)
        with store.write() as work:
            work.turns.take("operation-1", [f"key-{len(runs)}"])
            work.commit()
        wrote.append(engine.tenure())

    with member(url, operation, QUICK) as (engine, store):
        accept(engine, url, "operation-1")
        assert in_two.wait(10)
        with store.write() as work:  # somebody else finds it silent
            assert work.replicas.lapse("two@1", timedelta(0)) == ("one@1",)
            if settled:
                work.replicas.settle("one@1")
            work.commit()
        wait_until(lambda: living(store) == ["one@2"], what="another tenure")
        go_on.set()
        wait_until(lambda: wrote, what="the end")
        assert wrote == ["one@2"]
        with store.read() as work:
            assert work.turns.keys("operation-1") == {"key-2"}
    postgresql.drop("taken_over")


def test_an_engine_that_leaves_in_good_order_is_not_waited_for(database_url: str) -> None:
    with member(database_url, nothing, Terms()) as (_, store):
        assert living(store) == ["one@1"]
    with member(database_url, nothing, Terms()) as (_, store):
        assert living(store) == ["one@2"]
        with store.read() as work:
            assert set(work.replicas.due(timedelta(days=1))) <= {"one@1"}
