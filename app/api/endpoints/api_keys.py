"""Keys to this service, and what each of them opens."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Body, Path, Response
from pydantic import MISSING

from app.api import examples
from app.api.answers import answer, created, emptied, tagged
from app.api.dependencies import ApiKeys, AskedPage
from app.api.paging import next_cursor
from app.api.refusals import refusals
from app.api.routing import StrictRoute
from app.api.schemas.api_keys import ApiKey, ApiKeyPage, ApiKeyRequest, NewApiKey
from app.domain.errors import (
    DuplicateItemError,
    InvalidCursorError,
    InvalidIdentifierError,
    InvalidInputError,
    NotFoundError,
)

router = APIRouter(prefix="/v1/api-keys", tags=["access"], route_class=StrictRoute)

OneKey = Annotated[str, Path(description="Id of the key.", openapi_examples=examples.API_KEY_ID)]


@router.get(
    "",
    responses=answer(200, "A page of keys.", examples.API_KEY_PAGE) | refusals(InvalidCursorError),
)
def list_api_keys(api_keys: ApiKeys, asked: AskedPage) -> ApiKeyPage:
    """List the keys whose accounts you administer, newest first, revoked ones included."""
    page = api_keys.page(asked.limit, asked.position("api_keys"))
    return ApiKeyPage(
        items=[ApiKey.of(each, api_keys.now()) for each in page.items],
        next_cursor=next_cursor(page.next_position, "api_keys"),
    )


@router.post(
    "",
    status_code=201,
    responses=created("The key, this once.", examples.NEW_API_KEY)
    | refusals(InvalidInputError, InvalidIdentifierError, DuplicateItemError),
)
def create_api_key(
    body: Annotated[ApiKeyRequest, Body(openapi_examples=examples.API_KEY_REQUESTS)],
    api_keys: ApiKeys,
    response: Response,
) -> NewApiKey:
    """Hand out a key. `key` is shown in this answer and never again: what is kept is a digest.
    It takes the role `admin` in every account that the key is for.
    """
    lifetime = None if body.lifetime_days is MISSING else timedelta(days=body.lifetime_days)
    grants = {each.account_id: each.role for each in body.grants}
    made = api_keys.hand_out(body.name, grants, lifetime)
    response.headers["Location"] = f"/v1/api-keys/{made.key.api_key_id}"
    return NewApiKey.with_secret(made.key, made.secret, api_keys.now())


@router.get(
    "/{api_key_id}",
    responses=tagged(answer(200, "The key, without what opens.", examples.API_KEY))
    | refusals(NotFoundError),
)
def get_api_key(api_key_id: OneKey, api_keys: ApiKeys) -> ApiKey:
    """Return what is known of a key."""
    return ApiKey.of(api_keys.get(api_key_id), api_keys.now())


@router.delete(
    "/{api_key_id}",
    status_code=204,
    responses=emptied("The key opens nothing any more.") | refusals(NotFoundError),
)
def revoke_api_key(api_key_id: OneKey, api_keys: ApiKeys) -> None:
    """Revoke a key, for good and at once. Operations that it asked for stop: those that wait are
    rejected, those that run go back before their next change.
    """
    api_keys.revoke(api_key_id)
