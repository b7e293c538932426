"""A world as a network of the kernel: a host for every interface, its groups as nftables rules.

All private addresses are on one bridge, so what has no route is not for this stage. A host's rules
judge what comes in and what goes out; replies pass because the kernel tracks connections.

Sources: ECS API, AuthorizeSecurityGroup and ModifySecurityGroupPolicy; nft(8).
"""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self

from app.domain.addresses import AddressFamily, Block
from app.domain.groups import Eni, Group, GroupKind
from app.domain.rules import (
    ANY_PORT,
    Direction,
    GroupPeer,
    Policy,
    PortRange,
    PrefixListPeer,
    Protocol,
    Rule,
)
from app.domain.world import World
from tests.support.namespaces import Namespace

CHAINS = {Direction.INGRESS: "input", Direction.EGRESS: "output"}
WORDS = {AddressFamily.IPV4: "ip", AddressFamily.IPV6: "ip6"}
PEER_FIELD = {Direction.INGRESS: "saddr", Direction.EGRESS: "daddr"}
OWN_FIELD = {Direction.INGRESS: "daddr", Direction.EGRESS: "saddr"}
NUMBERS = {
    Protocol.TCP: 6,
    Protocol.UDP: 17,
    Protocol.ICMP: 1,
    Protocol.ICMPV6: 58,
    Protocol.GRE: 47,
    Protocol.OTHER: 253,
}
NEIGHBOURS = "icmpv6 type { 130-137, 143 } accept"
"""Who has an address, and who listens to which group: without it IPv6 has no neighbours."""


class Stage:
    """The hosts of a world by interface id; leaving it ends them all."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._bridge = Namespace()
        self.hosts: dict[str, Namespace] = {}

    def __enter__(self) -> Self:
        try:
            self._bridge.run("ip", "-batch", "-", text=BRIDGE)
            for number, eni in enumerate(self._interfaces()):
                self.hosts[eni.eni_id] = host = Namespace()
                self._bridge.run("ip", "-batch", "-", text=_cable(number, host))
                host.run("ip", "-batch", "-", text=_addresses(eni))
                host.run("nft", "-f", "-", text="\n".join(self._ruleset(eni)))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        for namespace in (*self.hosts.values(), self._bridge):
            namespace.close()

    def _interfaces(self) -> list[Eni]:
        return [eni for instance in self._world.instances.values() for eni in instance.enis]

    # --- rules --------------------------------------------------------------------

    def _ruleset(self, eni: Eni) -> Iterator[str]:
        groups = [self._world.groups[group_id] for group_id in sorted(eni.group_ids)]
        yield "table inet groups {"
        for direction, chain in CHAINS.items():
            policy = "accept" if _accepts_by_default(groups, direction) else "drop"
            yield f"chain {chain} {{ type filter hook {chain} priority 0; policy {policy};"
            yield "ct state established,related accept"
            yield f'meta oifname "lo" accept; {NEIGHBOURS}'
            yield from self._connecting(groups, direction)
            yield from self._judging(groups, direction)
            yield "}"
        yield "}"

    def _connecting(self, groups: Iterable[Group], direction: Direction) -> Iterator[str]:
        """Members of a basic group with inner access: before every rule."""
        for group in groups:
            if group.kind is GroupKind.BASIC and group.inner_access is Policy.ACCEPT:
                for matches in self._members(group.group_id, PEER_FIELD[direction]):
                    yield f"{matches} accept"

    def _judging(self, groups: Iterable[Group], direction: Direction) -> Iterator[str]:
        """First match decides: the smallest number first, and a drop before an accept."""
        rules = [held.rule for group in groups for held in group.rules]
        for rule in sorted(rules, key=lambda rule: (rule.priority, rule.policy is Policy.ACCEPT)):
            applies = self._is_for_private(rule, groups)
            if rule.direction is direction and applies:
                yield from self._lines(rule)

    def _is_for_private(self, rule: Rule, groups: Iterable[Group]) -> bool:
        return any(group.vpc_id is not None for group in groups) or rule.nic_type == "intranet"

    def _lines(self, rule: Rule) -> Iterator[str]:
        for peer in self._peers(rule):
            family = AddressFamily.IPV4 if peer.startswith("ip ") else AddressFamily.IPV6
            wrong = {AddressFamily.IPV4: Protocol.ICMPV6, AddressFamily.IPV6: Protocol.ICMP}
            if rule.protocol is wrong[family]:
                continue
            if rule.own is not None and rule.own.family is not family:
                continue
            own = ""
            if rule.own is not None:
                own = _in_blocks([rule.own], OWN_FIELD[rule.direction])[0]
            yield f"{peer} {own} {_packets(rule)} {rule.policy.value}"

    def _peers(self, rule: Rule) -> list[str]:
        field = PEER_FIELD[rule.direction]
        match rule.peer:
            case GroupPeer(group_id):
                return self._members(group_id, field)
            case PrefixListPeer(name):
                return _in_blocks(self._world.prefix_lists[name], field)
            case Block():
                return _in_blocks([rule.peer], field)

    def _members(self, group_id: str, field: str) -> list[str]:
        members = self._world.members(group_id)
        return _in_blocks([block for _, eni in members for block in eni.addresses], field)


def _accepts_by_default(groups: Sequence[Group], direction: Direction) -> bool:
    return direction is Direction.EGRESS and groups[0].kind is GroupKind.BASIC


def _in_blocks(blocks: Iterable[Block], field: str) -> list[str]:
    """Return a match for each family that the blocks are of; nft refuses overlapping ones."""
    found = []
    blocks = list(blocks)
    for family, word in WORDS.items():
        texts = [str(block) for block in blocks if block.family is family]
        networks = [ipaddress.ip_network(text) for text in texts]
        if networks:
            few = ipaddress.collapse_addresses(networks)  # type: ignore[type-var] # one family each
            found.append(f"{word} {field} {{ {', '.join(map(str, few))} }}")
    return found


def _packets(rule: Rule) -> str:
    if rule.protocol is Protocol.ALL:
        return ""
    parts = [f"meta l4proto {NUMBERS[rule.protocol]}"]
    for field, ports in (("dport", rule.ports), ("sport", rule.source_ports)):
        if ports is not None and ports != ANY_PORT:
            parts.append(f"th {field} {_range(ports)}")
    return " ".join(parts)


def _range(ports: PortRange) -> str:
    return f"{ports.first}-{ports.last}"


# --- cables -----------------------------------------------------------------------

BRIDGE = """\
link add switch type bridge forward_delay 0 mcast_snooping 0
link set switch up
"""


def _cable(number: int, host: Namespace) -> str:
    return (
        f"link add port{number} type veth peer name eth0 netns {host.path}\n"
        f"link set port{number} master switch up\n"
    )


def _addresses(eni: Eni) -> str:
    """Every private address is a neighbour of every other one."""
    lines = ["link set lo up", "link set eth0 up"]
    for block in eni.addresses:
        ipv6 = block.family is AddressFamily.IPV6
        lines.append(
            f"address add {block.address}/{16 if ipv6 else 8} dev eth0{' nodad' if ipv6 else ''}"
        )
    return "\n".join(lines) + "\n"
