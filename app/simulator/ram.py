"""Policies that narrow a session: AssumeRole takes one, and the session's calls are held to it.

Nobody else is held to a policy here: accounts' own keys and roles may do everything.
Source: STS API, AssumeRole; RAM user guide, Policy structure and syntax.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from app.simulator.parameters import Parameters

ANYTHING = "*"
LONGEST_POLICY = 2048
_ELEMENTS = frozenset({"Effect", "Action", "Resource", "Condition"})


@dataclass(frozen=True, slots=True)
class Statement:
    """What a policy allows or denies; `*` in a pattern stands for any text.

    A condition is not evaluated: a statement with one never allows, and always denies.
    """

    is_allow: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    has_condition: bool

    def covers(self, action: str, resource: str) -> bool:
        """Tell whether the statement speaks of this action on this resource."""
        return any(_matches(pattern.lower(), action.lower()) for pattern in self.actions) and any(
            _matches(pattern, resource) for pattern in self.resources
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """Statements; what none allows is denied, and a denial beats every permission."""

    statements: tuple[Statement, ...]

    def allows(self, action: str, resources: Sequence[str]) -> bool:
        """Tell whether the action is allowed on every one of the resources."""
        return all(self._allows(action, resource) for resource in resources)

    def _allows(self, action: str, resource: str) -> bool:
        matching = [item for item in self.statements if item.covers(action, resource)]
        return all(item.is_allow for item in matching) and any(
            not item.has_condition for item in matching
        )


@lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def _matches(pattern: str, text: str) -> bool:
    return pattern == ANYTHING or _pattern(pattern).fullmatch(text) is not None


def read_policy(text: str) -> Policy:
    """Return the policy of a document; ValueError unless it is one."""
    if len(text) > LONGEST_POLICY:
        raise ValueError("the policy is too long")
    try:
        document = json.loads(text)
    except RecursionError as error:
        raise ValueError("the policy is nested too deeply") from error
    if not isinstance(document, dict) or document.get("Version") != "1":
        raise ValueError("a policy is an object of Version 1")
    statements = document.get("Statement")
    listed = statements if isinstance(statements, list) else [statements]
    return Policy(tuple(_statement(item) for item in listed))


def _statement(item: object) -> Statement:
    if not isinstance(item, dict) or not item.keys() <= _ELEMENTS:
        raise ValueError("a statement has Effect, Action, Resource and perhaps Condition")
    if item.get("Effect") not in ("Allow", "Deny"):
        raise ValueError("Effect is Allow or Deny")
    return Statement(
        item["Effect"] == "Allow",
        _texts(item.get("Action")),
        _texts(item.get("Resource")),
        "Condition" in item,
    )


def _texts(value: object) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise ValueError("Action and Resource are a text, or a list of texts")
    return tuple(texts)


# ---- what a call is about

_ON_GROUP = (("securitygroup", "SecurityGroupId"),)
_ON_INSTANCE = (("instance", "InstanceId"),)
_KINDS: Mapping[str, tuple[tuple[str, str | None], ...]] = MappingProxyType(
    {
        "DescribeInstances": (("instance", None),),
        "DescribeInstanceAttribute": _ON_INSTANCE,
        "ModifyInstanceAttribute": _ON_INSTANCE,
        "JoinSecurityGroup": (*_ON_INSTANCE, *_ON_GROUP),
        "LeaveSecurityGroup": (*_ON_INSTANCE, *_ON_GROUP),
        "CreateSecurityGroup": (("securitygroup", None),),
        "DescribeSecurityGroups": (("securitygroup", None),),
        **dict.fromkeys(
            (
                "DeleteSecurityGroup",
                "DescribeSecurityGroupAttribute",
                "DescribeSecurityGroupReferences",
                "ModifySecurityGroupAttribute",
                "ModifySecurityGroupPolicy",
                "ModifySecurityGroupRule",
                "ModifySecurityGroupEgressRule",
                "AuthorizeSecurityGroup",
                "AuthorizeSecurityGroupEgress",
                "RevokeSecurityGroup",
                "RevokeSecurityGroupEgress",
            ),
            _ON_GROUP,
        ),
    }
)
"""The kinds of resource that an action is about, with the parameter that names them.

Source: ECS API, Authorization rules.
"""


def resources_of(action: str, account_id: str, parameters: Parameters) -> list[str]:
    """Return the names of the resources that a call is about; `*` where it has none."""
    if action == "AssumeRole":
        return [parameters.get("RoleArn") or ANYTHING]
    place = f"acs:ecs:{parameters.get('RegionId') or ANYTHING}:{account_id}"
    if action == "TagResources":
        kind = parameters.get("ResourceType") or ANYTHING
        return [f"{place}:{kind}/{name}" for name in parameters.repeated("ResourceId")]
    found = [
        f"{place}:{kind}/{name}"
        for kind, parameter in _KINDS.get(action, ())
        for name in _named(parameters, parameter)
    ]
    return found or [ANYTHING]


def _named(parameters: Parameters, parameter: str | None) -> list[str]:
    if parameter is None:
        return [ANYTHING]
    one = parameters.get(parameter)
    return [one] if one else parameters.repeated(parameter)
