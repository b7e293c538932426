"""Let connections end by themselves: when, and how the last try to end one went."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INDEX = "ix_connections_expires_at"


def upgrade() -> None:
    op.add_column("connections", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("connections", sa.Column("ending", sa.JSON(none_as_null=True), nullable=True))
    op.create_index(INDEX, "connections", ["expires_at"])


def downgrade() -> None:
    op.drop_index(INDEX, table_name="connections")
    with op.batch_alter_table("connections", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.drop_column("ending")
        batch.drop_column("expires_at")
