"""`intercom demo`: the main job, on this machine, from nothing."""

import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.loading import fail
from app.cli.processes import started
from app.cli.storytelling import Story

SOURCE = {"account_id": "1000000000000001", "region_id": "cn-hangzhou"}
TARGET = {"account_id": "1000000000000002", "region_id": "cn-hangzhou"}
REQUEST: dict[str, Any] = {
    "method": "group_authorization",
    "source": SOURCE | {"instance_ids": ["i-web01"]},
    "target": TARGET | {"instance_ids": ["i-db01"]},
    "flows": [{"protocol": "tcp", "port_range": "3306/3306"}],
    "reason": "orders service reads the order database",
}
FLOW: dict[str, Any] = {
    "source": SOURCE | {"instance_id": "i-web01"},
    "target": TARGET | {"instance_id": "i-db01"},
    "protocol": "tcp",
    "port": 3306,
}
LONGEST_SECONDS = 60


def demo(
    port: Annotated[
        int, typer.Option(envvar="PORT", min=0, max=65535, help="Port of the service.")
    ] = 8000,
    *,
    leave: Annotated[
        bool, typer.Option("--exit", envvar="DEMO_EXIT", help="Stop at the end, on a free port.")
    ] = False,
    demonstration: Annotated[bool, typer.Option(help="Show the main job first.")] = True,
) -> None:
    """Start a simulated cloud and the service, connect two instances, disconnect, and serve."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # its parts are to be stopped too
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="intercom-")))
        cloud, url, process = stack.enter_context(_running(folder, 0 if leave else port))
        story = Story(cloud, url)
        story.accounts()
        if demonstration:
            tell(story)
        if leave:
            return
        story.invitation()
        try:
            process.wait()
        except KeyboardInterrupt:
            typer.echo("\nstopped")
            return
        raise fail("the service has ended; its log is gone with its folder")


@contextmanager
def _running(folder: Path, port: int) -> Iterator[tuple[str, str, Any]]:
    """Run simulator and service on a new SQLite file; give both addresses and the service."""
    from app.repositories import schema

    database = f"sqlite:///{folder / 'intercom.sqlite3'}"
    schema.migrate(database)
    with started(["simulator", "--port", "0"], {}, folder / "simulator.log") as (cloud, _):
        environment = {
            "INTERCOM_CLOUD": "simulator",
            "INTERCOM_ECS_ENDPOINT": cloud,
            "INTERCOM_STS_ENDPOINT": cloud,
            "INTERCOM_DATABASE_URL": database,
        }
        serving = ["serve", "--port", str(port)]
        with started(serving, environment, folder / "service.log") as (url, process):
            yield cloud, url, process


def tell(story: Story) -> None:
    """Show plan, steps, verdicts, backup and the way back; fail if any of it is not so."""
    start = story.ground_truth()
    if story.verdict("Before", FLOW) != "blocked":
        raise fail("the flow is open before anything was done")
    story.plan(REQUEST)
    before = story.walk(FLOW)
    made = story.call("POST", "/v1/connections", REQUEST)
    made = _followed(story, made, "Connect")
    if story.verdict("After", FLOW) != "reachable":
        raise fail("the flow is not open afterwards")
    story.second_opinion(FLOW)
    story.prove(before, story.walk(FLOW))
    story.backups(made)
    gone = story.call("DELETE", f"/v1/connections/{made['connection_id']}")
    _followed(story, gone, "Disconnect")
    if story.verdict("At the end", FLOW) != "blocked":
        raise fail("the flow is still open at the end")
    story.compare(start, story.ground_truth())


def _followed(story: Story, operation: dict[str, Any], title: str) -> dict[str, Any]:
    """Follow an operation to its end, as `Location` says; fail unless it succeeded."""
    deadline = time.monotonic() + LONGEST_SECONDS
    path = f"/v1/operations/{operation['id']}"
    with story.progress(title) as show:
        while not operation["done"]:
            if time.monotonic() > deadline:
                raise fail(f"operation {operation['id']} takes longer than {LONGEST_SECONDS} s")
            time.sleep(0.05)
            operation = story.call("GET", path)
            show(operation)
    story.steps(operation)
    if operation["status"] != "succeeded":
        raise fail(f"operation {operation['id']} is {operation['status']}")
    return operation
