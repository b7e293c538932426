"""How many calls of the cloud an operation takes, by the cloud's own journal."""

import pytest

from tests.support.e2e import Api, Cloud, Document, connect_request, pair

REQUEST = "address_rules"


def counted(cloud: Cloud, group_id: str) -> list[str]:
    """Calls that change rules of the group or read them."""
    return [
        each["action"]
        for each in cloud.calls()
        if each["action"].startswith(("Authorize", "Revoke"))
        or (
            each["action"] == "DescribeSecurityGroupAttribute"
            and each["parameters"]["SecurityGroupId"] == group_id
        )
    ]


@pytest.mark.parametrize(("vpc", "most"), [(True, 3), (False, 5)])
def test_a_hundred_rules_in_one_group_take_few_calls(
    api: Api, cloud: Cloud, vpc: bool, most: int
) -> None:
    start = cloud.put(pair(vpc=vpc))
    flows: list[Document] = [
        {"protocol": "tcp", "port_range": f"{port}/{port}"} for port in range(1001, 1201, 2)
    ]
    plan = api.plan(connect_request(REQUEST, ["i-a"], ["i-b"], flows=flows))
    assert plan["calls"] <= most
    cloud.clear_calls()
    request = connect_request(REQUEST, ["i-a"], ["i-b"], flows=flows)
    operation = api.connect(request, is_settled=False)
    assert len(cloud.rules("sg-b")) == 100
    planning = most // 2  # reads of the plan, before the operation starts
    calls = counted(cloud, "sg-b")[planning:]
    assert len(calls) <= most
    assert len(calls) == plan["calls"]
    assert calls.count("AuthorizeSecurityGroup") == 1
    api.check_nothing_to_do(operation)
    cloud.clear_calls()
    api.disconnect(operation["connection_id"])
    calls = counted(cloud, "sg-b")[planning:]
    assert len(calls) <= most
    assert calls.count("RevokeSecurityGroup") == 1
    assert cloud.estate() == start


def test_more_than_a_hundred_rules_go_out_in_full_batches(api: Api, cloud: Cloud) -> None:
    start = cloud.put(pair())
    addresses = [f"10.99.{number // 200}.{number % 200 + 1}/32" for number in range(150)]
    request = connect_request(REQUEST, {"addresses": addresses}, ["i-b"])
    operation = api.connect(request)
    sizes = [
        sum(name.endswith(".IpProtocol") for name in call["parameters"])
        for call in cloud.changes("AuthorizeSecurityGroup")
    ]
    assert sizes == [100, 50]
    api.disconnect(operation["connection_id"])
    assert len(cloud.changes("RevokeSecurityGroup")) == 2
    assert cloud.estate() == start


def test_an_empty_plan_changes_nothing(api: Api, cloud: Cloud) -> None:
    cloud.put(pair(target_fields={"SecurityGroupIds": ["sg-a", "sg-b"]}))
    for method in ("address_rules", "shared_group", "dedicated_group", "group_authorization"):
        request = connect_request(method, ["i-a"], ["i-b"])
        plan = api.plan(request)
        assert (plan["changes"], plan["calls"]) == ([], 0)
        api.disconnect(api.connect(request)["connection_id"])
    assert cloud.changes() == []
