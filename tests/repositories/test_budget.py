"""One budget for all replicas: counted in the database, by its clock."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.domain.errors import CloudThrottledError
from app.domain.rates import Quota
from app.ports.budget import Called
from app.repositories.budget import SqlBudget
from app.repositories.store import SqlStore

CALL = Called("1000000000000001", "cn-hangzhou", "AuthorizeSecurityGroup")
QUOTAS = {"*": 40, "Describe*": 400, "JoinSecurityGroup": 100}


@pytest.fixture
def budgets(database_url: str) -> Iterator[tuple[SqlBudget, SqlBudget]]:
    """Those of two replicas."""
    found = SqlBudget(url=database_url, quotas=QUOTAS), SqlBudget(url=database_url, quotas=QUOTAS)
    yield found
    for each in found:
        each.close()


def granted(budget: SqlBudget, call: Called = CALL) -> bool:
    try:
        budget.take(call)
    except CloudThrottledError:
        return False
    return True


def test_replicas_together_keep_to_one_limit(budgets: tuple[SqlBudget, SqlBudget]) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: granted(budgets[n % 2]), range(60)))
    assert 1 <= sum(answers) <= Quota(40).ordinary.calls
    [spent] = budgets[0].spent(CALL.account_id)
    assert (spent.limit, spent.calls, spent.refused) == (20, sum(answers), 60 - sum(answers))


def test_a_throttled_minute_is_lost_for_every_replica(
    budgets: tuple[SqlBudget, SqlBudget],
) -> None:
    one, other = budgets
    one.throttled(CALL)
    with pytest.raises(CloudThrottledError) as refused:
        other.take(CALL)
    assert 0 < float(str(refused.value.facts["retry_after_seconds"])) <= 61
    assert granted(other, Called(CALL.account_id, "cn-beijing", CALL.action))
    assert granted(other, Called("1000000000000002", CALL.region_id, CALL.action))
    found = {each.region_id: each for each in other.spent(CALL.account_id)}
    assert (found["cn-hangzhou"].is_locked, found["cn-hangzhou"].throttled) == (True, 1)
    assert not found["cn-beijing"].is_locked


def test_the_most_exact_limit_counts(budgets: tuple[SqlBudget, SqlBudget]) -> None:
    for action in ("DescribeInstances", "JoinSecurityGroup", "LeaveSecurityGroup"):
        assert granted(budgets[0], Called(CALL.account_id, CALL.region_id, action))
    limits = {each.action: each.limit for each in budgets[0].spent(CALL.account_id)}
    assert limits == {"DescribeInstances": 200, "JoinSecurityGroup": 50, "LeaveSecurityGroup": 20}


def test_what_has_no_limit_is_not_counted(database_url: str) -> None:
    budget = SqlBudget(url=database_url, quotas={})
    assert all(granted(budget) for _ in range(100))
    budget.throttled(CALL)
    assert budget.spent(CALL.account_id) == ()
    budget.close()


def test_counting_does_not_wait_for_a_writer(postgresql_url: str) -> None:
    from app.repositories import schema

    schema.migrate(postgresql_url)
    store, budget = SqlStore(url=postgresql_url), SqlBudget(url=postgresql_url, quotas=QUOTAS)
    with store.write():
        assert granted(budget)
    store.close()
    budget.close()
