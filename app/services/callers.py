"""On whose behalf the work at hand is done.

Whatever answers a request runs within `acting`, from authentication to the last byte; what
nobody asked for is done by the service itself. Threads that are started on the way have to be
handed the context (`contextvars.copy_context`), or they would work for the service.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from app.domain.principals import THE_SERVICE, Principal

_ACTING: ContextVar[Principal] = ContextVar("acting", default=THE_SERVICE)


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
