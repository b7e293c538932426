"""What must be true of every world: all that blocks is named, and the remedy opens it."""

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from app.domain.changes import Authorize, Change, Revoke
from app.domain.evaluate import explain
from app.domain.flows import EVERYTHING, Cause, Flow, Outcome, Traffic, Verdict
from app.domain.hindrances import Hindrance, HindranceCode, hindrances
from app.domain.judging.matching import ONE_FAMILY
from app.domain.remedies import remedy
from app.domain.rules import Direction, NicType, Policy, PortRange, Protocol
from app.domain.world import AddressEnd, GroupEnd, InterfaceEnd, World
from tests.support.strategies import ends, families, planes, worlds

DROPS = {
    HindranceCode.INGRESS_DROP: Direction.INGRESS,
    HindranceCode.EGRESS_DROP: Direction.EGRESS,
}
DEFAULTS = {
    Direction.INGRESS: HindranceCode.INGRESS_DEFAULT,
    Direction.EGRESS: HindranceCode.EGRESS_DEFAULT,
}

traffics = st.sampled_from(
    [
        EVERYTHING,
        Traffic(Protocol.TCP),
        Traffic(Protocol.TCP, PortRange(22, 22)),
        Traffic(Protocol.TCP, PortRange(22, 22)),
        Traffic(Protocol.TCP, PortRange(22, 22), PortRange(30, 30)),
        Traffic(Protocol.TCP, PortRange(20, 31), PortRange(30, 30)),
        Traffic(Protocol.UDP, PortRange(19, 23)),
        Traffic(Protocol.ICMP),
        Traffic(Protocol.ICMPV6),
        Traffic(Protocol.OTHER),
    ]
)


@st.composite
def flows(draw: st.DrawFn, of: World) -> Flow:
    """A flow between any two ends, at least one of them an interface where there is one."""
    plane, family = draw(planes), draw(families)
    traffic = draw(traffics.filter(lambda each: ONE_FAMILY.get(each.protocol, family) is family))
    everyone = ends(of, plane, family)
    interfaces = list(of.ends(plane, family)) or everyone
    pair = [draw(st.sampled_from(interfaces)), draw(st.sampled_from([*interfaces * 2, *everyone]))]
    source, target = draw(st.permutations(pair))
    return Flow(source, target, traffic, plane, family)


def without(world: World, named: Iterable[Hindrance]) -> World:
    """Return the world without the named rules."""
    gone = {each.rule_id for each in named}
    groups = {
        key: replace(group, rules=tuple(h for h in group.rules if h.rule_id not in gone))
        for key, group in world.groups.items()
    }
    return replace(world, groups=groups)


def after(world: World, changes: Iterable[Change]) -> World:
    return reduce(World.after, changes, world)


@st.composite
def judged(draw: st.DrawFn, of: World) -> list[Verdict]:
    """Verdicts about some flows."""
    return [explain(of, flow) for flow in draw(st.lists(flows(of), min_size=4, max_size=8))]


def routed(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Those that are blocked, though there is a route."""
    return [
        each
        for each in verdicts
        if each.outcome is Outcome.BLOCKED and each.cause is not Cause.NO_ROUTE
    ]


@given(st.data(), worlds())
def test_something_stands_in_the_way_of_a_flow_exactly_when_it_is_blocked(
    data: st.DataObject, world: World
) -> None:
    for verdict in data.draw(judged(world)):
        assert bool(hindrances(world, verdict)) is (verdict.outcome is Outcome.BLOCKED)


@given(st.data(), worlds())
def test_every_named_drop_blocks_also_where_no_other_named_drop_stands(
    data: st.DataObject, world: World
) -> None:
    for verdict in routed(data.draw(judged(world))):
        _check_drops(world, verdict)


def _check_drops(world: World, verdict: Verdict) -> None:
    drops = [each for each in hindrances(world, verdict) if each.code in DROPS]
    for drop in drops:
        alone = explain(without(world, (each for each in drops if each != drop)), verdict.flow)
        side = alone.ingress if drop.code is HindranceCode.INGRESS_DROP else alone.egress
        assert drop.rule_id in {rule.held.rule_id for rule in side.rules}
        assert {rule.held.rule.policy for rule in side.rules} == {Policy.DROP}


@given(st.data(), worlds())
def test_a_side_blocks_no_longer_without_its_named_drops_and_default(
    data: st.DataObject, world: World
) -> None:
    for verdict in routed(data.draw(judged(world))):
        _check_rest(world, verdict)


def _check_rest(world: World, verdict: Verdict) -> None:
    found = hindrances(world, verdict)
    codes = {each.code for each in found}
    rest = explain(without(world, (each for each in found if each.code in DROPS)), verdict.flow)
    for direction, side in (
        (Direction.INGRESS, rest.ingress),
        (Direction.EGRESS, rest.egress),
    ):
        blocked = side.outcome.value == Outcome.BLOCKED.value
        assert blocked is (DEFAULTS[direction] in codes)
        assert not (blocked and side.cause is Cause.RULE)


@given(st.data(), worlds(all_read=True))
def test_the_remedy_opens_the_flow_and_none_of_its_rules_can_be_spared(
    data: st.DataObject, world: World
) -> None:
    for verdict in routed(data.draw(judged(world))):
        if GroupEnd not in {type(verdict.flow.source), type(verdict.flow.target)}:
            _check_remedy(world, verdict)


def _check_remedy(world: World, verdict: Verdict) -> None:
    flow = verdict.flow
    changes = [each.change for each in remedy(world, verdict)]
    assert changes
    assert explain(after(world, changes), flow).outcome is Outcome.REACHABLE
    for spared in range(len(changes)):
        for less in _smaller(changes[spared]):
            some = [*changes[:spared], *less, *changes[spared + 1 :]]
            assert explain(after(world, some), flow).outcome is not Outcome.REACHABLE


def _smaller(change: Change) -> list[list[Change]]:
    """The change without one of its rules, for each of them."""
    match change:
        case Authorize(rules=items):
            parts = [items[:at] + items[at + 1 :] for at in range(len(items))]
            return [[replace(change, rules=part)] if part else [] for part in parts]
        case Revoke(held=held):
            some = [held[:at] + held[at + 1 :] for at in range(len(held))]
            return [[replace(change, held=part)] if part else [] for part in some]
        case _:
            raise AssertionError(change)


@given(st.data(), worlds())
def test_a_remedy_is_missing_only_where_no_rule_surely_helps(
    data: st.DataObject, world: World
) -> None:
    for verdict in data.draw(judged(world)):
        _check_absence(world, verdict)


def _check_absence(world: World, verdict: Verdict) -> None:
    flow = verdict.flow
    changes = [each.change for each in remedy(world, verdict)]
    if changes:
        assert verdict.outcome is Outcome.BLOCKED
        assert explain(after(world, changes), flow).outcome is Outcome.REACHABLE
        return
    unread = any(
        each.code is HindranceCode.UNREADABLE and each.rule_id is None
        for each in hindrances(world, verdict)
    )
    assert (
        verdict.outcome is not Outcome.BLOCKED
        or verdict.cause is Cause.NO_ROUTE
        or unread
        or isinstance(flow.source, GroupEnd)
        or isinstance(flow.target, GroupEnd)
    )


@given(st.data(), worlds())
def test_what_the_remedy_accepts_is_the_asked_pair_and_no_other(
    data: st.DataObject, world: World
) -> None:
    for verdict in data.draw(judged(world)):
        for planned in remedy(world, verdict):
            if isinstance(planned.change, Authorize):
                _check_accept(verdict.flow, planned.change)


def _check_accept(flow: Flow, change: Authorize) -> None:
    (new,) = change.rules
    own, other = flow.source, flow.target
    if new.rule.direction is Direction.INGRESS:
        own, other = other, own
    assert isinstance(own, InterfaceEnd)
    if isinstance(other, InterfaceEnd | AddressEnd):
        assert new.rule.peer == other.block
    assert new.rule.own == (None if new.rule.peer == own.block else own.block)
    assert own.instance.is_classic or new.rule.nic_type is NicType.INTRANET
    assert own.eni.group_ids >= {change.group_id}
    assert 1 <= new.rule.priority <= 100
