"""The resources of the simulated cloud, as plain records; the store keeps their indexes."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field

CREATED_BEFORE = "2021-07-01T00:00:00Z"
"""Creation time of everything that came with an estate, which keeps no times."""

PROTOCOLS = ("tcp", "udp", "icmp", "icmpv6", "gre", "all")
PORT_PROTOCOLS = ("tcp", "udp")


@dataclass(slots=True)
class Role:
    """A RAM role: who may assume it, and the ExternalId it insists on, if any."""

    role_name: str
    trusted_account_ids: tuple[str, ...]
    external_id: str | None


@dataclass(slots=True)
class Account:
    """An account with its long-lived keys (id to secret) and its roles by name."""

    account_id: str
    login: str | None
    access_keys: dict[str, str]
    roles: dict[str, Role]
    inactive_key_ids: frozenset[str] = frozenset()


@dataclass(slots=True)
class Vpc:
    """A VPC and its owner; other accounts with resources in it share it."""

    vpc_id: str
    owner_id: str
    region_id: str
    classic_link_enabled: bool
    status: str = "Available"


@dataclass(slots=True)
class PrefixList:
    """A prefix list; a rule that names it costs `max_entries` rules of the quota.

    `descriptions` are those of entries that have one.
    """

    prefix_list_id: str
    owner_id: str
    region_id: str
    address_family: str
    max_entries: int
    entries: tuple[str, ...]
    name: str | None = None
    description: str | None = None
    created_at: str = CREATED_BEFORE
    descriptions: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class PortList:
    """A list of port ranges; a rule that names it costs `max_entries` rules of the quota."""

    port_list_id: str
    owner_id: str
    region_id: str
    max_entries: int
    entries: tuple[str, ...]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule in canonical form; absent fields are None, a foreign peer carries its owner.

    `port_range` is `-1/-1` where the protocol has no ports, and "" where a port list holds them;
    `source_port_range` None is any.
    """

    rule_id: str
    direction: str
    policy: str
    priority: int
    protocol: str
    port_range: str
    nic_type: str
    source_port_range: str | None = None
    source_cidr: str | None = None
    dest_cidr: str | None = None
    ipv6_source_cidr: str | None = None
    ipv6_dest_cidr: str | None = None
    source_group_id: str | None = None
    source_group_owner_id: str | None = None
    dest_group_id: str | None = None
    dest_group_owner_id: str | None = None
    source_prefix_list_id: str | None = None
    dest_prefix_list_id: str | None = None
    port_list_id: str | None = None
    description: str | None = None
    created_at: str = CREATED_BEFORE

    @property
    def peer_group_id(self) -> str | None:
        """The group that the rule names, or None."""
        return self.source_group_id or self.dest_group_id

    @property
    def prefix_list_id(self) -> str | None:
        """The prefix list that the rule names, or None."""
        return self.source_prefix_list_id or self.dest_prefix_list_id

    @property
    def names_foreign(self) -> bool:
        """Tell whether the rule names a group of another account."""
        return bool(self.source_group_owner_id or self.dest_group_owner_id)

    def match_key(self) -> Hashable:
        """Return what a revoke by fields compares: everything but priority, id and text."""
        return (
            self.direction,
            self.policy,
            self.protocol,
            self.port_range,
            self.nic_type,
            self.source_port_range,
            self.source_cidr,
            self.dest_cidr,
            self.ipv6_source_cidr,
            self.ipv6_dest_cidr,
            self.source_group_id,
            self.source_group_owner_id,
            self.dest_group_id,
            self.dest_group_owner_id,
            self.source_prefix_list_id,
            self.dest_prefix_list_id,
            self.port_list_id,
        )

    def identity(self) -> Hashable:
        """Return what makes two rules the same rule; the description is no part of it.

        Source: ECS API, AuthorizeSecurityGroup.
        """
        return (self.match_key(), self.priority)


@dataclass(slots=True, eq=False)
class Group:
    """A security group with its rules by id; `weight` is what they cost of the quota."""

    group_id: str
    name: str
    owner_id: str
    region_id: str
    vpc_id: str | None
    kind: str
    inner_access: str
    is_managed: bool
    description: str | None
    tags: dict[str, str]
    resource_group_id: str | None = None
    created_at: str = CREATED_BEFORE
    rules: dict[str, Rule] = field(default_factory=dict)
    rule_ids: dict[Hashable, str] = field(default_factory=dict)
    weight: int = 0

    @property
    def is_enterprise(self) -> bool:
        """Tell an enterprise group from a normal one."""
        return self.kind == "enterprise"

    def peer_group_ids(self) -> set[str]:
        """Return the distinct groups that the rules name."""
        return {rule.peer_group_id for rule in self.rules.values() if rule.peer_group_id}


@dataclass(slots=True, eq=False)
class Interface:
    """A network interface, where addresses and groups sit; a classic instance has one, unseen.

    `public_ip` came with the instance; `elastic_ip` is bound to a private address in a VPC.
    """

    interface_id: str
    instance: Instance
    is_primary: bool
    private_ips: tuple[str, ...]
    ipv6s: tuple[str, ...]
    public_ip: str | None
    group_ids: list[str]
    elastic_ip: str | None = None
    name: str | None = None
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    status: str = "InUse"
    is_managed: bool = False

    @property
    def internet_ip(self) -> str | None:
        """The address by which the internet knows it, or None; it has one of the two at most."""
        return self.public_ip or self.elastic_ip

    def addresses(self) -> Iterator[str]:
        """Yield every address."""
        yield from self.private_ips
        yield from self.ipv6s
        if self.internet_ip:
            yield self.internet_ip


@dataclass(slots=True, eq=False)
class Instance:
    """An instance; `interfaces` starts with the primary one."""

    instance_id: str
    name: str
    owner_id: str
    region_id: str
    zone_id: str
    status: str
    vpc_id: str | None
    locks: tuple[str, ...]
    classic_link_vpc_id: str | None
    tags: dict[str, str]
    interfaces: list[Interface] = field(default_factory=list)

    @property
    def primary(self) -> Interface:
        """The interface that a call by instance id is about."""
        return self.interfaces[0]

    @property
    def network_type(self) -> str:
        """`vpc` or `classic`."""
        return "vpc" if self.vpc_id else "classic"

    def addresses(self) -> Iterator[str]:
        """Yield every address of every interface."""
        for interface in self.interfaces:
            yield from interface.addresses()
