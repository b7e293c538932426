"""On whose behalf the work at hand is done, and for which request.

Whatever answers a request runs within `acting`, from authentication to the last byte; what
nobody asked for is done by the service itself. Threads that are started on the way have to be
handed the context (`contextvars.copy_context`), or they would work for the service.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from app.domain.principals import THE_SERVICE, Principal, Sight
from app.ports.store import Asked

_ACTING: ContextVar[Principal] = ContextVar("acting", default=THE_SERVICE)
_EYES: ContextVar[Sight] = ContextVar("eyes", default=None)
_ASKED: ContextVar[Asked | None] = ContextVar("asked", default=None)


def acting_principal() -> Principal:
    """Who asked for what is being done."""
    return _ACTING.get()


@contextmanager
def acting(principal: Principal) -> Iterator[None]:
    """Do what follows on behalf of a principal."""
    token = _ACTING.set(principal)
    try:
        yield
    finally:
        _ACTING.reset(token)


def asked() -> Asked | None:
    """The request that is being answered: what it changes is recorded as its doing."""
    return None if acting_principal() is THE_SERVICE else _ASKED.get()


@contextmanager
def answering(request: Asked) -> Iterator[None]:
    """Do what follows for a request."""
    token = _ASKED.set(request)
    try:
        yield
    finally:
        _ASKED.reset(token)


def sight() -> Sight:
    """Accounts whose things may be shown."""
    return acting_principal().sight


def eyes() -> Sight:
    """Accounts that may be read in the cloud."""
    principal = acting_principal()
    return _EYES.get() if principal is THE_SERVICE else principal.sight


@contextmanager
def looking(accounts: Sight) -> Iterator[None]:
    """Let the service read the cloud, in what follows, as somebody does who sees these accounts.

    An operation looks with the eyes of whoever asked for it: with others it would find another
    world than the one that was planned for.
    """
    token = _EYES.set(accounts)
    try:
        yield
    finally:
        _EYES.reset(token)
