"""How to get what is wanted: changes in order, each with its reason, and what stands in the way.

This is the Protocol that every method implements, and what the methods share.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol as Shape

from app.domain.changes import Change
from app.domain.difference import Difference
from app.domain.flows import Flow, Outcome, SideOutcome, Verdict
from app.domain.groups import GroupRef, Instance
from app.domain.intents import GroupSide, InstanceSide, Intent
from app.domain.rules import NicType
from app.domain.world import AddressEnd, End, GroupEnd, InterfaceEnd, World


class ObstacleCode(StrEnum):
    CROSS_ACCOUNT = "cross_account_not_possible"
    CROSS_REGION = "cross_region"
    CROSS_VPC = "cross_vpc"
    NETWORK_TYPE = "network_type_mismatch"
    ENTERPRISE = "enterprise_group"
    GROUP_FULL = "group_full"
    GROUP_LIMIT = "instance_group_limit"
    LOCKED = "instance_locked"
    INNER_ACCESS = "inner_access_drop"
    DROP_RULE = "drop_rule"
    PEER_LIMIT = "peer_group_limit"
    NO_GROUP = "no_usable_group"
    NOT_REACHABLE = "not_reachable_after_change"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One reason why a method cannot do what is asked, and where."""

    code: ObstacleCode
    detail: str
    account_id: str
    instance_id: str | None = None
    group_id: str | None = None
    rule_id: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """The cloud's quotas, which no action of it reveals. Defaults: the figures of 2021.

    Source: ECS product page, Limits.
    """

    rules_per_group: int = 200
    rules_per_nic: int = 1000
    groups_per_nic: int = 5
    members_per_classic_group: int = 1000
    members_per_vpc_group: int = 2000
    groups_per_account: int = 100
    peer_groups_per_group: int = 20


@dataclass(frozen=True, slots=True)
class PlannedChange:
    change: Change
    reason: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a method would do; changes mean nothing while there are obstacles.

    `managed` are groups that would have to be changed but belong to a cloud product. `singly`
    are changes that say the same with a rule for each asked flow, where `changes` have fewer.
    """

    changes: tuple[PlannedChange, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    warnings: tuple[str, ...] = ()
    managed: tuple[GroupRef, ...] = ()
    singly: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class AskedFlow:
    """A flow that was asked for, with its verdict before, and after once that is foretold."""

    flow: Flow
    before: Verdict
    after: Verdict | None = None

    @property
    def is_open(self) -> bool:
        """Whether nothing that can be read stands in the way today."""
        return is_open(self.before)


def is_open(verdict: Verdict) -> bool:
    """Whether the target lets the flow in, and the source's side is not known to hold it back."""
    return (
        verdict.ingress.outcome is SideOutcome.ALLOWED
        and verdict.egress.outcome is not SideOutcome.BLOCKED
        and verdict.outcome is not Outcome.BLOCKED
    )


class Method(Shape):
    """One way to connect; a fifth one is one module and one line of the registry."""

    def obstacles(self, world: World, intent: Intent) -> Sequence[Obstacle]:
        """Say what makes the method impossible here, whatever the groups hold now."""
        ...

    def propose(
        self, world: World, intent: Intent, asked: Sequence[AskedFlow], limits: Limits
    ) -> Proposal:
        """Return the changes that open every asked flow that is not reachable yet."""
        ...


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """A quota of the cloud: used now, after the plan, and its limit.

    `subject` is the id of the group or instance, or the account id, that it is counted for.
    """

    name: str
    account_id: str
    subject: str
    used: int
    after: int
    limit: int

    @property
    def is_exceeded(self) -> bool:
        return self.after > self.limit and self.after > self.used


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes in order with everything that is known of their outcome in advance.

    `calls` is the number of cloud calls that change the groups or read their rules, from
    the start of the operation to its end. `rests_on` are the rules and memberships because
    of which asked flows are reachable already.
    """

    kind: str
    changes: tuple[PlannedChange, ...]
    asked: tuple[AskedFlow, ...]
    difference: Difference
    quotas: tuple[QuotaUse, ...]
    calls: int
    fingerprint: str
    warnings: tuple[str, ...] = ()
    notes: Mapping[str, object] = field(default_factory=dict)


# --- what methods share --------------------------------------------------------


def source_instances(world: World, intent: Intent) -> tuple[Instance, ...]:
    if isinstance(intent.source, InstanceSide):
        return tuple(world.instances[each] for each in intent.source.instance_ids)
    return ()


def target_instances(world: World, intent: Intent) -> tuple[Instance, ...]:
    return tuple(world.instances[each] for each in intent.target.instance_ids)


def asked_instances(world: World, intent: Intent) -> tuple[Instance, ...]:
    """Every instance of the request, sources first."""
    return (*source_instances(world, intent), *target_instances(world, intent))


def own_end(instance: Instance, intent: Intent) -> InterfaceEnd | None:
    """The primary interface's own address in the asked family, or None where it has none."""
    for block in instance.primary.addresses:
        if block.family is intent.family:
            return InterfaceEnd(instance, instance.primary, block)
    return None


def asked_flows(world: World, intent: Intent) -> Iterator[Flow]:
    """Every single flow of the request: source by source, target by target, then the way back.

    Sides without an address in the asked family are left out: they are obstacles.
    """
    targets = [own_end(each, intent) for each in target_instances(world, intent)]
    sources = list(_source_ends(world, intent))
    for source in sources:
        yield from _flows(source, targets, intent)
    if intent.bidirectional:
        for target in targets:
            yield from _flows(target, sources, intent)


def _source_ends(world: World, intent: Intent) -> Iterator[End | None]:
    match intent.source:
        case InstanceSide():
            for instance in source_instances(world, intent):
                yield own_end(instance, intent)
        case GroupSide(place, group_ids):
            for group_id in group_ids:
                yield from _group_ends(world, intent, GroupRef(group_id, place.account_id))
        case side:
            for block in side.blocks:
                yield (
                    world.end_at(NicType.INTRANET, block) if block.is_single else AddressEnd(block)
                )


def _group_ends(world: World, intent: Intent, ref: GroupRef) -> Iterator[End | None]:
    """Its members; where they cannot be read, or there are none yet, whoever may be one."""
    ends = [
        InterfaceEnd(instance, eni, block)
        for instance, eni in world.members(ref.group_id)
        for block in eni.addresses
        if block.family is intent.family
    ]
    if ref.group_id in world.complete and ends:
        yield from ends
    else:
        yield GroupEnd(ref, intent.family)


def _flows(source: End | None, targets: Iterable[End | None], intent: Intent) -> Iterator[Flow]:
    for target in targets:
        if source is not None and target is not None and source != target:
            for traffic in intent.traffic:
                yield Flow(source, target, traffic, NicType.INTRANET, intent.family)
