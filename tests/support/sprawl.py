"""Groups as they grow over the years by method 1: a rule for each address and port, and nobody
ever takes one away.
"""

from dataclasses import dataclass, replace
from random import Random

from app.domain.addresses import Block
from app.domain.groups import Group, GroupKind, Instance
from app.domain.rules import (
    ANY_PORT,
    Direction,
    GroupPeer,
    HeldRule,
    NicType,
    Peer,
    Policy,
    PortRange,
    Protocol,
    Rule,
)
from app.domain.world import World
from tests.support.worlds import ACCOUNT, group, instance

GROUP = "sg-sprawl"
SERVICES = ((22, 22), (80, 80), (443, 443), (3306, 3306), (6379, 6379), (8080, 8090), (9000, 9010))


@dataclass(frozen=True, slots=True)
class Sprawl:
    """A group that has grown, in the world that it is in."""

    seed: int
    world: World

    @property
    def group(self) -> Group:
        return self.world.groups[GROUP]


def sprawl(seed: int, *, least: int = 50, most: int = 200) -> Sprawl:
    """Return a group with `least` to `most` rules; the same for the same seed."""
    return Sprawl(seed, _Growing(Random(f"sprawl {seed}"), least, most).world())


class _Growing:
    def __init__(self, random: Random, least: int, most: int) -> None:
        self._random = random
        self._count = random.randint(least, most)
        self.vpc_id = random.choice([None, "vpc-1", "vpc-1"])
        self._net = "172.16" if self.vpc_id else "10.170"
        self._subnets = [random.randint(0, 40) for _ in range(random.randint(1, 4))]
        self._rules: dict[Rule, None] = {}

    def world(self) -> World:
        while len(self._rules) < self._count:
            for rule in self._request():
                if len(self._rules) < self._count:
                    self._rules[rule] = None
        held = tuple(
            HeldRule(
                f"sgr-{number:03}", rule, self._random.choice(["", "ticket 17", "for the shop"])
            )
            for number, rule in enumerate(self._rules)
        )
        kind = GroupKind.BASIC
        own = replace(group(group_id=GROUP, vpc_id=self.vpc_id, kind=kind), rules=held)
        others = [
            group(group_id=f"sg-{number}", vpc_id=self.vpc_id, rules=self._other(number))
            for number in (1, 2)
        ]
        grown = {each.group_id: each for each in (own, *others)}
        return World(grown, self._instances(), complete=frozenset(grown))

    def _instances(self) -> dict[str, Instance]:
        members = [
            instance(
                instance_id=f"i-own-{number}",
                addresses=[f"{self._net}.200.{number}"],
                groups=[GROUP] if number % 2 else [GROUP, "sg-1"],
                vpc_id=self.vpc_id,
            )
            for number in range(1, 4)
        ]
        callers = [
            instance(
                instance_id=f"i-caller-{number}",
                addresses=[f"{self._net}.{self._subnets[0]}.{number}"],
                groups=["sg-2"],
                vpc_id=self.vpc_id,
            )
            for number in range(1, 4)
        ]
        return {each.instance_id: each for each in (*members, *callers)}

    def _other(self, number: int) -> list[HeldRule]:
        policy = Policy.DROP if number == 1 else Policy.ACCEPT
        meaning = self._rule(Block.read(f"{self._net}.0.0/20"), (80, 443), 5, policy)
        return [HeldRule(f"sgr-other-{number}", meaning)]

    def _request(self) -> list[Rule]:
        """What one request adds: a few servers of one subnet, for one service or a few."""
        kind = self._random.random()
        if kind < 0.05:
            wide = Block.read(f"{self._net}.{self._random.choice(self._subnets)}.0/24")
            return [self._rule(wide, self._random.choice(SERVICES), self._priority())]
        if kind < 0.08:
            peer = GroupPeer(self._random.choice(["sg-1", "sg-2"]), ACCOUNT)
            return [self._rule(peer, self._random.choice(SERVICES), self._priority())]
        if kind < 0.12:
            one = Block.read(f"{self._net}.{self._random.choice(self._subnets)}.7/32")
            return [self._rule(one, (22, 22), self._random.choice([1, 10]), Policy.DROP)]
        subnet, first = self._random.choice(self._subnets), self._random.randint(1, 60)
        servers = range(first, first + self._random.choice([1, 1, 2, 3, 4, 8]))
        services = self._random.sample(SERVICES, self._random.choice([1, 1, 2]))
        priority, own = self._priority(), self._own()
        return [
            self._rule(
                Block.read(f"{self._net}.{subnet}.{each}/32"), self._part(ports), priority, own=own
            )
            for each in servers
            for ports in services
        ]

    def _priority(self) -> int:
        return self._random.choice([1, 1, 1, 1, 10, 100])

    def _own(self) -> Block | None:
        if self._random.random() < 0.8:
            return None
        return Block.read(f"{self._net}.200.{self._random.randint(1, 4)}/32")

    def _part(self, ports: tuple[int, int]) -> tuple[int, int]:
        """A range, or some of it: people ask for the port that they know of."""
        first, last = ports
        if first == last or self._random.random() < 0.3:
            return ports
        low = self._random.randint(first, last)
        return (low, self._random.randint(low, last))

    def _rule(
        self,
        peer: Peer,
        ports: tuple[int, int],
        priority: int,
        policy: Policy = Policy.ACCEPT,
        own: Block | None = None,
    ) -> Rule:
        direction = Direction.INGRESS
        protocol = Protocol.TCP
        spoken = PortRange(*ports)
        if policy is Policy.ACCEPT and self._random.random() < 0.03:
            protocol, spoken = Protocol.ALL, ANY_PORT
        nic = NicType.INTRANET
        if self.vpc_id is None and isinstance(peer, Block) and self._random.random() < 0.05:
            nic = NicType.INTERNET
        return Rule(direction, protocol, spoken, peer, policy, priority, nic, own)
