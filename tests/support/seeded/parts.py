"""The real services over the ports, as one process of the simulation holds them."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from app.adapters.ecs.clouds import WiredClouds
from app.adapters.ecs.patience import Patience as ReadPatience
from app.adapters.ecs.transport import BASE, Keys, Transport
from app.bootstrap import plan_kinds
from app.domain.plan import Limits
from app.domain.planning import Bounds
from app.ports.clock import Clock, Ids, Stopwatch
from app.ports.engine import Fate
from app.ports.store import Store
from app.services.accounts import Directory
from app.services.assertions import AssertionsService
from app.services.backups import BackupsService
from app.services.changes import ChangesService, Patience
from app.services.completion import Completion
from app.services.connections import ConnectionsService
from app.services.drift import DriftService
from app.services.endings import EndingsService
from app.services.execution import Execution
from app.services.expiry import ExpiryService
from app.services.interventions import InterventionsService
from app.services.ledger import LedgerService
from app.services.operations import OperationsService
from app.services.plans import PlansService
from app.services.resuming import Resuming
from app.services.sweeping import SweepingService
from app.services.verification import VerificationService
from app.services.watching import Watching
from app.services.way_back import WayBack
from app.services.worlds import Worlds
from tests.support.clouds import BASE_KEY_ID, BASE_KEY_SECRET

LATE_WINDOW = timedelta(hours=1)


class FaithfulEngine:
    """A durable engine that never gives anything up."""

    def __init__(self, fates: Mapping[str, Fate]) -> None:
        self._fates = fates

    def abandoned(self, operation_ids: Collection[str]) -> Mapping[str, Fate]:
        return {each: self._fates[each] for each in operation_ids if each in self._fates}


@dataclass(frozen=True, slots=True)
class Parts:
    """What a process is asked for, and what it carries out."""

    store: Store
    plans: PlansService
    connections: ConnectionsService
    operations: OperationsService
    interventions: InterventionsService
    execution: Execution
    sweeping: SweepingService
    expiry: ExpiryService
    drift: DriftService


def parts(
    *,
    store: Store,
    transport: Transport,
    clock: Clock,
    stopwatch: Stopwatch,
    ids: Ids,
    patience: Patience,
    read_attempts: int,
    limits: Limits,
    permit: Callable[[], None],
    fates: Mapping[str, Fate],
) -> Parts:
    """Put the services together as the composition root does, over this store and this wire."""
    directory = Directory(store=store)
    clouds = WiredClouds(
        transport=transport,
        base=Keys(BASE, BASE_KEY_ID, BASE_KEY_SECRET),
        access_of=directory.access_of,
        clock=clock,
        patience=ReadPatience(read_attempts, timedelta(hours=1), timedelta(0)),
        workers=1,
        permit=permit,
    )
    worlds = Worlds(clouds=clouds, places=directory.places, threads=1)
    backups = BackupsService(store=store, clock=clock, ids=ids)
    ledger = LedgerService(store=store, backups=backups)
    plans = PlansService(
        store=store,
        worlds=worlds,
        ledger=ledger,
        clock=clock,
        ids=ids,
        limits=limits,
        bounds=Bounds(),
        lifetime=timedelta(hours=1),
        kinds=plan_kinds(store, worlds, limits, Bounds()),
        assertions=AssertionsService(store=store, worlds=worlds, clock=clock, ids=ids),
        longest=timedelta(days=366),
    )
    operations = OperationsService(store=store, plans=plans, clock=clock, ids=ids)
    endings = EndingsService(store=store, clock=clock)
    interventions = InterventionsService(
        store=store, plans=plans, operations=operations, endings=endings, clock=clock, ids=ids
    )
    changes = ChangesService(store=store, clouds=clouds, clock=clock, patience=patience)
    verification = VerificationService(
        store=store, plans=plans, worlds=worlds, backups=backups, ledger=ledger
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
        engine=FaithfulEngine(fates),
        way_back=way_back,
        verification=verification,
        ledger=ledger,
        endings=endings,
        interventions=interventions,
        clock=clock,
        late_window=LATE_WINDOW,
    )
    execution = Execution(
        store=store,
        plans=plans,
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
    connections = ConnectionsService(store=store, plans=plans, operations=operations)
    return Parts(
        store=store,
        plans=plans,
        connections=connections,
        drift=DriftService(
            store=store,
            worlds=worlds,
            connections=connections,
            clock=clock,
            every=timedelta(hours=1),
        ),
        operations=operations,
        interventions=interventions,
        execution=execution,
        sweeping=sweeping,
        expiry=ExpiryService(
            store=store,
            plans=plans,
            operations=operations,
            clock=clock,
            stopwatch=stopwatch,
            leads=lambda: True,
        ),
    )
