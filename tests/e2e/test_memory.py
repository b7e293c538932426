"""Questions are answered from what was read a moment ago; everything else reads for itself."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.domain.accounts import Account
from app.domain.addresses import Block
from app.domain.changes import Join
from app.domain.errors import CloudThrottledError, TargetNotFoundError
from app.domain.groups import Place
from app.ports.ecs import Ecs
from app.repositories import schema
from app.repositories.store import SqlStore
from app.services.accounts import Directory
from app.services.memory import A_READING, Memory
from app.services.scopes import Scope
from app.services.worlds import Worlds
from app.simulator.dispatcher import Dispatcher
from tests.support.clouds import (
    ACCOUNT,
    OTHER_ACCOUNT,
    REGION,
    TickingClock,
    group_entry,
    in_memory_clouds,
    instance_entry,
)
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

AN_HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """A service that remembers for longer than any test lasts."""
    folder = tmp_path_factory.mktemp("memory")
    url = f"sqlite:///{folder / 'intercom.sqlite3'}"
    with chained(url, inventory_max_age=AN_HOUR, **IMPATIENT) as chain:
        yield chain


def end(instance_id: str, account_id: str = ACCOUNT) -> Document:
    return {"account_id": account_id, "region_id": REGION, "instance_id": instance_id}


def flow(*, to: str = ACCOUNT) -> Document:
    return {"source": end("i-a"), "target": end("i-b", to), "protocol": "tcp", "port": 3306}


def explain(api: Api, *, to: str = ACCOUNT, refresh: bool = False) -> Document:
    body = {"flows": [flow(to=to)], "refresh": refresh}
    answer = api.ask("POST", "/reachability/explain", body)
    assert answer.status_code == 200, answer.text
    found: Document = answer.json()
    return found


def calls(cloud: Cloud) -> Counter[str]:
    """Calls by account, but for those that open a session."""
    found = [each for each in cloud.calls() if each["action"].startswith("Describe")]
    cloud.clear_calls()
    return Counter(each["account_id"] for each in found)


A_PART = {"account_id": ACCOUNT, "region_id": REGION}
A_CHANGE = A_PART | {"group_id": "sg-b", "action": "inner_access", "inner_access": "drop"}
QUESTIONS: Mapping[str, tuple[str, str, Document | None]] = {
    "explain": ("POST", "/reachability/explain", {"flows": [flow()]}),
    "matrix": ("POST", "/reachability/matrix", {"scope": [A_PART]}),
    "who can reach": (
        "POST",
        "/reachability/who-can-reach",
        {"instance": end("i-b"), "protocol": "tcp", "port": 3306, "scope": [A_PART]},
    ),
    "what if": ("POST", "/reachability/what-if", {"changes": [A_CHANGE]}),
    "findings": ("GET", f"/security-groups/sg-b/findings?account_id={ACCOUNT}", None),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_that_comes_again_costs_no_call_and_tells_its_age(
    api: Api, cloud: Cloud, name: str
) -> None:
    method, path, body = QUESTIONS[name]

    def ask(*, refresh: bool) -> Document:
        asked = None if body is None else body | {"refresh": refresh}
        query = "" if body is not None or not refresh else "&refresh=true"
        answer = api.ask(method, path + query, asked)
        assert answer.status_code == 200, answer.text
        found: Document = answer.json()["world"]
        return found

    cloud.put(pair())
    first = ask(refresh=True)
    assert calls(cloud)
    second = ask(refresh=False)
    assert not calls(cloud)
    assert second["read_at"] == first["read_at"]
    assert second["age_seconds"] > first["age_seconds"]
    assert [place["account_id"] for place in second["places"]] == [ACCOUNT]
    assert second["fingerprint"] == first["fingerprint"]
    third = ask(refresh=True)
    assert calls(cloud)
    assert third["read_at"] > first["read_at"]


def test_plans_read_for_themselves_whatever_is_remembered(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    assert explain(api, refresh=True)["items"][0]["verdict"] == "blocked"
    with cloud.edited() as found:
        opens = rule("sgr-theirs", ports="3306/3306", SourceCidrIp="10.170.0.1/32")
        found["security_groups"][1]["Rules"].append(opens)
    assert explain(api)["items"][0]["verdict"] == "blocked", "remembered, and it says how old"
    plan = api.plan(connect_request("address_rules", ["i-a"], ["i-b"]))
    assert plan["changes"] == []
    assert explain(api)["items"][0]["verdict"] == "blocked", "a plan is no question"
    assert explain(api, refresh=True)["items"][0]["verdict"] == "reachable"
    assert explain(api)["items"][0]["verdict"] == "reachable"


def test_our_own_changes_are_never_answered_from_before(api: Api, cloud: Cloud) -> None:
    cloud.put(pair(to=OTHER_ACCOUNT))
    explain(api, to=OTHER_ACCOUNT, refresh=True)
    request = connect_request("address_rules", ["i-a"], ["i-b"], to=OTHER_ACCOUNT)
    operation = api.connect(request)
    assert explain(api, to=OTHER_ACCOUNT)["items"][0]["verdict"] == "reachable"
    calls(cloud)
    api.disconnect(operation["connection_id"])
    assert explain(api, to=OTHER_ACCOUNT)["items"][0]["verdict"] == "blocked"


def test_questions_that_come_together_share_one_read(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    explain(api, refresh=True)
    alone = sum(calls(cloud).values())
    api.ask("POST", f"/accounts/{ACCOUNT}/check")  # whatever was read before is out of date
    cloud.clear_calls()
    cloud.faults(cloud.fault("DescribeInstances", "delay", seconds=0.3))
    start = threading.Barrier(6)

    def ask(_: int) -> Document:
        start.wait()
        return explain(api)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, range(6)))
    cloud.clear_faults()
    assert len({each["world"]["read_at"] for each in answers}) == 1
    assert sum(calls(cloud).values()) == alone


def test_nothing_is_answered_of_an_account_that_is_registered_no_more(
    api: Api, cloud: Cloud
) -> None:
    cloud.put(pair(to=OTHER_ACCOUNT))
    explain(api, to=OTHER_ACCOUNT, refresh=True)
    assert api.ask("DELETE", f"/accounts/{OTHER_ACCOUNT}").status_code == 204
    body = {"flows": [flow(to=OTHER_ACCOUNT)]}
    answer = api.ask("POST", "/reachability/explain", body)
    assert (answer.status_code, answer.json()["code"]) == (404, "target_not_found")
    api.register(OTHER_ACCOUNT)
    calls(cloud)
    explain(api, to=OTHER_ACCOUNT)
    assert calls(cloud)[OTHER_ACCOUNT], "its role is sent another external id now"


def test_nothing_is_answered_of_an_account_whose_role_is_gone(api: Api, cloud: Cloud) -> None:
    cloud.put(pair(to=OTHER_ACCOUNT))
    explain(api, to=OTHER_ACCOUNT, refresh=True)
    with cloud.edited() as found:
        other = next(each for each in found["accounts"] if each["AccountId"] == OTHER_ACCOUNT)
        other["Roles"] = []
    assert api.ask("POST", f"/accounts/{OTHER_ACCOUNT}/check").json()["access"] == "failed"
    body = {"flows": [flow(to=OTHER_ACCOUNT)]}
    answer = api.ask("POST", "/reachability/explain", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "account_unreachable")


# --- the memory itself, over the simulator in this process ---------------------------


class Rig:
    """Memories of one database: as many processes as a test asks for."""

    def __init__(self, store: SqlStore, dispatcher: Dispatcher, clock: TickingClock) -> None:
        self.store, self.dispatcher, self.clock = store, dispatcher, clock
        self.directory = Directory(store=store)
        self.clouds = in_memory_clouds(dispatcher, clock=clock)
        self.worlds = Worlds(clouds=self.clouds, places=self.directory.places, threads=1)

    def memory(self, *, capacity: int = 1000) -> Memory:
        return Memory(
            clouds=self.clouds,
            worlds=self.worlds,
            directory=self.directory,
            store=self.store,
            clock=self.clock,
            most_age=timedelta(minutes=1),
            capacity=capacity,
        )

    def calls(self) -> Counter[str]:
        """What was asked of ECS since this was asked last, by action."""
        found: Any = self.dispatcher.journal.as_json()["counts"]
        self.dispatcher.journal.clear()
        return Counter({name: count for name, count in found.items() if "Describe" in name})

    def changed(self) -> None:
        """Let another process note that it changes something here."""
        with self.store.write() as work:
            work.revisions.advance(HERE)
            work.commit()


HERE = Place(ACCOUNT, REGION)
BOTH = Scope(instances=frozenset({(HERE, "i-a"), (HERE, "i-b")}), with_neighbours=False)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    url = f"sqlite:///{tmp_path / 'memory.sqlite3'}"
    schema.migrate(url)
    store, clock = SqlStore(url=url), TickingClock()
    with store.write() as work:
        work.accounts.add(
            Account(
                account_id=ACCOUNT,
                name="shop",
                role_arn=f"acs:ram::{ACCOUNT}:role/intercommunication",
                external_id="external-id",
                region_ids=(REGION,),
                created_at=clock.now(),
            )
        )
        work.commit()
    rig = Rig(store, Dispatcher(pair()), clock)
    yield rig
    rig.worlds.close()
    rig.clouds.close()
    store.close()


def test_what_is_too_old_is_read_anew(rig: Rig) -> None:
    memory = rig.memory()
    memory.look().world(BOTH)
    whole = rig.calls()
    rig.clock.tick(timedelta(seconds=59))
    look = memory.look()
    assert look.document(look.world(BOTH))["age_seconds"] == 59
    assert not rig.calls()
    rig.clock.tick(timedelta(seconds=2))
    look = memory.look()
    assert look.document(look.world(BOTH))["age_seconds"] == 0
    assert rig.calls() == whole


def test_the_age_is_that_of_what_was_read_first(rig: Rig) -> None:
    memory = rig.memory()
    one = Scope(instances=frozenset({(HERE, "i-a")}), with_neighbours=False)
    memory.look().world(one)
    rig.clock.tick(timedelta(seconds=40))
    look = memory.look()
    assert look.document(look.world(BOTH))["age_seconds"] == 40
    rig.clock.tick(timedelta(seconds=30))
    look = memory.look()
    assert look.document(look.world(BOTH))["age_seconds"] == 30, "i-a was read anew, i-b was not"


def test_a_clock_that_was_set_back_makes_nothing_young(rig: Rig) -> None:
    memory = rig.memory()
    memory.look().world(BOTH)
    whole = rig.calls()
    rig.clock.tick(timedelta(hours=-1))
    memory.look().world(BOTH)
    assert rig.calls() == whole


def test_a_change_by_another_process_is_never_answered_from_before(rig: Rig) -> None:
    memory = rig.memory()
    memory.look().world(BOTH)
    whole = rig.calls()
    rig.changed()
    memory.look().world(BOTH)
    assert rig.calls() == whole
    memory.look().world(BOTH)
    assert not rig.calls()


def test_what_was_being_read_when_something_changed_is_not_kept(rig: Rig) -> None:
    memory = rig.memory()
    look = memory.look()
    rig.changed()
    look.world(BOTH)
    whole = rig.calls()
    memory.look().world(BOTH)
    assert rig.calls() == whole


def test_a_refresh_takes_nothing_that_was_begun_before_it(rig: Rig) -> None:
    memory = rig.memory()
    memory.look().world(BOTH)
    whole = rig.calls()
    rig.clock.tick(timedelta(milliseconds=1))
    memory.look(refresh=True).world(BOTH)
    assert rig.calls() == whole
    memory.look().world(BOTH)
    assert not rig.calls()


def test_what_was_seen_after_a_refresh_stays_seen(rig: Rig) -> None:
    memory = rig.memory()
    memory.look().of(ACCOUNT, REGION).everybody(most=9)
    rig.clock.tick(timedelta(seconds=1))
    live: Ecs = rig.clouds.of(ACCOUNT, REGION)
    live.perform(Join(HERE, "sg-b", "i-a"), token="theirs")
    assert memory.look().of(ACCOUNT, REGION).members("sg-a") != live.members("sg-a")
    refreshed = memory.look(refresh=True).of(ACCOUNT, REGION).members("sg-b")
    later = memory.look().of(ACCOUNT, REGION)
    assert refreshed == later.members("sg-b") == live.members("sg-b")
    assert [each.instance_id for each in later.members("sg-b")] == ["i-a", "i-b"]
    assert later.members("sg-a") == live.members("sg-a"), "it is the same instance"


def test_memory_has_an_end(rig: Rig) -> None:
    small, none = rig.memory(capacity=6), rig.memory(capacity=0)
    for memory, kept in ((small, True), (none, False)):
        memory.look().world(BOTH)
        assert bool(memory.size) is kept
    rig.dispatcher.replace_estate(crowd(30))
    look = small.look(refresh=True)
    assert look.of(ACCOUNT, REGION).everybody(most=30) is not None
    look.world(Scope(groups=frozenset({(HERE, "sg-0")}), with_neighbours=False))
    assert small.size == 0, "more than fits is answered, and not kept"


def test_what_is_old_does_not_stay(rig: Rig) -> None:
    memory = rig.memory()
    memory.look().world(BOTH)
    assert memory.size
    rig.clock.tick(timedelta(minutes=3))
    memory.look()
    assert memory.size == 0


def test_everybody_is_read_in_pages_and_answers_for_groups_and_addresses(rig: Rig) -> None:
    rig.dispatcher.replace_estate(crowd(230))
    look = rig.memory().look()
    cloud = look.of(ACCOUNT, REGION)
    everybody = cloud.everybody(most=230)
    assert everybody is not None
    assert [each.instance_id for each in everybody] == sorted(f"i-{n}" for n in range(230))
    assert rig.calls() == {"DescribeInstances": 6}, "three pages, twice: they have to agree"
    live: Ecs = rig.clouds.of(ACCOUNT, REGION)
    address = Block.read("10.0.0.7/32")
    asked = (
        cloud.members("sg-3"),
        cloud.instances(["i-7", "i-8"]),
        cloud.owners_of([address], None),
        cloud.owners_of([address], "vpc-1"),
    )
    assert not rig.calls()
    assert asked == (
        live.members("sg-3"),
        live.instances(["i-7", "i-8"]),
        live.owners_of([address], None),
        live.owners_of([address], "vpc-1"),
    )
    assert cloud.everybody(most=229) is None
    assert rig.memory().look().of(ACCOUNT, REGION).everybody(most=229) is None


def test_every_answer_is_that_of_the_cloud(rig: Rig) -> None:
    live: Ecs = rig.clouds.of(ACCOUNT, REGION)
    look = rig.memory().look()
    cloud = look.of(ACCOUNT, REGION)
    blocks = [Block.read("10.170.0.1/32"), Block.read("10.170.0.9/32")]
    for _ in range(2):
        assert cloud.members("sg-a") == live.members("sg-a")
        assert cloud.instances(["i-a", "i-none"]) == live.instances(["i-a", "i-none"])
        assert cloud.groups(["sg-b", "sg-none"]) == live.groups(["sg-b", "sg-none"])
        assert cloud.references(["sg-a"]) == live.references(["sg-a"])
        assert cloud.owners_of(blocks, None) == live.owners_of(blocks, None)
        assert cloud.links(["i-a"]) == live.links(["i-a"])
        assert cloud.prefix_list("pl-none") == live.prefix_list("pl-none")
        assert cloud.group_count() == live.group_count()


def test_where_the_calls_run_out_the_next_question_goes_on(rig: Rig) -> None:
    groups = 3 * A_READING
    rig.dispatcher.replace_estate(crowd(groups, groups=groups))
    ids = frozenset((HERE, f"sg-{number}") for number in range(groups))
    scope, memory = Scope(groups=ids, with_neighbours=False), rig.memory()
    first_side = "DescribeSecurityGroupAttribute"
    allowed = 2 * A_READING + 5  # of both sides of a classic group
    faults = [
        {"match": {"action": first_side, "nth": number}, "kind": "throttle"}
        for number in range(allowed, 1000)
    ]
    rig.dispatcher.put_faults(faults)
    with pytest.raises(CloudThrottledError):
        memory.look().world(scope)
    rig.calls()
    rig.dispatcher.put_faults([])
    memory.look().world(scope)
    assert rig.calls()[first_side] == 2 * (groups - A_READING)


def test_an_error_is_told_to_everybody_and_not_kept(rig: Rig) -> None:
    memory = rig.memory()
    missing = Scope(instances=frozenset({(HERE, "i-none")}), with_neighbours=False)
    for _ in range(2):
        with pytest.raises(TargetNotFoundError):
            memory.look().world(missing)
    forbidden = {"match": {"action": "DescribeInstances"}, "kind": "forbidden"}
    rig.dispatcher.put_faults([forbidden])
    with pytest.raises(Exception, match="Forbidden"):
        memory.look().world(BOTH)
    rig.dispatcher.put_faults([])
    assert memory.look().world(BOTH).instances.keys() == {"i-a", "i-b"}


def crowd(count: int, *, groups: int = 10) -> Document:
    """An estate of so many instances in so many groups."""
    return estate(
        [group_entry(f"sg-{number}") for number in range(groups)],
        [
            instance_entry(
                f"i-{number}",
                [f"sg-{number % groups}"],
                private_ip=f"10.0.{number // 250}.{number % 250}",
            )
            for number in range(count)
        ],
    )
