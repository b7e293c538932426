"""What every noun promises, in every store."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta, timezone
from functools import partial
from typing import Any

import pytest
from sqlalchemy.exc import StatementError

from app.domain.accounts import AccessState
from app.domain.assertions import AssertionStatus, Transition
from app.domain.connections import ConnectionStatus
from app.domain.errors import AlreadyExistsError, InvalidStateError, NotFoundError
from app.domain.operations import OperationStatus, StepStatus
from app.ports.store import BackupFilter, Expiring, Page, Store, Work
from tests.repositories.values import (
    NOON,
    PLACE,
    account,
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


def keep(store: Store, *acts: Callable[[Work], Any]) -> None:
    with store.write() as work:
        for act in acts:
            act(work)
        work.commit()


# --- what was added is found, and found once -----------------------------------

ADDED: dict[str, tuple[Callable[..., Any], str]] = {
    "accounts": (account, "account_id"),
    "plans": (plan, "plan_id"),
    "connections": (connection, "connection_id"),
    "operations": (operation, "operation_id"),
    "backups": (backup, "backup_id"),
    "assertions": (assertion, "assertion_id"),
}
NOUNS = pytest.mark.parametrize("noun", ADDED)


@NOUNS
def test_what_was_added_is_read_back_equal(store: Store, noun: str) -> None:
    make, key = ADDED[noun]
    value: Any = make()
    keep(store, lambda work: getattr(work, noun).add(value))
    with store.read() as work:
        assert getattr(work, noun).get(getattr(value, key)) == value


@NOUNS
def test_an_unknown_id_finds_nothing(store: Store, noun: str) -> None:
    with store.read() as work:
        assert getattr(work, noun).get("unknown") is None


@NOUNS
def test_an_id_is_taken_once_and_the_transaction_goes_on(store: Store, noun: str) -> None:
    value: Any = ADDED[noun][0]()
    keep(store, lambda work: getattr(work, noun).add(value))
    with store.write() as work:
        with pytest.raises(AlreadyExistsError):
            getattr(work, noun).add(value)
        work.turns.take("operation-1", ["sg-db"])
        work.commit()
    with store.read() as work:
        assert work.turns.keys("operation-1") == {"sg-db"}


# --- pages ---------------------------------------------------------------------


def through(page: Callable[[int | None], Page[Any]]) -> list[tuple[Any, ...]]:
    pages = [page(None)]
    while (position := pages[-1].next_position) is not None:
        pages.append(page(position))
    return [page.items for page in pages]


@pytest.mark.parametrize("noun", ["accounts", "connections", "operations", "backups", "assertions"])
def test_pages_run_from_the_newest_to_the_oldest(store: Store, noun: str) -> None:
    make, key = ADDED[noun]
    values: list[Any] = [make(**{key: f"{number}"}) for number in range(5)]
    keep(store, *(lambda work, v=v: getattr(work, noun).add(v) for v in values))
    with store.read() as work:
        pages = through(lambda position: getattr(work, noun).page(limit=2, position=position))
    assert [len(items) for items in pages] == [2, 2, 1]
    assert [item for items in pages for item in items] == values[::-1]


def test_a_full_last_page_is_the_last(store: Store) -> None:
    keep(store, *(lambda work, n=n: work.accounts.add(account(account_id=n)) for n in "ab"))
    with store.read() as work:
        assert work.accounts.page(limit=2, position=None).next_position is None


def test_an_item_added_between_two_pages_moves_none_of_the_others(store: Store) -> None:
    keep(store, *(lambda work, n=n: work.accounts.add(account(account_id=n)) for n in "abc"))
    with store.read() as work:
        first = work.accounts.page(limit=2, position=None)
    keep(store, lambda work: work.accounts.add(account(account_id="d")))
    with store.read() as work:
        second = work.accounts.page(limit=2, position=first.next_position)
    assert [item.account_id for item in second.items] == ["a"]


def test_filters_narrow_a_page(store: Store) -> None:
    active = connection(connection_id="c2", status=ConnectionStatus.ACTIVE)
    waiting = operation(operation_id="o1", connection_id="c1")
    running = operation(operation_id="o2", connection_id="c2", status=OperationStatus.RUNNING)
    ours = backup(backup_id="b1", operation_id="o1")
    other = backup(backup_id="b2", group_id="sg-web")
    keep(
        store,
        lambda work: work.connections.add(connection(connection_id="c1")),
        lambda work: work.connections.add(active),
        lambda work: work.operations.add(waiting),
        lambda work: work.operations.add(running),
        lambda work: work.backups.add(ours),
        lambda work: work.backups.add(other),
    )
    with store.read() as work:
        connections = partial(work.connections.page, limit=10, position=None)
        operations = partial(work.operations.page, limit=10, position=None)
        backups = partial(work.backups.page, limit=10, position=None)
        assert connections(status="active").items == (active,)
        assert operations(status=OperationStatus.RUNNING).items == (running,)
        assert operations(connection_id="c1").items == (waiting,)
        assert backups(wanted=BackupFilter(operation_id="o1")).items == (ours,)
        assert backups(wanted=BackupFilter(group_id="sg-web")).items == (other,)
        both = BackupFilter(group_id="sg-web", operation_id="o1")
        assert backups(wanted=both).items == ()
        assert backups(wanted=BackupFilter(account_id="nobody")).items == ()


# --- changes -------------------------------------------------------------------


def test_an_account_is_changed_listed_by_id_and_removed(store: Store) -> None:
    checked = replace(
        account(account_id="b"), access=AccessState.FAILED, access_detail="no", checked_at=NOON
    )
    keep(
        store,
        lambda work: work.accounts.add(account(account_id="b")),
        lambda work: work.accounts.add(account(account_id="a")),
        lambda work: work.accounts.update(checked),
    )
    with store.read() as work:
        assert work.accounts.all() == (account(account_id="a"), checked)
    keep(store, lambda work: work.accounts.remove("b"))
    with store.read() as work:
        assert work.accounts.all() == (account(account_id="a"),)


def test_what_is_not_there_cannot_be_changed(store: Store) -> None:
    with store.write() as work:
        with pytest.raises(NotFoundError):
            work.accounts.update(account())
        with pytest.raises(NotFoundError):
            work.connections.update(connection())
        with pytest.raises(NotFoundError):
            work.operations.update(operation())


def test_an_instant_comes_back_in_utc_to_the_microsecond(store: Store) -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=8)))
    keep(store, lambda work: work.accounts.add(replace(account(), created_at=elsewhere)))
    with store.read() as work:
        kept = work.accounts.get(account().account_id)
    assert kept is not None
    assert kept.created_at.isoformat() == "2026-03-01T12:00:00.123456+00:00"


def test_an_instant_without_time_zone_is_refused(sql_store: Store) -> None:
    naive = replace(account(), created_at=NOON.replace(tzinfo=None))
    with sql_store.write() as work, pytest.raises(StatementError, match="time zone"):
        work.accounts.add(naive)


def test_a_document_keeps_the_order_of_its_keys(store: Store) -> None:
    document = {"zebra": 1, "aardvark": {"b": [1.5, None, "ü"], "a": True}}
    keep(store, lambda work: work.plans.add(plan(document=document)))
    with store.read() as work:
        kept = work.plans.get("plan-1")
    assert kept is not None
    assert str(kept.document) == str(document)


def test_a_plan_is_used_up_once(store: Store) -> None:
    keep(store, lambda work: work.plans.add(plan()))
    with store.write() as work:
        assert work.plans.mark_applied("plan-1", "operation-1")
        assert not work.plans.mark_applied("plan-1", "operation-2")
        assert not work.plans.mark_applied("unknown", "operation-2")
        work.commit()
    with store.read() as work:
        kept = work.plans.get("plan-1")
    assert kept is not None
    assert kept.applied_by == "operation-1"


def test_an_operation_moves_only_as_the_table_of_states_says(store: Store) -> None:
    keep(store, lambda work: work.operations.add(operation()))
    running = replace(operation(), status=OperationStatus.RUNNING, started_at=NOON)
    keep(store, lambda work: work.operations.update(running))
    with store.write() as work, pytest.raises(InvalidStateError):
        work.operations.update(operation())
    ended = replace(
        running,
        status=OperationStatus.SUCCEEDED,
        finished_at=NOON,
        backup_ids=("backup-1",),
        result={"verdict": "reachable"},
    )
    keep(store, lambda work: work.operations.update(ended))
    with store.read() as work:
        assert work.operations.get("operation-1") == ended


def test_a_step_is_added_or_replaced_by_its_number(store: Store) -> None:
    again = step(number=2, status=StepStatus.SUCCEEDED, attempts=2)
    keep(
        store,
        lambda work: work.operations.add(operation(steps=(step(number=1),))),
        lambda work: work.operations.add(operation(operation_id="operation-2")),
        lambda work: work.operations.keep_step("operation-1", step(number=2)),
        lambda work: work.operations.keep_step("operation-1", again),
        lambda work: work.operations.update(
            replace(operation(), status=OperationStatus.RUNNING, intended_steps=4)
        ),
    )
    with store.read() as work:
        kept = work.operations.get("operation-1")
        listed = work.operations.page(limit=5, position=None).items
    assert kept is not None
    assert kept.steps == (step(number=1), again)
    assert [item.steps for item in listed] == [(), kept.steps]
    assert kept.progress == 25


def test_a_damaged_backup_is_read_as_it_is_and_says_so_itself(store: Store) -> None:
    damaged = replace(backup(), content={"group": None})
    keep(store, lambda work: work.backups.add(damaged))
    with store.read() as work:
        assert work.backups.get("backup-1") == damaged


# --- the ledger ----------------------------------------------------------------


def test_entries_are_found_by_connection_operation_and_group(store: Store) -> None:
    first = entry(entry_id="z", users=("c1", "c2"))
    second = entry(entry_id="a", operation_id="operation-2", group_id="sg-web", users=("c1",))
    keep(store, lambda work: work.ledger.add(first), lambda work: work.ledger.add(second))
    with store.read() as work:
        assert work.ledger.of_connection("c1") == (first, second)
        assert work.ledger.of_connection("c2") == (first,)
        assert work.ledger.of_operation("operation-2") == (second,)
        assert work.ledger.of_groups(["sg-web", "sg-db"]) == (first, second)
        assert work.ledger.of_groups([]) == ()


def test_an_entry_that_stands_is_left_as_it_is(store: Store) -> None:
    keep(
        store,
        lambda work: work.ledger.add(entry(users=("c1",))),
        lambda work: work.ledger.add(entry(users=("c2",), group_id="sg-other")),
    )
    with store.read() as work:
        assert work.ledger.of_operation("operation-1") == (entry(users=("c1",)),)


def test_an_entry_is_used_released_and_removed(store: Store) -> None:
    keep(
        store,
        lambda work: work.ledger.add(entry(users=("c1",))),
        lambda work: work.ledger.use("entry-1", "c2"),
        lambda work: work.ledger.use("entry-1", "c2"),
        lambda work: work.ledger.release("entry-1", "c1"),
        lambda work: work.ledger.release("entry-1", "unknown"),
    )
    with store.read() as work:
        assert work.ledger.of_operation("operation-1") == (entry(users=("c2",)),)
    keep(store, lambda work: work.ledger.remove("entry-1"))
    with store.read() as work:
        assert work.ledger.of_operation("operation-1") == ()


# --- intents -------------------------------------------------------------------


def test_an_intent_counts_how_often_it_was_begun(store: Store) -> None:
    with store.write() as work:
        begun = [work.intents.begin("operation-1", "token-1", change(), NOON) for _ in range(3)]
        begun.append(work.intents.begin("operation-1", "token-2", change(number=2), NOON))
        work.intents.end("token-1", "done", NOON)
        begun.append(work.intents.begin("operation-1", "token-1", change(), NOON))
        work.commit()
    assert begun == [1, 2, 3, 1, 4]


def test_the_revision_of_a_place_grows_when_a_call_is_made_and_when_it_has_ended(
    store: Store,
) -> None:
    seen = []
    for act in (
        lambda work: work.intents.begin("operation-1", "token-1", change(), NOON),
        lambda work: work.intents.begin("operation-1", "token-1", change(), NOON),
        lambda work: work.intents.end("token-1", "done", NOON),
        lambda work: work.revisions.advance(PLACE),
    ):
        keep(store, act)
        with store.read() as work:
            seen.append(work.revisions.all())
    assert seen == [{PLACE: number} for number in (1, 2, 3, 4)]


def test_an_intent_that_was_begun_again_has_no_outcome_yet(store: Store) -> None:
    """A process that dies in its second try must not leave the end of the first one behind."""
    keep(
        store,
        lambda work: work.intents.begin("operation-1", "token-1", change(), NOON),
        lambda work: work.intents.end("token-1", "later", NOON),
        lambda work: work.intents.begin("operation-1", "token-1", change(), NOON),
    )
    with store.read() as work:
        kept = work.intents.get("token-1")
    assert kept is not None
    assert (kept.outcome, kept.times_begun) == (None, 2)


def test_an_intent_keeps_the_name_by_which_a_new_group_was_called(store: Store) -> None:
    creation = change() | {"action": "create_group", "group_id": "sg-new"}
    keep(
        store,
        lambda work: work.intents.begin("operation-1", "token-1", creation, NOON),
        lambda work: work.intents.end("token-1", "done", NOON, group_id="sg-1"),
        lambda work: work.intents.begin("operation-1", "token-2", creation, NOON),
    )
    with store.read() as work:
        first, second = work.intents.of_operation("operation-1")
    assert first.change == creation | {"group_id": "sg-1", "called": "sg-new"}
    assert second.change == creation


# --- turns ---------------------------------------------------------------------


def test_connections_that_stand_are_found_by_their_end_and_by_their_last_check(
    store: Store,
) -> None:
    active, minute = ConnectionStatus.ACTIVE, timedelta(minutes=1)
    made = {
        "plain": connection(connection_id="plain", status=active),
        "ends": replace(
            connection(connection_id="ends", status=active),
            expires_at=NOON + minute,
            ending={"attempts": 1, "operation_id": None, "error": {"code": "x"}},
            checked_at=NOON + 2 * minute,
            conditions=({"type": "intact", "status": "true"},),
        ),
        "pending": replace(connection(connection_id="pending"), expires_at=NOON, checked_at=NOON),
        "over": replace(
            connection(connection_id="over", status=ConnectionStatus.DISCONNECTED),
            expires_at=NOON,
        ),
    }
    with store.write() as work:
        for each in made.values():
            work.connections.add(each)
        work.commit()
    with store.read() as work:
        assert work.connections.get("ends") == made["ends"]
        assert {each.connection_id: each for each in work.connections.expiring()} == {
            "ends": Expiring("ends", active, NOON + minute),
            "pending": Expiring("pending", ConnectionStatus.PENDING, NOON),
        }
        assert work.connections.unchecked(NOON) is None
        assert work.connections.unchecked(NOON + minute) == "plain"
    with store.write() as work:
        work.connections.update(replace(made["plain"], checked_at=NOON + 3 * minute))
        work.commit()
    with store.read() as work:
        assert work.connections.unchecked(NOON + 5 * minute) == "ends"


def test_turns_are_taken_in_order_for_every_shared_key(store: Store) -> None:
    keep(
        store,
        lambda work: work.turns.take("first", ["a", "b"]),
        lambda work: work.turns.take("second", ["b", "c"]),
        lambda work: work.turns.take("third", ["c", "a", "b"]),
        lambda work: work.turns.take("fourth", ["d"]),
    )
    with store.read() as work:
        assert work.turns.ahead("first") == ()
        assert work.turns.ahead("second") == ("first",)
        assert work.turns.ahead("third") == ("first", "second")
        assert work.turns.ahead("fourth") == ()
        assert work.turns.holders(["c", "d"]) == ("second", "third", "fourth")
        assert work.turns.keys("third") == {"a", "b", "c"}
    keep(store, lambda work: work.turns.release("first"))
    with store.read() as work:
        assert work.turns.ahead("second") == ()
        assert work.turns.ahead("third") == ("second",)


def test_turns_taken_anew_replace_the_old_ones_at_the_end(store: Store) -> None:
    keep(
        store,
        lambda work: work.turns.take("first", ["a"]),
        lambda work: work.turns.take("second", ["a"]),
        lambda work: work.turns.take("first", ["a", "b"]),
    )
    with store.read() as work:
        assert work.turns.ahead("first") == ("second",)
        assert work.turns.ahead("second") == ()
        assert work.turns.keys("first") == {"a", "b"}


# --- assertions ------------------------------------------------------------------


def test_an_assertion_goes_with_the_states_that_it_has_had(store: Store) -> None:
    states = [state(), state(status=AssertionStatus.BROKEN)]
    keep(store, lambda work: work.assertions.add(assertion()))
    keep(store, *(partial(_note, each) for each in states))
    with store.read() as work:
        assert work.assertions.transitions("assertion-1") == tuple(states)
        assert work.assertions.transitions("assertion-2") == ()
    keep(store, lambda work: work.assertions.remove("assertion-1"))
    with store.read() as work:
        assert work.assertions.get("assertion-1") is None
        assert work.assertions.transitions("assertion-1") == ()


def _note(transition: Transition, work: Work) -> None:
    work.assertions.note("assertion-1", transition)


def test_assertions_are_listed_by_status_and_changed(store: Store) -> None:
    keep(store, *(partial(_add, f"assertion-{number}") for number in (1, 2)))
    held = replace(assertion(), status=AssertionStatus.HOLDS, detail={})
    keep(store, lambda work: work.assertions.update(held))
    with store.read() as work:
        page = work.assertions.page(limit=5, position=None, status=AssertionStatus.HOLDS)
        assert page.items == (held,)
        assert [each.assertion_id for each in work.assertions.all()] == [
            "assertion-1",
            "assertion-2",
        ]


def _add(assertion_id: str, work: Work) -> None:
    work.assertions.add(assertion(assertion_id=assertion_id))
