import importlib
import importlib.util
import re
from typing import Any

import pytest
import yaml

from tests.house.repository import text

REPLICAS = ("api-1", "api-2")


def compose() -> dict[str, Any]:
    loaded = yaml.safe_load(text("compose.yaml"))
    assert isinstance(loaded, dict)
    return loaded


def variables() -> set[str]:
    """The settings that the compose file and the image name."""
    named = re.compile(r"\bINTERCOM_[A-Z_]+\b")
    return {name for path in ("compose.yaml", "Dockerfile") for name in named.findall(text(path))}


def test_the_compose_file_has_a_database_a_migration_two_replicas_and_a_proxy() -> None:
    services = compose()["services"]
    assert {"database", "migrate", "proxy", *REPLICAS} <= services.keys()
    for replica in REPLICAS:
        assert services[replica]["depends_on"]["migrate"] == {
            "condition": "service_completed_successfully"
        }
    assert services["migrate"]["depends_on"]["database"] == {"condition": "service_healthy"}


def test_only_the_proxy_can_be_reached_from_outside() -> None:
    assert [name for name, service in compose()["services"].items() if "ports" in service] == [
        "proxy"
    ]


def test_each_replica_is_an_executor_of_its_own() -> None:
    # Two processes under one executor id run each other's operations a second time.
    ids = []
    for replica in REPLICAS:
        command = compose()["services"][replica]["command"]
        ids.append(command[command.index("--executor-id") + 1])
    assert len(set(ids)) == len(REPLICAS)


def test_the_compose_file_holds_no_secret() -> None:
    for name, service in compose()["services"].items():
        for variable, value in (service.get("environment") or {}).items():
            if re.search(r"PASSWORD|SECRET|API_KEY|ACCESS_KEY", variable):
                assert value is None or value.startswith("${"), (name, variable)


def test_every_setting_that_a_deployment_names_exists() -> None:
    if importlib.util.find_spec("app.settings") is None:
        pytest.skip("app.settings is not there yet")
    settings = importlib.import_module("app.settings").Settings
    prefix = settings.model_config["env_prefix"]
    known = {f"{prefix}{field}".upper() for field in settings.model_fields}
    assert variables() - known == set()


def test_the_image_runs_as_nobody_special_on_a_python_whose_sqlite_is_new_enough() -> None:
    dockerfile = text("Dockerfile")
    bases = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    # Debian 12 has SQLite 3.40, on which the engine cannot keep time under Python 3.12 and newer.
    assert all("slim-trixie" in base for base in bases)
    assert "sqlite_version_info >= (3, 42)" in dockerfile
    users = re.findall(r"^USER (\S+)", dockerfile, re.MULTILINE)
    assert users
    assert users[-1] not in {"root", "0"}


def test_the_image_installs_by_hash_and_asks_itself_whether_it_lives() -> None:
    dockerfile = text("Dockerfile").replace("\\\n", " ")
    for line in re.findall(r"pip install[^&\n]*", dockerfile):
        assert "--require-hashes" in line or "--no-deps" in line, line
    assert re.search(r"^HEALTHCHECK .*/livez", dockerfile, re.MULTILINE)
    assert '"intercom"' in dockerfile


def test_the_proxy_ends_slow_requests_before_they_reach_the_service() -> None:
    config = {" ".join(line.split()) for line in text("deploy/haproxy.cfg").splitlines()}
    assert {
        "timeout http-request 5s",
        "timeout http-keep-alive 5s",
        "option http-buffer-request",
    } <= config
    for replica in REPLICAS:
        assert f"server {replica} {replica}:8000" in config
