"""Whether whoever is acting may do it: asked before anything else is."""

from collections.abc import Callable, Collection

from app.domain.concerns import Concern, Noun, accounts_in, things_in
from app.domain.documents import Document
from app.domain.errors import (
    AccessRevokedError,
    AppError,
    ForbiddenError,
    NotFoundError,
    TargetNotFoundError,
)
from app.domain.operations import Operation
from app.domain.principals import Decision, Role, Sight, decide, may_anywhere
from app.ports.clock import Clock
from app.ports.store import Answer, Asked, Claim, Store, Work
from app.services.callers import acting_principal

ABSENT: dict[Noun, tuple[str, str]] = {
    Noun.ACCOUNT: ("no such account is registered", "account_id"),
    Noun.PLAN: ("there is no such plan", "plan_id"),
    Noun.CONNECTION: ("there is no such connection", "connection_id"),
    Noun.OPERATION: ("there is no such operation", "operation_id"),
    Noun.BACKUP: ("there is no such backup", "backup_id"),
    Noun.ASSERTION: ("there is no such assertion", "assertion_id"),
    Noun.API_KEY: ("there is no such key", "api_key_id"),
}
"""What is said of a thing that is not there, and of one that somebody may not know of."""


class AccessService:
    """Asks what things concern, and whether the caller may."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def check_role(self, role: Role, *, everywhere: bool = False) -> None:
        """See whether the caller has a role somewhere, or everywhere.

        Raises:
            ForbiddenError
        """
        principal = acting_principal()
        if everywhere and principal.accounts(role) is not None:
            raise ForbiddenError(f"this takes the role {role} for all accounts", role=role.value)
        if not may_anywhere(principal, role):
            raise forbidden(role)

    def check_things(self, role: Role, things: Collection[tuple[Noun, str]]) -> None:
        """See whether the caller has a role in all that these things concern.

        Raises:
            NotFoundError: one of them is not there, for all that the caller gets to know.
            ForbiddenError
        """
        if things and acting_principal().accounts(role) is not None:
            with self._store.read() as work:
                for noun, thing_id in sorted(things):
                    check_thing(work, role, noun, thing_id)

    def check_request(self, role: Role, request: Document) -> None:
        """See whether the caller has a role in all that a request names: accounts, and things of
        ours.

        Raises:
            NotFoundError, TargetNotFoundError, ForbiddenError
        """
        self.check_things(role, things_in(request))
        accounts = accounts_in(request)
        if accounts:
            check_accounts(role, accounts)

    def describe(
        self,
        action: str,
        things: tuple[tuple[Noun, str], ...],
        request_id: str,
        claim: Claim | None,
        render: Callable[[Operation], Answer],
    ) -> Asked:
        """Say what is being asked, for the audit to tell."""
        actor = acting_principal().principal_id
        now = self._clock.now()
        return Asked(action, actor, now, request_id, things, claim, render)

    def eyes_of(self, operation: Operation) -> Sight:
        """Accounts that whoever asked for an operation may see, whether or not they still may."""
        with self._store.read() as work:
            key = work.api_keys.get(operation.actor or "")
        return None if key is None else key.principal.sight

    def lost(self, work: Work, operation: Operation) -> AppError | None:
        """Say why an operation may not go on: who asked for it may not do so any more."""
        key = work.api_keys.get(operation.actor or "")
        if key is None:
            return None
        concern = work.concerns.of(Noun.OPERATION, operation.operation_id)
        allowed = decide(key.principal, Role.OPERATOR, concern) is Decision.ALLOWED
        status = key.status(self._clock.now())
        if status == "active" and allowed:
            return None
        return AccessRevokedError(f"the key that asked for it is {status}", actor=key.api_key_id)


def check_thing(work: Work, role: Role, noun: Noun, thing_id: str) -> None:
    """See whether the caller has a role in all that a thing concerns.

    Raises:
        NotFoundError, ForbiddenError
    """
    if acting_principal().accounts(role) is None:
        return
    is_account = noun is Noun.ACCOUNT
    concern = Concern(frozenset({thing_id})) if is_account else work.concerns.of(noun, thing_id)
    match decide(acting_principal(), role, concern):
        case Decision.HIDDEN:
            detail, name = ABSENT[noun]
            raise NotFoundError(detail, **{name: thing_id})
        case Decision.FORBIDDEN:
            raise forbidden(role)
        case Decision.ALLOWED:
            pass


def check_accounts(role: Role, account_ids: Collection[str]) -> None:
    """See whether the caller has a role in each of these accounts.

    Raises:
        TargetNotFoundError: one of them is not registered, for all that the caller gets to know.
        ForbiddenError
    """
    principal = acting_principal()
    for account_id in sorted(account_ids):
        match decide(principal, role, Concern(frozenset({account_id}))):
            case Decision.HIDDEN:
                raise TargetNotFoundError(
                    "the account is not registered, or not with this region", account_id=account_id
                )
            case Decision.FORBIDDEN:
                raise forbidden(role)
            case Decision.ALLOWED:
                pass


def forbidden(role: Role) -> ForbiddenError:
    return ForbiddenError(f"this takes the role {role} in every account concerned", role=role.value)
