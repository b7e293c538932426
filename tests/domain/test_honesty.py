"""Unknown means that both answers are possible, and nothing else does.

Parts of random estates are hidden; then every way in which they may really be is judged by brute
force. A known verdict holds in all of them, an unknown one in some and not in others.
"""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.evaluate import explain
from app.domain.flows import Outcome
from app.domain.world import World
from tests.support.chance import Shrinking
from tests.support.classes import Questions
from tests.support.hiding import hidden
from tests.support.honesty import ask, assert_honest, possible
from tests.support.regions import estates
from tests.support.worlds import address, flow, group, instance, rule, world


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


# --- known gaps -------------------------------------------------------------------

TOO_CAREFUL = "each rule that names what was not read is judged as if it were the only one"


@pytest.mark.xfail(reason=TOO_CAREFUL, strict=True)
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


@pytest.mark.xfail(reason=TOO_CAREFUL, strict=True)
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
