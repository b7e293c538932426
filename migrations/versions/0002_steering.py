"""Let operations be steered and followed: who settles whom, what was asked, what happened."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
POSITION = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.String(length=255)
UNENDED = {"pending", "running", "rolling_back"}
NEW = ("rollback_asked_at", "settles", "settled_by")


def upgrade() -> None:
    op.add_column("operations", sa.Column("rollback_asked_at", INSTANT, nullable=True))
    op.add_column("operations", sa.Column("settles", TEXT, nullable=True))
    op.add_column("operations", sa.Column("settled_by", TEXT, nullable=True))
    op.create_table(
        "operation_events",
        sa.Column("position", POSITION, autoincrement=True, nullable=False),
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_operation_events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_operation_events_operation_id", "operation_events", ["operation_id"])
    operations = sa.table("operations", sa.column("operation_id"), sa.column("status"))
    events = sa.table(
        "operation_events",
        sa.column("operation_id"),
        sa.column("kind"),
        sa.column("document", sa.JSON()),
    )
    connection = op.get_bind()
    for operation_id, status in connection.execute(sa.select(operations)).all():
        progress = 0 if status in UNENDED else 100
        document = {"status": status, "progress": progress, "step": None}
        values = {"operation_id": operation_id, "kind": "status", "document": document}
        connection.execute(sa.insert(events).values(values))


def downgrade() -> None:
    op.drop_table("operation_events")
    with op.batch_alter_table("operations", table_kwargs={"sqlite_autoincrement": True}) as batch:
        for name in NEW:
            batch.drop_column(name)
