"""Verdicts on worlds of which parts are hidden, compared with every way in which they may be."""

from collections import Counter

from app.domain.evaluate import explain
from app.domain.flows import Flow, Outcome
from app.domain.world import World
from tests.support.chance import Seeded
from tests.support.classes import Questions
from tests.support.hiding import completions, hidden
from tests.support.judge import judge
from tests.support.regions import an_estate


def possible(read: World, asked: Flow) -> set[Outcome]:
    """Return what may become of a packet in the worlds that may be the real one."""
    traffic = asked.traffic
    packet = (traffic.protocol, traffic.ports.first, traffic.source_ports.first)
    outcomes: set[Outcome] = set()
    for whole in completions(read, asked):
        outcomes.add(judge(whole, asked.source, asked.target, asked.plane, asked.family, packet))
        if len(outcomes) == 2:
            break
    return outcomes


def assert_honest(read: World, asked: Flow, where: object) -> Outcome:
    said, may_be = explain(read, asked).outcome, possible(read, asked)
    assert Outcome.UNKNOWN not in may_be
    expected = may_be.pop() if len(may_be) == 1 else Outcome.UNKNOWN
    assert said is expected, (where, asked, expected, explain(read, asked))
    return said


def ask(seed: object, flows: int) -> Counter[Outcome]:
    chance = Seeded(seed)
    whole = an_estate(chance)
    read, questions = hidden(whole, chance), Questions(whole)
    return Counter(
        assert_honest(read, questions.draw(chance), f"seed {seed}") for _ in range(flows)
    )
