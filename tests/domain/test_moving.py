"""A move leads through no moment in which an asked flow is blocked or anything else is open."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from app.domain.changes import (
    AddedRule,
    Authorize,
    Change,
    CreatedGroup,
    CreateGroup,
    Effect,
    Join,
    Joined,
)
from app.domain.connections import LedgerEntry
from app.domain.disconnecting import depart
from app.domain.errors import AppError, NoSafeOrderError
from app.domain.flows import Traffic
from app.domain.intents import InstanceSide, Intent, MethodName, Scope
from app.domain.moving import moved_request, plan_move, way_of
from app.domain.plan import Limits
from app.domain.planning import Bounds, plan_connection
from app.domain.rules import Direction, PortRange, Protocol
from app.domain.world import World
from tests.domain.test_comparing import estates, passing, wanted, wishes
from tests.support.worlds import group, instance, place, rule, world

LIMITS, BOUNDS, MINE = Limits(), Bounds(), frozenset({"mine"})


def made(of: World, changes: Sequence[Change]) -> World:
    for change in changes:
        of = of.after(change)
    return of


def connected(of: World, intent: Intent) -> tuple[World, tuple[LedgerEntry, ...]]:
    """The world with a connection in it, and what of it is ours; ids as if the cloud gave them."""
    changes = [each.change for each in plan_connection(of, intent, LIMITS, BOUNDS).changes]
    names = {each.group_id: "sg-mine" for each in changes if isinstance(each, CreateGroup)}
    changes = [replace(each, group_id=names.get(each.group_id, each.group_id)) for each in changes]
    after = made(of, changes)
    groups = {
        group_id: replace(
            each,
            rules=tuple(
                replace(held, rule_id=held.rule_id.replace("new-", f"sgr-mine-{group_id}-"))
                for held in each.rules
            ),
        )
        for group_id, each in after.groups.items()
    }
    after = replace(after, groups=groups)
    effects: list[Effect] = []
    for change in changes:
        match change:
            case CreateGroup(home, group_id, name, vpc_id):
                effects.append(CreatedGroup(home, group_id, name, vpc_id))
            case Join(home, group_id, instance_id):
                effects.append(Joined(home, group_id, instance_id))
            case Authorize(home, group_id, _, rules):
                wished = {each.rule for each in rules}
                effects += [
                    AddedRule(home, group_id, held)
                    for held in after.groups[group_id].rules
                    if held.rule in wished and "mine" in held.rule_id
                ]
            case _:
                pass
    entries = (LedgerEntry(f"e{each}", "op", effect, MINE) for each, effect in enumerate(effects))
    return after, tuple(entries)


@settings(max_examples=120, deadline=None)
@given(st.data(), estates(), st.sampled_from(MethodName), st.sampled_from(MethodName))
def test_no_asked_flow_is_ever_blocked_and_nothing_outside_before_and_after_is_ever_open(
    data: st.DataObject, of: World, first: MethodName, second: MethodName
) -> None:
    wish = replace(data.draw(wishes(of)), max_extra_pairs=None)
    old = replace(wish, method=first)
    new = replace(wish, method=second, scope=data.draw(st.sampled_from(Scope)))
    try:
        standing, entries = connected(of, old)
        moving = plan_move(
            standing, old, new, depart(standing, entries, "mine"), limits=LIMITS, bounds=BOUNDS
        )
    except NoSafeOrderError:
        return  # refused with the reason: nothing is moved
    except AppError:
        reject()
    ids, asked = sorted(of.instances), wanted(of, wish)
    changes = [each.change for each in moving.plan.changes]
    moments = [standing]
    for change in changes:
        moments.append(moments[-1].after(change))
    walked = [passing(each, ids) for each in moments]
    for now in walked:
        assert asked <= now
        assert now <= walked[0] | walked[-1]
        assert walked[0] & walked[-1] <= now
    if old != new:
        assert walked[-1] == passing(made(of, fresh_path(of, new)), ids)


def fresh_path(of: World, new: Intent) -> list[Change]:
    """What connecting by the new way alone would do."""
    return [each.change for each in plan_connection(of, new, LIMITS, BOUNDS).changes]


def test_one_side_is_moved_before_the_other_where_both_are_opened_by_rules() -> None:
    """What the old egress rule and the new ingress rule open together was asked for by nobody."""
    hold = rule(
        rule_id="sgr-hold", direction="egress", peer="10.0.0.0/8", policy="drop", priority=50
    )
    of = world(
        groups=[group(group_id="sg-a", rules=[hold]), group(group_id="sg-b")],
        instances=[
            instance(instance_id="i-0", addresses=["10.0.0.1"], groups=["sg-a"]),
            instance(instance_id="i-1", addresses=["10.0.0.2"], groups=["sg-a"]),
            instance(instance_id="i-2", addresses=["10.0.0.3"], groups=["sg-b"]),
        ],
        references={"sg-a": (), "sg-b": ()},
    )
    old = Intent(
        method=MethodName.ADDRESS_RULES,
        source=InstanceSide(place(), ("i-0",)),
        target=InstanceSide(place(), ("i-2",)),
        traffic=(Traffic(Protocol.TCP, PortRange(22, 22)),),
        scope=Scope.GROUP,
        override_drops=True,
    )
    new = replace(old, method=MethodName.GROUP_AUTHORIZATION, scope=Scope.INSTANCE)
    standing, entries = connected(of, old)
    departure = depart(standing, entries, "mine")
    moving = plan_move(standing, old, new, departure, limits=LIMITS, bounds=BOUNDS)
    said = [(type(each.change).__name__, each.change.direction) for each in moving.plan.changes]  # type: ignore[union-attr]  # rules all
    egress, ingress = Direction.EGRESS, Direction.INGRESS
    assert said == [
        ("Authorize", egress), ("Revoke", egress), ("Authorize", ingress), ("Revoke", ingress),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "to",
    [
        {"method": "address_rules", "scope": "group", "priority": 7},
        {"method": "shared_group", "security_group_id": "sg-1"},
        {"method": "dedicated_group", "group_name": "made-for-it", "max_extra_pairs": 3},
        {"method": "group_authorization", "source_security_group_id": "sg-2"},
    ],
)
def test_moving_to_the_way_that_a_request_has_gives_it_back(to: dict[str, object]) -> None:
    request = {
        "method": "group_authorization",
        "source": {"account_id": "1", "region_id": "r", "instance_ids": ["i-1"]},
        "target": {
            "account_id": "1", "region_id": "r", "instance_ids": ["i-2"],
            "security_group_id": "sg-3",
        },
        "flows": [{"protocol": "tcp", "port_range": "22/22"}],
        "priority": 2,
        "reason": "why",
    }  # fmt: skip
    moved = moved_request(request, to)
    assert way_of(moved) == to
    assert moved_request(moved, way_of(request)) == request
