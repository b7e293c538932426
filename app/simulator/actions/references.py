"""DescribeSecurityGroupReferences: which groups, of any account, name the asked ones."""

from __future__ import annotations

from app.simulator.actions.groups import own_group
from app.simulator.actions.request import Action, Body, Request
from app.simulator.errors import group_malformed
from app.simulator.state.resources import Group
from app.simulator.state.store import Store

_MOST_ASKED = 10
_MOST_ANSWERED = 100


def describe_security_group_references(request: Request) -> Body:
    """List who names the caller's groups. Source: ECS API, DescribeSecurityGroupReferences."""
    ids = request.parameters.repeated("SecurityGroupId")
    if not 1 <= len(ids) <= _MOST_ASKED:
        raise group_malformed()
    groups = [own_group(request, group_id) for group_id in dict.fromkeys(ids)]
    return {
        "SecurityGroupReferences": {
            "SecurityGroupReference": [
                entry for group in groups if (entry := _describe(request.store, group))
            ]
        }
    }


def _describe(store: Store, group: Group) -> Body | None:
    naming = store.referencing_group_ids(group.group_id)[:_MOST_ANSWERED]
    if not naming:
        return None
    return {
        "SecurityGroupId": group.group_id,
        "ReferencingSecurityGroups": {
            "ReferencingSecurityGroup": [
                {"AliUid": store.groups[group_id].owner_id, "SecurityGroupId": group_id}
                for group_id in naming
            ]
        },
    }


ACTIONS = (Action("DescribeSecurityGroupReferences", describe_security_group_references),)
