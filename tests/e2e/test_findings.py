"""Findings of real groups: what their proofs promise is what the packet walk says afterwards."""

import json
from importlib.resources import files
from typing import Any

import pytest

from app.api import examples
from tests.support.clouds import ACCOUNT, OTHER_ACCOUNT
from tests.support.e2e import Api, Cloud, Document, Radius, Truth, group_in, probes, rule, town

PORTS: tuple[tuple[str, int | None], ...] = (
    ("tcp", 22),
    ("tcp", 3307),
    ("udp", 514),
    ("icmp", None),
)
FROM_APP: Document = {"SourceGroupId": "sg-app", "SourceGroupOwnerId": ACCOUNT}
FROM_OUTSIDE: Document = {"SourceGroupId": "sg-foreign", "SourceGroupOwnerId": "1000000000000003"}

READS = [
    "DescribeInstances",
    "DescribeNetworkInterfaces",
    "DescribeSecurityGroupAttribute",
    "DescribeSecurityGroups",
]


def findings(api: Api, group_id: str, **asked: str) -> list[Document]:
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    answer = api.get(f"/security-groups/{group_id}/findings?{query}")
    assert answer["world"].keys() == examples.READ_WORLD.keys()
    items: list[Document] = answer["items"]
    return items


def told(items: list[Document]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(each["severity"], each["code"], tuple(each["rule_ids"])) for each in items]


@pytest.fixture
def demo(cloud: Cloud) -> Document:
    text = files("app.simulator").joinpath("demo_estate.json").read_text("utf-8")
    return cloud.put(json.loads(text))


@pytest.mark.usefixtures("demo")
def test_the_open_group_of_the_demo_estate_is_found_open(api: Api) -> None:
    assert told(findings(api, "sg-wide-open")) == [
        ("critical", "everything_open_to_world", ("sgr-wide-internet",)),
        ("critical", "everything_open_to_world", ("sgr-wide-intranet",)),
        ("high", "classic_intranet_range", ("sgr-wide-intranet",)),
    ]
    only = findings(api, "sg-wide-open", severity="high", account_id=ACCOUNT)
    assert [each["code"] for each in only] == ["classic_intranet_range"]
    assert findings(api, "sg-wide-open", severity="low") == []


@pytest.mark.usefixtures("demo")
def test_the_nearly_full_group_of_the_demo_estate_is_found_nearly_full(api: Api) -> None:
    items = findings(api, "sg-near-quota")
    assert [each["code"] for each in items] == ["near_quota", "rules_without_description"]
    assert "195 of 200 rules" in items[0]["explanation"]
    assert len(items[1]["rule_ids"]) == 195


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize("path", ["sg-none/findings", f"sg-db/findings?account_id={ACCOUNT}"])
def test_a_group_that_is_not_there_or_not_the_account_s_is_not_found(api: Api, path: str) -> None:
    answer = api.ask("GET", f"/security-groups/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "target_not_found")


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize(
    ("asked", "fault", "code", "removal"),
    [
        (
            ["DescribeSecurityGroupAttribute"],
            {"kind": "error", "code": "InvalidSecurityGroupId.NotFound", "status": 404,
             "message": "The group does not exist."},
            "peer_group_gone",
            "nothing_ever",
        ),
        (READS, {"kind": "forbidden"}, "peer_group_unread", "something"),
    ],
)  # fmt: skip
def test_a_group_that_is_gone_is_told_from_one_that_cannot_be_read(
    api: Api, cloud: Cloud, asked: list[str], fault: Document, code: str, removal: str
) -> None:
    cloud.faults(*(cloud.fault(action, account_id=ACCOUNT, **fault) for action in asked))
    (item,) = findings(api, "sg-db", account_id=OTHER_ACCOUNT)
    assert (item["code"], item["rule_ids"]) == (code, ["sgr-db-from-app"])
    assert item["proof"]["removal"] == removal


def untidy(*, vpc: bool) -> Document:
    """The town, with rules in sg-db that hide, repeat and contradict one another."""
    network = "172.16.0.0/16" if vpc else "10.170.0.0/16"
    inner = "172.16.0.0/28" if vpc else "10.170.0.0/28"
    estate = town(vpc=vpc)
    group = group_in(estate, "sg-db")
    group["Rules"] = [
        *group["Rules"],
        rule("sgr-1", ports="3307/3307", priority=9, SourceCidrIp=network),
        rule("sgr-2", ports="3307/3307", priority=9, SourceCidrIp=inner),
        rule("sgr-3", ports="3000/4000", priority=20, policy="drop", SourceCidrIp=inner),
        rule("sgr-4", ports="3307/3307", priority=30, policy="drop", SourceCidrIp=network),
        rule("sgr-5", ports="22/22", priority=5, **FROM_APP),
        rule("sgr-6", ports="20/30", priority=5, **FROM_APP),
        rule("sgr-7", ports="20/30", priority=5, policy="drop", **FROM_OUTSIDE),
        rule("sgr-8", protocol="udp", priority=40, SourceCidrIp=inner),
        rule("sgr-9", protocol="icmp", priority=100, policy="drop", SourceCidrIp="0.0.0.0/0"),
        rule("sgr-10", protocol="all", egress=True, priority=100, DestCidrIp="0.0.0.0/0"),
    ]
    return estate


@pytest.mark.parametrize("vpc", [False, True])
def test_the_packet_walk_sees_what_the_proofs_say(api: Api, cloud: Cloud, vpc: bool) -> None:
    start = cloud.put(untidy(vpc=vpc))
    packets = probes(start, ports=PORTS, strangers=("10.99.0.9", "172.16.200.9"))
    before = Truth.of(cloud, packets)
    items = findings(api, "sg-db", account_id=OTHER_ACCOUNT)
    codes = {each["code"] for each in items}
    assert {
        "drop_contradicted",
        "rule_redundant",
        "accept_repeats_default",
        "peer_group_unread",
        "drop_repeats_default",
    } <= codes
    removals = {each["proof"]["removal"] for each in items}
    assert removals == {"nothing_ever", "nothing_now", "something", "not_meant"}
    changed = set()
    for item in items:
        if item["proof"]["removal"] == "not_meant":
            continue
        after = without(cloud, start, item["rule_ids"], packets)
        assert_is_as_proven(before, after, item["proof"], packets)
        changed |= {item["code"] for _ in before.closed(after) | before.opened(after)}
    assert changed >= ({"many_ports"} if vpc else {"many_ports", "classic_intranet_range"})


def without(cloud: Cloud, start: Document, rule_ids: list[str], packets: list[Any]) -> Truth:
    changed = json.loads(json.dumps(start))
    group = group_in(changed, "sg-db")
    group["Rules"] = [
        each for each in group["Rules"] if each["SecurityGroupRuleId"] not in rule_ids
    ]
    cloud.replace(changed)
    return Truth.of(cloud, packets)


def assert_is_as_proven(before: Truth, after: Truth, proof: Document, packets: list[Any]) -> None:
    for seen, exposure in (
        (before.closed(after), proof["lost"]),
        (before.opened(after), proof["gained"]),
    ):
        surely, perhaps = Radius(exposure | {"truncated": False}).split(packets)
        assert surely <= seen
        assert exposure["truncated"] or seen <= surely | perhaps
