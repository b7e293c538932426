"""The processes of a demonstration: a simulator, a service, and what they need."""

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from app.cli.loading import fail

READY_SECONDS = 60
STOP_SECONDS = 30


@contextmanager
def started(
    arguments: list[str], environment: Mapping[str, str], log: Path
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `intercom ARGUMENTS` as long as the block lasts; give its address once it is ready.

    Its log goes to `log`, the end of which is shown if it does not start.
    """
    with log.open("w") as sink:
        process = subprocess.Popen(  # noqa: S603 - our own program, our own arguments
            [sys.executable, "-m", "app.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
            env={**os.environ, **environment},
            start_new_session=True,  # Ctrl-C is for the demonstration, which stops its parts
        )
        try:
            yield _address(process, log), process
        finally:
            _stop(process)


def _address(process: subprocess.Popen[str], log: Path) -> str:
    """Wait for the line that ends with the address."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        lines.put(process.stdout.readline())

    threading.Thread(target=read, daemon=True).start()
    try:
        line = lines.get(timeout=READY_SECONDS)
    except queue.Empty:
        line = ""
    if " ready at " not in line:
        end = log.read_text("utf-8", "replace").strip().splitlines()[-5:]
        raise fail("it did not start: " + ("; ".join(end) or "no word from it"))
    return line.rsplit(maxsplit=1)[-1]


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
