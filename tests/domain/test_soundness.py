"""What a plan says is what it does: on generated estates, and nothing else is ever kept."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from app.domain.addresses import AddressFamily, Block
from app.domain.changes import Authorize, NewRule
from app.domain.difference import Exposure
from app.domain.errors import AppError
from app.domain.evaluate import Evaluator
from app.domain.flows import Flow, Outcome, Traffic
from app.domain.groups import Place
from app.domain.intents import AddressSide, InstanceSide, Intent, MethodName, Scope
from app.domain.methods import METHODS
from app.domain.plan import AskedFlow, Limits, Plan, PlannedChange, Proposal, asked_flows
from app.domain.planning import Bounds, foretell, plan_connection
from app.domain.rules import Direction, NicType, PortRange, Protocol, Rule
from app.domain.soundness import UnsoundPlanError, check
from app.domain.world import End, GroupEnd, InterfaceEnd, World
from tests.domain.test_difference_properties import all_packets, covering
from tests.support.strategies import ends, worlds
from tests.support.worlds import ACCOUNT, REGION, group, instance, world

HERE = Place(ACCOUNT, REGION)
TRAFFICS = (
    Traffic(Protocol.TCP, PortRange(22, 22)),
    Traffic(Protocol.TCP, PortRange(20, 30)),
    Traffic(Protocol.TCP, PortRange(31, 40)),
    Traffic(Protocol.UDP, PortRange(1, 65535)),
    Traffic(Protocol.GRE),
    Traffic(Protocol.ALL),
)
ADDRESSES = ("10.0.0.8/32", "10.0.0.9/32", "10.0.0.4/30")
LIMITS, BOUNDS = Limits(), Bounds()


@st.composite
def intents(draw: st.DrawFn) -> Intent:
    ids = draw(st.permutations(["i-0", "i-1", "i-2"]))
    cut = draw(st.integers(1, 2))
    method = draw(st.sampled_from(MethodName))
    target = InstanceSide(HERE, tuple(ids[cut:]))
    source: InstanceSide | AddressSide = InstanceSide(HERE, tuple(ids[:cut]))
    family = draw(st.sampled_from([AddressFamily.IPV4] * 3 + [AddressFamily.IPV6]))
    if method is MethodName.ADDRESS_RULES and family is AddressFamily.IPV4 and draw(st.booleans()):
        texts = draw(st.lists(st.sampled_from(ADDRESSES), min_size=1, unique=True))
        source = AddressSide(tuple(Block.read(text) for text in texts))
    return Intent(
        method=method,
        source=source,
        target=target,
        traffic=tuple(
            draw(st.lists(st.sampled_from(TRAFFICS), min_size=1, max_size=3, unique=True))
        ),
        scope=draw(st.sampled_from(Scope)),
        bidirectional=isinstance(source, InstanceSide) and draw(st.booleans()),
        override_drops=draw(st.booleans()),
        family=family,
    )


@settings(max_examples=60, deadline=None)
@given(st.data(), worlds(), intents())
def test_a_plan_opens_what_it_lists_and_nothing_else(
    data: st.DataObject, of: World, intent: Intent
) -> None:
    try:
        plan = plan_connection(of, intent, LIMITS, BOUNDS)
    except AppError:
        reject()
    after = of
    for planned in plan.changes:
        after = after.after(planned.change)
    before, now = Evaluator(of), Evaluator(after)
    everybody = [
        end
        for end in ends(of, NicType.INTRANET, intent.family)
        if not isinstance(end, GroupEnd)  # its members are addresses, and judged as such
    ]
    packets = data.draw(
        st.lists(st.sampled_from(all_packets(intent.family)), min_size=3, max_size=3, unique=True)
    )
    if plan.difference.gained.truncated or plan.difference.lost.truncated:
        return  # what is not listed cannot be looked up; the counts are proven elsewhere
    for source, target, packet in product(everybody, everybody, packets):
        inside = [end.instance for end in (source, target) if isinstance(end, InterfaceEnd)]
        if not inside or inside[0] in inside[1:]:
            continue
        flow = Flow(source, target, packet, NicType.INTRANET, intent.family)
        again = replace(flow, source=_there(after, source), target=_there(after, target))
        was, became = before.explain(flow).outcome, now.explain(again).outcome
        if covering(plan.difference.gained.items, flow):
            assert became is not Outcome.BLOCKED
            assert was is not Outcome.REACHABLE
        elif became is not was:
            assert covering(plan.difference.lost.items, flow), (flow, plan.changes)
    if intent.method is MethodName.ADDRESS_RULES and intent.scope is Scope.INSTANCE:
        assert plan.difference.extra_pairs == 0
        assert all(item.asked for item in plan.difference.gained.items)


def _there(after: World, end: End) -> End:
    if isinstance(end, InterfaceEnd):
        moved = after.instances[end.instance.instance_id]
        eni = next(each for each in moved.enis if each.eni_id == end.eni.eni_id)
        return InterfaceEnd(moved, eni, end.block)
    return end


# --- plans that are not what they say --------------------------------------------------

OF = world(
    groups=[
        group(group_id="sg-a", vpc_id="vpc-1", inner_access="drop"),
        group(group_id="sg-b", vpc_id="vpc-1", inner_access="drop"),
    ],
    instances=[
        instance(instance_id="i-0", addresses=["10.0.0.1"], groups=["sg-a"], vpc_id="vpc-1"),
        instance(instance_id="i-1", addresses=["10.0.0.2"], groups=["sg-b"], vpc_id="vpc-1"),
        instance(instance_id="i-2", addresses=["10.0.0.3"], groups=["sg-b"], vpc_id="vpc-1"),
    ],
)
WISH = Intent(
    MethodName.ADDRESS_RULES,
    InstanceSide(HERE, ("i-0",)),
    InstanceSide(HERE, ("i-1", "i-2")),
    (Traffic(Protocol.TCP, PortRange(22, 22)),),
)


def proposed() -> tuple[list[AskedFlow], Proposal]:
    evaluator = Evaluator(OF)
    asked = [AskedFlow(flow, evaluator.explain(flow)) for flow in asked_flows(OF, WISH)]
    return asked, METHODS[WISH.method].propose(OF, WISH, asked, LIMITS)


def foretold(asked: list[AskedFlow], proposal: Proposal) -> Plan:
    return foretell(OF, WISH, proposal, asked, LIMITS)


def with_rules(proposal: Proposal, *rules: Rule) -> Proposal:
    (planned,) = proposal.changes
    change = Authorize(HERE, "sg-b", Direction.INGRESS, tuple(NewRule(rule) for rule in rules))
    return replace(proposal, changes=(PlannedChange(change, planned.reason),))


def test_neighbouring_targets_share_a_rule_and_the_plan_is_sound() -> None:
    asked, proposal = proposed()
    plan = foretold(asked, proposal)
    (planned,) = plan.changes
    assert isinstance(planned.change, Authorize)
    (new,) = planned.change.rules
    assert str(new.rule.own) == "10.0.0.2/31"
    assert sum(len(each.rules) for each in proposal.singly if isinstance(each, Authorize)) == 2
    assert plan.difference.gained.pairs == 2
    assert plan.difference.extra_pairs == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"ports": PortRange(22, 23)},
        {"own": Block.read("10.0.0.2/32")},
        {"own": Block.read("10.0.0.0/30")},
        {"own": None},
        {"peer": Block.read("10.0.0.0/31")},
        {"protocol": Protocol.UDP},
        {"protocol": Protocol.ALL, "ports": PortRange(-1, -1)},
    ],
)
def test_a_plan_that_opens_something_else_is_never_made(wrong: dict[str, object]) -> None:
    asked, proposal = proposed()
    (planned,) = proposal.changes
    assert isinstance(planned.change, Authorize)
    rule = replace(planned.change.rules[0].rule, **wrong)  # type: ignore[arg-type]  # one field
    with pytest.raises(UnsoundPlanError):
        foretold(asked, with_rules(proposal, rule))


def test_a_plan_of_which_the_engines_say_different_things_is_never_made() -> None:
    asked, proposal = proposed()
    sound, after = foretold(asked, proposal), OF
    for planned in proposal.changes:
        after = after.after(planned.change)
    check(sound, OF, after, proposal)
    other = Traffic(Protocol.TCP, PortRange(80, 80))
    told = tuple(replace(each, flow=replace(each.flow, traffic=other)) for each in sound.asked)
    with pytest.raises(UnsoundPlanError):
        check(replace(sound, asked=told), OF, after, proposal)
    nothing = Exposure(0, 0, (), truncated=False)
    silent = replace(sound, difference=replace(sound.difference, gained=nothing))
    with pytest.raises(UnsoundPlanError):
        check(silent, OF, after, proposal)
