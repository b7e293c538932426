"""The port `Store` in memory: the same promises as on a database, a hundred times as fast.

Values are frozen and their documents go through JSON as on their way into a column, so what was
kept is what a database would give back."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar, cast

from app.domain.accounts import Account
from app.domain.api_keys import ApiKey
from app.domain.assertions import Assertion, AssertionStatus, Transition
from app.domain.audit import BEGINNING, AuditEntry, AuditEvent, Head, chained
from app.domain.backups import Backup, BackupOrigin
from app.domain.concerns import (
    Concern,
    Noun,
    concern_of_backup,
    concern_of_plan,
    concern_of_request,
    things_in,
)
from app.domain.connections import Connection, ConnectionStatus, LedgerEntry
from app.domain.documents import Document, effect_document, read_effect
from app.domain.errors import (
    AlreadyExistsError,
    ClaimLostError,
    NotFoundError,
    StorageUnavailableError,
    SupersededError,
)
from app.domain.freezes import Freeze
from app.domain.groups import GroupRef, Place
from app.domain.operations import (
    Event,
    EventKind,
    Operation,
    OperationStatus,
    Step,
    StepStatus,
    check_move,
    progress_of,
)
from app.domain.principals import Sight
from app.ports.store import (
    EVERY_BACKUP,
    Answer,
    AuditFilter,
    BackupFilter,
    Claim,
    Expiring,
    KeptBackup,
    KeptIntent,
    KeptPlan,
    KeptRequest,
    Page,
)
from app.repositories.store import refuse

T = TypeVar("T")
Table = dict[Any, Any]
Enqueue = Callable[[str, bool], None]

OVER = {ConnectionStatus.DISCONNECTED, ConnectionStatus.FAILED}


def refuse_to_enqueue(operation_id: str, anew: bool) -> None:
    refuse(cast("Any", None), operation_id, anew)


class MemoryStore:
    """One database; stores that share one `Shelf` are processes that share one database.

    `clock` is the database's own, in seconds. `committed` is told of every commit, and `broken`
    asked before every transaction begins or commits: what it returns is raised.
    """

    def __init__(
        self,
        *,
        shelf: "Shelf | None" = None,
        enqueue: Enqueue = refuse_to_enqueue,
        tenure: Callable[[], str | None] = lambda: None,
        clock: Callable[[], float] = lambda: 0.0,
        broken: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.shelf = shelf or Shelf()
        self._enqueue = enqueue
        self._tenure = tenure
        self._clock = clock
        self._broken = broken

    @contextmanager
    def write(self) -> Iterator["MemoryWork"]:
        with self.shelf.writing:
            self._broken("write")
            work = MemoryWork(self.shelf, self._enqueue, self._clock, self._broken, writes=True)
            tenure_id = self._tenure()
            if tenure_id is not None:
                work.replicas.check(tenure_id)
            yield work

    @contextmanager
    def read(self) -> Iterator["MemoryWork"]:
        self._broken("read")
        yield MemoryWork(self.shelf, self._enqueue, self._clock, self._broken, writes=False)

    def is_ready(self) -> bool:
        return True

    def close(self) -> None: ...


TABLES = (
    "accounts", "plans", "connections", "operations", "steps", "events", "backups", "entries",
    "intents", "turns", "tenures", "successors", "revisions", "assertions", "assertion_states",
    "keys", "audit", "freezes", "requests",
)  # fmt: skip


class Shelf:
    """What outlives every process: the tables as they were last committed."""

    def __init__(self) -> None:
        self.writing = threading.Lock()
        self.tables: Mapping[str, Table] = {name: {} for name in TABLES}
        self.numbers = count(1)
        self.watchers: list[Callable[[Mapping[str, Table], Mapping[str, Table]], None]] = []

    def publish(self, tables: Mapping[str, Table]) -> None:
        before, self.tables = self.tables, tables
        for watcher in self.watchers:
            watcher(before, tables)


class MemoryWork:
    """One transaction: reads what was committed when it began, and its own writes."""

    def __init__(
        self,
        shelf: Shelf,
        enqueue: Enqueue,
        clock: Callable[[], float],
        broken: Callable[[str], None],
        *,
        writes: bool,
    ) -> None:
        self._shelf = shelf
        self._tables = dict(shelf.tables)
        self._own: set[str] = set()
        self._writes = writes
        self._enqueue = enqueue
        self._broken = broken
        self._after: list[Callable[[], None]] = []
        self.accounts = MemoryAccounts(self)
        self.plans = MemoryPlans(self)
        self.connections = MemoryConnections(self)
        self.operations = MemoryOperations(self)
        self.backups = MemoryBackups(self)
        self.assertions = MemoryAssertions(self)
        self.ledger = MemoryLedger(self)
        self.intents = MemoryIntents(self)
        self.successors = MemorySuccessors(self)
        self.turns = MemoryTurns(self)
        self.replicas = MemoryReplicas(self, clock)
        self.revisions = MemoryRevisions(self)
        self.concerns = MemoryConcerns(self)
        self.api_keys = MemoryApiKeys(self)
        self.audit = MemoryAudit(self)
        self.freezes = MemoryFreezes(self)
        self.idempotency = MemoryIdempotency(self)

    def enqueue(self, operation_id: str, *, anew: bool = False) -> None:
        if self._enqueue is refuse_to_enqueue:
            self._enqueue(operation_id, anew)
        self._after.append(lambda: self._enqueue(operation_id, anew))

    def commit(self) -> None:
        self._broken("commit")
        if self._own:
            self._shelf.publish(dict(self._tables))
            self._own.clear()
        for act in self._after:
            act()
        self._after.clear()
        self._broken("committed")

    # --- tables ---

    def table(self, name: str) -> Table:
        return self._tables[name]

    def changing(self, name: str) -> Table:
        if not self._writes:
            raise StorageUnavailableError("the database cannot be used", reason="read only")
        if name not in self._own:
            self._own.add(name)
            self._tables[name] = dict(self._tables[name])
        return self._tables[name]

    def number(self) -> int:
        return next(self._shelf.numbers)

    def add(self, name: str, key: str, value: object) -> None:
        if key in self.table(name):
            raise AlreadyExistsError("there is one with this id already", id=key)
        self.changing(name)[key] = (self.number(), kept(value))

    def get(self, name: str, key: str) -> Any:
        found = self.table(name).get(key)
        return None if found is None else found[1]

    def put(self, name: str, key: str, value: object) -> None:
        found = self.table(name).get(key)
        if found is None:
            raise NotFoundError("there is none with this id", id=key)
        self.changing(name)[key] = (found[0], kept(value))

    def all(self, name: str) -> list[Any]:
        return [value for _, value in sorted(self.table(name).values(), key=_position)]

    def page(
        self, name: str, limit: int, position: int | None, wanted: Callable[[Any], bool]
    ) -> Page[Any]:
        rows = sorted(self.table(name).values(), key=_position, reverse=True)
        below = [row for row in rows if position is None or row[0] < position]
        found = [row for row in below if wanted(row[1])]
        items = tuple(value for _, value in found[:limit])
        return Page(items, found[limit - 1][0] if len(found) > limit else None)


def _position(row: tuple[int, Any]) -> int:
    return row[0]


def kept(value: object) -> object:
    """Return the value as a database would give it back."""
    if not is_dataclass(value):
        return value
    changed: dict[str, Any] = {}
    for field in fields(value):
        item = getattr(value, field.name)
        if isinstance(item, dict):
            changed[field.name] = json.loads(json.dumps(item))
        elif isinstance(item, datetime):
            if item.tzinfo is None:
                raise ValueError("an instant has a time zone")
            changed[field.name] = item.astimezone(UTC)
    return replace(cast("Any", value), **changed) if changed else value


class MemoryAccounts:
    def __init__(self, work: MemoryWork) -> None:
        self._work = work

    def add(self, account: Account) -> None:
        self._work.add("accounts", account.account_id, account)

    def get(self, account_id: str) -> Account | None:
        return cast("Account | None", self._work.get("accounts", account_id))

    def all(self) -> tuple[Account, ...]:
        return tuple(sorted(self._work.all("accounts"), key=lambda each: each.account_id))

    def page(self, *, limit: int, position: int | None) -> Page[Account]:
        return self._work.page("accounts", limit, position, lambda _: True)

    def update(self, account: Account) -> None:
        self._work.put("accounts", account.account_id, account)

    def remove(self, account_id: str) -> None:
        self._work.changing("accounts").pop(account_id, None)


class MemoryPlans:
    def __init__(self, work: MemoryWork) -> None:
        self._work = work

    def add(self, plan: KeptPlan) -> None:
        self._work.add("plans", plan.plan_id, plan)

    def get(self, plan_id: str) -> KeptPlan | None:
        return cast("KeptPlan | None", self._work.get("plans", plan_id))

    def fingerprint(self, plan_id: str) -> str | None:
        plan = self.get(plan_id)
        return None if plan is None else plan.fingerprint

    def of_kind(self, kind: str, now: datetime) -> tuple[KeptPlan, ...]:
        found = (plan for plan in self._work.all("plans") if plan.kind == kind)
        return tuple(
            sorted((p for p in found if p.expires_at > now), key=lambda plan: plan.created_at)
        )

    def mark_applied(self, plan_id: str, operation_id: str) -> bool:
        plan = self.get(plan_id)
        if plan is None or plan.applied_by is not None:
            return False
        number = self._work.table("plans")[plan_id][0]
        self._work.changing("plans")[plan_id] = (number, replace(plan, applied_by=operation_id))
        return True


class MemoryConnections:
    def __init__(self, work: MemoryWork) -> None:
        self._work = work

    def add(self, connection: Connection) -> None:
        self._work.add("connections", connection.connection_id, connection)

    def get(self, connection_id: str) -> Connection | None:
        return cast("Connection | None", self._work.get("connections", connection_id))

    def page(
        self, *, limit: int, position: int | None, status: str | None = None
    ) -> Page[Connection]:
        return self._work.page(
            "connections", limit, position, lambda each: status in {None, each.status}
        )

    def standing(self) -> tuple[Connection, ...]:
        return tuple(each for each in self._work.all("connections") if each.status not in OVER)

    def expiring(self) -> tuple[Expiring, ...]:
        return tuple(
            Expiring(each.connection_id, each.status, each.expires_at)
            for each in self.standing()
            if each.expires_at is not None
        )

    def unchecked(self, before: datetime) -> str | None:
        found = [
            (each.checked_at or each.created_at, number, each.connection_id)
            for number, each in enumerate(self._work.all("connections"))
            if each.status is ConnectionStatus.ACTIVE
            and (each.checked_at or each.created_at) < before
        ]
        return min(found)[2] if found else None

    def update(self, connection: Connection) -> None:
        self._work.put("connections", connection.connection_id, connection)


class MemoryOperations:
    def __init__(self, work: MemoryWork) -> None:
        self._work = work

    def add(self, operation: Operation) -> None:
        key = operation.operation_id
        self._work.add("operations", key, replace(operation, steps=()))
        self._note(key, EventKind.STATUS)
        for step in operation.steps:
            self.keep_step(key, step)

    def get(self, operation_id: str) -> Operation | None:
        found = self._work.get("operations", operation_id)
        return None if found is None else replace(found, steps=self._steps(operation_id))

    def page(
        self,
        *,
        limit: int,
        position: int | None,
        status: OperationStatus | None = None,
        connection_id: str | None = None,
    ) -> Page[Operation]:
        page = self._work.page(
            "operations",
            limit,
            position,
            lambda each: (
                status in {None, each.status} and connection_id in {None, each.connection_id}
            ),
        )
        whole = (replace(each, steps=self._steps(each.operation_id)) for each in page.items)
        return replace(page, items=tuple(whole))

    def update(self, operation: Operation) -> None:
        key = operation.operation_id
        before = self._work.get("operations", key)
        if before is None:
            raise NotFoundError("there is none with this id", id=key)
        check_move(before.status, operation.status)
        self._work.put("operations", key, replace(operation, steps=()))
        if before.status is not operation.status:
            self._note(key, EventKind.STATUS)

    def keep_step(self, operation_id: str, step: Step) -> None:
        steps = {**self._work.table("steps").get(operation_id, {}), step.number: step}
        self._work.changing("steps")[operation_id] = steps
        self._note(operation_id, EventKind.STEP, step)

    def events(self, operation_id: str, *, after: int = 0, limit: int = 100) -> tuple[Event, ...]:
        events = self._work.table("events").get(operation_id, ())
        return tuple(each for each in events if each.number > after)[:limit]

    def of_status(
        self, statuses: Collection[OperationStatus], *, since: datetime | None = None
    ) -> tuple[Operation, ...]:
        return tuple(
            each
            for each in self._work.all("operations")
            if each.status in statuses
            and (since is None or (each.finished_at is not None and each.finished_at > since))
        )

    def _steps(self, operation_id: str) -> tuple[Step, ...]:
        steps = self._work.table("steps").get(operation_id, {})
        return tuple(steps[number] for number in sorted(steps))

    def _note(self, operation_id: str, kind: EventKind, step: Step | None = None) -> None:
        operation = self._work.get("operations", operation_id)
        done = sum(each.status is StepStatus.SUCCEEDED for each in self._steps(operation_id))
        progress = progress_of(operation.status, done, operation.intended_steps)
        event = Event(self._work.number(), kind, operation.status, progress, step)
        events = (*self._work.table("events").get(operation_id, ()), event)
        self._work.changing("events")[operation_id] = events


class MemoryBackups:
    def __init__(self, work: MemoryWork) -> None:
        self._work = work

    def add(self, backup: Backup) -> None:
        self._work.add("backups", backup.backup_id, backup)

    def get(self, backup_id: str) -> Backup | None:
        return cast("Backup | None", self._work.get("backups", backup_id))

    def page(
        self, *, limit: int, position: int | None, wanted: BackupFilter = EVERY_BACKUP
    ) -> Page[Backup]:
        return self._work.page(
            "backups",
            limit,
            position,
            lambda each: (
                wanted.account_id in {None, each.place.account_id}
                and wanted.region_id in {None, each.place.region_id}
                and wanted.group_id in {None, each.group_id}
                and wanted.operation_id in {None, each.operation_id}
            ),
        )

    def was_taken(self, sha256: str) -> bool:
        return any(
            each.sha256 == sha256 and each.origin is not BackupOrigin.IMPORT
            for each in self._work.all("backups")
        )

    def outdated(self, before: datetime, newest: int) -> tuple[KeptBackup, ...]:
        later: Counter[tuple[Place, str]] = Counter()
        found = []
        for backup in reversed(self._work.all("backups")):
            later[backup.place, backup.group_id] += 1
            if backup.created_at < before and later[backup.place, backup.group_id] > newest:
                found.append(KeptBackup(backup.backup_id, backup.operation_id))
        return tuple(found[::-1])

    def remove(self, backup_id: str) -> None:
        self._work.changing("backups").pop(backup_id, None)


class MemoryAssertions:
    def __init__(self, work: MemoryWork) -> None:
        self._work = work

    def add(self, assertion: Assertion) -> None:
        self._work.add("assertions", assertion.assertion_id, assertion)

    def get(self, assertion_id: str) -> Assertion | None:
        return cast("Assertion | None", self._work.get("assertions", assertion_id))

    def all(self) -> tuple[Assertion, ...]:
        return tuple(self._work.all("assertions"))

    def page(
        self, *, limit: int, position: int | None, status: AssertionStatus | None = None
    ) -> Page[Assertion]:
        return self._work.page(
            "assertions", limit, position, lambda each: status in {None, each.status}
        )

    def update(self, assertion: Assertion) -> None:
        self._work.put("assertions", assertion.assertion_id, assertion)

    def remove(self, assertion_id: str) -> None:
        self._work.changing("assertions").pop(assertion_id, None)
        self._work.changing("assertion_states").pop(assertion_id, None)

    def note(self, assertion_id: str, transition: Transition) -> None:
        states = self._work.changing("assertion_states")
        number = self._work.number()
        states[assertion_id] = (number, (*self.transitions(assertion_id), kept(transition)))

    def transitions(self, assertion_id: str) -> tuple[Transition, ...]:
        return cast(
            "tuple[Transition, ...]", self._work.get("assertion_states", assertion_id) or ()
        )


class MemoryLedger:
    def __init__(self, work: MemoryWork) -> None:
        self._work = work

    def add(self, entry: LedgerEntry) -> None:
        if entry.entry_id not in self._work.table("entries"):
            effect = read_effect(json.loads(json.dumps(effect_document(entry.effect))))
            self._work.add("entries", entry.entry_id, replace(entry, effect=effect))

    def of_connection(self, connection_id: str) -> tuple[LedgerEntry, ...]:
        return self._where(lambda entry: connection_id in entry.users)

    def of_operation(self, operation_id: str) -> tuple[LedgerEntry, ...]:
        return self._where(lambda entry: entry.operation_id == operation_id)

    def of_groups(self, group_ids: Iterable[str]) -> tuple[LedgerEntry, ...]:
        wanted = set(group_ids)
        return self._where(lambda entry: entry.effect.group_id in wanted)

    def use(self, entry_id: str, connection_id: str) -> None:
        self._users(entry_id, lambda users: users | {connection_id})

    def release(self, entry_id: str, connection_id: str) -> None:
        self._users(entry_id, lambda users: users - {connection_id})

    def remove(self, entry_id: str) -> None:
        self._work.changing("entries").pop(entry_id, None)

    def _users(self, entry_id: str, change: Callable[[frozenset[str]], frozenset[str]]) -> None:
        entry = self._work.get("entries", entry_id)
        if entry is not None:
            self._work.put("entries", entry_id, replace(entry, users=change(entry.users)))

    def _where(self, wanted: Callable[[LedgerEntry], bool]) -> tuple[LedgerEntry, ...]:
        return tuple(entry for entry in self._work.all("entries") if wanted(entry))


@dataclass(frozen=True, slots=True)
class _Intent:
    operation_id: str
    intent: KeptIntent


class MemoryIntents:
    def __init__(self, work: MemoryWork) -> None:
        self._work = work

    def get(self, token: str) -> KeptIntent | None:
        found = self._work.get("intents", token)
        return None if found is None else found.intent

    def of_operation(self, operation_id: str) -> tuple[KeptIntent, ...]:
        found = (each for each in self._work.all("intents") if each.operation_id == operation_id)
        return tuple(each.intent for each in found)

    def begin(self, operation_id: str, token: str, change: Document, at: datetime) -> int:
        self._advance(change)
        earlier = self.get(token)
        if earlier is None:
            first = KeptIntent(token, json.loads(json.dumps(change)), None, 1)
            self._work.add("intents", token, _Intent(operation_id, first))
            return 1
        again = replace(earlier, times_begun=earlier.times_begun + 1, outcome=None)
        self._work.put("intents", token, _Intent(operation_id, again))
        return again.times_begun

    def end(self, token: str, outcome: str, at: datetime, *, group_id: str | None = None) -> None:
        found = self._work.get("intents", token)
        if found is None:
            return
        self._advance(found.intent.change)
        ended = replace(found.intent, outcome=outcome)
        if group_id is not None:
            called = ended.change.get("called", ended.change["group_id"])
            ended = replace(ended, change=ended.change | {"group_id": group_id, "called": called})
        self._work.put("intents", token, _Intent(found.operation_id, ended))

    def _advance(self, change: Document) -> None:
        self._work.revisions.advance(Place(change["account_id"], change["region_id"]))


class MemorySuccessors:
    def __init__(self, work: MemoryWork) -> None:
        self._work = work

    def add(
        self, account_id: str, group_id: str, successor_id: str, operation_id: str, at: datetime
    ) -> None:
        self._work.changing("successors")[account_id, group_id] = successor_id

    def of(self, refs: Iterable[GroupRef]) -> Mapping[GroupRef, str]:
        found = {ref: self._last(ref) for ref in refs}
        return {ref: last for ref, last in found.items() if last != ref.group_id}

    def _last(self, ref: GroupRef) -> str:
        seen, last = {ref.group_id}, ref.group_id
        while True:
            further = self._work.table("successors").get((ref.account_id, last))
            if further is None or further in seen:
                return last
            seen.add(further)
            last = further


class MemoryRevisions:
    def __init__(self, work: MemoryWork) -> None:
        self._work = work

    def all(self) -> Mapping[Place, int]:
        return dict(self._work.table("revisions"))

    def advance(self, place: Place) -> None:
        revisions = self._work.changing("revisions")
        revisions[place] = revisions.get(place, 0) + 1


class MemoryConcerns:
    """Worked out when asked for, of what was kept."""

    def __init__(self, work: MemoryWork) -> None:
        self._work = work

    def of(self, noun: Noun, thing_id: str) -> Concern:
        thing = self._work.get(f"{noun}s" if noun is not Noun.API_KEY else "keys", thing_id)
        match thing:
            case KeptPlan(request=request, document=document):
                of_plan = concern_of_plan(request, document)
                named = [self.of(*each) for each in things_in(request)]
                return _together(of_plan, *named)
            case Connection(request=request):
                return concern_of_request(request)
            case Operation(plan_id=plan_id, connection_id=connection_id):
                plan = self.of(Noun.PLAN, plan_id or "")
                return _together(plan, self.of(Noun.CONNECTION, connection_id or ""))
            case Assertion(request=request):
                return concern_of_request(request)
            case Backup(place=place, content=content):
                return concern_of_backup(place.account_id, content)
            case ApiKey():
                return thing.concern
            case _:
                return Concern()


def _together(*parts: Concern) -> Concern:
    touched = frozenset[str]().union(*(part.touched for part in parts))
    return Concern(touched, frozenset[str]().union(*(part.shown for part in parts)) - touched)


class MemoryApiKeys:
    def __init__(self, work: MemoryWork) -> None:
        self._work = work

    def add(self, key: ApiKey) -> None:
        self._work.add("keys", key.api_key_id, key)

    def get(self, api_key_id: str) -> ApiKey | None:
        return cast("ApiKey | None", self._work.get("keys", api_key_id))

    def with_prefix(self, prefix: str) -> ApiKey | None:
        found = [key for key in self._work.all("keys") if key.prefix == prefix]
        return found[0] if found else None

    def page(self, *, limit: int, position: int | None, within: Sight) -> Page[ApiKey]:
        del within
        return self._work.page("keys", limit, position, lambda _: True)

    def update(self, key: ApiKey) -> None:
        self._work.put("keys", key.api_key_id, key)


class MemoryAudit:
    def __init__(self, work: MemoryWork) -> None:
        self._work = work

    def append(self, entry: AuditEntry) -> AuditEvent:
        event = chained(self.head(), entry)
        self._work.changing("audit")[event.number] = event
        return event

    def head(self) -> Head:
        table = self._work.table("audit")
        return cast("AuditEvent", table[len(table)]).head if table else BEGINNING

    def all(self) -> Iterator[AuditEvent]:
        yield from self._work.table("audit").values()

    def page(self, *, limit: int, position: int | None, wanted: AuditFilter) -> Page[AuditEvent]:
        raise NotImplementedError(limit, position, wanted)  # no seeded run lists them


class MemoryFreezes:
    def __init__(self, work: MemoryWork) -> None:
        self._work = work

    def put(self, freeze: Freeze) -> None:
        self._work.changing("freezes")[freeze.account_id] = freeze

    def lift(self, account_id: str) -> None:
        self._work.changing("freezes").pop(account_id, None)

    def all(self) -> tuple[Freeze, ...]:
        return tuple(self._work.table("freezes").values())


class MemoryIdempotency:
    def __init__(self, work: MemoryWork) -> None:
        self._work = work

    def get(self, scope: str) -> KeptRequest | None:
        return cast("KeptRequest | None", self._work.table("requests").get(scope))

    def put(self, request: KeptRequest) -> None:
        self._work.changing("requests")[request.scope] = request

    def hold(self, claim: Claim, answer: Answer | None = None) -> None:
        kept = self.get(claim.scope)
        if kept is None or kept.claim_id != claim.claim_id:
            raise ClaimLostError("another request with this key has taken over")
        self.put(replace(kept, answer=answer or kept.answer))

    def release(self, claim: Claim) -> None:
        kept = self.get(claim.scope)
        if kept is not None and kept.claim_id == claim.claim_id and kept.answer is None:
            del self._work.changing("requests")[claim.scope]

    def purge(self, before: datetime) -> None:
        table = self._work.changing("requests")
        for scope in [scope for scope, kept in table.items() if kept.expires_at < before]:
            del table[scope]


class MemoryTurns:
    def __init__(self, work: MemoryWork) -> None:
        self._work = work

    def take(self, operation_id: str, keys: Sequence[str]) -> None:
        self.release(operation_id)
        last = max((number for number, _ in self._work.table("turns").values()), default=0)
        if keys:
            self._work.changing("turns")[operation_id] = (last + 1, frozenset(keys))

    def keys(self, operation_id: str) -> frozenset[str]:
        mine: frozenset[str] = self._work.table("turns").get(operation_id, (0, frozenset()))[1]
        return mine

    def ahead(self, operation_id: str) -> tuple[str, ...]:
        number, keys = self._work.table("turns").get(operation_id, (0, frozenset()))
        return self._in_order(lambda other, others: other < number and bool(others & keys))

    def holders(self, keys: Iterable[str]) -> tuple[str, ...]:
        wanted = set(keys)
        return self._in_order(lambda _, others: bool(others & wanted))

    def release(self, operation_id: str) -> None:
        self._work.changing("turns").pop(operation_id, None)

    def _in_order(self, wanted: Callable[[int, frozenset[str]], bool]) -> tuple[str, ...]:
        rows = self._work.table("turns").items()
        found = sorted((row[0], name) for name, row in rows if wanted(*row))
        return tuple(name for _, name in found)


@dataclass(frozen=True, slots=True)
class _Tenure:
    name: str
    version: str
    beat_at: float
    ended_at: float | None = None
    ended_by: str | None = None
    is_settled: bool = False


class MemoryReplicas:
    def __init__(self, work: MemoryWork, clock: Callable[[], float]) -> None:
        self._work = work
        self._clock = clock

    def enlist(self, name: str, version: str) -> str:
        tenures = dict(self._tenures())
        for tenure_id, tenure in tenures.items():
            if tenure.name == name and tenure.ended_at is None:
                self._end(tenure_id, by="a later start")
        tenure_id = f"{name}@{sum(each.name == name for each in tenures.values()) + 1}"
        self._work.add("tenures", tenure_id, _Tenure(name, version, self._clock()))
        return tenure_id

    def beat(self, tenure_id: str) -> bool:
        if not self._lives(tenure_id):
            return False
        beating = replace(self._tenures()[tenure_id], beat_at=self._clock())
        self._work.put("tenures", tenure_id, beating)
        return True

    def lapse(self, tenure_id: str, lease: timedelta) -> tuple[str, ...]:
        latest = self._clock() - lease.total_seconds()
        silent = sorted(
            each
            for each, tenure in self._tenures().items()
            if each != tenure_id and tenure.ended_at is None and tenure.beat_at <= latest
        )
        for each in silent:
            self._end(each, by=tenure_id)
        return tuple(silent)

    def leave(self, tenure_id: str) -> None:
        self._end(tenure_id, by=tenure_id)

    def due(self, grace: timedelta) -> tuple[str, ...]:
        latest = self._clock() - grace.total_seconds()
        return tuple(
            sorted(
                each
                for each, tenure in self._tenures().items()
                if tenure.ended_at is not None
                and not tenure.is_settled
                and (tenure.ended_at <= latest or tenure.ended_by == each)
            )
        )

    def settle(self, tenure_id: str) -> None:
        settled = replace(self._tenures()[tenure_id], is_settled=True)
        self._work.put("tenures", tenure_id, settled)

    def living(self) -> Mapping[str, str]:
        return {
            each: tenure.version
            for each, tenure in self._tenures().items()
            if tenure.ended_at is None
        }

    def check(self, tenure_id: str) -> None:
        if not self._lives(tenure_id):
            raise SupersededError("another process has taken over", tenure_id=tenure_id)

    def _tenures(self) -> Mapping[str, _Tenure]:
        rows = sorted(self._work.table("tenures").items(), key=lambda row: row[1][0])
        return {tenure_id: tenure for tenure_id, (_, tenure) in rows}

    def _lives(self, tenure_id: str) -> bool:
        tenure = self._work.get("tenures", tenure_id)
        return tenure is not None and tenure.ended_at is None

    def _end(self, tenure_id: str, *, by: str) -> None:
        if self._lives(tenure_id):
            ended = replace(self._tenures()[tenure_id], ended_at=self._clock(), ended_by=by)
            self._work.put("tenures", tenure_id, ended)
