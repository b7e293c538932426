"""Views of many ends at once: who reaches whom, and who reaches one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.domain.addresses import AddressFamily
from app.domain.documents import Document
from app.domain.drawing import mermaid, svg
from app.domain.errors import TooManyItemsError
from app.domain.fingerprint import fingerprint, world_document
from app.domain.flows import Traffic
from app.domain.groups import Place
from app.domain.matrix import Matrix
from app.domain.matrix_documents import (
    SAID,
    circle_document,
    circles_table,
    matrix_document,
    matrix_table,
    shown,
)
from app.domain.picture import picture_of, picture_of_circles
from app.domain.reach import Circle, Reach
from app.domain.rules import Direction, NicType
from app.domain.sentences import traffic_name
from app.domain.world import InterfaceEnd, World, addresses_of
from app.ports.clock import Clock
from app.ports.ecs import Clouds, InventoryFilter
from app.services.accounts import Directory
from app.services.scopes import GroupAt, InstanceAt, Scope
from app.services.worlds import Worlds

MOST_INSTANCES = 1000
"""Instances that one request may be about."""

_A_PAGE = 100

NOTHING = Circle((), (), (), 0)


class Format(StrEnum):
    """How an answer is spelt."""

    JSON = "json"
    CSV = "csv"
    SVG = "svg"
    MERMAID = "mermaid"


@dataclass(frozen=True, slots=True)
class Part:
    """Instances of one place: those that are named, members of groups, or, without either, all."""

    place: Place
    instance_ids: frozenset[str] = frozenset()
    group_ids: frozenset[str] = frozenset()

    @property
    def is_whole(self) -> bool:
        return not self.instance_ids and not self.group_ids


@dataclass(frozen=True, slots=True)
class View:
    """An answer as a document, or as a text in the format that was asked for.

    `truncated` says that a text leaves something out.
    """

    answer: Document | str
    truncated: bool = False


class ViewsService:
    """Reads a scope whole, and shows what its instances can reach."""

    def __init__(
        self, *, worlds: Worlds, directory: Directory, clouds: Clouds, clock: Clock
    ) -> None:
        self._worlds = worlds
        self._directory = directory
        self._clouds = clouds
        self._clock = clock

    def matrix(
        self,
        scope: Sequence[Part],
        targets: Sequence[Part],
        *,
        plane: NicType,
        family: AddressFamily,
        format: Format,  # noqa: A002 - as the request has it
    ) -> View:
        """Judge all pairs of a scope, or (with `targets`) from the scope to these.

        Raises:
            TargetNotFoundError: an instance or group does not exist.
            TooManyItemsError: the scope has too many instances.
        """
        read_at = self._clock.now()
        all_targets = targets or scope
        listed = {part: self._listed(part) for part in (*scope, *targets)}
        world = self._worlds.read(_scope(listed, with_neighbours=False))
        sources = _members(world, scope, listed)
        _check_size(len(sources | _members(world, all_targets, listed)))
        matrix = Matrix(
            world, sources, _members(world, all_targets, listed), plane=plane, family=family
        )
        match format:
            case Format.JSON | Format.CSV:
                entries, more = shown(matrix)
                if format is Format.CSV:
                    return View(matrix_table(entries), more)
                document = matrix_document(matrix, entries, truncated=more)
                return View({**document, "world": _read(world, read_at)})
            case Format.SVG:
                title = f"Who reaches whom: {len(matrix.layer.positions)} instances, {plane}"
                return View(svg(picture_of(matrix, world.groups), title))
            case Format.MERMAID:
                return View(mermaid(picture_of(matrix, world.groups)))

    def who_can_reach(
        self,
        instance: InstanceAt,
        traffic: Traffic,
        scope: Sequence[Part],
        *,
        plane: NicType,
        family: AddressFamily,
        format: Format,  # noqa: A002 - as the request has it
    ) -> View:
        """Say who reaches an instance with some packets, and whom it reaches.

        Without a scope, everybody is who is in its region in any registered account.

        Raises:
            TargetNotFoundError: an instance or group does not exist.
            TooManyItemsError: the scope has too many instances.
        """
        read_at = self._clock.now()
        place, instance_id = instance
        parts = scope or [
            Part(each) for each in self._directory.places() if each.region_id == place.region_id
        ]
        listed = {part: self._listed(part) for part in parts}
        listed[Part(place, frozenset({instance_id}))] = frozenset({instance_id})
        world = self._worlds.read(_scope(listed, with_neighbours=True))
        own = _own_end(world, instance_id, plane, family)
        reach = Reach(world)
        circles = {
            direction: NOTHING if own is None else reach.circle(own, direction, traffic, plane)
            for direction in Direction
        }
        if format is Format.CSV:
            return View(circles_table(circles))
        if format is Format.JSON:
            named: Document = {SAID[each]: circle_document(circles[each]) for each in Direction}
            address = None if own is None else own.block.address
            return View({"address": address, **named, "world": _read(world, read_at)})
        return View(_drawn(own, circles, traffic, world, format))

    def _listed(self, part: Part) -> frozenset[str]:
        """Return the ids of the instances that a part names, or of all that are in its place."""
        if not part.is_whole:
            return part.instance_ids
        found: set[str] = set()
        for instance_id in self._inventory(part.place):
            found.add(instance_id)
            _check_size(len(found))
        return frozenset(found)

    def _inventory(self, place: Place) -> Iterator[str]:
        cloud = self._clouds.of(place.account_id, place.region_id)
        token: str | None = None
        while True:
            page = cloud.page_of_instances(InventoryFilter(), limit=_A_PAGE, token=token)
            yield from (each.instance_id for each in page.items)
            token = page.next_token
            if token is None:
                return


def _check_size(instances: int) -> None:
    if instances > MOST_INSTANCES:
        raise TooManyItemsError(
            f"the scope has more than {MOST_INSTANCES} instances: name instances or groups"
        )


def _scope(listed: Mapping[Part, frozenset[str]], *, with_neighbours: bool) -> Scope:
    groups: set[GroupAt] = {
        (part.place, group_id) for part in listed for group_id in part.group_ids
    }
    instances = {(part.place, each) for part, found in listed.items() for each in found}
    named = {each for each in instances if not _is_listed(each, listed)}
    _check_size(len(instances))
    return Scope(
        instances=frozenset(named),
        optional_instances=frozenset(instances - named),
        groups=frozenset(groups),
        regions=frozenset(part.place.region_id for part in listed),
        with_neighbours=with_neighbours,
    )


def _is_listed(instance: InstanceAt, listed: Mapping[Part, frozenset[str]]) -> bool:
    """Whether it was only found in a listing: it may be gone by now."""
    return all(part.is_whole for part, found in listed.items() if instance[1] in found)


def _members(
    world: World, parts: Sequence[Part], listed: Mapping[Part, frozenset[str]]
) -> frozenset[str]:
    found = {each for part in parts for each in listed[part] if each in world.instances}
    for part in parts:
        for group_id in part.group_ids:
            found |= world.member_ids(group_id)
    return frozenset(found)


def _own_end(
    world: World, instance_id: str, plane: NicType, family: AddressFamily
) -> InterfaceEnd | None:
    instance = world.instances[instance_id]
    for block in addresses_of(instance.primary, plane, family):
        return InterfaceEnd(instance, instance.primary, block)
    return None


def _read(world: World, read_at: object) -> Document:
    return {"read_at": read_at, "fingerprint": fingerprint(world_document(world))}


def _drawn(
    own: InterfaceEnd | None,
    circles: Mapping[Direction, Circle],
    traffic: Traffic,
    world: World,
    format: Format,  # noqa: A002 - as the request has it
) -> str:
    picture = picture_of_circles(own, circles, traffic, world.groups)
    if format is Format.MERMAID:
        return mermaid(picture)
    who = "nobody" if own is None else own.instance.instance_id
    return svg(picture, f"Who reaches {who}, and whom it reaches: {traffic_name(traffic)}")
