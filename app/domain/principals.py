"""Who acts, and what they may do: the one place where that is decided."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from app.domain.concerns import Concern

EVERY_ACCOUNT = "*"
"""Stands in grants for all accounts, also for those that are registered later."""

Sight: TypeAlias = frozenset[str] | None
"""Accounts that somebody may see; None: all of them."""


class Role(StrEnum):
    """What one may do in an account; each may do what those before it may.

    A viewer reads and asks; an operator plans, backs up and changes the cloud; an admin
    registers the account, hands out keys for it and freezes it.
    """

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        return list(Role).index(self)

    def covers(self, other: "Role") -> bool:
        return self.rank >= other.rank


class Decision(StrEnum):
    """`hidden`: the caller does not get to know that it exists."""

    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who was recognised. `grants` are roles by account id, or by `*` for all."""

    principal_id: str
    name: str
    grants: Mapping[str, Role]

    def role_on(self, account_id: str) -> Role | None:
        """The greater of what is granted for the account and for all; None: nothing is."""
        found = [self.grants[each] for each in (account_id, EVERY_ACCOUNT) if each in self.grants]
        return max(found, key=lambda role: role.rank, default=None)

    @property
    def sight(self) -> Sight:
        return self.accounts(Role.VIEWER)

    def accounts(self, role: Role) -> Sight:
        """Accounts where the principal has at least this role; None: everywhere."""
        granted = {account_id for account_id, has in self.grants.items() if has.covers(role)}
        return None if EVERY_ACCOUNT in granted else frozenset(granted)


THE_SERVICE = Principal("service", "the service itself", {EVERY_ACCOUNT: Role.ADMIN})
"""Acts where nobody asked: it sweeps, and brings to an end what somebody began."""


def decide(principal: Principal, role: Role, concern: Concern) -> Decision:
    """Say whether a principal may do what needs `role` with what concerns these accounts.

    Who may not see every one of them learns nothing; to do it takes the role wherever it is
    touched. What concerns no account at all is for those alone who have the role everywhere.
    """
    if not _has(principal, Role.VIEWER, concern.accounts):
        return Decision.HIDDEN
    return Decision.ALLOWED if _has(principal, role, concern.touched) else Decision.FORBIDDEN


def may_anywhere(principal: Principal, role: Role) -> bool:
    """Say whether there is any account where the principal has at least this role."""
    return any(has.covers(role) for has in principal.grants.values())


def _has(principal: Principal, role: Role, concerned: frozenset[str]) -> bool:
    accounts = principal.accounts(role)
    return accounts is None or (bool(concerned) and concerned <= accounts)
