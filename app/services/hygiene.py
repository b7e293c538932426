"""What is wrong with the rules of a group."""

from app.domain.documents import Document
from app.domain.errors import AccountUnreachableError, CloudRefusedError
from app.domain.groups import Group, GroupRef, Place
from app.domain.hygiene import Case, Severity, inspect
from app.domain.hygiene.documents import finding_document
from app.domain.plan import Limits
from app.domain.rules import GroupPeer
from app.domain.world import World
from app.services.inventory import InventoryService
from app.services.memory import Look, Memory
from app.services.scopes import Scope


class HygieneService:
    """Reads a group with its members and whom its rules name, and inspects it."""

    def __init__(
        self,
        *,
        memory: Memory,
        inventory: InventoryService,
        limits: Limits,
    ) -> None:
        self._memory = memory
        self._inventory = inventory
        self._limits = limits

    def findings(
        self,
        group_id: str,
        account_id: str | None = None,
        region_id: str | None = None,
        severity: Severity | None = None,
        *,
        refresh: bool = False,
    ) -> Document:
        """Return what is found in a group, the worst first, each with its proof.

        Raises:
            TargetNotFoundError: no registered account has such a group.
        """
        look = self._memory.look(refresh=refresh)
        place = look.place_of(group_id, self._inventory.places(account_id, region_id))
        if place is None:
            place = self._inventory.place_of(group_id, account_id, region_id, through=look)
        world = look.world(
            Scope(groups=frozenset({(place, group_id)}), regions=frozenset({place.region_id}))
        )
        group = world.groups[group_id]
        case = Case(world, group, self._limits, self._gone(look, world, group))
        return {
            "items": [finding_document(each) for each in inspect(case, severity)],
            "world": look.document(world),
        }

    def _gone(self, look: Look, world: World, group: Group) -> frozenset[GroupRef]:
        """Ask for the groups that rules name and that were not found: some no longer exist."""
        named = {
            GroupRef(held.rule.peer.group_id, held.rule.peer.account_id)
            for held in group.rules
            if isinstance(held.rule.peer, GroupPeer)
        }
        missing = sorted(ref for ref in named if ref.group_id not in world.groups)
        return frozenset(ref for ref in missing if self._is_gone(look, ref, group.place))

    def _is_gone(self, look: Look, ref: GroupRef, place: Place) -> bool:
        """Whether its account, if it can be asked, knows no such group in this region."""
        if not self._inventory.knows(Place(ref.account_id, place.region_id)):
            return False
        try:
            return not look.of(ref.account_id, place.region_id).groups([ref.group_id])
        except (AccountUnreachableError, CloudRefusedError):
            return False
