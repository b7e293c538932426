"""Accepts that open more than anybody is likely to want."""

from collections.abc import Callable, Iterator
from enum import IntEnum

from app.domain.addresses import AddressFamily, Block
from app.domain.hygiene.case import Case
from app.domain.hygiene.finding import Kind, Severity, Sighting
from app.domain.hygiene.words import listed, spelled
from app.domain.rules import Direction, HeldRule, NicType, Policy, Protocol

ADMIN_PORTS = {
    22: "SSH",
    23: "Telnet",
    2375: "Docker",
    3389: "RDP",
    5900: "VNC",
    5985: "WinRM",
    10250: "kubelet",
}
DATA_PORTS = {
    1433: "SQL Server",
    1521: "Oracle",
    2379: "etcd",
    3306: "MySQL",
    5432: "PostgreSQL",
    6379: "Redis",
    9200: "Elasticsearch",
    11211: "memcached",
    27017: "MongoDB",
}
"""Where services listen of which whoever reaches them has everything, by TCP."""

PUBLIC_PORTS = frozenset({80, 443})

WORLD = {AddressFamily.IPV4: 1, AddressFamily.IPV6: 3}
"""Longest prefix of a block that counts as the whole world: half of IPv4, all unicast of IPv6."""

WIDEST = {AddressFamily.IPV4: 16, AddressFamily.IPV6: 48}
"""Shortest prefix of a block that one site may need."""

MANY_PORTS = 1000

PRIVATE = tuple(
    Block.read(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
"""Addresses that no packet on the public side has. Source: RFC 1918 and RFC 4193."""


class Breadth(IntEnum):
    """How many a rule names: the widest of its blocks counts; groups and unread lists are few."""

    FEW = 0
    WIDE = 1
    WORLD = 2


def _breadth(case: Case, held: HeldRule) -> Breadth:
    return max((_breadth_of(block) for block in case.blocks_of(held)), default=Breadth.FEW)


def _breadth_of(block: Block) -> Breadth:
    if block.prefix_length <= WORLD[block.family]:
        return Breadth.WORLD
    return Breadth.WIDE if block.prefix_length < WIDEST[block.family] else Breadth.FEW


def _accepts(case: Case, breadth: Breadth | None = None) -> Iterator[HeldRule]:
    """Ingress accepts that decide at least some packets, of this breadth."""
    for held in case.rules:
        rule = held.rule
        if rule.direction is not Direction.INGRESS or rule.policy is not Policy.ACCEPT:
            continue
        if breadth is not None and _breadth(case, held) is not breadth:
            continue
        if case.standing(held).decides:
            yield held


def _is_every_port(held: HeldRule) -> bool:
    rule = held.rule
    if rule.protocol is Protocol.ALL:
        return True
    return rule.protocol.has_ports and rule.ports is not None and rule.ports.is_every_port


def _reached(case: Case, held: HeldRule, ports: dict[int, str]) -> list[str]:
    """Names of services whose TCP ports the rule opens itself, not a better one before it."""
    rule = held.rule
    if rule.protocol is not Protocol.TCP or rule.ports is None or _is_every_port(held):
        return []
    return [
        f"{name} ({port})"
        for port, name in ports.items()
        if rule.ports.first <= port <= rule.ports.last and case.decides_on(held, (port, port))
    ]


def _is_public_service(held: HeldRule) -> bool:
    rule = held.rule
    if rule.protocol in {Protocol.ICMP, Protocol.ICMPV6}:
        return True
    return rule.protocol is Protocol.TCP and rule.ports is not None and _only_public(held)


def _only_public(held: HeldRule) -> bool:
    ports = held.rule.ports
    return ports is not None and ports.count == 1 and ports.first in PUBLIC_PORTS


def _everything(breadth: Breadth) -> Callable[[Case], Iterator[Sighting]]:
    def find(case: Case) -> Iterator[Sighting]:
        for held in _accepts(case, breadth):
            if _is_every_port(held):
                yield Sighting(f"{spelled(held)} opens every port of it.", (held,))

    return find


def _services(breadth: Breadth, ports: dict[int, str]) -> Callable[[Case], Iterator[Sighting]]:
    def find(case: Case) -> Iterator[Sighting]:
        for held in _accepts(case, breadth):
            names = _reached(case, held, ports)
            if names:
                yield Sighting(f"{spelled(held)} opens {listed(names)}.", (held,))

    return find


def _rest(case: Case, breadth: Breadth) -> Iterator[HeldRule]:
    """Those that no kind about all ports or known services speaks of."""
    for held in _accepts(case, breadth):
        if not _is_every_port(held) and not _reached(case, held, ADMIN_PORTS | DATA_PORTS):
            yield held


def open_to_world(case: Case) -> Iterator[Sighting]:
    for held in _rest(case, Breadth.WORLD):
        if not _is_public_service(held):
            yield Sighting(f"{spelled(held)} lets everybody in.", (held,))


def public_service(case: Case) -> Iterator[Sighting]:
    for held in _rest(case, Breadth.WORLD):
        if _is_public_service(held):
            yield Sighting(f"{spelled(held)} lets everybody in.", (held,))


def wide_source(case: Case) -> Iterator[Sighting]:
    for held in _rest(case, Breadth.WIDE):
        widest = max(case.blocks_of(held), key=lambda block: block.size)
        yield Sighting(f"{spelled(held)} names {widest.size} addresses in one block.", (held,))


def all_protocols(case: Case) -> Iterator[Sighting]:
    for held in _accepts(case, Breadth.FEW):
        if held.rule.protocol is Protocol.ALL:
            yield Sighting(f"{spelled(held)} opens every protocol and port.", (held,))


def many_ports(case: Case) -> Iterator[Sighting]:
    for held in _accepts(case, Breadth.FEW):
        rule = held.rule
        if not rule.protocol.has_ports or rule.ports is None:
            continue
        if _is_every_port(held) or rule.ports.count > MANY_PORTS:
            count = 65535 if _is_every_port(held) else rule.ports.count
            yield Sighting(f"{spelled(held)} opens {count} ports.", (held,))


def classic_intranet_range(case: Case) -> Iterator[Sighting]:
    for held in _accepts(case):
        if not case.is_classic or held.rule.nic_type is not NicType.INTRANET:
            continue
        for block in case.blocks_of(held):
            if not block.is_single:
                detail = f"{spelled(held)} names {block.size} addresses of the classic network."
                yield Sighting(detail, (held,))


def private_on_internet_side(case: Case) -> Iterator[Sighting]:
    for held in case.rules:
        if not case.is_classic or held.rule.nic_type is not NicType.INTERNET:
            continue
        if any(block.within(each) for block in case.blocks_of(held) for each in PRIVATE):
            detail = f"{spelled(held)} is on the public interface and names private addresses."
            yield Sighting(detail, (held,))


EVERYTHING_TO_WORLD = Kind(
    "everything_open_to_world",
    Severity.CRITICAL,
    title="Everything is open to the world",
    meaning="Whoever has a route to a member reaches every service on it, those included that "
    "nobody thinks of. On the intranet side of the classic network that is every tenant of the "
    "region; in a VPC one rule judges public and private traffic alike.",
    remedy="Add rules for those who need the group first (a group, or single addresses, and one "
    "port each), watch for a while, then remove this rule.",
    proof="The rule decides about packets of any address; what is lost is what it opens.",
    find=_everything(Breadth.WORLD),
)
DATA_TO_WORLD = Kind(
    "data_port_open_to_world",
    Severity.CRITICAL,
    title="A data store is open to the world",
    meaning="Data stores are searched for on these ports all the time, and many ask for no "
    "password.",
    remedy="Accept the port from the group of the application alone, then remove this rule.",
    proof="The rule, and none before it, decides about packets to that port from any address.",
    find=_services(Breadth.WORLD, DATA_PORTS),
)
ADMIN_TO_WORLD = Kind(
    "admin_port_open_to_world",
    Severity.HIGH,
    title="Remote administration is open to the world",
    meaning="Passwords and keys are tried on these ports all the time; whoever finds one has the "
    "machine.",
    remedy="Accept the port from a jump host's group or the addresses of administrators alone, "
    "then remove this rule.",
    proof="The rule, and none before it, decides about packets to that port from any address.",
    find=_services(Breadth.WORLD, ADMIN_PORTS),
)
OPEN_TO_WORLD = Kind(
    "open_to_world",
    Severity.MEDIUM,
    title="A port is open to the world",
    meaning="The rule names everybody for a port that is not a public service's by custom.",
    remedy="Name those who need it: a group, a prefix list or single addresses. Nothing, if it is "
    "a public service.",
    proof="The rule decides about packets of any address; what is lost is what it opens.",
    find=open_to_world,
)
PUBLIC_SERVICE = Kind(
    "public_service",
    Severity.INFO,
    title="A public service",
    meaning="The rule names everybody for web pages or ping, as public services need it.",
    remedy="Nothing, if it is a public service; otherwise name those who need it.",
    proof="The rule decides about packets of any address; what is lost is what it opens.",
    find=public_service,
)
EVERYTHING_WIDE = Kind(
    "all_ports_open_wide",
    Severity.HIGH,
    title="Every port is open to a wide range",
    meaning="One machine taken over anywhere in the range reaches every service on every member.",
    remedy="Accept single ports from the groups that need them, then remove this rule.",
    proof="The rule decides about packets of the range; what is lost is what it opens.",
    find=_everything(Breadth.WIDE),
)
DATA_WIDE = Kind(
    "data_port_open_wide",
    Severity.MEDIUM,
    title="A data store is open to a wide range",
    meaning="A data store has few clients, and a range of more than 65,536 addresses (IPv6: wider "
    "than /48) names many who are none.",
    remedy="Accept the port from the group of the application alone, then remove this rule.",
    proof="The rule, and none before it, decides about packets to that port from the range.",
    find=_services(Breadth.WIDE, DATA_PORTS),
)
ADMIN_WIDE = Kind(
    "admin_port_open_wide",
    Severity.MEDIUM,
    title="Remote administration is open to a wide range",
    meaning="Administrators come from few places, and one machine taken over in the range is "
    "enough to try passwords from inside.",
    remedy="Accept the port from a jump host's group alone, then remove this rule.",
    proof="The rule, and none before it, decides about packets to that port from the range.",
    find=_services(Breadth.WIDE, ADMIN_PORTS),
)
WIDE_SOURCE = Kind(
    "wide_source",
    Severity.LOW,
    title="A port is open to a wide range",
    meaning="The range is wider than one site needs (IPv4 wider than /16, IPv6 than /48), and "
    "machines that come into it later are let in unasked.",
    remedy="Name the groups that need the port, or narrower ranges.",
    proof="The rule decides about packets of the range; what is lost is what it opens.",
    find=wide_source,
)
ALL_PROTOCOLS = Kind(
    "all_protocols",
    Severity.LOW,
    title="Every protocol is open to a peer",
    meaning="The peer reaches every service on every member, those included that nobody thinks of.",
    remedy="Accept the protocols and ports that the peer needs, then remove this rule.",
    proof="The rule decides about packets of every protocol; what is lost is what it opens.",
    find=all_protocols,
)
MANY_PORTS_OPEN = Kind(
    "many_ports",
    Severity.LOW,
    title="Many ports are open to a peer",
    meaning="A service listens on few ports; among more than 1,000 there are others.",
    remedy="Accept the ports that the peer needs, then remove this rule.",
    proof="The rule decides about packets to those ports; what is lost is what it opens.",
    find=many_ports,
)
CLASSIC_INTRANET_RANGE = Kind(
    "classic_intranet_range",
    Severity.HIGH,
    title="A range of the classic intranet is let in",
    meaning="The classic intranet is shared by all tenants of a region, and its addresses are "
    "given out without a pattern: a range wider than /32 lets strangers in.",
    remedy="Accept a group, or single addresses as /32, then remove this rule.",
    proof="The rule decides about packets of the range; what is lost is what it opens.",
    find=classic_intranet_range,
)
PRIVATE_ON_INTERNET_SIDE = Kind(
    "private_range_on_internet_side",
    Severity.MEDIUM,
    title="A rule of the public interface names private addresses",
    meaning="Packets between private addresses come in on the intranet interface, which has rules "
    "of its own; this one does nothing there. NicType is internet where it is left out.",
    remedy="Add the rule with NicType intranet, if it is still wanted, and remove this one.",
    proof="The block is within a range that is never routed on the internet. What is lost names "
    "such addresses as if they could arrive.",
    find=private_on_internet_side,
)
