"""The same tests over every wire: whoever runs them does not know whom they talk to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from app.adapters.ecs.clouds import WiredClouds
from app.ports.ecs import AccountAccess, Ecs
from app.simulator.demo import demo_estate
from app.simulator.dispatcher import Dispatcher
from app.simulator.server import Running, running
from app.simulator.settings import Settings
from tests.support.clouds import ACCOUNT, REGION, TickingClock, http_clouds, in_memory_clouds


@dataclass(frozen=True)
class Stage:
    """A cloud that obeys the test, and the adapter in front of it."""

    dispatcher: Dispatcher
    endpoint: str | None
    clock: TickingClock

    def set(self, estate: Mapping[str, Any]) -> None:
        self.dispatcher.replace_estate(estate)

    def faults(self, *faults: Mapping[str, Any]) -> None:
        self.dispatcher.put_faults(list(faults))

    def clouds(self, *accesses: AccountAccess, workers: int = 1) -> WiredClouds:
        """Return clouds as if the service had just started: no session, no connection yet."""
        if self.endpoint is not None:
            return http_clouds(self.endpoint, accesses=accesses, clock=self.clock)
        return in_memory_clouds(
            self.dispatcher, accesses=accesses, clock=self.clock, workers=workers
        )

    def ecs(self, account_id: str = ACCOUNT) -> Ecs:
        return self.clouds().of(account_id, REGION)

    def calls(self) -> dict[str, int]:
        """Count the calls since the last `forget`, by action; those of STS are left out."""
        counted: Any = self.dispatcher.journal.as_json()["counts"]
        return {name: count for name, count in counted.items() if name not in STS_ACTIONS}

    def count(self, action: str) -> int:
        counted: Any = self.dispatcher.journal.as_json()["counts"]
        return int(counted.get(action, 0))

    def parameters(self, action: str) -> list[dict[str, str]]:
        entries: Any = self.dispatcher.journal.as_json()["items"]
        return [entry["parameters"] for entry in entries if entry["action"] == action]

    def forget(self) -> None:
        self.dispatcher.journal.clear()

    def truth(self, group_id: str) -> dict[str, Any]:
        """Return a group as it really is."""
        groups: Any = self.dispatcher.estate()["security_groups"]
        return next(group for group in groups if group["SecurityGroupId"] == group_id)


STS_ACTIONS = frozenset({"AssumeRole", "GetCallerIdentity"})


@pytest.fixture(scope="session")
def simulator() -> Iterator[Running]:
    with running() as server:
        yield server


@pytest.fixture
def http_stage(simulator: Running) -> Iterator[Stage]:
    """The simulator over HTTP, with the demo estate and nothing else left of the last test."""
    dispatcher = simulator.dispatcher
    dispatcher.settings = Settings()
    dispatcher.faults.clear()
    dispatcher.replace_estate(demo_estate())
    dispatcher.journal.clear()
    yield Stage(dispatcher, simulator.endpoint, TickingClock())
    dispatcher.faults.clear()


@pytest.fixture(params=["simulator", "in_memory"])
def stage(request: pytest.FixtureRequest) -> Stage:
    if request.param == "simulator":
        over_http: Stage = request.getfixturevalue("http_stage")
        return over_http
    return Stage(Dispatcher(demo_estate()), None, TickingClock())
