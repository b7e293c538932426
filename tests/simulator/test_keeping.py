"""The estate in a file, and what the simulator is started with."""

import contextlib
import http.client
import json
import signal
import subprocess
import sys
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
from tests.simulator.estates import ACCOUNT, pair

JOIN = {"SecurityGroupId": "sg-2", "InstanceId": "i-a"}


def test_what_happened_is_in_the_file_when_the_simulator_ends(tmp_path: Path) -> None:
    file = tmp_path / "estate.json"
    dispatcher = Dispatcher(pair())
    with kept(dispatcher, file):
        assert Dispatcher(read_estate(file)).estate() == dispatcher.estate()
        dispatcher.call(Caller(ACCOUNT), "JoinSecurityGroup", JOIN)
    assert Dispatcher(read_estate(file)).estate() == dispatcher.estate()
    assert list(tmp_path.iterdir()) == [file]


def test_a_change_is_in_the_file_while_the_simulator_runs(tmp_path: Path) -> None:
    file = tmp_path / "estate.json"
    dispatcher = Dispatcher(pair())
    with kept(dispatcher, file):
        dispatcher.call(Caller(ACCOUNT), "JoinSecurityGroup", JOIN)
        while Dispatcher(read_estate(file)).estate() != dispatcher.estate():
            pass


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


@contextlib.contextmanager
def started(*options: str) -> Iterator[str]:
    program = [sys.executable, "-m", "app.cli", "simulator", "--port", "0", *options]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
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
    parameters = {
        "Action": "JoinSecurityGroup",
        "Version": "2014-05-26",
        "AccessKeyId": f"key-{ACCOUNT}",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": nonce,
        "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **JOIN,
    }
    text = string_to_sign("GET", parameters)
    return f"/?{urlencode(parameters | {'Signature': sign(f'secret-{ACCOUNT}', text)})}"
