"""The real chain, end to end: clients of the service and of the simulator, and estates to try.

The service is asked over HTTP, as its users do; ground truth is asked of the simulator.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import httpx

from tests.support.clouds import (
    ACCOUNT,
    BASE_ACCOUNT,
    BASE_KEY_ID,
    BASE_KEY_SECRET,
    OTHER_ACCOUNT,
    REGION,
    ROLE,
    group_entry,
    instance_entry,
)

if TYPE_CHECKING:
    from app.bootstrap import Service
    from app.settings import Settings

Document: TypeAlias = dict[str, Any]

UNREGISTERED = "1000000000000003"
API_KEY = "intercom-demo-api-key"
LONGEST_SECONDS = 60
IMPATIENT = {
    "settle_window": timedelta(seconds=1),
    "look_interval": timedelta(milliseconds=50),
    "throttle_pause": timedelta(milliseconds=50),
}
"""Settings of a service that does not wait long for a cloud that it shares a process with."""

AGAIN = frozenset({"connect", "move", "restore"})
"""Kinds of operation that can be planned again once they have succeeded: there is nothing to do."""

CHANGING = frozenset(
    {
        "AuthorizeSecurityGroup",
        "AuthorizeSecurityGroupEgress",
        "RevokeSecurityGroup",
        "RevokeSecurityGroupEgress",
        "JoinSecurityGroup",
        "LeaveSecurityGroup",
        "CreateSecurityGroup",
        "DeleteSecurityGroup",
        "ModifySecurityGroupPolicy",
        "ModifySecurityGroupRule",
        "ModifyInstanceAttribute",
    }
)


# --- who is asked -------------------------------------------------------------------


class Cloud:
    """The control interface of a simulator."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(
            base_url=f"{url}/_simulator", timeout=LONGEST_SECONDS, trust_env=False
        )

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        answer = self._client.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def put(self, estate: Document) -> Document:
        """Begin anew with this estate, without faults and journal; return it as GET answers it."""
        self.clear_faults()
        self._ask("PUT", "/settings", {})
        self._ask("PUT", "/estate", estate)
        self._ask("DELETE", "/calls")
        return self.estate()

    def replace(self, estate: Document) -> None:
        """Let somebody else's hand change the estate; everything else stays."""
        self._ask("PUT", "/estate", estate)

    def estate(self) -> Document:
        found: Document = self._ask("GET", "/estate")
        return found

    @contextmanager
    def edited(self) -> Iterator[Document]:
        """Change the estate by hand."""
        estate = self.estate()
        yield estate
        self.replace(estate)

    def group(self, group_id: str) -> Document:
        return group_in(self.estate(), group_id)

    def rules(self, group_id: str) -> list[Document]:
        rules: list[Document] = self.group(group_id)["Rules"]
        return rules

    def groups_of(self, instance_id: str) -> set[str]:
        for each in self.estate()["instances"]:
            if each["InstanceId"] == instance_id:
                return set(each["SecurityGroupIds"])
        raise AssertionError(instance_id)

    def walk(self, packets: Sequence[Document]) -> list[Document]:
        found: list[Document] = self._ask("POST", "/packets", packets)
        return found

    def passes(self, probe: "Probe") -> bool:
        return bool(self.walk([probe.packet()])[0]["verdict"] == "reachable")

    def calls(self) -> list[Document]:
        items: list[Document] = self._ask("GET", "/calls")["items"]
        return items

    def changes(self, *actions: str) -> list[Document]:
        """Calls that were to change something, or those of these actions."""
        return [each for each in self.calls() if each["action"] in (actions or CHANGING)]

    def clear_calls(self) -> None:
        self._ask("DELETE", "/calls")

    def settings(self, settings: Document) -> None:
        self._ask("PUT", "/settings", settings)

    def fault(self, action: str, kind: str, **fields: object) -> Document:
        """One fault for calls of an action; `nth` says which of them."""
        match: Document = {"action": action}
        for name in ("nth", "account_id"):
            if name in fields:
                match[name] = fields.pop(name)
        return {"match": match, "kind": kind, **fields}

    def faults(self, *faults: Document) -> None:
        self._ask("PUT", "/faults", list(faults))

    def release(self, fault_id: str) -> None:
        self._ask("DELETE", f"/faults/{fault_id}")

    def clear_faults(self) -> None:
        self._ask("DELETE", "/faults")

    def await_call(self, action: str, count: int = 1) -> None:
        """Wait until a call of the action has arrived."""
        until(lambda: len(self.changes(action)) >= count, f"{action} never came")

    def close(self) -> None:
        self._client.close()


class Api:
    """A user of the service."""

    def __init__(self, url: str, key: str = API_KEY) -> None:
        self.url = url
        self._client = httpx.Client(
            base_url=f"{url}/v1",
            timeout=LONGEST_SECONDS,
            trust_env=False,
            headers={"Authorization": f"Bearer {key}"},
        )

    def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        return self._client.request(method, path, json=body, headers=headers)

    def hand_out(self, **grants: str) -> Document:
        """Hand out a key; grants are roles by account id after `_`, or by `every`."""
        named = {"every": "*"}
        body = {
            "name": "of a test",
            "grants": [
                {"account_id": named.get(name, name.strip("_")), "role": role}
                for name, role in grants.items()
            ],
        }
        return self._good(self.ask("POST", "/api-keys", body), 201)

    def with_key(self, key: str) -> "Api":
        """The same service, asked by somebody else."""
        return Api(self.url, key)

    def get(self, path: str) -> Document:
        return self._good(self.ask("GET", path), 200)

    def register(self, *account_ids: str) -> None:
        for account_id in account_ids:
            body = {
                "account_id": account_id,
                "name": f"account {account_id}",
                "role_arn": f"acs:ram::{account_id}:role/{ROLE}",
                "region_ids": [REGION, "cn-beijing"],
            }
            self._good(self.ask("POST", "/accounts", body), 201)

    def plan(self, request: Document) -> Document:
        return self._good(
            self.ask("POST", "/plans", {"kind": "connect", "connection": request}), 201
        )

    def plan_disconnect(self, connection_id: str) -> Document:
        body = {"kind": "disconnect", "connection_id": connection_id}
        return self._good(self.ask("POST", "/plans", body), 201)

    def apply(self, plan: Document) -> httpx.Response:
        return self.ask("POST", f"/plans/{plan['id']}/apply")

    def start(self, request: Document) -> Document:
        """Start to connect; return the operation as it was accepted."""
        return self._good(self.ask("POST", "/connections", request), 202)

    def connect(
        self, request: Document, status: str = "succeeded", *, is_settled: bool = True
    ) -> Document:
        """Connect, and return the operation at its end."""
        return self.ended(self.start(request), status, is_settled=is_settled)

    def disconnect(self, connection_id: str, status: str = "succeeded") -> Document:
        answer = self.ask("DELETE", f"/connections/{connection_id}")
        return self.ended(self._good(answer, 202), status)

    def connection(self, connection_id: str) -> Document:
        return self.get(f"/connections/{connection_id}")

    def operation(self, operation: Document) -> Document:
        return self.get(f"/operations/{operation['id']}")

    def ended(
        self, operation: Document, status: str = "succeeded", *, is_settled: bool = True
    ) -> Document:
        """Follow an operation to its end; after a success there is nothing left to do.

        Unless something else has happened meanwhile, or calls are counted: not `is_settled`.
        """
        deadline = time.monotonic() + LONGEST_SECONDS
        while not operation["done"]:
            assert time.monotonic() < deadline, operation
            time.sleep(0.04)
            operation = self.operation(operation)
        assert operation["status"] == status, operation
        if is_settled and status == "succeeded" and operation["kind"] in AGAIN:
            self.check_nothing_to_do(operation)
        return operation

    def check_nothing_to_do(self, operation: Document) -> None:
        """Plan again what has just succeeded: the plan is empty."""
        if operation["kind"] == "restore":
            self._check_restored(operation)
            return
        connection = self.connection(operation["connection_id"])
        if connection["status"] == "active":
            assert self.plan(connection["request"])["changes"] == []

    def _check_restored(self, operation: Document) -> None:
        """The backup of a restore, restored once more, changes nothing."""
        restored = self.get(f"/plans/{operation['plan_id']}")["restore"]
        if restored["mode"] == "taken_back":
            return
        body = {"kind": "restore", "backup_id": restored["backup_ids"][0], "mode": restored["mode"]}
        plan = self._good(self.ask("POST", "/plans", body), 201)
        assert plan["changes"] == [], plan["changes"]

    def refused(self, request: Document, status: int, code: str) -> Document:
        """Ask for a connection that is refused at once; return the problem."""
        problem = self._good(self.ask("POST", "/connections", request), status)
        assert problem["code"] == code, problem
        return problem

    def explain(self, probes: Sequence["Probe"], registered: Collection[str]) -> list[Document]:
        """One verdict for each probe, in order."""
        found: list[Document] = []
        for first in range(0, len(probes), 1000):
            flows = [probe.question(registered) for probe in probes[first : first + 1000]]
            answer = self._good(self.ask("POST", "/reachability/explain", {"flows": flows}), 200)
            found.extend(answer["items"])
        return found

    def forget_all(self) -> None:
        """Take back every connection that stands, so that the next test finds none."""
        for status in ("active", "needs_attention"):
            for each in self.get(f"/connections?status={status}&limit=100")["items"]:
                operation = self._good(self.ask("DELETE", f"/connections/{each['id']}"), 202)
                until(lambda one=operation: self.operation(one)["done"], "it never ends")  # type: ignore[misc]  # bound early

    def _good(self, answer: httpx.Response, status: int) -> Document:
        assert answer.status_code == status, answer.text
        body: Document = answer.json()
        return body

    def close(self) -> None:
        self._client.close()


def until(is_so: Callable[[], bool], otherwise: str, seconds: float = LONGEST_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.01)


@dataclass(frozen=True, slots=True)
class Chain:
    """A service over HTTP in front of a simulator over HTTP, both in this process."""

    api: Api
    cloud: Cloud
    service: "Service"


@contextmanager
def chained(database_url: str, **settings: Any) -> Iterator[Chain]:
    """Run the whole chain on a database, with both accounts of the estates registered, unless
    `register` is false.
    """
    # Imported here: who only wants estates and packets does not wait for all of the service.
    from app.bootstrap import build
    from app.settings import Cloud as CloudName
    from app.settings import Settings
    from app.simulator.server import running

    register = settings.pop("register", True)
    # A test's hand is quick, and what it counts is its own.
    settings = {"inventory_max_age": timedelta(0), "check_interval": timedelta(0)} | settings
    with running(estate()) as simulator:
        chosen = Settings(
            cloud=CloudName.SIMULATOR,
            ecs_endpoint=simulator.url,
            sts_endpoint=simulator.url,
            database_url=database_url,
            **settings,
        )
        service = build(chosen)
        service.start()
        try:
            with serving(service, chosen) as url:
                api, cloud = Api(url), Cloud(simulator.url)
                if register:
                    api.register(ACCOUNT, OTHER_ACCOUNT)
                yield Chain(api, cloud, service)
                cloud.clear_faults()
                api.close()
                cloud.close()
        finally:
            service.close()


@contextmanager
def serving(service: "Service", settings: "Settings") -> Iterator[str]:
    """Serve a started service over HTTP in a thread, on a free port."""
    import uvicorn

    from app.cli.serve import listen
    from app.main import create_app

    app = create_app(
        service.house,
        identity=service.house.identity,
        docs_key=None,
        allowed_hosts=settings.allowed_hosts,
        body_limit_bytes=settings.body_limit_bytes,
        version="test",
    )
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        until(lambda: server.started, "the API did not start")
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()


# --- estates ------------------------------------------------------------------------


def estate(
    groups: Iterable[Document] = (),
    instances: Iterable[Document] = (),
    *,
    classic_link: bool = False,
    **more: list[Document],
) -> Document:
    """Spell an estate: the service's account, two that are registered and one that is not."""
    role: Document = {"RoleName": ROLE, "TrustedAccountIds": [BASE_ACCOUNT]}
    key = {"AccessKeyId": BASE_KEY_ID, "AccessKeySecret": BASE_KEY_SECRET}
    vpc: Document = {"OwnerId": ACCOUNT, "RegionId": REGION}
    return {
        "accounts": [
            {"AccountId": BASE_ACCOUNT, "Login": "base@example.com", "AccessKeys": [key]},
            {"AccountId": ACCOUNT, "Login": "a@example.com", "Roles": [role]},
            {"AccountId": OTHER_ACCOUNT, "Login": "b@example.com", "Roles": [role]},
            {"AccountId": UNREGISTERED, "Login": "c@example.com"},
        ],
        "vpcs": [
            {"VpcId": "vpc-1", "ClassicLinkEnabled": classic_link, **vpc},
            {"VpcId": "vpc-2", "ClassicLinkEnabled": False, **vpc},
        ],
        "security_groups": list(groups),
        "instances": list(instances),
        **more,
    }


def group_in(estate: Document, group_id: str) -> Document:
    for each in estate["security_groups"]:
        if each["SecurityGroupId"] == group_id:
            found: Document = each
            return found
    raise AssertionError(group_id)


def rule(
    rule_id: str,
    *,
    protocol: str = "tcp",
    ports: str | None = None,
    egress: bool = False,
    policy: str = "accept",
    priority: int = 1,
    nic: str = "intranet",
    **peer: Any,
) -> Document:
    """Spell a rule of an estate; the peer by the cloud's own fields."""
    anything = "-1/-1" if protocol not in {"tcp", "udp"} else "1/65535"
    return {
        "SecurityGroupRuleId": rule_id,
        "Direction": "egress" if egress else "ingress",
        "Policy": policy,
        "Priority": priority,
        "IpProtocol": protocol,
        "PortRange": ports or anything,
        "NicType": nic,
        **peer,
    }


def connect_request(
    method: str,
    sources: Iterable[str] | Document,
    targets: Iterable[str] | Document,
    *,
    to: str = ACCOUNT,
    **fields: object,
) -> Document:
    """Spell a connect request; sides are instance ids of ACCOUNT and `to`, or as given."""
    if "flows" not in fields and method in {"address_rules", "group_authorization"}:
        fields["flows"] = [{"protocol": "tcp", "port_range": "3306/3306"}]
    return {
        "method": method,
        "source": sources if isinstance(sources, dict) else side(ACCOUNT, sources),
        "target": targets if isinstance(targets, dict) else side(to, targets),
        **{key: value for key, value in fields.items() if value is not None},
    }


def side(account_id: str, instance_ids: Iterable[str], **fields: str) -> Document:
    where = {"account_id": account_id, "region_id": REGION}
    return {**where, "instance_ids": list(instance_ids), **fields}


def pair(
    *,
    vpc: bool = False,
    to: str = ACCOUNT,
    source_rules: Iterable[Document] = (),
    target_rules: Iterable[Document] = (),
    source_group: Mapping[str, Any] | None = None,
    target_group: Mapping[str, Any] | None = None,
    source_fields: Mapping[str, Any] | None = None,
    target_fields: Mapping[str, Any] | None = None,
    groups: Iterable[Document] = (),
    instances: Iterable[Document] = (),
    **more: Any,
) -> Document:
    """A small estate: i-a in sg-a of ACCOUNT, i-b in sg-b of `to`, and what the test adds."""
    vpc_id = "vpc-1" if vpc else None
    hosts = ("172.16.0.1", "172.16.0.2") if vpc else ("10.170.0.1", "10.170.0.2")
    return estate(
        [
            group_entry("sg-a", vpc_id=vpc_id, rules=source_rules, **(source_group or {})),
            group_entry(
                "sg-b", account=to, vpc_id=vpc_id, rules=target_rules, **(target_group or {})
            ),
            *groups,
        ],
        [
            instance_entry(
                "i-a", ["sg-a"], private_ip=hosts[0], vpc_id=vpc_id, **(source_fields or {})
            ),
            instance_entry(
                "i-b",
                ["sg-b"],
                private_ip=hosts[1],
                vpc_id=vpc_id,
                account=to,
                **(target_fields or {}),
            ),
            *instances,
        ],
        **more,
    )


def town(*, vpc: bool) -> Document:
    """An estate with bystanders of every kind: members beside the asked ones, groups that name
    groups, an account that is not registered, public addresses, IPv6 in the VPC, a group that
    holds back what its members send, and instances in several groups.
    """
    vpc_id = "vpc-1" if vpc else None
    numbers = iter(range(1, 100))

    def group(
        group_id: str, *rules: Document, account: str = ACCOUNT, **fields: object
    ) -> Document:
        return group_entry(group_id, account=account, vpc_id=vpc_id, rules=rules, **fields)

    def host(
        instance_id: str, *group_ids: str, account: str = ACCOUNT, public: bool = False
    ) -> Document:
        number = next(numbers)
        fields: Document = {"Ipv6": f"2001:db8::{number:x}"} if vpc and number % 3 else {}
        if public:
            fields["PublicIp"] = f"203.0.113.{number}"
        network = "172.16.0" if vpc else "10.170.0"
        address = f"{network}.{number}"
        return instance_entry(
            instance_id, group_ids, private_ip=address, account=account, vpc_id=vpc_id, **fields
        )

    internet = "intranet" if vpc else "internet"
    from_app: Document = {"SourceGroupId": "sg-app", "SourceGroupOwnerId": ACCOUNT}
    from_web: Document = {"SourceGroupId": "sg-web", "SourceGroupOwnerId": ACCOUNT}
    network = "172.16.0.0/16" if vpc else "10.170.0.0/16"
    return estate(
        [
            group(
                "sg-web",
                rule("sgr-web-80", ports="80/80", nic=internet, SourceCidrIp="0.0.0.0/0"),
                rule("sgr-web-ping", protocol="icmp", SourceCidrIp=network),
            ),
            group("sg-ops", InnerAccessPolicy="Drop"),
            group("sg-app", rule("sgr-app-8080", ports="8080/8080", SourceGroupId="sg-web")),
            group("sg-log", rule("sgr-log-514", protocol="udp", SourceGroupId="sg-web")),
            group(
                "sg-tight",
                rule("sgr-tight-out", protocol="all", egress=True, policy="drop", priority=50,
                     DestCidrIp="0.0.0.0/0"),
                rule("sgr-tight-514", protocol="udp", ports="514/514", egress=True,
                     DestCidrIp=network),
            ),
            group(
                "sg-db",
                rule("sgr-db-3307", ports="3307/3307", **from_app),
                rule("sgr-db-23", ports="23/23", policy="drop", SourceCidrIp="0.0.0.0/0"),
                rule("sgr-db-443", ports="443/443", nic=internet, SourceCidrIp="0.0.0.0/0"),
                account=OTHER_ACCOUNT,
            ),
            group("sg-dba", rule("sgr-dba-22", ports="22/22", SourceCidrIp=network),
                  account=OTHER_ACCOUNT),
            group("sg-foreign", rule("sgr-foreign-web", ports="9090/9090", **from_web),
                  account=UNREGISTERED),
        ],
        [
            host("i-w1", "sg-web", "sg-ops", public=True),
            host("i-w2", "sg-web"),
            host("i-w3", "sg-web"),
            host("i-by1", "sg-web", public=True),
            host("i-by2", "sg-ops"),
            host("i-by3", "sg-web", "sg-tight"),
            host("i-log", "sg-log"),
            host("i-p1", "sg-app"),
            host("i-p2", "sg-app", "sg-ops", public=True),
            host("i-p3", "sg-app"),
            host("i-p4", "sg-app"),
            host("i-by4", "sg-app"),
            host("i-d1", "sg-db", "sg-dba", account=OTHER_ACCOUNT, public=True),
            host("i-d2", "sg-db", account=OTHER_ACCOUNT),
            host("i-d3", "sg-db", account=OTHER_ACCOUNT),
            host("i-d4", "sg-db", "sg-dba", account=OTHER_ACCOUNT),
            host("i-by5", "sg-db", account=OTHER_ACCOUNT),
            host("i-x1", "sg-foreign", account=UNREGISTERED),
        ],
    )  # fmt: skip


# --- packets ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class End:
    """An address of an instance of the estate, or one that nobody has."""

    address: str
    instance_id: str | None = None
    account_id: str | None = None
    region_id: str = REGION
    group_ids: frozenset[str] = frozenset()

    def question(self, registered: Collection[str]) -> Document:
        """Spell the end for the service, which knows instances of registered accounts."""
        if self.instance_id is None or self.account_id not in registered:
            return {"address": self.address}
        return {
            "account_id": self.account_id,
            "region_id": self.region_id,
            "instance_id": self.instance_id,
        }

    def is_meant_by(self, item: Document) -> bool:
        """Whether an item of a blast radius speaks of this end."""
        if "instance_id" in item:
            return (item["instance_id"], item["address"]) == (self.instance_id, self.address)
        if "address" in item:
            block = ip_network(item["address"])
            address = ip_address(self.address)
            return address.version == block.version and address in block
        return item["security_group_id"] in self.group_ids


@dataclass(frozen=True, slots=True)
class Probe:
    """One packet's question."""

    source: End
    target: End
    protocol: str = "tcp"
    port: int | None = 3306
    plane: str = "intranet"
    family: str = "ipv4"

    def packet(self) -> Document:
        """Spell it for the simulator."""
        return {
            "source": self.source.address,
            "destination": self.target.address,
            "protocol": self.protocol,
            "destination_port": self.port,
            "nic_type": self.plane,
            "address_family": self.family,
        }

    def question(self, registered: Collection[str]) -> Document:
        """Spell it for the service."""
        return {
            "source": self.source.question(registered),
            "target": self.target.question(registered),
            "protocol": self.protocol,
            "nic_type": self.plane,
            "address_family": self.family,
            **({} if self.port is None else {"port": self.port}),
        }

    def is_in(self, item: Document) -> bool:
        """Whether an item of a blast radius speaks of this packet."""
        return bool(
            item["nic_type"] == self.plane
            and item["address_family"] == self.family
            and item["protocol"] in {"all", self.protocol}
            and "source_port_range" not in item
            and _within(self.port, item["port_range"])
            and self.source.is_meant_by(item["source"])
            and self.target.is_meant_by(item["target"])
        )


def _within(port: int | None, ports: str) -> bool:
    if ports == "-1/-1":
        return True
    first, last = map(int, ports.split("/"))
    return port is not None and first <= port <= last


def ends(estate: Document, plane: str = "intranet", family: str = "ipv4") -> list[End]:
    """Every address of every instance on one side."""
    name = {"internet": "PublicIp", "intranet": "PrivateIp"}[plane]
    name = "Ipv6" if family == "ipv6" else name
    return [
        End(
            each[name],
            each["InstanceId"],
            each["OwnerId"],
            each["RegionId"],
            frozenset(each["SecurityGroupIds"]),
        )
        for each in estate["instances"]
        if name in each
    ]


PORTS: tuple[tuple[str, int | None], ...] = (
    ("tcp", 22),
    ("tcp", 3306),
    ("tcp", 3307),
    ("udp", 514),
    ("icmp", None),
    ("gre", None),
)


def probes(
    estate: Document,
    *,
    ports: Sequence[tuple[str, int | None]] = PORTS,
    strangers: Sequence[str] = ("10.99.0.9",),
) -> list[Probe]:
    """Packets between all addresses of an estate and some of nobody: all sides, all families."""
    found: list[Probe] = []
    for plane, family in (("intranet", "ipv4"), ("internet", "ipv4"), ("intranet", "ipv6")):
        inside = ends(estate, plane, family)
        if not inside:
            continue
        outside = [End(each) for each in strangers if plane == "intranet" and family == "ipv4"]
        if plane == "internet":
            outside.append(End("198.51.100.7"))
        for protocol, port in ports:
            spoken = "icmpv6" if (protocol, family) == ("icmp", "ipv6") else protocol
            found.extend(
                Probe(source, target, spoken, port, plane, family)
                for source in (*inside, *outside)
                for target in (*inside, *outside)
                if source != target and (source.instance_id or target.instance_id)
            )
    return found


def asked_probes(estate: Document, request: Document) -> list[Probe]:
    """The packets that a request between instances asks for, one port of each flow."""
    family = request.get("address_family", "ipv4")
    by_id = {each.instance_id: each for each in ends(estate, family=family)}
    flows = request.get("flows", [{"protocol": "tcp", "port_range": "1/1"}, {"protocol": "gre"}])
    pairs = [
        (by_id[source], by_id[target])
        for source in request["source"]["instance_ids"]
        for target in request["target"]["instance_ids"]
    ]
    if request.get("bidirectional"):
        pairs += [(target, source) for source, target in pairs]
    return [
        Probe(source, target, protocol, port, family=family)
        for source, target in pairs
        for flow in flows
        for protocol, port in _spoken(flow, family)
    ]


def _spoken(flow: Document, family: str) -> list[tuple[str, int | None]]:
    if flow["protocol"] == "all":
        return [("tcp", 1), ("udp", 65535), ("icmpv6" if family == "ipv6" else "icmp", None)]
    if flow.get("port_range", "-1/-1") == "-1/-1":
        return [(flow["protocol"], None)]
    first, last = map(int, flow["port_range"].split("/"))
    return [(flow["protocol"], first), (flow["protocol"], last)]


@dataclass(frozen=True, slots=True)
class Truth:
    """What the simulator's own packet walk said of some packets at one instant."""

    verdicts: Mapping[Probe, bool] = field(default_factory=dict)

    @classmethod
    def of(cls, cloud: Cloud, asked: Sequence[Probe]) -> "Truth":
        answers = cloud.walk([probe.packet() for probe in asked])
        pairs = zip(asked, answers, strict=True)
        return cls({probe: answer["verdict"] == "reachable" for probe, answer in pairs})

    def opened(self, later: "Truth") -> set[Probe]:
        return {each for each, passes in later.verdicts.items() if passes > self.verdicts[each]}

    def closed(self, later: "Truth") -> set[Probe]:
        return {each for each, passes in later.verdicts.items() if passes < self.verdicts[each]}


class Radius:
    """A blast radius of a plan, asked about single packets."""

    def __init__(self, exposure: Document) -> None:
        assert not exposure["truncated"]
        self._items: dict[tuple[str, str], list[Document]] = {}
        self._blocks: list[Document] = []
        for item in exposure["items"]:
            source, target = item["source"], item["target"]
            if "instance_id" in source and "instance_id" in target:
                key = (source["address"], target["address"])
                self._items.setdefault(key, []).append(item)
            else:
                self._blocks.append(item)

    def item_of(self, probe: Probe) -> Document | None:
        key = (probe.source.address, probe.target.address)
        items = [*self._items.get(key, []), *self._blocks]
        return next((item for item in items if probe.is_in(item)), None)

    def split(self, asked: Iterable[Probe]) -> tuple[set[Probe], set[Probe]]:
        """The packets that surely change, and those that perhaps do."""
        found = {probe: item for probe in asked if (item := self.item_of(probe)) is not None}
        surely = {probe for probe, item in found.items() if item["certain"]}
        return surely, set(found) - surely


# --- processes ----------------------------------------------------------------------


def service_environment(cloud_url: str, database: str | Path) -> dict[str, str]:
    """Settings of a service process in front of a simulator."""
    url = f"sqlite:///{database}" if isinstance(database, Path) else database
    return {
        "INTERCOM_CLOUD": "simulator",
        "INTERCOM_ECS_ENDPOINT": cloud_url,
        "INTERCOM_STS_ENDPOINT": cloud_url,
        "INTERCOM_DATABASE_URL": url,
    }
