"""The audit is only added to, in the transaction of what it tells of, and shows every touch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from app.domain.audit import BEGINNING, AuditEntry, FaultCode, Head
from app.domain.errors import AuditUnavailableError, ClaimLostError
from app.ports.store import Answer, Asked, AuditFilter, Claim, KeptRequest
from app.repositories import engines
from app.repositories.store import SqlStore
from app.services.audit import AuditService
from tests.repositories.values import NOON, connection, operation, plan

COUNT = 9
CLAIM = Claim("0" * 64, "claim-1")


def entry(number: int) -> AuditEntry:
    return AuditEntry(
        at=NOON + timedelta(seconds=number),
        actor="bootstrap",
        action="create_plan",
        target=f"plan/{number}",
        account_ids=("1000000000000001",),
        outcome="done",
        plan_fingerprint="f" * 64,
        detail={"request_id": f"r-{number}"},
    )


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    store = SqlStore(url=database_url)
    yield store
    store.close()


@pytest.fixture
def audit(store: SqlStore) -> AuditService:
    """An audit with some records."""
    for number in range(1, COUNT + 1):
        with store.write() as work:
            work.audit.append(entry(number))
            work.commit()
    return AuditService(store=store)


@contextmanager
def behind_its_back(url: str) -> Iterator[Connection]:
    """Somebody with the right to change the database, and the triggers out of the way."""
    engine = engines.write_engine(engines.read_url(url))
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            for verb in ("update", "delete"):
                connection.exec_driver_sql(f"DROP TRIGGER audit_events_no_{verb}")
        else:
            connection.exec_driver_sql("ALTER TABLE audit_events DISABLE TRIGGER ALL")
        yield connection
    engine.dispose()


def found(audit: AuditService, known: Head | None = None) -> list[tuple[str, int, int]]:
    verified = audit.verify(known)
    return [(each.code.value, each.first, each.last) for each in verified.faults]


def test_what_nobody_touched_is_whole(audit: AuditService) -> None:
    verified = audit.verify()
    assert (verified.checked, verified.faults) == (COUNT, ())
    page = audit.page(100, None, AuditFilter()).items
    assert [each.entry for each in page] == [entry(n) for n in range(COUNT, 0, -1)]
    for later, earlier in pairwise(page):
        assert later.previous_hash == earlier.hash
    assert page[-1].previous_hash == BEGINNING.hash
    assert page[0].head == verified.head


CHANGES = {
    "at": "'2026-03-01 12:00:00'",
    "actor": "'somebody'",
    "action": "'get_plan'",
    "target": "'plan/0'",
    "account_ids": "'[]'",
    "outcome": "'refused'",
    "plan_fingerprint": "NULL",
    "detail": "'{}'",
    "hash": f"'{'0' * 64}'",
    "previous_hash": f"'{'0' * 64}'",
}


def test_each_record_that_is_changed_is_named(audit: AuditService, database_url: str) -> None:
    """Every column of a record, one record after another."""
    for number, (name, value) in zip(range(1, COUNT + 1), CHANGES.items(), strict=False):
        before = {place for _, place, _ in found(audit)}
        with behind_its_back(database_url) as connection:
            text = f"UPDATE audit_events SET {name} = {value} WHERE number = {number}"
            connection.exec_driver_sql(text)
            restore_triggers(connection)
        assert number not in before
        assert number in {place for _, place, _ in found(audit)}, name


def restore_triggers(connection: Connection) -> None:
    """So that the next hand finds what it puts out of the way."""
    if connection.dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(
                f"CREATE TRIGGER audit_events_no_{verb.lower()} BEFORE {verb} ON audit_events "
                "BEGIN SELECT RAISE(ABORT, 'no'); END"
            )


@pytest.mark.parametrize("number", range(1, COUNT))
def test_a_record_that_is_removed_is_missed(
    audit: AuditService, database_url: str, number: int
) -> None:
    with behind_its_back(database_url) as connection:
        connection.exec_driver_sql(f"DELETE FROM audit_events WHERE number = {number}")
    assert found(audit) == [("missing", number, number)]


UNREADABLE = ("account_ids = 'null'", "at = 'garbage'", "account_ids = 'nope'", "actor = x'00ff'")
"""Values that nobody ever recorded; PostgreSQL keeps all but the first out by itself."""


def test_records_that_cannot_be_read_any_more_are_named(
    audit: AuditService, database_url: str
) -> None:
    with behind_its_back(database_url) as connection:
        changes = UNREADABLE if connection.dialect.name == "sqlite" else UNREADABLE[:1]
        for number, change in enumerate(changes, 3):
            connection.exec_driver_sql(f"UPDATE audit_events SET {change} WHERE number = {number}")
    assert found(audit) == [("altered", number, number) for number, _ in enumerate(changes, 3)]
    assert audit.verify().checked == COUNT


@pytest.mark.parametrize("number", [0, -7])
def test_a_record_slipped_in_before_the_first_is_named(
    audit: AuditService, database_url: str, number: int
) -> None:
    columns = "at, actor, action, target, account_ids, outcome, plan_fingerprint, detail, hash"
    with behind_its_back(database_url) as connection:
        connection.exec_driver_sql(
            f"INSERT INTO audit_events (number, {columns}, previous_hash) "
            f"SELECT {number}, {columns}, previous_hash FROM audit_events WHERE number = 1"
        )
    assert found(audit) == [("unlinked", number, number)]


@pytest.mark.parametrize(
    "statement", ["DELETE FROM audit_head", "INSERT INTO audit_head SELECT * FROM audit_head"]
)
def test_a_head_that_is_not_there_once_is_told(
    audit: AuditService, store: SqlStore, database_url: str, statement: str
) -> None:
    with behind_its_back(database_url) as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("DROP TRIGGER audit_head_no_delete")
        else:
            connection.exec_driver_sql("ALTER TABLE audit_head DISABLE TRIGGER ALL")
        connection.exec_driver_sql(statement)
    assert found(audit) == [("head", COUNT, COUNT)]
    with store.write() as work, pytest.raises(AuditUnavailableError):
        work.audit.append(entry(COUNT + 1))


def test_two_records_that_are_swapped_are_named(audit: AuditService, database_url: str) -> None:
    with behind_its_back(database_url) as connection:
        for old, new in ((3, 103), (6, 3), (103, 6)):
            connection.exec_driver_sql(
                f"UPDATE audit_events SET number = {new} WHERE number = {old}"
            )
    assert {place for code, place, _ in found(audit) if code == FaultCode.ALTERED} == {3, 6}


@pytest.mark.parametrize("left", [0, 1, COUNT - 1])
def test_a_tail_that_is_cut_is_missed(audit: AuditService, database_url: str, left: int) -> None:
    with behind_its_back(database_url) as connection:
        connection.exec_driver_sql(f"DELETE FROM audit_events WHERE number > {left}")
    assert found(audit) == [("cut", left + 1, COUNT)]


def test_a_tail_that_is_cut_with_its_head_is_missed_by_who_kept_the_head(
    audit: AuditService, store: SqlStore, database_url: str
) -> None:
    known = audit.verify().head
    with store.read() as work:
        earlier = [each.head for each in work.audit.all()][4]
    with behind_its_back(database_url) as connection:
        connection.exec_driver_sql("DELETE FROM audit_events WHERE number > 5")
        connection.exec_driver_sql(f"UPDATE audit_head SET number = 5, hash = '{earlier.hash}'")
    assert found(audit) == []
    assert found(audit, earlier) == []
    assert found(audit, known) == [("cut", 6, COUNT)]
    with store.write() as work:
        for number in range(6, COUNT + 1):
            work.audit.append(replace(entry(number), actor="somebody else"))
        work.commit()
    assert found(audit) == []
    assert found(audit, known) == [("rewritten", COUNT, COUNT)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET actor = 'x' WHERE number = 1",
        "DELETE FROM audit_events WHERE number = 1",
        "DELETE FROM audit_head",
    ],
)
def test_the_database_itself_refuses_to_change_a_record(
    audit: AuditService, database_url: str, statement: str
) -> None:
    engine = engines.write_engine(engines.read_url(database_url))
    with pytest.raises(DBAPIError, match="only added to"), engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()
    assert found(audit) == []


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (AuditFilter(actor="bootstrap"), COUNT),
        (AuditFilter(actor="nobody"), 0),
        (AuditFilter(target="plan/3"), 1),
        (AuditFilter(action="create_plan", outcome="done"), COUNT),
        (AuditFilter(account_id="1000000000000001"), COUNT),
        (AuditFilter(account_id="1000000000000002"), 0),
    ],
)
def test_records_are_found(audit: AuditService, wanted: AuditFilter, count: int) -> None:
    assert len(audit.page(100, None, wanted).items) == count


# --- what is committed for a request --------------------------------------------------


def asked(claim: Claim | None = None) -> Asked:
    return Asked(
        "create_connection",
        "bootstrap",
        NOON,
        "r-1",
        claim=claim,
        render=lambda operation: Answer(202, operation.operation_id, {}),
    )


Stores = Callable[[Asked | None], SqlStore]


@pytest.fixture
def stores(database_url: str) -> Iterator[Stores]:
    """A store for each request that is answered."""
    made: list[SqlStore] = []

    def store(request: Asked | None) -> SqlStore:
        made.append(SqlStore(url=database_url, asked=lambda: request))
        return made[-1]

    yield store
    for each in made:
        each.close()


def claimed(store: SqlStore) -> None:
    with store.write() as work:
        work.idempotency.put(
            KeptRequest(CLAIM.scope, "f" * 64, CLAIM.claim_id, "p", NOON, NOON + timedelta(days=7))
        )
        work.commit()


def accept(store: SqlStore) -> None:
    with store.write() as work:
        work.operations.add(operation())
        work.commit()


def test_what_a_request_changes_is_told_in_the_same_transaction(stores: Stores) -> None:
    store = stores(asked())
    with store.write() as work:
        work.plans.add(plan())
        work.connections.add(connection())
        work.operations.add(replace(operation(), plan_id="plan-1"))
        work.commit()
    with store.read() as work:
        [event] = work.audit.all()
    told = event.entry
    assert (told.action, told.actor, told.outcome) == ("create_connection", "bootstrap", "done")
    assert told.target == "operation/operation-1"
    assert told.plan_fingerprint == "f" * 64
    assert told.detail["things"] == [
        "operation/operation-1",
        "connection/connection-1",
        "plan/plan-1",
    ]


def test_the_answer_is_kept_in_the_transaction_that_accepts_an_operation(stores: Stores) -> None:
    claimed(stores(None))
    store = stores(asked(CLAIM))
    with store.write() as work:
        work.operations.add(operation())
        work.commit()
    with store.read() as work:
        kept = work.idempotency.get(CLAIM.scope)
    assert kept is not None
    assert kept.answer == Answer(202, "operation-1", {})


def test_whoever_lost_the_claim_changes_nothing(stores: Stores) -> None:
    claimed(stores(None))
    store = stores(asked(Claim(CLAIM.scope, "an older one")))
    with pytest.raises(ClaimLostError):
        accept(store)
    with store.read() as work:
        assert work.operations.get("operation-1") is None
        assert work.audit.head() == BEGINNING


def test_without_the_audit_nothing_is_changed(stores: Stores, database_url: str) -> None:
    engine = engines.write_engine(engines.read_url(database_url))
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE audit_events RENAME TO elsewhere")
    store = stores(asked())
    with pytest.raises(AuditUnavailableError):
        accept(store)
    with store.read() as work:
        assert work.operations.get("operation-1") is None
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO audit_events")
    engine.dispose()
    with store.write() as work:
        work.operations.add(operation())
        work.commit()
    with store.read() as work:
        assert work.audit.head().number == 1
