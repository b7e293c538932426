"""How operations begin and end: each ending is one transaction."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from app.domain.changes import AddedRule, Authorize, Change, CreatedGroup, Effect, Joined
from app.domain.connections import Connection, ConnectionStatus, LedgerEntry
from app.domain.documents import Document, read_change, read_held
from app.domain.errors import CancelledError
from app.domain.groups import Place
from app.domain.moving import moved_request
from app.domain.observation import MARKER, mark
from app.domain.operations import (
    TURNED_BACK,
    Operation,
    OperationKind,
    OperationStatus,
    Step,
    StepStatus,
)
from app.domain.rules import HeldRule
from app.domain.world import World
from app.ports.clock import Clock
from app.ports.store import Store, Work
from app.services.asserted import follow_tiers
from app.services.audit import record_ending
from app.services.ledger import entry_of
from app.services.problems import problem_document
from app.services.restored import enter_uses, follow, follow_restored

Wanted: TypeAlias = Callable[[Effect], bool]


class EndingsService:
    """Moves an operation and its connection from state to state, together."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def begin(self, operation_id: str) -> bool:
        """Note that the operation runs; False if it has ended already."""
        with self._store.write() as work:
            operation = _operation(work, operation_id)
            if operation.status.is_final:
                return False
            if operation.status is OperationStatus.PENDING:
                running = replace(
                    operation, status=OperationStatus.RUNNING, started_at=self._clock.now()
                )
                work.operations.update(running)
                work.commit()
        return True

    def note_step(
        self, work: Work, operation_id: str, number: int, name: str, began: datetime
    ) -> None:
        """Record a step that is done."""
        now = self._clock.now()
        step = Step(number, name, StepStatus.SUCCEEDED, started_at=began, finished_at=now)
        work.operations.keep_step(operation_id, step)

    def turn_back(self, operation_id: str, problem: Document) -> bool:
        """Choose the way back, for good, and keep the reason; False if it has ended already."""
        with self._store.write() as work:
            operation = _operation(work, operation_id)
            if operation.status.is_final:
                return False
            work.operations.update(
                replace(operation, status=OperationStatus.ROLLING_BACK, error=problem)
            )
            work.commit()
        return True

    def reject(self, work: Work, operation_id: str, problem: Document) -> None:
        """End an operation that touched nothing, within the transaction."""
        if not _operation(work, operation_id).status.is_final:
            self._end(work, operation_id, OperationStatus.REJECTED, error=problem)

    def cancel(self, work: Work, operation_id: str) -> None:
        """End an operation that touched nothing because somebody asked for it."""
        problem = problem_document(CancelledError("somebody cancelled the operation"))
        self._end(work, operation_id, OperationStatus.CANCELLED, error=problem)

    def succeed(self, operation_id: str, result: Document, number: int) -> bool:
        """End an operation whose outcome was verified; False if somebody asked to go back."""
        with self._store.write() as work:
            operation = _operation(work, operation_id)
            if operation.status.is_final:
                return True
            if operation.rollback_asked_at is not None:
                return False
            self.note_step(work, operation_id, number, "record", self._clock.now())
            match operation.kind:
                case OperationKind.MOVE:
                    _move(work, operation)
                    self._count_uses(work, operation, result)
                case kind if kind.makes_connection:
                    self._count_uses(work, operation, result)
                case OperationKind.DISCONNECT:
                    _forget(work, operation)
                    _settle_earlier(work, operation)
                case _:
                    follow_restored(work, operation, result, self._clock.now())
                    enter_uses(work, operation, result)
                    follow_tiers(work, operation, result, self._clock.now())
            self._end(work, operation_id, OperationStatus.SUCCEEDED, result=result)
            work.commit()
        return True

    def rolled_back(self, operation_id: str, world: World, renamed: Mapping[str, str]) -> None:
        """End an operation of which nothing is left.

        `renamed` are groups that had to be made anew, by their old ids.
        """
        with self._store.write() as work:
            operation = _operation(work, operation_id)
            if operation.status.is_final:
                return
            if operation.kind.makes_connection:
                assert operation.connection_id is not None
                for entry in work.ledger.of_operation(origin_of(work, operation).operation_id):
                    _let_go(work, entry, operation.connection_id)
            if operation.kind not in {OperationKind.CONNECT, OperationKind.REPAIR}:
                _follow_new_ids(work, operation, world, renamed)
            self._end(work, operation_id, OperationStatus.ROLLED_BACK, error=operation.error)
            work.commit()

    def need_attention(
        self, operation_id: str, problem: Document, cause: Document | None = None
    ) -> None:
        """End an operation that could be finished neither way; `problem` says what remains,
        `cause` what stopped it.
        """
        with self._store.write() as work:
            operation = _operation(work, operation_id)
            if operation.status.is_final:
                return
            if operation.status is OperationStatus.PENDING:
                operation = replace(operation, status=OperationStatus.RUNNING)
                work.operations.update(operation)
            turned_back = operation.status is OperationStatus.ROLLING_BACK
            error = {**problem, TURNED_BACK: turned_back, "cause": operation.error or cause}
            self._end(work, operation_id, OperationStatus.NEEDS_ATTENTION, error=error)
            work.commit()

    def _end(
        self,
        work: Work,
        operation_id: str,
        status: OperationStatus,
        *,
        result: Document | None = None,
        error: Document | None = None,
    ) -> None:
        operation = _operation(work, operation_id)
        now = self._clock.now()
        work.operations.update(
            replace(operation, status=status, finished_at=now, result=result, error=error)
        )
        record_ending(work, operation, status, now)
        work.turns.release(operation_id)
        for place in _places(work, operation):
            work.revisions.advance(place)
        if operation.connection_id is None or _is_late(work, operation):
            return
        connection = _connection(work, operation)
        after = AFTER[operation.kind][status] or _before(work, operation)
        if status in UNTOUCHED and origin_of(work, operation) != operation:
            after = ConnectionStatus.NEEDS_ATTENTION  # what it was to take up is as it was
        gone = now if after is ConnectionStatus.DISCONNECTED else None
        if status is OperationStatus.SUCCEEDED:  # what was found before is no longer so
            connection = replace(connection, conditions=(), checked_at=None)
        work.connections.update(replace(connection, status=after, disconnected_at=gone))

    def _count_uses(self, work: Work, operation: Operation, result: Document) -> None:
        """Note what else of ours the connection needs; list what it rests on that is foreign."""
        kept = work.plans.get(operation.plan_id or "")
        assert kept is not None
        needs, rests_on = kept.document["needs"], kept.document["rests_on"]
        changed = {
            each["group_id"] for each in kept.document["changes"] if each["action"] in ADDING
        }
        found = (*needs["rules"], *needs["memberships"])
        entries = work.ledger.of_groups(changed | {each["group_id"] for each in found})
        foreign: list[Document] = [
            rule
            for rule in result["adopted"]
            if not _use(work, operation, entries, _of_rule(rule))  # another operation's of ours
        ]
        for joined in kept.document["changes"]:
            if joined["action"] == "join":
                _use(work, operation, entries, _of_membership(joined))
        theirs = [
            rule for rule in needs["rules"] if not _use(work, operation, entries, _of_rule(rule))
        ]
        foreign.extend(rule for rule in theirs if rule in rests_on["rules"])
        for membership in needs["memberships"]:
            ours = _use(work, operation, entries, _of_membership(membership))
            if not ours and membership in rests_on["memberships"]:
                foreign.append(membership)
            changed.add(membership["group_id"])
        for group_id in sorted(changed):
            _use(work, operation, entries, _of_group(group_id))
        connection = _connection(work, operation)
        adopted = tuple(each for each in foreign if not _claim(work, connection, each))
        work.connections.update(replace(connection, adopted=adopted))


TAKEN_UP = frozenset({OperationStatus.NEEDS_ATTENTION, OperationStatus.ROLLED_BACK})
"""Ends after which something of an operation may be in the cloud that a later one deals with."""

UNTOUCHED = frozenset({OperationStatus.REJECTED, OperationStatus.CANCELLED})

ADDING = frozenset({"add_rules", "join", "create_group"})
"""Changes because of which a connection rests on the group that they are made in."""

MOST_TRIES = 200
"""Most operations of one connection that needed attention and are looked at."""

_C = ConnectionStatus
AFTER: Mapping[OperationKind, Mapping[OperationStatus, ConnectionStatus | None]] = {
    OperationKind.CONNECT: {
        OperationStatus.SUCCEEDED: _C.ACTIVE,
        OperationStatus.REJECTED: _C.FAILED,
        OperationStatus.CANCELLED: _C.FAILED,
        OperationStatus.ROLLED_BACK: _C.FAILED,
        OperationStatus.NEEDS_ATTENTION: _C.NEEDS_ATTENTION,
    },
    OperationKind.MOVE: {
        OperationStatus.SUCCEEDED: _C.ACTIVE,
        OperationStatus.REJECTED: None,
        OperationStatus.CANCELLED: None,
        OperationStatus.ROLLED_BACK: None,
        OperationStatus.NEEDS_ATTENTION: _C.NEEDS_ATTENTION,
    },
    OperationKind.REPAIR: {
        OperationStatus.SUCCEEDED: None,
        OperationStatus.REJECTED: None,
        OperationStatus.CANCELLED: None,
        OperationStatus.ROLLED_BACK: None,
        OperationStatus.NEEDS_ATTENTION: _C.NEEDS_ATTENTION,
    },
    OperationKind.DISCONNECT: {
        OperationStatus.SUCCEEDED: _C.DISCONNECTED,
        OperationStatus.REJECTED: None,
        OperationStatus.CANCELLED: None,
        OperationStatus.ROLLED_BACK: None,
        OperationStatus.NEEDS_ATTENTION: _C.NEEDS_ATTENTION,
    },
}
"""What becomes of the connection when its operation ends; None: what it was before."""


def _before(work: Work, operation: Operation) -> ConnectionStatus:
    kept = work.plans.get(operation.plan_id or "")
    assert kept is not None
    return ConnectionStatus(kept.document["status_before"])


def _operation(work: Work, operation_id: str) -> Operation:
    operation = work.operations.get(operation_id)
    assert operation is not None
    return operation


def origin_of(work: Work, operation: Operation) -> Operation:
    """Return the operation whose changes an operation makes or takes back.

    It is another one where the operation takes up what needed attention, or takes back what
    took effect after the end.
    """
    while operation.settles is not None:
        earlier = _operation(work, operation.settles)
        if earlier.status not in TAKEN_UP:
            break
        operation = earlier
    return operation


def _connection(work: Work, operation: Operation) -> Connection:
    assert operation.connection_id is not None
    connection = work.connections.get(operation.connection_id)
    assert connection is not None
    return connection


def _places(work: Work, operation: Operation) -> set[Place]:
    """Where an operation may have changed something."""
    if operation.connection_id is None:
        kept = work.plans.get(operation.plan_id or "")
        assert kept is not None
        located = kept.document["read"]["groups"]
        return {Place(each["account_id"], each["region_id"]) for each in located}
    request = _connection(work, operation).request
    sides = (request["source"], request["target"])
    return {Place(side["account_id"], side["region_id"]) for side in sides if "account_id" in side}


def _use(
    work: Work, operation: Operation, entries: tuple[LedgerEntry, ...], wanted: Wanted
) -> bool:
    """Use the entries that are wanted; False if there is none."""
    assert operation.connection_id is not None
    found = [entry for entry in entries if wanted(entry.effect)]
    for entry in found:
        work.ledger.use(entry.entry_id, operation.connection_id)
    return bool(found)


def _claim(work: Work, connection: Connection, found: Document) -> bool:
    """Use a rule that a call of an earlier operation of ours has added late, before anybody
    looked for it: it is taken back with this connection, and not before.
    """
    if "rule_id" not in found or not found["description"].startswith(f"{MARKER}:"):
        return False
    held = read_held(found)
    earlier = work.operations.get(held.description.split(":", 2)[1])
    if earlier is None or earlier.kind not in {OperationKind.CONNECT, OperationKind.MOVE}:
        return False
    for intent in work.intents.of_operation(earlier.operation_id):
        change = read_change(intent.change)
        if change.group_id == found["group_id"] and _adds(change, held):
            effect = AddedRule(change.place, change.group_id, held)
            entry = entry_of(earlier, effect, connection.connection_id)
            work.ledger.add(entry)
            work.ledger.use(entry.entry_id, connection.connection_id)
            return True
    return False


def _adds(change: Change, held: HeldRule) -> bool:
    return isinstance(change, Authorize) and any(
        new.rule == held.rule and mark(new.description) == mark(held.description)
        for new in change.rules
    )


def _of_rule(rule: Document) -> Wanted:
    return lambda effect: isinstance(effect, AddedRule) and effect.held.rule_id == rule["rule_id"]


def _of_membership(membership: Document) -> Wanted:
    return lambda effect: (
        isinstance(effect, Joined)
        and effect.group_id == membership["group_id"]
        and effect.instance_id == membership["instance_id"]
    )


def _of_group(group_id: str) -> Wanted:
    return lambda effect: isinstance(effect, CreatedGroup) and effect.group_id == group_id


def _forget(work: Work, operation: Operation) -> None:
    """Release everything the connection used; what nobody uses leaves the ledger."""
    assert operation.connection_id is not None
    for entry in work.ledger.of_connection(operation.connection_id):
        _let_go(work, entry, operation.connection_id)


def _move(work: Work, operation: Operation) -> None:
    """Make the new way the connection's, and release what it used of the old one alone."""
    kept = work.plans.get(operation.plan_id or "")
    assert kept is not None
    connection = _connection(work, operation)
    origin_id = origin_of(work, operation).operation_id
    for entry in work.ledger.of_connection(connection.connection_id):
        if entry.operation_id != origin_id and entry.entry_id not in kept.document["keeping"]:
            _let_go(work, entry, connection.connection_id)
    request = moved_request(connection.request, kept.request["to"])
    work.connections.update(replace(connection, request=request))


def _is_late(work: Work, operation: Operation) -> bool:
    """Whether an operation takes back what came after a move had been rolled back: to the
    connection anything may have happened since, and it has nothing to do with that.
    """
    if operation.kind is not OperationKind.MOVE or operation.settles is None:
        return False
    return _operation(work, operation.settles).status is OperationStatus.ROLLED_BACK


def _settle_earlier(work: Work, operation: Operation) -> None:
    """What an earlier disconnect could not bring to an end is settled by this one: taken up
    again it would put back what is disconnected.
    """
    page = work.operations.page(
        limit=MOST_TRIES,
        position=None,
        status=OperationStatus.NEEDS_ATTENTION,
        connection_id=operation.connection_id,
    )
    for earlier in page.items:
        later = work.operations.get(earlier.settled_by or "")
        if earlier.kind is OperationKind.DISCONNECT and (
            later is None or later.status in UNTOUCHED
        ):
            work.operations.update(replace(earlier, settled_by=operation.operation_id))


def _let_go(work: Work, entry: LedgerEntry, connection_id: str) -> None:
    work.ledger.release(entry.entry_id, connection_id)
    if not entry.users - {connection_id}:
        work.ledger.remove(entry.entry_id)


def _follow_new_ids(
    work: Work, operation: Operation, world: World, renamed: Mapping[str, str]
) -> None:
    """What was removed and put back has new ids: the ledger follows it."""
    for entry in _entries(work, operation, renamed):
        effect = entry.effect
        moved = replace(effect, group_id=renamed.get(effect.group_id, effect.group_id))
        if isinstance(moved, AddedRule):
            moved = replace(moved, held=_put_back(world, moved))
        if moved != effect:
            follow(work, operation, entry, moved)


def _entries(
    work: Work, operation: Operation, renamed: Mapping[str, str]
) -> tuple[LedgerEntry, ...]:
    """What the ledger says of all that an operation may have taken away and put back."""
    if operation.connection_id is not None:
        return work.ledger.of_connection(operation.connection_id)
    kept = work.plans.get(operation.plan_id or "")
    assert kept is not None
    return work.ledger.of_groups({*kept.document["ours"], *renamed})


def _put_back(world: World, effect: AddedRule) -> HeldRule:
    """The rule as it stands now: the same one, or its successor with the same description."""
    group = world.groups.get(effect.group_id)
    same = [
        held
        for held in (group.rules if group is not None else ())
        if held.rule == effect.held.rule and mark(held.description) == mark(effect.held.description)
    ]
    return effect.held if effect.held in same or not same else same[0]
