"""An application in tiers: a group for each, and each lets in the one before it alone.

A tier has a basic group of its own, found again by its name and our tags, or named by the caller.
Its ports are open to the group of the tier before it; those of the first one to the addresses
that are given. Instances join their group before they leave what would open more between tiers.

Source: ECS user guide, Best practices of security groups (web 80, application 8080, database
3306; each tier authorizes the group of the one before it).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations, pairwise, product
from typing import Any

from app.domain.addresses import AddressFamily, Block
from app.domain.assertions import AssertionKind, Claim, passing_besides
from app.domain.changes import (
    Authorize,
    Change,
    CreateGroup,
    Join,
    Leave,
    NewRule,
    Revoke,
    batched,
    new_group_id,
)
from app.domain.documents import Document, held_document
from app.domain.errors import (
    DuplicateItemError,
    GuardrailViolationError,
    InvalidCidrError,
    InvalidConnectionError,
    InvalidPortError,
    MethodNotPossibleError,
    NoSafeOrderError,
    QuotaInsufficientError,
    TargetManagedError,
)
from app.domain.evaluate import Evaluator
from app.domain.fingerprint import fingerprint, world_document
from app.domain.flows import EVERYTHING, Flow, Traffic
from app.domain.gaps import is_seamless
from app.domain.groups import Group, GroupKind, GroupRef, Instance, Place
from app.domain.intents import InstanceSide, read_traffic
from app.domain.observation import MARKER
from app.domain.obstacles import (
    at,
    at_group,
    enterprise_obstacles,
    joining_obstacles,
    network_name,
)
from app.domain.plan import AskedFlow, Limits, Obstacle, ObstacleCode, Plan, PlannedChange
from app.domain.plan_documents import flow_document, traffic_document, verdict_document
from app.domain.planning import (
    cloud_calls,
    compare,
    obstacle_document,
    quota_document,
    still_closed,
)
from app.domain.quotas import quotas
from app.domain.rules import (
    Direction,
    GroupPeer,
    HeldRule,
    NicType,
    Policy,
    PortRange,
    Protocol,
    Rule,
)
from app.domain.world import InterfaceEnd, World, addresses_of

KEY_OF_ALL, KEY_OF_ONE = "ecs-tiers", "ecs-tier"
"""Tags of a group that we made for a tier: the name of all of them, and that of the one."""

USUAL_PORTS = {"web": 80, "application": 8080, "app": 8080, "database": 3306, "db": 3306}
USUAL_ROW = (80, 8080, 3306)

PRIVATE = tuple(Block.read(each) for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))

WIDE = 1 << 8
"""Addresses from which on a rule of a group counts as open: its members leave it rather than be
reached by other tiers through it."""

SHOWN = 100


@dataclass(frozen=True, slots=True)
class Tier:
    """Instances of one place, and the ports that the tier before may reach.

    `blocks` are who may reach the first tier; `group_id` is a group to be used for it, where the
    caller names one.
    """

    name: str
    place: Place
    instance_ids: tuple[str, ...]
    traffic: tuple[Traffic, ...]
    blocks: tuple[Block, ...] = ()
    group_id: str | None = None


@dataclass(frozen=True, slots=True)
class Tiers:
    """All tiers, the first one first; `name` is what their groups are found again by."""

    name: str
    tiers: tuple[Tier, ...]

    def group_name(self, tier: Tier) -> str:
        return f"{self.name}-{tier.name}"

    def tags(self, tier: Tier) -> tuple[tuple[str, str], ...]:
        return tuple(sorted({KEY_OF_ALL: self.name, KEY_OF_ONE: tier.name}.items()))

    @property
    def manager(self) -> str:
        """What the assertions that come with them are kept up to date by."""
        return f"tiers/{self.name}"


def read_tiers(request: Mapping[str, Any]) -> Tiers:
    """Read a request whose shape has been checked.

    Raises:
        DuplicateItemError, InvalidPortError, InvalidConnectionError, InvalidCidrError
    """
    items = request["tiers"]
    tiers = tuple(_read_tier(item, number, len(items)) for number, item in enumerate(items))
    names = [tier.name for tier in tiers]
    if len(set(names)) < len(names):
        raise DuplicateItemError("two tiers have the same name")
    instances = [(tier.place, each) for tier in tiers for each in tier.instance_ids]
    if len(set(instances)) < len(instances):
        raise DuplicateItemError("an instance stands in two tiers")
    groups = [tier.group_id for tier in tiers if tier.group_id is not None]
    if len(set(groups)) < len(groups):
        raise DuplicateItemError("a group is named for two tiers")
    return Tiers(request.get("name", "tiers"), tiers)


def _read_tier(item: Mapping[str, Any], number: int, count: int) -> Tier:
    name = item["name"]
    if number and "addresses" in item:
        raise InvalidConnectionError(
            f"{name}: only the first tier is open to addresses, the others to the tier before"
        )
    return Tier(
        name,
        Place(item["account_id"], item["region_id"]),
        tuple(item["instance_ids"]),
        read_traffic(item["ports"]) if "ports" in item else (_usual(name, number, count),),
        tuple(Block.parse(text) for text in item.get("addresses", ())),
        item.get("security_group_id"),
    )


def _usual(name: str, number: int, count: int) -> Traffic:
    port = USUAL_PORTS.get(name.lower())
    if port is None and count == len(USUAL_ROW):
        port = USUAL_ROW[number]
    if port is None:
        raise InvalidPortError(f"{name}: ports are needed for a tier that is not a usual one")
    return Traffic(Protocol.TCP, PortRange(port, port))


@dataclass(frozen=True, slots=True)
class Staying:
    """Something that is not as the tiers would have it, and why it stays."""

    reason: str
    ref: GroupRef
    instance_id: str | None = None
    held: HeldRule | None = None


@dataclass(frozen=True, slots=True)
class Laid:
    """A plan to lay tiers, with the group of each, by its name."""

    plan: Plan
    tiers: Tiers
    groups: Mapping[str, str]
    made: frozenset[str]
    staying: tuple[Staying, ...]
    between: tuple[tuple[Flow, Document], ...]
    counted: int


@dataclass(frozen=True, slots=True)
class Ties:
    """What is there for connections: rules by id, memberships by (group, instance), whose."""

    rules: Mapping[str, str] = field(default_factory=dict)
    memberships: Mapping[tuple[str, str], str] = field(default_factory=dict)


def plan_tiers(
    world: World, tiers: Tiers, found: Mapping[str, str], ties: Ties, limits: Limits
) -> Laid:
    """Return the changes that make the tiers what they shall be; `found` are groups by tier.

    Raises:
        TargetManagedError, MethodNotPossibleError, QuotaInsufficientError, NoSafeOrderError
        GuardrailViolationError: the first tier would be open to everybody on the private side.
        InvalidCidrError: an address of the classic intranet is a range.
    """
    drawing = _Drawing(world, tiers, found, ties)
    _refuse([*_paths(world, tiers), *drawing.obstacles(limits)])
    changes = drawing.changes()
    if not is_seamless(world, [each.change for each in changes]):
        raise NoSafeOrderError(
            "on the way something would be open that is neither open before nor after; move the "
            "instances one after another"
        )
    after = world
    for planned in changes:
        after = after.after(planned.change)
    plan = _plan(world, after, tiers, changes, drawing=drawing, limits=limits)
    between = list(_between(after, tiers))
    evaluator = Evaluator(after)
    return Laid(
        plan,
        tiers,
        drawing.groups,
        frozenset(drawing.made),
        tuple(drawing.staying),
        tuple((flow, verdict_document(evaluator.explain(flow))) for flow in between[:SHOWN]),
        len(between),
    )


def _refuse(obstacles: Iterable[Obstacle]) -> None:
    found = tuple(dict.fromkeys(obstacles))
    if found:
        raise MethodNotPossibleError(
            "; ".join(obstacle.detail for obstacle in found[:3]),
            obstacles=[obstacle_document(each) for each in found],
            possible_methods=[],
        )


def _paths(world: World, tiers: Tiers) -> Iterator[Obstacle]:
    """Say why the tiers cannot reach one another at all, or not by groups.

    Source: ECS API, AuthorizeSecurityGroup: groups of one network and region.
    """
    first = tiers.tiers[0]
    for tier in tiers.tiers:
        if tier.place.region_id != first.place.region_id:
            names = f"{first.place.region_id} and {tier.place.region_id}"
            detail = f"{names} are not connected over the intranet"
            yield Obstacle(ObstacleCode.CROSS_REGION, detail, tier.place.account_id)
    instances = [world.instances[each] for tier in tiers.tiers for each in tier.instance_ids]
    for one in instances[1:]:
        if one.vpc_id != instances[0].vpc_id:
            both = None not in {one.vpc_id, instances[0].vpc_id}
            code = ObstacleCode.CROSS_VPC if both else ObstacleCode.NETWORK_TYPE
            names = f"{network_name(one.vpc_id)}, not in {network_name(instances[0].vpc_id)}"
            yield at(one, code, f"{one.instance_id} is in {names}")
    yield from enterprise_obstacles(world, instances)


# --- what is to be done -----------------------------------------------------------


class _Drawing:
    """Compares what is there with what shall be, tier by tier."""

    def __init__(self, world: World, tiers: Tiers, found: Mapping[str, str], ties: Ties) -> None:
        self._world, self._tiers, self._ties = world, tiers, ties
        self.groups: dict[str, str] = {}
        self.made: list[str] = []
        self.staying: list[Staying] = []
        for number, tier in enumerate(tiers.tiers, 1):
            group_id = tier.group_id or found.get(tier.name)
            if group_id is None:
                group_id = new_group_id(number)
                self.made.append(tier.name)
            self.groups[tier.name] = group_id
        self._own = {each: tier for tier in tiers.tiers for each in tier.instance_ids}

    def _group(self, tier: Tier) -> Group:
        """The group of a tier: as it is, or as it will be made."""
        group_id = self.groups[tier.name]
        first = self._world.instances[tier.instance_ids[0]]
        made = Group(group_id, tier.place, self._tiers.group_name(tier), vpc_id=first.vpc_id)
        return self._world.groups.get(group_id, made)

    def _is_ours(self, tier: Tier) -> bool:
        """Whether the group was made for this tier, by us: then all that is in it is."""
        return set(self._tiers.tags(tier)) <= set(self._group(tier).tags)

    def obstacles(self, limits: Limits) -> Iterator[Obstacle]:
        managed = [g for t in self._tiers.tiers if (g := self._group(t)).managed]
        if managed:
            raise TargetManagedError(
                f"{managed[0].group_id}: managed by a cloud product, only it may change the group",
                group_ids=[each.group_id for each in managed],
            )
        for tier in self._tiers.tiers:
            group, joining = self._group(tier), self._joining(tier)
            network = self._world.instances[tier.instance_ids[0]].vpc_id
            if group.kind is GroupKind.ENTERPRISE:
                detail = f"{group.group_id} is an enterprise group"
                yield at_group(group, ObstacleCode.ENTERPRISE, detail)
            if group.vpc_id != network:
                names = f"{network_name(group.vpc_id)}, its instances in {network_name(network)}"
                detail = f"{group.group_id} of tier {tier.name} is in {names}"
                yield at_group(group, ObstacleCode.NETWORK_TYPE, detail)
            yield from joining_obstacles(self._world, group, joining, limits)

    def changes(self) -> tuple[PlannedChange, ...]:
        """Everything that opens, then everything that closes."""
        leaves = list(self._leaves())
        return (*self._creates(), *self._adds(), *self._joins(), *self._removals(), *leaves)

    def _creates(self) -> Iterator[PlannedChange]:
        for tier in self._tiers.tiers:
            if tier.name in self.made:
                group = self._group(tier)
                yield PlannedChange(
                    CreateGroup(
                        tier.place,
                        group.group_id,
                        group.name,
                        group.vpc_id,
                        f"tier {tier.name} of {self._tiers.name}",
                        tags=self._tiers.tags(tier),
                    ),
                    f"a group for tier {tier.name}, which has none yet",
                )

    # --- rules ---

    def wanted(self, tier: Tier) -> list[Rule]:
        number = self._tiers.tiers.index(tier)
        if number:
            before = self._tiers.tiers[number - 1]
            peer = GroupPeer(self.groups[before.name], before.place.account_id)
            return [_accept(traffic, peer) for traffic in tier.traffic]
        classic = self._group(tier).vpc_id is None
        return [
            _accept(traffic, block, _side_of(block, classic=classic))
            for block in tier.blocks
            for traffic in tier.traffic
        ]

    def _adds(self) -> Iterator[PlannedChange]:
        for number, tier in enumerate(self._tiers.tiers):
            group = self._group(tier)
            present = {held.rule for held in group.rules}
            new = [rule for rule in self.wanted(tier) if rule not in present]
            whom = f"tier {self._tiers.tiers[number - 1].name}" if number else "the addresses given"
            changes = [
                Authorize(group.place, group.group_id, Direction.INGRESS, (NewRule(rule, text),))
                for rule in new
                for text in [f"tier {tier.name} of {self._tiers.name}"]
            ]
            for change in batched(changes):
                yield PlannedChange(change, f"tier {tier.name} is reached by {whom}")

    def _removals(self) -> Iterator[PlannedChange]:
        for tier in self._tiers.tiers:
            group = self._group(tier)
            wanted = set(self.wanted(tier))
            going = []
            for held in group.rules:
                if held.rule in wanted or not self._speaks_for(tier, held):
                    continue
                if held.rule_id in self._ties.rules:
                    why = f"connection {self._ties.rules[held.rule_id]} needs it"
                    self.staying.append(Staying(why, group.ref, held=held))
                    continue
                going.append(Revoke(group.place, group.group_id, held.rule.direction, (held,)))
            for change in batched(going):
                yield PlannedChange(change, f"not asked for tier {tier.name} any more")

    def _speaks_for(self, tier: Tier, held: HeldRule) -> bool:
        """Whether a rule was made for tiers; what people made in the group is theirs."""
        if not held.description.startswith(f"{MARKER}:"):
            if self._is_ours(tier):
                why = "somebody made it by hand"
                self.staying.append(Staying(why, self._group(tier).ref, held=held))
            return False
        said = held.description.partition(" ")[2]
        return self._is_ours(tier) or said.endswith(f" of {self._tiers.name}")

    # --- members ---

    def _joining(self, tier: Tier) -> list[Instance]:
        group_id = self.groups[tier.name]
        found = (self._world.instances[each] for each in tier.instance_ids)
        return [each for each in found if group_id not in each.group_ids]

    def _joins(self) -> Iterator[PlannedChange]:
        for tier in self._tiers.tiers:
            for instance in self._joining(tier):
                join = Join(tier.place, self.groups[tier.name], instance.instance_id)
                yield PlannedChange(join, f"an instance of tier {tier.name}")

    def _leaves(self) -> Iterator[PlannedChange]:
        for group, instance, why in self._unfit():
            stays = self._why_it_stays(group, instance)
            if stays is not None:
                self.staying.append(Staying(stays, group.ref, instance.instance_id))
            else:
                leave = Leave(group.place, group.group_id, instance.instance_id)
                yield PlannedChange(leave, why)

    def _unfit(self) -> Iterator[tuple[Group, Instance, str]]:
        """Memberships that would open more than the tiers have, with what they would open."""
        own_groups = {self.groups[tier.name]: tier for tier in self._tiers.tiers}
        for group_id, tier in sorted(own_groups.items()):
            for instance, eni in self._world.members(group_id):
                if eni != instance.primary:
                    why = "a secondary interface is attached where it was created"
                    ref = self._group(tier).ref
                    self.staying.append(Staying(why, ref, instance.instance_id))
                elif self._own.get(instance.instance_id) not in {None, tier}:
                    other = self._own[instance.instance_id].name
                    yield self._group(tier), instance, f"it is of tier {other}, not {tier.name}"
                elif instance.instance_id not in self._own and self._is_ours(tier):
                    yield self._group(tier), instance, f"it is not of tier {tier.name} any more"
                elif instance.instance_id not in self._own:
                    why = "it is a member, though of no tier, of a group that the caller named"
                    self.staying.append(Staying(why, self._group(tier).ref, instance.instance_id))
        for group_id, why in sorted(self._open_groups(own_groups.keys()).items()):
            group = self._world.groups[group_id]
            for instance in self._misplaced(group_id):
                yield group, instance, why

    def _misplaced(self, group_id: str) -> Iterator[Instance]:
        """Who leaves a group of several tiers: all of them, but where those that are in the group
        of their tier already are of one tier alone, whoever comes to it from another one.
        """
        members = [each for each in self._instances() if group_id in each.group_ids]
        settled = {
            tier.name
            for each in members
            for tier in [self._own[each.instance_id]]
            if self.groups[tier.name] in each.group_ids
        }
        for each in members:
            if len(settled) != 1 or self._own[each.instance_id].name not in settled:
                yield each

    def _instances(self) -> list[Instance]:
        return [self._world.instances[each] for each in sorted(self._own)]

    def _open_groups(self, own: Iterable[str]) -> dict[str, str]:
        """Other groups of several tiers through which they reach one another: such a group connects
        its members, or lets a wide range in, of which other tiers are a part. One of a single
        tier stays: what else reaches the tier by it is not for us to cut off.
        """
        found: dict[str, str] = {}
        tiers: dict[str, set[str]] = {}
        for instance in self._instances():
            for group_id in instance.group_ids - set(own):
                tiers.setdefault(group_id, set()).add(self._own[instance.instance_id].name)
        for group_id, names in tiers.items():
            group = self._world.groups.get(group_id)
            if group is None:
                continue
            is_wide = any(self._lets_in(held.rule, names) for held in group.rules)
            if len(names) > 1 and group.connects_members:
                found[group_id] = f"members of {group_id} of several tiers reach each other"
            elif len(names) > 1 and is_wide:
                found[group_id] = f"{group_id} is open to addresses of other tiers"
            elif is_wide:
                why = "it is open to addresses of other tiers, but of one tier alone: tighten it"
                self.staying.append(Staying(why, group.ref))
        return found

    def _lets_in(self, rule: Rule, names: set[str]) -> bool:
        """Whether a rule for a wide range of addresses lets in instances of other tiers."""
        if (rule.direction, rule.policy, rule.nic_type) != (
            Direction.INGRESS, Policy.ACCEPT, NicType.INTRANET,
        ) or not isinstance(rule.peer, Block) or rule.peer.size < WIDE:  # fmt: skip
            return False
        return any(
            block.within(rule.peer)
            for instance in self._instances()
            if names != {self._own[instance.instance_id].name}
            for block in instance.primary.addresses
        )

    def _why_it_stays(self, group: Group, instance: Instance) -> str | None:
        tier = self._own.get(instance.instance_id)
        joined = set() if tier is None else {self.groups[tier.name]}
        tie = self._ties.memberships.get((group.group_id, instance.instance_id))
        if group.managed:
            return "the group is managed by a cloud product"
        if tie is not None:
            return f"connection {tie} needs the membership"
        if "security" in instance.locks or instance.status not in {"Running", "Stopped"}:
            return "the instance is locked, or neither running nor stopped"
        if not (instance.group_ids | joined) - {group.group_id}:
            return "it is the instance's only group: it cannot leave its last one"
        return None


def _accept(traffic: Traffic, peer: Block | GroupPeer, nic: NicType = NicType.INTRANET) -> Rule:
    return Rule(Direction.INGRESS, traffic.protocol, traffic.ports, peer, nic_type=nic)


def _side_of(block: Block, *, classic: bool) -> NicType:
    """The side on which packets from a block arrive.

    Raises:
        GuardrailViolationError, InvalidCidrError
    """
    is_private = any(block.within(each) for each in PRIVATE)
    touches = block.family is AddressFamily.IPV4 and any(block.overlaps(each) for each in PRIVATE)
    if not classic:
        if touches and not is_private:
            raise GuardrailViolationError(
                f"{block}: in a VPC a rule opens the private side as well; name blocks that are "
                "either all private or all public",
                cidr=str(block),
            )
        return NicType.INTRANET
    if not is_private:
        return NicType.INTERNET
    if not block.is_single:
        raise InvalidCidrError(
            f"{block}: in the classic network a private source is a single address (/32)",
            cidr=str(block),
        )
    return NicType.INTRANET


# --- what it means ----------------------------------------------------------------


def _ends(world: World, tier: Tier) -> list[InterfaceEnd]:
    found = []
    for instance_id in tier.instance_ids:
        instance = world.instances[instance_id]
        blocks = addresses_of(instance.primary, NicType.INTRANET, AddressFamily.IPV4)
        found += [InterfaceEnd(instance, instance.primary, block) for block in blocks[:1]]
    return found


def _asked(world: World, tiers: Tiers) -> list[Flow]:
    return [
        Flow(source, target, traffic)
        for before, tier in pairwise(tiers.tiers)
        for source, target in product(_ends(world, before), _ends(world, tier))
        for traffic in tier.traffic
    ]


def _plan(
    world: World,
    after: World,
    tiers: Tiers,
    planned: tuple[PlannedChange, ...],
    *,
    drawing: _Drawing,
    limits: Limits,
) -> Plan:
    changes: list[Change] = [each.change for each in planned]
    old, new = Evaluator(world), Evaluator(after)
    asked = tuple(
        AskedFlow(flow, old.explain(flow), new.explain(then))
        for flow, then in zip(_asked(world, tiers), _asked(after, tiers), strict=True)
    )
    plan = Plan(
        kind="tiers",
        changes=planned,
        asked=asked,
        difference=compare(world, after, changes, [each.flow for each in asked]),
        quotas=quotas(world, after, changes, limits),
        calls=cloud_calls(after, changes),
        fingerprint=fingerprint(world_document(world)),
        warnings=tuple(_warnings(tiers, drawing)),
    )
    _refuse(still_closed(plan))
    exceeded = [use for use in plan.quotas if use.is_exceeded]
    if exceeded:
        names = ", ".join(f"{use.subject} ({use.name})" for use in exceeded[:3])
        raise QuotaInsufficientError(
            f"a quota of the cloud has no room: {names}",
            quotas=[quota_document(use) for use in exceeded],
            possible_methods=[],
        )
    return plan


def _warnings(tiers: Tiers, drawing: _Drawing) -> Iterator[str]:
    first = tiers.tiers[0]
    if not first.blocks:
        yield f"tier {first.name} is open to nobody: no addresses were given for it"
    for each in drawing.staying:
        what = each.instance_id or (each.held.rule_id if each.held is not None else None)
        where = each.ref.group_id
        yield (
            f"{where} stays: {each.reason}"
            if what is None
            else (f"{what} stays in {where}: {each.reason}")
        )


def _between(world: World, tiers: Tiers) -> Iterator[Flow]:
    """Return whatever passes between tiers and was not asked for, both ways."""
    for one, other in combinations(range(len(tiers.tiers)), 2):
        for source, target in ((one, other), (other, one)):
            allowed = tiers.tiers[target].traffic if target == source + 1 else ()
            sides = (_side(tiers.tiers[source]), _side(tiers.tiers[target]))
            claim = Claim(AssertionKind.MUST_NEVER_REACH, *sides, (EVERYTHING,))
            for against in passing_besides(world, claim, allowed):
                yield against.flow


def _side(tier: Tier) -> InstanceSide:
    return InstanceSide(tier.place, tier.instance_ids)


# --- documents --------------------------------------------------------------------


def laid_document(laid: Laid) -> Document:
    """Spell what of a plan to lay tiers is not in every plan."""
    return {
        "name": laid.tiers.name,
        "tiers": [_tier_document(laid, tier) for tier in laid.tiers.tiers],
        "staying": [_staying_document(each) for each in laid.staying],
        "between": {
            "count": laid.counted,
            "items": [{**flow_document(flow), **told} for flow, told in laid.between],
        },
        "assertions": list(_assertions(laid)),
    }


def _tier_document(laid: Laid, tier: Tier) -> Document:
    return {
        "name": tier.name,
        "account_id": tier.place.account_id,
        "region_id": tier.place.region_id,
        "group_id": laid.groups[tier.name],
        "is_new": tier.name in laid.made,
        "instance_ids": list(tier.instance_ids),
        "ports": [traffic_document(each) for each in tier.traffic],
        "addresses": [str(each) for each in tier.blocks],
    }


def _staying_document(staying: Staying) -> Document:
    document: Document = {
        "reason": staying.reason,
        "group_id": staying.ref.group_id,
        "account_id": staying.ref.account_id,
    }
    if staying.instance_id is not None:
        document["instance_id"] = staying.instance_id
    if staying.held is not None:
        document["rule"] = held_document(staying.held)
    return document


def _assertions(laid: Laid) -> Iterator[Document]:
    """Neighbours must be reached, on their ports; whoever is further on must never be."""
    for before, tier in pairwise(laid.tiers.tiers):
        yield {
            **_claim(laid, AssertionKind.MUST_REACH, before, tier),
            "flows": [traffic_document(each) for each in tier.traffic],
            "reason": f"tier {tier.name} serves tier {before.name}",
        }
    for number, tier in enumerate(laid.tiers.tiers):
        for further in laid.tiers.tiers[number + 2 :]:
            yield {
                **_claim(laid, AssertionKind.MUST_NEVER_REACH, tier, further),
                "reason": f"tier {tier.name} must not reach tier {further.name} directly",
            }


def _claim(laid: Laid, kind: AssertionKind, source: Tier, target: Tier) -> Document:
    return {
        "kind": kind.value,
        "source": _group_side(laid, source),
        "target": _group_side(laid, target),
    }


def _group_side(laid: Laid, tier: Tier) -> Document:
    return {
        "account_id": tier.place.account_id,
        "region_id": tier.place.region_id,
        "security_group_ids": [laid.groups[tier.name]],
    }


def named(document: Any, created: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON
    """Return a document with the ids that the cloud gave in the place of names of ours."""
    match document:
        case dict():
            return {key: named(value, created) for key, value in document.items()}
        case list():
            return [named(each, created) for each in document]
        case str():
            return created.get(document, document)
        case _:
            return document
