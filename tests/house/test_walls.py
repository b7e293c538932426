"""The contracts of import-linter name every room that is built.

import-linter refuses a contract about a module that is not there, so a room joins its contracts
when it is built. This test is what makes sure that it does.
"""

import tomllib
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


def built(*rooms: str) -> list[str]:
    return [f"app.{room}" for room in sorted(rooms) if room in ROOMS]


def test_every_room_has_its_layer() -> None:
    layers = CONTRACTS["layers"]["layers"]
    placed = {room.strip("() ") for line in layers for room in line.split("|")}
    assert placed >= ROOMS
    assert CONTRACTS["layers"]["exhaustive"] is True


@pytest.mark.parametrize(
    ("contract", "key", "rooms"),
    [
        ("pure", "source_modules", {"domain"}),
        ("words", "source_modules", {"services", "ports"}),
        ("engine", "source_modules", ROOMS - {"workflow"}),
        ("sdk", "source_modules", ROOMS - {"adapters"}),
        ("second-opinion", "source_modules", {"simulator"}),
        ("second-opinion", "forbidden_modules", ROOMS - {"simulator"}),
    ],
)
def test_every_room_stands_behind_its_walls(contract: str, key: str, rooms: set[str]) -> None:
    assert CONTRACTS[contract][key] == built(*rooms)


def test_the_rooms_that_must_not_know_each_other_are_kept_apart() -> None:
    apart = {
        name: {room.strip("() ") for line in CONTRACTS[name]["layers"] for room in line.split("|")}
        for name in ("outside", "inside")
    }
    assert apart == {
        "outside": {"adapters", "repositories", "workflow", "services"},
        "inside": {"adapters", "repositories", "workflow", "api"},
    }
