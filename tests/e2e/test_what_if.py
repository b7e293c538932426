"""What would open and close, asked over HTTP, is what the packet walk finds once it is so."""

from collections.abc import Callable

import pytest

from app.simulator.demo import demo_estate
from tests.support.clouds import ACCOUNT, OTHER_ACCOUNT, REGION
from tests.support.e2e import (
    Api,
    Cloud,
    Document,
    Probe,
    Radius,
    Truth,
    group_in,
    probes,
    rule,
    town,
)

PORTS: tuple[tuple[str, int | None], ...] = (
    ("tcp", 22),
    ("tcp", 3307),
    ("udp", 514),
    ("icmp", None),
)


def of(group_id: str, action: str, account: str = ACCOUNT, **fields: object) -> Document:
    place = {"account_id": account, "region_id": REGION}
    return {"action": action, **place, "group_id": group_id, **fields}


def instance_in(estate: Document, instance_id: str) -> Document:
    found: Document = next(
        each for each in estate["instances"] if each["InstanceId"] == instance_id
    )
    return found


def add_rule(estate: Document) -> None:
    group_in(estate, "sg-db")["Rules"].append(
        rule("sgr-more", ports="22/30", SourceGroupId="sg-web", SourceGroupOwnerId=ACCOUNT)
    )


def add_drop(estate: Document) -> None:
    group_in(estate, "sg-db")["Rules"].append(
        rule("sgr-more", ports="3000/4000", policy="drop", SourceCidrIp="0.0.0.0/0")
    )


def remove_rule(estate: Document) -> None:
    group = group_in(estate, "sg-tight")
    group["Rules"] = [
        each for each in group["Rules"] if each["SecurityGroupRuleId"] != "sgr-tight-out"
    ]


def join(estate: Document) -> None:
    instance_in(estate, "i-log")["SecurityGroupIds"].append("sg-app")


def leave(estate: Document) -> None:
    instance_in(estate, "i-by3")["SecurityGroupIds"].remove("sg-tight")


def isolate(estate: Document) -> None:
    group_in(estate, "sg-app")["InnerAccessPolicy"] = "Drop"


WEB = {"group_id": "sg-web", "account_id": ACCOUNT}
ALL = {"cidr": "0.0.0.0/0"}
ONE = {"cidr": "10.0.0.1/32"}


def ingress(ports: str, peer: Document, **fields: str) -> Document:
    return {"direction": "ingress", "protocol": "tcp", "port_range": ports, "peer": peer, **fields}


CASES: dict[str, tuple[Document, Callable[[Document], None]]] = {
    "a rule that names a group of the other account": (
        of(
            "sg-db",
            "add_rule",
            OTHER_ACCOUNT,
            rule=ingress("22/30", WEB),
        ),
        add_rule,
    ),
    "a drop": (
        of(
            "sg-db",
            "add_rule",
            OTHER_ACCOUNT,
            rule=ingress("3000/4000", ALL, policy="drop"),
        ),
        add_drop,
    ),
    "no egress drop": (of("sg-tight", "remove_rule", rule_id="sgr-tight-out"), remove_rule),
    "a member more": (of("sg-app", "join", instance_id="i-log"), join),
    "a member less": (of("sg-tight", "leave", instance_id="i-by3"), leave),
    "isolated members": (of("sg-app", "inner_access", inner_access="drop"), isolate),
}


def is_seen(probe: Probe, radius: Radius) -> bool:
    """Whether the instances of a packet were read: of the others only the address is judged."""
    item = radius.item_of(probe)
    assert item is not None
    sides = ((probe.source, item["source"]), (probe.target, item["target"]))
    return all("instance_id" in told for end, told in sides if end.instance_id)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("vpc", [False, True], ids=["classic", "vpc"])
def test_what_is_told_beforehand_is_what_changes(
    cloud: Cloud, api: Api, case: str, vpc: bool
) -> None:
    change, make = CASES[case]
    estate = cloud.put(town(vpc=vpc))
    asked = probes(estate, ports=PORTS)
    before = Truth.of(cloud, asked)
    cloud.clear_calls()
    answer = api.ask("POST", "/reachability/what-if", {"changes": [change], "most_items": 10_000})
    assert answer.status_code == 200, answer.text
    assert cloud.changes() == []
    with cloud.edited() as changed:
        make(changed)
    after = Truth.of(cloud, asked)
    for exposure, real in (
        (answer.json()["gained"], before.opened(after)),
        (answer.json()["lost"], before.closed(after)),
    ):
        radius = Radius(exposure)
        surely, perhaps = radius.split(asked)
        seen = {probe for probe in surely if is_seen(probe, radius)}
        assert seen <= real <= surely | perhaps
        assert not perhaps, "everything can be read"
    assert before != after


def test_whom_a_supposed_rule_names_is_known(cloud: Cloud, api: Api) -> None:
    """Nobody else names the group or the address: they are read for the question."""
    cloud.put(demo_estate())
    for peer in ({"group_id": "sg-web", "account_id": ACCOUNT}, {"cidr": "10.170.1.1/32"}):
        change = of("sg-db", "add_rule", OTHER_ACCOUNT, rule=ingress("3306/3306", peer))
        answer = api.ask("POST", "/reachability/what-if", {"changes": [change]})
        gained = answer.json()["gained"]
        sources = ["i-web01", "i-web02"] if "group_id" in peer else ["i-web01"]
        assert [
            (item["source"].get("instance_id"), item["target"]["instance_id"], item["certain"])
            for item in gained["items"]
        ] == [(source, target, True) for source in sources for target in ("i-db01", "i-db02")]


def test_what_the_cloud_would_never_hold_is_refused(cloud: Cloud, api: Api) -> None:
    cloud.put(town(vpc=False))
    for change, status, code in (
        (of("sg-none", "join", instance_id="i-w1"), 404, "target_not_found"),
        (of("sg-app", "remove_rule", rule_id="sgr-none"), 404, "target_not_found"),
        (of("sg-app", "leave", instance_id="i-p1"), 422, "validation"),
        (of("sg-app", "inner_access", inner_access="perhaps"), 422, "validation"),
        (
            of("sg-app", "add_rule", rule=ingress("9/1", ONE)),
            422,
            "invalid_port",
        ),
        (
            of("sg-app", "add_rule", rule=ingress("1/9", {"group_id": "sg-app"})),
            422,
            "validation",
        ),
        (
            of("sg-app", "add_rule", rule=ingress("1/9", {"group_id": "sg-none"})),
            404,
            "target_not_found",
        ),
        (
            of("sg-app", "add_rule", rule=ingress("1/9", {"prefix_list_id": "pl-1"})),
            422,
            "validation",
        ),
        (
            of("sg-app", "add_rule", rule=ingress("1/9", {"cidr": "2001:db8::/32"})),
            422,
            "validation",
        ),
    ):
        answer = api.ask("POST", "/reachability/what-if", {"changes": [change]})
        assert (answer.status_code, answer.json()["code"]) == (status, code), change
