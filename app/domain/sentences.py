"""A verdict as one sentence for people."""

from app.domain.flows import (
    Cause,
    DecidingRule,
    Flow,
    Outcome,
    SideOutcome,
    SideVerdict,
    Traffic,
    Verdict,
)
from app.domain.rules import PortRange, Protocol
from app.domain.world import AddressEnd, End, GroupEnd, InterfaceEnd

NAMES_SHOWN = 3
"""Rules that a sentence names on each side; the verdict holds all of them."""


def sentence(verdict: Verdict) -> str:
    """Say in one sentence what a verdict says, and why."""
    flow = verdict.flow
    source, target = name(flow.source), name(flow.target)
    what = f"{traffic_name(flow.traffic)} from {source} to {target} on the {flow.plane} side"
    said = {
        Outcome.REACHABLE: "is reachable",
        Outcome.BLOCKED: "is blocked",
        Outcome.UNKNOWN: "cannot be judged",
    }
    return f"{what} {said[verdict.outcome]}: {_reason(flow, verdict)}."


def name(end: End) -> str:
    """Name one end of a flow: the instance and its address, the address, or the group."""
    match end:
        case InterfaceEnd(instance, _, block):
            return f"{instance.instance_id} ({block.address})"
        case AddressEnd(block):
            return block.address if block.is_single else str(block)
        case GroupEnd(ref):
            return f"the members of {ref.group_id} of account {ref.account_id}"


def traffic_name(traffic: Traffic) -> str:
    """Name a kind of packet: `tcp port 22`, `udp ports 1 to 99`, `every protocol`."""
    if traffic.protocol is Protocol.ALL:
        return "every protocol"
    if traffic.protocol is Protocol.OTHER:
        return "every other protocol"
    if not traffic.protocol.has_ports:
        return str(traffic.protocol)
    text = f"{traffic.protocol} {_ports(traffic.ports)}"
    if traffic.source_ports.is_every_port:
        return text
    return f"{text} from source {_ports(traffic.source_ports)}"


def _ports(ports: PortRange) -> str:
    if ports.is_every_port:
        return "every port"
    if ports.first == ports.last:
        return f"port {ports.first}"
    return f"ports {ports.first} to {ports.last}"


def _reason(flow: Flow, verdict: Verdict) -> str:
    if verdict.cause is Cause.NO_ROUTE:
        return "the two addresses have no route to each other, whatever the groups say"
    if verdict.cause is Cause.INTRA_GROUP:
        groups = _listed([ref.group_id for ref in verdict.shared_groups])
        return f"both ends are in {groups}, whose members reach each other whatever the rules say"
    sides = [
        (_of_side("egress", flow.source, verdict.egress), verdict.egress.outcome),
        (_of_side("ingress", flow.target, verdict.ingress), verdict.ingress.outcome),
    ]
    stopping = {
        Outcome.REACHABLE: SideOutcome.ALLOWED,
        Outcome.BLOCKED: SideOutcome.BLOCKED,
        Outcome.UNKNOWN: SideOutcome.UNKNOWN,
    }
    telling = [text for text, outcome in sides if outcome is stopping[verdict.outcome]]
    if not telling:
        return f"one side or the other stops it: {', and '.join(text for text, _ in sides)}"
    return ", and ".join(telling)


def _of_side(direction: str, end: End, side: SideVerdict) -> str:
    where = f"{direction} of {name(end)}"
    match side.cause:
        case Cause.RULE:
            verb = "allowed" if side.outcome is SideOutcome.ALLOWED else "dropped"
            return f"{where} is {verb} by {_rules(side.rules)}"
        case Cause.DEFAULT:
            verb = "allowed" if side.outcome is SideOutcome.ALLOWED else "refused"
            return f"{where} is {verb} by default"
        case Cause.NOT_JUDGED:
            return f"{where} is not judged, for no group is known there"
        case _ if side.outcome is SideOutcome.BLOCKED:
            some = f" ({_rules(side.rules)} decide)" if side.rules else ""
            return f"{where} stops some of it, whatever could not be read{some}"
        case _:
            some = f" ({_rules(side.rules)} may matter)" if side.rules else ""
            return f"{where} depends on what could not be read{some}"


def _rules(rules: tuple[DecidingRule, ...]) -> str:
    names = [f"{rule.held.rule_id} of {rule.group.group_id}" for rule in rules[:NAMES_SHOWN]]
    more = len(rules) - len(names)
    label = "rule" if len(rules) == 1 else "rules"
    return f"{label} {_listed(names)}" + (f" and {more} more" if more else "")


def _listed(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} and {names[-1]}"
