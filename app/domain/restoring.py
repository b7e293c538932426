"""Making groups what a backup says they were: by as few changes as there can be.

Rules are added before any is removed, the first to be judged first, and removed the last to be
judged first: so whatever decides about a packet on the way is what decided before or what will
decide after. Memberships and the two sides of a flow may still get into each other's way; an
order in which they do not is looked for, and proven.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import groupby

from app.domain.addresses import AddressFamily, Block
from app.domain.backups import KeptGroup
from app.domain.changes import (
    Authorize,
    Change,
    CreateGroup,
    Join,
    Leave,
    NewRule,
    Revoke,
    SetInnerAccess,
    batched,
    is_new_group,
)
from app.domain.documents import Document, held_document
from app.domain.errors import (
    BackupMismatchError,
    GuardrailViolationError,
    NoSafeOrderError,
    QuotaInsufficientError,
    TargetManagedError,
)
from app.domain.fingerprint import fingerprint, world_document
from app.domain.gaps import is_seamless
from app.domain.groups import Eni, Group, GroupKind, GroupRef, Instance, Place
from app.domain.observation import MARKER
from app.domain.obstacles import member_limit
from app.domain.plan import Limits, Plan, PlannedChange
from app.domain.planning import Bounds, cloud_calls, quota_document
from app.domain.quotas import quotas, weight
from app.domain.rules import (
    Direction,
    GroupPeer,
    HeldRule,
    NicType,
    Policy,
    PrefixListPeer,
    Protocol,
    Rule,
)
from app.domain.versions import world_difference
from app.domain.world import World

LOWEST_WRITABLE = 100
"""Priority 110 is read back on default rules of before May 2020, but can never be written."""

LONGEST_DESCRIPTION = 440
"""Characters of a description, which is at most 512, beside our marker."""

LONGEST_GROUP_DESCRIPTION = 190
"""The same of a group's, which is at most 256. Source: ECS API, CreateSecurityGroup."""


class RestoreMode(StrEnum):
    """As the console names them: make it equal, or only add what is missing."""

    FULL = "full"
    PARTIAL = "partial"


class LossCode(StrEnum):
    """Why something of a backup cannot be restored."""

    SYSTEM_RULE = "system_rule"
    PROTOCOL = "protocol_without_name"
    PORTS = "ports_unknown"
    LIST_GONE = "prefix_list_gone"
    GROUP_GONE = "named_group_gone"
    GROUP_MANAGED = "named_group_managed"
    INSTANCE_GONE = "instance_gone"
    INSTANCE_LOCKED = "instance_locked"
    INSTANCE_STATUS = "instance_status"
    NETWORK = "network_mismatch"
    KIND = "group_kind_mismatch"
    SECONDARY = "secondary_interface"
    GUARDRAIL = "guardrail"
    QUOTA = "quota"


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that a backup holds and that a restore does not bring back."""

    code: LossCode
    detail: str
    ref: GroupRef
    held: HeldRule | None = None
    instance_id: str | None = None


@dataclass(frozen=True, slots=True)
class Foreign:
    """Something that a group holds and the backup does not: it goes, or stays because of
    `reason`.
    """

    ref: GroupRef
    reason: str
    held: HeldRule | None = None
    instance_id: str | None = None


@dataclass(frozen=True, slots=True)
class Remapped:
    """A group that another one stands for: one that was made in its place before, or that is
    made now, by a name of ours.
    """

    place: Place
    group_id: str
    becomes: str


@dataclass(frozen=True, slots=True)
class Target:
    """What a group shall be; `group_id` is what it is called now, or will be."""

    group_id: str
    kept: KeptGroup

    @property
    def is_new(self) -> bool:
        return is_new_group(self.group_id)

    @property
    def place(self) -> Place:
        return self.kept.group.place

    @property
    def ref(self) -> GroupRef:
        return GroupRef(self.group_id, self.place.account_id)


@dataclass(frozen=True, slots=True)
class Restoration:
    """A plan to restore, with everything that is not as the backup has it, and why."""

    plan: Plan
    losses: tuple[Loss, ...]
    going: tuple[Foreign, ...]
    staying: tuple[Foreign, ...]


@dataclass
class _Draft:
    """What is to be done, collected group by group; and what is left as it is."""

    creates: list[Change] = field(default_factory=list)
    fresh: list[tuple[Target, NewRule]] = field(default_factory=list)
    widens: list[Change] = field(default_factory=list)
    adds: list[tuple[Target, NewRule]] = field(default_factory=list)
    joins: list[Change] = field(default_factory=list)
    leaves: list[Change] = field(default_factory=list)
    removals: list[tuple[Target, HeldRule]] = field(default_factory=list)
    narrows: list[Change] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)
    going: list[Foreign] = field(default_factory=list)
    staying: list[Foreign] = field(default_factory=list)


def plan_restore(
    world: World,
    targets: Sequence[Target],
    remapped: Mapping[GroupRef, str],
    mode: RestoreMode,
    *,
    limits: Limits,
    bounds: Bounds,
    gone: frozenset[GroupRef] = frozenset(),
) -> Restoration:
    """Return the changes that make each target what its backup says, and what that means.

    The first target is the group that was asked for; the others are groups that its rules name
    and that are gone. `remapped` says what groups that are gone are called now; others of
    `gone` have nothing that stands for them.

    Raises:
        TargetManagedError, BackupMismatchError, GuardrailViolationError
        QuotaInsufficientError: there is no room for a group that is to be made anew.
        NoSafeOrderError
    """
    draft, room = _Draft(), _Room(world, limits)
    for target in targets:
        _check_target(world, target)
    for target in targets:
        whole = target is targets[0] and mode is RestoreMode.FULL
        names = _Names(remapped, gone, None if whole else bounds)
        _restore(_Case(world, mode, names, room, draft), target)
    _check_exposure(world, draft, bounds)
    changes = _in_order(world, draft)
    after = world
    for change in changes:
        after = after.after(change)
    used = quotas(world, after, changes, limits)
    exceeded = [use for use in used if use.is_exceeded and use.name == "groups_per_account"]
    if exceeded:
        raise QuotaInsufficientError(
            "there is no room for a group that has to be made anew",
            quotas=[quota_document(use) for use in exceeded],
        )
    plan = Plan(
        kind="restore",
        changes=tuple(PlannedChange(each, _reason(each, targets)) for each in changes),
        asked=(),
        difference=world_difference(world, after),
        quotas=used,
        calls=cloud_calls(after, changes),
        fingerprint=fingerprint(world_document(world)),
        warnings=tuple(_warnings(draft)),
    )
    return Restoration(plan, tuple(draft.losses), tuple(draft.going), tuple(draft.staying))


def _check_target(world: World, target: Target) -> None:
    now, then = world.groups.get(target.group_id), target.kept.group
    if (now or then).managed:
        raise TargetManagedError(
            f"{then.group_id}: managed by a cloud product, only it may change the group",
            group_ids=[then.group_id],
        )
    if now is not None and (now.vpc_id, now.kind) != (then.vpc_id, then.kind):
        raise BackupMismatchError(
            "the group has another network or kind than the backup says",
            group_ids=[target.group_id],
        )


# --- one group --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Names:
    """What groups are called now. Rules beyond `bounds` are left out; without them, of a group
    that was asked for and shall be equal, they refuse the plan.
    """

    remapped: Mapping[GroupRef, str]
    gone: frozenset[GroupRef]
    bounds: Bounds | None

    def now(self, rule: Rule) -> Rule:
        """Return a rule of a backup as it has to be said now."""
        peer = rule.peer
        if isinstance(peer, GroupPeer):
            called = self.remapped.get(GroupRef(peer.group_id, peer.account_id))
            if called is not None:
                return replace(rule, peer=replace(peer, group_id=called))
        return rule


@dataclass(frozen=True, slots=True)
class _Case:
    """What a group is restored in, and what collects what comes of it."""

    world: World
    mode: RestoreMode
    names: _Names
    room: "_Room"
    draft: _Draft


def _restore(case: _Case, target: Target) -> None:
    group = case.world.groups.get(target.group_id)
    if group is None:
        case.draft.creates.append(_creation(target))
        if target.kept.group.inner_access is Policy.DROP and _is_basic(target):
            drop = SetInnerAccess(target.place, target.group_id, Policy.DROP)
            case.draft.creates.append(drop)
        group = Group(target.group_id, target.place, vpc_id=target.kept.group.vpc_id)
    else:
        _set_inner_access(case, target, group)
    short = _add_rules(case, target, group)
    _take_rules(case, target, group, short=short)
    _restore_members(case, target)


def _is_basic(target: Target) -> bool:
    return target.kept.group.kind is GroupKind.BASIC


def _creation(target: Target) -> CreateGroup:
    kept = target.kept.group
    return CreateGroup(
        target.place,
        target.group_id,
        kept.name if len(kept.name) > 1 else f"restored-{kept.group_id}",
        kept.vpc_id,
        unmarked(kept.description)[:LONGEST_GROUP_DESCRIPTION],
        kept.kind,
        kept.tags,
    )


def unmarked(description: str) -> str:
    """Return what people wrote: a marker of an operation, which is the first word, is left out."""
    first, _, rest = description.partition(" ")
    return rest if first.startswith(f"{MARKER}:") else description


def _set_inner_access(case: _Case, target: Target, group: Group) -> None:
    wanted = target.kept.group.inner_access
    if group.inner_access is wanted or not _is_basic(target):
        return
    if case.mode is RestoreMode.PARTIAL:
        reason = f"the inner access policy stays {group.inner_access}: partial only adds"
        case.draft.staying.append(Foreign(target.ref, reason))
        return
    change = SetInnerAccess(target.place, target.group_id, wanted)
    wider = wanted is Policy.ACCEPT
    (case.draft.widens if wider else case.draft.narrows).append(change)


def _by_rank(held: HeldRule) -> tuple[tuple[int, bool], str]:
    return held.rule.rank, held.rule_id


def _add_rules(case: _Case, target: Target, group: Group) -> bool:
    """Collect the rules that are missing; True if a quota leaves no room for one of them.

    The first to be judged comes first: what a quota cuts off is judged last.
    """
    present = {held.rule for held in group.rules}
    short = False
    for held in sorted(target.kept.group.rules, key=_by_rank):
        rule = case.names.now(held.rule)
        if rule in present:
            continue
        present.add(rule)
        loss = _unwritable(case, target, held, rule)
        if loss is None and not case.room.takes(target, rule):
            short = True
            loss = Loss(LossCode.QUOTA, "a quota of the cloud has no room for it", target.ref, held)
        if loss is not None:
            case.draft.losses.append(loss)
            continue
        new = NewRule(rule, unmarked(held.description)[:LONGEST_DESCRIPTION])
        (case.draft.fresh if target.is_new else case.draft.adds).append((target, new))
    return short


def _unwritable(case: _Case, target: Target, held: HeldRule, rule: Rule) -> Loss | None:
    """Why no rule can be made that says this."""

    def loss(code: LossCode, detail: str) -> Loss:
        return Loss(code, detail, target.ref, held)

    peer, names, world = rule.peer, case.names, case.world
    if rule.priority > LOWEST_WRITABLE:
        return loss(
            LossCode.SYSTEM_RULE,
            f"a rule of the system with priority {rule.priority} cannot be made again; "
            f"{LOWEST_WRITABLE} is the lowest that can",
        )
    if rule.protocol is Protocol.OTHER:
        return loss(LossCode.PROTOCOL, "the protocol was read as a number that has no name")
    if rule.ports is None and rule.port_list_id is None:
        return loss(LossCode.PORTS, "nothing says which ports the rule was for")
    if (
        names.bounds is not None
        and isinstance(peer, Block)
        and _is_too_much(_admitted(rule), peer.family, names.bounds)
        and not _stands(world, target, rule)
    ):
        return loss(LossCode.GUARDRAIL, "it lets in half of all addresses or more")
    if isinstance(peer, PrefixListPeer) and peer.prefix_list_id not in world.prefix_lists:
        return loss(LossCode.LIST_GONE, f"{peer.prefix_list_id} is not there any more")
    if isinstance(peer, GroupPeer):
        if GroupRef(peer.group_id, peer.account_id) in names.gone:
            return loss(
                LossCode.GROUP_GONE,
                f"{peer.group_id} was deleted, and no backup says what it was",
            )
        named = world.groups.get(peer.group_id)
        if named is not None and named.managed:
            return loss(LossCode.GROUP_MANAGED, f"{peer.group_id} is managed by a cloud product")
    return None


def _take_rules(case: _Case, target: Target, group: Group, *, short: bool) -> None:
    """Collect what the backup does not have; last to be judged first."""
    wanted = {case.names.now(held.rule) for held in target.kept.group.rules}
    for held in sorted(group.rules, key=_by_rank, reverse=True):
        if held.rule in wanted:
            continue
        reason = _why_it_stays(held, case.mode, short=short)
        if reason is not None:
            case.draft.staying.append(Foreign(target.ref, reason, held))
            continue
        case.draft.removals.append((target, held))
        case.draft.going.append(Foreign(target.ref, "made since the backup", held))


def _why_it_stays(held: HeldRule, mode: RestoreMode, *, short: bool) -> str | None:
    if mode is RestoreMode.PARTIAL:
        return "made since the backup: partial only adds"
    if held.rule.priority > LOWEST_WRITABLE:
        return "a rule of the system, which could not be made again"
    if short:
        return "a quota keeps rules of the backup out: nothing goes before all of them stand"
    return None


# --- members ----------------------------------------------------------------------


def _restore_members(case: _Case, target: Target) -> None:
    present = case.world.members(target.group_id)
    members = {(instance.instance_id, eni.eni_id) for instance, eni in present}
    for member in target.kept.members:
        if (member.instance_id, member.interface_id) in members:
            continue
        instance = case.world.instances.get(member.instance_id)
        why = _cannot_join(case.world, target, instance, primary=member.primary)
        if why is None and instance is not None and not case.room.admits(target, instance):
            why = LossCode.QUOTA, "a quota of the cloud has no room for the member"
        if why is not None:
            loss = Loss(why[0], why[1], target.ref, instance_id=member.instance_id)
            case.draft.losses.append(loss)
        else:
            join = Join(target.place, target.group_id, member.instance_id)
            case.draft.joins.append(join)
    wanted = target.kept.primary_ids
    for instance, eni in present:
        if eni == instance.primary and instance.instance_id not in wanted:
            _let_leave(case, target, instance)


def _cannot_join(
    world: World,
    target: Target,
    instance: Instance | None,
    *,
    primary: bool,
) -> tuple[LossCode, str] | None:
    """Source: ECS API, JoinSecurityGroup."""
    if instance is None:
        return LossCode.INSTANCE_GONE, "the instance is not there any more"
    if not primary:
        return LossCode.SECONDARY, "a secondary interface is attached where it was created"
    if "security" in instance.locks:
        return LossCode.INSTANCE_LOCKED, "the instance is locked for security reasons"
    if instance.status not in {"Running", "Stopped"}:
        return LossCode.INSTANCE_STATUS, f"the instance is {instance.status}"
    if instance.vpc_id != target.kept.group.vpc_id:
        return LossCode.NETWORK, "the instance is in another network by now"
    kinds = {
        world.groups[group_id].kind for group_id in instance.group_ids if group_id in world.groups
    }
    if kinds - {target.kept.group.kind}:
        return LossCode.KIND, "the instance is in groups of the other kind"
    return None


def _let_leave(case: _Case, target: Target, instance: Instance) -> None:
    draft, instance_id = case.draft, instance.instance_id
    leaving = {each.group_id for each in draft.leaves if _is_of(each, instance_id)}
    reason = None
    if case.mode is RestoreMode.PARTIAL:
        reason = "joined since the backup: partial only adds"
    elif instance.group_ids - leaving == {target.group_id}:
        reason = "it is the instance's only group: it cannot leave its last one"
    elif "security" in instance.locks or instance.status not in {"Running", "Stopped"}:
        reason = "the instance is locked, or neither running nor stopped"
    if reason is not None:
        draft.staying.append(Foreign(target.ref, reason, instance_id=instance_id))
        return
    draft.leaves.append(Leave(target.place, target.group_id, instance_id))
    draft.going.append(Foreign(target.ref, "joined since the backup", instance_id=instance_id))


def _is_of(change: Change, instance_id: str) -> bool:
    return isinstance(change, Leave) and change.instance_id == instance_id


# --- quotas -----------------------------------------------------------------------


class _Room:
    """How much of each quota is left, as the plan grows: what is removed makes no room, because
    it goes last.

    Source: ECS product page, Limits.
    """

    def __init__(self, world: World, limits: Limits) -> None:
        self._world, self._limits = world, limits
        self._rules: dict[str, int] = {}
        self._pooled: dict[str, int] = {}
        self._peers: dict[str, set[str]] = {}
        self._groups: dict[str, set[str]] = {}
        self._members: dict[str, set[str]] = {}

    def takes(self, target: Target, rule: Rule) -> bool:
        """Whether a rule fits; if so it takes its place."""
        group_id, limits = target.group_id, self._limits
        cost = weight(self._world, [HeldRule("", rule)])
        if self._used(group_id) + cost > limits.rules_per_group:
            return False
        enis = [eni for _, eni in self._world.members(group_id)]
        if any(self._pool(eni) + cost > limits.rules_per_nic for eni in enis):
            return False
        named = self._named(group_id)
        if isinstance(rule.peer, GroupPeer):
            if len(named | {rule.peer.group_id}) > limits.peer_groups_per_group:
                return False
            named.add(rule.peer.group_id)
        self._rules[group_id] = self._used(group_id) + cost
        for eni in enis:
            self._pooled[eni.eni_id] = self._pool(eni) + cost
        return True

    def admits(self, target: Target, instance: Instance) -> bool:
        """Whether an instance may join; if so it does."""
        groups = self._groups.setdefault(instance.instance_id, set(instance.group_ids))
        known = {member.instance_id for member, _ in self._world.members(target.group_id)}
        members = self._members.setdefault(target.group_id, known)
        pooled = self._pool(instance.primary) + self._used(target.group_id)
        if (
            len(groups | {target.group_id}) > self._limits.groups_per_nic
            or len(members) + 1 > member_limit(target.kept.group, self._limits)
            or pooled > self._limits.rules_per_nic
        ):
            return False
        groups.add(target.group_id)
        members.add(instance.instance_id)
        self._pooled[instance.primary.eni_id] = pooled
        return True

    def _used(self, group_id: str) -> int:
        if group_id not in self._rules:
            self._rules[group_id] = self._weight(group_id)
        return self._rules[group_id]

    def _weight(self, group_id: str) -> int:
        group = self._world.groups.get(group_id)
        return 0 if group is None else weight(self._world, group.rules)

    def _pool(self, eni: Eni) -> int:
        if eni.eni_id not in self._pooled:
            self._pooled[eni.eni_id] = sum(self._weight(each) for each in eni.group_ids)
        return self._pooled[eni.eni_id]

    def _named(self, group_id: str) -> set[str]:
        if group_id not in self._peers:
            group = self._world.groups.get(group_id)
            peers = (held.rule.peer for held in (group.rules if group is not None else ()))
            self._peers[group_id] = {peer.group_id for peer in peers if isinstance(peer, GroupPeer)}
        return self._peers[group_id]


# --- guardrail --------------------------------------------------------------------


def _check_exposure(world: World, draft: _Draft, bounds: Bounds) -> None:
    """Refuse to let in half of all addresses or more where they are not let in today.

    The public side of the classic network is left out: it is there for everybody, and no
    connection is ever made on it.

    Raises:
        GuardrailViolationError: `rules` are those that would.
    """
    opening = [
        (target, new.rule)
        for target, new in (*draft.adds, *draft.fresh)
        if _admitted(new.rule) > 1 and not _stands(world, target, new.rule)
    ]
    for family in AddressFamily:
        blocks = {
            rule.peer
            for _, rule in opening
            if isinstance(rule.peer, Block) and rule.peer.family is family
        }
        if _is_too_much(sum(block.size for block in blocks), family, bounds):
            raise GuardrailViolationError(
                "the backup lets in half of all addresses or more, which is not so today; "
                "`partial` restores the rest",
                rules=[
                    {"group_id": target.group_id, **held_document(HeldRule("", rule))}
                    for target, rule in opening
                ],
            )


def _is_too_much(addresses: int, family: AddressFamily, bounds: Bounds) -> bool:
    return addresses >= 1 << (family.bits - 1) and addresses > bounds.addresses


def _admitted(rule: Rule) -> int:
    """How many addresses a rule lets in, on the side that connections are made on."""
    lets_in = (rule.direction, rule.policy) == (Direction.INGRESS, Policy.ACCEPT)
    if not (lets_in and isinstance(rule.peer, Block) and rule.nic_type is NicType.INTRANET):
        return 0
    return rule.peer.size


def _stands(world: World, target: Target, rule: Rule) -> bool:
    """Whether some rule lets in as much already, with whatever priority."""
    group = world.groups.get(target.group_id)
    return group is not None and any(_covers(held.rule, rule) for held in group.rules)


def _covers(one: Rule, other: Rule) -> bool:
    if not (isinstance(one.peer, Block) and isinstance(other.peer, Block)):
        return False
    ports = one.ports is not None and (
        one.ports.is_every_port
        or (other.ports is not None and one.ports.first <= other.ports.first
            and other.ports.last <= one.ports.last)
    )  # fmt: skip
    return (
        (one.direction, one.policy, one.nic_type) == (other.direction, other.policy, other.nic_type)
        and one.protocol.covers(other.protocol)
        and ports
        and other.peer.within(one.peer)
        and (one.own is None or one.own == other.own)
        and (one.source_ports.is_every_port or one.source_ports == other.source_ports)
    )


# --- order ------------------------------------------------------------------------


def _in_order(world: World, draft: _Draft) -> list[Change]:
    """Return the changes in the first order in which no flow changes twice.

    Raises:
        NoSafeOrderError
    """
    fresh = list(_runs(_authorizations(draft.fresh)))
    adds = list(_runs(_authorizations(draft.adds)))
    removals = list(_runs(_revocations(draft.removals)))
    before = [*draft.creates, *fresh]
    orders = (
        [*before, *draft.widens, *adds, *draft.joins, *removals, *draft.leaves, *draft.narrows],
        [*before, *draft.widens, *adds, *removals, *draft.leaves, *draft.narrows, *draft.joins],
        [*before, *draft.leaves, *draft.widens, *adds, *removals, *draft.narrows, *draft.joins],
        [*draft.leaves, *removals, *draft.narrows, *before, *draft.widens, *adds, *draft.joins],
    )
    for order in orders:
        if is_seamless(world, order):
            return order
    raise NoSafeOrderError(
        "in whatever order the changes are made, on the way something is open that is neither "
        "open before nor after, or closed that is to stay open"
    )


def _authorizations(adds: Iterable[tuple[Target, NewRule]]) -> list[tuple[int, Change]]:
    """Single additions, with a number for each run of the same policy; in order of judgement."""
    found: list[tuple[int, Change]] = []
    ranked = sorted(adds, key=lambda each: each[1].rule.rank)
    for number, (_, run) in enumerate(groupby(ranked, key=lambda each: each[1].rule.policy)):
        for target, new in run:
            change = Authorize(target.place, target.group_id, new.rule.direction, (new,))
            found.append((number, change))
    return found


def _revocations(removals: Iterable[tuple[Target, HeldRule]]) -> list[tuple[int, Change]]:
    """Single removals, likewise; against the order of judgement."""
    found: list[tuple[int, Change]] = []
    ranked = sorted(removals, key=lambda each: each[1].rule.rank, reverse=True)
    for number, (_, run) in enumerate(groupby(ranked, key=lambda each: each[1].rule.policy)):
        for target, held in run:
            change = Revoke(target.place, target.group_id, held.rule.direction, (held,))
            found.append((number, change))
    return found


def _runs(numbered: Sequence[tuple[int, Change]]) -> Iterator[Change]:
    """Full batches within each run: what a run does, it does in any order."""
    for _, run in groupby(numbered, key=lambda each: each[0]):
        changes = [change for _, change in run]
        yield from batched(sorted(changes, key=_same_call))


def _same_call(change: Change) -> tuple[Place, str, str]:
    direction = change.direction if isinstance(change, Authorize | Revoke) else ""
    return change.place, change.group_id, direction


# --- words ------------------------------------------------------------------------


def _reason(change: Change, targets: Sequence[Target]) -> str:
    kept = {target.group_id: target.kept.group for target in targets}
    match change:
        case CreateGroup(group_id=group_id):
            return f"{kept[group_id].group_id} was deleted: it is made anew"
        case Authorize():
            return "in the backup, and not there any more"
        case Join():
            return "a member when the backup was taken"
        case Revoke():
            return "made since the backup"
        case Leave():
            return "joined since the backup"
        case _:
            return "as it was when the backup was taken"


def _warnings(draft: _Draft) -> Iterator[str]:
    if draft.losses:
        yield f"{len(draft.losses)} thing(s) of the backup cannot be restored"
    if draft.going:
        yield f"{len(draft.going)} thing(s) made since the backup go"
    if draft.staying:
        yield f"{len(draft.staying)} thing(s) that the backup does not have stay"


# --- documents --------------------------------------------------------------------


def restoration_document(
    made: Restoration, mode: str, backup_ids: Sequence[str], remapped: Iterable[Remapped]
) -> Document:
    """Spell what of a restore is not in every plan."""
    return {
        "mode": mode,
        "backup_ids": list(backup_ids),
        "remapped": [
            {
                "account_id": each.place.account_id,
                "region_id": each.place.region_id,
                "group_id": each.group_id,
                "becomes": each.becomes,
            }
            for each in remapped
        ],
        "not_restorable": [_loss_document(each) for each in made.losses],
        "going": [_foreign_document(each) for each in made.going],
        "staying": [_foreign_document(each) for each in made.staying],
    }


def _loss_document(loss: Loss) -> Document:
    document: Document = {
        "code": loss.code.value,
        "detail": loss.detail,
        "group_id": loss.ref.group_id,
        "account_id": loss.ref.account_id,
    }
    return document | _subject(loss.held, loss.instance_id)


def _foreign_document(foreign: Foreign) -> Document:
    document: Document = {
        "reason": foreign.reason,
        "group_id": foreign.ref.group_id,
        "account_id": foreign.ref.account_id,
    }
    return document | _subject(foreign.held, foreign.instance_id)


def _subject(held: HeldRule | None, instance_id: str | None) -> Document:
    document: Document = {}
    if held is not None:
        document["rule"] = held_document(held)
    if instance_id is not None:
        document["instance_id"] = instance_id
    return document
