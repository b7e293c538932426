"""Accounts that the service may speak for: registered over the API, verified on request."""

import re
from collections.abc import Callable, Collection
from dataclasses import replace

from app.domain.accounts import AccessState, Account
from app.domain.concerns import Concern
from app.domain.connections import Connection
from app.domain.errors import (
    AccountMismatchError,
    AccountUnreachableError,
    InUseError,
    NotFoundError,
)
from app.domain.groups import Place
from app.domain.principals import Decision, Role, Sight, decide
from app.ports.budget import Budget, Spent
from app.ports.clock import Clock, Ids
from app.ports.ecs import AccountAccess, Clouds
from app.ports.store import Page, Store, Work
from app.services.access import forbidden
from app.services.callers import acting_principal

ROLE_ARN = re.compile(r"acs:ram::([0-9]{16}):role/[A-Za-z0-9.@_-]{1,64}", re.ASCII)


def _any_state(account: Account) -> None:
    """Whoever changes an account without a condition takes it as it is."""


class AccountsService:
    """Registering calls nothing; `check` verifies."""

    def __init__(
        self, *, store: Store, clouds: Clouds, budget: Budget, clock: Clock, ids: Ids
    ) -> None:
        self._store = store
        self._clouds = clouds
        self._budget = budget
        self._clock = clock
        self._ids = ids

    def register(
        self, account_id: str, name: str, role_arn: str | None, region_ids: tuple[str, ...]
    ) -> Account:
        """Keep an account, with an ExternalId made here.

        Raises:
            ForbiddenError
            AccountMismatchError: the role belongs to another account.
            AlreadyExistsError
        """
        registering = Concern(frozenset({account_id}))
        if decide(acting_principal(), Role.ADMIN, registering) is not Decision.ALLOWED:
            raise forbidden(Role.ADMIN)
        _check_role(account_id, role_arn)
        account = Account(
            account_id=account_id,
            name=name,
            role_arn=role_arn,
            external_id=self._ids.secret(),
            region_ids=region_ids,
            created_at=self._clock.now(),
        )
        with self._store.write() as work:
            work.accounts.add(account)
            work.commit()
        return account

    def get(self, account_id: str) -> Account:
        with self._store.read() as work:
            return _found(work, account_id)

    def page(self, limit: int, position: int | None) -> Page[Account]:
        with self._store.read() as work:
            return work.accounts.page(limit=limit, position=position)

    def change(
        self,
        account_id: str,
        *,
        name: str | None = None,
        role_arn: str | None = None,
        region_ids: tuple[str, ...] | None = None,
        check: Callable[[Account], None] = _any_state,
    ) -> Account:
        """Change what is given; a new role has to be checked again.

        `check` sees the account as it is changed, and may refuse to.
        """
        with self._store.write() as work:
            account = _found(work, account_id)
            check(account)
            account = self._changed(account, name, role_arn, region_ids)
            work.accounts.update(account)
            _distrust(work, account)
            work.commit()
        return account

    @staticmethod
    def _changed(
        account: Account,
        name: str | None,
        role_arn: str | None,
        region_ids: tuple[str, ...] | None,
    ) -> Account:
        if name is not None:
            account = replace(account, name=name)
        if region_ids is not None:
            account = replace(account, region_ids=region_ids)
        if role_arn is not None:
            _check_role(account.account_id, role_arn)
            account = replace(
                account,
                role_arn=role_arn,
                access=AccessState.UNCHECKED,
                access_detail="",
                checked_at=None,
            )
        return account

    def remove(self, account_id: str, check: Callable[[Account], None] = _any_state) -> None:
        """Forget an account that no connection needs. `check` sees it, and may refuse to.

        Raises:
            InUseError: a connection stands in it.
        """
        with self._store.write() as work:
            account = _found(work, account_id)
            check(account)
            standing = work.connections.standing()
            if any(_speaks_of(connection, account_id) for connection in standing):
                raise InUseError("a connection stands in this account", account_id=account_id)
            work.accounts.remove(account_id)
            _distrust(work, account)
            work.commit()

    def spent(self, account_id: str) -> tuple[Spent, ...]:
        """How often the cloud was called for an account, where calls are limited."""
        return self._budget.spent(account_id)

    def check(self, account_id: str) -> Account:
        """Assume the role, ask the cloud who we are, and keep the finding."""
        account = self.get(account_id)
        access, detail = AccessState.OK, "the role can be assumed and belongs to the account"
        try:
            found = self._clouds.whoami(access_of(account))
        except AccountUnreachableError as error:
            access, detail = AccessState.FAILED, str(error)
        else:
            if found != account_id:
                access = AccessState.FAILED
                detail = f"the credentials belong to account {found}"
        with self._store.write() as work:
            present = _found(work, account_id)
            if present.role_arn == account.role_arn:  # else the finding is of another role
                now = self._clock.now()
                present = replace(present, access=access, access_detail=detail, checked_at=now)
                work.accounts.update(present)
                _distrust(work, present)
                work.commit()
        return present


class Directory:
    """Which accounts and regions are registered, as adapters and readers ask for it.

    What is out of sight of whoever asks is not registered, for all that they get to know.
    """

    def __init__(self, *, store: Store, eyes: Callable[[], Sight] = lambda: None) -> None:
        self._store = store
        self._eyes = eyes

    def access_of(self, account_id: str) -> AccountAccess | None:
        """How to speak for an account; None if it is not registered."""
        if not self._is_seen(account_id):
            return None
        with self._store.read() as work:
            account = work.accounts.get(account_id)
        return None if account is None else access_of(account)

    def places(self) -> Collection[Place]:
        """Every account and region that is registered."""
        with self._store.read() as work:
            accounts = work.accounts.all()
        return [
            Place(account.account_id, region_id)
            for account in accounts
            for region_id in account.region_ids
            if self._is_seen(account.account_id)
        ]

    def _is_seen(self, account_id: str) -> bool:
        seen = self._eyes()
        return seen is None or account_id in seen


def _found(work: Work, account_id: str) -> Account:
    account = work.accounts.get(account_id)
    if account is None:
        raise NotFoundError("no such account is registered", account_id=account_id)
    return account


def _distrust(work: Work, account: Account) -> None:
    """Let nobody answer from what was read of the account before."""
    for region_id in account.region_ids:
        work.revisions.advance(Place(account.account_id, region_id))


def access_of(account: Account) -> AccountAccess:
    return AccountAccess(
        account.account_id, account.role_arn, account.external_id, account.region_ids
    )


def _speaks_of(connection: Connection, account_id: str) -> bool:
    sides = (connection.request["source"], connection.request["target"])
    return account_id in {side.get("account_id") for side in sides}


def _check_role(account_id: str, role_arn: str | None) -> None:
    if role_arn is None:
        return
    found = ROLE_ARN.fullmatch(role_arn)
    if found is None or found.group(1) != account_id:
        raise AccountMismatchError(
            f"the role is acs:ram::{account_id}:role/ and its name", account_id=account_id
        )
