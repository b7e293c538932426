"""Every table of ours. The durable engine keeps its own beside them; no key leads there.

Rows that are listed have a `position`: it only grows, so that a page can begin where the last
one ended. Keys between tables stay within one noun: nouns do not know one another.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: with time zone UTC in Python, without one in SQLite, which has none."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            msg = "an instant has a time zone"
            raise ValueError(msg)
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


LIMIT = 255
"""Most characters of an id or a name of ours."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


_NUMBER = BigInteger().with_variant(Integer, "sqlite")


def _position() -> Column[int]:
    return Column(
        "position",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    )


def _document(name: str, *, nullable: bool = False) -> Column[Any]:
    # JSON rather than JSONB: a document is answered with its keys in the order it was kept.
    return Column(name, JSON(none_as_null=True), nullable=nullable)


accounts = Table(
    "accounts",
    metadata,
    _position(),
    Column("account_id", String(LIMIT), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("role_arn", Text),
    Column("external_id", Text, nullable=False),
    _document("region_ids"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("access", String(LIMIT), nullable=False),
    Column("access_detail", Text, nullable=False),
    Column("checked_at", UtcDateTime),
    sqlite_autoincrement=True,
)

plans = Table(
    "plans",
    metadata,
    Column("plan_id", String(LIMIT), primary_key=True),
    Column("kind", String(LIMIT), nullable=False),
    _document("request"),
    _document("document"),
    Column("fingerprint", String(LIMIT), nullable=False),
    _document("world"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("applied_by", String(LIMIT)),
)

connections = Table(
    "connections",
    metadata,
    _position(),
    Column("connection_id", String(LIMIT), nullable=False, unique=True),
    _document("request"),
    Column("status", String(LIMIT), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    _document("adopted"),
    Column("disconnected_at", UtcDateTime),
    Column("expires_at", UtcDateTime, index=True),
    _document("ending", nullable=True),
    _document("conditions", nullable=True),
    Column("checked_at", UtcDateTime),
    sqlite_autoincrement=True,
)

operations = Table(
    "operations",
    metadata,
    _position(),
    Column("operation_id", String(LIMIT), nullable=False, unique=True),
    Column("kind", String(LIMIT), nullable=False),
    Column("status", String(LIMIT), nullable=False, index=True),
    Column("connection_id", String(LIMIT), index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("plan_id", String(LIMIT)),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("intended_steps", Integer),
    _document("backup_ids"),
    _document("result", nullable=True),
    _document("error", nullable=True),
    Column("rollback_asked_at", UtcDateTime),
    Column("finish_asked_at", UtcDateTime),
    Column("settles", String(LIMIT)),
    Column("settled_by", String(LIMIT)),
    Column("actor", String(LIMIT)),
    sqlite_autoincrement=True,
)

operation_events = Table(
    "operation_events",
    metadata,
    _position(),
    Column("operation_id", String(LIMIT), nullable=False, index=True),
    Column("kind", String(LIMIT), nullable=False),
    _document("document"),
    sqlite_autoincrement=True,
)

steps = Table(
    "steps",
    metadata,
    Column("operation_id", ForeignKey(operations.c.operation_id), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("status", String(LIMIT), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("attempts", Integer, nullable=False),
    Column("detail", Text, nullable=False),
    _document("cloud_request_ids"),
)

backups = Table(
    "backups",
    metadata,
    _position(),
    Column("backup_id", String(LIMIT), nullable=False, unique=True),
    Column("account_id", String(LIMIT), nullable=False),
    Column("region_id", String(LIMIT), nullable=False),
    Column("group_id", String(LIMIT), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("content", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("operation_id", String(LIMIT), index=True),
    Column("origin", String(LIMIT), nullable=False),
    sqlite_autoincrement=True,
)

successors = Table(
    "successors",
    metadata,
    Column("account_id", String(LIMIT), primary_key=True),
    Column("group_id", String(LIMIT), primary_key=True),
    Column("successor_id", String(LIMIT), nullable=False),
    Column("operation_id", String(LIMIT), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

ledger_entries = Table(
    "ledger_entries",
    metadata,
    _position(),
    Column("entry_id", String(LIMIT), nullable=False, unique=True),
    Column("operation_id", String(LIMIT), nullable=False, index=True),
    Column("group_id", String(LIMIT), nullable=False, index=True),
    _document("effect"),
    sqlite_autoincrement=True,
)

ledger_users = Table(
    "ledger_users",
    metadata,
    Column("entry_id", ForeignKey(ledger_entries.c.entry_id), primary_key=True),
    Column("connection_id", String(LIMIT), primary_key=True, index=True),
)

intents = Table(
    "intents",
    metadata,
    _position(),
    Column("token", String(LIMIT), nullable=False, unique=True),
    Column("operation_id", String(LIMIT), nullable=False, index=True),
    _document("change"),
    Column("begun_at", UtcDateTime, nullable=False),
    Column("begun_again_at", UtcDateTime),
    Column("times_begun", Integer, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("outcome", Text),
    sqlite_autoincrement=True,
)

assertions = Table(
    "assertions",
    metadata,
    _position(),
    Column("assertion_id", String(LIMIT), nullable=False, unique=True),
    _document("request"),
    Column("owner", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("status", String(LIMIT), nullable=False),
    Column("checked_at", UtcDateTime),
    _document("detail"),
    Column("managed_by", String(LIMIT)),
    Column("operation_id", String(LIMIT)),
    sqlite_autoincrement=True,
)

assertion_states = Table(
    "assertion_states",
    metadata,
    _position(),
    Column("assertion_id", ForeignKey(assertions.c.assertion_id), nullable=False, index=True),
    Column("status", String(LIMIT), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    _document("detail"),
    sqlite_autoincrement=True,
)

turns = Table(
    "turns",
    metadata,
    Column("key", String(LIMIT), primary_key=True),
    Column("operation_id", String(LIMIT), primary_key=True, index=True),
    Column("number", BigInteger, nullable=False),
)

tenures = Table(
    "tenures",
    metadata,
    Column("tenure_id", String(LIMIT), primary_key=True),
    Column("name", String(LIMIT), nullable=False),
    Column("version", String(LIMIT), nullable=False),
    Column("began_at", Double, nullable=False),
    Column("beat_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("ended_by", String(LIMIT)),
    Column("settled_at", Double),
)

revisions = Table(
    "revisions",
    metadata,
    Column("account_id", String(LIMIT), primary_key=True),
    Column("region_id", String(LIMIT), primary_key=True),
    Column("number", BigInteger, nullable=False),
)

concerns = Table(
    "concerns",
    metadata,
    Column("noun", String(LIMIT), primary_key=True),
    Column("thing_id", String(LIMIT), primary_key=True),
    Column("account_id", String(LIMIT), primary_key=True),
    Column("touched", Boolean, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    _position(),
    Column("api_key_id", String(LIMIT), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("prefix", String(LIMIT), nullable=False, unique=True),
    Column("digest", String(64), nullable=False),
    _document("grants"),
    Column("created_by", String(LIMIT), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    Column("revoked_by", String(LIMIT)),
    sqlite_autoincrement=True,
)

audit_events = Table(
    "audit_events",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(LIMIT), nullable=False),
    Column("action", String(LIMIT), nullable=False),
    Column("target", String(LIMIT), nullable=False, index=True),
    _document("account_ids"),
    Column("outcome", String(LIMIT), nullable=False),
    Column("plan_fingerprint", String(LIMIT)),
    _document("detail"),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("number", _NUMBER, nullable=False),
    Column("hash", String(64), nullable=False),
)

freezes = Table(
    "freezes",
    metadata,
    Column("account_id", String(LIMIT), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("actor", String(LIMIT), nullable=False),
    Column("since", UtcDateTime, nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("scope", String(64), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("claim_id", String(LIMIT), nullable=False),
    Column("claimed_by", String(LIMIT), nullable=False),
    Column("claimed_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("status", Integer),
    Column("body", Text),
    _document("headers", nullable=True),
)

rates = Table(
    "rates",
    metadata,
    Column("account_id", String(LIMIT), primary_key=True),
    Column("region_id", String(LIMIT), primary_key=True),
    Column("action", String(LIMIT), primary_key=True),
    Column("ordinary_at", Double, nullable=False),
    Column("reserve_at", Double, nullable=False),
    Column("locked_until", Double, nullable=False),
    Column("retry_credit", Double, nullable=False),
    Column("calls", BigInteger, nullable=False),
    Column("retries", BigInteger, nullable=False),
    Column("throttled", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
)
