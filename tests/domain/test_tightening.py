"""Tightening random estates: judged at every state on the way by the simulator's packet walk."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import pytest

from app.domain.addresses import AddressFamily, Block
from app.domain.changes import Authorize, Change, Revoke
from app.domain.errors import AppError, NotATighteningError
from app.domain.evaluate import Evaluator
from app.domain.flows import Flow, Traffic
from app.domain.intents import InstanceSide, Intent, MethodName
from app.domain.plan import Limits, is_open
from app.domain.planning import Bounds
from app.domain.rules import Direction, NicType, Policy, PortRange, Protocol
from app.domain.tightening import Need, Tightening, plan_tighten
from app.domain.world import AddressEnd, End, InterfaceEnd, World
from tests.domain.test_difference_properties import covering
from tests.support import worlds
from tests.support.chance import Chance, Seeded
from tests.support.regions import an_estate
from tests.support.walking import Walker

TRAFFIC = tuple(
    Traffic(protocol, PortRange(port, port))
    for protocol in (Protocol.TCP, Protocol.UDP)
    for port in (1, 22, 30, 80, 65535)
)
STRANGER = AddressEnd(Block.parse("10.9.9.9/32"))
FROM = PortRange(2000, 2000)
"""The source port of packets that are walked."""

EVERYWHERE = tuple(PortRange(port, port) for port in (1, 1023, 1024, 2000, 39999, 40000, 65535))
"""Source ports about which rules of random estates may speak differently."""


def drawn(seed: str) -> tuple[World, str, list[str] | None, list[Need]] | None:
    """An estate, a group of it with rules that let in, and what is needed of what is open."""
    chance = Seeded(seed)
    world = an_estate(chance)
    groups = [
        group
        for group in world.groups.values()
        if not group.managed
        and world.members(group.group_id)
        and any(_lets_in(held.rule.direction, held.rule.policy) for held in group.rules)
    ]
    if not groups:
        return None
    group = chance.one(groups)
    rules = [
        held.rule_id for held in group.rules if _lets_in(held.rule.direction, held.rule.policy)
    ]
    needs = _needs(chance, world, sorted(world.member_ids(group.group_id)))
    if not needs:
        return None
    return world, group.group_id, chance.some(rules, len(rules) // 2 + 1, len(rules)), needs


def _lets_in(direction: Direction, policy: Policy) -> bool:
    return (direction, policy) == (Direction.INGRESS, Policy.ACCEPT)


def _needs(chance: Chance, world: World, members: Sequence[str]) -> list[Need]:
    """Some flows towards the members that are open today."""
    evaluator = Evaluator(world)
    found: list[Need] = []
    for _ in range(12):
        target = world.instances[chance.one(members)]
        source = world.instances[chance.one(sorted(world.instances))]
        if source == target or source.place.region_id != target.place.region_id:
            continue
        intent = Intent(
            method=chance.one([MethodName.ADDRESS_RULES, MethodName.GROUP_AUTHORIZATION]),
            source=InstanceSide(source.place, (source.instance_id,)),
            target=InstanceSide(target.place, (target.instance_id,)),
            traffic=(chance.one(TRAFFIC),),
        )
        ends = _primary(world, source.instance_id), _primary(world, target.instance_id)
        flow = Flow(*ends, intent.traffic[0])
        if is_open(evaluator.explain(flow)):
            found.append(Need(intent))
    return found[:3]


def _primary(world: World, instance_id: str) -> InterfaceEnd:
    instance = world.instances[instance_id]
    block = next(each for each in instance.primary.addresses if each.family == "ipv4")
    return InterfaceEnd(instance, instance.primary, block)


def planned(world: World, group_id: str, rules: list[str] | None, needs: list[Need]) -> Tightening:
    return plan_tighten(world, group_id, rules, needs, limits=Limits(), bounds=Bounds())


def ends(world: World) -> list[End]:
    return [*world.ends(NicType.INTRANET, AddressFamily.IPV4), STRANGER]


def packets(world: World) -> Iterator[Flow]:
    for source, target in product(ends(world), ends(world)):
        inside = [end.instance for end in (source, target) if isinstance(end, InterfaceEnd)]
        if inside and inside[0] not in inside[1:]:
            for traffic in TRAFFIC:
                yield Flow(source, target, Traffic(traffic.protocol, traffic.ports, FROM))


def key(flow: Flow) -> tuple[object, ...]:
    def name(end: End) -> object:
        return (end.eni.eni_id, end.block) if isinstance(end, InterfaceEnd) else None

    return name(flow.source), name(flow.target), flow.traffic


def walker_of(world: World) -> Walker:
    """The walk of a world that has rules of a plan: those of two groups may share an id."""
    groups = {
        group.group_id: replace(
            group,
            rules=tuple(
                replace(held, rule_id=f"sgr-{group.group_id}-{held.rule_id}")
                for held in group.rules
            ),
        )
        for group in world.groups.values()
    }
    return Walker(replace(world, groups=groups))


def passing(world: World) -> set[tuple[object, ...]]:
    walker = walker_of(world)
    return {key(flow) for flow in packets(world) if walker.walk(flow).is_reachable}


def asked(world: World, need: Need, source_port: PortRange = FROM) -> Flow:
    assert isinstance(need.intent.source, InstanceSide)
    source = _primary(world, need.intent.source.instance_ids[0])
    target = _primary(world, need.intent.target.instance_ids[0])
    traffic = need.intent.traffic[0]
    return Flow(source, target, Traffic(traffic.protocol, traffic.ports, source_port))


def states(world: World, changes: Sequence[Change]) -> Iterator[World]:
    """The world after each rule alone, as if every call were cut short everywhere."""
    for change in changes:
        match change:
            case Authorize(rules=rules):
                for number in range(1, len(rules) + 1):
                    yield world.after(Authorize(change.place, change.group_id,
                                                change.direction, rules[:number]))  # fmt: skip
            case Revoke(held=held):
                for number in range(1, len(held) + 1):
                    yield world.after(Revoke(change.place, change.group_id,
                                             change.direction, held[:number]))  # fmt: skip
            case _:
                pass
        world = world.after(change)
        yield world


def check(seed: str) -> bool:
    """Hold one tightening against the packet walk; False where none can be planned."""
    found = drawn(seed)
    if found is None:
        return False
    world, group_id, rules, needs = found
    try:
        made = planned(world, group_id, rules, needs)
    except AppError:
        return False
    changes = [each.change for each in made.plan.changes]
    *_, last = states(world, changes)
    before, after = passing(world), passing(last)
    needed = {key(asked(world, need)) for need in needs}
    assert needed <= before & after, seed
    for state in states(world, changes):
        now = passing(state)
        assert needed <= now <= before | after, seed
    _check_lost(made, world, before, after, seed)
    _check_least(made, last, needs, seed)
    return True


def _check_lost(
    made: Tightening,
    world: World,
    before: set[tuple[object, ...]],
    after: set[tuple[object, ...]],
    seed: str,
) -> None:
    """What is listed as lost is what the walk loses."""
    if made.plan.difference.lost.truncated:
        return
    for flow in packets(world):
        is_lost = key(flow) in before - after
        listed = covering(made.plan.difference.lost.items, flow)
        assert bool(listed) is is_lost, (seed, flow)


def _check_least(made: Tightening, last: World, needs: Sequence[Need], seed: str) -> None:
    """Without any one of the added rules something that is needed is closed."""
    added = {
        (planned.change.group_id, new.rule)
        for planned in made.plan.changes
        if isinstance(planned.change, Authorize)
        for new in planned.change.rules
    }
    for group_id, rule in added:
        group = last.groups[group_id]
        [held] = [each for each in group.rules if each.rule == rule]
        fewer = last.after(Revoke(group.place, group_id, rule.direction, (held,)))
        walker = walker_of(fewer)
        assert not all(
            walker.walk(asked(fewer, need, source_port)).is_reachable
            for need in needs
            for source_port in EVERYWHERE
        ), seed


@pytest.mark.parametrize("block", range(4))
def test_what_is_needed_stays_open_and_nothing_else_opens(block: int) -> None:
    made = sum(check(f"tighten {block}/{number}") for number in range(60))
    assert made >= 15


@pytest.mark.long
@pytest.mark.parametrize("block", range(20))
def test_what_is_needed_stays_open_on_very_many_estates(block: int) -> None:
    made = sum(check(f"long tighten {block}/{number}") for number in range(1000))
    assert made >= 250


def test_a_path_that_would_close_another_one_is_refused() -> None:
    wide = worlds.rule(rule_id="sgr-wide", protocol="all", priority=5)
    drop = worlds.rule(
        rule_id="sgr-drop", policy="drop", protocol="tcp", ports="22", peer="10.0.0.0/24"
    )
    held = {"sg-open": [wide], "sg-a": [], "sg-b": [drop]}
    start = worlds.world(
        groups=[worlds.group(group_id=name, rules=rules) for name, rules in held.items()],
        instances=[
            worlds.instance(instance_id="i-t", groups=["sg-open"], addresses=["10.0.0.1"]),
            worlds.instance(instance_id="i-1", groups=["sg-a"], addresses=["10.0.0.2"]),
            worlds.instance(instance_id="i-2", groups=["sg-b"], addresses=["10.0.0.3"]),
        ],
    )

    def need(source: str, port: int, method: MethodName, group_id: str | None = None) -> Need:
        intent = Intent(
            method=method,
            source=InstanceSide(worlds.place(), (source,)),
            target=InstanceSide(worlds.place(), ("i-t",)),
            traffic=(Traffic(Protocol.TCP, PortRange(port, port)),),
            group_id=group_id,
        )
        return Need(intent, is_chosen=True)

    first = need("i-1", 22, MethodName.ADDRESS_RULES)
    joining = need("i-2", 80, MethodName.SHARED_GROUP, group_id="sg-b")
    with pytest.raises(NotATighteningError, match="would close another one"):
        planned(start, "sg-open", None, [first, joining])
    elsewhere = need("i-1", 23, MethodName.ADDRESS_RULES)
    assert planned(start, "sg-open", None, [elsewhere, joining]).plan.difference.lost.pairs
