"""What has become of a connection: intact, widened or broken, and because of what.

The world of now is compared with the one in which the connection was verified, and all that
other connections of ours have made is left out on both sides. It is broken where an asked flow
does not pass any more. It is widened where something passes that did not pass then: between the
ends that were asked for, or through what is ours of the connection. Whatever else somebody did
is no concern of it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial

from app.domain.addresses import Block
from app.domain.changes import AddedRule, Effect, Joined
from app.domain.difference import Item, difference
from app.domain.discrepancies import (
    Baseline,
    Discrepancy,
    DiscrepancyKind,
    discrepancies,
    discrepancy_document,
    reverted,
    sentence_of,
)
from app.domain.documents import Document
from app.domain.evaluate import Evaluator
from app.domain.flows import Flow, Outcome, Verdict
from app.domain.groups import GroupRef
from app.domain.intents import AddressSide, GroupSide, InstanceSide, Intent, MethodName, Side
from app.domain.plan import asked_flows, is_open
from app.domain.plan_documents import item_document, verdict_document
from app.domain.rules import NicType
from app.domain.sentences import name, sentence, traffic_name
from app.domain.versions import differing
from app.domain.world import AddressEnd, End, GroupEnd, InterfaceEnd, World

EXAMINED = 20
"""Most closed flows, and most new items, of which it is found out because of what."""

SHOWN = 100
"""Most items that a condition shows."""


class ConditionType(StrEnum):
    """`intact`: what was granted passes, and nothing more. `widened`: more passes between the
    ends that were asked for, or through what is ours. `broken`: something asked for does not.
    """

    INTACT = "intact"
    WIDENED = "widened"
    BROKEN = "broken"


class ConditionStatus(StrEnum):
    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is so, is not so, or cannot be known; `evidence` are documents."""

    type: ConditionType
    status: ConditionStatus
    reason: str
    message: str
    evidence: tuple[Document, ...] = ()


@dataclass(frozen=True, slots=True)
class Closed:
    """An asked flow that does not pass, and the least that has to be undone so that it does.

    Nothing where undoing all that is known to have happened does not help.
    """

    flow: Flow
    verdict: Verdict
    because: tuple[Discrepancy, ...]


@dataclass(frozen=True, slots=True)
class Wider:
    """Something that passes and did not, and what made it; or the address that somebody got."""

    item: Item
    because: tuple[Discrepancy, ...]
    reused: Document | None = None


@dataclass(frozen=True, slots=True)
class Ours:
    """What of the ledger the connection uses, and what it does not."""

    own: tuple[Effect, ...]
    others: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """`gone` are asked instances that are not there any more."""

    gone: tuple[str, ...]
    closed: tuple[Closed, ...]
    unsure: tuple[Verdict, ...]
    wider: tuple[Wider, ...]
    perhaps_wider: tuple[Wider, ...]


def inspect(
    world: World,
    intent: Intent,
    kept: Baseline,
    ours: Ours,
    gone: frozenset[GroupRef] = frozenset(),
) -> Findings:
    """Compare the world of now with how it was; `gone` are groups known not to exist any more."""
    present, missing = present_part(world, intent)
    happened = discrepancies(kept, world, gone)
    closed: list[Closed] = []
    unsure: tuple[Verdict, ...] = ()
    wider: list[Wider] = []
    if present is not None:
        case = _Case(world, present, kept, happened, ours)
        closed, unsure = case.closed(), case.unsure()
        wider = case.wider()
    return Findings(
        missing,
        tuple(closed),
        unsure,
        tuple(each for each in wider if each.item.certain),
        tuple(each for each in wider if not each.item.certain),
    )


def present_part(world: World, intent: Intent) -> tuple[Intent | None, tuple[str, ...]]:
    """Return what of an intent can still be asked, and the instances that are gone."""
    missing: list[str] = []
    sides: list[Side] = []
    for side in (intent.source, intent.target):
        if isinstance(side, InstanceSide):
            there = tuple(each for each in side.instance_ids if each in world.instances)
            missing += [each for each in side.instance_ids if each not in world.instances]
            sides.append(replace(side, instance_ids=there))
        else:
            sides.append(side)
    source, target = sides
    assert isinstance(target, InstanceSide)
    empty = [each for each in sides if isinstance(each, InstanceSide) and not each.instance_ids]
    if empty:
        return None, tuple(missing)
    return replace(intent, source=source, target=target), tuple(missing)


class _Case:
    def __init__(
        self,
        world: World,
        intent: Intent,
        kept: Baseline,
        happened: list[Discrepancy],
        ours: Ours,
    ) -> None:
        self._world = world
        self._intent = intent
        self._kept = kept
        self._happened = happened
        self._ours = ours
        self._flows = list(asked_flows(world, intent))
        evaluator = Evaluator(world)
        self._verdicts = [evaluator.explain(flow) for flow in self._flows]

    # --- broken ---

    def closed(self) -> list[Closed]:
        """Asked flows that surely do not pass."""
        found: list[Closed] = []
        for number, verdict in enumerate(self._verdicts):
            if not is_open(verdict) and verdict.outcome is Outcome.BLOCKED:
                because: tuple[Discrepancy, ...] = ()
                if len(found) < EXAMINED:
                    about = self._about(verdict.flow.source, verdict.flow.target)
                    because = self._least(about, partial(self._passes, number))
                found.append(Closed(verdict.flow, verdict, because))
        return found

    def unsure(self) -> tuple[Verdict, ...]:
        return tuple(
            each
            for each in self._verdicts
            if not is_open(each) and each.outcome is not Outcome.BLOCKED
        )

    def _passes(self, number: int, world: World) -> bool:
        flows = list(asked_flows(world, self._intent))
        return number < len(flows) and is_open(Evaluator(world).explain(flows[number]))

    def _about(self, *ends: End) -> list[Discrepancy]:
        """What happened to these ends and to the groups that they are in, or were: nothing else
        can decide about what passes between them.
        """
        instances = {each.instance for each in ends if isinstance(each, InterfaceEnd)}
        names = {each.instance_id for each in instances}
        groups = {
            group_id
            for instance in instances
            for eni in instance.enis
            for group_id in eni.group_ids | self._kept.groups_of(instance, eni)
        }
        return [
            each
            for each in self._happened
            if each.kind is DiscrepancyKind.PREFIX_LIST_CHANGED
            or (each.part in names if each.kind in OF_INSTANCES else each.name in groups)
        ]

    def _least(
        self, happened: Sequence[Discrepancy], is_mended: Callable[[World], bool]
    ) -> tuple[Discrepancy, ...]:
        """The least of it that has to be undone; nothing where undoing all of it is in vain."""
        needed = list(happened)
        if not is_mended(reverted(self._world, needed)):
            return ()
        for one in happened:
            rest = [each for each in needed if each is not one]
            if is_mended(reverted(self._world, rest)):
                needed = rest
        return tuple(needed)

    # --- widened ---

    def wider(self) -> list[Wider]:
        """What passes now and did not, and concerns the connection."""
        moved = {DiscrepancyKind.ADDRESS_CHANGED}
        happened = [each for each in self._happened if each.kind not in moved]
        if not happened:
            return [*self._reused()]
        now = without(self._world, self._ours.others)
        then = without(reverted(self._world, happened), self._ours.others)
        bare = without(now, self._ours.own)
        flows = list(asked_flows(now, self._intent))
        found = difference(
            then,
            now,
            touched_groups=differing(then.groups, now.groups),
            touched_instances=differing(then.instances, now.instances),
            touched_lists=differing(then.prefix_lists, now.prefix_lists),
            asked=flows,
        )
        judge = Evaluator(bare)
        wider = [
            Wider(item, ())
            for item in found.gained.items
            if not item.asked and (self._is_between(item) or not _passes_in(judge, bare, item))
        ]
        told = [self._explained(each) for each in wider[:EXAMINED]]
        return [*told, *wider[EXAMINED:], *self._reused()]

    def _is_between(self, item: Item) -> bool:
        """Whether an item is between the asked ends, on the side that was asked about."""
        if item.plane is not NicType.INTRANET:
            return False
        source, target = self._intent.source, self._intent.target
        if _is_of(item.source, source) and _is_of(item.target, target):
            return True
        both_ways = self._intent.bidirectional or self._intent.method in MEMBERSHIPS
        return both_ways and _is_of(item.source, target) and _is_of(item.target, source)

    def _explained(self, wider: Wider) -> Wider:
        """Find the least that has to be undone so that not all of the item passes."""
        item = wider.item

        def is_closed(world: World) -> bool:
            bare = without(world, self._ours.others)
            return not _passes_in(Evaluator(bare), bare, item)

        happened = self._about(item.source, item.target)
        for one in happened:
            if is_closed(reverted(self._world, [one])):
                return replace(wider, because=(one,))
        return replace(wider, because=self._least(happened, is_closed))

    def _reused(self) -> Iterator[Wider]:
        """Rules of ours that name an address which belongs to somebody else by now."""
        now = without(self._world, self._ours.others)
        for effect in self._ours.own:
            if not isinstance(effect, AddedRule) or effect.group_id not in now.groups:
                continue
            for block in (effect.held.rule.peer, effect.held.rule.own):
                if isinstance(block, Block) and block.is_single:
                    yield from self._taken(now, effect, block)

    def _taken(self, now: World, effect: AddedRule, block: Block) -> Iterator[Wider]:
        was, end = self._kept.owner_of(block), now.end_at(NicType.INTRANET, block)
        if was is None or isinstance(end, AddressEnd) or end.instance.instance_id == was:
            return
        bare = without(now, [effect])
        found = difference(
            bare,
            now,
            touched_groups=frozenset({effect.group_id}),
            touched_instances=frozenset(),
            asked=(),
        )
        reused: Document = {
            "kind": "address_reused",
            "account_id": end.instance.place.account_id,
            "region_id": end.instance.place.region_id,
            "instance_id": end.instance.instance_id,
            "address": block.address,
            "before": was,
            "group_id": effect.group_id,
            "rule_id": effect.held.rule_id,
        }
        for item in found.gained.items:
            if block in {_block(item.source), _block(item.target)}:
                yield Wider(item, (), reused)


OF_INSTANCES = frozenset(
    {
        DiscrepancyKind.JOINED,
        DiscrepancyKind.LEFT,
        DiscrepancyKind.ADDRESS_CHANGED,
        DiscrepancyKind.CLASSIC_LINK_CHANGED,
    }
)
"""Differences that are about one instance; `name` of the others is a group or a list."""

MEMBERSHIPS = frozenset({MethodName.SHARED_GROUP, MethodName.DEDICATED_GROUP})


def _block(end: End) -> Block | None:
    return None if isinstance(end, GroupEnd) else end.block


def _is_of(end: End, side: Side) -> bool:
    match end:
        case InterfaceEnd(instance, eni, block):
            if isinstance(side, InstanceSide):
                return instance.place == side.place and instance.instance_id in side.instance_ids
            if isinstance(side, GroupSide):
                return bool(eni.group_ids & set(side.group_ids))
            return any(block.within(each) for each in side.blocks)
        case AddressEnd(block):
            return isinstance(side, AddressSide) and any(block.overlaps(b) for b in side.blocks)
        case GroupEnd(ref):
            return isinstance(side, GroupSide) and ref.group_id in side.group_ids


def _passes_in(judge: Evaluator, world: World, item: Item) -> bool:
    """Whether all of an item passes in a world where its ends may be in other groups."""
    source, target = _there(world, item.source), _there(world, item.target)
    if source is None or target is None:
        return False
    flow = Flow(source, target, item.traffic, item.plane, item.family)
    return judge.explain(flow).outcome is Outcome.REACHABLE


def _there(world: World, end: End) -> End | None:
    """The same end in another world; None where it has no such interface."""
    if not isinstance(end, InterfaceEnd):
        return end
    instance = world.instances.get(end.instance.instance_id)
    if instance is None:
        return None
    for eni in instance.enis:
        if eni.eni_id == end.eni.eni_id:
            return InterfaceEnd(instance, eni, end.block)
    return None


def without(world: World, effects: Iterable[Effect]) -> World:
    """Return the world as if these rules and memberships were not there."""
    rules: dict[str, set[str]] = {}
    members: dict[str, set[str]] = {}
    for effect in effects:
        if isinstance(effect, AddedRule) and effect.group_id in world.groups:
            rules.setdefault(effect.group_id, set()).add(effect.held.rule_id)
        elif isinstance(effect, Joined) and effect.instance_id in world.instances:
            members.setdefault(effect.instance_id, set()).add(effect.group_id)
    groups = dict(world.groups)
    for group_id, ids in rules.items():
        kept = tuple(held for held in groups[group_id].rules if held.rule_id not in ids)
        groups[group_id] = replace(groups[group_id], rules=kept)
    instances = dict(world.instances)
    for instance_id, left in members.items():
        instance = instances[instance_id]
        primary = replace(instance.primary, group_ids=instance.primary.group_ids - left)
        instances[instance_id] = replace(instance, enis=(primary, *instance.enis[1:]))
    return replace(world, groups=groups, instances=instances)


# --- conditions ---------------------------------------------------------------------


def conditions(found: Findings) -> tuple[Condition, ...]:
    """Say it in three conditions: intact, widened, broken."""
    broken, widened = _broken(found), _widened(found)
    return (_intact(broken, widened), widened, broken)


def unreadable(code: str, detail: str) -> tuple[Condition, ...]:
    """The conditions of a connection of which nothing can be known now."""
    unknown = ConditionStatus.UNKNOWN
    return tuple(Condition(each, unknown, code, detail) for each in ConditionType)


def _intact(broken: Condition, widened: Condition) -> Condition:
    statuses = {broken.status, widened.status}
    if ConditionStatus.TRUE in statuses:
        worse = broken if broken.status is ConditionStatus.TRUE else widened
        return _condition(ConditionType.INTACT, "false", worse.type.value, worse.message)
    if ConditionStatus.UNKNOWN in statuses:
        worse = broken if broken.status is ConditionStatus.UNKNOWN else widened
        return _condition(ConditionType.INTACT, "unknown", worse.reason, worse.message)
    return _condition(ConditionType.INTACT, "true", "as_granted", "what was granted passes")


def _broken(found: Findings) -> Condition:
    kind = ConditionType.BROKEN
    evidence: list[Document] = [
        {"kind": "instance_gone", "instance_id": each} for each in found.gone
    ]
    because = dict.fromkeys(one for each in found.closed for one in each.because)
    evidence += [discrepancy_document(one) for one in because]
    evidence += [
        {"kind": "flow_blocked", **_deciding(each.verdict)} for each in found.closed[:SHOWN]
    ]
    said = [f"{each} is gone" for each in found.gone] + [sentence_of(one) for one in because]
    said += [sentence(each.verdict) for each in found.closed[:1]]
    if evidence:
        reason = evidence[0]["kind"]
        return _condition(kind, "true", reason, "; ".join(said[:3]), evidence)
    if found.unsure:
        return _condition(kind, "unknown", "unreadable", sentence(found.unsure[0]))
    return _condition(kind, "false", "as_granted", "every asked flow passes")


def _deciding(verdict: Verdict) -> Document:
    told = verdict_document(verdict)
    return {"summary": told["summary"], "egress": told["egress"], "ingress": told["ingress"]}


def _widened(found: Findings) -> Condition:
    kind = ConditionType.WIDENED
    some = found.wider or found.perhaps_wider
    if not some:
        return _condition(kind, "false", "as_granted", "nothing passes that did not")
    because = dict.fromkeys(one for each in some for one in each.because)
    told = [discrepancy_document(one) for one in because]
    reused = [each.reused for each in some if each.reused is not None]
    told += [one for number, one in enumerate(reused) if one not in reused[:number]]
    evidence = [*told, *({"kind": "pair", **item_document(each.item)} for each in some[:SHOWN])]
    said = [sentence_of(one) for one in because]
    said += [f"{one['address']} belongs to {one['instance_id']} by now" for one in reused[:1]]
    said.append(_named(some))
    if not found.wider:
        return _condition(kind, "unknown", "unreadable", "; ".join(said[:3]), evidence)
    return _condition(kind, "true", evidence[0]["kind"], "; ".join(said[-3:]), evidence)


def _named(some: Sequence[Wider]) -> str:
    item = some[0].item
    text = f"{traffic_name(item.traffic)} from {name(item.source)} to {name(item.target)} passes"
    return text if len(some) == 1 else f"{text}, and {len(some) - 1} more"


def _condition(
    kind: ConditionType,
    status: str,
    reason: str,
    message: str,
    evidence: Collection[Document] = (),
) -> Condition:
    return Condition(kind, ConditionStatus(status), reason, message, tuple(evidence))


def condition_documents(
    found: Sequence[Condition], before: Sequence[Document], now: datetime
) -> tuple[Document, ...]:
    """Spell conditions, each with the instant at which it got its present status."""
    since = {(each["type"], each["status"]): each["last_transition_at"] for each in before}
    return tuple(
        {
            "type": each.type.value,
            "status": each.status.value,
            "reason": each.reason,
            "message": each.message,
            "last_transition_at": since.get((each.type, each.status), now.isoformat()),
            "evidence": list(each.evidence),
        }
        for each in found
    )
