"""The documentation page as a person meets it."""

import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import sync_playwright

from app.main import create_app
from tests.api.fakes import Fakes, OneKey

OPERATION = "#operations-connections-create_connection"


@pytest.fixture
def address(fakes: Fakes) -> Iterator[str]:
    app: FastAPI = create_app(
        fakes.house,
        identity=OneKey("demo"),
        docs_key="demo",
        allowed_hosts=("127.0.0.1",),
        body_limit_bytes=1024 * 1024,
        version="0.1.0",
    )
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.mark.browser
def test_an_example_is_executed_with_one_click_and_nothing_is_fetched_from_elsewhere(
    chromium: str, address: str, fakes: Fakes
) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        asked: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(f"{address}/docs#/connections/create_connection")
        page.click(f"{OPERATION} .execute")
        table = page.wait_for_selector(f"{OPERATION} .live-responses-table")
        assert table is not None
        assert "202" in table.inner_text()
        assert "location: /v1/operations/op-1" in table.inner_text()
        browser.close()
    assert [url for url in asked if not url.startswith((address, "data:"))] == []
    assert [text for text in complaints if "Content Security Policy" in text] == []
    assert [name for name, _ in fakes.connections.asked] == ["create"]
