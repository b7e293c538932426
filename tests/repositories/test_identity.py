"""Whom a key stands for, and until when."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import count

import pytest

from app.domain.errors import ForbiddenError, InvalidInputError, UnauthenticatedError
from app.domain.principals import EVERY_ACCOUNT, Principal, Role
from app.repositories.store import SqlStore
from app.services.api_keys import ApiKeysService, HandedOut
from app.services.callers import acting
from app.services.identity import IdentityService
from tests.repositories.values import NOON

LIFETIME = timedelta(days=90)
BOOTSTRAP = "the key of the settings"


class Watch:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time


class Numbers:
    """Ids and secrets that are different each time."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def new(self) -> str:
        return f"id-{next(self._numbers)}"

    def secret(self) -> str:
        return f"{next(self._numbers):012d}" + "0" * 28


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    store = SqlStore(url=database_url)
    yield store
    store.close()


@pytest.fixture
def keys(store: SqlStore, watch: Watch) -> ApiKeysService:
    return ApiKeysService(store=store, clock=watch, ids=Numbers(), lifetime=LIFETIME)


@pytest.fixture
def who(store: SqlStore, watch: Watch) -> Callable[[str], Principal]:
    service = IdentityService(bootstrap_key=BOOTSTRAP, store=store, clock=watch)
    return lambda key: service.of(key.encode())


def handed_out(keys: ApiKeysService, lifetime: timedelta | None = None) -> HandedOut:
    return keys.hand_out("k", {"1000000000000001": Role.VIEWER}, lifetime)


Who = Callable[[str], Principal]


def test_the_key_of_the_settings_is_the_first_administrator(who: Who) -> None:
    found = who(BOOTSTRAP)
    assert (found.principal_id, found.grants) == ("bootstrap", {EVERY_ACCOUNT: Role.ADMIN})


def test_a_key_stands_for_what_it_was_granted(keys: ApiKeysService, who: Who) -> None:
    made = handed_out(keys)
    assert who(made.secret) == Principal(
        made.key.api_key_id, "k", {"1000000000000001": Role.VIEWER}
    )


@pytest.mark.parametrize("lifetime", [None, timedelta(days=1), LIFETIME])
def test_a_key_is_good_until_the_very_instant_it_expires(
    keys: ApiKeysService, who: Who, watch: Watch, lifetime: timedelta | None
) -> None:
    made = handed_out(keys, lifetime)
    assert made.key.expires_at == NOON + (lifetime or LIFETIME)
    watch.time = made.key.expires_at - timedelta(microseconds=1)
    assert who(made.secret).name == "k"
    watch.time = made.key.expires_at
    with pytest.raises(UnauthenticatedError):
        who(made.secret)


def test_no_key_lives_longer_than_any_key_may(keys: ApiKeysService) -> None:
    with pytest.raises(InvalidInputError):
        handed_out(keys, LIFETIME + timedelta(days=1))


def test_a_key_that_was_revoked_stands_for_nobody(keys: ApiKeysService, who: Who) -> None:
    made, other = handed_out(keys), handed_out(keys)
    keys.revoke(made.key.api_key_id)
    with pytest.raises(UnauthenticatedError):
        who(made.secret)
    assert who(other.secret).principal_id == other.key.api_key_id


def test_what_is_kept_of_a_key_opens_nothing(keys: ApiKeysService, who: Who) -> None:
    key = handed_out(keys).key
    for wrong in (key.digest, key.prefix, f"ick_{key.prefix}_{key.digest}", f"ick_{key.prefix}_"):
        with pytest.raises(UnauthenticatedError):
            who(wrong)


def test_only_an_administrator_of_its_accounts_hands_a_key_out(keys: ApiKeysService) -> None:
    somebody = Principal("p", "p", {"1000000000000001": Role.OPERATOR})
    with acting(somebody), pytest.raises(ForbiddenError):
        handed_out(keys)
