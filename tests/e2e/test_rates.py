"""The service keeps to its share of the cloud's rate limits, and can still go back."""

from collections.abc import Iterator

import pytest

from tests.support.clouds import ACCOUNT
from tests.support.e2e import IMPATIENT, Api, Chain, Cloud, Document, chained, connect_request, pair

ADD, REMOVE = "AuthorizeSecurityGroup", "RevokeSecurityGroup"
ONE_WAY = connect_request("address_rules", ["i-a"], ["i-b"])


@pytest.fixture(params=[{}])
def chain(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chain]:
    url = f"sqlite:///{tmp_path_factory.mktemp('rates') / 'intercom.sqlite3'}"
    limits = {"*": 20, "Describe*": 4000} | request.param
    with chained(url, **IMPATIENT, rate_limits=limits, sends=1) as chain:
        yield chain


def counted(api: Api, action: str) -> Document:
    calls = api.get(f"/accounts/{ACCOUNT}/calls")["items"]
    return next(each for each in calls if each["action"] == action)


def on_port(port: int) -> Document:
    flows = [{"protocol": "tcp", "port_range": f"{port}/{port}"}]
    return connect_request("address_rules", ["i-a"], ["i-b"], flows=flows)


def test_a_limit_is_kept_and_what_was_done_can_be_taken_back(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    ended: list[Document] = []
    for port in range(3000, 3014):
        operation = api.start(on_port(port))
        while not operation["done"]:
            operation = api.operation(operation)
        ended.append(operation)
        if operation["status"] != "succeeded":
            break
    assert ended[-1]["status"] == "rolled_back"
    assert ended[-1]["error"]["code"] == "cloud_throttled"
    assert len(cloud.changes(ADD)) <= 8  # a fifth of ten is kept for the way back
    spent = counted(api, ADD)
    assert spent["limit"] == 10
    assert spent["calls"] == len(cloud.changes(ADD))
    assert spent["refused"] >= 1


@pytest.mark.parametrize("chain", [{ADD: 400}], indirect=True)
def test_a_rollback_has_a_reserve(api: Api, cloud: Cloud) -> None:
    """Ordinary calls have used up their share of removals; the way back removes all the same."""
    cloud.put(pair())
    both = connect_request("address_rules", ["i-a"], ["i-b"], bidirectional=True)
    connections = [api.connect(on_port(port))["connection_id"] for port in (3000, 3001)]
    while connections:  # the second of them may be refused for its rate already
        operation = api.ask("DELETE", f"/connections/{connections.pop()}").json()
        while not operation["done"]:
            operation = api.operation(operation)
    before = cloud.estate()
    refusal = {"code": "Forbidden.RAM", "status": 403}
    cloud.faults(cloud.fault(ADD, "error", nth=2, **refusal))
    operation = api.connect(both, "rolled_back")
    assert operation["error"]["cloud_code"] == "Forbidden.RAM"
    assert cloud.estate() == before


@pytest.mark.fault("F22")
def test_a_throttled_minute_is_not_asked_again(api: Api, cloud: Cloud) -> None:
    cloud.put(pair())
    cloud.faults(cloud.fault(ADD, "throttle"))
    api.connect(ONE_WAY, "rolled_back")
    made = len(cloud.changes(ADD))
    assert made == 1
    api.connect(ONE_WAY, "rolled_back")
    assert len(cloud.changes(ADD)) in {made, made + 1}  # one more if a minute has begun
    assert counted(api, ADD)["throttled"] >= 1
    cloud.clear_faults()
