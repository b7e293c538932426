"""Tiers end to end: exactly the neighbours reach each other, by the simulator's own packets."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from app.api import examples
from app.simulator.demo import demo_estate
from tests.support.clouds import ACCOUNT, OTHER_ACCOUNT, REGION, group_entry, instance_entry
from tests.support.e2e import (
    CHANGING,
    IMPATIENT,
    Api,
    Chain,
    Cloud,
    Document,
    chained,
    connect_request,
    estate,
    rule,
)

EXAMPLE = examples.PLAN_REQUESTS["tiers"]["value"]
PORTS: tuple[tuple[str, int | None], ...] = (
    *(("tcp", port) for port in (22, 80, 443, 3306, 8080)), ("udp", 80), ("icmp", None),
)  # fmt: skip


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """The whole chain, with consent to let the world in on port 80 of the public side."""
    folder = tmp_path_factory.mktemp("tiers")
    rails = folder / "guardrails.toml"
    rails.write_text('version = "tiers"\npublic_ports = ["80/80"]\n', "utf-8")
    settings: Any = IMPATIENT | {"guardrails_file": rails}
    with chained(f"sqlite:///{folder / 'intercom.sqlite3'}", **settings) as chain:
        yield chain


@pytest.fixture(autouse=True)
def nothing_asserted(api: Api) -> None:
    for each in api.get("/assertions?limit=100")["items"]:
        api.ask("DELETE", f"/assertions/{each['id']}")


def tier(name: str, *instance_ids: str, account: str = ACCOUNT, **fields: object) -> Document:
    return {
        "name": name, "account_id": account, "region_id": REGION,
        "instance_ids": list(instance_ids), **fields,
    }  # fmt: skip


def asked(*tiers: Document, name: str = "shop") -> Document:
    return {"kind": "tiers", "name": name, "tiers": list(tiers)}


def planned(api: Api, request: Document) -> Document:
    answer = api.ask("POST", "/plans", request)
    assert answer.status_code == 201, answer.text
    plan: Document = answer.json()
    return plan


def refused(api: Api, request: Document, status: int, code: str) -> Document:
    answer = api.ask("POST", "/plans", request)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    problem: Document = answer.json()
    return problem


def laid(api: Api, request: Document) -> Document:
    """Lay tiers, and plan again: nothing is left to do. Return the operation."""
    operation = api.ended(api.apply(planned(api, request)).json())
    again = planned(api, request)
    assert again["changes"] == []
    told = [(each["name"], each["group_id"]) for each in again["tiers"]["tiers"]]
    assert told == [
        (each["name"], each["group_id"]) for each in operation["result"]["tiers"]["tiers"]
    ]
    return operation


def reaches(cloud: Cloud, instances: Iterable[str]) -> set[tuple[str, str, str, int | None]]:
    """Everything that gets from one to another, by the packet walk."""
    ids = list(instances)
    packets = [
        (one, other, protocol, port)
        for one in ids
        for other in ids
        if one != other
        for protocol, port in PORTS
    ]
    told = cloud.walk(
        [
            {"source": one, "destination": other, "protocol": protocol}
            | ({} if port is None else {"destination_port": port})
            for one, other, protocol, port in packets
        ]
    )
    return {
        packet for packet, each in zip(packets, told, strict=True) if each["verdict"] == "reachable"
    }


def between(cloud: Cloud, *tiers: Iterable[str]) -> set[tuple[int, int, str, int | None]]:
    """What gets from one tier to another; the same from and to each of their instances."""
    of = {each: number for number, tier in enumerate(tiers) for each in tier}
    found = {each for each in reaches(cloud, of) if of[each[0]] != of[each[1]]}
    folded = {(of[one], of[other], protocol, port) for one, other, protocol, port in found}
    sizes = [len(list(tier)) for tier in tiers]
    assert len(found) == sum(sizes[one] * sizes[other] for one, other, *_ in folded)
    return folded


THE_DOCUMENT = {(0, 1, "tcp", 8080), (1, 2, "tcp", 3306)}


def shared_estate(vpc_id: str | None, db_account: str = ACCOUNT, **fields: Any) -> Document:
    """Three tiers in one group (a database of another account in its own), and one more."""
    net = "172.16.0" if vpc_id else "10.170.0"
    names = ("web-1", "web-2", "app-1", "app-2", "db-1", "other")
    owners = [db_account if name.startswith("db") else ACCOUNT for name in names]
    hosts = [
        instance_entry(
            f"i-{name}",
            ["sg-all"] if owner == ACCOUNT else ["sg-theirs"],
            account=owner,
            private_ip=f"{net}.{number}",
            vpc_id=vpc_id,
        )
        for number, (name, owner) in enumerate(zip(names, owners, strict=True), 1)
    ]
    groups = [
        group_entry("sg-all", vpc_id=vpc_id, **fields),
        group_entry("sg-theirs", account=db_account, vpc_id=vpc_id),
    ]
    return estate(groups, hosts)


def three(db_account: str = ACCOUNT, **fields: Any) -> Document:
    return asked(
        tier("web", "i-web-1", "i-web-2", **fields),
        tier("application", "i-app-1", "i-app-2"),
        tier("database", "i-db-1", account=db_account),
    )


WEB, APP, DB = ("i-web-1", "i-web-2"), ("i-app-1", "i-app-2"), ("i-db-1",)


@pytest.mark.parametrize("db_account", [ACCOUNT, OTHER_ACCOUNT])
@pytest.mark.parametrize("vpc_id", [None, "vpc-1"])
def test_the_documents_tiers_are_reached_by_their_neighbours_alone(
    api: Api, cloud: Cloud, vpc_id: str | None, db_account: str
) -> None:
    before = cloud.put(shared_estate(vpc_id, db_account))
    operation = laid(api, three(db_account))
    assert between(cloud, WEB, APP, DB) == THE_DOCUMENT
    told = operation["result"]["tiers"]
    assert (told["between"]["count"], told["staying"]) == (0, [])
    assert cloud.groups_of("i-other") == {"sg-all"}
    kinds = [(each["kind"], each["status"], each["managed_by"]) for each in assertions(api)]
    assert sorted(kinds) == [
        ("must_never_reach", "holds", "tiers/shop"),
        ("must_reach", "holds", "tiers/shop"),
        ("must_reach", "holds", "tiers/shop"),
    ]
    back = api.ended(api.ask("POST", f"/operations/{operation['id']}/rollback").json())
    assert back["status"] == "succeeded"
    assert cloud.estate() == before
    assert assertions(api) == []


def assertions(api: Api) -> list[Document]:
    items: list[Document] = api.get("/assertions?limit=100")["items"]
    return items


def test_joins_come_before_leaves_and_nothing_needed_breaks_on_the_way(
    api: Api, cloud: Cloud
) -> None:
    cloud.put(shared_estate(None))
    cloud.clear_calls()
    laid(api, three())
    calls = [each["action"] for each in cloud.calls() if each["action"] in CHANGING]
    order = list(dict.fromkeys(calls))
    assert order == [
        "CreateSecurityGroup", "AuthorizeSecurityGroup", "JoinSecurityGroup", "LeaveSecurityGroup",
    ]  # fmt: skip


def test_moving_one_instance_plans_only_that(api: Api, cloud: Cloud) -> None:
    cloud.put(shared_estate("vpc-1"))
    laid(api, three())
    moved = asked(
        tier("web", "i-web-1"),
        tier("application", "i-app-1", "i-app-2", "i-web-2"),
        tier("database", "i-db-1"),
    )
    plan = planned(api, moved)
    assert [(each["action"], each["instance_id"]) for each in plan["changes"]] == [
        ("join", "i-web-2"),
        ("leave", "i-web-2"),
    ]
    kept = {each["id"] for each in assertions(api)}
    laid(api, moved)
    assert between(cloud, ("i-web-1",), (*APP, "i-web-2"), DB) == THE_DOCUMENT
    assert {each["id"] for each in assertions(api)} == kept


def test_other_ports_and_addresses_are_the_only_change(api: Api, cloud: Cloud) -> None:
    cloud.put(shared_estate("vpc-1"))
    laid(api, three())
    request = three(addresses=["172.16.9.0/24"])
    request["tiers"][1]["ports"] = [{"protocol": "tcp", "port_range": "443/443"}]
    plan = planned(api, request)
    assert [each["action"] for each in plan["changes"]] == [
        "add_rules",
        "add_rules",
        "remove_rules",
    ]
    laid(api, request)
    assert between(cloud, WEB, APP, DB) == {(0, 1, "tcp", 443), (1, 2, "tcp", 3306)}
    office = {"source": "172.16.9.7", "destination": "i-web-1", "protocol": "tcp"}
    told = cloud.walk([office | {"destination_port": port} for port in (80, 443)])
    assert [each["verdict"] for each in told] == ["reachable", "blocked"]


def test_there_may_be_more_tiers_and_whoever_is_further_on_is_asserted(
    api: Api, cloud: Cloud
) -> None:
    cloud.put(shared_estate(None))
    ports = [{"protocol": "tcp", "port_range": "22/22"}]
    request = asked(
        tier("edge", "i-web-1", ports=ports),
        tier("web", "i-web-2"),
        tier("application", "i-app-1"),
        tier("database", "i-db-1"),
        name="longer",
    )
    laid(api, request)
    found = between(cloud, ("i-web-1",), ("i-web-2",), ("i-app-1",), ("i-db-1",))
    assert found == {(0, 1, "tcp", 80), (1, 2, "tcp", 8080), (2, 3, "tcp", 3306)}
    never = [each["reason"] for each in assertions(api) if each["kind"] == "must_never_reach"]
    assert sorted(never) == [
        "tier edge must not reach tier application directly",
        "tier edge must not reach tier database directly",
        "tier web must not reach tier database directly",
    ]


def test_what_comes_with_tiers_is_asked_in_every_plan(api: Api, cloud: Cloud) -> None:
    cloud.put(shared_estate(None))
    operation = laid(api, three())
    problem = api.refused(
        connect_request("address_rules", ["i-web-1"], ["i-db-1"]), 409, "assertion_broken"
    )
    assert [each["reason"] for each in problem["assertions"]] == [
        "tier web must not reach tier database directly"
    ]
    groups = {each["name"]: each["group_id"] for each in operation["result"]["tiers"]["tiers"]}
    with cloud.edited() as of:
        for each in of["security_groups"]:
            if each["SecurityGroupId"] == groups["database"]:
                each["Rules"].append(rule("sgr-hand", ports="22/22", SourceGroupId=groups["web"]))
    again = planned(api, three())
    assert [each["rule"]["rule_id"] for each in again["tiers"]["staying"]] == ["sgr-hand"]
    assert again["tiers"]["between"]["count"] == 2
    broken = [each for each in assertions(api) if each["kind"] == "must_never_reach"]
    assert api.ask("POST", f"/assertions/{broken[0]['id']}/check").json()["status"] == "broken"


@pytest.mark.parametrize(
    ("action", "nth"),
    [("AuthorizeSecurityGroup", 2), ("JoinSecurityGroup", 3), ("LeaveSecurityGroup", 2)],
)
def test_tiers_that_cannot_be_finished_are_taken_back_whole(
    api: Api, cloud: Cloud, action: str, nth: int
) -> None:
    before = cloud.put(shared_estate(None))
    plan = planned(api, three())
    cloud.faults(cloud.fault(action, "error", nth=nth, code="InternalError.Never", status=403))
    ended = api.ended(api.apply(plan).json(), "rolled_back")
    assert ended["error"]["code"] == "cloud_refused"
    assert cloud.estate() == before
    assert assertions(api) == []


# --- why something stays -------------------------------------------------------------


def test_who_cannot_leave_stays_and_the_plan_says_why(api: Api, cloud: Cloud) -> None:
    of = shared_estate(None)
    of["instances"][2]["SecurityGroupIds"] = ["sg-spare"]
    of["security_groups"].append(group_entry("sg-spare"))
    cloud.put(of)
    request = connect_request("shared_group", ["i-web-1"], ["i-app-1"], security_group_id="sg-all")
    connected = api.connect(request)
    why = f"connection {connected['connection_id']} needs the membership"
    plan = planned(api, three())
    told = {
        (each["group_id"], each["instance_id"], each["reason"]) for each in plan["tiers"]["staying"]
    }
    assert told >= {("sg-all", "i-app-1", why)}
    assert {each[2] for each in told} == {why}
    assert f"i-app-1 stays in sg-all: {why}" in plan["warnings"]
    assert plan["tiers"]["between"]["count"] > 0


def test_a_wide_group_of_one_tier_stays_and_what_passes_through_it_is_told(
    api: Api, cloud: Cloud
) -> None:
    of = shared_estate(None)
    wide = group_entry(
        "sg-wide", rules=[rule("sgr-wide", ports="22/22", SourceCidrIp="10.170.0.0/16")]
    )
    of["security_groups"].append(wide)
    of["instances"][4]["SecurityGroupIds"] = ["sg-wide"]
    cloud.put(of)
    plan = planned(api, three())
    [staying] = plan["tiers"]["staying"]
    assert staying["group_id"] == "sg-wide"
    assert "tighten" in staying["reason"]
    # From each instance of the other two tiers.
    assert plan["tiers"]["between"]["count"] == 4
    laid(api, three())
    assert between(cloud, WEB, APP, DB) == THE_DOCUMENT | {(0, 2, "tcp", 22), (1, 2, "tcp", 22)}


def test_a_shared_wide_group_is_left_by_all(api: Api, cloud: Cloud) -> None:
    wide = [rule("sgr-wide", protocol="all", SourceCidrIp="0.0.0.0/0")]
    cloud.put(shared_estate("vpc-1", InnerAccessPolicy="Drop", Rules=wide))
    laid(api, three())
    assert between(cloud, WEB, APP, DB) == THE_DOCUMENT


def test_two_instances_that_change_places_at_once_are_refused(api: Api, cloud: Cloud) -> None:
    cloud.put(shared_estate(None))
    laid(api, three())
    swapped = asked(
        tier("web", "i-web-1", "i-app-1"),
        tier("application", "i-web-2", "i-app-2"),
        tier("database", "i-db-1"),
    )
    refused(api, swapped, 422, "no_safe_order")


# --- who may reach the first one ---------------------------------------------------------


def test_left_out_the_first_tier_is_open_to_nobody_and_the_plan_says_so(
    api: Api, cloud: Cloud
) -> None:
    cloud.put(shared_estate(None))
    plan = planned(api, three())
    assert plan["warnings"] == ["tier web is open to nobody: no addresses were given for it"]


@pytest.mark.parametrize(
    ("vpc_id", "addresses", "status", "code"),
    [
        (None, ["0.0.0.0/0"], 403, "guardrail_violation"),
        (None, ["10.0.0.0/8"], 422, "invalid_cidr"),
        ("vpc-1", ["0.0.0.0/0"], 403, "guardrail_violation"),
    ],
)
def test_the_world_gets_in_on_the_public_side_alone_and_by_consent(
    api: Api, cloud: Cloud, vpc_id: str | None, addresses: list[str], status: int, code: str
) -> None:
    of = shared_estate(vpc_id)
    of["instances"][0]["PublicIp"] = "203.0.113.1"
    cloud.put(of)
    ports = [{"protocol": "tcp", "port_range": "8000/8000"}]  # nobody has consented to this one
    refused(api, three(addresses=addresses, ports=ports), status, code)


def test_public_addresses_are_let_in_on_the_public_side(api: Api, cloud: Cloud) -> None:
    cloud.put(shared_estate(None))
    operation = laid(api, three(addresses=["203.0.113.0/24", "10.170.0.6/32"]))
    groups = {each["name"]: each["group_id"] for each in operation["result"]["tiers"]["tiers"]}
    sides = {each["SourceCidrIp"]: each["NicType"] for each in cloud.rules(groups["web"])}
    assert sides == {"203.0.113.0/24": "internet", "10.170.0.6/32": "intranet"}
    assert between(cloud, WEB, APP, DB) == THE_DOCUMENT


# --- groups that are there -----------------------------------------------------------


def test_a_group_that_the_caller_names_is_used(api: Api, cloud: Cloud) -> None:
    of = shared_estate(None)
    of["security_groups"].append(group_entry("sg-mine"))
    of["instances"][5]["SecurityGroupIds"] = ["sg-all", "sg-mine"]
    cloud.put(of)
    request = three()
    request["tiers"][1]["security_group_id"] = "sg-mine"
    plan = planned(api, request)
    assert sum(each["action"] == "create_group" for each in plan["changes"]) == 2
    assert [each["instance_id"] for each in plan["tiers"]["staying"]] == ["i-other"]
    laid(api, request)
    assert between(cloud, WEB, APP, DB) == THE_DOCUMENT


def test_a_group_of_the_same_name_that_is_somebody_elses_is_left_alone(
    api: Api, cloud: Cloud
) -> None:
    of = shared_estate(None)
    of["security_groups"].append(group_entry("sg-lookalike", SecurityGroupName="shop-web"))
    cloud.put(of)
    laid(api, three())
    assert cloud.group("sg-lookalike")["Rules"] == []


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"instance_ids": ["i-web-1"]}, 422, "duplicate_item"),
        ({"name": "web"}, 422, "duplicate_item"),
        ({"addresses": ["10.0.0.1/32"]}, 422, "invalid_connection"),
        ({"instance_ids": ["i-gone"]}, 404, "target_not_found"),
        ({"security_group_id": "sg-gone"}, 404, "target_not_found"),
        ({"region_id": "cn-beijing", "instance_ids": ["i-far"]}, 422, "method_not_possible"),
    ],
)
def test_tiers_that_cannot_be_are_refused(
    api: Api, cloud: Cloud, change: Document, status: int, code: str
) -> None:
    of = shared_estate(None)
    of["security_groups"].append(group_entry("sg-far", RegionId="cn-beijing"))
    of["instances"].append(
        instance_entry("i-far", ["sg-far"], private_ip="10.171.0.1", RegionId="cn-beijing")
    )
    cloud.put(of)
    request = three()
    request["tiers"][2] |= change
    refused(api, request, status, code)


def test_ports_are_needed_where_no_usual_ones_are_known(api: Api, cloud: Cloud) -> None:
    cloud.put(shared_estate(None))
    refused(api, asked(tier("one", "i-web-1"), tier("two", "i-app-1")), 422, "invalid_port")


def test_the_example_lays_the_demonstrations_tiers(api: Api, cloud: Cloud) -> None:
    cloud.put(demo_estate())
    operation = laid(api, EXAMPLE)
    tiers = (("i-web01", "i-web02"), ("i-app01",), ("i-db01", "i-db02"))
    assert between(cloud, *tiers) == THE_DOCUMENT
    api.ended(api.ask("POST", f"/operations/{operation['id']}/rollback").json())
    assert cloud.estate() == demo_estate()


def test_by_consent_the_world_reaches_the_first_tier_on_its_public_side(
    api: Api, cloud: Cloud
) -> None:
    of = shared_estate(None)
    of["instances"][0]["PublicIp"] = "203.0.113.1"
    cloud.put(of)
    laid(api, three(addresses=["0.0.0.0/0"]))
    assert between(cloud, WEB, APP, DB) == THE_DOCUMENT
    packet = {"source": "198.51.100.7", "destination": "i-web-1", "protocol": "tcp"}
    told = [
        cloud.walk([packet | {"destination_port": 80, "nic_type": nic}])[0]["verdict"]
        for nic in ("internet", "intranet")
    ]
    assert told == ["reachable", "blocked"]
