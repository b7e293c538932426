"""What a world allows, and because of which rule."""

from app.domain.flows import Cause, Flow, Outcome, SideOutcome, SideVerdict, Verdict
from app.domain.groups import GroupRef
from app.domain.judging.benches import Benches
from app.domain.judging.doubts import can_all_pass
from app.domain.judging.matching import Match
from app.domain.judging.passing import NOT_JUDGED, UNREADABLE, Packets, doubts, side
from app.domain.judging.routes import has_route
from app.domain.rules import Direction, NicType
from app.domain.world import AddressEnd, End, InterfaceEnd, World


def explain(world: World, flow: Flow) -> Verdict:
    """Say whether every packet of `flow` may pass, and which rules say so.

    Of many questions about one world, ask one `Evaluator`: it sorts its rules once.
    """
    return Evaluator(world).explain(flow)


class Evaluator:
    """Answers questions about one world; what one answer works out, the next one finds."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.benches = Benches(world)

    def explain(self, flow: Flow) -> Verdict:
        """Say whether every packet of `flow` may pass, and which rules say so.

        A new connection needs a route, and then either a basic group of both ends whose
        members reach each other, or egress at the source and ingress at the target; replies
        pass by themselves. The answer is unknown only where it depends on what was not read.

        Source: ECS API, AuthorizeSecurityGroup and ModifySecurityGroupPolicy.
        """
        if not has_route(flow.source, flow.target, flow.plane, flow.family):
            return Verdict(flow, Outcome.BLOCKED, Cause.NO_ROUTE, _NO_ROUTE, _NO_ROUTE)
        inner, connecting = intra_group(self.world, flow.source, flow.target, flow.plane)
        if inner is Match.YES:
            reached, cause = Outcome.REACHABLE, Cause.INTRA_GROUP
            return Verdict(flow, reached, cause, _INSIDE, _INSIDE, connecting)
        packets = Packets.of(flow.traffic, flow.family)
        egress = self._side(flow, Direction.EGRESS, packets)
        ingress = self._side(flow, Direction.INGRESS, packets)
        if inner is Match.MAYBE:
            egress, ingress = _may_pass(egress), _may_pass(ingress)
        outcome = combined(egress.outcome, ingress.outcome)
        if outcome is Outcome.UNKNOWN and inner is Match.NO and not self._may_pass(flow):
            outcome = Outcome.BLOCKED
        return Verdict(flow, outcome, _cause(outcome, egress, ingress), egress, ingress)

    def _side(self, flow: Flow, direction: Direction, packets: Packets) -> SideVerdict:
        """Judge one direction: the pooled rules of all groups of the interface on that side."""
        outward = direction is Direction.EGRESS
        own, other = (flow.source, flow.target) if outward else (flow.target, flow.source)
        if isinstance(own, InterfaceEnd):
            return side(self.benches.of(own, direction, flow.plane), own, other, packets)
        return NOT_JUDGED if isinstance(own, AddressEnd) else UNREADABLE

    def _may_pass(self, flow: Flow) -> bool:
        """Say whether both sides may let every packet pass, where neither is known to stop one.

        What could not be read is the same on both sides, a list of ports for example.
        """
        source, target = flow.source, flow.target
        if not (isinstance(source, InterfaceEnd) and isinstance(target, InterfaceEnd)):
            return True
        packets = Packets.of(flow.traffic, flow.family)
        egress = self.benches.of(source, Direction.EGRESS, flow.plane)
        ingress = self.benches.of(target, Direction.INGRESS, flow.plane)
        return can_all_pass(
            [
                *doubts(egress, source, egress.spots(target), packets),
                *doubts(ingress, target, ingress.spots(source), packets),
            ]
        )


NOTHING_SHARED: tuple[Match, tuple[GroupRef, ...]] = (Match.NO, ())
_NO_ROUTE = SideVerdict(SideOutcome.BLOCKED, Cause.NO_ROUTE)
_INSIDE = SideVerdict(SideOutcome.ALLOWED, Cause.INTRA_GROUP)


def intra_group(
    world: World, source: End, target: End, plane: NicType
) -> tuple[Match, tuple[GroupRef, ...]]:
    """Say whether a shared group lets its members reach each other, and which groups do.

    One such group is enough, and it beats every rule; it covers private addresses only.
    `maybe` where a shared group could not be read.

    Source: ECS API, ModifySecurityGroupPolicy.
    """
    if not (isinstance(source, InterfaceEnd) and isinstance(target, InterfaceEnd)):
        return NOTHING_SHARED
    shared = source.eni.group_ids & target.eni.group_ids
    if plane is not NicType.INTRANET or not shared:
        return NOTHING_SHARED
    read = [world.groups[group_id] for group_id in sorted(shared) if group_id in world.groups]
    connecting = tuple(group.ref for group in read if group.connects_members)
    if connecting:
        return Match.YES, connecting
    return (Match.NO if len(read) == len(shared) else Match.MAYBE), ()


def combined(egress: SideOutcome, ingress: SideOutcome) -> Outcome:
    """Return the outcome of a passage: it is open when both of its sides are."""
    if egress is SideOutcome.ALLOWED and ingress is SideOutcome.ALLOWED:
        return Outcome.REACHABLE
    if SideOutcome.BLOCKED in (egress, ingress):
        return Outcome.BLOCKED
    return Outcome.UNKNOWN


def _may_pass(told: SideVerdict) -> SideVerdict:
    """Return a side that may be passed after all, through a shared group nobody could read."""
    if told.outcome is SideOutcome.BLOCKED:
        return SideVerdict(SideOutcome.UNKNOWN, Cause.UNREADABLE, told.rules)
    return told


def _cause(outcome: Outcome, egress: SideVerdict, ingress: SideVerdict) -> Cause:
    """Return the cause of the side that stops the packet, as it meets it, or of the passage.

    Where only both sides together stop it, it is what could not be read.
    """
    causes = (egress.cause, ingress.cause)
    if outcome is Outcome.REACHABLE:
        return next(cause for cause in _OPENING if cause in causes)
    stopping = SideOutcome.BLOCKED if outcome is Outcome.BLOCKED else SideOutcome.UNKNOWN
    for each in (egress, ingress):
        if each.outcome is stopping:
            return each.cause
    return Cause.UNREADABLE


_OPENING = (Cause.RULE, Cause.DEFAULT, Cause.NOT_JUDGED)
