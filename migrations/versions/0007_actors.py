"""Keep who asked for each operation; of earlier ones nobody knows any more."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TEXT = sa.String(length=255)
AUTOINCREMENT = {"sqlite_autoincrement": True}


def upgrade() -> None:
    with op.batch_alter_table("operations", table_kwargs=AUTOINCREMENT) as batch:
        batch.add_column(sa.Column("actor", TEXT, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("operations", table_kwargs=AUTOINCREMENT) as batch:
        batch.drop_column("actor")
