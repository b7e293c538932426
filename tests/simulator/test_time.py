"""The clock that can be set, moved and stopped, and all that follows it."""

import json
import threading
import time
from typing import Any

import pytest

from app.simulator.control import control
from app.simulator.credentials import Caller
from app.simulator.dispatcher import Dispatcher
from app.simulator.errors import ControlError
from tests.simulator.estates import ACCOUNT, BASE_ACCOUNT, OTHER_ACCOUNT, Cloud, pair, rule


@pytest.fixture
def cloud() -> Cloud:
    return Cloud(pair(rule("sgr-1")))


def clock(cloud: Cloud, **change: Any) -> Any:
    status, answer = control(
        cloud.dispatcher, "PUT", "/_simulator/clock", json.dumps(change).encode()
    )
    assert status == 200, answer
    return answer


def codes(cloud: Cloud, times: int, action: str = "DescribeRegions", **fields: Any) -> str:
    """One letter a call: `.` if it was answered, `x` if it was refused for its rate."""
    account_id = fields.pop("account_id", ACCOUNT)
    letters = ""
    for _ in range(times):
        reply = cloud.dispatcher.call(
            Caller(account_id), action, {"RegionId": "cn-hangzhou", **fields}
        )
        letters += "x" if str(reply.body.get("Code")).startswith("Throttling") else "."
    return letters


# ---- the clock


def test_a_stopped_clock_moves_only_when_it_is_moved(cloud: Cloud) -> None:
    start = clock(cloud, frozen=True)
    assert start == {"now": "2023-11-14T22:13:20.000000Z", "frozen": True, "offset_seconds": 0}
    cloud.clock.sleep(1000)
    assert clock(cloud)["now"] == "2023-11-14T22:13:20.000000Z"
    assert clock(cloud, advance_seconds=60)["now"] == "2023-11-14T22:14:20.000000Z"
    thawed = clock(cloud, frozen=False)
    assert thawed["now"] == "2023-11-14T22:14:20.000000Z"
    cloud.clock.sleep(1)
    assert clock(cloud)["now"] == "2023-11-14T22:14:21.000000Z"


def test_the_clock_stands_in_the_settings_and_can_be_set_there(cloud: Cloud) -> None:
    clock(cloud, frozen=True, offset_seconds=10, advance_seconds=-3)
    settings = cloud.dispatcher.settings
    assert (settings.clock_offset_seconds, settings.clock_frozen) == (7, True)
    cloud.dispatcher.put_settings(settings.as_json())
    assert clock(cloud) == {
        "now": "2023-11-14T22:13:27.000000Z",
        "frozen": True,
        "offset_seconds": 7,
    }
    cloud.dispatcher.put_settings({})
    assert clock(cloud)["frozen"] is False


def test_rules_are_dated_by_the_clock(cloud: Cloud) -> None:
    clock(cloud, advance_seconds=24 * 3600)
    cloud(
        "AuthorizeSecurityGroup",
        SecurityGroupId="sg-1",
        IpProtocol="tcp",
        PortRange="80/80",
        SourceCidrIp="10.0.0.1",
        NicType="intranet",
    )
    assert cloud.rules("sg-1")[0]["CreateTime"] == "2023-11-15T22:13:20Z"


def test_temporary_credentials_expire_by_the_clock(cloud: Cloud) -> None:
    answer = cloud(
        "AssumeRole",
        account_id=BASE_ACCOUNT,
        RoleArn=f"acs:ram::{ACCOUNT}:role/intercommunication",
        RoleSessionName="session",
        DurationSeconds=900,
    )
    assert answer["Credentials"]["Expiration"] == "2023-11-14T22:28:20Z"
    session = cloud.dispatcher._sessions.find(answer["Credentials"]["AccessKeyId"])
    assert session is not None
    assert session.expires_at - cloud.dispatcher.now() == 900
    clock(cloud, advance_seconds=900)
    assert session.expires_at <= cloud.dispatcher.now()


@pytest.mark.parametrize(
    "change", [{"frozen": 1}, {"advance_seconds": "1"}, {"offset_seconds": 1e300}, {"hands": 2}]
)
def test_a_change_of_the_clock_that_is_none_is_refused(cloud: Cloud, change: Any) -> None:
    with pytest.raises(ControlError):
        cloud.dispatcher.put_clock(change)


def test_a_delayed_call_goes_on_when_the_clock_is_moved() -> None:
    dispatcher = Dispatcher(pair())
    dispatcher.put_clock({"frozen": True})
    dispatcher.put_faults([{"kind": "delay", "seconds": 3600}])
    join = {"SecurityGroupId": "sg-2", "InstanceId": "i-a"}
    call = threading.Thread(
        target=dispatcher.call, args=(Caller(ACCOUNT), "JoinSecurityGroup", join)
    )
    call.start()
    while not dispatcher.journal._entries or not dispatcher.journal._entries[0].faults:
        time.sleep(0)
    dispatcher.put_clock({"advance_seconds": 3599})
    assert call.is_alive()
    dispatcher.put_clock({"advance_seconds": 1})
    call.join(timeout=10)
    assert "sg-2" in dispatcher.store.instances["i-a"].primary.group_ids


# ---- throttling


def limit(cloud: Cloud, **limits: Any) -> None:
    cloud.dispatcher.put_settings({"rate_limits": limits})


def test_nothing_is_limited_unless_it_is_set(cloud: Cloud) -> None:
    assert codes(cloud, 2000) == "." * 2000


def test_a_minute_that_is_used_up_stays_so_until_the_next_one(cloud: Cloud) -> None:
    limit(cloud, actions={"DescribeRegions": 3})
    assert codes(cloud, 5) == "...xx"
    cloud.clock.sleep(39)
    assert codes(cloud, 2) == "xx"
    cloud.clock.sleep(1)
    assert codes(cloud, 4) == "...x"


def test_accounts_regions_and_actions_have_a_minute_of_their_own(cloud: Cloud) -> None:
    limit(cloud, reads_per_minute=1, writes_per_minute=2)
    assert codes(cloud, 2) == ".x"
    assert codes(cloud, 2, account_id=OTHER_ACCOUNT) == ".x"
    assert codes(cloud, 2, RegionId="cn-beijing") == ".x"
    assert codes(cloud, 2, "DescribeInstances") == ".x"
    assert codes(cloud, 3, "JoinSecurityGroup") == "..x"
    assert codes(cloud, 3, "AssumeRole") == "..."


@pytest.mark.parametrize("code", ["Throttling", "Throttling.User", "Throttling.Api"])
def test_the_code_of_a_limited_call_can_be_chosen(cloud: Cloud, code: str) -> None:
    limit(cloud, actions={"DescribeRegions": 0}, code=code)
    assert cloud.refusal("DescribeRegions") == (400, code)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"rate_limits": {"actions": []}}, "actions must be an object"),
        ({"rate_limits": {"actions": {"X": -1}}}, "rate_limits: X must be"),
        ({"rate_limits": {"reads_per_minute": 1.5}}, "reads_per_minute must be"),
        ({"rate_limits": {"code": "Slow"}}, "code must be one of"),
        ({"consistency": {"replicas": 0}}, "replicas must be"),
        ({"consistency": {"delay_reads": True}}, "delay_reads must be"),
        ({"consistency": {"delay_seconds": -1}}, "delay_seconds must be"),
        ({"clock_frozen": "no"}, "clock_frozen must be"),
    ],
)
def test_settings_of_time_are_checked(cloud: Cloud, body: Any, reason: str) -> None:
    with pytest.raises(ControlError, match=reason):
        cloud.dispatcher.put_settings(body)
