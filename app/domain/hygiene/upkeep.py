"""What makes a group hard to keep: quotas, old rules, fields that say nothing."""

from collections.abc import Iterator

from app.domain.groups import GroupKind
from app.domain.hygiene.case import Case
from app.domain.hygiene.finding import Kind, Removal, Severity, Sighting
from app.domain.hygiene.pools import Pool
from app.domain.hygiene.words import listed, peer_name, spelled
from app.domain.obstacles import member_limit
from app.domain.opening import peer_groups
from app.domain.quotas import weight
from app.domain.rules import LOWEST_PRIORITY, Direction, Policy

NEARLY_FULL = 0.9


def near_quota(case: Case) -> Iterator[Sighting]:
    for name, used, limit in _uses(case):
        if used >= limit * NEARLY_FULL:
            yield Sighting(f"{used} of {limit} {name} are in use.", (), Removal.NOT_MEANT)


def _uses(case: Case) -> Iterator[tuple[str, int, int]]:
    """Every quota of the group, or that it uses up of its members'."""
    group, limits = case.group, case.limits
    yield "rules of the group", weight(case.world, group.rules), limits.rules_per_group
    named = len(peer_groups(held.rule for held in group.rules))
    yield "groups named by its rules", named, limits.peer_groups_per_group
    yield "places for members", len(case.members), member_limit(group, limits)
    pooled = [
        (sum(weight(case.world, each.rules) for each in groups), eni.eni_id)
        for _, eni in case.members
        if (groups := [case.world.groups[key] for key in eni.group_ids if key in case.world.groups])
    ]
    if pooled:
        used, eni_id = max(pooled)
        yield f"rules of interface {eni_id}", used, limits.rules_per_nic


def nothing_gets_out(case: Case) -> Iterator[Sighting]:
    if case.group.kind is not GroupKind.ENTERPRISE:
        return
    plane = None
    company = case.company(Direction.EGRESS, plane)
    alone = Pool(case.world, (case.group,), Direction.EGRESS, plane, case.gone)
    if _lets_out(alone) or (company and all(_lets_out(pool) for pool in company)):
        return
    detail = f"No egress rule lets members of {case.group.group_id} send anything."
    yield Sighting(detail, (), Removal.NOT_MEANT)


def _lets_out(pool: Pool) -> bool:
    return pool.unread or any(
        not pool.hides(cell, position)
        for position, deciding in enumerate(pool.rules)
        if deciding.held.rule.policy is Policy.ACCEPT
        for cell in pool.cells(position)
    )


def old_priority(case: Case) -> Iterator[Sighting]:
    for held in case.rules:
        if held.rule.priority == LOWEST_PRIORITY:
            yield Sighting(f"{spelled(held)} is judged after all others.", (held,))


def without_description(case: Case) -> Iterator[Sighting]:
    bare = tuple(held for held in case.rules if not held.description.strip())
    if bare:
        detail = f"{len(bare)} of {len(case.rules)} rules have no description."
        yield Sighting(detail, bare, Removal.NOT_MEANT)


def peer_ignored(case: Case) -> Iterator[Sighting]:
    for held in case.rules:
        if held.ignored:
            others = listed([peer_name(peer) for peer in held.ignored])
            detail = f"{spelled(held)} names {others} besides, which is ignored."
            yield Sighting(detail, (held,))


NEAR_QUOTA = Kind(
    "near_quota",
    Severity.MEDIUM,
    title="A quota is nearly used up",
    meaning="At 90 percent or more there is little room: a change that needs more is refused as a "
    "whole.",
    remedy="Remove rules that can be spared, merge ranges, name groups or prefix lists in place of "
    "addresses, or ask the cloud for more.",
    proof="Rules, members and named groups were counted as the cloud counts them.",
    find=near_quota,
)
NOTHING_GETS_OUT = Kind(
    "nothing_gets_out",
    Severity.MEDIUM,
    title="Members cannot send anything",
    meaning="An enterprise group drops what no egress rule accepts, and one made by API has no "
    "rules at first: members answer, but begin no connection, to their database or a package "
    "mirror for example.",
    remedy="Add egress rules for what members need.",
    proof="No packet that there can be is accepted by an egress rule of the group, nor, for some "
    "member, by one of its other groups.",
    find=nothing_gets_out,
)
OLD_PRIORITY = Kind(
    "old_priority",
    Severity.INFO,
    title="A rule has a priority that cannot be written",
    meaning="Default rules of before May 2020 have the priority 110, after every rule that can be "
    "written. Once removed or changed, such a rule cannot be made again as it was.",
    remedy="Add the rule anew with priority 100, then remove this one, if it is wanted at all.",
    proof="The priority was read; the cloud takes 1 to 100.",
    find=old_priority,
)
WITHOUT_DESCRIPTION = Kind(
    "rules_without_description",
    Severity.INFO,
    title="Rules do not say what they are for",
    meaning="Nobody dares to remove a rule of which nobody knows why it is there.",
    remedy="Describe each: who reaches what, and whom to ask.",
    proof="The descriptions were read, and are empty.",
    find=without_description,
)
PEER_IGNORED = Kind(
    "peer_ignored",
    Severity.MEDIUM,
    title="A rule names two peers, and one of them is ignored",
    meaning="A block beats a group, and either beats a prefix list. The other one is let in, or "
    "kept out, only where the first happens to name it too.",
    remedy="Add one rule for each peer that is meant, then remove this one.",
    proof="The rule was read with both; the one that counts is that which verdicts name.",
    find=peer_ignored,
)
