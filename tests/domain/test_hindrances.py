"""Each thing that can stand in the way, and the change that opens it."""

from dataclasses import replace

import pytest

from app.domain.changes import Authorize, Revoke
from app.domain.evaluate import explain
from app.domain.flows import Flow, Outcome
from app.domain.groups import GroupKind, Instance
from app.domain.hindrances import Hindrance, HindranceCode, hindrances
from app.domain.remedies import remedy
from app.domain.rules import Direction, HeldRule, NicType
from app.domain.world import World
from tests.support.worlds import REGION, VPC, address, flow, group, instance, rule, world

A = instance(instance_id="i-a", addresses=["10.170.1.1"], groups=["sg-1"], public="47.0.0.1")
B = instance(instance_id="i-b", addresses=["10.170.1.2"], groups=["sg-2"], public="47.0.0.2")
SSH = flow(A, B, ports="22")


def classic(*target: HeldRule, source: tuple[HeldRule, ...] = ()) -> World:
    """A in sg-1, B in sg-2, which holds the rules."""
    groups = [group(group_id="sg-1", rules=source), group(group_id="sg-2", rules=target)]
    return world(groups=groups, instances=[A, B])


def in_vpc(
    *target: HeldRule, source: tuple[HeldRule, ...] = (), kind: GroupKind = GroupKind.ENTERPRISE
) -> tuple[World, Instance, Instance]:
    a = instance(instance_id="i-a", addresses=["10.0.0.1"], groups=["sg-1"], vpc_id=VPC)
    b = instance(instance_id="i-b", addresses=["10.0.0.2"], groups=["sg-2"], vpc_id=VPC)
    groups = [
        group(group_id="sg-1", vpc_id=VPC, kind=kind, rules=source),
        group(group_id="sg-2", vpc_id=VPC, kind=kind, rules=target),
    ]
    return world(groups=groups, instances=[a, b]), a, b


def found(of: World, asked: Flow) -> tuple[Hindrance, ...]:
    return hindrances(of, explain(of, asked))


def named(of: World, asked: Flow) -> list[tuple[str, str | None, str | None]]:
    """Code, group and rule of everything found, in order."""
    return [
        (each.code.value, None if each.group is None else each.group.group_id, each.rule_id)
        for each in found(of, asked)
    ]


# --- the network and the instances ----------------------------------------------------


def test_a_side_without_an_address_there_is_named() -> None:
    mute = replace(B, enis=(replace(B.primary, public_address=None),))
    asked = replace(
        flow(A, address("47.0.0.9"), ports="22", plane=NicType.INTERNET), target=flow(A, B).target
    )
    of = replace(classic(), instances={"i-a": A, "i-b": mute})
    assert named(of, asked) == [("no_address", None, None)]
    assert remedy(of, explain(of, asked)) == ()


@pytest.mark.parametrize(
    ("region", "vpc_id", "codes"),
    [
        ("cn-beijing", None, ["other_region"]),
        (REGION, VPC, ["no_classic_link"]),
        ("cn-beijing", VPC, ["other_region", "no_classic_link"]),
    ],
)
def test_a_network_that_is_not_joined_is_named_before_the_rules(
    region: str, vpc_id: str | None, codes: list[str]
) -> None:
    b = replace(B, place=replace(B.place, region_id=region), vpc_id=vpc_id)
    of = replace(classic(), instances={"i-a": A, "i-b": b})
    asked = flow(A, b, ports="22")
    assert [code for code, _, _ in named(of, asked)] == [*codes, "ingress_default"]
    assert remedy(of, explain(of, asked)) == ()


def test_another_vpc_is_named() -> None:
    of, a, b = in_vpc(rule(), kind=GroupKind.BASIC)
    far = replace(b, vpc_id="vpc-2")
    assert named(of, flow(a, far, ports="22")) == [("other_vpc", None, None)]


def test_a_link_across_accounts_is_said_to_be_impossible() -> None:
    b = instance(instance_id="i-b", addresses=["10.0.0.2"], vpc_id=VPC, account="2" * 16)
    (link, *_) = found(classic(), flow(A, b, ports="22"))
    assert link.code is HindranceCode.NO_CLASSIC_LINK
    assert "none can be made to another account's VPC" in link.detail


def test_an_instance_that_does_not_run_is_named_beside_the_rules() -> None:
    stopped = replace(B, status="Stopped")
    of = replace(classic(), instances={"i-a": A, "i-b": stopped})
    assert [code for code, _, _ in named(of, flow(A, stopped, ports="22"))] == [
        "not_running",
        "ingress_default",
    ]


def test_an_instance_that_does_not_run_is_judged_as_if_it_ran() -> None:
    stopped = replace(B, status="Stopped")
    of = classic(rule(ports="22"))
    assert explain(of, flow(A, stopped, ports="22")).outcome is Outcome.REACHABLE
    assert found(of, flow(A, stopped, ports="22")) == ()


# --- the rules ---------------------------------------------------------------------


def test_a_port_that_nothing_accepts_is_refused_by_default() -> None:
    assert named(classic(), SSH) == [("ingress_default", "sg-2", None)]
    (planned,) = remedy(classic(), explain(classic(), SSH))
    change = planned.change
    assert isinstance(change, Authorize)
    assert (change.group_id, change.direction) == ("sg-2", Direction.INGRESS)
    assert [new.rule for new in change.rules] == [
        rule(ports="22", peer="10.170.1.1/32", own="10.170.1.2/32").rule
    ]


def test_a_common_group_that_keeps_its_members_apart_is_named() -> None:
    b = instance(instance_id="i-b", addresses=["10.170.1.2"], groups=["sg-1"])
    of = world(groups=[group(inner_access="drop")], instances=[A, b])
    (only,) = found(of, flow(A, b, ports="22"))
    assert only.code is HindranceCode.INGRESS_DEFAULT
    assert "sg-1, of both ends, does not connect its members here" in only.detail


def test_an_accept_on_the_public_side_is_named_for_a_private_flow() -> None:
    of = classic(rule(ports="22", nic_type="internet"))
    assert named(of, SSH) == [
        ("ingress_default", "sg-2", None),
        ("wrong_nic_type", "sg-2", "sgr-1"),
    ]


def test_a_rule_on_the_wrong_side_is_not_named_where_the_flow_passes() -> None:
    of = classic(rule(ports="22", nic_type="internet"), rule(rule_id="sgr-2", ports="22"))
    assert found(of, SSH) == ()


def test_every_drop_that_no_accept_beats_is_named_and_no_other() -> None:
    of = classic(
        rule(rule_id="sgr-7", policy="drop", priority=7),
        rule(rule_id="sgr-3", policy="drop", priority=3, peer="10.170.1.0/24"),
        rule(rule_id="sgr-5", ports="22", priority=7),
        rule(rule_id="sgr-9", policy="drop", priority=9),
        rule(rule_id="sgr-2", policy="drop", priority=2, ports="23"),
    )
    assert named(of, SSH) == [
        ("ingress_drop", "sg-2", "sgr-3"),
        ("ingress_drop", "sg-2", "sgr-7"),
    ]
    (planned,) = remedy(of, explain(of, SSH))
    assert isinstance(planned.change, Authorize)
    assert [new.rule.priority for new in planned.change.rules] == [2]


def test_a_drop_of_the_best_priority_must_be_removed_first_and_that_is_said() -> None:
    held = rule(rule_id="sgr-3", policy="drop", priority=1)
    of = classic(held)
    drop = found(of, SSH)[1]
    assert (drop.code, drop.rule_id) == (HindranceCode.INGRESS_DROP, "sgr-3")
    assert "it must be removed first" in drop.detail
    first, second = remedy(of, explain(of, SSH))
    assert isinstance(first.change, Revoke)
    assert first.change.held == (held,)
    assert isinstance(second.change, Authorize)


def test_removing_the_drop_is_enough_where_an_accept_stands_behind_it() -> None:
    of = classic(rule(rule_id="sgr-3", policy="drop"), rule(ports="22"))
    (only,) = remedy(of, explain(of, SSH))
    assert isinstance(only.change, Revoke)


def test_a_drop_at_the_source_is_named_after_those_at_the_target() -> None:
    held = rule(rule_id="sgr-out", direction="egress", policy="drop", priority=4)
    of = classic(rule(rule_id="sgr-in", policy="drop", priority=2), source=(held,))
    assert named(of, SSH) == [
        ("ingress_default", "sg-2", None),
        ("ingress_drop", "sg-2", "sgr-in"),
        ("egress_drop", "sg-1", "sgr-out"),
    ]
    changes = [each.change for each in remedy(of, explain(of, SSH))]
    assert [(each.group_id, type(each)) for each in changes] == [
        ("sg-2", Authorize),
        ("sg-1", Authorize),
    ]


def test_an_enterprise_group_sends_nothing_out_by_default() -> None:
    of, a, b = in_vpc(rule(ports="22"))
    asked = flow(a, b, ports="22")
    assert named(of, asked) == [("egress_default", "sg-1", None)]
    (planned,) = remedy(of, explain(of, asked))
    assert isinstance(planned.change, Authorize)
    assert [new.rule for new in planned.change.rules] == [
        rule(direction="egress", ports="22", peer="10.0.0.2/32", own="10.0.0.1/32").rule
    ]


def test_a_ping_is_told_from_a_service_that_answers() -> None:
    of = classic(rule(ports="80/90"))
    icmp = found(of, flow(A, B, protocol="icmp"))
    assert [each.code.value for each in icmp] == ["ingress_default", "icmp_not_allowed"]
    assert icmp[1].detail.startswith("tcp port 80 passes, icmp does not")
    assert [code for code, _, _ in named(classic(), flow(A, B, protocol="icmp"))] == [
        "ingress_default"
    ]


def test_a_rule_in_the_group_of_the_source_is_on_the_wrong_group() -> None:
    of = classic(source=(rule(rule_id="sgr-lost", ports="22", peer="10.170.1.1/32"),))
    assert named(of, SSH) == [
        ("ingress_default", "sg-2", None),
        ("other_group", "sg-1", "sgr-lost"),
    ]


@pytest.mark.parametrize("peer", ["10.170.1.1/32", "sg-1"])
def test_a_rule_in_a_group_of_neither_end_that_names_the_source_is_on_the_wrong_group(
    peer: str,
) -> None:
    lost = rule(rule_id="sgr-lost", ports="20/30", peer=peer)
    third = group(group_id="sg-3", rules=[lost])
    deaf = group(group_id="sg-4", rules=[rule(rule_id="sgr-deaf", ports="23", peer=peer)])
    broad = group(group_id="sg-5", rules=[rule(rule_id="sgr-broad", ports="22")])
    base = classic()
    of = replace(base, groups={**base.groups, "sg-3": third, "sg-4": deaf, "sg-5": broad})
    assert named(of, SSH)[1:] == [("other_group", "sg-3", "sgr-lost")]


def test_a_rule_that_names_a_bare_address_is_found_in_another_group() -> None:
    lost = rule(rule_id="sgr-lost", ports="22", peer="10.170.9.9/32")
    base = classic()
    of = replace(base, groups={**base.groups, "sg-3": group(group_id="sg-3", rules=[lost])})
    asked = flow(address("10.170.9.9"), B, ports="22")
    assert named(of, asked) == [
        ("ingress_default", "sg-2", None),
        ("other_group", "sg-3", "sgr-lost"),
    ]


def test_what_could_not_be_read_is_named_beside_what_surely_blocks() -> None:
    doubtful = rule(rule_id="sgr-list", peer="pl-lost", policy="drop", priority=5)
    of = classic(doubtful)
    assert named(of, SSH) == [("ingress_default", "sg-2", None), ("unreadable", "sg-2", "sgr-list")]
    (planned,) = remedy(of, explain(of, SSH))
    assert isinstance(planned.change, Authorize)
    assert planned.change.rules[0].rule.priority == 4


def test_a_group_that_could_not_be_read_leaves_no_sure_remedy() -> None:
    b = instance(instance_id="i-b", addresses=["10.170.1.2"], groups=["sg-2", "sg-lost"])
    of = classic(rule(rule_id="sgr-3", policy="drop"))
    of = replace(of, instances={"i-a": A, "i-b": b})
    asked = flow(A, b, ports="22")
    assert named(of, asked) == [
        ("ingress_drop", "sg-2", "sgr-3"),
        ("unreadable", "sg-lost", None),
    ]
    assert remedy(of, explain(of, asked)) == ()


def test_a_drop_behind_an_accept_that_could_not_be_read_is_not_said_to_block() -> None:
    of = classic(
        rule(rule_id="sgr-list", peer="pl-lost", priority=2),
        rule(rule_id="sgr-drop", policy="drop", priority=3),
        source=(rule(rule_id="sgr-out", direction="egress", policy="drop", priority=4),),
    )
    assert named(of, SSH) == [
        ("egress_drop", "sg-1", "sgr-out"),
        ("unreadable", "sg-2", "sgr-list"),
    ]


def test_a_drop_that_a_group_nobody_could_read_may_beat_is_not_said_to_block() -> None:
    b = instance(instance_id="i-b", addresses=["10.170.1.2"], groups=["sg-2", "sg-lost"])
    of = classic(
        rule(rule_id="sgr-in", policy="drop", priority=2),
        source=(rule(rule_id="sgr-out", direction="egress", policy="drop", priority=4),),
    )
    of = replace(of, instances={"i-a": A, "i-b": b})
    assert named(of, flow(A, b, ports="22")) == [
        ("egress_drop", "sg-1", "sgr-out"),
        ("unreadable", "sg-lost", None),
    ]


def test_a_group_of_a_cloud_product_is_named_and_not_changed() -> None:
    base = classic()
    of = replace(base, groups={**base.groups, "sg-2": replace(base.groups["sg-2"], managed=True)})
    assert named(of, SSH) == [("ingress_default", "sg-2", None), ("managed_group", "sg-2", None)]
    assert remedy(of, explain(of, SSH)) == ()


def test_what_passes_or_cannot_be_judged_has_no_hindrance_and_no_remedy() -> None:
    unknown = classic(rule(peer="pl-lost"))
    assert explain(unknown, SSH).outcome is Outcome.UNKNOWN
    for of in (unknown, classic(rule())):
        assert found(of, SSH) == ()
        assert remedy(of, explain(of, SSH)) == ()
