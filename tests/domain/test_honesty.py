"""Unknown means that both answers are possible, and nothing else does.

Parts of random estates are hidden; then every way in which they may really be is judged by brute
force. A known verdict holds in all of them, an unknown one in some and not in others.
"""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.addresses import AddressFamily
from app.domain.evaluate import explain
from app.domain.flows import Cause, Outcome, SideOutcome
from app.domain.matrix import Matrix
from app.domain.sentences import sentence
from app.domain.world import GroupEnd, World
from tests.support.chance import Shrinking
from tests.support.classes import Questions
from tests.support.hiding import hidden
from tests.support.honesty import ask, assert_honest, possible
from tests.support.regions import estates
from tests.support.strategies import FOREIGN
from tests.support.worlds import address, flow, group, instance, rule, world

ALL = "0.0.0.0/0"


@pytest.mark.parametrize("block", range(4))
def test_unknown_are_exactly_the_verdicts_that_may_be_either(block: int) -> None:
    said: Counter[Outcome] = Counter()
    for number in range(50):
        said += ask(f"honesty {block}/{number}", 30)
    assert all(said[outcome] > 50 for outcome in Outcome), said


@pytest.mark.long
@pytest.mark.parametrize("block", range(20))
def test_very_many_unknown_verdicts_may_be_either(block: int) -> None:
    said: Counter[Outcome] = Counter()
    for number in range(200):
        said += ask(f"long honesty {block}/{number}", 30)
    assert all(said[outcome] > 200 for outcome in Outcome), said


@settings(max_examples=60, deadline=None)
@given(st.data(), estates())
def test_unknown_in_estates_that_shrink_may_be_either(data: st.DataObject, whole: World) -> None:
    chance = Shrinking(data.draw)
    read = hidden(whole, chance)
    assert_honest(read, Questions(whole).draw(chance), "shrunk")


# --- the same unread thing, twice -------------------------------------------------


def test_who_is_in_no_list_and_who_a_better_rule_drops_are_both_blocked() -> None:
    """Whoever the list holds is dropped by the first rule, and the second lets in nobody else."""
    rules = [
        rule(rule_id="sgr-1", protocol="all", peer="pl-lost", policy="drop", priority=1),
        rule(rule_id="sgr-2", protocol="all", peer="pl-lost", priority=2),
    ]
    a, b = (
        instance(instance_id="i-a", groups=["sg-1"]),
        instance(instance_id="i-b", groups=["sg-2"]),
    )
    read = world(groups=[group(), group(group_id="sg-2", rules=rules)], instances=[a, b])
    assert possible(read, flow(a, b, ports="22")) == {Outcome.BLOCKED}
    assert explain(read, flow(a, b, ports="22")).outcome is Outcome.BLOCKED


def test_who_is_no_member_and_whom_a_better_rule_drops_are_both_blocked() -> None:
    rules = [
        rule(rule_id="sgr-1", protocol="all", peer="sg-far", policy="drop", priority=1),
        rule(rule_id="sgr-2", protocol="all", peer="sg-far", priority=2),
    ]
    b = instance(instance_id="i-b", groups=["sg-2"])
    read = world(groups=[group(group_id="sg-2", rules=rules)], instances=[b])
    asked = flow(address("10.9.9.9/32"), b, ports="22")
    assert possible(read, asked) == {Outcome.BLOCKED}
    assert explain(read, asked).outcome is Outcome.BLOCKED


def test_a_port_list_that_one_side_accepts_and_the_other_drops_blocks() -> None:
    """The list is the same on both sides: it holds the port, or it does not."""
    out = [
        rule(rule_id="sgr-1", direction="egress", ports=None, port_list_id="prl-1", peer=ALL),
        rule(rule_id="sgr-2", direction="egress", peer=ALL, policy="drop", priority=2),
    ]
    into = [
        rule(rule_id="sgr-3", ports=None, port_list_id="prl-1", peer=ALL, policy="drop"),
        rule(rule_id="sgr-4", peer=ALL, priority=2),
    ]
    a, b = (
        instance(instance_id="i-a", groups=["sg-1"]),
        instance(instance_id="i-b", groups=["sg-2"]),
    )
    read = world(groups=[group(rules=out), group(group_id="sg-2", rules=into)], instances=[a, b])
    told = explain(read, flow(a, b, ports="22"))
    assert possible(read, told.flow) == {Outcome.BLOCKED}
    assert (told.outcome, told.cause) == (Outcome.BLOCKED, Cause.UNREADABLE)
    assert {told.egress.outcome, told.ingress.outcome} == {SideOutcome.UNKNOWN}
    assert "one side or the other stops it" in sentence(told)
    assert not Matrix(read, ["i-a"], ["i-b"]).passages


def test_of_two_packets_one_is_blocked_whatever_a_list_holds() -> None:
    rules = [
        rule(rule_id="sgr-1", ports="23", peer="pl-lost", policy="drop"),
        rule(rule_id="sgr-2", ports="22", peer="pl-lost"),
        rule(rule_id="sgr-3", ports="23", peer=ALL, priority=2),
    ]
    a = instance(instance_id="i-a", groups=["sg-1"])
    b = instance(instance_id="i-b", groups=["sg-2"])
    read = world(groups=[group(), group(group_id="sg-2", rules=rules)], instances=[a, b])
    for port in ("22", "23"):
        assert explain(read, flow(a, b, ports=port)).outcome is Outcome.UNKNOWN
    told = explain(read, flow(a, b, ports="22/23"))
    assert (told.outcome, told.ingress.outcome) == (Outcome.BLOCKED, SideOutcome.BLOCKED)
    assert "whatever could not be read" in sentence(told)


def test_a_member_of_an_unread_group_is_somewhere_and_blocked_everywhere() -> None:
    rules = [
        rule(rule_id="sgr-1", peer="10.0.0.0/9", policy="drop"),
        rule(rule_id="sgr-2", peer="10.128.0.0/9", policy="drop"),
        rule(rule_id="sgr-3", peer="10.0.0.0/8", priority=2),
    ]
    b = instance(instance_id="i-b", groups=["sg-2"])
    read = world(groups=[group(group_id="sg-2", rules=rules)], instances=[b], unread=[FOREIGN])
    member = GroupEnd(FOREIGN, AddressFamily.IPV4)
    assert explain(read, flow(member, b, ports="22")).outcome is Outcome.BLOCKED
    half = replace(read.groups["sg-2"], rules=tuple(rules[1:]))
    other = replace(read, groups={"sg-2": half})
    assert explain(other, flow(member, b, ports="22")).outcome is Outcome.UNKNOWN
