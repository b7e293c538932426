"""docs/hindrances.md lists the codes of hindrances that there are, in their order."""

import re

from app.domain.hindrances import HindranceCode
from tests.house.repository import ROOT


def test_the_page_lists_every_code_in_checking_order() -> None:
    page = (ROOT / "docs" / "hindrances.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == [
        each.value for each in HindranceCode
    ]
