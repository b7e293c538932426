"""A hundred rules in one group: cloud calls, and time from request to verified at 100 ms a call.

Baseline, in the same run and against the same simulator: one rule at a time, as an
infrastructure tool does it (read, authorize, read back).
"""

import tempfile
import time
from collections import Counter

import httpx

from app.adapters.ecs.clouds import SdkClouds
from app.bootstrap import Service, SystemClock, build
from app.domain.addresses import Block
from app.domain.changes import Authorize, NewRule
from app.domain.documents import Document
from app.domain.groups import Place
from app.domain.rules import Direction, PortRange, Protocol, Rule
from app.ports.ecs import AccountAccess
from app.settings import DEMO_KEY_ID, DEMO_KEY_SECRET, Cloud, Settings
from app.simulator.demo import demo_estate
from app.simulator.server import Running, running

ROUND_TRIP_SECONDS = 0.1
RULES = 100
ACCOUNT = "1000000000000002"
REGION = "cn-hangzhou"
COUNTED = ("AuthorizeSecurityGroup", "RevokeSecurityGroup", "DescribeSecurityGroupAttribute")


def main() -> None:
    for network, instance_id, group_id in (
        ("classic", "i-db01", "sg-db"),
        ("VPC", "i-vpc-db01", "sg-vpc-db"),
    ):
        ours, calls, other = product(instance_id, group_id)
        theirs, their_calls = one_at_a_time(group_id)
        print(f"{network}: {RULES} rules, {ROUND_TRIP_SECONDS * 1000:.0f} ms a call")
        print(f"  product      {ours:7.2f} s  {calls:4d} counted calls, {other} other reads")
        print(f"  one by one   {theirs:7.2f} s  {their_calls:4d} counted calls")
        print(f"  ratio        {theirs / ours:7.1f} x {their_calls / calls:5.0f} x fewer calls")


def product(instance_id: str, group_id: str) -> tuple[float, int, int]:
    """Seconds from request to verified; calls of the changed group and others, as planned
    by the service from the start of the operation to its end."""
    request = {
        "method": "address_rules",
        "source": {"addresses": [f"10.200.0.{each}/32" for each in range(1, RULES + 1)]},
        "target": {"account_id": ACCOUNT, "region_id": REGION, "instance_ids": [instance_id]},
        "flows": [{"protocol": "tcp", "port_range": "5432/5432"}],
    }
    with running(demo_estate()) as simulator, tempfile.TemporaryDirectory() as folder:
        service = started(simulator, folder)
        service.house.plans.connect(request)  # warm: connections, token
        slow_down(simulator)
        began = time.perf_counter()
        operation = service.house.connections.create(request)
        accepted = journal_length(simulator)
        while not service.house.operations.get(operation.operation_id).status.is_final:
            time.sleep(0.005)
        seconds = time.perf_counter() - began
        assert service.house.operations.get(operation.operation_id).status == "succeeded"
        calls = Counter(
            call["parameters"].get("SecurityGroupId") == group_id and call["action"] in COUNTED
            for call in journal(simulator)[accepted:]
        )
        service.close()
    return seconds, calls[True], calls[False]


def one_at_a_time(group_id: str) -> tuple[float, int]:
    """Seconds and calls for the same rules, each read, added and read back by itself."""
    with running(demo_estate()) as simulator:
        role = f"acs:ram::{ACCOUNT}:role/intercommunication"
        access = AccountAccess(ACCOUNT, role, "", (REGION,))
        clouds = SdkClouds(
            ecs_endpoint=simulator.url,
            sts_endpoint=simulator.url,
            base_access_key_id=DEMO_KEY_ID,
            base_access_key_secret=DEMO_KEY_SECRET,
            base_role_name=None,
            access_of=lambda _: access,
            clock=SystemClock(),
        )
        cloud = clouds.of(ACCOUNT, REGION)
        cloud.groups([group_id])
        slow_down(simulator)
        first = journal_length(simulator)
        began = time.perf_counter()
        for each in range(1, RULES + 1):
            rule = Rule(
                Direction.INGRESS,
                Protocol.TCP,
                PortRange(5432, 5432),
                Block.parse(f"10.200.0.{each}/32"),
            )
            change = Authorize(
                Place(ACCOUNT, REGION), group_id, Direction.INGRESS, (NewRule(rule),)
            )
            cloud.groups([group_id])
            cloud.perform(change, token=f"bench:{each}")
            cloud.groups([group_id])
        seconds = time.perf_counter() - began
        calls = sum(call["action"] in COUNTED for call in journal(simulator)[first:])
        clouds.close()
    return seconds, calls


def started(simulator: Running, folder: str) -> Service:
    settings = Settings(
        cloud=Cloud.SIMULATOR,
        ecs_endpoint=simulator.url,
        sts_endpoint=simulator.url,
        database_url=f"sqlite:///{folder}/bench.sqlite3",
    )
    service = build(settings)
    service.start()
    for account_id in ("1000000000000001", ACCOUNT):
        role = f"acs:ram::{account_id}:role/intercommunication"
        service.house.accounts.register(account_id, "bench", role, (REGION,))
    return service


def slow_down(simulator: Running) -> None:
    control(simulator, "PUT", "settings", {"round_trip_seconds": ROUND_TRIP_SECONDS})


def journal(simulator: Running) -> list[Document]:
    items: list[Document] = control(simulator, "GET", "calls")["items"]
    return items


def journal_length(simulator: Running) -> int:
    return len(journal(simulator))


def control(simulator: Running, verb: str, path: str, body: object = None) -> Document:
    answer = httpx.request(verb, f"{simulator.url}/_simulator/{path}", json=body, trust_env=False)
    answer.raise_for_status()
    found: Document = answer.json() if answer.content else {}
    return found


if __name__ == "__main__":
    main()
