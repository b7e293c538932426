"""What cannot work is refused at once, with the reason, and before anything is changed."""

from typing import Any

import pytest

from tests.support.clouds import ACCOUNT, OTHER_ACCOUNT, group_entry, instance_entry
from tests.support.e2e import (
    UNREGISTERED,
    Api,
    Cloud,
    Document,
    connect_request,
    pair,
    rule,
    side,
)

METHODS = ("address_rules", "shared_group", "dedicated_group", "group_authorization")
LINK = {"ClassicLinkVpcId": "vpc-1"}
ENTERPRISE = {"SecurityGroupType": "enterprise", "InnerAccessPolicy": "Drop"}


def refuse(
    api: Api, cloud: Cloud, estate: Document, request: Document, status: int, code: str
) -> Document:
    """Ask for a plan and for a connection: both are refused alike, and nothing is changed."""
    start = cloud.put(estate)
    problem = api.refused(request, status, code)
    answer = api.ask("POST", "/plans", {"kind": "connect", "connection": request})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert cloud.changes() == []
    assert cloud.estate() == start
    return problem


def obstacles(problem: Document) -> set[str]:
    return {each["code"] for each in problem["obstacles"]}


def refuse_method(
    api: Api, cloud: Cloud, estate: Document, request: Document, code: str, *possible: str
) -> Document:
    problem = refuse(api, cloud, estate, request, 422, "method_not_possible")
    assert code in obstacles(problem)
    assert problem["possible_methods"] == list(possible)
    for each in problem["obstacles"]:
        assert each["detail"]
    return problem


@pytest.mark.parametrize("vpc", [False, True])
@pytest.mark.parametrize("method", ["shared_group", "dedicated_group"])
def test_two_accounts_cannot_share_a_group(api: Api, cloud: Cloud, method: str, vpc: bool) -> None:
    refuse_method(
        api,
        cloud,
        pair(vpc=vpc, to=OTHER_ACCOUNT),
        connect_request(method, ["i-a"], ["i-b"], to=OTHER_ACCOUNT),
        "cross_account_not_possible",
        "address_rules",
        "group_authorization",
    )


@pytest.mark.parametrize("method", METHODS[1:])
def test_an_enterprise_group_takes_addresses_only(api: Api, cloud: Cloud, method: str) -> None:
    problem = refuse_method(
        api,
        cloud,
        pair(vpc=True, target_group=ENTERPRISE),
        connect_request(method, ["i-a"], ["i-b"]),
        "enterprise_group",
        "address_rules",
    )
    assert "sg-b" in {each.get("group_id") for each in problem["obstacles"]}


@pytest.mark.parametrize("method", METHODS)
def test_regions_are_not_connected(api: Api, cloud: Cloud, method: str) -> None:
    estate = pair(
        groups=[group_entry("sg-far", RegionId="cn-beijing")],
        instances=[
            instance_entry(
                "i-far", ["sg-far"], private_ip="10.171.0.1", RegionId="cn-beijing",
                ZoneId="cn-beijing-b",
            )
        ],
    )  # fmt: skip
    far = side(ACCOUNT, ["i-far"]) | {"region_id": "cn-beijing"}
    refuse_method(api, cloud, estate, connect_request(method, ["i-a"], far), "cross_region")


@pytest.mark.parametrize("method", METHODS)
def test_two_vpcs_are_not_connected(api: Api, cloud: Cloud, method: str) -> None:
    estate = pair(
        vpc=True,
        groups=[group_entry("sg-far", vpc_id="vpc-2")],
        instances=[instance_entry("i-far", ["sg-far"], private_ip="172.17.0.1", vpc_id="vpc-2")],
    )
    refuse_method(api, cloud, estate, connect_request(method, ["i-a"], ["i-far"]), "cross_vpc")


def mixed(*, linked: bool) -> Document:
    return pair(
        source_fields=LINK if linked else {},
        groups=[group_entry("sg-vpc", vpc_id="vpc-1")],
        instances=[instance_entry("i-vpc", ["sg-vpc"], private_ip="172.16.0.1", vpc_id="vpc-1")],
        classic_link=linked,
    )


@pytest.mark.parametrize("method", METHODS)
def test_the_classic_network_is_not_connected_to_a_vpc(api: Api, cloud: Cloud, method: str) -> None:
    request = connect_request(method, ["i-a"], ["i-vpc"])
    refuse_method(api, cloud, mixed(linked=False), request, "network_type_mismatch")


@pytest.mark.parametrize("method", ["address_rules", "group_authorization"])
@pytest.mark.parametrize("both", [False, True])
def test_a_classic_link_connects_them(api: Api, cloud: Cloud, method: str, both: bool) -> None:
    start = cloud.put(mixed(linked=True))
    operation = api.connect(connect_request(method, ["i-a"], ["i-vpc"], bidirectional=both))
    packet = {"source": "i-a", "destination": "i-vpc", "protocol": "tcp", "destination_port": 3306}
    back = packet | {"source": "i-vpc", "destination": "i-a"}
    verdicts = [each["verdict"] for each in cloud.walk([packet, back])]
    assert verdicts == ["reachable", "reachable" if both else "blocked"]
    api.disconnect(operation["connection_id"])
    assert cloud.estate() == start


@pytest.mark.parametrize("method", ["shared_group", "dedicated_group"])
def test_a_classic_link_does_not_put_both_into_one_group(
    api: Api, cloud: Cloud, method: str
) -> None:
    refuse_method(
        api,
        cloud,
        mixed(linked=True),
        connect_request(method, ["i-a"], ["i-vpc"]),
        "network_type_mismatch",
        "address_rules",
        "group_authorization",
    )


def test_a_full_group_takes_nobody(api: Api, cloud: Cloud) -> None:
    crowd = [
        instance_entry(
            f"i-c{number}", ["sg-full"], private_ip=f"10.180.{number // 250}.{number % 250 + 1}"
        )
        for number in range(1000)
    ]  # fmt: skip
    estate = pair(groups=[group_entry("sg-full")], instances=crowd)
    request = connect_request("shared_group", ["i-a"], ["i-b"], security_group_id="sg-full")
    problem = refuse_method(
        api, cloud, estate, request, "group_full",
        "address_rules", "dedicated_group", "group_authorization",
    )  # fmt: skip
    assert problem["obstacles"][0]["group_id"] == "sg-full"


@pytest.mark.parametrize("method", ["shared_group", "dedicated_group"])
def test_an_instance_in_its_most_groups_joins_none(api: Api, cloud: Cloud, method: str) -> None:
    more = [group_entry(f"sg-{number}", InnerAccessPolicy="Drop") for number in range(4)]
    groups = ["sg-b", *(each["SecurityGroupId"] for each in more)]
    estate = pair(groups=more, target_fields={"SecurityGroupIds": groups})
    fields = {"security_group_id": "sg-a"} if method == "shared_group" else {}
    problem = refuse_method(
        api, cloud, estate, connect_request(method, ["i-a"], ["i-b"], **fields),
        "instance_group_limit", *(["address_rules", "shared_group", "group_authorization"]
                                  if method == "dedicated_group" else
                                  ["address_rules", "group_authorization"]),
    )  # fmt: skip
    assert problem["obstacles"][0]["instance_id"] == "i-b"


@pytest.mark.parametrize("method", ["shared_group", "dedicated_group"])
def test_a_locked_instance_joins_no_group(api: Api, cloud: Cloud, method: str) -> None:
    estate = pair(
        source_fields={"OperationLocks": ["security"]},
        target_fields={"OperationLocks": ["security"]},
    )
    refuse_method(
        api, cloud, estate, connect_request(method, ["i-a"], ["i-b"]),
        "instance_locked", "address_rules", "group_authorization",
    )  # fmt: skip


@pytest.mark.parametrize("method", ["address_rules", "group_authorization"])
def test_rules_can_be_added_for_a_locked_instance(api: Api, cloud: Cloud, method: str) -> None:
    cloud.put(pair(target_fields={"OperationLocks": ["security"]}))
    api.connect(connect_request(method, ["i-a"], ["i-b"]))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("source", "target"),
    [(["i-none"], ["i-b"]), (["i-a"], ["i-none"]), (["i-a"], ["i-b", "i-none"])],
)
def test_unknown_instances_are_not_found(
    api: Api, cloud: Cloud, method: str, source: list[str], target: list[str]
) -> None:
    problem = refuse(
        api, cloud, pair(), connect_request(method, source, target), 404, "target_not_found"
    )
    assert problem["instance_id"] == "i-none"


@pytest.mark.parametrize("method", METHODS)
def test_an_instance_of_another_account_is_not_found(api: Api, cloud: Cloud, method: str) -> None:
    request = connect_request(method, ["i-a"], ["i-b"])
    refuse(api, cloud, pair(to=OTHER_ACCOUNT), request, 404, "target_not_found")


@pytest.mark.parametrize(
    "request_",
    [
        connect_request("shared_group", ["i-a"], ["i-b"], security_group_id="sg-none"),
        connect_request(
            "address_rules", ["i-a"], side(ACCOUNT, ["i-b"], security_group_id="sg-none")
        ),
        connect_request(
            "group_authorization", side(ACCOUNT, ["i-a"], security_group_id="sg-none"), ["i-b"]
        ),
        connect_request(
            "group_authorization",
            {"account_id": ACCOUNT, "region_id": "cn-hangzhou", "security_group_ids": ["sg-none"]},
            ["i-b"],
        ),
    ],
    ids=["shared", "receiving", "named", "peer"],
)
def test_unknown_groups_are_not_found(api: Api, cloud: Cloud, request_: Document) -> None:
    problem = refuse(api, cloud, pair(), request_, 404, "target_not_found")
    assert problem["group_id"] == "sg-none"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("at", ["source", "target"])
def test_an_account_that_is_not_registered_is_not_found(
    api: Api, cloud: Cloud, method: str, at: str
) -> None:
    request = connect_request(method, ["i-a"], ["i-b"])
    request[at]["account_id"] = UNREGISTERED
    refuse(api, cloud, pair(), request, 404, "target_not_found")


@pytest.mark.parametrize("method", METHODS)
def test_source_and_target_differ(api: Api, cloud: Cloud, method: str) -> None:
    request = connect_request(method, ["i-a"], ["i-a"])
    refuse(api, cloud, pair(), request, 422, "invalid_connection")


@pytest.mark.parametrize("vpc", [False, True])
@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1"])
def test_nobody_opens_the_world(api: Api, cloud: Cloud, cidr: str, vpc: bool) -> None:
    fields: dict[str, Any] = {"address_family": "ipv6"} if ":" in cidr else {}
    request = connect_request("address_rules", {"addresses": [cidr]}, ["i-b"], **fields)
    refuse(api, cloud, pair(vpc=vpc), request, 403, "guardrail_violation")


@pytest.mark.parametrize("cidr", ["10.170.9.0/24", "10.170.9.0/31"])
def test_a_source_in_the_classic_network_is_one_address(api: Api, cloud: Cloud, cidr: str) -> None:
    request = connect_request("address_rules", {"addresses": [cidr]}, ["i-b"])
    refuse(api, cloud, pair(), request, 422, "invalid_cidr")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "flow",
    [
        {"protocol": "tcp", "port_range": "-1/-1"},
        {"protocol": "udp"},
        {"protocol": "icmp", "port_range": "80/80"},
        {"protocol": "gre", "port_range": "1/65535"},
        {"protocol": "all", "port_range": "22/22"},
        {"protocol": "tcp", "port_range": "80/22"},
        {"protocol": "tcp", "port_range": "0/22"},
        {"protocol": "tcp", "port_range": "1/65536"},
    ],
    ids=str,
)
def test_ports_fit_their_protocol(api: Api, cloud: Cloud, method: str, flow: Document) -> None:
    request = connect_request(method, ["i-a"], ["i-b"], flows=[flow])
    problem = api.refused(request, 422, "invalid_port")
    assert problem["errors"][0]["pointer"].startswith("/flows/0")
    assert cloud.changes() == []


@pytest.mark.parametrize("method", ["address_rules", "group_authorization"])
def test_a_managed_group_is_left_to_its_product(api: Api, cloud: Cloud, method: str) -> None:
    estate = pair(target_group={"ServiceManaged": True})
    problem = refuse(
        api, cloud, estate, connect_request(method, ["i-a"], ["i-b"]), 409, "target_managed"
    )
    assert "sg-b" in problem["detail"]


def test_a_managed_group_is_not_joined(api: Api, cloud: Cloud) -> None:
    estate = pair(target_group={"ServiceManaged": True})
    request = connect_request("shared_group", ["i-a"], ["i-b"], security_group_id="sg-b")
    refuse(api, cloud, estate, request, 409, "target_managed")


def test_a_managed_group_is_not_named(api: Api, cloud: Cloud) -> None:
    estate = pair(source_group={"ServiceManaged": True})
    request = connect_request("group_authorization", ["i-a"], ["i-b"])
    refuse(api, cloud, estate, request, 409, "target_managed")


def test_a_managed_group_entered_by_hand_is_not_named(api: Api, cloud: Cloud) -> None:
    estate = pair(source_group={"ServiceManaged": True})
    peer = {"account_id": ACCOUNT, "region_id": "cn-hangzhou", "security_group_ids": ["sg-a"]}
    request = connect_request("group_authorization", peer, ["i-b"])
    refuse(api, cloud, estate, request, 409, "target_managed")


def filled(count: int) -> list[Document]:
    return [
        rule(f"sgr-{number:03}", ports=f"{number + 1}/{number + 1}", SourceCidrIp="10.9.9.9/32")
        for number in range(count)
    ]


@pytest.mark.parametrize("method", ["address_rules", "group_authorization"])
def test_a_group_without_room_for_the_rules_is_refused(api: Api, cloud: Cloud, method: str) -> None:
    flows = [{"protocol": "tcp", "port_range": f"{port}/{port}"} for port in (5001, 5003)]
    request = connect_request(method, ["i-a"], ["i-b"], flows=flows)
    problem = refuse(api, cloud, pair(target_rules=filled(199)), request, 422, "quota_insufficient")
    [quota] = problem["quotas"]
    assert (quota["subject"], quota["used"], quota["after"], quota["limit"]) == (
        "sg-b",
        199,
        201,
        200,
    )


def test_the_last_free_place_of_a_group_can_be_used(api: Api, cloud: Cloud) -> None:
    cloud.put(pair(target_rules=filled(199)))
    api.connect(connect_request("address_rules", ["i-a"], ["i-b"]))


def test_a_region_without_room_for_a_group_is_refused(api: Api, cloud: Cloud) -> None:
    estate = pair(groups=[group_entry(f"sg-n{number}") for number in range(98)])
    request = connect_request("dedicated_group", ["i-a"], ["i-b"])
    problem = refuse(api, cloud, estate, request, 422, "quota_insufficient")
    assert problem["quotas"][0]["name"] == "groups_per_account"


def peers(count: int) -> Document:
    return pair(
        groups=[group_entry(f"sg-p{number}") for number in range(count)],
        target_rules=[
            rule(f"sgr-p{number}", ports="81/81", SourceGroupId=f"sg-p{number}")
            for number in range(count)
        ],
    )


def test_a_group_that_names_the_most_groups_names_no_other(api: Api, cloud: Cloud) -> None:
    request = connect_request("group_authorization", ["i-a"], ["i-b"])
    problem = refuse_method(
        api, cloud, peers(20), request, "peer_group_limit",
        "address_rules", "shared_group", "dedicated_group",
    )  # fmt: skip
    assert problem["obstacles"][0]["group_id"] == "sg-b"
    cloud.put(peers(19))
    api.connect(request)


@pytest.mark.parametrize("method", ["address_rules", "group_authorization"])
def test_a_group_that_is_not_the_instances_is_not_used(api: Api, cloud: Cloud, method: str) -> None:
    target = side(ACCOUNT, ["i-b"], security_group_id="sg-a")
    request = connect_request(method, ["i-a"], target)
    problem = refuse(api, cloud, pair(), request, 422, "method_not_possible")
    assert obstacles(problem) == {"no_usable_group"}


def test_a_group_of_another_network_is_not_shared(api: Api, cloud: Cloud) -> None:
    estate = pair(groups=[group_entry("sg-vpc", vpc_id="vpc-1")])
    request = connect_request("shared_group", ["i-a"], ["i-b"], security_group_id="sg-vpc")
    refuse_method(
        api, cloud, estate, request, "network_type_mismatch",
        "address_rules", "dedicated_group", "group_authorization",
    )  # fmt: skip


def test_a_group_whose_members_are_isolated_is_not_shared(api: Api, cloud: Cloud) -> None:
    isolated = {"InnerAccessPolicy": "Drop"}
    estate = pair(source_group=isolated, target_group=isolated)
    request = connect_request("shared_group", ["i-a"], ["i-b"])
    refuse_method(
        api, cloud, estate, request, "inner_access_drop",
        "address_rules", "dedicated_group", "group_authorization",
    )  # fmt: skip


@pytest.mark.parametrize("method", ["shared_group", "dedicated_group"])
def test_a_connection_of_memberships_takes_no_scope(api: Api, cloud: Cloud, method: str) -> None:
    request = connect_request(method, ["i-a"], ["i-b"], scope="group")
    assert api.ask("POST", "/connections", request).status_code == 422
