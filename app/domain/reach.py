"""Everybody who reaches an instance with one kind of packet, and everybody whom it reaches."""

from collections.abc import Iterator
from dataclasses import dataclass

from app.domain.addresses import Block
from app.domain.evaluate import Evaluator
from app.domain.flows import Cause, Flow, Outcome, Traffic
from app.domain.judging.atoms import AddressLine, Stretch, covering
from app.domain.rules import Direction, NicType, PrefixListPeer
from app.domain.world import AddressEnd, End, GroupEnd, InterfaceEnd, World


@dataclass(frozen=True, slots=True)
class Reached:
    """Another end, and whether packets pass: `reachable` or `unknown`, with the cause."""

    end: End
    outcome: Outcome
    cause: Cause


@dataclass(frozen=True, slots=True)
class Circle:
    """Who is on the other end.

    `interfaces` are addresses of other instances, by id; `groups` those that could not be
    read. `addresses` are few blocks in order that stand for everybody else: whatever address
    in them belongs to none of the instances of the world. `blocked` is the number of addresses
    of instances that packets do not pass to or from.
    """

    interfaces: tuple[Reached, ...]
    addresses: tuple[Reached, ...]
    groups: tuple[Reached, ...]
    blocked: int


class Reach:
    """Answers about one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._evaluator = Evaluator(world)

    def circle(
        self, own: InterfaceEnd, direction: Direction, traffic: Traffic, plane: NicType
    ) -> Circle:
        """Say who reaches `own` (ingress), or whom it reaches (egress)."""
        question = _Question(own, direction, traffic, plane)
        found = [
            self._ask(question, end)
            for end in self._world.ends(plane, own.block.family)
            if end.instance.instance_id != own.instance.instance_id
        ]
        groups = [
            self._ask(question, GroupEnd(ref, own.block.family))
            for ref in sorted(self._world.unread)
        ]
        return Circle(
            tuple(_open(found)),
            tuple(self._addresses(question)),
            tuple(_open(groups)),
            sum(each.outcome is Outcome.BLOCKED for each in found),
        )

    def _ask(self, question: "_Question", other: End) -> Reached:
        verdict = self._evaluator.explain(question.flow(other))
        return Reached(other, verdict.outcome, verdict.cause)

    def _addresses(self, question: "_Question") -> Iterator[Reached]:
        """Cut the addresses where some rule begins or ends, and ask once for each piece."""
        family = question.own.block.family
        runs: list[tuple[Stretch, Outcome, Cause]] = []
        for (first, last), _ in AddressLine(
            family, [((each,), 0) for each in self._cuts(question)]
        ):
            told = self._ask(question, AddressEnd(Block(family, first, family.bits)))
            key = (told.outcome, told.cause)
            if runs and runs[-1][1:] == key:
                runs[-1] = ((runs[-1][0][0], last), *key)
            else:
                runs.append(((first, last), *key))
        for stretch, outcome, cause in runs:
            if outcome is not Outcome.BLOCKED:
                for block in covering(family, stretch):
                    yield Reached(AddressEnd(block), outcome, cause)

    def _cuts(self, question: "_Question") -> Iterator[Block]:
        """Return the blocks that the rules of the asked side tell from other addresses."""
        bench = self._evaluator.benches.of(question.own, question.direction, question.plane)
        for line in bench.lines:
            if isinstance(line.peer, Block):
                yield line.peer
            elif isinstance(line.peer, PrefixListPeer):
                yield from self._world.prefix_lists.get(line.peer.prefix_list_id, ())


@dataclass(frozen=True, slots=True)
class _Question:
    own: InterfaceEnd
    direction: Direction
    traffic: Traffic
    plane: NicType

    def flow(self, other: End) -> Flow:
        inward = self.direction is Direction.INGRESS
        source, target = (other, self.own) if inward else (self.own, other)
        return Flow(source, target, self.traffic, self.plane, self.own.block.family)


def _open(found: list[Reached]) -> Iterator[Reached]:
    return (each for each in found if each.outcome is not Outcome.BLOCKED)
