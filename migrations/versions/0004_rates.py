"""Count calls of the cloud: a row for each account, region and action."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.String(length=255)
SECONDS: sa.Double[float] = sa.Double()


def upgrade() -> None:
    op.create_table(
        "rates",
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("region_id", TEXT, nullable=False),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("ordinary_at", SECONDS, nullable=False),
        sa.Column("reserve_at", SECONDS, nullable=False),
        sa.Column("locked_until", SECONDS, nullable=False),
        sa.Column("retry_credit", SECONDS, nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("retries", sa.BigInteger(), nullable=False),
        sa.Column("throttled", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "region_id", "action", name="pk_rates"),
    )


def downgrade() -> None:
    op.drop_table("rates")
