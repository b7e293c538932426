"""An engine for the length of a test, and waiting for what it does."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import Engine

from app.repositories import engines
from app.workflow.engine import DurableEngine, Operation

PATIENCE_SECONDS = 20


@contextmanager
def launched(
    url: str, operation: Operation, *, executor_id: str = "executor-1"
) -> Iterator[DurableEngine]:
    """Run an engine that closes at the end, as one a process demands."""
    engine = DurableEngine(
        database_url=url,
        executor_id=executor_id,
        polling_interval=timedelta(milliseconds=20),
    )
    engine.register(operation)
    engine.launch()
    try:
        yield engine
    finally:
        engine.close()


@contextmanager
def writer(url: str) -> Iterator[Engine]:
    engine = engines.write_engine(engines.read_url(url))
    yield engine
    engine.dispose()


def accept(engine: DurableEngine, url: str, operation_id: str) -> None:
    """Enqueue an operation in a transaction of its own."""
    with writer(url) as transactions, transactions.begin() as connection:
        engine.enqueue(connection, operation_id)


def wait_until(claim: Callable[[], object], *, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not claim():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.005)
