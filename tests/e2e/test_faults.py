"""What goes wrong on the way to the cloud: it ends where it should, and leaves nothing behind."""

from typing import Any

import pytest

from tests.support.clouds import ACCOUNT, OTHER_ACCOUNT, group_entry
from tests.support.e2e import (
    Api,
    Cloud,
    Document,
    asked_probes,
    connect_request,
    group_in,
    pair,
    rule,
)

METHODS = ("address_rules", "shared_group", "dedicated_group", "group_authorization")
FIRST_CALL = {
    "address_rules": "AuthorizeSecurityGroup",
    "shared_group": "JoinSecurityGroup",
    "dedicated_group": "CreateSecurityGroup",
    "group_authorization": "AuthorizeSecurityGroup",
}
SECOND_CALL = FIRST_CALL | {"dedicated_group": "JoinSecurityGroup"}


def two_changes(method: str, to: str = ACCOUNT) -> Document:
    """A request that takes two changes or more."""
    if method in {"address_rules", "group_authorization"}:
        return connect_request(method, ["i-a"], ["i-b"], to=to, bidirectional=True)
    group = {"security_group_id": "sg-both"} if method == "shared_group" else {}
    return connect_request(method, ["i-a"], ["i-b"], **group)


def place(to: str = ACCOUNT) -> Document:
    return pair(to=to, groups=[group_entry("sg-both")])


def passes(cloud: Cloud, request: Document) -> bool:
    return all(cloud.passes(probe) for probe in asked_probes(cloud.estate(), request))


@pytest.mark.fault("F21", "F25", "F45")
@pytest.mark.parametrize(
    ("method", "code", "status"),
    [
        ("address_rules", "Forbidden.RAM", 403),
        ("shared_group", "InvalidParameter", 400),
        ("dedicated_group", "InvalidSecurityGroupId.NotFound", 404),
        ("group_authorization", "AuthorizationLimitExceed", 403),
    ],
)  # every method with every code: tests/seeded/test_rows.py
def test_a_refused_second_change_takes_the_first_one_back(
    api: Api, cloud: Cloud, method: str, code: str, status: int
) -> None:
    start = cloud.put(place())
    nth = 1 if method == "dedicated_group" else 2
    cloud.faults(cloud.fault(SECOND_CALL[method], "error", nth=nth, code=code, status=status))
    operation = api.connect(two_changes(method), "rolled_back")
    assert cloud.estate() == start
    assert operation["error"]["cloud_code"] == code
    connection = api.connection(operation["connection_id"])
    assert (connection["status"], connection["ledger"]) == ("failed", [])


def test_a_refused_change_in_the_second_account_takes_the_first_ones_back(
    api: Api, cloud: Cloud
) -> None:
    start = cloud.put(place(OTHER_ACCOUNT))
    for account_id in (ACCOUNT, OTHER_ACCOUNT):
        cloud.faults(
            cloud.fault(
                "AuthorizeSecurityGroup", "error", account_id=account_id,
                code="Forbidden.RAM", status=403,
            )
        )  # fmt: skip
        operation = api.connect(two_changes("address_rules", OTHER_ACCOUNT), "rolled_back")
        assert operation["error"]["account_id"] == account_id
        assert cloud.estate() == start


PASSING: list[dict[str, Any]] = [
    {"kind": "throttle", "times": 2},
    {"kind": "error", "code": "InternalError", "status": 500, "times": 1, "when": "after"},
    {"kind": "reply_lost", "times": 1},
    {"kind": "reply_lost", "times": 1, "when": "before"},
]
LASTING: list[dict[str, Any]] = [
    {"kind": "error", "code": "InternalError", "status": 500, "times": 2},
    {"kind": "error", "code": "ServiceUnavailable", "status": 503, "times": 1},
    {"kind": "delay", "seconds": 0.2},
]
DELAYS = [  # every method with every fault: tests/seeded/test_rows.py
    *(("dedicated_group", fault) for fault in PASSING),
    *(("group_authorization", fault) for fault in LASTING),
]


@pytest.mark.parametrize(
    ("method", "fault"),
    DELAYS,
    ids=["-".join([method, *map(str, fault.values())]) for method, fault in DELAYS],
)
def test_a_passing_fault_delays_a_connection_and_doubles_nothing(
    api: Api, cloud: Cloud, method: str, fault: dict[str, Any]
) -> None:
    start = cloud.put(place())
    cloud.faults({"match": {"action": FIRST_CALL[method]}, **fault})
    request = two_changes(method)
    operation = api.connect(request)
    assert passes(cloud, request)
    after = cloud.estate()
    made = len(after["security_groups"]) - len(start["security_groups"])
    assert made == (1 if method == "dedicated_group" else 0)
    if method in {"address_rules", "group_authorization"}:
        assert [len(cloud.rules(each)) for each in ("sg-a", "sg-b")] == [1, 1]
    ledger = api.connection(operation["connection_id"])["ledger"]
    assert len(ledger) == (3 if method == "dedicated_group" else 2)
    cloud.clear_faults()
    api.disconnect(operation["connection_id"])
    assert cloud.estate() == start


@pytest.mark.parametrize("method", ["shared_group", "dedicated_group"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_lost_reply_to_a_join_is_looked_after(
    api: Api, cloud: Cloud, method: str, nth: int
) -> None:
    start = cloud.put(place())
    cloud.faults(cloud.fault("JoinSecurityGroup", "reply_lost", nth=nth))
    operation = api.connect(two_changes(method))
    assert len(cloud.changes("JoinSecurityGroup")) == 2
    api.disconnect(operation["connection_id"])
    assert cloud.estate() == start


LAST_CALLS = [
    ("address_rules", "RevokeSecurityGroup"),
    ("group_authorization", "RevokeSecurityGroup"),
    ("shared_group", "LeaveSecurityGroup"),
    ("dedicated_group", "LeaveSecurityGroup"),
    ("dedicated_group", "DeleteSecurityGroup"),
]


@pytest.mark.parametrize(("method", "action"), LAST_CALLS)
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "reply_lost", "times": 1},
        {"kind": "throttle", "times": 1},
        {"kind": "error", "code": "InternalError", "status": 500, "times": 1},
    ],
    ids=lambda fault: fault["kind"],
)
def test_a_passing_fault_delays_a_disconnect(
    api: Api, cloud: Cloud, method: str, action: str, fault: dict[str, Any]
) -> None:
    start = cloud.put(place())
    operation = api.connect(two_changes(method))
    cloud.faults({"match": {"action": action}, **fault})
    api.disconnect(operation["connection_id"])
    assert cloud.estate() == start


@pytest.mark.parametrize(("method", "action"), LAST_CALLS)
def test_a_refused_disconnect_leaves_the_connection_as_it_was(
    api: Api, cloud: Cloud, method: str, action: str
) -> None:
    start = cloud.put(place())
    request = two_changes(method)
    connection_id = api.connect(request)["connection_id"]
    nth = 1 if action == "DeleteSecurityGroup" else 2
    cloud.faults(cloud.fault(action, "error", nth=nth, code="Forbidden.RAM", status=403))
    api.disconnect(connection_id, "rolled_back")
    assert passes(cloud, request)
    assert api.connection(connection_id)["status"] == "active"
    cloud.clear_faults()
    api.disconnect(connection_id)
    after = cloud.estate()
    if (method, action) == ("dedicated_group", "DeleteSecurityGroup"):
        assert after["instances"] == start["instances"]
    assert after == start


def test_reads_that_fail_for_a_while_are_repeated(api: Api, cloud: Cloud) -> None:
    start = cloud.put(pair())
    cloud.faults(
        cloud.fault("DescribeSecurityGroupAttribute", "throttle", times=2),
        cloud.fault("DescribeInstances", "error", code="InternalError", status=500, times=2),
        cloud.fault("DescribeSecurityGroups", "reply_lost", times=1),
    )
    operation = api.connect(connect_request("address_rules", ["i-a"], ["i-b"]))
    api.disconnect(operation["connection_id"])
    assert cloud.estate() == start


def test_a_cloud_that_cannot_be_read_is_said_to_be_unavailable(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    cloud.faults(cloud.fault("DescribeInstances", "error", code="InternalError", status=500))
    api.refused(connect_request("address_rules", ["i-a"], ["i-b"]), 503, "cloud_unavailable")
    assert cloud.changes() == []


# --- somebody else's hand ------------------------------------------------------------


def twin(**fields: object) -> Document:
    """The very rule that the plan is about to add, by somebody else."""
    return {
        "group_id": "sg-b",
        "rule": {
            "Direction": "ingress", "Policy": "accept", "Priority": 1, "IpProtocol": "tcp",
            "PortRange": "3306/3306", "NicType": "intranet", "SourceCidrIp": "10.170.0.1/32",
            "DestCidrIp": "10.170.0.2/32", "Description": "theirs", **fields,
        },
    }  # fmt: skip


@pytest.mark.fault("F19")
def test_an_equal_rule_that_somebody_adds_meanwhile_is_adopted_and_survives(
    api: Api, cloud: Cloud
) -> None:
    cloud.put(pair())
    cloud.faults(cloud.fault("AuthorizeSecurityGroup", "edit", edit={"add_rules": [twin()]}))
    operation = api.connect(connect_request("address_rules", ["i-a"], ["i-b"]))
    [theirs] = cloud.rules("sg-b")
    assert theirs["Description"] == "theirs"
    connection = api.connection(operation["connection_id"])
    assert connection["ledger"] == []
    assert [each["rule_id"] for each in connection["adopted"]] == [theirs["SecurityGroupRuleId"]]
    cloud.clear_faults()
    api.disconnect(operation["connection_id"])
    assert cloud.rules("sg-b") == [theirs]


@pytest.mark.fault("F19", "F20")
def test_of_a_batch_only_our_own_rules_are_taken_back(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    cloud.faults({"id": "hold", "match": {"action": "AuthorizeSecurityGroup"}, "kind": "hold"})
    flows = [{"protocol": "tcp", "port_range": port} for port in ("3306/3306", "3307/3307")]
    operation = api.start(connect_request("address_rules", ["i-a"], ["i-b"], flows=flows))
    cloud.await_call("AuthorizeSecurityGroup")
    with cloud.edited() as estate:
        for group in estate["security_groups"]:
            if group["SecurityGroupId"] == "sg-b":
                group["Rules"] = [{"SecurityGroupRuleId": "sgr-theirs", **twin()["rule"]}]
    cloud.release("hold")
    operation = api.ended(operation)
    assert len(cloud.rules("sg-b")) == 2
    api.disconnect(operation["connection_id"])
    assert [each["SecurityGroupRuleId"] for each in cloud.rules("sg-b")] == ["sgr-theirs"]


def test_an_adopted_rule_survives_a_rollback(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    cloud.faults(
        cloud.fault("AuthorizeSecurityGroup", "edit", nth=1, edit={"add_rules": [twin()]}),
        cloud.fault("AuthorizeSecurityGroup", "error", nth=2, code="Forbidden.RAM", status=403),
    )
    request = connect_request("address_rules", ["i-a"], ["i-b"], bidirectional=True)
    api.connect(request, "rolled_back")
    assert [each["Description"] for each in [*cloud.rules("sg-a"), *cloud.rules("sg-b")]] == [
        "theirs"
    ]


def test_a_membership_that_somebody_makes_meanwhile_does_no_harm(api: Api, cloud: Cloud) -> None:
    start = cloud.put(place())
    join = {"group_id": "sg-both", "instance_id": "i-a"}
    cloud.faults(cloud.fault("JoinSecurityGroup", "edit", nth=1, edit={"join": [join]}))
    request = two_changes("shared_group")
    operation = api.connect(request)
    assert passes(cloud, request)
    api.disconnect(operation["connection_id"])
    assert "sg-both" not in cloud.groups_of("i-b")
    assert start["security_groups"] == cloud.estate()["security_groups"]


@pytest.mark.fault("F38")
def test_a_drop_that_somebody_adds_meanwhile_ends_in_a_rollback(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    drop = twin(Policy="drop", SourceCidrIp="10.170.0.0/16", Description="stop")
    cloud.faults(cloud.fault("AuthorizeSecurityGroup", "edit", edit={"add_rules": [drop]}))
    operation = api.connect(connect_request("address_rules", ["i-a"], ["i-b"]), "rolled_back")
    assert operation["error"]["code"] == "not_reachable_after_change"
    assert [each["Description"] for each in cloud.rules("sg-b")] == ["stop"]


def test_rules_added_elsewhere_meanwhile_are_left_alone(api: Api, cloud: Cloud) -> None:
    cloud.put(pair(target_rules=[rule("sgr-old", ports="22/22", SourceCidrIp="10.9.9.9/32")]))
    other = twin(PortRange="9999/9999", Description="other")
    cloud.faults(cloud.fault("AuthorizeSecurityGroup", "edit", edit={"add_rules": [other]}))
    operation = api.connect(connect_request("address_rules", ["i-a"], ["i-b"]))
    cloud.clear_faults()
    api.disconnect(operation["connection_id"])
    assert {each["PortRange"] for each in cloud.rules("sg-b")} == {"22/22", "9999/9999"}


# --- neither forward nor back --------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_what_can_neither_be_finished_nor_taken_back_asks_for_attention(
    api: Api, cloud: Cloud, method: str
) -> None:
    start = cloud.put(place())
    no = {"code": "Forbidden.RAM", "status": 403}
    nth = 1 if method == "dedicated_group" else 2
    cloud.faults(
        cloud.fault(SECOND_CALL[method], "error", nth=nth, **no),
        *(
            cloud.fault(action, "error", **no)
            for action in ("RevokeSecurityGroup", "LeaveSecurityGroup", "DeleteSecurityGroup")
        ),
    )
    operation = api.connect(two_changes(method), "needs_attention")
    error = operation["error"]
    assert len(error["remaining"]) == len(error["remedy"]) == 1
    assert error["cause"]["cloud_code"] == "Forbidden.RAM"
    connection = api.connection(operation["connection_id"])
    assert connection["status"] == "needs_attention"
    assert len(connection["ledger"]) == 1
    cloud.clear_faults()
    api.disconnect(operation["connection_id"])
    assert cloud.estate() == start


@pytest.mark.fault("F49")
def test_a_way_back_that_is_delayed_is_gone_to_its_end(api: Api, cloud: Cloud) -> None:
    start = cloud.put(place())
    cloud.faults(
        cloud.fault("AuthorizeSecurityGroup", "error", nth=2, code="Forbidden.RAM", status=403),
        cloud.fault("RevokeSecurityGroup", "throttle", times=2),
    )
    api.connect(two_changes("address_rules"), "rolled_back")
    assert cloud.estate() == start


def test_a_call_for_attention_is_told_by_its_name(api: Api, cloud: Cloud) -> None:
    cloud.put(place())
    no = {"code": "Forbidden.RAM", "status": 403}
    cloud.faults(
        cloud.fault("AuthorizeSecurityGroup", "error", nth=2, **no),
        cloud.fault("RevokeSecurityGroup", "error", **no),
    )
    operation = api.connect(two_changes("address_rules"), "needs_attention")
    cloud.clear_faults()
    assert operation["error"]["code"] == "needs_attention"


def test_a_rule_of_ours_that_is_gone_before_the_way_back_is_not_taken_for_undone(
    api: Api, cloud: Cloud
) -> None:
    """It cannot be told from one that shows late: somebody has to look."""
    cloud.put(place())
    match = {"action": "AuthorizeSecurityGroup", "nth": 2}
    cloud.faults({"id": "hold", "match": match, "kind": "hold"})
    operation = api.start(two_changes("address_rules"))
    cloud.await_call("AuthorizeSecurityGroup", 2)
    with cloud.edited() as estate:
        for group in estate["security_groups"]:
            group["Rules"] = []
        drop = rule("sgr-stop", policy="drop", SourceCidrIp="0.0.0.0/0")
        group_in(estate, "sg-b")["Rules"] = [drop]
    cloud.release("hold")
    operation = api.ended(operation, "needs_attention")
    assert [each["SecurityGroupRuleId"] for each in cloud.rules("sg-b")] == ["sgr-stop"]
    assert cloud.rules("sg-a") == []
