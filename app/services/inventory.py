"""What is in the accounts, page by page, so that a person finds the ids."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from app.domain.errors import CloudNotFoundError, InvalidCursorError, TargetNotFoundError
from app.domain.groups import Group, Instance, Place
from app.ports.ecs import Clouds, Ecs, GroupSummary, InventoryFilter, Readers
from app.services.accounts import Directory

T = TypeVar("T")
Listing = Callable[[Ecs, int, str | None], tuple[Sequence[T], str | None]]


class InventoryService:
    """Reads live, place after place in order of account and region."""

    def __init__(self, *, clouds: Clouds, directory: Directory) -> None:
        self._clouds = clouds
        self._directory = directory

    def instances(
        self,
        *,
        account_id: str | None = None,
        region_id: str | None = None,
        group_id: str | None = None,
        vpc_id: str | None = None,
        name: str | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> tuple[tuple[Instance, ...], str | None]:
        """Return a page of instances and the cursor of the next one.

        Raises:
            InvalidCursorError, TargetNotFoundError: the account is not registered.
        """
        wanted = InventoryFilter(name=name, group_id=group_id, vpc_id=vpc_id)

        def listing(
            cloud: Ecs, limit: int, token: str | None
        ) -> tuple[Sequence[Instance], str | None]:
            page = cloud.page_of_instances(wanted, limit=limit, token=token)
            return page.items, page.next_token

        return self._page(listing, self.places(account_id, region_id), limit, cursor)

    def groups(
        self,
        *,
        account_id: str | None = None,
        region_id: str | None = None,
        vpc_id: str | None = None,
        name: str | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> tuple[tuple[GroupSummary, ...], str | None]:
        """Return a page of groups, without rules, and the cursor of the next one."""
        wanted = InventoryFilter(name=name, vpc_id=vpc_id)

        def listing(
            cloud: Ecs, limit: int, token: str | None
        ) -> tuple[Sequence[GroupSummary], str | None]:
            page = cloud.page_of_groups(wanted, limit=limit, token=token)
            return page.items, page.next_token

        return self._page(listing, self.places(account_id, region_id), limit, cursor)

    def group(
        self, group_id: str, account_id: str | None = None, region_id: str | None = None
    ) -> tuple[Group, tuple[Instance, ...]]:
        """Return a group with all its rules, and its members, from wherever it is."""
        group = self._found(group_id, account_id, region_id, self._clouds)
        cloud = self._clouds.of(group.place.account_id, group.place.region_id)
        return group, cloud.members(group_id)

    def place_of(
        self,
        group_id: str,
        account_id: str | None = None,
        region_id: str | None = None,
        *,
        through: Readers,
    ) -> Place:
        """Say where a group is, as far as `through` knows.

        Raises:
            TargetNotFoundError: no registered account has such a group.
        """
        return self._found(group_id, account_id, region_id, through).place

    def knows(self, place: Place) -> bool:
        """Say whether an account is registered with a region."""
        return place in self._directory.places()

    def _found(
        self, group_id: str, account_id: str | None, region_id: str | None, through: Readers
    ) -> Group:
        for place in self.places(account_id, region_id):
            cloud = through.of(place.account_id, place.region_id)
            try:
                for group in cloud.groups([group_id]):
                    return group
            except CloudNotFoundError:
                continue
        raise TargetNotFoundError("no registered account has such a group", group_id=group_id)

    def places(self, account_id: str | None, region_id: str | None) -> list[Place]:
        """Return every account and region in question, in order.

        Raises:
            TargetNotFoundError: the account is not registered, or not with this region.
        """
        places = sorted(
            place
            for place in self._directory.places()
            if account_id in {None, place.account_id} and region_id in {None, place.region_id}
        )
        if not places and account_id is not None:
            raise TargetNotFoundError(
                "the account is not registered, or not with this region", account_id=account_id
            )
        return places

    def _page(
        self, listing: Listing[T], places: list[Place], limit: int, cursor: str | None
    ) -> tuple[tuple[T, ...], str | None]:
        """Fill a page from place after place; a cursor says where to go on."""
        index, token = _read_cursor(cursor, places)
        found: list[T] = []
        while index < len(places) and len(found) < limit:
            place = places[index]
            cloud = self._clouds.of(place.account_id, place.region_id)
            items, token = listing(cloud, limit - len(found), token)
            found.extend(items)
            if token is None:
                index += 1
        more = index < len(places)
        return tuple(found), _write_cursor(places[index], token) if more else None


def _write_cursor(place: Place, token: str | None) -> str:
    text = json.dumps([place.account_id, place.region_id, token])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_cursor(cursor: str | None, places: list[Place]) -> tuple[int, str | None]:
    if cursor is None:
        return 0, None
    try:
        account_id, region_id, token = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        return places.index(Place(account_id, region_id)), token
    except (ValueError, TypeError) as error:
        raise InvalidCursorError("the cursor is not one that was given out here") from error
