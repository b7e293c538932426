"""Records of the audit as they are answered."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import MISSING, Field

from app.api.schemas.base import In, Out
from app.domain import audit as domain
from app.domain.audit import FaultCode
from app.services.audit import Verification

Hash = Annotated[
    str, Field(pattern="^[0-9a-f]{64}$", max_length=64, description="SHA-256, hexadecimal.")
]


class AuditEvent(Out):
    """A record: who did what to what, and how it hangs together with the one before."""

    number: Annotated[int, Field(description="Its place; there is none left out.")]
    at: datetime
    actor: Annotated[
        str, Field(description="Id of the API key, `bootstrap`, or `service` where nobody asked.")
    ]
    action: Annotated[
        str, Field(description="An operation of this API, `cloud.…` or `operation.end`.")
    ]
    target: Annotated[str, Field(description="What it was done to, such as `operation/…`.")]
    account_ids: list[str]
    outcome: Annotated[
        str,
        Field(
            description="`done`; of a call of the cloud `begun`, noted before it is made, and then "
            "what came of it; of an operation its status."
        ),
    ]
    plan_fingerprint: str | None
    detail: dict[str, Any]
    previous_hash: str
    hash: str

    @classmethod
    def of(cls, event: domain.AuditEvent) -> Self:
        entry = event.entry
        return cls(
            number=event.number,
            at=entry.at,
            actor=entry.actor,
            action=entry.action,
            target=entry.target,
            account_ids=list(entry.account_ids),
            outcome=entry.outcome,
            plan_fingerprint=entry.plan_fingerprint,
            detail=entry.detail,
            previous_hash=event.previous_hash,
            hash=event.hash,
        )


class AuditEventPage(Out):
    """Records, newest first."""

    items: list[AuditEvent]
    next_cursor: Annotated[str | None, Field(description="Null: this is the last page.")]


class AuditHead(In):
    """The last record at some time, as an earlier verification answered it."""

    number: Annotated[int, Field(strict=True, ge=1, le=2**53)]
    hash: Hash


class AuditVerificationRequest(In):
    """What is known from elsewhere."""

    head: Annotated[
        AuditHead | MISSING,
        Field(
            description="A head that was kept outside the database: with it even a chain is found "
            "out that somebody has made anew from end to end."
        ),
    ] = MISSING


class AuditHeadOut(Out):
    """The last record: keep it elsewhere, and send it with a later verification."""

    number: int
    hash: str


class AuditFault(Out):
    """Records, from `first` to `last`, where the chain is broken."""

    code: FaultCode
    first: int
    last: int


class AuditVerification(Out):
    """Whether the records are those that were written."""

    valid: bool
    checked: Annotated[int, Field(description="How many records there are.")]
    head: AuditHeadOut
    faults: Annotated[list[AuditFault], Field(description="The first hundred, by number.")]

    @classmethod
    def of(cls, found: Verification) -> Self:
        return cls(
            valid=not found.faults,
            checked=found.checked,
            head=AuditHeadOut(number=found.head.number, hash=found.head.hash),
            faults=[
                AuditFault(code=each.code, first=each.first, last=each.last)
                for each in found.faults
            ],
        )
