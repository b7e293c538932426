"""What every cloud does with a change."""

import pytest

from app.domain.changes import (
    AddedRule,
    Authorize,
    CreateGroup,
    DeleteGroup,
    Join,
    Leave,
    NewRule,
    Revoke,
    inverse,
)
from app.domain.errors import (
    CloudBusyError,
    CloudNotFoundError,
    CloudRefusedError,
    EmptyChangeError,
    InvalidPortError,
    InvalidProtocolError,
    TooManyItemsError,
)
from app.domain.groups import Place
from app.domain.rules import Direction, HeldRule, Policy, Rule
from app.ports.ecs import Ecs
from tests.contract.conftest import Stage
from tests.support.clouds import ACCOUNT, OTHER_ACCOUNT, REGION, estate, group_entry, instance_entry
from tests.support.worlds import rule

HERE = Place(ACCOUNT, REGION)

CLASSIC_RULES = (
    rule(ports="22", peer="10.0.0.1/32"),
    rule(ports="22", peer="10.0.0.1/32", nic_type="internet"),
    rule(ports="22", peer="10.0.0.1/32", policy="drop", priority=100),
    rule(ports="8000/9000", protocol="udp", peer="10.0.0.0/8"),
    rule(ports="80", peer="10.0.0.1/32", own="10.0.0.2/32", source_ports="1024/65535"),
    rule(protocol="icmp", peer="0.0.0.0/0"),
    rule(protocol="gre", peer="0.0.0.0/0"),
    rule(protocol="all", peer="0.0.0.0/0", nic_type="internet"),
    rule(ports="3306", peer="sg-peer"),
    rule(ports="3306", peer="sg-foreign", peer_account=OTHER_ACCOUNT),
    rule(direction="egress", ports="443", peer="10.0.0.1/32"),
    rule(direction="egress", ports="443", peer="10.0.0.1/32", own="10.0.0.2/32"),
    rule(direction="egress", ports="5432", peer="sg-peer"),
    rule(direction="egress", ports="5432", peer="sg-foreign", peer_account=OTHER_ACCOUNT),
)
VPC_RULES = (
    rule(ports="22", peer="2001:db8::1/128"),
    rule(ports="22", peer="2001:db8::/32", own="2001:db8:1::1/128"),
    rule(protocol="icmpv6", peer="::/0"),
    rule(protocol="all", peer="::/0", direction="egress"),
    rule(ports="22", peer="pl-1"),
    rule(ports="22", peer="pl-1", direction="egress"),
    rule(ports="22", peer="sg-vpc-peer"),
    rule(ports=None, port_list_id="prl-1", peer="10.0.0.1/32"),
    rule(ports=None, port_list_id="prl-1", peer="10.0.0.1/32", direction="egress"),
)
PREFIX_LIST = {
    "PrefixListId": "pl-1",
    "OwnerId": ACCOUNT,
    "RegionId": REGION,
    "AddressFamily": "IPv4",
    "MaxEntries": 5,
    "Entries": ["10.1.0.0/24"],
}
PORT_LIST = {
    "PortRangeListId": "prl-1",
    "OwnerId": ACCOUNT,
    "RegionId": REGION,
    "MaxEntries": 5,
    "Entries": ["80/80"],
}
ESTATE = estate(
    groups=[
        group_entry("sg-1"),
        group_entry("sg-2"),
        group_entry("sg-peer"),
        group_entry("sg-foreign", account=OTHER_ACCOUNT),
        group_entry("sg-vpc", vpc_id="vpc-1"),
        group_entry("sg-vpc-peer", vpc_id="vpc-1"),
    ],
    instances=[instance_entry("i-a", ["sg-2"])],
    prefix_lists=[PREFIX_LIST],
    port_lists=[PORT_LIST],
)


@pytest.fixture
def ecs(stage: Stage) -> Ecs:
    stage.set(ESTATE)
    return stage.ecs()


def adding(group_id: str, *held: HeldRule, description: str = "") -> Authorize:
    rules = tuple(NewRule(one.rule, description) for one in held)
    return Authorize(HERE, group_id, held[0].rule.direction, rules)


def meanings(ecs: Ecs, group_id: str) -> list[Rule]:
    (group,) = ecs.groups([group_id])
    return [held.rule for held in group.rules]


@pytest.mark.parametrize("held", CLASSIC_RULES, ids=lambda held: str(held.rule.peer))
def test_a_classic_rule_reads_back_as_it_was_written(ecs: Ecs, held: HeldRule) -> None:
    ecs.perform(adding("sg-1", held, description="for the test"), token="t-1")
    (group,) = ecs.groups(["sg-1"])
    assert [(found.rule, found.description) for found in group.rules] == [
        (held.rule, "for the test")
    ]


@pytest.mark.parametrize("held", VPC_RULES, ids=lambda held: str(held.rule.peer))
def test_a_vpc_rule_reads_back_as_it_was_written(ecs: Ecs, held: HeldRule) -> None:
    ecs.perform(adding("sg-vpc", held), token="t-1")
    assert meanings(ecs, "sg-vpc") == [held.rule]


@pytest.mark.parametrize("held", [*CLASSIC_RULES], ids=lambda held: str(held.rule.peer))
def test_what_was_added_is_removed_by_its_inverse(ecs: Ecs, held: HeldRule) -> None:
    ecs.perform(adding("sg-1", held), token="t-1")
    (found,) = ecs.groups(["sg-1"])[0].rules
    ecs.perform(inverse(AddedRule(HERE, "sg-1", found)), token="t-2")
    assert meanings(ecs, "sg-1") == []


def test_authorizing_twice_leaves_one_rule(ecs: Ecs) -> None:
    for token in ("first", "second"):
        ecs.perform(adding("sg-1", CLASSIC_RULES[0]), token=token)
    assert meanings(ecs, "sg-1") == [CLASSIC_RULES[0].rule]


def test_both_sides_of_a_classic_group_are_read(ecs: Ecs, stage: Stage) -> None:
    sides = (rule(ports="22"), rule(ports="22", nic_type="internet"))
    ecs.perform(adding("sg-1", *sides), token="t-1")
    stage.forget()
    assert set(meanings(ecs, "sg-1")) == {held.rule for held in sides}
    assert stage.count("DescribeSecurityGroupAttribute") == 2


def test_one_call_reads_a_group_of_a_vpc(ecs: Ecs, stage: Stage) -> None:
    ecs.perform(adding("sg-vpc", *hundred_rules()), token="t-1")
    stage.forget()
    assert len(meanings(ecs, "sg-vpc")) == 100
    assert stage.calls() == {"DescribeSecurityGroups": 1, "DescribeSecurityGroupAttribute": 1}


def hundred_rules() -> tuple[HeldRule, ...]:
    return tuple(rule(ports="22", peer=f"10.0.0.{number}/32") for number in range(100))


def test_a_hundred_rules_go_out_in_one_call(ecs: Ecs, stage: Stage) -> None:
    stage.forget()
    ecs.perform(adding("sg-1", *hundred_rules(), description="x" * 250), token="t-1")
    assert stage.calls() == {"AuthorizeSecurityGroup": 1}
    assert len(stage.truth("sg-1")["Rules"]) == 100
    (group,) = ecs.groups(["sg-1"])
    ecs.perform(Revoke(HERE, "sg-1", Direction.INGRESS, group.rules), token="t-2")
    assert stage.calls()["RevokeSecurityGroup"] == 1
    assert stage.truth("sg-1")["Rules"] == []


def test_a_change_of_no_rules_or_too_many_is_not_sent(ecs: Ecs, stage: Stage) -> None:
    stage.forget()
    with pytest.raises(EmptyChangeError):
        ecs.perform(Authorize(HERE, "sg-1", Direction.INGRESS, ()), token="t-1")
    many = (*hundred_rules(), rule(ports="22", peer="10.0.1.0/32"))
    with pytest.raises(TooManyItemsError):
        ecs.perform(adding("sg-1", *many), token="t-1")
    assert stage.calls() == {}


@pytest.mark.parametrize(
    ("held", "error"),
    [(rule(ports=None), InvalidPortError), (rule(protocol="other"), InvalidProtocolError)],
)
def test_a_rule_that_was_only_half_read_is_never_written(
    ecs: Ecs, held: HeldRule, error: type[Exception]
) -> None:
    with pytest.raises(error):
        ecs.perform(adding("sg-1", held), token="t-1")


def test_the_owner_is_sent_for_foreign_groups_only_and_the_side_always(
    ecs: Ecs, stage: Stage
) -> None:
    peers = (
        rule(ports="1", peer="sg-foreign", peer_account=OTHER_ACCOUNT),
        rule(ports="1", peer="sg-peer"),
    )
    ecs.perform(adding("sg-1", *peers), token="t-1")
    (sent,) = stage.parameters("AuthorizeSecurityGroup")
    assert sent["Permissions.1.SourceGroupOwnerId"] == OTHER_ACCOUNT
    assert "Permissions.2.SourceGroupOwnerId" not in sent
    assert {sent["Permissions.1.NicType"], sent["Permissions.2.NicType"]} == {"intranet"}


def test_a_change_is_made_in_its_own_place_only(ecs: Ecs, stage: Stage) -> None:
    stage.forget()
    for place in (Place(OTHER_ACCOUNT, REGION), Place(ACCOUNT, "cn-beijing")):
        with pytest.raises(ValueError, match="cannot be made"):
            ecs.perform(DeleteGroup(place, "sg-1"), token="t-1")
    assert stage.calls() == {}


def test_the_same_token_makes_one_group(ecs: Ecs) -> None:
    change = CreateGroup(HERE, "sg-new", "made-by-test", None, "made by a test")
    first, second = (ecs.perform(change, token="t-create") for _ in range(2))
    assert first.group_id == second.group_id
    assert first.group_id
    (group,) = ecs.groups([first.group_id])
    assert (group.name, group.vpc_id, group.rules) == ("made-by-test", None, ())


def test_another_token_makes_another_group(ecs: Ecs) -> None:
    change = CreateGroup(HERE, "sg-new", "made-by-test", "vpc-1")
    ids = {ecs.perform(change, token=token).group_id for token in ("t-1", "t-2")}
    assert len(ids) == 2


def test_a_token_of_any_length_is_taken(ecs: Ecs) -> None:
    change = CreateGroup(HERE, "sg-new", "made-by-test", None)
    ids = {ecs.perform(change, token="ü" * 100).group_id for _ in range(2)}
    assert len(ids) == 1


def test_joining_twice_counts_as_done(ecs: Ecs) -> None:
    for _ in range(2):
        assert ecs.perform(Join(HERE, "sg-1", "i-a"), token="t-1").request_id
    (found,) = ecs.instances(["i-a"])
    assert found.group_ids == {"sg-1", "sg-2"}


@pytest.mark.parametrize("answer", ["not_found", "not_in_group", "success"])
def test_leaving_twice_counts_as_done(ecs: Ecs, stage: Stage, answer: str) -> None:
    from app.simulator.settings import parse_settings

    stage.dispatcher.settings = parse_settings({"variants": {"leave_of_non_member": answer}})
    ecs.perform(Join(HERE, "sg-1", "i-a"), token="t-1")
    for _ in range(2):
        assert ecs.perform(Leave(HERE, "sg-1", "i-a"), token="t-2").request_id
    assert [item.instance_id for item in ecs.members("sg-1")] == []


def test_leaving_the_last_group_is_refused(ecs: Ecs) -> None:
    with pytest.raises(CloudRefusedError) as caught:
        ecs.perform(Leave(HERE, "sg-2", "i-a"), token="t-1")
    assert caught.value.facts["cloud_code"] == "InstanceLastSecurityGroup"


def test_deleting_twice_counts_as_done(ecs: Ecs) -> None:
    for _ in range(2):
        assert ecs.perform(DeleteGroup(HERE, "sg-1"), token="t-1").request_id
    assert ecs.groups(["sg-1"]) == ()


def test_a_group_that_is_used_is_not_deleted(ecs: Ecs) -> None:
    with pytest.raises(CloudBusyError) as caught:
        ecs.perform(DeleteGroup(HERE, "sg-2"), token="t-1")
    assert caught.value.facts["cloud_code"] == "DependencyViolation"


@pytest.mark.parametrize("direction", Direction)
def test_revoking_a_rule_that_is_gone_says_so(ecs: Ecs, direction: Direction) -> None:
    gone = rule(rule_id="sgr-gone", direction=direction.value, ports="22")
    with pytest.raises(CloudNotFoundError):
        ecs.perform(Revoke(HERE, "sg-1", direction, (gone,)), token="t-1")


def test_inner_access_is_set_and_read(ecs: Ecs) -> None:
    for policy in (Policy.DROP, Policy.ACCEPT):
        ecs.set_inner_access("sg-1", policy, token=f"t-{policy}")
        assert ecs.groups(["sg-1"])[0].inner_access is policy
