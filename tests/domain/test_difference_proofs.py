"""The difference of two worlds, against brute force on every class of packets, and proved by Z3."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import TypeAlias

import pytest
import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.addresses import AddressFamily, Block
from app.domain.difference import Difference, Item, difference
from app.domain.judging.layers import Layers
from app.domain.rules import NicType
from app.domain.world import AddressEnd, End, InterfaceEnd, World
from tests.support import solver
from tests.support.chance import Chance, Seeded, Shrinking
from tests.support.classes import Packets, addresses_at_edges, rules_of
from tests.support.regions import (
    a_change,
    a_changed_list,
    an_estate,
    estates,
    touched,
    touched_lists,
)

Key: TypeAlias = Hashable
SIDES = tuple(product(NicType, AddressFamily))


def told(before: World, after: World) -> Difference:
    groups, instances = touched(before, after)
    return difference(
        before,
        after,
        touched_groups=groups,
        touched_instances=instances,
        touched_lists=touched_lists(before, after),
        asked=[],
        cap=10**9,
    )


def key_of(end: InterfaceEnd) -> Key:
    return (end.instance.instance_id, end.eni.eni_id, end.block)


def ends_by_key(world: World, plane: NicType, family: AddressFamily) -> dict[Key, InterfaceEnd]:
    return {key_of(end): end for end in world.ends(plane, family)}


@dataclass
class Told:
    """Items by their ends: from interface to interface, and between an interface and blocks."""

    inside: dict[tuple[Key, Key], list[Item]] = field(default_factory=lambda: defaultdict(list))
    to_blocks: dict[Key, list[tuple[Block, Item]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    from_blocks: dict[Key, list[tuple[Block, Item]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    @classmethod
    def of(cls, items: Iterable[Item], plane: NicType, family: AddressFamily) -> "Told":
        found = cls()
        for item in items:
            assert item.certain
            if item.plane is plane and item.family is family:
                found._add(item)
        return found

    def _add(self, item: Item) -> None:
        match item.source, item.target:
            case InterfaceEnd() as source, InterfaceEnd() as target:
                self.inside[key_of(source), key_of(target)].append(item)
            case InterfaceEnd() as source, AddressEnd(block):
                self.to_blocks[key_of(source)].append((block, item))
            case AddressEnd(block), InterfaceEnd() as target:
                self.from_blocks[key_of(target)].append((block, item))
            case _:
                raise AssertionError(f"nobody asked about {item}")

    def between(self, source: Key | AddressEnd, target: Key | AddressEnd) -> list[Item]:
        if isinstance(target, AddressEnd):
            return _holding(self.to_blocks.get(source, ()), target)
        if isinstance(source, AddressEnd):
            return _holding(self.from_blocks.get(target, ()), source)
        return self.inside.get((source, target), [])


def _holding(found: Iterable[tuple[Block, Item]], end: AddressEnd) -> list[Item]:
    return [item for block, item in found if end.block.within(block)]


# --- brute force ------------------------------------------------------------------


def compare_with_brute_force(before: World, after: World, where: object) -> int:
    """Judge every packet between all ends in both worlds; return how many pairs change."""
    found = told(before, after)
    return sum(_compare_side(before, after, found, plane, family, where) for plane, family in SIDES)


def _compare_side(
    before: World,
    after: World,
    found: Difference,
    plane: NicType,
    family: AddressFamily,
    where: object,
) -> int:
    gained = Told.of(found.gained.items, plane, family)
    lost = Told.of(found.lost.items, plane, family)
    packets = Packets(family, rules_of(before, after), has_others=True)
    changed = 0
    for source, target in _pairs(before, after, plane, family):
        old = packets.passing(before, _in(source, 0), _in(target, 0), plane)
        new = packets.passing(after, _in(source, 1), _in(target, 1), plane)
        names = (_name(source), _name(target))
        assert _bits(packets, gained.between(*names)) == new & ~old, (where, names, "gained")
        assert _bits(packets, lost.between(*names)) == old & ~new, (where, names, "lost")
        changed += old != new
    return changed


Both: TypeAlias = tuple[InterfaceEnd, InterfaceEnd] | AddressEnd
"""An interface as it is before and after, or an address."""


def _pairs(
    before: World, after: World, plane: NicType, family: AddressFamily
) -> Iterator[tuple[Both, Both]]:
    olds, news = ends_by_key(before, plane, family), ends_by_key(after, plane, family)
    interfaces = [(olds[key], news[key]) for key in news]
    for source, target in product(interfaces, interfaces):
        if source[0].instance.instance_id != target[0].instance.instance_id:
            yield source, target
    for address in addresses_at_edges([before, after], plane, family):
        for interface in interfaces:
            yield interface, address
            yield address, interface


def _in(end: Both, world: int) -> End:
    return end if isinstance(end, AddressEnd) else end[world]


def _name(end: Both) -> Key | AddressEnd:
    return end if isinstance(end, AddressEnd) else key_of(end[1])


def _bits(packets: Packets, items: Iterable[Item]) -> int:
    """Return the packets of all items, none of which may be told twice."""
    bits = 0
    for item in items:
        more = packets.within(item.traffic)
        assert not bits & more, f"told twice: {item}"
        bits |= more
    return bits


def brute_force(seed: object, changes: int) -> int:
    """Compare some changes of a random estate; return how many pairs change in all."""
    chance = Seeded(seed)
    world = an_estate(chance)
    pairs = 0
    for number in range(changes):
        after = a_change(chance, world)
        pairs += compare_with_brute_force(world, after, f"seed {seed}, change {number}")
        world = after
    return pairs


@pytest.mark.parametrize("block", range(8))
def test_the_difference_is_what_brute_force_finds(block: int) -> None:
    assert sum(brute_force(f"brute {block}/{number}", 5) for number in range(40)) > 600


@pytest.mark.long
@pytest.mark.parametrize("block", range(20))
def test_the_difference_of_very_many_changes_is_what_brute_force_finds(block: int) -> None:
    assert sum(brute_force(f"long brute {block}/{number}", 5) for number in range(200)) > 3_000


@settings(max_examples=40, deadline=None)
@given(st.data(), estates())
def test_the_difference_of_changes_that_shrink_is_what_brute_force_finds(
    data: st.DataObject, before: World
) -> None:
    after = a_change(Shrinking(data.draw), before)
    compare_with_brute_force(before, after, "shrunk")


def brute_force_of_lists(seed: object) -> int:
    chance = Seeded(seed)
    before = an_estate(chance)
    return compare_with_brute_force(before, a_changed_list(chance, before), f"seed {seed}")


def test_the_difference_of_changed_prefix_lists_is_what_brute_force_finds() -> None:
    assert sum(brute_force_of_lists(f"lists {number}") for number in range(200)) > 100


def compare_with_everything(seed: object, changes: int) -> int:
    """Compare only what is touched, from what is known of the world before, and then all of it."""
    chance = Seeded(seed)
    before = an_estate(chance)
    known = Layers(before)
    changed = 0
    for number in range(changes):
        after = a_changed_list(chance, before) if number % 4 == 3 else a_change(chance, before)
        groups, instances = touched(before, after)
        lists = touched_lists(before, after)
        quick = difference(
            before,
            after,
            touched_groups=groups,
            touched_instances=instances,
            touched_lists=lists,
            asked=[],
            layers=known,
        )
        whole = difference(
            before,
            after,
            touched_groups=frozenset(before.groups),
            touched_instances=frozenset(before.instances),
            touched_lists=frozenset(before.prefix_lists),
            asked=[],
        )
        assert quick == whole, f"seed {seed}, change {number}"
        changed += quick.gained.pairs + quick.lost.pairs > 0
    return changed


@pytest.mark.parametrize("block", range(2))
def test_the_difference_of_what_is_touched_is_that_of_everything(block: int) -> None:
    assert sum(compare_with_everything(f"all {block}/{n}", 8) for n in range(64)) > 150


# --- proof ------------------------------------------------------------------------


def prove(before: World, after: World, where: object) -> int:
    """Prove that exactly the reported flows change; return how many pairs of ends were proved."""
    found = told(before, after)
    return sum(_prove_side(before, after, found, *side, where) for side in SIDES)


def _prove_side(
    before: World,
    after: World,
    found: Difference,
    plane: NicType,
    family: AddressFamily,
    where: object,
) -> int:
    """No packet passes now and not before but those told, and all of those do; and so for lost."""
    gained = Told.of(found.gained.items, plane, family)
    lost = Told.of(found.lost.items, plane, family)
    count = 0
    for claim in _claims(before, after, plane, family):
        old = solver.passing(before, *claim.before, plane, family)
        new = solver.passing(after, *claim.after, plane, family)
        wrong = solver.witness(
            solver.a_packet(family),
            claim.where,
            z3.Or(
                z3.Xor(z3.And(new, z3.Not(old)), claim.said(gained)),
                z3.Xor(z3.And(old, z3.Not(new)), claim.said(lost)),
            ),
        )
        assert wrong is None, (where, claim, wrong)
        count += 1
    return count


@dataclass(frozen=True)
class Claim:
    """Two ends, one of which may be any other address, as they are before and after."""

    before: tuple[InterfaceEnd | None, InterfaceEnd | None]
    after: tuple[InterfaceEnd | None, InterfaceEnd | None]
    where: solver.Formula

    def said(self, found: Told) -> solver.Formula:
        """Say that the packet is one of those told."""
        source, target = self.after
        if source is not None and target is not None:
            items = found.inside.get((key_of(source), key_of(target)), [])
            return z3.Or([solver.is_of(item.traffic) for item in items])
        blocks = found.to_blocks if target is None else found.from_blocks
        known = source or target
        assert known is not None
        return z3.Or(
            [
                z3.And(solver.is_in(block), solver.is_of(item.traffic))
                for block, item in blocks.get(key_of(known), ())
            ]
        )


def _claims(before: World, after: World, plane: NicType, family: AddressFamily) -> Iterator[Claim]:
    olds, news = ends_by_key(before, plane, family), ends_by_key(after, plane, family)
    others = solver.is_none_of({end.block.first for end in news.values()}, family)
    for one in news:
        yield Claim((olds[one], None), (news[one], None), others)
        yield Claim((None, olds[one]), (None, news[one]), others)
        for other in news:
            if news[one].instance.instance_id != news[other].instance.instance_id:
                sides = (olds[one], olds[other]), (news[one], news[other])
                yield Claim(*sides, z3.BoolVal(True))


def prove_some(seed: object) -> int:
    chance = Seeded(seed)
    before = an_estate(chance)
    return prove(before, _two_changes(chance, before), f"seed {seed}")


def _two_changes(chance: Chance, before: World) -> World:
    """Return the world after two changes at once, as a plan makes them."""
    return a_change(chance, a_change(chance, before))


@pytest.mark.parametrize("block", range(4))
def test_no_flow_outside_the_difference_changes_and_every_one_in_it_does(block: int) -> None:
    assert sum(prove_some(f"proof {block}/{number}") for number in range(8)) > 100


@pytest.mark.long
@pytest.mark.parametrize("block", range(20))
def test_the_difference_of_many_changes_is_proved(block: int) -> None:
    assert sum(prove_some(f"long proof {block}/{number}") for number in range(40)) > 1_000
