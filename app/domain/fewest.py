"""The fewest rules that open exactly what some rules open: not a packet more, for any address.

Accept rules of one kind are boxes: a peer, a part of the group's own side, a run of ports. A
block may stand for addresses only if every one of them is wanted; one that nobody has counts
like any other, for somebody may get it. A rule that is forced (nothing else opens one of its
packets) is taken first; what then remains is searched exactly if it is small, and else taken
greedily. How many rules any answer needs at least is told with it.

Source: a minimum cover by rectangles; packets no two of which fit into one rule bound it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import heapify, heappop, heappush
from itertools import product
from typing import TypeAlias

from app.domain.addresses import Block, subtract
from app.domain.rules import ANY_PORT, Peer, PortRange, Protocol, Rule

MOST_SEARCHED = 3_000
"""Partial answers that are looked at before the search settles for what it has."""

MOST_BOXES = 400
"""Rules to choose from beyond which the search is not begun: greedy is all there is."""

MOST_CELLS = 100_000
"""Combinations of a peer, an own address and ports beyond which only ports are joined."""

Cell: TypeAlias = tuple[int, int, int]
"""A peer, an own part and a stretch of ports that no rule tells apart, by their places."""


@dataclass(frozen=True, slots=True)
class Fewest:
    """Rules, and how many any others with the same meaning would be at least."""

    rules: tuple[Rule, ...]
    at_least: int

    @property
    def is_proven(self) -> bool:
        return len(self.rules) == self.at_least


def fewest(rules: Iterable[Rule], *, join_addresses: bool, free: Sequence[Rule] = ()) -> Fewest:
    """Return the fewest accept rules found that say together what `rules` say.

    With `join_addresses` neighbouring addresses become a block where all of it is wanted;
    without, each keeps its own rule, as the classic network has it. A rule whose ports are
    kept in a list is left as it is. What `free` rules match need not be said and may be: they
    match every source port that the others do.
    """
    alike: dict[Hashable, list[Rule]] = {}
    for rule in dict.fromkeys(rules):
        alike.setdefault(_kind(rule), []).append(rule)
    found: list[Rule] = []
    least = 0
    for group in alike.values():
        for part in _by_protocol(group, free, join_addresses=join_addresses):
            found.extend(part.rules)
            least += part.at_least
    return Fewest(tuple(found), least)


def _kind(rule: Rule) -> Hashable:
    """What rules have in common that may become one, or may make one another needless."""
    return (rule.direction, rule.policy, rule.priority, rule.nic_type, rule.source_ports)


def _by_protocol(
    rules: Sequence[Rule], free: Sequence[Rule], *, join_addresses: bool
) -> Iterator[Fewest]:
    """Cover each protocol by itself; what a rule for all of them opens need not be opened."""
    spoken: dict[Protocol, list[Rule]] = {}
    for rule in rules:
        if rule.ports is None:
            yield Fewest((rule,), 1)
        else:
            spoken.setdefault(rule.protocol, []).append(rule)
    everything = [
        replace(rule, ports=ports)
        for rule in (*spoken.get(Protocol.ALL, ()), *free)
        if rule.protocol is Protocol.ALL
        for ports in (PortRange(1, 65535), ANY_PORT)
    ]
    for protocol, wanted in spoken.items():
        needless = [rule for rule in free if rule.protocol is protocol]
        needless += [] if protocol is Protocol.ALL else everything
        yield _Cover(wanted, needless, join_addresses=join_addresses).fewest()


# --- what is wanted, as cells --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Box:
    """A rule that opens nothing unwanted, and the cells that are in it."""

    rule: Rule
    cells: frozenset[Cell]


class _Axis:
    """Peers, or own parts, cut where one begins or ends; blocks may be joined to larger ones.

    `shapes` are what a rule may name, smaller ones first; each is a piece, or (with its two
    halves) a block of which every address is in some piece.
    """

    def __init__(self, named: Iterable[Peer | None], *, joined: bool) -> None:
        """Cut nothing and join nothing unless `joined`."""
        named = dict.fromkeys(named)
        blocks = sorted((each for each in named if isinstance(each, Block)), key=_by_size)
        made: dict[Peer | None, dict[Block, None]] = {}
        for block in reversed(blocks):  # the inner ones first
            inner = [each for each in blocks if joined and each != block and each.within(block)]
            made[block] = dict.fromkeys(subtract(block, tuple(inner)))
            for each in inner:
                made[block] |= made[each]
        pieces = {piece for each in made.values() for piece in each}
        others = sorted((each for each in named if not isinstance(each, Block)), key=repr)
        self.pieces: list[Peer | None] = [*sorted(pieces), *others]
        at = {each: place for place, each in enumerate(self.pieces)}
        self.places = {each: [at[piece] for piece in made.get(each, [each])] for each in named}
        self._joined = joined

    @cached_property
    def shapes(self) -> list[tuple[Peer | None, tuple[int, int] | None]]:
        """Every shape with its two halves, by their places in this list; a piece has none."""
        found: list[tuple[Peer | None, tuple[int, int] | None]] = [
            (piece, None) for piece in self.pieces
        ]
        at = {piece: place for place, piece in enumerate(self.pieces)}
        wait = [each for each in self.pieces if isinstance(each, Block) and self._joined]
        while wait:
            block = wait.pop()
            twin = _twin(block)
            if twin is None or twin not in at:
                continue
            whole = Block(block.family, min(block.first, twin.first), block.prefix_length - 1)
            if whole not in at:
                low, high = sorted((block, twin), key=lambda each: each.first)
                at[whole] = len(found)
                found.append((whole, (at[low], at[high])))
                wait.append(whole)
        return found

    @cached_property
    def parents(self) -> dict[int, int]:
        """The shape that each shape is a half of, by their places."""
        return {
            half: place
            for place, (_, halves) in enumerate(self.shapes)
            if halves is not None
            for half in halves
        }


def _by_size(block: Block) -> tuple[str, int, int]:
    return (block.family, block.first, -block.size)


def _twin(block: Block) -> Block | None:
    """Return the block that makes a larger one together with this one."""
    if block.prefix_length == 0:
        return None
    return Block(block.family, block.first ^ block.size, block.prefix_length)


class _Cover:
    """Rules of one kind and protocol. `free` rules may be used as well, and need not."""

    def __init__(self, wanted: Sequence[Rule], free: Sequence[Rule], *, join_addresses: bool):
        self._example = wanted[0]
        self._wanted, self._free = wanted, free
        self._peers = _Axis([each.peer for each in (*wanted, *free)], joined=join_addresses)
        self._owns = _Axis([each.own for each in (*wanted, *free)], joined=join_addresses)
        cuts = {edge for each in wanted for edge in _edges(each)}
        self._cuts = sorted(cuts)
        self._needed = self._masks(wanted)
        self._allowed = dict(self._needed)
        for key, mask in self._masks(free).items():
            self._allowed[key] = self._allowed.get(key, 0) | mask
            if key in self._needed:
                self._needed[key] &= ~mask

    def _masks(self, rules: Sequence[Rule]) -> dict[tuple[int, int], int]:
        """Return the stretches of ports, as bits, by the places of peer and own part."""
        found: dict[tuple[int, int], int] = {}
        for rule in rules:
            first, end = _edges(rule)
            low, high = bisect_left(self._cuts, first), bisect_right(self._cuts, end) - 1
            mask = (1 << high) - (1 << low) if low < high else 0
            for key in product(self._peers.places[rule.peer], self._owns.places[rule.own]):
                found[key] = found.get(key, 0) | mask
        return found

    def fewest(self) -> Fewest:
        if len(self._allowed) * len(self._cuts) > MOST_CELLS:
            return Fewest(tuple(self._ports_joined()), 1)
        needed = {
            (peer, own, stretch)
            for (peer, own), mask in self._needed.items()
            for stretch in _bits(mask)
        }
        chosen, least = _chosen(list(self._boxes(needed)), needed)
        return Fewest(tuple(sorted((box.rule for box in chosen), key=_in_order)), least)

    def _ports_joined(self) -> Iterator[Rule]:
        for (peer, own), mask in self._needed.items():
            for run in _runs(mask):
                yield self._rule(self._peers.pieces[peer], self._owns.pieces[own], run)

    def _boxes(self, needed: set[Cell]) -> Iterator[Box]:
        """Return every rule that opens nothing unwanted and fits into no larger one."""
        masks = self._shape_masks()
        peers, owns = self._peers, self._owns
        for (peer, own), mask in masks.items():
            wider = [
                masks.get((peers.parents[peer], own), 0) if peer in peers.parents else 0,
                masks.get((peer, owns.parents[own]), 0) if own in owns.parents else 0,
            ]
            for run in _runs(mask):
                bits = (1 << run[1]) - (1 << run[0])
                if any(bits & ~each == 0 for each in wider):
                    continue
                cells = frozenset(
                    cell
                    for cell in product(_leaves(peers, peer), _leaves(owns, own), range(*run))
                    if cell in needed
                )
                if cells:
                    named = (peers.shapes[peer][0], owns.shapes[own][0])
                    yield Box(self._rule(*named, run), cells)

    def _shape_masks(self) -> dict[tuple[int, int], int]:
        """Return the stretches of ports that are allowed for all of both shapes."""
        found = dict(self._allowed)
        for place, (_, halves) in enumerate(self._owns.shapes):
            if halves is not None:
                for peer in range(len(self._peers.pieces)):
                    mask = found.get((peer, halves[0]), 0) & found.get((peer, halves[1]), 0)
                    if mask:
                        found[peer, place] = mask
        for place, (_, halves) in enumerate(self._peers.shapes):
            if halves is not None:
                for own in range(len(self._owns.shapes)):
                    mask = found.get((halves[0], own), 0) & found.get((halves[1], own), 0)
                    if mask:
                        found[place, own] = mask
        return found

    def _rule(self, peer: Peer | None, own: Peer | None, run: tuple[int, int]) -> Rule:
        assert peer is not None
        assert own is None or isinstance(own, Block)
        ports = PortRange(self._cuts[run[0]], self._cuts[run[1]] - 1)
        if self._example.ports == ANY_PORT:
            ports = ANY_PORT
        return replace(self._example, peer=peer, own=own, ports=ports)


def _in_order(rule: Rule) -> tuple[object, ...]:
    own = () if rule.own is None else (rule.own,)
    return (type(rule.peer).__name__, rule.peer, own, rule.ports)


def _edges(rule: Rule) -> tuple[int, int]:
    assert rule.ports is not None
    return (rule.ports.first, rule.ports.last + 1)


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def _runs(mask: int) -> Iterator[tuple[int, int]]:
    """Return each run of bits: the first, and the one after the last."""
    while mask:
        first = (mask & -mask).bit_length() - 1
        length = ((mask >> first) ^ ((mask >> first) + 1)).bit_length() - 1
        yield (first, first + length)
        mask &= ~(((1 << length) - 1) << first)


def _leaves(axis: _Axis, place: int) -> list[int]:
    halves = axis.shapes[place][1]
    if halves is None:
        return [place]
    return [*_leaves(axis, halves[0]), *_leaves(axis, halves[1])]


# --- choosing ----------------------------------------------------------------------


def _chosen(boxes: Sequence[Box], needed: set[Cell]) -> tuple[list[Box], int]:
    """Return boxes that hold every needed cell, and how many any such boxes are at least."""
    chosen, left, rest = _forced(boxes, needed)
    least = len(chosen)
    for part in _apart(rest, left):
        few, bound = _searched(part)
        chosen.extend(few)
        least += bound
    return chosen, least


def _forced(boxes: Sequence[Box], needed: set[Cell]) -> tuple[list[Box], set[Cell], list[Box]]:
    """Take boxes that alone hold some cell, again and again; return them, and what is left."""
    chosen: list[Box] = []
    left, rest = set(needed), list(boxes)
    while left:
        holders: dict[Cell, list[Box]] = {}
        for box in rest:
            for cell in box.cells:
                holders.setdefault(cell, []).append(box)
        only = {id(held[0]): held[0] for held in holders.values() if len(held) == 1}
        if not only:
            return chosen, left, _undominated(rest)
        for box in only.values():
            chosen.append(box)
            left -= box.cells
        rest = [
            Box(box.rule, box.cells & left)
            for box in rest
            if id(box) not in only and box.cells & left
        ]
        rest = _undominated(rest)
    return chosen, left, []


def _undominated(boxes: Sequence[Box]) -> list[Box]:
    """Leave out boxes all of whose cells another one holds; of equal ones the first stays."""
    if len(boxes) > MOST_BOXES:
        return list(boxes)
    kept: list[Box] = []
    for box in sorted(boxes, key=lambda each: -len(each.cells)):
        if not any(box.cells <= other.cells for other in kept):
            kept.append(box)
    return kept


def _apart(boxes: Sequence[Box], left: set[Cell]) -> Iterator[list[Box]]:
    """Split boxes into parts that have no cell in common."""
    holders: dict[Cell, list[int]] = {cell: [] for cell in left}
    for number, box in enumerate(boxes):
        for cell in box.cells:
            holders[cell].append(number)
    seen: set[int] = set()
    for number in range(len(boxes)):
        if number in seen:
            continue
        part, wait = [], [number]
        seen.add(number)
        while wait:
            one = wait.pop()
            part.append(one)
            for cell in boxes[one].cells:
                new = [each for each in holders[cell] if each not in seen]
                seen.update(new)
                wait.extend(new)
        yield [boxes[each] for each in sorted(part)]


def _searched(boxes: Sequence[Box]) -> tuple[list[Box], int]:
    """Return few boxes that hold every cell of all, and how many they are at least."""
    greedy = _greedy(boxes)
    cells, masks = _essence(boxes)
    bound = _bound(cells, masks, cells.keys())
    if bound == len(greedy) or len(boxes) > MOST_BOXES or len(cells) > MOST_BOXES:
        return greedy, bound
    search = _Search(cells, masks, len(greedy))
    found = search.best or greedy
    chosen = [boxes[each] for each in search.best] if search.best else greedy
    return chosen, len(found) if search.is_complete else bound


def _greedy(boxes: Sequence[Box]) -> list[Box]:
    """Take the box that holds the most of what is left, until nothing is."""
    left = {cell for box in boxes for cell in box.cells}
    # What a box adds only becomes less: one that is still worth what it was is the best.
    heap = [(-len(box.cells), place) for place, box in enumerate(boxes)]
    heapify(heap)
    chosen: list[Box] = []
    while left:
        worth, place = heappop(heap)
        now = len(boxes[place].cells & left)
        if now == -worth:
            chosen.append(boxes[place])
            left -= boxes[place].cells
        elif now:
            heappush(heap, (-now, place))
    return chosen


def _essence(boxes: Sequence[Box]) -> tuple[dict[int, int], list[int]]:
    """Return for each cell the boxes that hold it, as bits, and for each box its cells.

    A cell that is held by every box which holds another one is left out: whoever holds the
    other one holds it too.
    """
    holders: dict[Cell, int] = {}
    for place, box in enumerate(boxes):
        for cell in box.cells:
            holders[cell] = holders.get(cell, 0) | 1 << place
    kept: list[int] = []
    few = sorted(set(holders.values()), key=lambda each: (each.bit_count(), each))
    for each in few:
        if len(few) > MOST_BOXES or not any(other & ~each == 0 for other in kept):
            kept.append(each)
    masks = [0] * len(boxes)
    for place, each in enumerate(kept):
        for holder in _bits(each):
            masks[holder] |= 1 << place
    return dict(enumerate(kept)), masks


def _bound(holders: Mapping[int, int], masks: Sequence[int], left: Iterable[int]) -> int:
    """Count cells no two of which one box holds: each needs a box of its own."""
    count = taken = 0
    for cell in left:  # those that the fewest boxes hold come first
        if not taken >> cell & 1:
            count += 1
            for box in _bits(holders[cell]):
                taken |= masks[box]
    return count


class _Search:
    """Tries every box that holds the cell which the fewest hold, as long as it may get better.

    `best` are the places of fewer boxes than were known before, if there are any.
    """

    def __init__(self, holders: Mapping[int, int], masks: Sequence[int], known: int) -> None:
        self._holders, self._masks = holders, masks
        self._known = known
        self._looked = 0
        self.best: list[int] = []
        self._go((1 << len(holders)) - 1, [])

    @property
    def is_complete(self) -> bool:
        return self._looked <= MOST_SEARCHED

    def _go(self, left: int, chosen: list[int]) -> None:
        if not left:
            self.best, self._known = list(chosen), len(chosen)
            return
        self._looked += 1
        bound = _bound(self._holders, self._masks, _bits(left))
        if not self.is_complete or len(chosen) + bound >= self._known:
            return
        cell = next(_bits(left))
        boxes = sorted(
            _bits(self._holders[cell]), key=lambda box: -(self._masks[box] & left).bit_count()
        )
        for box in boxes:
            self._go(left & ~self._masks[box], [*chosen, box])
