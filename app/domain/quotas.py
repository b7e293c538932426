"""How much of each quota a plan uses."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from app.domain.changes import Authorize, Change, CreateGroup, Join
from app.domain.groups import Eni
from app.domain.obstacles import member_limit
from app.domain.opening import peer_groups
from app.domain.plan import Limits, QuotaUse
from app.domain.rules import HeldRule, PrefixListPeer
from app.domain.world import World


def quotas(
    before: World, after: World, changes: Sequence[Change], limits: Limits
) -> tuple[QuotaUse, ...]:
    """Return every quota that the changes draw on, by name and subject.

    Source: ECS product page, Limits.
    """
    uses = [
        *_of_rules(before, after, changes, limits),
        *_of_memberships(before, after, changes, limits),
        *_of_groups(before, changes, limits),
    ]
    return tuple(sorted(uses, key=lambda use: (use.name, use.account_id, use.subject)))


def overfull(world: World, changes: Sequence[Change], limits: Limits) -> Iterator[QuotaUse]:
    """Return the groups that could not hold the new rules, before anything else is computed."""
    new: Counter[str] = Counter()
    for change in changes:
        if isinstance(change, Authorize):
            new[change.group_id] += len(change.rules)
    for group_id, count in sorted(new.items()):
        group = world.groups[group_id]
        used = weight(world, group.rules)
        use = QuotaUse(
            "rules_per_group",
            group.place.account_id,
            group_id,
            used,
            used + count,
            limits.rules_per_group,
        )
        if use.is_exceeded:
            yield use


def _of_rules(
    before: World, after: World, changes: Sequence[Change], limits: Limits
) -> Iterator[QuotaUse]:
    group_ids = sorted({each.group_id for each in changes if isinstance(each, Authorize)})
    for group_id in group_ids:
        old, new = before.groups.get(group_id), after.groups[group_id]
        account_id = new.place.account_id
        rules = () if old is None else old.rules
        used, total = weight(before, rules), weight(after, new.rules)
        yield QuotaUse("rules_per_group", account_id, group_id, used, total, limits.rules_per_group)
        named = len(_peers(rules)), len(_peers(new.rules))
        if named[1]:
            yield QuotaUse(
                "peer_groups_per_group", account_id, group_id, *named, limits.peer_groups_per_group
            )
    yield from _of_interfaces(before, after, group_ids, changes, limits)


def _peers(rules: Iterable[HeldRule]) -> frozenset[str]:
    return peer_groups(held.rule for held in rules)


def weight(world: World, rules: Iterable[HeldRule]) -> int:
    """Count rules as the cloud does: one that names a prefix list counts for its entries.

    The cloud counts the most entries the list can have; what is read is how many it has.
    """
    return sum(_weight(world, held) for held in rules)


def _weight(world: World, held: HeldRule) -> int:
    peer = held.rule.peer
    if isinstance(peer, PrefixListPeer):
        return max(1, len(world.prefix_lists.get(peer.prefix_list_id, ())))
    return 1


def _of_interfaces(
    before: World,
    after: World,
    group_ids: Sequence[str],
    changes: Sequence[Change],
    limits: Limits,
) -> Iterator[QuotaUse]:
    """The fullest interface of each touched group or instance: rules pooled over its groups."""
    touched = {instance.instance_id for each in group_ids for instance, _ in after.members(each)}
    touched |= {each.instance_id for each in changes if isinstance(each, Join)}
    uses = []
    for instance_id in sorted(touched):
        old, new = before.instances[instance_id], after.instances[instance_id]
        for earlier, later in zip(old.enis, new.enis, strict=True):
            used, total = _pooled(before, earlier), _pooled(after, later)
            uses.append((total, used, new.place.account_id, later.eni_id))
    if uses:
        total, used, account_id, eni_id = max(uses)
        yield QuotaUse("rules_per_nic", account_id, eni_id, used, total, limits.rules_per_nic)


def _pooled(world: World, eni: Eni) -> int:
    groups = (world.groups.get(group_id) for group_id in eni.group_ids)
    return sum(weight(world, group.rules) for group in groups if group is not None)


def _of_memberships(
    before: World, after: World, changes: Sequence[Change], limits: Limits
) -> Iterator[QuotaUse]:
    joins = [each for each in changes if isinstance(each, Join)]
    for instance_id in sorted({each.instance_id for each in joins}):
        old, new = before.instances[instance_id], after.instances[instance_id]
        used, total = len(old.group_ids), len(new.group_ids)
        account_id = new.place.account_id
        yield QuotaUse(
            "groups_per_nic", account_id, instance_id, used, total, limits.groups_per_nic
        )
    for group_id in sorted({each.group_id for each in joins}):
        group = after.groups[group_id]
        used, total = len(before.members(group_id)), len(after.members(group_id))
        limit = member_limit(group, limits)
        yield QuotaUse("members_per_group", group.place.account_id, group_id, used, total, limit)


def _of_groups(world: World, changes: Sequence[Change], limits: Limits) -> Iterator[QuotaUse]:
    made = Counter(each.place for each in changes if isinstance(each, CreateGroup))
    for place, count in sorted(made.items()):
        used = world.group_counts.get(place, 0)
        yield QuotaUse(
            "groups_per_account",
            place.account_id,
            place.account_id,
            used,
            used + count,
            limits.groups_per_account,
        )
