"""Repairing a connection: adding what is missing, where its own things are, and nothing else."""

from collections.abc import Sequence
from dataclasses import replace

from app.domain.changes import CreatedGroup, Effect, Joined
from app.domain.documents import Document
from app.domain.drifting import present_part
from app.domain.errors import MethodNotPossibleError, TargetNotFoundError
from app.domain.evaluate import Evaluator
from app.domain.flows import Outcome
from app.domain.intents import Intent, MethodName
from app.domain.plan import Limits, Plan, asked_flows
from app.domain.plan_documents import planned_document
from app.domain.planning import Bounds, plan_connection
from app.domain.remedies import remedy
from app.domain.world import World


def plan_repair(
    world: World, intent: Intent, own: Sequence[Effect], limits: Limits, bounds: Bounds
) -> Plan:
    """Return the plan that opens every asked flow again by adding, and that removes nothing.

    What was asked of instances that are gone is left out, with a warning.

    Raises:
        TargetNotFoundError: nobody is left on one of the sides.
        MethodNotPossibleError: with `remedy`, the changes of rules that would open the first of
            the flows, where a rule of somebody else stands in the way.
        GuardrailViolationError, TargetManagedError, QuotaInsufficientError
    """
    present, gone = present_part(world, intent)
    if present is None:
        names = ", ".join(gone)
        raise TargetNotFoundError(f"{names}: nobody is left on that side", instance_ids=[*gone])
    wanted = where_it_was(world, present, own)
    try:
        plan = plan_connection(world, wanted, limits, bounds)
    except MethodNotPossibleError as error:
        facts = {**error.facts, "remedy": _remedy(world, wanted)}
        raise MethodNotPossibleError(str(error), **facts) from error
    warnings = [f"{each} is gone: what was asked of it is left out" for each in gone]
    return replace(plan, kind="repair", warnings=(*plan.warnings, *warnings))


def where_it_was(world: World, intent: Intent, own: Sequence[Effect]) -> Intent:
    """Return the intent with the group whose members shall be joined again, if it still is
    there: a dedicated group is not made twice.
    """
    made = [each.group_id for each in own if isinstance(each, CreatedGroup)]
    joined = [each.group_id for each in own if isinstance(each, Joined)]
    present = [each for each in (*made, *joined) if each in world.groups]
    if not present or intent.method not in {MethodName.SHARED_GROUP, MethodName.DEDICATED_GROUP}:
        return intent
    if intent.group_id in world.groups:
        return intent
    return replace(intent, method=MethodName.SHARED_GROUP, group_id=present[0], group_name=None)


def _remedy(world: World, intent: Intent) -> list[Document]:
    """The fewest changes that would open the first flow that is blocked and can be opened."""
    evaluator = Evaluator(world)
    for flow in asked_flows(world, intent):
        verdict = evaluator.explain(flow)
        if verdict.outcome is Outcome.BLOCKED:
            changes = remedy(world, verdict, benches=evaluator.benches)
            if changes:
                return [planned_document(each) for each in changes]
    return []
