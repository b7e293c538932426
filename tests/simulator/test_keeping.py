"""The estate in a file, and what the simulator is started with."""

import contextlib
import http.client
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from app.simulator.credentials import Caller
from app.simulator.dispatcher import Dispatcher
from app.simulator.errors import EstateError
from app.simulator.keeping import kept, read_estate, write_estate
from app.simulator.server import running
from app.simulator.wire import sign, string_to_sign
from tests.simulator.estates import ACCOUNT, REGION, pair

JOIN = {"SecurityGroupId": "sg-2", "InstanceId": "i-a"}


def test_what_happened_is_in_the_file_when_the_simulator_ends(tmp_path: Path) -> None:
    file = tmp_path / "estate.json"
    dispatcher = Dispatcher(pair())
    with kept(dispatcher, file):
        assert Dispatcher(read_estate(file)).estate() == dispatcher.estate()
        dispatcher.call(Caller(ACCOUNT), "JoinSecurityGroup", JOIN)
    assert Dispatcher(read_estate(file)).estate() == dispatcher.estate()
    assert list(tmp_path.iterdir()) == [file]


def test_a_change_is_in_the_file_when_it_is_answered(tmp_path: Path) -> None:
    file = tmp_path / "estate.json"
    dispatcher = Dispatcher(pair())
    before = dispatcher.estate()
    with kept(dispatcher, file):
        dispatcher.call(Caller(ACCOUNT), "JoinSecurityGroup", JOIN)
        assert Dispatcher(read_estate(file)).estate() == dispatcher.estate() != before


def test_a_change_that_cannot_be_kept_is_answered_with_an_error_and_kept_later(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    dispatcher = Dispatcher(pair())
    with kept(dispatcher, folder / "estate.json"):
        folder.rename(tmp_path / "elsewhere")
        reply = dispatcher.call(Caller(ACCOUNT), "JoinSecurityGroup", JOIN)
        assert (reply.status, reply.body["Code"]) == (500, "InternalError")
        assert "the estate was not kept" in capfd.readouterr().err
        assert read_estate(tmp_path / "elsewhere" / "estate.json") == Dispatcher(pair()).estate()
        assert dispatcher.call(Caller(ACCOUNT), "DescribeRegions", {}).status == 200
        (tmp_path / "elsewhere").rename(folder)
        leave = {"SecurityGroupId": "sg-1", "InstanceId": "i-a"}
        assert dispatcher.call(Caller(ACCOUNT), "LeaveSecurityGroup", leave).status == 200
        assert read_estate(folder / "estate.json") == dispatcher.estate()


def test_an_empty_estate_is_kept_too(tmp_path: Path) -> None:
    file = tmp_path / "estate.json"
    dispatcher = Dispatcher(pair())
    with kept(dispatcher, file):
        dispatcher.replace_estate({})
    assert read_estate(file) == Dispatcher({}).estate()


def test_a_file_that_cannot_be_written_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "estate.json"
    write_estate(file, {"accounts": []})
    with pytest.raises(TypeError):
        write_estate(file, {"accounts": [object()]})
    assert read_estate(file) == {"accounts": []}
    assert list(tmp_path.iterdir()) == [file]


def test_there_need_be_no_file_but_a_broken_one_is_refused(tmp_path: Path) -> None:
    assert read_estate(tmp_path / "no.json") is None
    (tmp_path / "half.json").write_text('{"accounts": [')
    with pytest.raises(EstateError, match=r"half\.json holds no estate"):
        read_estate(tmp_path / "half.json")


# ---- the program


PROGRAM = (sys.executable, "-m", "app.cli", "simulator", "--port", "0")


@contextlib.contextmanager
def started(*options: str) -> Iterator[str]:
    with subprocess.Popen([*PROGRAM, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip().rpartition("/")[2]
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0


def ask(endpoint: str, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(endpoint, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, path, body)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text.startswith((b"{", b"[")) else text


def test_faults_and_the_kept_estate_are_there_from_the_start(tmp_path: Path) -> None:
    faults, file = tmp_path / "faults.json", tmp_path / "kept.json"
    faults.write_text('{"seed": 3, "faults": [{"kind": "throttle"}]}')
    with started("--faults", str(faults), "--persist", str(file)) as endpoint:
        listed = {"seed": 3, "faults": [{"id": "fault-1", "kind": "throttle"}]}
        assert ask(endpoint, "GET", "/_simulator/faults") == (200, listed)
        other = Dispatcher(pair()).estate()
        assert ask(endpoint, "PUT", "/_simulator/estate", json.dumps(other))[0] == 200
    assert read_estate(file) == other
    with started("--persist", str(file), "--no-control") as endpoint:
        assert ask(endpoint, "GET", "/_simulator/estate")[0] == 404
        assert ask(endpoint, "GET", "/?Action=DescribeRegions&Version=2014-05-26")[0] == 400
    assert read_estate(file) == other


def test_faults_that_are_none_keep_the_simulator_from_starting(tmp_path: Path) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text('[{"kind": "bad luck"}]')
    program = [sys.executable, "-m", "app.cli", "simulator", "--faults", str(faults)]
    ended = subprocess.run(program, check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert "kind must be one of" in ended.stderr


def test_what_was_answered_outlives_a_killed_simulator(tmp_path: Path) -> None:
    """Kill it in the middle of the calls of several clients, with no chance to say goodbye."""
    file, first = tmp_path / "kept.json", tmp_path / "first.json"
    first.write_text(json.dumps(pair()))
    options = ("--estate", str(first), "--persist", str(file))
    answered: list[str] = []
    enough = threading.Event()

    def create(endpoint: str, client: int) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            for number in range(10_000):
                name = f"group-{client}-{number}"
                path = signed("CreateSecurityGroup", nonce=name, SecurityGroupName=name)
                status, _ = ask(endpoint, "GET", path)
                assert status == 200
                answered.append(name)
                if len(answered) >= 40:
                    enough.set()

    with subprocess.Popen([*PROGRAM, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        endpoint = process.stdout.readline().strip().rpartition("/")[2]
        settings = json.dumps({"quotas": {"groups_per_region": None}})
        assert ask(endpoint, "PUT", "/_simulator/settings", settings)[0] == 200
        clients = [threading.Thread(target=create, args=(endpoint, each)) for each in range(4)]
        for client in clients:
            client.start()
        assert enough.wait(timeout=60)
        process.kill()
        for client in clients:
            client.join(timeout=60)
    assert process.returncode == -signal.SIGKILL
    estate: Any = Dispatcher(read_estate(file)).estate()
    names = {group["SecurityGroupName"] for group in estate["security_groups"]}
    assert len(answered) >= 40
    assert set(answered) <= names
    with started("--persist", str(file)) as endpoint:
        assert ask(endpoint, "GET", "/_simulator/estate") == (200, estate)


def test_an_estate_that_is_put_is_kept_when_that_is_answered(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    with started("--persist", str(file)) as endpoint:
        status, estate = ask(endpoint, "PUT", "/_simulator/estate", json.dumps(pair()))
        assert (status, read_estate(file)) == (200, estate)


# ---- silence over HTTP


def test_a_silent_call_ends_when_the_client_gives_up() -> None:
    with running(pair()) as simulator:
        simulator.dispatcher.put_faults([{"kind": "not_applied_timeout"}])
        parameters = signed_join()
        client = http.client.HTTPConnection(simulator.endpoint, timeout=0.3)
        with contextlib.closing(client):
            client.request("GET", parameters)
            with pytest.raises(TimeoutError):
                client.getresponse()
        simulator.dispatcher.put_faults([{"kind": "not_applied_timeout", "seconds": 0.05}])
        patient = http.client.HTTPConnection(simulator.endpoint, timeout=10)
        with contextlib.closing(patient):
            patient.request("GET", signed_join("again"))
            with pytest.raises(http.client.RemoteDisconnected):
                patient.getresponse()
        assert simulator.dispatcher.store.instances["i-a"].primary.group_ids == ["sg-1"]


def signed_join(nonce: str = "once") -> str:
    return signed("JoinSecurityGroup", nonce=nonce, **JOIN)


def signed(action: str, *, nonce: str, **fields: str) -> str:
    parameters = {
        "Action": action,
        "Version": "2014-05-26",
        "AccessKeyId": f"key-{ACCOUNT}",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": nonce,
        "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "RegionId": REGION,
        **fields,
    }
    text = string_to_sign("GET", parameters)
    return f"/?{urlencode(parameters | {'Signature': sign(f'secret-{ACCOUNT}', text)})}"
