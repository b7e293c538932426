"""Keep what must, or must never, be reachable, with the states that each assertion has had."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TEXT = sa.String(length=255)
INSTANT = sa.DateTime(timezone=True)
POSITION = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "assertions",
        sa.Column("position", POSITION, autoincrement=True, nullable=False),
        sa.Column("assertion_id", TEXT, nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("checked_at", INSTANT, nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("managed_by", TEXT, nullable=True),
        sa.Column("operation_id", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("position", name="pk_assertions"),
        sa.UniqueConstraint("assertion_id", name="uq_assertions_assertion_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "assertion_states",
        sa.Column("position", POSITION, autoincrement=True, nullable=False),
        sa.Column("assertion_id", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["assertion_id"],
            ["assertions.assertion_id"],
            name="fk_assertion_states_assertion_id",
        ),
        sa.PrimaryKeyConstraint("position", name="pk_assertion_states"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_assertion_states_assertion_id", "assertion_states", ["assertion_id"], unique=False
    )


def downgrade() -> None:
    op.drop_table("assertion_states")
    op.drop_table("assertions")
