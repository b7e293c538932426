"""A House of simple fakes: what the services promise, without a cloud or a database."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from app.api import examples
from app.domain.accounts import AccessState, Account
from app.domain.addresses import Block
from app.domain.api_keys import ApiKey
from app.domain.assertions import Assertion, AssertionStatus, Transition, read_claim
from app.domain.audit import (
    BEGINNING,
    AuditEntry,
    AuditEvent,
    Fault,
    FaultCode,
    Head,
    chained,
)
from app.domain.backups import Backup, BackupOrigin
from app.domain.connections import Connection, ConnectionStatus, LedgerEntry
from app.domain.documents import Document, read_effect, read_held
from app.domain.errors import (
    AlreadyExistsError,
    InvalidCursorError,
    NotFoundError,
    TargetNotFoundError,
    UnauthenticatedError,
)
from app.domain.expiry import read_expiry
from app.domain.exports import content_of_export, content_of_table
from app.domain.freezes import Freeze
from app.domain.groups import Eni, Group, Instance, Place
from app.domain.intents import read_intent
from app.domain.operations import (
    Event,
    EventKind,
    Operation,
    OperationKind,
    OperationStatus,
    Step,
    StepStatus,
)
from app.domain.principals import EVERY_ACCOUNT, Principal, Role
from app.ports.budget import Spent
from app.ports.ecs import GroupSummary
from app.ports.store import (
    EVERY_BACKUP,
    Answer,
    Asked,
    AuditFilter,
    BackupFilter,
    Claim,
    KeptPlan,
    Page,
)
from app.services.api_keys import HandedOut
from app.services.assertions import AssertionView
from app.services.audit import Verification
from app.services.connections import ConnectionView
from app.services.house import House
from app.services.idempotency import KeyedRequest
from app.services.views import Format, View

NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
WORLD = examples.READ_WORLD | {"read_at": NOW, "fingerprint": "f"}
KNOWN = "known"
UNKNOWN = "unknown"
PLACE = Place(examples.SHOP, examples.REGION)

ACCOUNT = Account(
    account_id=examples.SHOP,
    name="shop",
    role_arn=None,
    external_id="external",
    region_ids=(examples.REGION,),
    created_at=NOW,
)
WEB = Instance(
    "i-web01",
    PLACE,
    (Eni("i-web01", (Block.parse("10.170.1.1/32"),), frozenset({"sg-web"})),),
    name="web-1",
    zone_id="cn-hangzhou-b",
)
RULE = read_held(examples.GROUP["rules"][0])
GROUP = Group("sg-web", PLACE, "web", rules=(RULE,))
OPERATION = Operation(
    operation_id="op-1",
    kind=OperationKind.CONNECT,
    status=OperationStatus.PENDING,
    connection_id="con-1",
    plan_id="plan-1",
    created_at=NOW,
)
DONE = replace(
    OPERATION,
    operation_id=KNOWN,
    status=OperationStatus.REJECTED,
    steps=(Step(1, "prepare", StepStatus.SUCCEEDED, NOW, NOW),),
    error={"code": "plan_stale", "title": "Stale", "detail": "it changed", "difference": []},
    finished_at=NOW,
)
PLAN = KeptPlan(
    plan_id="plan-1",
    kind="connect",
    request=examples.BY_GROUP,
    document={
        key: value
        for key, value in examples.PLAN.items()
        if key not in {"id", "created_at", "expires_at"}
    },
    fingerprint="f",
    world={},
    created_at=NOW,
    expires_at=NOW,
)
CONNECTION = Connection("con-1", examples.BY_GROUP, ConnectionStatus.ACTIVE, NOW)
LEDGER = LedgerEntry(
    "led-1", "op-1", read_effect(examples.CONNECTION["ledger"][0]), frozenset({"con-1", "con-2"})
)
BACKUP = Backup(KNOWN, PLACE, "sg-db", NOW, examples.BACKUP["content"], "0" * 64, "op-1")


ASSERTION = AssertionView(
    Assertion(
        assertion_id=KNOWN,
        request={
            key: value
            for key, value in examples.ASSERTION_REQUESTS["must never reach"]["value"].items()
            if key not in {"owner", "reason"}
        },
        owner="the database team",
        reason="nobody logs in to the database from the web tier",
        created_at=NOW,
        status=AssertionStatus.HOLDS,
        checked_at=NOW,
        detail=examples.ASSERTION["judgement"],
    ),
    (Transition(AssertionStatus.HOLDS, NOW, examples.ASSERTION["judgement"]),),
)


@dataclass
class Fake:
    """Remembers what it was asked, and fails on demand."""

    asked: list[tuple[str, Any]] = field(default_factory=list)
    failure: Exception | None = None

    def note(self, name: str, *arguments: object) -> None:
        self.asked.append((name, arguments))
        if self.failure is not None:
            raise self.failure


def known(thing_id: str) -> None:
    if thing_id == UNKNOWN:
        raise NotFoundError("there is no such thing", thing_id=thing_id)


class Accounts(Fake):
    def register(
        self, account_id: str, name: str, role_arn: str | None, region_ids: tuple[str, ...]
    ) -> Account:
        self.note("register", account_id, name, role_arn, region_ids)
        if name == "twice":
            raise AlreadyExistsError("the account is registered", account_id=account_id)
        return replace(ACCOUNT, account_id=account_id, name=name, role_arn=role_arn)

    def page(self, limit: int, position: int | None) -> Page[Account]:
        self.note("page", limit, position)
        return Page((ACCOUNT,), 7 if position is None else None)

    def get(self, account_id: str) -> Account:
        self.note("get", account_id)
        if account_id != ACCOUNT.account_id:
            raise NotFoundError("no such account is registered", account_id=account_id)
        return ACCOUNT

    def spent(self, account_id: str) -> tuple[Spent, ...]:
        self.note("spent", account_id)
        return (Spent(account_id, examples.REGION, "JoinSecurityGroup", 50, 7, 1, 0, 2, True),)

    def change(
        self, account_id: str, *, check: Callable[[Account], None], **changes: Any
    ) -> Account:
        check(ACCOUNT)
        self.note("change", account_id, changes)
        return replace(ACCOUNT, **changes)

    def remove(self, account_id: str, check: Callable[[Account], None]) -> None:
        check(ACCOUNT)
        self.note("remove", account_id)

    def check(self, account_id: str) -> Account:
        self.note("check", account_id)
        return replace(ACCOUNT, access=AccessState.OK, checked_at=NOW)


class Inventory(Fake):
    def instances(self, **asked: Any) -> tuple[tuple[Instance, ...], str | None]:
        self.note("instances", asked)
        if asked["cursor"] == "forged":
            raise InvalidCursorError("the cursor is not one of ours")
        return (WEB,), "further"

    def groups(self, **asked: Any) -> tuple[tuple[GroupSummary, ...], str | None]:
        self.note("groups", asked)
        return (GroupSummary(replace(GROUP, rules=()), "web tier", 2, None),), None

    def group(
        self, group_id: str, account_id: str | None = None, region_id: str | None = None
    ) -> tuple[Group, tuple[Instance, ...]]:
        self.note("group", group_id, account_id, region_id)
        if group_id != GROUP.group_id:
            raise TargetNotFoundError("no such group", group_id=group_id)
        return GROUP, (WEB,)


class Hygiene(Fake):
    def findings(
        self,
        group_id: str,
        account_id: str | None = None,
        region_id: str | None = None,
        severity: str | None = None,
        *,
        refresh: bool = False,
    ) -> Document:
        self.note("findings", group_id, account_id, region_id, severity, refresh)
        if group_id != GROUP.group_id:
            raise TargetNotFoundError("no such group", group_id=group_id)
        return {
            "items": examples.FINDINGS["items"],
            "world": WORLD,
        }


class Plans(Fake):
    def connect(self, request: Document) -> KeptPlan:
        self.note("connect", request)
        read_intent(request)
        return replace(PLAN, request=request)

    def move(self, connection_id: str, to: Document) -> KeptPlan:
        self.note("move", connection_id, to)
        known(connection_id)
        return replace(PLAN, kind="move", document=PLAN.document | {"kind": "move"})

    def disconnect(self, connection_id: str) -> KeptPlan:
        self.note("disconnect", connection_id)
        known(connection_id)
        return replace(PLAN, kind="disconnect", document=PLAN.document | {"kind": "disconnect"})

    def repair(self, connection_id: str) -> KeptPlan:
        self.note("repair", connection_id)
        known(connection_id)
        return replace(PLAN, kind="repair", document=PLAN.document | {"kind": "repair"})

    def of_kind(self, kind: str, request: Document) -> KeptPlan:
        self.note("of_kind", kind, request)
        known(request.get("backup_id", KNOWN))
        return replace(PLAN, kind=kind, document=PLAN.document | {"kind": kind})

    def get(self, plan_id: str) -> KeptPlan:
        self.note("get", plan_id)
        known(plan_id)
        return PLAN


class Guardrails(Fake):
    def get(self) -> Document:
        return examples.GUARDRAILS

    def evaluate(self, plan_id: str, proposed: Document | None = None) -> Document:
        self.note("evaluate", plan_id, proposed)
        known(plan_id)
        return examples.GUARDRAILS_VERDICT


class Comparisons(Fake):
    def compare(self, request: Document) -> Document:
        self.note("compare", request)
        return examples.COMPARISON


class Connections(Fake):
    def create(self, request: Document, *, wait: bool = True) -> Operation:
        self.note("create", request, wait)
        read_intent(request)
        return OPERATION

    def page(self, limit: int, position: int | None, status: str | None = None) -> Page[Connection]:
        self.note("page", limit, position, status)
        return Page((CONNECTION,), None)

    def get(self, connection_id: str) -> ConnectionView:
        self.note("get", connection_id)
        known(connection_id)
        return ConnectionView(CONNECTION, (LEDGER,))

    def extend(self, connection_id: str, expires_at: str) -> ConnectionView:
        self.note("extend", connection_id, expires_at)
        known(connection_id)
        return ConnectionView(replace(CONNECTION, expires_at=read_expiry(expires_at)), (LEDGER,))

    def disconnect(self, connection_id: str, *, wait: bool = True) -> Operation:
        self.note("disconnect", connection_id, wait)
        known(connection_id)
        return replace(OPERATION, kind=OperationKind.DISCONNECT)


class Drift(Fake):
    def check(self, connection_id: str) -> ConnectionView:
        self.note("check", connection_id)
        known(connection_id)
        found = tuple(examples.CHECKED["conditions"])
        checked = replace(CONNECTION, conditions=found, checked_at=NOW)
        return ConnectionView(checked, (LEDGER,))


class Operations(Fake):
    def apply(
        self, plan_id: str, *, wait: bool = True, confirm_lost: int | None = None
    ) -> Operation:
        self.note("apply", plan_id, wait, *(() if confirm_lost is None else (confirm_lost,)))
        known(plan_id)
        return OPERATION

    def get(self, operation_id: str) -> Operation:
        self.note("get", operation_id)
        known(operation_id)
        return DONE if operation_id == KNOWN else OPERATION

    def events(self, operation_id: str, after: int) -> tuple[tuple[Event, ...], bool]:
        self.note("events", operation_id, after)
        known(operation_id)
        begun = Event(4, EventKind.STATUS, OperationStatus.RUNNING, 0)
        step = Event(6, EventKind.STEP, OperationStatus.RUNNING, 50, DONE.steps[0])
        ended = Event(9, EventKind.STATUS, OperationStatus.SUCCEEDED, 100)
        return tuple(each for each in (begun, step, ended) if each.number > after), True

    def page(
        self,
        limit: int,
        position: int | None,
        status: OperationStatus | None = None,
        connection_id: str | None = None,
    ) -> Page[Operation]:
        self.note("page", limit, position, status, connection_id)
        return Page((DONE, OPERATION), 3)


class Interventions(Fake):
    def cancel(self, operation_id: str) -> Operation:
        self.note("cancel", operation_id)
        known(operation_id)
        return DONE

    def roll_back(self, operation_id: str) -> Operation:
        self.note("roll_back", operation_id)
        known(operation_id)
        return OPERATION

    def resume(self, operation_id: str) -> Operation:
        self.note("resume", operation_id)
        known(operation_id)
        return replace(OPERATION, settles=operation_id)


class Backups(Fake):
    def get(self, backup_id: str) -> Backup:
        self.note("get", backup_id)
        known(backup_id)
        return BACKUP

    def page(
        self, limit: int, position: int | None, wanted: BackupFilter = EVERY_BACKUP
    ) -> Page[Backup]:
        self.note("page", limit, position, wanted)
        return Page((BACKUP,), None)


class Assertions(Fake):
    def create(self, request: Document) -> AssertionView:
        self.note("create", request)
        read_claim(request)
        return ASSERTION

    def get(self, assertion_id: str) -> AssertionView:
        self.note("get", assertion_id)
        known(assertion_id)
        return ASSERTION

    def page(
        self, limit: int, position: int | None, status: AssertionStatus | None = None
    ) -> Page[Assertion]:
        self.note("page", limit, position, status)
        return Page((ASSERTION.assertion,), None)

    def remove(self, assertion_id: str) -> None:
        self.note("remove", assertion_id)
        known(assertion_id)

    def check(self, assertion_id: str) -> AssertionView:
        self.note("check", assertion_id)
        known(assertion_id)
        return ASSERTION


class Archive(Fake):
    def take(self, place: Place, group_ids: list[str] | None) -> tuple[Backup, ...]:
        self.note("take", place, group_ids)
        return (replace(BACKUP, operation_id=None, origin=BackupOrigin.MANUAL),)

    def difference(self, backup_id: str, against: str) -> Document:
        self.note("difference", backup_id, against)
        known(backup_id)
        known(against)
        return examples.BACKUP_DIFFERENCE | {"backup_id": backup_id, "against": against}

    def export(self, backup_id: str) -> tuple[str, Document]:
        self.note("export", backup_id)
        known(backup_id)
        return "ecs_cn-hangzhou_sg-db", examples.EXPORT

    def export_csv(self, backup_id: str) -> tuple[str, str]:
        self.note("export_csv", backup_id)
        known(backup_id)
        return "ecs_cn-hangzhou_sg-db", examples.EXPORTED_TABLE

    def import_json(self, document: Document) -> Backup:
        self.note("import_json", document)
        content_of_export(document)
        return replace(BACKUP, operation_id=None, origin=BackupOrigin.IMPORT)

    def import_csv(self, text: str) -> Backup:
        self.note("import_csv", text)
        content_of_table(text)
        return replace(BACKUP, operation_id=None, origin=BackupOrigin.IMPORT)


class Retention(Fake):
    def delete(self, backup_id: str) -> None:
        self.note("delete", backup_id)
        known(backup_id)


class Suppositions(Fake):
    def what_if(self, changes: list[Document], *, most: int, refresh: bool = False) -> Document:
        self.note("what_if", changes, most, refresh)
        return examples.SUPPOSED | {"world": WORLD}


class Reachability(Fake):
    def explain(self, flows: list[Document], *, refresh: bool = False) -> Document:
        self.note("explain", flows, refresh)
        return {
            "items": examples.EXPLANATION["items"][: len(flows)],
            "world": WORLD,
        }


class Views(Fake):
    def matrix(self, scope: Any, targets: Any, **asked: Any) -> View:
        self.note("matrix", scope, targets, asked)
        return self._view(asked["format"], examples.MATRIX_ANSWER, examples.MATRIX_TEXTS)

    def who_can_reach(self, instance: Any, traffic: Any, scope: Any, **asked: Any) -> View:
        self.note("who_can_reach", instance, traffic, scope, asked)
        return self._view(asked["format"], examples.CIRCLE_ANSWER, examples.CIRCLE_TEXTS)

    @staticmethod
    def _view(kind: Format, answer: Document, texts: dict[str, str]) -> View:
        if kind is Format.JSON:
            return View(answer, WORLD)
        return View(texts[kind], WORLD, truncated=True)


@dataclass
class Health(Fake):
    checks: dict[str, bool] = field(default_factory=lambda: {"database": True, "cloud": True})
    is_draining: bool = False

    def ready(self) -> dict[str, bool]:
        self.note("ready")
        return self.checks


class Access(Fake):
    """Lets everybody do everything."""

    def check_role(self, role: Role, *, everywhere: bool = False) -> None: ...

    def check_things(self, role: Role, things: object) -> None: ...

    def describe(self, action: str, *_: object) -> Asked:
        return Asked(action, "bootstrap", NOW, "r-1")


class Freezes(Fake):
    def all(self) -> tuple[Freeze, ...]:
        self.note("all")
        return (Freeze("*", "a reason", "bootstrap", NOW),)

    def freeze(self, account_id: str, reason: str) -> None:
        self.note("freeze", account_id, reason)

    def lift(self, account_id: str) -> None:
        self.note("lift", account_id)


class Idempotency(Fake):
    """Takes every request for a new one."""

    is_required = False

    def claim(self, request: KeyedRequest) -> Claim:
        return Claim(request.key, "claim-1")

    def keep(self, claim: Claim, answer: Answer) -> None: ...

    def release(self, claim: Claim) -> None: ...


class Audit(Fake):
    EVENT = chained(BEGINNING, AuditEntry(NOW, "bootstrap", "create_plan", "plan/1", (), "done"))

    def page(self, limit: int, position: int | None, wanted: AuditFilter) -> Page[AuditEvent]:
        self.note("page", limit, position, wanted)
        return Page((self.EVENT,), None)

    def verify(self, known: Head | None = None) -> Verification:
        self.note("verify", known)
        return Verification(1, self.EVENT.head, (Fault(FaultCode.ALTERED, 1, 1),))


API_KEY = ApiKey(KNOWN, "dashboard", "0" * 12, "0" * 64, {"*": Role.VIEWER}, "bootstrap", NOW, NOW)


class ApiKeys(Fake):
    def now(self) -> datetime:
        return NOW

    def hand_out(
        self, name: str, grants: dict[str, Role], lifetime: timedelta | None = None
    ) -> HandedOut:
        self.note("hand_out", name, grants, lifetime)
        return HandedOut(API_KEY, "ick_secret")

    def page(self, limit: int, position: int | None) -> Page[ApiKey]:
        self.note("page", limit, position)
        return Page((API_KEY,), None)

    def get(self, api_key_id: str) -> ApiKey:
        self.note("get", api_key_id)
        known(api_key_id)
        return API_KEY

    def revoke(self, api_key_id: str) -> None:
        self.note("revoke", api_key_id)
        known(api_key_id)


class OneKey(Fake):
    """Knows one key, of an administrator."""

    def __init__(self, key: str = "") -> None:
        super().__init__()
        self._key = key.encode()

    def of(self, credential: bytes) -> Principal:
        if credential != self._key:
            raise UnauthenticatedError("the API key is not valid")
        return Principal("bootstrap", "first administrator", {EVERY_ACCOUNT: Role.ADMIN})


@dataclass
class Fakes:
    """The fakes by their own types, and the House made of them."""

    identity: OneKey = field(default_factory=OneKey)
    access: Access = field(default_factory=Access)
    api_keys: ApiKeys = field(default_factory=ApiKeys)
    freezes: Freezes = field(default_factory=Freezes)
    idempotency: Idempotency = field(default_factory=Idempotency)
    audit: Audit = field(default_factory=Audit)
    accounts: Accounts = field(default_factory=Accounts)
    inventory: Inventory = field(default_factory=Inventory)
    hygiene: Hygiene = field(default_factory=Hygiene)
    plans: Plans = field(default_factory=Plans)
    guardrails: Guardrails = field(default_factory=Guardrails)
    comparisons: Comparisons = field(default_factory=Comparisons)
    connections: Connections = field(default_factory=Connections)
    drift: Drift = field(default_factory=Drift)
    operations: Operations = field(default_factory=Operations)
    interventions: Interventions = field(default_factory=Interventions)
    backups: Backups = field(default_factory=Backups)
    assertions: Assertions = field(default_factory=Assertions)
    archive: Archive = field(default_factory=Archive)
    retention: Retention = field(default_factory=Retention)
    reachability: Reachability = field(default_factory=Reachability)
    suppositions: Suppositions = field(default_factory=Suppositions)
    views: Views = field(default_factory=Views)
    health: Health = field(default_factory=Health)

    @property
    def house(self) -> House:
        return House(**{name: cast("Any", fake) for name, fake in vars(self).items()})

    def calls(self) -> list[tuple[str, Any]]:
        """Everything that any service was asked."""
        return [call for fake in vars(self).values() for call in fake.asked]


class Unforeseen(Exception):  # noqa: N818 - anything but an error of ours
    pass
