"""Let backups be taken by hand and restored: as canonical text, by operations of no connection,
with groups that stand for deleted ones.
"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TEXT = sa.String(length=255)
INSTANT = sa.DateTime(timezone=True)
ROWS_AT_A_TIME = 100
AUTOINCREMENT = {"sqlite_autoincrement": True}


def upgrade() -> None:
    _change_contents(sa.JSON(), sa.Text(), "content::text")
    _respell(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    with op.batch_alter_table("backups", table_kwargs=AUTOINCREMENT) as batch:
        batch.add_column(sa.Column("origin", TEXT, nullable=True))
    op.execute("UPDATE backups SET origin = 'operation'")
    with op.batch_alter_table("backups", table_kwargs=AUTOINCREMENT) as batch:
        batch.alter_column("origin", existing_type=TEXT, nullable=False)
    with op.batch_alter_table("operations", table_kwargs=AUTOINCREMENT) as batch:
        batch.alter_column("connection_id", existing_type=TEXT, nullable=True)
    op.create_table(
        "successors",
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("group_id", TEXT, nullable=False),
        sa.Column("successor_id", TEXT, nullable=False),
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "group_id", name="pk_successors"),
    )


def downgrade() -> None:
    op.drop_table("successors")
    # What was done for no connection cannot be told by the tables of before.
    operations = sa.table("operations", sa.column("operation_id"), sa.column("connection_id"))
    of_none = operations.c.connection_id.is_(None)
    ids = sa.select(operations.c.operation_id).where(of_none)
    for name in ("steps", "operation_events"):
        told = sa.table(name, sa.column("operation_id"))
        op.execute(sa.delete(told).where(told.c.operation_id.in_(ids)))
    op.execute(sa.delete(operations).where(of_none))
    with op.batch_alter_table("operations", table_kwargs=AUTOINCREMENT) as batch:
        batch.alter_column("connection_id", existing_type=TEXT, nullable=False)
    with op.batch_alter_table("backups", table_kwargs=AUTOINCREMENT) as batch:
        batch.drop_column("origin")
    _change_contents(sa.Text(), sa.JSON(), "content::json")


def _change_contents(
    before: "sa.types.TypeEngine[Any]", after: "sa.types.TypeEngine[Any]", using: str
) -> None:
    with op.batch_alter_table("backups", table_kwargs=AUTOINCREMENT) as batch:
        batch.alter_column(
            "content",
            existing_type=before,
            type_=after,
            existing_nullable=False,
            postgresql_using=using,
        )


def _respell(**spelling: object) -> None:
    """Write every content anew; one that is not JSON any more is left as it is."""
    connection = op.get_bind()
    backups = sa.table(
        "backups", sa.column("position", sa.Integer()), sa.column("content", sa.Text())
    )
    last = 0
    while True:
        query = sa.select(backups).where(backups.c.position > last).order_by(backups.c.position)
        rows = connection.execute(query.limit(ROWS_AT_A_TIME)).all()
        for position, content in rows:
            last = position
            try:
                text = json.dumps(json.loads(content), **spelling)  # type: ignore[arg-type]
            except ValueError:
                continue
            change = sa.update(backups).where(backups.c.position == position)
            connection.execute(change.values(content=text))
        if not rows:
            return
