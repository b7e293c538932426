"""Synthetic worlds of any size, the same for the same seed.

A tenth as many groups as interfaces, 20 to 100 rules each: 35 % name single addresses, 27 %
groups, 23 % blocks of /20 to /24, 5 % prefix lists, 5 % blocks of /28 to /30 and 5 % wide
ones; 12 % drop, 1 % narrow the source ports. A tenth of the groups has egress rules. Ten
interfaces share one set of one to four groups.
"""

from dataclasses import dataclass
from random import Random

from app.domain.addresses import AddressFamily, Block
from app.domain.groups import Eni, Group, Instance, Place
from app.domain.rules import (
    ANY_PORT,
    Direction,
    GroupPeer,
    HeldRule,
    Peer,
    Policy,
    PortRange,
    PrefixListPeer,
    Protocol,
    Rule,
)
from app.domain.world import World

ACCOUNT = "1000000000000001"
PLACE = Place(ACCOUNT, "cn-hangzhou")
VPC = "vpc-1"
BASE = 10 << 24
ALIKE = 10
"""Interfaces that share one set of groups."""


@dataclass(frozen=True, slots=True)
class Size:
    """Interfaces of the estate, and whether roles share their groups."""

    interfaces: int
    sharing: bool = True

    @property
    def groups(self) -> int:
        return max(self.interfaces // 10, 4)


def estate(size: Size, seed: int = 1) -> World:
    """Make a world of one VPC, all of it read."""
    random = Random(seed)
    lists = {f"pl-{number}": _entries(random, size) for number in range(20)}
    groups = {
        name: Group(name, PLACE, vpc_id=VPC, inner_access=_inner(random), rules=rules)
        for name, rules in ((f"sg-{n}", _rules(random, size, n)) for n in range(size.groups))
    }
    alike = ALIKE if size.sharing else 1
    instances: dict[str, Instance] = {}
    names: frozenset[str] = frozenset()
    for number in range(size.interfaces):
        if number % alike == 0:
            names = frozenset(random.sample(sorted(groups), random.choice((1, 1, 2, 2, 3, 4))))
        address = Block(AddressFamily.IPV4, BASE + number * 3 + 1, 32)
        eni = Eni(f"eni-{number}", (address,), names)
        instances[f"i-{number:06}"] = Instance(f"i-{number:06}", PLACE, (eni,), vpc_id=VPC)
    return World(groups, instances, lists, complete=frozenset(groups))


def one_rule(random: Random, size: Size, number: int) -> HeldRule:
    """Make one more rule of the same mixture."""
    return _rule(random, size, f"sgr-more-{number}", egress=random.random() < 0.05)


def _inner(random: Random) -> Policy:
    return Policy.DROP if random.random() < 0.3 else Policy.ACCEPT


def _entries(random: Random, size: Size) -> tuple[Block, ...]:
    return tuple(_block(random, size, random.choice((24, 28, 32))) for _ in range(20))


def _rules(random: Random, size: Size, number: int) -> tuple[HeldRule, ...]:
    with_egress = random.random() < 0.1
    return tuple(
        _rule(random, size, f"sgr-{number}-{each}", egress=with_egress and random.random() < 0.2)
        for each in range(random.randint(20, 100))
    )


def _rule(random: Random, size: Size, rule_id: str, *, egress: bool) -> HeldRule:
    protocol = random.choice(
        (Protocol.TCP,) * 12 + (Protocol.UDP,) * 3 + (Protocol.ICMP, Protocol.ALL, Protocol.GRE)
    )
    rule = Rule(
        Direction.EGRESS if egress else Direction.INGRESS,
        protocol,
        _ports(random) if protocol.has_ports else ANY_PORT,
        _peer(random, size),
        Policy.DROP if random.random() < 0.12 else Policy.ACCEPT,
        random.randint(1, 100),
        source_ports=PortRange(1024, 65535)
        if protocol.has_ports and random.random() < 0.01
        else ANY_PORT,
    )
    return HeldRule(rule_id, rule)


def _ports(random: Random) -> PortRange:
    draw = random.random()
    if draw < 0.6:
        port = random.choice((22, 80, 443, 1433, 3306, 5432, 6379, 8080, 8443, 9200))
        return PortRange(port, port)
    if draw < 0.95:
        first = random.randint(1, 60_000)
        return PortRange(first, first + random.randint(1, 2_000))
    return PortRange(1, 65535)


def _peer(random: Random, size: Size) -> Peer:
    draw = random.random()
    if draw < 0.35:
        return _block(random, size, 32)
    if draw < 0.62:
        return GroupPeer(f"sg-{random.randrange(size.groups)}", ACCOUNT)
    if draw < 0.85:
        return _block(random, size, random.randint(20, 24))
    if draw < 0.90:
        return PrefixListPeer(f"pl-{random.randrange(20)}")
    if draw < 0.95:
        return _block(random, size, random.randint(28, 30))
    return Block.read(random.choice(("0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/12")))


def _block(random: Random, size: Size, length: int) -> Block:
    address = BASE + random.randrange(size.interfaces) * 3 + 1
    mask = ((1 << length) - 1) << (32 - length)
    return Block(AddressFamily.IPV4, address & mask, length)
