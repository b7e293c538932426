"""A switch that lets nothing be changed: for one account, or for all."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from app.domain.principals import EVERY_ACCOUNT


@dataclass(frozen=True, slots=True)
class Freeze:
    """`account_id` is `*` where it is for the whole service."""

    account_id: str
    reason: str
    actor: str
    since: datetime


def freeze_of(freezes: Iterable[Freeze], account_ids: Iterable[str]) -> Freeze | None:
    """Return a freeze that one of the accounts is under, the service's own first."""
    found = {each.account_id: each for each in freezes}
    for account_id in (EVERY_ACCOUNT, *sorted(account_ids)):
        if account_id in found:
            return found[account_id]
    return None
