import os
import shutil
from typing import NoReturn

import pytest

REQUIRE_SYSTEM = "INTERCOM_TEST_REQUIRE_SYSTEM"


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
