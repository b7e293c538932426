"""Questions about many ends at once, and their answers."""

from typing import Annotated, Self

from pydantic import MISSING, AfterValidator, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from app.api.schemas.base import In, Out, left_out
from app.api.schemas.networks import AddressEnd, GroupEnd, InstanceEnd
from app.api.schemas.reachability import AskedInstance, ReadWorld, Refresh
from app.api.schemas.values import (
    AccountId,
    GroupIds,
    InstanceId,
    Port,
    ProtocolName,
    RegionId,
    once,
    refused,
    spoken,
)
from app.domain.addresses import AddressFamily
from app.domain.errors import DuplicateItemError, InvalidPortError
from app.domain.flows import Cause, Outcome, Traffic
from app.domain.groups import Place
from app.domain.rules import ANY_PORT, NicType, PortRange, Protocol
from app.services.views import MOST_AROUND, MOST_INSTANCES, Format, Part

MOST_PARTS = 20

ManyInstanceIds = Annotated[
    list[InstanceId],
    Field(min_length=1, max_length=MOST_INSTANCES, json_schema_extra={"uniqueItems": True}),
    AfterValidator(spoken(once)),
]


class ScopePart(In):
    """Instances of an account and region: those that are named, and members of the groups that
    are named; all that are there, where neither is given.
    """

    account_id: AccountId
    region_id: RegionId
    instance_ids: ManyInstanceIds | MISSING = MISSING
    security_group_ids: GroupIds | MISSING = MISSING

    def part(self) -> Part:
        """Return what is meant."""
        given = self.model_dump(exclude_unset=True)
        return Part(
            Place(self.account_id, self.region_id),
            frozenset(given.get("instance_ids", ())),
            frozenset(given.get("security_group_ids", ())),
        )


def _parts_once(parts: list[ScopePart]) -> list[ScopePart]:
    if len({each.part() for each in parts}) != len(parts):
        raise refused(DuplicateItemError("the list names the same thing twice"))
    return parts


Parts = Annotated[
    list[ScopePart],
    Field(min_length=1, max_length=MOST_PARTS, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_parts_once),
]
AskedPlane = Annotated[
    NicType, Field(description="Which side of classic instances is asked about.")
]
AskedFormat = Annotated[
    Format,
    Field(description="`csv` is a table, `svg` a picture, `mermaid` the text of a flowchart."),
]


class MatrixRequest(In):
    """From which instances, and to which, everything that passes is asked about."""

    scope: Annotated[
        Parts, Field(description=f"At most {MOST_INSTANCES} instances, with those of `targets`.")
    ]
    targets: Annotated[
        Parts | MISSING,
        Field(description="Left out: the same instances, each to each other one."),
    ] = MISSING
    nic_type: AskedPlane = NicType.INTRANET
    address_family: AddressFamily = AddressFamily.IPV4
    format: AskedFormat = Format.JSON
    refresh: Refresh = False

    def parts(self) -> list[Part]:
        """Return the sources."""
        return [each.part() for each in self.scope]

    def target_parts(self) -> list[Part]:
        """Return the targets; none where they are the sources."""
        return [] if self.targets is MISSING else [each.part() for each in self.targets]


class Packets(Out):
    """Some packets."""

    protocol: Protocol
    port_range: Annotated[str, Field(description="`first/last`; `-1/-1` without ports.")]
    source_port_range: str | SkipJsonSchema[None] = left_out("Absent: every source port.")


class AlikeInstances(Out):
    """Instances that fare alike, as source and as target."""

    name: str
    security_group_ids: list[str]
    instances: list[InstanceEnd]


class MatrixEntry(Out):
    """What passes from every instance of one class to every one of another, or of its own."""

    source: Annotated[str, Field(description="The name of a class.")]
    target: Annotated[str, Field(description="The name of a class.")]
    pairs: Annotated[int, Field(description="Pairs of two different instances.")]
    reachable: list[Packets]
    unknown: Annotated[list[Packets], Field(description="It depends on what could not be read.")]


class PairCounts(Out):
    """Exact numbers of pairs of two different instances, whatever is listed."""

    asked: int
    reachable: Annotated[int, Field(description="Some packets pass.")]
    unknown: Annotated[int, Field(description="None surely passes, some may.")]
    blocked: int


class ReachabilityMatrix(Out):
    """All pairs: a pair of classes that is not among the items is blocked."""

    pairs: PairCounts
    classes: list[AlikeInstances]
    items: list[MatrixEntry]
    truncated: Annotated[bool, Field(description="Whether there are more items; counts are exact.")]
    world: ReadWorld


class WhoCanReachRequest(In):
    """An instance, and the packets that are asked about."""

    instance: AskedInstance
    protocol: ProtocolName
    port: Annotated[
        Port | MISSING,
        Field(
            description="The target's port, whichever end that is; for tcp and udp, and only there."
        ),
    ] = MISSING
    scope: Annotated[
        Parts | MISSING,
        Field(
            description="Who may be on the other end, beside addresses outside; left out, every "
            "instance of the region in all registered accounts. At most "
            f"{MOST_AROUND} instances."
        ),
    ] = MISSING
    nic_type: AskedPlane = NicType.INTRANET
    address_family: AddressFamily = AddressFamily.IPV4
    format: AskedFormat = Format.JSON
    refresh: Refresh = False

    @model_validator(mode="after")
    def _check_port(self) -> Self:
        has_ports, given = Protocol(self.protocol).has_ports, "port" in self.model_fields_set
        if has_ports and not given:
            raise refused(InvalidPortError(f"{self.protocol} needs a port"))
        if given and not has_ports:
            raise refused(InvalidPortError(f"{self.protocol} has no ports"))
        return self

    def traffic(self) -> Traffic:
        """Return the packets that are asked about."""
        ports = ANY_PORT if self.port is MISSING else PortRange(self.port, self.port)
        return Traffic(Protocol(self.protocol), ports)

    def parts(self) -> list[Part]:
        """Return the scope; nothing where it is the whole region."""
        return [] if self.scope is MISSING else [each.part() for each in self.scope]


class ReachedInstance(InstanceEnd):
    """An instance by one of its addresses."""

    security_group_ids: list[str]
    verdict: Outcome
    code: Cause


class ReachedAddresses(AddressEnd):
    """An address or a block, as far as it belongs to none of the instances that were read."""

    verdict: Outcome
    code: Cause


class ReachedGroup(GroupEnd):
    """A group that could not be read."""

    verdict: Outcome
    code: Cause


class Circle(Out):
    """Everybody on the other end between whom and the instance all asked packets pass, or may."""

    instances: list[ReachedInstance]
    addresses: list[ReachedAddresses]
    unread_groups: list[ReachedGroup]
    blocked_instances: Annotated[
        int, Field(description="Addresses of instances of which it is certain that they do not.")
    ]


class FurtherCircle(Out):
    """Another address of the instance: a secondary one, or of another interface."""

    address: str
    interface_id: str
    reached_by: Circle
    reaches: Circle


class WhoCanReach(Out):
    """Who reaches the instance, and whom it reaches, by each of its addresses."""

    address: Annotated[
        str | None,
        Field(
            description="The primary one of the instance, or else the first. Null: it has none "
            "there, so nobody reaches it."
        ),
    ]
    interface_id: str | None
    reached_by: Circle
    reaches: Circle
    further: Annotated[
        list[FurtherCircle], Field(description="The same for every other address it has.")
    ]
    world: ReadWorld
