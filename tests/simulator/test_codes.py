"""Every documented refusal comes about, with its status, and changes nothing."""

from collections import Counter

import pytest

from app.simulator.actions import ACTIONS
from tests.simulator.codes import ANY, CASES, TOKENS, Case, world
from tests.simulator.estates import Cloud

ESTATE = world()


def named(case: Case) -> str:
    return f"{case.action}-{case.status}-{case.code}"


@pytest.mark.parametrize("case", [case for case in CASES if not case.by_fault], ids=named)
def test_a_call_is_refused_as_the_table_says(case: Case) -> None:
    cloud = Cloud(ESTATE)
    cloud.dispatcher.put_settings(case.settings)
    for action, call in case.before:
        cloud(action, **call)
    if case.sent is not None:
        assert case.sent(cloud).outcome(cloud) == (case.status, case.code)
        return
    action = "CreateSecurityGroup" if case.action == TOKENS else case.action
    assert cloud.refusal(action, **case.call) == (case.status, case.code)


@pytest.fixture(scope="module")
def shared() -> Cloud:
    return Cloud(ESTATE)


@pytest.mark.parametrize("case", [case for case in CASES if case.by_fault], ids=named)
def test_what_no_estate_brings_about_a_fault_does(shared: Cloud, case: Case) -> None:
    action = {ANY: "DescribeRegions", TOKENS: "CreateSecurityGroup"}.get(case.action, case.action)
    fault = {"kind": "error", "code": case.code, "status": case.status, "match": {"action": action}}
    shared.dispatcher.put_faults([fault])
    assert shared.refusal(action) == (case.status, case.code)


def test_no_refusal_is_in_the_table_twice() -> None:
    counted = Counter((case.action, case.status, case.code, case.when) for case in CASES)
    assert [key for key, number in counted.items() if number > 1] == []


def test_every_action_of_the_table_is_there() -> None:
    names = {name for _, name in ACTIONS}
    assert {case.action for case in CASES} - {ANY, TOKENS} <= names
