"""Views of many ends at once: who reaches whom, and who reaches one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from app.domain.addresses import AddressFamily
from app.domain.documents import Document
from app.domain.drawing import mermaid, svg
from app.domain.errors import TooManyItemsError
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
from app.domain.picture import (
    MOST_LINKS,
    MOST_NODES,
    Picture,
    picture_of,
    picture_of_circles,
)
from app.domain.reach import Circle, Reach
from app.domain.rules import Direction, NicType
from app.domain.sentences import traffic_name
from app.domain.world import InterfaceEnd, World, addresses_of
from app.services.accounts import Directory
from app.services.memory import Look, Memory
from app.services.scopes import GroupAt, InstanceAt, Scope

MOST_INSTANCES = 1000
"""Instances of which one request may ask for all pairs."""

MOST_AROUND = 10_000
"""Instances that one request may look at around one of them."""

MOST_DRAWN = 22_500
"""Pairs of different sets of groups that a picture folds, from 150 sets to as many: a picture
looks at every one of them, a table only at those that it lists."""

NOTHING = Circle((), (), (), 0)
Circles: TypeAlias = Mapping[Direction, Circle]


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

    `truncated` says that a text leaves something out, `world` how old it is.
    """

    answer: Document | str
    world: Document
    truncated: bool = False


class ViewsService:
    """Reads a scope whole, and shows what its instances can reach."""

    def __init__(self, *, memory: Memory, directory: Directory) -> None:
        self._memory = memory
        self._directory = directory

    def matrix(
        self,
        scope: Sequence[Part],
        targets: Sequence[Part],
        *,
        plane: NicType,
        family: AddressFamily,
        format: Format,  # noqa: A002 - as the request has it
        refresh: bool = False,
    ) -> View:
        """Judge all pairs of a scope, or (with `targets`) from the scope to these.

        Raises:
            TargetNotFoundError: an instance or group does not exist.
            TooManyItemsError: the scope has too many instances.
        """
        look = self._memory.look(refresh=refresh)
        all_targets = targets or scope
        most = MOST_INSTANCES
        listed = {part: _listed(look, part, most) for part in (*scope, *targets)}
        world = look.world(_scope(listed, most, with_neighbours=False))
        sources = _members(world, scope, listed)
        _check_size(len(sources | _members(world, all_targets, listed)), most)
        matrix = Matrix(
            world, sources, _members(world, all_targets, listed), plane=plane, family=family
        )
        read = look.document(world)
        match format:
            case Format.JSON | Format.CSV:
                entries, more = shown(matrix)
                if format is Format.CSV:
                    table = matrix_table(entries, _stamp(read), truncated=more)
                    return View(table, read, more)
                document = matrix_document(matrix, entries, truncated=more)
                return View({**document, "world": read}, read)
            case _:
                _check_breadth(matrix)
                title = f"Who reaches whom: {len(matrix.layer.positions)} instances, {plane}"
                return _drawn(picture_of(matrix, world.groups), title, read, format)

    def who_can_reach(
        self,
        instance: InstanceAt,
        traffic: Traffic,
        scope: Sequence[Part],
        *,
        plane: NicType,
        family: AddressFamily,
        format: Format,  # noqa: A002 - as the request has it
        refresh: bool = False,
    ) -> View:
        """Say who reaches an instance with some packets, and whom it reaches.

        Without a scope, everybody is who is in its region in any registered account.

        Raises:
            TargetNotFoundError: an instance or group does not exist.
            TooManyItemsError: the scope has too many instances.
        """
        look = self._memory.look(refresh=refresh)
        place, instance_id = instance
        parts = scope or [
            Part(each) for each in self._directory.places() if each.region_id == place.region_id
        ]
        listed = {part: _listed(look, part, MOST_AROUND) for part in parts}
        listed[Part(place, frozenset({instance_id}))] = frozenset({instance_id})
        world = look.world(_scope(listed, MOST_AROUND, with_neighbours=True))
        reach = Reach(world)
        circles = [
            (own, {each: reach.circle(own, each, traffic, plane) for each in Direction})
            for own in _own_ends(world, instance_id, plane, family)
        ]
        read = look.document(world)
        if format is Format.CSV:
            return View(circles_table(circles, _stamp(read)), read)
        if format is Format.JSON:
            return View({**_circles_document(circles), "world": read}, read)
        title = f"Who reaches {instance_id}, and whom it reaches: {traffic_name(traffic)}"
        picture = picture_of_circles(circles, traffic, world.groups)
        return _drawn(picture, title, read, format)


def _listed(look: Look, part: Part, most: int) -> frozenset[str]:
    """Return the ids of the instances that a part names, or of all that are in its place."""
    if not part.is_whole:
        return part.instance_ids
    cloud = look.of(part.place.account_id, part.place.region_id)
    everybody = cloud.everybody(most=most)
    if everybody is None:
        raise _too_many(most)
    return frozenset(each.instance_id for each in everybody)


def _too_many(most: int) -> TooManyItemsError:
    return TooManyItemsError(
        f"the scope has more than {most} instances: name instances or groups", limit=most
    )


def _check_size(instances: int, most: int) -> None:
    if instances > most:
        raise _too_many(most)


def _check_breadth(matrix: Matrix) -> None:
    if matrix.breadth > MOST_DRAWN:
        raise TooManyItemsError(
            f"the scope has {matrix.breadth} pairs of different sets of groups, and at most "
            f"{MOST_DRAWN} are drawn: name fewer groups, or ask for json or csv",
            limit=MOST_DRAWN,
        )


def _scope(listed: Mapping[Part, frozenset[str]], most: int, *, with_neighbours: bool) -> Scope:
    groups: set[GroupAt] = {
        (part.place, group_id) for part in listed for group_id in part.group_ids
    }
    instances = {(part.place, each) for part, found in listed.items() for each in found}
    named = {each for each in instances if not _is_listed(each, listed)}
    _check_size(len(instances), most)
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


def _own_ends(
    world: World, instance_id: str, plane: NicType, family: AddressFamily
) -> list[InterfaceEnd]:
    """Every address of every interface on one side, the primary one first."""
    instance = world.instances[instance_id]
    return [
        InterfaceEnd(instance, eni, block)
        for eni in instance.enis
        for block in addresses_of(eni, plane, family)
    ]


def _circles_document(circles: Sequence[tuple[InterfaceEnd, Circles]]) -> Document:
    """Spell the circles of the first address, and those of further ones beneath them."""
    spelt: list[Document] = [
        {
            "address": own.block.address,
            "interface_id": own.eni.eni_id,
            **{SAID[each]: circle_document(found[each]) for each in Direction},
        }
        for own, found in circles
    ]
    nothing: Document = {SAID[each]: circle_document(NOTHING) for each in Direction}
    first = spelt[0] if spelt else {"address": None, "interface_id": None, **nothing}
    return {**first, "further": spelt[1:]}


def _drawn(
    picture: Picture,
    title: str,
    read: Document,
    format: Format,  # noqa: A002 - as the request has it
) -> View:
    """Draw a picture that says how old it is, and what it folds."""
    notes = [f"Read {_stamp(read)}, {read['age_seconds']:.0f} s before this was drawn."]
    if any(node.alike > 1 for node in picture.nodes):
        notes.append("Sets of groups that stand alike to all others are one node.")
    if any(node.folded for node in picture.nodes):
        notes.append(f"Folded to at most {MOST_NODES} nodes and {MOST_LINKS} links.")
    drawn = mermaid(picture, notes) if format is Format.MERMAID else svg(picture, title, notes)
    return View(drawn, read)


def _stamp(read: Document) -> str:
    read_at: datetime = read["read_at"]
    return read_at.isoformat(timespec="seconds").replace("+00:00", "Z")
