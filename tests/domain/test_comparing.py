"""What methods would do is counted right, and the one that opens least is recommended."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.addresses import Block
from app.domain.changes import Authorize, CreateGroup, Join
from app.domain.comparing import Advice, Choice, SituationCode, compare_methods, still_fit
from app.domain.errors import AppError, InvalidConnectionError
from app.domain.flows import EVERYTHING, Flow, Traffic
from app.domain.groups import Group, GroupKind, GroupRef, Instance
from app.domain.intents import AddressSide, GroupSide, InstanceSide, Intent, MethodName, Scope
from app.domain.plan import Limits, QuotaUse, asked_flows
from app.domain.rules import ANY_PORT, HeldRule, PortRange, Protocol
from app.domain.world import World, is_planned
from tests.support.walking import Walker
from tests.support.worlds import (
    ACCOUNT,
    OTHER_ACCOUNT,
    VPC,
    end,
    group,
    instance,
    place,
    rule,
    world,
)

M = MethodName
ADDRESS, SHARED, DEDICATED, AUTHORIZED = M

# --- brute force: the simulator walks every packet that can tell two worlds apart -----

SPANS = ((1, 19), (20, 21), (22, 22), (23, 30), (31, 65535))
"""Ports between which no rule and no request of these estates tells."""

FLOWS = (
    Traffic(Protocol.TCP, PortRange(22, 22)),
    Traffic(Protocol.TCP, PortRange(20, 30)),
    Traffic(Protocol.UDP, PortRange(22, 22)),
    EVERYTHING,
)
PORTLESS = (Protocol.ICMP, Protocol.GRE, Protocol.OTHER)


def kinds_of_packets() -> Mapping[Traffic, int]:
    """One packet for each kind, and how many ports it stands for."""
    numbered = {
        Traffic(protocol, PortRange(first, first)): last - first + 1
        for protocol in (Protocol.TCP, Protocol.UDP)
        for first, last in SPANS
    }
    return numbered | {Traffic(protocol, ANY_PORT): 1 for protocol in PORTLESS}


KINDS = kinds_of_packets()


def passing(of: World, ids: list[str]) -> set[tuple[str, str, Traffic]]:
    groups = {
        group_id: replace(
            each,
            rules=tuple(
                replace(held, rule_id=f"{group_id}-{number}")
                for number, held in enumerate(each.rules)
            ),
        )
        for group_id, each in of.groups.items()
    }
    walker = Walker(replace(of, groups=groups))
    return {
        (one, other, packet)
        for one, other in permutations(ids, 2)
        for packet in KINDS
        if walker.walk(Flow(end(of.instances[one]), end(of.instances[other]), packet)).is_reachable
    }


def wanted(of: World, intent: Intent) -> set[tuple[str, str, Traffic]]:
    """The packets that are asked for."""
    return {
        (flow.source.instance.instance_id, flow.target.instance.instance_id, packet)  # type: ignore[union-attr]
        for flow in asked_flows(of, intent)
        for packet in KINDS
        if is_of(packet, flow.traffic)
    }


def is_of(packet: Traffic, asked: Traffic) -> bool:
    if asked.protocol is Protocol.ALL:
        return True
    ports = asked.ports
    return packet.protocol is asked.protocol and ports.first <= packet.ports.first <= ports.last


@st.composite
def estates(draw: st.DrawFn) -> World:
    """Few instances in few groups, whose rules speak of each other and of each other's groups."""
    number = draw(st.integers(2, 4))
    names = [f"sg-{each}" for each in range(draw(st.integers(1, 3)))]
    addresses = [f"10.0.0.{each + 1}/32" for each in range(number)]
    vpc_id = draw(st.sampled_from([None, VPC]))

    def some_rules(group_id: str) -> list[HeldRule]:
        peers = [*addresses, *(each for each in names if each != group_id)]
        drawn = (a_rule(f"sgr-{group_id}-{each}", peers) for each in range(3))
        by_meaning = {each.rule: each for each in drawn if draw(st.booleans())}
        return list(by_meaning.values())

    def a_rule(rule_id: str, peers: list[str]) -> HeldRule:
        protocol = draw(st.sampled_from(["tcp", "tcp", "all"]))
        return rule(
            rule_id=rule_id,
            direction=draw(st.sampled_from(["ingress", "ingress", "egress"])),
            protocol=protocol,
            ports=draw(st.sampled_from(["22", "20/30"])) if protocol == "tcp" else "",
            peer=draw(st.sampled_from(peers)),
            policy=draw(st.sampled_from(["accept", "accept", "accept", "drop"])),
            priority=draw(st.sampled_from([1, 50])),
        )

    groups = [
        group(
            group_id=name,
            vpc_id=vpc_id,
            inner_access=draw(st.sampled_from(["accept", "accept", "drop"])),
            rules=some_rules(name),
        )
        for name in names
    ]
    member = st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)
    return world(
        groups=groups,
        instances=[
            instance(
                instance_id=f"i-{each}",
                addresses=[f"10.0.0.{each + 1}"],
                groups=draw(member),
                vpc_id=vpc_id,
            )
            for each in range(number)
        ],
        references={
            name: [
                GroupRef(each.group_id, ACCOUNT)
                for each in groups
                if any(getattr(held.rule.peer, "group_id", None) == name for held in each.rules)
            ]
            for name in names
        },
    )


@st.composite
def wishes(draw: st.DrawFn, of: World) -> Intent:
    ids = draw(st.permutations(sorted(of.instances)))
    cut = draw(st.integers(1, len(ids) - 1))
    last = draw(st.integers(cut + 1, len(ids)))
    return Intent(
        method=ADDRESS,
        source=InstanceSide(place(), tuple(ids[:cut])),
        target=InstanceSide(place(), tuple(ids[cut:last])),
        traffic=tuple(draw(st.lists(st.sampled_from(FLOWS), min_size=1, max_size=2, unique=True))),
        scope=draw(st.sampled_from(Scope)),
        bidirectional=draw(st.booleans()),
        override_drops=draw(st.booleans()),
        max_extra_pairs=draw(st.sampled_from([None, None, 0, 2])),
    )


some_limits = st.builds(
    Limits,
    rules_per_group=st.sampled_from([3, 5, 200]),
    groups_per_nic=st.sampled_from([2, 5]),
    members_per_classic_group=st.sampled_from([3, 1000]),
    members_per_vpc_group=st.sampled_from([3, 2000]),
    groups_per_account=st.sampled_from([0, 100]),
    peer_groups_per_group=st.sampled_from([1, 20]),
)


def intents_of(wish: Intent) -> dict[MethodName, Intent | AppError]:
    return {name: replace(wish, method=name) for name in MethodName}


@settings(max_examples=150, deadline=None)
@given(st.data(), estates(), some_limits)
def test_what_is_counted_is_what_walking_every_packet_finds(
    data: st.DataObject, of: World, limits: Limits
) -> None:
    wish = data.draw(wishes(of))
    advice = compare_methods(of, intents_of(wish), limits)
    ids = sorted(of.instances)
    before, asked = passing(of, ids), wanted(of, wish)
    assert advice.asked_pairs == len({each[:2] for each in asked})
    extras: dict[MethodName, tuple[int, int]] = {}
    for choice in advice.choices:
        if choice.work is None:
            assert not choice.is_possible
            continue
        after = of
        for planned in choice.work.plan.changes:
            after = after.after(planned.change)
        now = passing(after, ids)
        assert asked <= now, choice.method
        opened = now - before
        pairs = {each[:2] for each in opened}
        found = (
            len(pairs - {each[:2] for each in asked}),
            sum(KINDS[packet] for *_, packet in opened - asked),
        )
        assert choice.work.extra == found, choice.method
        assert choice.work.plan.difference.gained.pairs == len(pairs)
        assert choice.is_possible is within(of, after, choice, limits, wish.max_extra_pairs, found)
        if choice.is_possible:
            extras[choice.method] = found
    least = [name for name, extra in extras.items() if extra == min(extras.values())]
    if not least:
        assert advice.recommended is None
    else:
        assert advice.recommended in least
        advised = advice.situation.advised
        assert advised not in least or advice.recommended is advised


def within(
    of: World,
    after: World,
    choice: Choice,
    limits: Limits,
    most: int | None,
    extra: tuple[int, int],
) -> bool:
    """Count by hand whether every quota has room for what a method would do."""
    work = choice.work
    assert work is not None
    changes = [planned.change for planned in work.plan.changes]
    assert work.rules == sum(
        is_planned(held) for each in after.groups.values() for held in each.rules
    )
    assert work.memberships == sum(isinstance(each, Join) for each in changes)
    assert work.groups == len(after.groups) - len(of.groups)
    ruled = {each.group_id for each in changes if isinstance(each, Authorize)}
    joined = {each.group_id for each in changes if isinstance(each, Join)}
    joining = {each.instance_id for each in changes if isinstance(each, Join)}
    members = (
        limits.members_per_classic_group
        if next(iter(of.instances.values())).is_classic
        else limits.members_per_vpc_group
    )
    checks = [
        most is None or extra[0] <= most,
        all(len(after.groups[each].rules) <= limits.rules_per_group for each in ruled),
        all(len(after.member_ids(each)) <= members for each in joined),
        all(len(after.instances[each].group_ids) <= limits.groups_per_nic for each in joining),
        not any(isinstance(each, CreateGroup) for each in changes) or limits.groups_per_account > 0,
    ]
    return all(checks)


# --- how often it still fits ------------------------------------------------------


@pytest.mark.parametrize(
    ("used", "after", "limit", "fits"),
    [(1, 2, 200, 198), (0, 3, 10, 2), (5, 5, 5, None), (199, 201, 200, 0), (3, 2, 5, None)],
)
def test_it_still_fits_as_often_as_the_quota_has_room_for_as_much_again(
    used: int, after: int, limit: int, fits: int | None
) -> None:
    use = QuotaUse("rules_per_group", ACCOUNT, "sg-1", used, after, limit)
    assert still_fit(use) == fits
    if fits is not None:
        each = after - used
        assert after + fits * each <= limit or after > limit
        assert after + (fits + 1) * each > limit


# --- situations -------------------------------------------------------------------


@dataclass(frozen=True)
class Town:
    """Web instances in one group each tier, with strangers in the groups where wanted."""

    sources: int = 1
    targets: int = 1
    strangers: int = 0
    roles: int = 1
    to: str = ACCOUNT
    vpc: str | None = None
    kind: GroupKind = GroupKind.BASIC
    target_vpc: str | None = "same"
    together: bool = False
    target_rules: int = 0
    target_drop: int | None = None
    groups_of_source: int = 1
    inner_access: str = "accept"
    managed: bool = False
    locked: bool = False

    def world(self) -> World:
        target_vpc = self.vpc if self.target_vpc == "same" else self.target_vpc
        rules = [
            rule(rule_id=f"sgr-{each}", protocol="tcp", ports=f"{each + 1000}", peer="10.9.9.9/32")
            for each in range(self.target_rules)
        ]
        if self.target_drop is not None:
            peer = "0.0.0.0/0"
            drop = rule(rule_id="sgr-drop", peer=peer, policy="drop", priority=self.target_drop)
            rules.append(drop)
        own = [
            group(group_id=f"sg-web{each}", vpc_id=self.vpc, kind=self.kind)
            for each in range(max(self.roles, self.groups_of_source))
        ]
        db: Group = replace(
            group(
                group_id="sg-db",
                vpc_id=target_vpc,
                kind=self.kind,
                account=self.to,
                rules=rules,
                inner_access=self.inner_access,
            ),
            managed=self.managed,
        )

        def web(number: int, name: str) -> Instance:
            groups = [f"sg-web{number % self.roles}"]
            if self.groups_of_source > 1:
                groups = [each.group_id for each in own]
            home = ["sg-db"] if self.together else groups
            return instance(
                instance_id=name,
                addresses=[f"10.1.{number // 250}.{number % 250 + 1}"],
                groups=home,
                vpc_id=self.vpc,
            )

        hosts = [web(each, f"i-web{each}") for each in range(self.sources)]
        hosts += [web(each + 1000, f"i-stranger{each}") for each in range(self.strangers)]
        hosts += [
            replace(
                instance(
                    instance_id=f"i-db{each}",
                    addresses=[f"10.2.{each // 250}.{each % 250 + 1}"],
                    groups=["sg-db"],
                    vpc_id=target_vpc,
                    account=self.to,
                ),
                locks=frozenset({"security"} if self.locked else ()),
            )
            for each in range(self.targets)
        ]
        groups = [*own, db]
        return world(
            groups=groups, instances=hosts, references={each.group_id: () for each in groups}
        )

    def wish(self, **fields: object) -> Intent:
        intent = Intent(
            method=ADDRESS,
            source=InstanceSide(place(), tuple(f"i-web{each}" for each in range(self.sources))),
            target=InstanceSide(
                place(account=self.to), tuple(f"i-db{each}" for each in range(self.targets))
            ),
            traffic=(Traffic(Protocol.TCP, PortRange(3306, 3306)),),
        )
        return replace(intent, **fields)  # type: ignore[arg-type]  # what a row says


IMPOSSIBLE = None
Figures = tuple[int, int, int, int] | None
"""Rules, memberships, groups, extra pairs; None where it is not possible."""


@dataclass(frozen=True)
class Row:
    """A situation, what is recommended in it, and the figures because of which it is."""

    town: Town
    code: SituationCode
    recommended: MethodName | None
    figures: tuple[Figures, Figures, Figures, Figures]
    limits: Limits = field(default_factory=Limits)
    fields: Mapping[str, object] = field(default_factory=dict)


FEW, TIERS, SIMPLE = SituationCode.FEW_INSTANCES, SituationCode.TIERS, SituationCode.SIMPLE
ROLES, ACCOUNTS = SituationCode.ROLES, SituationCode.SEVERAL_ACCOUNTS
ALL = (EVERYTHING,)
NO = IMPOSSIBLE

SITUATIONS: dict[str, Row] = {
    "one pair": Row(Town(), FEW, ADDRESS, ((1, 0, 0, 0), (0, 1, 0, 1), (0, 2, 1, 1), (1, 0, 0, 0))),
    "one pair, both ways": Row(
        Town(), FEW, ADDRESS, ((2, 0, 0, 0), (0, 1, 0, 0), (0, 2, 1, 0), (2, 0, 0, 0)),
        fields={"bidirectional": True},
    ),
    "one pair, both ways, on everything": Row(
        Town(), FEW, ADDRESS, ((2, 0, 0, 0), (0, 1, 0, 0), (0, 2, 1, 0), (2, 0, 0, 0)),
        fields={"bidirectional": True, "traffic": ALL},
    ),
    "one pair among strangers": Row(
        Town(strangers=5), FEW, ADDRESS, ((1, 0, 0, 0), (0, 1, 0, 1), (0, 2, 1, 1), (1, 0, 0, 5))
    ),
    "two to two": Row(
        Town(sources=2, targets=2), FEW, ADDRESS,
        ((4, 0, 0, 0), (0, 2, 0, 4), (0, 4, 1, 4), (2, 0, 0, 0)),
    ),
    "many of one tier to one of another": Row(
        Town(sources=20), TIERS, AUTHORIZED,
        ((20, 0, 0, 0), (0, 20, 0, 20), (0, 21, 1, 20), (1, 0, 0, 0)),
    ),
    "many to many of two tiers": Row(
        Town(sources=20, targets=5), TIERS, AUTHORIZED,
        ((100, 0, 0, 0), (0, 20, 0, 100), (0, 25, 1, 100), (5, 0, 0, 0)),
    ),
    "many to many among strangers": Row(
        Town(sources=6, targets=4, strangers=3), TIERS, ADDRESS,
        ((24, 0, 0, 0), (0, 6, 0, 24), (0, 10, 1, 24), (4, 0, 0, 12)),
    ),
    "many to many among strangers, and no room for the rules": Row(
        Town(sources=20, targets=11, strangers=1), TIERS, AUTHORIZED,
        (NO, (0, 20, 0, 220), (0, 31, 1, 220), (11, 0, 0, 11)),
    ),
    "a tier of many strangers, and no room for rules": Row(
        Town(sources=4, targets=3, strangers=60, target_rules=200), TIERS, DEDICATED,
        (NO, (0, 4, 0, 16), (0, 7, 1, 12), NO),
    ),
    "no room for rules nor for groups": Row(
        Town(sources=4, targets=3, target_rules=200), TIERS, SHARED,
        (NO, (0, 3, 0, 12), NO, NO), Limits(groups_per_account=0),
    ),
    "no room at all": Row(
        Town(target_rules=200), FEW, None, (NO, NO, NO, NO), Limits(groups_per_nic=1),
    ),
    "sources of many roles": Row(
        Town(sources=8, roles=8), ROLES, AUTHORIZED,
        ((8, 0, 0, 0), (0, 8, 0, 64), (0, 9, 1, 64), (8, 0, 0, 0)),
    ),
    "sources of more roles than a group may name": Row(
        Town(sources=25, roles=25), ROLES, ADDRESS,
        ((25, 0, 0, 0), (0, 25, 0, 625), (0, 26, 1, 625), NO),
    ),
    "everybody in one group that isolates its members": Row(
        Town(sources=4, targets=3, together=True, inner_access="drop"), SIMPLE, ADDRESS,
        ((12, 0, 0, 0), NO, (0, 7, 1, 30), NO),
    ),
    "everybody in one group": Row(
        Town(sources=4, targets=3, together=True), SIMPLE, SHARED,
        ((0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0)),
    ),
    "two accounts, one pair": Row(
        Town(to=OTHER_ACCOUNT), ACCOUNTS, AUTHORIZED, ((1, 0, 0, 0), NO, NO, (1, 0, 0, 0))
    ),
    "two accounts, many": Row(
        Town(sources=20, targets=5, to=OTHER_ACCOUNT), ACCOUNTS, AUTHORIZED,
        ((100, 0, 0, 0), NO, NO, (5, 0, 0, 0)),
    ),
    "two accounts, among strangers": Row(
        Town(strangers=1, to=OTHER_ACCOUNT), ACCOUNTS, ADDRESS, ((1, 0, 0, 0), NO, NO, (1, 0, 0, 1))
    ),
    "two accounts, among strangers, too many for rules": Row(
        Town(sources=201, strangers=1, to=OTHER_ACCOUNT), ACCOUNTS, AUTHORIZED,
        (NO, NO, NO, (1, 0, 0, 1)),
    ),
    "enterprise groups": Row(
        Town(vpc=VPC, kind=GroupKind.ENTERPRISE), FEW, ADDRESS, ((2, 0, 0, 0), NO, NO, NO)
    ),
    "many in a VPC: neighbouring addresses need few rules": Row(
        Town(sources=20, targets=5, vpc=VPC), TIERS, AUTHORIZED,
        ((18, 0, 0, 0), (0, 20, 0, 100), (0, 25, 1, 100), (3, 0, 0, 0)),
    ),
    "two VPCs": Row(Town(vpc=VPC, target_vpc="vpc-2"), FEW, None, (NO, NO, NO, NO)),
    "classic and VPC": Row(Town(target_vpc=VPC), FEW, None, (NO, NO, NO, NO)),
    "an instance in as many groups as it can be": Row(
        Town(groups_of_source=5), FEW, ADDRESS, ((1, 0, 0, 0), (0, 1, 0, 1), NO, (1, 0, 0, 0))
    ),
    "a drop that is to be respected": Row(Town(target_drop=50), FEW, None, (NO, NO, NO, NO)),
    "a drop that may be overridden": Row(
        Town(target_drop=50), FEW, ADDRESS,
        ((1, 0, 0, 0), (0, 1, 0, 1), (0, 2, 1, 1), (1, 0, 0, 0)),
        fields={"override_drops": True},
    ),
    "a drop that no rule can override": Row(
        Town(target_drop=1), FEW, SHARED, (NO, (0, 1, 0, 1), (0, 2, 1, 1), NO),
        fields={"override_drops": True},
    ),
    "a group that a cloud product manages": Row(
        Town(managed=True), FEW, SHARED, (NO, (0, 1, 0, 1), (0, 2, 1, 1), NO)
    ),
    "a locked instance": Row(
        Town(locked=True), FEW, ADDRESS, ((1, 0, 0, 0), (0, 1, 0, 1), NO, (1, 0, 0, 0))
    ),
    "strangers, and no extra pair allowed": Row(
        Town(sources=5, strangers=5), TIERS, ADDRESS, ((5, 0, 0, 0), NO, NO, NO),
        fields={"max_extra_pairs": 0},
    ),
    "strangers, no room for rules, and no extra pair allowed": Row(
        Town(sources=201, strangers=1), TIERS, None, (NO, NO, NO, NO),
        fields={"max_extra_pairs": 0},
    ),
}  # fmt: skip


def figures_of(choice: Choice) -> Figures:
    if not choice.is_possible:
        return IMPOSSIBLE
    work = choice.work
    assert work is not None
    return (work.rules, work.memberships, work.groups, work.extra[0])


@pytest.mark.parametrize("name", SITUATIONS)
def test_in_each_situation_the_figures_show_why_a_method_is_recommended(name: str) -> None:
    row = SITUATIONS[name]
    wish = row.town.wish(**row.fields)
    advice = compare_methods(row.town.world(), intents_of(wish), row.limits)
    assert tuple(map(figures_of, advice.choices)) == row.figures
    assert (advice.situation.code, advice.recommended) == (row.code, row.recommended)
    assert advice.reasons
    for choice in advice.choices:
        assert choice.is_possible is (choice.refusal is None)


# --- what it survives -------------------------------------------------------------


def survivals(advice: Advice) -> dict[str, tuple[bool | None, ...]]:
    return {
        each.method.value: (
            each.work.survival.source_address,
            each.work.survival.target_address,
            each.work.survival.one_more_source,
            each.work.survival.one_more_target,
        )
        for each in advice.choices
        if each.work is not None
    }


def test_rules_name_addresses_and_memberships_follow_the_instance() -> None:
    town = Town(sources=2, strangers=1)
    advice = compare_methods(town.world(), intents_of(town.wish()), Limits())
    assert survivals(advice) == {
        "address_rules": (False, False, False, False),
        "shared_group": (True, True, False, True),
        "dedicated_group": (True, True, False, False),
        "group_authorization": (True, False, True, False),
    }


def test_with_the_scope_of_a_group_the_targets_may_change_as_well() -> None:
    town = Town()
    advice = compare_methods(town.world(), intents_of(town.wish(scope=Scope.GROUP)), Limits())
    assert survivals(advice)["address_rules"] == (False, True, False, True)
    assert survivals(advice)["group_authorization"] == (True, True, True, True)


def test_addresses_entered_by_hand_are_no_instances_that_could_change() -> None:
    town = Town()
    source = AddressSide((Block.read("10.9.9.9/32"),))
    wish = town.wish(source=source)
    none = InvalidConnectionError("addresses as a source need method address_rules")
    intents: dict[MethodName, Intent | AppError] = {
        name: wish if name is ADDRESS else none for name in MethodName
    }
    advice = compare_methods(town.world(), intents, Limits())
    assert survivals(advice) == {"address_rules": (None, False, None, False)}
    assert [each.refusal for each in advice.choices] == [None, none, none, none]
    assert (advice.situation.code, advice.recommended) == (FEW, ADDRESS)


def test_groups_entered_by_hand_count_with_their_account() -> None:
    town = Town()
    far = [GroupRef(each, OTHER_ACCOUNT) for each in ("sg-far", "sg-other")]
    of = replace(town.world(), unread=frozenset(far))
    side = GroupSide(place(account=OTHER_ACCOUNT), tuple(each.group_id for each in far))
    wish = town.wish(method=AUTHORIZED, source=side)
    none = InvalidConnectionError("groups as a source need method group_authorization")
    intents: dict[MethodName, Intent | AppError] = {
        name: wish if name is AUTHORIZED else none for name in MethodName
    }
    advice = compare_methods(of, intents, Limits())
    assert (advice.situation.code, advice.recommended) == (ACCOUNTS, AUTHORIZED)
    assert (advice.situation.accounts, advice.situation.instances) == (2, 3)
    assert survivals(advice) == {"group_authorization": (None, False, None, False)}
