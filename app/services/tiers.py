"""Planning an application in tiers: found again, whoever asks, by name and tags."""

from collections.abc import Mapping

from app.domain.changes import AddedRule, Joined
from app.domain.connections import Connection
from app.domain.documents import Document
from app.domain.evaluate import Evaluator
from app.domain.intents import read_intent
from app.domain.plan import AskedFlow, Limits, asked_flows
from app.domain.planning import Support, rests_on
from app.domain.tiers import Tiers, Ties, laid_document, plan_tiers, read_tiers
from app.domain.world import World
from app.ports.store import KeptPlan, Store
from app.services.plan_kinds import Made, scope_of_plan, spelt
from app.services.scopes import GroupAt, Scope, known_from
from app.services.worlds import Worlds


class TiersService:
    """Lays tiers, or makes those that are laid what they shall be now."""

    def __init__(self, *, store: Store, worlds: Worlds, limits: Limits) -> None:
        self._store = store
        self._worlds = worlds
        self._limits = limits

    def plan(self, request: Document, known: Document | None = None) -> Made:
        """Read and plan; nothing is kept. Tiers that are as they shall be give an empty plan.

        Raises:
            InvalidInputError, TargetNotFoundError, TargetManagedError, MethodNotPossibleError,
            QuotaInsufficientError, GuardrailViolationError, NoSafeOrderError
        """
        tiers = read_tiers(request)
        found = self._found(tiers)
        scope = _scope(tiers, found, known)
        world = self._worlds.read(scope)
        groups = {group_id for _, group_id in scope.groups} | {
            group_id
            for tier in tiers.tiers
            for each in tier.instance_ids
            for group_id in world.instances[each].group_ids
        }
        made = plan_tiers(world, tiers, found, self._ties(world, groups), self._limits)
        ours = groups | {each for tier in tiers.tiers for each in tier.instance_ids}
        details = {"tiers": laid_document(made), "manages": tiers.manager}
        return spelt(made.plan, world, scope, ours, details)

    def scope(self, kept: KeptPlan) -> Scope:
        """What to read to see whether the plan took effect."""
        return scope_of_plan(kept)

    def _found(self, tiers: Tiers) -> dict[str, str]:
        """Groups that were made for the tiers before, by the names of these."""
        found: dict[str, str] = {}
        for tier in tiers.tiers:
            if tier.group_id is None:
                tags = set(tiers.tags(tier))
                for group in self._worlds.called(tier.place, tiers.group_name(tier)):
                    if tags <= set(group.tags):
                        found.setdefault(tier.name, group.group_id)
        return found

    def _ties(self, world: World, group_ids: set[str]) -> Ties:
        """What connections have made in these groups, or rest on."""
        with self._store.read() as work:
            entries = work.ledger.of_groups(group_ids)
            standing = work.connections.standing()
        rules: dict[str, str] = {}
        memberships: dict[tuple[str, str], str] = {}
        evaluator = Evaluator(world)
        for connection in standing:
            support = _support(evaluator, connection)
            rules |= dict.fromkeys(support.rules, connection.connection_id)
            memberships |= dict.fromkeys(support.memberships, connection.connection_id)
        for entry in entries:
            users = ", ".join(sorted(entry.users))
            match entry.effect:
                case AddedRule(held=held):
                    rules[held.rule_id] = users
                case Joined(group_id=group_id, instance_id=instance_id):
                    memberships[group_id, instance_id] = users
                case _:
                    pass
        return Ties(rules, memberships)


def _support(evaluator: Evaluator, connection: Connection) -> Support:
    """What the flows of a connection rest on that are open today, as far as it was read."""
    intent = read_intent(connection.request)
    try:
        flows = list(asked_flows(evaluator.world, intent))
    except KeyError:  # an end of it is elsewhere: what is here, its ledger tells
        flows = []
    return rests_on([AskedFlow(flow, evaluator.explain(flow)) for flow in flows])


def _scope(tiers: Tiers, found: Mapping[str, str], known: Document | None) -> Scope:
    groups: set[GroupAt] = set()
    for tier in tiers.tiers:
        group_id = tier.group_id or found.get(tier.name)
        if group_id is not None:
            groups.add((tier.place, group_id))
    return Scope(
        instances=frozenset(
            (tier.place, each) for tier in tiers.tiers for each in tier.instance_ids
        ),
        groups=frozenset(groups),
        regions=frozenset(tier.place.region_id for tier in tiers.tiers),
        counted=frozenset(
            tier.place for tier in tiers.tiers if tier.group_id is None and tier.name not in found
        ),
        known=known_from(known),
    )
