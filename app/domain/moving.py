"""Moving a connection to another method: the new path stands before anything of the old one goes.

The new path is planned in the world without what of the old one goes, so that it leans on nothing
that will be gone; what both need stays. No flow changes twice on the way, in whatever order of
those tried: else there is no plan.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.domain.changes import (
    AddedRule,
    Authorize,
    Change,
    CreatedGroup,
    Join,
    Joined,
    Revoke,
    takes_away,
)
from app.domain.connections import LedgerEntry
from app.domain.disconnecting import Departure, kept_sentences
from app.domain.documents import Document
from app.domain.errors import NoSafeOrderError, QuotaInsufficientError
from app.domain.evaluate import Evaluator
from app.domain.fingerprint import fingerprint, world_document
from app.domain.flows import Verdict
from app.domain.gaps import is_seamless, stages
from app.domain.intents import GroupSide, InstanceSide, Intent, MethodName
from app.domain.plan import AskedFlow, Limits, Plan, PlannedChange, QuotaUse, asked_flows, is_open
from app.domain.plan_documents import verdict_document
from app.domain.planning import (
    Bounds,
    cloud_calls,
    compare,
    exceeded_sentence,
    plan_connection,
    quota_document,
)
from app.domain.quotas import quotas
from app.domain.rules import Direction
from app.domain.world import World

SIDE_GROUPS = {"source_security_group_id": "source", "target_security_group_id": "target"}
"""Members of a way that stand in the sides of a connect request."""

WAY = frozenset(
    {
        "method", "scope", "priority", "override_drops", "security_group_id", "group_name",
        "max_extra_pairs",
    }
)  # fmt: skip
"""Members of a connect request that say how to connect; the others say who, and what for."""

RULE_METHODS = frozenset({MethodName.ADDRESS_RULES, MethodName.GROUP_AUTHORIZATION})


def moved_request(request: Mapping[str, Any], to: Mapping[str, Any]) -> Document:
    """Return a connect request for the same sides and flows by another way."""
    moved = {key: value for key, value in request.items() if key not in WAY}
    for name, side in SIDE_GROUPS.items():
        moved[side] = {key: each for key, each in request[side].items() if key != _GROUP}
        if name in to:
            moved[side][_GROUP] = to[name]
    if to["method"] in RULE_METHODS and "flows" not in moved:
        moved["flows"] = [{"protocol": "all"}]
    return moved | {key: value for key, value in to.items() if key not in SIDE_GROUPS}


def way_of(request: Mapping[str, Any]) -> Document:
    """Return how a request connects: moving to that gives an equal request."""
    way = {key: value for key, value in request.items() if key in WAY}
    for name, side in SIDE_GROUPS.items():
        if _GROUP in request[side]:
            way[name] = request[side][_GROUP]
    return way


_GROUP = "security_group_id"


@dataclass(frozen=True, slots=True)
class Moving:
    """A plan to move. `new` is the plan of the new path in the world without the old one.

    `ending` entries are undone, `gone` ones need not be, and `keeping` ones serve the new path as
    well. `most` are the quotas while both paths stand; `old_extra` is how many pairs the old path
    opens besides what was asked for. `between` are the verdicts of the asked flows right before the
    first removal.
    """

    plan: Plan
    new: Plan
    ending: tuple[LedgerEntry, ...]
    gone: tuple[LedgerEntry, ...]
    keeping: tuple[LedgerEntry, ...]
    most: tuple[QuotaUse, ...]
    old_extra: int
    between: tuple[Verdict, ...]


def plan_move(
    world: World,
    old: Intent,
    new: Intent,
    departure: Departure,
    *,
    limits: Limits,
    bounds: Bounds,
) -> Moving:
    """Return the plan that moves a connection; `departure` is what taking it back would do.

    Raises:
        what planning a connection raises;
        QuotaInsufficientError: there is no room for both paths at the same time.
        NoSafeOrderError: on the way something would be open that is neither before nor after,
            or closed that is to stay open.
    """
    leaving = replace(departure, ending=tuple(_leaving(departure.ending, old, new)))
    without = _made(world, leaving.changes)
    path = plan_connection(without, new, limits, bounds)
    additions, stands = _missing_of(world, path)
    keeping = [each for each in departure.ending if _is_kept(each, leaving.ending, stands)]
    ending = tuple(each for each in departure.ending if each not in keeping)
    removals = tuple(
        PlannedChange(each, "the new path does not need it")
        for each in replace(departure, ending=ending).changes
    )
    most = _check_room(world, additions, limits)
    changes = _in_order(world, additions, removals, new)
    plan = _foretold(world, new, changes, limits)
    flows = [each.flow for each in plan.asked]
    old_extra = compare(without, world, leaving.changes, flows).extra_pairs
    return Moving(
        plan=replace(plan, warnings=(*path.warnings, *kept_sentences(departure))),
        new=path,
        ending=ending,
        gone=departure.gone,
        keeping=tuple(keeping),
        most=most,
        old_extra=old_extra,
        between=tuple(_between(world, new, [planned.change for planned in changes])),
    )


def _leaving(ending: Iterable[LedgerEntry], old: Intent, new: Intent) -> Iterator[LedgerEntry]:
    """What would go if nothing of it were needed: not a group that the new way names."""
    if old == new:
        return
    named = _named(new)
    for entry in ending:
        if not (isinstance(entry.effect, CreatedGroup) and entry.effect.group_id in named):
            yield entry


def _named(intent: Intent) -> frozenset[str]:
    """Ids of groups that a request names."""
    sides = [side for side in (intent.source, intent.target) if isinstance(side, InstanceSide)]
    named = {side.group_id for side in sides} | {intent.group_id}
    if isinstance(intent.source, GroupSide):
        named |= set(intent.source.group_ids)
    return frozenset(each for each in named if each is not None)


def _made(world: World, changes: Iterable[Change]) -> World:
    for change in changes:
        world = world.after(change)
    return world


def _missing_of(world: World, path: Plan) -> tuple[tuple[PlannedChange, ...], set[object]]:
    """What of a path is not there yet, and what of it is: by group and rule, or instance."""
    missing: list[PlannedChange] = []
    stands: set[object] = set()
    for planned in path.changes:
        match planned.change:
            case Authorize(group_id=group_id, rules=rules) as change:
                group = world.groups.get(group_id)
                held = {each.rule for each in group.rules} if group is not None else set()
                new = tuple(each for each in rules if each.rule not in held)
                stands |= {(group_id, each.rule) for each in rules if each.rule in held}
                if new:
                    missing.append(replace(planned, change=replace(change, rules=new)))
            case Join(group_id=group_id, instance_id=instance_id):
                if group_id in world.instances[instance_id].group_ids:
                    stands.add((group_id, instance_id))
                else:
                    missing.append(planned)
            case _:
                missing.append(planned)
    return tuple(missing), stands


def _is_kept(
    entry: LedgerEntry, leaving: Collection[LedgerEntry], stands: Collection[object]
) -> bool:
    if entry not in leaving:
        return True
    match entry.effect:
        case AddedRule(group_id=group_id, held=held):
            return (group_id, held.rule) in stands
        case Joined(group_id=group_id, instance_id=instance_id):
            return (group_id, instance_id) in stands
        case _:
            return False


def _check_room(
    world: World, additions: Sequence[PlannedChange], limits: Limits
) -> tuple[QuotaUse, ...]:
    """Return what is used of quotas while both paths stand.

    Raises:
        QuotaInsufficientError
    """
    changes = [planned.change for planned in additions]
    most = quotas(world, _made(world, changes), changes, limits)
    exceeded = [use for use in most if use.is_exceeded]
    if exceeded:
        details = "; ".join(exceeded_sentence(use) for use in exceeded[:3])
        raise QuotaInsufficientError(
            f"while both paths stand {details}", quotas=[quota_document(use) for use in exceeded]
        )
    return most


def _in_order(
    world: World,
    additions: Sequence[PlannedChange],
    removals: Sequence[PlannedChange],
    new: Intent,
) -> tuple[PlannedChange, ...]:
    """Return the changes in an order in which no flow changes twice.

    Where each side of a flow is opened by rules, one side may have to be moved before the other:
    what an old egress rule and a new ingress rule open together was asked for by nobody.

    Raises:
        NoSafeOrderError
    """
    for order in _orders(additions, removals):
        changes = [planned.change for planned in order]
        if is_seamless(world, changes) and _stay_open(world, changes, new):
            return order
    raise NoSafeOrderError(
        "in whatever order, on the way something would be open that is neither before nor after, "
        "or an asked flow would be blocked: disconnect and connect instead, or use another scope"
    )


def _orders(
    additions: Sequence[PlannedChange], removals: Sequence[PlannedChange]
) -> Iterator[tuple[PlannedChange, ...]]:
    yield (*additions, *removals)
    for first in (Direction.EGRESS, Direction.INGRESS):
        groups = [[each for each in of if _is_of(each, first)] for of in (additions, removals)]
        rest = [[each for each in of if not _is_of(each, first)] for of in (additions, removals)]
        if all(groups) and all(rest):
            yield (*groups[0], *groups[1], *rest[0], *rest[1])


def _is_of(planned: PlannedChange, direction: Direction) -> bool:
    change = planned.change
    return isinstance(change, Authorize | Revoke) and change.direction is direction


def _stay_open(world: World, changes: Sequence[Change], new: Intent) -> bool:
    """Whether asked flows that are open now stay open, after each stage that can close anything."""
    wanted = _open_flows(world, new)
    for stage in stages(world, changes) if any(wanted) else ():
        world = _made(world, stage)
        if any(was and not now for was, now in zip(wanted, _open_flows(world, new), strict=True)):
            return False
    return True


def _between(world: World, new: Intent, changes: Sequence[Change]) -> Iterator[Verdict]:
    """Judge the asked flows as they are right before the first removal."""
    first = next((number for number, each in enumerate(changes) if takes_away(each)), len(changes))
    there = _made(world, changes[:first])
    evaluator = Evaluator(there)
    return (evaluator.explain(flow) for flow in asked_flows(there, new))


def _open_flows(world: World, intent: Intent) -> list[bool]:
    evaluator = Evaluator(world)
    return [is_open(evaluator.explain(flow)) for flow in asked_flows(world, intent)]


def _foretold(
    world: World, new: Intent, changes: tuple[PlannedChange, ...], limits: Limits
) -> Plan:
    plain = [planned.change for planned in changes]
    after = _made(world, plain)
    now, then = Evaluator(world), Evaluator(after)
    told = tuple(
        AskedFlow(flow, now.explain(flow), then.explain(later))
        for flow, later in zip(asked_flows(world, new), asked_flows(after, new), strict=True)
    )
    return Plan(
        kind="move",
        changes=changes,
        asked=told,
        difference=compare(world, after, plain, [each.flow for each in told]),
        quotas=quotas(world, after, plain, limits),
        calls=cloud_calls(after, plain),
        fingerprint=fingerprint(world_document(world)),
    )


def moving_document(made: Moving, old: Document, new: Document) -> Document:
    """Spell what a plan to move says besides: both requests, and the moment between."""
    return {
        "from": old,
        "request": new,
        "kept": [entry.entry_id for entry in made.keeping],
        "extra_pairs_before": made.old_extra,
        "extra_pairs_after": made.new.difference.extra_pairs,
        "quotas_between": [quota_document(use) for use in made.most],
        "between": [verdict_document(each) for each in made.between],
    }
