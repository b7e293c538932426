"""Narrowing what is too open: what is needed never closes, nothing opens, and it can go back."""

from collections.abc import Callable
from typing import Any

import pytest

from app.api import examples
from app.simulator.demo import demo_estate
from tests.support.clouds import ACCOUNT, REGION, group_entry, instance_entry
from tests.support.e2e import (
    Api,
    Cloud,
    Document,
    connect_request,
    estate,
    rule,
    side,
    until,
)

WIDE = rule("sgr-wide", protocol="all", SourceCidrIp="0.0.0.0/0")


def office(*rules: Document, vpc_id: str | None = None) -> Document:
    """An open group with two members, and three machines that may reach them today."""
    more: Document = {"vpc_id": vpc_id} if vpc_id else {}
    net = "172.16.0" if vpc_id else "10.170.0"
    groups = {"sg-open": list(rules or (WIDE,)), "sg-web": [], "sg-app": [], "sg-spare": []}
    return estate(
        groups=[group_entry(name, **more) | {"Rules": held} for name, held in groups.items()],
        instances=[
            instance_entry("i-db1", ["sg-open"], private_ip=f"{net}.1", **more),
            instance_entry("i-db2", ["sg-open"], private_ip=f"{net}.2", **more),
            instance_entry("i-web", ["sg-web"], private_ip=f"{net}.3", **more),
            instance_entry("i-app", ["sg-app"], private_ip=f"{net}.4", **more),
            instance_entry("i-spare", ["sg-spare"], private_ip=f"{net}.5", **more),
        ],
    )


def needed(source: str, target: str, port: int = 3306, **fields: Any) -> Document:
    return {
        "source": side(ACCOUNT, [source]),
        "target": side(ACCOUNT, [target]),
        "flows": [{"protocol": "tcp", "port_range": f"{port}/{port}"}],
        **fields,
    }


def request(*needs: Document, **fields: Any) -> Document:
    return {
        "kind": "tighten",
        "account_id": ACCOUNT,
        "region_id": REGION,
        "security_group_id": "sg-open",
        "needed": list(needs),
        **fields,
    }


def plan(api: Api, asked: Document) -> Document:
    answer = api.ask("POST", "/plans", asked)
    assert answer.status_code == 201, answer.text
    made: Document = answer.json()
    return made


def apply(api: Api, made: Document) -> Document:
    body = {"confirm_lost": made["lost"]["pairs"]}
    answer = api.ask("POST", f"/plans/{made['id']}/apply", body)
    assert answer.status_code == 202, answer.text
    operation: Document = answer.json()
    return operation


def tighten(api: Api, asked: Document, status: str = "succeeded") -> Document:
    return api.ended(apply(api, plan(api, asked)), status)


def refused(api: Api, cloud: Cloud, asked: Document, status: int, code: str) -> Document:
    answer = api.ask("POST", "/plans", asked)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert cloud.changes() == []
    problem: Document = answer.json()
    return problem


def packet(source: str, target: str, port: int) -> Document:
    return {
        "source": source, "destination": target, "protocol": "tcp", "destination_port": port,
        "nic_type": "intranet",
    }  # fmt: skip


def reaches(cloud: Cloud, source: str, target: str, port: int = 3306) -> bool:
    return bool(cloud.walk([packet(source, target, port)])[0]["verdict"] == "reachable")


ONES = ("i-db1", "i-db2", "i-web", "i-app", "i-spare", "10.99.0.9")


def everything(cloud: Cloud) -> set[tuple[str, str, int]]:
    """All that passes between these, by the simulator's own walk."""
    asked = [
        (source, target, port)
        for source in ONES
        for target in ONES[:5]
        for port in (22, 3306, 8080)
        if source != target
    ]
    told = cloud.walk([packet(*each) for each in asked])
    return {each for each, one in zip(asked, told, strict=True) if one["verdict"] == "reachable"}


@pytest.mark.parametrize("vpc_id", [None, "vpc-1"])
def test_what_is_needed_stays_and_the_rest_goes(api: Api, cloud: Cloud, vpc_id: str | None) -> None:
    cloud.put(office(vpc_id=vpc_id))
    before = everything(cloud)
    made = plan(api, request(needed("i-app", "i-db1")))
    assert made["gained"]["pairs"] == 0
    assert made["tighten"]["confirm_lost"] == made["lost"]["pairs"] > 0
    assert any("910 s" in each for each in made["warnings"])
    assert [each["action"] for each in made["changes"]] == ["add_rules", "remove_rules"]
    operation = api.ended(apply(api, made))
    after = everything(cloud)
    inside = {("i-db1", "i-db2"), ("i-db2", "i-db1")}
    assert {each for each in after if each[:2] not in inside} == {("i-app", "i-db1", 3306)}
    assert after <= before
    assert [each["name"] for each in operation["steps"]][-2:] == ["watch", "record"]


def test_the_pairs_that_are_lost_have_to_be_named(api: Api, cloud: Cloud) -> None:
    cloud.put(office())
    made = plan(api, request(needed("i-app", "i-db1")))
    lost = made["lost"]["pairs"]
    for body in (None, {}, {"confirm_lost": lost - 1}, {"confirm_lost": 0}):
        answer = api.ask("POST", f"/plans/{made['id']}/apply", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "confirmation_required")
        assert answer.json()["lost"] == lost
    assert cloud.changes() == []
    api.ended(apply(api, made))


def test_the_narrow_path_is_seen_before_the_wide_rule_goes(api: Api, cloud: Cloud) -> None:
    cloud.put(office())
    cloud.settings({"consistency": {"delay_seconds": 0.3}})
    tighten(api, request(needed("i-app", "i-db1"), needed("i-web", "i-db2", 8080)))
    calls = [each["action"] for each in cloud.changes()]
    assert calls.index("RevokeSecurityGroup") > calls.index("AuthorizeSecurityGroup")
    assert reaches(cloud, "i-app", "i-db1")
    assert reaches(cloud, "i-web", "i-db2", 8080)
    assert not reaches(cloud, "i-web", "i-db1")


def test_connections_that_rest_on_the_wide_rule_get_a_path_that_is_theirs(
    api: Api, cloud: Cloud
) -> None:
    cloud.put(office())
    connection = api.connect(connect_request("address_rules", ["i-app"], ["i-db1"]))[
        "connection_id"
    ]
    assert cloud.rules("sg-open")[0]["SecurityGroupRuleId"] == "sgr-wide"
    made = plan(api, request())
    [path] = made["tighten"]["paths"]
    assert (path["connection_id"], path["method"]) == (connection, "address_rules")
    api.ended(apply(api, made))
    [held] = cloud.rules("sg-open")
    assert held["SourceCidrIp"].startswith("10.170.0.4")
    api.disconnect(connection)
    assert cloud.rules("sg-open") == []


def test_connections_need_not_count(api: Api, cloud: Cloud) -> None:
    cloud.put(office())
    api.connect(connect_request("address_rules", ["i-app"], ["i-db1"]))
    refused(api, cloud, request(use_connections=False), 422, "empty_change")


def test_what_other_rules_open_needs_no_path(api: Api, cloud: Cloud) -> None:
    narrow = rule("sgr-app", ports="3306/3306", SourceGroupId="sg-app")
    cloud.put(office(WIDE, narrow))
    made = plan(api, request(needed("i-app", "i-db1")))
    assert [each["action"] for each in made["changes"]] == ["remove_rules"]
    assert made["tighten"]["paths"][0]["method"] is None


@pytest.mark.parametrize(
    ("method", "action"),
    [
        ("address_rules", "add_rules"),
        ("group_authorization", "add_rules"),
        ("dedicated_group", "create_group"),
    ],
)
def test_the_caller_may_choose_the_method(api: Api, cloud: Cloud, method: str, action: str) -> None:
    start = cloud.put(office())
    operation = tighten(api, request(needed("i-app", "i-db1", method=method)))
    assert reaches(cloud, "i-app", "i-db1")
    assert not reaches(cloud, "i-web", "i-db1")
    assert api.get(f"/plans/{operation['plan_id']}")["changes"][0]["action"] == action
    back = api.ended(api.ask("POST", f"/operations/{operation['id']}/rollback").json())
    assert back["status"] == "succeeded"
    assert meaning(cloud.estate()) == meaning(start)


def meaning(found: Document) -> Any:
    """An estate but for ids of rules, which the cloud gives anew, and what people wrote."""
    groups = {
        group["SecurityGroupId"]: sorted(
            str(sorted((k, v) for k, v in each.items()
                if k not in {"SecurityGroupRuleId", "Description", "CreateTime"}))
            for each in group["Rules"]
        )
        for group in found["security_groups"]
    }  # fmt: skip
    members = {each["InstanceId"]: sorted(each["SecurityGroupIds"]) for each in found["instances"]}
    return groups, members


def test_only_the_named_rules_go(api: Api, cloud: Cloud) -> None:
    wide = rule("sgr-office", ports="22/22", SourceCidrIp="10.0.0.0/8")
    cloud.put(office(WIDE, wide))
    tighten(api, request(needed("i-app", "i-db1", 22), rule_ids=["sgr-wide"]))
    assert [each["SecurityGroupRuleId"] for each in cloud.rules("sg-open")] == ["sgr-office"]
    tighten(api, request(needed("i-app", "i-db1", 22)))
    assert [each["SourceCidrIp"][:11] for each in cloud.rules("sg-open")] == ["10.170.0.4/"] or [
        each["SourceCidrIp"] for each in cloud.rules("sg-open")
    ] == ["10.170.0.4"]


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        (request(), 422, "empty_change"),
        (request(needed("i-app", "i-db1"), rule_ids=["sgr-none"]), 404, "target_not_found"),
        (request(needed("i-app", "i-none")), 404, "target_not_found"),
        (request(needed("i-db1", "i-app")), 422, "not_a_tightening"),
        (request(needed("i-app", "i-db1"), rule_ids=["sgr-drop"]), 422, "not_a_tightening"),
        (request(needed("i-app", "i-db1"), watch_seconds=-1), 422, "validation"),
        (request(needed("i-app", "i-db1"), rules=["x"]), 422, "unknown_field"),
        (request(needed("i-app", "i-db1", method="shared_group")), 422, "validation"),
    ],
)
def test_what_narrows_nothing_is_refused(
    api: Api, cloud: Cloud, asked: Document, status: int, code: str
) -> None:
    drop = rule("sgr-drop", ports="25/25", policy="drop", SourceCidrIp="10.1.1.1/32")
    cloud.put(office(WIDE, drop))
    refused(api, cloud, asked, status, code)


def test_what_no_address_can_reach_is_no_need(api: Api, cloud: Cloud) -> None:
    cloud.put(office())
    asked = request(needed("i-app", "i-db1", address_family="ipv6"))
    refused(api, cloud, asked, 422, "not_a_tightening")


def test_a_group_that_has_no_members_yet_gets_a_path_too(api: Api, cloud: Cloud) -> None:
    start = office()
    start["security_groups"].append(group_entry("sg-later"))
    cloud.put(start)
    later = {"account_id": ACCOUNT, "region_id": REGION, "security_group_ids": ["sg-later"]}
    tighten(api, request(needed("i-app", "i-db1") | {"source": later}))
    [held] = cloud.rules("sg-open")
    assert held["SourceGroupId"] == "sg-later"


def test_the_rule_itself_is_no_path_beside_it(api: Api, cloud: Cloud) -> None:
    exact = rule(
        "sgr-exact", ports="3306/3306", SourceCidrIp="10.170.0.4/32", DestCidrIp="10.170.0.1/32"
    )
    cloud.put(office(exact))
    asked = request(needed("i-app", "i-db1", method="address_rules"), rule_ids=["sgr-exact"])
    refused(api, cloud, asked, 422, "not_a_tightening")


def test_a_drop_in_the_way_is_no_path(api: Api, cloud: Cloud) -> None:
    drop = rule("sgr-drop", ports="3306/3306", policy="drop", SourceCidrIp="10.170.0.4/32")
    cloud.put(office(rule("sgr-wide", protocol="all", SourceCidrIp="0.0.0.0/0"), drop))
    refused(api, cloud, request(needed("i-app", "i-db1")), 422, "not_a_tightening")


# --- watched --------------------------------------------------------------------------


def never(source: str, target: str, port: int) -> Document:
    return {
        "kind": "must_never_reach",
        "source": side(ACCOUNT, [source]),
        "target": side(ACCOUNT, [target]),
        "flows": [{"protocol": "tcp", "port_range": f"{port}/{port}"}],
    }


def watching(api: Api, operation: Document) -> Callable[[], bool]:
    def is_watching() -> bool:
        steps = api.operation(operation)["steps"]
        return any(each["name"] == "watch" and "looked" in each["detail"] for each in steps)

    return is_watching


def test_a_watch_ends_by_itself(api: Api, cloud: Cloud) -> None:
    cloud.put(office())
    operation = tighten(
        api,
        request(
            needed("i-app", "i-db1"), watch_seconds=1, assertions=[never("i-web", "i-db1", 22)]
        ),
    )
    [watch] = [each for each in operation["steps"] if each["name"] == "watch"]
    assert watch["status"] == "succeeded"
    assert "looked" in watch["detail"]


def test_a_watch_is_ended_early_by_resume(api: Api, cloud: Cloud) -> None:
    cloud.put(office())
    made = plan(api, request(needed("i-app", "i-db1"), watch_seconds=3600))
    operation = apply(api, made)
    until(watching(api, operation), "it is never watched")
    assert api.ask("POST", f"/operations/{operation['id']}/resume").status_code == 202
    api.ended(api.operation(operation))
    assert not reaches(cloud, "i-web", "i-db1")


def test_a_watch_is_ended_early_by_rollback(api: Api, cloud: Cloud) -> None:
    start = cloud.put(office())
    made = plan(api, request(needed("i-app", "i-db1"), watch_seconds=3600))
    operation = apply(api, made)
    until(watching(api, operation), "it is never watched")
    assert api.ask("POST", f"/operations/{operation['id']}/rollback").status_code == 202
    api.ended(api.operation(operation), "rolled_back")
    assert meaning(cloud.estate()) == meaning(start)


def test_an_assertion_that_fails_while_it_is_watched_restores_the_start(
    api: Api, cloud: Cloud
) -> None:
    start = cloud.put(office())
    asked = request(
        needed("i-app", "i-db1"), watch_seconds=3600, assertions=[never("i-web", "i-db1", 22)]
    )
    operation = apply(api, plan(api, asked))
    until(watching(api, operation), "it is never watched")
    with cloud.edited() as by_hand:
        for group in by_hand["security_groups"]:
            if group["SecurityGroupId"] == "sg-open":
                group["Rules"].append(rule("sgr-hand", ports="22/22", SourceCidrIp="10.170.0.3/32"))
    ended = api.ended(api.operation(operation), "rolled_back")
    assert ended["error"]["code"] == "assertion_broken"
    assert ended["error"]["assertions"][0]["claim"]["kind"] == "must_never_reach"
    with cloud.edited() as by_hand:
        for group in by_hand["security_groups"]:
            group["Rules"] = [
                each for each in group["Rules"] if each["SecurityGroupRuleId"] != "sgr-hand"
            ]
    assert meaning(cloud.estate()) == meaning(start)


def test_a_path_that_somebody_takes_away_while_it_is_watched_restores_the_start(
    api: Api, cloud: Cloud
) -> None:
    start = cloud.put(office())
    asked = request(needed("i-app", "i-db1"), watch_seconds=3600)
    operation = apply(api, plan(api, asked))
    until(watching(api, operation), "it is never watched")
    with cloud.edited() as by_hand:
        for group in by_hand["security_groups"]:
            if group["SecurityGroupId"] == "sg-open":
                group["Rules"] = []
    ended = api.ended(api.operation(operation), "rolled_back")
    assert ended["error"]["code"] == "assertion_broken"
    assert meaning(cloud.estate()) == meaning(start)


def test_an_assertion_that_does_not_hold_at_the_end_restores_the_start(
    api: Api, cloud: Cloud
) -> None:
    other = rule("sgr-ssh", ports="22/22", SourceCidrIp="10.170.0.0/16")
    start = cloud.put(office(WIDE, other))
    asked = request(
        needed("i-app", "i-db1"), rule_ids=["sgr-wide"], assertions=[never("i-web", "i-db1", 22)]
    )
    ended = tighten(api, asked, "rolled_back")
    assert ended["error"]["code"] == "assertion_broken"
    assert meaning(cloud.estate()) == meaning(start)


def test_a_lost_reply_of_the_removal_is_looked_for(api: Api, cloud: Cloud) -> None:
    cloud.put(office())
    cloud.faults(cloud.fault("RevokeSecurityGroup", "reply_lost", when="after"))
    tighten(api, request(needed("i-app", "i-db1")))
    assert not reaches(cloud, "i-web", "i-db1")


def test_a_removal_that_is_refused_takes_the_paths_back(api: Api, cloud: Cloud) -> None:
    start = cloud.put(office())
    cloud.faults(cloud.fault("RevokeSecurityGroup", "forbidden", nth=1))
    ended = tighten(api, request(needed("i-app", "i-db1")), "rolled_back")
    assert ended["error"]["code"] == "cloud_refused"
    assert meaning(cloud.estate()) == meaning(start)


def test_the_example_narrows_the_demonstrations_open_group(api: Api, cloud: Cloud) -> None:
    cloud.put(demo_estate())
    made = plan(api, examples.TIGHTEN)
    assert (
        made["lost"]["pairs"]
        == examples.APPLY_REQUESTS["what will be lost"]["value"]["confirm_lost"]
    )
    api.ended(apply(api, made))
    assert reaches(cloud, "i-app01", "i-wide01", 9100)
    assert not reaches(cloud, "i-web01", "i-wide01", 22)
