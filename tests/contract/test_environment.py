"""No surroundings change who is asked, or as whom; and no secret gets out."""

import logging
import traceback
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from aliyunsdkecs.request.v20140526.DescribeInstancesRequest import DescribeInstancesRequest
from aliyunsdksts.request.v20150401.AssumeRoleRequest import AssumeRoleRequest

from app.adapters.ecs.clouds import SdkClouds, base_identity
from app.adapters.ecs.environment import UnsafeEnvironmentError, refuse_environment
from app.adapters.ecs.http import SdkTransport, scrubbed, with_scheme
from app.adapters.ecs.transport import BASE, Keys, MachineRole, NotSentError
from app.domain.changes import Join
from app.domain.errors import AppError
from app.domain.groups import Place
from tests.contract.conftest import Stage
from tests.support.clouds import (
    ACCOUNT,
    BASE_KEY_ID,
    BASE_KEY_SECRET,
    REGION,
    TickingClock,
    access,
    http_clouds,
)

TIMES: dict[str, Any] = {
    "connect_timeout": timedelta(seconds=1),
    "read_timeout": timedelta(seconds=1),
    "pool_size": 2,
    "user_agent": "test",
}


@pytest.mark.parametrize(
    "environ",
    [
        {"ALIYUN_ACCESS_KEY_ID": "canary"},
        {"ALIYUN_ACCESS_KEY_SECRET": "canary"},
        {"ALIYUN_ACCESS_KEY_ID": "canary", "ALIYUN_ACCESS_KEY_SECRET": "canary"},
        {"DEBUG": "sdk"},
        {"DEBUG": "SDK"},
    ],
)
def test_what_the_sdk_obeys_over_its_arguments_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(UnsafeEnvironmentError) as caught:
        refuse_environment(environ)
    assert next(iter(environ)) in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("environ", [{}, {"DEBUG": "1"}, {"HTTPS_PROXY": "http://127.0.0.1:1"}])
def test_any_other_environment_is_fine(environ: dict[str, str]) -> None:
    refuse_environment(environ)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy"])
def test_keys_of_a_machine_do_not_pass_through_a_proxy(name: str) -> None:
    environ = {name: "http://127.0.0.1:1"}
    with pytest.raises(UnsafeEnvironmentError, match=name):
        refuse_environment(environ, base_role_name="role")
    refuse_environment(environ | {"NO_PROXY": "localhost,100.100.100.200"}, base_role_name="role")


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"])
def test_no_proxy_comes_between_the_service_and_an_endpoint_of_ours(
    http_stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert http_stage.ecs().group_count() == 11


def test_a_call_for_another_host_is_not_sent(http_stage: Stage) -> None:
    transport = SdkTransport(
        ecs_endpoint=http_stage.endpoint,
        sts_endpoint=http_stage.endpoint,
        **TIMES,
    )
    client = transport._client(REGION, Keys(BASE, BASE_KEY_ID, BASE_KEY_SECRET))
    for endpoint in (None, "ecs.aliyuncs.com", "https://ecs.aliyuncs.com", "127.0.0.1:1"):
        request = DescribeInstancesRequest()
        request.set_endpoint(endpoint)
        with pytest.raises(NotSentError):
            client.do_action_with_exception(request)


@pytest.mark.parametrize(
    ("request_kind", "host"),
    [
        (DescribeInstancesRequest, "https://ecs-cn-hangzhou.aliyuncs.com/?"),
        (AssumeRoleRequest, "https://sts.cn-hangzhou.aliyuncs.com/?"),
    ],
)
def test_without_endpoints_calls_are_bound_for_the_region_over_tls(
    request_kind: type[Any], host: str
) -> None:
    transport = SdkTransport(ecs_endpoint=None, sts_endpoint=None, **TIMES)
    keys = Keys(BASE, BASE_KEY_ID, BASE_KEY_SECRET)
    stop = NowhereAdapter()
    for scheme in ("http://", "https://"):
        transport._client(REGION, keys).session.mount(scheme, stop)
    with pytest.raises(NotSentError):
        transport.send(request_kind(), region_id=REGION, identity=keys)
    assert stop.urls[0].startswith(host)


class NowhereAdapter:
    """Takes calls, and sends none."""

    def __init__(self) -> None:
        self.urls: list[str] = []

    def send(self, request: Any, **_: object) -> None:
        self.urls.append(request.url)
        raise NotSentError("nothing leaves this test")

    def close(self) -> None:
        pass


def test_a_role_of_the_machine_is_no_identity_for_an_endpoint_of_ours() -> None:
    with pytest.raises(ValueError, match="access key"):
        SdkClouds(
            ecs_endpoint="127.0.0.1:1",
            sts_endpoint="127.0.0.1:1",
            base_access_key_id=None,
            base_access_key_secret=None,
            base_role_name="role",
            access_of=lambda _: None,
            clock=TickingClock(),
        )


def test_one_endpoint_alone_is_refused() -> None:
    for given in ("ecs_endpoint", "sts_endpoint"):
        endpoints: dict[str, Any] = {"ecs_endpoint": None, "sts_endpoint": None}
        with pytest.raises(ValueError, match="together"):
            SdkTransport(**(endpoints | {given: "127.0.0.1:1"}), **TIMES)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("127.0.0.1:8090", "http://127.0.0.1:8090"),
        ("http://127.0.0.1:8090/", "http://127.0.0.1:8090"),
        ("simulator:8090", "http://simulator:8090"),
        ("ecs-vpc.cn-beijing.aliyuncs.com", "https://ecs-vpc.cn-beijing.aliyuncs.com"),
        ("https://example.com", "https://example.com"),
    ],
)
def test_an_endpoint_is_a_url_or_a_host_with_its_port(given: str, meant: str) -> None:
    assert with_scheme(given) == meant


def test_a_base_identity_is_a_key_or_a_role_of_the_machine() -> None:
    assert base_identity("id", "secret", None) == Keys(BASE, "id", "secret")
    assert base_identity(None, None, "role") == MachineRole("role")
    for key_id, secret in (("id", None), (None, "secret"), ("", "")):
        with pytest.raises(ValueError, match="base identity"):
            base_identity(key_id, secret, None)


def test_the_product_names_itself(http_stage: Stage) -> None:
    http_stage.ecs().group_count()
    items: Any = http_stage.dispatcher.journal.as_json()["items"]
    assert all("client/ecs-intercommunication-api" in entry["user_agent"] for entry in items)


# --- secrets -------------------------------------------------------------------------


def chain(error: BaseException) -> Iterator[BaseException]:
    """Every exception that hangs on this one, shown or not."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and one not in seen:
            seen.append(one)
            waiting += [one.__cause__, one.__context__]
            yield one


TROUBLES: list[dict[str, object]] = [
    {"kind": "reply_lost"},
    {"kind": "throttle"},
    {"kind": "error", "code": "InternalError", "status": 500},
    {"kind": "error", "code": "Forbidden.RAM", "status": 403},
    {"kind": "error", "code": "SignatureDoesNotMatch", "status": 400, "message": "x:y"},
]


@pytest.mark.parametrize("action", ["AssumeRole", "GetCallerIdentity", "JoinSecurityGroup"])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_no_secret_is_in_an_error_or_a_log(
    http_stage: Stage,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    action: str,
    trouble: dict[str, object],
) -> None:
    caplog.set_level(logging.DEBUG)
    http_stage.faults({"match": {"action": action}, **trouble})
    text = error_text(http_clouds(http_stage.endpoint or ""))
    text += logged(caplog) + "".join(capfd.readouterr())
    assert not [secret for secret in secrets(http_stage) if secret in text]


@pytest.mark.parametrize(
    ("key_id", "secret"), [("canary-key-id", BASE_KEY_SECRET), (BASE_KEY_ID, "canary-secret")]
)
def test_a_refused_key_does_not_show(
    http_stage: Stage, caplog: pytest.LogCaptureFixture, key_id: str, secret: str
) -> None:
    caplog.set_level(logging.DEBUG)
    clouds = http_clouds(http_stage.endpoint or "", base_key_id=key_id, base_key_secret=secret)
    text = error_text(clouds) + logged(caplog)
    assert not [word for word in (key_id, secret, *SIGNED) if word in text]


SIGNED = ("Signature=", "SignatureNonce", "SecurityToken", "AccessKeyId=")


def secrets(stage: Stage) -> list[str]:
    sessions = stage.dispatcher._sessions._sessions.values()
    given = [text for one in sessions for text in (one.secret, one.token, one.access_key_id)]
    return [*given, BASE_KEY_ID, BASE_KEY_SECRET, access().external_id, *SIGNED]


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """Return what was logged, but for the simulator's own server in this process."""
    ours = [record for record in caplog.records if not record.name.startswith("uvicorn")]
    return "".join(f"{record.getMessage()} {record.exc_text}" for record in ours)


def error_text(clouds: SdkClouds) -> str:
    join = Join(Place(ACCOUNT, REGION), "sg-spare", "i-web01")
    with pytest.raises(AppError) as caught:
        clouds.of(ACCOUNT, REGION).perform(join, token="t-1")
    errors = list(chain(caught.value))
    shown = "".join(traceback.format_exception(caught.value))
    return shown + "".join(f"{one!r} {one} {vars(one)}" for one in errors)


def test_a_message_is_one_short_line_without_keys() -> None:
    keys = Keys(BASE, "canary-id", "canary-secret", "canary-token")
    text = scrubbed("Key canary-id\nis wrong. server string to sign is:POST&canary", keys)
    assert text == "Key … is wrong. server"
    assert len(scrubbed("x" * 10_000, keys)) <= 300
