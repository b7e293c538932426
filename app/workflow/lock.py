"""One process a SQLite file, one process a name: locks that end with the process."""

import fcntl
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import psycopg
from sqlalchemy import URL

from app.workflow.errors import EngineError, SecondProcessError


class Lock(Protocol):
    """What keeps a second process from carrying out the same operations."""

    def take(self) -> None: ...
    def release(self) -> None: ...


class ExecutorLock:
    """A name that one living process of a PostgreSQL database has.

    Two with one name would each take up the operations that the other is carrying out. The
    server lets the name go when the connection ends, and with it a killed process.
    """

    def __init__(self, url: URL, executor_id: str) -> None:
        self._url = url
        self._executor_id = executor_id
        self._connection: psycopg.Connection | None = None

    def take(self) -> None:
        """Take the name, or find that another process has it.

        Raises:
            SecondProcessError: another process has it.
            EngineError: the database cannot be reached.
        """
        try:
            address = self._url.render_as_string(hide_password=False)
            connection = psycopg.connect(address, autocommit=True)
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", [self._key]).fetchone()
        except psycopg.Error as error:
            msg = "the database cannot be reached"
            raise EngineError(msg) from error
        if row is None or not row[0]:
            connection.close()
            msg = f"another process is called {self._executor_id}: give each an --executor-id"
            raise SecondProcessError(msg)
        self._connection = connection

    def release(self) -> None:
        if self._connection is None:
            return
        # The server notices some time later that a connection was closed.
        with suppress(psycopg.Error):
            self._connection.execute("SELECT pg_advisory_unlock(%s)", [self._key])
        self._connection.close()
        self._connection = None

    @property
    def _key(self) -> int:
        digest = sha256(f"intercom executor {self._executor_id}".encode()).digest()
        return int.from_bytes(digest[:8], signed=True)


class ProcessLock:
    """A lock on the file beside `database`; a killed process leaves the file, not the lock."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + "-lock")
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take the lock, or find that another process has it.

        Raises:
            SecondProcessError: another process, or another engine of this one, has it.
            EngineError: the file cannot be opened.
        """
        descriptor = self._open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            msg = (
                f"process {holder} holds {self._path}: a SQLite database serves one process; "
                "use PostgreSQL for several"
            )
            raise SecondProcessError(msg) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            msg = f"cannot open {self._path}: {error.strerror}"
            raise EngineError(msg) from error

    def release(self) -> None:
        """Let go. The file stays: removing it would let two processes lock two files."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
