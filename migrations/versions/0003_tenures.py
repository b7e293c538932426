"""Let replicas know of one another: a row from each start of a process to its end."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = sa.String(length=255)
SECONDS: sa.Double[float] = sa.Double()


def upgrade() -> None:
    op.create_table(
        "tenures",
        sa.Column("tenure_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("began_at", SECONDS, nullable=False),
        sa.Column("beat_at", SECONDS, nullable=False),
        sa.Column("ended_at", SECONDS, nullable=True),
        sa.Column("ended_by", TEXT, nullable=True),
        sa.Column("settled_at", SECONDS, nullable=True),
        sa.PrimaryKeyConstraint("tenure_id", name="pk_tenures"),
    )


def downgrade() -> None:
    op.drop_table("tenures")
