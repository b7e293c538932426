"""The files of the repository, as the house tests look at them."""

import os
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENDORED = "app/api/static/swagger-ui/"

_NOT_OURS = {".git", ".venv", "__pycache__", "build", "dist", "node_modules"}


@cache
def files() -> tuple[str, ...]:
    """Paths of what is tracked, or would be if it were added now; sorted, with forward slashes.

    An export without history has no index to ask: there every file counts, apart from what
    .gitignore keeps out of a checkout.
    """
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            # The checkout may belong to another user than the one who runs the tests.
            [
                "git",
                "-c",
                "safe.directory=*",
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ],
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
        ).stdout.split("\0")
        return tuple(sorted({path for path in listed if path and (ROOT / path).is_file()}))
    found = []
    for folder, subfolders, names in os.walk(ROOT):
        subfolders[:] = [
            name
            for name in subfolders
            if name not in _NOT_OURS and not name.endswith(("_cache", ".egg-info"))
        ]
        found += [(Path(folder) / name).relative_to(ROOT).as_posix() for name in names]
    return tuple(sorted(found))


def text(path: str) -> str:
    """Return what stands in a file, `path` being relative to the top of the repository."""
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")
