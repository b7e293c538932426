"""Write the generated parts of docs/simulator.md anew: `python -m tests.simulator.page`."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from app.simulator.actions import ACTIONS
from app.simulator.state.quotas import PROFILES
from tests.simulator.codes import CASES, Case

PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"
_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

PARTIAL: Mapping[str, str] = {
    "AssumeRole": "a session policy restricts actions and resources; conditions never allow",
    "DescribeAccountAttributes": "`instance-network-type` and `max-security-groups`",
    "DescribeInstanceAttribute": "what an estate does not hold is the same for every instance",
    "DescribeInstances": "what an estate does not hold is the same for every instance",
    "DescribeRegions": "names are Chinese or English",
    "DescribeSecurityGroupAttribute": "no snapshot policies (`Attribute`)",
    "DescribeSecurityGroups": "no `FuzzyQuery`; `EcsCount` always counts",
    "ModifyInstanceAttribute": "groups and name; other fields are ignored",
    "ModifyNetworkInterfaceAttribute": "groups only; other fields are ignored",
    "TagResources": "groups, instances and interfaces",
}
"""What is left out of an action; the others are whole."""


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    titles = list(head)
    for row in (titles, ["---"] * len(titles), *rows):
        yield f"| {' | '.join(str(cell) for cell in row)} |"


def actions() -> Iterator[str]:
    rows = [
        (f"`{name}`", "partial" if name in PARTIAL else "whole", PARTIAL.get(name, ""))
        for _, name in sorted(ACTIONS)
    ]
    yield from _table(("action", "there", "what is not, or only in part"), rows)


def refusals() -> Iterator[str]:
    for action, cases in groupby(sorted(CASES, key=_place), lambda case: case.action):
        yield f"### {action[0].upper()}{action[1:]}\n"
        rows = [
            (
                case.status,
                f"`{case.code}`",
                case.when,
                "fault" if case.by_fault else "call",
                case.mark,
            )
            for case in cases
        ]
        yield from _table(("status", "code", "when", "by", "mark"), rows)
        yield ""


def _place(case: Case) -> tuple[int, str, int, str]:
    return " " not in case.action, case.action, case.status, case.code


def quotas() -> Iterator[str]:
    figures = [asdict(profile) for profile in PROFILES.values()]
    rows = [
        (f"`{name}`", *("none" if figure[name] is None else figure[name] for figure in figures))
        for name in figures[0]
    ]
    yield from _table(("quota", *(f"`{name}`" for name in PROFILES)), rows)


PARTS: Mapping[str, Callable[[], Iterator[str]]] = {
    "actions": actions,
    "refusals": refusals,
    "quotas": quotas,
}


def written(page: str) -> str:
    """Return the page with its generated parts as they must be."""
    return _PART.sub(lambda part: "\n".join((part[1], *PARTS[part[2]](), part[3])), page)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
