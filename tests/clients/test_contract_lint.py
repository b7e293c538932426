"""The linter that others hold contracts against has nothing to say about ours."""

from pathlib import Path

import pytest

from tests.clients import workshop

RULES = Path(__file__).parent / "spectral.yaml"


def lint(contract: Path, folder: Path) -> str:
    strictly = ("--ruleset", str(RULES), "--fail-severity", "hint", "--format", "text")
    return workshop.node(workshop.SPECTRAL, "lint", *strictly, str(contract), folder=folder)


def test_spectral_finds_nothing_in_the_committed_contract(tmp_path: Path) -> None:
    workshop.require_clients()
    assert "No results" in lint(workshop.CONTRACT, tmp_path)


def test_spectral_would_find_a_contract_that_is_wrong(tmp_path: Path) -> None:
    workshop.require_clients()
    wrong = tmp_path / "openapi.json"
    wrong.write_text('{"openapi": "3.1.0", "info": {"title": "x"}, "paths": {}}', "utf-8")
    with pytest.raises(AssertionError, match="oas3-api-servers"):
        lint(wrong, tmp_path)
