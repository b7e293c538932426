"""Guardrails over the whole chain: what is refused is not begun, and what is taken back is."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.domain.guardrail_documents import read_guardrails
from app.domain.guardrails import Guardrails
from tests.house.repository import ROOT
from tests.support.clouds import ACCOUNT, REGION, group_entry, instance_entry
from tests.support.e2e import (
    IMPATIENT,
    Api,
    Chain,
    Cloud,
    Document,
    chained,
    connect_request,
    estate,
    pair,
    rule,
)

STRICT = """
version = "strict"
max_ports = 1000
all_protocols = false
protected_group_ids = ["sg-holy"]

[[guarded_ports]]
name = "administration"
port_ranges = ["22/22", "3389/3389"]
addresses = ["10.170.9.0/24"]
"""


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """The whole chain, with a strict profile."""
    folder = tmp_path_factory.mktemp("guardrails")
    file = folder / "guardrails.toml"
    file.write_text(STRICT)
    settings: Any = IMPATIENT | {"guardrails_file": file}
    with chained(f"sqlite:///{folder / 'intercom.sqlite3'}", **settings) as chain:
        yield chain


def codes(problem: Document) -> list[str]:
    return [each["code"] for each in problem["violations"]]


def by_address(source: str, *, port_range: str = "80/80", protocol: str = "tcp") -> Document:
    flows = [{"protocol": protocol, "port_range": port_range}]
    return connect_request("address_rules", [], ["i-b"]) | {
        "source": {"addresses": [source]},
        "flows": flows,
    }


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (by_address("10.170.0.9/32", port_range="22/22"), "guarded_port"),
        (by_address("10.170.0.9/32", port_range="3389/3389"), "guarded_port"),
        (by_address("10.170.9.9/32", port_range="1/65535"), "too_many_ports"),
        (by_address("10.170.9.9/32", protocol="all", port_range="-1/-1"), "all_protocols"),
    ],
)
def test_what_the_profile_forbids_is_refused_before_anything_happens(
    api: Api, cloud: Cloud, request_: Document, code: str
) -> None:
    start = cloud.put(pair())
    assert code in codes(api.refused(request_, 403, "guardrail_violation"))
    assert cloud.changes() == []
    assert cloud.estate() == start


def test_named_sources_may_reach_guarded_ports(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    api.connect(by_address("10.170.9.9/32", port_range="22/22"))


def test_two_narrow_requests_cannot_open_what_one_may_not(api: Api, cloud: Cloud) -> None:
    cloud.put(pair(vpc=True))
    api.connect(by_address("10.0.0.0/17"))
    api.connect(by_address("10.1.0.0/17"))
    problem = api.refused(by_address("10.2.0.1/32"), 403, "guardrail_violation")
    assert codes(problem) == ["too_many_addresses"]
    assert (problem["violations"][0]["before"], problem["violations"][0]["value"]) == (
        65_536,
        65_537,
    )
    api.connect(by_address("10.2.0.1/32", port_range="81/81"))


def test_ranges_of_ports_count_together(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    api.connect(by_address("10.170.9.9/32", port_range="5000/5700"))
    problem = api.refused(
        by_address("10.170.9.9/32", port_range="5701/6100"), 403, "guardrail_violation"
    )
    assert codes(problem) == ["too_many_ports"]


def test_joining_a_group_that_is_open_to_the_world_is_refused(api: Api, cloud: Cloud) -> None:
    everybody = rule("sgr-wide", ports="80/80", SourceCidrIp="0.0.0.0/0")
    cloud.put(
        estate(
            groups=[
                group_entry("sg-a"),
                group_entry("sg-b"),
                group_entry("sg-wide") | {"Rules": [everybody]},
            ],
            instances=[
                instance_entry("i-a", ["sg-a"], private_ip="10.170.0.1"),
                instance_entry("i-b", ["sg-b"], private_ip="10.170.0.2"),
            ],
        )
    )
    request = connect_request("shared_group", ["i-a"], ["i-b"]) | {"security_group_id": "sg-wide"}
    assert set(codes(api.refused(request, 403, "guardrail_violation"))) == {"too_many_addresses"}
    assert cloud.changes() == []


def test_a_protected_group_is_not_changed(api: Api, cloud: Cloud) -> None:
    cloud.put(
        estate(
            groups=[group_entry("sg-a"), group_entry("sg-holy")],
            instances=[
                instance_entry("i-a", ["sg-a"], private_ip="10.170.0.1"),
                instance_entry("i-b", ["sg-holy"], private_ip="10.170.0.2"),
            ],
        )
    )
    request = connect_request("address_rules", ["i-a"], ["i-b"])
    assert codes(api.refused(request, 403, "guardrail_violation")) == ["protected_group"]


def test_a_way_back_to_what_is_forbidden_is_gone_and_told_of(api: Api, cloud: Cloud) -> None:
    wide = rule("sgr-wide", ports="22/22", SourceCidrIp="10.0.0.0/8")
    cloud.put(pair())
    asked = {"account_id": ACCOUNT, "region_id": REGION, "security_group_ids": ["sg-b"]}
    [backup] = api.ask("POST", "/backups", asked).json()["items"]
    with cloud.edited() as by_hand:
        for group in by_hand["security_groups"]:
            if group["SecurityGroupId"] == "sg-b":
                group["Rules"].append(wide)
    body = {"kind": "restore", "backup_id": backup["id"], "mode": "full"}
    plan = api.ask("POST", "/plans", body).json()
    restored = api.ended(api.apply(plan).json())
    assert cloud.rules("sg-b") == []
    back = api.ask("POST", f"/operations/{restored['id']}/rollback").json()
    api.ended(back)
    assert [each["SourceCidrIp"] for each in cloud.rules("sg-b")] == ["10.0.0.0/8"]
    told = api.get(f"/plans/{back['plan_id']}")["warnings"]
    assert any("against a guardrail" in each and "administration" in each for each in told)


def test_a_plan_is_held_against_guardrails_that_are_not_in_force(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    plan = api.plan(by_address("10.170.9.9/32"))

    def trial(**fields: object) -> Document:
        body = {"plan_id": plan["id"], **fields}
        answer: Document = api.ask("POST", "/guardrails/evaluate", body).json()
        return answer

    assert trial() == {"plan_id": plan["id"], "violations": []}
    assert codes(trial(guardrails={"max_rules": 0})) == ["too_many_rules"]
    assert api.get("/guardrails")["version"] == "strict"
    assert api.get("/guardrails")["max_rules"] is None
    assert trial(guardrails={"max_rulez": 0})["code"] == "unknown_field"
    assert trial(guardrails={"max_rules": -1})["code"] == "validation"
    assert cloud.changes() == []


def test_the_file_on_the_page_is_read() -> None:
    page = Path(ROOT / "docs" / "guardrails.md").read_text("utf-8")
    shown = page.split("```toml\n")[1].split("```")[0]
    read = read_guardrails(tomllib.loads(shown), Guardrails())
    assert (read.version, read.addresses, len(read.guarded_ports)) == ("2026-11", 4096, 2)


def test_a_comparison_refuses_what_a_guardrail_or_an_assertion_would(
    api: Api, cloud: Cloud
) -> None:
    cloud.put(pair())
    connection = connect_request("address_rules", ["i-a"], ["i-b"])
    asked = {name: connection[name] for name in ("source", "target")}
    asked["flows"] = [{"protocol": "tcp", "port_range": "22/22"}]
    answer = api.ask("POST", "/plans/compare", {"connection": asked}).json()
    refused = {each["method"]: each["refusal"] and each["refusal"]["code"]
               for each in answer["methods"]}  # fmt: skip
    assert refused["address_rules"] == refused["group_authorization"] == "guardrail_violation"
    assert refused["dedicated_group"] is None
    assert answer["recommended"] not in {"address_rules", "group_authorization"}
    never = {
        "kind": "must_never_reach", "owner": "security", "reason": "they are kept apart",
        **{name: asked[name] for name in ("source", "target", "flows")},
    }  # fmt: skip
    kept = api.ask("POST", "/assertions", never)
    assert kept.status_code == 201, kept.text
    answer = api.ask("POST", "/plans/compare", {"connection": asked}).json()
    codes_now = [each["refusal"]["code"] for each in answer["methods"] if each["refusal"]]
    assert codes_now.count("assertion_broken") >= 1
    assert answer["recommended"] is None
    api.ask("DELETE", f"/assertions/{kept.json()['id']}")
    assert cloud.changes() == []
