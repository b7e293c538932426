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
from tests.domain.planted.errors import ERRORS, Edit

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


def plant(copy: Path, edits: tuple[Edit, ...]) -> None:
    lost = [edit for edit in edits if not edit.fits(copy)]
    if lost:
        looked_for = "\n".join(f"{edit.path}: {edit.old}" for edit in lost)
        pytest.fail(
            "the code has changed and the error cannot be planted any more; write it for the code"
            f" as it is now, in tests/domain/planted/errors.py\n{looked_for}",
            pytrace=False,
        )
    for edit in edits:
        edit.make(copy)


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
