"""Backups as rows: not one byte may change, and only what nobody needs goes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, text

from app.domain.backups import Backup, BackupOrigin
from app.domain.connections import ConnectionStatus
from app.domain.errors import BackupCorruptError, InUseError, NotFoundError
from app.domain.groups import GroupRef
from app.domain.operations import Operation, OperationKind, OperationStatus
from app.ports.store import Store, Work
from app.repositories import engines, schema
from app.repositories.around import Around
from app.repositories.backups import SqlBackups
from app.repositories.store import SqlStore
from app.services.retention import RetentionService
from tests.repositories.values import NOON, backup, connection, operation, plan
from tests.support.clouds import TickingClock

Write = Callable[[Work], object]


def keep(store: Store, *writes: Write) -> None:
    with store.write() as work:
        for write in writes:
            write(work)
        work.commit()


# --- bytes ----------------------------------------------------------------------------


def test_every_flipped_byte_of_a_backup_is_found(sqlite_url: str) -> None:
    schema.migrate(sqlite_url)
    store = SqlStore(url=sqlite_url)
    keep(store, lambda work: work.backups.add(backup()))
    store.close()
    engine = engines.write_engine(engines.read_url(sqlite_url))
    with engine.connect() as opened:
        opened.begin()
        whole: bytes = opened.scalar(text("SELECT CAST(content AS BLOB) FROM backups"))
        for place in range(len(whole)):
            for mask in (0x01, 0x20, 0x80):
                spoilt = bytearray(whole)
                spoilt[place] ^= mask
                _put(opened, bytes(spoilt))
                found = SqlBackups(opened, Around()).get("backup-1")
                assert found is not None
                with pytest.raises(BackupCorruptError):
                    found.check()
        _put(opened, whole + b" ")
        with pytest.raises(BackupCorruptError):
            _found(opened).check()
        _put(opened, whole)
        _found(opened).check()
    engine.dispose()


def _found(opened: Connection) -> Backup:
    found = SqlBackups(opened, Around()).get("backup-1")
    assert found is not None
    return found


def _put(opened: Connection, content: bytes) -> None:
    opened.execute(text("UPDATE backups SET content = CAST(:it AS TEXT)"), {"it": content})


@pytest.mark.parametrize("column", ["account_id", "region_id", "group_id", "sha256"])
def test_a_backup_that_is_filed_under_another_group_is_found(
    sql_store: SqlStore, column: str
) -> None:
    keep(sql_store, lambda work: work.backups.add(backup()))
    with sql_store.write() as work:
        work._connection.execute(text(f"UPDATE backups SET {column} = 'another'"))
        work.commit()
    with sql_store.read() as work:
        found = work.backups.get("backup-1")
    assert found is not None
    with pytest.raises(BackupCorruptError):
        found.check()


def test_a_listing_shows_damaged_backups_too(sql_store: SqlStore) -> None:
    keep(sql_store, lambda work: work.backups.add(backup()))
    with sql_store.write() as work:
        work._connection.execute(text("UPDATE backups SET content = '{no json'"))
        work.commit()
    with sql_store.read() as work:
        [found] = work.backups.page(limit=10, position=None).items
    assert found.content == {}


def test_backups_of_before_they_were_texts_are_whole(empty_url: str) -> None:
    schema.migrate(empty_url)
    store = SqlStore(url=empty_url)
    keep(store, lambda work: work.backups.add(backup()))
    store.close()
    schema.downgrade(empty_url, "0005")
    schema.migrate(empty_url)
    store = SqlStore(url=empty_url)
    with store.read() as work:
        found = work.backups.get("backup-1")
    store.close()
    assert found == backup()
    found.check()


# --- how long -------------------------------------------------------------------------

DAY = timedelta(days=1)


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock(NOON)


def retention(store: Store, clock: TickingClock, *, versions: int = 1) -> RetentionService:
    return RetentionService(store=store, clock=clock, lifetime=DAY, versions=versions)


def ids(store: Store) -> list[str]:
    with store.read() as work:
        page = work.backups.page(limit=100, position=None)
    return [each.backup_id for each in page.items]


def taken(backup_id: str, *, at: datetime = NOON, before: str | None = None) -> Write:
    kept = replace(backup(backup_id=backup_id, operation_id=before), created_at=at)
    return lambda work: work.backups.add(kept)


def done(operation_id: str, **fields: object) -> Write:
    ended = {"status": OperationStatus.SUCCEEDED, "connection_id": "c1"} | fields
    kept: Operation = replace(operation(operation_id=operation_id), **ended)  # type: ignore[arg-type]
    return lambda work: work.operations.add(kept)


def standing(status: ConnectionStatus) -> Write:
    kept = connection(connection_id="c1", status=status)
    return lambda work: work.connections.add(kept)


OVER, STANDS = standing(ConnectionStatus.DISCONNECTED), standing(ConnectionStatus.ACTIVE)


def test_old_backups_go_but_for_the_newest_versions(store: Store, clock: TickingClock) -> None:
    keep(store, taken("one"), taken("two"), taken("three"), taken("young", at=NOON + DAY))
    clock.tick(DAY + timedelta(seconds=1))
    retention(store, clock, versions=2)()
    assert ids(store) == ["young", "three"]


@pytest.mark.parametrize(
    ("status", "connected"),
    [
        (OperationStatus.PENDING, OVER),
        (OperationStatus.RUNNING, OVER),
        (OperationStatus.ROLLING_BACK, OVER),
        (OperationStatus.NEEDS_ATTENTION, OVER),
        (OperationStatus.SUCCEEDED, STANDS),
    ],
)
def test_what_is_needed_stays_however_old_it_is(
    store: Store, clock: TickingClock, status: OperationStatus, connected: Write
) -> None:
    keep(store, connected, done("o1", status=status), taken("needed", before="o1"), taken("newer"))
    clock.tick(30 * DAY)
    retention(store, clock)()
    assert ids(store) == ["newer", "needed"]
    with pytest.raises(InUseError):
        retention(store, clock).delete("needed")


def test_what_an_operation_that_was_taken_up_needs_stays_until_that_ends(
    store: Store, clock: TickingClock
) -> None:
    attention = OperationStatus.NEEDS_ATTENTION
    keep(
        store,
        OVER,
        done("o1", status=attention, settled_by="o2"),
        done("o2", status=OperationStatus.RUNNING, settles="o1"),
        taken("needed", before="o1"),
        taken("newer"),
    )
    clock.tick(30 * DAY)
    retention(store, clock)()
    assert ids(store) == ["newer", "needed"]
    with store.write() as work:
        running = work.operations.get("o2")
        assert running is not None
        work.operations.update(replace(running, status=OperationStatus.SUCCEEDED))
        work.commit()
    retention(store, clock)()
    assert ids(store) == ["newer"]


def test_what_is_planned_to_be_restored_stays(store: Store, clock: TickingClock) -> None:
    restoring = replace(
        plan(plan_id="p1"),
        kind="restore",
        document={"restore": {"backup_ids": ["planned"]}},
        expires_at=NOON + 40 * DAY,
        applied_by=None,
    )
    keep(store, lambda work: work.plans.add(restoring), taken("planned"), taken("newer"))
    clock.tick(30 * DAY)
    retention(store, clock)()
    assert ids(store) == ["newer", "planned"]
    keep(store, done("r1", kind=OperationKind.RESTORE, status=OperationStatus.RUNNING,
                     plan_id="p1", connection_id=None))  # fmt: skip
    clock.tick(20 * DAY)
    retention(store, clock)()
    assert ids(store) == ["newer", "planned"]
    with store.write() as work:
        running = work.operations.get("r1")
        assert running is not None
        work.operations.update(replace(running, status=OperationStatus.SUCCEEDED))
        work.commit()
    retention(store, clock).delete("planned")
    assert ids(store) == ["newer"]


def test_it_is_not_looked_for_old_backups_all_the_time(store: Store, clock: TickingClock) -> None:
    keep(store, taken("one"), taken("two"))
    service = retention(store, clock)
    service()
    clock.tick(DAY + timedelta(seconds=1))
    service()
    assert ids(store) == ["two"]
    keep(store, taken("three"))
    service()
    assert ids(store) == ["three", "two"]


def test_what_is_not_there_is_not_deleted(store: Store, clock: TickingClock) -> None:
    with pytest.raises(NotFoundError):
        retention(store, clock).delete("none")


# --- successors -----------------------------------------------------------------------


def test_the_last_group_in_the_row_stands_for_the_first(store: Store) -> None:
    keep(
        store,
        lambda work: work.successors.add("1", "sg-a", "sg-b", "o1", NOON),
        lambda work: work.successors.add("1", "sg-b", "sg-c", "o2", NOON),
        lambda work: work.successors.add("1", "sg-c", "sg-a", "o3", NOON),
        lambda work: work.successors.add("2", "sg-x", "sg-y", "o1", NOON),
        lambda work: work.successors.add("2", "sg-x", "sg-z", "o4", NOON),
    )
    asked = [GroupRef("sg-b", "1"), GroupRef("sg-x", "2"), GroupRef("sg-x", "1")]
    with store.read() as work:
        found = work.successors.of(asked)
    assert found == {GroupRef("sg-b", "1"): "sg-a", GroupRef("sg-x", "2"): "sg-z"}


def test_where_a_backup_comes_from_is_kept(store: Store) -> None:
    brought = replace(backup(), origin=BackupOrigin.IMPORT)
    keep(store, lambda work: work.backups.add(brought))
    with store.read() as work:
        assert work.backups.get("backup-1") == brought
