"""`intercom accounts …`: register, list and check accounts, through the running service."""

import os
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from app.cli.loading import fail

accounts = typer.Typer(help="Accounts of a running service.", no_args_is_help=True)

Url = Annotated[str, typer.Option(envvar="INTERCOM_URL", help="Address of the running service.")]


def call(url: str, verb: str, path: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
    """Call the service with the API key of the environment; return the JSON answer."""
    import httpx

    from app.settings import DEMO_API_KEY

    key = os.environ.get("INTERCOM_API_KEY", DEMO_API_KEY)
    headers = {"Authorization": f"Bearer {key}"}
    try:
        answer = httpx.request(
            verb, f"{url}{path}", json=body, headers=headers, timeout=60, trust_env=False
        )
    except httpx.HTTPError as error:
        raise fail(f"{url} does not answer: {error}") from None
    content: Any = answer.json() if answer.content else None
    if answer.is_error:
        raise fail(f"{content['title']}: {content.get('detail', content['code'])}")
    return content


@accounts.command("list")
def list_accounts(url: Url = "http://127.0.0.1:8000") -> None:
    """Show every registered account."""
    table = Table("account", "name", "role", "regions", "access")
    cursor = ""
    while True:
        page = call(url, "GET", f"/v1/accounts?limit=200{cursor}")
        for each in page["items"]:
            table.add_row(
                each["account_id"],
                each["name"],
                each["role_arn"] or "(base identity)",
                ", ".join(each["region_ids"]),
                each["access"],
            )
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    Console().print(table)


@accounts.command("add")
def add_account(
    account_id: Annotated[str, typer.Argument(help="16 digits.")],
    name: Annotated[str, typer.Option(help="A name for people.")],
    region: Annotated[list[str], typer.Option(help="A region; repeat for more.")],
    role_arn: Annotated[str | None, typer.Option(help="The role to assume there.")] = None,
    url: Url = "http://127.0.0.1:8000",
) -> None:
    """Register an account; prints the ExternalId that the role's trust policy should demand."""
    body: dict[str, Any] = {"account_id": account_id, "name": name, "region_ids": region}
    if role_arn is not None:
        body["role_arn"] = role_arn
    made = call(url, "POST", "/v1/accounts", body)
    typer.echo(f"registered {account_id}; ExternalId {made['external_id']}")


@accounts.command("check")
def check_account(
    account_id: Annotated[str, typer.Argument(help="16 digits.")],
    url: Url = "http://127.0.0.1:8000",
) -> None:
    """Verify that the account lets the service in."""
    found = call(url, "POST", f"/v1/accounts/{account_id}/check")
    typer.echo(f"{account_id}: {found['access']} - {found['access_detail']}")
    if found["access"] != "ok":
        raise typer.Exit(1)
