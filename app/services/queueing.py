"""Waiting for one's turn."""

from datetime import timedelta

from app.ports.steps import Steps
from app.ports.store import Store

FIRST_PAUSE = timedelta(milliseconds=20)
LONGEST_PAUSE = timedelta(milliseconds=500)


def await_turn(store: Store, operation_id: str, steps: Steps) -> None:
    """Wait until it is the operation's turn; once it is, it stays so until the end.

    So nothing has to be recorded, however long that takes.
    """
    pause = FIRST_PAUSE
    while not _is_first(store, operation_id):
        steps.pause(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _is_first(store: Store, operation_id: str) -> bool:
    with store.read() as work:
        return not work.turns.ahead(operation_id)
