"""Write the generated part of docs/findings.md anew: `python -m tests.house.findings_page`."""

import re
from collections.abc import Iterator
from pathlib import Path

from app.domain.hygiene import KINDS, Severity

PAGE = Path(__file__).parents[2] / "docs" / "findings.md"
_PART = re.compile(r"(<!-- generated: kinds -->\n).*?(<!-- end -->)", re.DOTALL)


def kinds() -> Iterator[str]:
    """Every kind by severity, the worst first, with what it means, its remedy and its proof."""
    for severity in Severity:
        of_severity = [kind for kind in KINDS if kind.severity is severity]
        yield f"\n## {severity.value.capitalize()}\n"
        yield "| code | what | remedy | what proves it |"
        yield "| --- | --- | --- | --- |"
        for kind in sorted(of_severity, key=lambda kind: kind.code):
            cells = (f"`{kind.code}`", f"**{kind.title}.** {kind.meaning}", kind.remedy, kind.proof)
            yield f"| {' | '.join(cells)} |"
    yield ""


def written(page: str) -> str:
    """Return the page with its generated part as it must be."""
    return _PART.sub(lambda part: part[1] + "\n".join(kinds()) + "\n" + part[2], page)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
