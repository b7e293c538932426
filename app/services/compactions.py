"""Planning to say the rules of a group by fewer."""

from app.domain.changes import AddedRule
from app.domain.compaction import compaction_document, plan_compaction
from app.domain.documents import Document
from app.domain.groups import Place
from app.domain.plan import Limits
from app.ports.store import KeptPlan, Store
from app.services.plan_kinds import Made, scope_of_plan, spelt
from app.services.scopes import Scope, known_from
from app.services.worlds import Worlds


class CompactionsService:
    """Reads a group, and leaves alone what connections answer for."""

    def __init__(self, *, store: Store, worlds: Worlds, limits: Limits) -> None:
        self._store = store
        self._worlds = worlds
        self._limits = limits

    def plan(self, request: Document, known: Document | None = None) -> Made:
        """Plan to drop and to join rules of a group, without a packet faring otherwise.

        Raises:
            TargetNotFoundError, TargetManagedError
        """
        place = Place(request["account_id"], request["region_id"])
        group_id = request["security_group_id"]
        scope = Scope(
            groups=frozenset({(place, group_id)}),
            regions=frozenset({place.region_id}),
            known=known_from(known),
        )
        world = self._worlds.read(scope)
        made = plan_compaction(world, group_id, self._held_by(group_id), self._limits)
        details = {"compact": compaction_document(made)}
        return spelt(made.plan, world, scope, {group_id}, details)

    def scope(self, kept: KeptPlan) -> Scope:
        """What to read to see whether the plan took effect."""
        return scope_of_plan(kept)

    def _held_by(self, group_id: str) -> dict[str, str]:
        """Rules that connections have made, or rest on: they go with their connections, and what
        is somebody else's must not come to lean on them.
        """
        with self._store.read() as work:
            entries = work.ledger.of_groups({group_id})
            standing = work.connections.standing()
        found: dict[str, str] = {}
        for connection in standing:
            for each in connection.adopted:
                if each.get("group_id") == group_id and "rule_id" in each:
                    found[each["rule_id"]] = f"connection {connection.connection_id} rests on it"
        for entry in entries:
            if isinstance(entry.effect, AddedRule):
                users = ", ".join(sorted(entry.users))
                found[entry.effect.held.rule_id] = f"it was made for connection {users}"
        return found
