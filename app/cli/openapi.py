"""`intercom openapi`: the contract as a file."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.loading import fail

COMMITTED = Path("openapi.json")


def openapi(
    output: Annotated[Path | None, typer.Option(help="File to write; left out: print.")] = None,
    check: Annotated[bool, typer.Option(help="Compare with openapi.json, write nothing.")] = False,
) -> None:
    """Print the OpenAPI document, write it, or check that the committed one is it."""
    from app.api.openapi import openapi_text
    from app.cli.version import version
    from app.main import bare_app

    text = openapi_text(bare_app(version()))
    if check:
        if not COMMITTED.exists() or COMMITTED.read_text("utf-8") != text:
            raise fail("openapi.json is not what the code says; run `make openapi`")
        typer.echo("openapi.json is what the code says")
    elif output is not None:
        output.write_text(text, "utf-8")
    else:
        typer.echo(text, nl=False)
