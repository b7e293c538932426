"""Rules that the members of a group pass by, because the group lets them reach one another."""

from collections.abc import Iterator
from itertools import product

from app.domain.addresses import Block
from app.domain.evaluate import explain
from app.domain.flows import EVERYTHING, Cause, Flow
from app.domain.groups import Eni, Instance
from app.domain.hygiene.case import Case
from app.domain.hygiene.finding import Kind, Severity, Sighting
from app.domain.hygiene.words import spelled
from app.domain.judging.matching import speaks_of
from app.domain.rules import Direction, GroupPeer, HeldRule, NicType, Policy
from app.domain.world import InterfaceEnd


def drop_among_members(case: Case) -> Iterator[Sighting]:
    for held in case.rules:
        if held.rule.policy is Policy.DROP and case.standing(held).decides:
            pair = _passing_by(case, held)
            if pair is not None:
                source, target = pair
                detail = (
                    f"{spelled(held)} does not stop {_name(source)} from reaching "
                    f"{_name(target)}: both are members."
                )
                yield Sighting(detail, (held,))


def _passing_by(case: Case, held: HeldRule) -> tuple[InterfaceEnd, InterfaceEnd] | None:
    """Return two members whose packets the rule names, and who reach each other all the same."""
    ends = list(_ends(case, held))
    owns = [end for end in ends if held.rule.own is None or end.block.within(held.rule.own)]
    peers = [end for end in ends if _is_peer(case, held, end)]
    for own, peer in product(owns, peers):
        if own.instance == peer.instance or own.block.family is not peer.block.family:
            continue
        outward = held.rule.direction is Direction.EGRESS
        source, target = (own, peer) if outward else (peer, own)
        flow = Flow(source, target, EVERYTHING, family=own.block.family)
        if explain(case.world, flow).cause is Cause.INTRA_GROUP:
            return source, target
    return None


def _ends(case: Case, held: HeldRule) -> Iterator[InterfaceEnd]:
    """Private addresses of members, on the side and of the family that the rule speaks of."""
    if not case.group.connects_members:
        return
    if case.is_classic and held.rule.nic_type is not NicType.INTRANET:
        return
    for instance, eni in case.members:
        for block in eni.addresses:
            if speaks_of(held.rule, block.family):
                yield InterfaceEnd(instance, eni, block)


def _is_peer(case: Case, held: HeldRule, end: InterfaceEnd) -> bool:
    peer = held.rule.peer
    if isinstance(peer, GroupPeer):
        return peer.group_id in end.eni.group_ids
    return any(end.block.within(block) for block in case.blocks_of(held))


def _name(end: InterfaceEnd) -> str:
    return f"{end.instance.instance_id} ({end.block.address})"


def accept_among_members(case: Case) -> Iterator[Sighting]:
    """See accepts that name nobody but members: all of a named group, or of a block."""
    for held in case.rules:
        if held.rule.policy is not Policy.ACCEPT or not case.standing(held).decides:
            continue
        if any(True for _ in _ends(case, held)) and _names_members_only(case, held):
            detail = f"Everyone whom {spelled(held)} names is a member of {case.group.group_id}."
            yield Sighting(detail, (held,))


def _names_members_only(case: Case, held: HeldRule) -> bool:
    peer = held.rule.peer
    if isinstance(peer, GroupPeer):
        named = _of_group(case, peer)
        return bool(named) and all(case.group.group_id in eni.group_ids for _, eni in named)
    blocks = case.blocks_of(held)
    return bool(blocks) and all(_is_full_of_members(case, block) for block in blocks)


def _of_group(case: Case, peer: GroupPeer) -> tuple[tuple[Instance, Eni], ...]:
    known = peer.group_id in case.world.complete
    return case.world.members(peer.group_id) if known else ()


def _is_full_of_members(case: Case, block: Block) -> bool:
    inside = sum(1 for address in case.member_addresses if address.within(block))
    return inside == block.size


DROP_AMONG_MEMBERS = Kind(
    "drop_among_members",
    Severity.MEDIUM,
    title="A drop does not hold between members",
    meaning="The group's inner access policy is Accept, which lets members reach one another "
    "before any rule is judged. The drop names members among others, and stops the others "
    "only.",
    remedy="Set the inner access policy to Drop and accept what members need, or move those who "
    "are to be kept apart into different groups.",
    proof="The verdict between the two members named is reachable because of the shared group, "
    "whatever the rules say.",
    find=drop_among_members,
)
ACCEPT_AMONG_MEMBERS = Kind(
    "accept_among_members",
    Severity.INFO,
    title="An accept opens what members have anyway",
    meaning="Everyone whom it names is a member, and the group's inner access policy is Accept, "
    "which lets members reach one another before any rule is judged.",
    remedy="Remove the rule, unless inner access is to be set to Drop.",
    proof="All members were read; nobody else has an address that the rule names.",
    find=accept_among_members,
)
