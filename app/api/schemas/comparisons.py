"""Comparisons of the four methods: as they are asked for, and as they are answered."""

from typing import Annotated

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from app.api.schemas.base import In, Out, left_out
from app.api.schemas.connections import ComparedConnection
from app.api.schemas.plans import Exposure, PlannedChange, QuotaUse
from app.domain.comparing import SituationCode
from app.domain.intents import MethodName
from app.domain.plan import ObstacleCode


class CompareRequest(In):
    """Compare what the methods would do."""

    connection: ComparedConnection


class Situation(Out):
    """What the vendor's page would advise, and the figures that this rests on."""

    code: SituationCode
    accounts: Annotated[int, Field(description="Accounts that the two sides are in.")]
    instances: Annotated[int, Field(description="Instances, of both sides together.")]
    roles: Annotated[int, Field(description="Different sets of groups that instances are in.")]
    advised: MethodName
    advice: str


class Obstacle(Out):
    """Something that stands in the way of a method."""

    code: ObstacleCode
    detail: str
    account_id: str
    instance_id: str | SkipJsonSchema[None] = left_out("Where it lies, if at an instance.")
    group_id: str | SkipJsonSchema[None] = left_out("Where it lies, if at a group.")
    rule_id: str | SkipJsonSchema[None] = left_out("Where it lies, if at a rule.")


class Refusal(Out):
    """Why a connect request with this method would be refused."""

    code: Annotated[str, Field(description="Of the problem that would be answered.")]
    detail: str
    obstacles: list[Obstacle] | SkipJsonSchema[None] = left_out("Of `method_not_possible`.")
    quotas: list[QuotaUse] | SkipJsonSchema[None] = left_out("Of `quota_insufficient`.")


class FittingQuota(QuotaUse):
    """A quota of the cloud, and for how many more connections it has room."""

    still_fit: Annotated[
        int | None,
        Field(description="How many more connections like this one; null: it draws nothing."),
    ]


class Undoing(Out):
    """What taking it back takes, as long as nobody else has come to need it."""

    rules: Annotated[int, Field(description="Rules to remove.")]
    memberships: Annotated[int, Field(description="Memberships to end.")]
    groups: Annotated[int, Field(description="Groups to delete.")]
    calls: Annotated[int, Field(description="Cloud calls for that, counted like those of a plan.")]


class Survival(Out):
    """What the connection takes without any further change, tried out. Null: does not apply."""

    source_address: Annotated[bool | None, Field(description="The sources get other addresses.")]
    target_address: Annotated[bool, Field(description="The targets get other addresses.")]
    one_more_source: Annotated[
        bool | None,
        Field(description="One more instance is made in the groups that a source is in now."),
    ]
    one_more_target: Annotated[
        bool, Field(description="One more instance is made in the groups that a target is in now.")
    ]


class MethodWork(Out):
    """What a method would do, also where a quota has no room for it or it opens too much."""

    changes: Annotated[list[PlannedChange], Field(description="In order; empty: nothing to do.")]
    rules: Annotated[int, Field(description="New rules.")]
    memberships: Annotated[int, Field(description="New memberships.")]
    groups: Annotated[int, Field(description="New groups.")]
    calls: Annotated[
        int, Field(description="Cloud calls that change the groups or read their rules.")
    ]
    gained: Annotated[Exposure, Field(description="What opens.")]
    extra_pairs: Annotated[
        int, Field(description="Pairs that open although nothing was asked between them.")
    ]
    extra_port_pairs: Annotated[
        int,
        Field(
            description="Different (source, target, protocol, port) that open and were not asked "
            "for, also between ends of which something else was asked."
        ),
    ]
    quotas: list[FittingQuota]
    still_fit: Annotated[
        int | None, Field(description="The least of what the quotas have room for.")
    ]
    undoing: Undoing
    survives: Survival
    warnings: list[str]


class MethodChoice(Out):
    """One of the four methods."""

    method: MethodName
    possible: bool
    advised: Annotated[bool, Field(description="Whether the vendor's page would advise it.")]
    refusal: Annotated[Refusal | None, Field(description="Null: it is possible.")]
    work: Annotated[
        MethodWork | None, Field(description="Null: it cannot be said what it would do.")
    ]


class MethodComparison(Out):
    """What each of the four methods would do for a request. Nothing is kept or changed."""

    situation: Situation
    asked_pairs: Annotated[int, Field(description="Number of different (source, target).")]
    methods: Annotated[list[MethodChoice], Field(description="All four, in the page's order.")]
    recommended: Annotated[
        MethodName | None,
        Field(
            description="The method that opens least besides what was asked for, of those that are "
            "possible; of several the advised one; else the one that needs the least. Null: none "
            "is possible."
        ),
    ]
    reasons: list[str]
    fingerprint: Annotated[str, Field(description="Digest of the world that was read.")]
