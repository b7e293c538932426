"""What endpoints may ask for: one service at a time, and which page."""

from typing import Annotated

from fastapi import Depends, Query, Request

from app.api.paging import Paging, asked_page
from app.api.schemas.values import QueryBool
from app.services.accounts import AccountsService
from app.services.api_keys import ApiKeysService
from app.services.archive import ArchiveService
from app.services.assertions import AssertionsService
from app.services.audit import AuditService
from app.services.backups import BackupsService
from app.services.comparisons import ComparisonsService
from app.services.connections import ConnectionsService
from app.services.drift import DriftService
from app.services.freezes import FreezesService
from app.services.guardrails import GuardrailsService
from app.services.health import HealthService
from app.services.house import House
from app.services.hygiene import HygieneService
from app.services.interventions import InterventionsService
from app.services.inventory import InventoryService
from app.services.operations import OperationsService
from app.services.plans import PlansService
from app.services.reachability import ReachabilityService
from app.services.retention import RetentionService
from app.services.suppositions import SuppositionsService
from app.services.views import ViewsService


async def house_of(request: Request) -> House:
    house: House = request.app.state.house
    return house


InHouse = Annotated[House, Depends(house_of)]


async def _accounts(house: InHouse) -> AccountsService:
    return house.accounts


async def _inventory(house: InHouse) -> InventoryService:
    return house.inventory


async def _hygiene(house: InHouse) -> HygieneService:
    return house.hygiene


async def _plans(house: InHouse) -> PlansService:
    return house.plans


async def _guardrails(house: InHouse) -> GuardrailsService:
    return house.guardrails


async def _comparisons(house: InHouse) -> ComparisonsService:
    return house.comparisons


async def _connections(house: InHouse) -> ConnectionsService:
    return house.connections


async def _drift(house: InHouse) -> DriftService:
    return house.drift


async def _operations(house: InHouse) -> OperationsService:
    return house.operations


async def _interventions(house: InHouse) -> InterventionsService:
    return house.interventions


async def _backups(house: InHouse) -> BackupsService:
    return house.backups


async def _assertions(house: InHouse) -> AssertionsService:
    return house.assertions


async def _archive(house: InHouse) -> ArchiveService:
    return house.archive


async def _retention(house: InHouse) -> RetentionService:
    return house.retention


async def _reachability(house: InHouse) -> ReachabilityService:
    return house.reachability


async def _suppositions(house: InHouse) -> SuppositionsService:
    return house.suppositions


async def _views(house: InHouse) -> ViewsService:
    return house.views


async def _api_keys(house: InHouse) -> ApiKeysService:
    return house.api_keys


async def _audit(house: InHouse) -> AuditService:
    return house.audit


async def _freezes(house: InHouse) -> FreezesService:
    return house.freezes


async def _health(house: InHouse) -> HealthService:
    return house.health


# They only look something up: as coroutines they cost no thread of the pool.
Accounts = Annotated[AccountsService, Depends(_accounts)]
Inventory = Annotated[InventoryService, Depends(_inventory)]
Hygiene = Annotated[HygieneService, Depends(_hygiene)]
Plans = Annotated[PlansService, Depends(_plans)]
Guardrails = Annotated[GuardrailsService, Depends(_guardrails)]
Comparisons = Annotated[ComparisonsService, Depends(_comparisons)]
Connections = Annotated[ConnectionsService, Depends(_connections)]
Drift = Annotated[DriftService, Depends(_drift)]
Operations = Annotated[OperationsService, Depends(_operations)]
Interventions = Annotated[InterventionsService, Depends(_interventions)]
Backups = Annotated[BackupsService, Depends(_backups)]
Retention = Annotated[RetentionService, Depends(_retention)]
Assertions = Annotated[AssertionsService, Depends(_assertions)]
Archive = Annotated[ArchiveService, Depends(_archive)]
Reachability = Annotated[ReachabilityService, Depends(_reachability)]
Suppositions = Annotated[SuppositionsService, Depends(_suppositions)]
Views = Annotated[ViewsService, Depends(_views)]
ApiKeys = Annotated[ApiKeysService, Depends(_api_keys)]
Audit = Annotated[AuditService, Depends(_audit)]
FreezesOf = Annotated[FreezesService, Depends(_freezes)]
Health = Annotated[HealthService, Depends(_health)]

AskedPage = Annotated[Paging, Depends(asked_page)]

Wait = Annotated[
    QueryBool,
    Query(
        description="Whether to queue behind an operation that is changing the same group; with "
        "`false` that is a problem, `target_busy`."
    ),
]
