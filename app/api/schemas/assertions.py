"""Assertions: what must, or must never, be reachable."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import MISSING, Discriminator, Field, RootModel, Tag
from pydantic.json_schema import SkipJsonSchema

from app.api.schemas.base import In, Out, left_out, names_of
from app.api.schemas.connections import Instances, PeerGroups, SourceAddresses
from app.api.schemas.flows import Flows
from app.api.schemas.networks import FlowVerdict
from app.api.schemas.values import Name, Reason
from app.domain import assertions as domain
from app.domain.addresses import AddressFamily
from app.domain.assertions import AssertionKind, AssertionStatus
from app.domain.documents import Document
from app.domain.rules import NicType
from app.services.assertions import AssertionView


def _form(side: object) -> str:
    names = names_of(side)
    if "addresses" in names:
        return "by address"
    return "by group" if "security_group_ids" in names else "by instance"


class AssertedSide(
    RootModel[
        Annotated[
            Annotated[Instances, Tag("by instance")]
            | Annotated[PeerGroups, Tag("by group")]
            | Annotated[SourceAddresses, Tag("by address")],
            Discriminator(_form),
        ]
    ]
):
    """Instances, whoever is a member of groups, or addresses."""


class AssertedClaim(In):
    """What has to hold; one side at least is instances or groups."""

    kind: Annotated[
        AssertionKind,
        Field(
            description="`must_reach`: every packet passes, between the primary addresses. "
            "`must_never_reach`: no packet passes, between any addresses."
        ),
    ]
    source: AssertedSide
    target: AssertedSide
    flows: Annotated[Flows | MISSING, Field(description="Left out: every protocol and port.")] = (
        MISSING
    )
    nic_type: Annotated[
        NicType, Field(description="Which side of classic instances it is about.")
    ] = NicType.INTRANET
    address_family: AddressFamily = AddressFamily.IPV4


class AssertionRequest(AssertedClaim):
    """What shall be kept an eye on; one side at least is instances or groups."""

    owner: Annotated[Name, Field(description="Whom to ask before it is broken.")]
    reason: Annotated[Reason, Field(min_length=1, description="Why it is so.")]

    def document(self) -> Document:
        """Return the request as it was sent: nothing added, nothing left out."""
        document: Document = self.model_dump(mode="json", exclude_unset=True)
        return document


class CounterExample(FlowVerdict):
    """Packets that speak against an assertion, and what the rules say of them."""

    certain: Annotated[bool, Field(description="False where it depends on what was not read.")]


class CounterExamples(Out):
    """What speaks against an assertion: all counted, the first ones listed."""

    count: int
    items: list[CounterExample]


class Judgement(Out):
    """Whether an assertion held when it was looked at."""

    status: AssertionStatus
    pairs: Annotated[int, Field(description="Pairs of ends that were judged.")]
    against: CounterExamples
    unread: Annotated[
        list[str], Field(description="Instances and groups of it that are gone or were not read.")
    ]


class AssertionState(Out):
    """That an assertion came to be of this status, and what was found then."""

    status: AssertionStatus
    at: datetime
    judgement: Judgement


class AssertionSummary(Out):
    """An assertion as a listing shows it: without what was found."""

    id: str
    kind: AssertionKind
    source: AssertedSide
    target: AssertedSide
    flows: list[dict[str, Any]] | SkipJsonSchema[None] = left_out(
        "Protocols and ports; absent: all of them."
    )
    nic_type: NicType
    address_family: AddressFamily
    owner: str
    reason: str
    status: AssertionStatus
    checked_at: Annotated[
        datetime | None, Field(description="When it was looked at last, by hand or by a plan.")
    ]
    managed_by: Annotated[
        str | None,
        Field(description="What keeps it up to date, `tiers/NAME`; null: whoever asked for it."),
    ]
    created_at: datetime

    @classmethod
    def of(cls, assertion: domain.Assertion) -> Self:
        return cls.model_validate(_members(assertion))


class Assertion(AssertionSummary):
    """An assertion with what was found last, and every state that it has had."""

    judgement: Annotated[
        Judgement | None, Field(description="What was found last; null: nobody has looked yet.")
    ]
    states: Annotated[list[AssertionState], Field(description="Oldest first.")]

    @classmethod
    def of_view(cls, view: AssertionView) -> Self:
        states = [
            {"status": each.status, "at": each.at, "judgement": each.detail}
            for each in view.transitions
        ]
        judgement = view.assertion.detail or None
        members = _members(view.assertion) | {"judgement": judgement, "states": states}
        return cls.model_validate(members)


def _members(assertion: domain.Assertion) -> Document:
    request = assertion.request
    return {
        "id": assertion.assertion_id,
        "kind": request["kind"],
        "source": request["source"],
        "target": request["target"],
        "flows": request.get("flows"),
        "nic_type": request.get("nic_type", NicType.INTRANET),
        "address_family": request.get("address_family", AddressFamily.IPV4),
        "owner": assertion.owner,
        "reason": assertion.reason,
        "status": assertion.status,
        "checked_at": assertion.checked_at,
        "managed_by": assertion.managed_by,
        "created_at": assertion.created_at,
    }


class AssertionPage(Out):
    """Assertions, newest first."""

    items: list[AssertionSummary]
    next_cursor: Annotated[str | None, Field(description="Null: this is the last page.")]
