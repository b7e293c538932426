"""What is wrong with the rules of a group, as answers spell it."""

from typing import Annotated

from pydantic import Field

from app.api.schemas.base import Out
from app.api.schemas.networks import Traffic
from app.api.schemas.reachability import ReadWorld
from app.domain.hygiene import Removal, Severity


class ProvenItem(Traffic):
    """Packets that fare otherwise without the rules of a finding."""

    certain: Annotated[bool, Field(description="False where it depends on what could not be read.")]


class ProvenExposure(Out):
    """What opens, or what closes: exactly counted, the first items listed."""

    pairs: Annotated[int, Field(description="Number of different (source, target) in all.")]
    port_pairs: Annotated[
        int,
        Field(
            description="Number of different (source, target, protocol, port) in all; a protocol "
            "without ports counts as one port."
        ),
    ]
    items: list[ProvenItem]
    truncated: Annotated[bool, Field(description="Whether there are more items than listed.")]


class RuleReference(Out):
    """A rule, by the group that holds it."""

    group_id: str
    account_id: Annotated[str, Field(description="The account that owns the group.")]
    rule_id: str


class Proof(Out):
    """What would change if the rules were removed, and how that is known."""

    removal: Annotated[
        Removal,
        Field(
            description="What the removal of one of the rules changes. `nothing_ever`: nothing for "
            "any address, protocol or port, whatever other groups the members are in. "
            "`nothing_now`: the same while memberships and the groups' rules stay as they are. "
            "`something`: what is lost and gained. `not_meant`: it is not about removing a rule."
        ),
    ]
    statement: Annotated[str, Field(description="The same in a sentence, with figures.")]
    basis: Annotated[str, Field(description="How findings of this kind are known.")]
    because: Annotated[
        list[RuleReference],
        Field(description="Rules that decide in the place of this one, or that beat it."),
    ]
    not_with: Annotated[
        list[str],
        Field(description="Ids of rules that are needed once this one is removed."),
    ]
    lost: Annotated[
        ProvenExposure | None, Field(description="What closes without all rules of the finding.")
    ]
    gained: Annotated[
        ProvenExposure | None, Field(description="What opens without all rules of the finding.")
    ]


class GroupFinding(Out):
    """Something that is wrong with rules of a group."""

    code: Annotated[str, Field(description="The kind; stable.")]
    severity: Severity
    title: str
    explanation: Annotated[str, Field(description="What was found, and why it matters.")]
    remedy: Annotated[str, Field(description="What to do about it.")]
    group_id: str
    account_id: Annotated[str, Field(description="The account that owns the group.")]
    rule_ids: Annotated[list[str], Field(description="The rules it is about; may be none.")]
    proof: Proof


class GroupFindings(Out):
    """Everything that is found in a group, the worst first."""

    items: list[GroupFinding]
    world: ReadWorld
