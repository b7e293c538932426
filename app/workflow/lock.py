"""One process a SQLite file: a lock that the operating system lets go when the process ends."""

import fcntl
import os
from pathlib import Path

from app.workflow.errors import EngineError, SecondProcessError


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
