"""The main job in the documentation page, as a person does it, against the live service."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.support.demo import Demo, demonstrated
from tests.support.e2e import until

PATIENCE_MS = 60_000
OF_THE_PAGE = "error: Deprecated: escaping deep link whitespace with `_`"
"""Swagger UI takes every underscore of a link for a space of old; it opens the operation."""

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    with demonstrated(tmp_path) as running:
        yield running


def executed(page: Page, demo: Demo, link: str) -> str:
    """Open an operation by its link, execute its example, and return what is shown."""
    tag, name = link.split("/")
    box = f"#operations-{tag}-{name}"
    page.goto("about:blank")
    page.goto(f"{demo.url}/docs#/{link}")
    page.click(f"{box} .execute")
    table = page.wait_for_selector(f"{box} .live-responses-table")
    assert table is not None
    return table.inner_text()


def test_connect_follow_read_and_disconnect_take_a_click_each(chromium: str, demo: Demo) -> None:
    asked: list[str] = []
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))

        shown = executed(page, demo, "connections/create_connection")
        assert "202" in shown
        assert "location: /v1/operations/" in shown
        [operation] = demo.client.get("/v1/operations").json()["items"]
        assert operation["id"] in shown
        until(lambda: is_done(demo, operation["id"]), "the operation does not end")

        # The page's examples speak of what was made by then.
        shown = executed(page, demo, "operations/get_operation")
        assert operation["id"] in shown
        assert "succeeded" in shown
        assert "etag:" in shown
        assert '"sg-db"' in executed(page, demo, "backups/get_backup")
        shown = executed(page, demo, "connections/disconnect_connection")
        assert "202" in shown
        browser.close()
    newest = demo.client.get("/v1/operations").json()["items"][0]
    assert newest["kind"] == "disconnect"
    until(lambda: is_done(demo, newest["id"]), "the operation does not end")
    assert [url for url in asked if not url.startswith((demo.url, "data:", "about:"))] == []
    assert [each for each in complaints if not each.startswith(OF_THE_PAGE)] == []


def is_done(demo: Demo, operation_id: str) -> bool:
    return bool(demo.client.get(f"/v1/operations/{operation_id}").json()["done"])
