"""A restored group is what it was, by the fewest changes, and nothing gapes on the way."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.domain.addresses import AddressFamily
from app.domain.backups import KeptGroup, kept_document, read_kept
from app.domain.changes import (
    Authorize,
    Change,
    CreateGroup,
    Join,
    NewRule,
    Revoke,
    SetInnerAccess,
    takes_away,
)
from app.domain.errors import (
    BackupMismatchError,
    GuardrailViolationError,
    NoSafeOrderError,
    TargetManagedError,
)
from app.domain.evaluate import Evaluator
from app.domain.flows import Flow, Outcome, Traffic
from app.domain.gaps import is_seamless
from app.domain.groups import GroupKind, GroupRef
from app.domain.plan import Limits
from app.domain.planning import Bounds
from app.domain.restoring import (
    LossCode,
    Restoration,
    RestoreMode,
    Target,
    plan_restore,
    unmarked,
)
from app.domain.rules import HeldRule, NicType, PortRange, Protocol
from app.domain.world import World
from tests.support.strategies import changed, worlds
from tests.support.worlds import ACCOUNT, VPC, group, instance, rule, world

FEW = settings().max_examples // 2
"""Examples of what judges whole worlds."""

WIDE = Bounds(addresses=1 << 130)
PROBES = [
    Traffic(Protocol.TCP, PortRange(port, port), PortRange(source, source))
    for port, source in ((22, 35), (22, 50), (25, 50), (35, 50), (99, 99))
]
OTHERS = [Traffic(Protocol.UDP, PortRange(22, 22), PortRange(50, 50)), Traffic(Protocol.GRE)]


def kept_of(of: World, group_id: str = "sg-1") -> KeptGroup:
    return read_kept(kept_document(of, group_id))


def restore(
    present: World,
    kept: KeptGroup,
    mode: RestoreMode = RestoreMode.FULL,
    *,
    limits: Limits | None = None,
    bounds: Bounds = WIDE,
) -> Restoration:
    target = Target(kept.group.group_id, kept)
    limits = limits or Limits()
    return plan_restore(present, [target], {}, mode, limits=limits, bounds=bounds)


def changes_of(made: Restoration) -> list[Change]:
    return [planned.change for planned in made.plan.changes]


def applied(present: World, changes: Iterable[Change]) -> World:
    for change in changes:
        present = present.after(change)
    return present


def meanings(held: Iterable[HeldRule]) -> set[object]:
    return {each.rule for each in held}


def open_flows(of: World) -> set[object]:
    """What surely passes, of some packets between all ends; by name, so that worlds compare."""
    evaluator = Evaluator(of)
    found: set[object] = set()
    for plane, family in product(NicType, AddressFamily):
        ends = list(of.ends(plane, family))
        for source, target in product(ends, ends):
            if source.instance.instance_id == target.instance.instance_id:
                continue
            for traffic in (*PROBES, *OTHERS):
                told = evaluator.explain(Flow(source, target, traffic, plane, family))
                if told.outcome is Outcome.REACHABLE:
                    found.add((source.eni.eni_id, source.block, target.eni.eni_id,
                               target.block, traffic, plane))  # fmt: skip
    return found


def moments(present: World, changes: Sequence[Change], part: st.DataObject) -> Iterator[World]:
    """The world after each change, and in the middle of it: some part of a batch is in."""
    for change in changes:
        match change:
            case Authorize(rules=rules) if len(rules) > 1:
                chosen = part.draw(st.lists(st.sampled_from(rules), min_size=1, unique=True))
                yield present.after(replace(change, rules=tuple(chosen)))
            case Revoke(held=held) if len(held) > 1:
                some = part.draw(st.lists(st.sampled_from(held), min_size=1, unique=True))
                yield present.after(replace(change, held=tuple(some)))
            case _:
                pass
        present = present.after(change)
        yield present


@st.composite
def histories(draw: st.DrawFn) -> tuple[World, World]:
    """A world, and what became of it."""
    before = draw(worlds(all_read=True))
    return before, draw(changed(before))


@settings(max_examples=FEW)
@given(histories(), st.sampled_from(list(RestoreMode)))
def test_a_restored_group_is_what_it_was(history: tuple[World, World], mode: RestoreMode) -> None:
    before, now = history
    for group_id in before.groups:
        kept = kept_of(before, group_id)
        try:
            made = restore(now, kept, mode)
        except NoSafeOrderError:
            continue
        after = applied(now, changes_of(made))
        lost = {each.held.rule for each in made.losses if each.held is not None}
        assert meanings(after.groups[group_id].rules) >= meanings(kept.group.rules) - lost
        absent = {each.instance_id for each in made.losses}
        assert after.member_ids(group_id) | absent >= before.member_ids(group_id)
        if mode is RestoreMode.FULL:
            stay = {each.held.rule for each in made.staying if each.held is not None}
            assert (
                meanings(after.groups[group_id].rules) == meanings(kept.group.rules) - lost | stay
            )
            assert after.groups[group_id].inner_access is kept.group.inner_access
        else:
            assert not any(isinstance(each, Revoke) for each in changes_of(made))
        assert changes_of(restore(after, kept, mode)) == []


@settings(max_examples=FEW)
@given(histories(), st.sampled_from(list(RestoreMode)), st.data())
def test_nothing_gapes_and_nothing_is_cut_on_the_way(
    history: tuple[World, World], mode: RestoreMode, part: st.DataObject
) -> None:
    before, now = history
    group_id = part.draw(st.sampled_from(sorted(before.groups)))
    try:
        changes = changes_of(restore(now, kept_of(before, group_id), mode))
    except NoSafeOrderError:
        assume(False)
    at_first, at_last = open_flows(now), open_flows(applied(now, changes))
    for moment in moments(now, changes, part):
        there = open_flows(moment)
        assert there <= at_first | at_last
        assert there >= at_first & at_last


@settings(max_examples=FEW)
@given(histories())
def test_no_rule_is_touched_that_need_not_be(history: tuple[World, World]) -> None:
    before, now = history
    kept = kept_of(before)
    try:
        changes = changes_of(restore(now, kept))
    except NoSafeOrderError:
        return
    added = [new.rule for each in changes if isinstance(each, Authorize) for new in each.rules]
    removed = [held.rule for each in changes if isinstance(each, Revoke) for held in each.held]
    assert len(added) == len(set(added))
    assert set(added) <= meanings(kept.group.rules) - meanings(now.groups["sg-1"].rules)
    assert set(removed) <= meanings(now.groups["sg-1"].rules) - meanings(kept.group.rules)


def there(*held: HeldRule, **fields: object) -> World:
    """sg-1 with these rules, and i-1 in it; i-2 is in sg-2."""
    made = group(rules=held, **fields)  # type: ignore[arg-type]  # as the test says
    other = group(group_id="sg-2", vpc_id=made.vpc_id)
    return world(
        groups=[made, other],
        instances=[
            instance(instance_id="i-1", groups=["sg-1"], vpc_id=made.vpc_id),
            instance(
                instance_id="i-2", addresses=["10.0.0.2"], groups=["sg-2"], vpc_id=made.vpc_id
            ),
        ],
        complete=["sg-1", "sg-2"],
    )


def test_rules_are_added_before_any_is_removed() -> None:
    narrow = rule(rule_id="sgr-n", peer="10.0.0.2/32")
    kept = kept_of(there(narrow))
    changes = changes_of(restore(there(rule(rule_id="sgr-w", peer="10.0.0.0/24")), kept))
    assert [takes_away(each) for each in changes] == [False, True]


def test_equal_rules_with_other_priorities_are_other_rules() -> None:
    one, two = rule(rule_id="sgr-1"), rule(rule_id="sgr-2", priority=2)
    made = restore(there(one), kept_of(there(one, two)))
    [change] = changes_of(made)
    assert isinstance(change, Authorize)
    assert [new.rule for new in change.rules] == [two.rule]


def test_accepts_and_drops_are_never_in_one_call() -> None:
    held = [
        rule(rule_id=f"sgr-{n}", priority=n, policy="drop" if n % 2 else "accept",
             peer=f"10.0.{n}.0/24")
        for n in range(1, 6)
    ]  # fmt: skip
    changes = changes_of(restore(there(), kept_of(there(*held))))
    assert [len(each.rules) for each in changes if isinstance(each, Authorize)] == [1] * 5


def test_a_thousand_rules_go_out_in_batches_of_a_hundred() -> None:
    held = [rule(rule_id=f"sgr-{n}", ports=str(n + 1)) for n in range(1000)]
    limits = Limits(rules_per_group=2000, rules_per_nic=2000)
    changes = changes_of(restore(there(), kept_of(there(*held)), limits=limits))
    assert [len(each.rules) for each in changes if isinstance(each, Authorize)] == [100] * 10


@pytest.mark.parametrize(
    ("held", "code"),
    [
        (rule(priority=110), LossCode.SYSTEM_RULE),
        (rule(protocol="other"), LossCode.PROTOCOL),
        (rule(ports=None), LossCode.PORTS),
        (rule(peer="pl-gone"), LossCode.LIST_GONE),
    ],
)
def test_what_cannot_be_made_again_is_listed(held: HeldRule, code: LossCode) -> None:
    made = restore(there(), kept_of(there(held)))
    assert [(each.code, each.held) for each in made.losses] == [(code, held)]
    assert changes_of(made) == []


def test_a_named_group_of_which_nothing_is_known_is_listed() -> None:
    held = rule(peer="sg-gone")
    kept = kept_of(there(held))
    gone = frozenset({GroupRef("sg-gone", ACCOUNT)})
    made = plan_restore(
        there(), [Target("sg-1", kept)], {}, RestoreMode.FULL,
        limits=Limits(), bounds=WIDE, gone=gone,
    )  # fmt: skip
    assert [each.code for each in made.losses] == [LossCode.GROUP_GONE]


def test_a_rule_of_the_system_is_never_removed() -> None:
    made = restore(there(rule(priority=110)), kept_of(there()))
    assert [each.held.rule.priority for each in made.staying if each.held] == [110]
    assert changes_of(made) == []


def test_members_that_are_gone_locked_or_in_other_networks_are_listed() -> None:
    was = there()
    kept = kept_of(was)
    gone = replace(was, instances={"i-2": was.instances["i-2"]})
    assert [each.code for each in restore(gone, kept).losses] == [LossCode.INSTANCE_GONE]
    outside = replace(
        was.instances["i-1"], enis=(replace(was.instances["i-1"].primary, group_ids=frozenset()),)
    )
    for fields, code in (
        ({"locks": frozenset({"security"})}, LossCode.INSTANCE_LOCKED),
        ({"status": "Starting"}, LossCode.INSTANCE_STATUS),
        ({"vpc_id": VPC}, LossCode.NETWORK),
    ):
        moved = replace(outside, **fields)
        now = replace(was, instances={**was.instances, "i-1": moved})
        assert [each.code for each in restore(now, kept).losses] == [code]


def test_a_member_does_not_leave_its_only_group() -> None:
    was = there()
    kept = replace(kept_of(was), members=())
    made = restore(was, kept)
    assert [each.instance_id for each in made.staying] == ["i-1"]
    assert changes_of(made) == []


def test_a_quota_cuts_off_what_is_judged_last_and_then_nothing_is_removed() -> None:
    held = [rule(rule_id=f"sgr-{n}", priority=n, peer=f"10.0.{n}.0/24") for n in range(1, 6)]
    now = there(rule(rule_id="sgr-old", peer="10.9.0.0/16"))
    made = restore(now, kept_of(there(*held)), limits=Limits(rules_per_group=4))
    assert [each.held.rule.priority for each in made.losses if each.held] == [4, 5]
    assert {each.code for each in made.losses} == {LossCode.QUOTA}
    assert [each.held.rule_id for each in made.staying if each.held] == ["sgr-old"]
    assert not any(isinstance(each, Revoke) for each in changes_of(made))


def test_a_group_in_its_maximum_of_names_takes_no_further_one() -> None:
    held = [rule(rule_id=f"sgr-{n}", peer=f"sg-x{n}") for n in range(3)]
    made = restore(there(), kept_of(there(*held)), limits=Limits(peer_groups_per_group=2))
    assert [each.code for each in made.losses] == [LossCode.QUOTA]


def test_what_lets_everybody_in_again_is_refused() -> None:
    kept = kept_of(there(rule(rule_id="sgr-w")))
    with pytest.raises(GuardrailViolationError) as refused:
        restore(there(), kept, bounds=Bounds())
    told: Any = refused.value.facts["rules"]
    assert [each["peer"] for each in told] == [{"cidr": "0.0.0.0/0"}]
    partly = restore(there(), kept, RestoreMode.PARTIAL, bounds=Bounds())
    assert [each.code for each in partly.losses] == [LossCode.GUARDRAIL]
    assert changes_of(partly) == []
    halves = [
        rule(rule_id=f"sgr-{n}", peer=each) for n, each in enumerate(("0.0.0.0/1", "128.0.0.0/1"))
    ]
    with pytest.raises(GuardrailViolationError):
        restore(there(), kept_of(there(*halves)), bounds=Bounds())
    public = kept_of(there(rule(rule_id="sgr-p", nic_type="internet")))
    assert changes_of(restore(there(), public, bounds=Bounds()))
    standing = there(rule(rule_id="sgr-all", protocol="all", priority=3))
    assert changes_of(restore(standing, kept, bounds=Bounds()))


def test_groups_of_products_and_of_other_networks_are_not_touched() -> None:
    kept = kept_of(there())
    managed = there()
    managed = replace(
        managed, groups={**managed.groups, "sg-1": replace(managed.groups["sg-1"], managed=True)}
    )
    with pytest.raises(TargetManagedError):
        restore(managed, kept)
    with pytest.raises(BackupMismatchError):
        restore(there(vpc_id=VPC), kept)


def test_a_deleted_group_is_made_anew_with_its_name_kind_policy_and_members() -> None:
    was = there(rule(peer="10.0.0.2/32"), inner_access="drop")
    kept = kept_of(was)
    left = {"i-1": replace(was.instances["i-1"], enis=(
        replace(was.instances["i-1"].primary, group_ids=frozenset({"sg-2"})),))}  # fmt: skip
    now = replace(
        was,
        groups={"sg-2": was.groups["sg-2"]},
        instances={**was.instances, **left},
        complete=frozenset({"sg-2"}),
    )
    target = Target("sg-new-1", kept)
    made = plan_restore(
        now, [target], {kept.group.ref: "sg-new-1"}, RestoreMode.FULL,
        limits=Limits(), bounds=WIDE,
    )  # fmt: skip
    kinds = [type(each) for each in changes_of(made)]
    assert kinds == [CreateGroup, SetInnerAccess, Authorize, Join]
    after = applied(now, changes_of(made))
    assert meanings(after.groups["sg-new-1"].rules) == meanings(kept.group.rules)
    assert after.member_ids("sg-new-1") == {"i-1"}


def test_an_enterprise_group_is_made_anew_as_one() -> None:
    was = there(vpc_id=VPC, kind=GroupKind.ENTERPRISE)
    kept = replace(kept_of(was), members=())
    now = replace(was, groups={"sg-2": was.groups["sg-2"]})
    made = plan_restore(
        now, [Target("sg-new-1", kept)], {}, RestoreMode.FULL, limits=Limits(), bounds=WIDE
    )
    [create] = changes_of(made)
    assert isinstance(create, CreateGroup)
    assert create.kind is GroupKind.ENTERPRISE


def test_a_description_keeps_what_people_wrote() -> None:
    assert unmarked("intercom:op-1:3 orders read the database") == "orders read the database"
    assert unmarked("intercom:op-1:3") == ""
    assert unmarked("intercom is a word") == "intercom is a word"


def test_opening_and_closing_again_is_found() -> None:
    held, now = rule(peer="10.0.0.2/32"), there()
    place, direction = now.groups["sg-1"].place, held.rule.direction
    add = Authorize(place, "sg-1", direction, (NewRule(held.rule),))
    back = Revoke(place, "sg-1", direction, now.after(add).groups["sg-1"].rules)
    assert is_seamless(now, [add])
    assert not is_seamless(now, [add, back])
