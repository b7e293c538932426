"""Composition root: settings in, service out. The only module that names every class."""

import secrets
import time
import tomllib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.adapters.ecs.clouds import SdkClouds
from app.adapters.ecs.environment import silence_sdk
from app.domain.errors import InvalidInputError
from app.domain.guardrail_documents import read_guardrails
from app.domain.guardrails import Guardrails
from app.domain.plan import Limits
from app.domain.planning import Bounds
from app.ports.store import Store
from app.repositories import schema
from app.repositories.budget import SqlBudget
from app.repositories.store import SqlStore
from app.services.access import AccessService
from app.services.accounts import AccountsService, Directory
from app.services.api_keys import ApiKeysService
from app.services.archive import ArchiveService
from app.services.assertions import AssertionsService
from app.services.audit import AuditService
from app.services.backups import BackupsService
from app.services.callers import asked, eyes, sight
from app.services.changes import ChangesService, Patience
from app.services.compactions import CompactionsService
from app.services.comparisons import ComparisonsService
from app.services.completion import Completion
from app.services.connections import ConnectionsService
from app.services.drift import DriftService
from app.services.endings import EndingsService
from app.services.execution import Execution
from app.services.expiry import ExpiryService
from app.services.freezes import FreezesService
from app.services.guardrails import GuardrailsService
from app.services.health import HealthService
from app.services.house import House
from app.services.hygiene import HygieneService
from app.services.idempotency import IdempotencyService
from app.services.identity import IdentityService
from app.services.interventions import InterventionsService
from app.services.inventory import InventoryService
from app.services.ledger import LedgerService
from app.services.memory import Memory
from app.services.operations import OperationsService
from app.services.plan_kinds import PlanKind
from app.services.plans import PlansService
from app.services.reachability import ReachabilityService
from app.services.restores import RestoresService
from app.services.resuming import Resuming
from app.services.retention import RetentionService
from app.services.suppositions import SuppositionsService
from app.services.sweeping import SweepingService
from app.services.tiers import TiersService
from app.services.tightenings import TighteningsService
from app.services.verification import VerificationService
from app.services.views import ViewsService
from app.services.watching import Watching
from app.services.way_back import WayBack
from app.services.worlds import Worlds
from app.settings import Role, Settings
from app.workflow.engine import Chore, DurableEngine
from app.workflow.membership import Terms

EXPIRY_EVERY = timedelta(seconds=2)
"""How often connections whose time has come are looked for: one short query."""


class SystemClock:
    """The clock of this machine, in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def elapsed(self) -> timedelta:
        """Time since some instant, sleep included where the system can tell."""
        kind = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
        return timedelta(seconds=time.clock_gettime(kind))


class RandomIds:
    """Random ids; secrets from the operating system's source."""

    def new(self) -> str:
        return str(uuid.uuid4())

    def secret(self) -> str:
        return secrets.token_hex(20)


class SchemaError(RuntimeError):
    """The database has tables of another version, or none."""


@dataclass(frozen=True, slots=True)
class Service:
    """The house with what must be started before it and stopped after it."""

    house: House
    role: Role
    database_url: str
    store: SqlStore
    engine: DurableEngine
    clouds: SdkClouds
    budget: SqlBudget
    worlds: Worlds
    drain_patience: timedelta
    drain_notice: timedelta

    def start(self) -> None:
        """Check the tables, then run operations: first those that were left unfinished.

        A new SQLite file gets its tables here; any other database only by `migrate`.

        Raises:
            SchemaError
        """
        check_schema(self.database_url)
        if self.role is Role.API:
            self.engine.prepare()
        else:
            self.engine.launch()

    def drain(self) -> None:
        """Say that the service is not ready, and let running steps end; requests are answered
        for as long as a proxy needs to notice.
        """
        began = time.monotonic()
        self.house.health.drain()
        self.engine.close(patience=self.drain_patience)
        rest = self.drain_notice.total_seconds() - (time.monotonic() - began)
        time.sleep(max(0.0, rest))

    def close(self) -> None:
        """Let running steps end, and close everything."""
        self.engine.close(patience=self.drain_patience)
        self.worlds.close()
        self.clouds.close()
        self.budget.close()
        self.store.close()


def check_schema(database_url: str) -> None:
    """Make the tables of a new SQLite file; refuse tables of another version.

    Raises:
        SchemaError
    """
    found = schema.current(database_url)
    if found is None and database_url.startswith("sqlite"):
        schema.migrate(database_url)
    elif found != schema.head():
        msg = f"the database is at version {found or 'none'}: run `intercom migrate` first"
        raise SchemaError(msg)


def build(settings: Settings, *, role: Role = Role.ALL) -> Service:
    """Put everything together; nothing is started and nothing is called.

    Raises:
        ValueError: settings that contradict one another.
    """
    if role is not Role.ALL and settings.database_url.startswith("sqlite"):
        msg = "SQLite serves one process: --role all, or a PostgreSQL database"
        raise ValueError(msg)
    silence_sdk()
    clock, ids = SystemClock(), RandomIds()
    quick = settings.is_simulated
    engine = DurableEngine(
        database_url=settings.database_url,
        executor_id=settings.executor_id,
        concurrency=settings.worker_concurrency,
        polling_interval=settings.polling_interval,
        terms=_terms(settings),
    )
    store = SqlStore(
        url=settings.database_url,
        enqueue=engine.enqueue,
        tenure=engine.tenure,
        sight=sight,
        asked=asked,
    )
    directory = Directory(store=store, eyes=eyes)
    budget = SqlBudget(url=settings.database_url, quotas=settings.quotas)
    clouds = _clouds(settings, directory, clock, permit=engine.check_fresh, budget=budget)
    worlds = Worlds(clouds=clouds, places=directory.places, threads=settings.pool_size)
    backups = BackupsService(store=store, clock=clock, ids=ids)
    ledger = LedgerService(store=store, backups=backups)
    limits, guardrails = _limits(settings), _guardrails(settings)
    bounds = Bounds(addresses=guardrails.addresses)
    assertions = AssertionsService(store=store, worlds=worlds, clock=clock, ids=ids)
    plans = PlansService(
        store=store,
        worlds=worlds,
        ledger=ledger,
        clock=clock,
        ids=ids,
        limits=limits,
        bounds=bounds,
        lifetime=settings.plan_lifetime,
        kinds=plan_kinds(store, worlds, limits, bounds),
        guardrails=guardrails,
        assertions=assertions,
        longest=settings.connection_lifetime,
    )
    operations = OperationsService(store=store, plans=plans, clock=clock, ids=ids)
    endings = EndingsService(store=store, clock=clock)
    interventions = InterventionsService(
        store=store, plans=plans, operations=operations, endings=endings, clock=clock, ids=ids
    )
    parts = _Parts(store, engine, clouds, worlds, plans, backups, ledger, endings, interventions)
    execution, sweeping = _execution(parts, settings)
    retention = RetentionService(
        store=store,
        clock=clock,
        lifetime=settings.backup_lifetime,
        versions=settings.backup_versions,
    )
    expiry = ExpiryService(
        store=store,
        plans=plans,
        operations=operations,
        clock=clock,
        stopwatch=clock,
        leads=lambda: engine.leads,
    )
    connections = ConnectionsService(store=store, plans=plans, operations=operations)
    drift = DriftService(
        store=store,
        worlds=worlds,
        connections=connections,
        clock=clock,
        every=_check_every(settings),
    )
    sweep_every = settings.sweep_interval or timedelta(seconds=5 if quick else 30)
    idempotency = IdempotencyService(
        store=store,
        clock=clock,
        ids=ids,
        is_required=settings.idempotency_key_required,
        alone=settings.database_url.startswith("sqlite"),
    )
    engine.register(
        execution,
        store=store,
        chores=(
            Chore("sweeping", _one_after_another(sweeping, retention, idempotency), sweep_every),
            Chore("expiry", expiry, EXPIRY_EVERY, everywhere=True),
            Chore("drift", drift, timedelta(seconds=1 if quick else 10)),
        ),
    )
    runs_operations = role is not Role.API
    inventory = InventoryService(clouds=clouds, directory=directory)
    memory = Memory(
        clouds=clouds,
        worlds=worlds,
        directory=directory,
        store=store,
        clock=clock,
        most_age=_most_age(settings),
        capacity=settings.inventory_capacity,
    )
    access = AccessService(store=store, clock=clock)
    house = House(
        identity=IdentityService(
            bootstrap_key=settings.administrator_key, store=store, clock=clock
        ),
        access=access,
        api_keys=ApiKeysService(
            store=store, clock=clock, ids=ids, lifetime=settings.api_key_lifetime
        ),
        freezes=FreezesService(store=store, clock=clock),
        idempotency=idempotency,
        audit=AuditService(store=store),
        accounts=AccountsService(store=store, clouds=clouds, budget=budget, clock=clock, ids=ids),
        inventory=inventory,
        hygiene=HygieneService(
            memory=memory,
            inventory=inventory,
            limits=limits,
        ),
        plans=plans,
        guardrails=GuardrailsService(guardrails=guardrails, plans=plans),
        connections=connections,
        drift=drift,
        comparisons=ComparisonsService(
            access=access, worlds=worlds, plans=plans, limits=limits, bounds=bounds
        ),
        operations=operations,
        interventions=interventions,
        backups=backups,
        assertions=assertions,
        retention=retention,
        archive=ArchiveService(store=store, worlds=worlds, clouds=clouds, backups=backups),
        reachability=ReachabilityService(memory=memory, directory=directory),
        suppositions=SuppositionsService(memory=memory),
        views=ViewsService(memory=memory, directory=directory),
        health=HealthService(
            store=store,
            clouds=clouds,
            engine=lambda: engine.is_running or not runs_operations,
        ),
    )
    return Service(
        house=house,
        role=role,
        database_url=settings.database_url,
        store=store,
        engine=engine,
        clouds=clouds,
        budget=budget,
        worlds=worlds,
        drain_patience=settings.drain_patience,
        drain_notice=settings.drain_notice or timedelta(seconds=0.1 if quick else 3),
    )


def plan_kinds(
    store: Store, worlds: Worlds, limits: Limits, bounds: Bounds
) -> Mapping[str, PlanKind]:
    """Every kind of plan that belongs to no connection, by the name that it has in requests."""
    return {
        "compact": CompactionsService(store=store, worlds=worlds, limits=limits),
        "restore": RestoresService(store=store, worlds=worlds, limits=limits, bounds=bounds),
        "tiers": TiersService(store=store, worlds=worlds, limits=limits),
        "tighten": TighteningsService(store=store, worlds=worlds, limits=limits, bounds=bounds),
    }


def _one_after_another(*chores: Callable[[], None]) -> Callable[[], None]:
    """Return one chore that does all of them."""

    def chore() -> None:
        for each in chores:
            each()

    return chore


@dataclass(frozen=True, slots=True)
class _Parts:
    """What carries operations out is made of."""

    store: SqlStore
    engine: DurableEngine
    clouds: SdkClouds
    worlds: Worlds
    plans: PlansService
    backups: BackupsService
    ledger: LedgerService
    endings: EndingsService
    interventions: InterventionsService


def _execution(parts: _Parts, settings: Settings) -> tuple[Execution, SweepingService]:
    """Put together what carries operations out, and what looks after those left behind."""
    store, backups, ledger, endings = parts.store, parts.backups, parts.ledger, parts.endings
    clock, ids, patience = SystemClock(), RandomIds(), _patience(settings)
    changes = ChangesService(store=store, clouds=parts.clouds, clock=clock, patience=patience)
    verification = VerificationService(
        store=store, plans=parts.plans, worlds=parts.worlds, backups=backups, ledger=ledger
    )
    watching = Watching(store=store, verification=verification, clock=clock, patience=patience)
    completion = Completion(
        store=store,
        verification=verification,
        watching=watching,
        endings=endings,
        clock=clock,
        patience=patience,
    )
    way_back = WayBack(
        store=store,
        changes=changes,
        verification=verification,
        endings=endings,
        ledger=ledger,
        clock=clock,
        ids=ids,
        patience=patience,
    )
    resuming = Resuming(
        store=store,
        backups=backups,
        verification=verification,
        completion=completion,
        way_back=way_back,
        endings=endings,
        ledger=ledger,
        clock=clock,
    )
    sweeping = SweepingService(
        store=store,
        engine=parts.engine,
        way_back=way_back,
        verification=verification,
        ledger=ledger,
        endings=endings,
        interventions=parts.interventions,
        clock=clock,
        late_window=settings.late_window
        or timedelta(seconds=60 if settings.is_simulated else 3600),
    )
    execution = Execution(
        store=store,
        plans=parts.plans,
        backups=backups,
        changes=changes,
        verification=verification,
        completion=completion,
        way_back=way_back,
        resuming=resuming,
        endings=endings,
        clock=clock,
        patience=patience,
    )
    return execution, sweeping


def _terms(settings: Settings) -> Terms:
    """After the grace no call of a replica that may not go on can be under way."""
    longest = settings.connect_timeout + settings.read_timeout
    alone = settings.database_url.startswith("sqlite")
    return Terms(lease=settings.lease, grace=longest + timedelta(seconds=1), alone=alone)


def _clouds(
    settings: Settings,
    directory: Directory,
    clock: SystemClock,
    permit: Callable[[], None],
    budget: SqlBudget,
) -> SdkClouds:
    key_id, key_secret = settings.base_key
    quick = settings.is_simulated
    return SdkClouds(
        ecs_endpoint=settings.ecs_endpoint,
        sts_endpoint=settings.sts_endpoint,
        base_access_key_id=key_id,
        base_access_key_secret=key_secret,
        base_role_name=settings.base_role_name,
        access_of=directory.access_of,
        clock=clock,
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        pool_size=settings.pool_size,
        permit=permit,
        budget=budget,
        retry_attempts=settings.read_attempts,
        retry_total=timedelta(seconds=3 if quick else 20),
        retry_wait=timedelta(milliseconds=50 if quick else 200),
    )


def _limits(settings: Settings) -> Limits:
    return Limits(
        rules_per_group=settings.rules_per_group,
        rules_per_nic=settings.rules_per_nic,
        groups_per_nic=settings.groups_per_nic,
        members_per_classic_group=settings.members_per_classic_group,
        members_per_vpc_group=settings.members_per_vpc_group,
        groups_per_account=settings.groups_per_account,
        peer_groups_per_group=settings.peer_groups_per_group,
    )


def _guardrails(settings: Settings) -> Guardrails:
    """Read the guardrails of this service.

    Raises:
        ValueError: the file cannot be read, or says what cannot be.
    """
    default = Guardrails(addresses=settings.max_addresses)
    if settings.guardrails_file is None:
        return default
    try:
        configured = tomllib.loads(settings.guardrails_file.read_text(encoding="utf-8"))
        return read_guardrails(configured, default)
    except (OSError, ValueError, InvalidInputError) as error:
        msg = f"INTERCOM_GUARDRAILS_FILE {settings.guardrails_file}: {error}"
        raise ValueError(msg) from error


def _check_every(settings: Settings) -> timedelta:
    if settings.check_interval is not None:
        return settings.check_interval
    return timedelta(minutes=5 if settings.is_simulated else 60)


def _most_age(settings: Settings) -> timedelta:
    if settings.inventory_max_age is not None:
        return settings.inventory_max_age
    return timedelta(seconds=5 if settings.is_simulated else 60)


def _patience(settings: Settings) -> Patience:
    quick = settings.is_simulated
    return Patience(
        settle=settings.settle_window or timedelta(seconds=5 if quick else 600),
        look_every=settings.look_interval or timedelta(seconds=0.25 if quick else 2),
        calm_down=settings.throttle_pause or timedelta(seconds=0.5 if quick else 61),
        sends=settings.sends,
    )
