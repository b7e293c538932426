"""Claims about what is reachable: by example, and against brute force on every class of packets."""

from dataclasses import replace
from itertools import product

import pytest

from app.domain.addresses import AddressFamily, Block
from app.domain.assertions import (
    AssertionKind,
    AssertionStatus,
    Claim,
    breaches,
    is_touched,
    judge,
    judgement_document,
    read_claim,
)
from app.domain.errors import FamilyMismatchError, InvalidConnectionError
from app.domain.flows import EVERYTHING, Traffic
from app.domain.intents import AddressSide, GroupSide, InstanceSide, Side
from app.domain.rules import ANY_PORT, NicType, PortRange, Protocol
from app.domain.world import AddressEnd, InterfaceEnd, World
from tests.support.chance import Chance, Seeded
from tests.support.classes import Packets, addresses_at_edges, rules_of
from tests.support.regions import a_change, an_estate
from tests.support.worlds import ACCOUNT, group, instance, place, rule, world

MUST, NEVER = AssertionKind.MUST_REACH, AssertionKind.MUST_NEVER_REACH
WEB, DB = InstanceSide(place(), ("i-web",)), InstanceSide(place(), ("i-db",))


def tcp(first: int, last: int | None = None) -> Traffic:
    return Traffic(Protocol.TCP, PortRange(first, last or first))


def two_tiers(*rules: str, inner: str = "accept") -> World:
    """A web and a database instance; each of the rules is a port that the database lets in."""
    held = [rule(rule_id=f"sgr-{port}", ports=port, peer="sg-web", priority=10) for port in rules]
    return world(
        groups=[group(group_id="sg-web"), group(group_id="sg-db", rules=held, inner_access=inner)],
        instances=[
            instance(instance_id="i-web", addresses=["10.0.0.1"], groups=["sg-web"]),
            instance(instance_id="i-db", addresses=["10.0.0.2"], groups=["sg-db"]),
        ],
    )


def claim(kind: AssertionKind, *traffic: Traffic, source: Side = WEB, target: Side = DB) -> Claim:
    return Claim(kind, source, target, traffic or (EVERYTHING,))


# --- one world ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "asked", "status"),
    [
        (MUST, tcp(3306), "holds"),
        (MUST, tcp(3306, 3307), "broken"),
        (MUST, tcp(22), "broken"),
        (NEVER, tcp(22), "holds"),
        (NEVER, tcp(1, 65535), "broken"),
        (NEVER, EVERYTHING, "broken"),
        (NEVER, Traffic(Protocol.UDP, PortRange(1, 65535)), "holds"),
    ],
)
def test_all_must_pass_or_nothing_may(kind: AssertionKind, asked: Traffic, status: str) -> None:
    assert judge(two_tiers("3306"), claim(kind, asked)).status == status


def test_what_speaks_against_a_claim_is_named_with_its_verdict() -> None:
    told = judgement_document(judge(two_tiers("22", "3306"), claim(NEVER, tcp(1, 1000))))
    assert (told["status"], told["pairs"], told["against"]["count"]) == ("broken", 1, 1)
    [item] = told["against"]["items"]
    assert (item["port_range"], item["certain"], item["verdict"]) == ("22/22", True, "reachable")
    assert [each["rule_id"] for each in item["ingress"]["rules"]] == ["sgr-22"]


def test_a_group_stands_for_its_members() -> None:
    before = two_tiers("3306")
    web = GroupSide(place(), ("sg-web",))
    assert judge(before, claim(NEVER, tcp(22), source=web)).pairs == 1
    assert judge(before, claim(NEVER, tcp(3306), source=web)).status == "broken"


def test_nobody_in_a_group_breaks_nothing() -> None:
    empty = world(groups=[group(group_id="sg-web"), group(group_id="sg-db")])
    sides = {"source": GroupSide(place(), ("sg-web",)), "target": GroupSide(place(), ("sg-db",))}
    told = judge(empty, claim(MUST, **sides))
    assert (told.status, told.pairs) == (AssertionStatus.HOLDS, 0)


def test_an_instance_that_is_gone_leaves_a_claim_open() -> None:
    gone = InstanceSide(place(), ("i-gone",))
    for kind in AssertionKind:
        told = judge(two_tiers(), claim(kind, source=gone))
        assert (told.status, told.unread) == (AssertionStatus.UNKNOWN, ("i-gone",))


def test_a_group_that_cannot_be_read_leaves_a_claim_open() -> None:
    far = GroupSide(place(account="1000000000000003"), ("sg-far",))
    told = judge(two_tiers(), claim(NEVER, tcp(22), source=far))
    assert told.unread == ("sg-far",)
    assert told.status == "unknown"


def test_addresses_are_cut_where_a_rule_begins() -> None:
    holder = group(group_id="sg-db", rules=[rule(ports="22", peer="10.1.0.0/30")])
    lone = world(groups=[holder], instances=[instance(instance_id="i-db", groups=["sg-db"])])
    office = AddressSide((Block.read("10.1.0.0/24"),))
    told = judge(lone, claim(NEVER, tcp(1, 65535), source=office))
    assert [str(each.flow.source.block) for each in told.against] == ["10.1.0.0/30"]  # type: ignore[union-attr]  # addresses
    assert judge(lone, claim(MUST, tcp(22), source=office)).status == "broken"
    inside = AddressSide((Block.read("10.1.0.2/32"),))
    assert judge(lone, claim(MUST, tcp(22), source=inside)).status == "holds"


def test_a_claim_without_anybody_of_ours_is_refused() -> None:
    office = AddressSide((Block.read("10.1.0.0/24"),))
    with pytest.raises(InvalidConnectionError):
        Claim(NEVER, office, office)


@pytest.mark.parametrize(
    "fields", [{"address_family": "ipv6"}, {"flows": [{"protocol": "icmpv6"}]}]
)
def test_a_claim_speaks_of_one_family(fields: dict[str, object]) -> None:
    sides = {
        "source": {"addresses": ["10.1.0.0/24"]},
        "target": {"account_id": ACCOUNT, "region_id": "cn-hangzhou", "instance_ids": ["i-db"]},
    }
    with pytest.raises(FamilyMismatchError):
        read_claim({"kind": "must_reach", **sides, **fields})


# --- before and after --------------------------------------------------------------


def broken_by(before: World, after: World, *claims: Claim) -> list[list[str]]:
    return [
        [str(each.flow.traffic.ports) for each in breach.against]
        for breach in breaches(before, after, claims)
    ]


def test_what_opens_within_a_claim_breaks_it() -> None:
    never = claim(NEVER, tcp(1, 65535))
    assert broken_by(two_tiers(), two_tiers("22"), never) == [["22/22"]]
    assert broken_by(two_tiers("22"), two_tiers(), never) == []


def test_a_claim_that_is_broken_already_is_broken_further_only_by_more() -> None:
    never = claim(NEVER, tcp(1, 65535))
    assert broken_by(two_tiers("22"), two_tiers("22"), never) == []
    assert broken_by(two_tiers("20/25"), two_tiers("22/30"), never) == [["26/30"]]


def test_what_closes_breaks_what_must_be_reachable() -> None:
    must = claim(MUST, tcp(22))
    assert broken_by(two_tiers("22"), two_tiers("3306"), must) == [["22/22"]]
    assert broken_by(two_tiers("3306"), two_tiers(), must) == []


def test_who_joins_a_group_comes_under_its_claims() -> None:
    before = two_tiers("3306")
    moved = instance(instance_id="i-web", addresses=["10.0.0.1"], groups=["sg-web", "sg-kept"])
    kept = group(group_id="sg-kept", inner_access="drop")
    before = World(
        {**before.groups, "sg-kept": kept}, before.instances, complete=before.complete | {"sg-kept"}
    )
    after = World(before.groups, {**before.instances, "i-web": moved}, complete=before.complete)
    never = claim(NEVER, tcp(3306), source=GroupSide(place(), ("sg-kept",)))
    assert judge(before, never).status == "holds"
    assert broken_by(before, after, never) == [["3306/3306"]]


def test_only_claims_about_whoever_is_in_a_changed_group_are_touched() -> None:
    never = claim(NEVER)
    members = {"i-db": frozenset({"sg-db", "sg-more"})}
    assert is_touched(never, frozenset({"sg-db"}), members)
    assert not is_touched(never, frozenset({"sg-x"}), {"i-x": frozenset({"sg-x"})})
    of_group = claim(NEVER, source=GroupSide(place(), ("sg-more",)), target=WEB)
    assert is_touched(of_group, frozenset({"sg-db"}), members)


# --- against brute force -----------------------------------------------------------


def a_claim(chance: Chance, of: World, family: AddressFamily, kind: AssertionKind) -> Claim:
    ids = sorted(of.instances)
    protocol = chance.one([Protocol.ALL, Protocol.TCP, Protocol.UDP, Protocol.GRE])
    ports = PortRange(chance.one([1, 22, 80]), chance.one([80, 443, 65535]))
    return Claim(
        kind,
        InstanceSide(place(), tuple(chance.some(ids, 1, 2))),
        InstanceSide(place(), tuple(chance.some(ids, 1, 2))),
        (Traffic(protocol, ports if protocol.has_ports else ANY_PORT),),
        chance.one(list(NicType)),
        family,
    )


def ends_of(of: World, side: Side, asked: Claim) -> list[InterfaceEnd]:
    """All addresses, or the first one of the primary interface where packets must pass."""
    assert isinstance(side, InstanceSide)
    found = []
    for instance_id in side.instance_ids:
        own = [
            end
            for end in of.ends(asked.plane, asked.family)
            if end.instance.instance_id == instance_id
        ]
        if asked.kind is MUST:
            own = [end for end in own if end.eni == of.instances[instance_id].primary][:1]
        found += own
    return found


def passing(of: World, asked: Claim, packets: Packets) -> dict[object, int]:
    """The packets of a claim that pass, as bits, by the names of the ends."""
    return {
        tuple((end.instance.instance_id, end.block) for end in ends): packets.passing(
            of, *ends, asked.plane
        )
        & packets.within(asked.traffic[0])
        for ends in product(ends_of(of, asked.source, asked), ends_of(of, asked.target, asked))
        if ends[0].instance != ends[1].instance
    }


def compare_with_brute_force(seed: str) -> tuple[int, int]:
    """Judge claims about a random estate before and after a change; count broken ones, breaches."""
    chance = Seeded(seed)
    before = an_estate(chance)
    after = before
    for _ in range(4):
        after = a_change(chance, after)
    broken = breached = 0
    for number in range(4):
        family = chance.one([AddressFamily.IPV4, AddressFamily.IPV4, AddressFamily.IPV6])
        asked = a_claim(chance, before, family, chance.one(list(AssertionKind)))
        edges = replace(rule().rule, ports=asked.traffic[0].ports)
        packets = Packets(family, (*rules_of(before, after), edges), has_others=True)
        whole = packets.within(asked.traffic[0])
        was, now = passing(before, asked, packets), passing(after, asked, packets)
        if asked.kind is MUST:
            worse = any(was[key] == whole != now[key] for key in now)
            is_broken = any(bits != whole for bits in now.values())
        else:
            worse = any(now[key] & ~was[key] for key in now)
            is_broken = any(now.values())
        status = AssertionStatus.BROKEN if is_broken else AssertionStatus.HOLDS
        assert judge(after, asked).status == status, (seed, number)
        assert bool(breaches(before, after, [asked])) == worse, (seed, number)
        broken, breached = broken + is_broken, breached + worse
    return broken, breached


def test_claims_are_judged_as_brute_force_does() -> None:
    counts = [compare_with_brute_force(f"claims {number}") for number in range(150)]
    assert sum(broken for broken, _ in counts) > 100
    assert sum(breached for _, breached in counts) > 10


def compare_blocks(seed: str) -> int:
    """Ask whether a block never reaches an instance; addresses at every edge answer as well."""
    chance = Seeded(seed)
    of = an_estate(chance)
    target_id = chance.one(sorted(of.instances))
    block = Block.read(chance.one(["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/30", "172.16.0.0/12"]))
    side = InstanceSide(place(), (target_id,))
    asked = Claim(NEVER, AddressSide((block,)), side, (tcp(1, 65535),))
    packets = Packets(AddressFamily.IPV4, rules_of(of), has_others=True)
    targets = ends_of(of, side, asked)
    sources: list[AddressEnd | InterfaceEnd] = [
        each
        for each in addresses_at_edges([of], NicType.INTRANET, AddressFamily.IPV4)
        if each.block.within(block)
    ]
    sources.append(AddressEnd(Block(block.family, block.last - 1, 32)))  # nobody's, in no rule
    sources += [
        end for end in of.ends(NicType.INTRANET, AddressFamily.IPV4) if end.block.within(block)
    ]
    passes = any(
        packets.passing(of, source, target, NicType.INTRANET) & packets.within(asked.traffic[0])
        for source, target in product(sources, targets)
        if not (isinstance(source, InterfaceEnd) and source.instance == target.instance)
    )
    told = judge(of, asked)
    assert (told.status == "broken") == passes, (seed, told)
    return passes


def test_blocks_of_addresses_are_judged_as_brute_force_does() -> None:
    assert 20 < sum(compare_blocks(f"blocks {number}") for number in range(100)) < 95
