"""The ways in which an HTTP request may carry a call."""

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from app.simulator import wire
from app.simulator.dispatcher import Dispatcher
from app.simulator.server import Running, running
from tests.simulator.estates import Clock, Cloud, pair
from tests.simulator.signing import SECRET, version_one, version_three

FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    return Cloud(pair())


@pytest.fixture(scope="module")
def simulator(cloud: Cloud) -> Iterator[Running]:
    with running(dispatcher=Dispatcher(pair(), clock=Clock())) as one:
        yield one


def answer(
    simulator: Running,
    method: str,
    target: str,
    *,
    body: str = "",
    headers: dict[str, str] | None = None,
) -> tuple[int, Any]:
    """What the simulator says to a request that is written byte by byte."""
    lines = {
        "host": "h",
        "content-length": str(len(body)),
        "connection": "close",
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    host, _, port = simulator.endpoint.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"{method} {target} HTTP/1.1\r\n{head}\r\n{body}".encode())
        reply = b"".join(iter(lambda: connection.recv(65536), b""))
    status, _, payload = reply.partition(b"\r\n")[0].split()[1], *reply.partition(b"\r\n\r\n")[1:]
    return int(status), payload.decode()


def signed_again(query: dict[str, str], method: str) -> str:
    unsigned = {name: text for name, text in query.items() if name != "Signature"}
    text = wire.string_to_sign(method, unsigned)
    return urlencode(unsigned | {"Signature": wire.sign(SECRET, text)})


@pytest.mark.parametrize("base", ["/", "http://ecs.cn-hangzhou.aliyuncs.com/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_parameters_in_the_query_of_either_form_of_target(
    cloud: Cloud, simulator: Running, method: str, base: str
) -> None:
    query = version_one(cloud, Format="JSON").query
    status, text = answer(simulator, method, f"{base}?{signed_again(query, method)}")
    assert (status, "Regions" in json.loads(text)) == (200, True)


def test_parameters_in_a_form_and_partly_in_the_query(cloud: Cloud, simulator: Running) -> None:
    for in_query in (0, 3):
        pairs = signed_again(version_one(cloud).query, "POST").split("&")
        target, body = "/?" + "&".join(pairs[:in_query]), "&".join(pairs[in_query:])
        status, text = answer(simulator, "POST", target, body=body, headers={"content-type": FORM})
        assert (status, "<DescribeRegionsResponse>" in text) == (200, True)


@pytest.mark.parametrize("base", ["/", "http://ecs.cn-hangzhou.aliyuncs.com/"])
def test_version_three_in_either_form_of_target(
    cloud: Cloud, simulator: Running, base: str
) -> None:
    sent = version_three(cloud, "DescribeSecurityGroups", RegionId="cn-hangzhou")
    target = f"{base}?{urlencode(sent.query)}"
    status, text = answer(simulator, "POST", target, headers=sent.headers)
    assert (status, json.loads(text)["TotalCount"]) == (200, 2)


def test_a_body_that_was_not_signed_is_refused(cloud: Cloud, simulator: Running) -> None:
    sent = version_three(cloud, "DescribeSecurityGroups", RegionId="cn-hangzhou")
    target = f"/?{urlencode(sent.query)}"
    status, text = answer(simulator, "POST", target, body="VpcId=vpc-1", headers=sent.headers)
    assert (status, json.loads(text)["Code"]) == (400, "IncompleteSignature")


UPGRADE = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAMAAABk"}


def test_a_call_that_offers_another_protocol_is_answered_in_this_one_with_its_body(
    cloud: Cloud, simulator: Running
) -> None:
    """Java's client makes the offer with its first request, whatever the request is."""
    host, _, port = simulator.endpoint.partition(":")
    offer = "".join(f"{name}: {value}\r\n" for name, value in UPGRADE.items())
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        for more in (offer, ""):
            body = signed_again(version_one(cloud).query, "POST")
            head = f"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: {len(body)}\r\n{more}\r\n"
            connection.sendall(head.encode())
            connection.sendall(body.encode())
            reply = b""
            while b"</DescribeRegionsResponse>" not in reply:
                chunk = connection.recv(65536)
                assert chunk, reply
                reply += chunk
            assert reply.startswith(b"HTTP/1.1 200 ")


def test_a_call_whose_body_is_cut_off_is_not_carried_out(cloud: Cloud, simulator: Running) -> None:
    """Not even if all that was signed is there."""
    query = version_one(cloud, "JoinSecurityGroup", SecurityGroupId="sg-2", InstanceId="i-a").query
    body = signed_again(query, "POST")
    host, _, port = simulator.endpoint.partition(":")
    head = f"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: {len(body) + 1}\r\n\r\n"
    before = simulator.dispatcher.estate()
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall((head + body).encode())
        connection.shutdown(socket.SHUT_WR)
        reply = b"".join(iter(lambda: connection.recv(65536), b""))
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert b"<Code>InvalidRequest</Code>" in reply
    assert simulator.dispatcher.estate() == before


@pytest.mark.parametrize("target", ["http://ecs.aliyuncs.com?{}", "HTTP://ecs.aliyuncs.com?{}"])
def test_an_absolute_target_may_leave_its_path_out(
    cloud: Cloud, simulator: Running, target: str
) -> None:
    query = signed_again(version_one(cloud, ClientInfo="http://x").query, "GET")
    status, text = answer(simulator, "GET", target.format(query))
    assert (status, "<DescribeRegionsResponse>" in text) == (200, True)
