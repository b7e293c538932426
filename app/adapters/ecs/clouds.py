"""Every account and region behind the port, made from plain values."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from app.adapters.ecs import performing
from app.adapters.ecs.calls import Calls, Permit, free
from app.adapters.ecs.discretion import Discreet
from app.adapters.ecs.group_reads import GroupReads
from app.adapters.ecs.http import SdkTransport
from app.adapters.ecs.instance_reads import InstanceReads
from app.adapters.ecs.patience import Patience
from app.adapters.ecs.sessions import Sessions, Sts
from app.adapters.ecs.together import Together
from app.adapters.ecs.transport import BASE, Identity, Keys, MachineRole, Transport
from app.domain.addresses import Block
from app.domain.changes import Change, SetInnerAccess
from app.domain.errors import TargetNotFoundError
from app.domain.groups import Group, GroupRef, Instance
from app.domain.rules import Policy
from app.ports.budget import Budget
from app.ports.clock import Clock
from app.ports.ecs import (
    AccountAccess,
    Ecs,
    GroupPage,
    InstancePage,
    InventoryFilter,
    Performed,
)

USER_AGENT = "ecs-intercommunication-api"
SESSION_LENGTH = timedelta(hours=1)
SESSION_MARGIN = timedelta(minutes=10)
"""A token is renewed while it still outlives any single call by far."""


class WiredClouds:
    """The cloud over any wire."""

    def __init__(
        self,
        *,
        transport: Transport,
        base: Identity,
        access_of: Callable[[str], AccountAccess | None],
        clock: Clock,
        patience: Patience,
        workers: int,
        permit: Permit = free,
        budget: Budget | None = None,
        sts_region_id: str = "cn-hangzhou",
    ) -> None:
        self._permit = permit
        self._budget = budget
        self._transport: Transport = Discreet(transport, base)
        self._access_of = access_of
        self._patience = patience
        self._together = Together(workers)
        self._classic: set[str] = set()
        self._sts = Sts(
            self._transport,
            base=base,
            region_id=sts_region_id,
            session_length=SESSION_LENGTH,
            patience=patience,
        )
        self._sessions = Sessions(
            self._sts, clock=clock, session_length=SESSION_LENGTH, margin=SESSION_MARGIN
        )

    def of(self, account_id: str, region_id: str, *, urgent: bool = False) -> Ecs:
        access = self._access_of(account_id)
        if access is None or region_id not in access.region_ids:
            raise TargetNotFoundError(
                "the account is not registered, or not with this region",
                account_id=account_id,
                region_id=region_id,
            )
        calls = Calls(
            self._transport,
            self._sessions,
            access=access,
            region_id=region_id,
            patience=self._patience,
            permit=self._permit,
            budget=self._budget,
            urgent=urgent,
        )
        return SdkEcs(calls, self._together, self._classic)

    def whoami(self, access: AccountAccess) -> str:
        return self._sessions.whoami(access)

    def is_reachable(self) -> bool:
        return self._sts.knows_base()

    def close(self) -> None:
        """Let calls that run come to their end, and start no more."""
        self._together.close()


class SdkClouds(WiredClouds):
    """The cloud over HTTP, through the official SDK.

    With endpoints, given together as URL or `host:port`, no call ever goes anywhere else.
    """

    def __init__(
        self,
        *,
        ecs_endpoint: str | None,
        sts_endpoint: str | None,
        base_access_key_id: str | None,
        base_access_key_secret: str | None,
        base_role_name: str | None,
        access_of: Callable[[str], AccountAccess | None],
        clock: Clock,
        connect_timeout: timedelta = timedelta(seconds=3),
        read_timeout: timedelta = timedelta(seconds=15),
        pool_size: int = 16,
        retry_attempts: int = 4,
        retry_total: timedelta = timedelta(seconds=20),
        retry_wait: timedelta = timedelta(milliseconds=200),
        permit: Permit = free,
        budget: Budget | None = None,
    ) -> None:
        """Raise ValueError without a base identity that fits, or with only one endpoint."""
        transport = SdkTransport(
            ecs_endpoint=ecs_endpoint,
            sts_endpoint=sts_endpoint,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            pool_size=pool_size,
            user_agent=USER_AGENT,
        )
        base = base_identity(base_access_key_id, base_access_key_secret, base_role_name)
        if ecs_endpoint is not None and isinstance(base, MachineRole):
            # The SDK fetches the role's keys from an address of the real cloud.
            raise ValueError("with endpoints the base identity is an access key")
        super().__init__(
            transport=transport,
            base=base,
            access_of=access_of,
            clock=clock,
            patience=Patience(retry_attempts, retry_total, retry_wait),
            workers=pool_size,
            permit=permit,
            budget=budget,
        )


class SdkEcs:
    """One account and region."""

    def __init__(self, calls: Calls, together: Together, classic: set[str]) -> None:
        self._calls = calls
        self._groups = GroupReads(calls, together, classic)
        self._instances = InstanceReads(calls, together)

    def instances(self, instance_ids: Sequence[str]) -> tuple[Instance, ...]:
        return self._instances.instances(instance_ids)

    def members(self, group_id: str) -> tuple[Instance, ...]:
        return self._instances.members(group_id)

    def everybody(self, *, most: int) -> tuple[Instance, ...] | None:
        return self._instances.everybody(most=most)

    def owners_of(self, addresses: Sequence[Block], vpc_id: str | None) -> tuple[Instance, ...]:
        return self._instances.owners_of(addresses, vpc_id)

    def links(self, instance_ids: Sequence[str]) -> Mapping[str, str]:
        return self._instances.links(instance_ids)

    def groups(self, group_ids: Sequence[str]) -> tuple[Group, ...]:
        return self._groups.groups(group_ids)

    def references(self, group_ids: Sequence[str]) -> Mapping[str, frozenset[GroupRef]]:
        return self._groups.references(group_ids)

    def prefix_list(self, prefix_list_id: str) -> tuple[Block, ...] | None:
        return self._groups.prefix_list(prefix_list_id)

    def group_count(self) -> int:
        return self._groups.count()

    def page_of_instances(
        self, wanted: InventoryFilter, *, limit: int, token: str | None
    ) -> InstancePage:
        return self._instances.page(wanted, limit=limit, token=token)

    def page_of_groups(
        self, wanted: InventoryFilter, *, limit: int, token: str | None
    ) -> GroupPage:
        return self._groups.page(wanted, limit=limit, token=token)

    def perform(self, change: Change, *, token: str, again: bool = False) -> Performed:
        return performing.perform(self._calls, change, token=token, again=again)

    def set_inner_access(self, group_id: str, policy: Policy, *, token: str) -> Performed:
        return self.perform(SetInnerAccess(self._calls.place, group_id, policy), token=token)


def base_identity(
    access_key_id: str | None, access_key_secret: str | None, role_name: str | None
) -> Identity:
    """Return the identity that the service was given: an access key, else a machine's role."""
    if access_key_id and access_key_secret:
        return Keys(BASE, access_key_id, access_key_secret)
    if role_name:
        return MachineRole(role_name)
    raise ValueError("the base identity needs an access key id with its secret, or a role name")
