"""Verdicts compared with those of the simulator's packet walk, reasons and all."""

from app.domain.evaluate import explain
from app.domain.flows import Cause, Outcome, SideOutcome, Verdict
from app.simulator.packets import Verdict as Walked
from tests.support.chance import Seeded
from tests.support.classes import Questions
from tests.support.reading import as_read
from tests.support.regions import an_estate
from tests.support.walking import Walker

SIDES = {
    "EGRESS_DROP": ("egress", Cause.RULE),
    "EGRESS_DEFAULT": ("egress", Cause.DEFAULT),
    "INGRESS_DROP": ("ingress", Cause.RULE),
    "INGRESS_DEFAULT": ("ingress", Cause.DEFAULT),
}


def compare_with_the_walk(seed: object, flows: int) -> int:
    """Judge random packets in a random estate both ways; return how many."""
    chance = Seeded(seed)
    world = an_estate(chance)
    walker, questions, read = Walker(world), Questions(world), as_read(world, chance)
    for _ in range(flows):
        flow = questions.draw(chance)
        assert_agree(explain(read, flow), walker.walk(flow), (f"seed {seed}", flow))
    return flows


def assert_agree(said: Verdict, walked: Walked, where: object) -> None:
    """Same outcome for the same reason; of all deciding rules the walk names one a side."""
    reachable = Outcome.REACHABLE if walked.is_reachable else Outcome.BLOCKED
    assert said.outcome is reachable, (where, said, walked)
    assert _reason(said, walked.reason), (where, said, walked)
    deciding = {each.held.rule_id for each in (*said.egress.rules, *said.ingress.rules)}
    assert deciding.issuperset(walked.rules), (where, said, walked)


def _reason(said: Verdict, reason: str) -> bool:
    if reason in {"NO_ROUTE", "INTRA_GROUP"}:
        return said.cause is Cause[reason]
    if reason == "RULE":
        return {said.egress.outcome, said.ingress.outcome} == {SideOutcome.ALLOWED}
    name, cause = SIDES[reason]
    stopping = said.egress if name == "egress" else said.ingress
    return stopping.outcome is SideOutcome.BLOCKED and stopping.cause is cause
