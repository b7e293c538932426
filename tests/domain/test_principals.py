"""Who may do what: the whole table."""

import pytest

from app.domain.concerns import Concern, concern_of_plan
from app.domain.principals import (
    EVERY_ACCOUNT,
    THE_SERVICE,
    Decision,
    Principal,
    Role,
    decide,
    may_anywhere,
)

OURS, THEIRS = "1000000000000001", "1000000000000002"
ALLOWED, FORBIDDEN, HIDDEN = Decision.ALLOWED, Decision.FORBIDDEN, Decision.HIDDEN


def granted(**roles: str) -> Principal:
    names = {"ours": OURS, "theirs": THEIRS, "every": EVERY_ACCOUNT}
    return Principal("p", "p", {names[name]: Role(role) for name, role in roles.items()})


@pytest.mark.parametrize(
    ("grants", "needed", "accounts", "expected"),
    [
        ({}, "viewer", {OURS}, HIDDEN),
        ({}, "viewer", set(), HIDDEN),
        ({"ours": "viewer"}, "viewer", {OURS}, ALLOWED),
        ({"ours": "viewer"}, "operator", {OURS}, FORBIDDEN),
        ({"ours": "viewer"}, "admin", {OURS}, FORBIDDEN),
        ({"ours": "operator"}, "viewer", {OURS}, ALLOWED),
        ({"ours": "operator"}, "operator", {OURS}, ALLOWED),
        ({"ours": "operator"}, "admin", {OURS}, FORBIDDEN),
        ({"ours": "admin"}, "admin", {OURS}, ALLOWED),
        ({"ours": "admin"}, "viewer", {THEIRS}, HIDDEN),
        ({"ours": "admin"}, "viewer", {OURS, THEIRS}, HIDDEN),
        ({"ours": "admin"}, "viewer", set(), HIDDEN),
        ({"ours": "operator", "theirs": "viewer"}, "viewer", {OURS, THEIRS}, ALLOWED),
        ({"ours": "operator", "theirs": "viewer"}, "operator", {OURS, THEIRS}, FORBIDDEN),
        ({"ours": "operator", "theirs": "operator"}, "operator", {OURS, THEIRS}, ALLOWED),
        ({"every": "viewer"}, "viewer", {OURS, THEIRS}, ALLOWED),
        ({"every": "viewer"}, "viewer", set(), ALLOWED),
        ({"every": "viewer"}, "operator", {OURS}, FORBIDDEN),
        ({"every": "viewer", "ours": "operator"}, "operator", {OURS}, ALLOWED),
        ({"every": "viewer", "ours": "operator"}, "operator", {OURS, THEIRS}, FORBIDDEN),
        ({"every": "operator", "ours": "viewer"}, "operator", {OURS}, ALLOWED),
        ({"every": "admin"}, "admin", {OURS, THEIRS}, ALLOWED),
        ({"every": "admin"}, "admin", set(), ALLOWED),
    ],
)
def test_a_role_is_needed_in_every_account_that_is_concerned(
    grants: dict[str, str], needed: str, accounts: set[str], expected: Decision
) -> None:
    assert decide(granted(**grants), Role(needed), Concern(frozenset(accounts))) is expected


def test_what_is_only_told_of_need_only_be_seen() -> None:
    told = Concern(frozenset({OURS}), frozenset({THEIRS}))
    for grants, expected in (
        ({"ours": "operator"}, HIDDEN),
        ({"ours": "operator", "theirs": "viewer"}, ALLOWED),
        ({"ours": "viewer", "theirs": "operator"}, FORBIDDEN),
    ):
        assert decide(granted(**grants), Role.OPERATOR, told) is expected


def test_peers_of_rules_are_no_concern_of_their_accounts() -> None:
    rule = {"protocol": "tcp", "peer": {"group_id": "sg-x", "account_id": THEIRS}}
    plan = {"changes": [{"account_id": OURS, "rules": [rule]}], "gained": {"items": []}}
    assert concern_of_plan({"method": "address_rules"}, plan) == Concern(frozenset({OURS}))


def test_an_account_that_a_plan_tells_of_is_shown_and_not_touched() -> None:
    request = {"source": {"account_id": OURS}, "target": {"account_id": OURS}}
    gained = {"items": [{"source": {"account_id": THEIRS, "instance_id": "i-1"}}]}
    concern = concern_of_plan(request, {"changes": [], "gained": gained})
    assert concern == Concern(frozenset({OURS}), frozenset({THEIRS}))


def test_each_role_may_do_what_those_before_it_may() -> None:
    roles = list(Role)
    for held in roles:
        for needed in roles:
            covers = roles.index(held) >= roles.index(needed)
            assert held.covers(needed) is covers
            assert may_anywhere(granted(ours=held), needed) is covers


def test_the_greater_of_two_grants_counts() -> None:
    assert granted(every="viewer", ours="admin").role_on(OURS) is Role.ADMIN
    assert granted(every="operator", ours="viewer").role_on(OURS) is Role.OPERATOR
    assert granted(every="viewer").role_on(THEIRS) is Role.VIEWER
    assert granted(ours="viewer").role_on(THEIRS) is None


def test_the_service_itself_sees_everything() -> None:
    assert THE_SERVICE.sight is None
    assert granted(ours="viewer").sight == frozenset({OURS})
    assert granted(ours="viewer", theirs="operator").accounts(Role.OPERATOR) == frozenset({THEIRS})
