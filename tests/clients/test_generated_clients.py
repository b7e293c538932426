"""Clients that are made from the committed contract do the main job, as the README shows it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.domain.intents import MethodName
from tests.clients import workshop
from tests.support.demo import Demo, demonstrated
from tests.support.e2e import Cloud

SHOWN = "sg-db held 1 rules"
"""What the README's programs print against a demo estate that nobody has changed."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    workshop.require_clients()
    with demonstrated(tmp_path_factory.mktemp("demo")) as running:
        yield running


def put_beside(demo: Demo, made: Path, folder: Path, program: str) -> Path:
    """Copy what was made, with a README's program that asks this service."""
    copied = folder / "client"
    shutil.copytree(made, copied)
    path = copied / program
    path.write_text(path.read_text("utf-8").replace(workshop.SERVICE, demo.url), "utf-8")
    return copied


def check_what_was_done(demo: Demo, told: str, before: Any) -> None:
    """Every example was carried out and taken back; nothing is left of any."""
    shown, *lines = told.splitlines()
    assert shown == SHOWN
    done = dict(line.split() for line in lines)
    assert done.keys() == workshop.examples().keys()
    methods = {name: each["method"] for name, each in workshop.examples().items()}
    assert set(methods.values()) == set(MethodName)
    # A group that is made for the purpose held nothing before.
    made_for_it = {name for name in methods if methods[name] == MethodName.DEDICATED_GROUP}
    assert {name for name, backups in done.items() if backups == "0"} == made_for_it
    cloud = Cloud(demo.cloud)
    assert cloud.estate() == before
    cloud.close()


def estate_of(demo: Demo) -> Any:
    cloud = Cloud(demo.cloud)
    estate = cloud.estate()
    cloud.close()
    return estate


def test_a_client_for_python_does_the_main_job(demo: Demo, tmp_path: Path) -> None:
    before = estate_of(demo)
    folder = put_beside(demo, workshop.python_client(), tmp_path, "readme.py")
    (folder / "examples.json").write_text(json.dumps(workshop.examples()), "utf-8")
    told = workshop.run(str(workshop.PYTHON), "driver.py", folder=folder)
    check_what_was_done(demo, told, before)


def test_a_client_for_typescript_does_the_main_job(demo: Demo, tmp_path: Path) -> None:
    before = estate_of(demo)
    made = workshop.typescript_client()
    folder = put_beside(demo, made, tmp_path, "built/readme.js")
    told = workshop.node("built/driver.js", folder=folder)
    check_what_was_done(demo, told, before)
