import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.house.repository import ROOT, VENDORED, files


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """The paths in the wheel that the project builds, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = Path(folder).glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return frozenset(archive.namelist())


def test_the_wheel_carries_every_file_of_the_package(wheel: frozenset[str]) -> None:
    ours = {path for path in files() if path.startswith("app/")}
    assert ours - wheel == set()
    assert f"{VENDORED}swagger-ui-bundle.js" in wheel


def test_the_wheel_carries_the_migrations_inside_the_package(wheel: frozenset[str]) -> None:
    # At the top of site-packages `migrations` would collide with everybody else's.
    assert {f"app/{path}" for path in files() if path.startswith("migrations/")} <= wheel
    tops = {path.partition("/")[0] for path in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"app"}


def test_the_wheel_carries_no_tests_and_no_caches(wheel: frozenset[str]) -> None:
    assert [path for path in wheel if path.startswith("tests/") or "__pycache__" in path] == []
