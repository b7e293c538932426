"""Rules said by fewer: by example, against brute force, and proved by Z3 for any packet."""

from dataclasses import replace
from itertools import product

import pytest
import z3

from app.domain.addresses import AddressFamily, Block
from app.domain.changes import Authorize, Revoke
from app.domain.compaction import Compaction, compacted, compaction_document, plan_compaction
from app.domain.errors import TargetManagedError
from app.domain.groups import Group
from app.domain.plan import Limits
from app.domain.rules import HeldRule, NicType
from app.domain.world import End, InterfaceEnd, World
from tests.support import solver
from tests.support.chance import Seeded
from tests.support.classes import Packets, addresses_at_edges, rules_of
from tests.support.regions import an_estate
from tests.support.sprawl import GROUP, sprawl
from tests.support.worlds import group, instance, rule, world

ROOMY = Limits(rules_per_group=400, rules_per_nic=4000)


def of_rules(*rules: HeldRule, vpc_id: str | None = "vpc-1") -> World:
    held = [replace(each, rule_id=f"sgr-{number}") for number, each in enumerate(rules, 1)]
    own = group(group_id=GROUP, rules=held, vpc_id=vpc_id)
    member = instance(instance_id="i-own", addresses=["172.16.0.1"], groups=[GROUP], vpc_id=vpc_id)
    return world(groups=[own], instances=[member])


def planned(of: World, limits: Limits = ROOMY, **held_by: str) -> Compaction:
    names = {name.replace("_", "-"): why for name, why in held_by.items()}
    return plan_compaction(of, GROUP, names, limits)


def after(of: World, made: Compaction) -> World:
    for each in made.plan.changes:
        of = of.after(each.change)
    return of


def said(of: World, made: Compaction) -> list[str]:
    rules = [held.rule for held in after(of, made).groups[GROUP].rules]
    return sorted(f"{each.policy} {each.priority} {each.peer} {each.ports}" for each in rules)


# --- examples ----------------------------------------------------------------------


def test_neighbouring_addresses_become_a_block_in_a_vpc() -> None:
    of = of_rules(*(rule(ports="443", peer=f"10.0.0.{each}/32") for each in range(8, 16)))
    made = planned(of)
    assert said(of, made) == ["accept 1 10.0.0.8/29 443/443"]
    assert (made.before, made.after, len(made.steps)) == (8, 1, 1)
    first, last = (each.change for each in made.plan.changes)
    assert isinstance(first, Authorize)
    assert isinstance(last, Revoke)


def test_in_the_classic_intranet_every_address_keeps_a_rule() -> None:
    peers = [rule(ports="443", peer=f"10.0.0.{each}/32") for each in range(8, 16)]
    assert planned(of_rules(*peers, vpc_id=None)).plan.changes == ()
    public = [replace(each, rule=replace(each.rule, nic_type=NicType.INTERNET)) for each in peers]
    assert planned(of_rules(*public, vpc_id=None)).after == 1


def test_ports_that_touch_become_one_range() -> None:
    of = of_rules(*(rule(ports=each, peer="10.0.0.1/32") for each in ("80/81", "82", "85")))
    assert said(of, planned(of)) == ["accept 1 10.0.0.1/32 80/82", "accept 1 10.0.0.1/32 85/85"]


def test_what_better_rules_decide_may_be_left_out_or_said() -> None:
    of = of_rules(
        rule(ports="22", peer="10.0.0.0/24"),
        rule(ports="22", peer="10.0.0.9/32", priority=10),
        rule(ports="22", peer="10.0.0.7/32", priority=10, policy="drop"),
    )
    made = planned(of)
    assert said(of, made) == ["accept 1 10.0.0.0/24 22/22"]
    assert [[each.held.rule_id for each in step.because] for step in made.steps] == [["sgr-1"]] * 2
    bridged = of_rules(
        rule(ports="81", peer="10.0.0.1/32", policy="drop"),
        rule(ports="80", peer="10.0.0.1/32", priority=10),
        rule(ports="82", peer="10.0.0.1/32", priority=10),
    )
    joined = said(bridged, planned(bridged))
    assert joined == ["accept 10 10.0.0.1/32 80/82", "drop 1 10.0.0.1/32 81/81"]


def test_a_rule_that_others_answer_for_stays_and_carries_nothing() -> None:
    of = of_rules(rule(ports="22", peer="10.0.0.0/24"), rule(ports="22", peer="10.0.0.9/32"))
    assert [each.removed[0].rule_id for each in planned(of).steps] == ["sgr-2"]
    made = planned(of, sgr_1="connection c rests on it")
    assert made.plan.changes == ()
    assert [(each.held.rule_id, each.reason) for each in made.left_alone] == [
        ("sgr-1", "connection c rests on it")
    ]


@pytest.mark.parametrize(
    "held",
    [
        rule(ports="22", peer="10.0.0.9/32", priority=110),
        rule(ports=None, port_list_id="prl-1", peer="10.0.0.9/32"),
        rule(protocol="other", peer="10.0.0.9/32"),
        replace(rule(ports="22", peer="10.0.0.9/32"), ignored=(Block.read("10.0.0.0/8"),)),
    ],
)
def test_what_could_not_be_made_again_is_left_alone(held: HeldRule) -> None:
    made = planned(of_rules(rule(protocol="all", peer="0.0.0.0/0"), held))
    assert [each.held.rule_id for each in made.left_alone] == ["sgr-2"]
    assert made.plan.changes == ()


def test_what_the_default_says_is_left_alone_for_another_group_may_need_it() -> None:
    of = of_rules(rule(ports="22", policy="drop"), rule(direction="egress", ports="22"))
    assert planned(of).plan.changes == ()


def test_the_texts_of_people_are_kept() -> None:
    texts = ("ticket 17", "intercom:abc:1 the shop", "ticket 17", "")
    rules = [
        replace(rule(ports=str(80 + number), peer="10.0.0.1/32"), description=text)
        for number, text in enumerate(texts)
    ]
    [change] = [
        each.change
        for each in planned(of_rules(*rules)).plan.changes
        if isinstance(each.change, Authorize)
    ]
    assert [new.description for new in change.rules] == ["ticket 17; the shop"]


def test_a_managed_group_is_refused() -> None:
    of = of_rules(rule())
    managed = replace(of.groups[GROUP], managed=True)
    with pytest.raises(TargetManagedError):
        planned(replace(of, groups={GROUP: managed}))


def test_a_full_group_lets_go_first_of_what_has_no_successor() -> None:
    of = of_rules(
        rule(ports="22", peer="10.0.0.0/24"),
        rule(ports="22", peer="10.0.0.9/32"),
        rule(ports="80", peer="10.0.0.9/32"),
        rule(ports="81", peer="10.0.0.9/32"),
    )
    made = planned(of, Limits(rules_per_group=4))
    kinds = [type(each.change) for each in made.plan.changes]
    assert kinds == [Revoke, Authorize, Revoke]
    assert (made.after, made.postponed) == (2, 0)


def test_what_has_no_room_is_postponed_and_said() -> None:
    of = of_rules(
        *(rule(ports=each, peer="10.0.0.9/32") for each in ("80", "81", "90", "91", "92"))
    )
    made = planned(of, Limits(rules_per_group=6))
    assert (made.after, made.postponed) == (3, 1)
    assert made.plan.warnings[0].startswith("1 step(s) have no room")
    assert planned(after(of, made), Limits(rules_per_group=6)).after == 2


# --- many groups -------------------------------------------------------------------


def prove(before: World, later: World) -> None:
    """Prove that no packet from anybody to a member fares otherwise, or the other way."""
    family = AddressFamily.IPV4
    for plane in NicType:
        members = [end for end in before.ends(plane, family) if GROUP in end.eni.group_ids]
        callers = [end for end in before.ends(plane, family) if GROUP not in end.eni.group_ids]
        for own, other in product(members, [solver.ANYBODY, *callers[:1]]):
            was = solver.passing(before, other, own, plane, family)
            now = solver.passing(later, other, own, plane, family)
            assert solver.witness(solver.a_packet(family), z3.Xor(was, now)) is None, own


@pytest.mark.parametrize("seed", range(4))
def test_sprawl_is_compacted_to_the_same_for_any_packet(seed: int) -> None:
    grown = sprawl(seed, most=80)
    made = planned(grown.world)
    assert made.after < made.before
    assert made.plan.difference.gained.pairs == made.plan.difference.lost.pairs == 0
    prove(grown.world, after(grown.world, made))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 150))
def test_very_much_sprawl_is_compacted_to_the_same_for_any_packet(seed: int) -> None:
    grown = sprawl(seed)
    prove(grown.world, after(grown.world, planned(grown.world)))


@pytest.mark.parametrize("seed", range(4, 12))
def test_every_step_alone_and_every_state_on_the_way_changes_nothing(seed: int) -> None:
    grown = sprawl(seed, most=70)
    made = planned(grown.world)
    on_the_way = [grown.world]
    for each in made.plan.changes:
        on_the_way.append(on_the_way[-1].after(each.change))
    assert len({passing(each, on_the_way) for each in on_the_way}) == 1
    assert all(
        not (step.difference.gained.pairs or step.difference.lost.pairs) for step in made.steps
    )
    removed = [held.rule_id for step in made.steps for held in step.removed]
    assert len(removed) == len(set(removed))
    assert len(removed) - sum(len(step.added) for step in made.steps) == made.before - made.after


def passing(of: World, worlds: list[World]) -> tuple[int, ...]:
    """What members and a part of the addresses at edges of any of the worlds may send, as bits."""
    plane, family = NicType.INTRANET, AddressFamily.IPV4
    packets = Packets(family, rules_of(*worlds))
    own, *others = of.ends(plane, family)
    strangers = addresses_at_edges(worlds, plane, family)[::5]
    ends: list[End] = [*others, *strangers]
    return tuple(packets.passing(of, each, own, plane) for each in ends)


@pytest.mark.parametrize("seed", range(4, 10))
def test_what_was_compacted_is_not_compacted_again(seed: int) -> None:
    grown = sprawl(seed)
    assert planned(after(grown.world, planned(grown.world))).plan.changes == ()


def compare_any_group(seed: int) -> int:
    """Compact a group of a random estate; compare every packet between all ends."""
    before = an_estate(Seeded(f"compact {seed}"))
    saved = 0
    for group_id, one in sorted(before.groups.items()):
        made = plan_compaction(before, group_id, {}, ROOMY)
        later = before
        for each in made.plan.changes:
            later = later.after(each.change)
        saved += made.before - made.after
        if made.steps:
            _compare(before, later, one, seed)
            assert compaction_document(made)["rules_after"] == made.after
    return saved


def _compare(before: World, later: World, one: Group, seed: int) -> None:
    for plane, family in product(NicType, AddressFamily):
        packets = Packets(family, rules_of(before, later), has_others=True)
        ends: list[tuple[End, End]] = list(
            zip(before.ends(plane, family), later.ends(plane, family), strict=True)
        )
        strangers: list[tuple[End, End]] = [
            (each, each) for each in addresses_at_edges([before, later], plane, family)
        ]
        members = [
            pair
            for pair in ends
            if isinstance(pair[0], InterfaceEnd) and one.group_id in pair[0].eni.group_ids
        ]
        for (was, now), (other, there) in product(members, (*ends, *strangers)):
            sent = packets.passing(before, was, other, plane)
            assert sent == packets.passing(later, now, there, plane), (seed, one.group_id)
            let_in = packets.passing(before, other, was, plane)
            assert let_in == packets.passing(later, there, now, plane), (seed, one.group_id)


def test_groups_of_any_kind_are_compacted_to_the_same() -> None:
    assert sum(compare_any_group(seed) for seed in range(60)) > 15


def test_rules_alone_can_be_compacted() -> None:
    rules = [rule(rule_id=str(each), ports=str(each)) for each in (80, 81)]
    of = of_rules(*rules)
    [joined] = compacted(of, of.groups[GROUP], of.groups[GROUP].rules)
    assert str(joined.rule.ports) == "80/81"
