"""Who the service is in each account, and how it becomes so."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from app.adapters.ecs.codes import BaseIdentityError
from app.adapters.ecs.transport import BASE, Keys
from app.domain.changes import Join
from app.domain.errors import AccountUnreachableError, AppError, CloudThrottledError
from app.domain.groups import Place
from tests.contract.conftest import Stage
from tests.support.clouds import (
    ACCOUNT,
    BASE_ACCOUNT,
    BASE_KEY_ID,
    OTHER_ACCOUNT,
    REGION,
    TickingClock,
    access,
    estate,
    group_entry,
    http_clouds,
    in_memory_clouds,
)

EXPIRED = {"kind": "error", "code": "InvalidSecurityToken.Expired", "status": 400}


def test_sixteen_threads_at_first_use_assume_the_role_once(stage: Stage) -> None:
    clouds = stage.clouds(workers=16)
    together = Barrier(16)

    def first_use(_: int) -> int:
        together.wait()
        return clouds.of(ACCOUNT, REGION).group_count()

    with ThreadPoolExecutor(16) as threads:
        assert set(threads.map(first_use, range(16))) == {11}
    assert (stage.count("AssumeRole"), stage.count("GetCallerIdentity")) == (1, 1)


def test_threads_that_waited_share_the_failure(stage: Stage) -> None:
    stage.faults({"match": {"action": "AssumeRole"}, "kind": "throttle"})
    clouds = stage.clouds(workers=8)
    together = Barrier(8)

    def first_use(_: int) -> AppError | None:
        together.wait()
        try:
            clouds.of(ACCOUNT, REGION).group_count()
        except CloudThrottledError as error:
            return error
        return None

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(first_use, range(8)))
    assert stage.count("AssumeRole") <= 3 * 8
    stage.faults()
    assert clouds.of(ACCOUNT, REGION).group_count() == 11


def test_a_session_is_used_until_shortly_before_its_end(stage: Stage) -> None:
    ecs = stage.ecs()
    for minutes, sessions in ((0, 1), (49, 1), (2, 2), (1, 2)):
        stage.clock.tick(timedelta(minutes=minutes))
        ecs.group_count()
        assert stage.count("AssumeRole") == sessions


def test_every_account_has_a_session_of_its_own(stage: Stage) -> None:
    clouds = stage.clouds()
    for account_id in (ACCOUNT, OTHER_ACCOUNT, ACCOUNT):
        clouds.of(account_id, REGION).group_count()
    assert stage.count("AssumeRole") == 2


def test_an_expired_token_is_renewed_and_the_read_repeated(stage: Stage) -> None:
    ecs = stage.ecs()
    ecs.group_count()
    stage.faults({"match": {"action": "DescribeSecurityGroups"}, "times": 1, **EXPIRED})
    assert ecs.group_count() == 11
    assert stage.count("AssumeRole") == 2


@pytest.mark.fault("F24")
def test_an_expired_token_is_renewed_and_the_change_repeated(stage: Stage) -> None:
    ecs = stage.ecs()
    ecs.group_count()
    stage.faults({"match": {"action": "JoinSecurityGroup"}, "times": 1, **EXPIRED})
    ecs.perform(Join(Place(ACCOUNT, REGION), "sg-spare", "i-web01"), token="t-1")
    assert (stage.count("AssumeRole"), stage.count("JoinSecurityGroup")) == (2, 2)


def test_tokens_that_never_work_end_at_the_second(stage: Stage) -> None:
    stage.faults({"match": {"action": "DescribeSecurityGroups"}, **EXPIRED})
    with pytest.raises(AccountUnreachableError):
        stage.ecs().group_count()
    assert (stage.count("AssumeRole"), stage.count("DescribeSecurityGroups")) == (2, 2)


def test_the_external_id_is_always_sent(stage: Stage) -> None:
    stage.set(estate(groups=[group_entry("sg-1")], external_id="the-right-one"))
    right, wrong = access(external_id="the-right-one"), access(external_id="a-guess")
    assert stage.clouds(right).of(ACCOUNT, REGION).group_count() == 1
    with pytest.raises(AccountUnreachableError) as caught:
        stage.clouds(wrong).of(ACCOUNT, REGION).group_count()
    assert caught.value.facts["account_id"] == ACCOUNT
    assert caught.value.facts["action"] == "AssumeRole"


def test_a_role_that_is_not_there_or_does_not_trust_us_is_unreachable(stage: Stage) -> None:
    missing = access(role_arn=f"acs:ram::{ACCOUNT}:role/missing")
    with pytest.raises(AccountUnreachableError):
        stage.clouds(missing).of(ACCOUNT, REGION).group_count()
    stage.set(estate(trusted=OTHER_ACCOUNT))
    with pytest.raises(AccountUnreachableError):
        stage.clouds().whoami(access())


@pytest.mark.fault("F9")
def test_a_role_of_another_account_is_never_used(stage: Stage) -> None:
    stray = access(role_arn=f"acs:ram::{OTHER_ACCOUNT}:role/intercommunication")
    with pytest.raises(AccountUnreachableError) as caught:
        stage.clouds(stray).of(ACCOUNT, REGION).group_count()
    assert caught.value.facts["account_id"] == ACCOUNT
    assert caught.value.facts["caller_account_id"] == OTHER_ACCOUNT
    assert stage.calls() == {}, "nothing was asked of ECS"


def test_whoami_says_who_the_cloud_thinks_we_are(stage: Stage) -> None:
    clouds = stage.clouds()
    stray = access(role_arn=f"acs:ram::{OTHER_ACCOUNT}:role/intercommunication")
    assert clouds.whoami(access()) == ACCOUNT
    assert clouds.whoami(stray) == OTHER_ACCOUNT
    assert clouds.whoami(access(role_arn=None)) == BASE_ACCOUNT


def test_without_a_role_the_base_identity_must_be_the_accounts(stage: Stage) -> None:
    own, other = access(BASE_ACCOUNT, role_arn=None), access(OTHER_ACCOUNT, role_arn=None)
    clouds = stage.clouds(own, other)
    for _ in range(2):
        assert clouds.of(BASE_ACCOUNT, REGION).group_count() == 0
    assert (stage.count("AssumeRole"), stage.count("GetCallerIdentity")) == (0, 1)
    with pytest.raises(AccountUnreachableError):
        clouds.of(OTHER_ACCOUNT, REGION).group_count()


def test_another_role_means_another_session(stage: Stage) -> None:
    current = [access(role_arn=f"acs:ram::{ACCOUNT}:role/missing")]
    clouds = in_memory_clouds(stage.dispatcher, clock=TickingClock())
    clouds._access_of = lambda _: current[0]
    with pytest.raises(AccountUnreachableError):
        clouds.of(ACCOUNT, REGION).group_count()
    current[0] = access()
    assert clouds.of(ACCOUNT, REGION).group_count() == 11


def test_a_wrong_base_key_is_named_as_such(http_stage: Stage) -> None:
    assert http_stage.endpoint
    unknown = http_clouds(http_stage.endpoint, base_key_id="nobody")
    wrong = http_clouds(http_stage.endpoint, base_key_secret="wrong")
    for clouds in (unknown, wrong):
        assert not clouds.is_reachable()
        with pytest.raises(BaseIdentityError):
            clouds.of(ACCOUNT, REGION).group_count()
    assert http_stage.clouds().is_reachable()


def test_keys_do_not_show_in_their_own_text() -> None:
    keys = Keys(BASE, BASE_KEY_ID, "canary-secret", "canary-token")
    assert "canary" not in repr(keys)
    assert BASE_KEY_ID not in repr(keys)
