"""The rules of a group said by fewer, without a packet faring otherwise, for any address.

A rule goes if rules of the same group that are judged before it, or at the same rank, match
whatever it matches; rules of one rank become the fewest that match the same packets, where what
better rules of the group decide may be matched or not. Both hold whatever other groups the
members are in, now or later. Rules that somebody else answers for stay as they are, and nothing
leans on them.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from app.domain import soundness
from app.domain.addresses import Block
from app.domain.changes import Authorize, Change, NewRule, Revoke, batched
from app.domain.difference import Difference, difference
from app.domain.documents import Document, held_document, rule_document
from app.domain.errors import TargetManagedError
from app.domain.fewest import fewest
from app.domain.fingerprint import fingerprint, world_document
from app.domain.flows import DecidingRule
from app.domain.groups import Eni, Group
from app.domain.hygiene.pools import Pool, bits
from app.domain.hygiene.pools import fewest as few_of
from app.domain.judging.layers import Layers
from app.domain.judging.spans import span
from app.domain.plan import Limits, Plan, PlannedChange
from app.domain.plan_documents import deciding_document, difference_document
from app.domain.planning import cloud_calls
from app.domain.quotas import quotas, weight
from app.domain.restoring import LONGEST_DESCRIPTION, LOWEST_WRITABLE, unmarked
from app.domain.rules import Direction, HeldRule, NicType, Protocol, Rule
from app.domain.world import World

MOST_ITEMS = 10
"""Most packets that a proof lists, should there be any."""


@dataclass(frozen=True, slots=True)
class Step:
    """Rules that go, and those that say the same in their place; without any, `because` of rules
    that match all of it. Each step proves by itself that nothing changes.
    """

    removed: tuple[HeldRule, ...]
    added: tuple[Rule, ...]
    because: tuple[DecidingRule, ...]
    difference: Difference

    @property
    def saved(self) -> int:
        return len(self.removed) - len(self.added)


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A rule that is not touched, and why."""

    held: HeldRule
    reason: str


@dataclass(frozen=True, slots=True)
class Compaction:
    """A plan to compact a group; `postponed` are steps that a quota leaves no room for yet."""

    plan: Plan
    steps: tuple[Step, ...]
    left_alone: tuple[LeftAlone, ...]
    postponed: int
    before: int
    after: int


def plan_compaction(
    world: World, group_id: str, held_by: Mapping[str, str], limits: Limits
) -> Compaction:
    """Return the plan that compacts a group; `held_by` says of rules why they have to stay.

    Raises:
        TargetManagedError
        UnsoundPlanError: a packet would fare otherwise: an error of ours.
    """
    group = world.groups[group_id]
    if group.managed:
        raise TargetManagedError(
            f"{group_id}: managed by a cloud product, only it may change the group",
            group_ids=[group_id],
        )
    left_alone = tuple(
        LeftAlone(held, reason)
        for held in group.rules
        if (reason := held_by.get(held.rule_id) or _why_it_stays(held)) is not None
    )
    fixed = {each.held.rule_id for each in left_alone}
    movable = [held for held in group.rules if held.rule_id not in fixed]
    steps = _steps(world, group, movable)
    room = _room(world, group, limits)
    chosen = _that_fit(steps, room)
    changes = _changes(group, chosen, room)
    after = world
    for planned in changes:
        after = after.after(planned.change)
    _check(world, after, group, chosen)
    return Compaction(
        plan=_plan(world, after, changes, limits, len(steps) - len(chosen)),
        steps=tuple(chosen),
        left_alone=left_alone,
        postponed=len(steps) - len(chosen),
        before=len(group.rules),
        after=len(after.groups[group_id].rules),
    )


def _why_it_stays(held: HeldRule) -> str | None:
    if held.rule.priority > LOWEST_WRITABLE:
        return "a rule of the system, which could not be made again"
    if held.rule.protocol is Protocol.OTHER:
        return "its protocol was read as a number that has no name"
    if held.rule.ports is None:
        return "its ports are kept in a list"
    if held.ignored:
        return "it was made with several peers, of which one counts"
    return None


def compacted(world: World, group: Group, rules: Sequence[HeldRule]) -> tuple[HeldRule, ...]:
    """Return few rules that say what `rules` of a group say; new ones have ids `merged-…`."""
    return tuple(held for held, _ in _Reduction(world, group, rules).reduced())


# --- what becomes of the rules ----------------------------------------------------


class _Reduction:
    """Drops and joins rules, again and again until there is nothing left to gain.

    Each rule is kept with the ids of the rules that it came from.
    """

    def __init__(self, world: World, group: Group, rules: Sequence[HeldRule]) -> None:
        self._world, self._group = world, group
        self._rules: dict[HeldRule, frozenset[str]] = {
            held: frozenset({held.rule_id}) for held in rules
        }
        self._numbers = 0

    def reduced(self) -> list[tuple[HeldRule, frozenset[str]]]:
        while True:
            count = len(self._rules)
            self._drop()
            self._join()
            if len(self._rules) == count:
                return list(self._rules.items())

    def _drop(self) -> None:
        for direction, plane in _sides(self._group):
            pool = _pool(self._world, self._group, tuple(self._rules), direction, plane)
            left = -1
            for position in sorted(range(len(pool.rules)), key=lambda each: _order(pool, each)):
                cells = pool.cells(position)
                if cells and all(pool.covers(cell & left, position) for cell in cells):
                    left &= ~(1 << position)
                    del self._rules[pool.rules[position].held]

    def _join(self) -> None:
        alike: dict[Hashable, list[HeldRule]] = {}
        for held in self._rules:
            alike.setdefault((*_kind(held.rule), held.rule.protocol), []).append(held)
        for part in alike.values():
            if len(part) > 1:
                self._join_part(part)

    def _join_part(self, part: Sequence[HeldRule]) -> None:
        wanted = [held.rule for held in part]
        found = fewest(
            wanted,
            join_addresses=self._may_join(wanted[0]),
            free=[held.rule for held in self._rules if _is_before(held.rule, wanted)],
        ).rules
        if len(found) >= len(part):
            return
        going = {held: self._rules.pop(held) for held in part if held.rule not in found}
        for rule in found:
            if rule not in wanted:
                self._numbers += 1
                meeting = [origins for held, origins in going.items() if _meets(held.rule, rule)]
                name = f"merged-{self._numbers}"
                self._rules[HeldRule(name, rule)] = frozenset().union(*meeting)

    def _may_join(self, rule: Rule) -> bool:
        """In the classic intranet, which all tenants share, an address keeps its own rule.

        Source: ECS user guide, Add security group rules.
        """
        return self._group.vpc_id is not None or rule.nic_type is NicType.INTERNET


def _sides(group: Group) -> Iterator[tuple[Direction, NicType | None]]:
    for direction in Direction:
        for plane in NicType if group.vpc_id is None else (None,):
            yield direction, plane


def _pool(
    world: World,
    group: Group,
    rules: tuple[HeldRule, ...],
    direction: Direction,
    plane: NicType | None,
) -> Pool:
    return Pool(world, (replace(group, rules=rules),), direction, plane)


def _order(pool: Pool, position: int) -> tuple[int, int, int]:
    """Last to be judged first; of one rank the narrowest first, which others match as well."""
    rule = pool.rules[position].held.rule
    peer = rule.peer.size if isinstance(rule.peer, Block) else 0
    ports = rule.ports.count if rule.ports is not None and not rule.ports.is_every_port else 65536
    return (-rule.rank[0], peer * ports, -position)


def _kind(rule: Rule) -> tuple[Hashable, ...]:
    return (rule.direction, rule.policy, rule.priority, rule.nic_type, rule.source_ports)


def _is_before(rule: Rule, wanted: Sequence[Rule]) -> bool:
    """Whether a rule is judged before some, and what it decides of theirs need not be said."""
    one = wanted[0]
    return (
        rule.rank < one.rank
        and (rule.direction, rule.nic_type) == (one.direction, one.nic_type)
        and rule.ports is not None
        and rule.protocol.covers(one.protocol)
        and (rule.source_ports.is_every_port or rule.source_ports == one.source_ports)
        and any(_is_near(rule, each) for each in wanted)
    )


def _meets(one: Rule, other: Rule) -> bool:
    """Whether there may be packets that both match; protocols and source ports set aside."""
    first, second = span(one.ports), span(other.ports)
    return _is_near(one, other) and first[0] <= second[1] and second[0] <= first[1]


def _is_near(one: Rule, other: Rule) -> bool:
    """Whether there may be two ends that both match."""
    if isinstance(one.peer, Block) and isinstance(other.peer, Block):
        peers = one.peer.overlaps(other.peer)
    else:
        peers = one.peer == other.peer
    return peers and (one.own is None or other.own is None or one.own.overlaps(other.own))


# --- steps ------------------------------------------------------------------------


def _steps(world: World, group: Group, movable: Sequence[HeldRule]) -> list[Step]:
    final = dict(_Reduction(world, group, movable).reduced())
    gone = {held.rule_id: held for held in movable if held not in final}
    made = {held: origins & gone.keys() for held, origins in final.items() if held not in movable}
    layers = Layers(world)
    steps: list[Step] = []
    for ids, added in _apart(made):
        removed = tuple(gone.pop(each) for each in sorted(ids))
        rules = tuple(held.rule for held in added)
        steps.append(_step(layers, group, removed, rules, ()))
    because = _carriers(world, group, tuple(final), tuple(gone.values()))
    steps += [_step(layers, group, (held,), (), because[held]) for held in gone.values()]
    return steps


def _apart(
    made: Mapping[HeldRule, frozenset[str]],
) -> Iterator[tuple[frozenset[str], list[HeldRule]]]:
    """Put together the new rules that came from some of the same ones."""
    parts: list[tuple[frozenset[str], list[HeldRule]]] = []
    for held, origins in made.items():
        meeting = [part for part in parts if part[0] & origins]
        parts = [part for part in parts if not part[0] & origins]
        ids = origins.union(*(part[0] for part in meeting))
        parts.append((ids, [*(each for part in meeting for each in part[1]), held]))
    yield from parts


def _carriers(
    world: World, group: Group, final: tuple[HeldRule, ...], gone: tuple[HeldRule, ...]
) -> dict[HeldRule, tuple[DecidingRule, ...]]:
    """Return for each rule that goes without a successor the rules that match all of it."""
    found: dict[HeldRule, tuple[DecidingRule, ...]] = {}
    for direction, plane in _sides(group):
        pool = _pool(world, group, (*final, *gone), direction, plane)
        staying = sum(
            1 << position for position, each in enumerate(pool.rules) if each.held in set(final)
        )
        for position, each in enumerate(pool.rules):
            if each.held in gone:
                covering = pool.sure & pool.as_good(position) & staying
                mask = few_of([cell & covering for cell in pool.cells(position)])
                found[each.held] = tuple(pool.rules[place] for place in bits(mask))
    return found


def _step(
    layers: Layers,
    group: Group,
    removed: tuple[HeldRule, ...],
    added: tuple[Rule, ...],
    because: tuple[DecidingRule, ...],
) -> Step:
    kept = tuple(held for held in group.rules if held not in removed)
    new = tuple(HeldRule(f"new-{number}", rule) for number, rule in enumerate(added, 1))
    world = layers.world
    changed = replace(group, rules=(*kept, *new))
    found = difference(
        world,
        replace(world, groups={**world.groups, group.group_id: changed}),
        touched_groups=frozenset({group.group_id}),
        touched_instances=frozenset(),
        asked=(),
        cap=MOST_ITEMS,
        layers=layers,
    )
    return Step(removed, added, because, found)


def _check(world: World, after: World, group: Group, steps: Sequence[Step]) -> None:
    """Compare once more, step by step and in all, with a member at every address that a rule of
    the group may tell from others: somebody may join.

    Raises:
        UnsoundPlanError
    """
    for step in steps:
        if step.difference.gained.pairs or step.difference.lost.pairs:
            names = ", ".join(held.rule_id for held in step.removed)
            raise soundness.UnsoundPlanError(f"something changes without {names}")
    rules = {held.rule for one in (world, after) for held in one.groups[group.group_id].rules}
    edges = [
        Authorize(group.place, group.group_id, rule.direction, (NewRule(rule),)) for rule in rules
    ]
    soundness.check_equal(world, after, edges)


# --- changes ----------------------------------------------------------------------


def _that_fit(steps: Sequence[Step], room: int) -> list[Step]:
    """Leave out steps whose new rules have no room beside the old ones; what saves most stays."""
    room += sum(len(step.removed) for step in steps if not step.added)
    chosen: set[int] = set()
    for number in sorted(range(len(steps)), key=lambda each: (-steps[each].saved, each)):
        if len(steps[number].added) <= room:
            room -= len(steps[number].added)
            chosen.add(number)
    return [step for number, step in enumerate(steps) if number in chosen]


def _room(world: World, group: Group, limits: Limits) -> int:
    """How many more rules the group and the interfaces in it can hold."""
    pooled = [_pooled(world, eni) for _, eni in world.members(group.group_id)]
    return min(
        limits.rules_per_group - weight(world, group.rules),
        *(limits.rules_per_nic - each for each in pooled),
        1 << 16,
    )


def _pooled(world: World, eni: Eni) -> int:
    groups = (world.groups.get(group_id) for group_id in eni.group_ids)
    return sum(weight(world, group.rules) for group in groups if group is not None)


def _changes(group: Group, steps: Sequence[Step], room: int) -> tuple[PlannedChange, ...]:
    """Everything new before anything goes: nothing changes on the way either.

    Only where the new rules need the room, what goes without a successor goes first: others
    that stand already match all of it.
    """
    adds = [
        Authorize(group.place, group.group_id, rule.direction, (NewRule(rule, _said(step)),))
        for step in steps
        for rule in step.added
    ]
    is_tight = len(adds) > room
    first, last = (
        [
            Revoke(group.place, group.group_id, held.rule.direction, (held,))
            for step in steps
            if (is_tight and not step.added) is goes_first
            for held in step.removed
        ]
        for goes_first in (True, False)
    )
    reasons = {
        Authorize: "say together exactly what the rules said that go",
        Revoke: "said by others: nothing changes for any address",
    }
    return tuple(
        PlannedChange(change, reasons[type(change)])
        for changes in (first, adds, last)
        for change in batched(sorted(changes, key=_same_call))
    )


def _same_call(change: Change) -> tuple[str, str]:
    assert isinstance(change, Authorize | Revoke)
    rules = change.rules if isinstance(change, Authorize) else change.held
    return (change.direction, rules[0].rule.policy)


def _said(step: Step) -> str:
    """What people wrote on the rules that go, each text once."""
    texts = dict.fromkeys(unmarked(held.description).strip() for held in step.removed)
    return "; ".join(text for text in texts if text)[:LONGEST_DESCRIPTION]


def _plan(
    world: World, after: World, planned: tuple[PlannedChange, ...], limits: Limits, postponed: int
) -> Plan:
    changes: list[Change] = [each.change for each in planned]
    warnings = []
    if postponed:
        warnings.append(
            f"{postponed} step(s) have no room beside the rules that they replace: plan again "
            "once this plan is applied"
        )
    return Plan(
        kind="compact",
        changes=planned,
        asked=(),
        difference=_whole(world, after, changes),
        quotas=quotas(world, after, changes, limits),
        calls=cloud_calls(after, changes),
        fingerprint=fingerprint(world_document(world)),
        warnings=tuple(warnings),
    )


def _whole(world: World, after: World, changes: Iterable[Change]) -> Difference:
    return difference(
        world,
        after,
        touched_groups=frozenset(each.group_id for each in changes),
        touched_instances=frozenset(),
        asked=(),
    )


# --- documents --------------------------------------------------------------------


def compaction_document(made: Compaction) -> Document:
    """Spell what of a compaction is not in every plan."""
    return {
        "rules_before": made.before,
        "rules_after": made.after,
        "postponed": made.postponed,
        "steps": [_step_document(each) for each in made.steps],
        "left_alone": [
            {"rule": held_document(each.held), "reason": each.reason} for each in made.left_alone
        ],
    }


def _step_document(step: Step) -> Document:
    proven = difference_document(step.difference)
    return {
        "removed": [held_document(held) for held in step.removed],
        "added": [rule_document(rule) for rule in step.added],
        "because": [deciding_document(each) for each in step.because],
        "proof": {
            "statement": _statement(step),
            "gained": proven["gained"],
            "lost": proven["lost"],
        },
    }


def _statement(step: Step) -> str:
    ever = "for any address, protocol or port, whatever other groups the members are in"
    if not step.added:
        return f"Other rules of the group match all that it matches: nothing changes {ever}."
    return (
        f"{len(step.added)} rule(s) match exactly what these {len(step.removed)} matched, but for "
        f"what is decided before: nothing changes {ever}."
    )
