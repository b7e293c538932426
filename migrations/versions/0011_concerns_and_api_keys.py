"""Keep beside each plan, connection and so on which accounts it concerns; keep API keys.

What concerns whom is spelt here once more, as it was when this was written.
"""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TEXT = sa.String(length=255)
INSTANT = sa.DateTime(timezone=True)
POSITION = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

PLANS = sa.table(
    "plans",
    sa.column("plan_id", sa.String()),
    sa.column("request", sa.JSON()),
    sa.column("document", sa.JSON()),
    sa.column("created_at", INSTANT),
)
CONNECTIONS = sa.table(
    "connections", sa.column("connection_id", sa.String()), sa.column("request", sa.JSON())
)
OPERATIONS = sa.table(
    "operations",
    sa.column("operation_id", sa.String()),
    sa.column("plan_id", sa.String()),
    sa.column("connection_id", sa.String()),
)
ASSERTIONS = sa.table(
    "assertions", sa.column("assertion_id", sa.String()), sa.column("request", sa.JSON())
)
BACKUPS = sa.table(
    "backups",
    sa.column("backup_id", sa.String()),
    sa.column("account_id", sa.String()),
    sa.column("content", sa.Text()),
)

Concern = tuple[set[str], set[str]]
"""Accounts that are touched, and those that are only told of."""


def upgrade() -> None:
    concerns = op.create_table(
        "concerns",
        sa.Column("noun", TEXT, nullable=False),
        sa.Column("thing_id", TEXT, nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("touched", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("noun", "thing_id", "account_id", name="pk_concerns"),
    )
    op.create_table(
        "api_keys",
        sa.Column("position", POSITION, autoincrement=True, nullable=False),
        sa.Column("api_key_id", TEXT, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", TEXT, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("grants", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("revoked_at", INSTANT, nullable=True),
        sa.Column("revoked_by", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("position", name="pk_api_keys"),
        sa.UniqueConstraint("api_key_id", name="uq_api_keys_api_key_id"),
        sa.UniqueConstraint("prefix", name="uq_api_keys_prefix"),
        sqlite_autoincrement=True,
    )
    connection = op.get_bind()
    for values in _rows(connection):
        if values:
            connection.execute(sa.insert(concerns), values)


def downgrade() -> None:
    op.drop_table("api_keys")
    op.drop_table("concerns")


def _rows(connection: sa.Connection) -> Iterator[list[dict[str, Any]]]:
    """The rows of one thing after another."""
    known: dict[tuple[str, str], Concern] = {}

    def keep(noun: str, thing_id: str, *parts: Concern) -> list[dict[str, Any]]:
        touched = set().union(*(part[0] for part in parts))
        shown = set().union(*(part[1] for part in parts)) - touched
        known[noun, thing_id] = touched, shown
        return [
            {"noun": noun, "thing_id": thing_id, "account_id": each, "touched": is_touched}
            for accounts, is_touched in ((touched, True), (shown, False))
            for each in sorted(accounts)
        ]

    def of(noun: str, thing_id: object) -> Concern:
        return known.get((noun, str(thing_id)), (set(), set()))

    for row in connection.execute(sa.select(BACKUPS)):
        shown = _accounts_in_text(row.content) - {row.account_id}
        yield keep("backup", row.backup_id, ({row.account_id}, shown))
    for row in connection.execute(sa.select(CONNECTIONS)):
        yield keep("connection", row.connection_id, (_accounts(row.request), set()))
    for row in connection.execute(sa.select(ASSERTIONS)):
        yield keep("assertion", row.assertion_id, (_accounts(row.request), set()))
    pairs = [tuple(row) for row in connection.execute(sa.select(OPERATIONS))]
    plans_of = {operation_id: plan_id for operation_id, plan_id, _ in pairs}
    for row in connection.execute(sa.select(PLANS).order_by(PLANS.c.created_at)):
        request = row.request
        touched = _accounts(request) | _accounts(row.document.get("changes", []))
        taken_back = plans_of.get(request.get("operation_id"))
        yield keep(
            "plan",
            row.plan_id,
            (touched, _accounts(row.document)),
            of("connection", request.get("connection_id")),
            of("backup", request.get("backup_id")),
            of("plan", taken_back),
        )
    for operation_id, plan_id, connection_id in pairs:
        yield keep("operation", operation_id, of("plan", plan_id), of("connection", connection_id))


def _accounts_in_text(content: str) -> set[str]:
    try:
        return _accounts(json.loads(content))
    except ValueError:  # a damaged backup tells nothing of anybody
        return set()


def _accounts(value: object) -> set[str]:
    match value:
        case dict():
            account_id = value.get("account_id")
            found = {account_id} if isinstance(account_id, str) else set()
            return found.union(*(_accounts(each) for name, each in value.items() if name != "peer"))
        case list():
            return set().union(*(_accounts(each) for each in value))
        case _:
            return set()
