"""The registry of problems is complete, and each problem has a page."""

import pytest
from fastapi.testclient import TestClient

from app.api.problems import KINDS, kept_problem, kinds_of_errors, titles, type_of


def test_every_error_has_a_status() -> None:
    codes = {kind.code for kind in kinds_of_errors()}
    assert codes == KINDS.keys()


def test_errors_of_one_code_have_one_title() -> None:
    for kind in kinds_of_errors():
        assert titles()[kind.code] == kind.title, kind


@pytest.mark.parametrize("code", KINDS)
def test_every_problem_has_a_page_for_everybody(stranger: TestClient, code: str) -> None:
    page = stranger.get(type_of(code))
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert f"<code>{code}</code>" in page.text
    assert str(KINDS[code].status) in page.text


@pytest.mark.parametrize("path", ["/problems/nothing", "/problems/plan_stale", "/problems/%3Cb%3E"])
def test_no_other_page_is_made_up(stranger: TestClient, path: str) -> None:
    answer = stranger.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_an_error_that_a_later_version_kept_still_reads() -> None:
    kept = kept_problem({"code": "of_tomorrow", "title": "New", "detail": "x", "fact": 1})
    assert (kept["code"], kept["status"], kept["fact"]) == ("internal_error", 500, 1)


def test_facts_never_replace_what_every_problem_has() -> None:
    kept = kept_problem({"code": "plan_stale", "title": "Stale", "status": 200, "type": "x"})
    assert (kept["status"], kept["type"]) == (409, "/problems/plan-stale")
