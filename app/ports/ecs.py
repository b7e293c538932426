"""The cloud, as this service sees it: one account and region at a time.

Every call may raise CloudThrottledError or CloudUnavailableError (not done, may be
repeated), CloudRefusedError (do not repeat) or AccountUnreachableError. Only `perform` may
raise OutcomeUnknownError (read, then decide).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.domain.addresses import Block
from app.domain.changes import Change
from app.domain.groups import Group, GroupRef, Instance
from app.domain.rules import Policy


@dataclass(frozen=True, slots=True)
class AccountAccess:
    """How to speak for an account: with a role, or (None) with the base identity itself.

    `region_ids` are the regions that the account is registered with.
    """

    account_id: str
    role_arn: str | None
    external_id: str
    region_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """A group as a listing shows it: without rules and inner access policy."""

    group: Group
    description: str
    member_count: int | None
    rule_count: int | None


@dataclass(frozen=True, slots=True)
class InventoryFilter:
    """What an inventory page may contain; None does not filter.

    `name` may hold `*` as a wildcard for instances; for groups it is exact.
    """

    name: str | None = None
    group_id: str | None = None
    vpc_id: str | None = None


@dataclass(frozen=True, slots=True)
class InstancePage:
    items: tuple[Instance, ...]
    next_token: str | None


@dataclass(frozen=True, slots=True)
class GroupPage:
    items: tuple[GroupSummary, ...]
    next_token: str | None


@dataclass(frozen=True, slots=True)
class Performed:
    """The cloud's answer to a change.

    `group_id` is that of a group just created. `already` says that nothing was done, because
    it was so before the call.
    """

    request_id: str
    group_id: str | None = None
    already: bool = False


class Reads(Protocol):
    """What may be asked of one account and region; nothing is changed by it."""

    def instances(self, instance_ids: Sequence[str]) -> tuple[Instance, ...]:
        """Return those of the instances that exist, with all interfaces and their groups."""
        ...

    def members(self, group_id: str) -> tuple[Instance, ...]:
        """Return every instance that has an interface in the group."""
        ...

    def everybody(self, *, most: int) -> tuple[Instance, ...] | None:
        """Return every instance, by id, with all interfaces; None if there are more than `most`."""
        ...

    def owners_of(self, addresses: Sequence[Block], vpc_id: str | None) -> tuple[Instance, ...]:
        """Return the instances that have one of these private addresses: classic ones, or
        those of the VPC.
        """
        ...

    def links(self, instance_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the VPC id for each of the classic instances that is linked with one."""
        ...

    def groups(self, group_ids: Sequence[str]) -> tuple[Group, ...]:
        """Return those of the groups that exist: all pages, both directions, both NIC types."""
        ...

    def references(self, group_ids: Sequence[str]) -> Mapping[str, frozenset[GroupRef]]:
        """Return for each group the groups, of any account, that name it in a rule."""
        ...

    def prefix_list(self, prefix_list_id: str) -> tuple[Block, ...] | None:
        """Return the entries, or None if this account cannot read the list."""
        ...

    def group_count(self) -> int:
        """Return how many security groups the account has in this region."""
        ...


class Ecs(Reads, Protocol):
    """One account and region."""

    def page_of_instances(
        self, wanted: InventoryFilter, *, limit: int, token: str | None
    ) -> InstancePage: ...

    def page_of_groups(
        self, wanted: InventoryFilter, *, limit: int, token: str | None
    ) -> GroupPage: ...

    def perform(self, change: Change, *, token: str, again: bool = False) -> Performed:
        """Make one change; where the cloud takes a token, the same one twice acts once.
        `again` says that it was sent before.

        What is already so counts as done: a membership that exists or is gone, a group that
        is gone. A rule to be revoked that is gone raises CloudNotFoundError.
        """
        ...

    def set_inner_access(self, group_id: str, policy: Policy, *, token: str) -> Performed: ...


class Readers(Protocol):
    """Every account and region that may be asked."""

    def of(self, account_id: str, region_id: str, *, urgent: bool = False) -> Reads:
        """Return what may be asked of a region; nothing is called yet.

        Raises:
            TargetNotFoundError: the account is not registered, or not with this region.
        """
        ...


class Clouds(Protocol):
    """Every account and region that the service may speak for."""

    def of(self, account_id: str, region_id: str, *, urgent: bool = False) -> Ecs:
        """Return the account's view of a region; nothing is called yet.

        `urgent` calls take changes back: some of what may be called is reserved for them.

        Raises:
            TargetNotFoundError: the account is not registered, or not with this region.
        """
        ...

    def whoami(self, access: AccountAccess) -> str:
        """Assume the account's role anew and return the account id that the cloud names.

        Raises:
            AccountUnreachableError: the role cannot be assumed.
        """
        ...

    def is_reachable(self) -> bool:
        """Say whether the cloud answers and knows the base identity."""
        ...
