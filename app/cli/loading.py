"""What several commands need: settings, or a clear word on what is wrong with them."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pydantic import ValidationError

    from app.settings import Settings


def fail(message: str) -> typer.Exit:
    """Print what is wrong, without a traceback, and return the exit to raise."""
    typer.echo(f"intercom: {message}", err=True)
    return typer.Exit(2)


def load_settings() -> "Settings":
    """Read the settings.

    Raises:
        typer.Exit: some are missing or wrong; each is named on standard error, values never.
    """
    from pydantic import ValidationError

    from app.settings import Settings

    try:
        # The environment supplies the one field that has no default.
        return Settings()
    except ValidationError as error:
        for line in _complaints(error):
            typer.echo(f"intercom: {line}", err=True)
        raise typer.Exit(2) from None


def _complaints(error: "ValidationError") -> list[str]:
    lines = []
    for each in error.errors(include_url=False, include_input=False):
        names = "_".join(str(part) for part in each["loc"]).upper()
        message = each["msg"].removeprefix("Value error, ")
        if each["type"] == "missing":
            message = "is required: simulator or alibaba" if names == "CLOUD" else "is required"
        lines.append(f"INTERCOM_{names} {message}" if names else message)
    return lines
