"""Count changes of accounts and regions, so that what was read before is known to be old."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXT = sa.String(length=255)


def upgrade() -> None:
    op.create_table(
        "revisions",
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("region_id", TEXT, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "region_id", name="pk_revisions"),
    )


def downgrade() -> None:
    op.drop_table("revisions")
