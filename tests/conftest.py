import os
import shutil
from typing import NoReturn

import hypothesis
import pytest

from tests.support.stage import Stage
from tests.support.worlds import group, instance, world

REQUIRE_SYSTEM = "INTERCOM_TEST_REQUIRE_SYSTEM"
SEEDED = "seeded runs"
"""Property of a test that ran many of them: how many, and in how many seconds."""

REQUIRE_KERNEL = "INTERCOM_TEST_REQUIRE_KERNEL"

# What a developer's shell may hold and a test must not depend on: our own settings, the variables
# that override the credential handed to the SDK, and proxies that it would obey for loopback.
_FOREIGN = ("INTERCOM_", "ALIYUN_", "ALIBABA_CLOUD_")
_PROXIES = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}

# A busy machine must not fail a property: no deadlines. `make test-long` draws many more examples.
hypothesis.settings.register_profile("house", deadline=None, print_blob=True)
hypothesis.settings.register_profile(
    "long", hypothesis.settings.get_profile("house"), max_examples=2_000
)
hypothesis.settings.load_profile("house")


def pytest_configure() -> None:
    for name in list(os.environ):
        foreign = name.startswith(_FOREIGN) and not name.startswith("INTERCOM_TEST_")
        if foreign or name.upper() in _PROXIES:
            del os.environ[name]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how fast the seeded runs were, whichever workers they ran in."""
    passed = terminalreporter.getreports("passed")
    paces = [pace for each in passed for name, pace in each.user_properties if name == SEEDED]
    if paces:
        runs, seconds = sum(pace[0] for pace in paces), sum(pace[1] for pace in paces)
        line = f"{runs} seeded runs at {runs / seconds:.0f} a second and core"
        terminalreporter.write_line(line)


def _missing(package: str) -> NoReturn:
    """Skip the test that needs a system package; fail it where everything must run."""
    reason = f"{package} is not installed on this machine"
    if os.environ.get(REQUIRE_SYSTEM) == "1":
        pytest.fail(f"{reason}, and {REQUIRE_SYSTEM}=1 says that it must be", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the system's Chromium, to be driven with Playwright's `executable_path`."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    _missing("chromium")


@pytest.fixture(scope="session")
def kernel() -> None:
    """Whatever real packets need: programs of the system, and the right to make networks."""
    for program, package in (("ip", "iproute2"), ("nft", "nftables")):
        if shutil.which(program) is None:
            _missing(package)
    try:
        with Stage(world(groups=[group()], instances=[instance()])):
            pass
    except OSError as error:
        reason = f"NO REAL PACKETS WERE SENT: this machine forbids networks of our own ({error})"
        if os.environ.get(REQUIRE_KERNEL) == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
