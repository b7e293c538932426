"""Cases from the vendor's manual and from what the words of a verdict promise."""

import pytest

from app.domain.addresses import AddressFamily
from app.domain.evaluate import explain
from app.domain.flows import Cause, Flow, Outcome, SideOutcome
from app.domain.groups import Group, GroupKind, GroupRef, Instance
from app.domain.rules import HeldRule, NicType
from app.domain.sentences import sentence
from app.domain.world import GroupEnd, World
from tests.support.worlds import (
    OTHER_ACCOUNT,
    VPC,
    address,
    end,
    flow,
    group,
    instance,
    rule,
    world,
)

A = instance(instance_id="i-a", addresses=["10.170.1.1"], groups=["sg-1"])
B = instance(instance_id="i-b", addresses=["10.170.1.2"], groups=["sg-2"])
FAR = GroupRef("sg-far", OTHER_ACCOUNT)


def two_groups(*rules: HeldRule, first: tuple[HeldRule, ...] = ()) -> World:
    """A in sg-1, B in sg-2, which holds `rules`."""
    groups = [group(group_id="sg-1", rules=first), group(group_id="sg-2", rules=rules)]
    return world(groups=groups, instances=[A, B])


def ask(of: World, question: Flow) -> tuple[Outcome, Cause]:
    verdict = explain(of, question)
    return verdict.outcome, verdict.cause


def in_vpc(
    *rules: HeldRule, kind: GroupKind = GroupKind.BASIC, second: GroupKind | None = None
) -> tuple[World, Instance, Instance]:
    """Two instances of one VPC in a group each; the second group holds `rules`."""
    a = instance(instance_id="i-a", addresses=["10.0.0.1", "fd00::1"], vpc_id=VPC)
    b = instance(instance_id="i-b", addresses=["10.0.0.2", "fd00::2"], groups=["sg-2"], vpc_id=VPC)
    groups: list[Group] = [
        group(group_id="sg-1", vpc_id=VPC, kind=kind),
        group(group_id="sg-2", vpc_id=VPC, kind=second or kind, rules=rules),
    ]
    return world(groups=groups, instances=[a, b]), a, b


# --- the six scenarios: two classic instances in one region -------------------------


def test_members_of_one_basic_group_reach_each_other() -> None:
    b = instance(instance_id="i-b", addresses=["10.170.1.2"], groups=["sg-1"])
    verdict = explain(world(groups=[group()], instances=[A, b]), flow(A, b, ports="3306"))
    assert verdict.outcome is Outcome.REACHABLE
    assert verdict.egress.cause is verdict.ingress.cause is Cause.INTRA_GROUP
    assert [ref.group_id for ref in verdict.shared_groups] == ["sg-1"]


def test_members_of_different_groups_do_not_reach_each_other_without_a_rule() -> None:
    verdict = explain(two_groups(), flow(A, B, ports="22"))
    assert verdict.outcome is Outcome.BLOCKED
    assert verdict.egress.outcome is SideOutcome.ALLOWED
    assert (verdict.ingress.outcome, verdict.ingress.cause) == (SideOutcome.BLOCKED, Cause.DEFAULT)


def test_a_rule_for_an_address_opens_one_direction() -> None:
    of = two_groups(rule(ports="22", peer="10.170.1.1/32"))
    assert ask(of, flow(A, B, ports="22")) == (Outcome.REACHABLE, Cause.RULE)
    assert ask(of, flow(B, A, ports="22")) == (Outcome.BLOCKED, Cause.DEFAULT)


def test_a_rule_for_a_group_opens_its_members_and_its_ports_only() -> None:
    of = two_groups(rule(ports="8080", peer="sg-1"))
    assert ask(of, flow(A, B, ports="8080"))[0] is Outcome.REACHABLE
    assert ask(of, flow(A, B, ports="8081"))[0] is Outcome.BLOCKED


def test_a_group_without_rules_connects_those_who_join_it() -> None:
    a = instance(instance_id="i-a", addresses=["10.170.1.1"], groups=["sg-1", "sg-3"])
    b = instance(instance_id="i-b", addresses=["10.170.1.2"], groups=["sg-2", "sg-3"])
    groups = [group(group_id=each) for each in ("sg-1", "sg-2", "sg-3")]
    of = world(groups=groups, instances=[a, b])
    assert ask(of, flow(a, b, protocol="icmp")) == (Outcome.REACHABLE, Cause.INTRA_GROUP)


def test_a_rule_on_the_public_side_of_the_classic_network_does_not_open_the_private_one() -> None:
    of = two_groups(rule(ports="22", peer="10.170.1.1/32", nic_type="internet"))
    assert ask(of, flow(A, B, ports="22"))[0] is Outcome.BLOCKED


# --- which rule wins ---------------------------------------------------------------


def test_a_drop_wins_over_an_accept_of_equal_priority_and_is_named() -> None:
    of = two_groups(rule(peer="sg-1"), rule(rule_id="sgr-2", peer="sg-1", policy="drop"))
    verdict = explain(of, flow(A, B, ports="22"))
    assert verdict.outcome is Outcome.BLOCKED
    assert [each.held.rule_id for each in verdict.ingress.rules] == ["sgr-2"]


def test_the_smallest_priority_wins() -> None:
    of = two_groups(rule(peer="sg-1", priority=1), rule(rule_id="sgr-2", policy="drop", priority=2))
    assert ask(of, flow(A, B, ports="22"))[0] is Outcome.REACHABLE


def test_all_rules_of_the_winning_rank_are_named_in_order() -> None:
    of = two_groups(
        rule(rule_id="sgr-9", peer="10.170.1.1/32"),
        rule(rule_id="sgr-3", peer="sg-1"),
        rule(rule_id="sgr-1", peer="sg-1", priority=2),
    )
    verdict = explain(of, flow(A, B, ports="22"))
    assert [each.held.rule_id for each in verdict.ingress.rules] == ["sgr-3", "sgr-9"]


def test_a_shared_group_that_accepts_beats_every_drop() -> None:
    drops = [
        rule(direction=direction, protocol="all", policy="drop")
        for direction in ("ingress", "egress")
    ]
    b = instance(instance_id="i-b", addresses=["10.170.1.2"])
    of = world(groups=[group(rules=drops)], instances=[A, b])
    assert ask(of, flow(A, b, ports="22")) == (Outcome.REACHABLE, Cause.INTRA_GROUP)


def test_an_isolated_group_leaves_the_verdict_to_the_rules() -> None:
    b = instance(instance_id="i-b", addresses=["10.170.1.2"])
    closed = world(groups=[group(inner_access="drop")], instances=[A, b])
    assert ask(closed, flow(A, b, ports="22")) == (Outcome.BLOCKED, Cause.DEFAULT)
    opened = group(inner_access="drop", rules=[rule(peer="10.170.1.1/32")])
    assert ask(world(groups=[opened], instances=[A, b]), flow(A, b))[0] is Outcome.REACHABLE


def test_a_shared_group_says_nothing_of_public_addresses() -> None:
    a = instance(instance_id="i-a", public="47.0.0.1")
    b = instance(instance_id="i-b", addresses=["10.0.0.2"], public="47.0.0.2")
    of = world(groups=[group()], instances=[a, b])
    assert ask(of, flow(a, b, plane=NicType.INTERNET))[0] is Outcome.BLOCKED


# --- ports and protocols ------------------------------------------------------------


def test_neighbouring_rules_open_a_range_together() -> None:
    of = two_groups(rule(ports="1/100", peer="sg-1"), rule(rule_id="sgr-2", ports="101/200"))
    verdict = explain(of, flow(A, B, ports="50/150"))
    assert verdict.outcome is Outcome.REACHABLE
    assert len(verdict.ingress.rules) == 2
    assert ask(of, flow(A, B, ports="50/201"))[0] is Outcome.BLOCKED


def test_source_ports_narrow_a_rule() -> None:
    of = two_groups(rule(ports="22", source_ports="1024/65535"))
    assert ask(of, flow(A, B, ports="22", source_ports="2000"))[0] is Outcome.REACHABLE
    assert ask(of, flow(A, B, ports="22"))[0] is Outcome.BLOCKED


def test_a_rule_narrowed_to_another_member_does_not_open_this_one() -> None:
    of = two_groups(rule(own="10.170.1.3/32"))
    assert ask(of, flow(A, B))[0] is Outcome.BLOCKED
    assert ask(two_groups(rule(own="10.170.1.2/32")), flow(A, B))[0] is Outcome.REACHABLE


def test_tcp_alone_does_not_open_every_protocol() -> None:
    assert ask(two_groups(rule()), flow(A, B, protocol="all"))[0] is Outcome.BLOCKED
    of = two_groups(rule(protocol="all"))
    assert ask(of, flow(A, B, protocol="all"))[0] is Outcome.REACHABLE


@pytest.mark.parametrize(
    ("protocol", "family", "outcome"),
    [
        ("icmp", AddressFamily.IPV4, Outcome.REACHABLE),
        ("icmp", AddressFamily.IPV6, Outcome.BLOCKED),
        ("icmpv6", AddressFamily.IPV6, Outcome.REACHABLE),
        ("icmpv6", AddressFamily.IPV4, Outcome.BLOCKED),
    ],
)
def test_icmp_is_of_ipv4_and_icmpv6_of_ipv6(
    protocol: str, family: AddressFamily, outcome: Outcome
) -> None:
    of, a, b = in_vpc(rule(protocol=protocol, peer="sg-1"))
    native = "icmp" if family is AddressFamily.IPV4 else "icmpv6"
    assert ask(of, flow(a, b, protocol=native, family=family))[0] is outcome


def test_every_ipv4_address_is_no_ipv6_address() -> None:
    of, a, b = in_vpc(rule(peer="0.0.0.0/0"))
    assert ask(of, flow(a, b, family=AddressFamily.IPV6))[0] is Outcome.BLOCKED


# --- networks -----------------------------------------------------------------------


def test_an_enterprise_group_refuses_egress_without_a_rule() -> None:
    of, a, b = in_vpc(rule(), kind=GroupKind.ENTERPRISE)
    verdict = explain(of, flow(a, b, ports="22"))
    assert (verdict.outcome, verdict.cause) == (Outcome.BLOCKED, Cause.DEFAULT)
    assert verdict.egress.outcome is SideOutcome.BLOCKED


def test_in_a_vpc_one_rule_judges_public_and_private_traffic() -> None:
    b = instance(instance_id="i-b", groups=["sg-2"], public="47.0.0.2", vpc_id=VPC)
    of = world(groups=[group(group_id="sg-2", vpc_id=VPC, rules=[rule(ports="80")])], instances=[b])
    question = flow(address("8.8.8.8"), b, ports="80", plane=NicType.INTERNET)
    assert ask(of, question) == (Outcome.REACHABLE, Cause.RULE)


def test_a_group_as_peer_never_stands_for_public_addresses() -> None:
    a = instance(instance_id="i-a", public="47.0.0.1", vpc_id=VPC)
    b = instance(instance_id="i-b", groups=["sg-2"], public="47.0.0.2", vpc_id=VPC)
    of, _, _ = in_vpc(rule(peer="sg-1"))
    assert ask(of, flow(a, b, plane=NicType.INTERNET))[0] is Outcome.BLOCKED


@pytest.mark.parametrize(
    ("link", "account", "cause"),
    [
        (None, A.place.account_id, Cause.NO_ROUTE),
        ("vpc-2", A.place.account_id, Cause.NO_ROUTE),
        (VPC, A.place.account_id, Cause.RULE),
        (VPC, OTHER_ACCOUNT, Cause.NO_ROUTE),
    ],
)
def test_classic_link_joins_a_classic_instance_and_one_vpc_of_its_account(
    link: str | None, account: str, cause: Cause
) -> None:
    a = instance(instance_id="i-a", classic_link=link)
    b = instance(
        instance_id="i-b", addresses=["10.0.0.2"], groups=["sg-2"], vpc_id=VPC, account=account
    )
    of = world(
        groups=[group(), group(group_id="sg-2", vpc_id=VPC, rules=[rule(peer="sg-1")])],
        instances=[a, b],
    )
    assert explain(of, flow(a, b, ports="22")).cause is cause


@pytest.mark.parametrize(
    "b",
    [
        instance(instance_id="i-b", region="cn-beijing", groups=["sg-2"]),
        instance(instance_id="i-b", vpc_id=VPC, groups=["sg-2"]),
    ],
)
def test_other_regions_and_networks_have_no_route(b: Instance) -> None:
    of = two_groups(rule(protocol="all"))
    assert ask(of, flow(A, b)) == (Outcome.BLOCKED, Cause.NO_ROUTE)


def test_an_instance_without_a_public_address_has_no_route_on_the_internet() -> None:
    question = flow(end(A), address("8.8.8.8"), plane=NicType.INTERNET)
    assert ask(two_groups(), question) == (Outcome.BLOCKED, Cause.NO_ROUTE)


# --- what could not be read ---------------------------------------------------------


def test_a_block_that_is_partly_named_is_blocked_for_some_of_its_packets_are() -> None:
    of = two_groups(rule(peer="10.0.0.0/25"))
    assert ask(of, flow(address("10.0.0.0/24"), B))[0] is Outcome.BLOCKED
    assert ask(of, flow(address("10.0.0.0/26"), B))[0] is Outcome.REACHABLE
    assert ask(of, flow(address("10.0.1.0/24"), B))[0] is Outcome.BLOCKED


def test_prefix_list_entries_may_cover_a_block_together() -> None:
    lists = {"pl-1": ["10.0.0.0/25", "10.0.0.128/25"]}
    groups = [group(group_id="sg-2", rules=[rule(peer="pl-1")])]
    of = world(groups=groups, instances=[B], prefix_lists=lists)
    assert ask(of, flow(address("10.0.0.0/24"), B))[0] is Outcome.REACHABLE


def test_an_unread_prefix_list_makes_unknown_only_what_it_could_change() -> None:
    maybe = rule(peer="pl-1", ports="22")
    assert ask(two_groups(maybe), flow(A, B, ports="22")) == (
        Outcome.UNKNOWN,
        Cause.UNREADABLE,
    )
    assert ask(two_groups(maybe), flow(A, B, ports="23"))[0] is Outcome.BLOCKED
    open_anyway = two_groups(maybe, rule(rule_id="sgr-2", priority=5))
    assert ask(open_anyway, flow(A, B, ports="22"))[0] is Outcome.REACHABLE
    closed_anyway = two_groups(maybe, rule(rule_id="sgr-2", policy="drop"))
    assert ask(closed_anyway, flow(A, B, ports="22"))[0] is Outcome.BLOCKED


def test_an_unread_port_list_is_unknown_and_its_rule_is_named() -> None:
    verdict = explain(two_groups(rule(ports=None)), flow(A, B, ports="22"))
    assert verdict.outcome is Outcome.UNKNOWN
    assert [each.held.rule_id for each in verdict.ingress.rules] == ["sgr-1"]


def test_an_unread_group_makes_its_side_unknown_but_for_a_first_drop() -> None:
    b = instance(instance_id="i-b", addresses=["10.170.1.2"], groups=["sg-2", "sg-lost"])
    of = two_groups(rule(peer="sg-1", priority=2))
    assert ask(of, flow(A, b, ports="22"))[0] is Outcome.UNKNOWN
    dropped = two_groups(rule(policy="drop"))
    assert ask(dropped, flow(A, b, ports="22"))[0] is Outcome.BLOCKED


def test_a_shared_group_that_could_not_be_read_may_connect() -> None:
    both = ["sg-lost"]
    a = instance(instance_id="i-a", groups=["sg-1", *both])
    b = instance(instance_id="i-b", addresses=["10.0.0.2"], groups=["sg-2", *both])
    verdict = explain(two_groups(rule(policy="drop")), flow(a, b))
    assert (verdict.outcome, verdict.cause) == (Outcome.UNKNOWN, Cause.UNREADABLE)


def test_a_bare_address_may_be_a_member_of_a_group_whose_members_are_not_all_known() -> None:
    groups = [group(), group(group_id="sg-2", rules=[rule(peer="sg-1")])]
    question = flow(address("10.0.0.9"), B)
    partial = world(groups=groups, instances=[B], complete=["sg-2"])
    assert ask(partial, question)[0] is Outcome.UNKNOWN
    assert ask(world(groups=groups, instances=[B]), question)[0] is Outcome.BLOCKED


def test_an_unread_account_is_blocked_where_our_side_blocks_and_unknown_else() -> None:
    members = GroupEnd(FAR, AddressFamily.IPV4)
    named = two_groups(rule(peer="sg-far", peer_account=OTHER_ACCOUNT, ports="22"))
    assert ask(named, flow(members, B, ports="22"))[0] is Outcome.UNKNOWN
    assert ask(named, flow(members, B, ports="23"))[0] is Outcome.BLOCKED
    assert explain(named, flow(members, B, ports="22")).ingress.outcome is SideOutcome.ALLOWED


def test_an_address_outside_is_not_judged() -> None:
    verdict = explain(two_groups(), flow(A, address("10.0.0.9"), ports="22"))
    assert verdict.outcome is Outcome.REACHABLE
    assert verdict.ingress.cause is Cause.NOT_JUDGED
    assert verdict.cause is Cause.DEFAULT


# --- words --------------------------------------------------------------------------


def test_the_summary_names_instances_ports_rules_and_groups() -> None:
    of = two_groups(rule(ports="22", peer="10.170.1.1/32"))
    assert sentence(explain(of, flow(A, B, ports="22"))) == (
        "tcp port 22 from i-a (10.170.1.1) to i-b (10.170.1.2) on the intranet side is reachable: "
        "egress of i-a (10.170.1.1) is allowed by default, and "
        "ingress of i-b (10.170.1.2) is allowed by rule sgr-1 of sg-2."
    )
