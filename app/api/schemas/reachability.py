"""Questions about reachability, and their answers."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import MISSING, Discriminator, Field, RootModel, StrictBool, Tag, model_validator
from pydantic.json_schema import SkipJsonSchema

from app.api.schemas.base import In, Out, left_out, names_of
from app.api.schemas.networks import PathVerdict
from app.api.schemas.plans import AddRules, RemoveRules
from app.api.schemas.values import (
    AccountId,
    Address,
    InstanceId,
    Port,
    ProtocolName,
    RegionId,
    refused,
)
from app.domain.addresses import AddressFamily
from app.domain.errors import InvalidPortError
from app.domain.hindrances import HindranceCode
from app.domain.rules import NicType, Protocol

MOST_QUESTIONS = 1000

Refresh = Annotated[
    StrictBool, Field(description="Read the cloud anew, whatever was read a moment ago.")
]


class AskedInstance(In):
    """An instance, by where it is."""

    account_id: AccountId
    region_id: RegionId
    instance_id: InstanceId


class AskedAddress(In):
    """An address, whoever has it."""

    address: Address


def _form(end: object) -> str:
    return "by address" if "address" in names_of(end) else "by instance"


class AskedEnd(
    RootModel[
        Annotated[
            Annotated[AskedInstance, Tag("by instance")]
            | Annotated[AskedAddress, Tag("by address")],
            Discriminator(_form),
        ]
    ]
):
    """One end of a question: an instance, or an address."""


class AskedFlow(In):
    """The question whether packets get from `source` to `target`."""

    source: AskedEnd
    target: AskedEnd
    protocol: ProtocolName
    port: Annotated[
        Port | MISSING, Field(description="The target's port; for tcp and udp, and only there.")
    ] = MISSING
    source_port: Annotated[
        Port | MISSING, Field(description="Left out, the answer holds for every source port.")
    ] = MISSING
    nic_type: Annotated[
        NicType, Field(description="Which side of classic instances is asked about.")
    ] = NicType.INTRANET
    address_family: AddressFamily = AddressFamily.IPV4

    @model_validator(mode="after")
    def _check_ports(self) -> Self:
        has_ports = Protocol(self.protocol).has_ports
        given = {name for name in ("port", "source_port") if name in self.model_fields_set}
        if has_ports and "port" not in given:
            raise refused(InvalidPortError(f"{self.protocol} needs a port"))
        if not has_ports and given:
            raise refused(InvalidPortError(f"{self.protocol} has no ports"))
        return self


class ExplainRequest(In):
    """Questions, answered from one reading of the cloud."""

    flows: Annotated[list[AskedFlow], Field(min_length=1, max_length=MOST_QUESTIONS)]
    refresh: Refresh = False


class ReadPlace(Out):
    """An account and region, and when what was used of it was read."""

    account_id: str
    region_id: str
    read_at: Annotated[datetime, Field(description="Of what was read first.")]
    age_seconds: Annotated[float, Field(description="At the time of the answer.")]


class UnreadGroup(Out):
    """A group of which the rules or the members could not be read, and why."""

    account_id: str
    security_group_id: str
    code: str
    detail: Annotated[str, Field(description="One sentence for people.")]


class ReadWorld(Out):
    """What the answers rest on, and how old it is: some of it may have been read for earlier
    questions.
    """

    read_at: Annotated[datetime, Field(description="Of what was read first, in all places.")]
    age_seconds: Annotated[float, Field(description="At the time of the answer.")]
    fingerprint: str
    places: Annotated[list[ReadPlace], Field(description="Every account and region, in order.")]
    unread_groups: Annotated[
        list[UnreadGroup],
        Field(description="What depends on them is `unknown`; everything else is not."),
    ]


class Hindrance(Out):
    """One thing that stands in the way of a blocked flow."""

    code: HindranceCode
    detail: Annotated[str, Field(description="One sentence for people.")]
    group_id: str | SkipJsonSchema[None] = left_out("The one group that it is about.")
    rule_id: str | SkipJsonSchema[None] = left_out("The rule of that group.")


class RemedyStep(RootModel[Annotated[AddRules | RemoveRules, Field(discriminator="action")]]):
    """One change of rules that helps to open a blocked flow."""


class ExplainedVerdict(PathVerdict):
    """A verdict; of a blocked flow with all that stands in the way, and what would open it."""

    hindrances: Annotated[
        list[Hindrance],
        Field(
            description="All that stands in the way, not only what stops it first, in the order "
            "in which one looks: network, instances, ingress, egress, neighbours, what could not "
            "be read. Empty exactly where the flow is not blocked."
        ),
    ]
    remedy: Annotated[
        list[RemedyStep],
        Field(
            description="The fewest changes of rules that surely open the flow, in order, for "
            "this pair alone. Nothing is changed; quotas are not looked at. Empty where no rule "
            "helps: it is not blocked, there is no route, a group could not be read or belongs "
            "to a cloud product."
        ),
    ]


class Explanation(Out):
    """One verdict for each question, in order."""

    items: list[ExplainedVerdict]
    world: ReadWorld
