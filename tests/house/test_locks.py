import json
import re
import tomllib
from typing import Any

import pytest

from tests.house.repository import text

LOCKS = ("requirements.txt", "requirements-build.txt", "requirements-dev.txt")
CLIENTS = ("tests/clients/requirements.txt", "tests/clients/requirements-build.txt")
PIN = re.compile(r"^([a-z0-9][a-z0-9.-]*)(?:\[[a-z0-9,-]+\])?==(\S+)")


def pins(lock: str) -> dict[str, str]:
    return {hit[1]: hit[2] for line in text(lock).splitlines() if (hit := PIN.match(line))}


def project() -> dict[str, Any]:
    return tomllib.loads(text("pyproject.toml"))


def name_of(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0].lower()


@pytest.mark.parametrize("lock", LOCKS + CLIENTS)
def test_a_lock_holds_pins_with_hashes_and_nothing_else(lock: str) -> None:
    entry = None
    hashes: dict[str, int] = {}
    for line in text(lock).splitlines():
        if not line or line.lstrip().startswith("#"):
            continue
        if hit := PIN.match(line):
            entry = hit[1]
            hashes[entry] = 0
        else:
            assert re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line), line
            assert entry is not None
            hashes[entry] += 1
    assert hashes
    assert [entry for entry, count in hashes.items() if not count] == []


def test_the_locks_agree_on_every_version() -> None:
    runtime, build, development = (pins(lock) for lock in LOCKS)
    assert runtime.items() <= development.items()
    assert build.items() <= development.items()


def test_other_peoples_clients_stay_out_of_what_runs() -> None:
    asked = {
        name_of(line)
        for line in text("tests/clients/requirements.in").splitlines()
        if line and not line.startswith("#")
    }
    assert asked <= pins(CLIENTS[0]).keys()
    assert not asked & {name for lock in LOCKS for name in pins(lock)}


def test_the_lock_for_node_has_digests_and_no_addresses() -> None:
    lock = json.loads(text("tests/clients/node/package-lock.json"))
    asked = json.loads(text("tests/clients/node/package.json"))["devDependencies"]
    packages = {name: each for name, each in lock["packages"].items() if name}
    for name, each in packages.items():
        assert each["integrity"].startswith("sha512-"), name
        assert "resolved" not in each, name
    for name, version in asked.items():
        assert packages[f"node_modules/{name}"]["version"] == version
    settings = text("tests/clients/node/.npmrc").splitlines()
    assert {"ignore-scripts=true", "omit-lockfile-registry-resolved=true"} <= set(settings)


def test_every_dependency_is_locked() -> None:
    runtime = {name_of(requirement) for requirement in project()["project"]["dependencies"]}
    assert runtime <= pins("requirements.txt").keys()
    groups = project()["dependency-groups"]
    for group, lock in (("build", "requirements-build.txt"), ("dev", "requirements-dev.txt")):
        asked = {name_of(entry) for entry in groups[group] if isinstance(entry, str)}
        assert asked <= pins(lock).keys(), group


def test_what_builds_the_project_is_locked() -> None:
    build = {name_of(requirement) for requirement in project()["build-system"]["requires"]}
    assert build <= pins("requirements-build.txt").keys()


def test_the_engine_is_pinned_exactly() -> None:
    # Recovering a dead replica's work uses internals of the engine, which a release may change.
    asked = [entry for entry in project()["project"]["dependencies"] if name_of(entry) == "dbos"]
    assert asked == [f"dbos=={pins('requirements.txt')['dbos']}"]


def test_the_locks_are_made_for_the_oldest_python_that_the_project_supports() -> None:
    oldest = project()["project"]["requires-python"].removeprefix(">=")
    assert f"--python-version {oldest} " in text("scripts/lock")
    assert project()["tool"]["mypy"]["python_version"] == oldest
    assert project()["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")
