"""ModifySecurityGroupRule and ModifySecurityGroupEgressRule: a rule gets other values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from app.simulator.actions.groups import own_free_group
from app.simulator.actions.permissions import (
    FIELDS,
    Purpose,
    Reading,
    print_permission,
    read_permission,
)
from app.simulator.actions.request import Action, Body, Request
from app.simulator.actions.rules import check_quotas
from app.simulator.errors import ApiError, invalid_parameter
from app.simulator.state.resources import Group, Rule


def modify(request: Request, *, direction: str) -> Body:
    """Change the rule of an id, or the description of the rule that the fields describe.

    Source: ECS API, ModifySecurityGroupRule and ModifySecurityGroupEgressRule.
    """
    group = own_free_group(request, request.parameters.need("SecurityGroupId"))
    reading = Reading(request, group, direction, Purpose.MODIFY)
    fields = {name: value for name in FIELDS if (value := request.parameters.get(name))}
    rule_id = request.parameters.get("SecurityGroupRuleId")
    old = _named(reading, rule_id) if rule_id else _described(reading, fields)
    new = _changed(reading, old, fields) if rule_id else old
    new = replace(new, description=fields.get("Description", old.description))
    if new == old:
        return {}
    if group.rule_ids.get(new.identity(), old.rule_id) != old.rule_id:
        # The vendor documents no code for a change that makes two rules the same.
        raise invalid_parameter("The group has such a rule already.")
    check_quotas(request, group, [new], instead_of=old)
    request.store.replace_rule(group, new)
    return {}


def _named(reading: Reading, rule_id: str) -> Rule:
    rule = reading.group.rules.get(rule_id)
    if rule is None or rule.direction != reading.direction:
        raise _no_such_rule()
    return rule


def _described(reading: Reading, fields: Mapping[str, str]) -> Rule:
    """Return the rule with these fields; without Priority it is the one of priority 1."""
    asked = read_permission(reading, fields).rule
    rule_id = reading.group.rule_ids.get(asked.identity())
    if rule_id is None:
        raise _no_such_rule()
    return reading.group.rules[rule_id]


def _no_such_rule() -> ApiError:
    return ApiError("SecurityGroupRule.NotFound", 404, "The specified rule does not exist.")


def _changed(reading: Reading, old: Rule, fields: Mapping[str, str]) -> Rule:
    """Return the rule with other values; its kind of peer and its NicType stay."""
    present = _wire_fields(reading.request, reading.group, old)
    far = reading.far
    kinds = {f"{far}CidrIp", f"Ipv6{far}CidrIp", f"{far}GroupId", f"{far}PrefixListId"}
    if any(name in fields and name not in present for name in kinds):
        raise invalid_parameter("The kind of a rule's object cannot be changed.")
    if fields.get("NicType", old.nic_type) != old.nic_type:
        raise invalid_parameter("The NicType of a rule cannot be changed.")
    if old.port_list_id is None:
        changes_ports = "PortRangeListId" in fields and "PortRange" not in fields
    else:
        changes_ports = "PortRange" in fields
    if changes_ports:
        raise ApiError(
            "InvalidOperation.ModifyPortRangeType",
            400,
            "A rule cannot be changed from a range to a port list, or back.",
        )
    if f"{far}GroupId" in fields:
        present.pop(f"{far}GroupOwnerAccount", None)
    rule = read_permission(reading, {**present, **fields}).rule
    return replace(rule, rule_id=old.rule_id, created_at=old.created_at)


def _wire_fields(request: Request, group: Group, rule: Rule) -> dict[str, str]:
    printed = print_permission(request.store, group, rule)
    return {name: str(value) for name, value in printed.items() if value and name in FIELDS}


ACTIONS = (
    Action("ModifySecurityGroupRule", partial(modify, direction="ingress"), takes_token=True),
    Action("ModifySecurityGroupEgressRule", partial(modify, direction="egress"), takes_token=True),
)
