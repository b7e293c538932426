"""Every kind of finding, where it is to be found and where it is not, and what proves it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from app.domain.groups import GroupKind, GroupRef
from app.domain.hygiene import KINDS, Case, Finding, Removal, Severity, inspect
from app.domain.hygiene.case import MOST_ITEMS
from app.domain.hygiene.documents import finding_document
from app.domain.hygiene.sparing import merged
from app.domain.plan import Limits
from app.domain.rules import GroupPeer, HeldRule, PrefixListPeer
from tests.support.worlds import ACCOUNT, OTHER_ACCOUNT, VPC, group, instance, rule, world

FAR = GroupRef("sg-far", OTHER_ACCOUNT)


def numbered(rules: Iterable[HeldRule]) -> list[HeldRule]:
    """Number rules sgr-1, sgr-2, …, and describe them."""
    return [
        replace(held, rule_id=f"sgr-{number}", description=held.description or "why")
        for number, held in enumerate(rules, 1)
    ]


def case(
    *rules: HeldRule,
    vpc_id: str | None = VPC,
    kind: GroupKind = GroupKind.BASIC,
    inner_access: str = "accept",
    members: int = 2,
    beside: Iterable[HeldRule] | None = None,
    peers: Iterable[str] = (),
    peer_vpc: str | None = VPC,
    prefix_lists: Mapping[str, Iterable[str]] | None = None,
    gone: Iterable[GroupRef] = (),
    limits: Limits | None = None,
) -> Case:
    """Build a group sg-1 with members at 10.0.0.1, 10.0.0.2, …

    `beside` are rules of a group sg-2 that the members are in as well, `peers` are addresses
    of members of sg-peer.
    """
    subject = group(rules=numbered(rules), vpc_id=vpc_id, kind=kind, inner_access=inner_access)
    groups = [subject, group(group_id="sg-peer", vpc_id=peer_vpc)]
    ids = ["sg-1"]
    if beside is not None:
        more = [replace(held, rule_id=f"sgr-b{each}") for each, held in enumerate(beside)]
        groups.append(
            group(group_id="sg-2", rules=more, vpc_id=vpc_id, kind=kind, inner_access="drop")
        )
        ids.append("sg-2")
    instances = [
        instance(
            instance_id=f"i-{number}",
            addresses=[f"10.0.0.{number}"],
            groups=ids,
            vpc_id=vpc_id,
            public=f"47.0.0.{number}",
        )
        for number in range(1, members + 1)
    ]
    instances += [
        instance(instance_id=f"i-p{at}", addresses=[at], groups=["sg-peer"], vpc_id=peer_vpc)
        for at in peers
    ]
    found = world(groups=groups, instances=instances, prefix_lists=prefix_lists, unread=[FAR])
    return Case(found, subject, limits or Limits(), frozenset(gone))


def classic(*rules: HeldRule, **fields: Any) -> Case:
    return case(*rules, vpc_id=None, peer_vpc=None, **fields)


def enterprise(*rules: HeldRule, **fields: Any) -> Case:
    return case(*rules, kind=GroupKind.ENTERPRISE, **fields)


def of(code: str, where: Case) -> list[Finding]:
    return [each for each in inspect(where) if each.kind.code == code]


WORLD = "0.0.0.0/0"
OUT = {"direction": "egress"}
SSH, HTTPS, MYSQL = {"ports": "22"}, {"ports": "443"}, {"ports": "3306"}
ONE, OTHER = {"peer": "10.1.0.1/32"}, {"peer": "10.1.0.2/32"}
ENTRIES = {"pl-1": ["10.1.0.1/32"], "pl-none": [], "pl-6": ["fd00::/64"]}


def r(**fields: Any) -> HeldRule:
    return rule(**fields)


def ignoring(peer: str) -> HeldRule:
    ignored = GroupPeer(peer, ACCOUNT) if peer.startswith("sg-") else PrefixListPeer(peer)
    return replace(r(**ONE, **SSH), ignored=(ignored,))


FOUND = {
    "everything_open_to_world": [
        case(r(protocol="all")),
        case(r(ports="1/65535", peer="::/0")),
        classic(r(protocol="all", nic_type="internet")),
        case(r(protocol="all", peer="pl-w"), prefix_lists={"pl-w": [WORLD]}),
    ],
    "data_port_open_to_world": [
        case(r(**MYSQL)),
        case(r(ports="6000/7000", peer="::/0")),
        case(r(**MYSQL, priority=5), r(policy="drop", peer="10.0.0.0/8", **MYSQL)),
    ],
    "admin_port_open_to_world": [case(r(**SSH)), case(r(ports="1/1024", peer="128.0.0.0/1"))],
    "open_to_world": [case(r(ports="8080")), case(r(protocol="udp", ports="53"))],
    "public_service": [case(r(**HTTPS)), case(r(protocol="icmp"))],
    "all_ports_open_wide": [
        case(r(protocol="all", peer="10.0.0.0/8")),
        case(r(protocol="udp", peer="172.16.0.0/12", ports="1/65535")),
    ],
    "data_port_open_wide": [
        case(r(**MYSQL, peer="10.0.0.0/8")),
        case(r(**MYSQL, peer="fd00::/40")),
    ],
    "admin_port_open_wide": [
        case(r(**SSH, peer="10.0.0.0/15")),
        case(r(ports="20/30", peer="10.0.0.0/8")),
    ],
    "wide_source": [
        case(r(**HTTPS, peer="10.0.0.0/8")),
        case(r(protocol="icmp", peer="10.0.0.0/8")),
    ],
    "all_protocols": [
        case(r(protocol="all", **ONE)),
        case(r(protocol="all", peer="sg-peer"), peers=["10.2.0.1"]),
    ],
    "many_ports": [case(r(ports="1000/9000", **ONE)), case(r(ports="1/65535", peer="sg-peer"))],
    "classic_intranet_range": [
        classic(r(**HTTPS, peer="10.0.0.0/24")),
        classic(r(**HTTPS, peer="10.0.0.0/31")),
    ],
    "private_range_on_internet_side": [
        classic(r(**SSH, **ONE, nic_type="internet")),
        classic(r(**SSH, peer="192.168.0.0/24", nic_type="internet", policy="drop")),
    ],
    "drop_contradicted": [
        case(r(**SSH, **ONE), r(policy="drop", priority=2, **SSH, **ONE)),
        case(
            r(**SSH, peer="10.1.0.0/25"),
            r(**SSH, peer="10.1.0.128/25"),
            r(policy="drop", priority=2, **SSH, peer="10.1.0.0/24"),
        ),
    ],
    "accept_contradicted": [
        case(r(policy="drop", **SSH), r(priority=2, **SSH, **ONE)),
        case(r(policy="drop", **SSH, **ONE), r(**SSH, **ONE)),
        case(r(policy="drop", **OUT), r(priority=9, ports="25", **OUT)),
    ],
    "accept_tied_with_drop": [
        case(r(policy="drop", **SSH, **ONE), r(**SSH, peer="10.1.0.0/24")),
        case(r(policy="drop", ports="80/90", **ONE), r(ports="85/95", **ONE)),
    ],
    "accept_partly_hidden": [
        case(r(policy="drop", **SSH, **ONE), r(priority=2, **SSH, peer="10.1.0.0/24")),
        case(r(policy="drop", ports="80/90", **ONE), r(priority=3, ports="85/95", **ONE)),
    ],
    "rule_shadowed": [
        case(r(**SSH, peer="10.1.0.0/24"), r(priority=2, **SSH, **ONE)),
        case(
            r(ports="1/79", **ONE),
            r(ports="80/99", **ONE),
            r(ports="70/90", priority=2, **ONE),
        ),
        case(r(**SSH, peer="pl-x"), r(priority=2, **SSH, peer="pl-x")),
        case(r(**SSH, peer="sg-peer"), r(priority=2, **SSH, peer="sg-peer", own="10.0.0.1/32")),
    ],
    "rule_redundant": [
        case(r(**SSH, **ONE), r(**SSH, peer="10.1.0.0/24")),
        case(r(**SSH, **ONE), r(priority=5, **SSH, peer="10.1.0.0/24")),
        case(r(**SSH, **ONE, own="10.0.0.1/32"), r(**SSH, peer="pl-1"), prefix_lists=ENTRIES),
    ],
    "rules_alike": [
        case(r(**SSH, **ONE), r(**SSH, peer="pl-1"), prefix_lists=ENTRIES),
        case(r(**SSH, **ONE), r(**SSH, **ONE, own="0.0.0.0/0")),
    ],
    "accept_repeats_default": [case(r(**OUT)), case(r(protocol="all", **OUT, peer="10.0.0.0/8"))],
    "drop_repeats_default": [
        case(r(policy="drop", priority=100)),
        enterprise(r(policy="drop", **OUT)),
    ],
    "rules_mergeable": [
        case(r(ports="80/90", **ONE), r(ports="91/99", **ONE)),
        case(r(ports="22", **ONE), r(ports="20/21", **ONE), r(ports="1000", **ONE)),
    ],
    "drop_among_members": [
        case(r(policy="drop", **SSH, peer="10.0.0.0/24")),
        classic(r(policy="drop", **SSH, peer="10.0.0.2/32")),
        case(r(policy="drop", peer="10.0.0.2/32", **OUT)),
        case(r(policy="drop", peer="sg-2"), beside=[]),
    ],
    "accept_among_members": [
        case(r(**SSH, peer="10.0.0.2/32")),
        case(r(**SSH, peer="pl-m"), prefix_lists={"pl-m": ["10.0.0.1/32", "10.0.0.2/32"]}),
        case(r(**SSH, peer="sg-2"), beside=[]),
    ],
    "group_on_internet_side": [
        classic(r(**SSH, peer="sg-peer", nic_type="internet")),
        classic(r(peer="sg-far", peer_account=OTHER_ACCOUNT, nic_type="internet", **OUT)),
    ],
    "icmp_of_other_family": [
        case(r(protocol="icmp", peer="fd00::/64")),
        case(r(protocol="icmpv6", peer="10.1.0.0/24")),
        case(r(protocol="icmp", peer="pl-6"), prefix_lists=ENTRIES),
    ],
    "ipv6_in_classic": [
        classic(r(**SSH, peer="fd00::1/128")),
        classic(r(protocol="icmpv6", peer="sg-peer")),
    ],
    "prefix_list_without_entries": [
        case(r(**SSH, peer="pl-none"), prefix_lists=ENTRIES),
        case(r(policy="drop", peer="pl-none", **OUT), prefix_lists=ENTRIES),
    ],
    "peer_group_gone": [
        case(r(**SSH, peer="sg-old"), gone=[GroupRef("sg-old", ACCOUNT)]),
        classic(r(**SSH, peer="sg-far", peer_account=OTHER_ACCOUNT), gone=[FAR]),
    ],
    "peer_group_out_of_reach": [
        case(r(**SSH, peer="sg-peer"), peer_vpc="vpc-2"),
        case(r(**SSH, peer="sg-peer", **OUT), peer_vpc="vpc-2", peers=["10.2.0.1"]),
    ],
    "peer_group_unread": [
        case(r(**SSH, peer="sg-far", peer_account=OTHER_ACCOUNT)),
        classic(r(**SSH, peer="sg-lost")),
    ],
    "peer_group_without_members": [
        case(r(**SSH, peer="sg-peer")),
        classic(r(**SSH, peer="sg-peer", policy="drop", **OUT)),
    ],
    "rule_never_matches": [
        case(r(**SSH, peer="sg-1")),
        case(r(**SSH, peer="pl-6", own="10.0.0.1/32"), prefix_lists=ENTRIES),
    ],
    "own_side_without_member": [
        case(r(**SSH, **ONE, own="10.0.0.77/32")),
        classic(r(**SSH, peer="47.9.0.1/32", nic_type="internet", own="10.0.0.1/32")),
    ],
    "group_without_members": [
        case(r(**SSH, **ONE), members=0),
        classic(r(**SSH, **ONE), members=0),
    ],
    "peer_ignored": [case(ignoring("sg-peer")), case(ignoring("pl-1"))],
    "nothing_gets_out": [
        enterprise(r(**SSH, **ONE)),
        enterprise(r(policy="drop", **OUT), r(priority=2, **HTTPS, **OUT)),
        enterprise(beside=[r(**SSH, **ONE)]),
    ],
    "near_quota": [
        case(*(r(ports=str(port), **ONE) for port in (1, 3, 5)), limits=Limits(rules_per_group=3)),
        case(r(**SSH, peer="sg-peer"), limits=Limits(peer_groups_per_group=1)),
        case(members=9, limits=Limits(members_per_vpc_group=10)),
        case(r(**SSH, **ONE), beside=[r(**HTTPS)], limits=Limits(rules_per_nic=2)),
    ],
    "old_priority": [case(r(**SSH, **ONE, priority=110)), case(r(priority=110, **OUT))],
    "rules_without_description": [
        case(replace(r(**SSH, **ONE), description=" ")),
        case(replace(r(**SSH, **ONE), description=" "), r(**HTTPS)),
    ],
}

NOT_FOUND = {
    "everything_open_to_world": [
        case(r(**HTTPS)),
        case(r(protocol="all", priority=2), r(protocol="all", policy="drop")),
        case(r(protocol="all", **OUT)),
    ],
    "data_port_open_to_world": [
        case(r(**MYSQL, **ONE)),
        case(r(ports="3000/4000", priority=2), r(policy="drop", **MYSQL)),
        case(r(protocol="udp", **MYSQL)),
    ],
    "admin_port_open_to_world": [case(r(**HTTPS)), case(r(policy="drop", **SSH))],
    "open_to_world": [case(r(**HTTPS)), case(r(ports="8080", peer="10.0.0.0/8"))],
    "public_service": [case(r(**HTTPS, peer="10.0.0.0/8")), case(r(ports="80/81"))],
    "all_ports_open_wide": [
        case(r(protocol="all", peer="10.0.0.0/16")),
        case(r(**HTTPS, peer="10.0.0.0/8")),
    ],
    "data_port_open_wide": [case(r(**MYSQL, peer="10.0.0.0/16")), case(r(**MYSQL))],
    "admin_port_open_wide": [case(r(**SSH, peer="sg-peer")), case(r(**SSH, peer="fd00::/48"))],
    "wide_source": [case(r(**HTTPS, peer="10.0.0.0/16")), case(r(**SSH, peer="10.0.0.0/8"))],
    "all_protocols": [case(r(**HTTPS, **ONE)), case(r(protocol="all", policy="drop", **ONE))],
    "many_ports": [case(r(ports="8000/8999", **ONE)), case(r(protocol="icmp", **ONE))],
    "classic_intranet_range": [
        classic(r(**HTTPS, **ONE)),
        classic(r(**HTTPS, nic_type="internet")),
        case(r(**HTTPS, peer="10.0.0.0/24")),
    ],
    "private_range_on_internet_side": [
        classic(r(**SSH, **ONE)),
        classic(r(**SSH, peer="47.0.0.1/32", nic_type="internet")),
    ],
    "drop_contradicted": [
        case(r(**SSH, **ONE), r(policy="drop", **SSH, **ONE)),
        case(r(**SSH, **ONE), r(policy="drop", priority=2, **SSH, peer="10.1.0.0/24")),
        classic(
            r(**SSH, peer="0.0.0.0/0", nic_type="internet"),
            r(policy="drop", priority=2, **SSH),
        ),
    ],
    "accept_contradicted": [
        case(r(policy="drop", **SSH, peer="pl-x"), r(priority=2, **SSH, **ONE)),
        case(r(policy="drop", ports=None), r(priority=2, **SSH, **ONE)),
        case(r(policy="drop", **SSH), r(priority=2, **SSH, peer="::/0")),
    ],
    "accept_tied_with_drop": [
        case(r(policy="drop", **SSH, **OTHER), r(**SSH, **ONE)),
        case(r(policy="drop", priority=2, **SSH, **ONE), r(**SSH, peer="10.1.0.0/24")),
    ],
    "accept_partly_hidden": [
        case(r(policy="drop", priority=2, **SSH, **ONE), r(**SSH, peer="10.1.0.0/24")),
        case(
            r(**SSH, **ONE),
            r(policy="drop", priority=2, **SSH, **ONE),
            r(priority=3, **SSH, peer="10.1.0.0/24"),
        ),
    ],
    "rule_shadowed": [
        case(r(**SSH, **ONE), r(priority=2, **SSH, peer="10.1.0.0/24")),
        case(r(protocol="tcp", ports=None), r(priority=2, **SSH, **ONE)),
        case(r(protocol="all"), r(priority=2, **SSH, peer="sg-peer")),
    ],
    "rule_redundant": [
        case(
            r(**SSH, **ONE), r(priority=9, **SSH, peer="10.1.0.0/24"), r(policy="drop", priority=5)
        ),
        case(
            r(**SSH, **ONE),
            r(priority=9, **SSH, peer="10.1.0.0/24"),
            beside=[r(policy="drop", priority=5)],
        ),
        case(r(**SSH, **ONE), r(**SSH, peer="pl-x")),
    ],
    "rules_alike": [
        case(r(**SSH, **ONE), r(**SSH, **OTHER)),
        case(r(**SSH, **ONE), r(**SSH, peer="10.1.0.0/24")),
    ],
    "accept_repeats_default": [
        enterprise(r(**OUT)),
        case(r(**HTTPS, **OUT), r(policy="drop", priority=2, **OUT)),
        case(r(**OUT), beside=[r(policy="drop", priority=2, **OUT)]),
    ],
    "drop_repeats_default": [
        case(r(policy="drop"), r(**SSH, **ONE, priority=2)),
        case(r(policy="drop", **OUT)),
        case(r(policy="drop"), beside=[r(**SSH, **ONE, priority=2)]),
    ],
    "rules_mergeable": [
        case(r(ports="80/90", **ONE), r(ports="92/99", **ONE)),
        case(r(ports="80/90", **ONE), r(ports="91/99", **OTHER)),
        case(r(ports="80/90", **ONE), r(ports="91/99", **ONE, priority=2)),
    ],
    "drop_among_members": [
        case(r(policy="drop", **SSH, peer="10.0.0.0/24"), inner_access="drop"),
        case(r(policy="drop", **SSH, peer="10.0.0.0/24"), members=1),
        classic(r(policy="drop", **SSH, peer="10.0.0.0/24", nic_type="internet")),
    ],
    "accept_among_members": [
        case(r(**SSH, peer="10.0.0.2/32"), inner_access="drop"),
        case(r(**SSH, peer="10.0.0.0/30")),
        case(r(**SSH, peer="sg-peer"), peers=["10.2.0.1"]),
    ],
    "group_on_internet_side": [
        classic(r(**SSH, peer="sg-peer")),
        case(r(**SSH, peer="sg-peer", nic_type="internet")),
    ],
    "icmp_of_other_family": [case(r(protocol="icmpv6", peer="::/0")), case(r(protocol="icmp"))],
    "ipv6_in_classic": [case(r(**SSH, peer="fd00::1/128")), classic(r(**SSH, **ONE))],
    "prefix_list_without_entries": [
        case(r(**SSH, peer="pl-1"), prefix_lists=ENTRIES),
        case(r(**SSH, peer="pl-unread")),
    ],
    "peer_group_gone": [
        case(r(**SSH, peer="sg-far", peer_account=OTHER_ACCOUNT)),
        case(r(**SSH, peer="sg-peer")),
    ],
    "peer_group_out_of_reach": [
        case(r(**SSH, peer="sg-peer")),
        case(r(**SSH, peer="sg-peer"), peer_vpc=None),
    ],
    "peer_group_unread": [
        case(r(**SSH, peer="sg-peer")),
        case(r(**SSH, peer="sg-far", peer_account=OTHER_ACCOUNT), gone=[FAR]),
    ],
    "peer_group_without_members": [
        case(r(**SSH, peer="sg-peer"), peers=["10.2.0.1"]),
        case(r(**SSH, peer="sg-far", peer_account=OTHER_ACCOUNT)),
    ],
    "rule_never_matches": [
        case(r(**SSH, peer="sg-1"), inner_access="drop"),
        classic(r(**SSH, peer="fd00::1/128")),
    ],
    "own_side_without_member": [
        case(r(**SSH, **ONE, own="10.0.0.2/32")),
        case(r(**SSH, **ONE, own="47.0.0.2/32")),
        case(r(**SSH, **ONE, own="10.0.0.77/32"), members=0),
    ],
    "group_without_members": [case(r(**SSH, **ONE), members=1), case(members=0)],
    "peer_ignored": [case(r(**SSH, **ONE)), case(r(**SSH, peer="sg-peer"))],
    "nothing_gets_out": [
        enterprise(r(**HTTPS, **OUT)),
        case(r(policy="drop", **OUT)),
        enterprise(r(**SSH, **ONE), beside=[r(**HTTPS, **OUT)]),
    ],
    "near_quota": [
        case(r(**SSH, **ONE), limits=Limits(rules_per_group=2)),
        case(r(**SSH, peer="sg-peer"), limits=Limits(peer_groups_per_group=2)),
    ],
    "old_priority": [case(r(**SSH, **ONE, priority=100)), case()],
    "rules_without_description": [case(r(**SSH, **ONE)), case()],
}


def test_every_kind_is_tried_where_it_is_and_where_it_is_not() -> None:
    codes = {kind.code for kind in KINDS}
    assert codes == FOUND.keys() == NOT_FOUND.keys()
    assert all(len(each) >= 2 for tried in (FOUND, NOT_FOUND) for each in tried.values())


@pytest.mark.parametrize(
    ("code", "where"), [(code, each) for code, tried in FOUND.items() for each in tried]
)
def test_it_is_found(code: str, where: Case) -> None:
    found = of(code, where)
    assert len(found) == 1
    assert found[0].detail.endswith(".")
    assert set(found[0].rules) <= set(where.group.rules)


@pytest.mark.parametrize(
    ("code", "where"), [(code, each) for code, tried in NOT_FOUND.items() for each in tried]
)
def test_it_is_not_found(code: str, where: Case) -> None:
    assert of(code, where) == []


# --- proofs -----------------------------------------------------------------------


def only(code: str, where: Case) -> Finding:
    (finding,) = of(code, where)
    return finding


NOTHING = {Removal.NOTHING_EVER, Removal.NOTHING_NOW}


@pytest.mark.parametrize("where", [each for tried in FOUND.values() for each in tried])
def test_whatever_is_proven_by_the_rules_is_so_in_the_world_that_was_read(where: Case) -> None:
    for finding in inspect(where):
        compared = [where.without([held]) for held in finding.rules]
        pairs = {(each.lost.pairs, each.gained.pairs) for each in compared}
        if finding.proof.removal in NOTHING:
            assert pairs == {(0, 0)}
        elif finding.proof.removal is Removal.SOMETHING:
            assert pairs != {(0, 0)}


def test_a_hidden_rule_comes_with_those_that_hide_it() -> None:
    hidden = case(
        r(**SSH, peer="10.1.0.0/25"),
        r(**SSH, peer="10.1.0.128/25"),
        r(**HTTPS, peer="10.1.0.0/24"),
        r(**SSH, priority=2, peer="10.1.0.0/24"),
    )
    finding = only("rule_shadowed", hidden)
    assert finding.rule_ids == ("sgr-4",)
    assert {each.held.rule_id for each in finding.proof.because} == {"sgr-1", "sgr-2"}
    assert finding.proof.removal is Removal.NOTHING_EVER
    assert "whatever other groups" in finding.proof.statement


def test_a_rule_that_another_group_may_need_is_spared_only_for_now() -> None:
    rules = (r(**SSH, **ONE), r(**SSH, priority=5, peer="10.1.0.0/24"))
    assert only("rule_redundant", case(*rules)).proof.removal is Removal.NOTHING_NOW
    wider = (rules[0], replace(rules[1], rule=replace(rules[1].rule, priority=1)))
    assert only("rule_redundant", case(*wider)).proof.removal is Removal.NOTHING_EVER


def test_twins_are_one_finding_which_says_that_one_must_stay() -> None:
    twins = case(r(**SSH, **ONE), r(**SSH, peer="pl-1"), prefix_lists=ENTRIES)
    finding = only("rules_alike", twins)
    assert finding.rule_ids == ("sgr-1", "sgr-2")
    assert finding.proof.not_with == ("sgr-2",)
    assert finding.proof.removal is Removal.NOTHING_EVER
    assert finding.proof.lost is not None
    assert finding.proof.lost.pairs == 4
    assert "Without all of them, 4 pairs are lost" in finding.proof.statement
    assert of("rule_redundant", twins) == []


def test_rules_that_a_third_covers_can_go_together() -> None:
    covered = case(r(**SSH, **ONE), r(**SSH, **OTHER), r(ports="20/30", peer="10.1.0.0/24"))
    findings = of("rule_redundant", covered)
    assert [each.rule_ids for each in findings] == [("sgr-1",), ("sgr-2",)]
    assert [each.proof.not_with for each in findings] == [(), ()]


def test_what_a_risky_rule_opens_is_counted_exactly_and_listed_in_part() -> None:
    risky = classic(r(**MYSQL, peer="10.0.0.0/24"))
    finding = only("classic_intranet_range", risky)
    exposure = risky.without(finding.rules).lost
    assert finding.proof.lost == exposure
    assert finding.proof.removal is Removal.SOMETHING
    assert exposure.pairs > len(exposure.items) == MOST_ITEMS
    assert exposure.truncated


def test_merging_as_proposed_changes_nothing() -> None:
    for where in FOUND["rules_mergeable"]:
        run = list(only("rules_mergeable", where).rules)
        kept = [held for held in where.group.rules if held not in run]
        compared = where.difference_to((*kept, HeldRule("sgr-new", merged(run))))
        assert (compared.lost.pairs, compared.gained.pairs) == (0, 0)


def test_a_rule_for_every_port_can_be_merged_with_any_other() -> None:
    both = case(r(ports="", **ONE), r(ports="80/90", **ONE))
    assert "1/65535" in only("rules_mergeable", both).detail


def test_the_worst_comes_first_and_one_severity_can_be_asked_for() -> None:
    where = classic(r(protocol="all"), r(**SSH, **ONE), r(**MYSQL, peer="10.0.0.0/8"))
    order = list(Severity)
    found = inspect(where)
    numbers = [order.index(each.kind.severity) for each in found]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 2
    for severity in Severity:
        expected = tuple(each for each in found if each.kind.severity is severity)
        assert inspect(where, severity) == expected


def test_order_of_rules_does_not_matter() -> None:
    where = case(r(protocol="all"), r(**SSH, **ONE), r(policy="drop", **SSH), r(**HTTPS))
    other = replace(where.group, rules=tuple(reversed(where.group.rules)))
    again = Case(replace(where.world, groups={**where.world.groups, "sg-1": other}), other)
    assert [finding_document(each) for each in inspect(again)] == [
        finding_document(each) for each in inspect(where)
    ]


def test_kinds_have_whole_sentences_of_their_own() -> None:
    assert len({kind.title for kind in KINDS}) == len({kind.meaning for kind in KINDS})
    for kind in KINDS:
        for text in (kind.meaning, kind.remedy, kind.proof):
            assert text.endswith("."), kind.code


@pytest.mark.parametrize("account", [ACCOUNT, OTHER_ACCOUNT])
def test_nobody_is_in_groups_of_two_accounts(account: str) -> None:
    named = case(
        r(**SSH, peer="sg-peer", priority=1),
        r(**SSH, peer="sg-far", peer_account=account, priority=2, policy="drop"),
        r(**SSH, peer="0.0.0.0/0", priority=3),
        r(**SSH, peer="::/0", priority=3),
    )
    spared = {each.rule_ids for each in of("rule_redundant", named)}
    assert spared == ({("sgr-1",)} if account == OTHER_ACCOUNT else set())
