"""The switch that lets nothing be changed."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, StrictBool

from app.api.schemas.api_keys import GrantedAccount
from app.api.schemas.base import In, Out
from app.api.schemas.values import Name
from app.domain import freezes as domain
from app.domain.principals import EVERY_ACCOUNT


class FreezeRequest(In):
    """Whether changes are to stop."""

    frozen: Annotated[StrictBool, Field(description="`false` lifts the freeze.")]
    reason: Annotated[Name, Field(description="Why; whoever is refused reads it.")]
    account_id: Annotated[
        GrantedAccount, Field(description="The account; left out, the whole service.")
    ] = EVERY_ACCOUNT


class Freeze(Out):
    """A freeze in force."""

    account_id: Annotated[str, Field(description="`*` is the whole service.")]
    reason: str
    actor: Annotated[str, Field(description="Who froze it.")]
    since: datetime

    @classmethod
    def of(cls, freeze: domain.Freeze) -> Self:
        return cls(
            account_id=freeze.account_id,
            reason=freeze.reason,
            actor=freeze.actor,
            since=freeze.since,
        )


class Freezes(Out):
    """What is frozen."""

    frozen: Annotated[bool, Field(description="Whether the whole service is.")]
    items: Annotated[list[Freeze], Field(description="Every freeze in force, by account.")]

    @classmethod
    def of(cls, freezes: tuple[domain.Freeze, ...]) -> Self:
        return cls(
            frozen=any(each.account_id == EVERY_ACCOUNT for each in freezes),
            items=[Freeze.of(each) for each in freezes],
        )
