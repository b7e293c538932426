"""Accounts as they are registered and answered."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Self, TypedDict

from pydantic import MISSING, Field, model_validator

from app.api.schemas.base import In, Out
from app.api.schemas.values import AccountId, Name, RegionIds, RoleArn, refused
from app.domain import accounts as domain
from app.domain.accounts import AccessState
from app.domain.errors import SecretNotAcceptedError
from app.ports.budget import Spent

SECRETS = ("secret", "password", "passwd", "token", "access_key", "accesskey", "private_key")


class _WithoutSecrets(In):
    @model_validator(mode="before")
    @classmethod
    def _refuse_secrets(cls, body: Any) -> Any:  # noqa: ANN401 - what was sent
        names = [str(name).lower() for name in body] if isinstance(body, dict) else []
        if any(secret in name for name in names for secret in SECRETS):
            error = SecretNotAcceptedError(
                "the service assumes a role, and never takes a key; withdraw the one you sent"
            )
            raise refused(error)
        return body


class AccountRegistration(_WithoutSecrets):
    """An account that the service shall speak for."""

    account_id: AccountId
    name: Annotated[Name, Field(description="A name for people.")]
    role_arn: Annotated[
        RoleArn | MISSING,
        Field(
            description="The role to be assumed; left out, the service's own identity must belong "
            "to the account."
        ),
    ] = MISSING
    region_ids: Annotated[RegionIds, Field(description="Regions to read and change.")]


class AccountChange(_WithoutSecrets):
    """What shall be different; everything that is left out stays as it is."""

    name: Annotated[Name | MISSING, Field(description="A name for people.")] = MISSING
    role_arn: Annotated[
        RoleArn | MISSING, Field(description="The role to be assumed; it has to be checked anew.")
    ] = MISSING
    region_ids: Annotated[
        RegionIds | MISSING, Field(description="All regions to read and change.")
    ] = MISSING

    def given(self) -> "Changes":
        """Return what was sent, as the service takes it."""
        given: Changes = {}
        if self.name is not MISSING:
            given["name"] = self.name
        if self.role_arn is not MISSING:
            given["role_arn"] = self.role_arn
        if self.region_ids is not MISSING:
            given["region_ids"] = tuple(self.region_ids)
        return given


class Changes(TypedDict, total=False):
    name: str
    role_arn: str
    region_ids: tuple[str, ...]


class Account(Out):
    """A registered account; never a secret."""

    account_id: str
    name: str
    role_arn: Annotated[
        str | None, Field(description="Null: the service's own identity belongs to the account.")
    ]
    external_id: Annotated[
        str,
        Field(description="Sent whenever the role is assumed; its trust policy should demand it."),
    ]
    region_ids: list[str]
    access: Annotated[AccessState, Field(description="What the last check found.")]
    access_detail: Annotated[str, Field(description="Why, in words; empty before a check.")]
    checked_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, account: domain.Account) -> Self:
        return cls(
            account_id=account.account_id,
            name=account.name,
            role_arn=account.role_arn,
            external_id=account.external_id,
            region_ids=list(account.region_ids),
            access=account.access,
            access_detail=account.access_detail,
            checked_at=account.checked_at,
            created_at=account.created_at,
        )


class CallCount(Out):
    """How often one action of the cloud was called by all replicas, where it has a limit."""

    region_id: str
    action: str
    limit: Annotated[
        int | None, Field(description="Calls a minute that the service allows itself.")
    ]
    calls: int
    retries: Annotated[int, Field(description="Calls among them that were made again.")]
    throttled: Annotated[int, Field(description="How often the cloud refused one for its rate.")]
    refused: Annotated[int, Field(description="How many the service did not make, for its limit.")]
    is_locked: Annotated[bool, Field(description="Whether nothing is sent until the next minute.")]


class AccountCalls(Out):
    """How often the cloud was called for an account."""

    items: Annotated[
        list[CallCount], Field(description="By region and action; empty where nothing is limited.")
    ]

    @classmethod
    def told(cls, spent: Iterable[Spent]) -> Self:
        counts = [
            CallCount(
                region_id=each.region_id,
                action=each.action,
                limit=each.limit,
                calls=each.calls,
                retries=each.retries,
                throttled=each.throttled,
                refused=each.refused,
                is_locked=each.is_locked,
            )
            for each in spent
        ]
        return cls(items=counts)


class AccountPage(Out):
    """Accounts, newest first."""

    items: list[Account]
    next_cursor: Annotated[str | None, Field(description="Null: this is the last page.")]
