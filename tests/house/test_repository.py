import hashlib
import os
import re
import subprocess

import pytest

from tests.house.repository import ROOT, VENDORED, files, text

MEBIBYTE = 1 << 20
VERSION = f"{VENDORED}VERSION"

# Put together here, so that this file does not hold what it forbids.
REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pypi", "python", "org"),
        ("pythonhosted", "org"),
        ("anaconda", "org"),
        ("npmjs", "com"),
        ("npmjs", "org"),
        ("yarnpkg", "com"),
        ("jsr", "io"),
        ("unpkg", "com"),
        ("jsdelivr", "net"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
        ("rubygems", "org"),
        ("repo", "maven", "apache", "org"),
        ("repo1", "maven", "org"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("security", "ubuntu", "com"),
        ("mirrors", "aliyun", "com"),
        ("mirrors", "cloud", "aliyuncs", "com"),
        ("npmmirror", "com"),
        ("pypi", "tuna"),
    )
)


def test_no_file_names_the_host_of_a_package_registry() -> None:
    # Who installs decides where packages come from; the hashes in the locks decide what they are.
    named = re.compile("|".join(re.escape(host) for host in REGISTRY_HOSTS), re.IGNORECASE)
    found = [f"{path}: {hit[0]}" for path in files() if (hit := named.search(text(path)))]
    assert found == []


@pytest.mark.parametrize("host", REGISTRY_HOSTS)
def test_every_registry_host_would_be_found(host: str) -> None:
    named = re.compile("|".join(re.escape(name) for name in REGISTRY_HOSTS), re.IGNORECASE)
    assert named.search(f"--index-url https://{host.upper()}/simple")


def test_only_the_vendored_bundle_is_larger_than_a_mebibyte() -> None:
    large = [path for path in files() if (ROOT / path).stat().st_size > MEBIBYTE]
    assert large == [f"{VENDORED}swagger-ui-bundle.js"]


def test_every_vendored_file_has_the_digest_that_its_version_gives() -> None:
    title, *lines = text(VERSION).splitlines()
    assert re.fullmatch(r"swagger-ui-dist \d+\.\d+\.\d+", title)
    expected = {name: digest for digest, name in (line.split() for line in lines)}
    beside = {path.removeprefix(VENDORED) for path in files() if path.startswith(VENDORED)}
    assert set(expected) == beside - {"VERSION"}
    for name, digest in expected.items():
        found = hashlib.sha256((ROOT / VENDORED / name).read_bytes()).hexdigest()
        assert found == digest, name


def test_vendored_files_name_the_licences_they_are_under() -> None:
    assert "Apache License" in text(f"{VENDORED}LICENSE")
    assert text(f"{VENDORED}NOTICE").startswith("swagger-ui")


@pytest.mark.parametrize("path", [".ci/run", *(p for p in files() if p.startswith("scripts/"))])
def test_a_script_says_its_shell_parses_and_can_be_run(path: str) -> None:
    shell = text(path).splitlines()[0].removeprefix("#!").removeprefix("/usr/bin/env ")
    assert shell in {"/bin/sh", "bash"}
    assert os.access(ROOT / path, os.X_OK)
    subprocess.run([shell, "-n", path], cwd=ROOT, check=True)


def test_ci_runs_make_test_and_requires_what_the_system_lacks() -> None:
    script = text(".ci/run")
    assert re.search(r"^make test\b", script, re.MULTILINE)
    assert "set -euo pipefail" in script
    assert "INTERCOM_TEST_REQUIRE_SYSTEM=1" in script


def test_every_phony_target_of_the_makefile_says_what_it_does() -> None:
    makefile = text("Makefile")
    phony = set(re.findall(r"^\.PHONY: (\S+)$", makefile, re.MULTILINE))
    described = set(re.findall(r"^([a-z-]+):.* ## \S", makefile, re.MULTILINE))
    assert phony == described
