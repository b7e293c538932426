"""Plans, verdicts and blast radii as JSON documents."""

from app.domain.difference import Difference, Exposure, Item
from app.domain.documents import Document, change_document, held_document
from app.domain.flows import DecidingRule, Flow, SideVerdict, Traffic, Verdict
from app.domain.hindrances import Hindrance
from app.domain.plan import AskedFlow, Plan, PlannedChange
from app.domain.planning import quota_document
from app.domain.rules import ANY_PORT
from app.domain.sentences import sentence
from app.domain.world import AddressEnd, End, GroupEnd, InterfaceEnd


def end_document(end: End) -> Document:
    """Spell one end of a flow: an instance with the address it speaks from, a bare address
    or block, or a group that cannot be read.
    """
    match end:
        case InterfaceEnd(instance, _, block):
            return {
                "account_id": instance.place.account_id,
                "region_id": instance.place.region_id,
                "instance_id": instance.instance_id,
                "address": block.address,
            }
        case AddressEnd(block):
            return {"address": block.address if block.is_single else str(block)}
        case GroupEnd(ref):
            return {"account_id": ref.account_id, "security_group_id": ref.group_id}


def traffic_document(traffic: Traffic) -> Document:
    """Spell protocol and ports; `source_port_range` only where it narrows."""
    document: Document = {
        "protocol": traffic.protocol.value,
        "port_range": str(traffic.ports),
    }
    if traffic.source_ports != ANY_PORT:
        document["source_port_range"] = str(traffic.source_ports)
    return document


def flow_document(flow: Flow) -> Document:
    return {
        "source": end_document(flow.source),
        "target": end_document(flow.target),
        **traffic_document(flow.traffic),
        "nic_type": flow.plane.value,
        "address_family": flow.family.value,
    }


def deciding_document(deciding: DecidingRule) -> Document:
    """Spell a rule that decides, with the group that holds it."""
    return {
        "group_id": deciding.group.group_id,
        "account_id": deciding.group.account_id,
        **held_document(deciding.held),
    }


def side_document(side: SideVerdict) -> Document:
    return {
        "verdict": side.outcome.value,
        "code": side.cause.value,
        "rules": [deciding_document(each) for each in side.rules],
    }


def verdict_document(verdict: Verdict) -> Document:
    return {
        "verdict": verdict.outcome.value,
        "code": verdict.cause.value,
        "summary": sentence(verdict),
        "egress": side_document(verdict.egress),
        "ingress": side_document(verdict.ingress),
        "shared_group_ids": [ref.group_id for ref in verdict.shared_groups],
    }


def hindrance_document(hindrance: Hindrance) -> Document:
    """Spell what stands in the way; `group_id` and `rule_id` only where it is about one."""
    document: Document = {"code": hindrance.code.value, "detail": hindrance.detail}
    if hindrance.group is not None:
        document["group_id"] = hindrance.group.group_id
    if hindrance.rule_id is not None:
        document["rule_id"] = hindrance.rule_id
    return document


def asked_document(asked: AskedFlow) -> Document:
    return {
        **flow_document(asked.flow),
        "before": verdict_document(asked.before),
        "after": None if asked.after is None else verdict_document(asked.after),
    }


def item_document(item: Item) -> Document:
    return {
        "source": end_document(item.source),
        "target": end_document(item.target),
        **traffic_document(item.traffic),
        "nic_type": item.plane.value,
        "address_family": item.family.value,
        "asked": item.asked,
        "certain": item.certain,
    }


def exposure_document(exposure: Exposure) -> Document:
    return {
        "pairs": exposure.pairs,
        "port_pairs": exposure.port_pairs,
        "items": [item_document(item) for item in exposure.items],
        "truncated": exposure.truncated,
    }


def difference_document(difference: Difference) -> Document:
    return {
        "gained": exposure_document(difference.gained),
        "lost": exposure_document(difference.lost),
        "extra_pairs": difference.extra_pairs,
    }


def planned_document(planned: PlannedChange) -> Document:
    return {**change_document(planned.change), "reason": planned.reason}


def plan_document(plan: Plan) -> Document:
    """Spell a plan, all but the id and times that it gets when it is kept."""
    return {
        "kind": plan.kind,
        "changes": [planned_document(each) for each in plan.changes],
        "asked": {
            "pairs": len({(each.flow.source, each.flow.target) for each in plan.asked}),
            "items": [asked_document(each) for each in plan.asked],
        },
        **difference_document(plan.difference),
        "quotas": [quota_document(use) for use in plan.quotas],
        "calls": plan.calls,
        "warnings": list(plan.warnings),
        "fingerprint": plan.fingerprint,
    }
