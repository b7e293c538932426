from collections.abc import Iterator

import pytest

from app.repositories.store import SqlStore
from tests.support.databases import (
    database_url,
    empty_url,
    postgresql,
    postgresql_url,
    sqlite_url,
)

__all__ = ["database_url", "empty_url", "postgresql", "postgresql_url", "sqlite_url"]


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    store = SqlStore(url=database_url)
    yield store
    store.close()
