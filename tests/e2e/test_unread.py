"""What may not be read makes unknown what depends on it, and nothing else."""

import pytest

from app.domain.groups import GroupRef, Place
from app.services.scopes import Scope
from app.services.worlds import Worlds
from app.simulator.dispatcher import Dispatcher
from tests.support.clouds import (
    ACCOUNT,
    OTHER_ACCOUNT,
    REGION,
    group_entry,
    in_memory_clouds,
    instance_entry,
)
from tests.support.e2e import Api, Cloud, Document, connect_request, estate, pair, side

RULES = "DescribeSecurityGroupAttribute"


def ask(api: Api, source: str, target: str, to: str) -> Document:
    ends = [
        {"account_id": account_id, "region_id": REGION, "instance_id": instance_id}
        for account_id, instance_id in ((ACCOUNT, source), (to, target))
    ]
    flow = {"source": ends[0], "target": ends[1], "protocol": "tcp", "port": 22}
    answer = api.ask("POST", "/reachability/explain", {"flows": [flow]})
    assert answer.status_code == 200, answer.text
    found: Document = answer.json()
    return found


def test_a_group_that_may_not_be_read_is_unknown_and_says_why(api: Api, cloud: Cloud) -> None:
    cloud.put(pair(to=OTHER_ACCOUNT))
    cloud.faults(cloud.fault(RULES, "forbidden", account_id=OTHER_ACCOUNT))
    answer = ask(api, "i-a", "i-b", OTHER_ACCOUNT)
    (item,) = answer["items"]
    assert (item["verdict"], item["egress"]["verdict"]) == ("unknown", "allowed")
    assert item["ingress"]["code"] == "unreadable"
    (unread,) = answer["world"]["unread_groups"]
    assert (unread["account_id"], unread["security_group_id"]) == (OTHER_ACCOUNT, "sg-b")
    assert unread["code"] == "cloud_refused"
    assert "Forbidden" in unread["detail"]


def test_a_matrix_of_groups_that_may_not_be_read_is_unknown(api: Api, cloud: Cloud) -> None:
    cloud.put(pair(to=OTHER_ACCOUNT))
    cloud.faults(cloud.fault(RULES, "forbidden", account_id=OTHER_ACCOUNT))
    scope = [
        {"account_id": account_id, "region_id": REGION} for account_id in (ACCOUNT, OTHER_ACCOUNT)
    ]
    answer = api.ask("POST", "/reachability/matrix", {"scope": scope})
    assert answer.status_code == 200, answer.text
    assert answer.json()["pairs"] == {"asked": 2, "reachable": 0, "unknown": 1, "blocked": 1}


def test_a_plan_that_needs_what_may_not_be_read_is_refused(api: Api, cloud: Cloud) -> None:
    cloud.put(pair(to=OTHER_ACCOUNT))
    cloud.faults(cloud.fault(RULES, "forbidden", account_id=OTHER_ACCOUNT))
    request = connect_request("address_rules", ["i-a"], side(OTHER_ACCOUNT, ["i-b"]))
    api.refused(request, 502, "cloud_refused")


@pytest.mark.parametrize("refused", ["sg-1", "sg-2", "sg-3"])
def test_one_group_that_may_not_be_read_says_nothing_of_the_others(refused: str) -> None:
    ids = ["sg-1", "sg-2", "sg-3"]
    dispatcher = Dispatcher(
        estate(
            [group_entry(each, vpc_id="vpc-1") for each in ids],
            [instance_entry("i-a", ids, vpc_id="vpc-1", private_ip="172.16.0.1")],
        )
    )
    here, place = Place(ACCOUNT, REGION), ids.index(refused)
    clouds = in_memory_clouds(dispatcher)
    worlds = Worlds(clouds=clouds, places=lambda: [here], threads=1)
    # Asked for together, where the first refusal ends it, and then one by one.
    asked = {place + 1, place + 1 + place + 1}
    dispatcher.put_faults(
        [{"match": {"action": RULES, "nth": nth}, "kind": "forbidden"} for nth in asked]
    )
    scope = Scope(instances=frozenset({(here, "i-a")}), with_neighbours=False)
    world = worlds.read(scope)
    assert world.groups.keys() == {*ids} - {refused}
    assert world.unread == {GroupRef(refused, ACCOUNT)} == world.refusals.keys()
    worlds.close()
    clouds.close()
