"""Migrations go up and down with rows in the tables, and agree with the tables in the code."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect

from app.domain.audit import AuditEntry
from app.domain.concerns import Concern, Noun
from app.domain.errors import StorageUnavailableError
from app.domain.freezes import Freeze
from app.ports.store import KeptRequest
from app.repositories import engines, schema
from app.repositories.store import SqlStore
from app.repositories.tables import metadata
from tests.repositories.values import (
    NOON,
    account,
    api_key,
    assertion,
    backup,
    change,
    connection,
    entry,
    operation,
    plan,
    state,
    step,
)

FOREIGN = "CREATE TABLE workflow_status (workflow_uuid VARCHAR(10) PRIMARY KEY)"


@contextmanager
def opened(url: str) -> Iterator[Connection]:
    engine = engines.write_engine(engines.read_url(url))
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def tables(url: str) -> set[str]:
    with opened(url) as connection:
        return set(inspect(connection).get_table_names())


def fill(url: str) -> None:
    store = SqlStore(url=url)
    with store.write() as work:
        work.accounts.add(account())
        work.plans.add(plan())
        work.connections.add(connection())
        work.operations.add(operation(steps=(step(),)))
        work.backups.add(backup())
        work.assertions.add(assertion())
        work.assertions.note("assertion-1", state())
        work.ledger.add(entry())
        work.intents.begin("operation-1", "token-1", change(), NOON)
        work.turns.take("operation-1", ["sg-db"])
        work.replicas.enlist("one", "1")
        work.api_keys.add(api_key())
        work.audit.append(AuditEntry(NOON, "bootstrap", "create_plan", "plan/1", (), "done"))
        work.freezes.put(Freeze("*", "a reason", "bootstrap", NOON))
        work.idempotency.put(KeptRequest("0" * 64, "f" * 64, "claim", "p", NOON, NOON))
        work.commit()
    store.close()


def test_migrations_go_up_and_down_with_rows_in_every_table(empty_url: str) -> None:
    schema.migrate(empty_url)
    fill(empty_url)
    assert schema.current(empty_url) == schema.head()
    schema.downgrade(empty_url, "base")
    assert tables(empty_url) == {"alembic_version"}
    assert schema.current(empty_url) is None
    schema.migrate(empty_url)
    fill(empty_url)
    assert tables(empty_url) == {"alembic_version", *metadata.tables}


def test_operations_of_before_there_were_events_have_one(empty_url: str) -> None:
    schema.migrate(empty_url)
    fill(empty_url)
    schema.downgrade(empty_url, "0001")
    schema.migrate(empty_url)
    store = SqlStore(url=empty_url)
    with store.read() as work:
        [event] = work.operations.events("operation-1")
        kept = work.operations.get("operation-1")
    store.close()
    assert (event.status, event.progress, event.step) == (operation().status, 0, None)
    assert kept == operation(steps=(step(),))


def test_what_was_kept_before_concerned_its_accounts_already(empty_url: str) -> None:
    schema.migrate(empty_url)
    store = SqlStore(url=empty_url)
    ours, theirs, others = (f"100000000000000{number}" for number in (1, 2, 3))
    request = {"source": {"account_id": ours}, "target": {"account_id": theirs}}
    change = {"account_id": ours, "rules": [{"peer": {"account_id": others, "group_id": "sg"}}]}
    gained = {"items": [{"source": {"account_id": others}}]}
    back = {"connection_id": "connection-1"}
    with store.write() as work:
        work.plans.add(
            replace(plan(document={"changes": [change], "gained": gained}), request=request)
        )
        work.connections.add(replace(connection(), request=request))
        work.plans.add(replace(plan(plan_id="plan-2", document={"changes": []}), request=back))
        work.operations.add(replace(operation(), plan_id="plan-1"))
        work.operations.add(replace(operation(operation_id="operation-2"), plan_id="plan-2"))
        work.backups.add(backup())
        work.commit()
        things = [
            (Noun.PLAN, "plan-1"),
            (Noun.PLAN, "plan-2"),
            (Noun.CONNECTION, "connection-1"),
            (Noun.OPERATION, "operation-1"),
            (Noun.OPERATION, "operation-2"),
            (Noun.BACKUP, backup().backup_id),
        ]
        before = [work.concerns.of(*each) for each in things]
    assert before[0] == Concern(frozenset({ours, theirs}), frozenset({others}))
    assert before[1] == before[2] == before[4] == Concern(frozenset({ours, theirs}))
    schema.downgrade(empty_url, "0010")
    schema.migrate(empty_url)
    with store.read() as work:
        assert [work.concerns.of(*each) for each in things] == before
    store.close()


def test_migrating_again_changes_nothing(database_url: str) -> None:
    fill(database_url)
    schema.migrate(database_url)
    store = SqlStore(url=database_url)
    with store.read() as work:
        assert work.accounts.all() == (account(),)
    store.close()


def test_the_code_and_the_newest_migration_agree(database_url: str) -> None:
    with opened(database_url) as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        difference: list[Any] = compare_metadata(context, metadata)
    assert difference == []


def test_tables_of_others_are_left_alone(empty_url: str) -> None:
    with opened(empty_url) as connection:
        connection.exec_driver_sql(FOREIGN)
    schema.migrate(empty_url)
    schema.downgrade(empty_url, "base")
    assert tables(empty_url) == {"alembic_version", "workflow_status"}


def test_a_migration_that_fails_changes_nothing(empty_url: str) -> None:
    with opened(empty_url) as connection:
        connection.exec_driver_sql("CREATE TABLE plans (plan_id INTEGER)")
    with pytest.raises(StorageUnavailableError):
        schema.migrate(empty_url)
    assert tables(empty_url) == {"plans"}


def test_a_store_is_ready_with_exactly_this_version(empty_url: str) -> None:
    store = SqlStore(url=empty_url)
    assert not store.is_ready()
    schema.migrate(empty_url)
    assert store.is_ready()
    with opened(empty_url) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    assert not store.is_ready()
    store.close()


def test_migrating_leaves_logging_as_it_was(sqlite_url: str) -> None:
    logger = logging.getLogger("somebody")
    before = (logger.disabled, logging.root.handlers[:], logging.root.level)
    schema.migrate(sqlite_url)
    assert (logger.disabled, logging.root.handlers, logging.root.level) == before


def test_an_address_with_a_percent_sign_is_migrated(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / '50%.sqlite3'}"
    schema.migrate(url)
    assert schema.current(url) == schema.head()
