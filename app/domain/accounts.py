"""Accounts of the cloud that the service may speak for."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AccessState(StrEnum):
    """Whether the last check found the account open to us."""

    UNCHECKED = "unchecked"
    OK = "ok"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Account:
    """A registered account; never a secret.

    `role_arn` is None where the base identity itself belongs to the account. `external_id`
    is made by us and always sent with AssumeRole: the role's trust policy should demand it.
    """

    account_id: str
    name: str
    role_arn: str | None
    external_id: str
    region_ids: tuple[str, ...]
    created_at: datetime
    access: AccessState = AccessState.UNCHECKED
    access_detail: str = ""
    checked_at: datetime | None = None
