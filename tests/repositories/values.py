"""Values to keep; a test states only what it is about."""

from datetime import UTC, datetime, timedelta

from app.domain.accounts import Account
from app.domain.api_keys import ApiKey
from app.domain.assertions import Assertion, AssertionStatus, Transition
from app.domain.backups import Backup, digest
from app.domain.changes import AddedRule, Effect
from app.domain.connections import Connection, ConnectionStatus, LedgerEntry
from app.domain.documents import Document
from app.domain.groups import Place
from app.domain.operations import Operation, OperationKind, OperationStatus, Step, StepStatus
from app.domain.principals import Role
from app.domain.rules import Direction, GroupPeer, HeldRule, PortRange, Protocol, Rule
from app.ports.store import KeptPlan

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
PLACE = Place("1000000000000001", "cn-hangzhou")


def account(*, account_id: str = "1000000000000001", name: str = "orders") -> Account:
    return Account(
        account_id=account_id,
        name=name,
        role_arn=None,
        external_id="secret-free",
        region_ids=("cn-hangzhou", "cn-beijing"),
        created_at=NOON,
    )


def api_key(*, api_key_id: str = "key-1", prefix: str = "0123456789ab") -> ApiKey:
    return ApiKey(
        api_key_id=api_key_id,
        name="dashboard",
        prefix=prefix,
        digest="0" * 64,
        grants={"1000000000000001": Role.VIEWER},
        created_by="bootstrap",
        created_at=NOON,
        expires_at=NOON + timedelta(days=90),
    )


def plan(*, plan_id: str = "plan-1", document: Document | None = None) -> KeptPlan:
    return KeptPlan(
        plan_id=plan_id,
        kind="connect",
        request={"kind": "connect"},
        document=document or {"id": plan_id},
        fingerprint="f" * 64,
        world={"groups": []},
        created_at=NOON,
        expires_at=NOON + timedelta(hours=1),
    )


def assertion(*, assertion_id: str = "assertion-1") -> Assertion:
    return Assertion(
        assertion_id=assertion_id,
        request={"kind": "must_reach"},
        owner="the shop team",
        reason="orders are kept there",
        created_at=NOON,
        status=AssertionStatus.BROKEN,
        checked_at=NOON,
        detail={"status": "broken"},
        managed_by="tiers/shop",
        operation_id="operation-1",
    )


def state(*, status: AssertionStatus = AssertionStatus.HOLDS) -> Transition:
    return Transition(status, NOON, {"status": status.value})


def connection(
    *, connection_id: str = "connection-1", status: ConnectionStatus = ConnectionStatus.PENDING
) -> Connection:
    return Connection(
        connection_id=connection_id,
        request={"method": "group_authorization"},
        status=status,
        created_at=NOON,
        adopted=({"rule_id": "sgr-1"},),
    )


def operation(
    *,
    operation_id: str = "operation-1",
    status: OperationStatus = OperationStatus.PENDING,
    connection_id: str = "connection-1",
    steps: tuple[Step, ...] = (),
) -> Operation:
    return Operation(
        operation_id=operation_id,
        kind=OperationKind.CONNECT,
        status=status,
        connection_id=connection_id,
        created_at=NOON,
        steps=steps,
    )


def step(*, number: int = 1, status: StepStatus = StepStatus.RUNNING, attempts: int = 1) -> Step:
    return Step(
        number=number,
        name=f"step {number}",
        status=status,
        started_at=NOON,
        attempts=attempts,
        cloud_request_ids=("R-1", "R-2"),
    )


def backup(
    *, backup_id: str = "backup-1", group_id: str = "sg-db", operation_id: str | None = None
) -> Backup:
    content = {
        "account_id": PLACE.account_id,
        "region_id": PLACE.region_id,
        "group_id": group_id,
        "name": "Datenbänke",
        "members": ["i-db01"],
    }
    return Backup(
        backup_id=backup_id,
        place=PLACE,
        group_id=group_id,
        created_at=NOON,
        content=content,
        sha256=digest(content),
        operation_id=operation_id,
    )


def change(*, number: int = 1) -> Document:
    """What an intent is about, as far as repositories read it."""
    return {"account_id": PLACE.account_id, "region_id": PLACE.region_id, "n": number}


def effect(*, group_id: str = "sg-db") -> Effect:
    peer = GroupPeer("sg-web", "1000000000000002")
    rule = Rule(Direction.INGRESS, Protocol.TCP, PortRange(3306, 3306), peer)
    return AddedRule(PLACE, group_id, HeldRule("sgr-9", rule, "intercom:operation-1:1"))


def entry(
    *,
    entry_id: str = "entry-1",
    operation_id: str = "operation-1",
    group_id: str = "sg-db",
    users: tuple[str, ...] = ("connection-1",),
) -> LedgerEntry:
    return LedgerEntry(entry_id, operation_id, effect(group_id=group_id), frozenset(users))
