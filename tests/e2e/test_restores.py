"""Backups and restores end to end: what is restored is what was, on the ground."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from app.api import examples
from app.simulator.demo import demo_estate
from tests.support.clouds import ACCOUNT, OTHER_ACCOUNT, REGION, group_entry, instance_entry
from tests.support.e2e import (
    IMPATIENT,
    Api,
    Chain,
    Cloud,
    Document,
    Probe,
    Radius,
    Truth,
    chained,
    connect_request,
    estate,
    group_in,
    probes,
    rule,
)

MANY_RULES = 1200
LOOSE = {"rules_per_group": 2000, "rules_per_nic": 4000}
PORTS: tuple[tuple[str, int | None], ...] = (
    ("tcp", 22), ("tcp", 80), ("udp", 80), ("icmp", None), ("gre", None),
)  # fmt: skip


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """The whole chain, with room for more rules than a page holds."""
    folder = tmp_path_factory.mktemp("restores")
    settings: Any = IMPATIENT | LOOSE
    with chained(f"sqlite:///{folder / 'intercom.sqlite3'}", **settings) as chain:
        yield chain


# --- groups by chance -----------------------------------------------------------------


class Chance:
    """Draws an estate in one of the networks, and what becomes of its group sg-0."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self.vpc_id = self._random.choice([None, "vpc-1"])
        self._numbers = iter(range(1, 10_000))

    def one(self, *items: Any) -> Any:
        return self._random.choice(items)

    def estate(self) -> Document:
        groups = [
            group_entry(
                f"sg-{n}",
                vpc_id=self.vpc_id,
                rules=self.rules(self._random.randint(2, 8)) if n < 2 else (),
                Description=f"group {n}",
                InnerAccessPolicy=self.one("Accept", "Drop"),
            )
            for n in range(4)
        ]
        lists = [
            {"PrefixListId": "pl-offices", "OwnerId": ACCOUNT, "RegionId": REGION,
             "AddressFamily": "IPv4", "MaxEntries": 5, "Entries": ["172.16.0.0/30"]}
        ]  # fmt: skip
        return estate(groups, [self._host(n) for n in range(6)], prefix_lists=lists)

    def _host(self, number: int) -> Document:
        joined = {"sg-0"} if number < 2 else {f"sg-{self._random.randint(1, 3)}"}
        joined |= {f"sg-{self._random.randint(1, 3)}"}
        fields: Document = {"Ipv6": f"2001:db8::{number + 1}"} if self.vpc_id else {}
        if self.vpc_id is None:
            fields = {"PublicIp": f"203.0.113.{number + 1}"}
        network = "172.16.0" if self.vpc_id else "10.170.0"
        address = f"{network}.{number + 1}"
        return instance_entry(
            f"i-{number}", sorted(joined), private_ip=address, vpc_id=self.vpc_id, **fields
        )

    def rules(self, count: int) -> list[Document]:
        drawn = [self._rule() for _ in range(count)]
        drawn += [{**each, "Priority": 7} for each in drawn[:2]]  # equal but for the priority
        different = {str({**each, "SecurityGroupRuleId": ""}): each for each in drawn}
        return [
            {**each, "SecurityGroupRuleId": f"sgr-{next(self._numbers)}", "Description": "people's"}
            for each in different.values()
        ]

    def _rule(self) -> Document:
        protocol = self.one("tcp", "tcp", "udp", "icmp", "gre", "all")
        egress = self._random.random() < 0.3
        policy = self.one("accept", "accept", "drop")
        nic = "intranet" if self.vpc_id else self.one("intranet", "intranet", "internet")
        side = "Dest" if egress else "Source"
        network = "172.16" if self.vpc_id else "10.170"
        blocks = [f"{network}.0.0/16", f"{network}.0.2/32", f"{network}.0.0/29"]
        if egress or policy == "drop" or nic == "internet":
            blocks.append("0.0.0.0/0")
        peers: list[Document] = [{f"{side}CidrIp": each} for each in blocks]
        if nic == "intranet":
            peers += [{f"{side}GroupId": f"sg-{n}"} for n in (2, 3)]
        if self.vpc_id:
            peers.append({f"{side}PrefixListId": "pl-offices"})
            if protocol != "icmp":
                peers += [
                    {f"Ipv6{side}CidrIp": each} for each in ("2001:db8::/64", "2001:db8::3/128")
                ]
        ports = self.one("22/22", "80/80", "1/65535", "22/80")
        return rule(
            "sgr-?",
            protocol=protocol,
            ports=ports if protocol in {"tcp", "udp"} else None,
            egress=egress,
            policy=policy,
            priority=self.one(1, 5, 100),
            nic=nic,
            **self.one(*peers),
        )

    def spoil(self, present: Document) -> None:
        """Let somebody change sg-0: its rules, its policy, its members."""
        group = group_in(present, "sg-0")
        kept = [each for each in group["Rules"] if self._random.random() < 0.5]
        told = {_meaning(each) for each in kept}
        fresh = [each for each in self.rules(3) if _meaning(each) not in told]
        group["Rules"] = kept + fresh
        if self._random.random() < 0.4:
            group["InnerAccessPolicy"] = self.one("Accept", "Drop")
        for host in present["instances"]:
            ids = set(host["SecurityGroupIds"])
            if self._random.random() < 0.2 and ids - {"sg-0"}:
                host["SecurityGroupIds"] = sorted(ids - {"sg-0"})
            elif self._random.random() < 0.1:
                host["SecurityGroupIds"] = sorted(ids | {"sg-0"})


def _meaning(rule_: Document) -> str:
    """What a rule says, without what is written on it."""
    beside = {"SecurityGroupRuleId", "Description", "CreateTime"}
    return json.dumps({key: value for key, value in rule_.items() if key not in beside},
                      sort_keys=True)  # fmt: skip


def _state(of: Document) -> Document:
    """What a restore is to bring back: rules by meaning, policies and members."""
    return {
        "rules": {each["SecurityGroupId"]: sorted(map(_meaning, each["Rules"]))
                  for each in of["security_groups"]},
        "policies": {each["SecurityGroupId"]: each["InnerAccessPolicy"]
                     for each in of["security_groups"]},
        "members": {each["InstanceId"]: sorted(each["SecurityGroupIds"])
                    for each in of["instances"]},
    }  # fmt: skip


# --- asking ---------------------------------------------------------------------------


def answered(api: Api, method: str, path: str, status: int, body: object = None) -> Document:
    answer = api.ask(method, path, body)
    assert answer.status_code == status, answer.text
    found: Document = answer.json()
    return found


def back_up(api: Api, *group_ids: str, account: str = ACCOUNT) -> list[Document]:
    body: Document = {"account_id": account, "region_id": REGION}
    if group_ids:
        body["security_group_ids"] = list(group_ids)
    items: list[Document] = answered(api, "POST", "/backups", 201, body)["items"]
    return items


def plan(api: Api, backup: Document, mode: str = "full") -> Document:
    body = {"kind": "restore", "backup_id": backup["id"], "mode": mode}
    return answered(api, "POST", "/plans", 201, body)


def restored(api: Api, made: Document, status: str = "succeeded") -> Document:
    answer = api.apply(made)
    assert answer.status_code == 202, answer.text
    return api.ended(answer.json(), status)


def taken_back(api: Api, operation: Document) -> Document:
    return api.ended(answered(api, "POST", f"/operations/{operation['id']}/rollback", 202))


def foretold(exposure: Document, asked: list[Probe], happened: set[Probe]) -> set[Probe]:
    """The packets that an exposure speaks of.

    Of instances beyond the read scope only addresses are known: what their own groups say of
    a packet is not judged, so more of these may be named than change.
    """
    radius = Radius(exposure)
    surely, perhaps = radius.split(asked)
    assert not perhaps
    return {each for each in surely if each in happened or not _is_beyond(each, radius)}


def _is_beyond(probe: Probe, radius: Radius) -> bool:
    item = radius.item_of(probe)
    assert item is not None
    ends = ((probe.source, item["source"]), (probe.target, item["target"]))
    return any(end.instance_id and "instance_id" not in spelt for end, spelt in ends)


# --- there and back -------------------------------------------------------------------


def round_trip(api: Api, cloud: Cloud, seed: int) -> None:
    chance = Chance(seed)
    before = cloud.put(chance.estate())
    asked = probes(before, ports=PORTS)
    was = Truth.of(cloud, asked)
    [backup] = back_up(api, "sg-0")
    with cloud.edited() as present:
        chance.spoil(present)
    spoilt, then = cloud.estate(), Truth.of(cloud, asked)

    told = answered(api, "GET", f"/backups/{backup['id']}/diff", 200)
    assert told["identical"] is (_state(spoilt) == _state(before))
    for side, happened in (("gained", was.opened(then)), ("lost", was.closed(then))):
        assert foretold(told[side], asked, happened) == happened

    answer = api.ask("POST", "/plans", {"kind": "restore", "backup_id": backup["id"],
                                        "mode": "full"})  # fmt: skip
    if answer.status_code == 422:
        assert answer.json()["code"] == "no_safe_order", answer.text
        return
    made = answer.json()
    staying = made["restore"]["staying"]
    assert made["restore"]["not_restorable"] == []
    for side, happens in (("gained", then.opened(was)), ("lost", then.closed(was))):
        assert staying or foretold(made[side], asked, happens) == happens
    operation = restored(api, made)
    after = cloud.estate()
    if not staying:  # an instance never leaves its only group
        assert _state(after) == _state(before)
        assert Truth.of(cloud, asked) == was
        assert answered(api, "GET", f"/backups/{backup['id']}/diff", 200)["identical"]
    else:
        assert {each.get("instance_id") for each in staying} != {None}
        assert _state(after)["rules"] == _state(before)["rules"]
    assert plan(api, backup)["changes"] == []

    taken_back(api, operation)
    assert _state(cloud.estate()) == _state(spoilt)
    assert Truth.of(cloud, asked) == then


@pytest.mark.parametrize("seed", [0, 2, 3, 5])
def test_a_restored_group_is_what_it_was_and_can_be_taken_back(
    api: Api, cloud: Cloud, seed: int
) -> None:
    round_trip(api, cloud, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 200))
def test_any_restored_group_is_what_it_was(api: Api, cloud: Cloud, seed: int) -> None:
    round_trip(api, cloud, seed)


def test_a_restore_in_part_adds_what_is_missing_and_names_what_stays(
    api: Api, cloud: Cloud
) -> None:
    cloud.put(small(rule("sgr-1", ports="80/80", SourceCidrIp="10.170.9.0/24")))
    [backup] = back_up(api, "sg-a")
    foreign = rule("sgr-foreign", ports="22/22", SourceCidrIp="10.170.9.9/32")
    with cloud.edited() as present:
        group_in(present, "sg-a")["Rules"] = [foreign]
    made = plan(api, backup, "partial")
    assert [each["rule"]["rule_id"] for each in made["restore"]["staying"]] == ["sgr-foreign"]
    full = plan(api, backup)
    assert [each["rule"]["rule_id"] for each in full["restore"]["going"]] == ["sgr-foreign"]
    cloud.clear_calls()
    restored(api, made)
    assert {each["PortRange"] for each in cloud.rules("sg-a")} == {"22/22", "80/80"}
    assert [each["action"] for each in cloud.changes()] == ["AuthorizeSecurityGroup"]


def test_rules_keep_what_people_wrote_on_them(api: Api, cloud: Cloud) -> None:
    held = rule("sgr-1", ports="80/80", SourceCidrIp="10.170.9.0/24")
    cloud.put(small({**held, "Description": "the shop"}))
    [backup] = back_up(api, "sg-a")
    with cloud.edited() as present:
        group_in(present, "sg-a")["Rules"] = []
    operation = restored(api, plan(api, backup))
    [there] = cloud.rules("sg-a")
    assert there["Description"] == f"intercom:{operation['id']}:1 the shop"


def test_more_rules_than_a_page_come_back(api: Api, cloud: Cloud) -> None:
    held = [
        rule(f"sgr-{n}", ports=f"{n + 1}/{n + 1}", SourceCidrIp=f"10.170.{n % 200}.0/24")
        for n in range(MANY_RULES)
    ]
    before = cloud.put(small(*held))
    cloud.settings({"quotas": {"rules_per_group": 2000, "rules_per_interface": 4000}})
    [backup] = back_up(api, "sg-a")
    with cloud.edited() as present:
        group_in(present, "sg-a")["Rules"] = held[:3]
    made = plan(api, backup)
    assert len(made["changes"]) == 12
    restored(api, made)
    assert _state(cloud.estate()) == _state(before)


def small(*held: Document, **more: Any) -> Document:
    """i-a in sg-a with these rules, i-b in sg-b, all classic."""
    return estate(
        [group_entry("sg-a", rules=held), group_entry("sg-b"), *more.pop("groups", ())],
        [
            instance_entry("i-a", ["sg-a"], private_ip="10.170.0.1"),
            instance_entry("i-b", ["sg-b"], private_ip="10.170.0.2"),
        ],
        **more,
    )


# --- groups that are gone -------------------------------------------------------------


def tiers() -> Document:
    """sg-app lets sg-web in, and sg-db of another account lets sg-app in."""
    from_web = rule("sgr-app", ports="8080/8080", SourceGroupId="sg-web")
    from_app = rule("sgr-db", ports="3306/3306", SourceGroupId="sg-app", SourceGroupOwnerId=ACCOUNT)
    public = rule("sgr-web", ports="443/443", nic="internet", SourceCidrIp="0.0.0.0/0")
    return estate(
        [
            group_entry("sg-web", rules=[public], SecurityGroupName="web", Description="web tier"),
            group_entry("sg-app", rules=[from_web], SecurityGroupName="app", Tags={"tier": "app"}),
            group_entry("sg-db", rules=[from_app], account=OTHER_ACCOUNT),
            group_entry("sg-rest"),
        ],
        [
            instance_entry("i-web", ["sg-web", "sg-rest"], private_ip="10.170.0.1",
                           PublicIp="203.0.113.1"),
            instance_entry("i-app", ["sg-app", "sg-rest"], private_ip="10.170.0.2"),
            instance_entry("i-db", ["sg-db"], private_ip="10.170.0.3", account=OTHER_ACCOUNT),
        ],
    )  # fmt: skip


def delete(cloud: Cloud, *group_ids: str) -> None:
    """Delete groups by hand: nobody is in them any more, and no rule names them."""
    with cloud.edited() as present:
        for host in present["instances"]:
            host["SecurityGroupIds"] = [
                each for each in host["SecurityGroupIds"] if each not in group_ids
            ]
        for group in present["security_groups"]:
            group["Rules"] = [
                each for each in group["Rules"] if each.get("SourceGroupId") not in group_ids
            ]
        present["security_groups"] = [
            each for each in present["security_groups"] if each["SecurityGroupId"] not in group_ids
        ]


@pytest.mark.parametrize("with_backup", [True, False], ids=["with its backup", "by its name"])
def test_a_group_that_a_rule_named_is_made_anew_and_the_rule_names_it(
    api: Api, cloud: Cloud, *, with_backup: bool
) -> None:
    before = cloud.put(tiers())
    asked = probes(before, ports=(("tcp", 8080), ("tcp", 443), ("icmp", None)))
    was = Truth.of(cloud, asked)
    if with_backup:
        back_up(api, "sg-web")
    else:
        for each in api.get("/backups?group_id=sg-web")["items"]:
            assert api.ask("DELETE", f"/backups/{each['id']}").status_code == 204
    [backup] = back_up(api, "sg-app")
    delete(cloud, "sg-web")
    made = plan(api, backup)
    [remapped] = made["restore"]["remapped"]
    assert remapped["group_id"] == "sg-web"
    assert len(made["restore"]["backup_ids"]) == (2 if with_backup else 1)
    operation = restored(api, made)
    [told] = operation["result"]["restore"]["remapped"]
    [there] = cloud.rules("sg-app")
    assert there["SourceGroupId"] == told["becomes"] != "sg-web"
    new = cloud.group(told["becomes"])
    assert new["SecurityGroupName"] == "web"
    assert new["Description"] == f"intercom:{operation['id']}:0 web tier"
    assert bool(new["Rules"]) is with_backup
    assert cloud.groups_of("i-web") == {told["becomes"], "sg-rest"}
    if with_backup:
        assert Truth.of(cloud, asked) == was

    taken_back(api, operation)
    assert cloud.rules("sg-app") == []
    assert [each["SecurityGroupId"] for each in cloud.estate()["security_groups"]] == [
        "sg-app", "sg-db", "sg-rest",
    ]  # fmt: skip


def test_a_deleted_group_comes_back_and_stands_for_the_old_one_from_then_on(
    api: Api, cloud: Cloud
) -> None:
    before = cloud.put(tiers())
    asked = probes(before, ports=(("tcp", 8080), ("tcp", 3306)))
    was = Truth.of(cloud, asked)
    backups = {each["group_id"]: each for each in back_up(api)}
    [of_db] = back_up(api, "sg-db", account=OTHER_ACCOUNT)
    delete(cloud, "sg-app")
    with pytest.raises(AssertionError):
        cloud.group("sg-app")
    told = answered(api, "GET", f"/backups/{backups['sg-app']['id']}/diff", 200)
    assert told["inner_access"] == {"before": "accept", "after": None}
    assert [each["rule_id"] for each in told["rules"]["removed"]] == ["sgr-app"]
    first = restored(api, plan(api, backups["sg-app"]))
    [remapped] = first["result"]["restore"]["remapped"]
    assert cloud.group(remapped["becomes"])["Tags"] == {"tier": "app"}
    made = plan(api, of_db)
    assert [each["becomes"] for each in made["restore"]["remapped"]] == [remapped["becomes"]]
    restored(api, made)
    assert Truth.of(cloud, asked) == was
    [there] = cloud.rules("sg-db")
    assert there["SourceGroupId"] == remapped["becomes"]
    assert plan(api, backups["sg-app"])["changes"] == []
    for backup in (backups["sg-app"], of_db):
        assert answered(api, "GET", f"/backups/{backup['id']}/diff", 200)["identical"]
    [later] = back_up(api, remapped["becomes"])
    path = f"/backups/{backups['sg-app']['id']}/diff?against={later['id']}"
    found = answered(api, "GET", path, 200)
    assert (found["identical"], found["group_id"]) == (True, remapped["becomes"])


def test_a_deleted_enterprise_group_comes_back_as_one(api: Api, cloud: Cloud) -> None:
    enterprise: Document = {"SecurityGroupType": "enterprise", "InnerAccessPolicy": "Drop"}
    held = [
        rule("sgr-in", ports="80/80", SourceCidrIp="172.16.0.0/24"),
        rule("sgr-out", protocol="all", egress=True, priority=100, Ipv6DestCidrIp="::/0"),
        rule("sgr-out4", protocol="all", egress=True, priority=100, DestCidrIp="172.16.0.0/16"),
    ]
    before = cloud.put(
        estate(
            [
                group_entry("sg-ent", vpc_id="vpc-1", rules=held, **enterprise),
                group_entry("sg-other", vpc_id="vpc-1", **enterprise),
            ],
            [
                instance_entry(f"i-{n}", ["sg-ent", "sg-other"], private_ip=f"172.16.0.{n}",
                               vpc_id="vpc-1", Ipv6=f"2001:db8::{n}")
                for n in (1, 2)
            ],
        )
    )  # fmt: skip
    asked = probes(before, ports=PORTS)
    was = Truth.of(cloud, asked)
    [backup] = back_up(api, "sg-ent")
    delete(cloud, "sg-ent")
    assert Truth.of(cloud, asked) != was
    operation = restored(api, plan(api, backup, "partial"))
    [remapped] = operation["result"]["restore"]["remapped"]
    assert cloud.group(remapped["becomes"])["SecurityGroupType"] == "enterprise"
    assert Truth.of(cloud, asked) == was


def test_a_restore_that_needs_attention_is_resumed(api: Api, cloud: Cloud) -> None:
    before = cloud.put(small(rule("sgr-1", ports="80/80", SourceCidrIp="10.170.9.0/24")))
    [backup] = back_up(api, "sg-a")
    with cloud.edited() as present:
        group_in(present, "sg-a")["Rules"] = [rule("sgr-2", SourceCidrIp="10.170.9.1/32")]
    spoilt = cloud.estate()
    refusal = {"code": "Forbidden.RAM", "status": 403, "when": "before", "times": 50}
    cloud.faults(cloud.fault("RevokeSecurityGroup", "error", **refusal))
    stuck = restored(api, plan(api, backup), "needs_attention")
    assert [each["kind"] for each in stuck["error"]["remaining"]] == ["added_rule"]
    problem = answered(api, "DELETE", f"/backups/{stuck['backup_ids'][0]}", 409)
    assert problem["needed_by"] == [{"operation_id": stuck["id"]}]
    cloud.clear_faults()
    resumed = answered(api, "POST", f"/operations/{stuck['id']}/resume", 202)
    api.ended(resumed, "rolled_back")
    assert _state(cloud.estate()) == _state(spoilt)
    restored(api, plan(api, backup))
    assert _state(cloud.estate()) == _state(before)


def test_a_restore_that_runs_turns_back_when_somebody_asks(api: Api, cloud: Cloud) -> None:
    cloud.put(small(rule("sgr-1", ports="80/80", SourceCidrIp="10.170.9.0/24")))
    [backup] = back_up(api, "sg-a")
    with cloud.edited() as present:
        group_in(present, "sg-a")["Rules"] = [rule("sgr-2", SourceCidrIp="10.170.9.1/32")]
    spoilt = cloud.estate()
    cloud.faults(cloud.fault("RevokeSecurityGroup", "hold", nth=1, when="before"))
    operation = api.apply(plan(api, backup)).json()
    cloud.await_call("AuthorizeSecurityGroup")
    answered(api, "POST", f"/operations/{operation['id']}/rollback", 202)
    cloud.clear_faults()
    ended = api.ended(operation, "rolled_back")
    assert ended["error"]["code"] == "rollback_asked"
    assert _state(cloud.estate()) == _state(spoilt)


def test_what_cannot_be_restored_is_listed_and_the_rest_is_restored(api: Api, cloud: Cloud) -> None:
    system = rule("sgr-system", ports="22/22", priority=110, SourceCidrIp="10.170.8.0/24")
    held = rule("sgr-1", ports="80/80", SourceCidrIp="10.170.9.0/24")
    there = small(system, held)
    there["instances"].append(instance_entry("i-gone", ["sg-a", "sg-b"], private_ip="10.170.0.9"))
    cloud.put(there)
    [backup] = back_up(api, "sg-a")
    with cloud.edited() as present:
        group_in(present, "sg-a")["Rules"] = []
        present["instances"] = [
            each for each in present["instances"] if each["InstanceId"] != "i-gone"
        ]
    made = plan(api, backup)
    codes = [each["code"] for each in made["restore"]["not_restorable"]]
    assert codes == ["system_rule", "instance_gone"]
    restored(api, made)
    assert [each["PortRange"] for each in cloud.rules("sg-a")] == ["80/80"]


# --- what is refused ------------------------------------------------------------------


def test_everybody_is_not_let_in_again(api: Api, cloud: Cloud) -> None:
    cloud.put(demo_estate())
    [backup] = back_up(api, "sg-wide-open")
    with cloud.edited() as present:
        group_in(present, "sg-wide-open")["Rules"] = []
    body = {"kind": "restore", "backup_id": backup["id"], "mode": "full"}
    problem = answered(api, "POST", "/plans", 403, body)
    assert problem["code"] == "guardrail_violation"
    assert {each["nic_type"] for each in problem["rules"]} == {"intranet"}


def test_a_plan_to_restore_is_stale_once_somebody_changed_the_group(api: Api, cloud: Cloud) -> None:
    cloud.put(small(rule("sgr-1", ports="80/80", SourceCidrIp="10.170.9.0/24")))
    [backup] = back_up(api, "sg-a")
    with cloud.edited() as present:
        group_in(present, "sg-a")["Rules"] = []
    made = plan(api, backup)
    with cloud.edited() as present:
        group_in(present, "sg-a")["Rules"] = [rule("sgr-2", SourceCidrIp="10.170.9.1/32")]
    answer = api.apply(made)
    assert (answer.status_code, answer.json()["code"]) == (409, "plan_stale")


def test_backups_of_different_groups_are_not_compared(api: Api, cloud: Cloud) -> None:
    cloud.put(small())
    one, other = back_up(api, "sg-a", "sg-b")
    path = f"/backups/{one['id']}/diff?against={other['id']}"
    assert answered(api, "GET", path, 422)["code"] == "backup_mismatch"


def test_groups_of_nobody_we_know_are_not_backed_up(api: Api, cloud: Cloud) -> None:
    cloud.put(small())
    for body in (
        {"account_id": ACCOUNT, "region_id": REGION, "security_group_ids": ["sg-none"]},
        {"account_id": "1000000000000003", "region_id": REGION},
        {"account_id": ACCOUNT, "region_id": "cn-shanghai"},
    ):
        assert answered(api, "POST", "/backups", 404, body)["code"] == "target_not_found"


# --- versions -------------------------------------------------------------------------


def test_versions_are_listed_newest_first_and_compared(api: Api, cloud: Cloud) -> None:
    cloud.put(small(rule("sgr-1", ports="80/80", SourceCidrIp="10.170.0.2/32")))
    [first] = back_up(api, "sg-a")
    with cloud.edited() as present:
        group_in(present, "sg-a")["Rules"] = []
        group_in(present, "sg-a")["InnerAccessPolicy"] = "Drop"
    [second] = back_up(api, "sg-a")
    listed = api.get("/backups?group_id=sg-a&limit=2")["items"]
    assert [each["id"] for each in listed] == [second["id"], first["id"]]
    path = f"/backups/{first['id']}/diff?against={second['id']}"
    found = answered(api, "GET", path, 200)
    assert [each["rule_id"] for each in found["rules"]["removed"]] == ["sgr-1"]
    assert found["inner_access"] == {"before": "accept", "after": "drop"}
    assert (found["gained"]["pairs"], found["lost"]["pairs"]) == (0, 1)
    there = answered(api, "GET", f"/backups/{second['id']}/diff?against={first['id']}", 200)
    assert (there["gained"], there["lost"]["pairs"]) == (found["lost"], 0)


def test_an_account_is_backed_up_whole(api: Api, cloud: Cloud) -> None:
    cloud.put(demo_estate())
    taken = back_up(api)
    demo: Document = demo_estate()
    there = {
        each["SecurityGroupId"]
        for each in demo["security_groups"]
        if (each["OwnerId"], each["RegionId"]) == (ACCOUNT, REGION)
    }
    assert {each["group_id"] for each in taken} == there
    assert {each["origin"] for each in taken} == {"manual"}


def test_exports_come_back_as_equal_groups(api: Api, cloud: Cloud) -> None:
    chance = Chance(0)
    before = cloud.put(chance.estate())
    [backup] = back_up(api, "sg-0")
    exported = api.get(f"/backups/{backup['id']}/export")
    table = api.ask("GET", f"/backups/{backup['id']}/export?format=csv").text
    imports: list[Document] = [exported, {"format": "csv", "table": table}]
    for body in imports:
        brought = answered(api, "POST", "/backups/import", 201, body)
        assert brought["sha256"] == backup["sha256"]
        with cloud.edited() as present:
            group_in(present, "sg-0")["Rules"] = []
        restored(api, plan(api, brought))
        assert _state(cloud.estate()) == _state(before)


def test_every_example_about_backups_works_on_the_demo_estate(api: Api, cloud: Cloud) -> None:
    cloud.put(demo_estate())
    for each in examples.BACKUP_REQUESTS.values():
        taken = answered(api, "POST", "/backups", 201, each["value"])["items"]
        assert taken
    for each in examples.IMPORTS.values():
        answered(api, "POST", "/backups/import", 201, each["value"])
    [backup] = back_up(api, "sg-db", account=OTHER_ACCOUNT)
    assert backup["sha256"] == examples.EXPORT["sha256"]
    exported = answered(api, "GET", f"/backups/{backup['id']}/export", 200)
    assert exported == examples.EXPORT
    table = api.ask("GET", f"/backups/{backup['id']}/export?format=csv")
    assert table.text == examples.EXPORTED_TABLE
    assert answered(api, "GET", f"/backups/{backup['id']}/diff?against=current", 200)["identical"]
    for name in ("restore", "restore in part"):
        body = examples.PLAN_REQUESTS[name]["value"] | {"backup_id": backup["id"]}
        assert answered(api, "POST", "/plans", 201, body)["kind"] == "restore"


def test_what_was_never_there_is_imported_but_not_opened(api: Api, cloud: Cloud) -> None:
    cloud.put(small(rule("sgr-1", ports="80/80", SourceCidrIp="10.170.0.2/32")))
    [backup] = back_up(api, "sg-a")
    forged = api.get(f"/backups/{backup['id']}/export")
    del forged["sha256"]
    [permission] = forged["attributes"][1]["Permissions"]["Permission"]
    permission["SourceCidrIp"] = "128.0.0.0/2"
    brought = answered(api, "POST", "/backups/import", 201, forged)
    body = {"kind": "restore", "backup_id": brought["id"], "mode": "full"}
    problem = answered(api, "POST", "/plans", 403, body)
    assert [each["code"] for each in problem["violations"]] == ["too_many_addresses"]


def test_an_export_that_was_changed_on_the_way_is_refused(api: Api, cloud: Cloud) -> None:
    cloud.put(small(rule("sgr-1", ports="80/80", SourceCidrIp="10.170.0.2/32")))
    [backup] = back_up(api, "sg-a")
    exported = api.get(f"/backups/{backup['id']}/export")
    [permission] = exported["attributes"][1]["Permissions"]["Permission"]
    permission["PortRange"] = "81/81"
    problem = answered(api, "POST", "/backups/import", 422, exported)
    assert problem["code"] == "backup_corrupt"
    del exported["sha256"]
    answered(api, "POST", "/backups/import", 201, exported)


def test_a_backup_that_was_tampered_with_is_refused_wherever_it_is_asked_for(
    chain: Chain, api: Api, cloud: Cloud
) -> None:
    cloud.put(small(rule("sgr-1", ports="80/80", SourceCidrIp="10.170.0.2/32")))
    [backup] = back_up(api, "sg-a")
    with chain.service.store.write() as work:
        flipped = (
            "UPDATE backups SET content = replace(content, '80/80', '81/80') WHERE backup_id = :it"
        )
        work._connection.execute(text(flipped), {"it": backup["id"]})
        work.commit()
    path = f"/backups/{backup['id']}"
    body = {"kind": "restore", "backup_id": backup["id"], "mode": "partial"}
    for method, where, asked in (
        ("GET", path, None),
        ("GET", f"{path}/diff", None),
        ("GET", f"{path}/export", None),
        ("GET", f"{path}/export?format=csv", None),
        ("POST", "/plans", body),
    ):
        assert answered(api, method, where, 422, asked)["code"] == "backup_corrupt"
    assert backup["id"] in [each["id"] for each in api.get("/backups?group_id=sg-a")["items"]]


# --- connections ----------------------------------------------------------------------


def test_a_connection_finds_its_rule_again_after_a_restore(api: Api, cloud: Cloud) -> None:
    cloud.put(small())
    done = api.connect(connect_request("address_rules", ["i-a"], ["i-b"]))
    [backup] = back_up(api, "sg-b")
    with cloud.edited() as present:
        group_in(present, "sg-b")["Rules"] = []
    operation = restored(api, plan(api, backup))
    [entry] = api.connection(done["connection_id"])["ledger"]
    [there] = cloud.rules("sg-b")
    assert entry["rule"]["rule_id"] == there["SecurityGroupRuleId"]
    path = f"/operations/{operation['id']}/rollback"
    problem = answered(api, "POST", path, 409)
    assert problem["code"] == "in_use"
    assert problem["connection_ids"] == [done["connection_id"]]
    api.disconnect(done["connection_id"])
    assert cloud.rules("sg-b") == []


def test_a_plan_says_which_connections_rest_on_what_goes(api: Api, cloud: Cloud) -> None:
    cloud.put(small())
    [backup] = back_up(api, "sg-b")
    done = api.connect(connect_request("address_rules", ["i-a"], ["i-b"]))
    made = plan(api, backup)
    [going] = made["restore"]["going"]
    assert going["connection_ids"] == [done["connection_id"]]
    assert f"connection {done['connection_id']} rests on what goes" in made["warnings"]
    operation = restored(api, made)
    assert cloud.rules("sg-b") == []
    taken_back(api, operation)
    api.disconnect(done["connection_id"])
    assert cloud.rules("sg-b") == []


def test_a_backup_is_deleted_only_when_nothing_needs_it(api: Api, cloud: Cloud) -> None:
    cloud.put(small())
    done = api.connect(connect_request("address_rules", ["i-a"], ["i-b"]))
    [needed] = done["backup_ids"]
    problem = answered(api, "DELETE", f"/backups/{needed}", 409)
    assert problem["code"] == "in_use"
    assert problem["needed_by"] == [{"connection_id": done["connection_id"]}]
    api.disconnect(done["connection_id"])
    assert api.ask("DELETE", f"/backups/{needed}").status_code == 204
    assert api.ask("GET", f"/backups/{needed}").status_code == 404
    [backup] = back_up(api, "sg-a")
    made = plan(api, backup)
    problem = answered(api, "DELETE", f"/backups/{backup['id']}", 409)
    assert problem["needed_by"] == [{"plan_id": made["id"]}]
