"""API keys as they are handed out and listed."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import MISSING, AfterValidator, BeforeValidator, Field, WithJsonSchema

from app.api.schemas.base import In, Out
from app.api.schemas.values import Name, spoken
from app.domain import api_keys as domain
from app.domain.api_keys import ApiKeyStatus
from app.domain.errors import DuplicateItemError, InvalidIdentifierError
from app.domain.principals import EVERY_ACCOUNT, Role

MOST_GRANTS = 100


def _granted_account(value: Any) -> str:  # noqa: ANN401 - what was sent
    whole = value == EVERY_ACCOUNT
    if isinstance(value, str) and (
        whole or (len(value) == 16 and value.isascii() and value.isdigit())
    ):
        return value
    raise InvalidIdentifierError("an account id has 16 digits; `*` stands for every account")


GrantedAccount = Annotated[
    str,
    BeforeValidator(spoken(_granted_account)),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^([0-9]{16}|\*)$",
            "maxLength": 16,
            "examples": ["1000000000000001"],
        }
    ),
]


class Grant(In):
    """A role in an account."""

    account_id: Annotated[
        GrantedAccount, Field(description="The account, or `*` for all, later ones included.")
    ]
    role: Annotated[
        Role,
        Field(
            description="`viewer` reads and asks, `operator` plans, backs up and changes, `admin` "
            "administers; each may do what those before it may."
        ),
    ]


def _each_once(grants: list[Grant]) -> list[Grant]:
    if len({each.account_id for each in grants}) < len(grants):
        raise DuplicateItemError("an account is named twice")
    return grants


class ApiKeyRequest(In):
    """A key to be handed out."""

    name: Annotated[Name, Field(description="What it is for, or whose it is.")]
    grants: Annotated[
        list[Grant],
        AfterValidator(spoken(_each_once)),
        Field(
            min_length=1,
            max_length=MOST_GRANTS,
            description="What it may do, and where. Nobody grants more than they have.",
        ),
    ]
    lifetime_days: Annotated[
        Annotated[int, Field(strict=True, ge=1, le=3650)] | MISSING,
        Field(description="How long it is valid; left out, as long as any key may be."),
    ] = MISSING


class GrantOut(Out):
    """A role in an account."""

    account_id: str
    role: Role


class ApiKey(Out):
    """A key as it is kept: what opens with it is known to whoever asked for it alone."""

    id: str
    name: str
    prefix: Annotated[str, Field(description="How the key begins, after `ick_`.")]
    status: ApiKeyStatus
    grants: list[GrantOut]
    created_by: Annotated[str, Field(description="Id of the key that asked for it.")]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: domain.ApiKey, now: datetime) -> Self:
        return cls(**_fields(key, now))


class NewApiKey(ApiKey):
    """A key that was handed out just now."""

    key: Annotated[
        str | None,
        Field(
            description="The key itself. It is shown this once, and is kept nowhere: null where "
            "the answer is a repeated one."
        ),
    ]

    @classmethod
    def with_secret(cls, key: domain.ApiKey, secret: str, now: datetime) -> Self:
        return cls(**_fields(key, now), key=secret)


def _fields(key: domain.ApiKey, now: datetime) -> dict[str, Any]:
    return {
        "id": key.api_key_id,
        "name": key.name,
        "prefix": key.prefix,
        "status": key.status(now),
        "grants": [
            GrantOut(account_id=account_id, role=role) for account_id, role in key.grants.items()
        ],
        "created_by": key.created_by,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    }


class ApiKeyPage(Out):
    """Keys, newest first."""

    items: list[ApiKey]
    next_cursor: Annotated[str | None, Field(description="Null: this is the last page.")]
