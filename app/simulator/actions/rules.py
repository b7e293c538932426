"""Authorize and revoke rules, in either direction, one by one or up to a hundred in a call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from app.simulator.actions.groups import own_free_group
from app.simulator.actions.permissions import FIELDS, Permission, Purpose, Reading, read_permission
from app.simulator.actions.request import Action, Body, Request
from app.simulator.errors import ApiError, invalid_parameter
from app.simulator.state.resources import Group, Rule
from app.simulator.state.store import Store


def authorize(request: Request, *, direction: str) -> Body:
    """Add rules, all or none; a rule that is there already counts as added and stays as it is.

    Source: ECS API, AuthorizeSecurityGroup and AuthorizeSecurityGroupEgress.
    """
    group = own_free_group(request, request.parameters.need("SecurityGroupId"))
    reading = Reading(request, group, direction, Purpose.AUTHORIZE)
    fresh = _fresh(group, (permission.rule for permission in _permissions(reading)))
    check_quotas(request, group, fresh)
    for rule in fresh:
        request.store.add_rule(group, rule)
    return {}


def _permissions(reading: Reading) -> list[Permission]:
    """Return the rules of a call, from `Permissions.N` or from the flat fields, never both."""
    parameters = reading.request.parameters
    structs = parameters.structs("Permissions")
    flat = {name: value for name in FIELDS if (value := parameters.get(name))}
    if structs and flat:
        raise invalid_parameter(f"Permissions and {next(iter(flat))} cannot be used together.")
    limit = reading.request.settings.quotas.permissions_per_call
    if limit is not None and len(structs) > limit:
        raise invalid_parameter(f"At most {limit} Permissions can be sent in one call.")
    return [read_permission(reading, fields) for fields in structs or [flat]]


def _fresh(group: Group, rules: Iterable[Rule]) -> list[Rule]:
    fresh = {rule.identity(): rule for rule in rules if rule.identity() not in group.rule_ids}
    return list(fresh.values())


def check_quotas(
    request: Request, group: Group, fresh: Sequence[Rule], *, instead_of: Rule | None = None
) -> None:
    """Refuse what would not fit. Source: ECS product introduction, Limits."""
    if not fresh:
        return
    store, quotas = request.store, request.settings.quotas
    freed = store.weight(instead_of) if instead_of else 0
    added = sum(store.weight(rule) for rule in fresh) - freed
    peers = group.peer_group_ids() | {rule.peer_group_id for rule in fresh if rule.peer_group_id}
    if added > 0 and (
        _is_over(quotas.rules_per_group, group.weight + added)
        or _is_over(quotas.rules_per_interface, _heaviest(store, group) + added)
    ):
        raise _too_many()
    if len(peers) > len(group.peer_group_ids()) and _is_over(
        quotas.peer_groups_per_group, len(peers)
    ):
        raise _too_many()


def _too_many() -> ApiError:
    return ApiError(
        "AuthorizationLimitExceed",
        403,
        "The limit of authorization records in the security group is reached.",
    )


def _is_over(limit: int | None, number: int) -> bool:
    return limit is not None and number > limit


def _heaviest(store: Store, group: Group) -> int:
    """Return the most rules that any interface in the group has from all its groups."""
    combinations = {tuple(member.group_ids) for member in store.members_of(group)}
    return max(
        (sum(store.groups[key].weight for key in keys) for keys in combinations),
        default=group.weight,
    )


# ---- revoke


def revoke(request: Request, *, direction: str) -> Body:
    """Remove rules by id, or all that match the fields; no match is a success.

    Source: ECS API, RevokeSecurityGroup and RevokeSecurityGroupEgress.
    """
    group = own_free_group(request, request.parameters.need("SecurityGroupId"))
    rule_ids = request.parameters.repeated("SecurityGroupRuleId")
    if rule_ids:
        doomed = _named(request, group, rule_ids, direction)
    else:
        reading = Reading(request, group, direction, Purpose.REVOKE)
        doomed = _matching(request, group, _permissions(reading))
    for rule_id in doomed:
        request.store.remove_rule(group, rule_id)
    return {}


def _named(request: Request, group: Group, ids: Sequence[str], direction: str) -> list[str]:
    parameters = request.parameters
    if parameters.structs("Permissions") or parameters.get("IpProtocol"):
        raise invalid_parameter("SecurityGroupRuleId and Permissions cannot be used together.")
    limit = request.settings.quotas.permissions_per_call
    if limit is not None and len(ids) > limit:
        raise invalid_parameter(f"At most {limit} SecurityGroupRuleId can be sent in one call.")
    for rule_id in ids:
        rule = group.rules.get(rule_id)
        if rule is None or rule.direction != direction:
            raise _no_such_rule(direction)
    return list(dict.fromkeys(ids))


def _no_such_rule(direction: str) -> ApiError:
    """Return the refusal of an unknown rule id, which the two directions spell differently."""
    code = (
        "InvalidParam.SecurityGroupRuleId"
        if direction == "ingress"
        else "InvalidSecurityGroupRule.RuleNotExist"
    )
    return ApiError(code, 400, "The specified security group rule does not exist.")


def _matching(request: Request, group: Group, permissions: Sequence[Permission]) -> list[str]:
    doomed: dict[str, None] = {}
    for permission in permissions:
        found = [rule_id for rule_id, rule in group.rules.items() if _is_meant(permission, rule)]
        if not found and request.settings.variants.revoke_of_missing_rule == "refused":
            raise ApiError(
                "InvalidGroupAuthItem.NotFound",
                403,
                "Specified group authorized item does not exist.",
            )
        doomed.update(dict.fromkeys(found))
    return list(doomed)


def _is_meant(permission: Permission, rule: Rule) -> bool:
    return permission.rule.match_key() == rule.match_key() and (
        not permission.priority_was_sent or permission.rule.priority == rule.priority
    )


ACTIONS = (
    Action("AuthorizeSecurityGroup", partial(authorize, direction="ingress"), takes_token=True),
    Action(
        "AuthorizeSecurityGroupEgress", partial(authorize, direction="egress"), takes_token=True
    ),
    Action("RevokeSecurityGroup", partial(revoke, direction="ingress"), takes_token=True),
    Action("RevokeSecurityGroupEgress", partial(revoke, direction="egress"), takes_token=True),
)
