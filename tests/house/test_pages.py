import re
import tomllib

import pytest
import yaml

from tests.house.repository import files, text

DECISIONS = tuple(
    path for path in files() if re.fullmatch(r"docs/decisions/(?!README)[^/]+\.md", path)
)
FRAGMENTS = tuple(path for path in files() if re.fullmatch(r"changelog\.d/(?!README)[^/]+", path))


@pytest.mark.parametrize("path", DECISIONS)
def test_a_decision_says_its_context_the_choice_and_the_price(path: str) -> None:
    assert re.fullmatch(r"docs/decisions/\d{4}-[a-z0-9-]+\.md", path)
    page = text(path)
    assert re.match(r"# \d{4} [^\n]+\n", page)
    assert page[2:6] == path.removeprefix("docs/decisions/")[:4]
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == ["Context", "Choice", "Price"]
    for part in re.split(r"^## .+$", page, flags=re.MULTILINE)[1:]:
        assert part.strip(), "an empty part decides nothing"


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(path.removeprefix("docs/decisions/")[:4]) for path in DECISIONS]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("path", FRAGMENTS)
def test_a_changelog_fragment_names_what_changed_and_how(path: str) -> None:
    kinds = [
        kind["directory"]
        for kind in tomllib.loads(text("pyproject.toml"))["tool"]["towncrier"]["type"]
    ]
    assert re.fullmatch(rf"changelog\.d/[a-z0-9+][a-z0-9-]*\.({'|'.join(kinds)})\.md", path)
    assert text(path).strip().endswith("."), "a fragment is one or more sentences"


def test_hooks_before_a_commit_run_what_is_installed_and_fetch_nothing() -> None:
    hooks = yaml.safe_load(text(".pre-commit-config.yaml"))
    assert [source["repo"] for source in hooks["repos"]] == ["local"]
    assert {hook["language"] for source in hooks["repos"] for hook in source["hooks"]} == {"system"}


LINK = re.compile(r"\[[^\]]*\]\((?!https?://|#|/)([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("path", [path for path in files() if path.endswith(".md")])
def test_a_link_to_another_page_leads_somewhere(path: str) -> None:
    folder = path.rpartition("/")[0]
    known = set(files()) | {f.rpartition("/")[0] for f in files()}
    for target in LINK.findall(text(path)):
        parts: list[str] = folder.split("/") if folder else []
        for part in target.rstrip("/").split("/"):
            if part == "..":
                parts.pop()
            elif part != ".":
                parts.append(part)
        assert "/".join(parts) in known, f"{path} links to {target}"
