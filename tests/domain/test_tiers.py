"""Tiers of random estates: told as brute force finds, laid once, and seamless on the way."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from random import Random

import pytest

from app.domain.addresses import AddressFamily
from app.domain.changes import Change, Join, Leave
from app.domain.errors import MethodNotPossibleError, NoSafeOrderError
from app.domain.flows import Traffic
from app.domain.plan import Limits
from app.domain.rules import NicType, PortRange, Protocol
from app.domain.tiers import Laid, Ties, plan_tiers, read_tiers
from app.domain.world import World
from tests.support.classes import Packets, rules_of
from tests.support.worlds import ACCOUNT, OTHER_ACCOUNT, REGION, group, instance, rule, world

PORTS = (80, 8080, 3306)


def an_estate(random: Random) -> World:
    """Eight instances in one to three of four groups, some of which let some of them in."""
    vpc_id = random.choice([None, "vpc-1"])
    net = "172.16.0" if vpc_id else "10.170.0"
    groups = []
    for number in range(4):
        rules = [
            rule(
                rule_id=f"sgr-{number}-{n}",
                protocol=random.choice(["tcp", "tcp", "all"]),
                ports="",
                peer=random.choice([f"{net}.0/24", f"{net}.{random.randint(1, 8)}/32", "sg-0"]),
            )
            for n in range(random.choice([0, 0, 1, 2]))
        ]
        inner = random.choice(["accept", "drop"])
        groups.append(
            group(group_id=f"sg-{number}", vpc_id=vpc_id, rules=rules, inner_access=inner)
        )
    hosts = [
        instance(
            instance_id=f"i-{number}",
            addresses=[f"{net}.{number + 1}"],
            groups=random.sample([each.group_id for each in groups], random.randint(1, 3)),
            vpc_id=vpc_id,
            account=OTHER_ACCOUNT if number > 5 else ACCOUNT,
        )
        for number in range(8)
    ]
    return world(groups=groups, instances=hosts)


def asked(web: list[str], application: list[str]) -> dict[str, object]:
    parts = [(web, ACCOUNT), (application, ACCOUNT), (["i-6"], OTHER_ACCOUNT)]
    return {
        "tiers": [
            {"name": name, "account_id": account, "region_id": REGION, "instance_ids": ids}
            for name, (ids, account) in zip(("web", "application", "database"), parts, strict=True)
        ]
    }


def parts_of(random: Random) -> tuple[list[str], list[str]]:
    own = [f"i-{number}" for number in range(6)]
    random.shuffle(own)
    cut = random.randint(1, 3)
    return own[:cut], own[cut:5]


def planned(of: World, request: dict[str, object], found: Mapping[str, str] | None = None) -> Laid:
    return plan_tiers(of, read_tiers(request), found or {}, Ties(), Limits(groups_per_nic=9))


def states(of: World, changes: Sequence[Change]) -> Iterator[World]:
    yield of
    for change in changes:
        of = of.after(change)
        yield of


class Walk:
    """What passes between instances, by brute force, in worlds that are compared."""

    def __init__(self, *worlds: World) -> None:
        edges = [replace(rule().rule, ports=PortRange(port, port)) for port in PORTS]
        self.packets = Packets(AddressFamily.IPV4, (*rules_of(*worlds), *edges))

    def of(self, one: World) -> dict[tuple[str, str], int]:
        ends = list(one.ends(NicType.INTRANET, AddressFamily.IPV4))
        return {
            (source.instance.instance_id, target.instance.instance_id): self.packets.passing(
                one, source, target, NicType.INTRANET
            )
            for source, target in product(ends, ends)
            if source.instance != target.instance
        }


def check(of: World, laid: Laid) -> World:
    """Compare what a plan says with brute force, on every state on the way; return the last."""
    on_the_way = list(states(of, [each.change for each in laid.plan.changes]))
    walk = Walk(*on_the_way)
    before, after = walk.of(of), walk.of(on_the_way[-1])
    for state in on_the_way[1:-1]:
        for pair, bits in walk.of(state).items():
            assert not bits & ~(before[pair] | after[pair]), "open on the way"
            assert not before[pair] & after[pair] & ~bits, "closed on the way"
    allowed: dict[tuple[str, str], int] = {}
    tiers = laid.tiers.tiers
    place = {each: number for number, tier in enumerate(tiers) for each in tier.instance_ids}
    for (source, target), bits in after.items():
        if place.get(target, -9) == place.get(source, -5) + 1:
            traffic = Traffic(Protocol.TCP, PortRange(PORTS[place[target]], PORTS[place[target]]))
            allowed[source, target] = walk.packets.within(traffic)
            assert allowed[source, target] & ~bits == 0, "a neighbour is not let in"
    besides = {
        pair
        for pair, bits in after.items()
        if {*pair} <= place.keys()
        and place[pair[0]] != place[pair[1]]
        and bits & ~allowed.get(pair, 0)
    }
    told = {
        (flow.source.instance.instance_id, flow.target.instance.instance_id)  # type: ignore[union-attr]  # instances
        for flow, _ in laid.between
    }
    assert laid.counted == len(laid.between)
    assert told == besides
    return on_the_way[-1]


def lay(seed: int) -> int:
    """Lay tiers, lay them again, and move an instance; return how many plans had changes."""
    random = Random(f"tiers {seed}")
    of, (web, application) = an_estate(random), parts_of(random)
    laid = planned(of, asked(web, application))
    after = check(of, laid)
    again = planned(after, asked(web, application), laid.groups)
    assert again.plan.changes == ()
    assert again.counted == laid.counted
    moving = application[-1]
    try:
        moved = planned(after, asked([*web, moving], application[:-1]), laid.groups)
    except NoSafeOrderError:
        return 1
    changes = [each.change for each in moved.plan.changes]
    assert {getattr(each, "instance_id", None) for each in changes} == {moving}
    assert isinstance(changes[0], Join)
    assert all(isinstance(each, Leave) for each in changes[1:])
    check(after, moved)
    return 2


@pytest.mark.parametrize("block", range(2))
def test_tiers_are_what_brute_force_finds(block: int) -> None:
    assert sum(lay(100 * block + number) for number in range(20)) > 30


@pytest.mark.long
@pytest.mark.parametrize("block", range(10, 30))
def test_very_many_tiers_are_what_brute_force_finds(block: int) -> None:
    assert sum(lay(100 * block + number) for number in range(100)) > 150


def test_an_instance_in_as_many_groups_as_it_can_be_is_an_obstacle() -> None:
    random = Random("full")
    of = an_estate(random)
    with pytest.raises(MethodNotPossibleError) as raised:
        plan_tiers(of, read_tiers(asked(*parts_of(random))), {}, Ties(), Limits(groups_per_nic=1))
    assert {each["code"] for each in raised.value.facts["obstacles"]} == {"instance_group_limit"}  # type: ignore[attr-defined]  # a list
