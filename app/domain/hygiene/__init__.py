"""What is wrong with the rules of a group: found, explained and proven.

A further kind of finding is one function and one `Kind` in a module of its family, and one
line here.
"""

from collections.abc import Iterator

from app.domain.difference import Exposure
from app.domain.hygiene import hiding, inside, openness, silence, sparing, upkeep
from app.domain.hygiene.case import Case
from app.domain.hygiene.finding import Finding, Kind, Proof, Removal, Severity, Sighting

KINDS: tuple[Kind, ...] = (
    openness.EVERYTHING_TO_WORLD,
    openness.DATA_TO_WORLD,
    openness.ADMIN_TO_WORLD,
    openness.OPEN_TO_WORLD,
    openness.PUBLIC_SERVICE,
    openness.EVERYTHING_WIDE,
    openness.DATA_WIDE,
    openness.ADMIN_WIDE,
    openness.WIDE_SOURCE,
    openness.ALL_PROTOCOLS,
    openness.MANY_PORTS_OPEN,
    openness.CLASSIC_INTRANET_RANGE,
    openness.PRIVATE_ON_INTERNET_SIDE,
    hiding.DROP_CONTRADICTED,
    hiding.ACCEPT_CONTRADICTED,
    hiding.ACCEPT_TIED_WITH_DROP,
    hiding.ACCEPT_PARTLY_HIDDEN,
    hiding.SHADOWED,
    sparing.REDUNDANT,
    sparing.TWINS,
    sparing.ACCEPT_REPEATS_DEFAULT,
    sparing.DROP_REPEATS_DEFAULT,
    sparing.MERGEABLE,
    inside.DROP_AMONG_MEMBERS,
    inside.ACCEPT_AMONG_MEMBERS,
    silence.GROUP_ON_INTERNET_SIDE,
    silence.ICMP_OF_OTHER_FAMILY,
    silence.IPV6_IN_CLASSIC,
    silence.LIST_WITHOUT_ENTRIES,
    silence.PEER_GROUP_GONE,
    silence.PEER_GROUP_OUT_OF_REACH,
    silence.PEER_GROUP_UNREAD,
    silence.PEER_GROUP_EMPTY,
    silence.NEVER_MATCHES,
    silence.OWN_SIDE_EMPTY,
    silence.GROUP_EMPTY,
    upkeep.PEER_IGNORED,
    upkeep.NOTHING_GETS_OUT,
    upkeep.NEAR_QUOTA,
    upkeep.OLD_PRIORITY,
    upkeep.WITHOUT_DESCRIPTION,
)


def inspect(case: Case, severity: Severity | None = None) -> tuple[Finding, ...]:
    """Return what is found, of one severity or any: the worst first, then by code and rules."""
    kinds = [kind for kind in KINDS if severity in {None, kind.severity}]
    found = [_finding(case, kind, each) for kind in kinds for each in kind.find(case)]
    return tuple(sorted(found, key=_order))


ORDER = {severity: number for number, severity in enumerate(Severity)}


def _order(finding: Finding) -> tuple[int, str, tuple[str, ...], str]:
    return (ORDER[finding.kind.severity], finding.kind.code, finding.rule_ids, finding.detail)


def _finding(case: Case, kind: Kind, sighting: Sighting) -> Finding:
    group = case.group
    proof = _proof(case, sighting)
    return Finding(kind, group.group_id, group.place, sighting.detail, sighting.rules, proof)


def _proof(case: Case, sighting: Sighting) -> Proof:
    if sighting.proven is Removal.NOT_MEANT:
        statement = "It is not about removing a rule."
        return Proof(Removal.NOT_MEANT, statement, because=sighting.because)
    several = len(sighting.rules) > 1
    lost = gained = NO_PAIRS
    if several or sighting.proven is None:
        difference = case.without(sighting.rules)
        lost, gained = difference.lost, difference.gained
    changes = bool(lost.pairs or gained.pairs)
    removal = sighting.proven or (Removal.SOMETHING if changes else Removal.NOTHING_NOW)
    pairs = (
        f"{lost.pairs} pairs are lost and {gained.pairs} gained; a block of addresses counts as one"
    )
    statement = " ".join(_sentences(removal, pairs, several=several))
    return Proof(removal, statement, lost, gained, sighting.because, sighting.not_with)


NO_PAIRS = Exposure(0, 0, (), truncated=False)
"""What changes where it is proven that nothing does."""


def _sentences(removal: Removal, pairs: str, *, several: bool) -> Iterator[str]:
    one = "Removing any one of the rules" if several else "Removing the rule"
    nothing = "changes nothing for any address, protocol or port"
    match removal:
        case Removal.NOTHING_EVER:
            yield f"{one} {nothing}, whatever other groups the members are in."
        case Removal.NOTHING_NOW:
            yield f"{one} {nothing}, while memberships and the groups' rules stay as they are."
        case _:
            yield f"Without the rule, {pairs}."
    if several:
        yield f"Without all of them, {pairs}."


__all__ = ["KINDS", "Case", "Finding", "Kind", "Proof", "Removal", "Severity", "inspect"]
