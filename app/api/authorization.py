"""What each operation of the contract takes. One that is missing here cannot be served.

The role is needed in every account that the request concerns. What stands in the path is
looked up before the body is read: 404 for what the caller may not know of, then 403.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from app.domain.concerns import THINGS, Noun
from app.domain.principals import Role
from app.services.house import House


@dataclass(frozen=True, slots=True)
class Need:
    """`changes`: it keeps, changes or removes something. `everywhere`: the role is needed for
    all accounts, because what it speaks of belongs to none. `concealed` members of its answer are
    kept nowhere.
    """

    role: Role
    changes: bool = False
    everywhere: bool = False
    concealed: tuple[str, ...] = ()


_READS = Need(Role.VIEWER)
_CHANGES = Need(Role.OPERATOR, changes=True)
_ADMINISTERS = Need(Role.ADMIN, changes=True)

NEEDS: Mapping[str, Need] = {
    "list_accounts": _READS,
    "register_account": _ADMINISTERS,
    "get_account": _READS,
    "count_calls": _READS,
    "change_account": _ADMINISTERS,
    "remove_account": _ADMINISTERS,
    "check_account": _ADMINISTERS,
    "list_instances": _READS,
    "list_security_groups": _READS,
    "get_security_group": _READS,
    "list_findings": _READS,
    "explain_reachability": _READS,
    "suppose_changes": _READS,
    "show_matrix": _READS,
    "show_who_can_reach": _READS,
    "create_plan": _CHANGES,
    "compare_plans": _READS,
    "get_plan": _READS,
    "apply_plan": _CHANGES,
    "create_connection": _CHANGES,
    "list_connections": _READS,
    "get_connection": _READS,
    "extend_connection": _CHANGES,
    "check_connection": _CHANGES,
    "disconnect_connection": _CHANGES,
    "list_operations": _READS,
    "get_operation": _READS,
    "follow_operation": _READS,
    "cancel_operation": _CHANGES,
    "roll_back_operation": _CHANGES,
    "resume_operation": _CHANGES,
    "list_backups": _READS,
    "create_backups": _CHANGES,
    "import_backup": _CHANGES,
    "get_backup": _READS,
    "delete_backup": _CHANGES,
    "compare_backup": _READS,
    "export_backup": _READS,
    "list_assertions": _READS,
    "create_assertion": _CHANGES,
    "get_assertion": _READS,
    "remove_assertion": _CHANGES,
    "check_assertion": _CHANGES,
    "get_guardrails": _READS,
    "evaluate_guardrails": _READS,
    "list_api_keys": Need(Role.ADMIN),
    "create_api_key": Need(Role.ADMIN, changes=True, concealed=("key",)),
    "get_api_key": Need(Role.ADMIN),
    "revoke_api_key": _ADMINISTERS,
    "get_freeze": _READS,
    "set_freeze": _ADMINISTERS,
    "list_audit_events": Need(Role.ADMIN, everywhere=True),
    "verify_audit_events": Need(Role.ADMIN, everywhere=True),
}

OPEN = frozenset({"check_liveness", "check_readiness", "get_version"})
"""What everybody may ask."""

PARAMETERS: Mapping[str, Noun | None] = {
    **THINGS,
    "account_id": Noun.ACCOUNT,
    "api_key_id": Noun.API_KEY,
    "group_id": None,  # of the cloud: it is read with the caller's eyes
}
"""What parameters in paths name: a thing of ours, or None."""


def need_of(name: str, path: str) -> Need | None:
    """Return what an operation takes; None if it is open to everybody.

    Raises:
        LookupError: nobody has decided that yet, or what a parameter of its path names.
    """
    if name in OPEN:
        return None
    for parameter in path.split("{")[1:]:
        if parameter.partition("}")[0] not in PARAMETERS:
            msg = f"say in app/api/authorization.py what {{{parameter} of {name} names"
            raise LookupError(msg)
    if name not in NEEDS:
        msg = f"say in app/api/authorization.py which role {name} takes"
        raise LookupError(msg)
    return NEEDS[name]


async def admit(request: Request, need: Need) -> None:
    """See whether the caller may ask this, as far as the path tells.

    Raises:
        NotFoundError, ForbiddenError
    """
    house: House = request.app.state.house
    things = things_of(request)
    if things:
        await run_in_threadpool(house.access.check_things, need.role, things)
    house.access.check_role(need.role, everywhere=need.everywhere)


def things_of(request: Request) -> tuple[tuple[Noun, str], ...]:
    """Return the things of ours that the path names."""
    named = ((PARAMETERS[name], str(value)) for name, value in request.path_params.items())
    return tuple((noun, value) for noun, value in named if noun is not None)
