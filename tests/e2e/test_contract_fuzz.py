"""Requests that are made from the contract, by the hundred: answers are what it says.

Schemathesis asks the live service over HTTP, with a key of each role. Only one of its checks is
left out: that whatever fits the schemas is accepted. What two fields mean together (a port with a
protocol that has none, source and target the same) no schema says; tests/api/test_bad_input.py
and the refusals in tests/e2e do.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.demo import Demo, demonstrated

ROLES = ("viewer", "operator", "admin")

# An event stream is described as text, because generators know nothing better; what its events
# hold is tested in tests/api/test_streams.py.
CONFIGURATION = """\
[[operations]]
include-operation-id = "follow_operation"
checks.response_schema_conformance.enabled = false
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with demonstrated(tmp_path_factory.mktemp("fuzz")) as running:
        yield running


def key_of(demo: Demo, role: str) -> str:
    """Make a key that has the role in every account."""
    body = {"name": f"fuzz {role}", "grants": [{"account_id": "*", "role": role}]}
    made = demo.client.post("/v1/api-keys", json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["key"])


def fuzz(demo: Demo, role: str, folder: Path, *options: str) -> str:
    """Let Schemathesis ask the service; return its report, which must tell of no failure."""
    configuration = folder / "schemathesis.toml"
    configuration.write_text(CONFIGURATION, "utf-8")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONUTF8": "1"}
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "--config-file"),
            *(str(configuration), "run", f"{demo.url}/openapi.json"),
            *("--header", f"Authorization: Bearer {key_of(demo, role)}"),
            *("--exclude-checks", "positive_data_acceptance"),
            *("--suppress-health-check", "all", "--seed", "1", "--no-color"),
            *("--request-timeout", "60", *options),
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    return done.stdout


def check_all_were_asked(report: str) -> None:
    asked = re.search(r"Selected: (\d+)/(\d+)\n\s+Tested: (\d+)\n", report)
    assert asked is not None, report
    assert asked[1] == asked[2] == asked[3]


@pytest.mark.parametrize("role", ROLES)
def test_every_operation_answers_a_role_as_the_contract_says(
    demo: Demo, tmp_path: Path, role: str
) -> None:
    report = fuzz(demo, role, tmp_path, "--phases", "examples,fuzzing", "--max-examples", "1")
    check_all_were_asked(report)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("role", ROLES)
def test_every_operation_answers_a_role_as_the_contract_says_at_length(
    demo: Demo, tmp_path: Path, role: str
) -> None:
    report = fuzz(demo, role, tmp_path, "--max-examples", "20")
    check_all_were_asked(report)
