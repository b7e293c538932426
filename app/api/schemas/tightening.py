"""Narrowing what is too open: what is asked for, and what a plan says of it."""

from typing import Annotated, Any, Literal

from pydantic import MISSING, Field, StrictBool, StrictInt
from pydantic.json_schema import SkipJsonSchema

from app.api.schemas.assertions import AssertedClaim, AssertedSide
from app.api.schemas.base import In, Out, left_out
from app.api.schemas.connections import InstancesInGroup
from app.api.schemas.flows import Flows
from app.api.schemas.networks import Rule
from app.api.schemas.values import AccountId, GroupId, Priority, Reason, RegionId, RuleId
from app.domain.addresses import AddressFamily
from app.domain.intents import MethodName, Scope

LONGEST_WATCH = 86_400
"""Seconds."""


class Needed(In):
    """Who has to reach whom afterwards as well, and on what."""

    source: AssertedSide
    target: InstancesInGroup
    flows: Flows
    method: Annotated[
        Literal[
            MethodName.ADDRESS_RULES, MethodName.DEDICATED_GROUP, MethodName.GROUP_AUTHORIZATION
        ]
        | MISSING,
        Field(description="How the path is made; left out, with the least extra access."),
    ] = MISSING
    scope: Scope = Scope.INSTANCE
    priority: Priority = 1
    address_family: AddressFamily = AddressFamily.IPV4
    reason: Reason = ""


class TightenFields(In):
    """Which group is too open, and what of it is needed."""

    account_id: AccountId
    region_id: RegionId
    security_group_id: GroupId
    rule_ids: Annotated[
        list[RuleId] | MISSING,
        Field(
            min_length=1,
            max_length=200,
            description="The rules that go; left out, those that let in half of all addresses or "
            "more, or where there are none, more than a /16 (IPv6: a /48).",
        ),
    ] = MISSING
    needed: Annotated[
        list[Needed],
        Field(default_factory=list, max_length=200, description="What has to stay reachable."),
    ]
    use_connections: Annotated[
        StrictBool,
        Field(description="Whether what standing connections asked for has to stay reachable."),
    ] = True
    watch_seconds: Annotated[
        StrictInt,
        Field(
            ge=0,
            le=LONGEST_WATCH,
            description="How long what is needed and `assertions` are judged again and again "
            "before the operation counts as done.",
        ),
    ] = 0
    assertions: Annotated[
        list[AssertedClaim],
        Field(
            default_factory=list,
            max_length=100,
            description="What must hold besides; one that does not restores the start.",
        ),
    ]


class Path(Out):
    """How what is needed stays reachable."""

    pairs: Annotated[int, Field(description="Pairs of ends that are needed.")]
    method: Annotated[MethodName | None, Field(description="Null: other rules open it already.")]
    group_ids: Annotated[list[str], Field(description="Groups that are changed for it.")]
    connection_id: str | SkipJsonSchema[None] = left_out("The connection that needs it.")


class TightenDetails(Out):
    """What a tightening does beyond its changes."""

    group_id: str
    account_id: str
    region_id: str
    removed: Annotated[list[Rule], Field(description="The rules that go.")]
    paths: list[Path]
    confirm_lost: Annotated[
        int, Field(description="How many pairs are lost: to be named when it is applied.")
    ]


class Watch(Out):
    """What is judged after the changes, and for how long."""

    seconds: int
    claims: Annotated[
        list[dict[str, Any]], Field(description="What must, or must never, be reachable.")
    ]
