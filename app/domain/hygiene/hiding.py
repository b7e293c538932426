"""Rules that never decide, or not where they seem to: better ones come before them."""

from collections.abc import Callable, Iterator

from app.domain.hygiene.case import Case
from app.domain.hygiene.finding import Kind, Removal, Severity, Sighting
from app.domain.hygiene.standing import Standing
from app.domain.hygiene.words import ids, spelled
from app.domain.rules import HeldRule, Policy


def _hidden(case: Case, fits: Callable[[Standing], bool]) -> Iterator[tuple[HeldRule, Sighting]]:
    for held in case.rules:
        standing = case.standing(held)
        if standing.hidden_by and fits(standing):
            detail = (
                f"{spelled(held)} never decides: whatever packet it matches, "
                f"{ids(standing.hidden_by)} is judged before it."
            )
            yield (
                held,
                Sighting(detail, (held,), Removal.NOTHING_EVER, standing.hidden_by),
            )


def shadowed(case: Case) -> Iterator[Sighting]:
    for _, sighting in _hidden(case, lambda standing: not standing.opposed):
        yield sighting


def accept_contradicted(case: Case) -> Iterator[Sighting]:
    for held, sighting in _hidden(case, lambda standing: standing.opposed):
        if held.rule.policy is Policy.ACCEPT:
            yield sighting


def drop_contradicted(case: Case) -> Iterator[Sighting]:
    for held, sighting in _hidden(case, lambda standing: standing.opposed):
        if held.rule.policy is Policy.DROP:
            yield sighting


def accept_tied_with_drop(case: Case) -> Iterator[Sighting]:
    for held in case.rules:
        drops = tuple(
            each
            for each in case.standing(held).beaten_by
            if each.held.rule.priority == held.rule.priority
        )
        if drops:
            detail = (
                f"{spelled(held)} and {ids(drops)} have the same priority and match some of the "
                f"same packets; the drop wins there."
            )
            yield Sighting(detail, (held,), because=drops)


def accept_partly_hidden(case: Case) -> Iterator[Sighting]:
    for held in case.rules:
        drops = tuple(
            each
            for each in case.standing(held).beaten_by
            if each.held.rule.priority < held.rule.priority
        )
        if drops:
            detail = (
                f"{spelled(held)} opens less than it says: {ids(drops)} drops some of it first."
            )
            yield Sighting(detail, (held,), because=drops)


SHADOWED = Kind(
    "rule_shadowed",
    Severity.LOW,
    title="A rule never decides",
    meaning="Rules of a smaller priority number match everything that it matches, and say the "
    "same. It counts against the quota and misleads whoever reads the group.",
    remedy="Remove the rule. If it was meant to decide, give it a smaller priority number.",
    proof="Every packet that there can be and that the rule matches has a better rule of the "
    "same group; the rules named decide instead.",
    find=shadowed,
)
ACCEPT_CONTRADICTED = Kind(
    "accept_contradicted",
    Severity.MEDIUM,
    title="An accept never takes effect",
    meaning="Every packet that it would let through is decided before it, and some or all are "
    "dropped. Whoever added it believes that something is open which is closed. At the same "
    "priority a drop wins.",
    remedy="Find out which is meant: remove the accept, or give it a smaller priority number than "
    "the drop.",
    proof="Every packet that there can be and that the rule matches has a better rule of the "
    "same group, for some of them a drop; the rules named decide instead.",
    find=accept_contradicted,
)
DROP_CONTRADICTED = Kind(
    "drop_contradicted",
    Severity.HIGH,
    title="A drop never takes effect",
    meaning="Every packet that it would stop is decided before it, and some or all are accepted. "
    "Whoever added it believes that something is closed which is open.",
    remedy="Find out which is meant: remove the drop, or give it a priority number that is not "
    "greater than that of the accept.",
    proof="Every packet that there can be and that the rule matches has a better rule of the "
    "same group, for some of them an accept; the rules named decide instead.",
    find=drop_contradicted,
)
ACCEPT_TIED_WITH_DROP = Kind(
    "accept_tied_with_drop",
    Severity.MEDIUM,
    title="A drop of the same priority beats an accept",
    meaning="Of rules with one priority number the drop is judged first, which is not to be seen "
    "from the numbers. A part of what the accept says is closed.",
    remedy="Give the two rules different priority numbers, the smaller to the one that shall win.",
    proof="There are packets that both rules match and that the drop decides; other packets the "
    "accept does decide.",
    find=accept_tied_with_drop,
)
ACCEPT_PARTLY_HIDDEN = Kind(
    "accept_partly_hidden",
    Severity.INFO,
    title="An accept opens less than it says",
    meaning="A drop with a smaller priority number decides a part of what it matches. That is "
    "often meant as an exception.",
    remedy="Nothing, if the drop is an exception on purpose; otherwise narrow one of the two.",
    proof="There are packets that both rules match and that the drop decides; other packets the "
    "accept does decide.",
    find=accept_partly_hidden,
)
