"""Whatever is sent, the answer is one of the API's, and the simulator goes on."""

import asyncio
import contextlib
import json
import random
import re
import select
import socket
import string
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from app.simulator import actions, wire
from app.simulator.actions import ACTIONS
from app.simulator.credentials import Caller
from app.simulator.dispatcher import Dispatcher
from app.simulator.server import Application, running
from app.simulator.wire import sign, string_to_sign
from tests.simulator.codes import is_told
from tests.simulator.estates import ACCOUNT, BASE_ACCOUNT, OTHER_ACCOUNT, REGION, Clock
from tests.simulator.test_properties import start
from tests.simulator.test_signatures import expected, flat

NAMES = sorted({name for _, name in ACTIONS})
WORDS = sorted(
    {
        word
        for module in Path(actions.__file__).parent.glob("*.py")
        for word in re.findall(r'"([A-Z][A-Za-z0-9]+)"', module.read_text("utf-8"))
    }
)
"""Every word of the wire that an action looks for, as parameter, struct or field."""


def field(chance: random.Random) -> str:
    one, other = chance.choice(WORDS), chance.choice(WORDS)
    place = chance.choice([1, 2, 3, 0, 100, 99999, "x"])
    struct = chance.choice(["Permissions", "Permissions", "Tag", "Entry", other])
    forms: list[str] = [one, one, f"{one}.{place}", f"{struct}.{place}.{one}"]
    return chance.choice(forms)


VALUES = [
    *("sg-1", "sg-2", "sg-v", "sg-e", "sg-o", "i-a", "i-v", "sgr-1", "pl-1", "prl-1", ACCOUNT),
    *("tcp", "TCP", "all", "-1", "6", "22/22", "1/65535", "-1/-1", "200/1", "0/0", "1/99999"),
    *("10.0.0.1", "10.0.0.0/8", "0.0.0.0/0", "::1", "fe80::1%eth0", "::/0", "1.2.3.4/33", "1.2"),
    *("0", "1", "-1", "101", "1e9", "9" * 30, "٣", "true", "True", "null", "", " ", "accept"),
    *('["i-a"]', '["sg-1"]', "[]", "[", '[{"a":1}]', "[null]", "[" * 5000, '"i-a"', "{}"),
    *("intranet", "internet", "ingress", "egress", "IPv4", "IPv6", "normal", "enterprise"),
    *("securitygroup", "bmV4dC8x", "bmV4dC8tNQ==", "????", "\x00", "\ud7ff\uffff", "é" * 600),
    *("<a>&'\"", "acs:ram::1000000000000001:role/intercommunication", "../..", "%00", "x" * 5000),
]
HEADERS = [b"user-agent", b"content-type", b"authorization", b"x-acs-action", b"x-acs-version"]
HEADERS += [b"x-acs-date", b"x-acs-signature-nonce", b"x-acs-content-sha256", b"host", b"accept"]


def value(chance: random.Random) -> str:
    if chance.random() < 0.9:
        return chance.choice(VALUES)
    return "".join(chance.choices(string.printable + "äß漢\U0001f600", k=chance.randrange(40)))


def call_at_random(dispatcher: Dispatcher, chance: random.Random) -> None:
    fields = {field(chance): value(chance) for _ in range(chance.randrange(10))}
    fields = {"RegionId": REGION, **fields}
    caller = Caller(chance.choice([ACCOUNT, ACCOUNT, OTHER_ACCOUNT, BASE_ACCOUNT]))
    action = chance.choice(NAMES)
    reply = dispatcher.call(caller, action, fields)
    assert reply.status < 500, (fields, reply)
    if reply.status != 200:
        assert is_told(action, reply.status, reply.body["Code"]), (action, fields, reply)
    assert reply.encoded()
    as_json = json.loads(wire.to_json(reply.body))
    assert flat(ET.fromstring(wire.to_xml("Answer", reply.body))) == expected(as_json)


def signed(chance: random.Random, clock: Clock) -> dict[str, str]:
    parameters = {
        "Action": chance.choice(NAMES),
        "Version": chance.choice(["2014-05-26", "2014-05-26", "2015-04-01", "1"]),
        "AccessKeyId": f"key-{ACCOUNT}",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": str(chance.random()),
        "Timestamp": "2023-11-14T22:13:20Z",
        "RegionId": REGION,
        **{field(chance): value(chance) for _ in range(chance.randrange(3))},
    }
    text = string_to_sign("GET", parameters)
    return parameters | {"Signature": sign(f"secret-{ACCOUNT}", text)}


def mutated(query: bytes, chance: random.Random) -> bytes:
    """Change, drop, double or insert a few bytes; half of the queries stay as they are."""
    noisy = bytearray(query)
    for _ in range(chance.choice([0, 0, 0, 1, 2, 5])):
        place = chance.randrange(len(noisy) + 1)
        noisy[place : place + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
    return bytes(noisy)


def request_at_random(
    application: Application, chance: random.Random, clock: Clock, loop: asyncio.Runner
) -> tuple[int, bytes]:
    pairs = signed(chance, clock).items()
    query = "&".join(f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in pairs)
    noisy = mutated(query.encode(), chance)
    is_form = chance.random() < 0.3
    headers = [(chance.choice(HEADERS), chance.randbytes(9)) for _ in range(chance.randrange(3))]
    if is_form:
        headers.append((b"content-type", b"application/x-www-form-urlencoded"))
    path = chance.choice(["/", "/", "/", "/x", "/%ff", "//"])
    scope = {
        "type": "http",
        "method": chance.choice(["GET", "GET", "POST", "PUT", "DELETE", "BREW"]),
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"" if is_form else noisy,
        "headers": headers,
    }
    return loop.run(_ask(application, scope, noisy if is_form else b""))


async def _ask(application: Application, scope: dict[str, Any], body: bytes) -> tuple[int, bytes]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await application(scope, receive, send)
    return sent[0]["status"], sent[1]["body"]


def control_at_random(
    application: Application, chance: random.Random, loop: asyncio.Runner
) -> None:
    paths = ("estate", "packets", "calls", "faults", "faults/x", "settings", "clock", "nothing")
    bodies: list[Any] = [[], {}, 7, None, "x", {"faults": [{}]}, [{"kind": "throttle"}]]
    bodies += [{"accounts": [{}]}, {"security_groups": [7]}, {"source": "i-a"}, [{"kind": 1}]]
    scope = {
        "type": "http",
        "method": chance.choice(["GET", "PUT", "POST", "DELETE"]),
        "path": f"/_simulator/{chance.choice(paths)}",
        "headers": [],
    }
    body = mutated(json.dumps(chance.choice(bodies)).encode(), chance)
    status, _ = loop.run(_ask(application, scope, body))
    assert status < 500, (scope, body)


def fuzz(rounds: int, seed: int) -> None:
    chance, clock = random.Random(seed), Clock()
    dispatcher = Dispatcher(start(), clock=clock, sleep=clock.sleep)
    application = Application(dispatcher)
    spare = Application(Dispatcher(start()))
    with asyncio.Runner() as loop:
        for _ in range(rounds):
            call_at_random(dispatcher, chance)
            status, body = request_at_random(application, chance, clock, loop)
            assert status < 500, body
            assert b"Traceback" not in body
        for _ in range(rounds // 10):
            control_at_random(spare, chance, loop)
    estate = dispatcher.estate()
    assert Dispatcher(estate).estate() == estate


@pytest.mark.parametrize("seed", range(3))
def test_random_and_mutated_requests_get_an_answer_of_the_api(seed: int) -> None:
    fuzz(400, seed)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(100, 150))
def test_random_and_mutated_requests_get_an_answer_for_long(seed: int) -> None:
    fuzz(10_000, seed)


def test_bytes_that_are_no_request_do_not_take_the_server_down() -> None:
    chance = random.Random(1)
    with running(start()) as simulator:
        address = ("127.0.0.1", int(simulator.endpoint.split(":")[1]))
        for _ in range(40):
            with (
                contextlib.suppress(OSError),
                socket.create_connection(address, 5) as raw,
            ):
                raw.sendall(b"GET /?" + chance.randbytes(200) + b"\r\n\r\n" * chance.randrange(2))
        with socket.create_connection(address, 5) as raw:
            raw.sendall(b"GET /?Action=DescribeRegions HTTP/1.1\r\nHost: x\r\n\r\n")
            assert raw.recv(100).startswith(b"HTTP/1.1 400")


REQUEST = b"GET /?Action=DescribeRegions HTTP/1.1\r\nHost: x\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
ODDITIES = {
    "nothing that is HTTP": b"\x16\x03\x01\x02\x00\x01" + b"\x00" * 60 + b"\r\n\r\n",
    "the next version of HTTP": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an unknown version": b"GET / HTTP/9.9\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "a method of its own": b"BREW /?Action=DescribeRegions HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header without a colon": REQUEST + b"nonsense\r\n\r\n",
    "a header of bytes": REQUEST + b"x-acs-date: \xff\xfe\r\n\r\n",
    "a length that is none": REQUEST + b"Content-Length: many\r\n\r\n",
    "a negative length": REQUEST + b"Content-Length: -1\r\n\r\n",
    "two lengths": REQUEST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    "chunks that are none": CHUNKED + b"zz\r\n\r\n",
    "a chunk that is none after one": CHUNKED + b"3\r\na=b\r\nzz\r\n\r\n",
    "a chunk that is cut off": CHUNKED + b"3\r\na=",
    "a chunk without an end": CHUNKED + b"ffffffffffffffff\r\na=b",
    "a chunk of another length": CHUNKED + b"1\r\na=b\r\n0\r\n\r\n",
    "chunks beside a length": POST
    + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
    "another encoding": POST + b"Transfer-Encoding: gzip\r\n\r\nx",
    "a body that is cut off": POST + b"Content-Length: 9\r\n\r\na=b",
    "a length larger than any memory": POST + b"Content-Length: 999999999999\r\n\r\na=b",
    "a head that is cut off": REQUEST,
    "a body that is packed": POST
    + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00",
    "a body of another character set": POST
    + b"Content-Type: application/x-www-form-urlencoded; charset=utf-16\r\n"
    + b"Content-Length: 6\r\n\r\na\x00=\x00b\x00",
    "parts of a form": POST
    + b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 5\r\n\r\n--x--",
    "an absolute target without a path": REQUEST.replace(b"/?", b"http://ecs.aliyuncs.com?"),
    "an absolute target that is none": REQUEST.replace(b"/?", b"http://[::1/?"),
    "a target for a proxy": b"CONNECT ecs.aliyuncs.com:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a nought in the target": REQUEST.replace(b"/?", b"/\x00?"),
    "a nought in a header": REQUEST + b"x-a: \x00\r\n\r\n",
    "a header over two lines": REQUEST + b"x-a: 1\r\n 2\r\n\r\n",
    "lines that end early": REQUEST.replace(b"\r", b"") + b"\n",
    "a wish for a web socket": REQUEST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "a very long query": b"GET /?a=" + b"x" * 300_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "very many parameters": b"GET /?" + b"a=b&" * 50_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a long header": REQUEST + b"Authorization: ACS3-" + b"x" * 50_000 + b"\r\n\r\n",
    "half a character": b"GET /?Action=%ff%00%C3 HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    with running(start()) as simulator:
        yield "127.0.0.1", int(simulator.endpoint.split(":")[1])


@pytest.mark.parametrize("oddity", ODDITIES)
def test_an_odd_request_gets_an_error_of_the_api_and_the_next_one_an_answer(
    oddity: str, address: tuple[str, int]
) -> None:
    with socket.create_connection(address, 10) as raw:
        with contextlib.suppress(OSError):  # it may be refused before it ends
            raw.sendall(ODDITIES[oddity])
            raw.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := raw.recv(65536):
                answer += chunk
    assert re.match(rb"HTTP/1\.[01] 4\d\d ", answer), answer[:200]
    assert re.search(rb"<Code>\w|\"Code\":\"\w", answer), answer[:200]
    assert re.search(rb"<RequestId>\w|\"RequestId\":\"\w", answer)
    assert is_answered(address)


def is_answered(address: tuple[str, int]) -> bool:
    with socket.create_connection(address, 10) as raw:
        raw.sendall(REQUEST + b"\r\n")
        return raw.recv(100).startswith(b"HTTP/1.1 400")


ENDLESS = {
    "a target": (b"GET /?a=", b"x"),
    "a header": (REQUEST + b"x-a: ", b"x"),
    "headers": (REQUEST, b"x-a: b\r\n"),
    "lines before the first one": (b"", b"\r\n"),
    "a body": (POST + b"Content-Length: 999999999\r\n\r\n", b"x"),
    "a chunk": (CHUNKED + b"fffffff\r\n", b"x"),
    "chunks": (CHUNKED, b"3\r\na=b\r\n"),
    "an extension of a chunk": (CHUNKED + b"1;", b"x"),
    "trailers": (CHUNKED + b"0\r\n", b"x-a: b\r\n"),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_what_never_ends_is_refused_before_it_fills_the_memory(
    what: str, address: tuple[str, int]
) -> None:
    first, again = ENDLESS[what]
    piece = again * (65536 // len(again))
    with socket.create_connection(address, 30) as raw:
        with contextlib.suppress(OSError):
            raw.sendall(first)
            for _ in range(512):
                raw.sendall(piece)
                if select.select([raw], [], [], 0)[0]:
                    break
        assert raw.recv(100).startswith(b"HTTP/1.1 413 ")
    assert is_answered(address)
