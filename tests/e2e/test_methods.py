"""Every method, everywhere it works, judged by the simulator's own packet walk."""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import pytest

from tests.support.clouds import ACCOUNT, OTHER_ACCOUNT
from tests.support.e2e import (
    UNREGISTERED,
    Api,
    Cloud,
    Document,
    Probe,
    Radius,
    Truth,
    asked_probes,
    connect_request,
    probes,
    town,
)

ENDS = ("source", "target")
REGISTERED = {ACCOUNT, OTHER_ACCOUNT}
MATRIX = [
    pytest.param(method, vpc, to, many, both, id="-".join(
        [method, "vpc" if vpc else "classic", "two" if to == OTHER_ACCOUNT else "one",
         "many" if many else "single", "both" if both else "forth"]
    ))
    for method, vpc, to, many, both in product(
        ("address_rules", "shared_group", "dedicated_group", "group_authorization"),
        (False, True),
        (ACCOUNT, OTHER_ACCOUNT),
        (False, True),
        (False, True),
    )
    if to == ACCOUNT or method in {"address_rules", "group_authorization"}
]  # fmt: skip


def asked_for(method: str, to: str, *, many: bool, both: bool) -> Document:
    sources = ["i-w1", "i-w2", "i-w3"] if many else ["i-w1"]
    targets = (
        ["i-d1", "i-d2", "i-d3", "i-d4"]
        if to == OTHER_ACCOUNT
        else ["i-p1", "i-p2", "i-p3", "i-p4"]
    )
    fields: dict[str, Any] = {"bidirectional": True} if both else {}
    return connect_request(method, sources, targets if many else targets[:1], to=to, **fields)


def few(asked: Iterable[Probe]) -> list[str]:
    return sorted(map(str, asked))[:5]


def is_foreign(probe: Probe) -> bool:
    return UNREGISTERED in {probe.source.account_id, probe.target.account_id}


def is_strange(probe: Probe) -> bool:
    return not {probe.source.account_id, probe.target.account_id} <= REGISTERED


def check_exact(before: Truth, after: Truth, plan: Document, asked: Sequence[Probe]) -> None:
    """What changed is what the plan said, and nothing else did."""
    gained, perhaps = Radius(plan["gained"]).split(asked)
    opened = before.opened(after)
    assert few(opened - gained - perhaps) == []
    assert few(gained - opened) == []
    assert all(is_strange(each) for each in perhaps)
    lost, perhaps_lost = Radius(plan["lost"]).split(asked)
    closed = before.closed(after)
    assert few(closed - lost - perhaps_lost) == []
    assert few(lost - closed) == []


def check_count(opened: set[Probe], plan: Document, asked: Sequence[Probe]) -> None:
    """Pairs beyond those asked for are counted, by instance and side."""
    if any("instance_id" not in each[end] for each in plan["gained"]["items"] for end in ENDS):
        return
    wanted = {(each.source.instance_id, each.target.instance_id, each.plane) for each in asked}
    found = {(each.source.instance_id, each.target.instance_id, each.plane) for each in opened}
    assert plan["extra_pairs"] == len(found - wanted)


def check_verdicts(api: Api, truth: Truth, asked: Sequence[Probe]) -> None:
    """Whatever explain says is so.

    The side of an account that nobody can read is not judged, and whether a strange address
    is in such an account's group is unknown.
    """
    for probe, item in zip(asked, api.explain(asked, REGISTERED), strict=True):
        if item["verdict"] == "unknown":
            assert is_strange(probe), (probe, item)
        elif item["verdict"] == "blocked" or not is_foreign(probe):
            assert (item["verdict"] == "reachable") is truth.verdicts[probe], (probe, item)


@pytest.mark.parametrize(("method", "vpc", "to", "many", "both"), MATRIX)
def test_a_connection_opens_what_its_plan_says_and_a_disconnect_restores_everything(
    api: Api, cloud: Cloud, method: str, vpc: bool, to: str, many: bool, both: bool
) -> None:
    start = cloud.put(town(vpc=vpc))
    request = asked_for(method, to, many=many, both=both)
    packets = probes(start)
    before = Truth.of(cloud, packets)

    plan = api.plan(request)
    assert cloud.changes() == []
    operation = api.connect(request)

    after = Truth.of(cloud, packets)
    for probe in asked_probes(start, request):
        assert cloud.passes(probe), probe
    check_exact(before, after, plan, packets)
    check_count(before.opened(after), plan, asked_probes(start, request))
    check_verdicts(api, after, packets[::7])

    again = api.plan(request)
    assert again["changes"] == []
    assert again["gained"]["items"] == again["lost"]["items"] == []

    api.disconnect(operation["connection_id"])
    assert cloud.estate() == start
