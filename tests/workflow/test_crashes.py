"""A process is killed in the middle of a step, and started again."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.workflow.errors import SecondProcessError
from tests.workflow.engines import launched, wait_until
from tests.workflow.victim import Log

ROOT = Path(__file__).parents[2]


@contextmanager
def victim(url: str, log: Path, *operation_ids: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the process; it is killed at the end, without a chance to tidy up."""
    command = [sys.executable, "-m", "tests.workflow.victim", url, str(log), *operation_ids]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def test_a_killed_process_finishes_its_operation_after_a_restart(empty_url: str, log: Path) -> None:
    seen = Log(log)
    with victim(empty_url, log, "operation-1"):
        wait_until(lambda: "begin 3" in seen.lines(), what="the third step")
    with victim(empty_url, log):
        wait_until(lambda: "done [1, 2, 3, 4]" in seen.lines(), what="the end")
    assert [line for line in seen.lines() if line != "ready"] == [
        *("begin 1", "end 1", "begin 2", "end 2"),
        *("begin 3", "begin 3", "end 3"),  # the one that the kill cut short
        *("begin 4", "end 4", "done [1, 2, 3, 4]"),
    ]


def test_a_second_process_on_a_sqlite_file_is_refused(sqlite_url: str, log: Path) -> None:
    with victim(sqlite_url, log) as first:
        wait_until(lambda: "ready" in Log(log).lines(), what="the first process")
        refused = pytest.raises(SecondProcessError, match=f"process {first.pid} holds")
        with refused, launched(sqlite_url, lambda *_: None):
            pass
    with launched(sqlite_url, lambda *_: None) as engine:
        assert engine.is_running  # a killed process leaves no lock behind
