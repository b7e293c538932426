"""What comes of calls that get no answer, or a bad one."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from app.domain.changes import NEW_GROUP_ID, Authorize, CreateGroup, Join, NewRule
from app.domain.errors import (
    AppError,
    CloudQuotaError,
    CloudRefusedError,
    CloudThrottledError,
    CloudUnavailableError,
    OutcomeUnknownError,
)
from app.domain.groups import Place
from app.domain.rules import Direction, Policy
from app.ports.ecs import Ecs
from app.simulator.faults import SHAPES
from tests.contract.conftest import Stage
from tests.support.clouds import ACCOUNT, BASE_ACCOUNT, REGION, access, http_clouds
from tests.support.worlds import rule

HERE = Place(ACCOUNT, REGION)
JOIN = Join(HERE, "sg-spare", "i-web01")
ADD = Authorize(HERE, "sg-spare", Direction.INGRESS, (NewRule(rule(ports="22").rule, "mine"),))


# --- faults of the simulator, on both wires ------------------------------------------


@pytest.fixture
def ecs(stage: Stage) -> Ecs:
    ecs = stage.ecs()
    ecs.group_count()  # so that a session is there
    stage.forget()
    return ecs


def fault(action: str, kind: str, **fields: object) -> dict[str, object]:
    return {"match": {"action": action}, "kind": kind, **fields}


def test_a_lost_reply_leaves_the_outcome_unknown_and_the_change_there(
    ecs: Ecs, stage: Stage
) -> None:
    stage.faults(fault("AuthorizeSecurityGroup", "reply_lost"))
    with pytest.raises(OutcomeUnknownError) as caught:
        ecs.perform(ADD, token="t-1")
    assert caught.value.facts == {
        "action": "AuthorizeSecurityGroup",
        "account_id": ACCOUNT,
        "region_id": REGION,
    }
    assert stage.count("AuthorizeSecurityGroup") == 1, "a change is sent once"
    (group,) = ecs.groups(["sg-spare"])
    assert [held.description for held in group.rules] == ["mine"]


@pytest.mark.fault("F26")
@pytest.mark.parametrize("shape", SHAPES)
def test_an_answer_that_is_none_leaves_the_outcome_unknown(
    ecs: Ecs, stage: Stage, shape: str
) -> None:
    stage.faults(fault("AuthorizeSecurityGroup", "malformed_reply", shape=shape))
    with pytest.raises(OutcomeUnknownError):
        ecs.perform(ADD, token="t-1")
    assert stage.count("AuthorizeSecurityGroup") == 1, "a change is sent once"
    (group,) = ecs.groups(["sg-spare"])
    assert [held.description for held in group.rules] == ["mine"]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_new_group_whose_id_cannot_be_read_is_one_of_unknown_outcome(
    ecs: Ecs, stage: Stage, shape: str
) -> None:
    """An id that is no text was taken for one, and the group was never found again."""
    stage.faults(fault("CreateSecurityGroup", "malformed_reply", shape=shape))
    with pytest.raises(OutcomeUnknownError):
        ecs.perform(CreateGroup(HERE, NEW_GROUP_ID, "new", None), token="t-1")


@pytest.mark.parametrize("shape", SHAPES)
def test_a_read_that_never_gets_an_answer_fails(ecs: Ecs, stage: Stage, shape: str) -> None:
    stage.faults(fault("DescribeSecurityGroups", "malformed_reply", shape=shape))
    with pytest.raises(CloudUnavailableError):
        ecs.groups(["sg-spare"])


@pytest.mark.parametrize("shape", ["html", "truncated", "code_in_200"])
def test_a_read_whose_answer_is_none_is_tried_again(ecs: Ecs, stage: Stage, shape: str) -> None:
    stage.faults(fault("DescribeSecurityGroups", "malformed_reply", shape=shape, times=1))
    assert [group.group_id for group in ecs.groups(["sg-spare"])] == ["sg-spare"]


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("Throttling.User", 400, CloudThrottledError),
        ("InternalError", 500, OutcomeUnknownError),
        ("ServiceUnavailable", 503, OutcomeUnknownError),
        ("OperationConflict", 409, OutcomeUnknownError),
        ("SecurityGroupInstanceLimitExceed", 403, CloudQuotaError),
        ("IncorrectInstanceStatus", 403, CloudRefusedError),
    ],
)
def test_a_refused_change_is_sent_once_and_carries_the_code(
    ecs: Ecs, stage: Stage, code: str, status: int, error: type[AppError]
) -> None:
    stage.faults(fault("JoinSecurityGroup", "error", code=code, status=status))
    with pytest.raises(error) as caught:
        ecs.perform(JOIN, token="t-1")
    assert type(caught.value) is error
    facts = caught.value.facts
    assert facts["cloud_code"] == code
    assert facts["cloud_request_id"]
    assert facts["action"] == "JoinSecurityGroup"
    assert stage.count("JoinSecurityGroup") == 1


def test_setting_inner_access_is_a_change_like_any_other(ecs: Ecs, stage: Stage) -> None:
    stage.faults(fault("ModifySecurityGroupPolicy", "reply_lost"))
    with pytest.raises(OutcomeUnknownError):
        ecs.set_inner_access("sg-spare", Policy.DROP, token="t-1")
    assert stage.truth("sg-spare")["InnerAccessPolicy"] == "Drop"


@pytest.mark.parametrize(
    "trouble",
    [
        {"kind": "throttle", "code": "Throttling.User"},
        {"kind": "throttle", "code": "Throttling"},
        {"kind": "error", "code": "InternalError", "status": 500},
        {"kind": "error", "code": "ServiceUnavailable", "status": 503},
        {"kind": "reply_lost"},
    ],
)
def test_a_read_is_repeated_until_it_is_answered(
    ecs: Ecs, stage: Stage, trouble: dict[str, object]
) -> None:
    stage.faults({"match": {"action": "DescribeSecurityGroups"}, "times": 2, **trouble})
    assert ecs.group_count() == 11
    assert stage.count("DescribeSecurityGroups") == 3


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        ({"kind": "throttle"}, CloudThrottledError),
        ({"kind": "error", "code": "InternalError", "status": 500}, CloudUnavailableError),
        ({"kind": "reply_lost"}, CloudUnavailableError),
    ],
)
def test_patience_with_a_read_has_an_end(
    ecs: Ecs, stage: Stage, trouble: dict[str, object], error: type[AppError]
) -> None:
    stage.faults({"match": {"action": "DescribeSecurityGroups"}, **trouble})
    with pytest.raises(error):
        ecs.group_count()
    assert stage.count("DescribeSecurityGroups") == 3


def test_a_refused_read_is_not_repeated(ecs: Ecs, stage: Stage) -> None:
    stage.faults(fault("DescribeSecurityGroups", "error", code="Forbidden.RAM", status=403))
    with pytest.raises(CloudRefusedError):
        ecs.group_count()
    assert stage.count("DescribeSecurityGroups") == 1


# --- replies that no cloud gives, over HTTP ------------------------------------------


@dataclass
class Gateway:
    """A server that answers every call with the same bytes."""

    status: int = 200
    body: bytes = b"{}"
    calls: list[str] = field(default_factory=list)
    location: str | None = None

    @contextmanager
    def listening(self) -> Iterator[str]:
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                gateway.calls.append(self.headers["x-acs-action"])
                self.send_response(gateway.status)
                self.send_header("Content-Length", str(len(gateway.body)))
                if gateway.location:
                    self.send_header("Location", gateway.location)
                self.end_headers()
                self.wfile.write(gateway.body)

            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
            thread.start()
            yield f"127.0.0.1:{server.server_port}"
            server.shutdown()
            thread.join()


OWN = access(BASE_ACCOUNT, role_arn=None)
OWN_JOIN = Join(Place(BASE_ACCOUNT, REGION), "sg-1", "i-1")
IDENTITY = json.dumps({"RequestId": "r-1", "AccountId": BASE_ACCOUNT}).encode()

BAD_REPLIES = [
    (200, b""),
    (200, b"null"),
    (200, b"[]"),
    (200, b"<html>"),
    (200, b"\xff\xfe"),
    (200, b"{}"),
    (200, b'{"RequestId":"r-1","Code":"InvalidParameter"}'),
    (302, b""),
    (400, b"7"),
    (403, b"<html>blocked</html>"),
    (403, b"\xff\xfe"),
    (502, b"<html>bad gateway</html>"),
    (500, b"[]"),
]


def first_known(gateway: Gateway, endpoint: str) -> Ecs:
    """Return a view whose identity was confirmed before the gateway went bad."""
    good = gateway.status, gateway.body
    gateway.status, gateway.body = 200, IDENTITY
    ecs = http_clouds(endpoint, accesses=[OWN]).of(BASE_ACCOUNT, REGION)
    with pytest.raises(CloudUnavailableError):
        ecs.group_count()  # the answer of another action is not understood either
    gateway.status, gateway.body = good
    gateway.calls.clear()
    return ecs


@pytest.mark.parametrize(("status", "body"), BAD_REPLIES)
def test_a_reply_that_is_none_of_the_api_leaves_a_change_unknown(status: int, body: bytes) -> None:
    gateway = Gateway(status, body, location="http://ecs.aliyuncs.com/")
    with gateway.listening() as endpoint:
        ecs = first_known(gateway, endpoint)
        with pytest.raises(OutcomeUnknownError):
            ecs.perform(OWN_JOIN, token="t-1")
    assert gateway.calls == ["JoinSecurityGroup"]


@pytest.mark.parametrize(("status", "body"), BAD_REPLIES)
def test_a_reply_that_is_none_of_the_api_is_no_answer_to_a_read(status: int, body: bytes) -> None:
    gateway = Gateway(status, body, location="http://ecs.aliyuncs.com/")
    with gateway.listening() as endpoint:
        ecs = first_known(gateway, endpoint)
        with pytest.raises(CloudUnavailableError):
            ecs.group_count()
    assert gateway.calls == ["DescribeSecurityGroups"] * 3


def test_a_signature_fault_without_a_colon_does_not_break_the_sdk() -> None:
    body = {"RequestId": "r-1", "Code": "SignatureDoesNotMatch", "Message": "No colon here"}
    gateway = Gateway(400, json.dumps(body).encode())
    with gateway.listening() as endpoint, pytest.raises(CloudUnavailableError):
        http_clouds(endpoint, accesses=[OWN]).of(BASE_ACCOUNT, REGION).group_count()


def test_a_page_token_that_comes_back_ends_the_read() -> None:
    body = {
        "RequestId": "r-1",
        "AccountId": BASE_ACCOUNT,
        "NextToken": "again",
        "VpcId": "vpc-1",
        "SecurityGroups": {"SecurityGroup": []},
        "Permissions": {"Permission": []},
    }
    gateway = Gateway(200, json.dumps(body).encode())
    with gateway.listening() as endpoint:
        ecs = http_clouds(endpoint, accesses=[OWN]).of(BASE_ACCOUNT, REGION)
        with pytest.raises(CloudUnavailableError, match="unstable read"):
            ecs.groups(["sg-1"])


# --- connections ---------------------------------------------------------------------


def unused_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_refused_connection_means_that_nothing_was_done() -> None:
    gateway = Gateway(200, IDENTITY)
    with gateway.listening() as endpoint:
        ecs = first_known(gateway, endpoint)
    with pytest.raises(CloudUnavailableError):
        ecs.perform(OWN_JOIN, token="t-1")
    with pytest.raises(CloudUnavailableError):
        ecs.group_count()


def test_a_cloud_that_was_never_there_is_unavailable_and_unreachable() -> None:
    clouds = http_clouds(f"127.0.0.1:{unused_port()}")
    assert not clouds.is_reachable()
    for call in (
        lambda: clouds.of(ACCOUNT, REGION).perform(JOIN, token="t-1"),
        lambda: clouds.of(ACCOUNT, REGION).groups(["sg-1"]),
        lambda: clouds.whoami(access()),
    ):
        with pytest.raises(CloudUnavailableError):
            call()


def test_a_call_that_takes_too_long_leaves_the_outcome_unknown(http_stage: Stage) -> None:
    assert http_stage.endpoint
    clouds = http_clouds(http_stage.endpoint, read_timeout=timedelta(milliseconds=200))
    ecs = clouds.of(ACCOUNT, REGION)
    ecs.group_count()
    http_stage.faults(fault("JoinSecurityGroup", "hold"))
    with pytest.raises(OutcomeUnknownError):
        ecs.perform(JOIN, token="t-1")
