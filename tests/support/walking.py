"""A world as the simulator's estate, and its packet walk asked for a verdict, without HTTP."""

from typing import Any

from app.domain.addresses import AddressFamily, Block
from app.domain.flows import Flow
from app.domain.groups import Eni, Group, Instance
from app.domain.rules import ANY_PORT, Direction, GroupPeer, HeldRule, NicType, Peer
from app.domain.world import AddressEnd, GroupEnd, InterfaceEnd, World
from app.domain.world import End as DomainEnd
from app.simulator.packets import End, Packet, Verdict, walk
from app.simulator.settings import Variants
from app.simulator.state.estate import load
from app.simulator.state.identifiers import Identifiers
from tests.support.clouds import estate
from tests.support.regions import PREFIX_LISTS, VPC_OWNERS

Document = dict[str, Any]

SIDES = {Direction.INGRESS: ("Source", "Dest"), Direction.EGRESS: ("Dest", "Source")}


class Walker:
    """The simulator's second opinion on a world of which everything was read."""

    def __init__(self, world: World) -> None:
        self._store = load(document_of(world), Identifiers(0))
        self._variants = Variants()

    def walk(self, flow: Flow) -> Verdict:
        """Walk one packet: a flow of one protocol, and of one port and source port."""
        traffic = flow.traffic
        packet = Packet(
            self._end(flow.source),
            self._end(flow.target),
            traffic.protocol.value,
            traffic.ports.first if traffic.protocol.has_ports else None,
            traffic.source_ports.first if traffic.protocol.has_ports else None,
            flow.plane is NicType.INTERNET,
            self._variants,
        )
        return walk(self._store, packet)

    def _end(self, end: DomainEnd) -> End:
        match end:
            case InterfaceEnd(_, eni, block):
                interface = self._store.interfaces[_interface_id(eni)]
                return End(block.address, interface)
            case AddressEnd(block):
                return End(block.address, None)
            case GroupEnd():
                raise AssertionError("the simulator has read everything")


def document_of(world: World) -> Document:
    """Spell a world as an estate of the simulator."""
    lists = [
        {
            "PrefixListId": name,
            "OwnerId": place.account_id,
            "RegionId": place.region_id,
            "AddressFamily": "IPv4" if family is AddressFamily.IPV4 else "IPv6",
            "MaxEntries": 20,
            "Entries": [str(block) for block in world.prefix_lists[name]],
        }
        for (place, family), name in PREFIX_LISTS.items()
        if name in world.prefix_lists
    ]
    vpcs = [
        {
            "VpcId": vpc_id,
            "OwnerId": place.account_id,
            "RegionId": place.region_id,
            "ClassicLinkEnabled": True,
        }
        for vpc_id, place in VPC_OWNERS.items()
    ]
    return estate(
        groups=[_group(group) for group in world.groups.values()],
        instances=[_instance(instance) for instance in world.instances.values()],
        vpcs=vpcs,
        prefix_lists=lists,
    )


def _group(group: Group) -> Document:
    return {
        "SecurityGroupId": group.group_id,
        "SecurityGroupName": group.name,
        "OwnerId": group.place.account_id,
        "RegionId": group.place.region_id,
        "VpcId": group.vpc_id,
        "SecurityGroupType": group.kind.value,
        "InnerAccessPolicy": group.inner_access.value.capitalize(),
        "Rules": [_rule(held) for held in group.rules],
    }


def _rule(held: HeldRule) -> Document:
    rule = held.rule
    peer_side, own_side = SIDES[rule.direction]
    fields: Document = {
        "SecurityGroupRuleId": held.rule_id,
        "Direction": rule.direction.value,
        "Policy": rule.policy.value,
        "Priority": rule.priority,
        "IpProtocol": rule.protocol.value,
        "PortRange": str(rule.ports),
        "NicType": rule.nic_type.value,
        **_peer(peer_side, rule.peer),
    }
    if rule.own is not None:
        fields |= _block(own_side, rule.own)
    if rule.source_ports != ANY_PORT:
        fields["SourcePortRange"] = str(rule.source_ports)
    return fields


def _peer(side: str, peer: Peer) -> Document:
    if isinstance(peer, Block):
        return _block(side, peer)
    if isinstance(peer, GroupPeer):
        return {f"{side}GroupId": peer.group_id, f"{side}GroupOwnerId": peer.account_id}
    return {f"{side}PrefixListId": peer.prefix_list_id}


def _block(side: str, block: Block) -> Document:
    family = "" if block.family is AddressFamily.IPV4 else "Ipv6"
    return {f"{family}{side}CidrIp": str(block)}


def _instance(instance: Instance) -> Document:
    return {
        "InstanceId": instance.instance_id,
        "InstanceName": instance.instance_id,
        "OwnerId": instance.place.account_id,
        "RegionId": instance.place.region_id,
        "VpcId": instance.vpc_id,
        "ClassicLinkVpcId": instance.classic_link_vpc_id,
        "NetworkInterfaces": [
            _interface(eni, primary=eni is instance.primary) for eni in instance.enis
        ],
    }


def _interface(eni: Eni, *, primary: bool) -> Document:
    families = {
        family: [block.address for block in eni.addresses if block.family is family]
        for family in AddressFamily
    }
    return {
        "NetworkInterfaceId": _interface_id(eni),
        "Primary": primary,
        "PrivateIps": families[AddressFamily.IPV4],
        "Ipv6s": families[AddressFamily.IPV6],
        "PublicIp": None if eni.public_address is None else eni.public_address.address,
        "SecurityGroupIds": sorted(eni.group_ids),
    }


def _interface_id(eni: Eni) -> str:
    """A classic interface has the id of its instance with us, which is no interface id there."""
    return f"eni-{eni.eni_id.removeprefix('eni-')}"
