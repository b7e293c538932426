"""Security groups, and what is attached to them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from app.domain.addresses import Block
from app.domain.rules import Direction, HeldRule, Policy


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a resource lives: everything in it is changed with one account's credentials."""

    account_id: str
    region_id: str


@dataclass(frozen=True, slots=True, order=True)
class GroupRef:
    """A group by id and owner, whether or not it could be read."""

    group_id: str
    account_id: str


class GroupKind(StrEnum):
    """`normal` is the wire value of a basic group; a group of a VPC may be `enterprise`."""

    BASIC = "normal"
    ENTERPRISE = "enterprise"


@dataclass(frozen=True, slots=True)
class Group:
    """A security group with everything that decides about traffic.

    `vpc_id` is None in the classic network. `rules` holds both directions and both NIC
    types, sorted by rule id. `inner_access` is `drop` in every enterprise group. What people
    write on it, `description` and `tags` (key and value, by key), does not belong to its
    meaning.

    Source: ECS API, DescribeSecurityGroups and DescribeSecurityGroupAttribute.
    """

    group_id: str
    place: Place
    name: str = ""
    vpc_id: str | None = None
    kind: GroupKind = GroupKind.BASIC
    inner_access: Policy = Policy.ACCEPT
    managed: bool = False
    rules: tuple[HeldRule, ...] = ()
    description: str = field(default="", compare=False)
    tags: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    @property
    def ref(self) -> GroupRef:
        return GroupRef(self.group_id, self.place.account_id)

    @property
    def connects_members(self) -> bool:
        """Whether members reach each other whatever the rules say.

        Source: ECS API, ModifySecurityGroupPolicy.
        """
        return self.kind is GroupKind.BASIC and self.inner_access is Policy.ACCEPT

    def default(self, direction: Direction) -> Policy:
        """What happens to a packet that no rule matches."""
        accepts = direction is Direction.EGRESS and self.kind is GroupKind.BASIC
        return Policy.ACCEPT if accepts else Policy.DROP


@dataclass(frozen=True, slots=True)
class Eni:
    """A network interface: groups attach to it, an instance only has interfaces.

    A classic instance has one, with the instance's own id. `addresses` are private, IPv4
    first, each a single-address block; `public_address` is the one of the other NIC
    (classic) or of the same interface (VPC).
    """

    eni_id: str
    addresses: tuple[Block, ...]
    group_ids: frozenset[str]
    public_address: Block | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """An ECS instance; `enis[0]` is the primary interface.

    `vpc_id` is None in the classic network, `classic_link_vpc_id` names the VPC that a
    classic instance is linked with. `locks` are the reasons of OperationLocks.

    Source: ECS API, DescribeInstances and DescribeNetworkInterfaces.
    """

    instance_id: str
    place: Place
    enis: tuple[Eni, ...]
    name: str = ""
    zone_id: str = ""
    status: str = "Running"
    vpc_id: str | None = None
    classic_link_vpc_id: str | None = None
    locks: frozenset[str] = field(default=frozenset())

    @property
    def primary(self) -> Eni:
        return self.enis[0]

    @property
    def is_classic(self) -> bool:
        return self.vpc_id is None

    @property
    def group_ids(self) -> frozenset[str]:
        """Groups of the primary interface: those that Join and Leave speak of."""
        return self.primary.group_ids

    def all_group_ids(self) -> Iterator[str]:
        """Groups of every interface; a group may come more than once."""
        for eni in self.enis:
            yield from eni.group_ids
