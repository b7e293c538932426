"""Changes that are only supposed, and what they would open and close."""

from typing import Annotated, Literal, Self

from pydantic import MISSING, Discriminator, Field, RootModel, StrictInt, Tag, model_validator

from app.api.schemas.base import In, Out, names_of
from app.api.schemas.findings import ProvenExposure
from app.api.schemas.reachability import ReadWorld, Refresh
from app.api.schemas.values import (
    AccountId,
    Cidr,
    GroupId,
    InstanceId,
    PortRangeText,
    PrefixListId,
    Priority,
    ProtocolName,
    RegionId,
    RuleId,
    refused,
)
from app.domain.addresses import Block
from app.domain.errors import AppError, FamilyMismatchError, InvalidPortError
from app.domain.rules import Direction, NicType, Policy, PortRange, Protocol

MOST_CHANGES = 100


class SupposedBlock(In):
    """Addresses."""

    cidr: Cidr


class SupposedGroup(In):
    """The members of a group."""

    group_id: GroupId
    account_id: Annotated[
        AccountId | MISSING, Field(description="Left out: the account of the group.")
    ] = MISSING


class SupposedList(In):
    """The entries of a prefix list."""

    prefix_list_id: PrefixListId


def _form(peer: object) -> str:
    names = names_of(peer)
    if "cidr" in names:
        return "by block"
    return "by members" if "group_id" in names else "by list"


class SupposedPeer(
    RootModel[
        Annotated[
            Annotated[SupposedBlock, Tag("by block")]
            | Annotated[SupposedGroup, Tag("by members")]
            | Annotated[SupposedList, Tag("by list")],
            Discriminator(_form),
        ]
    ]
):
    """The source of an ingress rule, or the destination of an egress rule."""


class SupposedRule(In):
    """A rule as answers spell it: one can be copied from a group."""

    direction: Direction
    protocol: ProtocolName
    port_range: PortRangeText
    peer: SupposedPeer
    policy: Policy = Policy.ACCEPT
    priority: Priority = 1
    nic_type: NicType = NicType.INTRANET
    own_cidr: Annotated[
        Cidr | MISSING,
        Field(description="Narrows the group's own side to some of its members' addresses."),
    ] = MISSING
    source_port_range: Annotated[
        PortRangeText | MISSING, Field(description="Narrows the client's ports; tcp and udp only.")
    ] = MISSING

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            self._check_ports(Protocol(self.protocol))
            self._check_families()
        except AppError as error:
            raise refused(error) from error
        return self

    def _check_ports(self, protocol: Protocol) -> None:
        PortRange.parse(self.port_range, protocol)
        if isinstance(self.source_port_range, str):
            if not protocol.has_ports:
                raise InvalidPortError(f"{protocol} has no source ports")
            PortRange.parse(self.source_port_range, protocol)

    def _check_families(self) -> None:
        peer = self.peer.root
        if not (isinstance(peer, SupposedBlock) and isinstance(self.own_cidr, str)):
            return
        if Block.parse(peer.cidr).family is not Block.parse(self.own_cidr).family:
            raise FamilyMismatchError("both sides of a rule are of one address family")


class _Supposition(In):
    account_id: AccountId
    region_id: RegionId
    group_id: GroupId


class SupposeAddRule(_Supposition):
    """One more rule in a group."""

    action: Literal["add_rule"]
    rule: SupposedRule


class SupposeRemoveRule(_Supposition):
    """A rule of a group gone."""

    action: Literal["remove_rule"]
    rule_id: RuleId


class SupposeJoin(_Supposition):
    """An instance in one more group."""

    action: Literal["join"]
    instance_id: InstanceId


class SupposeLeave(_Supposition):
    """An instance out of a group."""

    action: Literal["leave"]
    instance_id: InstanceId


class SupposeInnerAccess(_Supposition):
    """Members of a group that reach each other whatever the rules say, or do not."""

    action: Literal["inner_access"]
    inner_access: Policy


class SupposedChange(
    RootModel[
        Annotated[
            SupposeAddRule | SupposeRemoveRule | SupposeJoin | SupposeLeave | SupposeInnerAccess,
            Field(discriminator="action"),
        ]
    ]
):
    """One change that is only supposed."""


class WhatIfRequest(In):
    """Changes that are supposed one after the other."""

    changes: Annotated[list[SupposedChange], Field(min_length=1, max_length=MOST_CHANGES)]
    most_items: Annotated[
        StrictInt, Field(ge=1, le=10_000, description="Items listed on each side, at most.")
    ] = 1000
    refresh: Refresh = False


class WhatIf(Out):
    """What would open and what would close: exactly counted, the first items listed."""

    gained: ProvenExposure
    lost: ProvenExposure
    world: ReadWorld
