"""What is wanted: who shall reach whom, by which method."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from app.domain.addresses import AddressFamily, Block
from app.domain.errors import (
    FamilyMismatchError,
    InvalidConnectionError,
    InvalidPortError,
)
from app.domain.flows import EVERYTHING, Traffic
from app.domain.groups import Place
from app.domain.rules import ANY_PORT, PortRange, Protocol, check_priority


class MethodName(StrEnum):
    """The four ways to connect instances, in the order the vendor's page gives them."""

    ADDRESS_RULES = "address_rules"
    SHARED_GROUP = "shared_group"
    DEDICATED_GROUP = "dedicated_group"
    GROUP_AUTHORIZATION = "group_authorization"


class Scope(StrEnum):
    """What a new rule opens: the asked instance's own address, or every member of the group."""

    INSTANCE = "instance"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class InstanceSide:
    """Instances of one place; `group_id` says which of their groups is to be used."""

    place: Place
    instance_ids: tuple[str, ...]
    group_id: str | None = None


@dataclass(frozen=True, slots=True)
class AddressSide:
    """Addresses as entered by hand; nothing is read or changed on their side."""

    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class GroupSide:
    """Groups of a peer account as entered by hand; the account need not be registered."""

    place: Place
    group_ids: tuple[str, ...]


Side: TypeAlias = InstanceSide | AddressSide | GroupSide


@dataclass(frozen=True, slots=True)
class Intent:
    """A connect request, parsed.

    `traffic` is not empty. `group_id` is the group to share (method `shared_group`),
    `group_name` the name of the new one (method `dedicated_group`). `max_extra_pairs` is the most
    pairs that may open although nothing was asked between them; None: as many as it takes.
    """

    method: MethodName
    source: Side
    target: InstanceSide
    traffic: tuple[Traffic, ...] = (EVERYTHING,)
    scope: Scope = Scope.INSTANCE
    bidirectional: bool = False
    priority: int = 1
    override_drops: bool = False
    family: AddressFamily = AddressFamily.IPV4
    reason: str = ""
    group_id: str | None = None
    group_name: str | None = None
    max_extra_pairs: int | None = None

    def __post_init__(self) -> None:
        check_priority(self.priority)
        self._check_sides()
        self._check_families()

    def _check_sides(self) -> None:
        match self.source:
            case InstanceSide(place, instance_ids):
                shared = set(instance_ids) & set(self.target.instance_ids)
                if shared and place == self.target.place:
                    raise InvalidConnectionError(
                        "an instance stands on both sides", instance_ids=sorted(shared)
                    )
            case AddressSide() if self.method is not MethodName.ADDRESS_RULES:
                raise InvalidConnectionError("addresses as a source need method address_rules")
            case GroupSide() if self.method is not MethodName.GROUP_AUTHORIZATION:
                raise InvalidConnectionError("groups as a source need method group_authorization")
            case _ if self.bidirectional:
                raise InvalidConnectionError("both directions need instances on both sides")
            case _:
                pass

    def _check_families(self) -> None:
        if isinstance(self.source, AddressSide):
            for block in self.source.blocks:
                if block.family is not self.family:
                    raise FamilyMismatchError(
                        f"{block} is not of address_family {self.family}", cidr=str(block)
                    )
        v4, v6 = AddressFamily.IPV4, AddressFamily.IPV6
        wrong = {v4: Protocol.ICMPV6, v6: Protocol.ICMP}[self.family]
        if any(traffic.protocol is wrong for traffic in self.traffic):
            raise FamilyMismatchError(f"{wrong} is not spoken over {self.family}")

    @property
    def places(self) -> tuple[Place, ...]:
        """Places that may be changed: the target's, and the source's where it has instances."""
        if isinstance(self.source, InstanceSide) and self.source.place != self.target.place:
            return (self.source.place, self.target.place)
        return (self.target.place,)

    @property
    def source_place(self) -> Place | None:
        """Where the source is, or None for addresses entered by hand."""
        return None if isinstance(self.source, AddressSide) else self.source.place

    @property
    def new_group_name(self) -> str:
        """Name of a dedicated group: as asked, or made from the request."""
        if self.group_name is not None:
            return self.group_name
        sides = (self.source, self.target, self.traffic)
        return f"intercommunication-{hashlib.sha256(repr(sides).encode()).hexdigest()[:8]}"


def read_traffic(items: Sequence[Mapping[str, Any]] | None) -> tuple[Traffic, ...]:
    """Read `flows` of a request: each with a protocol and, where it has ports, a port range.

    Raises:
        InvalidProtocolError, InvalidPortError
    """
    if items is None:
        return (EVERYTHING,)
    return tuple(dict.fromkeys(_one_traffic(item) for item in items))


def _one_traffic(item: Mapping[str, Any]) -> Traffic:
    protocol = Protocol.parse(item["protocol"])
    text = item.get("port_range")
    if text is None:
        if protocol.has_ports:
            raise InvalidPortError(f"{protocol} needs a port_range")
        return Traffic(protocol, ANY_PORT)
    return Traffic(protocol, PortRange.parse(text, protocol))


def read_intent(request: Mapping[str, Any]) -> Intent:
    """Read a connect request whose shape has been checked.

    Raises:
        InvalidInputError: a value that cannot mean anything, or sides that do not fit.
    """
    return Intent(
        method=MethodName(request["method"]),
        source=read_side(request["source"]),
        target=_read_instances(request["target"]),
        traffic=read_traffic(request.get("flows")),
        scope=Scope(request.get("scope", Scope.INSTANCE)),
        bidirectional=request.get("bidirectional", False),
        priority=request.get("priority", 1),
        override_drops=request.get("override_drops", False),
        family=AddressFamily(request.get("address_family", AddressFamily.IPV4)),
        reason=request.get("reason", ""),
        group_id=request.get("security_group_id"),
        group_name=request.get("group_name"),
        max_extra_pairs=request.get("max_extra_pairs"),
    )


def read_side(side: Mapping[str, Any]) -> Side:
    """Read instances, addresses or groups of a request whose shape has been checked."""
    if "addresses" in side:
        return AddressSide(tuple(Block.parse(text) for text in side["addresses"]))
    if "security_group_ids" in side:
        place = Place(side["account_id"], side["region_id"])
        return GroupSide(place, tuple(side["security_group_ids"]))
    return _read_instances(side)


def _read_instances(side: Mapping[str, Any]) -> InstanceSide:
    return InstanceSide(
        Place(side["account_id"], side["region_id"]),
        tuple(side["instance_ids"]),
        side.get("security_group_id"),
    )


def side_request(side: Side) -> dict[str, Any]:
    """Spell a side as a request does: what `read_side` reads."""
    match side:
        case AddressSide(blocks):
            return {"addresses": [str(block) for block in blocks]}
        case GroupSide(place, group_ids):
            named: dict[str, Any] = {"security_group_ids": list(group_ids)}
        case InstanceSide(place, instance_ids, group_id):
            named = {"instance_ids": list(instance_ids)}
            if group_id is not None:
                named["security_group_id"] = group_id
    return {"account_id": place.account_id, "region_id": place.region_id, **named}


def canonical(value: object) -> str:
    """Return a JSON value as text that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
