"""Rules that no packet can match, or none while things stand as they do."""

from collections.abc import Iterator

from app.domain.addresses import AddressFamily, Block
from app.domain.groups import GroupRef
from app.domain.hygiene.case import Case
from app.domain.hygiene.finding import Kind, Removal, Severity, Sighting
from app.domain.hygiene.pools import out_of_reach
from app.domain.hygiene.words import spelled
from app.domain.judging.matching import ONE_FAMILY
from app.domain.rules import GroupPeer, HeldRule, NicType, PrefixListPeer, Protocol


def _never(held: HeldRule, why: str) -> Sighting:
    return Sighting(f"{spelled(held)} {why}.", (held,), Removal.NOTHING_EVER)


def _names_group(held: HeldRule) -> GroupRef | None:
    peer = held.rule.peer
    return GroupRef(peer.group_id, peer.account_id) if isinstance(peer, GroupPeer) else None


def group_on_internet_side(case: Case) -> Iterator[Sighting]:
    for held in case.rules:
        if _is_group_on_internet_side(case, held):
            yield _never(held, "names a group, on the internet side")


def _is_group_on_internet_side(case: Case, held: HeldRule) -> bool:
    if _names_group(held) is None or not case.is_classic:
        return False
    return held.rule.nic_type is NicType.INTERNET


def ipv6_in_classic(case: Case) -> Iterator[Sighting]:
    for held in case.rules:
        if _is_ipv6_in_classic(case, held):
            yield _never(held, "speaks of IPv6, which the classic network does not have")


def _is_ipv6_in_classic(case: Case, held: HeldRule) -> bool:
    rule = held.rule
    blocks = [block for block in (rule.peer, rule.own) if isinstance(block, Block)]
    speaks = any(block.family is AddressFamily.IPV6 for block in blocks)
    return case.is_classic and (speaks or rule.protocol is Protocol.ICMPV6)


def icmp_of_other_family(case: Case) -> Iterator[Sighting]:
    for held in case.rules:
        if _is_icmp_of_other_family(case, held):
            wanted = ONE_FAMILY[held.rule.protocol]
            yield _never(held, f"names addresses that are not of {wanted}, and {wanted} packets")


def _is_icmp_of_other_family(case: Case, held: HeldRule) -> bool:
    family = ONE_FAMILY.get(held.rule.protocol)
    blocks = [*case.blocks_of(held), *([] if held.rule.own is None else [held.rule.own])]
    if family is None or _is_ipv6_in_classic(case, held):
        return False
    return any(block.family is not family for block in blocks)


def list_without_entries(case: Case) -> Iterator[Sighting]:
    for held in case.rules:
        if _is_list_without_entries(case, held):
            detail = f"The prefix list of {spelled(held)} has no entries."
            yield Sighting(detail, (held,))


def _is_list_without_entries(case: Case, held: HeldRule) -> bool:
    peer = held.rule.peer
    return (
        isinstance(peer, PrefixListPeer)
        and case.world.prefix_lists.get(peer.prefix_list_id, None) == ()
    )


def peer_group_gone(case: Case) -> Iterator[Sighting]:
    for held in case.rules:
        if _names_group(held) in case.gone:
            yield _never(held, "names a group that no longer exists")


def peer_group_out_of_reach(case: Case) -> Iterator[Sighting]:
    for held in case.rules:
        if _is_out_of_reach(case, held):
            yield _never(held, "names a group of another VPC")


def _is_out_of_reach(case: Case, held: HeldRule) -> bool:
    peer = case.peer_group(held)
    return peer is not None and out_of_reach(peer, case.group)


def never_matches(case: Case) -> Iterator[Sighting]:
    """See what no packet matches for any reason that has no kind of its own."""
    known = (
        _is_group_on_internet_side,
        _is_ipv6_in_classic,
        _is_icmp_of_other_family,
        _is_list_without_entries,
        _is_out_of_reach,
        lambda case, held: _names_group(held) in case.gone,
    )
    for held in case.rules:
        if not case.standing(held).matches and not any(each(case, held) for each in known):
            yield _never(held, "is matched by no packet at all")


def peer_group_unread(case: Case) -> Iterator[Sighting]:
    for held in case.rules:
        ref = _names_group(held)
        if ref is not None and case.peer_group(held) is None and ref not in case.gone:
            detail = f"{spelled(held)} names a group of account {ref.account_id}."
            yield Sighting(detail, (held,))


def peer_group_empty(case: Case) -> Iterator[Sighting]:
    for held in case.rules:
        ref = _names_group(held)
        if ref is None or not case.standing(held).decides:
            continue
        if ref.group_id in case.world.complete and not case.world.members(ref.group_id):
            detail = f"{spelled(held)} names a group that has no members today."
            yield Sighting(detail, (held,))


def own_side_empty(case: Case) -> Iterator[Sighting]:
    for held in case.rules:
        if held.rule.own is not None and case.members and not case.own_addresses(held):
            detail = f"{spelled(held)} is narrowed to {held.rule.own}, where no member is."
            yield Sighting(detail, (held,))


def group_empty(case: Case) -> Iterator[Sighting]:
    if case.rules and not case.members:
        detail = f"{case.group.group_id} has rules and no members: they judge nobody today."
        yield Sighting(detail, case.rules, Removal.NOT_MEANT)


GROUP_ON_INTERNET_SIDE = Kind(
    "group_on_internet_side",
    Severity.MEDIUM,
    title="A rule of the public interface names a group",
    meaning="A group stands for the private addresses of its members, and no packet on the public "
    "interface has one. The rule was meant for the intranet.",
    remedy="Add the rule with NicType intranet, if it is still wanted, and remove this one.",
    proof="No packet that there can be on that side has a peer that is in a group.",
    find=group_on_internet_side,
)
IPV6_IN_CLASSIC = Kind(
    "ipv6_in_classic",
    Severity.LOW,
    title="A rule for IPv6 in the classic network",
    meaning="Instances of the classic network have no IPv6 addresses, so that nothing matches.",
    remedy="Remove the rule.",
    proof="No packet that there can be in the classic network is of IPv6.",
    find=ipv6_in_classic,
)
ICMP_OF_OTHER_FAMILY = Kind(
    "icmp_of_other_family",
    Severity.MEDIUM,
    title="Ping of the wrong address family",
    meaning="icmp is of IPv4 only, and ping over IPv6 is icmpv6. The rule names addresses of the "
    "other family, so that it matches nothing, and the ping that was meant does not fare as "
    "the rule says.",
    remedy="Add the rule with the protocol of its addresses, and remove this one.",
    proof="No packet that there can be is of the protocol and has addresses of that family.",
    find=icmp_of_other_family,
)
LIST_WITHOUT_ENTRIES = Kind(
    "prefix_list_without_entries",
    Severity.LOW,
    title="A rule names an empty prefix list",
    meaning="It matches nothing until the list gets entries, and counts against the quota with the "
    "most entries that the list may have.",
    remedy="Fill the list, or remove the rule.",
    proof="The list was read, and no address is in it.",
    find=list_without_entries,
)
PEER_GROUP_GONE = Kind(
    "peer_group_gone",
    Severity.MEDIUM,
    title="A rule names a group that is gone",
    meaning="Nobody can be a member of it any more, so that the rule matches nothing: whoever "
    "relied on it is cut off already.",
    remedy="Remove the rule; name the group that took its place, if there is one.",
    proof="The group's account and region were asked for it, and have no such group.",
    find=peer_group_gone,
)
PEER_GROUP_OUT_OF_REACH = Kind(
    "peer_group_out_of_reach",
    Severity.MEDIUM,
    title="A rule names a group of another network",
    meaning="A group stands for private addresses, and those of another VPC have no way here, "
    "also where the networks are joined: between VPCs rules work by address only.",
    remedy="Name the addresses of the other network instead, and remove this rule.",
    proof="Both groups were read, and their networks differ.",
    find=peer_group_out_of_reach,
)
NEVER_MATCHES = Kind(
    "rule_never_matches",
    Severity.LOW,
    title="No packet matches a rule",
    meaning="What the rule asks for does not go together, or is never judged by rules.",
    remedy="Remove the rule, and add what was meant.",
    proof="No packet that there can be matches it.",
    find=never_matches,
)
PEER_GROUP_UNREAD = Kind(
    "peer_group_unread",
    Severity.INFO,
    title="A rule names a group that could not be read",
    meaning="Nobody here can say who is in it: its owner decides whom the rule stands for, now and "
    "later.",
    remedy="Register the account that owns the group, or make sure that it is still yours.",
    proof="The group is of an account that is not registered here, or that refused the reading.",
    find=peer_group_unread,
)
PEER_GROUP_EMPTY = Kind(
    "peer_group_without_members",
    Severity.INFO,
    title="A rule names a group without members",
    meaning="It matches nothing today, and starts to match whoever joins that group.",
    remedy="Remove the rule if nobody is to join the group any more.",
    proof="The group was read with all members, and has none.",
    find=peer_group_empty,
)
OWN_SIDE_EMPTY = Kind(
    "own_side_without_member",
    Severity.LOW,
    title="A rule is narrowed to an address that no member has",
    meaning="Its own side is a block in which no member of the group is: it was made for an "
    "instance that left, or the address is mistyped. Whoever gets the address later is "
    "judged by it.",
    remedy="Remove the rule, or correct its own side.",
    proof="All members were read, and none has an address there.",
    find=own_side_empty,
)
GROUP_EMPTY = Kind(
    "group_without_members",
    Severity.INFO,
    title="The group has no members",
    meaning="Its rules wait for whoever joins, who is then open as they say.",
    remedy="Delete the group if nobody is to join it; otherwise heed the findings about its rules.",
    proof="All members were read, and there are none.",
    find=group_empty,
)
