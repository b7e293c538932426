"""What was there before stays, and what two connections need stays until the last one goes."""

import pytest

from tests.support.clouds import ACCOUNT, OTHER_ACCOUNT, group_entry, instance_entry
from tests.support.e2e import (
    Api,
    Cloud,
    Document,
    connect_request,
    pair,
    rule,
    side,
)

METHODS = ("address_rules", "shared_group", "dedicated_group", "group_authorization")
OPEN = {"source": "i-a", "destination": "i-b", "protocol": "tcp", "destination_port": 3306}


def is_open(cloud: Cloud, **fields: object) -> bool:
    return bool(cloud.walk([OPEN | fields])[0]["verdict"] == "reachable")


def standing(method: str, *, scope: str = "instance") -> Document:
    """An estate that has already what the method would add."""
    if method in {"shared_group", "dedicated_group"}:
        return pair(
            groups=[group_entry("sg-both")],
            source_fields={"SecurityGroupIds": ["sg-a", "sg-both"]},
            target_fields={"SecurityGroupIds": ["sg-b", "sg-both"]},
        )
    peer: Document = (
        {"SourceCidrIp": "10.170.0.1/32"}
        if method == "address_rules"
        else {"SourceGroupId": "sg-a"}
    )
    own: Document = {"DestCidrIp": "10.170.0.2/32"} if scope == "instance" else {}
    return pair(target_rules=[rule("sgr-theirs", ports="3306/3306", **(peer | own))])


@pytest.mark.parametrize("scope", ["instance", "group"])
@pytest.mark.parametrize("method", METHODS)
def test_what_was_open_before_needs_nothing_and_survives_a_disconnect(
    api: Api, cloud: Cloud, method: str, scope: str
) -> None:
    start = cloud.put(standing(method, scope=scope))
    fields = {"scope": scope} if method in {"address_rules", "group_authorization"} else {}
    request = connect_request(method, ["i-a"], ["i-b"], **fields)
    plan = api.plan(request)
    assert plan["changes"] == []
    assert any(plan["rests_on"].values())
    assert plan["asked"]["items"][0]["before"]["verdict"] == "reachable"
    operation = api.connect(request)
    connection = api.connection(operation["connection_id"])
    assert connection["ledger"] == []
    assert connection["adopted"]
    api.disconnect(operation["connection_id"])
    assert cloud.changes() == []
    assert cloud.estate() == start


def test_a_connection_adds_only_what_is_missing_and_takes_only_that_back(
    api: Api, cloud: Cloud
) -> None:
    start = cloud.put(standing("address_rules"))
    flows = [{"protocol": "tcp", "port_range": port} for port in ("3306/3306", "3307/3307")]
    operation = api.connect(connect_request("address_rules", ["i-a"], ["i-b"], flows=flows))
    assert {each["PortRange"] for each in cloud.rules("sg-b")} == {"3306/3306", "3307/3307"}
    ledger = api.connection(operation["connection_id"])["ledger"]
    assert [each["rule"]["port_range"] for each in ledger] == ["3307/3307"]
    api.disconnect(operation["connection_id"])
    assert cloud.estate() == start


def test_a_rule_that_stood_before_survives_a_rollback(api: Api, cloud: Cloud) -> None:
    start = cloud.put(standing("address_rules"))
    flows = [{"protocol": "tcp", "port_range": port} for port in ("3306/3306", "3307/3307")]
    request = connect_request("address_rules", ["i-a"], ["i-b"], flows=flows, bidirectional=True)
    cloud.faults(
        cloud.fault("AuthorizeSecurityGroup", "error", nth=2, code="Forbidden.RAM", status=403)
    )
    operation = api.connect(request, "rolled_back")
    assert operation["error"]["code"] == "cloud_refused"
    assert cloud.estate() == start


@pytest.mark.parametrize("first_goes_first", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_what_two_connections_need_stays_until_the_last_one_goes(
    api: Api, cloud: Cloud, method: str, first_goes_first: bool
) -> None:
    start = cloud.put(pair())
    request = connect_request(method, ["i-a"], ["i-b"])
    first = api.connect(request)["connection_id"]
    added = cloud.estate()
    second = api.connect(request)["connection_id"]
    assert cloud.estate() == added
    assert all("rule_id" not in each for each in api.connection(second)["adopted"])
    assert [each["shared_with"] for each in api.connection(first)["ledger"]] == [
        [second] for _ in api.connection(first)["ledger"]
    ]
    goes, stays = (first, second) if first_goes_first else (second, first)
    api.disconnect(goes)
    assert cloud.estate() == added
    assert is_open(cloud)
    api.disconnect(stays)
    assert cloud.estate() == start


@pytest.mark.parametrize("narrow_goes_first", [True, False])
@pytest.mark.parametrize("method", ["address_rules", "group_authorization"])
def test_a_connection_that_rests_on_a_wider_rule_of_ours_keeps_it(
    api: Api, cloud: Cloud, method: str, narrow_goes_first: bool
) -> None:
    start = cloud.put(pair())
    wide = api.connect(
        connect_request(
            method, ["i-a"], ["i-b"], scope="group",
            flows=[{"protocol": "tcp", "port_range": "3000/4000"}],
        )
    )["connection_id"]  # fmt: skip
    narrow = api.connect(connect_request(method, ["i-a"], ["i-b"]))["connection_id"]
    assert len(cloud.rules("sg-b")) == 1
    goes, stays = (narrow, wide) if narrow_goes_first else (wide, narrow)
    api.disconnect(goes)
    assert is_open(cloud)
    api.disconnect(stays)
    assert cloud.estate() == start


@pytest.mark.parametrize("method", ["shared_group", "dedicated_group"])
def test_a_member_that_two_connections_need_stays_in_the_group(
    api: Api, cloud: Cloud, method: str
) -> None:
    start = cloud.put(
        pair(
            groups=[group_entry("sg-c"), group_entry("sg-both")],
            instances=[instance_entry("i-c", ["sg-c"], private_ip="10.170.0.3")],
        )
    )
    if method == "shared_group":
        fields = {"security_group_id": "sg-both"}
        first = api.connect(connect_request(method, ["i-a"], ["i-b"], **fields))["connection_id"]
        both = "sg-both"
    else:
        first = api.connect(connect_request(method, ["i-a"], ["i-b"]))["connection_id"]
        [both] = cloud.groups_of("i-a") - {"sg-a"}
    request = connect_request("shared_group", ["i-b"], ["i-c"], security_group_id=both)
    second = api.connect(request)["connection_id"]
    api.disconnect(first)
    assert both not in cloud.groups_of("i-a")
    assert is_open(cloud, source="i-b", destination="i-c")
    assert not is_open(cloud)
    api.disconnect(second)
    assert cloud.estate()["instances"] == start["instances"]


def test_a_group_of_ours_goes_with_the_last_connection_that_joins_it(
    api: Api, cloud: Cloud
) -> None:
    start = cloud.put(
        pair(
            groups=[group_entry("sg-c")],
            instances=[
                instance_entry("i-c", ["sg-c"], private_ip="10.170.0.3"),
                instance_entry("i-d", ["sg-c"], private_ip="10.170.0.4"),
            ],
            source_group={"InnerAccessPolicy": "Drop"},
        )
    )
    first = api.connect(connect_request("dedicated_group", ["i-a"], ["i-b"]))["connection_id"]
    [made] = cloud.groups_of("i-a") - {"sg-a"}
    with cloud.edited() as estate:
        for group in estate["security_groups"]:
            if group["SecurityGroupId"] == "sg-c":
                group["InnerAccessPolicy"] = "Drop"
    request = connect_request("shared_group", ["i-c"], ["i-d"], security_group_id=made)
    second = api.connect(request)["connection_id"]
    api.disconnect(first)
    assert is_open(cloud, source="i-c", destination="i-d")
    api.disconnect(second)
    assert [each["SecurityGroupId"] for each in cloud.estate()["security_groups"]] == [
        each["SecurityGroupId"] for each in start["security_groups"]
    ]


def test_a_rule_of_ours_keeps_the_membership_of_ours_that_it_speaks_by(
    api: Api, cloud: Cloud
) -> None:
    """The second connection adds a rule that names a group its source is in by the first."""
    start = cloud.put(
        pair(
            groups=[group_entry("sg-both"), group_entry("sg-c")],
            instances=[instance_entry("i-c", ["sg-c"], private_ip="10.170.0.3")],
        )
    )
    shared = connect_request("shared_group", ["i-a"], ["i-b"], security_group_id="sg-both")
    first = api.connect(shared)["connection_id"]
    named = side(ACCOUNT, ["i-a"], security_group_id="sg-both")
    second = api.connect(connect_request("group_authorization", named, ["i-c"]))["connection_id"]
    held = side(ACCOUNT, ["i-b"], security_group_id="sg-both")
    third = api.connect(connect_request("address_rules", ["i-c"], held))["connection_id"]
    api.disconnect(first)
    assert is_open(cloud, destination="i-c")
    assert is_open(cloud, source="i-c", destination="i-b")
    api.disconnect(second)
    api.disconnect(third)
    assert cloud.estate() == start


def test_rules_stay_while_a_membership_of_ours_is_needed_beside_them(
    api: Api, cloud: Cloud
) -> None:
    start = cloud.put(pair(to=OTHER_ACCOUNT))
    rules = connect_request("group_authorization", ["i-a"], ["i-b"], to=OTHER_ACCOUNT)
    back = connect_request(
        "group_authorization", side(OTHER_ACCOUNT, ["i-b"]), side(ACCOUNT, ["i-a"])
    )
    forth_id = api.connect(rules)["connection_id"]
    back_id = api.connect(back)["connection_id"]
    api.disconnect(forth_id)
    assert not is_open(cloud)
    assert is_open(cloud, source="i-b", destination="i-a")
    api.disconnect(back_id)
    assert cloud.estate() == start


def test_a_connection_through_a_group_keeps_the_membership_it_speaks_by(
    api: Api, cloud: Cloud
) -> None:
    """A rule names sg-both; the source is in it only because of another connection."""
    start = cloud.put(
        pair(
            groups=[
                group_entry("sg-both"),
                group_entry("sg-c", rules=[rule("sgr-c", SourceGroupId="sg-both")]),
            ],
            instances=[instance_entry("i-c", ["sg-c"], private_ip="10.170.0.3")],
        )
    )  # fmt: skip
    shared = connect_request("shared_group", ["i-a"], ["i-b"], security_group_id="sg-both")
    first = api.connect(shared)["connection_id"]
    second = api.connect(connect_request("address_rules", ["i-a"], ["i-c"]))["connection_id"]
    assert len(cloud.rules("sg-c")) == 1
    api.disconnect(first)
    assert is_open(cloud, destination="i-c")
    api.disconnect(second)
    assert cloud.estate() == start
