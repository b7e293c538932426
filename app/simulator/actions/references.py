"""DescribeSecurityGroupReferences: which groups, of any account, name the asked ones."""

from __future__ import annotations

from collections.abc import Sequence

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
    naming = _naming(request.store, groups)
    if _is_flat(request):
        return {
            "SecurityGroupReferences": [
                {"SecurityGroupId": group_id, "SecurityReferencingGroups": found}
                for group_id, found in naming.items()
            ]
        }
    return {
        "SecurityGroupReferences": {
            "SecurityGroupReference": [
                {
                    "SecurityGroupId": group_id,
                    "ReferencingSecurityGroups": {"ReferencingSecurityGroup": found},
                }
                for group_id, found in naming.items()
            ]
        }
    }


def _is_flat(request: Request) -> bool:
    """The older pages show lists without their inner level in JSON, never in XML."""
    is_json = (request.parameters.get("Format") or "").upper() == "JSON"
    return is_json and request.settings.variants.references_in_json == "flat"


def _naming(store: Store, groups: Sequence[Group]) -> dict[str, list[Body]]:
    """Return who names each group, without those that nobody names: so many in all, not in each."""
    pairs = [
        (group.group_id, group_id)
        for group in groups
        for group_id in store.referencing_group_ids(group.group_id)
    ]
    naming: dict[str, list[Body]] = {}
    for named, group_id in pairs[:_MOST_ANSWERED]:
        reference: Body = {"AliUid": store.groups[group_id].owner_id, "SecurityGroupId": group_id}
        naming.setdefault(named, []).append(reference)
    return naming


ACTIONS = (Action("DescribeSecurityGroupReferences", describe_security_group_references),)
