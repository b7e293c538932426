"""Assertions: kept claims about what is reachable, checked on demand and in every plan."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.domain.addresses import Block
from app.domain.assertions import (
    Assertion,
    AssertionStatus,
    Claim,
    Judgement,
    Transition,
    against_document,
    breaches,
    is_touched,
    judge,
    judge_all,
    judgement_document,
    read_claim,
)
from app.domain.changes import Change
from app.domain.concerns import accounts_in
from app.domain.documents import Document
from app.domain.errors import AssertionBrokenError, NotFoundError
from app.domain.intents import AddressSide, GroupSide, InstanceSide
from app.domain.principals import THE_SERVICE, Role
from app.domain.world import World
from app.ports.clock import Clock, Ids
from app.ports.store import Page, Store, Work
from app.services.access import check_accounts
from app.services.callers import acting, eyes, looking
from app.services.scopes import GroupAt, InstanceAt, Scope
from app.services.worlds import Worlds


@dataclass(frozen=True, slots=True)
class AssertionView:
    """An assertion with the states that it has had, oldest first."""

    assertion: Assertion
    transitions: tuple[Transition, ...]


class AssertionsService:
    """Keeps claims with their owners and reasons, and lets no plan break one."""

    def __init__(self, *, store: Store, worlds: Worlds, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._worlds = worlds
        self._clock = clock
        self._ids = ids

    def create(self, request: Document) -> AssertionView:
        """Keep a claim, and check it at once; one that does not hold is kept all the same.

        Raises:
            InvalidInputError
            TargetNotFoundError: an instance or a group of it does not exist.
        """
        check_accounts(Role.OPERATOR, accounts_in(request))
        claim = read_claim(request)
        told = judge(self._worlds.read(scope_of_claims([claim], must_exist=True)), claim)
        now = self._clock.now()
        assertion = Assertion(
            assertion_id=self._ids.new(),
            request={key: request[key] for key in request if key not in {"owner", "reason"}},
            owner=request["owner"],
            reason=request["reason"],
            created_at=now,
        )
        with self._store.write() as work:
            work.assertions.add(assertion)
            self._note(work, assertion, told)
            work.commit()
        return self.get(assertion.assertion_id)

    def get(self, assertion_id: str) -> AssertionView:
        with self._store.read() as work:
            return AssertionView(
                _existing(work, assertion_id), work.assertions.transitions(assertion_id)
            )

    def page(
        self, limit: int, position: int | None, status: AssertionStatus | None = None
    ) -> Page[Assertion]:
        with self._store.read() as work:
            return work.assertions.page(limit=limit, position=position, status=status)

    def remove(self, assertion_id: str) -> None:
        """Forget an assertion and its states.

        Raises:
            NotFoundError
        """
        with self._store.write() as work:
            _existing(work, assertion_id)
            work.assertions.remove(assertion_id)
            work.commit()

    def check(self, assertion_id: str) -> AssertionView:
        """Read the cloud and judge; what cannot be read leaves it unknown."""
        claim = self.get(assertion_id).assertion.claim
        told = judge(self._worlds.read(scope_of_claims([claim])), claim)
        with self._store.write() as work:
            self._note(work, _existing(work, assertion_id), told)
            work.commit()
        return self.get(assertion_id)

    def consent(
        self, world: World, changes: Sequence[Change], *, managed_by: str | None = None
    ) -> list[Document]:
        """Return the assertions that a plan touches and leaves as they are, or refuse it.

        What cannot be read of a claim's sides is asked for besides. Assertions `managed_by`
        this are left out: the plan brings others in their place.

        Raises:
            AssertionBrokenError: the plan would break some, or break them further.
        """
        kept = self._touched(world, changes, managed_by)
        if not kept:
            return []
        by_claim: dict[Claim, list[Assertion]] = {}
        for assertion in kept:
            by_claim.setdefault(assertion.claim, []).append(assertion)
        before = self._with_ends(world, by_claim)
        told = dict(zip(by_claim, judge_all(before, by_claim), strict=True))
        if eyes() is None:  # who sees less learns less, and does not decide what is known
            self._note_changed(by_claim, told)
        found = breaches(before, _after(before, changes), by_claim)
        if found:
            broken = [
                (assertion, against_document(breach.against, breach.verdicts))
                for breach in found
                for assertion in by_claim[breach.claim]
            ]
            raise AssertionBrokenError(
                "; ".join(_named(assertion) for assertion, _ in broken[:3]),
                assertions=[
                    {**_document(assertion), "against": against}
                    if _is_seen(assertion)
                    else {"assertion_id": assertion.assertion_id}
                    for assertion, against in broken
                ],
            )
        return [
            {**_document(assertion), "status": told[claim].status.value}
            for claim, of_claim in by_claim.items()
            for assertion in of_claim
            if _is_seen(assertion)
        ]

    def _touched(
        self, world: World, changes: Sequence[Change], managed_by: str | None
    ) -> list[Assertion]:
        if not changes:
            return []
        with self._store.read() as work:
            kept = work.assertions.all()
        if managed_by is not None:
            kept = tuple(each for each in kept if each.managed_by != managed_by)
        if not kept:
            return []
        group_ids = frozenset(each.group_id for each in changes)
        members: dict[str, frozenset[str]] = {}
        for one in (world, _after(world, changes)):
            for group_id in group_ids:
                for instance, _ in one.members(group_id):
                    groups = frozenset(instance.all_group_ids())
                    members[instance.instance_id] = (
                        members.get(instance.instance_id, frozenset()) | groups
                    )
        return [each for each in kept if is_touched(each.claim, group_ids, members)]

    def _with_ends(self, world: World, claims: Iterable[Claim]) -> World:
        """Read what the claims speak of and the world does not hold."""
        scope = scope_of_claims(claims)
        missing = replace(
            scope,
            optional_instances=frozenset(
                each for each in scope.optional_instances if each[1] not in world.instances
            ),
            optional_groups=frozenset(
                each for each in scope.optional_groups if each[1] not in world.complete
            ),
        )
        if not (missing.optional_instances or missing.optional_groups or missing.addresses):
            return world
        with acting(THE_SERVICE), looking(None):  # it holds for whoever asks, whatever they see
            more = self._worlds.read(missing)
        groups = {**more.groups, **world.groups}
        return replace(
            world,
            groups=groups,
            instances={**more.instances, **world.instances},
            prefix_lists={**more.prefix_lists, **world.prefix_lists},
            complete=world.complete | more.complete,
            unread=frozenset(
                ref for ref in world.unread | more.unread if ref.group_id not in groups
            ),
        )

    def _note_changed(
        self, by_claim: Mapping[Claim, Sequence[Assertion]], told: Mapping[Claim, Judgement]
    ) -> None:
        """Keep what a plan found out about assertions that have come to be of another status."""
        changed = [
            (assertion, told[claim])
            for claim, kept in by_claim.items()
            for assertion in kept
            if assertion.status is not told[claim].status
        ]
        if changed:
            with acting(THE_SERVICE), self._store.write() as work:
                for assertion, judgement in changed:
                    present = work.assertions.get(assertion.assertion_id)
                    if present is not None:
                        self._note(work, present, judgement)
                work.commit()

    def _note(self, work: Work, assertion: Assertion, told: Judgement) -> None:
        """Keep what was found, within the transaction; another status is a state of its own."""
        now, detail = self._clock.now(), judgement_document(told)
        work.assertions.update(
            replace(assertion, status=told.status, checked_at=now, detail=detail)
        )
        if assertion.status is not told.status:
            transition = Transition(told.status, now, detail)
            work.assertions.note(assertion.assertion_id, transition)


def _existing(work: Work, assertion_id: str) -> Assertion:
    assertion = work.assertions.get(assertion_id)
    if assertion is None:
        raise NotFoundError("there is no such assertion", assertion_id=assertion_id)
    return assertion


def _after(world: World, changes: Iterable[Change]) -> World:
    for change in changes:
        world = world.after(change)
    return world


def _document(assertion: Assertion) -> Document:
    return {
        "assertion_id": assertion.assertion_id,
        "kind": assertion.request["kind"],
        "owner": assertion.owner,
        "reason": assertion.reason,
    }


def _is_seen(assertion: Assertion) -> bool:
    seen = eyes()
    return seen is None or accounts_in(assertion.request) <= seen


def _named(assertion: Assertion) -> str:
    if not _is_seen(assertion):
        return f"assertion {assertion.assertion_id} of other accounts would be broken"
    said = assertion.request["kind"].replace("_", " ")
    why = f": {assertion.reason}" if assertion.reason else ""
    return f"assertion {assertion.assertion_id} of {assertion.owner} ({said}) would be broken{why}"


def scope_of_claims(claims: Iterable[Claim], *, must_exist: bool = False) -> Scope:
    """What to read to judge claims: whatever guards their sides, and who has their addresses.

    Without `must_exist` what is gone or cannot be read is left out.
    """
    instances: set[InstanceAt] = set()
    groups: set[GroupAt] = set()
    addresses: set[Block] = set()
    for claim in claims:
        for side in (claim.source, claim.target):
            match side:
                case InstanceSide(place, instance_ids):
                    instances |= {(place, each) for each in instance_ids}
                case GroupSide(place, group_ids):
                    groups |= {(place, each) for each in group_ids}
                case AddressSide(blocks):
                    addresses |= set(blocks)
    regions = frozenset(place.region_id for place, _ in (*instances, *groups))
    return Scope(
        instances=frozenset(instances if must_exist else ()),
        peers=frozenset(groups if must_exist else ()),
        optional_instances=frozenset(() if must_exist else instances),
        optional_groups=frozenset(() if must_exist else groups),
        addresses=frozenset(block for block in addresses if block.is_single),
        regions=regions,
        with_neighbours=bool(addresses),
    )
