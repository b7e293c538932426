"""Views of the demo estate, asked for as the contract shows it."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from importlib.resources import files
from itertools import product
from typing import Any

import httpx
import pytest

from app.api import examples
from tests.support.clouds import group_entry, instance_entry
from tests.support.e2e import Api, Cloud, Document, estate, rule

MATRIX, CIRCLE = "/reachability/matrix", "/reachability/who-can-reach"
ASKED = [
    *((MATRIX, each["value"]) for each in examples.MATRIX.values()),
    *((CIRCLE, each["value"]) for each in examples.WHO_CAN_REACH.values()),
]
FORMATS = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "svg": "image/svg+xml",
    "mermaid": "text/vnd.mermaid; charset=utf-8",
}


@pytest.fixture
def demo(cloud: Cloud) -> Document:
    text = files("app.simulator").joinpath("demo_estate.json").read_text("utf-8")
    return cloud.put(json.loads(text))


def asked(api: Api, path: str, body: Any) -> httpx.Response:
    answer = api.ask("POST", path, body)
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize(("path", "body"), ASKED)
def test_each_example_of_the_contract_is_answered_in_every_format(
    api: Api, path: str, body: Document
) -> None:
    for kind, media_type in FORMATS.items():
        answer = asked(api, path, body | {"format": kind})
        assert answer.headers["Content-Type"] == media_type
        assert answer.text
        if kind == "svg":
            assert ET.fromstring(answer.text).tag.endswith("svg")
        if kind == "mermaid":
            assert answer.text.startswith("flowchart LR\n")


@pytest.mark.usefixtures("demo")
def test_the_matrix_and_explain_say_the_same(api: Api) -> None:
    told = asked(api, MATRIX, examples.MATRIX["two accounts"]["value"]).json()
    members = {each["name"]: each["instances"] for each in told["classes"]}
    open_pairs = {
        (source["instance_id"], target["instance_id"])
        for item in told["items"]
        for source, target in product(members[item["source"]], members[item["target"]])
        if any(_covers(each, "tcp", 3306) for each in item["reachable"])
    }
    ends = [end for found in members.values() for end in found]
    pairs = [(a, b) for a, b in product(ends, ends) if a["instance_id"] != b["instance_id"]]
    flows = [
        {"source": _end(a), "target": _end(b), "protocol": "tcp", "port": 3306} for a, b in pairs
    ]
    said = api.ask("POST", "/reachability/explain", {"flows": flows}).json()["items"]
    explained = {
        (a["instance_id"], b["instance_id"])
        for (a, b), verdict in zip(pairs, said, strict=True)
        if verdict["verdict"] == "reachable"
    }
    assert explained
    assert {pair for pair in open_pairs if pair[0] != pair[1]} == explained
    assert told["pairs"]["asked"] == len(pairs)


def _end(end: Document) -> Document:
    return {name: end[name] for name in ("account_id", "region_id", "instance_id")}


def _covers(packets: Document, protocol: str, port: int) -> bool:
    first, last = (int(each) for each in packets["port_range"].split("/"))
    if packets["protocol"] == "all":
        return True
    return packets["protocol"] == protocol and first <= port <= last


@pytest.mark.usefixtures("demo")
def test_who_reaches_an_instance_is_whom_explain_lets_in(api: Api) -> None:
    body = examples.WHO_CAN_REACH["a database"]["value"]
    told = asked(api, CIRCLE, body).json()
    assert told["address"] == "10.170.3.1"
    assert told["world"].keys() == examples.READ_WORLD.keys()
    everyone = api.get("/instances?limit=200")["items"]
    others = [each for each in everyone if each["instance_id"] != "i-db01"]
    flows = [
        {"source": _end(each), "target": body["instance"], "protocol": "tcp", "port": 3306}
        for each in others
    ]
    said = api.ask("POST", "/reachability/explain", {"flows": flows}).json()["items"]
    inside = {
        each["instance_id"]
        for each, verdict in zip(others, said, strict=True)
        if verdict["verdict"] == "reachable"
    }
    assert {each["instance_id"] for each in told["reached_by"]["instances"]} == inside
    assert "i-app01" in inside


@pytest.mark.usefixtures("demo")
def test_the_answers_that_the_contract_shows_are_those_of_the_demo_estate(api: Api) -> None:
    shown = (
        (MATRIX, examples.MATRIX["from a group"], examples.MATRIX_ANSWER, examples.MATRIX_TEXTS),
        (
            CIRCLE,
            examples.WHO_CAN_REACH["a database"],
            examples.CIRCLE_ANSWER,
            examples.CIRCLE_TEXTS,
        ),
    )
    for path, example, document, texts in shown:
        told = asked(api, path, example["value"] | {"format": "json"}).json()
        assert told | {"world": document["world"]} == document
        for kind in ("csv", "mermaid"):
            answer = asked(api, path, example["value"] | {"format": kind})
            assert _timeless(answer.text) == _timeless(texts[kind])
            assert answer.headers["X-World-Read-At"].startswith("20")
            assert float(answer.headers["X-World-Age-Seconds"]) >= 0


def _timeless(text: str) -> str:
    without = re.sub(r"20[0-9-]+T[0-9:]+Z(, \d+ s)?", "then", text)
    return without.replace("\r\n", "\n")


@pytest.mark.usefixtures("demo")
def test_a_table_has_a_row_for_each_kind_of_packets(api: Api) -> None:
    body = examples.MATRIX["from a group"]["value"]
    rows = list(csv.DictReader(io.StringIO(asked(api, MATRIX, body).text)))
    told = asked(api, MATRIX, body | {"format": "json"}).json()
    assert len(rows) == sum(len(each["reachable"] + each["unknown"]) for each in told["items"])
    assert {(row["source"], row["target"]) for row in rows} == {
        (each["source"], each["target"]) for each in told["items"]
    }


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize(
    ("path", "missing"),
    [
        (MATRIX, {"scope": [examples.SHOP_PART | {"instance_ids": ["i-none"]}]}),
        (MATRIX, {"scope": [examples.SHOP_PART | {"security_group_ids": ["sg-none"]}]}),
        (
            CIRCLE,
            {"instance": examples.SHOP_PART | {"instance_id": "i-none"}, "protocol": "icmp"},
        ),
    ],
)
def test_what_does_not_exist_is_not_found(api: Api, path: str, missing: Document) -> None:
    answer = api.ask("POST", path, missing)
    assert (answer.status_code, answer.json()["code"]) == (404, "target_not_found")


def test_a_picture_of_too_many_sets_of_groups_is_refused_and_a_table_is_not(
    api: Api, cloud: Cloud
) -> None:
    cloud.put(crowd(151, groups=151))
    body = {"scope": [examples.SHOP_PART]}
    for kind in ("svg", "mermaid"):
        answer = api.ask("POST", MATRIX, body | {"format": kind})
        assert (answer.status_code, answer.json()["code"]) == (422, "too_many_items")
        assert "22500" in answer.json()["detail"]
    assert asked(api, MATRIX, body).json()["pairs"]["asked"] == 151 * 150


def test_every_address_of_every_interface_is_looked_at(api: Api, cloud: Cloud) -> None:
    def interface(number: int, group_id: str, *addresses: str) -> Document:
        return {
            "NetworkInterfaceId": f"eni-{number}",
            "Primary": number == 1,
            "PrivateIps": list(addresses),
            "SecurityGroupIds": [group_id],
        }

    several = [interface(1, "sg-a", "172.16.0.2", "172.16.0.3"), interface(2, "sg-b", "172.16.0.4")]
    opens = rule("sgr-1", ports="22/22", SourceCidrIp="172.16.0.1/32", DestCidrIp="172.16.0.3/32")
    cloud.put(
        estate(
            [
                group_entry("sg-a", vpc_id="vpc-1", rules=[opens]),
                group_entry("sg-b", vpc_id="vpc-1"),
                group_entry("sg-c", vpc_id="vpc-1"),
            ],
            [
                instance_entry("i-many", [], vpc_id="vpc-1", NetworkInterfaces=several),
                instance_entry("i-b", ["sg-b"], vpc_id="vpc-1", private_ip="172.16.0.9"),
                instance_entry("i-c", ["sg-c"], vpc_id="vpc-1", private_ip="172.16.0.1"),
            ],
        )
    )
    instance = examples.SHOP_PART | {"instance_id": "i-many"}
    body = {"instance": instance, "protocol": "tcp", "port": 22}
    told = asked(api, CIRCLE, body).json()
    reached = {
        each["address"]: [other["instance_id"] for other in each["reached_by"]["instances"]]
        for each in (told, *told["further"])
    }
    assert reached == {"172.16.0.2": [], "172.16.0.3": ["i-c"], "172.16.0.4": ["i-b"]}
    assert [each["interface_id"] for each in (told, *told["further"])] == [
        "eni-1",
        "eni-1",
        "eni-2",
    ]
    rows = list(csv.DictReader(io.StringIO(asked(api, CIRCLE, body | {"format": "csv"}).text)))
    assert {row["own_address"] for row in rows} == reached.keys()
    assert "i-many (172.16.0.4)" in asked(api, CIRCLE, body | {"format": "svg"}).text


def crowd(count: int, *, groups: int = 2) -> Document:
    """An estate of so many instances, dealt out to the groups in turn."""
    return estate(
        [group_entry(f"sg-{number}") for number in range(groups)],
        [
            instance_entry(
                f"i-{number}",
                [f"sg-{number % groups}"],
                private_ip=f"10.{170 + number // 62500}.{number // 250}.{number % 250 + 1}",
            )
            for number in range(count)
        ],
    )


def test_a_scope_of_too_many_instances_is_refused(api: Api, cloud: Cloud) -> None:
    """All pairs of a thousand, and everybody around one of ten thousand."""
    around = {"instance": examples.SHOP_PART | {"instance_id": "i-0"}, "protocol": "icmp"}
    cloud.put(crowd(1001))
    answer = api.ask("POST", CIRCLE, around)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["reached_by"]["instances"]) == 500
    for scope in ({}, {"security_group_ids": ["sg-0", "sg-1"]}):
        answer = api.ask("POST", MATRIX, {"scope": [examples.SHOP_PART | scope]})
        assert (answer.status_code, answer.json()["code"]) == (422, "too_many_items")
        assert "1000" in answer.json()["detail"]
    cloud.put(crowd(10_001))
    answer = api.ask("POST", CIRCLE, {**around, "refresh": True})
    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_items")
    assert "10000" in answer.json()["detail"]
