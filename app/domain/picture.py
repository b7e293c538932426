"""A matrix as a picture for people: few nodes, and what passes between them."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias, TypeVar

from app.domain.flows import Outcome, Traffic
from app.domain.groups import Group
from app.domain.judging.layers import union
from app.domain.matrix import Matrix
from app.domain.reach import Circle
from app.domain.rules import Direction, PortRange, Protocol
from app.domain.sentences import name
from app.domain.world import GroupEnd, InterfaceEnd

MOST_NODES = 24
MOST_LINKS = 30
"""More lines than these, and nobody can follow one."""

Groups = frozenset[str]
_K = TypeVar("_K")
_Inside: TypeAlias = "tuple[tuple[str, ...], Share]"


class Share(StrEnum):
    """Whether packets pass between all pairs alike, between some, or nobody can tell."""

    EVERY_PAIR = "every pair"
    SOME_PAIRS = "some pairs"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Node:
    """Instances that are in the same groups; or of `alike` sets of groups that stand alike to
    everybody; or, where `folded`, of that many sets of groups that have nothing in common.

    `within` is what they may send one another, and `share` whether all of them may. `names`
    are of the groups, or, where there are several sets, of each set.
    """

    names: tuple[str, ...]
    instances: int
    folded: int = 0
    within: tuple[str, ...] = ()
    share: Share = Share.EVERY_PAIR
    alike: int = 1


@dataclass(frozen=True, slots=True)
class Link:
    """What passes from one node to another, by their places; `what` is never empty."""

    source: int
    target: int
    share: Share
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """Nodes, and at most one link from each to each other one."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]


@dataclass(slots=True)
class _Flow:
    """What was found to pass between two sets of groups."""

    pairs: int = 0
    reachable: set[tuple[Traffic, ...]] = field(default_factory=set)
    unknown: set[Traffic] = field(default_factory=set)


def picture_of(
    matrix: Matrix,
    groups: Mapping[str, Group],
    *,
    most_nodes: int = MOST_NODES,
    most_links: int = MOST_LINKS,
) -> Picture:
    """Fold a matrix into so few nodes and links that a person can follow them.

    Where there are too many, sets of groups that stand alike to all others become one node:
    the web servers of every shop, say. Where that is not enough, the largest nodes stay, each
    with those that it is linked with, so that what belongs together is seen together; the
    others become one.
    """
    bits: dict[Groups, int] = {}
    for each in matrix.classes:
        key = frozenset(each.group_ids)
        bits[key] = bits.get(key, 0) | each.bits
    keys = sorted(bits, key=sorted)
    flows = _flows(matrix)
    units = {key: number for number, key in enumerate(keys)}
    if len(keys) > most_nodes or _count(flows, units) > most_links:
        units = _roles(keys, flows)
    between = _merged(flows, units)
    whole: dict[int, list[Groups]] = {}
    for key in keys:
        whole.setdefault(units[key], []).append(key)
    sizes = {
        unit: _instances(matrix, union(bits[key] for key in found)) for unit, found in whole.items()
    }
    order = _together(sorted(whole, key=lambda unit: (-sizes[unit], unit)), between)
    kept = min(len(order), most_nodes)
    while kept > 2 and _count(between, _places(order, kept)) > most_links:
        kept -= 1
    places = _places(order, kept)
    standing = [
        [whole[unit] for unit in order if places[unit] == place]
        for place in range(len(set(places.values())))
    ]
    masks = [union(bits[key] for found in each for key in found) for each in standing]
    merged = _merged(between, places)
    nodes = tuple(
        _node(
            standing[place],
            groups,
            _instances(matrix, mask),
            _inside(merged.get((place, place)), _pairs(matrix, mask, mask)),
        )
        for place, mask in enumerate(masks)
    )
    links = tuple(
        _link(source, target, flow, _pairs(matrix, masks[source], masks[target]))
        for (source, target), flow in sorted(merged.items())
        if source != target
    )
    return Picture(nodes, links)


def _roles(
    keys: Sequence[Groups], flows: Mapping[tuple[Groups, Groups], _Flow]
) -> dict[Groups, int]:
    """Number sets of groups so that all of one number send the same to sets of the same numbers,
    and receive the same from such; to and from how many of them does not matter.
    """
    said: dict[Hashable, int] = {}
    links = [
        (*ends, said.setdefault((frozenset(each.reachable), frozenset(each.unknown)), len(said)))
        for ends, each in flows.items()
    ]
    roles, count = dict.fromkeys(keys, 0), 1
    while True:
        signs: dict[Groups, set[tuple[bool, int, int]]] = {key: set() for key in keys}
        for source, target, what in links:
            signs[source].add((True, what, roles[target]))
            signs[target].add((False, what, roles[source]))
        numbers: dict[Hashable, int] = {}
        roles = {
            key: numbers.setdefault((roles[key], frozenset(signs[key])), len(numbers))
            for key in keys
        }
        if len(numbers) == count:
            return roles
        count = len(numbers)


def _together(order: Sequence[int], flows: Iterable[tuple[int, int]]) -> list[int]:
    """Let each one be followed by those that it is linked with, in their order."""
    rank = {key: number for number, key in enumerate(order)}
    linked: dict[int, set[int]] = {key: set() for key in order}
    for source, target in flows:
        linked[source].add(target)
        linked[target].add(source)
    found: dict[int, None] = {}
    for key in order:
        wait = [key]
        while wait:
            one = wait.pop(0)
            if one not in found:
                found[one] = None
                wait.extend(sorted(linked[one] - found.keys(), key=rank.__getitem__))
    return list(found)


def _places(order: Sequence[int], kept: int) -> dict[int, int]:
    """Give each one its node; the last node is for all that do not stay."""
    last = kept - 1 if kept < len(order) else kept
    return {key: min(number, last) for number, key in enumerate(order)}


def _flows(matrix: Matrix) -> dict[tuple[Groups, Groups], _Flow]:
    found: dict[tuple[Groups, Groups], _Flow] = {}
    ends = matrix.layer.ends
    for passage in matrix.passages:
        source, target = (
            ends[(mask & -mask).bit_length() - 1].eni.group_ids
            for mask in (passage.sources, passage.targets)
        )
        pairs = _pairs(matrix, passage.sources, passage.targets)
        if pairs:
            flow = found.setdefault((source, target), _Flow())
            flow.pairs += pairs
            flow.reachable.add(passage.reachable)
            flow.unknown.update(passage.unknown)
    return found


def _pairs(matrix: Matrix, sources: int, targets: int) -> int:
    """Count pairs of addresses of two different instances."""
    positions = matrix.layer.positions
    selves = sum(
        (positions[end.instance.instance_id] & targets).bit_count()
        for end in matrix.layer.ends_of(sources)
    )
    return sources.bit_count() * targets.bit_count() - selves


def _count(flows: Iterable[tuple[_K, _K]], places: Mapping[_K, int]) -> int:
    """Count the links that a picture would have."""
    found = {(places[source], places[target]) for source, target in flows}
    return sum(source != target for source, target in found)


def _merged(
    flows: Mapping[tuple[_K, _K], _Flow], places: Mapping[_K, int]
) -> dict[tuple[int, int], _Flow]:
    found: dict[tuple[int, int], _Flow] = {}
    for (source, target), flow in flows.items():
        merged = found.setdefault((places[source], places[target]), _Flow())
        merged.pairs += flow.pairs
        merged.reachable |= flow.reachable
        merged.unknown |= flow.unknown
    return found


def _instances(matrix: Matrix, mask: int) -> int:
    return len({end.instance.instance_id for end in matrix.layer.ends_of(mask)})


def _node(
    units: Sequence[Sequence[Groups]],
    groups: Mapping[str, Group],
    instances: int,
    inside: _Inside,
) -> Node:
    if len(units) > 1:
        folded = sum(map(len, units))
        return Node((f"…and {folded} more",), instances, folded, *inside)
    sets = [tuple(_name(each, groups) for each in sorted(key)) or ("no group",) for key in units[0]]
    if len(sets) == 1:
        return Node(sets[0], instances, 0, *inside)
    return Node(tuple(" + ".join(each) for each in sets), instances, 0, *inside, len(sets))


def _inside(flow: _Flow | None, pairs: int) -> _Inside:
    if flow is None:
        return (), Share.EVERY_PAIR
    link = _link(0, 0, flow, pairs)
    return link.what, link.share


def _name(group_id: str, groups: Mapping[str, Group]) -> str:
    group = groups.get(group_id)
    if group is None or group.name in {"", group_id}:
        return group_id
    return f"{group.name} ({group_id})"


def _link(source: int, target: int, flow: _Flow, pairs: int) -> Link:
    sure = {traffic for each in flow.reachable for traffic in each}
    if not sure:
        return Link(source, target, Share.UNKNOWN, words(flow.unknown))
    alike = len(flow.reachable) == 1 and flow.pairs == pairs
    return Link(source, target, Share.EVERY_PAIR if alike else Share.SOME_PAIRS, words(sure))


# --- words ------------------------------------------------------------------------


def words(traffics: Iterable[Traffic]) -> tuple[str, ...]:
    """Say what passes, shortly: each protocol once, neighbouring and overlapping ports joined.

    Packets that pass from some source ports only are told by themselves.
    """
    found = set(traffics)
    if any(each.protocol is Protocol.ALL for each in found):
        return ("everything",)
    spoken: dict[tuple[str, str], list[PortRange]] = {}
    for each in found:
        narrowed = not each.source_ports.is_every_port
        source = f" from port {_ports(each.source_ports)}" if narrowed else ""
        spoken.setdefault((each.protocol.value, source), []).append(each.ports)
    return tuple(
        f"{protocol}{_listed(ports)}{source}"
        for (protocol, source), ports in sorted(spoken.items())
    )


def _listed(ports: Iterable[PortRange]) -> str:
    joined: list[PortRange] = []
    for each in sorted(ports):
        if joined and each.first <= joined[-1].last + 1:
            joined[-1] = PortRange(joined[-1].first, max(joined[-1].last, each.last))
        else:
            joined.append(each)
    if len(joined) == 1 and joined[0].is_every_port:
        return ""
    return " " + ", ".join(_ports(each) for each in joined)


def _ports(ports: PortRange) -> str:
    return str(ports.first) if ports.first == ports.last else f"{ports.first}-{ports.last}"


# --- who reaches one instance -------------------------------------------------------


def picture_of_circles(
    circles: Sequence[tuple[InterfaceEnd, Mapping[Direction, Circle]]],
    traffic: Traffic,
    groups: Mapping[str, Group],
) -> Picture:
    """Show the addresses of one instance, and those that reach each of them or that it reaches,
    by their groups.
    """
    nodes = [Node((name(own),), 1) for own, _ in circles] or [Node(("no such address",), 1)]
    first = len(nodes)
    places: dict[tuple[str, ...], int] = {}
    found: dict[tuple[str, ...], set[str]] = {}
    links: dict[tuple[int, int], Link] = {}
    what = words([traffic])
    told = (
        (at, direction, *other)
        for at, (_, by_direction) in enumerate(circles)
        for direction, circle in by_direction.items()
        for other in _others(circle, groups)
    )
    for at, direction, names, instance_id, outcome in told:
        place = places.setdefault(names, len(places) + first)
        found.setdefault(names, set()).update(instance_id)
        share = Share.UNKNOWN if outcome is Outcome.UNKNOWN else Share.EVERY_PAIR
        ends = (place, at) if direction is Direction.INGRESS else (at, place)
        said = links.get(ends)
        if said is not None and said.share is not share:
            share = Share.SOME_PAIRS
        links[ends] = Link(*ends, share, what)
    nodes += [Node(names, len(found[names])) for names in places]
    return _capped(nodes, list(links.values()))


def _others(
    circle: Circle, groups: Mapping[str, Group]
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...], Outcome]]:
    """Name everybody on the other end: groups for instances, then blocks, then what is unread."""
    for each in circle.interfaces:
        if isinstance(each.end, InterfaceEnd):
            names = tuple(_name(group_id, groups) for group_id in sorted(each.end.eni.group_ids))
            yield names or ("no group",), (each.end.instance.instance_id,), each.outcome
    for outcome in (Outcome.REACHABLE, Outcome.UNKNOWN):
        blocks = [name(each.end) for each in circle.addresses if each.outcome is outcome]
        if blocks:
            more = (f"and {len(blocks) - 2} more blocks",) if len(blocks) > 3 else ()
            yield (*blocks[: 2 if more else 3], *more), (), outcome
    for each in circle.groups:
        if isinstance(each.end, GroupEnd):
            yield (each.end.ref.group_id, "could not be read"), (), each.outcome


def _capped(nodes: Sequence[Node], links: Sequence[Link]) -> Picture:
    """Make one node of those beyond the most that a picture may have."""
    if len(nodes) <= MOST_NODES:
        return Picture(tuple(nodes), tuple(links))
    last = MOST_NODES - 1
    rest = nodes[last:]
    more = Node((f"…and {len(rest)} more",), sum(each.instances for each in rest), len(rest))
    merged: dict[tuple[int, int], Link] = {}
    for link in links:
        source, target = min(link.source, last), min(link.target, last)
        before = merged.get((source, target))
        share = link.share if before is None or before.share is link.share else Share.SOME_PAIRS
        merged[source, target] = Link(source, target, share, link.what)
    return Picture((*nodes[:last], more), tuple(merged.values()))
