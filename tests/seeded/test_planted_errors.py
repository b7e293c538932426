"""The seeds have teeth: errors are planted in a copy of the service, and each is caught.

Every one is caught by one of the first 500 seeds; the search begins with the one that did when
somebody looked, and ends with the one that does.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.seeded.planted.check import CAUGHT, SEEDS
from tests.seeded.planted.errors import ERRORS, TRY_FIRST

pytestmark = pytest.mark.timeout(1800)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the code, compiled files and all: it is imported at once."""
    unneeded = shutil.ignore_patterns("static")
    shutil.copytree(ROOT / "app", tmp_path / "app", ignore=unneeded)
    return tmp_path


def search(copy: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run seeds with the copied code, and the tests as they are."""
    return subprocess.run(
        [sys.executable, "-m", "tests.seeded.planted.check", *arguments],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": f"{copy}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_planted_error_nothing_is_found(copy: Path) -> None:
    found = search(copy, "20")
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == f"{copy / 'app'}\nnothing found\n"


@pytest.mark.parametrize("error", ERRORS)
def test_a_planted_error_is_caught(copy: Path, error: str) -> None:
    for edit in ERRORS[error]:
        if not edit.fits(copy):
            pytest.fail(
                "the code has changed and the error cannot be planted any more; write it for the"
                f" code as it is now, in tests/seeded/planted/errors.py\n{edit.path}: {edit.old}",
                pytrace=False,
            )
        edit.make(copy)
    found = search(copy, str(SEEDS), str(TRY_FIRST.get(error, 0)))
    assert found.returncode == CAUGHT, f"{error}: survived\n{found.stdout}{found.stderr}"
    assert found.stdout.startswith(f"{copy / 'app'}\ncaught by seed ")
