"""The smallest change that would open a blocked flow, and nothing but it."""

from collections.abc import Iterator, Sequence
from functools import reduce

from app.domain.changes import Authorize, NewRule, Revoke, batched
from app.domain.evaluate import explain
from app.domain.flows import Cause, DecidingRule, Flow, Outcome, SideOutcome, Verdict
from app.domain.groups import Group, GroupKind
from app.domain.judging.benches import Bench, Benches, groups_read
from app.domain.judging.passing import Packets, cells
from app.domain.plan import PlannedChange
from app.domain.rules import (
    ANY_PORT,
    MAX_PORT,
    Direction,
    GroupPeer,
    NicType,
    Peer,
    PortRange,
    Protocol,
    Rule,
)
from app.domain.sentences import name
from app.domain.world import AddressEnd, End, GroupEnd, InterfaceEnd, World

BEST = 1
"""The best priority: a drop that has it is beaten by no accept."""

WORST = 100
"""The worst priority that a new rule can have."""


def remedy(
    world: World, verdict: Verdict, *, benches: Benches | None = None
) -> tuple[PlannedChange, ...]:
    """Return the fewest changes of rules that surely open a blocked flow, in order.

    An accept from the other end's address alone to this end's address alone, on each side that
    blocks, better than every drop in its way; drops of priority 1 are removed before it. None of
    the changes can be spared, and no other pair is opened but by the removal of a drop.

    Empty where no rule can help, or none surely: the flow is not blocked, there is no route, a
    group that judges could not be read or belongs to a cloud product. Quotas are not looked at.

    Source: ECS API, AuthorizeSecurityGroup, parameters Priority and DestCidrIp.
    """
    flow = verdict.flow
    if verdict.outcome is not Outcome.BLOCKED or verdict.cause is Cause.NO_ROUTE:
        return ()
    benches = benches or Benches(world)
    planned: list[PlannedChange] = []
    if verdict.ingress.outcome is not SideOutcome.ALLOWED:
        planned += _opened(benches, world, flow, Direction.INGRESS)
    if verdict.egress.outcome is not SideOutcome.ALLOWED:
        planned += _opened(benches, world, flow, Direction.EGRESS)
    reached = explain(_after(world, planned), flow).outcome is Outcome.REACHABLE
    return tuple(planned) if reached else ()


def _after(world: World, planned: Sequence[PlannedChange]) -> World:
    return reduce(World.after, (each.change for each in planned), world)


def _opened(
    benches: Benches, world: World, flow: Flow, direction: Direction
) -> Iterator[PlannedChange]:
    own, other = flow.source, flow.target
    if direction is Direction.INGRESS:
        own, other = other, own
    if not isinstance(own, InterfaceEnd):
        return
    usable = [group for group in groups_read(world, own.eni) if not group.managed]
    drops = _drops(benches.of(own, direction, flow.plane), flow, own, other)
    revokes = list(_revokes(usable, direction, drops))
    yield from revokes
    if not usable or (revokes and _passes(_after(world, revokes), flow, direction)):
        return
    group, rule = usable[0], _accept(flow, direction, own, other, drops)
    if group.kind is GroupKind.BASIC or not isinstance(rule.peer, GroupPeer):
        change = Authorize(group.place, group.group_id, direction, (NewRule(rule),))
        yield PlannedChange(change, f"no better {direction} rule of {name(own)} lets it pass")


def _passes(world: World, flow: Flow, direction: Direction) -> bool:
    told = explain(world, flow)
    side = told.ingress if direction is Direction.INGRESS else told.egress
    return side.outcome is SideOutcome.ALLOWED


def _drops(bench: Bench, flow: Flow, own: InterfaceEnd, other: End) -> list[DecidingRule]:
    """Drops that match some packet of the flow, surely or perhaps."""
    packets = Packets.of(flow.traffic, flow.family)
    found = {
        line.deciding: None
        for protocol in packets.protocols
        for spot in bench.spots(other)
        for cell in cells(bench.matching(protocol, own.block, spot), packets)
        for line, _ in cell
        if not line.accept
    }
    return list(found)


def _revokes(
    groups: Sequence[Group], direction: Direction, drops: Sequence[DecidingRule]
) -> Iterator[PlannedChange]:
    for group in groups:
        held = tuple(
            drop.held
            for drop in drops
            if drop.group == group.ref and drop.held.rule.priority == BEST
        )
        reason = f"no accept is better than a drop of priority {BEST}: it has to go first"
        if held:
            for change in batched([Revoke(group.place, group.group_id, direction, held)]):
                yield PlannedChange(change, reason)


def _accept(
    flow: Flow,
    direction: Direction,
    own: InterfaceEnd,
    other: End,
    drops: Sequence[DecidingRule],
) -> Rule:
    """The narrowest rule that matches every packet of the flow, better than the drops that stay.

    A protocol without a name can be accepted by a rule for all of them only. A rule cannot
    have the same block on both sides, so it is not narrowed for an end that speaks to itself.
    """
    traffic = flow.traffic
    unnamed = traffic.protocol is Protocol.OTHER
    ports = traffic.ports
    if traffic.protocol.has_ports and ports.is_every_port:
        ports = PortRange(1, MAX_PORT)
    staying = [drop.held.rule.priority for drop in drops if drop.held.rule.priority > BEST]
    peer = _peer(other)
    classic = own.instance.is_classic
    return Rule(
        direction=direction,
        protocol=Protocol.ALL if unnamed else traffic.protocol,
        ports=ports,
        peer=peer,
        priority=min(*staying, WORST + 1) - 1 if staying else BEST,
        nic_type=flow.plane if classic else NicType.INTRANET,
        own=None if peer == own.block else own.block,
        source_ports=ANY_PORT if traffic.source_ports.is_every_port else traffic.source_ports,
    )


def _peer(other: End) -> Peer:
    match other:
        case InterfaceEnd() | AddressEnd():
            return other.block
        case GroupEnd(ref):
            return GroupPeer(ref.group_id, ref.account_id)
