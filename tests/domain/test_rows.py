"""What one side says to everybody does not depend on what was asked before."""

from itertools import product

from app.domain.addresses import AddressFamily
from app.domain.evaluate import Evaluator
from app.domain.flows import Flow, Outcome, Traffic
from app.domain.judging.layers import Layer, Layers
from app.domain.judging.rows import Row
from app.domain.rules import Direction, NicType, PortRange, Protocol
from app.domain.world import World
from tests.support.chance import Seeded
from tests.support.hiding import hidden
from tests.support.regions import an_estate
from tests.support.worlds import group, instance, rule, world


def rows(layer: Layer, *, again_and_again: bool) -> dict[tuple[int, Direction, Protocol], Row]:
    """Ask kind by kind; or protocol by protocol, so that every group is asked often."""
    kinds, protocols = layer.kinds, Protocol.ALL.concrete(layer.family)[::-1]
    asked = list(product(kinds, Direction, protocols))
    if again_and_again:
        asked = [(kind, way, each) for each, kind, way in product(protocols, kinds, Direction)]
    return {(kind.bits, way, each): layer.row(kind, way, each) for kind, way, each in asked}


def compare(of: World) -> int:
    told = 0
    for plane, family in product(NicType, AddressFamily):
        once = rows(Layers(of).of(plane, family), again_and_again=False)
        often = rows(Layers(of).of(plane, family), again_and_again=True)
        assert {key: row.key for key, row in once.items()} == {
            key: row.key for key, row in often.items()
        }
        told += len(once)
    return told


def test_rows_are_the_same_however_often_a_group_is_asked() -> None:
    compared = 0
    for number in range(40):
        chance = Seeded(f"rows {number}")
        whole = an_estate(chance)
        compared += compare(whole) + compare(hidden(whole, chance))
    assert compared > 2_000


def test_rows_of_crowded_blocks_say_what_the_evaluator_says() -> None:
    """A block with many ends is looked up once, and asked about by several groups."""
    rules = [
        rule(rule_id="sgr-1", ports="22", peer="10.0.0.64/27", policy="drop"),
        rule(rule_id="sgr-2", ports="20/30", peer="10.0.0.0/25", priority=2),
        rule(rule_id="sgr-3", ports="80", peer="10.0.0.0/24", priority=2),
        rule(rule_id="sgr-4", ports="81", peer="0.0.0.0/0", priority=2),
    ]
    crowd = [
        instance(instance_id=f"i-{n:03}", addresses=[f"10.0.0.{n}"], groups=[f"sg-{n % 3}"])
        for n in range(1, 200)
    ]
    groups = [group(group_id=f"sg-{n}", rules=rules[n:], inner_access="drop") for n in range(3)]
    of = world(groups=groups, instances=crowd)
    layer, evaluator = Layers(of).of(NicType.INTRANET, AddressFamily.IPV4), Evaluator(of)
    for kind, port in product(layer.kinds, (19, 20, 22, 30, 31, 79, 80, 81)):
        passing, unknown, _ = layer.row(kind, Direction.INGRESS, Protocol.TCP).at(port, 1)
        traffic = Traffic(Protocol.TCP, PortRange(port, port))
        assert not unknown
        for position, source in enumerate(layer.ends):
            verdict = evaluator.explain(Flow(source, kind.example, traffic))
            assert (passing >> position & 1) == (verdict.outcome is Outcome.REACHABLE)
