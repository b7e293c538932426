from collections.abc import Iterator

import pytest

from tests.support.databases import postgresql
from tests.support.e2e import IMPATIENT, Api, Chain, Cloud, chained

__all__ = ["postgresql"]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """The whole chain on a SQLite file, once for all tests of a module."""
    folder = tmp_path_factory.mktemp("chain")
    with chained(f"sqlite:///{folder / 'intercom.sqlite3'}", **IMPATIENT) as chain:
        yield chain


@pytest.fixture
def api(chain: Chain) -> Iterator[Api]:
    """The service; whatever a test leaves standing is taken back after it."""
    yield chain.api
    chain.cloud.clear_faults()
    chain.api.forget_all()


@pytest.fixture
def cloud(chain: Chain) -> Cloud:
    return chain.cloud
