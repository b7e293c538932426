"""Security groups, read from replies.

Source: ECS API, DescribeSecurityGroups and DescribeSecurityGroupAttribute.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from app.adapters.ecs.paging import Item
from app.adapters.ecs.permissions import held_rule
from app.adapters.ecs.transport import Reply
from app.domain.groups import Group, GroupKind, Place
from app.domain.rules import Policy
from app.ports.ecs import GroupSummary

GROUPS = ("SecurityGroups", "SecurityGroup")
PERMISSIONS = ("Permissions", "Permission")


@dataclass(frozen=True, slots=True)
class Attribute:
    """What DescribeSecurityGroupAttribute says of a group: all pages, of one side or of both."""

    in_vpc: bool
    inner_access: Policy
    permissions: Sequence[Item]

    def beside(self, other: "Attribute") -> "Attribute":
        """Return both sides of a classic group together."""
        return replace(self, permissions=[*self.permissions, *other.permissions])


def attribute(fields: Reply, permissions: Sequence[Item]) -> Attribute:
    """Read one side from its first page, and from the permissions of all pages."""
    policy = Policy((fields.get("InnerAccessPolicy") or "accept").lower())
    return Attribute(bool(fields.get("VpcId")), policy, permissions)


def listed_group(fields: Item, *, place: Place) -> Group:
    """Read a group of a listing, which knows neither rules nor inner access policy."""
    kind = GroupKind(fields.get("SecurityGroupType") or "normal")
    return Group(
        group_id=fields["SecurityGroupId"],
        place=place,
        name=fields.get("SecurityGroupName") or "",
        vpc_id=fields.get("VpcId") or None,
        kind=kind,
        inner_access=Policy.DROP if kind is GroupKind.ENTERPRISE else Policy.ACCEPT,
        managed=str(fields.get("ServiceManaged", "")).lower() == "true",
        description=fields.get("Description") or "",
        tags=_tags(fields),
    )


def _tags(fields: Item) -> tuple[tuple[str, str], ...]:
    tags = (fields.get("Tags") or {}).get("Tag") or ()
    return tuple(sorted((tag["TagKey"], tag.get("TagValue") or "") for tag in tags))


def whole_group(fields: Item, found: Attribute, *, place: Place) -> Group:
    """Join what the two actions say of one group."""
    held = [held_rule(item, account_id=place.account_id) for item in found.permissions]
    rules = tuple(sorted(held, key=attrgetter("rule_id")))
    listed = listed_group(fields, place=place)
    return replace(listed, inner_access=found.inner_access, rules=rules)


def summary(fields: Item, *, place: Place) -> GroupSummary:
    return GroupSummary(
        group=listed_group(fields, place=place),
        description=fields.get("Description") or "",
        member_count=_count(fields, "EcsCount"),
        rule_count=_count(fields, "RuleCount"),
    )


def _count(fields: Item, name: str) -> int | None:
    value = fields.get(name)
    return None if value in (None, "") else int(value)
