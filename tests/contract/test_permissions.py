"""What the wire says of a rule, in every spelling that it has."""

import pytest

from app.adapters.ecs.permissions import UnreadableRuleError, held_rule
from app.domain.addresses import Block
from app.domain.rules import (
    ANY_PORT,
    GroupPeer,
    NicType,
    Peer,
    Policy,
    PortRange,
    PrefixListPeer,
    Protocol,
)
from tests.support.clouds import ACCOUNT, OTHER_ACCOUNT
from tests.support.worlds import rule

FIELDS = {
    "SecurityGroupRuleId": "sgr-1",
    "Direction": "ingress",
    "IpProtocol": "TCP",
    "PortRange": "22/22",
    "SourcePortRange": "",
    "SourceCidrIp": "10.0.0.1/32",
    "Ipv6SourceCidrIp": "",
    "SourceGroupId": "",
    "SourceGroupOwnerAccount": "",
    "SourcePrefixListId": "",
    "DestCidrIp": "",
    "Ipv6DestCidrIp": "",
    "DestGroupId": "",
    "DestGroupOwnerAccount": "",
    "DestPrefixListId": "",
    "NicType": "intranet",
    "Policy": "Accept",
    "Priority": "1",
    "Description": "",
}


def read(**fields: object) -> object:
    return held_rule(FIELDS | fields, account_id=ACCOUNT).rule


def test_empty_fields_are_absent() -> None:
    assert held_rule(FIELDS, account_id=ACCOUNT) == rule(ports="22", peer="10.0.0.1/32")
    bare = {name: value for name, value in FIELDS.items() if value}
    assert held_rule(bare, account_id=ACCOUNT) == rule(ports="22", peer="10.0.0.1/32")


@pytest.mark.parametrize(
    ("text", "protocol"),
    [
        ("tcp", Protocol.TCP),
        ("6", Protocol.TCP),
        ("UDP", Protocol.UDP),
        ("17", Protocol.UDP),
        ("ICMP", Protocol.ICMP),
        ("1", Protocol.ICMP),
        ("GRE", Protocol.GRE),
        ("47", Protocol.GRE),
        ("ICMPv6", Protocol.ICMPV6),
        ("58", Protocol.ICMPV6),
        ("ALL", Protocol.ALL),
        ("50", Protocol.OTHER),
        ("AH", Protocol.OTHER),
    ],
)
def test_a_protocol_has_many_names(text: str, protocol: Protocol) -> None:
    found = held_rule(FIELDS | {"IpProtocol": text}, account_id=ACCOUNT)
    assert found.rule.protocol is protocol


@pytest.mark.parametrize("priority", ["100", 100])
def test_a_priority_is_text_or_a_number(priority: object) -> None:
    assert read(Priority=priority) == rule(ports="22", peer="10.0.0.1/32", priority=100).rule


def test_the_priority_of_old_default_rules_is_read() -> None:
    assert read(Priority=110) == rule(ports="22", peer="10.0.0.1/32", priority=110).rule


@pytest.mark.parametrize(
    ("text", "meant"),
    [("10.0.0.1", "10.0.0.1/32"), ("10.159.6.18/12", "10.144.0.0/12"), ("0.0.0.0/0",) * 2],
)
def test_a_block_is_read_in_any_spelling(text: str, meant: str) -> None:
    assert read(SourceCidrIp=text) == rule(ports="22", peer=meant).rule


def test_an_ipv6_block_is_read_in_any_spelling() -> None:
    found = read(SourceCidrIp="", Ipv6SourceCidrIp="2001:0DB8:0::/32")
    assert found == rule(ports="22", peer="2001:db8::/32").rule


ALL_PEERS = {
    "SourceCidrIp": "10.0.0.1/32",
    "SourceGroupId": "sg-1",
    "SourceGroupOwnerAccount": OTHER_ACCOUNT,
    "SourcePrefixListId": "pl-1",
}


@pytest.mark.parametrize(
    ("absent", "peer"),
    [
        ((), Block.read("10.0.0.1/32")),
        (("SourceCidrIp",), GroupPeer("sg-1", OTHER_ACCOUNT)),
        (("SourceCidrIp", "SourceGroupOwnerAccount"), GroupPeer("sg-1", ACCOUNT)),
        (("SourceCidrIp", "SourceGroupId"), PrefixListPeer("pl-1")),
    ],
)
def test_a_block_beats_a_group_and_a_group_a_prefix_list(
    absent: tuple[str, ...], peer: Peer
) -> None:
    fields = FIELDS | ALL_PEERS | dict.fromkeys(absent, "")
    assert held_rule(fields, account_id=ACCOUNT).rule.peer == peer


def test_peers_that_do_not_count_are_kept_beside_the_rule() -> None:
    assert held_rule(FIELDS | ALL_PEERS, account_id=ACCOUNT).ignored == (
        GroupPeer("sg-1", OTHER_ACCOUNT),
        PrefixListPeer("pl-1"),
    )
    assert held_rule(FIELDS, account_id=ACCOUNT).ignored == ()


def test_the_other_side_of_a_rule_is_its_own() -> None:
    found = read(DestCidrIp="10.0.0.2/32", SourcePortRange="1024/65535")
    meant = rule(ports="22", peer="10.0.0.1/32", own="10.0.0.2/32", source_ports="1024/65535")
    assert found == meant.rule
    outward = read(Direction="egress", DestCidrIp="10.0.0.2/32")
    meant = rule(direction="egress", ports="22", peer="10.0.0.2/32", own="10.0.0.1/32")
    assert outward == meant.rule


def test_a_port_list_counts_only_without_a_range() -> None:
    listed = FIELDS | {"PortRangeListId": "prl-1"}
    assert held_rule(listed, account_id=ACCOUNT).rule.ports == PortRange(22, 22)
    found = held_rule(listed | {"PortRange": ""}, account_id=ACCOUNT).rule
    assert (found.ports, found.port_list_id) == (None, "prl-1")


def test_ports_that_nothing_says_are_unknown_where_the_protocol_has_any() -> None:
    assert held_rule(FIELDS | {"PortRange": ""}, account_id=ACCOUNT).rule.ports is None
    ping = FIELDS | {"PortRange": "", "IpProtocol": "ICMP"}
    assert held_rule(ping, account_id=ACCOUNT).rule.ports == ANY_PORT


def test_two_port_lists_make_two_rules() -> None:
    one, other = (read(PortRange="", PortRangeListId=name) for name in ("prl-1", "prl-2"))
    assert one != other


def test_defaults_are_those_of_the_manual() -> None:
    found = held_rule(
        FIELDS | {"Policy": "", "Priority": "", "NicType": ""}, account_id=ACCOUNT
    ).rule
    assert (found.policy, found.priority, found.nic_type) == (Policy.ACCEPT, 1, NicType.INTRANET)


@pytest.mark.parametrize(
    "fields",
    [
        {"SourceCidrIp": ""},
        {"SourceCidrIp": "somewhere"},
        {"Direction": "sideways"},
        {"Policy": "Perhaps"},
        {"Priority": "high"},
        {"PortRange": "22"},
        {"NicType": "backplane"},
        {"DestCidrIp": "", "Ipv6DestCidrIp": "::/0"},
    ],
)
def test_what_is_not_understood_is_said_with_the_rules_id(fields: dict[str, str]) -> None:
    with pytest.raises(UnreadableRuleError, match="sgr-1"):
        read(**fields)
