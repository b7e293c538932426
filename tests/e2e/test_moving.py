"""A connection is moved to another method without a gap, and back."""

from itertools import permutations
from typing import Any

import pytest

from tests.support.clouds import group_entry, instance_entry
from tests.support.e2e import Api, Cloud, Document, asked_probes, connect_request, estate, rule

METHODS = ("address_rules", "shared_group", "dedicated_group", "group_authorization")
FLOWS = [{"protocol": "tcp", "port_range": "3306/3306"}]


def place() -> Document:
    """Two sources with a stranger in sg-a, two targets in sg-b."""
    return estate(
        [
            group_entry("sg-a"),
            group_entry("sg-b", rules=[rule("sgr-b", ports="22/22", SourceCidrIp="10.9.9.9/32")]),
            group_entry("sg-both"),
        ],
        [
            instance_entry("i-a1", ["sg-a"], private_ip="10.170.0.1"),
            instance_entry("i-a2", ["sg-a"], private_ip="10.170.0.2"),
            instance_entry("i-stranger", ["sg-a"], private_ip="10.170.0.3"),
            instance_entry("i-b1", ["sg-b"], private_ip="10.170.1.1"),
            instance_entry("i-b2", ["sg-b"], private_ip="10.170.1.2"),
        ],
    )


def asked_for(method: str, **fields: Any) -> Document:
    if method == "shared_group":
        fields["security_group_id"] = "sg-both"
    return connect_request(method, ["i-a1", "i-a2"], ["i-b1", "i-b2"], flows=FLOWS, **fields)


def way(method: str, **fields: Any) -> Document:
    shared = {"security_group_id": "sg-both"} if method == "shared_group" else {}
    return {"method": method, **shared, **fields}


def planned(api: Api, connection_id: str, to: Document) -> Document:
    body = {"kind": "move", "connection_id": connection_id, "to": to}
    answer = api.ask("POST", "/plans", body)
    assert answer.status_code == 201, answer.text
    plan: Document = answer.json()
    return plan


def moved(api: Api, connection_id: str, to: Document, status: str = "succeeded") -> Document:
    answer = api.apply(planned(api, connection_id, to))
    assert answer.status_code == 202, answer.text
    return api.ended(answer.json(), status)


def meaning(of: Document) -> list[Any]:
    """What groups hold and who is in them, whatever ids the cloud has given."""
    names = {each["SecurityGroupId"]: each["SecurityGroupName"] for each in of["security_groups"]}
    ignored = {"SecurityGroupRuleId", "Description"}

    def said(held: Document) -> list[tuple[str, str]]:
        return sorted((key, str(each)) for key, each in held.items() if key not in ignored)

    groups = [
        [names[each["SecurityGroupId"]], sorted(map(said, each["Rules"]))]
        for each in of["security_groups"]
    ]
    members = [
        [each["InstanceId"], sorted(names[one] for one in each["SecurityGroupIds"])]
        for each in of["instances"]
    ]
    return [sorted(groups), members]


PAIRS = [
    pytest.param(old, new, marks=() if number % 4 == 0 else pytest.mark.long)
    for number, (old, new) in enumerate(permutations(METHODS, 2))
]
"""Every pair in the long run; what happens on the way is shown by `tests/domain/test_moving.py`."""


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_a_moved_connection_is_as_if_it_had_been_made_so(
    api: Api, cloud: Cloud, old: str, new: str
) -> None:
    start = cloud.put(place())
    direct = api.connect(asked_for(new))["connection_id"]
    wanted = meaning(cloud.estate())
    api.disconnect(direct)
    connection_id = api.connect(asked_for(old))["connection_id"]
    plan = planned(api, connection_id, way(new))
    assert {each["verdict"] for each in plan["move"]["between"]} == {"reachable"}
    operation = moved(api, connection_id, way(new))
    assert (operation["kind"], operation["connection_id"]) == ("move", connection_id)
    assert meaning(cloud.estate()) == wanted
    connection = api.connection(connection_id)
    assert (connection["status"], connection["method"]) == ("active", new)
    assert connection["request"] == asked_for(new)
    for probe in asked_probes(start, asked_for(new)):
        assert cloud.passes(probe), probe
    assert api.plan(connection["request"])["changes"] == []
    api.disconnect(connection_id)
    assert cloud.estate() == start


def test_a_move_is_taken_back_by_a_move_and_that_is_answered_again(api: Api, cloud: Cloud) -> None:
    cloud.put(place())
    connection_id = api.connect(asked_for("address_rules"))["connection_id"]
    was = meaning(cloud.estate())
    operation = moved(api, connection_id, way("dedicated_group"))
    path = f"/operations/{operation['id']}/rollback"
    answer = api.ask("POST", path)
    assert (answer.status_code, answer.json()["kind"]) == (202, "move")
    api.ended(answer.json())
    assert meaning(cloud.estate()) == was
    assert api.connection(connection_id)["request"] == asked_for("address_rules")
    again = api.ask("POST", path).json()
    assert again["id"] == answer.json()["id"]
    assert again["settles"] == operation["id"]
    first = api.get(f"/operations?connection_id={connection_id}&limit=10")["items"][-1]
    assert first["kind"] == "connect"
    check = api.ask("POST", f"/connections/{connection_id}/check").json()
    assert check["conditions"], check


def test_a_move_that_was_followed_by_another_one_says_how_to_get_back(
    api: Api, cloud: Cloud
) -> None:
    cloud.put(place())
    connection_id = api.connect(asked_for("address_rules"))["connection_id"]
    first = moved(api, connection_id, way("shared_group"))
    moved(api, connection_id, way("group_authorization"))
    answer = api.ask("POST", f"/operations/{first['id']}/rollback")
    assert (answer.status_code, answer.json()["code"]) == (409, "invalid_state")
    remedy = answer.json()["remedy"]
    assert remedy["body"] == {
        "kind": "move", "connection_id": connection_id, "to": {"method": "address_rules"},
    }  # fmt: skip
    plan = api.ask(remedy["method"], remedy["path"].removeprefix("/v1"), remedy["body"])
    assert plan.status_code == 201
    api.ended(api.apply(plan.json()).json())
    assert api.connection(connection_id)["method"] == "address_rules"


def test_what_another_connection_needs_stays_and_is_told(api: Api, cloud: Cloud) -> None:
    start = cloud.put(place())
    mine = api.connect(asked_for("shared_group"))["connection_id"]
    other = api.connect(
        connect_request("shared_group", ["i-a1"], ["i-b1"], security_group_id="sg-both")
    )["connection_id"]
    plan = planned(api, mine, way("address_rules"))
    assert any("needed by 1 other connection" in each for each in plan["warnings"])
    api.ended(api.apply(plan).json())
    assert cloud.groups_of("i-a1") == {"sg-a", "sg-both"}
    assert cloud.groups_of("i-a2") == {"sg-a"}
    api.disconnect(other)
    for probe in asked_probes(start, asked_for("address_rules")):
        assert cloud.passes(probe), probe
    api.disconnect(mine)
    assert cloud.estate() == start


def test_moving_to_the_group_that_was_made_for_it_changes_nothing(api: Api, cloud: Cloud) -> None:
    start = cloud.put(place())
    connection_id = api.connect(asked_for("dedicated_group"))["connection_id"]
    [made] = [
        each["group_id"]
        for each in api.connection(connection_id)["ledger"]
        if each["kind"] == "created_group"
    ]
    to = {"method": "shared_group", "security_group_id": made}
    plan = planned(api, connection_id, to)
    assert (plan["changes"], len(plan["move"]["kept"])) == ([], 5)
    api.ended(api.apply(plan).json())
    assert api.connection(connection_id)["method"] == "shared_group"
    api.disconnect(connection_id)
    assert cloud.estate() == start


def test_a_move_is_refused_where_it_cannot_be_or_would_open_too_much(
    api: Api, cloud: Cloud
) -> None:
    cloud.put(place())
    connection_id = api.connect(asked_for("address_rules"))["connection_id"]

    def refused(to: Document) -> tuple[int, str]:
        body = {"kind": "move", "connection_id": connection_id, "to": to}
        answer = api.ask("POST", "/plans", body)
        return answer.status_code, answer.json()["code"]

    assert refused(way("group_authorization", max_extra_pairs=0)) == (422, "too_many_extra_pairs")
    assert refused({"method": "shared_group", "security_group_id": "sg-no"})[0] == 404
    assert refused({"method": "dedicated_group", "scope": "group"}) == (422, "unknown_field")
    assert refused({"method": "by_magic"})[0] == 422
    nobody = {"kind": "move", "connection_id": "nobody", "to": {"method": "address_rules"}}
    assert api.ask("POST", "/plans", nobody).status_code == 404
    plan = planned(api, connection_id, way("dedicated_group"))
    api.disconnect(connection_id)
    assert api.apply(plan).status_code == 409
    assert refused(way("dedicated_group")) == (409, "invalid_state")


def test_there_has_to_be_room_for_both_paths(api: Api, cloud: Cloud) -> None:
    start = place()
    start["security_groups"] += [group_entry(f"sg-{each}") for each in range(3)]
    start["instances"][0]["SecurityGroupIds"] += [f"sg-{each}" for each in range(3)]
    cloud.put(start)
    connection_id = api.connect(asked_for("shared_group"))["connection_id"]
    body = {"kind": "move", "connection_id": connection_id, "to": way("dedicated_group")}
    problem = api.ask("POST", "/plans", body).json()
    assert problem["code"] == "quota_insufficient"
    assert problem["detail"].startswith("while both paths stand i-a1 would use 6 of 5")
