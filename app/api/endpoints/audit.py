"""The audit: who did what, and whether anybody has touched the records."""

from typing import Annotated

from fastapi import APIRouter, Body, Query
from pydantic import MISSING

from app.api import examples
from app.api.answers import answer
from app.api.dependencies import AskedPage, Audit
from app.api.paging import next_cursor
from app.api.refusals import refusals
from app.api.routing import StrictRoute
from app.api.schemas.audit import (
    AuditEvent,
    AuditEventPage,
    AuditVerification,
    AuditVerificationRequest,
)
from app.api.schemas.values import AccountId, FilterText
from app.domain.audit import Head
from app.domain.errors import InvalidCursorError, InvalidIdentifierError
from app.ports.store import AuditFilter

router = APIRouter(prefix="/v1/audit-events", tags=["audit"], route_class=StrictRoute)


@router.get(
    "",
    responses=answer(200, "A page of records.", examples.AUDIT_PAGE)
    | refusals(InvalidCursorError, InvalidIdentifierError),
)
def list_audit_events(
    audit: Audit,
    asked: AskedPage,
    *,
    actor: Annotated[FilterText | None, Query(description="Only what this one asked for.")] = None,
    action: Annotated[FilterText | None, Query(description="Only this action.")] = None,
    target: Annotated[
        FilterText | None, Query(description="Only what was done to this, such as `operation/…`.")
    ] = None,
    outcome: Annotated[FilterText | None, Query(description="Only with this outcome.")] = None,
    account_id: Annotated[
        AccountId | None, Query(description="Only what concerns this account.")
    ] = None,
) -> AuditEventPage:
    """List the records of the audit, newest first. It takes the role `admin` for all accounts."""
    wanted = AuditFilter(actor, action, target, outcome, account_id)
    listing = ("audit", actor, action, target, outcome, account_id)
    page = audit.page(asked.limit, asked.position(*listing), wanted)
    return AuditEventPage(
        items=[AuditEvent.of(each) for each in page.items],
        next_cursor=next_cursor(page.next_position, *listing),
    )


@router.post(
    "/verify",
    responses=answer(200, "What was found.", examples.AUDIT_VERIFICATION),
)
def verify_audit_events(
    body: Annotated[AuditVerificationRequest, Body(openapi_examples=examples.AUDIT_VERIFY)],
    audit: Audit,
) -> AuditVerification:
    """Go through all records, and say where one was changed, removed or moved, and whether the
    last ones are missing. Nothing is changed.
    """
    head = None if body.head is MISSING else Head(body.head.number, body.head.hash)
    return AuditVerification.of(audit.verify(head))
