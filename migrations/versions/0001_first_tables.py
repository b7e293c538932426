"""Make the first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
POSITION = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.String(length=255)


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("position", POSITION, autoincrement=True, nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role_arn", sa.Text(), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("region_ids", sa.JSON(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("access", TEXT, nullable=False),
        sa.Column("access_detail", sa.Text(), nullable=False),
        sa.Column("checked_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("position", name="pk_accounts"),
        sa.UniqueConstraint("account_id", name="uq_accounts_account_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "backups",
        sa.Column("position", POSITION, autoincrement=True, nullable=False),
        sa.Column("backup_id", TEXT, nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("region_id", TEXT, nullable=False),
        sa.Column("group_id", TEXT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("operation_id", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("position", name="pk_backups"),
        sa.UniqueConstraint("backup_id", name="uq_backups_backup_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_backups_group_id", "backups", ["group_id"])
    op.create_index("ix_backups_operation_id", "backups", ["operation_id"])
    op.create_table(
        "connections",
        sa.Column("position", POSITION, autoincrement=True, nullable=False),
        sa.Column("connection_id", TEXT, nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("adopted", sa.JSON(), nullable=False),
        sa.Column("disconnected_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("position", name="pk_connections"),
        sa.UniqueConstraint("connection_id", name="uq_connections_connection_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_connections_status", "connections", ["status"])
    op.create_table(
        "intents",
        sa.Column("position", POSITION, autoincrement=True, nullable=False),
        sa.Column("token", TEXT, nullable=False),
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("change", sa.JSON(), nullable=False),
        sa.Column("begun_at", INSTANT, nullable=False),
        sa.Column("begun_again_at", INSTANT, nullable=True),
        sa.Column("times_begun", sa.Integer(), nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("position", name="pk_intents"),
        sa.UniqueConstraint("token", name="uq_intents_token"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_intents_operation_id", "intents", ["operation_id"])
    op.create_table(
        "ledger_entries",
        sa.Column("position", POSITION, autoincrement=True, nullable=False),
        sa.Column("entry_id", TEXT, nullable=False),
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("group_id", TEXT, nullable=False),
        sa.Column("effect", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_ledger_entries"),
        sa.UniqueConstraint("entry_id", name="uq_ledger_entries_entry_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_ledger_entries_group_id", "ledger_entries", ["group_id"])
    op.create_index("ix_ledger_entries_operation_id", "ledger_entries", ["operation_id"])
    op.create_table(
        "operations",
        sa.Column("position", POSITION, autoincrement=True, nullable=False),
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("connection_id", TEXT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("plan_id", TEXT, nullable=True),
        sa.Column("started_at", INSTANT, nullable=True),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column("intended_steps", sa.Integer(), nullable=True),
        sa.Column("backup_ids", sa.JSON(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("position", name="pk_operations"),
        sa.UniqueConstraint("operation_id", name="uq_operations_operation_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_operations_connection_id", "operations", ["connection_id"])
    op.create_index("ix_operations_status", "operations", ["status"])
    op.create_table(
        "plans",
        sa.Column("plan_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("fingerprint", TEXT, nullable=False),
        sa.Column("world", sa.JSON(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("applied_by", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("plan_id", name="pk_plans"),
    )
    op.create_table(
        "turns",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", "operation_id", name="pk_turns"),
    )
    op.create_index("ix_turns_operation_id", "turns", ["operation_id"])
    op.create_table(
        "ledger_users",
        sa.Column("entry_id", TEXT, nullable=False),
        sa.Column("connection_id", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["ledger_entries.entry_id"], name="fk_ledger_users_entry_id"
        ),
        sa.PrimaryKeyConstraint("entry_id", "connection_id", name="pk_ledger_users"),
    )
    op.create_index("ix_ledger_users_connection_id", "ledger_users", ["connection_id"])
    op.create_table(
        "steps",
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("cloud_request_ids", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["operation_id"], ["operations.operation_id"], name="fk_steps_operation_id"
        ),
        sa.PrimaryKeyConstraint("operation_id", "number", name="pk_steps"),
    )


def downgrade() -> None:
    for table in (
        "steps",
        "ledger_users",
        "turns",
        "plans",
        "operations",
        "ledger_entries",
        "intents",
        "connections",
        "backups",
        "accounts",
    ):
        op.drop_table(table)
