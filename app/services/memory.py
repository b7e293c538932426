"""What was read of the cloud for questions, kept for a while; plans and operations never see it.

Each account and region has a shelf. A question looks through it: what is there and young
enough is taken, everything else is read and put there. What others are reading at the moment
is waited for, so questions that come together share one read.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, TypeAlias, cast

from app.domain.addresses import Block
from app.domain.documents import Document
from app.domain.errors import (
    AccountUnreachableError,
    CloudThrottledError,
    TargetNotFoundError,
)
from app.domain.fingerprint import fingerprint, world_document
from app.domain.groups import Group, GroupRef, Instance, Place
from app.domain.world import World
from app.ports.clock import Clock
from app.ports.ecs import AccountAccess, Clouds, Reads
from app.ports.store import Store
from app.services.accounts import Directory
from app.services.scopes import Scope
from app.services.worlds import Worlds

Key: TypeAlias = tuple[Hashable, ...]
"""What is read: the kind of reading, and of what."""

IsYoung: TypeAlias = Callable[[datetime], bool]
"""Whether something that was begun to be read then is young enough."""

SWEEP_EVERY = timedelta(seconds=5)
A_READING = 16
"""Groups that are read together: what one reading has found is kept although the next fails."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What was found, or None, and when its reading began."""

    value: Any
    read_at: datetime

    @property
    def size(self) -> int:
        """About how much it is, in rules, instances and members."""
        if isinstance(self.value, Group):
            return 1 + len(self.value.rules)
        return 1 + len(self.value) if isinstance(self.value, tuple | frozenset) else 1


@dataclass(slots=True)
class _Thing:
    """Something that is being read since `began_at`, or that was; `size` is 0 until it is kept."""

    began_at: datetime
    found: "Future[Kept]" = field(default_factory=Future)
    size: int = 0


class Shelf:
    """What was read of one account and region, by key.

    It is good for one access to the account, and for one revision: for as long as nothing was
    changed there from here. `size` is of everything on it.
    """

    def __init__(self, access: AccountAccess, revision: int) -> None:
        self.access, self.revision, self.size = access, revision, 0
        self._things: dict[Key, _Thing] = {}
        self._lock = Lock()

    def take(
        self,
        keys: Sequence[Key],
        read: Callable[[list[Key]], Mapping[Key, object]],
        *,
        now: datetime,
        is_young: IsYoung,
    ) -> dict[Key, Kept]:
        """Return what is kept for every key; read what is not there or not young enough.

        What `read` does not return is None, and is not kept: it may be there the next time. An
        error of it is raised to everybody who waits for it, and nothing is kept then.
        """
        mine: dict[Key, _Thing] = {}
        things: dict[Key, _Thing] = {}
        with self._lock:
            for key in keys:
                thing = self._things.get(key)
                # A clock that was set back says nothing of ages: such a thing is read anew.
                if thing is None or not is_young(thing.began_at) or thing.began_at > now:
                    thing = mine[key] = _Thing(now)
                    self._put(key, thing)
                things[key] = thing
        if mine:
            self._read(mine, read)
        return {key: thing.found.result() for key, thing in things.items()}

    def _read(
        self, mine: Mapping[Key, _Thing], read: Callable[[list[Key]], Mapping[Key, object]]
    ) -> None:
        try:
            found = read(list(mine))
        except BaseException as error:
            self._give_up(mine)
            for thing in mine.values():
                thing.found.set_exception(error)
            raise
        with self._lock:
            for key, thing in mine.items():
                kept = Kept(found.get(key), thing.began_at)
                thing.found.set_result(kept)
                if self._things.get(key) is thing and key in found:
                    thing.size = kept.size
                    self.size += kept.size
                elif self._things.get(key) is thing:
                    del self._things[key]

    def _give_up(self, mine: Mapping[Key, _Thing]) -> None:
        with self._lock:
            for key, thing in mine.items():
                if self._things.get(key) is thing:
                    del self._things[key]

    def found(self, key: Key, is_young: IsYoung) -> Kept | None:
        """Return what is kept for a key, if it is there and young enough."""
        with self._lock:
            thing = self._things.get(key)
            if thing is None or not thing.found.done() or not is_young(thing.began_at):
                return None
        return thing.found.result()

    def put(self, key: Key, kept: Kept) -> None:
        """Keep something that was found with something else, unless a later one is there."""
        thing = _Thing(kept.read_at, size=kept.size)
        thing.found.set_result(kept)
        with self._lock:
            present = self._things.get(key)
            if present is None or (present.found.done() and present.began_at <= kept.read_at):
                self._put(key, thing)

    def sweep(self, is_young: IsYoung) -> None:
        """Forget what is too old."""
        with self._lock:
            for key, thing in list(self._things.items()):
                if thing.found.done() and not is_young(thing.began_at):
                    self.size -= thing.size
                    del self._things[key]

    def _put(self, key: Key, thing: _Thing) -> None:
        before = self._things.get(key)
        self.size += thing.size - (0 if before is None else before.size)
        self._things[key] = thing


class Memory:
    """All shelves of this process, the one that was asked last at the end.

    `most_age` is how old an answer may be, `capacity` how many rules, instances and members
    are kept in all.
    """

    def __init__(
        self,
        *,
        clouds: Clouds,
        worlds: Worlds,
        directory: Directory,
        store: Store,
        clock: Clock,
        most_age: timedelta,
        capacity: int,
    ) -> None:
        self.clouds, self.worlds, self.clock = clouds, worlds, clock
        self._directory = directory
        self._store = store
        self._most_age = most_age
        self._capacity = capacity
        self._shelves: dict[Place, Shelf] = {}
        self._swept_at = clock.now()
        self._lock = Lock()

    def look(self, *, refresh: bool = False) -> "Look":
        """Begin to answer a question; with `refresh` nothing that was read before counts."""
        now = self.clock.now()
        since = now if refresh else now - self._most_age
        with self._store.read() as work:
            revisions = work.revisions.all()
        self._sweep(now)
        return Look(self, since, revisions)

    def shelf(self, place: Place, revision: int) -> Shelf:
        """Return the shelf of a place: a new one if it was changed, or is spoken for anew.

        Raises:
            TargetNotFoundError: the account is not registered, or not with this region.
        """
        access = self._directory.access_of(place.account_id)
        if access is None or place.region_id not in access.region_ids:
            self.forget(place)
            raise TargetNotFoundError(
                "the account is not registered, or not with this region",
                account_id=place.account_id,
                region_id=place.region_id,
            )
        with self._lock:
            shelf = self._shelves.pop(place, None)
            if shelf is None or shelf.access != access or shelf.revision < revision:
                shelf = Shelf(access, revision)
            self._shelves[place] = shelf
        return shelf

    def forget(self, place: Place) -> None:
        """Keep nothing that was read of a place."""
        with self._lock:
            self._shelves.pop(place, None)

    @property
    def size(self) -> int:
        """How much is kept in all, of whatever age."""
        with self._lock:
            return sum(shelf.size for shelf in self._shelves.values())

    def trim(self) -> None:
        """Forget the shelves that were asked longest ago, until the rest fits."""
        with self._lock:
            total = sum(shelf.size for shelf in self._shelves.values())
            for place, shelf in list(self._shelves.items()):
                if total <= self._capacity:
                    return
                del self._shelves[place]
                total -= shelf.size

    def _sweep(self, now: datetime) -> None:
        """Forget, now and then, what no question may be answered from any more."""
        with self._lock:
            if abs(now - self._swept_at) < max(self._most_age, SWEEP_EVERY):
                return
            self._swept_at, since = now, now - self._most_age
            for place, shelf in list(self._shelves.items()):
                shelf.sweep(lambda began_at: began_at >= since)
                if not shelf.size:
                    del self._shelves[place]


class Look:
    """One question's view: it notes how old everything is that it was shown."""

    def __init__(self, memory: Memory, since: datetime, revisions: Mapping[Place, int]) -> None:
        self._memory = memory
        self._since = since
        self._revisions = revisions
        self._seen: dict[Place, Remembered] = {}
        self._read_at: dict[Place, datetime] = {}
        self._distrusted = False
        self._lock = Lock()

    def of(self, account_id: str, region_id: str, *, urgent: bool = False) -> Reads:
        """Return what may be asked of a region; the same one for as long as this look lasts.

        Raises:
            TargetNotFoundError: the account is not registered, or not with this region.
        """
        place = Place(account_id, region_id)
        with self._lock:
            if place not in self._seen:
                shelf = self._memory.shelf(place, self._revisions.get(place, 0))
                cloud = self._memory.clouds.of(account_id, region_id, urgent=urgent)
                self._seen[place] = Remembered(self, place, cloud, shelf)
            return self._seen[place]

    def place_of(self, group_id: str, places: Iterable[Place]) -> Place | None:
        """Return the place where the group was seen a moment ago, if that is one of these."""
        for place in places:
            revision = self._revisions.get(place, 0)
            kept = self._memory.shelf(place, revision).found(("group", group_id), self.is_young)
            if kept is not None:
                return place
        return None

    def world(self, scope: Scope) -> World:
        """Return the world in scope, as young as this look asks for.

        Raises:
            TargetNotFoundError: an instance or group that must exist does not.
            AccountUnreachableError, CloudUnavailableError, CloudThrottledError
        """
        try:
            world = self._memory.worlds.read(scope, through=self)
            if self._distrusted:
                self._begin_anew()
                world = self._memory.worlds.read(scope, through=self)
            return world
        finally:
            self._memory.trim()

    def _begin_anew(self) -> None:
        """Take nothing for granted: an account that was remembered lets nobody in any more."""
        with self._lock:
            self._distrusted = False
            self._since = self.clock.now()
            self._seen.clear()
            self._read_at.clear()

    def document(self, world: World) -> Document:
        """Say how old a world is, as a whole and for each account and region."""
        now = self._memory.clock.now()
        with self._lock:
            read_at = dict(self._read_at)
        first = min(read_at.values(), default=now)
        return {
            "read_at": first,
            "age_seconds": _age(first, now),
            "fingerprint": fingerprint(world_document(world)),
            "places": [
                {
                    "account_id": place.account_id,
                    "region_id": place.region_id,
                    "read_at": read_at[place],
                    "age_seconds": _age(read_at[place], now),
                }
                for place in sorted(read_at)
            ],
            "unread_groups": [
                {
                    "account_id": ref.account_id,
                    "security_group_id": ref.group_id,
                    "code": refusal.code,
                    "detail": refusal.detail,
                }
                for ref, refusal in sorted(world.refusals.items())
            ],
        }

    # --- for what is remembered ---

    @property
    def clock(self) -> Clock:
        return self._memory.clock

    def is_young(self, began_at: datetime) -> bool:
        return began_at >= self._since

    def note(self, place: Place, read_at: Iterable[datetime]) -> None:
        """Note when something was read that the answer rests on."""
        with self._lock:
            known = [self._read_at[place]] if place in self._read_at else []
            first = min([*known, *read_at], default=None)
            if first is not None:
                self._read_at[place] = first

    def lost(self, place: Place) -> None:
        """The account lets nobody in any more: nothing of it is kept, and nothing answered."""
        self._memory.forget(place)
        with self._lock:
            self._distrusted |= place in self._read_at


def _age(read_at: datetime, now: datetime) -> float:
    return round(max(0.0, (now - read_at).total_seconds()), 3)


class Remembered:
    """One account and region, read through its shelf.

    Instances are kept once each, whichever reading found them, so that all that is shown of
    a group, its members and its instances fits together.
    """

    def __init__(self, look: Look, place: Place, cloud: Reads, shelf: Shelf) -> None:
        self._look = look
        self._place = place
        self._cloud = cloud
        self._shelf = shelf
        self._sorted: tuple[tuple[Instance, ...], Mapping[str, Sequence[Instance]]] = ((), {})

    def instances(self, instance_ids: Sequence[str]) -> tuple[Instance, ...]:
        keys: list[Key] = [("instance", each) for each in instance_ids]

        def read(missing: list[Key]) -> Mapping[Key, object]:
            found = self._cloud.instances(_names(missing))
            return {("instance", each.instance_id): each for each in found}

        kept = self._take(keys, read)
        return tuple(each.value for each in kept.values() if each.value is not None)

    def members(self, group_id: str) -> tuple[Instance, ...]:
        key: Key = ("members", group_id)
        by_group = self._by_group([key])
        if by_group is not None:
            return tuple(by_group.get(group_id, ()))
        return self._listed(key, lambda: self._cloud.members(group_id))

    def everybody(self, *, most: int) -> tuple[Instance, ...] | None:
        """Return every instance; None if there are more than `most`, which is not kept."""
        everybody = self._everybody([])
        if everybody is not None:
            return everybody if len(everybody) <= most else None
        try:
            return self._listed(("everybody",), lambda: self._bounded(most))
        except _TooManyError:
            return None

    def owners_of(self, addresses: Sequence[Block], vpc_id: str | None) -> tuple[Instance, ...]:
        keys: list[Key] = [("owners", vpc_id, block) for block in addresses]
        everybody = self._everybody(keys)
        if everybody is not None:
            return tuple(
                each for each in everybody if each.vpc_id == vpc_id and _has_one(each, addresses)
            )

        def read(missing: list[Key]) -> Mapping[Key, object]:
            blocks = [cast("Block", key[2]) for key in missing]
            owners = self._cloud.owners_of(blocks, vpc_id)
            return {
                key: tuple(each for each in owners if _has_one(each, [block]))
                for key, block in zip(missing, blocks, strict=True)
            }

        kept = self._take(keys, read)
        found = {owner.instance_id: owner for each in kept.values() for owner in each.value}
        return tuple(found[each] for each in sorted(found))

    def links(self, instance_ids: Sequence[str]) -> Mapping[str, str]:
        keys: list[Key] = [("link", each) for each in instance_ids]

        def read(missing: list[Key]) -> Mapping[Key, object]:
            found = self._cloud.links(_names(missing))
            return {key: found.get(str(key[1])) for key in missing}

        kept = self._take(keys, read)
        return {str(key[1]): each.value for key, each in kept.items() if each.value is not None}

    def groups(self, group_ids: Sequence[str]) -> tuple[Group, ...]:
        """Read some at a time: where the budget of calls runs out, the next try goes on there."""
        found: list[Group] = []
        left, size = list(dict.fromkeys(group_ids)), A_READING
        while left:
            keys: list[Key] = [("group", each) for each in left[:size]]
            try:
                kept = self._take(keys, self._read_groups)
            except CloudThrottledError:
                if size == 1:
                    raise
                size = 1
                continue
            found.extend(each.value for each in kept.values() if each.value is not None)
            left = left[size:]
        return tuple(found)

    def _read_groups(self, missing: list[Key]) -> Mapping[Key, object]:
        return {("group", each.group_id): each for each in self._cloud.groups(_names(missing))}

    def references(self, group_ids: Sequence[str]) -> Mapping[str, frozenset[GroupRef]]:
        keys: list[Key] = [("references", each) for each in group_ids]

        def read(missing: list[Key]) -> Mapping[Key, object]:
            found = self._cloud.references(_names(missing))
            return {("references", each): refs for each, refs in found.items()}

        kept = self._take(keys, read)
        return {str(key[1]): each.value for key, each in kept.items() if each.value is not None}

    def prefix_list(self, prefix_list_id: str) -> tuple[Block, ...] | None:
        key: Key = ("list", prefix_list_id)

        def read(_: list[Key]) -> Mapping[Key, object]:
            entries = self._cloud.prefix_list(prefix_list_id)
            return {} if entries is None else {key: entries}

        entries: tuple[Block, ...] | None = self._take([key], read)[key].value
        return entries

    def group_count(self) -> int:
        key: Key = ("count",)
        return int(self._take([key], lambda _: {key: self._cloud.group_count()})[key].value)

    # --- the shelf ---

    def _take(
        self, keys: Sequence[Key], read: Callable[[list[Key]], Mapping[Key, object]]
    ) -> dict[Key, Kept]:
        look = self._look
        try:
            kept = self._shelf.take(keys, read, now=look.clock.now(), is_young=look.is_young)
        except AccountUnreachableError:
            look.lost(self._place)
            raise
        look.note(self._place, (each.read_at for each in kept.values() if each.value is not None))
        return kept

    def _listed(self, key: Key, read: Callable[[], tuple[Instance, ...]]) -> tuple[Instance, ...]:
        """Keep the ids of a listing, and its instances as if each had been asked for."""

        def listed(_: list[Key]) -> Mapping[Key, object]:
            now = self._look.clock.now()
            found = read()
            for each in found:
                self._shelf.put(("instance", each.instance_id), Kept(each, now))
            return {key: found}

        kept = self._take([key], listed)[key]
        return tuple(self._latest(each) for each in kept.value)

    def _latest(self, instance: Instance) -> Instance:
        kept = self._kept(("instance", instance.instance_id))
        return instance if kept is None or kept.value is None else kept.value

    def _everybody(self, instead_of: Sequence[Key]) -> tuple[Instance, ...] | None:
        """Return everybody, if that was read after what was kept by these keys.

        Otherwise what somebody has seen after a refresh would be gone for the next one.
        """
        kept = self._kept(("everybody",))
        others = [self._kept(key) for key in instead_of]
        if kept is None or any(each and each.read_at > kept.read_at for each in others):
            return None
        self._look.note(self._place, [kept.read_at])
        return tuple(self._latest(each) for each in kept.value)

    def _by_group(self, instead_of: Sequence[Key]) -> Mapping[str, Sequence[Instance]] | None:
        """Return everybody by group; sorted once, for as long as nobody is read anew."""
        everybody = self._everybody(instead_of)
        if everybody is None:
            return None
        if everybody != self._sorted[0]:
            found: dict[str, list[Instance]] = {}
            for instance in everybody:
                for group_id in dict.fromkeys(instance.all_group_ids()):
                    found.setdefault(group_id, []).append(instance)
            self._sorted = (everybody, found)
        return self._sorted[1]

    def _kept(self, key: Key) -> Kept | None:
        return self._shelf.found(key, self._look.is_young)

    def _bounded(self, most: int) -> tuple[Instance, ...]:
        found = self._cloud.everybody(most=most)
        if found is None:
            raise _TooManyError
        return found


class _TooManyError(Exception):
    """There are more instances than were asked for."""


def _names(keys: Iterable[Key]) -> list[str]:
    return [str(key[1]) for key in keys]


def _has_one(instance: Instance, blocks: Sequence[Block]) -> bool:
    own = [block for eni in instance.enis for block in eni.addresses]
    return any(block.within(wanted) for block in own for wanted in blocks)
