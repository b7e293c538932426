"""What the service keeps: one unit of work, with a room for each noun.

Leaving a unit of work without `commit` undoes it. No unit of work is open during a call to
the cloud. Every call may raise StorageUnavailableError.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from app.domain.accounts import Account
from app.domain.api_keys import ApiKey
from app.domain.assertions import Assertion, AssertionStatus, Transition
from app.domain.audit import AuditEntry, AuditEvent, Head
from app.domain.backups import Backup
from app.domain.concerns import Concern, Noun
from app.domain.connections import Connection, ConnectionStatus, LedgerEntry
from app.domain.documents import Document
from app.domain.freezes import Freeze
from app.domain.groups import GroupRef, Place
from app.domain.operations import Event, Operation, OperationStatus, Step
from app.domain.principals import Sight

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Items, newest first, and where the next page begins (None: there is none).

    A position is the number of the last item of a page; it means nothing to callers.
    """

    items: tuple[T, ...]
    next_position: int | None


@dataclass(frozen=True, slots=True)
class KeptPlan:
    """A plan as it was answered (`document`), and what is needed to make it anew.

    `request` is the body of the request that asked for it. `fingerprint` is of the world it
    was made for, which `world` spells.
    """

    plan_id: str
    kind: str
    request: Document
    document: Document
    fingerprint: str
    world: Document
    created_at: datetime
    expires_at: datetime
    applied_by: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered, to be answered again."""

    status: int
    body: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Claim:
    """That a request with a key is being carried out, by whoever has this very claim."""

    scope: str
    claim_id: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is to change something: what is committed for it is recorded as its doing.

    `things` are those of ours that its path names. With a `claim` nothing is committed once
    somebody else has taken over; `render` is how an operation is answered.
    """

    action: str
    actor: str
    at: datetime
    request_id: str
    things: tuple[tuple[Noun, str], ...] = ()
    claim: Claim | None = None
    render: Callable[[Operation], Answer] | None = None


@dataclass(frozen=True, slots=True)
class KeptRequest:
    """A request that carried a key. `fingerprint` is of all that was sent with it, `claimed_by`
    the process that took it on.
    """

    scope: str
    fingerprint: str
    claim_id: str
    claimed_by: str
    claimed_at: datetime
    expires_at: datetime
    answer: Answer | None = None


class Idempotency(Protocol):
    def get(self, scope: str) -> KeptRequest | None: ...
    def put(self, request: KeptRequest) -> None:
        """Keep a request that has no answer yet, in the place of an earlier one."""
        ...

    def hold(self, claim: Claim, answer: Answer | None = None) -> None:
        """See that the claim still stands, and keep its answer if there is one.

        Raises:
            ClaimLostError: somebody else has taken over.
        """
        ...

    def release(self, claim: Claim) -> None:
        """Forget a request that has no answer."""
        ...

    def purge(self, before: datetime) -> None:
        """Forget what expired before that."""
        ...


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which records are wanted; None does not filter."""

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    outcome: str | None = None
    account_id: str | None = None


class Audit(Protocol):
    """Records that are only ever added, each chained to the one before."""

    def append(self, entry: AuditEntry) -> AuditEvent:
        """Raises AuditUnavailableError: then nothing of the transaction may be committed."""
        ...

    def head(self) -> Head: ...
    def all(self) -> Iterator[AuditEvent]:
        """Every record, by number."""
        ...

    def page(
        self, *, limit: int, position: int | None, wanted: AuditFilter
    ) -> Page[AuditEvent]: ...


class Freezes(Protocol):
    def put(self, freeze: Freeze) -> None:
        """Add a freeze, in the place of an earlier one of the account."""
        ...

    def lift(self, account_id: str) -> None: ...
    def all(self) -> tuple[Freeze, ...]:
        """Every freeze in force, by account."""
        ...


class Concerns(Protocol):
    """Which accounts plans, connections, operations, backups and keys concern.

    It is noted where they are added, in the same transaction.
    """

    def of(self, noun: Noun, thing_id: str) -> Concern:
        """Return what a thing concerns: no account at all if there is no such thing."""
        ...


class ApiKeys(Protocol):
    def add(self, key: ApiKey) -> None: ...
    def get(self, api_key_id: str) -> ApiKey | None: ...
    def with_prefix(self, prefix: str) -> ApiKey | None: ...
    def page(self, *, limit: int, position: int | None, within: Sight) -> Page[ApiKey]:
        """Keys whose every grant is within these accounts, newest first."""
        ...

    def update(self, key: ApiKey) -> None: ...


class Accounts(Protocol):
    def add(self, account: Account) -> None:
        """Raises AlreadyExistsError."""
        ...

    def get(self, account_id: str) -> Account | None: ...
    def all(self) -> tuple[Account, ...]:
        """Every account, by id."""
        ...

    def page(self, *, limit: int, position: int | None) -> Page[Account]: ...
    def update(self, account: Account) -> None: ...
    def remove(self, account_id: str) -> None: ...


class Plans(Protocol):
    def add(self, plan: KeptPlan) -> None: ...
    def get(self, plan_id: str) -> KeptPlan | None: ...
    def fingerprint(self, plan_id: str) -> str | None:
        """Return the fingerprint of a plan, if there is one."""
        ...

    def mark_applied(self, plan_id: str, operation_id: str) -> bool:
        """Note that the plan is used up; False if it was before."""
        ...

    def of_kind(self, kind: str, now: datetime) -> tuple[KeptPlan, ...]:
        """Every plan of a kind that has not expired."""
        ...


@dataclass(frozen=True, slots=True)
class Expiring:
    """That a connection ends by itself, and when."""

    connection_id: str
    status: ConnectionStatus
    expires_at: datetime


class Connections(Protocol):
    def add(self, connection: Connection) -> None: ...
    def get(self, connection_id: str) -> Connection | None: ...
    def page(
        self, *, limit: int, position: int | None, status: str | None = None
    ) -> Page[Connection]: ...
    def standing(self) -> tuple[Connection, ...]:
        """Every connection that is not disconnected or failed, oldest first."""
        ...

    def expiring(self) -> tuple[Expiring, ...]:
        """Every one of these that ends by itself."""
        ...

    def unchecked(self, before: datetime) -> str | None:
        """The active one that was neither made nor looked at since then, for the longest time."""
        ...

    def update(self, connection: Connection) -> None: ...


class Operations(Protocol):
    def add(self, operation: Operation) -> None: ...
    def get(self, operation_id: str) -> Operation | None: ...
    def page(
        self,
        *,
        limit: int,
        position: int | None,
        status: OperationStatus | None = None,
        connection_id: str | None = None,
    ) -> Page[Operation]: ...
    def update(self, operation: Operation) -> None:
        """Keep all but the steps.

        Raises InvalidStateError: the table of states has no such move.
        """
        ...

    def keep_step(self, operation_id: str, step: Step) -> None:
        """Add the step, or replace the one with its number."""
        ...

    def events(self, operation_id: str, *, after: int = 0, limit: int = 100) -> tuple[Event, ...]:
        """What happened to the operation after that event, in order; nothing is overwritten.

        Every `add`, every `update` to another status and every `keep_step` is an event.
        """
        ...

    def of_status(
        self, statuses: Collection[OperationStatus], *, since: datetime | None = None
    ) -> tuple[Operation, ...]:
        """Every operation in one of these states, oldest first, without its steps; with
        `since` those that ended after it.
        """
        ...


@dataclass(frozen=True, slots=True)
class BackupFilter:
    """Which backups are wanted; None does not filter."""

    account_id: str | None = None
    region_id: str | None = None
    group_id: str | None = None
    operation_id: str | None = None


EVERY_BACKUP = BackupFilter()


@dataclass(frozen=True, slots=True)
class KeptBackup:
    """That there is a backup, and before which operation it was taken."""

    backup_id: str
    operation_id: str | None


class Backups(Protocol):
    """A backup whose row was damaged is read as it is: its own check tells."""

    def add(self, backup: Backup) -> None: ...
    def get(self, backup_id: str) -> Backup | None: ...
    def page(
        self, *, limit: int, position: int | None, wanted: BackupFilter = EVERY_BACKUP
    ) -> Page[Backup]: ...
    def was_taken(self, sha256: str) -> bool:
        """Whether some backup with this content was read from the cloud, not imported."""
        ...

    def outdated(self, before: datetime, newest: int) -> tuple[KeptBackup, ...]:
        """Backups of before that instant, oldest first, but for so many newest ones of each
        group.
        """
        ...

    def remove(self, backup_id: str) -> None: ...


class Assertions(Protocol):
    """What must, or must never, be reachable, and the states that it has had."""

    def add(self, assertion: Assertion) -> None: ...
    def get(self, assertion_id: str) -> Assertion | None: ...
    def all(self) -> tuple[Assertion, ...]:
        """Every assertion, oldest first."""
        ...

    def page(
        self, *, limit: int, position: int | None, status: AssertionStatus | None = None
    ) -> Page[Assertion]: ...
    def update(self, assertion: Assertion) -> None: ...
    def remove(self, assertion_id: str) -> None:
        """Remove an assertion with its states."""
        ...

    def note(self, assertion_id: str, transition: Transition) -> None:
        """Keep that an assertion came to be of another status."""
        ...

    def transitions(self, assertion_id: str) -> tuple[Transition, ...]:
        """Every state that it has had, oldest first."""
        ...


class Ledger(Protocol):
    """What is there because of us, and which connections need it."""

    def add(self, entry: LedgerEntry) -> None:
        """Add an entry; one with this id that stands already is left as it is."""
        ...

    def of_connection(self, connection_id: str) -> tuple[LedgerEntry, ...]:
        """Entries that the connection uses, in the order they were added."""
        ...

    def of_operation(self, operation_id: str) -> tuple[LedgerEntry, ...]:
        """Entries that the operation added, in that order."""
        ...

    def of_groups(self, group_ids: Iterable[str]) -> tuple[LedgerEntry, ...]:
        """Entries that speak of one of the groups, in the order they were added."""
        ...

    def use(self, entry_id: str, connection_id: str) -> None: ...
    def release(self, entry_id: str, connection_id: str) -> None: ...
    def remove(self, entry_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class KeptIntent:
    """A mutating call that was begun: `outcome` is None if nothing is known of its end."""

    token: str
    change: Document
    outcome: str | None
    times_begun: int


class Intents(Protocol):
    """Mutating calls about to be made: durable before the call, never removed."""

    def get(self, token: str) -> KeptIntent | None: ...
    def of_operation(self, operation_id: str) -> tuple[KeptIntent, ...]:
        """Every intent of the operation, in the order they were first begun."""
        ...

    def begin(self, operation_id: str, token: str, change: Document, at: datetime) -> int:
        """Note that the call is about to be made; return how often it was begun, from 1.

        From then on nothing is known of its end, whatever came of an earlier try.
        """
        ...

    def end(self, token: str, outcome: str, at: datetime, *, group_id: str | None = None) -> None:
        """Note how the call ended; `group_id` is that of a group which it made.

        The change then has this id, and the name that it called the group by as `called`.
        """
        ...


class Successors(Protocol):
    """Groups that were made anew in the place of deleted ones."""

    def add(
        self, account_id: str, group_id: str, successor_id: str, operation_id: str, at: datetime
    ) -> None:
        """Note that a group stands for another one from now on; the latest such note counts."""
        ...

    def of(self, refs: Iterable[GroupRef]) -> Mapping[GroupRef, str]:
        """Return the last group in the row that stands for each of the groups, where there is
        one.
        """
        ...


class Turns(Protocol):
    """Who may change what: the operation with the earliest turn for every one of its keys."""

    def take(self, operation_id: str, keys: Sequence[str]) -> None:
        """Queue the operation for all keys at once, replacing turns that it had."""
        ...

    def keys(self, operation_id: str) -> frozenset[str]: ...
    def ahead(self, operation_id: str) -> tuple[str, ...]:
        """Operations that must end before this one may begin, earliest first."""
        ...

    def holders(self, keys: Iterable[str]) -> tuple[str, ...]:
        """Operations that have or await a turn for one of the keys, earliest first."""
        ...

    def release(self, operation_id: str) -> None: ...


class Replicas(Protocol):
    """Processes that carry operations out: a tenure lasts from one start to one end.

    Every time is the database's own. A tenure that is over never comes back: a process that
    finds its own over begins another one.
    """

    def enlist(self, name: str, version: str) -> str:
        """Begin a tenure and return its id; one that the name still has is over by that."""
        ...

    def beat(self, tenure_id: str) -> bool:
        """Say that it goes on; False if it is over."""
        ...

    def lapse(self, tenure_id: str, lease: timedelta) -> tuple[str, ...]:
        """End every other tenure that was not heard of for so long; return them."""
        ...

    def leave(self, tenure_id: str) -> None:
        """End a tenure whose last call has come to its end."""
        ...

    def due(self, grace: timedelta) -> tuple[str, ...]:
        """Tenures whose work is to be taken over: they are over, and for so long that no
        call of theirs is under way.
        """
        ...

    def settle(self, tenure_id: str) -> None:
        """Note that nothing is left that it began."""
        ...

    def living(self) -> Mapping[str, str]:
        """The version of each living tenure, eldest first."""
        ...


class Revisions(Protocol):
    """How often each account and region was changed from here, by whichever process.

    The number grows when a call that changes something is about to be made, when it has
    ended, when its operation has, and when another role speaks for the account: what was read
    at an earlier number is out of date. Reading one costs nothing of the cloud's.
    """

    def all(self) -> Mapping[Place, int]:
        """Every number; a place that is not there was never changed."""
        ...

    def advance(self, place: Place) -> None:
        """Let the number of a place grow."""
        ...


class Work(Protocol):
    """One transaction."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def plans(self) -> Plans: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def operations(self) -> Operations: ...
    @property
    def backups(self) -> Backups: ...
    @property
    def assertions(self) -> Assertions: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def intents(self) -> Intents: ...
    @property
    def successors(self) -> Successors: ...
    @property
    def turns(self) -> Turns: ...
    @property
    def replicas(self) -> Replicas: ...
    @property
    def revisions(self) -> Revisions: ...
    @property
    def concerns(self) -> Concerns: ...
    @property
    def api_keys(self) -> ApiKeys: ...
    @property
    def audit(self) -> Audit: ...
    @property
    def freezes(self) -> Freezes: ...
    @property
    def idempotency(self) -> Idempotency: ...

    def enqueue(self, operation_id: str, *, anew: bool = False) -> None:
        """Hand the operation to the durable engine, in this same transaction.

        `anew`: with an empty journal, where the one that it had is of an earlier version.
        """
        ...

    def commit(self) -> None:
        """Keep it all, with a record of it in the audit if it is for a request.

        Raises:
            AuditUnavailableError, ClaimLostError
        """
        ...


class Store(Protocol):
    """Listings show what is in sight of whoever is acting; nothing else is held back here."""

    def write(self) -> AbstractContextManager[Work]:
        """Open a transaction that may write; two never interleave.

        Raises:
            SupersededError: it is for an operation that another process has taken over.
        """
        ...

    def read(self) -> AbstractContextManager[Work]:
        """Open a transaction that only reads; it never waits for a writer."""
        ...

    def is_ready(self) -> bool:
        """Say whether the database answers and has the tables of this version."""
        ...
