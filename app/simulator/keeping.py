"""Keeping the estate in a file, so that it outlives the process; the file is always whole."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from app.simulator.dispatcher import Dispatcher
from app.simulator.errors import EstateError

SECONDS_BETWEEN = 0.2
"""A change is in the file so much later at most, or as much later as writing it takes."""


def read_estate(path: Path) -> object:
    """Return the estate in a file; None if there is no such file, EstateError if it is none."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise EstateError(f"{path} holds no estate: {error}") from error


def write_estate(path: Path, estate: object) -> None:
    """Replace the file at once: whoever reads it, even after a crash, finds the old or the new."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    fresh = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(estate, file, ensure_ascii=False)
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


@contextlib.contextmanager
def kept(dispatcher: Dispatcher, path: Path) -> Iterator[None]:
    """Write the estate when the block begins, soon after each change, and when it ends."""
    written = _write(dispatcher, path, None)
    is_over = threading.Event()

    def keep() -> None:
        nonlocal written
        while not is_over.wait(SECONDS_BETWEEN):
            written = _write(dispatcher, path, written)

    thread = threading.Thread(target=keep, name="estate keeper")
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        _write(dispatcher, path, written)


def _write(dispatcher: Dispatcher, path: Path, written: int | None) -> int:
    """Write the estate unless this version is written already; return the version."""
    with dispatcher.lock:
        dispatcher.settle()
        version = dispatcher.store.version
        if version == written:
            return version
        estate = dispatcher.estate()
    write_estate(path, estate)
    return version
