"""Keep an audit that is only added to, freezes, and requests that carried an idempotency key."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TEXT = sa.String(length=255)
HASH = sa.String(length=64)
INSTANT = sa.DateTime(timezone=True)
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
REFUSED = "the audit is only added to"


def upgrade() -> None:
    op.create_table(
        "audit_events",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("target", TEXT, nullable=False),
        sa.Column("account_ids", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("plan_fingerprint", TEXT, nullable=True),
        sa.Column("detail", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("previous_hash", HASH, nullable=False),
        sa.Column("hash", HASH, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit_events"),
    )
    op.create_index("ix_audit_events_target", "audit_events", ["target"], unique=False)
    head = op.create_table(
        "audit_head",
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("hash", HASH, nullable=False),
    )
    op.get_bind().execute(sa.insert(head).values(number=0, hash="0" * 64))
    op.create_table(
        "freezes",
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_freezes"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("scope", HASH, nullable=False),
        sa.Column("fingerprint", HASH, nullable=False),
        sa.Column("claim_id", TEXT, nullable=False),
        sa.Column("claimed_by", TEXT, nullable=False),
        sa.Column("claimed_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("headers", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("scope", name="pk_idempotency_keys"),
    )
    op.create_index(
        "ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"], unique=False
    )
    for statement in _guards(op.get_bind().dialect.name):
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("idempotency_keys")
    op.drop_table("freezes")
    op.drop_table("audit_head")
    op.drop_table("audit_events")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_to_change_the_audit()")


def _guards(dialect: str) -> list[str]:
    """Triggers that let nobody change or remove a record, whatever code asks for it."""
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER audit_events_no_{verb.lower()} BEFORE {verb} ON audit_events "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
            for verb in ("UPDATE", "DELETE")
        ] + [
            (
                "CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON audit_head "
                f"BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
            )
        ]
    return [
        (
            "CREATE FUNCTION refuse_to_change_the_audit() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{REFUSED}'; END $$"
        ),
        (
            "CREATE TRIGGER audit_events_only_added BEFORE UPDATE OR DELETE OR TRUNCATE "
            "ON audit_events FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_audit()"
        ),
        (
            "CREATE TRIGGER audit_head_not_removed BEFORE DELETE OR TRUNCATE "
            "ON audit_head FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_audit()"
        ),
    ]
