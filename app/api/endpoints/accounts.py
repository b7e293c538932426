"""Accounts that the service may speak for."""

from typing import Annotated

from fastapi import APIRouter, Body, Path, Response
from pydantic import MISSING

from app.api import examples
from app.api.answers import answer, created, emptied, tagged
from app.api.conditions import AGAINST_A_CONDITION, AskedPrecondition
from app.api.dependencies import Accounts, AskedPage
from app.api.paging import next_cursor
from app.api.refusals import refusals
from app.api.routing import StrictRoute
from app.api.schemas.accounts import (
    Account,
    AccountCalls,
    AccountChange,
    AccountPage,
    AccountRegistration,
)
from app.api.schemas.values import AccountId
from app.domain.errors import (
    AccountMismatchError,
    AlreadyExistsError,
    CloudUnavailableError,
    InUseError,
    InvalidCursorError,
    InvalidIdentifierError,
    NotFoundError,
    SecretNotAcceptedError,
)

router = APIRouter(prefix="/v1/accounts", tags=["accounts"], route_class=StrictRoute)

OneAccount = Annotated[
    AccountId,
    Path(description="Id of the account: 16 digits.", openapi_examples=examples.ACCOUNT_ID),
]


@router.get(
    "",
    responses=answer(200, "A page of accounts.", examples.ACCOUNT_PAGE)
    | refusals(InvalidCursorError),
)
def list_accounts(accounts: Accounts, asked: AskedPage) -> AccountPage:
    """List the registered accounts, newest first."""
    page = accounts.page(asked.limit, asked.position("accounts"))
    return AccountPage(
        items=[Account.of(each) for each in page.items],
        next_cursor=next_cursor(page.next_position, "accounts"),
    )


@router.post(
    "",
    status_code=201,
    responses=created("The account is registered.", examples.ACCOUNT)
    | refusals(
        AlreadyExistsError, AccountMismatchError, SecretNotAcceptedError, InvalidIdentifierError
    ),
)
def register_account(
    body: Annotated[AccountRegistration, Body(openapi_examples=examples.REGISTER)],
    accounts: Accounts,
    response: Response,
) -> Account:
    """Register an account. Nothing is called yet: `check_account` finds out whether the role
    lets the service in. The answer has the `external_id` that the role should demand.
    """
    role_arn = None if body.role_arn is MISSING else body.role_arn
    account = accounts.register(body.account_id, body.name, role_arn, tuple(body.region_ids))
    response.headers["Location"] = f"/v1/accounts/{account.account_id}"
    return Account.of(account)


@router.get(
    "/{account_id}",
    responses=tagged(answer(200, "The account.", examples.ACCOUNT))
    | refusals(NotFoundError, InvalidIdentifierError),
)
def get_account(account_id: OneAccount, accounts: Accounts) -> Account:
    """Return one account."""
    return Account.of(accounts.get(account_id))


@router.get(
    "/{account_id}/calls",
    responses=answer(200, "The last minute's calls.", examples.ACCOUNT_CALLS)
    | refusals(NotFoundError, InvalidIdentifierError),
)
def count_calls(account_id: OneAccount, accounts: Accounts) -> AccountCalls:
    """Say how much of the cloud's rate limits was used for an account, by all replicas."""
    accounts.get(account_id)
    return AccountCalls.told(accounts.spent(account_id))


@router.patch(
    "/{account_id}",
    responses=answer(200, "The account as it is now.", examples.ACCOUNT)
    | refusals(
        NotFoundError,
        AccountMismatchError,
        SecretNotAcceptedError,
        InvalidIdentifierError,
        *AGAINST_A_CONDITION,
    ),
)
def change_account(
    account_id: OneAccount,
    body: Annotated[AccountChange, Body(openapi_examples=examples.CHANGE)],
    accounts: Accounts,
    precondition: AskedPrecondition,
) -> Account:
    """Change the name, the role or the regions of an account; the rest stays as it is. With
    `If-Match` only if nobody else has changed it meanwhile.
    """
    check = precondition.of(Account.of)
    return Account.of(accounts.change(account_id, **body.given(), check=check))


@router.delete(
    "/{account_id}",
    status_code=204,
    responses=emptied("The account is forgotten.")
    | refusals(NotFoundError, InUseError, InvalidIdentifierError, *AGAINST_A_CONDITION),
)
def remove_account(
    account_id: OneAccount, accounts: Accounts, precondition: AskedPrecondition
) -> None:
    """Forget an account. Nothing is changed in the cloud; an account in which a connection
    stands cannot be forgotten.
    """
    accounts.remove(account_id, precondition.of(Account.of))


@router.post(
    "/{account_id}/check",
    responses=answer(200, "The account with what was found.", examples.CHECKED_ACCOUNT)
    | refusals(NotFoundError, CloudUnavailableError, InvalidIdentifierError),
)
def check_account(account_id: OneAccount, accounts: Accounts) -> Account:
    """Assume the account's role, and ask the cloud who we are then. The answer says in
    `access` and `access_detail` what was found.
    """
    return Account.of(accounts.check(account_id))
