"""Taking back what a connection needed and no other one needs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.domain.changes import (
    AddedRule,
    Change,
    CreatedGroup,
    Effect,
    Joined,
    batched,
    inverse,
)
from app.domain.connections import LedgerEntry
from app.domain.evaluate import Evaluator
from app.domain.fingerprint import fingerprint, world_document
from app.domain.flows import Flow, Outcome
from app.domain.intents import InstanceSide, Intent
from app.domain.plan import AskedFlow, Plan, PlannedChange, asked_flows
from app.domain.planning import cloud_calls, compare
from app.domain.sentences import sentence
from app.domain.world import World


@dataclass(frozen=True, slots=True)
class Departure:
    """What disconnecting does: `ending` entries are undone, `gone` ones need not be, `kept`
    ones stay in the cloud, each with the reason.
    """

    ending: tuple[LedgerEntry, ...]
    gone: tuple[LedgerEntry, ...]
    kept: tuple[tuple[LedgerEntry, str], ...]

    @property
    def changes(self) -> tuple[Change, ...]:
        return tuple(batched(inverse(entry.effect) for entry in reversed(self.ending)))


def depart(world: World, entries: Sequence[LedgerEntry], connection_id: str) -> Departure:
    """Sort what the connection uses: what ends with it, what is gone already, what stays.

    Only what is ours and as we left it ends; a rule that was edited by hand is kept.
    """
    ending: list[LedgerEntry] = []
    gone: list[LedgerEntry] = []
    kept: list[tuple[LedgerEntry, str]] = []
    for entry in _groups_last(entries):
        others = entry.users - {connection_id}
        reason = _reason_to_keep(world, entry.effect, ending)
        if others:
            kept.append((entry, f"needed by {len(others)} other connection(s)"))
        elif _is_gone(world, entry.effect):
            gone.append(entry)
        elif reason is not None:
            kept.append((entry, reason))
        else:
            ending.append(entry)
    order = {entry.entry_id: number for number, entry in enumerate(entries)}
    # Undone in reverse: what reads showed last was not always made last, and a group goes last.
    ending.sort(
        key=lambda entry: (not isinstance(entry.effect, CreatedGroup), order[entry.entry_id])
    )
    return Departure(tuple(ending), tuple(gone), tuple(kept))


def _groups_last(entries: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    """Whether a group can go is known only when it is known what else goes."""
    return sorted(entries, key=lambda entry: isinstance(entry.effect, CreatedGroup))


def _is_gone(world: World, effect: Effect) -> bool:
    group = world.groups.get(effect.group_id)
    match effect:
        case AddedRule(held=held):
            return group is None or held.rule_id not in {each.rule_id for each in group.rules}
        case Joined(instance_id=instance_id):
            instance = world.instances.get(instance_id)
            return instance is None or effect.group_id not in instance.group_ids
        case _:
            return group is None


def _reason_to_keep(world: World, effect: Effect, ending: Sequence[LedgerEntry]) -> str | None:
    match effect:
        case AddedRule(group_id=group_id, held=held):
            if group_id in world.groups and held not in world.groups[group_id].rules:
                return "edited by hand since we added it"
        case Joined(instance_id=instance_id):
            if instance_id in world.instances:
                left = set(world.instances[instance_id].group_ids) - {effect.group_id}
                return None if left else "the instance's only group: it cannot leave its last one"
        case CreatedGroup(group_id=group_id):
            return _group_in_use(world, group_id, ending)
        case _:
            pass
    return None


def _group_in_use(world: World, group_id: str, ending: Sequence[LedgerEntry]) -> str | None:
    effects = [entry.effect for entry in ending]
    leaving = {
        effect.instance_id
        for effect in effects
        if isinstance(effect, Joined) and effect.group_id == group_id
    }
    removed = {effect.held.rule_id for effect in effects if isinstance(effect, AddedRule)}
    if world.member_ids(group_id) - leaving:
        return "other instances are in the group"
    if world.references.get(group_id):
        return "rules of other groups name the group"
    if group_id in world.groups and group_id not in world.references:
        return "it cannot be read whether rules of other groups name the group"
    group = world.groups.get(group_id)
    if group is not None and any(held.rule_id not in removed for held in group.rules):
        return "the group holds rules that are not ours"
    return None


def plan_disconnect(world: World, intent: Intent, departure: Departure) -> Plan:
    """Return the plan of a disconnect: what goes, and what is closed by that."""
    after = world
    for change in departure.changes:
        after = after.after(change)
    flows = list(_flows(world, intent))
    now, then = Evaluator(world), Evaluator(after)
    told = tuple(
        AskedFlow(flow, now.explain(flow), then.explain(later))
        for flow, later in zip(flows, _flows(after, intent), strict=True)
    )
    changes = list(departure.changes)
    return Plan(
        kind="disconnect",
        changes=tuple(PlannedChange(each, "no connection needs it any more") for each in changes),
        asked=told,
        difference=compare(world, after, changes, [each.flow for each in told]),
        quotas=(),
        calls=cloud_calls(world, changes),
        fingerprint=fingerprint(world_document(world)),
        warnings=tuple(_warnings(departure, told)),
    )


def _flows(world: World, intent: Intent) -> Iterator[Flow]:
    """The asked flows between instances that still exist."""
    sides = (intent.source, intent.target)
    ids = [each for side in sides if isinstance(side, InstanceSide) for each in side.instance_ids]
    if all(each in world.instances for each in ids):
        yield from asked_flows(world, intent)


def kept_sentences(departure: Departure) -> Iterator[str]:
    """Say what stays in the cloud, and why."""
    for entry, reason in departure.kept:
        effect = entry.effect
        name = effect.held.rule_id if isinstance(effect, AddedRule) else effect.group_id
        yield f"{name} stays: {reason}"


def _warnings(departure: Departure, told: Sequence[AskedFlow]) -> Iterator[str]:
    yield from kept_sentences(departure)
    for asked in told:
        if asked.after is not None and asked.after.outcome is Outcome.REACHABLE:
            yield f"still reachable afterwards: {sentence(asked.after)}"
