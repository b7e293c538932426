"""The simulator: signed calls a second on one core, and whether a large estate slows it down.

The first look at a group spells its rules out; later ones repeat that until they change.

Targets: at least 1,000 a second for DescribeSecurityGroupAttribute (60 rules in the answer) and
AuthorizeSecurityGroup, and a ratio near 1 between 100 and 10,000 instances.

Baseline, in the same run: a bare ASGI application under the same uvicorn and parser, which
answers the same bytes without looking at the request. Requests are signed beforehand and sent by
a client in a process of its own; the server's process is bound to one core. What counts is the
time that the server had its core, so that a busy machine does not count as a slow simulator; the
median and the 99th percentile are what the client saw. Rounds alternate.
"""

import contextlib
import http.client
import json
import multiprocessing
import multiprocessing.connection
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from urllib.parse import urlencode

from app.simulator.dispatcher import Dispatcher
from app.simulator.server import Application, Send, _listen, _server
from app.simulator.wire import sign, string_to_sign

ACCOUNT, KEY, SECRET, REGION = "1000000000000001", "bench-key", "bench-secret", "cn-hangzhou"
RULES, MEMBERS = 60, 10
SIZES = (100, 10_000)
CALLS, ROUNDS = 500, 4
NEW = 50  # groups that take the new rules, so that both estates' grow alike
NONCES = count(1)


def address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def rules(group: int) -> list[dict[str, object]]:
    return [
        {
            "SecurityGroupRuleId": f"sgr-{group}-{each}",
            "Direction": "ingress",
            "IpProtocol": "tcp",
            "PortRange": f"{each + 1}/{each + 1}",
            "NicType": "intranet",
            "SourceCidrIp": f"{address(group * RULES + each)}/32",
            "Description": "one of many rules",
        }
        for each in range(RULES)
    ]


def estate(instances: int) -> dict[str, object]:
    place = {"OwnerId": ACCOUNT, "RegionId": REGION}
    keys = [{"AccessKeyId": KEY, "AccessKeySecret": SECRET}]
    return {
        "accounts": [{"AccountId": ACCOUNT, "AccessKeys": keys}],
        "security_groups": [
            {"SecurityGroupId": f"sg-{each}", **place, "Rules": rules(each)}
            for each in range(instances // MEMBERS)
        ]
        + [{"SecurityGroupId": f"sg-new-{each}", **place} for each in range(NEW)],
        "instances": [
            {
                "InstanceId": f"i-{each}",
                **place,
                "PrivateIp": address(each + 1),
                "SecurityGroupIds": [f"sg-{each // MEMBERS}"],
            }
            for each in range(instances)
        ],
    }


def signed(action: str, **fields: str) -> str:
    parameters = {
        "Action": action,
        "Version": "2014-05-26",
        "Format": "JSON",
        "AccessKeyId": KEY,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": f"{os.getpid()}-{next(NONCES)}",
        "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "RegionId": REGION,
        "NicType": "intranet",
        **fields,
    }
    signature = sign(SECRET, string_to_sign("GET", parameters))
    return f"/?{urlencode(parameters | {'Signature': signature})}"


def describes(groups: int, calls: int = CALLS, prefix: str = "sg") -> list[str]:
    action = "DescribeSecurityGroupAttribute"
    return [signed(action, SecurityGroupId=f"{prefix}-{each % groups}") for each in range(calls)]


def authorizes(turn: int) -> list[str]:
    """New rules every time; few enough for each group's quota of 200."""
    return [
        signed(
            "AuthorizeSecurityGroup",
            SecurityGroupId=f"sg-new-{each % NEW}",
            IpProtocol="udp",
            PortRange=f"{turn * CALLS + each + 1}/{turn * CALLS + each + 1}",
            SourceCidrIp="10.200.0.1",
        )
        for each in range(CALLS)
    ]


class Bare:
    """Answers the same bytes to every request."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
        self._start = {"type": "http.response.start", "status": 200, "headers": headers}

    async def __call__(self, _scope: object, _receive: object, send: Send) -> None:
        await send(self._start)
        await send({"type": "http.response.body", "body": self._body})

    def end(self) -> None: ...


def serve(instances: int | None, body: bytes, line: multiprocessing.connection.Connection) -> None:
    """Serve an estate, or the same bytes; say port, seconds to load and megabytes of memory."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    whole = estate(instances) if instances else {}
    before, began = megabytes(), time.perf_counter()
    dispatcher = Dispatcher(whole)
    loaded = time.perf_counter() - began
    del whole
    listener = _listen("127.0.0.1", 0)
    server = _server(dispatcher, lambda: line.send((listener.getsockname()[1], loaded, before)))
    if not instances:
        server.config.app = Bare(body)
    assert isinstance(server.config.app, Application | Bare)
    server.run(sockets=[listener])
    line.send(megabytes())


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextlib.contextmanager
def server(instances: int | None, body: bytes = b"") -> Iterator["Server"]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(instances, body, theirs)
    )
    process.start()
    port, loaded, before = ours.recv()
    running = Server(port, loaded, before, process.pid or 0)
    try:
        yield running
    finally:
        process.terminate()
        running.peak = ours.recv()
        process.join()


class Server:
    def __init__(self, port: int, loaded: float, before: float, pid: int) -> None:
        self._schedule = Path(f"/proc/{pid}/schedstat")
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.loaded, self.before, self.peak = loaded, before, 0.0
        self.times: dict[str, list[float]] = {}
        self.core_seconds: dict[str, float] = {}

    def ask(self, path: str) -> bytes:
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            sys.exit(f"{answer.status}: {body!r}")
        return body

    def time(self, name: str, paths: list[str]) -> None:
        worked = self.worked()
        for path in paths:
            began = time.perf_counter()
            self.ask(path)
            self.times.setdefault(name, []).append(time.perf_counter() - began)
        self.core_seconds[name] = self.core_seconds.get(name, 0) + self.worked() - worked

    def worked(self) -> float:
        """Seconds that the server had a core, as the kernel counts them."""
        return int(self._schedule.read_text().split()[0]) / 1e9

    def per_second(self, name: str) -> float:
        return len(self.times[name]) / self.core_seconds[name]

    def line(self, name: str) -> str:
        times = sorted(self.times[name])
        median, late = statistics.median(times), times[int(len(times) * 0.99)]
        return (
            f"{self.per_second(name):7.0f}/s  p50 {median * 1e6:6.0f} us  p99 {late * 1e6:6.0f} us"
        )


def check(server: Server) -> bytes:
    """Compare the answer with the slow way: every rule that the estate holds, field by field."""
    body = server.ask(describes(1)[0])
    shown = json.loads(body)["Permissions"]["Permission"]
    names = ("SecurityGroupRuleId", "PortRange", "Description")
    expected = {tuple(rule[name] for name in names) for rule in rules(0)}
    if len(shown) != RULES or {tuple(rule[name] for name in names) for rule in shown} != expected:
        sys.exit("the answer does not list the rules of the estate")
    return body


def main() -> None:
    with contextlib.ExitStack() as stack:
        sizes = {size: stack.enter_context(server(size)) for size in SIZES}
        body = check(sizes[SIZES[0]])
        bare = stack.enter_context(server(None, body))
        for size, each in sizes.items():
            for path in describes(NEW, 4 * NEW, "sg-new"):
                each.ask(path)  # of groups without rules: the first calls of a process are slow
            each.time("first look", describes(size // MEMBERS, size // MEMBERS))
        for turn in range(ROUNDS):
            bare.time("same bytes", describes(1))
            for size, each in sizes.items():
                groups = size // MEMBERS
                each.time("describe", describes(groups))
                each.time("authorize", authorizes(turn))
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores")
    print(f"{ROUNDS} rounds of {CALLS} calls over one connection, answers of {len(body)} bytes")
    print(f"  bare ASGI, same bytes        {bare.line('same bytes')}")
    for name in ("first look", "describe", "authorize"):
        for size, each in sizes.items():
            print(f"  {name:10} {size:6} instances  {each.line(name)}")
        small, large = (sizes[size].per_second(name) for size in SIZES)
        reached = "reached" if min(small, large) >= 1000 else "NOT reached"
        print(f"  {name:10} large / small     {large / small:7.2f}    1,000/s {reached}")
    print(f"  describe / bare              {small_ratio(sizes, bare):7.2f}")
    for size, each in sizes.items():
        held = f"{each.peak:.0f} MB at the most, {each.before:.0f} MB before loading"
        print(f"  {size:6} instances, {size * RULES // MEMBERS} rules: {each.loaded:.2f} s, {held}")


def small_ratio(sizes: dict[int, Server], bare: Server) -> float:
    return sizes[SIZES[0]].per_second("describe") / bare.per_second("same bytes")


if __name__ == "__main__":
    main()
