"""Changes as requests, and what the cloud's answers to them mean.

Source: ECS API, the actions named in `request_for`.
"""

from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import assert_never

from aliyunsdkecs.request.v20140526.AuthorizeSecurityGroupEgressRequest import (
    AuthorizeSecurityGroupEgressRequest,
)
from aliyunsdkecs.request.v20140526.AuthorizeSecurityGroupRequest import (
    AuthorizeSecurityGroupRequest,
)
from aliyunsdkecs.request.v20140526.CreateSecurityGroupRequest import CreateSecurityGroupRequest
from aliyunsdkecs.request.v20140526.DeleteSecurityGroupRequest import DeleteSecurityGroupRequest
from aliyunsdkecs.request.v20140526.JoinSecurityGroupRequest import JoinSecurityGroupRequest
from aliyunsdkecs.request.v20140526.LeaveSecurityGroupRequest import LeaveSecurityGroupRequest
from aliyunsdkecs.request.v20140526.ModifySecurityGroupPolicyRequest import (
    ModifySecurityGroupPolicyRequest,
)
from aliyunsdkecs.request.v20140526.RevokeSecurityGroupEgressRequest import (
    RevokeSecurityGroupEgressRequest,
)
from aliyunsdkecs.request.v20140526.RevokeSecurityGroupRequest import RevokeSecurityGroupRequest

from app.adapters.ecs.calls import Calls, RefusedChange
from app.adapters.ecs.codes import ALREADY_MEMBER, GROUP_IS_GONE, NOT_A_MEMBER
from app.adapters.ecs.permissions import permission
from app.adapters.ecs.transport import Reply, SdkRequest, build
from app.domain.changes import (
    RULES_A_CALL,
    Authorize,
    Change,
    CreateGroup,
    DeleteGroup,
    Join,
    Leave,
    Revoke,
    SetInnerAccess,
)
from app.domain.errors import EmptyChangeError, OutcomeUnknownError, TooManyItemsError
from app.domain.rules import Direction
from app.ports.ecs import Performed

LONGEST_TOKEN = 64
AUTHORIZE = {
    Direction.INGRESS: AuthorizeSecurityGroupRequest,
    Direction.EGRESS: AuthorizeSecurityGroupEgressRequest,
}
REVOKE = {
    Direction.INGRESS: RevokeSecurityGroupRequest,
    Direction.EGRESS: RevokeSecurityGroupEgressRequest,
}
DONE: Mapping[type[Change], frozenset[str]] = MappingProxyType(
    {Join: ALREADY_MEMBER, Leave: NOT_A_MEMBER, DeleteGroup: GROUP_IS_GONE}
)
"""Refusals of a change that say that it is already so."""


def perform(calls: Calls, change: Change, *, token: str, again: bool = False) -> Performed:
    """Make one change, once; `again` if it was sent before.

    Raises:
        ValueError: it belongs to another place, whose ids could be taken for ones of this place.
    """
    if change.place != calls.place:
        msg = f"a change in {change.place} cannot be made in {calls.place}"
        raise ValueError(msg)
    request = request_for(change, token=token)
    try:
        reply = calls.change(request, again=again)
    except RefusedChange as refused:
        if refused.refusal.code in DONE.get(type(change), ()):
            return Performed(refused.refusal.request_id or "", already=True)
        raise refused.meaning from refused.refusal
    if isinstance(change, CreateGroup):
        return Performed(reply["RequestId"], _new_group_id(calls, reply))
    return Performed(reply["RequestId"])


def request_for(change: Change, *, token: str) -> SdkRequest:
    """Return the one call that makes `change`."""
    match change:
        case Authorize():
            return build(AUTHORIZE[change.direction], _authorize(change, token))
        case Revoke():
            return build(REVOKE[change.direction], _revoke(change, token))
        case Join():
            return build(JoinSecurityGroupRequest, _membership(change))
        case Leave():
            return build(LeaveSecurityGroupRequest, _membership(change))
        case SetInnerAccess():
            return build(ModifySecurityGroupPolicyRequest, _inner_access(change, token))
        case CreateGroup():
            return build(CreateSecurityGroupRequest, _creation(change, token))
        case DeleteGroup():
            return build(DeleteSecurityGroupRequest, {"SecurityGroupId": change.group_id})
        case _:
            assert_never(change)


def _authorize(change: Authorize, token: str) -> dict[str, object]:
    _check_count(len(change.rules))
    account_id = change.place.account_id
    return {
        "SecurityGroupId": change.group_id,
        "Permissions": [permission(new, account_id=account_id) for new in change.rules],
        "ClientToken": client_token(token),
    }


def _revoke(change: Revoke, token: str) -> dict[str, object]:
    """Revoke by ids alone: by its fields, a rule that somebody else added could go instead."""
    _check_count(len(change.held))
    return {
        "SecurityGroupId": change.group_id,
        "SecurityGroupRuleIds": [held.rule_id for held in change.held],
        "ClientToken": client_token(token),
    }


def _check_count(count: int) -> None:
    if not count:
        raise EmptyChangeError("a call that changes rules names at least one")
    if count > RULES_A_CALL:
        raise TooManyItemsError(f"a call changes at most {RULES_A_CALL} rules", limit=RULES_A_CALL)


def _membership(change: Join | Leave) -> dict[str, object]:
    return {"SecurityGroupId": change.group_id, "InstanceId": change.instance_id}


def _inner_access(change: SetInnerAccess, token: str) -> dict[str, object]:
    return {
        "SecurityGroupId": change.group_id,
        "InnerAccessPolicy": change.policy.value.capitalize(),
        "ClientToken": client_token(token),
    }


def _creation(change: CreateGroup, token: str) -> dict[str, object]:
    return {
        "SecurityGroupName": change.name,
        "SecurityGroupType": change.kind.value,
        "VpcId": change.vpc_id,
        "Description": change.description or None,
        "Tags": [{"Key": key, "Value": value} for key, value in change.tags] or None,
        "ClientToken": client_token(token),
    }


def client_token(token: str) -> str:
    """Return `token`, or a digest of it where the cloud would not take it as it is."""
    if token and len(token) <= LONGEST_TOKEN and token.isascii():
        return token
    return sha256(token.encode()).hexdigest()


def _new_group_id(calls: Calls, reply: Reply) -> str:
    group_id = reply.get("SecurityGroupId")
    if not isinstance(group_id, str) or not group_id:
        raise OutcomeUnknownError(
            "CreateSecurityGroup: the answer names no group",
            action="CreateSecurityGroup",
            cloud_request_id=reply["RequestId"],
            account_id=calls.place.account_id,
            region_id=calls.place.region_id,
        )
    return group_id
