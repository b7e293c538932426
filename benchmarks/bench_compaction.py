"""How many rules compaction removes from groups that have grown by method 1.

The corpus: 60 groups of 50 to 200 rules, classic and VPC, always the same. Beside it the baseline:
what is removed by joining ranges of ports that touch, which is what a reader of the findings would
do by hand. The answer is checked: a group of which anything opens or closes stops it with an error.
"""

import platform
import statistics
import sys
import time
from collections.abc import Iterable
from dataclasses import replace

from app.domain.compaction import plan_compaction
from app.domain.plan import Limits
from app.domain.rules import HeldRule, PortRange, Rule
from app.domain.versions import world_difference
from tests.support.sprawl import GROUP, sprawl

GROUPS = 60
ROOMY = Limits(rules_per_group=400, rules_per_nic=4000)


def by_hand(rules: Iterable[HeldRule]) -> int:
    """Count the rules that are left when touching ranges of ports are joined."""
    alike: dict[Rule, list[PortRange]] = {}
    left = 0
    for held in rules:
        if held.rule.protocol.has_ports and held.rule.ports is not None:
            alike.setdefault(replace(held.rule, ports=None), []).append(held.rule.ports)
        else:
            left += 1
    for ranges in alike.values():
        last = -1
        for each in sorted(ranges):
            left += each.first > last + 1
            last = max(last, each.last)
    return left


def main() -> None:
    shares: dict[str, list[float]] = {"classic": [], "VPC": []}
    baseline: list[float] = []
    seconds: list[float] = []
    before = after = 0
    for seed in range(GROUPS):
        grown = sprawl(seed)
        began = time.perf_counter()
        made = plan_compaction(grown.world, GROUP, {}, ROOMY)
        seconds.append(time.perf_counter() - began)
        world = grown.world
        for planned in made.plan.changes:
            world = world.after(planned.change)
        found = world_difference(grown.world, world)
        if found.gained.pairs or found.lost.pairs:
            sys.exit(f"sprawl {seed} is not the same afterwards")
        network = "classic" if grown.group.vpc_id is None else "VPC"
        shares[network].append(1 - made.after / made.before)
        baseline.append(1 - by_hand(grown.group.rules) / made.before)
        before, after = before + made.before, after + made.after
    every = [share for of_network in shares.values() for share in of_network]
    print(f"{GROUPS} groups, {before} rules before, {after} after; every difference is empty")
    print(f"mean share of rules removed: {statistics.mean(every):.1%}", end="")
    for network, of_network in shares.items():
        print(f"; {network} ({len(of_network)} groups): {statistics.mean(of_network):.1%}", end="")
    print(f"\nbaseline, touching ports joined by hand: {statistics.mean(baseline):.1%}")
    seconds.sort()
    print(
        f"to plan one: median {statistics.median(seconds) * 1000:.0f} ms, "
        f"p99 {seconds[int(len(seconds) * 0.99)] * 1000:.0f} ms"
    )
    print(f"Python {platform.python_version()}, {platform.machine()}")


if __name__ == "__main__":
    main()
