"""All services in one frozen value, so that the api can name it."""

from dataclasses import dataclass

from app.services.access import AccessService
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
from app.services.hygiene import HygieneService
from app.services.idempotency import IdempotencyService
from app.services.identity import IdentityService
from app.services.interventions import InterventionsService
from app.services.inventory import InventoryService
from app.services.operations import OperationsService
from app.services.plans import PlansService
from app.services.reachability import ReachabilityService
from app.services.retention import RetentionService
from app.services.suppositions import SuppositionsService
from app.services.views import ViewsService


@dataclass(frozen=True, slots=True)
class House:
    """What an endpoint may ask for."""

    identity: IdentityService
    access: AccessService
    api_keys: ApiKeysService
    freezes: FreezesService
    idempotency: IdempotencyService
    audit: AuditService
    accounts: AccountsService
    inventory: InventoryService
    hygiene: HygieneService
    plans: PlansService
    guardrails: GuardrailsService
    comparisons: ComparisonsService
    connections: ConnectionsService
    drift: DriftService
    operations: OperationsService
    interventions: InterventionsService
    backups: BackupsService
    assertions: AssertionsService
    archive: ArchiveService
    retention: RetentionService
    reachability: ReachabilityService
    suppositions: SuppositionsService
    views: ViewsService
    health: HealthService
