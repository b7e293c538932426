"""What is wrong with a request is answered by its name, never with a failure of ours."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.api import examples
from tests.api.conftest import LIMIT
from tests.api.fakes import Fakes

JSON = {"Content-Type": "application/json"}
CONNECT = "/v1/connections"
BY_GROUP, BY_ADDRESS = examples.BY_GROUP, examples.BY_ADDRESS_BY_HAND
EXPLAIN = examples.EXPLAIN["between instances"]["value"]


def post(client: TestClient, path: str, body: object) -> Any:
    return client.post(path, content=json.dumps(body).encode(), headers=JSON)


# --- bodies -------------------------------------------------------------------------


BODIES: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 400, "malformed_body"),
    "blank": (b" \n", 400, "malformed_body"),
    "truncated": (b'{"method": "shared_gr', 400, "malformed_body"),
    "null": (b"null", 422, "validation"),
    "list": (b"[]", 422, "validation"),
    "string": (b'"x"', 422, "validation"),
    "number": (b"1", 422, "validation"),
    "not UTF-8": (b'{"reason": "\xff\xfe"}', 400, "malformed_body"),
    "UTF-16": ('{"reason": "x"}'.encode("utf-16"), 400, "malformed_body"),
    "UTF-16 without mark": ('{"reason": "x"}'.encode("utf-16-le"), 400, "malformed_body"),
    "byte order mark": (b"\xef\xbb\xbf{}", 400, "malformed_body"),
    "duplicate key": (b'{"priority": 1, "priority": 2}', 400, "duplicate_key"),
    "duplicate key below": (b'{"target": {"a": 1, "a": 1}}', 400, "duplicate_key"),
    "NaN": (b'{"priority": NaN}', 400, "malformed_body"),
    "Infinity": (b'{"priority": Infinity}', 400, "malformed_body"),
    "-Infinity": (b'{"priority": -Infinity}', 400, "malformed_body"),
    "1e400": (b'{"priority": 1e400}', 400, "malformed_body"),
    "-1e400": (b'{"priority": -1e400}', 400, "malformed_body"),
    "5000 digits": (b'{"priority": ' + b"9" * 5000 + b"}", 400, "malformed_body"),
    "nested": (b'{"reason": ' + b"[" * 60_000, 400, "malformed_body"),
    "nested objects": (b'{"a":' * 12_000, 400, "malformed_body"),
    "lone surrogate": (rb'{"reason": "\ud800"}', 400, "malformed_body"),
    "lone surrogate in a key": (rb'{"\udfff": 1}', 400, "malformed_body"),
    "NUL": (rb'{"reason": "a\u0000"}', 422, "validation"),
    "NUL in a key": (rb'{"a\u0000": 1}', 422, "validation"),
    "raw control character": (b'{"reason": "a\x01"}', 400, "malformed_body"),
}


@pytest.mark.parametrize("path", [CONNECT, "/v1/plans", "/v1/accounts", "/v1/reachability/explain"])
@pytest.mark.parametrize("name", BODIES)
def test_a_body_has_one_meaning_or_is_refused(client: TestClient, name: str, path: str) -> None:
    body, status, code = BODIES[name]
    answer = client.post(path, content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_surrogate_pairs_are_text(client: TestClient, fakes: Fakes) -> None:
    body = json.dumps(BY_GROUP | {"reason": "done \U0001f389"}).encode()
    assert b"\\ud83c" in body
    assert client.post(CONNECT, content=body, headers=JSON).status_code == 202
    assert fakes.connections.asked[0][1][0]["reason"] == "done \U0001f389"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/xml"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/problem+json"},
        {"Content-Type": "nonsense"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": "application/json", "Content-Encoding": "identity, gzip"},
    ],
)
def test_only_plain_json_is_read(client: TestClient, headers: dict[str, str]) -> None:
    body = json.dumps(BY_GROUP).encode()
    answer = client.post(CONNECT, content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("value", ["application/json", "Application/JSON; Charset=UTF-8"])
def test_json_may_say_that_it_is_utf_8(client: TestClient, value: str) -> None:
    body = json.dumps(BY_GROUP).encode()
    assert client.post(CONNECT, content=body, headers={"Content-Type": value}).status_code == 202


def test_a_body_of_the_limit_is_read_and_one_byte_more_is_refused(client: TestClient) -> None:
    body = json.dumps(BY_GROUP).encode()
    fits = body + b" " * (LIMIT - len(body))
    assert client.post(CONNECT, content=fits, headers=JSON).status_code == 202
    answer = client.post(CONNECT, content=fits + b" ", headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_a_body_without_a_length_is_read_no_further_than_the_limit(client: TestClient) -> None:
    sent = 0

    def parts() -> Any:
        nonlocal sent
        for _ in range(64):
            sent += 16 * 1024
            yield b" " * 16 * 1024

    answer = client.post(CONNECT, content=parts(), headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("path", ["/v1/plans/p/apply", f"/v1/accounts/{examples.SHOP}/check"])
def test_where_no_body_is_taken_none_is_ignored(
    client: TestClient, fakes: Fakes, path: str
) -> None:
    answer = client.post(path, content=b'{"dry_run": true}', headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_field")
    assert client.post(path, content=b"[]", headers=JSON).status_code == 422
    assert client.post(path, content=b"x", headers=JSON).status_code == 400
    assert client.post(path, content=b"x=1").status_code == 415
    assert fakes.calls() == []


# --- the connect request ----------------------------------------------------------------


def changed(base: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy of a document with one value replaced; Ellipsis removes it."""
    result: dict[str, Any] = json.loads(json.dumps(base))
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place: Any = result
    for step in way:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return result


def case(base: dict[str, Any], path: str, value: Any, code: str, pointer: str | None = None) -> Any:
    where = "/" + path.replace(".", "/") if pointer is None else pointer
    return pytest.param(changed(base, path, value), code, where, id=f"{path}={value!r:.40}")


INSTANCES = "source.instance_ids"
GROUP_NAMES = ["x", "1web", "web/app", "http://web", "w" * 129, " web", "web app", "", 5, "web\n"]
IDS = ["sg-web", "i-", "web01", "i-web 01", "i-" + "a" * 300, "i-1' OR 1=1", "{{7*7}}", "$(id)", ""]
CIDRS = [
    "10.0.0.5/24",
    "010.0.0.0/8",
    "0x0a.0.0.0/8",
    "127.1",
    "1.2.3.4/32\n",
    "\uff11.2.3.4/32",
    "0.0.0.0/0.0.0.0",
    "10.0.0.0/0.255.255.255",
    0,
    "10.0.0.0/08",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "2001:db8::/129",
    "fe80::1%eth0",
    "fe80::1%eth0/128",
    "::ffff:0:0/96",
    "10.0.0.1",
    "127.0.0.1/32",
    "169.254.0.1/32",
    "224.0.0.1/32",
    "100.100.100.200/32",
    None,
    True,
    "",
]
PORTS = [
    "0/0",
    "65536/65536",
    "-1/-1",
    "22",
    " 22/22 ",
    "2_2/22",
    "80/22",
    "22-23",
    "22/",
    "/22",
    "1/2/3",
    "22.0/22",
    "\u0662/22",
    "022/22",
    "",
    22,
    22.0,
    True,
    None,
]
PROTOCOLS = ["tcp ", "6", "sctp", "TCP", "other", "", 6, None]
PRIORITIES = [0, 101, -1, "1", 1.5, 1.0, True, None, 10**300]
TRUTHS = ["no", 1, 0, None, "true", []]
REASONS = [
    "two\r\nlines",
    "\x1b[31mred",
    "right \u202e to left",
    "isolate \u2066",
    "a\u2028b",
    "x" * 201,
    "intercom:op-1:1 forged",
    "see INTERCOM:op-1:1",
    5,
    None,
]

EXPIRIES = [
    "2026-03-01T18:00:00",
    "2026-02-30T18:00:00Z",
    "2026-03-01",
    "2026-03-01 18:00:00Z",
    "2026-03-01T18:00Z",
    "2026-03-01T18:00:00.5Z",
    "2026-03-01T24:00:01Z",
    "2026-03-01T18:00:60Z",
    "2026-03-01T18:00:00+25:00",
    "2026-03-01T18:00:00 Z",
    "10000-03-01T18:00:00Z",
    "2026-W09-7T18:00:00Z",
    "\uff12026-03-01T18:00:00Z",
    "tomorrow",
    "",
    1767225600,
    1767225600.5,
    True,
    None,
]

CASES = [
    case(BY_GROUP, "bidirektional", True, "unknown_field"),
    case(BY_GROUP, "approved", True, "unknown_field"),
    *(case(BY_GROUP, "expires_at", value, "invalid_expiry") for value in EXPIRIES),
    case(BY_GROUP, "security_group_id", "sg-web", "unknown_field"),
    case(BY_GROUP, "group_name", "web", "unknown_field"),
    case(BY_GROUP, "target.vpc_id", "vpc-1", "unknown_field"),
    case(BY_GROUP, "target.addresses", ["10.0.0.1/32"], "unknown_field"),
    case(BY_GROUP, "flows.0.port", 3306, "unknown_field"),
    case(examples.BY_SHARED_GROUP, "scope", "instance", "unknown_field"),
    case(examples.BY_DEDICATED_GROUP, "scope", "group", "unknown_field"),
    case(examples.BY_DEDICATED_GROUP, "security_group_id", "sg-web", "unknown_field"),
    case(examples.BY_SHARED_GROUP, "target.security_group_id", "sg-web", "unknown_field"),
    case(BY_ADDRESS, "source.instance_ids", ["i-web01"], "unknown_field"),
    case(BY_GROUP, "method", ..., "validation"),
    case(BY_GROUP, "method", "by_magic", "validation"),
    case(BY_GROUP, "method", 1, "validation"),
    case(BY_GROUP, "method", None, "validation"),
    case(BY_GROUP, "target", ..., "validation"),
    case(BY_GROUP, "source", "i-web01", "validation"),
    case(BY_GROUP, "source", None, "validation"),
    case(BY_GROUP, "flows", ..., "validation"),
    case(BY_GROUP, "flows", None, "validation"),
    case(BY_GROUP, "scope", "everything", "validation"),
    case(BY_GROUP, "scope", None, "validation"),
    case(BY_GROUP, "address_family", "ipv5", "validation"),
    case(examples.BY_SHARED_GROUP, "security_group_id", None, "invalid_identifier"),
    *(case(BY_GROUP, "bidirectional", value, "validation") for value in TRUTHS),
    *(case(BY_GROUP, "override_drops", value, "validation") for value in TRUTHS),
    *(case(BY_GROUP, "priority", value, "invalid_priority") for value in PRIORITIES),
    *(case(BY_GROUP, "reason", value, "invalid_description") for value in REASONS),
    *(case(BY_GROUP, "flows.0.protocol", value, "invalid_protocol") for value in PROTOCOLS),
    *(case(BY_GROUP, "flows.0.port_range", value, "invalid_port") for value in PORTS),
    case(BY_GROUP, "flows.0.port_range", ..., "invalid_port", "/flows/0"),
    case(
        BY_GROUP,
        "flows.0",
        {"protocol": "icmp", "port_range": "1/1"},
        "invalid_port",
        "/flows/0/port_range",
    ),
    case(
        BY_GROUP,
        "flows.0",
        {"protocol": "gre", "port_range": "1/65535"},
        "invalid_port",
        "/flows/0/port_range",
    ),
    *(case(BY_ADDRESS, "source.addresses.0", value, "invalid_cidr") for value in CIDRS),
    *(case(BY_GROUP, f"{INSTANCES}.0", value, "invalid_identifier") for value in [*IDS, 1, None]),
    *(
        case(BY_GROUP, "target.security_group_id", value, "invalid_identifier")
        for value in ["i-web01", "sg-", "sg-a b", None, "SG-web"]
    ),
    *(
        case(BY_GROUP, "target.account_id", value, "invalid_identifier")
        for value in ["1", "1" * 17, 1000000000000001, "100000000000000\uff11", None]
    ),
    *(
        case(BY_GROUP, "target.region_id", value, "invalid_identifier")
        for value in ["hangzhou", "CN-hangzhou", "cn-", "cn-hangzhou.evil.example", None]
    ),
    *(
        case(examples.BY_DEDICATED_GROUP, "group_name", value, "validation")
        for value in GROUP_NAMES
    ),
    case(BY_GROUP, INSTANCES, [f"i-{n}" for n in range(201)], "too_many_items"),
    case(BY_ADDRESS, "source.addresses", ["10.0.0.1/32"] * 201, "too_many_items"),
    case(BY_GROUP, INSTANCES, ["i-web01", "i-web02", "i-web01"], "duplicate_item"),
    case(BY_ADDRESS, "source.addresses", ["10.0.0.1/32"] * 2, "duplicate_item"),
    case(BY_GROUP, "flows", BY_GROUP["flows"] * 2, "duplicate_item"),
    case(BY_GROUP, INSTANCES, [], "empty_change"),
    case(BY_ADDRESS, "source.addresses", [], "empty_change"),
    case(BY_GROUP, "flows", [], "empty_change"),
    *(
        case(each, "max_extra_pairs", value, "validation")
        for each, value in [(BY_GROUP, -1), (BY_ADDRESS, "0"), (BY_GROUP, True), (BY_GROUP, 1.0)]
    ),
    case(examples.BY_SHARED_GROUP, "flows", [], "empty_change"),
]


@pytest.mark.parametrize(("body", "code", "pointer"), CASES)
def test_a_value_that_cannot_be_meant_is_named_and_placed(
    client: TestClient, fakes: Fakes, body: dict[str, Any], code: str, pointer: str
) -> None:
    answer = post(client, CONNECT, body)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert [item["pointer"] for item in answer.json()["errors"]] == [pointer]
    assert [item["code"] for item in answer.json()["errors"]] == [code]
    planned = post(client, "/v1/plans", {"kind": "connect", "connection": body})
    assert (planned.status_code, planned.json()["code"]) == (422, code)
    assert [item["pointer"] for item in planned.json()["errors"]] == [f"/connection{pointer}"]
    assert fakes.calls() == []


@pytest.mark.parametrize(
    ("path", "value", "code", "pointer"),
    [
        ("method", "address_rules", "unknown_field", "/connection/method"),
        ("source", {"cidr": "10.0.0.1/32"}, "validation", "/connection/source/account_id"),
        ("source.instance_ids", [], "empty_change", "/connection/source/instance_ids"),
        ("flows.0.port_range", "0/9", "invalid_port", "/connection/flows/0/port_range"),
        ("max_extra_pairs", -1, "validation", "/connection/max_extra_pairs"),
    ],
)
def test_what_cannot_be_compared_is_named_and_placed(
    client: TestClient, fakes: Fakes, path: str, value: object, code: str, pointer: str
) -> None:
    body = {key: each for key, each in BY_GROUP.items() if key != "method"}
    answer = post(client, "/v1/plans/compare", {"connection": changed(body, path, value)})
    assert answer.status_code == 422
    assert (code, pointer) in {(each["code"], each["pointer"]) for each in answer.json()["errors"]}
    assert fakes.calls() == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (changed(BY_GROUP, "target", BY_GROUP["source"]), "invalid_connection"),
        (changed(BY_ADDRESS, "bidirectional", True), "invalid_connection"),
        (changed(BY_ADDRESS, "source.addresses", ["2001:db8::1/128"]), "family_mismatch"),
        (changed(BY_ADDRESS, "address_family", "ipv6"), "family_mismatch"),
        (changed(BY_GROUP, "flows.0", {"protocol": "icmpv6"}), "family_mismatch"),
    ],
)
def test_sides_that_do_not_fit_are_named(
    client: TestClient, body: dict[str, Any], code: str
) -> None:
    answer = post(client, CONNECT, body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "128.0.0.0/1", "10.0.0.0/8"])
def test_how_much_may_be_opened_is_not_decided_by_the_shape(client: TestClient, cidr: str) -> None:
    body = changed(BY_ADDRESS, "source.addresses", [cidr])
    assert post(client, CONNECT, body).status_code == 202


@pytest.mark.parametrize(
    "text",
    ["=cmd()", "<script>alert(1)</script>", "\u4e2d\u6587", "\U0001f468\u200d\U0001f4bb", ""],
)
def test_a_reason_is_only_text(client: TestClient, fakes: Fakes, text: str) -> None:
    assert post(client, CONNECT, changed(BY_GROUP, "reason", text)).status_code == 202
    assert fakes.connections.asked[0][1][0]["reason"] == text


def test_findings_of_several_kinds_are_all_told(client: TestClient) -> None:
    body = changed(changed(BY_GROUP, "priority", 0), "flows.0.protocol", "sctp")
    problem = post(client, CONNECT, body).json()
    assert problem["code"] == "validation"
    assert {item["code"] for item in problem["errors"]} == {"invalid_priority", "invalid_protocol"}


def test_what_was_sent_is_not_repeated(client: TestClient) -> None:
    body = changed(BY_GROUP, "method", "<script>canary</script>")
    assert "canary" not in post(client, CONNECT, body).text
    assert "canary" not in post(client, CONNECT, changed(BY_GROUP, "reason", "canary\r")).text


def test_a_long_list_of_findings_is_cut(client: TestClient) -> None:
    body = changed(BY_GROUP, INSTANCES, [f"x-{n}" for n in range(200)])
    assert len(post(client, CONNECT, body).json()["errors"]) == 50


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({}, "validation", "/kind"),
        ({"kind": "rewind", "backup_id": "x"}, "validation", "/kind"),
        ({"kind": "restore", "backup_id": "x"}, "validation", "/mode"),
        ({"kind": "restore", "backup_id": "x", "mode": "half"}, "validation", "/mode"),
        (
            {"kind": "restore", "backup_id": "a b", "mode": "full"},
            "invalid_identifier",
            "/backup_id",
        ),
        ({"kind": "disconnect"}, "validation", "/connection_id"),
        ({"kind": "disconnect", "connection_id": 7}, "invalid_identifier", "/connection_id"),
        ({"kind": "disconnect", "connection_id": "a b"}, "invalid_identifier", "/connection_id"),
        ({"kind": "disconnect", "connection_id": "c", "force": True}, "unknown_field", "/force"),
        ({"kind": "connect", "connection": {}}, "validation", "/connection/method"),
        ({"kind": "connect", "connection": None}, "validation", "/connection"),
    ],
)
def test_a_plan_request_is_one_of_its_kinds(
    client: TestClient, body: dict[str, Any], code: str, pointer: str
) -> None:
    problem = post(client, "/v1/plans", body).json()
    assert (problem["status"], problem["code"]) == (422, code)
    assert problem["errors"][0]["pointer"] == pointer


TIERS = examples.PLAN_REQUESTS["tiers"]["value"]


@pytest.mark.parametrize(
    ("path", "value", "code", "pointer"),
    [
        ("name", "a b", "invalid_identifier", "/name"),
        ("tiers", TIERS["tiers"][:1], "empty_change", "/tiers"),
        ("tiers.0.name", "", "invalid_identifier", "/tiers/0/name"),
        ("tiers.0.instance_ids", [], "empty_change", "/tiers/0/instance_ids"),
        ("tiers.0.ports", [{"protocol": "tcp"}], "invalid_port", "/tiers/0/ports/0"),
        ("tiers.0.addresses", ["10.0.0.1"], "invalid_cidr", "/tiers/0/addresses/0"),
        ("tiers.1.vpc_id", "vpc-1", "unknown_field", "/tiers/1/vpc_id"),
        ("tiers.2.region_id", ..., "validation", "/tiers/2/region_id"),
    ],
)
def test_tiers_are_refused_where_they_mean_nothing(
    client: TestClient, path: str, value: Any, code: str, pointer: str
) -> None:
    problem = post(client, "/v1/plans", changed(TIERS, path, value)).json()
    assert (problem["status"], problem["errors"][0]["code"]) == (422, code)
    assert problem["errors"][0]["pointer"] == pointer


ASSERTED = examples.ASSERTION_REQUESTS["must never reach"]["value"]


@pytest.mark.parametrize(
    ("path", "value", "code", "pointer"),
    [
        ("kind", "may_reach", "validation", "/kind"),
        ("source", {"addresses": ["10.0.0.1/33"]}, "invalid_cidr", "/source/addresses/0"),
        ("source.security_group_id", "sg-web", "unknown_field", "/source/security_group_id"),
        ("target", {}, "validation", "/target/account_id"),
        ("flows.0.port_range", "0/1", "invalid_port", "/flows/0/port_range"),
        ("flows", [], "empty_change", "/flows"),
        ("owner", " ", "invalid_description", "/owner"),
        ("owner", ..., "validation", "/owner"),
        ("reason", "", "empty_change", "/reason"),
        ("reason", "intercom:1", "invalid_description", "/reason"),
        ("status", "holds", "unknown_field", "/status"),
    ],
)
def test_an_assertion_is_refused_where_it_means_nothing(
    client: TestClient, path: str, value: Any, code: str, pointer: str
) -> None:
    problem = post(client, "/v1/assertions", changed(ASSERTED, path, value)).json()
    assert (problem["status"], problem["errors"][0]["code"]) == (422, code)
    assert problem["errors"][0]["pointer"] == pointer


def test_an_assertion_about_addresses_alone_is_refused(client: TestClient) -> None:
    strangers = {"addresses": ["10.0.0.1/32"]}
    body = ASSERTED | {"source": strangers, "target": strangers}
    problem = post(client, "/v1/assertions", body).json()
    assert (problem["status"], problem["code"]) == (422, "invalid_connection")


# --- questions --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        *(("flows.0.port", value, "invalid_port") for value in [0, 65536, -1, 22.0, "22", True]),
        *(("flows.0.source_port", value, "invalid_port") for value in [0, "2_2", None]),
        ("flows.0.port", ..., "invalid_port"),
        ("flows.0.protocol", "icmp", "invalid_port"),
        ("flows.0.protocol", "sctp", "invalid_protocol"),
        ("flows.0.nic_type", "public", "validation"),
        ("flows.0.source", {"address": "10.0.0.9/32"}, "invalid_cidr"),
        ("flows.0.source", {"address": "127.1"}, "invalid_cidr"),
        ("flows.0.source", {"address": 7}, "invalid_cidr"),
        ("flows.0.source", {}, "validation"),
        ("flows.0.source.instance_id", "sg-web", "invalid_identifier"),
        ("flows.0.source.name", "web", "unknown_field"),
        ("flows", [], "empty_change"),
        ("flows", EXPLAIN["flows"] * 1001, "body_too_large"),
        ("flows", [{}] * 1001, "too_many_items"),
        ("refresh", "no", "validation"),
        ("refresh", 1, "validation"),
    ],
)
def test_a_question_is_refused_where_it_means_nothing(
    client: TestClient, path: str, value: Any, code: str
) -> None:
    problem = post(
        client, "/v1/reachability/explain", changed({"refresh": False} | EXPLAIN, path, value)
    ).json()
    assert problem["code"] == code


# --- accounts ---------------------------------------------------------------------------

REGISTER = examples.REGISTER["with a role"]["value"]


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("account_id", "i-web01", "invalid_identifier"),
        ("role_arn", "arn:aws:iam::1:role/x", "invalid_identifier"),
        ("role_arn", None, "invalid_identifier"),
        ("region_ids", [], "empty_change"),
        ("region_ids", ["cn-hangzhou", "cn-hangzhou"], "duplicate_item"),
        ("name", "", "invalid_description"),
        ("name", "two\nlines", "invalid_description"),
        ("endpoint", "http://evil.example", "unknown_field"),
        ("external_id", "mine", "unknown_field"),
        ("access_key_secret", "canary", "secret_not_accepted"),
        ("AccessKeyId", "canary", "secret_not_accepted"),
        ("security_token", "canary", "secret_not_accepted"),
    ],
)
def test_an_account_has_no_secrets_and_no_endpoint(
    client: TestClient, fakes: Fakes, path: str, value: Any, code: str
) -> None:
    for send, url in (
        (client.post, "/v1/accounts"),
        (client.patch, f"/v1/accounts/{examples.SHOP}"),
    ):
        if send == client.patch and path == "account_id":
            continue
        answer = send(url, json=changed(REGISTER if send == client.post else {}, path, value))
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert "canary" not in answer.text
    assert fakes.calls() == []


# --- paths and queries -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/accounts/..%2f..%2fadmin", 404, "not_found"),
        ("/v1//accounts", 404, "not_found"),
        ("/v1/accounts/", 404, "not_found"),
        ("/v1/nothing", 404, "not_found"),
        ("/", 404, "not_found"),
        ("/v1/accounts/%00", 400, "malformed_request"),
        ("/v1/plans/a%0d%0ab", 400, "malformed_request"),
        ("/v1/accounts/1%20OR%201", 422, "invalid_identifier"),
        ("/v1/security-groups/i-web01", 422, "invalid_identifier"),
        ("/v1/security-groups/i-web01/findings", 422, "invalid_identifier"),
        ("/v1/security-groups/sg-web/findings?severity=worst", 422, "validation"),
        ("/v1/instances?group_id=i-web01", 422, "invalid_identifier"),
        ("/v1/instances?region_id=evil.example", 422, "invalid_identifier"),
        ("/v1/instances?name=%00", 422, "invalid_description"),
        ("/v1/instances?cursor=forged", 422, "invalid_cursor"),
        ("/v1/instances?limit=0", 422, "invalid_cursor"),
        ("/v1/instances?limit=-1", 422, "invalid_cursor"),
        ("/v1/instances?limit=1000000000", 422, "invalid_cursor"),
        ("/v1/instances?limit=201", 422, "invalid_cursor"),
        ("/v1/instances?limit=5_0", 422, "invalid_cursor"),
        ("/v1/instances?limit=%205", 422, "invalid_cursor"),
        ("/v1/instances?limit=\u0665", 422, "invalid_cursor"),
        ("/v1/instances?limit=", 422, "invalid_cursor"),
        ("/v1/accounts?cursor=forged", 422, "invalid_cursor"),
        ("/v1/accounts?cursor=Ny4wMDAwMDAwMDAwMDA=", 422, "invalid_cursor"),
        ("/v1/accounts?cursor=%c3%a9", 422, "invalid_cursor"),
        ("/v1/accounts?cursor=", 422, "invalid_cursor"),
        ("/v1/accounts?limmit=5", 422, "validation"),
        ("/v1/accounts?limit=5&limit=6", 422, "validation"),
        ("/v1/accounts?sort=name%27--", 422, "validation"),
        ("/v1/operations?status=.*", 422, "validation"),
        ("/v1/operations?connection_id=1%27%20OR", 422, "invalid_identifier"),
        ("/v1/connections?status=gone", 422, "validation"),
        ("/v1/plans/p?verbose=1", 422, "validation"),
        *(
            (f"/v1/{noun}/{shape}", 422, "invalid_identifier")
            for noun in ("plans", "connections", "operations", "backups", "assertions")
            for shape in ("a%20b", "1%27%20OR%201", "%7B%7B7*7%7D%7D", "$(id)", "a" * 300)
        ),
    ],
)
def test_paths_and_queries_are_read_strictly(
    client: TestClient, fakes: Fakes, path: str, status: int, code: str
) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("value", ["no", "0", "1", "False", "", "true%00"])
def test_waiting_is_true_or_false(client: TestClient, fakes: Fakes, value: str) -> None:
    answer = client.post(f"/v1/plans/p/apply?wait={value}")
    assert (answer.status_code, answer.json()["code"]) == (422, "validation")
    assert fakes.calls() == []


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/accounts", "GET, POST"),
        ("POST", f"/v1/accounts/{examples.SHOP}", "DELETE, GET, PATCH"),
        ("DELETE", "/v1/connections", "GET, POST"),
        ("PATCH", "/v1/connections/c", "DELETE, GET"),
        ("GET", "/v1/plans", "POST"),
        ("GET", "/v1/plans/p/apply", "POST"),
        ("PUT", "/v1/backups/import", "POST"),
        ("TRACE", "/livez", "GET"),
        ("OPTIONS", "/v1/instances", "GET"),
    ],
)
def test_a_method_that_is_not_offered_names_those_that_are(
    client: TestClient, method: str, path: str, allowed: str
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Method-Override"])
def test_a_method_cannot_be_overridden(client: TestClient, fakes: Fakes, header: str) -> None:
    answer = client.get(
        f"/v1/accounts/{examples.SHOP}", headers={header: "DELETE", "X-Original-URL": "/v1/plans"}
    )
    assert answer.status_code == 200
    assert [name for name, _ in fakes.calls()] == ["get"]


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("text/html", 406),
        ("application/json;q=0", 406),
        ("application/json; q=0.000, text/*", 406),
        ("application/problem+json", 406),
        ("text/html, application/json;q=0.1", 200),
        ("application/*", 200),
        ("*/*;q=0.01", 200),
        ("", 200),
    ],
)
def test_the_answer_is_json_for_those_who_take_it(
    client: TestClient, accept: str, status: int
) -> None:
    answer = client.get("/v1/accounts", headers={"Accept": accept})
    assert answer.status_code == status
    assert status == 200 or answer.json()["code"] == "not_acceptable"
