"""Compaction end to end: fewer rules on the ground, and not a packet fares otherwise."""

from random import Random

import pytest

from tests.support.clouds import ACCOUNT, REGION, group_entry, instance_entry
from tests.support.e2e import Api, Cloud, Document, connect_request, estate, rule


def sprawling(seed: int, *, vpc_id: str | None) -> Document:
    """An estate whose group sg-0 has grown by hand; and who may or may not get in."""
    random = Random(f"sprawl {seed}")
    net = "172.16" if vpc_id else "10.170"
    peers = [f"{net}.1.{each}/32" for each in range(1, 9)]
    said = {
        (
            random.choice(peers),
            random.choice(["22/22", "80/80", "81/82", "80/83"]),
            random.choice([1, 5]),
        )
        for _ in range(30)
    }
    rules = [
        rule(f"sgr-{number}", ports=ports, priority=priority, SourceCidrIp=peer)
        for number, (peer, ports, priority) in enumerate(sorted(said))
    ]
    rules.append(rule("sgr-drop", ports="81/81", policy="drop", priority=3, SourceCidrIp=peers[0]))
    groups = [group_entry("sg-0", vpc_id=vpc_id, rules=rules), group_entry("sg-1", vpc_id=vpc_id)]
    hosts = [
        instance_entry(
            f"i-{n}", ["sg-0" if n == 0 else "sg-1"], private_ip=f"{net}.1.{n}", vpc_id=vpc_id
        )
        for n in range(10)
    ]
    return estate(groups, hosts)


def walks(cloud: Cloud) -> list[str]:
    """What gets from every instance and from a stranger into i-0."""
    packets = [
        {"source": source, "destination": "i-0", "protocol": "tcp", "destination_port": port}
        for source in (*(f"i-{n}" for n in range(1, 10)), "10.170.1.77", "172.16.1.77")
        for port in (22, 79, 80, 81, 82, 83, 84)
    ]
    return [each["verdict"] for each in cloud.walk(packets)]


def compact(api: Api) -> Document:
    body = {
        "kind": "compact",
        "account_id": ACCOUNT,
        "region_id": REGION,
        "security_group_id": "sg-0",
    }
    answer = api.ask("POST", "/plans", body)
    assert answer.status_code == 201, answer.text
    plan: Document = answer.json()
    return plan


@pytest.mark.parametrize("vpc_id", [None, "vpc-1"])
def test_a_group_is_compacted_and_every_packet_fares_as_before(
    api: Api, cloud: Cloud, vpc_id: str | None
) -> None:
    before = cloud.put(sprawling(1, vpc_id=vpc_id))
    told = walks(cloud)
    plan = compact(api)
    assert plan["compact"]["rules_after"] < plan["compact"]["rules_before"]
    operation = api.ended(api.apply(plan).json())
    assert walks(cloud) == told
    assert len(cloud.rules("sg-0")) == plan["compact"]["rules_after"]
    assert compact(api)["changes"] == []
    back = api.ended(api.ask("POST", f"/operations/{operation['id']}/rollback").json())
    assert back["kind"] == "restore"
    assert meanings(cloud.estate()) == meanings(before)


def meanings(of: Document) -> set[str]:
    """The rules of all groups, but for their ids and what people wrote on them."""
    return {
        str(
            {
                key: value
                for key, value in each.items()
                if key not in {"SecurityGroupRuleId", "Description"}
            }
        )
        for group in of["security_groups"]
        for each in group["Rules"]
    }


def test_rules_of_connections_keep_their_ids_and_go_with_them(api: Api, cloud: Cloud) -> None:
    cloud.put(sprawling(2, vpc_id="vpc-1"))
    flows = [{"protocol": "tcp", "port_range": "80/83"}]
    request = connect_request("address_rules", ["i-9"], ["i-0"], flows=flows)
    connected = api.connect(request)
    [ours] = [each for each in cloud.rules("sg-0") if "intercom:" in each.get("Description", "")]
    plan = compact(api)
    assert [each["rule"]["rule_id"] for each in plan["compact"]["left_alone"]] == [
        ours["SecurityGroupRuleId"]
    ]
    told = walks(cloud)
    api.ended(api.apply(plan).json())
    assert walks(cloud) == told
    assert ours in cloud.rules("sg-0")
    api.disconnect(connected["connection_id"])
    assert ours not in cloud.rules("sg-0")
    gone = {"source": "i-9", "destination": "i-0", "protocol": "tcp", "destination_port": 80}
    assert cloud.walk([gone])[0]["verdict"] == "blocked"


def test_a_hand_that_comes_between_turns_everything_back(api: Api, cloud: Cloud) -> None:
    before = cloud.put(sprawling(3, vpc_id="vpc-1"))
    hand = {"group_id": "sg-0", "rule": rule("sgr-hand", ports="9/9", SourceCidrIp="172.16.1.1/32")}
    cloud.faults(cloud.fault("AuthorizeSecurityGroup", "edit", when="after", add_rules=[hand]))
    ended = api.ended(api.apply(compact(api)).json(), "rolled_back")
    assert ended["error"]["code"] == "drift_during_run"
    left = [each for each in cloud.rules("sg-0") if each["SecurityGroupRuleId"] != "sgr-hand"]
    assert (
        left
        == next(g for g in before["security_groups"] if g["SecurityGroupId"] == "sg-0")["Rules"]
    )


def test_a_removal_that_is_refused_turns_everything_back(api: Api, cloud: Cloud) -> None:
    before = cloud.put(sprawling(4, vpc_id="vpc-1"))
    plan = compact(api)
    cloud.faults(cloud.fault("RevokeSecurityGroup", "error", nth=1, code="Never", status=403))
    ended = api.ended(api.apply(plan).json(), "rolled_back")
    assert ended["error"]["code"] == "cloud_refused"
    assert cloud.estate() == before


def test_a_managed_group_and_one_that_is_not_there_are_refused(api: Api, cloud: Cloud) -> None:
    cloud.put(estate([group_entry("sg-0", ServiceManaged=True)]))
    body = {
        "kind": "compact",
        "account_id": ACCOUNT,
        "region_id": REGION,
        "security_group_id": "sg-0",
    }
    answer = api.ask("POST", "/plans", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "target_managed")
    answer = api.ask("POST", "/plans", body | {"security_group_id": "sg-gone"})
    assert (answer.status_code, answer.json()["code"]) == (404, "target_not_found")
