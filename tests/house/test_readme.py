"""The README's table is the code's; its requests are sent in tests/e2e."""

from app.cli.settings import table
from tests.house.repository import ROOT


def test_the_settings_in_the_readme_are_those_of_the_code() -> None:
    assert table() in (ROOT / "README.md").read_text("utf-8")
