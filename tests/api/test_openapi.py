"""The contract is one that people can read and generators can use."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from app.api.openapi import METHODS, openapi_document, openapi_text
from app.main import bare_app

DOCUMENT = openapi_document(bare_app("0.1.0"))
COMMITTED = Path(__file__).parents[2] / "openapi.json"
JSON, PROBLEM = "application/json", "application/problem+json"
OPERATIONS = {
    operation["operationId"]: (path, method, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method in METHODS
}

each_operation = pytest.mark.parametrize("name", OPERATIONS)


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    found: Any = DOCUMENT
    for step in node["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    assert isinstance(found, dict)
    return found


def check(schema: dict[str, Any], value: object) -> None:
    registry: Registry[Any] = Registry().with_resource(
        "urn:contract", DRAFT202012.create_resource(DOCUMENT)
    )
    absolute = _absolute(schema)
    Draft202012Validator(absolute, registry=registry).validate(value)


def _absolute(node: Any) -> Any:
    match node:
        case dict():
            return {
                key: f"urn:contract{value}" if key == "$ref" else _absolute(value)
                for key, value in node.items()
            }
        case list():
            return [_absolute(item) for item in node]
        case _:
            return node


def contents(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every described body of an operation, with a name for it."""
    if "requestBody" in operation:
        yield "request", operation["requestBody"]["content"][JSON]
    for status, answer in operation["responses"].items():
        for content in answer.get("content", {}).values():
            yield status, content


def test_the_contract_is_valid() -> None:
    validate(DOCUMENT)
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["servers"][0]["url"] == "/"


def test_the_contract_is_the_committed_one() -> None:
    if not COMMITTED.exists():
        pytest.skip("openapi.json is not committed yet")
    version = re.search(r'"version": "([^"]+)"', COMMITTED.read_text())
    assert version is not None
    assert COMMITTED.read_text() == openapi_text(bare_app(version[1])), "run `make openapi`"


def test_the_contract_is_served_as_it_is_committed(stranger: TestClient) -> None:
    answer = stranger.get("/openapi.json")
    assert answer.headers["Content-Type"] == JSON
    assert answer.text == openapi_text(bare_app("0.1.0"))


def test_names_are_fit_for_functions_and_classes() -> None:
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in OPERATIONS)
    assert len(OPERATIONS) == sum(
        method in METHODS for item in DOCUMENT["paths"].values() for method in item
    )
    names = DOCUMENT["components"]["schemas"].keys()
    assert all(re.fullmatch(r"[A-Z][A-Za-z]+", name) for name in names)
    assert not any(name.endswith(("Input", "Output")) for name in names)
    assert not any(name.startswith(("Body", "HTTPValidation", "Page_")) for name in names)


def test_no_shape_has_a_member_of_its_own_name() -> None:
    # A generated class would use one variable for itself and for its member.
    for name, schema in DOCUMENT["components"]["schemas"].items():
        own = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
        assert own not in schema.get("properties", {}), name


def test_every_example_of_a_problem_is_one_that_some_operation_answers() -> None:
    text = openapi_text(bare_app("0.1.0"))
    for code in DOCUMENT["components"]["examples"]:
        assert f'"#/components/examples/{code}"' in text


def test_a_list_that_must_not_be_empty_says_what_it_is_if_it_is() -> None:
    refused = OPERATIONS["create_connection"][2]["responses"]["422"]["content"][PROBLEM]
    told = {"empty_change", "too_many_items", "duplicate_item", "invalid_port", "invalid_cidr"}
    assert told <= refused["examples"].keys()


def test_unions_are_told_apart_by_strings_and_have_names() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        if "discriminator" in schema:
            field = schema["discriminator"]["propertyName"]
            for tag, reference in schema["discriminator"]["mapping"].items():
                member = resolved({"$ref": reference})["properties"][field]
                assert member == {"type": "string", "const": tag}, name
    text = openapi_text(bare_app("0.1.0"))
    assert "itemSchema" not in text
    assert "x-component" not in text
    assert "x-refused-as" not in text
    assert text.count('"discriminator"') == 7


def test_a_connect_request_is_one_of_four_closed_shapes() -> None:
    request = DOCUMENT["components"]["schemas"]["ConnectRequest"]
    assert request["discriminator"]["mapping"].keys() == {
        "address_rules",
        "shared_group",
        "dedicated_group",
        "group_authorization",
    }
    for member in request["oneOf"]:
        assert resolved(member)["additionalProperties"] is False
    body = DOCUMENT["paths"]["/v1/connections"]["post"]["requestBody"]
    assert body["content"][JSON]["schema"] == {"$ref": "#/components/schemas/ConnectRequest"}


def test_inputs_have_no_null_and_no_unknown_members() -> None:
    seen: set[str] = set()

    def walk(node: Any) -> None:
        match node:
            case dict():
                assert node.get("type") != "null"
                if node.get("type") == "object":
                    assert node["additionalProperties"] is False
                reference = node.get("$ref")
                if reference is not None and reference not in seen:
                    seen.add(reference)
                    walk(resolved(node))
                for key, value in node.items():
                    if key not in {"examples", "example", "mapping"}:
                        walk(value)
            case list():
                for item in node:
                    walk(item)
            case _:
                pass

    for _, _, operation in OPERATIONS.values():
        if "requestBody" in operation:
            walk(operation["requestBody"]["content"][JSON]["schema"])
        for parameter in operation.get("parameters", []):
            walk(parameter["schema"])
    assert seen


@each_operation
def test_every_operation_is_described(name: str) -> None:
    _, _, operation = OPERATIONS[name]
    assert operation["summary"]
    assert operation["description"].endswith(".")
    assert len(operation["tags"]) == 1
    assert operation["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"]}
    for parameter in operation.get("parameters", []):
        assert parameter["description"], parameter["name"]


@each_operation
def test_every_operation_says_who_may_ask(name: str) -> None:
    path, _, operation = OPERATIONS[name]
    if path.startswith("/v1/"):
        assert operation["security"] == [{"api_key": []}]
        assert {"400", "401", "406", "422", "500", "503"} <= operation["responses"].keys()
    else:
        assert operation["security"] == []


@each_operation
def test_what_is_refused_is_a_problem(name: str) -> None:
    _, method, operation = OPERATIONS[name]
    for status, answer in operation["responses"].items():
        if int(status) >= 400:
            assert answer["content"].keys() == {PROBLEM}
            schema = answer["content"][PROBLEM]["schema"]
            assert schema == {"$ref": "#/components/schemas/Problem"}
            for example in answer["content"][PROBLEM]["examples"].values():
                assert resolved(example)["value"]["status"] == int(status)
    if "requestBody" in operation:
        assert {"400", "413", "415"} <= operation["responses"].keys()
    assert method != "delete" or {"202", "204"} & operation["responses"].keys()


@each_operation
def test_what_goes_on_says_where(name: str) -> None:
    _, _, operation = OPERATIONS[name]
    for status, answer in operation["responses"].items():
        if status in {"201", "202"}:
            assert "Location" in answer["headers"]
        if status == "202":
            assert "Retry-After" in answer["headers"]
            schema = answer["content"][JSON]["schema"]
            assert schema == {"$ref": "#/components/schemas/Operation"}


@each_operation
def test_every_example_is_what_its_schema_says(name: str) -> None:
    for _, content in contents(OPERATIONS[name][2]):
        values = [resolved(each)["value"] for each in content.get("examples", {}).values()]
        values += [content["example"]] if "example" in content else []
        assert values
        for value in values:
            check(content["schema"], value)
    for parameter in OPERATIONS[name][2].get("parameters", []):
        for example in parameter.get("examples", {}).values():
            check(parameter["schema"], example["value"])


def test_there_is_an_example_for_each_method_in_each_network() -> None:
    body = DOCUMENT["paths"]["/v1/connections"]["post"]["requestBody"]["content"][JSON]
    shown = {
        (each["value"]["method"], "vpc" if name.endswith("vpc") else "classic")
        for name, each in body["examples"].items()
    }
    assert len(shown) == 8


def test_tags_come_in_the_order_of_the_journey_and_fit_in_a_link() -> None:
    names = [tag["name"] for tag in DOCUMENT["tags"]]
    assert names == list(dict.fromkeys(op["tags"][0] for _, _, op in OPERATIONS.values()))
    assert all(" " not in name for name in names)


def test_links_of_the_tour_lead_somewhere() -> None:
    for tag, name in re.findall(r"\(#/(\w+)/(\w+)\)", DOCUMENT["info"]["description"]):
        assert OPERATIONS[name][2]["tags"] == [tag]


def test_no_title_repeats_a_name() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        assert "title" not in schema
        for field in schema.get("properties", {}).values():
            assert not isinstance(field, dict) or "title" not in field
