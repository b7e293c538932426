"""`intercom migrate`: bring the database to this version."""

import os

import typer

DEFAULT = "sqlite:///intercom.sqlite3"


def migrate() -> None:
    """Make or change the tables, all or nothing; run again, it does nothing."""
    from app.repositories import schema

    # Migrating needs no cloud, so the one setting is read by itself.
    url = os.environ.get("INTERCOM_DATABASE_URL", DEFAULT)
    before = schema.current(url)
    schema.migrate(url)
    typer.echo(f"database: {before or 'empty'} -> {schema.head()}")
