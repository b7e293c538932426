"""Plans: made, kept, made anew. A plan is the dry run; it changes nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.changes import Effect, Joined, is_new_group
from app.domain.concerns import Noun
from app.domain.connections import Connection, ConnectionStatus, LedgerEntry
from app.domain.disconnecting import depart, plan_disconnect
from app.domain.documents import Document
from app.domain.errors import (
    AppError,
    AssertionBrokenError,
    GuardrailViolationError,
    InvalidStateError,
    NotFoundError,
)
from app.domain.expiry import check_expiry, expiry_of
from app.domain.fingerprint import world_document
from app.domain.groups import Place
from app.domain.guardrails import Guardrails, violation_document, violations
from app.domain.intents import Intent, read_intent
from app.domain.moving import moved_request, moving_document, plan_move
from app.domain.plan import Limits, Plan
from app.domain.plan_documents import deciding_document, plan_document
from app.domain.planning import Bounds, Support, check_addresses, needs, plan_connection, rests_on
from app.domain.principals import Role
from app.domain.repairing import plan_repair
from app.domain.world import World
from app.ports.clock import Clock, Ids
from app.ports.store import KeptPlan, Store, Work
from app.services.access import AccessService, check_thing
from app.services.assertions import AssertionsService
from app.services.ledger import LedgerService
from app.services.plan_kinds import TAKEN_BACK, PlanKind
from app.services.scopes import Scope, scope_of, scope_of_ours
from app.services.worlds import Worlds

SHOWN = 100
"""Most violations of guardrails that a refusal lists."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with the world that it was made for."""

    plan: Plan
    kept: KeptPlan
    world: World


class PlansService:
    """Reads the world once, asks the domain, keeps the answer."""

    def __init__(
        self,
        *,
        store: Store,
        worlds: Worlds,
        ledger: LedgerService,
        clock: Clock,
        ids: Ids,
        limits: Limits,
        bounds: Bounds,
        lifetime: timedelta,
        kinds: Mapping[str, PlanKind],
        guardrails: Guardrails | None = None,
        assertions: AssertionsService,
        longest: timedelta,
    ) -> None:
        """`lifetime` is that of plans, `longest` the most of connections that end by themselves."""
        self._access = AccessService(store=store, clock=clock)
        self._store = store
        self._worlds = worlds
        self._ledger = ledger
        self._clock = clock
        self._ids = ids
        self._limits = limits
        self._bounds = bounds
        self._lifetime = lifetime
        self._kinds = kinds
        self._guardrails = guardrails or Guardrails(addresses=bounds.addresses)
        self._assertions = assertions
        self._longest = longest

    def connect(self, request: Document) -> KeptPlan:
        """Plan a connect request and keep the plan."""
        self._access.check_request(Role.OPERATOR, request)
        self.check_expiry(request, "/connection/expires_at")
        return self._keep(self.for_connection(request).kept)

    def disconnect(self, connection_id: str) -> KeptPlan:
        """Plan to take a connection back and keep the plan."""
        self._access.check_request(Role.OPERATOR, {"connection_id": connection_id})
        return self._keep(self.for_disconnect(connection_id).kept)

    def repair(self, connection_id: str) -> KeptPlan:
        """Plan to repair a connection that stands, and keep the plan.

        Raises:
            InvalidStateError: the connection is not active.
        """
        self._access.check_request(Role.OPERATOR, {"connection_id": connection_id})
        with self._store.read() as work:
            check_active(_existing(work, connection_id))
        return self._keep(self.for_repair(connection_id).kept)

    def move(self, connection_id: str, to: Document) -> KeptPlan:
        """Plan to move a connection that stands to another method, and keep the plan.

        Raises:
            NotFoundError, InvalidStateError, what planning raises
        """
        request = {"connection_id": connection_id, "to": to}
        self._access.check_request(Role.OPERATOR, request)
        with self._store.read() as work:
            check_standing(work, connection_id)
        return self._keep(self.for_move(request).kept)

    def of_kind(self, kind: str, request: Document) -> KeptPlan:
        """Plan what belongs to no connection, such as a restore, and keep the plan."""
        self._access.check_request(Role.OPERATOR, request)
        return self._keep(self.for_kind(kind, request).kept)

    def get(self, plan_id: str) -> KeptPlan:
        with self._store.read() as work:
            check_thing(work, Role.VIEWER, Noun.PLAN, plan_id)
            kept = work.plans.get(plan_id)
        if kept is None:
            raise NotFoundError("there is no such plan", plan_id=plan_id)
        return kept

    def anew(self, kept: KeptPlan) -> Planned:
        """Make a kept plan once more, from the world as it is now."""
        if kept.kind == "disconnect":
            return self.for_disconnect(kept.request["connection_id"], kept.world)
        if kept.kind == "repair":
            return self.for_repair(kept.request["connection_id"], kept.world)
        if kept.kind == "move":
            return self.for_move(kept.request, kept.world)
        if kept.kind in self._kinds:
            return self.for_kind(kept.kind, kept.request, kept.world)
        return self.for_connection(kept.request, kept.world)

    def check_expiry(self, request: Document, at: str = "/expires_at") -> None:
        """Refuse a request to connect for no time at all, or for too long.

        Raises:
            InvalidExpiryError: `at` is where the time to end at stands.
        """
        expires_at = expiry_of(request)
        if expires_at is not None:
            self.check_time(expires_at, at)

    def check_time(self, expires_at: datetime, at: str = "/expires_at") -> None:
        """Refuse a time to end at that has passed, or is too far ahead.

        Raises:
            InvalidExpiryError
        """
        check_expiry(expires_at, self._clock.now(), self._longest, at=at)

    def for_connection(self, request: Document, known: Document | None = None) -> Planned:
        """Read and plan; nothing is kept.

        Raises:
            InvalidInputError, GuardrailViolationError, TargetNotFoundError,
            TargetManagedError, MethodNotPossibleError, QuotaInsufficientError
        """
        intent = read_intent(request)
        check_addresses(intent, self._bounds)
        world = self._worlds.read(scope_of(intent, known))
        plan = plan_connection(world, intent, self._limits, self._bounds)
        document = plan_document(plan) | {
            "rests_on": _support_document(rests_on(plan.asked)),
            "needs": _support_document(needs(plan.asked)),
        }
        return self._planned("connect", request, plan, world, document)

    def for_repair(self, connection_id: str, known: Document | None = None) -> Planned:
        """Read and plan to open again what does not pass any more of a connection; nothing is
        kept.

        Raises:
            as `for_connection`; MethodNotPossibleError says what would help, `remedy`.
        """
        with self._store.read() as work:
            connection = _existing(work, connection_id)
        intent = read_intent(connection.request)
        entries = self._ledger.of_connection(connection_id)
        own = _effects(entries)
        scope = scope_of_ours(intent, own, known, ())
        counted = scope_of(intent).counted
        world = self._worlds.read(replace(scope, counted=counted))
        plan = plan_repair(world, intent, own, self._limits, self._bounds)
        document = plan_document(plan) | {
            "rests_on": _support_document(rests_on(plan.asked)),
            "needs": _support_document(needs(plan.asked)),
            "ours": _keys_of_ours(entries),
            "status_before": ConnectionStatus.ACTIVE.value,
        }
        return self._planned("repair", {"connection_id": connection_id}, plan, world, document)

    def for_disconnect(self, connection_id: str, known: Document | None = None) -> Planned:
        """Read and plan; nothing is kept."""
        with self._store.read() as work:
            connection = _existing(work, connection_id)
        intent = read_intent(connection.request)
        entries, world = self._of_ours(connection_id, intent, known)
        departure = depart(world, entries, connection_id)
        plan = plan_disconnect(world, intent, departure)
        document = plan_document(plan) | {
            "rests_on": {"rules": [], "memberships": []},
            "needs": {"rules": [], "memberships": []},
            "ending": [entry.entry_id for entry in departure.ending],
            "gone": [entry.entry_id for entry in departure.gone],
            "ours": _keys_of_ours(entries),
            "status_before": connection.status.value,
        }
        request = {"connection_id": connection_id}
        return self._planned("disconnect", request, plan, world, document)

    def for_move(self, request: Document, known: Document | None = None) -> Planned:
        """Read and plan; nothing is kept.

        Raises:
            what planning a connection raises, and NoSafeOrderError
        """
        connection_id = request["connection_id"]
        with self._store.read() as work:
            connection = _existing(work, connection_id)
            entries = work.ledger.of_connection(connection_id)
        moved = moved_request(connection.request, request["to"])
        old, new = read_intent(connection.request), read_intent(moved)
        check_addresses(new, self._bounds)
        world = self._worlds.read(_moving_scope(old, new, entries, known))
        departure = depart(world, entries, connection_id)
        made = plan_move(world, old, new, departure, limits=self._limits, bounds=self._bounds)
        document = plan_document(made.plan) | {
            "rests_on": _support_document(rests_on(made.new.asked)),
            "needs": _support_document(needs(made.new.asked)),
            "ending": [entry.entry_id for entry in made.ending],
            "gone": [entry.entry_id for entry in made.gone],
            "keeping": [entry.entry_id for entry in made.keeping],
            "ours": _keys_of_ours(entries),
            "status_before": ConnectionStatus.ACTIVE.value,
            "move": moving_document(made, connection.request, moved),
        }
        return self._planned("move", request, made.plan, world, document)

    def for_kind(self, kind: str, request: Document, known: Document | None = None) -> Planned:
        """Read and plan what belongs to no connection; nothing is kept."""
        made = self._kinds[kind].plan(request, known)
        return self._planned(kind, request, made.plan, made.world, made.document)

    def _of_ours(
        self, connection_id: str, intent: Intent, known: Document | None
    ) -> tuple[tuple[LedgerEntry, ...], World]:
        """What the connection uses of ours, and the world around it.

        Where an operation ended without anybody knowing what it did, look for it first.
        """
        entries = self._ledger.of_connection(connection_id)
        unsettled = self._ledger.unsettled(connection_id)
        sent = [each for one in unsettled for each in self._ledger.sent(one.operation_id)]
        ours = {(each.place, each.group_id) for each in sent}
        world = self._worlds.read(scope_of_ours(intent, _effects(entries), known, ours))
        for operation in unsettled:
            self._ledger.enter(operation, self._ledger.effects(operation.operation_id, world))
        return self._ledger.of_connection(connection_id) if unsettled else entries, world

    def scope(self, kept: KeptPlan, group_ids: Mapping[str, Place]) -> Scope:
        """What to read to see whether a plan took effect; `group_ids` were made on the way."""
        made = frozenset((place, group_id) for group_id, place in group_ids.items())
        if kept.kind == "connect":
            scope = scope_of(read_intent(kept.request), kept.world)
        elif kept.kind in self._kinds:
            scope = self._kinds[kept.kind].scope(kept)
        elif kept.kind == "move":
            with self._store.read() as work:
                entries = work.ledger.of_connection(kept.request["connection_id"])
            ways = kept.document["move"]["from"], kept.document["move"]["request"]
            old, new = (read_intent(each) for each in ways)
            scope = _moving_scope(old, new, entries, kept.world)
        else:
            with self._store.read() as work:
                connection = _existing(work, kept.request["connection_id"])
                entries = work.ledger.of_connection(connection.connection_id)
            intent = read_intent(connection.request)
            scope = scope_of_ours(intent, _effects(entries), kept.world, ())
        return replace(scope, optional_groups=scope.optional_groups | made)

    def _planned(
        self, kind: str, request: Document, plan: Plan, world: World, document: Document
    ) -> Planned:
        """Let guardrails and assertions be asked before anybody sees a plan, whatever its kind.

        Raises:
            GuardrailViolationError, AssertionBrokenError
        """
        self._check_guardrails(kind, plan, world, document)
        touched = self._assertions.consent(
            world, [each.change for each in plan.changes], managed_by=document.get("manages")
        )
        if touched:
            document = document | {"assertions": touched}
        now = self._clock.now()
        kept = KeptPlan(
            plan_id=self._ids.new(),
            kind=kind,
            request=request,
            document=document,
            fingerprint=plan.fingerprint,
            world=world_document(world),
            created_at=now,
            expires_at=now + self._lifetime,
        )
        return Planned(plan, kept, world)

    def forbids(self, world: World, plan: Plan) -> AppError | None:
        """What would refuse a plan to connect that is possible: a guardrail, or an assertion."""
        try:
            self._check_guardrails("connect", plan, world, {})
            self._assertions.consent(world, [each.change for each in plan.changes])
        except (GuardrailViolationError, AssertionBrokenError) as refusal:
            return refusal
        return None

    def _check_guardrails(self, kind: str, plan: Plan, world: World, document: Document) -> None:
        """Refuse what may never come to be, whatever kind of plan would bring it about.

        Taking back what an operation did is never refused: the plan then warns of it.

        Raises:
            GuardrailViolationError: `violations` are all of them.
        """
        counted = not is_brought_back(kind, document)
        found = violations(self._guardrails, plan, world, counts_addresses=counted)
        if not found:
            return
        if document.get("restore", {}).get("mode") == TAKEN_BACK:
            warnings = [f"as it was before, against a guardrail: {each.detail}" for each in found]
            document["warnings"] = [*document["warnings"], *warnings]
            return
        raise GuardrailViolationError(
            "; ".join(each.detail for each in found[:3]),
            violations=[violation_document(each) for each in found[:SHOWN]],
        )

    def _keep(self, kept: KeptPlan) -> KeptPlan:
        with self._store.write() as work:
            work.plans.add(kept)
            check_thing(work, Role.OPERATOR, Noun.PLAN, kept.plan_id)
            work.commit()
        return kept


def is_brought_back(kind: str, document: Document) -> bool:
    """Whether a plan brings back what was there once: of that, half of all addresses is too much,
    not what one request may newly open. Of an imported backup nobody knows whether it was.
    """
    return kind == "restore" and bool(document.get("was_kept_here", True))


def check_active(connection: Connection) -> None:
    """Raise InvalidStateError: the connection is not one that stands with nothing going on."""
    if connection.status is not ConnectionStatus.ACTIVE:
        raise InvalidStateError(
            f"the connection is {connection.status}",
            connection_id=connection.connection_id,
            status=connection.status.value,
        )


def _existing(work: Work, connection_id: str) -> Connection:
    connection = work.connections.get(connection_id)
    if connection is None:
        raise NotFoundError("there is no such connection", connection_id=connection_id)
    return connection


def check_standing(work: Work, connection_id: str) -> Connection:
    """Return a connection that stands, with nothing going on.

    Raises:
        NotFoundError, InvalidStateError
    """
    connection = _existing(work, connection_id)
    check_active(connection)
    return connection


def _support_document(support: Support) -> Document:
    """Spell what flows rest on, so that it is not taken away beneath them."""
    return {
        "rules": [deciding_document(rule) for _, rule in sorted(support.rules.items())],
        "memberships": [
            {"group_id": group_id, "instance_id": instance_id}
            for group_id, instance_id in sorted(support.memberships)
        ],
    }


def _effects(entries: Iterable[LedgerEntry]) -> list[Effect]:
    return [entry.effect for entry in entries]


def _moving_scope(
    old: Intent, new: Intent, entries: tuple[LedgerEntry, ...], known: Document | None
) -> Scope:
    """What connecting by the new way reads, and what the traces of the old one touch."""
    scope, traces = scope_of(new, known), scope_of_ours(old, _effects(entries), known, ())
    return replace(
        scope,
        our_instances=traces.our_instances - scope.instances,
        our_groups=traces.our_groups - scope.groups,
        optional_groups=traces.optional_groups - scope.groups,
    )


def _keys_of_ours(entries: tuple[LedgerEntry, ...]) -> list[str]:
    """Groups and instances of everything that the connection uses, whether it ends or not."""
    effects = [entry.effect for entry in entries]
    keys = {each.group_id for each in effects}
    keys |= {each.instance_id for each in effects if isinstance(each, Joined)}
    return sorted(keys)


def keys_of(kept: KeptPlan) -> tuple[str, ...]:
    """What an operation of this plan has to itself, sorted: groups that it changes or needs,
    instances that it moves or whose memberships it needs, and all that is ours of it.
    """
    keys: set[str] = set(kept.document.get("ours", ()))
    for change in kept.document["changes"]:
        keys.add(change["group_id"])
        if "instance_id" in change:
            keys.add(change["instance_id"])
    for rule in kept.document["needs"]["rules"]:
        keys.add(rule["group_id"])
    for membership in kept.document["needs"]["memberships"]:
        keys |= {membership["group_id"], membership["instance_id"]}
    return tuple(sorted(key for key in keys if not is_new_group(key)))


def essence(kept: KeptPlan) -> Document:
    """What a plan does, beyond the world that it was made for: a plan to disconnect depends on
    what other connections need and on what was edited by hand as well.
    """
    return {key: kept.document.get(key) for key in ("changes", "ending", "gone")}
