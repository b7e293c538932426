"""The suite has teeth: errors are planted in a copy of the evaluator, and each is caught.

The search in `planted/check.py` is a small part of what the suite does, so that it is fast.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.domain.planted.check import CAUGHT
from tests.domain.planted.errors import ERRORS, Way

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the code, compiled files and all: it is imported at once."""
    unneeded = shutil.ignore_patterns("static")
    shutil.copytree(ROOT / "app", tmp_path / "app", ignore=unneeded)
    return tmp_path


def search(copy: Path) -> subprocess.CompletedProcess[str]:
    """Search for an error in the copied code, with the tests as they are."""
    return subprocess.run(
        [sys.executable, "-m", "tests.domain.planted.check"],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": f"{copy}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )


def plant(copy: Path, ways: tuple[Way, ...]) -> None:
    for way in ways:
        if all(edit.fits(copy) for edit in way):
            for edit in way:
                edit.make(copy)
            return
    looked_for = "\n".join(f"{edit.path}: {edit.old}" for way in ways for edit in way)
    pytest.fail(
        "the code has changed and none of these ways to plant the error fits any more; write it"
        f" for the code as it is now, in tests/domain/planted/errors.py\n{looked_for}",
        pytrace=False,
    )


def test_without_a_planted_error_nothing_is_found(copy: Path) -> None:
    found = search(copy)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == f"{copy / 'app'}\nnothing found\n"


@pytest.mark.parametrize("error", ERRORS)
def test_a_planted_error_is_caught(copy: Path, error: str) -> None:
    plant(copy, ERRORS[error])
    found = search(copy)
    assert found.returncode == CAUGHT, f"{error}: survived\n{found.stdout}{found.stderr}"
    assert found.stdout.startswith(f"{copy / 'app'}\ncaught: ")
