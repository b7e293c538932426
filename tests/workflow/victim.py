"""A process to be killed: runs operations of four steps, and writes down what it does.

    python -m tests.workflow.victim URL LOG [OPERATION]

With OPERATION it accepts that one; without, it only takes up what was left unfinished.
Step 3 takes a minute the first time, so that a killer finds it there.
"""

import os
import sys
import time
from functools import partial
from pathlib import Path

from app.ports.steps import Steps
from tests.workflow.engines import accept, launched


class Log:
    """Lines that are in the file once they are written, whatever happens to the process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, line: str) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, f"{line}\n".encode())
        os.close(descriptor)

    def lines(self) -> list[str]:
        return self._path.read_text().splitlines() if self._path.exists() else []


def main(url: str, path: str, *operation_ids: str) -> None:
    log = Log(Path(path))

    def step(number: int) -> int:
        first_time = f"begin {number}" not in log.lines()
        log(f"begin {number}")
        if number == 3 and first_time:
            time.sleep(60)
        log(f"end {number}")
        return number

    def operation(_: str, steps: Steps) -> None:
        results = [steps.run(f"step {n}", partial(step, n)) for n in (1, 2, 3, 4)]
        log(f"done {results}")

    with launched(url, operation) as engine:
        for operation_id in operation_ids:
            accept(engine, url, operation_id)
        log("ready")
        time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
