"""`intercom keys …`: hand out, list and revoke API keys, through the running service."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from app.cli.accounts import Url, call
from app.cli.loading import fail

keys = typer.Typer(help="API keys of a running service.", no_args_is_help=True)


@keys.command("add")
def add_key(
    name: Annotated[str, typer.Argument(help="What it is for, or whose it is.")],
    grant: Annotated[
        list[str],
        typer.Option(help="ACCOUNT=ROLE, such as 1234567890123456=operator; `*` for all accounts."),
    ],
    days: Annotated[int | None, typer.Option(help="How long it is valid.")] = None,
    url: Url = "http://127.0.0.1:8000",
) -> None:
    """Hand out a key. It is printed this once."""
    body: dict[str, Any] = {"name": name, "grants": [_grant(each) for each in grant]}
    if days is not None:
        body["lifetime_days"] = days
    made = call(url, "POST", "/v1/api-keys", body)
    typer.echo(f"{made['id']}, valid until {made['expires_at']}", err=True)
    typer.echo(made["key"])


def _grant(text: str) -> dict[str, str]:
    account_id, equals, role = text.partition("=")
    if not equals:
        raise fail(f"{text} is no grant: write ACCOUNT=ROLE")
    return {"account_id": account_id, "role": role}


@keys.command("list")
def list_keys(url: Url = "http://127.0.0.1:8000") -> None:
    """Show the keys whose accounts you administer."""
    table = Table("id", "name", "begins", "grants", "status", "until")
    cursor = ""
    while True:
        page = call(url, "GET", f"/v1/api-keys?limit=200{cursor}")
        for each in page["items"]:
            grants = ", ".join(f"{one['account_id']}={one['role']}" for one in each["grants"])
            table.add_row(
                each["id"],
                each["name"],
                f"ick_{each['prefix']}",
                grants,
                each["status"],
                each["expires_at"],
            )
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    Console().print(table)


@keys.command("revoke")
def revoke_key(
    api_key_id: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")],
    url: Url = "http://127.0.0.1:8000",
) -> None:
    """Revoke a key, for good and at once."""
    call(url, "DELETE", f"/v1/api-keys/{api_key_id}")
    typer.echo(f"revoked {api_key_id}")
