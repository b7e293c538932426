"""Rules, groups' peers, ends of flows and verdicts, as answers spell them."""

from typing import Annotated, Literal

from pydantic import Field, RootModel
from pydantic.json_schema import SkipJsonSchema

from app.api.schemas.base import Out, left_out
from app.domain.addresses import AddressFamily
from app.domain.flows import Cause, Outcome, SideOutcome
from app.domain.rules import Direction, NicType, Policy, Protocol


class BlockPeer(Out):
    """Addresses: everyone in the block."""

    cidr: Annotated[str, Field(description="`address/length`.")]


class GroupPeer(Out):
    """A security group: all of its members, now and later."""

    group_id: str
    account_id: Annotated[str, Field(description="The account that owns the group.")]


class PrefixListPeer(Out):
    """A prefix list: the blocks that stand in it, now and later."""

    prefix_list_id: str


class Peer(RootModel[BlockPeer | GroupPeer | PrefixListPeer]):
    """The other end of a rule: source of an ingress rule, destination of an egress rule."""


class RuleMeaning(Out):
    """What a rule says. The smallest priority number is judged first, a drop before an accept."""

    direction: Direction
    policy: Policy
    priority: int
    protocol: Protocol
    port_range: Annotated[
        str | None, Field(description="`first/last`; null where a port list that was not read says")
    ]
    nic_type: NicType
    peer: Peer
    own_cidr: str | SkipJsonSchema[None] = left_out(
        "The own side's addresses that the rule is limited to; absent: every member of the group."
    )
    source_port_range: str | SkipJsonSchema[None] = left_out(
        "The source ports that the rule is limited to; absent: all of them."
    )
    port_list_id: str | SkipJsonSchema[None] = left_out(
        "The port list that holds the ports, where `port_range` is null."
    )


class NewRule(RuleMeaning):
    """A rule to be added."""

    description: str


class Rule(RuleMeaning):
    """A rule in a security group."""

    description: str
    rule_id: str


class ForeignRule(RuleMeaning):
    """A rule that somebody else added, removed or changed."""

    rule_id: str


class DecidingRule(Rule):
    """A rule that decides a verdict, with the group that holds it."""

    group_id: str
    account_id: Annotated[str, Field(description="The account that owns the group.")]


class InstanceEnd(Out):
    """An instance with the address it speaks from."""

    account_id: str
    region_id: str
    instance_id: str
    address: str


class AddressEnd(Out):
    """An address or a block of addresses."""

    address: str


class GroupEnd(Out):
    """A group whose members could not be read."""

    account_id: str
    security_group_id: str


class End(RootModel[InstanceEnd | GroupEnd | AddressEnd]):
    """One end of a flow."""


class SideVerdict(Out):
    """What one side says, and the rules because of which."""

    verdict: SideOutcome
    code: Cause
    rules: list[DecidingRule]


class PathVerdict(Out):
    """May the flow pass, and because of what."""

    verdict: Outcome
    code: Cause
    summary: Annotated[str, Field(description="One sentence for people.")]
    egress: Annotated[SideVerdict, Field(description="What the source's groups say.")]
    ingress: Annotated[SideVerdict, Field(description="What the target's groups say.")]
    shared_group_ids: Annotated[
        list[str], Field(description="Groups that connect both ends, where `code` is intra_group.")
    ]


class Traffic(Out):
    """From where to where, and which packets."""

    source: End
    target: End
    protocol: Protocol
    port_range: Annotated[str, Field(description="`first/last`; `-1/-1` without ports.")]
    source_port_range: str | SkipJsonSchema[None] = left_out("Absent: every source port.")
    nic_type: NicType
    address_family: AddressFamily


class FlowVerdict(Traffic, PathVerdict):
    """A flow and its verdict."""


class Effect(Out):
    """Something that took effect in the cloud because of us."""

    kind: Annotated[
        Literal[
            "added_rule",
            "removed_rule",
            "joined",
            "left",
            "inner_access_set",
            "created_group",
            "deleted_group",
        ],
        Field(description="What took effect."),
    ]
    account_id: str
    region_id: str
    group_id: str
    rule: Rule | SkipJsonSchema[None] = left_out("The rule, as it was read back.")
    instance_id: str | SkipJsonSchema[None] = left_out("The instance that joined or left.")
    group_name: str | SkipJsonSchema[None] = left_out("The name of the group.")
    inner_access: Policy | SkipJsonSchema[None] = left_out("The policy as it is now.")


class ForeignChange(Out):
    """What somebody else changed while an operation ran; it is never undone by us."""

    kind: Literal[
        "rule_added",
        "rule_removed",
        "rule_changed",
        "joined",
        "left",
        "inner_access_changed",
        "group_gone",
    ]
    account_id: str
    region_id: str
    group_id: str
    rule: ForeignRule | SkipJsonSchema[None] = left_out("The rule as it is, or was, without text.")
    instance_id: str | SkipJsonSchema[None] = left_out("The member that came or went.")
    inner_access: Policy | SkipJsonSchema[None] = left_out("The policy as it is now.")


class Adopted(Out):
    """A rule or membership that a connection rests on and that is not ours: never removed."""

    group_id: str
    account_id: str | SkipJsonSchema[None] = left_out("The account that owns the group.")
    rule_id: str | SkipJsonSchema[None] = left_out("The rule.")
    instance_id: str | SkipJsonSchema[None] = left_out("The member of the group.")
