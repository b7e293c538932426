"""What is to be read of the world for a question: nothing more, and nothing less.

The read scope of a change is: all groups of the asked instances, their members, all groups
of those members, the groups that name them or that they name, with members. What lies
beyond is unknown, never assumed.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from app.domain.addresses import Block
from app.domain.backups import KeptGroup
from app.domain.changes import Effect, Joined
from app.domain.documents import Document
from app.domain.groups import Place
from app.domain.intents import AddressSide, GroupSide, InstanceSide, Intent, MethodName
from app.domain.rules import GroupPeer, PrefixListPeer

GroupAt = tuple[Place, str]
InstanceAt = tuple[Place, str]


@dataclass(frozen=True, slots=True)
class Known:
    """What an earlier reading found: read at once, it saves round trips.

    `whole` groups were read with members, `named` ones with references too, `bare` ones with
    their rules alone; read in the same way, an unchanged world is an equal world. `lists` are
    the prefix lists that rules named; `networks` those in which owners of addresses were
    looked for, None for the classic one.
    """

    whole: frozenset[GroupAt] = frozenset()
    named: frozenset[GroupAt] = frozenset()
    bare: frozenset[GroupAt] = frozenset()
    lists: frozenset[tuple[Place, str]] = frozenset()
    networks: frozenset[str | None] = frozenset()


@dataclass(frozen=True, slots=True)
class Scope:
    """What to read: instances and groups that must exist, others that may, and addresses.

    `our_…` may be gone, but whether they are must be known; `optional_…` may be unreadable.

    `peers` are groups that must exist if their account is registered. `counted` are places
    of which the number of groups is wanted. Without neighbours only
    what guards the instances themselves is read.
    """

    instances: frozenset[InstanceAt] = frozenset()
    groups: frozenset[GroupAt] = frozenset()
    our_instances: frozenset[InstanceAt] = frozenset()
    our_groups: frozenset[GroupAt] = frozenset()
    optional_instances: frozenset[InstanceAt] = frozenset()
    optional_groups: frozenset[GroupAt] = frozenset()
    peers: frozenset[GroupAt] = frozenset()
    addresses: frozenset[Block] = frozenset()
    regions: frozenset[str] = frozenset()
    counted: frozenset[Place] = frozenset()
    known: Known = Known()
    with_neighbours: bool = True


def together(scopes: Iterable[Scope]) -> Scope:
    """Everything that several questions need; what one of them must find, all must."""
    found = Scope(with_neighbours=False)
    for each in scopes:
        found = Scope(
            instances=found.instances | each.instances,
            groups=found.groups | each.groups,
            our_instances=found.our_instances | each.our_instances,
            our_groups=found.our_groups | each.our_groups,
            optional_instances=found.optional_instances | each.optional_instances,
            optional_groups=found.optional_groups | each.optional_groups,
            peers=found.peers | each.peers,
            addresses=found.addresses | each.addresses,
            regions=found.regions | each.regions,
            counted=found.counted | each.counted,
            known=_both(found.known, each.known),
            with_neighbours=found.with_neighbours or each.with_neighbours,
        )
    return found


def _both(one: Known, other: Known) -> Known:
    return Known(
        one.whole | other.whole,
        one.named | other.named,
        (one.bare | other.bare) - one.whole - other.whole,
        one.lists | other.lists,
        one.networks | other.networks,
    )


def scope_of(intent: Intent, known: Document | None = None) -> Scope:
    """The read scope of a connect request."""
    sides = [side for side in (intent.source, intent.target) if isinstance(side, InstanceSide)]
    groups = {(side.place, side.group_id) for side in sides if side.group_id is not None}
    if intent.group_id is not None:
        groups.add((intent.target.place, intent.group_id))
    peers: set[GroupAt] = set()
    if isinstance(intent.source, GroupSide):
        peers = {(intent.source.place, each) for each in intent.source.group_ids}
    single: Iterable[Block] = ()
    if isinstance(intent.source, AddressSide):
        single = (block for block in intent.source.blocks if block.is_single)
    dedicated = intent.method is MethodName.DEDICATED_GROUP
    return Scope(
        instances=frozenset((side.place, each) for side in sides for each in side.instance_ids),
        groups=frozenset(groups),
        peers=frozenset(peers),
        addresses=frozenset(single),
        regions=frozenset({intent.target.place.region_id}),
        counted=frozenset({intent.target.place}) if dedicated else frozenset(),
        known=known_from(known),
    )


def scope_of_ours(
    intent: Intent, effects: Iterable[Effect], known: Document | None, sent: Iterable[GroupAt]
) -> Scope:
    """The read scope of a connection's own traces: they must be readable, and may be gone."""
    scope = scope_of(intent)
    effects = list(effects)
    joined = {(each.place, each.instance_id) for each in effects if isinstance(each, Joined)}
    return Scope(
        our_instances=frozenset(joined),
        our_groups=frozenset({(each.place, each.group_id) for each in effects} | {*sent}),
        optional_instances=scope.instances - joined,
        optional_groups=scope.groups | scope.peers,
        addresses=scope.addresses,
        regions=scope.regions,
        known=known_from(known),
    )


def scope_of_kept(
    kept: Iterable[KeptGroup], places: Collection[Place], known: Document | None = None
) -> Scope:
    """The read scope of groups as backups hold them: the groups, those that their rules name,
    and whoever was a member; each of them may be gone.
    """
    groups: set[GroupAt] = set()
    instances: set[InstanceAt] = set()
    lists: set[tuple[Place, str]] = set()
    for each in kept:
        place = each.group.place
        groups.add((place, each.group.group_id))
        for one in (each, *each.named):
            home = one.group.place
            instances |= {(home, member.instance_id) for member in one.members}
        for held in each.group.rules:
            match held.rule.peer:
                case GroupPeer(group_id, account_id):
                    groups.add((Place(account_id, place.region_id), group_id))
                case PrefixListPeer(prefix_list_id):
                    lists.add((place, prefix_list_id))
                case _:
                    pass
    earlier = known_from(known)
    return Scope(
        our_groups=frozenset(each for each in groups if each[0] in places),
        our_instances=frozenset(each for each in instances if each[0] in places),
        known=replace(earlier, lists=earlier.lists | lists),
    )


def known_from(world: Document | None) -> Known:
    """What an earlier reading found, from its world document."""
    if not world:
        return Known()
    places: Mapping[str, Place] = {
        group_id: Place(group["account_id"], group["region_id"])
        for group_id, group in world["groups"].items()
    }

    def some(group_ids: Collection[str]) -> frozenset[GroupAt]:
        return frozenset((places[each], each) for each in group_ids if each in places)

    whole = some(world["complete"])
    lists = frozenset(
        (places[group_id], rule["peer"]["prefix_list_id"])
        for group_id, group in world["groups"].items()
        for rule in group["rules"].values()
        if "prefix_list_id" in rule["peer"]
    )
    networks = frozenset(each or None for each in world["networks"])
    return Known(whole, some(world["references"]), some(places) - whole, lists, networks)
