"""What was done, by whom and to what: records that hang together, so that none can be changed,
removed or moved without its being found.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from app.domain.documents import Document


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What is to be recorded. `target` names a thing as `noun/id`; `detail` has what is particular
    to the action, and never a secret.
    """

    at: datetime
    actor: str
    action: str
    target: str
    account_ids: tuple[str, ...]
    outcome: str
    plan_fingerprint: str | None = None
    detail: Document = field(default_factory=dict)

    def document(self) -> Document:
        return {
            "at": self.at.isoformat(),
            "actor": self.actor,
            "action": self.action,
            "target": self.target,
            "account_ids": list(self.account_ids),
            "outcome": self.outcome,
            "plan_fingerprint": self.plan_fingerprint,
            "detail": self.detail,
        }


UNREADABLE = AuditEntry(datetime.min.replace(tzinfo=UTC), "", "", "", (), "unreadable")
"""Stands for what a record said that cannot be read: no record has its hash."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last record of the chain: its number, and its hash."""

    number: int
    hash: str


BEGINNING = Head(0, "0" * 64)
"""What the first record follows."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """A record with its place in the chain: numbers go up one by one, from 1."""

    number: int
    entry: AuditEntry
    previous_hash: str
    hash: str

    @property
    def head(self) -> Head:
        return Head(self.number, self.hash)

    @property
    def is_whole(self) -> bool:
        """Whether the hash is that of what the record says."""
        return self.hash == _hash(self.number, self.previous_hash, self.entry)


def chained(head: Head, entry: AuditEntry) -> AuditEvent:
    """Return the record of an entry that follows `head`."""
    number = head.number + 1
    return AuditEvent(number, entry, head.hash, _hash(number, head.hash, entry))


def _hash(number: int, previous_hash: str, entry: AuditEntry) -> str:
    spelt = {"number": number, "previous_hash": previous_hash, **entry.document()}
    # What JSON has no word for was never recorded: however it is spelt, its hash is another one.
    text = json.dumps(spelt, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=repr)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


class FaultCode(StrEnum):
    """`altered`: a record does not say what it said. `missing`: there is none of that number.
    `unlinked`: it does not follow the one before. `cut`: the last ones are gone. `head`: the last
    one is not the one that was kept apart. `rewritten`: a record is not the one that somebody
    remembers.
    """

    ALTERED = "altered"
    MISSING = "missing"
    UNLINKED = "unlinked"
    CUT = "cut"
    HEAD = "head"
    REWRITTEN = "rewritten"


@dataclass(frozen=True, slots=True)
class Fault:
    """Where the chain is broken: records from `first` to `last`."""

    code: FaultCode
    first: int
    last: int


def faults(events: Iterable[AuditEvent], head: Head, known: Head | None = None) -> Iterator[Fault]:
    """Yield every place where the chain is broken, in order of the records.

    `events` are all there are, by number; `head` is what was kept apart from them, and `known`
    what somebody has kept elsewhere, from an earlier answer.
    """
    last = BEGINNING
    for event in events:
        if event.number < 1:
            yield Fault(FaultCode.UNLINKED, event.number, event.number)
            continue
        if event.number != last.number + 1:
            yield Fault(FaultCode.MISSING, last.number + 1, event.number - 1)
        elif event.previous_hash != last.hash:
            yield Fault(FaultCode.UNLINKED, event.number, event.number)
        if not event.is_whole:
            yield Fault(FaultCode.ALTERED, event.number, event.number)
        if known is not None and event.number == known.number and event.hash != known.hash:
            yield Fault(FaultCode.REWRITTEN, event.number, event.number)
        last = event.head
    furthest = max(head.number, 0 if known is None else known.number)
    if last.number < furthest:
        yield Fault(FaultCode.CUT, last.number + 1, furthest)
    elif last != head:
        yield Fault(FaultCode.HEAD, last.number, last.number)
