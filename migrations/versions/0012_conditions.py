"""Let connections be checked: what was found, and when they were looked at."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("connections", sa.Column("conditions", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("connections", sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("connections", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.drop_column("checked_at")
        batch.drop_column("conditions")
