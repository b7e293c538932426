"""Several service processes on one PostgreSQL: killed for good, frozen, cut off, stopped."""

import itertools
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from app.simulator.server import running
from tests.e2e.test_events import follow
from tests.e2e.test_processes import check_settled, hold
from tests.support.clouds import ACCOUNT, group_entry, instance_entry
from tests.support.databases import TEMPLATE, PostgreSql
from tests.support.e2e import Cloud, Document, connect_request, estate, pair, until
from tests.support.replicas import Records, Replica, replica, running_one

pytestmark = pytest.mark.timeout(240)

LONG = pytest.mark.long
READ, ADD = "DescribeSecurityGroupAttribute", "AuthorizeSecurityGroup"
BOTH_WAYS = connect_request("address_rules", ["i-a"], ["i-b"], bidirectional=True)
_numbers = itertools.count(1)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with running(pair()) as simulator:
        cloud = Cloud(simulator.url)
        yield cloud
        cloud.clear_faults()
        cloud.close()


@pytest.fixture
def records(postgresql: PostgreSql) -> Iterator[Records]:
    name = f"replicas_{next(_numbers)}"
    yield Records(postgresql.create(name, template=TEMPLATE))
    postgresql.drop(name)


@pytest.fixture
def replicas(cloud: Cloud, records: Records, tmp_path: Path) -> Iterator[list[Replica]]:
    with ExitStack() as stack:
        found = [
            stack.enter_context(replica(cloud, records.url, tmp_path, name))
            for name in ("one", "two")
        ]
        found[0].api.register(ACCOUNT)
        yield found


def await_calls(cloud: Cloud, action: str, count: int) -> None:
    until(
        lambda: len([each for each in cloud.calls() if each["action"] == action]) >= count,
        f"{action} never came",
    )


MOMENTS = [
    pytest.param(READ, 5, "before", id="before-the-first-change", marks=LONG),
    pytest.param(ADD, 1, "before", id="in-the-first-change", marks=LONG),
    pytest.param(ADD, 1, "after", id="after-its-effect"),
    pytest.param(ADD, 2, "after", id="after-the-last-effect", marks=LONG),
    pytest.param(READ, 9, "before", id="at-the-verification", marks=LONG),
]


@pytest.mark.fault("F41")
@pytest.mark.parametrize(("action", "nth", "when"), MOMENTS)
def test_a_replica_that_never_comes_back_is_taken_over_from(
    cloud: Cloud, records: Records, replicas: list[Replica], action: str, nth: int, when: str
) -> None:
    start = cloud.put(pair())
    hold(cloud, action, nth, when)
    operation = replicas[0].api.start(BOTH_WAYS)
    await_calls(cloud, action, nth)
    gone, [other] = running_one(records, operation, replicas)
    gone.kill()
    cloud.clear_faults()
    assert check_settled(other.api, cloud, start, operation) == "succeeded"
    assert [each.split("@")[0] for each in records.tenures()] == [other.name]


@pytest.mark.fault("F43")
@pytest.mark.parametrize(
    ("action", "nth", "when"),
    [
        pytest.param(READ, 5, "before", id="in-a-read"),
        pytest.param(ADD, 1, "after", id="in-a-change", marks=LONG),
        pytest.param(ADD, 2, "before", id="before-a-change", marks=LONG),
    ],
)
def test_a_replica_that_was_frozen_makes_no_further_call(
    cloud: Cloud, records: Records, replicas: list[Replica], action: str, nth: int, when: str
) -> None:
    start = cloud.put(pair())
    hold(cloud, action, nth, when)
    operation = replicas[0].api.start(BOTH_WAYS)
    await_calls(cloud, action, nth)
    frozen, [other] = running_one(records, operation, replicas)
    frozen.freeze()
    cloud.clear_faults()
    other.api.ended(other.api.operation(operation))
    made = cloud.changes()
    frozen.thaw()
    until(lambda: len(records.tenures()) == 2, "the frozen replica never begins anew")
    until(lambda: frozen.ready() == 200, "the frozen replica is never ready again")
    assert cloud.changes() == made
    assert check_settled(frozen.api, cloud, start, operation) == "succeeded"


@pytest.mark.fault("F6")
@pytest.mark.parametrize("nth", [1, pytest.param(2, marks=LONG)])
def test_an_operation_survives_that_the_database_ends_every_connection(
    cloud: Cloud, records: Records, replicas: list[Replica], nth: int
) -> None:
    start = cloud.put(pair())
    hold(cloud, ADD, nth, "after")
    operation = replicas[0].api.start(BOTH_WAYS)
    await_calls(cloud, ADD, nth)
    records.cut_connections()
    cloud.clear_faults()
    until(lambda: replicas[1].ready() == 200, "it is never ready again")
    assert check_settled(replicas[1].api, cloud, start, operation) == "succeeded"


@pytest.mark.fault("F42")
def test_who_is_stopped_under_load_ends_well_and_loses_nothing(
    cloud: Cloud, replicas: list[Replica]
) -> None:
    start = cloud.put(pairs(8))
    cloud.settings({"round_trip_seconds": 0.05})
    one, two = replicas
    hold(cloud, ADD, 4, "before")
    operations = [one.api.start(between(number)) for number in range(8)]
    await_calls(cloud, ADD, 4)
    began = time.monotonic()
    one.process.terminate()
    until(lambda: not_ready(one), "readiness never falls")
    cloud.clear_faults()
    assert one.process.wait(timeout=30) == 0
    assert time.monotonic() - began < 25
    assert two.ready() == 200
    for operation in operations:
        two.api.ended(two.api.operation(operation))
    assert len(cloud.changes(ADD)) == 8  # none is made twice
    for operation in operations:
        two.api.disconnect(operation["connection_id"])
    assert cloud.estate() == start


def not_ready(one: Replica) -> bool:
    """The probe says no, or nobody listens any more: then it had said so before."""
    import httpx

    try:
        return one.ready() == 503
    except httpx.TransportError:
        return True


def test_one_accepts_and_another_carries_out(
    cloud: Cloud, records: Records, tmp_path: Path
) -> None:
    start = cloud.put(pair())
    with (
        replica(cloud, records.url, tmp_path, "front", "api") as front,
        replica(cloud, records.url, tmp_path, "back", "worker") as back,
    ):
        front.api.register(ACCOUNT)
        assert (front.ready(), back.ready()) == (200, 200)
        assert back.api.ask("GET", "/operations").status_code == 404
        operation = front.api.start(BOTH_WAYS)
        story = follow(front.api, operation)
        assert story[-1]["status"] == "succeeded"
        assert records.executor_of(operation) == "back"
        assert check_settled(front.api, cloud, start, operation) == "succeeded"


# --- one after the other, and side by side ------------------------------------------------


def pairs(count: int) -> Document:
    """As many pairs of instances, each in a group of its own."""
    places = [f"{number}-{end}" for number in range(count) for end in "ab"]
    return estate(
        [group_entry(f"sg-{each}") for each in places],
        [
            instance_entry(
                f"i-{each}", [f"sg-{each}"], private_ip=f"10.171.{place // 250}.{place % 250 + 1}"
            )
            for place, each in enumerate(places, 1)
        ],
    )


def between(number: int, **fields: Any) -> Document:
    return connect_request("address_rules", [f"i-{number}-a"], [f"i-{number}-b"], **fields)


def on_port(port: int) -> Document:
    flows = [{"protocol": "tcp", "port_range": f"{port}/{port}"}]
    return between(0, flows=flows, bidirectional=True)


@pytest.mark.fault("F5")
def test_operations_on_one_group_never_interleave_and_others_run_side_by_side(
    cloud: Cloud, replicas: list[Replica]
) -> None:
    start = cloud.put(pairs(21))
    cloud.settings({"round_trip_seconds": 0.02})
    users = itertools.cycle(each.api for each in replicas)
    overlapping = [next(users).start(on_port(3000 + number)) for number in range(20)]
    disjoint = [next(users).start(between(number, bidirectional=True)) for number in range(1, 21)]
    api = replicas[0].api
    ended = {each["id"]: api.ended(api.operation(each)) for each in [*overlapping, *disjoint]}
    by_group: defaultdict[str, list[str]] = defaultdict(list)
    order: list[str] = []
    for call in cloud.changes():
        operation_id = call["parameters"]["Permissions.1.Description"].split(":")[1]
        by_group[call["parameters"]["SecurityGroupId"]].append(operation_id)
        if call["parameters"]["SecurityGroupId"] in {"sg-0-a", "sg-0-b"}:
            order.append(operation_id)
    blocks = [operation_id for operation_id, _ in itertools.groupby(order)]
    assert len(order) == 40
    assert len(blocks) == len(set(blocks)) == 20  # both calls of one, then both of the next
    assert {len(ids) for group, ids in by_group.items() if not group.startswith("sg-0-")} == {1}
    spans = [
        (ended[each["id"]]["started_at"], ended[each["id"]]["finished_at"]) for each in disjoint
    ]
    assert any(
        one[0] < other[1] and other[0] < one[1] for one, other in itertools.combinations(spans, 2)
    )
    waiting = [
        (ended[each["id"]]["started_at"], ended[each["id"]]["finished_at"]) for each in overlapping
    ]
    assert all(
        one[1] <= other[0] or other[1] <= one[0]
        for one, other in itertools.combinations(waiting, 2)
    )
    for operation in ended.values():
        api.ask("DELETE", f"/connections/{operation['connection_id']}")
    until(lambda: cloud.estate() == start, "not everything is taken back")
