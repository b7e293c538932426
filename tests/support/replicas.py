"""Service processes in front of one simulator: started, found out about, frozen and killed."""

import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg

from app.cli.processes import started
from tests.support.e2e import Api, Cloud, Document, service_environment, until

QUICK = {
    "INTERCOM_SETTLE_WINDOW": "3",
    "INTERCOM_LEASE": "2",
    "INTERCOM_READ_TIMEOUT": "2",
    "INTERCOM_CONNECT_TIMEOUT": "1",
    "INTERCOM_SWEEP_INTERVAL": "0.5",
}
"""Settings of replicas that take over from one another after a few seconds."""


@dataclass(frozen=True, slots=True)
class Replica:
    """A service process and a user of it."""

    name: str
    url: str
    api: Api
    process: "subprocess.Popen[str]"
    log: Path

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def ready(self) -> int:
        """The status of the readiness probe."""
        return httpx.get(f"{self.url}/readyz", timeout=10, trust_env=False).status_code


@contextmanager
def replica(
    cloud: Cloud, database: str | Path, folder: Path, name: str = "one", role: str = "all"
) -> Iterator[Replica]:
    """Run a service process for as long as the block lasts."""
    log = folder / f"{name}-{uuid.uuid4()}.log"
    environment = service_environment(cloud.url, database) | QUICK
    arguments = ["serve", "--port", "0", "--executor-id", name, "--role", role]
    with started(arguments, environment, log) as (url, process):
        api = Api(url)
        try:
            yield Replica(name, url, api, process, log)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
            api.close()


@dataclass(frozen=True, slots=True)
class Records:
    """What a PostgreSQL database knows of replicas and operations."""

    url: str

    def tenures(self) -> list[str]:
        return self._column("SELECT tenure_id FROM tenures WHERE ended_at IS NULL ORDER BY 1")

    def executor_of(self, operation: Document) -> str:
        """The name of the replica that runs an operation."""
        found = self._column(
            "SELECT executor_id FROM dbos.workflow_status WHERE workflow_uuid = %s",
            operation["id"],
        )
        return found[0].split("@", 1)[0] if found and found[0] else ""

    def cut_connections(self) -> None:
        """Let the server end every connection but ours, as when it is started anew."""
        self._column(
            "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    def _column(self, statement: str, *values: str) -> list[str]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return [row[0] for row in connection.execute(statement.encode(), values)]


def running_one(
    records: Records, operation: Document, replicas: list[Replica]
) -> tuple[Replica, list[Replica]]:
    """The replica that runs an operation, and the others."""
    names = {each.name: each for each in replicas}
    until(lambda: records.executor_of(operation) in names, "nobody runs the operation")
    one = names[records.executor_of(operation)]
    return one, [each for each in replicas if each is not one]
