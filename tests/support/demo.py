"""The service as `make run` starts it: two processes, in front of the demo estate."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.cli.processes import started
from app.settings import DEMO_API_KEY
from tests.support.e2e import service_environment

ACCOUNTS = ("1000000000000001", "1000000000000002")


@dataclass(frozen=True, slots=True)
class Demo:
    """Addresses of a service and of its cloud, and somebody who has the published key."""

    url: str
    cloud: str
    client: httpx.Client


@contextmanager
def demonstrated(folder: Path, **settings: str) -> Iterator[Demo]:
    """Run simulator and service on a new SQLite file, with both accounts registered.

    Settings are spelt as the environment spells them, without their prefix.
    """
    with started(["simulator", "--port", "0"], {}, folder / "simulator.log") as (cloud, _):
        environment = service_environment(cloud, folder / "intercom.sqlite3")
        environment |= {f"INTERCOM_{name}": value for name, value in settings.items()}
        serving = ["serve", "--port", "0"]
        with (
            started(serving, environment, folder / "service.log") as (url, _),
            httpx.Client(
                base_url=url,
                headers={"Authorization": f"Bearer {DEMO_API_KEY}"},
                trust_env=False,
                timeout=60,
            ) as client,
        ):
            for account_id in ACCOUNTS:
                body = {
                    "account_id": account_id,
                    "name": "demo",
                    "role_arn": f"acs:ram::{account_id}:role/intercommunication",
                    "region_ids": ["cn-hangzhou"],
                }
                assert client.post("/v1/accounts", json=body).status_code == 201
            yield Demo(url, cloud, client)
