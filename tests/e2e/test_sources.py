"""Every form of a source, every protocol, both families."""

from typing import Any

import pytest

from tests.support.clouds import ACCOUNT, OTHER_ACCOUNT, REGION, group_entry, instance_entry
from tests.support.e2e import (
    UNREGISTERED,
    Api,
    Cloud,
    Document,
    End,
    Probe,
    Radius,
    Truth,
    asked_probes,
    connect_request,
    ends,
    pair,
    probes,
    side,
)

RULES = ("address_rules", "group_authorization")


def groups_of(account_id: str, *group_ids: str) -> Document:
    where = {"account_id": account_id, "region_id": REGION}
    return {**where, "security_group_ids": list(group_ids)}


def exact(
    api: Api, cloud: Cloud, estate: Document, request: Document, **fields: Any
) -> tuple[Document, Truth]:
    """Connect; what opened is what the plan said; disconnect. Return the plan and the truth."""
    start = cloud.put(estate)
    packets = probes(start, **fields)
    before = Truth.of(cloud, packets)
    plan = api.plan(request)
    operation = api.connect(request)
    after = Truth.of(cloud, packets)
    gained, perhaps = Radius(plan["gained"]).split(packets)
    opened = before.opened(after)
    assert opened <= gained | perhaps
    assert gained <= opened
    assert before.closed(after) == set()
    assert api.plan(request)["changes"] == []
    api.disconnect(operation["connection_id"])
    assert cloud.estate() == start
    return plan, after


def test_an_address_is_let_in_whoever_has_it(api: Api, cloud: Cloud) -> None:
    request = connect_request("address_rules", {"addresses": ["10.99.0.9/32"]}, ["i-b"])
    plan, after = exact(api, cloud, pair(), request)
    assert plan["extra_pairs"] == 0
    [target] = [each for each in ends(pair()) if each.instance_id == "i-b"]
    assert after.verdicts[Probe(End("10.99.0.9"), target)]


@pytest.mark.parametrize("vpc", [False, True])
def test_the_address_of_an_instance_is_let_in(api: Api, cloud: Cloud, vpc: bool) -> None:
    address = "172.16.0.1/32" if vpc else "10.170.0.1/32"
    request = connect_request("address_rules", {"addresses": [address]}, ["i-b"])
    exact(api, cloud, pair(vpc=vpc, to=OTHER_ACCOUNT), request | {
        "target": side(OTHER_ACCOUNT, ["i-b"])
    })  # fmt: skip


def test_a_block_is_let_in_in_a_vpc(api: Api, cloud: Cloud) -> None:
    crowd = [
        instance_entry(f"i-c{n}", ["sg-a"], private_ip=f"172.16.5.{n}", vpc_id="vpc-1")
        for n in range(1, 4)
    ]
    request = connect_request("address_rules", {"addresses": ["172.16.5.0/30"]}, ["i-b"])
    exact(
        api, cloud, pair(vpc=True, instances=crowd), request, strangers=("172.16.5.0", "172.16.6.1")
    )


def test_several_addresses_make_several_rules(api: Api, cloud: Cloud) -> None:
    addresses = ["10.99.0.9/32", "10.170.0.1/32", "10.98.0.1/32"]
    request = connect_request("address_rules", {"addresses": addresses}, ["i-b"])
    plan, _ = exact(api, cloud, pair(), request)
    [change] = plan["changes"]
    assert len(change["rules"]) == 3


@pytest.mark.parametrize("scope", ["instance", "group"])
@pytest.mark.parametrize("account_id", [ACCOUNT, OTHER_ACCOUNT])
def test_groups_of_a_registered_account_are_let_in_by_name(
    api: Api, cloud: Cloud, account_id: str, scope: str
) -> None:
    crowd = [
        instance_entry(f"i-c{n}", ["sg-c"], private_ip=f"10.170.1.{n}", account=account_id)
        for n in range(1, 4)
    ]
    mates = [instance_entry("i-d", ["sg-b"], private_ip="10.170.2.1")]
    estate = pair(groups=[group_entry("sg-c", account=account_id)], instances=[*crowd, *mates])
    request = connect_request(
        "group_authorization", groups_of(account_id, "sg-c", "sg-a") if account_id == ACCOUNT
        else groups_of(account_id, "sg-c"), ["i-b"], scope=scope,
    )  # fmt: skip
    _, after = exact(api, cloud, estate, request)
    inside = {each.instance_id: each for each in ends(estate)}
    assert after.verdicts[Probe(inside["i-c1"], inside["i-b"])]
    assert after.verdicts[Probe(inside["i-c1"], inside["i-d"])] is (scope == "group")


def test_a_group_of_an_account_that_is_not_registered_is_let_in_with_a_warning(
    api: Api, cloud: Cloud
) -> None:
    estate = pair(
        groups=[group_entry("sg-x", account=UNREGISTERED)],
        instances=[instance_entry("i-x", ["sg-x"], private_ip="10.170.1.1", account=UNREGISTERED)],
    )
    request = connect_request("group_authorization", groups_of(UNREGISTERED, "sg-x"), ["i-b"])
    plan, after = exact(api, cloud, estate, request)
    assert any("sg-x" in each and "unknown" in each for each in plan["warnings"])
    asked = plan["asked"]["items"][0]
    assert asked["after"]["egress"]["verdict"] == "unknown"
    assert asked["after"]["ingress"]["verdict"] == "allowed"
    inside = {each.instance_id: each for each in ends(estate)}
    assert after.verdicts[Probe(inside["i-x"], inside["i-b"])]


def test_the_group_of_either_side_can_be_named(api: Api, cloud: Cloud) -> None:
    estate = pair(
        groups=[group_entry("sg-c"), group_entry("sg-d")],
        source_fields={"SecurityGroupIds": ["sg-a", "sg-c"]},
        target_fields={"SecurityGroupIds": ["sg-b", "sg-d"]},
    )
    source = side(ACCOUNT, ["i-a"], security_group_id="sg-c")
    target = side(ACCOUNT, ["i-b"], security_group_id="sg-d")
    plan, _ = exact(api, cloud, estate, connect_request("group_authorization", source, target))
    [change] = plan["changes"]
    assert change["group_id"] == "sg-d"
    assert change["rules"][0]["peer"]["group_id"] == "sg-c"
    plan, _ = exact(api, cloud, estate, connect_request("address_rules", ["i-a"], target))
    assert plan["changes"][0]["group_id"] == "sg-d"


FLOWS: list[list[Document]] = [
    [{"protocol": "udp", "port_range": "3306/3306"}],
    [{"protocol": "icmp"}],
    [{"protocol": "icmp", "port_range": "-1/-1"}],
    [{"protocol": "gre"}],
    [{"protocol": "all"}],
    [{"protocol": "tcp", "port_range": "1/65535"}, {"protocol": "udp", "port_range": "22/22"}],
    [{"protocol": "tcp", "port_range": f"{port}/{port + 9}"} for port in (22, 3300, 9090)],
    [{"protocol": "icmp"}, {"protocol": "tcp", "port_range": "3306/3307"}, {"protocol": "gre"}],
]


@pytest.mark.parametrize("flows", FLOWS, ids=lambda flows: "+".join(f["protocol"] for f in flows))
@pytest.mark.parametrize(
    ("method", "vpc"), [("address_rules", True), ("group_authorization", False)]
)
def test_any_protocol_and_several_ranges_can_be_asked_for(
    api: Api, cloud: Cloud, method: str, vpc: bool, flows: list[Document]
) -> None:
    request = connect_request(method, ["i-a"], ["i-b"], flows=flows)
    estate = pair(vpc=vpc)
    start = cloud.put(estate)
    plan, after = exact(api, cloud, estate, request)
    for probe in asked_probes(start, request):
        assert after.verdicts.get(probe, True), probe
    assert plan["extra_pairs"] == 0
    assert all(
        each["asked"] for each in plan["gained"]["items"] if each["address_family"] == "ipv4"
    )


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(
    "flow",
    [{"protocol": "tcp", "port_range": "3306/3306"}, {"protocol": "icmpv6"}, {"protocol": "all"}],
    ids=lambda flow: flow["protocol"],
)
@pytest.mark.parametrize("method", RULES)
def test_ipv6_is_connected_in_a_vpc(
    api: Api, cloud: Cloud, method: str, flow: Document, both: bool
) -> None:
    estate = pair(
        vpc=True,
        source_fields={"Ipv6": "2001:DB8:0::1"},
        target_fields={"Ipv6": "2001:db8::2"},
        instances=[
            instance_entry(
                "i-c", ["sg-b"], private_ip="172.16.0.3", vpc_id="vpc-1", Ipv6="2001:db8::3"
            )
        ],
    )  # fmt: skip
    request = connect_request(
        method, ["i-a"], ["i-b"], flows=[flow], address_family="ipv6", bidirectional=both
    )
    start = cloud.put(estate)
    _, after = exact(api, cloud, estate, request)
    asked = asked_probes(start, request)
    assert asked
    assert all(after.verdicts.get(probe, True) for probe in asked)


def test_an_ipv6_address_is_let_in(api: Api, cloud: Cloud) -> None:
    estate = pair(vpc=True, target_fields={"Ipv6": "2001:db8::2"})
    request = connect_request(
        "address_rules", {"addresses": ["2001:db8:f::/64"]}, ["i-b"], address_family="ipv6"
    )
    answer = api.ask("POST", "/plans", {"kind": "connect", "connection": request})
    assert answer.status_code in {403, 404}  # a /64 is more addresses than may ever be opened
    request["source"]["addresses"] = ["2001:db8:f::9/128"]
    cloud.put(estate)
    operation = api.connect(request)
    [held] = cloud.rules("sg-b")
    assert held["Ipv6SourceCidrIp"] == "2001:db8:f::9/128"
    assert held["Ipv6DestCidrIp"] == "2001:db8::2/128"
    api.disconnect(operation["connection_id"])


def test_an_instance_without_ipv6_is_refused(api: Api, cloud: Cloud) -> None:
    cloud.put(pair(vpc=True))
    request = connect_request("address_rules", ["i-a"], ["i-b"], address_family="ipv6")
    problem = api.refused(request, 422, "method_not_possible")
    assert "ipv6" in problem["detail"].lower()


@pytest.mark.parametrize("method", RULES)
def test_rules_are_written_on_the_intranet_side_with_marker_and_reason(
    api: Api, cloud: Cloud, method: str
) -> None:
    cloud.put(pair(to=OTHER_ACCOUNT))
    operation = api.connect(
        connect_request(
            method, ["i-a"], ["i-b"], to=OTHER_ACCOUNT, reason="orders read käse, 10%&="
        )
    )
    [held] = cloud.rules("sg-b")
    assert held["NicType"] == "intranet"
    assert held["DestCidrIp"] == "10.170.0.2/32"
    assert held["Description"] == f"intercom:{operation['id']}:1 orders read käse, 10%&="
    if method == "group_authorization":
        assert (held["SourceGroupId"], held["SourceGroupOwnerId"]) == ("sg-a", ACCOUNT)
    else:
        assert held["SourceCidrIp"] == "10.170.0.1/32"
