"""Which accounts a thing of ours concerns: whoever asks for it needs a role in all of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from app.domain.documents import Document

PEER = "peer"
"""A rule's peer is named in the group that holds the rule: that tells nothing of its account."""


class Noun(StrEnum):
    """What can concern accounts."""

    ACCOUNT = "account"
    PLAN = "plan"
    CONNECTION = "connection"
    OPERATION = "operation"
    BACKUP = "backup"
    ASSERTION = "assertion"
    API_KEY = "api_key"


@dataclass(frozen=True, slots=True)
class Concern:
    """`touched` are accounts that it speaks for or changes; `shown` are those of which it tells
    something besides. To see it takes a role in all of both, to do more a role in the first.
    """

    touched: frozenset[str] = frozenset()
    shown: frozenset[str] = frozenset()

    @property
    def accounts(self) -> frozenset[str]:
        return self.touched | self.shown


def accounts_in(value: object) -> frozenset[str]:
    """Return every account that a document names, but for peers of rules."""
    return frozenset(_accounts(value))


def _accounts(value: object) -> Iterator[str]:
    match value:
        case dict():
            account_id = value.get("account_id")
            if isinstance(account_id, str):
                yield account_id
            for name, member in value.items():
                if name != PEER:
                    yield from _accounts(member)
        case list() | tuple():
            for item in value:
                yield from _accounts(item)
        case _:
            pass


def concern_of_plan(request: Document, document: Document) -> Concern:
    """Accounts that were asked about or would be changed, and those that the plan tells of."""
    touched = accounts_in(request) | accounts_in(document.get("changes", []))
    return Concern(touched, accounts_in(document) - touched)


def concern_of_request(request: Document) -> Concern:
    """What a connection or an assertion concerns: the accounts of its sides."""
    return Concern(accounts_in(request))


def concern_of_backup(account_id: str, content: Document) -> Concern:
    """A backup holds members of groups that the rules name, and those may be of others."""
    return Concern(frozenset({account_id}), accounts_in(content) - {account_id})


THINGS = {
    "plan_id": Noun.PLAN,
    "connection_id": Noun.CONNECTION,
    "operation_id": Noun.OPERATION,
    "backup_id": Noun.BACKUP,
    "assertion_id": Noun.ASSERTION,
}
"""Members of requests that name things of ours."""


def things_in(request: Document) -> frozenset[tuple[Noun, str]]:
    """Return what of ours a request names."""
    return frozenset(
        (noun, request[name]) for name, noun in THINGS.items() if isinstance(request.get(name), str)
    )
