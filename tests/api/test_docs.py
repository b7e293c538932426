"""The documentation page works without the network and without inline code."""

import hashlib
import re

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.api.docs import ASSETS
from app.main import create_app
from tests.api.fakes import Fakes, OneKey


def test_the_page_needs_nothing_from_elsewhere(stranger: TestClient) -> None:
    page = stranger.get("/docs")
    assert page.status_code == 200
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy
    assert not re.search(r"<script>|<style|\son\w+=|style=|https?://", page.text)
    for path in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert stranger.get(f"/{path}").status_code == 200, path


def test_the_script_asks_for_nothing_from_elsewhere(stranger: TestClient) -> None:
    script = stranger.get("/docs/init.js")
    assert script.headers["Content-Type"].startswith("text/javascript")
    assert not re.search(r"https?://", script.text)
    paths = re.findall(r'(?:fetch\(|url: )"([^"]+)"', script.text)
    answers = {path: stranger.get(f"/{path}").status_code for path in paths}
    assert answers == {
        "docs/credentials.json": 200,
        "openapi.json": 200,
        "v1/operations?limit=200": 401,
        "v1/backups?limit=1": 401,
    }


def test_the_vendored_files_are_those_that_were_vendored() -> None:
    lines = (ASSETS / "VERSION").read_text().splitlines()[1:]
    for line in lines:
        digest, name = line.split()
        assert hashlib.sha256((ASSETS / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("name", ["../page.html", "..%2fpage.html", "%2e%2e/%2e%2e/__init__.py"])
def test_only_the_assets_are_served(stranger: TestClient, name: str) -> None:
    answer = stranger.get(f"/docs/assets/{name}")
    assert answer.status_code in {401, 404}
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_the_page_knows_no_key_of_a_real_cloud(stranger: TestClient) -> None:
    assert stranger.get("/docs/credentials.json").json()["api_key"] is None


def test_the_page_fills_in_the_key_of_a_simulated_cloud(fakes: Fakes) -> None:
    app: FastAPI = create_app(
        fakes.house,
        identity=OneKey("demo"),
        docs_key="demo",
        allowed_hosts=("*",),
        body_limit_bytes=1024,
        version="0.1.0",
    )
    with TestClient(app) as anybody:
        answer = anybody.get("/docs/credentials.json", headers={"Host": "anything.example"})
    assert answer.json()["api_key"] == "demo"
    text = anybody.get("/openapi.json", headers={"Host": "anything.example"}).text
    assert all(each in text for each in answer.json()["example_ids"].values())
    assert answer.headers["Cache-Control"] == "no-store"
