"""Write docs/faults.md anew from the marks of the tests: `python -m tests.house.faults_page`."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.house.repository import ROOT, files, text

PAGE = ROOT / "docs" / "faults.md"
MARK = "pytest.mark.fault"


@dataclass(frozen=True, slots=True)
class Row:
    """A fault, where it strikes and how it must end.

    `elsewhere` names the feature that it belongs to, where it is not about operations as such.
    """

    where: str
    fault: str
    end: str
    elsewhere: str = ""


ROWS: Mapping[str, Row] = {
    "F1": Row("accept", "crash before the commit", "no trace of it"),
    "F2": Row("accept", "crash after the commit, before the answer", "it runs once"),
    "F3": Row("accept", "database full or not writable", "503, no row, no call"),
    "F4": Row("accept", "the commit's confirmation is lost", "exactly one operation"),
    "F5": Row("claim", "two workers at once", "one of them carries it out"),
    "F6": Row("claim", "database lost afterwards", "it goes on when there is one again"),
    "F7": Row("read", "errors, timeouts, throttling", "`rejected`, nothing changed"),
    "F8": Row("read", "pages shift, replicas disagree", "read until it is stable"),
    "F9": Row("read", "role denied, another account's identity", "`rejected`, nothing changed"),
    "F10": Row("check", "the world is not the plan's", "`plan_stale` with the difference"),
    "F11": Row("check", "guardrail or approval changed", "`rejected`", "guardrails, approvals"),
    "F12": Row("check", "less room than the plan needs", "`rejected`, nothing changed"),
    "F13": Row("back up", "database full, busy or gone", "no change before it is kept"),
    "F14": Row("back up", "it reads back otherwise", "`rejected`, nothing changed"),
    "F15": Row("intend", "crash before the call", "sent after the crash"),
    "F16": Row("add", "timeout, not applied", "sent again with its token"),
    "F17": Row("add", "timeout, applied", "seen, and not doubled"),
    "F18": Row("add", "applied after we gave up", "found by its marker, taken back"),
    "F19": Row("add", "it was there already", "adopted, never removed"),
    "F20": Row("add", "a part of a batch", "the rest is made, or the part is taken back"),
    "F21": Row("add", "quota used up half-way", "`rolled_back`"),
    "F22": Row("add", "throttled", "the next minute is waited for"),
    "F23": Row("add", "500, 503", "unknown, never failed"),
    "F24": Row("add", "token expired or taken away", "renewed once; else `needs_attention`"),
    "F25": Row("add", "not permitted", "`rolled_back`, nothing there"),
    "F26": Row("add", "an answer that is none", "unknown, looked for"),
    "F27": Row("observe", "never shows", "no removal; `needs_attention`"),
    "F28": Row("observe", "shows, is gone, shows again", "no second addition"),
    "F29": Row("gate", "our new rule was removed", "nothing is removed"),
    "F30": Row("gate", "the old rule was changed", "nothing is removed, back"),
    "F31": Row("gate", "a drop hides the new rule", "nothing is removed, back"),
    "F32": Row("remove", "gone already", "done"),
    "F33": Row("remove", "throttled or failing for minutes", "back to what was, no wider"),
    "F34": Row("remove", "crash between two removals", "never half of it"),
    "F35": Row("remove", "applied late", "waited for"),
    "F36": Row("observe", "still listed", "waited for; then `needs_attention`"),
    "F37": Row("verify", "others changed something", "listed, left alone"),
    "F38": Row("verify", "our rule is missing", "no success: back"),
    "F39": Row("record", "crash, database down", "verified again, no further change"),
    "F40": Row("record", "webhook fails", "the end is unaffected", "webhooks"),
    "F41": Row("any", "killed, power lost", "goes on"),
    "F42": Row("any", "SIGTERM", "drained, goes on elsewhere or later"),
    "F43": Row("any", "frozen longer than its lease", "no further call"),
    "F44": Row("any", "the wall clock jumps", "nothing changes"),
    "F45": Row("any", "group or instance deleted", "back, or counted as gone"),
    "F46": Row("any", "instance moved", "no success: back"),
    "F47": Row("any", "somebody cancels", "`cancelled`, or back"),
    "F48": Row("any", "delivered twice", "carried out once"),
    "F49": Row("back", "any of these", "gone on with until restored, or told"),
    "F50": Row("back", "what was removed is refused", "told exactly, put back later"),
    "F51": Row("back", "what is put back has a new id", "the ledger follows"),
    "F52": Row("back", "somebody made ours theirs", "not removed"),
    "F53": Row("several groups", "one of them fails", "the others back", "restores"),
    "F54": Row("upgrade", "operations of an earlier version", "gone on with, or told"),
}  # fmt: skip


def marked() -> Mapping[str, list[str]]:
    """The tests of each row, as `path::name`, sorted."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path in files():
        if path.startswith("tests/") and path.endswith(".py"):
            for row, name in _marks(text(path)):
                found[row].add(f"{path}::{name}")
    return {row: sorted(tests) for row, tests in found.items()}


def _marks(source: str) -> Iterator[tuple[str, str]]:
    """Rows and tests of a module: of a test's own marks, and of those of its parameters."""
    if MARK not in source:
        return
    for each in ast.parse(source).body:
        if isinstance(each, ast.FunctionDef) and each.name.startswith("test_"):
            for decorator in each.decorator_list:
                for call in ast.walk(decorator):
                    if isinstance(call, ast.Call) and ast.unparse(call.func) == MARK:
                        for row in call.args:
                            yield ast.literal_eval(row), each.name


def _order(row: str) -> int:
    return int(row.removeprefix("F"))


def _spelled(test: str) -> str:
    path, _, name = test.partition("::")
    return f"[{name.removeprefix('test_').replace('_', ' ')}](../{path})"


def written() -> str:
    """Return the page as it must be."""
    tests = marked()
    lines = [
        "# What can go wrong, and which test shows what becomes of it",
        "",
        "Written from the tests' own marks by `make faults-page`; a row that no test shows fails",
        "the suite. Beside these stories thousands of seeds mix the same faults: see",
        "[simulation](simulation.md).",
        "",
        "| row | where | fault | how it ends | shown by |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, row in ROWS.items():
        shown = "; ".join(map(_spelled, tests.get(name, ())))
        if row.elsewhere:
            shown = f"{shown}; " * bool(shown) + f"belongs to: {row.elsewhere}"
        lines.append(f"| {name} | {row.where} | {row.fault} | {row.end} | {shown} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(PAGE).write_text(written(), "utf-8")
