"""The simulator over HTTP, as official and other clients see it."""

import json
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import httpx
import pytest
from aliyunsdkcore.acs_exception.exceptions import ClientException, ServerException
from aliyunsdkcore.auth.credentials import StsTokenCredential
from aliyunsdkcore.client import AcsClient

from app.simulator import wire
from app.simulator.demo import demo_estate
from app.simulator.server import Running, _listen, _warn_beyond_loopback, running
from tests.simulator.estates import ACCOUNT, BASE_ACCOUNT, OTHER_ACCOUNT, REGION, estate, group

BASE_KEY = ("intercom-demo-key-id", "intercom-demo-key-secret")
SHOP_KEY = ("shop-demo-key-id", "shop-demo-key-secret")


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running() as simulator:
        yield simulator


@pytest.fixture
def simulator(server: Running) -> Iterator[Running]:
    yield server
    server.dispatcher.faults.clear()
    server.dispatcher.put_settings({})
    server.dispatcher.journal.clear()
    server.dispatcher.replace_estate(demo_estate())


@pytest.fixture
def control(simulator: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{simulator.url}/_simulator", trust_env=False) as client:
        yield client


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK obeys proxies even for loopback."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


def official(
    simulator: Running, key: tuple[str, str] = SHOP_KEY, *, token: str | None = None
) -> Any:
    """An official client of the simulator, without the SDK's own retries."""
    if token is None:
        client = AcsClient(*key, REGION, auto_retry=False, timeout=10)
    else:
        credential = StsTokenCredential(*key, token)
        client = AcsClient(region_id=REGION, credential=credential, auto_retry=False, timeout=10)
    client.add_endpoint(REGION, "Ecs", simulator.endpoint)
    client.add_endpoint(REGION, "Sts", simulator.url)
    return client


def call(client: Any, action: str, **fields: Any) -> Any:
    is_sts = action in ("AssumeRole", "GetCallerIdentity")
    package = "aliyunsdksts.request.v20150401" if is_sts else "aliyunsdkecs.request.v20140526"
    request = getattr(import_module(f"{package}.{action}Request"), f"{action}Request")()
    for name, value in fields.items():
        getattr(request, f"set_{name}")(value)
    return json.loads(client.do_action_with_exception(request))


def refusal(call_it: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(ServerException) as refused:
        call_it()
    error: Any = refused.value
    assert error.request_id == str(uuid.UUID(error.request_id)).upper()
    return error.http_status, error.error_code


# ---- the official SDK


def test_the_official_sdk_reads_every_kind_of_thing(simulator: Running) -> None:
    client = official(simulator)
    assert call(client, "DescribeRegions")["Regions"]["Region"]
    instances = call(client, "DescribeInstances", PageSize=100)["Instances"]["Instance"]
    assert "i-web01" in {item["InstanceId"] for item in instances}
    assert call(client, "DescribeInstanceAttribute", InstanceId="i-web01")["Status"] == "Running"
    groups = call(client, "DescribeSecurityGroups", SecurityGroupIds=json.dumps(["sg-web"]))
    assert groups["TotalCount"] == 1
    attribute = call(client, "DescribeSecurityGroupAttribute", SecurityGroupId="sg-web")
    assert len(attribute["Permissions"]["Permission"]) == 2
    references = call(client, "DescribeSecurityGroupReferences", SecurityGroupIds=["sg-app"])
    assert references["SecurityGroupReferences"]["SecurityGroupReference"]
    assert call(client, "DescribeNetworkInterfaces", InstanceId="i-vpc-web01")["TotalCount"] == 1
    assert call(client, "DescribeClassicLinkInstances", VpcId="vpc-1")["TotalCount"] == 1
    assert call(client, "DescribePrefixLists")["PrefixLists"]["PrefixList"]
    attributes = call(client, "DescribePrefixListAttributes", PrefixListId="pl-offices")
    assert len(attributes["Entries"]["Entry"]) == 2


def test_the_official_sdk_changes_things_and_takes_them_back(
    simulator: Running, control: httpx.Client
) -> None:
    start = control.get("/estate").json()
    client = official(simulator)
    created = call(
        client,
        "CreateSecurityGroup",
        SecurityGroupName="made-for-tests",
        Description="d é*~ +/&",
        Tags=[{"Key": "k", "Value": "x y"}],
        ClientToken="t-1",
    )["SecurityGroupId"]
    member = {"SecurityGroupId": created, "InstanceId": "i-web01"}
    call(client, "JoinSecurityGroup", **member)
    call(client, "ModifySecurityGroupPolicy", SecurityGroupId=created, InnerAccessPolicy="Drop")
    permissions = [
        {"IpProtocol": "tcp", "PortRange": f"{port}/{port}", "SourceGroupId": "sg-app"}
        | {"NicType": "intranet", "Description": "from app"}
        for port in range(1, 4)
    ]
    call(client, "AuthorizeSecurityGroup", SecurityGroupId=created, Permissions=permissions)
    egress = [
        {"IpProtocol": "all", "PortRange": "-1/-1", "DestCidrIp": "10.0.0.0/8", "Policy": "drop"}
    ]
    call(client, "AuthorizeSecurityGroupEgress", SecurityGroupId=created, Permissions=egress)
    read = call(
        client, "DescribeSecurityGroupAttribute", SecurityGroupId=created, NicType="intranet"
    )
    ids = [item["SecurityGroupRuleId"] for item in read["Permissions"]["Permission"]]
    assert (len(ids), read["Description"]) == (3, "d é*~ +/&")
    call(client, "RevokeSecurityGroup", SecurityGroupId=created, SecurityGroupRuleIds=ids)
    call(client, "RevokeSecurityGroupEgress", SecurityGroupId=created, Permissions=egress)
    call(client, "LeaveSecurityGroup", **member)
    vpc_groups = {"InstanceId": "i-vpc-web01"}
    call(client, "ModifyInstanceAttribute", **vpc_groups, SecurityGroupIdss=["sg-vpc-app"])
    call(client, "ModifyInstanceAttribute", **vpc_groups, SecurityGroupIdss=["sg-vpc-web"])
    call(client, "DeleteSecurityGroup", SecurityGroupId=created)
    assert control.get("/estate").json() == start


def test_the_official_sdk_assumes_a_role_and_acts_for_its_account(simulator: Running) -> None:
    base = official(simulator, BASE_KEY)
    assert call(base, "GetCallerIdentity")["AccountId"] == BASE_ACCOUNT
    role = f"acs:ram::{OTHER_ACCOUNT}:role/intercommunication"
    answer = call(base, "AssumeRole", RoleArn=role, RoleSessionName="tests", DurationSeconds=900)
    given = answer["Credentials"]
    key = (given["AccessKeyId"], given["AccessKeySecret"])
    client = official(simulator, key, token=given["SecurityToken"])
    assert call(client, "GetCallerIdentity")["AccountId"] == OTHER_ACCOUNT
    peer = {"SourceGroupId": "sg-web", "SourceGroupOwnerId": int(ACCOUNT), "NicType": "intranet"}
    call(
        client,
        "AuthorizeSecurityGroup",
        SecurityGroupId="sg-db",
        Permissions=[{"IpProtocol": "tcp", "PortRange": "3306/3306", **peer}],
    )
    wrong = official(simulator, key, token="other")
    refused = refusal(lambda: call(wrong, "DescribeRegions"))
    assert refused == (400, "InvalidSecurityToken.MismatchWithAccessKey")


def test_the_official_sdk_sees_the_clouds_errors(simulator: Running) -> None:
    client = official(simulator)
    missing = refusal(lambda: call(client, "DeleteSecurityGroup", SecurityGroupId="sg-no"))
    assert missing == (404, "InvalidSecurityGroupId.NotFound")
    in_use = refusal(lambda: call(client, "DeleteSecurityGroup", SecurityGroupId="sg-web"))
    assert in_use == (403, "DependencyViolation")
    foreign = refusal(lambda: call(client, "DescribeInstanceAttribute", InstanceId="i-db01"))
    assert foreign == (404, "InvalidInstanceId.NotFound")


def test_the_official_sdk_recognizes_a_wrong_secret(simulator: Running) -> None:
    client = official(simulator, (SHOP_KEY[0], "wrong"))
    assert refusal(lambda: call(client, "DescribeRegions")) == (400, "InvalidAccessKeySecret")
    stranger = official(simulator, ("nobody", "wrong"))
    refused = refusal(lambda: call(stranger, "DescribeRegions"))
    assert refused == (404, "InvalidAccessKeyId.NotFound")


def test_a_lost_reply_is_an_http_error_to_the_official_sdk_and_the_action_is_done(
    simulator: Running, control: httpx.Client
) -> None:
    fault = {"kind": "reply_lost", "match": {"action": "JoinSecurityGroup"}, "times": 1}
    control.put("/faults", json=[fault]).raise_for_status()
    client = official(simulator)
    call(client, "DescribeRegions")  # the connection that is lost is one that was kept
    control.delete("/calls").raise_for_status()
    member = {"SecurityGroupId": "sg-shared", "InstanceId": "i-web01"}
    with pytest.raises(ClientException) as lost:
        call(client, "JoinSecurityGroup", **member)
    error: Any = lost.value
    assert error.error_code == "SDK.HttpError"
    assert refusal(lambda: call(client, "JoinSecurityGroup", **member)) == (
        403,
        "InvalidInstanceId.AlreadyExists",
    )
    first, second = control.get("/calls").json()["items"]
    assert (first["applied"], first["status"], first["code"]) == (True, None, None)
    assert (second["applied"], second["status"]) == (False, 403)
    assert first["user_agent"].startswith("AlibabaCloud")


def test_throttling_reaches_the_official_sdk(simulator: Running, control: httpx.Client) -> None:
    control.put("/faults", json=[{"kind": "throttle", "times": 1}])
    client = official(simulator)
    assert refusal(lambda: call(client, "DescribeRegions")) == (400, "Throttling.User")
    assert call(client, "DescribeRegions")


def test_a_held_call_goes_on_when_its_fault_is_deleted(
    simulator: Running, control: httpx.Client
) -> None:
    hold = {"id": "h", "kind": "hold", "match": {"action": "JoinSecurityGroup"}}
    control.put("/faults", json=[hold]).raise_for_status()
    client = official(simulator)
    answers: list[Any] = []
    member = {"SecurityGroupId": "sg-shared", "InstanceId": "i-web01"}
    held = threading.Thread(
        target=lambda: answers.append(call(client, "JoinSecurityGroup", **member))
    )
    held.start()
    while "JoinSecurityGroup" not in control.get("/calls").json()["counts"]:
        time.sleep(0.001)
    assert call(official(simulator), "DescribeRegions")
    assert answers == []
    assert control.delete("/faults/h").status_code == 204
    held.join(timeout=10)
    assert answers[0]["RequestId"]


def test_slow_calls_wait_side_by_side(simulator: Running, control: httpx.Client) -> None:
    control.put("/settings", json={"round_trip_seconds": 0.2}).raise_for_status()
    client = official(simulator)
    start = time.perf_counter()
    threads = [threading.Thread(target=lambda: call(client, "DescribeRegions")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.2 <= time.perf_counter() - start < 8 * 0.2


# ---- other clients


def signed(method: str, action: str, **changes: str) -> dict[str, str]:
    parameters = {
        "Action": action,
        "Version": "2014-05-26",
        "RegionId": REGION,
        "AccessKeyId": SHOP_KEY[0],
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": uuid.uuid4().hex,
        "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **changes,
    }
    text = wire.string_to_sign(method, parameters)
    return parameters | {"Signature": wire.sign(SHOP_KEY[1], text)}


def form(parameters: dict[str, str]) -> str:
    return "&".join(
        f"{wire.percent_encode(name)}={wire.percent_encode(value)}"
        for name, value in parameters.items()
    )


def test_get_and_post_query_and_form_body_are_understood(simulator: Running) -> None:
    with httpx.Client(base_url=simulator.url, trust_env=False) as client:
        asked = {"InstanceName": "web *", "Format": "JSON"}
        get = client.get(f"/?{form(signed('GET', 'DescribeInstances', **asked))}")
        query = client.post(f"/?{form(signed('POST', 'DescribeInstances', **asked))}")
        body = client.post(
            "/",
            content=form(signed("POST", "DescribeInstances", **asked)),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        parameters = list(signed("POST", "DescribeInstances", **asked).items())
        both = client.post(f"/?{form(dict(parameters[:4]))}", content=form(dict(parameters[4:])))
    for answer in (get, query, body, both):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.json()["TotalCount"] == 0


def test_answers_and_errors_are_xml_unless_json_is_asked_for(simulator: Running) -> None:
    with httpx.Client(base_url=simulator.url, trust_env=False) as client:
        good = client.get(f"/?{form(signed('GET', 'DescribeRegions'))}")
        bad = client.get(f"/?{form(signed('GET', 'DescribeInstances', Status='Gone'))}")
        other = client.put("/")
    assert good.headers["content-type"].startswith("text/xml")
    assert "<DescribeRegionsResponse>" in good.text
    assert bad.status_code == 404
    assert "<Error>" in bad.text
    assert "<Code>InvalidStatus.NotFound</Code>" in bad.text
    assert "<HostId>ecs.aliyuncs.com</HostId>" in bad.text
    assert other.status_code == 403


def test_bytes_that_are_no_text_are_refused_and_not_an_accident(simulator: Running) -> None:
    with httpx.Client(base_url=simulator.url, trust_env=False) as client:
        assert client.post("/?Action=%ff%fe", content=b"\xff\x00=\x01").status_code == 400
        large = client.post("/", content=b"x" * 5_000_000)
        assert large.status_code == 413
        assert "<Code>RequestEntityTooLarge</Code>" in large.text
        assert client.get("/_simulator/estate?x=1").status_code == 200


# ---- the control interface over HTTP


def test_the_estate_is_got_and_put_over_http(simulator: Running, control: httpx.Client) -> None:
    assert control.get("/estate").json() == demo_estate()
    small = estate(groups=[group("sg-only")])
    answer = control.put("/estate", json=small)
    assert (answer.status_code, answer.json()) == (200, control.get("/estate").json())
    refused = control.put("/estate", json={"instances": [{}]})
    assert (refused.status_code, refused.json()) == (422, {"error": "instance: lacks InstanceId"})
    assert control.get("/nothing").status_code == 404


def test_packets_are_judged_over_http(control: httpx.Client) -> None:
    packet = {"source": "i-app01", "destination": "i-db01", "protocol": "tcp"}
    answer = control.post("/packets", json=[packet | {"destination_port": 3306}])
    assert answer.json() == [
        {"verdict": "reachable", "reason": "RULE", "rules": ["sgr-db-from-app"]}
    ]
    assert control.post("/packets", json=packet).status_code == 400


# ---- a process of its own


@contextmanager
def served() -> Iterator[tuple["subprocess.Popen[str]", str]]:
    program = "from app.simulator.server import serve; serve(port=0)"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("simulator ready at http://127.0.0.1:")
            yield process, line.split()[-1]
        finally:
            process.kill()


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err


def test_serve_prints_its_address_and_ends_well_on_sigterm() -> None:
    with served() as (process, url), httpx.Client(base_url=url, trust_env=False) as client:
        assert client.get("/_simulator/estate").json() == demo_estate()
        assert ended(process) == (0, "", "")


@pytest.mark.parametrize(
    ("host", "warning"),
    [
        ("127.0.0.1", ""),
        ("0.0.0.0", "warning: the simulator listens on 0.0.0.0, not on loopback only\n"),
    ],
)
def test_it_says_so_where_others_can_reach_it(
    host: str, warning: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(_listen(host, 0)) as bound:  # nobody listens yet
        _warn_beyond_loopback(bound)
    assert capsys.readouterr().err == warning


def test_the_end_of_the_server_hangs_up_on_held_calls() -> None:
    with served() as (process, url), httpx.Client(base_url=url, trust_env=False) as client:
        client.put("/_simulator/faults", json=[{"kind": "hold"}]).raise_for_status()
        lost: list[Exception] = []

        def call_and_lose() -> None:
            try:
                httpx.post(f"{url}/?{form(signed('POST', 'DescribeRegions'))}", trust_env=False)
            except httpx.TransportError as error:
                lost.append(error)

        held = threading.Thread(target=call_and_lose)
        held.start()
        while not client.get("/_simulator/calls").json()["items"]:
            time.sleep(0.001)
        assert ended(process) == (0, "", "")
        held.join(timeout=10)
        assert isinstance(lost[0], httpx.RemoteProtocolError)
