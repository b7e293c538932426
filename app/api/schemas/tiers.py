"""Tiers: as they are asked for, and what a plan says of them."""

from typing import Annotated

from pydantic import MISSING, Field
from pydantic.json_schema import SkipJsonSchema

from app.api.schemas.base import In, Out, left_out
from app.api.schemas.flows import Flows
from app.api.schemas.networks import FlowVerdict, Rule
from app.api.schemas.values import (
    AccountId,
    Cidrs,
    GroupId,
    InstanceIds,
    RegionId,
    TierName,
)

MOST_TIERS = 10


class TierRequest(In):
    """Instances of one account and region that do the same work."""

    name: TierName
    account_id: AccountId
    region_id: RegionId
    instance_ids: InstanceIds
    ports: Annotated[
        Flows | MISSING,
        Field(
            description="What the tier before may reach. Left out: tcp 80 for `web`, 8080 for "
            "`application` and 3306 for `database`, or in this order for any three tiers."
        ),
    ] = MISSING
    addresses: Annotated[
        Cidrs | MISSING,
        Field(description="Who may reach the first tier; left out: nobody."),
    ] = MISSING
    security_group_id: Annotated[
        GroupId | MISSING,
        Field(description="A group to be used for the tier; left out, it gets one of its own."),
    ] = MISSING


class TiersFields(In):
    """Tiers in order: the ports of each are open to the tier before it."""

    name: Annotated[
        TierName, Field(description="What the tiers are found again by, when they are changed.")
    ] = "tiers"
    tiers: Annotated[list[TierRequest], Field(min_length=2, max_length=MOST_TIERS)]


class TierPorts(Out):
    """A protocol and its ports."""

    protocol: str
    port_range: str


class LaidTier(Out):
    """A tier with its group."""

    name: str
    account_id: str
    region_id: str
    group_id: Annotated[str, Field(description="Until the cloud has made it, a name of ours.")]
    is_new: Annotated[bool, Field(description="Whether the plan makes the group.")]
    instance_ids: list[str]
    ports: list[TierPorts]
    addresses: list[str]


class StayingOfTiers(Out):
    """Something that is not as the tiers would have it, and why it stays."""

    reason: str
    group_id: str
    account_id: str
    instance_id: str | SkipJsonSchema[None] = left_out("The member, where it is about one.")
    rule: Rule | SkipJsonSchema[None] = left_out("The rule, where it is about one.")


class BetweenTiers(Out):
    """What passes between tiers and is not asked for: all counted, the first items listed."""

    count: int
    items: list[FlowVerdict]


class SideOfTier(Out):
    """A tier, as an assertion names it."""

    account_id: str
    region_id: str
    security_group_ids: list[str]


class AssertionOfTiers(Out):
    """What is asserted once the tiers are laid."""

    kind: str
    source: SideOfTier
    target: SideOfTier
    flows: list[TierPorts] | SkipJsonSchema[None] = left_out("Absent: everything.")
    reason: str


class TiersDetails(Out):
    """What a plan to lay tiers comes to."""

    name: str
    tiers: list[LaidTier]
    staying: list[StayingOfTiers]
    between: Annotated[
        BetweenTiers,
        Field(description="Judged after the plan, both ways; empty: nothing else passes."),
    ]
    assertions: Annotated[
        list[AssertionOfTiers], Field(description="Kept when the plan has succeeded.")
    ]
