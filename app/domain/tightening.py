"""Replacing what is too open by what is needed: explicit paths first, then the wide rules go.

Every path is planned in the world without the wide rules, so that none of them leans on what is
about to go, and added to the world that still has them, so that nothing closes meanwhile.

Source: ECS best practices, practices of using security groups (change steps).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from app.domain.addresses import AddressFamily, Block
from app.domain.changes import (
    NEW_GROUP_ID,
    Authorize,
    Change,
    CreateGroup,
    Join,
    Revoke,
    batched,
    bound,
    new_group_id,
)
from app.domain.documents import Document, held_document
from app.domain.errors import (
    EmptyChangeError,
    MethodNotPossibleError,
    NotATighteningError,
    QuotaInsufficientError,
    TargetManagedError,
    TargetNotFoundError,
)
from app.domain.evaluate import Evaluator
from app.domain.fingerprint import fingerprint, world_document
from app.domain.flows import Flow
from app.domain.groups import Group
from app.domain.intents import AddressSide, GroupSide, InstanceSide, Intent, MethodName
from app.domain.plan import (
    AskedFlow,
    Limits,
    Plan,
    PlannedChange,
    asked_flows,
    asked_instances,
    is_open,
    own_end,
)
from app.domain.planning import (
    Bounds,
    Draft,
    check_addresses,
    check_classic_sources,
    cloud_calls,
    compare,
    draft,
    obstacle_document,
    quota_document,
)
from app.domain.quotas import overfull, quotas
from app.domain.rules import Direction, HeldRule, Policy
from app.domain.sentences import sentence
from app.domain.world import World

SESSIONS = "sessions that stand when a rule goes may live on for up to 910 s"
"""Source: ECS user guide, Security groups: a session is kept at most 910 s."""

ADVICE = (
    MethodName.ADDRESS_RULES,
    MethodName.GROUP_AUTHORIZATION,
    MethodName.DEDICATED_GROUP,
)
"""Methods that give an explicit path, the narrowest first."""


@dataclass(frozen=True, slots=True)
class Need:
    """What must be reachable afterwards as well.

    `intent` says by which method a path is given where there is none; `is_chosen` that no other
    method will do. `connection_id` names the connection that declares it; None where the request
    does.
    """

    intent: Intent
    is_chosen: bool = False
    connection_id: str | None = None


@dataclass(frozen=True, slots=True)
class Path:
    """How a need is met: by the method's changes, or by what is there (`method` None)."""

    need: Need
    method: MethodName | None
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Tightening:
    plan: Plan
    removed: tuple[HeldRule, ...]
    paths: tuple[Path, ...]


def too_open(group: Group, rule_ids: Sequence[str] | None) -> tuple[HeldRule, ...]:
    """Return the rules of a group that are to be replaced: those named, or its widest ones.

    Left out, those that let in half of all addresses or more; if there are none, those that
    name more than a /16 (IPv6: more than a /48).

    Raises:
        TargetNotFoundError: the group has no such rule.
        NotATighteningError: a rule lets nobody in.
        EmptyChangeError: nothing of the group is too open.
    """
    if rule_ids is not None:
        held = {each.rule_id: each for each in group.rules}
        for each in rule_ids:
            if each not in held:
                raise TargetNotFoundError(f"{group.group_id} has no rule {each}", rule_id=each)
            if not _lets_in(held[each]):
                raise NotATighteningError(
                    f"{each} lets nobody in: removing it narrows nothing", rule_id=each
                )
        return tuple(held[each] for each in dict.fromkeys(rule_ids))
    for lengths in (WORLD, WIDE):
        found = tuple(each for each in group.rules if _lets_in(each) and _is_wider(each, lengths))
        if found:
            return found
    raise EmptyChangeError(f"no rule of {group.group_id} is too open; name `rule_ids`")


WORLD = {AddressFamily.IPV4: 1, AddressFamily.IPV6: 3}
WIDE = {AddressFamily.IPV4: 15, AddressFamily.IPV6: 47}
"""Longest prefixes of blocks that count as the world, and as wide."""


def _lets_in(held: HeldRule) -> bool:
    return (held.rule.direction, held.rule.policy) == (Direction.INGRESS, Policy.ACCEPT)


def _is_wider(held: HeldRule, lengths: Mapping[AddressFamily, int]) -> bool:
    peer = held.rule.peer
    return isinstance(peer, Block) and peer.prefix_length <= lengths[peer.family]


def plan_tighten(
    world: World,
    group_id: str,
    rule_ids: Sequence[str] | None,
    needs: Sequence[Need],
    *,
    limits: Limits,
    bounds: Bounds,
) -> Tightening:
    """Plan to replace wide rules by explicit paths.

    Raises:
        EmptyChangeError: nothing is needed, or nothing is too open.
        NotATighteningError: what is needed is not reachable today, or is the rule itself, or a
            path to it would close another one.
        TargetManagedError, MethodNotPossibleError, QuotaInsufficientError, and what refuses the
            sources of a connection.
    """
    group = world.groups[group_id]
    if group.managed:
        raise TargetManagedError(
            f"{group_id}: managed by a cloud product, only it may change the group",
            group_ids=[group_id],
        )
    if not needs:
        raise EmptyChangeError("nothing is needed: that would cut everybody off")
    removed = too_open(group, rule_ids)
    revokes = _revokes(group, removed)
    _check_reachable(world, needs)
    narrowed = world
    for change in revokes:
        narrowed = narrowed.after(change)
    paths = _paths(narrowed, needs, limits, bounds)
    paths = _without_needless(narrowed, paths)
    _check_another(paths, removed)
    adds = [change for path in paths for change in path.changes]
    _check_open_throughout(world, (*adds, *revokes), paths)
    return Tightening(_plan(world, adds, revokes, paths, limits), removed, tuple(paths))


def _revokes(group: Group, removed: Sequence[HeldRule]) -> list[Change]:
    each = (Revoke(group.place, group.group_id, Direction.INGRESS, (held,)) for held in removed)
    return list(batched(each))


def _check_reachable(world: World, needs: Sequence[Need]) -> None:
    """What is needed has to be open today: a tightening opens nothing."""
    for need in needs:
        for instance in asked_instances(world, need.intent):
            if own_end(instance, need.intent) is None:
                raise NotATighteningError(
                    f"{instance.instance_id} has no {need.intent.family.value} address: nothing "
                    "that is needed of it can be reachable",
                    instance_id=instance.instance_id,
                )
    evaluator = Evaluator(world)
    closed = [
        verdict
        for need in needs
        for verdict in map(evaluator.explain, asked_flows(world, need.intent))
        if not is_open(verdict)
    ]
    if closed:
        raise NotATighteningError(
            f"what is needed is not reachable today: {sentence(closed[0])}",
            flows=[sentence(each) for each in closed[:20]],
        )


# --- paths ------------------------------------------------------------------------------


def _paths(narrowed: World, needs: Sequence[Need], limits: Limits, bounds: Bounds) -> list[Path]:
    """One path a need, each planned in the world of those before it."""
    found: list[Path] = []
    world = narrowed
    groups = 0
    for need in needs:
        check_addresses(need.intent, bounds)
        check_classic_sources(world, need.intent)
        path = _path(world, need, limits)
        if any(isinstance(change, CreateGroup) for change in path.changes):
            groups += 1
            called = {NEW_GROUP_ID: new_group_id(groups)}
            path = replace(path, changes=tuple(bound(each, called) for each in path.changes))
        for change in path.changes:
            world = world.after(change)
        found.append(path)
    return found


def _path(world: World, need: Need, limits: Limits) -> Path:
    """The path with the least extra access; ties by the vendor's advice for few instances."""
    evaluator = Evaluator(world)
    if all(is_open(evaluator.explain(flow)) for flow in asked_flows(world, need.intent)):
        return Path(need, None, ())
    drafts = {name: draft(world, intent, limits) for name, intent in _ways(need)}
    possible = {name: each for name, each in drafts.items() if each.is_possible}
    if not possible:
        raise _impossible(need, drafts)
    name = min(possible, key=lambda name: (_extra(possible[name]), list(drafts).index(name)))
    plan = possible[name].plan
    assert plan is not None
    return Path(need, name, tuple(planned.change for planned in plan.changes))


def _extra(made: Draft) -> int:
    assert made.plan is not None
    return made.plan.difference.extra_pairs


def _ways(need: Need) -> Iterator[tuple[MethodName, Intent]]:
    """The methods that come into question: the chosen one, or its own first."""
    yield need.intent.method, need.intent
    if need.is_chosen or not isinstance(need.intent.source, InstanceSide):
        return
    source = replace(need.intent.source, group_id=None)
    target = replace(need.intent.target, group_id=None)
    bare = replace(need.intent, source=source, target=target, group_id=None, group_name=None)
    for name in ADVICE:
        if name is not need.intent.method:
            yield name, replace(bare, method=name)


def _impossible(need: Need, drafts: Mapping[MethodName, Draft]) -> Exception:
    """The reason why no method gives a path: that of the first one."""
    first = drafts[need.intent.method]
    if first.managed:
        ids = [ref.group_id for ref in first.managed]
        return TargetManagedError(f"{', '.join(ids)}: managed by a cloud product", group_ids=ids)
    if first.exceeded:
        return QuotaInsufficientError(
            f"there is no room for a path: {first.exceeded[0].name.replace('_', ' ')}",
            quotas=[quota_document(use) for use in first.exceeded],
        )
    return MethodNotPossibleError(
        "; ".join(each.detail for each in first.obstacles[:3]),
        obstacles=[obstacle_document(each) for each in first.obstacles],
        possible_methods=[],
    )


def _without_needless(narrowed: World, paths: Sequence[Path]) -> list[Path]:
    """Leave out every added rule without which all that is needed is still open."""
    found = list(paths)
    for number, path in enumerate(paths):
        for change in path.changes:
            if isinstance(change, Authorize):
                for new in change.rules:
                    fewer = list(found)
                    fewer[number] = _without(found[number], change.group_id, new.rule)
                    if _suffices(narrowed, fewer):
                        found = fewer
    return found


def _without(path: Path, group_id: str, rule: object) -> Path:
    changes: list[Change] = []
    for change in path.changes:
        if isinstance(change, Authorize) and change.group_id == group_id:
            left = tuple(new for new in change.rules if new.rule != rule)
            if left:
                changes.append(replace(change, rules=left))
        else:
            changes.append(change)
    return replace(path, changes=tuple(changes))


def _suffices(narrowed: World, paths: Sequence[Path]) -> bool:
    world = narrowed
    for path in paths:
        for change in path.changes:
            world = world.after(change)
    evaluator = Evaluator(world)
    return all(
        is_open(evaluator.explain(flow))
        for path in paths
        for flow in asked_flows(world, path.need.intent)
    )


def _check_another(paths: Iterable[Path], removed: Iterable[HeldRule]) -> None:
    """A path is not the very rule that goes: the cloud would take them for one."""
    going = {held.rule: held for held in removed}
    for path in paths:
        for change in path.changes:
            for new in change.rules if isinstance(change, Authorize) else ():
                if new.rule in going:
                    rule_id = going[new.rule].rule_id
                    raise NotATighteningError(
                        f"what is needed is {rule_id} itself: nothing would be narrowed",
                        rule_id=rule_id,
                    )


def _check_open_throughout(world: World, changes: Sequence[Change], paths: Sequence[Path]) -> None:
    """The drops of a group that a path joins, or what it lacks, close none of the others.

    A rule that accepts closes nothing: only after joins, and at the end, there is something to see.
    """
    for number, change in enumerate(changes, 1):
        world = world.after(change)
        if not isinstance(change, Join) and number < len(changes):
            continue
        evaluator = Evaluator(world)
        for path in paths:
            for flow in asked_flows(world, path.need.intent):
                verdict = evaluator.explain(flow)
                if not is_open(verdict):
                    raise NotATighteningError(
                        f"a path to what is needed would close another one: {sentence(verdict)}",
                        flows=[sentence(verdict)],
                    )


# --- the plan -----------------------------------------------------------------------------


def _plan(
    world: World,
    adds: Sequence[Change],
    revokes: Sequence[Change],
    paths: Sequence[Path],
    limits: Limits,
) -> Plan:
    peak = world
    for change in adds:
        peak = peak.after(change)
    exceeded = [*overfull(world, adds, limits)]
    uses = quotas(world, peak, adds, limits)
    exceeded += [use for use in uses if use.is_exceeded]
    if exceeded:
        raise QuotaInsufficientError(
            "there is no room for the paths beside the rules that are to go",
            quotas=[quota_document(use) for use in dict.fromkeys(exceeded)],
        )
    after = peak
    for change in revokes:
        after = after.after(change)
    flows = [flow for path in paths for flow in asked_flows(world, path.need.intent)]
    changes = (*adds, *revokes)
    return Plan(
        kind="tighten",
        changes=(
            *(PlannedChange(each, "an explicit path for what is needed") for each in adds),
            *(PlannedChange(each, "too open: what is needed has a path") for each in revokes),
        ),
        asked=tuple(_asked(world, after, flows, paths)),
        difference=compare(world, after, changes, flows),
        quotas=uses,
        calls=cloud_calls(after, changes),
        fingerprint=fingerprint(world_document(world)),
        warnings=(SESSIONS,),
    )


def _asked(
    world: World, after: World, flows: Sequence[Flow], paths: Sequence[Path]
) -> Iterator[AskedFlow]:
    now, then = Evaluator(world), Evaluator(after)
    later = [flow for path in paths for flow in asked_flows(after, path.need.intent)]
    for flow, same in zip(flows, later, strict=True):
        yield AskedFlow(flow, now.explain(flow), then.explain(same))


def tightening_document(made: Tightening, group: Group) -> Document:
    """Spell what a plan to tighten says beyond its changes."""
    return {
        "group_id": group.group_id,
        "account_id": group.place.account_id,
        "region_id": group.place.region_id,
        "removed": [held_document(held) for held in made.removed],
        "paths": [_path_document(path) for path in made.paths],
        "confirm_lost": made.plan.difference.lost.pairs,
    }


def _path_document(path: Path) -> Document:
    document: Document = {
        "pairs": plan_pairs(path.need.intent),
        "method": None if path.method is None else path.method.value,
        "group_ids": sorted({change.group_id for change in path.changes}),
    }
    if path.need.connection_id is not None:
        document["connection_id"] = path.need.connection_id
    return document


def plan_pairs(intent: Intent) -> int:
    """How many pairs of ends a need names."""
    match intent.source:
        case InstanceSide(instance_ids=ids):
            sources = len(ids)
        case AddressSide(blocks):
            sources = len(blocks)
        case GroupSide(group_ids=ids):
            sources = len(ids)
    return sources * len(intent.target.instance_ids) * (2 if intent.bidirectional else 1)
