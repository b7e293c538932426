"""Random small worlds: few names, few ports, few blocks, so that things meet."""

from dataclasses import replace

from hypothesis import strategies as st

from app.domain.addresses import AddressFamily, Block
from app.domain.groups import Group, GroupKind, GroupRef, Instance
from app.domain.rules import HeldRule, NicType, Policy
from app.domain.world import AddressEnd, End, GroupEnd, World
from tests.support.worlds import ACCOUNT, OTHER_ACCOUNT, VPC, eni, group, instance, rule, world

GROUPS = ("sg-1", "sg-2", "sg-3")
FOREIGN = GroupRef("sg-far", OTHER_ACCOUNT)
BLOCKS = (
    "0.0.0.0/0",
    "10.0.0.0/24",
    "10.0.0.1/32",
    "10.0.0.2/31",
    "47.0.0.0/30",
    "::/0",
    "fd00::1/128",
)
PROTOCOLS = ("tcp", "tcp", "tcp", "all", "all", "udp", "icmp", "icmpv6", "gre", "other")
PEERS = (
    "0.0.0.0/0",
    "10.0.0.0/24",
    "::/0",
    *GROUPS,
    *GROUPS,
    *BLOCKS,
    "sg-far",
    "pl-known",
    "pl-lost",
)
PORTS = ("", "22", "20/30", "22/22", "30/40", "1/65535")
EDGES = (1, 19, 20, 22, 23, 30, 31, 65535)
SOURCE_EDGES = (1, 30, 41, 65535)

ADDRESSES = {
    AddressFamily.IPV4: ("10.0.0.9", "10.0.1.0", "47.0.0.2", "47.0.0.4", "0.0.0.0"),
    AddressFamily.IPV6: ("::", "fd00::1", "fd00::9"),
}
"""Bare addresses in and beside the blocks, none of them of an interface."""

families = st.sampled_from([AddressFamily.IPV4] * 3 + [AddressFamily.IPV6])
planes = st.sampled_from([NicType.INTRANET] * 3 + [NicType.INTERNET])


@st.composite
def rules(draw: st.DrawFn, *, rule_id: str = "sgr-1") -> HeldRule:
    protocol = draw(st.sampled_from(PROTOCOLS))
    numbered = protocol in {"tcp", "udp"}
    peer = draw(st.sampled_from(PEERS))
    own = draw(st.sampled_from([None] * 5 + ["10.0.0.1/32", "10.0.0.0/24", "fd00::/16"]))
    if own is not None and peer[:3] not in {"sg-", "pl-"} and (":" in own) != (":" in peer):
        own = None
    return rule(
        rule_id=rule_id,
        direction=draw(st.sampled_from(["ingress", "egress"])),
        protocol=protocol,
        ports=draw(st.sampled_from([*PORTS, "", "", None])) if numbered else "",
        peer=peer,
        peer_account=OTHER_ACCOUNT if peer == "sg-far" else ACCOUNT,
        policy=draw(st.sampled_from(["accept", "accept", "drop"])),
        priority=draw(st.sampled_from([1, 2, 100])),
        nic_type=draw(st.sampled_from(["intranet", "intranet", "internet"])),
        own=own,
        source_ports=draw(st.sampled_from(["", "", "", "30/40"])) if numbered else "",
        port_list_id=draw(st.sampled_from(["prl-1", "prl-1", None])),
    )


@st.composite
def worlds(draw: st.DrawFn, *, all_read: bool = False) -> World:
    """A region of classic or VPC groups and three or four instances; some of it unread."""
    vpc_id = draw(st.sampled_from([None, VPC]))
    kind = GroupKind.BASIC
    if vpc_id is not None:
        kind = draw(st.sampled_from([GroupKind.BASIC, GroupKind.BASIC, GroupKind.ENTERPRISE]))
    groups = [draw(_groups(group_id, vpc_id, kind)) for group_id in GROUPS]
    read = groups if all_read else groups[: draw(st.sampled_from([3, 3, 3, 2]))]
    known = [each.group_id for each in read]
    return world(
        groups=read,
        instances=[draw(_instances(number, vpc_id)) for number in range(3)],
        prefix_lists={"pl-known": draw(st.sampled_from([(), ("10.0.0.0/31", "10.0.0.1/32")]))},
        complete=known if all_read else draw(st.lists(st.sampled_from(known), unique=True)),
        references={each: {FOREIGN} for each in known[:1]},
        unread=[FOREIGN],
    )


@st.composite
def _groups(draw: st.DrawFn, group_id: str, vpc_id: str | None, kind: GroupKind) -> Group:
    count = draw(st.integers(0, 6))
    return group(
        group_id=group_id,
        vpc_id=vpc_id,
        kind=kind,
        inner_access=draw(st.sampled_from(["drop", "drop", "drop", "accept"])),
        rules=[draw(rules(rule_id=f"sgr-{group_id}-{number}")) for number in range(count)],
    )


@st.composite
def _instances(draw: st.DrawFn, number: int, vpc_id: str | None) -> Instance:
    member = st.lists(st.sampled_from(GROUPS), min_size=1, max_size=2, unique=True)
    link = draw(st.sampled_from([None, VPC])) if number == 2 else None
    single = number == 2 or vpc_id is None
    more = [
        eni(eni_id="eni-more", addresses=[f"10.0.0.{number + 4}"], groups=draw(member))
        for _ in range(0 if single else draw(st.integers(0, 1)))
    ]
    addresses = [f"10.0.0.{number + 1}"]
    if vpc_id is not None:
        addresses.append(f"fd00::{number + 2}")
    return instance(
        instance_id=f"i-{number}",
        addresses=addresses,
        groups=draw(member),
        public=draw(st.sampled_from([None, f"47.0.0.{number * 3}"])),
        vpc_id=None if link else vpc_id,
        classic_link=link,
        more_enis=more,
    )


def ends(of: World, plane: NicType, family: AddressFamily) -> list[End]:
    """Every interface's address, bare addresses about the blocks, and the unread group."""
    bare = [AddressEnd(Block.read(text)) for text in ADDRESSES[family]]
    return [*of.ends(plane, family), *bare, GroupEnd(FOREIGN, family)]


@st.composite
def changed(draw: st.DrawFn, before: World) -> World:
    """Return the world after some rules, a policy or a membership changed."""
    group_id = draw(st.sampled_from(sorted(before.groups)))
    old = before.groups[group_id]
    fresh = [draw(rules(rule_id=f"sgr-new-{number}")) for number in range(draw(st.integers(0, 2)))]
    kept = [held for held in old.rules if draw(st.booleans())]
    new = replace(old, rules=(*kept, *fresh))
    if old.kind is GroupKind.BASIC:
        access = draw(st.sampled_from([Policy.DROP, Policy.DROP, Policy.ACCEPT]))
        new = replace(new, inner_access=access)
    instances = dict(before.instances)
    if draw(st.booleans()):
        moved = instances["i-0"]
        groups = draw(st.frozensets(st.sampled_from(GROUPS), min_size=1, max_size=3))
        primary = replace(moved.primary, group_ids=groups)
        instances["i-0"] = replace(moved, enis=(primary, *moved.enis[1:]))
    return replace(before, groups={**before.groups, group_id: new}, instances=instances)
