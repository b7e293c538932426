import time
from collections.abc import Iterator

import pytest

from app.ports.store import Store
from app.repositories import schema
from app.repositories.store import SqlStore
from tests.support.databases import (
    database_url,
    empty_url,
    postgresql,
    postgresql_url,
    sqlite_url,
)
from tests.support.memory import MemoryStore

__all__ = ["database_url", "empty_url", "postgresql", "postgresql_url", "sqlite_url"]


@pytest.fixture
def sql_store(database_url: str) -> Iterator[SqlStore]:
    store = SqlStore(url=database_url)
    yield store
    store.close()


@pytest.fixture(params=["sqlite", "postgresql", "memory"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Every store there is: on both databases, and the one of the seeded runs."""
    if request.param == "memory":
        yield MemoryStore(clock=time.time)
        return
    url = request.getfixturevalue(f"{request.param}_url")
    schema.migrate(url)
    store = SqlStore(url=url)
    yield store
    store.close()
