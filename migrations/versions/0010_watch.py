"""Keep when somebody asked to end the watch of an operation."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

AUTOINCREMENT = {"sqlite_autoincrement": True}


def upgrade() -> None:
    with op.batch_alter_table("operations", table_kwargs=AUTOINCREMENT) as batch:
        batch.add_column(sa.Column("finish_asked_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("operations", table_kwargs=AUTOINCREMENT) as batch:
        batch.drop_column("finish_asked_at")
