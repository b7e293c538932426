"""What each method would do for one request, and which one to choose.

The least extra access that quotas have room for is chosen; where methods open equally little,
the one that the vendor's page advises for the situation; where that is none of them, the one
that needs the least.

Source: ECS best practices, Configure interconnection of instances in the classic network.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.domain.changes import (
    AddedRule,
    Authorize,
    CreatedGroup,
    CreateGroup,
    Effect,
    Join,
    Joined,
    way_back,
)
from app.domain.errors import AppError
from app.domain.intents import AddressSide, GroupSide, InstanceSide, Intent, MethodName
from app.domain.plan import (
    Limits,
    Plan,
    QuotaUse,
    asked_flows,
    asked_instances,
    source_instances,
    target_instances,
)
from app.domain.planning import cloud_calls, draft, refusal
from app.domain.rules import HeldRule
from app.domain.survival import Survival, survival
from app.domain.world import World

FEW_INSTANCES = 4
"""Most instances, of both sides together, that count as few (our own figure: the page has none)."""

FEW_ROLES = 3
"""Most roles that count as tiers of one application: web, application, database (our figure)."""


class SituationCode(StrEnum):
    """What the vendor's page tells situations apart by."""

    SEVERAL_ACCOUNTS = "several_accounts"
    FEW_INSTANCES = "few_instances"
    SIMPLE = "simple_architecture"
    TIERS = "several_tiers"
    ROLES = "many_roles"


ADVICE: Mapping[SituationCode, tuple[MethodName, str]] = {
    SituationCode.SEVERAL_ACCOUNTS: (
        MethodName.GROUP_AUTHORIZATION,
        "authorize groups where several accounts are involved",
    ),
    SituationCode.FEW_INSTANCES: (
        MethodName.ADDRESS_RULES,
        "authorize addresses where few instances are involved",
    ),
    SituationCode.SIMPLE: (
        MethodName.SHARED_GROUP,
        "let all join one group where the architecture is simple",
    ),
    SituationCode.TIERS: (
        MethodName.DEDICATED_GROUP,
        "make a group for the purpose where an application has several tiers",
    ),
    SituationCode.ROLES: (
        MethodName.GROUP_AUTHORIZATION,
        "authorize groups where instances have many roles",
    ),
}
"""What the vendor's page advises, and when."""


@dataclass(frozen=True, slots=True)
class Situation:
    """The figures that the advice rests on. A role is a set of groups that instances are in."""

    code: SituationCode
    accounts: int
    instances: int
    roles: int

    @property
    def advised(self) -> MethodName:
        return ADVICE[self.code][0]

    @property
    def advice(self) -> str:
        return ADVICE[self.code][1]


@dataclass(frozen=True, slots=True)
class Undoing:
    """What taking it back takes, if nobody else has come to need it."""

    rules: int
    memberships: int
    groups: int
    calls: int


@dataclass(frozen=True, slots=True)
class Work:
    """What a method would do. `plan` may be more than a quota has room for, or too wide."""

    plan: Plan
    rules: int
    memberships: int
    groups: int
    undoing: Undoing
    survival: Survival

    @property
    def extra(self) -> tuple[int, int]:
        """Pairs that open though nothing was asked between them; ports that nobody asked for."""
        return (self.plan.difference.extra_pairs, self.plan.difference.extra_port_pairs)

    @property
    def size(self) -> int:
        return self.rules + self.memberships + self.groups

    @property
    def still_fit(self) -> int | None:
        """How many more connections like this one fit; None where it draws on no quota."""
        fits = [each for use in self.plan.quotas if (each := still_fit(use)) is not None]
        return min(fits, default=None)


@dataclass(frozen=True, slots=True)
class Choice:
    """One method: what it would do, as far as that can be said, and why it is not possible."""

    method: MethodName
    work: Work | None
    refusal: AppError | None

    @property
    def is_possible(self) -> bool:
        return self.refusal is None


@dataclass(frozen=True, slots=True)
class Advice:
    """Every method, which one to choose (None: none is possible), and why."""

    situation: Situation
    asked_pairs: int
    choices: tuple[Choice, ...]
    recommended: MethodName | None
    reasons: tuple[str, ...]


def still_fit(use: QuotaUse) -> int | None:
    """How often the quota has room for as much again, once the plan is applied."""
    each = use.after - use.used
    return max(0, use.limit - use.after) // each if each > 0 else None


def _allowed(_: Plan) -> AppError | None:
    return None


def compare_methods(
    world: World,
    intents: Mapping[MethodName, Intent | AppError],
    limits: Limits,
    forbidden: Callable[[Plan], AppError | None] = _allowed,
) -> Advice:
    """Compare what the methods would do; `intents` has one for each, or why there is none.

    The intents are of the same sides and traffic; at least one is there. `forbidden` says what
    refuses a plan that would be possible: a guardrail, or an assertion.
    """
    choices = tuple(_choice(world, name, intents[name], limits, forbidden) for name in MethodName)
    [some, *_] = [each for each in intents.values() if isinstance(each, Intent)]
    told = situation(world, some)
    recommended = _recommended(choices, told)
    pairs = {(flow.source, flow.target) for flow in asked_flows(world, some)}
    reasons = tuple(_reasons(choices, told, recommended))
    return Advice(told, len(pairs), choices, recommended, reasons)


def _choice(
    world: World,
    name: MethodName,
    intent: Intent | AppError,
    limits: Limits,
    forbidden: Callable[[Plan], AppError | None],
) -> Choice:
    if isinstance(intent, AppError):
        return Choice(name, None, intent)
    made = draft(world, intent, limits)
    if made.plan is None or made.obstacles:
        return Choice(name, None, refusal(made, intent))
    refused = forbidden(made.plan) if made.is_possible else refusal(made, intent)
    return Choice(name, _work(world, intent, made.plan), refused)


def _work(world: World, intent: Intent, plan: Plan) -> Work:
    changes = [planned.change for planned in plan.changes]
    after = world
    for change in changes:
        after = after.after(change)
    rules = sum(len(each.rules) for each in changes if isinstance(each, Authorize))
    joins = sum(isinstance(each, Join) for each in changes)
    groups = sum(isinstance(each, CreateGroup) for each in changes)
    back = way_back(list(_effects(plan)))
    undoing = Undoing(rules, joins, groups, cloud_calls(after, back))
    return Work(plan, rules, joins, groups, undoing, survival(world, after, intent))


def _effects(plan: Plan) -> Iterator[Effect]:
    """What would be there because of the plan."""
    for planned in plan.changes:
        match planned.change:
            case Authorize(place, group_id, _, rules):
                for new in rules:
                    yield AddedRule(place, group_id, HeldRule("new", new.rule))
            case Join(place, group_id, instance_id):
                yield Joined(place, group_id, instance_id)
            case CreateGroup(place, group_id, name, vpc_id):
                yield CreatedGroup(place, group_id, name, vpc_id)
            case _:
                pass


# --- the situation ----------------------------------------------------------------


def situation(world: World, intent: Intent) -> Situation:
    """Say which of the situations that the vendor's page tells apart this is.

    Addresses entered by hand count as an instance each, and as one role; so does every group of
    a peer account.
    """
    accounts = {intent.target.place.account_id}
    roles = {instance.group_ids for instance in target_instances(world, intent)}
    instances, more_roles = len(target_instances(world, intent)), 0
    match intent.source:
        case InstanceSide(place):
            accounts.add(place.account_id)
            roles = {instance.group_ids for instance in asked_instances(world, intent)}
            instances += len(source_instances(world, intent))
        case AddressSide(blocks):
            instances, more_roles = instances + sum(block.size for block in blocks), 1
        case GroupSide(place, group_ids):
            accounts.add(place.account_id)
            members = {each for group_id in group_ids for each in world.member_ids(group_id)}
            instances += max(len(members), len(group_ids))
            more_roles = len(group_ids)
    count = len(roles) + more_roles
    return Situation(_code(len(accounts), instances, count), len(accounts), instances, count)


def _code(accounts: int, instances: int, roles: int) -> SituationCode:
    if accounts > 1:
        return SituationCode.SEVERAL_ACCOUNTS
    if instances <= FEW_INSTANCES:
        return SituationCode.FEW_INSTANCES
    if roles == 1:
        return SituationCode.SIMPLE
    return SituationCode.TIERS if roles <= FEW_ROLES else SituationCode.ROLES


# --- the recommendation -----------------------------------------------------------


def _recommended(choices: Sequence[Choice], told: Situation) -> MethodName | None:
    possible = [(each, each.work) for each in choices if each.is_possible and each.work]
    ranked = sorted(
        possible, key=lambda each: (each[1].extra, each[0].method is not told.advised, each[1].size)
    )
    return ranked[0][0].method if ranked else None


def _reasons(
    choices: Sequence[Choice], told: Situation, recommended: MethodName | None
) -> Iterator[str]:
    by_name = {each.method: each for each in choices}
    chosen = by_name[recommended].work if recommended is not None else None
    if recommended is None or chosen is None:
        yield "no method is possible; each says what stands in its way"
        return
    if not chosen.plan.changes:
        yield "everything asked for is reachable already: nothing has to be changed"
    else:
        yield from _why_least(by_name, recommended, chosen, told)
    yield from _why_not_advised(by_name[told.advised], recommended, told)
    if chosen.still_fit is not None:
        yield f"quotas have room for {chosen.still_fit} more connections like this one"


def _why_least(
    by_name: Mapping[MethodName, Choice], recommended: MethodName, chosen: Work, told: Situation
) -> Iterator[str]:
    equal = [
        each.method
        for each in by_name.values()
        if each.is_possible and each.work is not None and each.work.extra == chosen.extra
    ]
    if len(equal) == 1:
        yield f"{recommended} opens the least besides what was asked for: {_spelt(chosen)}"
        return
    yield f"{' and '.join(equal)} open equally little besides what was asked for: {_spelt(chosen)}"
    if recommended is told.advised:
        yield f"of these the vendor's page advises {recommended}: {told.advice}"
    else:
        yield f"of these {recommended} needs the least: {_needed(chosen)}"


def _why_not_advised(advised: Choice, recommended: MethodName, told: Situation) -> Iterator[str]:
    if advised.method is recommended:
        return
    says = f"the vendor's page would advise {advised.method} ({told.advice})"
    if advised.refusal is not None:
        yield f"{says}, which is not possible: {advised.refusal}"
    elif advised.work is not None:
        yield f"{says}, which opens {_spelt(advised.work)}"


def _spelt(work: Work) -> str:
    pairs, ports = work.extra
    return f"{_count(pairs, 'extra pair')}, {_count(ports, 'port')} nobody asked for"


def _needed(work: Work) -> str:
    parts = [
        _count(work.rules, "rule"),
        _count(work.memberships, "membership"),
        _count(work.groups, "group"),
    ]
    return ", ".join(part for part in parts if not part.startswith("0 ")) or "nothing"


def _count(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
