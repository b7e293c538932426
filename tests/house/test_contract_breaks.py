"""Nothing is taken away from those who rely on the contract, unless it is said."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.house.contract_breaks import Comparison, at, declared, undeclared
from tests.house.repository import text

BEFORE: dict[str, Any] = {
    "paths": {
        "/things": {
            "post": {
                "operationId": "make_thing",
                "parameters": [
                    {"in": "query", "name": "wait", "schema": {"type": "boolean"}},
                    {"in": "query", "name": "size", "schema": {"type": "integer", "maximum": 9}},
                ],
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Request"}}
                    }
                },
                "responses": {
                    "201": {
                        "headers": {"Location": {}},
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}
                        },
                    },
                    "422": {},
                },
            }
        }
    },
    "components": {
        "schemas": {
            "Request": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "kind": {"type": "string", "enum": ["a", "b"]},
                    "name": {"type": "string", "maxLength": 10},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Request"}},
                },
                "required": ["kind"],
            },
            "Thing": {
                "type": "object",
                "properties": {
                    "id": {"type": "string"},
                    "state": {"type": "string", "enum": ["new", "old"]},
                    "side": {"anyOf": [{"$ref": "#/components/schemas/Thing"}, {"type": "null"}]},
                },
                "required": ["id", "state"],
            },
        }
    },
}
Change = Callable[[dict[str, Any]], object]


def operation(document: dict[str, Any]) -> Any:
    return document["paths"]["/things"]["post"]


def request(document: dict[str, Any]) -> Any:
    return document["components"]["schemas"]["Request"]


def thing(document: dict[str, Any]) -> Any:
    return document["components"]["schemas"]["Thing"]


def changed(change: Change) -> list[str]:
    after = json.loads(json.dumps(BEFORE))
    change(after)
    return Comparison(BEFORE, after).breaks()


NAME = "POST /things"
BREAKS: list[tuple[Change, list[str]]] = [
    (lambda d: d["paths"].clear(), [f"{NAME}: the operation is gone"]),
    (
        lambda d: operation(d).update(operationId="make"),
        [f"{NAME}: the operation make_thing has another name"],
    ),
    (lambda d: operation(d)["parameters"].pop(0), [f"{NAME}: parameter wait is gone"]),
    (
        lambda d: operation(d)["parameters"][0].update(required=True),
        [f"{NAME}: parameter wait is required"],
    ),
    (
        lambda d: operation(d)["parameters"].append(
            {"in": "query", "name": "new", "required": True, "schema": {}}
        ),
        [f"{NAME}: parameter new is required"],
    ),
    (
        lambda d: operation(d)["parameters"][1]["schema"].update(maximum=8),
        [f"{NAME}: parameter size: maximum is 8"],
    ),
    (
        lambda d: operation(d)["parameters"][1]["schema"].update(minimum=1),
        [f"{NAME}: parameter size: minimum is 1"],
    ),
    (
        lambda d: operation(d)["requestBody"].update(required=True),
        [f"{NAME}: a body is required"],
    ),
    (
        lambda d: operation(d).pop("requestBody"),
        [f"{NAME}: body: application/json is not taken"],
    ),
    (lambda d: operation(d)["responses"].pop("201"), [f"{NAME}: 201 is not answered"]),
    (
        lambda d: operation(d)["responses"]["201"].pop("headers"),
        [f"{NAME}: 201: header Location is gone"],
    ),
    (
        lambda d: operation(d)["responses"]["201"]["content"].clear(),
        [f"{NAME}: 201: application/json is not answered"],
    ),
    (
        lambda d: request(d).update(required=["kind", "name"]),
        ["Request.name: the field is required"],
    ),
    (lambda d: request(d)["properties"].pop("name"), ["Request.name: the field is not taken"]),
    (
        lambda d: request(d)["properties"]["kind"].update(enum=["a"]),
        ["Request.kind: b is not taken"],
    ),
    (
        lambda d: request(d)["properties"]["name"].update(enum=["a"]),
        ["Request.name: any other value is not taken"],
    ),
    (
        lambda d: request(d)["properties"]["name"].update(maxLength=9),
        ["Request.name: maxLength is 9"],
    ),
    (
        lambda d: request(d)["properties"]["name"].update(pattern="^a"),
        ["Request.name: pattern is ^a"],
    ),
    (
        lambda d: request(d)["properties"]["name"].update(type="integer"),
        ["Request.name: string became integer"],
    ),
    (lambda d: thing(d)["properties"].pop("state"), ["Thing.state: the field is not answered"]),
    (lambda d: thing(d).update(required=["id"]), ["Thing.state: the field may be absent"]),
]


@pytest.mark.parametrize(("change", "told"), BREAKS)
def test_what_is_taken_away_is_told(change: Change, told: list[str]) -> None:
    assert changed(change) == told


@pytest.mark.parametrize(
    "change",
    [
        dict.copy,
        lambda d: d["paths"].update({"/more": d["paths"]["/things"]}),
        lambda d: operation(d)["parameters"].append({"in": "query", "name": "new", "schema": {}}),
        lambda d: operation(d)["parameters"][1]["schema"].update(maximum=10),
        lambda d: operation(d)["responses"].pop("422"),
        lambda d: request(d)["properties"].update(more={"type": "string"}),
        lambda d: request(d)["properties"]["kind"].update(enum=["a", "b", "c"]),
        lambda d: request(d).update(required=[]),
        lambda d: thing(d)["properties"].update(more={"type": "string"}),
        lambda d: thing(d)["properties"]["state"].update(enum=["new", "old", "gone"]),
        lambda d: thing(d)["properties"]["side"]["anyOf"].append({"type": "string"}),
        lambda d: thing(d).update(required=["id", "state", "side"]),
    ],
)
def test_what_is_added_breaks_nothing(change: Change) -> None:
    assert changed(change) == []


def test_a_break_is_declared_in_the_words_that_tell_it() -> None:
    assert all(": " in each for each in declared())


@pytest.mark.parametrize("revision", ["HEAD", "HEAD~1"])
def test_the_contract_breaks_nobody_who_has_not_been_told(revision: str) -> None:
    before = at(revision)
    if before is None:
        pytest.skip(f"this checkout has no openapi.json at {revision}")
    assert undeclared(before) == [], "mend it, or declare it in docs/contract.md"


def test_nothing_breaks_against_itself() -> None:
    document = json.loads(text("openapi.json"))
    assert Comparison(document, document).breaks() == []
