"""Random small estates and requests: the plan, the verdicts and the packet walk never differ."""

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from tests.support.clouds import ACCOUNT, OTHER_ACCOUNT, group_entry, instance_entry
from tests.support.e2e import (
    UNREGISTERED,
    Api,
    Cloud,
    Document,
    Probe,
    Radius,
    Truth,
    asked_probes,
    connect_request,
    estate,
    probes,
    rule,
)

REGISTERED = {ACCOUNT, OTHER_ACCOUNT}
METHODS = ("address_rules", "shared_group", "dedicated_group", "group_authorization")
PORTS: tuple[tuple[str, int | None], ...] = (
    ("tcp", 22),
    ("tcp", 80),
    ("tcp", 443),
    ("udp", 80),
    ("icmp", None),
    ("gre", None),
)
EXPECTED = {
    "method_not_possible",
    "quota_insufficient",
    "target_managed",
    "invalid_connection",
}


class Chance:
    """Draws estates and requests."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self.vpc_id = self._random.choice([None, "vpc-1"])
        self.names: list[tuple[str, str]] = []
        self.hosts: list[tuple[str, str]] = []

    def some(self, items: list[Any], most: int) -> list[Any]:
        return self._random.sample(items, self._random.randint(1, min(most, len(items))))

    def one(self, *items: Any) -> Any:
        return self._random.choice(items)

    def maybe(self, probability: float) -> bool:
        return self._random.random() < probability

    def estate(self) -> Document:
        accounts = [ACCOUNT, ACCOUNT, ACCOUNT, OTHER_ACCOUNT, OTHER_ACCOUNT, UNREGISTERED]
        self.names = [(f"sg-{n}", account) for n, account in enumerate(accounts)]
        kinds = {each: self.vpc_id is not None and self.maybe(0.15) for each, _ in self.names}
        instances = []
        for n in range(self._random.randint(5, 8)):
            account = self.one(ACCOUNT, ACCOUNT, OTHER_ACCOUNT, OTHER_ACCOUNT, UNREGISTERED)
            own = [name for name, owner in self.names if owner == account]
            joined = self.some(own, 3)
            kind = kinds[joined[0]]
            joined = [each for each in joined if kinds[each] == kind]
            fields: Document = {}
            if self.vpc_id and self.maybe(0.5):
                fields["Ipv6"] = f"2001:db8::{n + 1}"
            if self.maybe(0.3):
                fields["PublicIp"] = f"203.0.113.{n + 1}"
            address = f"172.16.{n % 2}.{n + 1}" if self.vpc_id else f"10.170.{n % 2}.{n + 1}"
            instances.append(
                instance_entry(
                    f"i-{n}", joined, private_ip=address, account=account, vpc_id=self.vpc_id,
                    **fields,
                )
            )  # fmt: skip
            if account in REGISTERED:
                self.hosts.append((f"i-{n}", account))
        groups = [
            self._group(name, account, enterprise=kinds[name]) for name, account in self.names
        ]
        return estate(groups, instances)

    def _group(self, name: str, account: str, *, enterprise: bool) -> Document:
        fields: Document = {"InnerAccessPolicy": "Drop" if self.maybe(0.3) else "Accept"}
        if enterprise:
            fields = {"InnerAccessPolicy": "Drop", "SecurityGroupType": "enterprise"}
        count = self._random.randint(0, 4)
        # What an unregistered account lets out nobody can read: it lets out everything.
        egress = 0.0 if account == UNREGISTERED else 0.3
        rules = [
            self._rule(f"sgr-{name}-{n}", name, enterprise=enterprise, egress=self.maybe(egress))
            for n in range(count)
        ]
        different = {str({**each, "SecurityGroupRuleId": ""}): each for each in rules}
        return group_entry(
            name, account=account, vpc_id=self.vpc_id, rules=different.values(), **fields
        )

    def _rule(self, rule_id: str, holder: str, *, enterprise: bool, egress: bool) -> Document:
        protocol = self.one("tcp", "tcp", "tcp", "udp", "icmp", "gre", "all")
        ports = self.one("22/22", "80/80", "1/65535", "80/443", "22/80")
        nic = "intranet" if self.vpc_id else self.one("intranet", "intranet", "internet")
        side = "Dest" if egress else "Source"
        if not enterprise and nic == "intranet" and self.maybe(0.4):
            name, owner = self.one(*[each for each in self.names if each[0] != holder])
            peer = {f"{side}GroupId": name, f"{side}GroupOwnerId": owner}
        else:
            network = "172.16" if self.vpc_id else "10.170"
            blocks = ["0.0.0.0/0", f"{network}.0.0/16", f"{network}.0.0/24", f"{network}.1.2/32"]
            peer = {f"{side}CidrIp": self.one(*blocks)}
        return rule(
            rule_id,
            protocol=protocol,
            ports=ports if protocol in {"tcp", "udp"} else None,
            egress=egress,
            policy=self.one("accept", "accept", "drop"),
            priority=self.one(1, 1, 5, 100),
            nic=nic,
            **peer,
        )

    def request(self) -> Document | None:
        method = self.one(*METHODS)
        own = [host for host, owner in self.hosts if owner == ACCOUNT]
        to = self.one(ACCOUNT, OTHER_ACCOUNT) if method in {METHODS[0], METHODS[3]} else ACCOUNT
        others = [host for host, owner in self.hosts if owner == to]
        if not own or not others:
            return None
        sources = self.some(own, 2)
        targets = [each for each in self.some(others, 2) if each not in sources]
        if not targets:
            return None
        fields: Document = {}
        if method in {METHODS[0], METHODS[3]}:
            fields["flows"] = self.some(
                [
                    {"protocol": "tcp", "port_range": "80/80"},
                    {"protocol": "tcp", "port_range": "22/443"},
                    {"protocol": "udp", "port_range": "80/80"},
                    {"protocol": "icmp"},
                    {"protocol": "gre"},
                    {"protocol": "all"},
                ],
                2,
            )
            fields["scope"] = self.one("instance", "group")
        return connect_request(
            method,
            sources,
            targets,
            to=to,
            bidirectional=self.maybe(0.4),
            override_drops=self.maybe(0.7),
            priority=self.one(1, 1, 2, 50),
            **fields,
        )


def few(asked: set[Probe]) -> list[str]:
    return sorted(map(str, asked))[:4]


def is_foreign(probe: Probe) -> bool:
    return UNREGISTERED in {probe.source.account_id, probe.target.account_id}


def is_strange(probe: Probe) -> bool:
    return not {probe.source.account_id, probe.target.account_id} <= REGISTERED


def try_one(api: Api, cloud: Cloud, seed: int) -> bool:
    """Try a random request; False where it was refused."""
    chance = Chance(seed)
    start = cloud.put(chance.estate())
    request = chance.request()
    if request is None:
        return False
    packets = probes(start, ports=PORTS)
    before = Truth.of(cloud, packets)
    answer = api.ask("POST", "/plans", {"kind": "connect", "connection": request})
    if answer.status_code != 201:
        check_refusal(api, cloud, request, answer.json())
        return False
    plan = answer.json()
    operation = api.connect(request)
    after = Truth.of(cloud, packets)
    check_change(plan, before, after, packets)
    for probe in asked_probes(start, request):
        assert after.verdicts.get(probe, True), probe
    check_verdicts(api, after, packets[::5])
    again = api.plan(request)
    assert again["changes"] == []
    assert again["gained"]["items"] == again["lost"]["items"] == []
    away = api.plan_disconnect(operation["connection_id"])
    operation = api.disconnect(operation["connection_id"])
    check_change(away, after, Truth.of(cloud, packets), packets)
    assert cloud.estate() == start
    return True


def check_change(plan: Document, before: Truth, after: Truth, asked: list[Probe]) -> None:
    gained, perhaps_gained = Radius(plan["gained"]).split(asked)
    lost, perhaps_lost = Radius(plan["lost"]).split(asked)
    opened, closed = before.opened(after), before.closed(after)
    assert few(opened - gained - perhaps_gained) == []
    assert few(gained - opened) == []
    assert few(closed - lost - perhaps_lost) == []
    assert few(lost - closed) == []
    assert few({each for each in perhaps_gained | perhaps_lost if not is_strange(each)}) == []


def check_verdicts(api: Api, truth: Truth, asked: Sequence[Probe]) -> None:
    """Whatever explain says is so.

    The side of an account that nobody can read is not judged, and whether a strange address
    is in such an account's group is unknown.
    """
    for probe, item in zip(asked, api.explain(asked, REGISTERED), strict=True):
        if item["verdict"] == "unknown":
            assert is_strange(probe), (probe, item)
        elif item["verdict"] == "blocked" or not is_foreign(probe):
            assert (item["verdict"] == "reachable") is truth.verdicts[probe], (probe, item)


def check_refusal(api: Api, cloud: Cloud, request: Document, problem: Document) -> None:
    """A refusal has a reason, and what it offers instead works."""
    assert problem["code"] in EXPECTED, problem
    assert cloud.changes() == []
    for method in problem.get("possible_methods", ()):
        other = {key: value for key, value in request.items() if key != "scope"}
        instead = other | {"method": method}
        if method in {"address_rules", "group_authorization"}:
            instead.setdefault("flows", [{"protocol": "all"}])
        api.plan(instead)


def try_several(api: Api, cloud: Cloud, seed: int) -> int:
    """Let random connections come and go; return how many there were.

    Whatever stands is open, and in the end nothing is left. Plans that close something are
    not applied: they say so.
    """
    chance = Chance(seed)
    start = cloud.put(chance.estate())
    standing: dict[str, Document] = {}
    count = 0
    for _ in range(10):
        request = chance.request()
        if request is not None and chance.maybe(0.7):
            answer = api.ask("POST", "/plans", {"kind": "connect", "connection": request})
            if answer.status_code == 201 and not answer.json()["lost"]["pairs"]:
                standing[api.connect(request)["connection_id"]] = request
                count += 1
        elif standing:
            connection_id = chance.one(*standing)
            del standing[connection_id]
            api.disconnect(connection_id)
        check_standing(cloud, start, standing)
    while standing:
        connection_id = chance.one(*standing)
        del standing[connection_id]
        api.disconnect(connection_id)
        check_standing(cloud, start, standing)
    assert cloud.estate() == start
    return count


def check_standing(cloud: Cloud, start: Document, standing: dict[str, Document]) -> None:
    for connection_id, request in standing.items():
        for probe in asked_probes(start, request):
            assert cloud.passes(probe), (connection_id, probe)


@pytest.mark.parametrize("block", range(3))
def test_connections_stand_until_they_are_taken_back(api: Api, cloud: Cloud, block: int) -> None:
    counts = [try_several(api, cloud, seed) for seed in range(3 * block, 3 * block + 3)]
    assert any(counts)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("block", range(10))
def test_many_connections_stand_until_they_are_taken_back(
    api: Api, cloud: Cloud, block: int
) -> None:
    for seed in range(5000 + 20 * block, 5020 + 20 * block):
        try_several(api, cloud, seed)


@pytest.mark.parametrize("block", range(4))
def test_plans_of_random_requests_tell_the_truth(api: Api, cloud: Cloud, block: int) -> None:
    tried = [try_one(api, cloud, seed) for seed in range(10 * block, 10 * block + 10)]
    assert any(tried)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("block", range(20))
def test_plans_of_many_random_requests_tell_the_truth(api: Api, cloud: Cloud, block: int) -> None:
    for seed in range(1000 + 50 * block, 1050 + 50 * block):
        try_one(api, cloud, seed)
