"""Who may do what: every route, for every role, with things of one's own account and of another.

The table below says it a second time, next to `app/api/authorization.py`. A route that is missing
here fails the test, as one that is missing there fails the build.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from app.api.openapi import openapi_document
from app.cli import main
from app.main import bare_app
from tests.support.clouds import ACCOUNT, OTHER_ACCOUNT, REGION, group_entry, instance_entry
from tests.support.e2e import Api, Chain, Cloud, connect_request, estate

ABSENT_ACCOUNT = "1000000000000004"
ROLES = ("viewer", "operator", "admin")
RANKS = (*ROLES, "*")
"""`*`: the role is needed for all accounts, so nobody of one account has it."""

HIDING = {404}


@dataclass(frozen=True, slots=True)
class Things:
    """What there is in an account."""

    account_id: str
    source: str
    target: str
    group_id: str
    plan_id: str
    connection_id: str
    operation_id: str
    backup_id: str
    assertion_id: str
    api_key_id: str

    def ids(self) -> dict[str, str]:
        return asdict(self)

    def connection(self) -> dict[str, Any]:
        side = {"account_id": self.account_id, "region_id": REGION}
        return connect_request(
            "address_rules",
            side | {"instance_ids": [self.source]},
            side | {"instance_ids": [self.target]},
        )

    def claim(self) -> dict[str, Any]:
        side = {"account_id": self.account_id, "region_id": REGION}
        return {
            "kind": "must_never_reach",
            "source": side | {"instance_ids": [self.target]},
            "target": side | {"instance_ids": [self.source]},
            "flows": [{"protocol": "udp", "port_range": "9/9"}],
            "owner": "a team",
            "reason": "a test",
        }

    def end(self, instance_id: str) -> dict[str, str]:
        return {"account_id": self.account_id, "region_id": REGION, "instance_id": instance_id}

    def place(self) -> dict[str, str]:
        return {"account_id": self.account_id, "region_id": REGION}


Body = Callable[[Things], Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """The least role that may ask, with which body and query; `other` is what the account of
    somebody else is answered with, where it is not 404.
    """

    role: str
    body: Body = lambda _: None
    query: Callable[[Things], str] = lambda _: ""
    other: frozenset[int] = frozenset({404})


def reads(body: Body = lambda _: None, **more: Any) -> Entry:
    return Entry("viewer", body, **more)


def lists(query: str = "") -> Entry:
    """Of another account nothing is shown, whether or not it is asked for."""
    return Entry("viewer", query=lambda _: query, other=frozenset({200}))


def changes(body: Body = lambda _: None) -> Entry:
    return Entry("operator", body)


def administers(body: Body = lambda _: None, **more: Any) -> Entry:
    return Entry("admin", body, **more)


def _registration(of: Things) -> Any:
    return {"account_id": of.account_id, "name": "again", "region_ids": [REGION]}


def _flow(of: Things) -> Any:
    flow = {"source": of.end(of.source), "target": of.end(of.target)}
    return {"flows": [flow | {"protocol": "tcp", "port": 3306}]}


def _supposed(of: Things) -> Any:
    change = {"action": "join", "instance_id": of.source, "group_id": of.group_id, **of.place()}
    return {"changes": [change]}


def _thaw(of: Things) -> Any:
    return {"frozen": False, "reason": "a test", "account_id": of.account_id}


def _tomorrow() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")


def _key(of: Things) -> Any:
    return {"name": "k", "grants": [{"account_id": of.account_id, "role": "viewer"}]}


def _imported(of: Things) -> Any:
    attributes = {
        "RequestId": "r",
        "RegionId": REGION,
        "SecurityGroupId": of.group_id,
        "SecurityGroupName": "",
        "VpcId": "",
        "InnerAccessPolicy": "Accept",
        "Permissions": {"Permission": []},
    }
    both = [attributes | {"Permissions": {"Permission": []}} for _ in ("intranet", "internet")]
    return {"format": "json", "account_id": of.account_id, "attributes": both}


TABLE: dict[str, Entry] = {
    "list_accounts": lists(),
    "register_account": administers(_registration, other=frozenset({403})),
    "get_account": reads(),
    "count_calls": reads(),
    "change_account": administers(lambda _: {"name": "changed"}),
    "remove_account": administers(),
    "check_account": administers(),
    "list_instances": lists(),
    "list_security_groups": lists(),
    "get_security_group": reads(query=lambda of: f"?account_id={of.account_id}"),
    "list_findings": reads(query=lambda of: f"?account_id={of.account_id}"),
    "explain_reachability": reads(_flow),
    "suppose_changes": reads(_supposed),
    "show_matrix": reads(lambda of: {"scope": [of.place()]}),
    "show_who_can_reach": reads(
        lambda of: {"instance": of.end(of.target), "protocol": "tcp", "port": 22}
    ),
    "create_plan": changes(lambda of: {"kind": "connect", "connection": of.connection()}),
    "compare_plans": reads(
        lambda of: {
            "connection": {key: each for key, each in of.connection().items() if key != "method"}
        }
    ),
    "get_plan": reads(),
    "apply_plan": changes(),
    "create_connection": changes(lambda of: of.connection()),
    "list_connections": lists(),
    "get_connection": reads(),
    "extend_connection": changes(lambda _: {"expires_at": _tomorrow()}),
    "check_connection": changes(),
    "disconnect_connection": changes(),
    "list_operations": lists(),
    "get_operation": reads(),
    "follow_operation": reads(),
    "cancel_operation": changes(),
    "roll_back_operation": changes(),
    "resume_operation": changes(),
    "list_backups": lists(),
    "create_backups": changes(lambda of: of.place() | {"security_group_ids": [of.group_id]}),
    "import_backup": changes(_imported),
    "get_backup": reads(),
    "delete_backup": changes(),
    "compare_backup": reads(),
    "export_backup": reads(),
    "list_assertions": lists(),
    "create_assertion": changes(lambda of: of.claim()),
    "get_assertion": reads(),
    "remove_assertion": changes(),
    "check_assertion": changes(),
    "get_guardrails": lists(),
    "evaluate_guardrails": reads(lambda of: {"plan_id": of.plan_id}),
    "get_freeze": lists(),
    "set_freeze": administers(_thaw, other=frozenset({403})),
    "list_audit_events": Entry("*", other=frozenset({403})),
    "verify_audit_events": Entry("*", lambda _: {}, other=frozenset({403})),
    "list_api_keys": Entry("admin", other=frozenset({200})),
    "create_api_key": administers(_key, other=frozenset({403})),
    "get_api_key": administers(),
    "revoke_api_key": administers(),
}


def routes() -> dict[str, tuple[str, str]]:
    """Method and path of every operation that is not for everybody."""
    document = openapi_document(bare_app("test"))
    return {
        operation["operationId"]: (method.upper(), path.removeprefix("/v1"))
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if operation["security"]
    }


ROUTES = routes()


def test_every_route_is_in_the_table() -> None:
    assert TABLE.keys() == ROUTES.keys()


# --- an estate with two accounts that have nothing to do with one another -----------


def two_accounts() -> dict[str, Any]:
    groups, instances = [], []
    for number, account in enumerate((ACCOUNT, OTHER_ACCOUNT), 1):
        for name in ("source", "target"):
            group_id = f"sg-{name}-{number}"
            groups.append(group_entry(group_id, account=account))
            address = f"10.170.{number}.{1 if name == 'source' else 2}"
            instances.append(
                instance_entry(
                    f"i-{name}-{number}", [group_id], private_ip=address, account=account
                )
            )
    return estate(groups, instances)


def made(api: Api, account_id: str, number: int) -> Things:
    """Make one thing of each kind in an account."""
    blank = {field.name: "" for field in fields(Things)}
    things = Things(
        **blank
        | {
            "account_id": account_id,
            "source": f"i-source-{number}",
            "target": f"i-target-{number}",
            "group_id": f"sg-target-{number}",
        }
    )
    operation = api.connect(things.connection())
    plan = api.plan(things.connection() | {"flows": [{"protocol": "tcp", "port_range": "22/22"}]})
    return replace(
        things,
        plan_id=plan["id"],
        connection_id=operation["connection_id"],
        operation_id=operation["id"],
        backup_id=operation["backup_ids"][0],
        assertion_id=api.ask("POST", "/assertions", things.claim()).json()["id"],
        api_key_id=api.hand_out(**{f"_{account_id}": "viewer"})["id"],
    )


ABSENT = Things(
    ABSENT_ACCOUNT,
    "i-source-2",
    "i-target-2",
    "sg-target-2",
    *(f"00000000-0000-4000-8000-00000000000{number}" for number in range(6)),
)


@dataclass(frozen=True, slots=True)
class Scene:
    admin: Api
    ours: Things
    theirs: Things
    callers: dict[str, Api]


@pytest.fixture(scope="module")
def scene(chain: Chain) -> Iterator[Scene]:
    chain.cloud.put(two_accounts())
    api = chain.api
    keys = {role: api.hand_out(**{f"_{ACCOUNT}": role})["key"] for role in ROLES}
    callers = {role: api.with_key(key) for role, key in keys.items()}
    yield Scene(api, made(api, ACCOUNT, 1), made(api, OTHER_ACCOUNT, 2), callers)
    for caller in callers.values():
        caller.close()


def ask(caller: Api, name: str, of: Things) -> httpx.Response:
    method, path = ROUTES[name]
    entry = TABLE[name]
    return caller.ask(method, path.format(**of.ids()) + entry.query(of), entry.body(of))


def freshly(scene: Scene, name: str) -> Things:
    """Our things, with one of its own for whoever removes one."""
    if name == "delete_backup":
        body = scene.ours.place() | {"security_group_ids": [scene.ours.group_id]}
        taken = scene.admin.ask("POST", "/backups", body).json()["items"]
        return replace(scene.ours, backup_id=taken[0]["id"])
    if name == "remove_assertion":
        kept = scene.admin.ask("POST", "/assertions", scene.ours.claim()).json()
        return replace(scene.ours, assertion_id=kept["id"])
    return scene.ours


@pytest.mark.parametrize("name", TABLE)
def test_a_role_opens_what_it_should_and_nothing_of_another_account(
    scene: Scene, name: str
) -> None:
    entry = TABLE[name]
    foreign = set(scene.theirs.ids().values())
    for role in ROLES:
        caller = scene.callers[role]
        own = ask(caller, name, freshly(scene, name))
        if RANKS.index(role) < RANKS.index(entry.role):
            assert (own.status_code, own.json()["code"]) == (403, "forbidden"), (role, own.text)
        else:
            assert own.is_success or own.status_code == 409, (role, own.text)
        other = ask(caller, name, scene.theirs)
        expected = entry.other
        if RANKS.index(role) < RANKS.index(entry.role) and not _names_a_thing(name):
            expected = frozenset({403})
        assert other.status_code in expected, (role, other.text)
        shown = own.text if own.is_success else ""
        shown += other.text if other.is_success else ""
        assert not [each for each in foreign if each in shown], (role, name)
        if other.status_code in HIDING:
            absent = ask(caller, name, ABSENT)
            assert spoken(other, scene.theirs) == spoken(absent, ABSENT), role


def _names_a_thing(name: str) -> bool:
    path = ROUTES[name][1]
    return "{" in path and "{group_id}" not in path


def spoken(answer: httpx.Response, of: Things) -> tuple[int, str]:
    """An answer without what has to be different."""
    text = answer.text.replace(answer.headers["X-Request-ID"], "")
    for name, value in of.ids().items():
        text = text.replace(value, name)
    return answer.status_code, text


# --- across accounts ----------------------------------------------------------------


@pytest.fixture
def across(api: Api, cloud: Cloud) -> dict[str, Any]:
    """A connection from one account into the other."""
    cloud.put(two_accounts())
    request = connect_request(
        "group_authorization", ["i-source-1"], ["i-target-2"], to=OTHER_ACCOUNT
    )
    return api.connect(request)


@pytest.mark.parametrize(
    ("grants", "seen", "taken_back"),
    [
        ({f"_{ACCOUNT}": "admin"}, 404, 404),
        ({f"_{OTHER_ACCOUNT}": "admin"}, 404, 404),
        ({f"_{ACCOUNT}": "operator", f"_{OTHER_ACCOUNT}": "viewer"}, 200, 403),
        ({"every": "viewer", f"_{ACCOUNT}": "operator"}, 200, 403),
        ({f"_{ACCOUNT}": "operator", f"_{OTHER_ACCOUNT}": "operator"}, 200, 202),
    ],
)
def test_across_accounts_the_grants_of_both_sides_are_needed(
    api: Api, across: dict[str, Any], grants: dict[str, str], seen: int, taken_back: int
) -> None:
    caller = api.with_key(api.hand_out(**grants)["key"])
    connection = f"/connections/{across['connection_id']}"
    request = api.get(connection)["request"]
    backups = [f"/backups/{each}" for each in across["backup_ids"]]
    paths = [connection, f"/operations/{across['id']}", f"/plans/{across['plan_id']}"]
    assert {caller.ask("GET", path).status_code for path in paths} == {seen}
    assert caller.ask("POST", "/connections", request).status_code == taken_back
    planned = caller.ask("POST", "/plans", {"kind": "connect", "connection": request})
    assert planned.status_code == (201 if taken_back == 202 else taken_back)
    answer = caller.ask("DELETE", connection)
    assert answer.status_code == taken_back
    if taken_back == 202:
        ended = api.ended(answer.json())
        assert ended["actor"] != "bootstrap"
        assert {caller.ask("GET", path).status_code for path in backups} == {200}
    caller.close()


def test_what_a_hidden_connection_needs_is_neither_cut_nor_told(
    api: Api, across: dict[str, Any]
) -> None:
    caller = api.with_key(api.hand_out(**{f"_{OTHER_ACCOUNT}": "operator"})["key"])
    target = api.get(f"/connections/{across['connection_id']}")["request"]["target"]
    [group_id] = {each["group_id"] for each in across["result"]["effects"]}
    request = {
        "kind": "tighten",
        "account_id": OTHER_ACCOUNT,
        "region_id": target["region_id"],
        "security_group_id": group_id,
    }
    answer = caller.ask("POST", "/plans", request)
    assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
    assert ACCOUNT not in answer.text
    assert across["connection_id"] not in answer.text
    caller.close()


def test_listings_show_only_what_is_in_sight(api: Api, across: dict[str, Any]) -> None:
    ours = api.with_key(api.hand_out(**{f"_{ACCOUNT}": "viewer"})["key"])
    both = {f"_{ACCOUNT}": "viewer", f"_{OTHER_ACCOUNT}": "viewer"}
    all_of_it = api.with_key(api.hand_out(**both)["key"])
    for noun in ("connections", "operations"):
        shown = {each["id"] for each in ours.get(f"/{noun}?limit=200")["items"]}
        assert shown.isdisjoint({across["id"], across["connection_id"]})
        newest = all_of_it.get(f"/{noun}?limit=1")["items"][0]["id"]
        assert newest in {across["id"], across["connection_id"]}
    assert [each["account_id"] for each in ours.get("/accounts")["items"]] == [ACCOUNT]
    ours.close()
    all_of_it.close()


# --- keys ---------------------------------------------------------------------------


def test_a_revoked_key_opens_nothing_from_that_moment_on(api: Api) -> None:
    made = api.hand_out(every="viewer")
    caller = api.with_key(made["key"])
    assert caller.ask("GET", "/accounts").status_code == 200
    assert api.ask("DELETE", f"/api-keys/{made['id']}").status_code == 204
    assert caller.ask("GET", "/accounts").status_code == 401
    assert api.ask("DELETE", f"/api-keys/{made['id']}").status_code == 204
    assert api.get(f"/api-keys/{made['id']}")["status"] == "revoked"
    caller.close()


def test_a_key_is_shown_once(api: Api) -> None:
    made = api.hand_out(every="viewer")
    later = api.ask("GET", f"/api-keys/{made['id']}").text + api.ask("GET", "/api-keys").text
    assert made["prefix"] in later
    assert made["key"] not in later
    assert made["key"].rpartition("_")[2] not in later


@pytest.mark.parametrize(
    "wrong", ["x", "ick_{prefix}", "ick_{prefix}_", "ick_{prefix}_" + "0" * 80]
)
def test_half_a_key_opens_nothing(api: Api, wrong: str) -> None:
    made = api.hand_out(every="viewer")
    caller = api.with_key(wrong.format(**made))
    assert caller.ask("GET", "/accounts").status_code == 401
    caller.close()


def test_nobody_grants_more_than_they_have(api: Api) -> None:
    caller = api.with_key(api.hand_out(**{f"_{ACCOUNT}": "admin"})["key"])
    for account_id, expected in ((ACCOUNT, 201), (OTHER_ACCOUNT, 403), ("*", 403)):
        body = {"name": "more", "grants": [{"account_id": account_id, "role": "viewer"}]}
        assert caller.ask("POST", "/api-keys", body).status_code == expected
    shown = caller.get("/api-keys")["items"]
    assert {grant["account_id"] for each in shown for grant in each["grants"]} == {ACCOUNT}
    caller.close()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"grants": []}, "empty_change"),
        ({"grants": [{"account_id": "12", "role": "viewer"}]}, "invalid_identifier"),
        ({"grants": [{"account_id": "*", "role": "root"}]}, "validation"),
        ({"grants": [{"account_id": "*", "role": "viewer"}] * 2}, "duplicate_item"),
        ({"lifetime_days": 0}, "validation"),
        ({"lifetime_days": "30"}, "validation"),
        ({"lifetime_days": 91}, "validation"),
        ({"key": "mine"}, "unknown_field"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(api: Api, change: dict[str, Any], code: str) -> None:
    body = {"name": "k", "grants": [{"account_id": "*", "role": "viewer"}]} | change
    answer = api.ask("POST", "/api-keys", body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_keys_are_handed_out_listed_and_revoked_from_the_command_line(api: Api) -> None:
    def run(*words: str) -> str:
        found = CliRunner().invoke(main, ["keys", *words, "--url", api.url])
        assert found.exit_code == 0, found.output
        return found.stdout

    key = run("add", "shell", "--grant", f"{ACCOUNT}=viewer", "--days", "7").split()[-1]
    caller = api.with_key(key)
    assert [each["account_id"] for each in caller.get("/accounts")["items"]] == [ACCOUNT]
    [made] = [each for each in api.get("/api-keys")["items"] if each["name"] == "shell"]
    assert key not in run("list")
    run("revoke", made["id"])
    assert caller.ask("GET", "/accounts").status_code == 401
    caller.close()


def test_an_operation_of_a_revoked_key_goes_back_before_its_next_change(
    api: Api, cloud: Cloud
) -> None:
    start = cloud.put(two_accounts())
    made = api.hand_out(every="operator")
    caller = api.with_key(made["key"])
    [held] = held_calls(cloud, "AuthorizeSecurityGroup")
    side = {"account_id": ACCOUNT, "region_id": REGION}
    request = connect_request(
        "address_rules",
        side | {"instance_ids": ["i-source-1"]},
        side | {"instance_ids": ["i-target-1"]},
        bidirectional=True,
    )
    operation = caller.start(request)
    cloud.await_call("AuthorizeSecurityGroup")
    api.ask("DELETE", f"/api-keys/{made['id']}")
    cloud.release(held)
    ended = api.ended(operation, "rolled_back")
    assert ended["error"]["code"] == "access_revoked"
    assert len(cloud.changes("AuthorizeSecurityGroup")) == 1
    assert cloud.estate() == start
    caller.close()


def test_an_operation_of_a_revoked_key_that_waits_is_rejected(api: Api, cloud: Cloud) -> None:
    cloud.put(two_accounts())
    made = api.hand_out(every="operator")
    caller = api.with_key(made["key"])
    [held] = held_calls(cloud, "AuthorizeSecurityGroup")
    side = {"account_id": ACCOUNT, "region_id": REGION}
    sides = (side | {"instance_ids": ["i-source-1"]}, side | {"instance_ids": ["i-target-1"]})
    first = api.start(connect_request("address_rules", *sides))
    cloud.await_call("AuthorizeSecurityGroup")
    flows = [{"protocol": "tcp", "port_range": "22/22"}]
    second = caller.start(connect_request("address_rules", *sides, flows=flows))
    api.ask("DELETE", f"/api-keys/{made['id']}")
    cloud.release(held)
    api.ended(first, is_settled=False)
    assert api.ended(second, "rejected")["error"]["code"] == "access_revoked"
    assert len(cloud.changes("AuthorizeSecurityGroup")) == 1
    caller.close()


def held_calls(cloud: Cloud, action: str) -> list[str]:
    """Hold the first call of an action until the fault is deleted; return the fault's id."""
    fault_id = f"held-{action}"
    cloud.faults({"id": fault_id, **cloud.fault(action, "hold", when="after", nth=1)})
    return [fault_id]
