"""Reading the world once, in rounds of calls that do not depend on one another."""

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

from app.domain.addresses import Block
from app.domain.errors import (
    AccountUnreachableError,
    CloudRefusedError,
    TargetNotFoundError,
)
from app.domain.groups import Group, GroupRef, Instance, Place
from app.domain.rules import GroupPeer, PrefixListPeer
from app.domain.world import Refusal, World
from app.ports.ecs import Clouds, InventoryFilter, Readers, Reads
from app.services.scopes import GroupAt, Known, Scope


class _Inline:
    """Stands for a pool where everything runs at once in the calling thread, in order."""

    def submit(self, call: Callable[[], None]) -> "Future[None]":
        done: Future[None] = Future()
        try:
            call()
            done.set_result(None)
        except Exception as error:  # noqa: BLE001 - handed on by the future, as a pool does
            done.set_exception(error)
        return done

    def shutdown(self, **_: bool) -> None:
        """There is nothing to end."""


Pool: TypeAlias = ThreadPoolExecutor | _Inline


class Worlds:
    """Reads worlds; calls that do not depend on one another run at the same time.

    With one thread they run in the calling one, in order: a seeded run is the same each time.
    """

    def __init__(
        self,
        *,
        clouds: Clouds,
        places: Callable[[], Collection[Place]],
        threads: int = 16,
    ) -> None:
        self._clouds = clouds
        self._places = places
        self._pool: Pool = (
            ThreadPoolExecutor(threads, thread_name_prefix="read") if threads > 1 else _Inline()
        )

    def places(self) -> frozenset[Place]:
        """Every account and region that can be read."""
        return frozenset(self._places())

    def read(self, scope: Scope, *, urgent: bool = False, through: Readers | None = None) -> World:
        """Read everything in scope; `urgent` if that is to take changes back.

        From the cloud, or `through` somebody who remembers what was read of it: that is for
        questions alone.

        Raises:
            TargetNotFoundError: an instance or group that must exist does not.
            AccountUnreachableError, CloudUnavailableError, CloudThrottledError
        """
        return _Reading(through or self._clouds, self._pool, self.places(), urgent).read(scope)

    def called(self, place: Place, name: str) -> tuple[Group, ...]:
        """Return the groups of a place that have this name, by id, without their rules."""
        found: list[Group] = []
        token: str | None = None
        cloud = self._clouds.of(place.account_id, place.region_id)
        while True:
            page = cloud.page_of_groups(InventoryFilter(name=name), limit=50, token=token)
            found += [summary.group for summary in page.items]
            token = page.next_token
            if token is None:
                return tuple(sorted(found, key=lambda group: group.group_id))

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


@dataclass
class _Reading:
    """One reading, in rounds: each round's calls are independent of one another."""

    clouds: Readers
    pool: Pool
    places: frozenset[Place]
    urgent: bool
    world: World = field(default_factory=World)
    instances: dict[str, Instance] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    complete: dict[str, Place] = field(default_factory=dict)
    references: dict[str, frozenset[GroupRef]] = field(default_factory=dict)
    prefix_lists: dict[str, tuple[Block, ...]] = field(default_factory=dict)
    asked_lists: set[str] = field(default_factory=set)
    unread: set[GroupRef] = field(default_factory=set)
    refused: list[GroupAt] = field(default_factory=list)
    refusals: dict[GroupRef, Refusal] = field(default_factory=dict)
    counts: dict[Place, int] = field(default_factory=dict)
    networks: frozenset[str | None] = frozenset()

    def read(self, scope: Scope) -> World:
        scope = self._with_peers(scope)
        self._first_round(scope)
        self._check_found(scope)
        core = self._core(scope)
        self.networks = scope.known.networks or self._networks()
        owners = [] if scope.known.networks else self._address_calls(scope, self.networks)
        if scope.with_neighbours:
            self._run([*self._whole(core), *self._references(core), *self._lists(), *owners])
            self._neighbours(core)
        elif scope.addresses:
            self._run([*self._rules(core), *self._lists(), *owners])
            self._run(self._whole(self._named(core), tolerant=True))
        self._run([*self._guards(), *self._lists()])
        self._run([*self._lists(), *self._links()])
        return self._result()

    def _run(self, calls: Iterable[Callable[[], None]]) -> None:
        """Make calls at the same time; the first error in their order is raised.

        Groups that were refused together are then asked for one by one: that one of them may
        not be read says nothing of the others.
        """
        self._make(calls)
        alone, self.refused = self.refused, []
        self._make(self._alone(each) for each in alone)

    def _make(self, calls: Iterable[Callable[[], None]]) -> None:
        # Each in a context of its own: threads read on behalf of whoever asked.
        futures = [self.pool.submit(partial(copy_context().run, call)) for call in calls]
        errors = [error for future in futures if (error := future.exception()) is not None]
        if errors:
            raise errors[0]

    # --- rounds ---

    def _with_peers(self, scope: Scope) -> Scope:
        """Groups of a registered account must exist; those of others are unknown."""
        open_peers = frozenset(each for each in scope.peers if each[0] in self.places)
        for place, group_id in scope.peers - open_peers:
            self._closed(GroupRef(group_id, place.account_id))
        return replace(scope, groups=scope.groups | open_peers)

    def _first_round(self, scope: Scope) -> None:
        """Everything that can be asked for without having read anything."""
        must, may = scope.instances | scope.our_instances, scope.optional_instances
        calls = [self._instances_call(place, ids) for place, ids in _by_place(must)]
        calls += [
            self._tolerant(self._instances_call(place, ids)) for place, ids in _by_place(may - must)
        ]
        calls += self._whole(scope.groups | scope.our_groups)
        calls += self._whole(scope.optional_groups, tolerant=True)
        calls += [self._count_call(place) for place in sorted(scope.counted)]
        calls += self._again(scope.known)
        calls += self._address_calls(scope, scope.known.networks)
        self._run(calls)

    def _again(self, known: Known) -> list[Callable[[], None]]:
        """What an earlier reading found; what cannot be read now is asked for in its round."""
        lists = {each for each in known.lists if each[0] in self.places}
        return [
            *self._whole(self._open(known.whole), tolerant=True),
            *self._tolerant_rules(self._open(known.bare)),
            *self._references(self._open(known.named)),
            *self._new_lists(lists),
        ]

    def _open(self, groups: Iterable[GroupAt]) -> set[GroupAt]:
        return {each for each in groups if each[0] in self.places}

    def _check_found(self, scope: Scope) -> None:
        for place, instance_id in sorted(scope.instances):
            if instance_id not in self.instances:
                raise TargetNotFoundError(
                    f"{place.region_id} of account {place.account_id} has no instance "
                    f"{instance_id}",
                    account_id=place.account_id,
                    instance_id=instance_id,
                )
        for place, group_id in sorted(scope.groups):
            if group_id not in self.groups:
                raise TargetNotFoundError(
                    f"{place.region_id} of account {place.account_id} has no group {group_id}",
                    account_id=place.account_id,
                    group_id=group_id,
                )

    def _core(self, scope: Scope) -> set[GroupAt]:
        asked = scope.instances | scope.our_instances | scope.optional_instances
        may = scope.our_groups | scope.optional_groups
        core = set(scope.groups) | {each for each in may if each[1] in self.groups}
        for _, instance_id in asked:
            instance = self.instances.get(instance_id)
            if instance is not None:
                core |= {(instance.place, group_id) for group_id in instance.all_group_ids()}
        return core

    def _neighbours(self, core: set[GroupAt]) -> None:
        near = self._named(core) | self._naming(core)
        self._run([*self._whole(near, tolerant=True), *self._lists()])

    def _named(self, core: set[GroupAt]) -> set[GroupAt]:
        """Groups that rules of the core name."""
        peers = {
            GroupRef(held.rule.peer.group_id, held.rule.peer.account_id)
            for _, group_id in core
            if group_id in self.groups
            for held in self.groups[group_id].rules
            if isinstance(held.rule.peer, GroupPeer)
        }
        return self._readable(peers, core)

    def _naming(self, core: set[GroupAt]) -> set[GroupAt]:
        """Groups whose rules name a group of the core."""
        refs = {ref for _, group_id in core for ref in self.references.get(group_id, frozenset())}
        return self._readable(refs, core)

    def _readable(self, refs: set[GroupRef], core: set[GroupAt]) -> set[GroupAt]:
        regions = {place.region_id for place, _ in core}
        found: set[GroupAt] = set()
        for ref in refs:
            places = [Place(ref.account_id, region) for region in regions]
            open_places = [place for place in places if place in self.places]
            if open_places:
                found |= {(place, ref.group_id) for place in open_places}
            else:
                self._closed(ref)
        return found

    def _closed(self, ref: GroupRef) -> None:
        """Note a group that nobody can be asked about."""
        self.unread.add(ref)
        detail = f"account {ref.account_id} is not registered with a region in question"
        self.refusals[ref] = Refusal("account_not_registered", detail)

    def _guards(self) -> list[Callable[[], None]]:
        """Rules of all groups of all instances; what cannot be read of them is unknown."""
        return self._tolerant_rules(
            {
                (instance.place, group_id)
                for instance in self.instances.values()
                for group_id in instance.all_group_ids()
                if instance.place in self.places
            }
        )

    # --- calls ---

    def _whole(
        self, groups: Iterable[GroupAt], *, tolerant: bool = False
    ) -> list[Callable[[], None]]:
        """Rules and members of groups that were not read whole before."""
        wanted = [each for each in sorted(groups) if each[1] not in self.complete]
        self.complete |= {group_id: place for place, group_id in wanted}
        members = [self._members_call(*each) for each in wanted]
        if not tolerant:
            return [*self._rules(wanted), *members]
        return [
            *self._tolerant_rules(wanted),
            *(self._tolerant(call, [each]) for call, each in zip(members, wanted, strict=True)),
        ]

    def _tolerant_rules(self, groups: Iterable[GroupAt]) -> list[Callable[[], None]]:
        new = {each for each in groups if each[1] not in self.groups}
        return [self._together(place, ids) for place, ids in _by_place(new)]

    def _together(self, place: Place, group_ids: Sequence[str]) -> Callable[[], None]:
        """Read groups that may be refused; of several, note which to ask for alone."""
        asked = [(place, group_id) for group_id in group_ids]
        call = self._rules_call(place, group_ids)

        def together() -> None:
            try:
                call()
            except CloudRefusedError:
                self.refused.extend(asked)

        return self._tolerant(together if len(asked) > 1 else call, asked)

    def _alone(self, asked: GroupAt) -> Callable[[], None]:
        return self._tolerant(self._rules_call(asked[0], [asked[1]]), [asked])

    def _rules(self, groups: Iterable[GroupAt]) -> list[Callable[[], None]]:
        new = {each for each in groups if each[1] not in self.groups}
        return [self._rules_call(place, ids) for place, ids in _by_place(new)]

    def _rules_call(self, place: Place, group_ids: Sequence[str]) -> Callable[[], None]:
        def call() -> None:
            for group in self._at(place).groups(group_ids):
                self.groups[group.group_id] = group

        return call

    def _members_call(self, place: Place, group_id: str) -> Callable[[], None]:
        def call() -> None:
            for instance in self._at(place).members(group_id):
                self.instances[instance.instance_id] = instance

        return call

    def _instances_call(self, place: Place, ids: Sequence[str]) -> Callable[[], None]:
        def call() -> None:
            for instance in self._at(place).instances(ids):
                self.instances[instance.instance_id] = instance

        return call

    def _count_call(self, place: Place) -> Callable[[], None]:
        def call() -> None:
            self.counts[place] = self._at(place).group_count()

        return call

    def _references(self, groups: Iterable[GroupAt]) -> list[Callable[[], None]]:
        new = {each for each in groups if each[1] not in self.references}
        return [self._tolerant(self._references_call(place, ids)) for place, ids in _by_place(new)]

    def _references_call(self, place: Place, ids: Sequence[str]) -> Callable[[], None]:
        def call() -> None:
            self.references.update(self._at(place).references(ids))

        return call

    def _lists(self) -> list[Callable[[], None]]:
        """Entries of prefix lists that rules name and that were not asked for yet."""
        wanted = {
            (group.place, held.rule.peer.prefix_list_id)
            for group in self.groups.values()
            for held in group.rules
            if isinstance(held.rule.peer, PrefixListPeer)
        }
        return self._new_lists(wanted)

    def _new_lists(self, wanted: Iterable[tuple[Place, str]]) -> list[Callable[[], None]]:
        new = sorted(each for each in wanted if each[1] not in self.asked_lists)
        self.asked_lists |= {list_id for _, list_id in new}
        return [self._list_call(place, list_id) for place, list_id in new]

    def _list_call(self, place: Place, list_id: str) -> Callable[[], None]:
        def call() -> None:
            entries = self._at(place).prefix_list(list_id)
            if entries is not None:
                self.prefix_lists[list_id] = entries

        return call

    def _links(self) -> list[Callable[[], None]]:
        """ClassicLinks, where a world has instances of both networks."""
        classic: dict[Place, list[str]] = {}
        for instance in self.instances.values():
            if instance.is_classic:
                classic.setdefault(instance.place, []).append(instance.instance_id)
        if all(instance.is_classic for instance in self.instances.values()):
            return []
        return [self._links_call(place, sorted(ids)) for place, ids in classic.items()]

    def _links_call(self, place: Place, ids: Sequence[str]) -> Callable[[], None]:
        def call() -> None:
            for instance_id, vpc_id in self._at(place).links(ids).items():
                linked = replace(self.instances[instance_id], classic_link_vpc_id=vpc_id)
                self.instances[instance_id] = linked

        return call

    def _networks(self) -> frozenset[str | None]:
        """Networks of the instances that were read; the classic one if there are none."""
        return frozenset({each.vpc_id for each in self.instances.values()} or {None})

    def _address_calls(
        self, scope: Scope, networks: Collection[str | None]
    ) -> list[Callable[[], None]]:
        """Look for owners of bare addresses, in every account and network in question."""
        if not scope.addresses:
            return []
        return [
            self._tolerant(self._owners_call(place, sorted(scope.addresses), vpc_id))
            for place in sorted(self.places)
            for vpc_id in sorted(networks, key=str)
            if place.region_id in scope.regions
        ]

    def _owners_call(
        self, place: Place, addresses: Sequence[Block], vpc_id: str | None
    ) -> Callable[[], None]:
        def call() -> None:
            for instance in self._at(place).owners_of(addresses, vpc_id):
                self.instances.setdefault(instance.instance_id, instance)

        return call

    def _tolerant(
        self, call: Callable[[], None], groups: Sequence[GroupAt] = ()
    ) -> Callable[[], None]:
        """Take what cannot be read at the edge of the scope for unknown: it is not complete."""

        def tolerant() -> None:
            try:
                call()
            except (TargetNotFoundError, AccountUnreachableError, CloudRefusedError) as error:
                for place, group_id in groups:
                    ref = GroupRef(group_id, place.account_id)
                    self.complete.pop(group_id, None)
                    self.unread.add(ref)
                    self.refusals[ref] = Refusal(error.code, str(error))

        return tolerant

    def _at(self, place: Place) -> Reads:
        return self.clouds.of(place.account_id, place.region_id, urgent=self.urgent)

    # --- result ---

    def _result(self) -> World:
        complete = frozenset(each for each in self.complete if each in self.groups)
        missing = {
            GroupRef(group_id, place.account_id)
            for group_id, place in self.complete.items()
            if group_id not in self.groups
        }
        for ref in missing:
            detail = f"account {ref.account_id} has no group {ref.group_id} there"
            self.refusals.setdefault(ref, Refusal(TargetNotFoundError.code, detail))
        return World(
            groups=dict(self.groups),
            instances=dict(self.instances),
            prefix_lists=dict(self.prefix_lists),
            references=dict(self.references),
            complete=complete,
            unread=frozenset(
                ref for ref in self.unread | missing if ref.group_id not in self.groups
            ),
            networks=self.networks,
            group_counts=dict(self.counts),
            refusals=dict(self.refusals),
        )


def _by_place(things: Iterable[tuple[Place, str]]) -> list[tuple[Place, list[str]]]:
    """Ids by place, both in order."""
    found: dict[Place, list[str]] = {}
    for place, name in sorted(things):
        found.setdefault(place, []).append(name)
    return list(found.items())
