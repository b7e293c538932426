"""Reading the world around groups as backups hold them, some of which may be gone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from app.domain.backups import KeptGroup
from app.domain.documents import Document
from app.domain.groups import GroupRef, Place
from app.domain.world import World
from app.services.scopes import Scope, scope_of_kept
from app.services.worlds import Worlds


@dataclass(frozen=True, slots=True)
class KeptWorld:
    """A world in which `gone` groups were looked for and are certainly not there; `called` says
    which groups stand for some of them. `scope` is what was read.
    """

    world: World
    gone: frozenset[GroupRef]
    called: Mapping[GroupRef, str]
    scope: Scope


def read_around(
    worlds: Worlds,
    kept: Sequence[KeptGroup],
    places: Collection[Place],
    stand_ins: Mapping[GroupRef, str],
    known: Document | None = None,
) -> KeptWorld:
    """Read the groups, those that their rules name, and whoever was a member of any of them.

    `stand_ins` are groups that were made in the place of some of these. What the groups
    that are read belong to is counted: they may have to be made anew.
    """
    home = kept[0].group.place
    scope = scope_of_kept(kept, places, known)
    others = {
        (Place(ref.account_id, home.region_id), group_id) for ref, group_id in stand_ins.items()
    }
    scope = replace(
        scope,
        our_groups=scope.our_groups
        | {each for each in others if each[0] in places}
        | {(home, kept[0].group.group_id)},
        counted=frozenset(side.group.place for side in kept),
    )
    world = worlds.read(scope)
    gone = frozenset(
        GroupRef(group_id, place.account_id)
        for place, group_id in scope.our_groups
        if group_id not in world.groups
    )
    called = {
        ref: stand_ins[ref] for ref in gone & stand_ins.keys() if stand_ins[ref] in world.groups
    }
    world = replace(world, unread=world.unread - gone)
    return KeptWorld(world, gone, called, scope)
