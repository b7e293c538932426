"""Reading the world around groups as backups hold them, some of which may be gone."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from app.domain.backups import KeptGroup
from app.domain.documents import Document
from app.domain.groups import GroupRef, Place
from app.domain.world import World
from app.services.scopes import scope_of_kept
from app.services.worlds import Worlds


@dataclass(frozen=True, slots=True)
class KeptWorld:
    """A world in which `gone` groups were looked for and are certainly not there."""

    world: World
    gone: frozenset[GroupRef]


def read_around(
    worlds: Worlds,
    kept: Sequence[KeptGroup],
    places: Collection[Place],
    known: Document | None = None,
) -> KeptWorld:
    """Read the groups, those that their rules name, and whoever was a member of any of them."""
    scope = scope_of_kept(kept, places, known)
    world = worlds.read(scope)
    gone = frozenset(
        GroupRef(group_id, place.account_id)
        for place, group_id in scope.our_groups
        if group_id not in world.groups
    )
    return KeptWorld(replace(world, unread=world.unread - gone), gone)
