"""Freezes: nothing new is begun, and what runs stops before its next change, until it is lifted."""

from collections.abc import Iterable
from datetime import timedelta

from app.domain.concerns import Concern, Noun
from app.domain.errors import AccountFrozenError
from app.domain.freezes import Freeze, freeze_of
from app.domain.operations import Operation
from app.domain.principals import EVERY_ACCOUNT, Decision, Role, decide
from app.ports.clock import Clock
from app.ports.steps import Steps
from app.ports.store import Store, Work
from app.services.access import forbidden
from app.services.callers import acting_principal

PARKED = timedelta(milliseconds=500)
"""Between two looks whether a freeze was lifted: too short to have a place in the journal."""


def await_thaw(store: Store, operation_id: str, steps: Steps) -> None:
    """Wait while an account that the operation touches is frozen, unless it is to go back.

    Nothing is recorded, however long that takes.
    """
    while _is_parked(store, operation_id):
        steps.pause(PARKED)


def _is_parked(store: Store, operation_id: str) -> bool:
    with store.read() as work:
        freezes = work.freezes.all()
        if not freezes:
            return False
        operation = work.operations.get(operation_id)
        if operation is None or operation.status.is_final:
            return False
        return is_frozen(work, operation)


def is_frozen(work: Work, operation: Operation) -> bool:
    """Whether an operation may not make its next change now; one that goes back always may."""
    freezes = work.freezes.all()
    if not freezes or operation.rollback_asked_at is not None or operation.turned_back:
        return False
    concern = work.concerns.of(Noun.OPERATION, operation.operation_id)
    return freeze_of(freezes, concern.touched) is not None


class FreezesService:
    """A freeze is for one account, or (`*`) for the whole service."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def all(self) -> tuple[Freeze, ...]:
        """Every freeze in force that the caller may know of: the service's own first."""
        sight = acting_principal().sight
        with self._store.read() as work:
            found = work.freezes.all()
        seen = {EVERY_ACCOUNT, *(sight or ())}
        return tuple(each for each in found if sight is None or each.account_id in seen)

    def freeze(self, account_id: str, reason: str) -> None:
        """Let nothing be changed in an account, or in any; again and again, to no harm.

        Raises:
            ForbiddenError
        """
        _check(account_id)
        actor = acting_principal().principal_id
        with self._store.write() as work:
            work.freezes.put(Freeze(account_id, reason, actor, self._clock.now()))
            work.commit()

    def lift(self, account_id: str) -> None:
        """Let things go on; of an account that is not frozen, to no harm.

        Raises:
            ForbiddenError
        """
        _check(account_id)
        with self._store.write() as work:
            work.freezes.lift(account_id)
            work.commit()


def _check(account_id: str) -> None:
    concern = Concern(frozenset({account_id}))
    if decide(acting_principal(), Role.ADMIN, concern) is not Decision.ALLOWED:
        raise forbidden(Role.ADMIN)


def check_thawed(work: Work, account_ids: Iterable[str]) -> None:
    """See whether changes may be begun in these accounts.

    Raises:
        AccountFrozenError
    """
    freeze = freeze_of(work.freezes.all(), account_ids)
    if freeze is not None:
        where = "the service is" if freeze.account_id == EVERY_ACCOUNT else "the account is"
        raise AccountFrozenError(
            f"{where} frozen: {freeze.reason}",
            account_id=freeze.account_id,
            since=freeze.since.isoformat(),
        )
