"""docs/findings.md lists the kinds of findings that there are."""

import re

from app.domain.hygiene import KINDS
from tests.house.findings_page import PAGE, written


def test_its_tables_are_those_of_the_code() -> None:
    text = PAGE.read_text("utf-8")
    assert written(text) == text, "`make findings-page` writes them anew"


def test_it_names_every_kind_once() -> None:
    generated = PAGE.read_text("utf-8").partition("<!-- generated")[2]
    codes = re.findall(r"^\| `(\w+)` \|", generated, re.MULTILINE)
    assert sorted(codes) == sorted(kind.code for kind in KINDS)
