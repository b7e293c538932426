"""Operations a second, what one costs beyond its cloud calls, and how long a recovery takes.

Targets on two cores: at 20 ms a call 12 operations a second on SQLite and 25 on PostgreSQL with
two replicas; overhead p95 <= 150 ms; after a kill with 200 operations in flight all have ended
within the settle window and 60 s.

Baselines, in the same run and against the same simulator: the same calls made bare through the
adapter (read the group, authorize, read it back), one after the other for the latency and in
as many threads as the service runs steps for the rate; and for the recovery the same work
without a kill.
"""

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import structlog

from app.adapters.ecs.transport import Identity, Reply, SdkRequest, Transport
from app.bootstrap import Service, build
from app.cli.processes import started as process
from app.domain.addresses import Block
from app.domain.changes import Authorize, NewRule
from app.domain.groups import Place
from app.domain.rules import Direction, PortRange, Protocol, Rule
from app.settings import Cloud as CloudName
from app.settings import Settings
from tests.e2e.test_replicas import between, pairs
from tests.support.clouds import ACCOUNT, REGION, ROLE
from tests.support.databases import TEMPLATE, start_postgresql
from tests.support.e2e import Cloud, Document, until
from tests.support.replicas import Replica, replica

ALONE = 20
AT_ONCE = 48
IN_FLIGHT = 200
ROUND_TRIPS = (0.02, 0.1)
PLACE = Place(ACCOUNT, REGION)


class Timed:
    """A wire that remembers when calls were under way."""

    def __init__(self, wire: Transport) -> None:
        self._wire = wire
        self.spans: list[tuple[float, float]] = []

    def send(self, request: SdkRequest, *, region_id: str, identity: Identity) -> Reply:
        began = time.perf_counter()
        try:
            return self._wire.send(request, region_id=region_id, identity=identity)
        finally:
            self.spans.append((began, time.perf_counter()))

    def busy(self, since: float, until_: float) -> float:
        """Seconds of this time in which at least one call was under way."""
        total, end = 0.0, since
        for first, last in sorted(self.spans):
            first, last = max(first, end), min(last, until_)  # noqa: PLW2901 - cut to the time asked for
            if last > first:
                total += last - first
                end = last
        return total


def main() -> None:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    print(f"Python {sys.version.split()[0]}, {ALONE} operations alone, {AT_ONCE} at once")
    with tempfile.TemporaryDirectory() as folder:
        server = start_postgresql(fsync=True)
        for round_trip in ROUND_TRIPS:
            for kind in ("SQLite", "PostgreSQL"):
                name = f"bench_{kind.lower()}_{round(round_trip * 1000)}"
                url = f"sqlite:///{folder}/{name}.sqlite3"
                if kind == "PostgreSQL":
                    url = server.create(name, template=TEMPLATE)
                measure(kind, url, round_trip)
        for killed in (False, True):
            database = Path(folder) / f"recovery-{killed}.sqlite3"
            recover("SQLite", database, Path(folder), killed=killed)
        for killed in (False, True):
            url = server.create(f"recovery_{killed}".lower(), template=TEMPLATE)
            recover("PostgreSQL", url, Path(folder), killed=killed)


# --- latency and rate -----------------------------------------------------------------------


def measure(kind: str, url: str, round_trip: float) -> None:
    with (
        simulated(pairs(ALONE + AT_ONCE)) as cloud,
        started(cloud.url, url) as service,
    ):
        wire = Timed(service.clouds._transport)  # noqa: SLF001 - to see the calls where they are made
        service.clouds._transport = wire  # noqa: SLF001
        service.house.connections.create(between(0))  # warm: connections, token
        cloud.settings({"round_trip_seconds": round_trip})
        alone = [one(service, wire, number) for number in range(1, ALONE)]
        bare = [timed(lambda n=number: by_hand(service, n)) for number in range(1, ALONE)]  # type: ignore[misc]  # bound early
        rate = at_once(service)
        bare_rate = by_hand_at_once(service)
    overheads = sorted(took - calls for took, calls in alone)
    tooks = sorted(took for took, _ in alone)
    print(f"\n{kind}, {round_trip * 1000:.0f} ms a call")
    print(f"  one operation        p50 {ms(tooks, 50)}  p95 {ms(tooks, 95)}")
    print(f"  beyond its calls     p50 {ms(overheads, 50)}  p95 {ms(overheads, 95)}")
    print(f"    target p95 150 ms: {reached(overheads)}")
    print(f"  the same calls bare  p50 {ms(sorted(bare), 50)}  p95 {ms(sorted(bare), 95)}")
    print(f"  ratio of the p50     {statistics.median(tooks) / statistics.median(bare):.2f}")
    print(f"  operations a second  {rate:.1f}, bare {bare_rate:.1f}, ratio {rate / bare_rate:.2f}")


@contextmanager
def simulated(estate: Document) -> Iterator[Cloud]:
    """A simulator in a process of its own: it must not compete for this one's interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "simulator.log"
        with process(["simulator", "--port", "0"], {}, log) as (url, _):
            cloud = Cloud(url)
            cloud.put(estate)
            yield cloud
            cloud.close()


@contextmanager
def started(cloud_url: str, database_url: str) -> Iterator[Service]:
    settings = Settings(
        cloud=CloudName.SIMULATOR,
        ecs_endpoint=cloud_url,
        sts_endpoint=cloud_url,
        database_url=database_url,
    )
    service = build(settings)
    service.start()
    role = f"acs:ram::{ACCOUNT}:role/{ROLE}"
    service.house.accounts.register(ACCOUNT, "bench", role, (REGION,))
    try:
        yield service
    finally:
        service.close()


def one(service: Service, wire: Timed, number: int) -> tuple[float, float]:
    """Seconds from accepted to ended, and those of them in which a call was under way."""
    operation = service.house.connections.create(between(number))
    accepted = time.perf_counter()
    while not service.house.operations.get(operation.operation_id).status.is_final:
        time.sleep(0.002)
    ended = time.perf_counter()
    assert service.house.operations.get(operation.operation_id).status == "succeeded"
    return ended - accepted, wire.busy(accepted, ended)


def at_once(service: Service) -> float:
    numbers = range(ALONE, ALONE + AT_ONCE)
    accepted = [service.house.plans.for_connection(between(number)).kept for number in numbers]
    began = time.perf_counter()
    ids = [service.house.operations.connect(kept, wait=True).operation_id for kept in accepted]
    while not all(service.house.operations.get(each).status.is_final for each in ids):
        time.sleep(0.02)
    took = time.perf_counter() - began
    assert all(service.house.operations.get(each).status == "succeeded" for each in ids)
    return AT_ONCE / took


def by_hand(service: Service, number: int, port: int = 22) -> None:
    """Read, authorize, read back: nothing planned, kept, backed up or verified."""
    cloud, group_id = service.clouds.of(ACCOUNT, REGION), f"sg-{number}-b"
    rule = Rule(Direction.INGRESS, Protocol.TCP, PortRange(port, port), Block.parse("10.9.9.9/32"))
    cloud.groups([group_id])
    change = Authorize(PLACE, group_id, Direction.INGRESS, (NewRule(rule),))
    cloud.perform(change, token=f"bench:{number}:{port}")
    [group] = cloud.groups([group_id])
    assert rule in {held.rule for held in group.rules}


def by_hand_at_once(service: Service) -> float:
    numbers = range(ALONE, ALONE + AT_ONCE)
    with ThreadPoolExecutor(8) as pool:
        took = timed(lambda: list(pool.map(lambda number: by_hand(service, number), numbers)))
    return AT_ONCE / took


def timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def ms(values: Sequence[float], percent: int) -> str:
    place = min(len(values) - 1, len(values) * percent // 100)
    return f"{values[place] * 1000:7.1f} ms"


def reached(overheads: Sequence[float]) -> str:
    place = min(len(overheads) - 1, len(overheads) * 95 // 100)
    return "reached" if overheads[place] <= 0.15 else "not reached"


# --- recovery -------------------------------------------------------------------------------


def recover(kind: str, database: str | Path, folder: Path, *, killed: bool) -> None:
    """How long it takes until operations that were in flight have ended."""
    with simulated(pairs(IN_FLIGHT)) as cloud:
        with replica(cloud, database, folder, "one") as first:
            first.api.register(ACCOUNT)
            hold = {"id": "hold", "match": {"action": "AuthorizeSecurityGroup"}, "kind": "hold"}
            cloud.faults(hold)
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda n: first.api.start(between(n)), range(IN_FLIGHT)))
            if killed and kind == "PostgreSQL":
                with replica(cloud, database, folder, "two") as second:
                    first.kill()
                    took = until_ended(cloud, second)
            elif killed:
                first.kill()
                began = time.perf_counter()
                with replica(cloud, database, folder, "one") as again:
                    took = until_ended(cloud, again, began)
            else:
                took = until_ended(cloud, first)
        changes = len(cloud.changes("AuthorizeSecurityGroup"))
        added = sum(len(group["Rules"]) for group in cloud.estate()["security_groups"])
    assert added == IN_FLIGHT, added
    what = "killed and taken over" if killed else "left alone"
    print(f"\n{kind}, {IN_FLIGHT} in flight, {what}: {took:.1f} s, {changes} changing calls")


def until_ended(cloud: Cloud, one_: Replica, began: float | None = None) -> float:
    began = time.perf_counter() if began is None else began
    threading.Timer(0.5, cloud.clear_faults).start()

    def all_ended() -> bool:
        states = ("pending", "running", "rolling_back")
        pages = (one_.api.get(f"/operations?status={state}&limit=1") for state in states)
        return not any(page["items"] for page in pages)

    until(all_ended, "they never end", seconds=300)
    assert not one_.api.get("/operations?status=needs_attention&limit=1")["items"]
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
