"""`intercom settings`: every setting, as the README shows them."""

from datetime import timedelta

import typer


def settings() -> None:
    """Print every setting with its default and meaning, as a Markdown table."""
    typer.echo(table(), nl=False)


def table() -> str:
    """Return the Markdown table of all settings, in the order of their declaration."""
    from app.settings import Settings

    lines = ["| setting | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = "(none)" if field.is_required() else _spelled(field.default)
        lines.append(f"| `INTERCOM_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def _spelled(value: object) -> str:
    match value:
        case None:
            return ""
        case timedelta():
            seconds = value.total_seconds()
            return f"`{int(seconds) if seconds.is_integer() else seconds}` s"
        case tuple():
            return f"`{','.join(value)}`"
        case _:
            return f"`{value}`"
