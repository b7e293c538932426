"""Instances and security groups as they are in the cloud."""

from typing import Annotated, Self

from pydantic import Field

from app.api.schemas.base import Out
from app.api.schemas.networks import Rule
from app.domain import groups as domain
from app.domain.documents import group_document
from app.domain.groups import GroupKind
from app.domain.rules import Policy
from app.ports import ecs


class Interface(Out):
    """A network interface; security groups attach to it."""

    eni_id: Annotated[str, Field(description="In the classic network, the instance's own id.")]
    addresses: Annotated[list[str], Field(description="Private addresses, IPv4 first.")]
    public_address: str | None
    group_ids: list[str]

    @classmethod
    def of(cls, eni: domain.Eni) -> Self:
        return cls(
            eni_id=eni.eni_id,
            addresses=[block.address for block in eni.addresses],
            public_address=None if eni.public_address is None else eni.public_address.address,
            group_ids=sorted(eni.group_ids),
        )


class Instance(Out):
    """An ECS instance."""

    instance_id: str
    account_id: str
    region_id: str
    zone_id: str
    name: str
    status: Annotated[str, Field(description="As the cloud says: Running, Stopped and others.")]
    vpc_id: Annotated[str | None, Field(description="Null: in the classic network.")]
    classic_link_vpc_id: Annotated[
        str | None, Field(description="The VPC that a classic instance is linked with.")
    ]
    locks: Annotated[list[str], Field(description="Reasons why the cloud has locked it.")]
    interfaces: Annotated[list[Interface], Field(description="The primary one first.")]

    @classmethod
    def of(cls, instance: domain.Instance) -> Self:
        return cls(
            instance_id=instance.instance_id,
            account_id=instance.place.account_id,
            region_id=instance.place.region_id,
            zone_id=instance.zone_id,
            name=instance.name,
            status=instance.status,
            vpc_id=instance.vpc_id,
            classic_link_vpc_id=instance.classic_link_vpc_id,
            locks=sorted(instance.locks),
            interfaces=[Interface.of(eni) for eni in instance.enis],
        )


class InstancePage(Out):
    """Instances, account by account and region by region."""

    items: list[Instance]
    next_cursor: Annotated[str | None, Field(description="Null: this is the last page.")]


class SecurityGroupSummary(Out):
    """A security group as a listing shows it: without its rules."""

    group_id: str
    account_id: str
    region_id: str
    name: str
    description: str
    vpc_id: Annotated[str | None, Field(description="Null: in the classic network.")]
    kind: GroupKind
    managed: Annotated[bool, Field(description="A cloud product manages it: never changed by us.")]
    member_count: int | None
    rule_count: int | None

    @classmethod
    def of(cls, summary: ecs.GroupSummary) -> Self:
        group = summary.group
        return cls(
            group_id=group.group_id,
            account_id=group.place.account_id,
            region_id=group.place.region_id,
            name=group.name,
            description=summary.description,
            vpc_id=group.vpc_id,
            kind=group.kind,
            managed=group.managed,
            member_count=summary.member_count,
            rule_count=summary.rule_count,
        )


class SecurityGroupPage(Out):
    """Security groups, account by account and region by region."""

    items: list[SecurityGroupSummary]
    next_cursor: Annotated[str | None, Field(description="Null: this is the last page.")]


class SecurityGroup(Out):
    """A security group with everything that decides about traffic."""

    group_id: str
    account_id: str
    region_id: str
    name: str
    vpc_id: Annotated[str | None, Field(description="Null: in the classic network.")]
    kind: GroupKind
    inner_access: Annotated[
        Policy, Field(description="Whether members reach each other whatever the rules say.")
    ]
    managed: Annotated[bool, Field(description="A cloud product manages it: never changed by us.")]
    rules: Annotated[list[Rule], Field(description="Both directions, both NIC types, by id.")]
    members: list[Instance]

    @classmethod
    def of(cls, group: domain.Group, members: tuple[domain.Instance, ...]) -> Self:
        document = group_document(group) | {"members": [Instance.of(each) for each in members]}
        return cls.model_validate(document)
