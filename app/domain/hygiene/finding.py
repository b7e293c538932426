"""What is found wrong with rules, and what proves it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from typing import Protocol as Interface

from app.domain.difference import Exposure
from app.domain.flows import DecidingRule
from app.domain.groups import Place
from app.domain.rules import HeldRule

if TYPE_CHECKING:
    from app.domain.hygiene.case import Case


class Severity(StrEnum):
    """How much it matters, the worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


class Removal(StrEnum):
    """What the removal of one of the named rules would change.

    `nothing_ever`: nothing for any address, protocol or port, whatever other groups the
    members are in, now or later. `nothing_now`: nothing for any address, protocol or port
    while memberships and rules of the members' groups stay as they are. `something`: what is
    gained and lost. `not_meant`: to remove a rule is not the remedy.
    """

    NOTHING_EVER = "nothing_ever"
    NOTHING_NOW = "nothing_now"
    SOMETHING = "something"
    NOT_MEANT = "not_meant"


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where something of a kind was seen: one sentence, and the rules that it is about.

    `proven` is what is known of the removal of any one rule; None if it is to be found out by
    comparing the worlds with and without. `because` are the rules that prove it: those that
    decide instead, or say the same. `not_with` are ids of rules that are needed once one of
    these rules is gone.
    """

    detail: str
    rules: tuple[HeldRule, ...] = ()
    proven: Removal | None = None
    because: tuple[DecidingRule, ...] = ()
    not_with: tuple[str, ...] = ()


class Find(Interface):
    def __call__(self, case: Case, /) -> Iterator[Sighting]:
        """See everything of one kind in a group."""
        ...


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding; `code` is stable.

    `meaning` says what it is and why it matters, `remedy` what to do, `proof` how it is known.
    """

    code: str
    severity: Severity
    title: str
    meaning: str
    remedy: str
    proof: str
    find: Find


@dataclass(frozen=True, slots=True)
class Proof:
    """What would change without the rules, in the world that was read.

    `lost` and `gained` compare it with the same world without any of the finding's rules;
    None where removing them is not meant.
    """

    removal: Removal
    statement: str
    lost: Exposure | None = None
    gained: Exposure | None = None
    because: tuple[DecidingRule, ...] = ()
    not_with: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """Something of a kind, found in one group."""

    kind: Kind
    group_id: str
    place: Place
    detail: str
    rules: tuple[HeldRule, ...]
    proof: Proof

    @property
    def rule_ids(self) -> tuple[str, ...]:
        return tuple(held.rule_id for held in self.rules)
