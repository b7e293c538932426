"""What is wrong with the rules of a group."""

from app.domain.documents import Document
from app.domain.errors import AccountUnreachableError, CloudRefusedError
from app.domain.fingerprint import fingerprint, world_document
from app.domain.groups import Group, GroupRef, Place
from app.domain.hygiene import Case, Severity, inspect
from app.domain.hygiene.documents import finding_document
from app.domain.plan import Limits
from app.domain.rules import GroupPeer
from app.domain.world import World
from app.ports.clock import Clock
from app.ports.ecs import Clouds
from app.services.inventory import InventoryService
from app.services.scopes import Scope
from app.services.worlds import Worlds


class HygieneService:
    """Reads a group with its members and whom its rules name, and inspects it."""

    def __init__(
        self,
        *,
        worlds: Worlds,
        inventory: InventoryService,
        clouds: Clouds,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._worlds = worlds
        self._inventory = inventory
        self._clouds = clouds
        self._clock = clock
        self._limits = limits

    def findings(
        self,
        group_id: str,
        account_id: str | None = None,
        region_id: str | None = None,
        severity: Severity | None = None,
    ) -> Document:
        """Return what is found in a group, the worst first, each with its proof.

        Raises:
            TargetNotFoundError: no registered account has such a group.
        """
        place = self._inventory.place_of(group_id, account_id, region_id)
        read_at = self._clock.now()
        world = self._worlds.read(
            Scope(groups=frozenset({(place, group_id)}), regions=frozenset({place.region_id}))
        )
        group = world.groups[group_id]
        case = Case(world, group, self._limits, self._gone(world, group))
        return {
            "items": [finding_document(each) for each in inspect(case, severity)],
            "world": {
                "read_at": read_at,
                "fingerprint": fingerprint(world_document(world)),
            },
        }

    def _gone(self, world: World, group: Group) -> frozenset[GroupRef]:
        """Ask for the groups that rules name and that were not found: some no longer exist."""
        named = {
            GroupRef(held.rule.peer.group_id, held.rule.peer.account_id)
            for held in group.rules
            if isinstance(held.rule.peer, GroupPeer)
        }
        missing = sorted(ref for ref in named if ref.group_id not in world.groups)
        return frozenset(ref for ref in missing if self._is_gone(ref, group.place))

    def _is_gone(self, ref: GroupRef, place: Place) -> bool:
        """Whether its account, if it can be asked, knows no such group in this region."""
        if not self._inventory.knows(Place(ref.account_id, place.region_id)):
            return False
        try:
            return not self._clouds.of(ref.account_id, place.region_id).groups([ref.group_id])
        except (AccountUnreachableError, CloudRefusedError):
            return False
