"""AssumeRole and GetCallerIdentity of STS."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from app.simulator.actions.request import Action, Body, Request
from app.simulator.credentials import Caller, Session
from app.simulator.errors import ApiError
from app.simulator.ram import Policy, read_policy
from app.simulator.state.identifiers import letters
from app.simulator.state.resources import Role

_ARN = re.compile(r"acs:ram::(\d+):role/([A-Za-z0-9_.-]{1,64})", re.ASCII)
_SESSION_NAME = re.compile(r"[A-Za-z0-9.@_-]{2,64}", re.ASCII)
_SHORTEST_SECONDS, _LONGEST_SECONDS, _DEFAULT_SECONDS = 900, 3600, 3600


def assume_role(request: Request) -> Body:
    """Give out temporary credentials of a role that trusts the caller.

    Source: STS API, AssumeRole.
    """
    parameters = request.parameters
    role_arn, session_name = parameters.need("RoleArn"), parameters.need("RoleSessionName")
    if not _SESSION_NAME.fullmatch(session_name):
        raise ApiError(
            "InvalidParameter.RoleSessionName",
            400,
            "The parameter RoleSessionName is wrongly formed.",
        )
    seconds = _duration(request)
    policy = _policy(parameters.get("Policy"))
    account_id, role = _role(request, role_arn)
    _check_trust(request, role)
    caller = Caller(account_id, role.role_name, session_name, policy)
    session = _new_session(request, caller, seconds)
    request.sessions.add(session)
    return {
        "AssumedRoleUser": {
            "Arn": f"{role_arn}/{session_name}",
            "AssumedRoleId": f"{_role_id(session.caller)}:{session_name}",
        },
        "Credentials": {
            "AccessKeyId": session.access_key_id,
            "AccessKeySecret": session.secret,
            "SecurityToken": session.token,
            "Expiration": datetime.fromtimestamp(session.expires_at, UTC).strftime(
                "%Y-%m-%dT%H:%M:%SZ"
            ),
        },
    }


def _duration(request: Request) -> int:
    text = request.parameters.get("DurationSeconds") or str(_DEFAULT_SECONDS)
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII) or not (
        _SHORTEST_SECONDS <= int(text) <= _LONGEST_SECONDS
    ):
        raise ApiError(
            "InvalidParameter.DurationSeconds",
            400,
            f"The Min/Max value of DurationSeconds is {_SHORTEST_SECONDS}/{_LONGEST_SECONDS}.",
        )
    return int(text)


def _policy(text: str | None) -> Policy | None:
    if text is None:
        return None
    try:
        return read_policy(text)
    except ValueError as error:
        raise ApiError(
            "InvalidParameter.PolicyGrammar",
            400,
            "The parameter Policy has not passed grammar check.",
        ) from error


def _role(request: Request, role_arn: str) -> tuple[str, Role]:
    match = _ARN.fullmatch(role_arn)
    if match is None:
        raise ApiError("InvalidParameter.RoleArn", 400, "The parameter RoleArn is wrongly formed.")
    account = request.store.accounts.get(match[1])
    role = account.roles.get(match[2]) if account else None
    if role is None:
        raise ApiError("EntityNotExist.Role", 404, "The specified Role not exists.")
    return match[1], role


def _check_trust(request: Request, role: Role) -> None:
    """Refuse a caller that the role does not trust, or that does not know its ExternalId."""
    is_trusted = request.account_id in role.trusted_account_ids
    external_id = request.parameters.get("ExternalId")
    if not is_trusted or role.external_id not in (None, external_id):
        raise ApiError(
            "NoPermission",
            403,
            "You are not authorized to do this action. You should be authorized by RAM.",
        )


def _new_session(request: Request, caller: Caller, seconds: int) -> Session:
    fresh = request.store.identifiers
    return Session(
        access_key_id=f"STS.{fresh.secret(26)}",
        secret=fresh.secret(44),
        token="".join(fresh.secret(40) for _ in range(6)),
        caller=caller,
        expires_at=request.now + seconds,
    )


def _role_id(caller: Caller) -> str:
    return f"3{int.from_bytes(letters(f'{caller.account_id}/{caller.role_name}', 6).encode()):017d}"


def get_caller_identity(request: Request) -> Body:
    """Say who is calling. Source: STS API, GetCallerIdentity."""
    caller = request.caller
    if caller.role_name is None:
        user_id = f"2{int(caller.account_id) % 10**17:017d}"
        return {
            "AccountId": caller.account_id,
            "Arn": f"acs:ram::{caller.account_id}:user/simulator",
            "IdentityType": "RAMUser",
            "PrincipalId": user_id,
            "UserId": user_id,
        }
    role_id = _role_id(caller)
    name = f"{caller.role_name}/{caller.session_name}"
    return {
        "AccountId": caller.account_id,
        "Arn": f"acs:ram::{caller.account_id}:assumed-role/{name}",
        "IdentityType": "AssumedRoleUser",
        "PrincipalId": f"{role_id}:{caller.session_name}",
        "RoleId": role_id,
    }


ACTIONS = (
    Action("AssumeRole", assume_role, needs_region=False),
    Action("GetCallerIdentity", get_caller_identity, needs_region=False),
)
