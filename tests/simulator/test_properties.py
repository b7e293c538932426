"""What must be true after any sequence of calls, and of every rule."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from app.simulator.actions import ACTIONS
from app.simulator.credentials import Caller
from app.simulator.dispatcher import Dispatcher
from tests.simulator import estates
from tests.simulator.codes import is_told
from tests.simulator.estates import ACCOUNT, OTHER_ACCOUNT, REGION, Cloud, RefusedError

QUOTAS = {
    "rules_per_group": 6,
    "rules_per_interface": 9,
    "groups_per_interface": 3,
    "instances_per_classic_group": 2,
    "addresses_per_vpc_group": 3,
    "groups_per_region": 6,
    "peer_groups_per_group": 2,
}
INSTANCES = ("i-a", "i-b", "i-c", "i-v", "i-w", "i-e")


def start() -> dict[str, Any]:
    """Two accounts with classic and VPC instances, an enterprise group and a prefix list."""
    vpc = {"VpcId": "vpc-1"}
    ports: Any = {"PortRangeListId": "prl-1", "OwnerId": ACCOUNT, "RegionId": REGION}
    ports |= {"MaxEntries": 2, "Entries": ["80/80"]}
    return {"port_lists": [ports]} | estates.estate(
        vpcs=[estates.vpc()],
        prefix_lists=[
            {
                "PrefixListId": "pl-1",
                "OwnerId": ACCOUNT,
                "RegionId": REGION,
                "AddressFamily": "IPv4",
                "MaxEntries": 3,
                "Entries": ["10.9.0.0/24"],
            }
        ],
        groups=[
            estates.group("sg-1", estates.rule("sgr-1")),
            estates.group("sg-2"),
            estates.group("sg-v", **vpc),
            estates.group("sg-e", SecurityGroupType="enterprise", **vpc),
            estates.group("sg-o", owner=OTHER_ACCOUNT),
        ],
        instances=[
            estates.instance("i-a", "10.1.0.1", "sg-1"),
            estates.instance("i-b", "10.1.0.2", "sg-2"),
            estates.instance("i-v", "172.16.0.1", "sg-v", **vpc),
            estates.instance("i-w", "172.16.0.2", "sg-v", **vpc),
            estates.instance("i-e", "172.16.0.3", "sg-e", **vpc),
            estates.instance("i-c", "10.1.0.3", "sg-o", OwnerId=OTHER_ACCOUNT),
        ],
    )


PERMISSIONS = st.fixed_dictionaries(
    {
        "IpProtocol": st.sampled_from(["tcp", "udp", "all", "icmp"]),
        "PortRange": st.sampled_from(["22/22", "80/90", "-1/-1", ""]),
    },
    optional={
        "NicType": st.sampled_from(["intranet", "internet"]),
        "SourceCidrIp": st.sampled_from(["10.0.0.1", "10.0.0.0/8", "0.0.0.0/0"]),
        "DestCidrIp": st.sampled_from(["10.0.0.2", "10.1.0.0/16"]),
        "SourceGroupId": st.sampled_from(["sg-1", "sg-2", "sg-v", "sg-e", "sg-o"]),
        "DestGroupId": st.sampled_from(["sg-1", "sg-2", "sg-v"]),
        "SourceGroupOwnerId": st.sampled_from([ACCOUNT, OTHER_ACCOUNT]),
        "SourcePrefixListId": st.just("pl-1"),
        "PortRangeListId": st.just("prl-1"),
        "Priority": st.sampled_from([1, 2, 100, 101]),
        "Policy": st.sampled_from(["accept", "drop"]),
    },
)


class AnyCalls(RuleBasedStateMachine):
    """Any calls by two accounts, most of them refused."""

    def __init__(self) -> None:
        super().__init__()
        self.cloud = Cloud(start())
        self.cloud.dispatcher.put_settings({"quotas": QUOTAS})

    def call(self, action: str, account_id: str = ACCOUNT, **fields: Any) -> None:
        refused = None
        try:
            self.cloud(action, account_id=account_id, **fields)
        except RefusedError as error:
            refused = (error.status, error.code)
        assert refused is None or is_told(action, *refused), (action, fields, refused)
        assert (self.cloud.dispatcher.journal._entries[-1].status or 500) < 500

    def group_id(self, number: int) -> str:
        ids = sorted(self.cloud.dispatcher.store.groups)
        return ids[number % len(ids)] if ids else "sg-none"

    def rule_id(self, number: int) -> str:
        ids = sorted(self.cloud.dispatcher.store.rule_groups)
        return ids[number % len(ids)] if ids else "sgr-none"

    @rule(account=st.sampled_from([ACCOUNT, OTHER_ACCOUNT]), vpc=st.booleans(), token=st.booleans())
    def create(self, account: str, vpc: bool, token: bool) -> None:
        fields = ({"VpcId": "vpc-1"} if vpc else {}) | ({"ClientToken": "t"} if token else {})
        self.call("CreateSecurityGroup", account, **fields)

    @rule(number=st.integers(0, 9))
    def delete(self, number: int) -> None:
        self.call("DeleteSecurityGroup", SecurityGroupId=self.group_id(number))

    @rule(
        number=st.integers(0, 9),
        instance=st.sampled_from(INSTANCES),
        action=st.sampled_from(["JoinSecurityGroup", "LeaveSecurityGroup"]),
    )
    def move(self, number: int, instance: str, action: str) -> None:
        self.call(action, SecurityGroupId=self.group_id(number), InstanceId=instance)

    @rule(numbers=st.lists(st.integers(0, 9), max_size=4), instance=st.sampled_from(INSTANCES))
    def replace(self, numbers: list[int], instance: str) -> None:
        ids = [self.group_id(number) for number in numbers]
        self.call("ModifyInstanceAttribute", InstanceId=instance, SecurityGroupIds=ids)

    @rule(
        number=st.integers(0, 9),
        action=st.sampled_from(["AuthorizeSecurityGroup", "RevokeSecurityGroup"]),
        egress=st.booleans(),
        permissions=st.lists(PERMISSIONS, min_size=1, max_size=4),
    )
    def change_rules(
        self, number: int, action: str, egress: bool, permissions: list[dict[str, Any]]
    ) -> None:
        self.call(
            f"{action}Egress" if egress else action,
            SecurityGroupId=self.group_id(number),
            Permissions=permissions,
        )

    @rule(number=st.integers(0, 99), egress=st.booleans())
    def revoke_one(self, number: int, egress: bool) -> None:
        rule_id = self.rule_id(number)
        group_id = self.cloud.dispatcher.store.rule_groups.get(rule_id, "sg-1")
        action = "RevokeSecurityGroupEgress" if egress else "RevokeSecurityGroup"
        self.call(action, SecurityGroupId=group_id, SecurityGroupRuleId=[rule_id])

    @rule(number=st.integers(0, 9), policy=st.sampled_from(["Accept", "Drop"]))
    def set_policy(self, number: int, policy: str) -> None:
        group_id = self.group_id(number)
        self.call("ModifySecurityGroupPolicy", SecurityGroupId=group_id, InnerAccessPolicy=policy)

    @rule(
        action=st.sampled_from(sorted({name for _, name in ACTIONS})),
        number=st.integers(0, 99),
        instance=st.sampled_from(INSTANCES),
        more=PERMISSIONS,
    )
    def anything(self, action: str, number: int, instance: str, more: dict[str, Any]) -> None:
        self.call(
            action,
            SecurityGroupId=self.group_id(number),
            SecurityGroupRuleId=self.rule_id(number),
            InstanceId=instance,
            PrefixListId="pl-1",
            ResourceType="securitygroup",
            **more,
        )

    @rule(version=st.integers(0, 30))
    def look_back(self, version: int) -> None:
        before = self.cloud.estate()
        store = self.cloud.dispatcher.store
        with store.as_of(max(store.version - version, 0)):
            pass
        assert self.cloud.estate() == before

    @invariant()
    def the_estate_can_be_put_again(self) -> None:
        estate = self.cloud.estate()
        assert Dispatcher(estate).estate() == estate

    @invariant()
    def every_interface_is_in_a_group_that_knows_it(self) -> None:
        store = self.cloud.dispatcher.store
        for interface in store.interfaces.values():
            assert interface.group_ids
            assert len(set(interface.group_ids)) == len(interface.group_ids)
            for group_id in interface.group_ids:
                assert store.members[group_id][interface.interface_id] is interface
        held = sum(len(members) for members in store.members.values())
        assert held == sum(len(item.group_ids) for item in store.interfaces.values())

    @invariant()
    def rules_have_one_id_one_meaning_and_peers_that_are_there(self) -> None:
        store = self.cloud.dispatcher.store
        ids = [rule_id for group in store.groups.values() for rule_id in group.rules]
        assert len(set(ids)) == len(ids) == len(store.rule_groups)
        named: Counter[tuple[str, str]] = Counter()
        for group in store.groups.values():
            identities = {item.identity() for item in group.rules.values()}
            assert len(identities) == len(group.rules)
            for item in group.rules.values():
                if item.peer_group_id:
                    assert item.peer_group_id in store.groups
                    named[item.peer_group_id, group.group_id] += 1
        kept = {
            (peer, group_id): number
            for peer, counter in store.references.items()
            for group_id, number in counter.items()
        }
        assert kept == named

    @invariant()
    def quotas_hold(self) -> None:
        store = self.cloud.dispatcher.store
        for group in store.groups.values():
            weight = sum(store.weight(item) for item in group.rules.values())
            assert group.weight == weight <= QUOTAS["rules_per_group"]
            assert len(group.peer_group_ids()) <= QUOTAS["peer_groups_per_group"]
            if group.vpc_id is None:
                members = list(store.members_of(group))
                assert len(members) <= QUOTAS["instances_per_classic_group"]
        for interface in store.interfaces.values():
            groups = store.groups_on(interface)
            assert len(groups) <= QUOTAS["groups_per_interface"]
            assert sum(group.weight for group in groups) <= QUOTAS["rules_per_interface"]
        for groups_there in store.groups_of.values():
            assert len(groups_there) <= QUOTAS["groups_per_region"]


AnyCalls.TestCase.settings = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestAnyCalls = AnyCalls.TestCase


@pytest.mark.long
@pytest.mark.timeout(1800)
class TestAnyCallsForLong(AnyCalls.TestCase):  # type: ignore[misc,valid-type]  # hypothesis made it
    settings = settings(max_examples=2000, stateful_step_count=60, deadline=None)


# ---- rules

SHOWN: dict[str, Callable[[str], str]] = {
    "IpProtocol": str.upper,
    "PortRange": str,
    "Policy": str.capitalize,
    "Priority": str,
    "NicType": str,
}


@settings(max_examples=150, deadline=None)
@given(
    protocol=st.sampled_from(["tcp", "udp", "icmp", "gre", "all"]),
    ports=st.tuples(st.integers(1, 65535), st.integers(1, 65535)).map(sorted),
    priority=st.integers(1, 100),
    policy=st.sampled_from(["accept", "drop"]),
    nic_type=st.sampled_from(["intranet", "internet"]),
    address=st.ip_addresses(v=4),
    egress=st.booleans(),
)
def test_what_authorize_adds_describe_shows_and_revoke_removes(
    protocol: str,
    ports: list[int],
    priority: int,
    policy: str,
    nic_type: str,
    address: Any,
    egress: bool,
) -> None:
    cloud = Cloud(estates.pair())
    before = cloud.estate()
    suffix, far = ("Egress", "Dest") if egress else ("", "Source")
    asked: dict[str, Any] = {
        "IpProtocol": protocol,
        "PortRange": "/".join(map(str, ports)) if protocol in ("tcp", "udp") else "-1/-1",
        "Priority": priority,
        "Policy": policy,
        "NicType": nic_type,
        f"{far}CidrIp": str(address),
    }
    for _ in range(2):
        cloud(f"AuthorizeSecurityGroup{suffix}", SecurityGroupId="sg-2", **asked)
    (shown,) = cloud.rules("sg-2", NicType=nic_type)
    assert {name: shown[name] for name in SHOWN} == {
        name: spelt(str(asked[name])) for name, spelt in SHOWN.items()
    }
    assert shown["Direction"] == ("egress" if egress else "ingress")
    assert shown[f"{far}CidrIp"].removesuffix("/32") == str(address)
    assert cloud.rules("sg-2", NicType={"intranet": "internet"}.get(nic_type, "intranet")) == []
    cloud(f"RevokeSecurityGroup{suffix}", SecurityGroupId="sg-2", **asked)
    assert cloud.rules("sg-2", NicType=nic_type) == []
    assert cloud.estate() == before


PORT_RANGES = st.tuples(st.integers(1, 65535), st.integers(1, 65535)).map(
    lambda ends: f"{min(ends)}/{max(ends)}"
)


@st.composite
def permissions_in_a_vpc(draw: st.DrawFn, far: str, near: str) -> dict[str, str]:
    """A rule with any kind of peer, as the answer spells it; perhaps with the rest of a 5-tuple."""
    is_ipv6 = draw(st.booleans())
    spelt, longest = ("Ipv6", 128) if is_ipv6 else ("", 32)
    addresses = st.ip_addresses(v=6) if is_ipv6 else st.ip_addresses(v=4)
    blocks = addresses.map(lambda address: f"{address}/{longest}")
    one, other = draw(blocks), draw(blocks)
    peers = [{f"{spelt}{far}CidrIp": one}, {f"{far}GroupId": "sg-1"}]
    if not is_ipv6:
        peers.append({f"{far}PrefixListId": "pl-1"})
    asked = draw(st.sampled_from(peers))
    if one != other and draw(st.booleans()):
        asked = asked | {f"{spelt}{near}CidrIp": other}
    protocol = draw(st.sampled_from(("TCP", "UDP", "ALL")))
    if protocol == "ALL":
        return asked | {"IpProtocol": protocol, "PortRange": "-1/-1"}
    if draw(st.booleans()):
        asked = asked | {"SourcePortRange": draw(PORT_RANGES)}
    ports = (
        {"PortRangeListId": "prl-1"} if draw(st.booleans()) else {"PortRange": draw(PORT_RANGES)}
    )
    return asked | {"IpProtocol": protocol, **ports}


@settings(max_examples=100, deadline=None)
@given(data=st.data(), egress=st.booleans())
def test_whatever_its_peer_a_rule_is_shown_as_authorized_and_then_revoked(
    data: st.DataObject, egress: bool
) -> None:
    cloud = Cloud(start())
    cloud("CreateSecurityGroup", SecurityGroupName="peer", VpcId="vpc-1")
    before = cloud.estate()
    suffix, far, near = ("Egress", "Dest", "Source") if egress else ("", "Source", "Dest")
    asked = data.draw(permissions_in_a_vpc(far, near))
    if f"{far}GroupId" in asked:
        asked[f"{far}GroupId"] = next(
            item["SecurityGroupId"]
            for item in before["security_groups"]
            if item["SecurityGroupName"] == "peer"
        )
    call: Any = {"SecurityGroupId": "sg-v", "Permissions": [asked]}
    for _ in range(2):
        cloud(f"AuthorizeSecurityGroup{suffix}", **call)
    (shown,) = cloud.rules("sg-v")
    assert {name: shown[name] for name in asked} == asked
    unused = {name for name, text in shown.items() if text and name not in asked}
    assert not {name for name in unused if name.endswith(("CidrIp", "GroupId", "ListId"))}
    cloud(f"RevokeSecurityGroup{suffix}", **call)
    assert cloud.estate() == before


# ---- many at once


def test_many_clients_see_one_history() -> None:
    """What threads did at once is what one client does alone, in the order of the versions."""
    together = Dispatcher(start())
    seen: list[tuple[int, str]] = []

    def act(number: int) -> None:
        for turn in range(24):
            # Every call that is not refused changes something: rules are the thread's own.
            port = 1000 + number * 100 + turn // 2
            fields = {
                "RegionId": REGION,
                "SecurityGroupId": ("sg-1", "sg-2")[turn // 2 % 2],
                "IpProtocol": "tcp",
                "PortRange": f"{port}/{port}",
                "SourceCidrIp": "10.0.0.9",
                "NicType": "intranet",
            }
            action = ("AuthorizeSecurityGroup", "RevokeSecurityGroup")[turn % 2 * (turn % 3 > 0)]
            if turn % 2 == 0 or turn % 3:
                together.call(Caller(ACCOUNT), action, fields)
            move = ("JoinSecurityGroup", "LeaveSecurityGroup")[turn % 2]
            member = {"SecurityGroupId": "sg-2", "InstanceId": "i-a"}
            together.call(Caller(ACCOUNT), move, member)
            with together.lock:
                seen.append((together.store.version, json.dumps(together.estate())))

    threads = [threading.Thread(target=act, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    alone = Dispatcher(start())
    history = {alone.store.version: json.dumps(alone.estate())}
    items = together.journal.as_json()["items"]
    assert isinstance(items, list)
    applied = [entry for entry in items if entry["applied"]]
    assert len({entry["version"] for entry in applied}) == len(applied) > 100
    for entry in sorted(applied, key=lambda entry: entry["version"]):
        alone.call(Caller(ACCOUNT), entry["action"], entry["parameters"])
        assert alone.store.version == entry["version"]
        history[alone.store.version] = json.dumps(alone.estate())
    assert alone.estate() == together.estate()
    assert all(history[version] == estate for version, estate in seen)
