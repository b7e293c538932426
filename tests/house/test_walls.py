"""The contracts of import-linter stand as the house was designed.

import-linter itself says whether an import breaks one; these tests say that none was taken away and
that they would notice. A copy of the package is broken on purpose, one wall at a time.
"""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.house.repository import ROOT, text

CONTRACTS: dict[str, dict[str, Any]] = {
    contract["id"]: contract
    for contract in tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["contracts"]
}
ROOMS = {
    path.stem
    for path in (ROOT / "app").iterdir()
    if (path / "__init__.py").exists() or (path.suffix == ".py" and path.stem != "__init__")
}

BREACHES = [
    ("app/domain/rules.py", "import app.ports.ecs", "imports point down"),
    ("app/domain/rules.py", "import time", "the domain is pure"),
    ("app/services/plans.py", "import sqlalchemy", "speak in our words"),
    ("app/ports/ecs.py", "import fastapi", "speak in our words"),
    ("app/adapters/ecs/__init__.py", "import app.services.plans", "knows no use case"),
    ("app/services/plans.py", "import app.repositories.tables", "imports point down"),
    ("app/api/__init__.py", "import app.repositories.tables", "know no implementation"),
    ("app/repositories/__init__.py", "import dbos", "the durable engine"),
    ("app/workflow/__init__.py", "import aliyunsdkcore", "the cloud's SDK"),
    ("app/simulator/__init__.py", "import app.domain.rules", "none of our rooms"),
    (
        "app/domain/methods/address_rules.py",
        "import app.domain.methods.shared_group",
        "no method knows another",
    ),
    ("app/cellar/__init__.py", "", "imports point down"),
]


def test_every_room_has_its_layer() -> None:
    layers = CONTRACTS["layers"]["layers"]
    placed = {room.strip("() ") for line in layers for room in line.split("|")}
    assert placed >= ROOMS
    assert CONTRACTS["layers"]["exhaustive"] is True


@pytest.mark.parametrize(("path", "line", "wall"), BREACHES)
def test_a_breach_of_a_wall_is_noticed(tmp_path: Path, path: str, line: str, wall: str) -> None:
    shutil.copytree(
        ROOT / "app", tmp_path / "app", ignore=shutil.ignore_patterns("static", "__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / path).parent.mkdir(exist_ok=True)
    with (tmp_path / path).open("a") as module:
        module.write(f"\n{line}\n")
    lint = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    broken = [row for row in lint.stdout.splitlines() if " BROKEN" in row]
    assert [row for row in broken if wall in row], lint.stdout
