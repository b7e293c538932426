"""Rules that decide, but of which nobody would notice that they are gone."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from app.domain.hygiene.case import Case
from app.domain.hygiene.finding import Kind, Removal, Severity, Sighting
from app.domain.hygiene.standing import Standing
from app.domain.hygiene.words import ids, listed, spelled
from app.domain.rules import MAX_PORT, HeldRule, Policy, PortRange, Rule


def _spared(case: Case) -> Iterator[tuple[HeldRule, Standing]]:
    for held in case.rules:
        standing = case.standing(held)
        if standing.spared is not None and not standing.hidden_by:
            yield held, standing


def redundant(case: Case) -> Iterator[Sighting]:
    for held, standing in _spared(case):
        if not standing.by_default and not standing.twins:
            detail = (
                f"{spelled(held)} can be spared: whatever packet it decides, "
                f"{ids(standing.carriers)} would decide alike."
            )
            yield _sighting(detail, held, standing)


def twins(case: Case) -> Iterator[Sighting]:
    told: set[HeldRule] = set()
    for held, standing in _spared(case):
        if standing.twins and not standing.by_default and held not in told:
            alike = sorted((held, *(each.held for each in standing.twins)), key=_by_id)
            told.update(alike)
            detail = (
                f"{listed([each.rule_id for each in alike])} match exactly the same packets and "
                f"decide alike; one of them is enough ({spelled(alike[0])})."
            )
            yield replace(_sighting(detail, held, standing), rules=tuple(alike))


def accept_repeats_default(case: Case) -> Iterator[Sighting]:
    yield from _repeating(case, Policy.ACCEPT)


def drop_repeats_default(case: Case) -> Iterator[Sighting]:
    yield from _repeating(case, Policy.DROP)


def _repeating(case: Case, policy: Policy) -> Iterator[Sighting]:
    for held, standing in _spared(case):
        if standing.by_default and held.rule.policy is policy:
            done = "let through" if policy is Policy.ACCEPT else "dropped"
            detail = f"What {spelled(held)} decides would be {done} without it as well."
            yield _sighting(detail, held, standing)


def _sighting(detail: str, held: HeldRule, standing: Standing) -> Sighting:
    others = tuple(each.held.rule_id for each in standing.not_with)
    return Sighting(detail, (held,), standing.spared, standing.carriers, others)


def mergeable(case: Case) -> Iterator[Sighting]:
    """Rules that differ in their ports only, one range going on where the other ends."""
    by_rest: dict[Rule, list[HeldRule]] = {}
    for held in case.rules:
        if held.rule.protocol.has_ports and held.rule.ports is not None:
            by_rest.setdefault(replace(held.rule, ports=None), []).append(held)
    for alike in by_rest.values():
        for run in _runs(sorted(alike, key=_ports)):
            if len(run) > 1:
                whole = merged(run).ports
                detail = (
                    f"{listed([held.rule_id for held in run])} differ in nothing but their ports; "
                    f"one rule with {whole} says the same ({spelled(run[0])})."
                )
                yield Sighting(detail, tuple(sorted(run, key=_by_id)), Removal.NOT_MEANT)


def merged(run: Sequence[HeldRule]) -> Rule:
    """Return the one rule that says what all of a mergeable run say."""
    first = min(_ports(held).first for held in run)
    last = max(_ports(held).last for held in run)
    return replace(run[0].rule, ports=PortRange(first, last))


def _runs(ordered: Sequence[HeldRule]) -> Iterator[list[HeldRule]]:
    """Cut rules, in order of their ports, where a port is left out."""
    run: list[HeldRule] = []
    for held in ordered:
        if run and _ports(held).first > max(_ports(each).last for each in run) + 1:
            yield run
            run = []
        run.append(held)
    if run:
        yield run


def _ports(held: HeldRule) -> PortRange:
    ports = held.rule.ports
    assert ports is not None
    return PortRange(1, MAX_PORT) if ports.is_every_port else ports


def _by_id(held: HeldRule) -> str:
    return held.rule_id


REDUNDANT = Kind(
    "rule_redundant",
    Severity.LOW,
    title="A rule can be spared",
    meaning="It decides, but other rules decide all of its packets alike once it is gone.",
    remedy="Remove it. Where the finding names rules that are not to be removed together with it, "
    "remove one and look again.",
    proof="Every packet that there can be and that the rule decides fares the same without it, "
    "because of the rules named.",
    find=redundant,
)
TWINS = Kind(
    "rules_alike",
    Severity.LOW,
    title="Rules say exactly the same",
    meaning="They have the same rank and match the same packets, though they are written "
    "differently. Each can be spared, but not all of them.",
    remedy="Keep one and remove the others.",
    proof="Every packet that there can be and that one of them matches is matched by the others; "
    "what is lost and gained is that of removing all of them.",
    find=twins,
)
ACCEPT_REPEATS_DEFAULT = Kind(
    "accept_repeats_default",
    Severity.INFO,
    title="An accept says what is so by default",
    meaning="Members of a basic group may send anything that no rule drops. The accept is needed "
    "only once a drop comes after it, here or in another group of a member.",
    remedy="Remove it, or keep it on purpose and say so in its description.",
    proof="Every packet that there can be and that the rule decides is accepted without it, by "
    "default or by the rules named.",
    find=accept_repeats_default,
)
DROP_REPEATS_DEFAULT = Kind(
    "drop_repeats_default",
    Severity.INFO,
    title="A drop says what is so by default",
    meaning="What no rule accepts is dropped anyway. The drop is needed only once an accept comes "
    "after it, here or in another group of a member.",
    remedy="Remove it, or keep it on purpose and say so in its description.",
    proof="Every packet that there can be and that the rule decides is dropped without it, by "
    "default or by the rules named.",
    find=drop_repeats_default,
)
MERGEABLE = Kind(
    "rules_mergeable",
    Severity.INFO,
    title="Rules can be merged into one",
    meaning="They differ in their port ranges only, which touch or overlap. Each counts against "
    "the quota of the group and of every interface in it.",
    remedy="Add one rule with the whole range first, then remove these.",
    proof="The ranges have no gap, and nothing else differs, so that one rule matches the same "
    "packets.",
    find=mergeable,
)
