"""`intercom simulator`: the simulated cloud by itself."""

import json
from pathlib import Path
from typing import Annotated

import typer

from app.cli.loading import fail


def simulator(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8090,
    estate: Annotated[
        Path | None, typer.Option(help="JSON file with the estate; left out: the demo estate.")
    ] = None,
) -> None:
    """Answer as ECS and STS do, for any client that speaks their protocol."""
    from app.simulator.errors import EstateError
    from app.simulator.server import serve

    try:
        ground_truth = None if estate is None else json.loads(estate.read_text("utf-8"))
        serve(host, port, ground_truth)
    except (EstateError, OSError, ValueError) as error:
        raise fail(str(error)) from None
