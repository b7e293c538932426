"""From an intent and a world to a plan whose outcome is known in advance, or to a refusal."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from app.domain import soundness
from app.domain.changes import Authorize, Change, Join, Leave, Revoke, is_new_group
from app.domain.difference import Difference, difference
from app.domain.documents import Document
from app.domain.errors import (
    AppError,
    GuardrailViolationError,
    InvalidCidrError,
    MethodNotPossibleError,
    QuotaInsufficientError,
    TargetManagedError,
    TooManyExtraPairsError,
)
from app.domain.evaluate import Evaluator
from app.domain.fingerprint import fingerprint, world_document
from app.domain.flows import DecidingRule, Flow, Verdict
from app.domain.groups import GroupRef
from app.domain.intents import AddressSide, GroupSide, InstanceSide, Intent, MethodName
from app.domain.methods import METHODS
from app.domain.plan import (
    AskedFlow,
    Limits,
    Obstacle,
    ObstacleCode,
    Plan,
    Proposal,
    QuotaUse,
    asked_flows,
    asked_instances,
    is_open,
    target_instances,
)
from app.domain.quotas import overfull, quotas
from app.domain.rules import GroupPeer, Policy
from app.domain.sentences import sentence
from app.domain.world import End, InterfaceEnd, World, is_planned


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may never be opened, whoever asks: `addresses` is the most a request may name."""

    addresses: int = 65_536


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan, and what would refuse it; `plan` is None where nothing could be proposed.

    `is_too_wide` says that it opens more besides what was asked for than the request allows.
    """

    plan: Plan | None
    obstacles: tuple[Obstacle, ...] = ()
    managed: tuple[GroupRef, ...] = ()
    exceeded: tuple[QuotaUse, ...] = ()
    is_too_wide: bool = False

    @property
    def is_possible(self) -> bool:
        stopped = self.obstacles or self.managed or self.exceeded or self.is_too_wide
        return self.plan is not None and not stopped


def plan_connection(world: World, intent: Intent, limits: Limits, bounds: Bounds) -> Plan:
    """Return the plan of a connect request.

    Raises:
        GuardrailViolationError: it names more addresses than may ever be opened.
        InvalidCidrError: a source in the classic network is wider than one address.
        TargetManagedError, MethodNotPossibleError, QuotaInsufficientError,
        TooManyExtraPairsError
    """
    check_sources(world, intent, bounds)
    made = draft(world, intent, limits)
    if made.plan is None or not made.is_possible:
        raise refusal(made, intent, possible_methods=list(possible_methods(world, intent, limits)))
    return made.plan


def refusal(made: Draft, intent: Intent, **facts: object) -> AppError:
    """Return the problem because of which a draft is no plan; `facts` go with it."""
    if made.managed:
        names = ", ".join(ref.group_id for ref in made.managed)
        return TargetManagedError(
            f"{names}: managed by a cloud product, only it may change the group",
            group_ids=[ref.group_id for ref in made.managed],
            **facts,
        )
    if made.obstacles:
        return MethodNotPossibleError(
            "; ".join(obstacle.detail for obstacle in made.obstacles[:3]),
            obstacles=[obstacle_document(each) for each in made.obstacles],
            **facts,
        )
    if made.exceeded or made.plan is None:
        return QuotaInsufficientError(
            "; ".join(exceeded_sentence(use) for use in made.exceeded[:3]),
            quotas=[quota_document(use) for use in made.exceeded],
            **facts,
        )
    extra = made.plan.difference.extra_pairs
    return TooManyExtraPairsError(
        f"{intent.method} would open {extra} pairs besides those asked for; "
        f"at most {intent.max_extra_pairs} may",
        extra_pairs=extra,
        max_extra_pairs=intent.max_extra_pairs,
        **facts,
    )


def check_sources(world: World, intent: Intent, bounds: Bounds) -> None:
    """Refuse sources entered by hand that may be opened by no method.

    Raises:
        GuardrailViolationError, InvalidCidrError
    """
    check_addresses(intent, bounds)
    check_classic_sources(world, intent)


def check_addresses(intent: Intent, bounds: Bounds) -> None:
    """Refuse sources that stand for a large part of the world.

    Raises:
        GuardrailViolationError
    """
    if isinstance(intent.source, AddressSide):
        total = sum(block.size for block in intent.source.blocks)
        if total > bounds.addresses:
            raise GuardrailViolationError(
                f"the source stands for {total} addresses; at most {bounds.addresses} may be "
                "opened by one request",
                addresses=total,
                limit=bounds.addresses,
            )


def check_classic_sources(world: World, intent: Intent) -> None:
    """The classic network is shared by all tenants: only single addresses are safe there.

    Source: ECS user guide, Add security group rules.
    """
    classic = any(instance.is_classic for instance in target_instances(world, intent))
    if classic and isinstance(intent.source, AddressSide):
        for block in intent.source.blocks:
            if not block.is_single:
                raise InvalidCidrError(
                    f"{block}: in the classic network a source is a single address (/32)",
                    cidr=str(block),
                )


def draft(world: World, intent: Intent, limits: Limits) -> Draft:
    """Propose, foretell and count; refuse nothing yet."""
    method = METHODS[intent.method]
    impossible = tuple(dict.fromkeys(method.obstacles(world, intent)))
    if impossible:
        return Draft(None, impossible)
    evaluator = Evaluator(world)
    asked = [AskedFlow(flow, evaluator.explain(flow)) for flow in asked_flows(world, intent)]
    proposal = method.propose(world, intent, asked, limits)
    if proposal.managed or proposal.obstacles:
        return Draft(None, tuple(dict.fromkeys(proposal.obstacles)), proposal.managed)
    beyond = tuple(overfull(world, [each.change for each in proposal.changes], limits))
    if beyond:
        return Draft(None, exceeded=beyond)
    plan = foretell(world, intent, proposal, asked, limits)
    exceeded = tuple(use for use in plan.quotas if use.is_exceeded)
    most, extra = intent.max_extra_pairs, plan.difference.extra_pairs
    is_too_wide = most is not None and extra > most
    return Draft(plan, tuple(still_closed(plan)), (), exceeded, is_too_wide)


def foretell(
    world: World,
    intent: Intent,
    proposal: Proposal,
    asked: Sequence[AskedFlow],
    limits: Limits,
) -> Plan:
    """Evaluate the world after the proposal: verdicts, blast radius, quotas, calls.

    Raises:
        UnsoundPlanError: these do not agree: an error of ours.
    """
    after = world
    for planned in proposal.changes:
        after = after.after(planned.change)
    flows = asked_flows(after, intent)
    evaluator = Evaluator(after)
    told = tuple(
        replace(each, after=evaluator.explain(flow))
        for each, flow in zip(asked, flows, strict=True)
    )
    changes = [planned.change for planned in proposal.changes]
    plan = Plan(
        kind="connect",
        changes=proposal.changes,
        asked=told,
        difference=compare(world, after, changes, [each.flow for each in told]),
        quotas=quotas(world, after, changes, limits),
        calls=cloud_calls(after, changes),
        fingerprint=fingerprint(world_document(world)),
        warnings=(*proposal.warnings, *_warnings(world, intent), *_blind_spots(world, changes)),
    )
    soundness.check(plan, world, after, proposal)
    return plan


def compare(
    before: World, after: World, changes: Iterable[Change], asked: Sequence[Flow]
) -> Difference:
    """Return the blast radius of changes that lead from one world to the other."""
    changes = list(changes)
    return difference(
        before,
        after,
        touched_groups=frozenset(each.group_id for each in changes),
        touched_instances=frozenset(
            each.instance_id for each in changes if isinstance(each, Join | Leave)
        ),
        asked=asked,
    )


def cloud_calls(world: World, changes: Sequence[Change]) -> int:
    """Count calls that change groups or read the rules of a changed group.

    Each such group is read before the first change and after the last one: once in a VPC,
    once for each NIC type in the classic network.
    """
    with_rules = {each.group_id for each in changes if isinstance(each, Authorize | Revoke)}
    reads = sum(2 if _is_classic(world, group_id) else 1 for group_id in with_rules)
    return len(changes) + 2 * reads


def _is_classic(world: World, group_id: str) -> bool:
    group = world.groups.get(group_id)
    return group is not None and group.vpc_id is None


def still_closed(plan: Plan) -> Iterable[Obstacle]:
    """Say of each asked flow that a plan does not open what stands in its way."""
    for each in plan.asked:
        if each.after is None or is_open(each.after):
            continue
        sides = (each.after.egress, each.after.ingress)
        drops = [
            rule for side in sides for rule in side.rules if rule.held.rule.policy is Policy.DROP
        ]
        yield from (_drop(rule, each) for rule in drops)
        if not drops:
            account_id = _account_of(each.flow)
            yield Obstacle(ObstacleCode.NOT_REACHABLE, sentence(each.after), account_id)


def _drop(rule: DecidingRule, asked: AskedFlow) -> Obstacle:
    assert asked.after is not None
    return Obstacle(
        ObstacleCode.DROP_RULE,
        sentence(asked.after),
        rule.group.account_id,
        group_id=rule.group.group_id,
        rule_id=rule.held.rule_id,
    )


def _account_of(flow: Flow) -> str:
    end = flow.target if isinstance(flow.target, InterfaceEnd) else flow.source
    return end.instance.place.account_id if isinstance(end, InterfaceEnd) else ""


def _warnings(world: World, intent: Intent) -> Iterable[str]:
    for instance in asked_instances(world, intent):
        if instance.status != "Running":
            yield f"{instance.instance_id} is {instance.status}; it was judged as if it ran"
    if isinstance(intent.source, GroupSide):
        for group_id in intent.source.group_ids:
            if group_id not in world.complete:
                yield (
                    f"{group_id} of account {intent.source.place.account_id} cannot be read: "
                    "what its members may send is unknown"
                )


def _blind_spots(world: World, changes: Iterable[Change]) -> Iterable[str]:
    joined = {each.group_id for each in changes if isinstance(each, Join)}
    for group_id in sorted(joined):
        if not is_new_group(group_id) and group_id not in world.references:
            yield f"which groups name {group_id} cannot be read: what they let in is unknown"


def possible_methods(world: World, intent: Intent, limits: Limits) -> Iterable[MethodName]:
    """Return the other methods that would work for the same sides and traffic."""
    if not isinstance(intent.source, InstanceSide):
        return
    source, target = replace(intent.source, group_id=None), replace(intent.target, group_id=None)
    bare = replace(intent, source=source, target=target, group_id=None, group_name=None)
    for name in MethodName:
        other = replace(bare, method=name)
        if name is not intent.method and draft(world, other, limits).is_possible:
            yield name


def obstacle_document(obstacle: Obstacle) -> Document:
    """Spell an obstacle; what does not apply is left out."""
    document: Document = {
        "code": obstacle.code.value,
        "detail": obstacle.detail,
        "account_id": obstacle.account_id,
        "instance_id": obstacle.instance_id,
        "group_id": obstacle.group_id,
        "rule_id": obstacle.rule_id,
    }
    return {key: value for key, value in document.items() if value is not None}


def quota_document(use: QuotaUse) -> Document:
    return {
        "name": use.name,
        "account_id": use.account_id,
        "subject": use.subject,
        "used": use.used,
        "after": use.after,
        "limit": use.limit,
    }


def exceeded_sentence(use: QuotaUse) -> str:
    return f"{use.subject} would use {use.after} of {use.limit} {use.name.replace('_', ' ')}"


def rests_on(asked: Sequence[AskedFlow]) -> "Support":
    """Return the rules and memberships because of which asked flows are open already."""
    support = Support({}, {})
    for each in asked:
        if each.is_open:
            support.note(each.flow, each.before)
    return support


def needs(asked: Sequence[AskedFlow]) -> "Support":
    """Return all that is there already and that asked flows rest on once they are open.

    New rules alone open nothing where they speak of members that somebody else let join.
    """
    support = rests_on(asked)
    for each in asked:
        if each.after is not None:
            support.note(each.flow, each.after)
    return support


@dataclass(frozen=True, slots=True)
class Support:
    """What flows rest on of what is there: rules by id, memberships by (group, instance)."""

    rules: dict[str, DecidingRule]
    memberships: dict[tuple[str, str], None]

    def note(self, flow: Flow, verdict: Verdict) -> None:
        for side, own, remote in (
            (verdict.egress, flow.source, flow.target),
            (verdict.ingress, flow.target, flow.source),
        ):
            for rule in side.rules:
                if not is_planned(rule.held):
                    self.rules[rule.held.rule_id] = rule
                self._note_member(rule.group.group_id, own)
                peer = rule.held.rule.peer
                if isinstance(peer, GroupPeer):
                    self._note_member(peer.group_id, remote)
        for ref in verdict.shared_groups:
            self._note_member(ref.group_id, flow.source)
            self._note_member(ref.group_id, flow.target)

    def _note_member(self, group_id: str, end: End) -> None:
        if isinstance(end, InterfaceEnd) and group_id in end.instance.group_ids:
            self.memberships[group_id, end.instance.instance_id] = None
