"""The console script `intercom`: a module for each command."""

import typer

from app.cli import accounts, demo, keys, migrate, openapi, serve, settings, simulator

main = typer.Typer(
    name="intercom",
    help="Connect ECS instances over the intranet by changing security groups, safely.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
main.command("serve")(serve.serve)
main.command("simulator")(simulator.simulator)
main.command("demo")(demo.demo)
main.command("migrate")(migrate.migrate)
main.command("openapi")(openapi.openapi)
main.command("settings")(settings.settings)
main.add_typer(accounts.accounts, name="accounts")
main.add_typer(keys.keys, name="keys")
