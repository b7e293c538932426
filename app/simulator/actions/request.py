"""What an action is handed, and what it is registered as."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from app.simulator.credentials import Caller, Sessions
from app.simulator.parameters import Parameters
from app.simulator.settings import Settings
from app.simulator.state.store import Store

Body: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class Product:
    """A product of the cloud: its API version, and the host that its errors name."""

    version: str
    host: str


ECS = Product("2014-05-26", "ecs.aliyuncs.com")
STS = Product("2015-04-01", "sts.aliyuncs.com")


@dataclass(frozen=True, slots=True)
class Request:
    """One authenticated call; `region_id` is "" only where the action tolerates its absence."""

    caller: Caller
    region_id: str
    parameters: Parameters
    store: Store
    settings: Settings
    sessions: Sessions
    now: float

    @property
    def account_id(self) -> str:
        """The account on whose behalf the call acts."""
        return self.caller.account_id

    def timestamp(self) -> str:
        """Return the present time as groups and rules carry it."""
        return datetime.fromtimestamp(self.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Action:
    """An action: its handler checks everything first, then changes the store or does not.

    `region` says whether RegionId is needed; `takes_token` whether a ClientToken makes it
    idempotent.
    """

    name: str
    handler: Callable[[Request], Body]
    needs_region: bool = True
    takes_token: bool = False
