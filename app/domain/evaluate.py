"""What a world allows, and because of which rule."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from app.domain.flows import (
    Cause,
    DecidingRule,
    Flow,
    Outcome,
    SideOutcome,
    SideVerdict,
    Verdict,
)
from app.domain.groups import Eni, Group, GroupRef
from app.domain.judging.guards import NOT_JUDGED, UNREADABLE, Guard, Side, fold, span
from app.domain.judging.matching import Match, governs, own_matches, peer_match, speaks_of
from app.domain.judging.routes import has_route
from app.domain.judging.sentences import sentence
from app.domain.rules import Direction, NicType, Policy
from app.domain.world import AddressEnd, End, GroupEnd, InterfaceEnd, World


def explain(world: World, flow: Flow) -> Verdict:
    """Say whether every packet of `flow` may pass, and which rules say so.

    A new connection needs a route, and then either a basic group of both ends whose
    members reach each other, or egress at the source and ingress at the target; replies
    pass by themselves. The answer is unknown only where it depends on what was not read.

    Source: ECS API, AuthorizeSecurityGroup and ModifySecurityGroupPolicy.
    """
    verdict = _judge(world, flow)
    return replace(verdict, summary=sentence(flow, verdict))


def _judge(world: World, flow: Flow) -> Verdict:
    if not has_route(flow.source, flow.target, flow.plane, flow.family):
        side = SideVerdict(SideOutcome.BLOCKED, Cause.NO_ROUTE)
        return Verdict(Outcome.BLOCKED, Cause.NO_ROUTE, side, side)
    inner, connecting = intra_group(world, flow.source, flow.target, flow.plane)
    if inner is Match.YES:
        side = SideVerdict(SideOutcome.ALLOWED, Cause.INTRA_GROUP)
        return Verdict(Outcome.REACHABLE, Cause.INTRA_GROUP, side, side, connecting)
    egress = _side(world, flow, Direction.EGRESS)
    ingress = _side(world, flow, Direction.INGRESS)
    if inner is Match.MAYBE:
        egress, ingress = _may_pass(egress), _may_pass(ingress)
    outcome = combined(egress.outcome, ingress.outcome)
    return Verdict(outcome, _cause(outcome, egress, ingress), egress, ingress)


def intra_group(
    world: World, source: End, target: End, plane: NicType
) -> tuple[Match, tuple[GroupRef, ...]]:
    """Say whether a shared group lets its members reach each other, and which groups do.

    One such group is enough, and it beats every rule; it covers private addresses only.
    `maybe` where a shared group could not be read.

    Source: ECS API, ModifySecurityGroupPolicy.
    """
    if not (isinstance(source, InterfaceEnd) and isinstance(target, InterfaceEnd)):
        return Match.NO, ()
    shared = source.eni.group_ids & target.eni.group_ids
    if plane is not NicType.INTRANET or not shared:
        return Match.NO, ()
    read = [world.groups[group_id] for group_id in sorted(shared) if group_id in world.groups]
    connecting = tuple(group.ref for group in read if group.connects_members)
    if connecting:
        return Match.YES, connecting
    return (Match.NO if len(read) == len(shared) else Match.MAYBE), ()


def combined(egress: SideOutcome, ingress: SideOutcome) -> Outcome:
    """Return the outcome of a passage: it is open when both of its sides are."""
    if SideOutcome.BLOCKED in (egress, ingress):
        return Outcome.BLOCKED
    return Outcome.UNKNOWN if SideOutcome.UNKNOWN in (egress, ingress) else Outcome.REACHABLE


def groups_read(world: World, eni: Eni) -> list[Group]:
    """Return the groups of an interface that were read, by id."""
    return [world.groups[key] for key in sorted(eni.group_ids) if key in world.groups]


def default_of(groups: Sequence[Group], direction: Direction) -> Policy:
    """Return what happens where no rule matches; groups of one interface are of one kind.

    Source: ECS API, CreateSecurityGroup, parameter SecurityGroupType.
    """
    policies = {group.default(direction) for group in groups}
    return Policy.DROP if Policy.DROP in policies else Policy.ACCEPT


# --- one side -------------------------------------------------------------------


def _side(world: World, flow: Flow, direction: Direction) -> SideVerdict:
    """Judge one direction: the pooled rules of all groups of the interface on that side."""
    outward = direction is Direction.EGRESS
    own, other = (flow.source, flow.target) if outward else (flow.target, flow.source)
    match own:
        case AddressEnd():
            return _told(NOT_JUDGED, flow, ())
        case GroupEnd():
            return _told(UNREADABLE, flow, ())
    groups = groups_read(world, own.eni)
    found = []
    for deciding in _rules_of(groups, own, flow, direction):
        match = peer_match(world, deciding.held.rule.peer, other, flow.plane)
        if match is not Match.NO:
            found.append((deciding, match is Match.YES))
    found.sort(key=_order)
    guard = Guard(
        [deciding.held.rule for deciding, _ in found],
        [surely for _, surely in found],
        default_of(groups, direction),
        unread=len(groups) < len(own.eni.group_ids),
    )
    return _told(guard, flow, [deciding for deciding, _ in found])


def _rules_of(
    groups: Sequence[Group], own: InterfaceEnd, flow: Flow, direction: Direction
) -> Iterator[DecidingRule]:
    """Rules of these groups that judge `own` in this direction, plane and family."""
    for group in groups:
        for held in group.rules:
            rule = held.rule
            if rule.direction is not direction or not governs(rule, own.instance, flow.plane):
                continue
            if speaks_of(rule, flow.family) and own_matches(rule, own):
                yield DecidingRule(group.ref, held)


def _order(found: tuple[DecidingRule, bool]) -> tuple[tuple[int, bool], str, str]:
    deciding, _ = found
    return (deciding.held.rule.rank, deciding.held.rule_id, deciding.group.group_id)


def _told(side: Side, flow: Flow, rules: Sequence[DecidingRule]) -> SideVerdict:
    """Sum up the rulings over every packet: one that is blocked outweighs the rest."""
    traffic = flow.traffic
    rulings = fold(
        side,
        traffic.protocol.concrete(flow.family),
        span(traffic.ports),
        span(traffic.source_ports),
    )
    outcomes = {ruling.outcome for ruling in rulings}
    outcome = next(
        worst
        for worst in (SideOutcome.BLOCKED, SideOutcome.UNKNOWN, SideOutcome.ALLOWED)
        if worst in outcomes
    )
    telling = [ruling for ruling in rulings if ruling.outcome is outcome]
    positions = sorted({position for ruling in telling for position in ruling.deciding})
    causes = {ruling.cause for ruling in telling}
    cause = Cause.RULE if Cause.RULE in causes else causes.pop()
    return SideVerdict(outcome, cause, tuple(rules[position] for position in positions))


def _may_pass(side: SideVerdict) -> SideVerdict:
    """Return a side that may be passed after all, through a shared group nobody could read."""
    if side.outcome is SideOutcome.BLOCKED:
        return SideVerdict(SideOutcome.UNKNOWN, Cause.UNREADABLE, side.rules)
    return side


def _cause(outcome: Outcome, egress: SideVerdict, ingress: SideVerdict) -> Cause:
    """Return the cause of the side that stops the packet, as it meets it, or of the passage."""
    stopping = {Outcome.BLOCKED: SideOutcome.BLOCKED, Outcome.UNKNOWN: SideOutcome.UNKNOWN}
    for side in (egress, ingress):
        if side.outcome is stopping.get(outcome):
            return side.cause
    causes = {egress.cause, ingress.cause}
    return next(cause for cause in (Cause.RULE, Cause.DEFAULT, Cause.NOT_JUDGED) if cause in causes)
