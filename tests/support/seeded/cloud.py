"""The simulated cloud, and beside it the same one as it would be if we did not exist."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.simulator import packets
from app.simulator.dispatcher import Dispatcher
from app.simulator.settings import Variants
from app.simulator.state.resources import Rule
from app.simulator.state.rule_format import print_rule
from app.simulator.state.store import Store
from tests.support.e2e import Document, Probe
from tests.support.seeded.hub import Hub

MARKER = "intercom:"


@dataclass(frozen=True, slots=True)
class Held:
    """A rule of a group."""

    group_id: str
    rule: Rule

    @property
    def origin(self) -> str | None:
        """The operation that says in its marker that it added the rule; None: nobody's of ours."""
        text = self.rule.description or ""
        return text.split(":", 2)[1] if text.startswith(MARKER) else None


class TwinCloud:
    """`truth` is what is; `others` is what is without us: only other people's hands act there.

    A hand acts in both, except where it meets something of ours: to add a rule that we added
    already does nothing, and what we made can be taken away in the truth alone.
    """

    def __init__(self, estate: Document, hub: Hub, probes: Sequence[Probe]) -> None:
        self.truth = Dispatcher(estate, clock=lambda: hub.now, sleep=hub.pause)
        self.others = Dispatcher(estate, clock=lambda: hub.now, sleep=hub.pause)
        self.probes = probes
        self._walks = {each: self._packets(each.store) for each in (self.truth, self.others)}
        self.contested: dict[str, float] = {}
        self._hub = hub
        self._seen: dict[Dispatcher, tuple[int, frozenset[Probe]]] = {}

    def _packets(self, store: Store) -> list[tuple[Probe, packets.Packet]]:
        variants = Variants()
        found = (
            (each, packets.read_packet(store, each.packet(), variants)) for each in self.probes
        )
        return [(probe, packet) for probe, packet in found if packet is not None]

    # --- what is ---

    def passing(self, one: Dispatcher) -> frozenset[Probe]:
        """The probes that pass, by the simulator's own walk; the service's is not asked."""
        version = one.store.version
        seen = self._seen.get(one)
        if seen is None or seen[0] != version:
            walks = self._walks[one]
            store = one.store
            passed = frozenset(
                each for each, sent in walks if packets.walk(store, sent).is_reachable
            )
            seen = self._seen[one] = (version, passed)
        return seen[1]

    def passing_but_for(self, rule_ids: Iterable[str]) -> frozenset[Probe]:
        """The probes that would pass without us, were these rules not there."""
        walks, store = self._walks[self.others], self.others.store
        taken = [
            (group.rules, list(group.rules.items()))
            for group in store.groups.values()
            if group.rules.keys() & set(rule_ids)
        ]
        for rules, _ in taken:
            for rule_id in rule_ids:
                rules.pop(rule_id, None)
        try:
            return frozenset(each for each, sent in walks if packets.walk(store, sent).is_reachable)
        finally:
            for rules, items in taken:
                rules.clear()
                rules.update(items)

    def rules(self, one: Dispatcher) -> dict[str, Held]:
        """Every rule by its id."""
        return {
            rule_id: Held(group.group_id, rule)
            for group in one.store.groups.values()
            for rule_id, rule in group.rules.items()
        }

    def memberships(self, one: Dispatcher) -> set[tuple[str, str]]:
        return {
            (group_id, instance.instance_id)
            for instance in one.store.instances.values()
            for group_id in instance.primary.group_ids
        }

    # --- other people's hands ---

    def edit(self, *edits: Document) -> None:
        """Let somebody else make changes one after another."""
        ours = self.ours()
        for changes in edits:
            for each in changes.get("add_rules", []):
                if each["rule"].get("SecurityGroupRuleId") in ours:
                    self.contested[each["rule"]["SecurityGroupRuleId"]] = self._hub.now
            foreign = self._as_without_us(changes)
            self.truth.edit(changes)
            self.others.edit(foreign)

    def _as_without_us(self, changes: Document) -> Document:
        """What remains of a change for the cloud without us."""
        adding = [each for each in changes.get("add_rules", []) if not self._stands(each)]
        members = self.memberships(self.truth)
        joins = [
            each
            for each in changes.get("join", [])
            if (each["group_id"], each["instance_id"]) not in members
        ]
        return {**changes, "add_rules": adding, "join": joins}

    def _stands(self, item: Mapping[str, Any]) -> bool:
        """Whether the truth holds such a rule already, of whomever."""
        group = self.truth.store.groups.get(item["group_id"])
        return group is not None and any(
            same(print_rule(rule), item["rule"]) for rule in group.rules.values()
        )

    # --- what is ours ---

    def ours(self) -> dict[str, Held]:
        """Rules of the truth that would not be there without us."""
        foreign = self.rules(self.others)
        return {key: held for key, held in self.rules(self.truth).items() if key not in foreign}

    def our_memberships(self) -> set[tuple[str, str]]:
        return self.memberships(self.truth) - self.memberships(self.others)

    def our_groups(self) -> set[str]:
        return set(self.truth.store.groups) - set(self.others.store.groups)

    def lost(self) -> list[str]:
        """What would be there, or be another thing, without us."""
        truth, foreign = self.rules(self.truth), self.rules(self.others)
        found = [key for key, held in foreign.items() if truth.get(key) != held]
        found += map(str, sorted(self.memberships(self.others) - self.memberships(self.truth)))
        return found + sorted(set(self.others.store.groups) - set(self.truth.store.groups))


IGNORED = {"SecurityGroupRuleId", "Description", "SourceGroupOwnerId"}


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two rules of one group mean the same."""
    return _meaning(one) == _meaning(other)


def _meaning(rule: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in rule.items() if key not in IGNORED}


def described(held: Held, **changes: Any) -> Document:
    """Spell a rule as somebody edits it by hand: taken away and added with its id."""
    return {**print_rule(replace(held.rule)), **changes}


def removing(rule_ids: Iterable[str]) -> Document:
    return {"remove_rule_ids": list(rule_ids)}


def adding(group_id: str, rule: Document) -> Document:
    return {"add_rules": [{"group_id": group_id, "rule": rule}]}
