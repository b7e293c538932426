"""What a unit of work promises: all or nothing, one writer at a time, readers that never wait."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import Connection

from app.domain.errors import StorageUnavailableError
from app.ports.store import Store, Work
from app.repositories import schema
from app.repositories.store import NoEngineError, SqlStore
from tests.repositories.values import account


def test_what_was_not_committed_is_undone(store: Store) -> None:
    with store.write() as work:
        work.accounts.add(account())
    with store.read() as work:
        assert work.accounts.all() == ()


def test_an_error_undoes_the_work(store: Store) -> None:
    def fail(work: Work) -> None:
        work.accounts.add(account())
        raise ValueError("halfway")

    with pytest.raises(ValueError, match="halfway"), store.write() as work:
        fail(work)
    with store.read() as work:
        assert work.accounts.all() == ()


def test_reading_cannot_write(store: Store) -> None:
    with pytest.raises(StorageUnavailableError), store.read() as work:
        work.accounts.add(account())


def test_a_reader_sees_one_instant(store: Store) -> None:
    with store.read() as reading:
        assert reading.accounts.all() == ()
        with store.write() as writing:
            writing.accounts.add(account())
            writing.commit()
        assert reading.accounts.all() == ()


def test_readers_do_not_wait_for_a_writer(store: Store) -> None:
    with store.write() as writing:
        writing.accounts.add(account())
        with ThreadPoolExecutor(1) as other, store.read() as reading:
            assert other.submit(reading.accounts.all).result(timeout=5) == ()


def test_two_hundred_increments_by_eight_threads_lose_nothing(store: Store) -> None:
    with store.write() as work:
        work.accounts.add(account(name="0"))
        work.commit()

    def increment(_: int) -> None:
        with store.write() as work:
            present = work.accounts.get(account().account_id)
            assert present is not None
            work.accounts.update(replace(present, name=str(int(present.name) + 1)))
            work.commit()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(increment, range(200)))
    with store.read() as work:
        assert [item.name for item in work.accounts.all()] == ["200"]


def test_two_stores_on_one_database_lose_nothing_either(database_url: str) -> None:
    stores = [SqlStore(url=database_url) for _ in range(2)]

    def take(number: int) -> None:
        with stores[number % 2].write() as work:
            work.turns.take(f"operation-{number}", ["sg-db"])
            work.commit()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(take, range(40)))
    with stores[0].read() as work:
        order = work.turns.holders(["sg-db"])
        assert len(order) == 40
        assert work.turns.ahead(order[-1]) == order[:-1]
    for store in stores:
        store.close()


def test_the_second_writer_begins_when_the_first_has_ended(store: Store) -> None:
    first_is_open = threading.Event()
    events: list[str] = []

    def second() -> None:
        first_is_open.wait()
        with store.write() as work:
            work.turns.take("second", ["a"])
            events.append("second")
            work.commit()

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(second)
        with store.write() as work:
            work.turns.take("first", ["a"])
            first_is_open.set()
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.2)
            events.append("first")
            work.commit()
        waiting.result(timeout=10)
    assert events == ["first", "second"]


def test_an_operation_is_enqueued_over_the_connection_of_its_transaction(database_url: str) -> None:
    seen: list[tuple[bool, str]] = []

    def enqueue(connection: Connection, operation_id: str, *_: object) -> None:
        seen.append((connection.in_transaction(), operation_id))
        connection.execute(sqlalchemy.text("DELETE FROM turns"))

    store = SqlStore(url=database_url, enqueue=enqueue)
    with store.write() as work:
        work.turns.take("operation-1", ["a"])
        work.commit()
    with store.write() as work:
        work.enqueue("operation-1")
    with store.read() as work:
        assert work.turns.keys("operation-1") == {"a"}
    assert seen == [(True, "operation-1")]
    store.close()


def test_a_store_without_engine_refuses_to_enqueue(store: Store) -> None:
    with pytest.raises(NoEngineError), store.write() as work:
        work.enqueue("operation-1")


def test_a_database_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    for url in (
        f"sqlite:///{tmp_path / 'nowhere' / 'service.sqlite3'}",
        f"postgresql://postgres@/service?host={tmp_path}",
    ):
        store = SqlStore(url=url)
        assert not store.is_ready()
        with pytest.raises(StorageUnavailableError), store.write() as work:
            work.turns.release("operation-1")


@pytest.mark.fault("F3", "F13")
def test_a_full_disk_is_storage_unavailable_and_passes(sqlite_url: str) -> None:
    schema.migrate(sqlite_url)
    store = SqlStore(url=sqlite_url)

    def bound(connection: Connection, *_: object) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")

    def fill(work: Work) -> None:
        work.enqueue("")
        for number in range(1000):
            work.accounts.add(account(account_id=f"{number}", name="x" * 1000))

    full = SqlStore(url=sqlite_url, enqueue=bound)
    with pytest.raises(StorageUnavailableError) as caught, full.write() as work:
        fill(work)
    assert caught.value.facts == {"reason": "OperationalError"}
    with store.write() as work:
        assert work.accounts.all() == ()
        work.accounts.add(account())
        work.commit()
    full.close()
    store.close()


def test_a_commit_on_sqlite_survives_a_power_loss(sqlite_url: str) -> None:
    schema.migrate(sqlite_url)
    seen: list[object] = []

    def look(connection: Connection, pragma: str, *_: object) -> None:
        seen.append(connection.exec_driver_sql(f"PRAGMA {pragma}").scalar())

    store = SqlStore(url=sqlite_url, enqueue=look)
    with store.write() as work:
        for pragma in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout"):
            work.enqueue(pragma)
    store.close()
    assert seen == ["wal", 2, 1, 30000]


def test_a_foreign_writer_is_waited_for(sqlite_url: str) -> None:
    schema.migrate(sqlite_url)
    store = SqlStore(url=sqlite_url)
    path = sqlite_url.removeprefix("sqlite:///")

    def write() -> None:
        with store.write() as work:
            work.turns.take("operation-1", ["a"])
            work.commit()

    with closing(sqlite3.connect(path, isolation_level=None)) as foreign:
        foreign.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(write)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.2)
            foreign.execute("COMMIT")
            waiting.result(timeout=10)
    store.close()
