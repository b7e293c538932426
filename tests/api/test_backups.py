"""Backups over HTTP: taken, compared, carried, and what is no export."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.api import examples
from app.domain.groups import Place
from tests.api.fakes import KNOWN, UNKNOWN, Fakes

Document = dict[str, Any]


@pytest.mark.parametrize("name", examples.BACKUP_REQUESTS)
def test_backups_are_taken_by_hand(client: TestClient, fakes: Fakes, name: str) -> None:
    body = examples.BACKUP_REQUESTS[name]["value"]
    answer = client.post("/v1/backups", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"].startswith("/v1/backups?account_id=")
    assert [each["origin"] for each in answer.json()["items"]] == ["manual"]
    place = Place(body["account_id"], body["region_id"])
    assert fakes.archive.asked == [("take", (place, body.get("security_group_ids")))]


@pytest.mark.parametrize("name", examples.IMPORTS)
def test_exports_are_imported_in_every_form(client: TestClient, name: str) -> None:
    answer = client.post("/v1/backups/import", json=examples.IMPORTS[name]["value"])
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/v1/backups/{KNOWN}"
    assert answer.json()["origin"] == "import"


def test_a_backup_is_compared_with_now_unless_with_another(
    client: TestClient, fakes: Fakes
) -> None:
    assert client.get(f"/v1/backups/{KNOWN}/diff").json()["against"] == "current"
    client.get(f"/v1/backups/{KNOWN}/diff?against=other")
    asked = [arguments for _, arguments in fakes.archive.asked]
    assert asked == [(KNOWN, "current"), (KNOWN, "other")]


def test_a_backup_is_a_file_with_a_name_of_its_own(client: TestClient) -> None:
    answer = client.get(f"/v1/backups/{KNOWN}/export")
    assert answer.json() == examples.EXPORT
    name = 'attachment; filename="ecs_cn-hangzhou_sg-db.json"'
    assert answer.headers["Content-Disposition"] == name
    table = client.get(f"/v1/backups/{KNOWN}/export?format=csv")
    assert table.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert table.headers["Content-Disposition"].endswith('.csv"')
    assert table.text == examples.EXPORTED_TABLE


def test_a_backup_is_deleted(client: TestClient, fakes: Fakes) -> None:
    assert client.delete(f"/v1/backups/{KNOWN}").status_code == 204
    assert fakes.retention.asked == [("delete", (KNOWN,))]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", f"/v1/backups/{UNKNOWN}"),
        ("GET", f"/v1/backups/{UNKNOWN}/diff"),
        ("GET", f"/v1/backups/{KNOWN}/diff?against={UNKNOWN}"),
        ("GET", f"/v1/backups/{UNKNOWN}/export"),
        ("GET", f"/v1/backups/{UNKNOWN}/export?format=csv"),
    ],
)
def test_what_is_not_kept_is_not_found(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({}, "validation", "/account_id"),
        ({**examples.SHOP_PART, "security_group_ids": []}, "empty_change", "/security_group_ids"),
        (
            {**examples.SHOP_PART, "security_group_ids": ["sg-a", "sg-a"]},
            "duplicate_item",
            "/security_group_ids",
        ),
        (
            {**examples.SHOP_PART, "security_group_ids": ["i-web01"]},
            "invalid_identifier",
            "/security_group_ids/0",
        ),
        ({**examples.SHOP_PART, "groups": ["sg-a"]}, "unknown_field", "/groups"),
    ],
)
def test_groups_to_back_up_are_named_once_and_well(
    client: TestClient, body: Document, code: str, pointer: str
) -> None:
    problem = client.post("/v1/backups", json=body)
    assert problem.status_code == 422
    [found] = [each for each in problem.json()["errors"] if each["pointer"] == pointer]
    assert found["code"] == code


def _permission(document: Document) -> Document:
    found: Document = document["attributes"][1]["Permissions"]["Permission"][0]
    return found


def _with(**fields: object) -> Callable[[Document], object]:
    return lambda document: _permission(document).update(fields)


FIRST = "/attributes/1/Permissions/Permission/0"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        (_with(Direction="sideways"), FIRST),
        (_with(IpProtocol="SCTP"), FIRST),
        (_with(Priority="first"), FIRST),
        (_with(Priority="0"), FIRST),
        (_with(PortRange="80-90"), FIRST),
        (_with(SourceGroupId=""), FIRST),
        (_with(SourceCidrIp="10.0.0.0/33"), FIRST),
        (_with(Colour="red"), f"{FIRST}/Colour"),
        (_with(Policy=None), f"{FIRST}/Policy"),
        (lambda d: d["attributes"][1].update(NextToken="more"), "/attributes/1/NextToken"),
        (
            lambda d: d["attributes"][1].update(SecurityGroupId="sg-x"),
            "/attributes/1/SecurityGroupId",
        ),
        (lambda d: d.update(attributes=[]), "/attributes"),
        (lambda d: d.update(format="xml"), "/format"),
        (lambda d: d.update(secret="s"), "/secret"),
    ],
)
def test_what_is_no_export_is_refused_with_its_place(
    client: TestClient, change: Callable[[Document], object], pointer: str
) -> None:
    document = deepcopy(examples.EXPORT)
    change(document)
    problem = client.post("/v1/backups/import", json=document)
    assert problem.status_code == 422, problem.text
    assert pointer in [each["pointer"] for each in problem.json()["errors"]]


@pytest.mark.parametrize(
    ("spoil", "pointer"),
    [
        (lambda table: table.replace("Record", "Kind", 1), "/table"),
        (lambda _: "", "/table"),
        (lambda table: table.split("\r\n")[0], "/table"),
        (lambda table: table.replace("\r\nrule,", "\r\ncolour,"), "/table/4"),
        (lambda table: table.replace("TCP", "SCTP"), "/table/4"),
        (lambda table: table.replace("i-db01,true", "i-db01,yes"), "/table/5"),
        (lambda table: table.replace("\r\nmember,,,sg-db", "\r\nmember,,,sg-x"), "/table/5"),
        (lambda table: table.replace("\r\ngroup,", "\r\nnamed_group,"), "/table/2"),
        (lambda table: f'{table}"', "/table"),
        (lambda table: f"{table}rule,1,2\r\n", "/table/12"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(
    client: TestClient, spoil: Callable[[str], str], pointer: str
) -> None:
    body = {"format": "csv", "table": spoil(examples.EXPORTED_TABLE)}
    problem = client.post("/v1/backups/import", json=body)
    assert problem.status_code == 422, problem.text
    assert [each["pointer"] for each in problem.json()["errors"]] == [pointer]
