"""Guardrails: as they are in force, as they are tried, and what of them a plan breaks."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt
from pydantic.json_schema import SkipJsonSchema

from app.api.schemas.base import In, Out, left_out
from app.api.schemas.values import Cidr, GroupId, OwnId, PortRangeText, RuleId
from app.domain.documents import Document
from app.domain.guardrails import ViolationCode

Name = Annotated[str, Field(min_length=1, max_length=100)]
Limit = Annotated[StrictInt, Field(ge=0)]


class GuardedPorts(Out):
    """Ports that only named sources may reach."""

    name: str
    protocol: Literal["tcp", "udp"]
    port_ranges: list[str]
    addresses: Annotated[list[str], Field(description="Blocks that may reach them.")]
    security_group_ids: Annotated[
        list[str], Field(description="Groups whose members may reach them.")
    ]


class Guardrails(Out):
    """What may never come to be, whoever asks. Null or an empty list: that one does not guard."""

    version: str
    max_addresses: Annotated[
        int, Field(description="Most source addresses that rules may let reach one port.")
    ]
    public_ports: Annotated[
        list[str],
        Field(
            description="TCP ports on the public side of the classic network that everybody may "
            "reach."
        ),
    ]
    guarded_ports: list[GuardedPorts]
    max_ports: Annotated[
        int | None, Field(description="Most ports of a protocol that rules may open to one peer.")
    ]
    all_protocols: Annotated[
        bool, Field(description="Whether rules may open every protocol to a peer.")
    ]
    include_intra_group: Annotated[
        bool,
        Field(
            description="Whether what members of a group reach of one another counts for "
            "`guarded_ports`, `max_ports` and `all_protocols`."
        ),
    ]
    protected_group_ids: Annotated[
        list[str], Field(description="Groups that are never changed from here.")
    ]
    protected_rule_ids: Annotated[
        list[str], Field(description="Rules that are never removed from here.")
    ]
    max_rules: Annotated[
        int | None, Field(description="Most rules that one operation may add and remove.")
    ]
    max_extra_pairs: Annotated[
        int | None, Field(description="Most pairs that one operation may open unasked.")
    ]


class ProposedGuardedPorts(In):
    """Ports that only named sources may reach."""

    name: Name
    protocol: Literal["tcp", "udp"] = "tcp"
    port_ranges: Annotated[list[PortRangeText], Field(min_length=1, max_length=100)]
    addresses: Annotated[list[Cidr], Field(default_factory=list, max_length=200)]
    security_group_ids: Annotated[list[GroupId], Field(default_factory=list, max_length=200)]


class ProposedGuardrails(In):
    """Guardrails that are to be tried; what is left out is as it is in force."""

    version: Name = "tried"
    max_addresses: Limit = 65_536
    public_ports: Annotated[list[PortRangeText], Field(default_factory=list, max_length=100)]
    guarded_ports: Annotated[
        list[ProposedGuardedPorts], Field(default_factory=list, max_length=100)
    ]
    max_ports: Limit = 0
    all_protocols: StrictBool = True
    include_intra_group: StrictBool = False
    protected_group_ids: Annotated[list[GroupId], Field(default_factory=list, max_length=1000)]
    protected_rule_ids: Annotated[list[RuleId], Field(default_factory=list, max_length=1000)]
    max_rules: Limit = 0
    max_extra_pairs: Limit = 0


NOTHING_ELSE = ProposedGuardrails.model_validate({})


class GuardrailsTrial(In):
    """Which plan to hold against which guardrails."""

    plan_id: OwnId
    guardrails: ProposedGuardrails = NOTHING_ELSE

    def proposed(self) -> Document:
        """Return the fields that are to be tried as they were sent."""
        document: Document = self.guardrails.model_dump(mode="json", exclude_unset=True)
        return document


class Violation(Out):
    """One guardrail that a plan breaks, and where."""

    code: ViolationCode
    detail: str
    account_id: str | SkipJsonSchema[None] = left_out("Account of what is concerned.")
    group_id: str | SkipJsonSchema[None] = left_out("The group, where it is about one.")
    instance_id: str | SkipJsonSchema[None] = left_out("The instance, where it is about one.")
    rule_id: str | SkipJsonSchema[None] = left_out("The rule, where it is about one.")
    value: int | SkipJsonSchema[None] = left_out("What it would be.")
    before: int | SkipJsonSchema[None] = left_out("What it is today.")
    limit: int | SkipJsonSchema[None] = left_out("What it may be at most.")


class GuardrailsVerdict(Out):
    """What of the guardrails a plan breaks in the world of now; empty: nothing."""

    plan_id: str
    violations: list[Violation]
