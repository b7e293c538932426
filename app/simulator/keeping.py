"""Keeping the estate in a file, so that it outlives the process; the file is always whole.

Whoever is told that a change was made can rely on it: the answer waits until the file holds it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from app.simulator.clock import Latch
from app.simulator.dispatcher import Dispatcher, nobody_keeps
from app.simulator.errors import EstateError

SECONDS_BETWEEN = 0.2
"""How often it is looked for changes that no answer waits for, as those of `edit` faults."""


def read_estate(path: Path) -> object:
    """Return the estate in a file; None if there is no such file, EstateError if it is none."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise EstateError(f"{path} holds no estate: {error}") from error


def write_estate(path: Path, estate: object) -> None:
    """Replace the file at once: whoever reads it, even after a crash, finds the old or the new."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    fresh = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(estate, ensure_ascii=False))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class Keeper:
    """Writes the estate for those who wait for it; changes made meanwhile share one writing."""

    def __init__(self, dispatcher: Dispatcher, path: Path) -> None:
        self._dispatcher = dispatcher
        self._path = path
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._is_over = False
        self._next = Latch()
        self._kept: int | None = None

    def until_kept(self, version: int) -> Latch | None:
        """Return what opens after the next writing; None if the file holds the version already."""
        with self._lock:
            if self._kept is not None and version <= self._kept:
                return None
            self._wanted.set()
            return self._next

    def write(self) -> None:
        """Write the estate unless the file holds it; OSError leaves the file as it was."""
        with self._waiting_for_this():
            self._write()

    @contextlib.contextmanager
    def _waiting_for_this(self) -> Iterator[None]:
        """Let those go on who wait, when the block ends."""
        with self._lock:
            waiting, self._next = self._next, Latch()
        try:
            yield
        finally:
            waiting.open()

    def _write(self) -> None:
        with self._dispatcher.lock:
            self._dispatcher.settle()
            version = self._dispatcher.store.version
            estate = None if version == self._kept else self._dispatcher.estate()
        if estate is not None:
            write_estate(self._path, estate)
            with self._lock:
                self._kept = version

    def run(self) -> None:
        """Write whenever somebody waits, and now and then, until `end`."""
        while not self._is_over:
            self._wanted.wait(SECONDS_BETWEEN)
            self._wanted.clear()
            with self._waiting_for_this():
                try:
                    self._write()
                except OSError as error:
                    sys.stderr.write(f"error: the estate was not kept: {error}\n")

    def end(self) -> None:
        """Let `run` return."""
        self._is_over = True
        self._wanted.set()


@contextlib.contextmanager
def kept(dispatcher: Dispatcher, path: Path) -> Iterator[None]:
    """Write the estate when the block begins, before a change is answered, and when it ends."""
    keeper = Keeper(dispatcher, path)
    keeper.write()
    dispatcher.until_kept = keeper.until_kept
    thread = threading.Thread(target=keeper.run, name="estate keeper")
    thread.start()
    try:
        yield
    finally:
        keeper.end()
        thread.join()
        dispatcher.until_kept = nobody_keeps
        keeper.write()
