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
    *,
    faults: Annotated[
        Path | None, typer.Option(help="JSON file with faults that are there from the start.")
    ] = None,
    persist: Annotated[
        Path | None,
        typer.Option(help="File to keep the estate in; if it is there, it is where it goes on."),
    ] = None,
    control: Annotated[
        bool, typer.Option(help="Offer the control interface under /_simulator.")
    ] = True,
) -> None:
    """Answer as ECS and STS do, for any client that speaks their protocol."""
    from app.simulator.errors import ControlError, EstateError
    from app.simulator.server import serve

    try:
        serve(
            host,
            port,
            _content(estate),
            faults=_content(faults),
            keep_in=persist,
            has_control=control,
        )
    except (ControlError, EstateError, OSError, ValueError) as error:
        raise fail(str(error)) from None


def _content(path: Path | None) -> object:
    """Return what a file holds; ValueError if that is no JSON."""
    if path is None:
        return None
    try:
        return json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} holds no JSON: {error}") from error
