"""Real clients, unpatched but for the endpoint, tell one story to the simulator and agree on it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.simulator.server import Running, running
from tests.simulator.estates import ACCOUNT, estate, group, instance

ROOT = Path(__file__).parents[2]
OTHERS = ROOT / ".venv-clients" / "bin" / "python"

STORY: dict[str, Any] = {
    "list": [130, ["i-000", "Running", "10.170.0.1"], ["i-129", "Running", "10.170.0.130"]],
    "create": ["sg-", True],
    "authorize": None,
    "read back": [["22/22", "10.170.0.1/32"]],
    "authorize again": None,
    "authorize a group": None,
    "nothing is doubled": [["22/22", "10.170.0.1/32"], ["53/53", "sg-peer"]],
    "authorize nonsense": "refused: InvalidIpProtocol.Malformed",
    "join": None,
    "members": ["i-003"],
    "join again": "refused: InvalidInstanceId.AlreadyExists",
    "delete too early": "refused: DependencyViolation",
    "leave": None,
    "leave again": "refused: InvalidSecurityGroupAssociation.NotFound",
    "revoke": None,
    "read what is left": [["53/53", "sg-peer"]],
    "revoke again": None,
    "delete": None,
    "delete again": "refused: InvalidSecurityGroupId.NotFound",
    "unknown group": "refused: InvalidSecurityGroupId.NotFound",
    "unknown key": "refused: InvalidAccessKeyId.NotFound",
    "wrong secret": "refused: SignatureDoesNotMatch",
}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Running]:
    """130 classic instances: the first page does not hold them all, whatever the client asks."""
    instances = [
        instance(f"i-{number:03}", f"10.170.0.{number + 1}", "sg-all") for number in range(130)
    ]
    with running(estate(groups=[group("sg-all"), group("sg-peer")], instances=instances)) as one:
        yield one


def environment_of_others() -> str:
    """The Python that has other people's clients; skip without it, but not where all must run."""
    if not OTHERS.exists():
        reason = "other people's clients are not installed: `make clients`"
        if os.environ.get("INTERCOM_TEST_REQUIRE_SYSTEM") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return str(OTHERS)


def told(simulator: Running, python: str, module: str, *arguments: str) -> dict[str, Any]:
    """What a client saw; it runs in a process, without the environment of this one."""
    key = (f"key-{ACCOUNT}", f"secret-{ACCOUNT}")
    command = [python, "-m", f"tests.clients.{module}", simulator.endpoint, *key, *arguments]
    clean = {"PATH": os.environ["PATH"], "HOME": str(Path.home()), "PYTHONUTF8": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=clean, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def calls(simulator: Running) -> list[Any]:
    journal: Any = simulator.dispatcher.journal.as_json()
    simulator.dispatcher.journal.clear()
    return list(journal["items"])


def test_the_older_sdk_tells_the_story(simulator: Running) -> None:
    # It recognizes the string to sign in the message, and concludes that the secret is wrong.
    story = STORY | {"wrong secret": "refused: InvalidAccessKeySecret"}
    assert told(simulator, sys.executable, "older_sdk") == story
    assert "python-requests" in calls(simulator)[0]["user_agent"]


@pytest.mark.parametrize("algorithm", ["v3", "v2"])
def test_the_newer_sdk_tells_the_story(simulator: Running, algorithm: str) -> None:
    arguments = ["v2"] if algorithm == "v2" else []
    assert told(simulator, environment_of_others(), "newer_sdk", *arguments) == STORY
    assert "AlibabaCloud" in calls(simulator)[0]["user_agent"]


def test_a_client_of_another_origin_tells_the_story(simulator: Running) -> None:
    assert told(simulator, environment_of_others(), "libcloud_driver") == STORY
    made = calls(simulator)
    assert "libcloud" in made[0]["user_agent"]
    assert [call["region_id"] for call in made if call["action"] == "JoinSecurityGroup"] == [""] * 2
    assert sum(call["action"] == "DescribeInstances" for call in made) >= 13


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_client_of_another_language_tells_the_story(simulator: Running, method: str) -> None:
    assert told(simulator, environment_of_others(), "pop_core", method) == STORY
    assert "Node.js" in calls(simulator)[0]["user_agent"]
