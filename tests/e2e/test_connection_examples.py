"""What stands in the contract about connections works on the demonstration's estate."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from app.api import examples
from app.simulator.demo import demo_estate
from tests.support.e2e import IMPATIENT, Api, Chain, Cloud, Document, chained, until


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """The whole chain in front of the demonstration's estate."""
    folder = tmp_path_factory.mktemp("examples")
    with chained(f"sqlite:///{folder / 'intercom.sqlite3'}", **IMPATIENT) as chain:
        chain.cloud.put(demo_estate())
        yield chain


@pytest.mark.parametrize("name", examples.CONNECT_REQUESTS)
def test_every_connect_request_can_be_planned(api: Api, name: str) -> None:
    plan = api.plan(examples.CONNECT_REQUESTS[name]["value"])
    assert all(each["after"]["verdict"] == "reachable" for each in plan["asked"]["items"])


def test_a_connection_is_made_given_another_end_checked_and_repaired(api: Api) -> None:
    operation = api.connect(examples.BY_GROUP_UNTIL)
    connection_id = operation["connection_id"]
    for example in examples.EXTEND.values():
        answer = api.ask("POST", f"/connections/{connection_id}/extend", example["value"])
        assert answer.json()["expires_at"] == example["value"]["expires_at"]
    checked = api.ask("POST", f"/connections/{connection_id}/check").json()
    assert checked["conditions"][0]["status"] == "true"
    assert api.connection(connection_id)["conditions"] == checked["conditions"]
    body = examples.PLAN_REQUESTS["repair"]["value"] | {"connection_id": connection_id}
    plan = api.ask("POST", "/plans", body).json()
    assert (plan["kind"], plan["changes"]) == ("repair", [])
    applied: Document = api.apply(plan).json()
    repaired = api.ended(applied)
    assert repaired["kind"] == "repair"
    refused = api.ask("POST", f"/operations/{repaired['id']}/rollback").json()
    assert refused["remedy"] == {"method": "DELETE", "path": f"/v1/connections/{connection_id}"}


def test_a_connection_ends_by_itself(api: Api, cloud: Cloud) -> None:
    before = cloud.rules("sg-db")
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=5)
    text = soon.strftime("%Y-%m-%dT%H:%M:%SZ")
    operation = api.start(examples.BY_GROUP | {"expires_at": text})
    connection_id = operation["connection_id"]
    until(
        lambda: api.connection(connection_id)["status"] == "disconnected",
        "it never ends",
    )
    ended = api.connection(connection_id)
    assert datetime.fromisoformat(ended["disconnected_at"]) >= soon
    assert (ended["ending"]["attempts"], ended["ending"]["error"]) == (1, None)
    assert api.get(f"/operations/{ended['ending']['operation_id']}")["status"] == "succeeded"
    assert cloud.rules("sg-db") == before
