"""Instances and security groups as they are in the cloud."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from app.api import examples
from app.api.answers import answer, tagged
from app.api.dependencies import AskedPage, Hygiene, Inventory
from app.api.refusals import refusals
from app.api.routing import StrictRoute
from app.api.schemas.findings import GroupFindings
from app.api.schemas.inventory import (
    Instance,
    InstancePage,
    SecurityGroup,
    SecurityGroupPage,
    SecurityGroupSummary,
)
from app.api.schemas.values import AccountId, FilterText, GroupId, QueryBool, RegionId, VpcId
from app.domain.errors import (
    AccountUnreachableError,
    CloudRefusedError,
    CloudThrottledError,
    CloudUnavailableError,
    InvalidCursorError,
    InvalidIdentifierError,
    TargetNotFoundError,
)
from app.domain.hygiene import Severity

router = APIRouter(prefix="/v1", tags=["inventory"], route_class=StrictRoute)

OfAccount = Annotated[
    AccountId | None,
    Query(description="Only of this account."),
]
OfRegion = Annotated[
    RegionId | None,
    Query(description="Only of this region."),
]
OfVpc = Annotated[VpcId | None, Query(description="Only of this VPC.")]
OfGroup = Annotated[GroupId | None, Query(description="Only members of this group.")]
Named = Annotated[
    FilterText | None,
    Query(description="Only of this name; instances' names may hold `*` for anything."),
]

FROM_THE_CLOUD = (
    TargetNotFoundError,
    AccountUnreachableError,
    CloudRefusedError,
    CloudThrottledError,
    CloudUnavailableError,
    InvalidIdentifierError,
)


@router.get(
    "/instances",
    responses=answer(200, "A page of instances.", examples.INSTANCE_PAGE)
    | refusals(InvalidCursorError, *FROM_THE_CLOUD),
)
def list_instances(
    *,
    inventory: Inventory,
    asked: AskedPage,
    account_id: OfAccount = None,
    region_id: OfRegion = None,
    group_id: OfGroup = None,
    vpc_id: OfVpc = None,
    name: Named = None,
) -> InstancePage:
    """List instances of all registered accounts, read from the cloud now."""
    items, next_cursor = inventory.instances(
        account_id=account_id,
        region_id=region_id,
        group_id=group_id,
        vpc_id=vpc_id,
        name=name,
        limit=asked.limit,
        cursor=asked.cursor,
    )
    return InstancePage(items=[Instance.of(each) for each in items], next_cursor=next_cursor)


@router.get(
    "/security-groups",
    responses=answer(200, "A page of security groups.", examples.GROUP_PAGE)
    | refusals(InvalidCursorError, *FROM_THE_CLOUD),
)
def list_security_groups(
    *,
    inventory: Inventory,
    asked: AskedPage,
    account_id: OfAccount = None,
    region_id: OfRegion = None,
    vpc_id: OfVpc = None,
    name: Named = None,
) -> SecurityGroupPage:
    """List security groups of all registered accounts, without their rules, read now."""
    items, next_cursor = inventory.groups(
        account_id=account_id,
        region_id=region_id,
        vpc_id=vpc_id,
        name=name,
        limit=asked.limit,
        cursor=asked.cursor,
    )
    return SecurityGroupPage(
        items=[SecurityGroupSummary.of(each) for each in items], next_cursor=next_cursor
    )


@router.get(
    "/security-groups/{group_id}",
    responses=tagged(answer(200, "The group with its rules and members.", examples.GROUP))
    | refusals(*FROM_THE_CLOUD),
)
def get_security_group(
    inventory: Inventory,
    group_id: Annotated[
        GroupId, Path(description="Id of the group.", openapi_examples=examples.GROUP_ID)
    ],
    account_id: OfAccount = None,
    region_id: OfRegion = None,
) -> SecurityGroup:
    """Return one group with all its rules and its members, read now. Account and region spare
    the search for it.
    """
    group, members = inventory.group(group_id, account_id, region_id)
    return SecurityGroup.of(group, members)


@router.get(
    "/security-groups/{group_id}/findings",
    responses=answer(200, "What is wrong with the group, the worst first.", examples.FINDINGS)
    | refusals(*FROM_THE_CLOUD),
)
def list_findings(
    *,
    hygiene: Hygiene,
    group_id: Annotated[
        GroupId, Path(description="Id of the group.", openapi_examples=examples.INSPECTED_GROUP_ID)
    ],
    account_id: OfAccount = None,
    region_id: OfRegion = None,
    severity: Annotated[Severity | None, Query(description="Only of this severity.")] = None,
    refresh: Annotated[
        QueryBool, Query(description="Read the cloud anew, whatever was read a moment ago.")
    ] = False,
) -> GroupFindings:
    """Say which rules of a group never decide, can be spared, match nothing or open too much,
    each with an explanation, a remedy and the proof: what would change without the rule.
    Nothing is changed.
    """
    found = hygiene.findings(group_id, account_id, region_id, severity, refresh=refresh)
    return GroupFindings.model_validate(found)
