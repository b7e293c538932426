import re
from pathlib import Path

from app.simulator.faults import KINDS, SHAPES
from app.simulator.settings import Settings, Variants

PAGE = (Path(__file__).parents[2] / "docs" / "simulator-trouble.md").read_text("utf-8")


def test_the_page_has_every_kind_of_fault_and_its_fields() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", PAGE, re.MULTILINE))
    assert set(rows) == set(KINDS)
    for name, kind in KINDS.items():
        assert set(re.findall(r"`(\w+)`", rows[name])) >= set(kind.fields) - {"edit", "reply"}


def test_the_page_names_every_choice_and_every_shape() -> None:
    choices = {*Variants.__slots__, *SHAPES, "consistency", "rate_limits"}
    assert choices <= set(re.findall(r"`(\w+)`", PAGE))
    assert {"consistency", "rate_limits", "variants"} <= set(Settings().as_json())
