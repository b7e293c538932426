"""Clouds to test against: one translation over two wires, and small estates to put in them."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from app.adapters.ecs.clouds import SdkClouds, WiredClouds
from app.adapters.ecs.patience import Patience
from app.adapters.ecs.transport import (
    BASE,
    Identity,
    Keys,
    NoAnswerError,
    NotSentError,
    RefusedError,
    Reply,
    SdkRequest,
)
from app.ports.clock import Clock
from app.ports.ecs import AccountAccess
from app.simulator.credentials import Caller
from app.simulator.dispatcher import Dispatcher
from app.simulator.errors import ReplyLostError

ACCOUNT = "1000000000000001"
OTHER_ACCOUNT = "1000000000000002"
BASE_ACCOUNT = "1000000000000009"
REGION = "cn-hangzhou"
BASE_KEY_ID = "intercom-demo-key-id"
BASE_KEY_SECRET = "intercom-demo-key-secret"
ROLE = "intercommunication"


class TickingClock:
    """A clock that stands still until it is told to go on."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime.now(UTC)

    def now(self) -> datetime:
        return self._now

    def tick(self, length: timedelta) -> None:
        self._now += length


def access(
    account_id: str = ACCOUNT,
    *,
    role_arn: str | None = "",
    external_id: str = "external-id",
    region_ids: tuple[str, ...] = (REGION, "cn-beijing"),
) -> AccountAccess:
    """Return the access of an account; its usual role unless told otherwise."""
    arn = f"acs:ram::{account_id}:role/{ROLE}" if role_arn == "" else role_arn
    return AccountAccess(account_id, arn, external_id, region_ids)


def access_of(*accesses: AccountAccess) -> Callable[[str], AccountAccess | None]:
    """Look up these accesses, or the usual ones of the demo's accounts."""
    known = accesses or (access(ACCOUNT), access(OTHER_ACCOUNT))
    return {item.account_id: item for item in known}.get


class InMemoryTransport:
    """The simulator's own dispatcher as a wire: no HTTP, no signature, no clock of its own.

    It answers in the calling thread. Sessions are known by the keys that AssumeRole answered;
    an identity that the simulator does not know is refused as the gateway would.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._callers: dict[str, Caller] = {}

    def send(self, request: SdkRequest, *, region_id: str, identity: Identity) -> Reply:
        parameters = {
            "RegionId": region_id,
            **{name: str(value) for name, value in request.get_query_params().items()},
            "Version": request.get_version(),
        }
        action = request.get_action_name()
        try:
            reply = self._dispatcher.call(self._caller(identity), action, parameters)
        except ReplyLostError:
            # Left behind, as the HTTP wire does: an error of the simulator's is no part of ours.
            lost = NoAnswerError("the connection ended without a reply")
        else:
            if reply.raw is None and not _is_false_success(reply.status, reply.body):
                return self._answer(action, parameters, reply.status, reply.body)
            lost = NoAnswerError("the reply is not one of this API")
        raise lost

    def _answer(
        self, action: str, parameters: Mapping[str, str], status: int, body: Mapping[str, Any]
    ) -> Reply:
        if status >= 400:
            raise RefusedError(
                body["Code"], body["Message"], status=status, request_id=body["RequestId"]
            )
        if action == "AssumeRole":
            account_id, role_name = parameters["RoleArn"].split(":", 3)[3].split(":role/")
            caller = Caller(account_id, role_name, parameters["RoleSessionName"])
            self._callers[body["Credentials"]["AccessKeyId"]] = caller
        return body

    def _caller(self, identity: Identity) -> Caller:
        if not isinstance(identity, Keys):
            raise NotSentError("there is no machine whose role this could be")
        if identity.holder != BASE:
            return self._callers[identity.access_key_id]
        owner = self._dispatcher.store.key_owners.get(identity.access_key_id)
        if owner is None:
            raise RefusedError(
                "InvalidAccessKeyId.NotFound", "Unknown key.", status=404, request_id="none"
            )
        return Caller(owner)


def _is_false_success(status: int, body: Mapping[str, Any]) -> bool:
    """Tell what the other wire does not take for an answer either."""
    return status == 200 and (not body.get("RequestId") or "Code" in body)


IMPATIENT = Patience(attempts=3, total=timedelta(seconds=5), wait=timedelta(0))


def in_memory_clouds(
    dispatcher: Dispatcher,
    *,
    accesses: Iterable[AccountAccess] = (),
    clock: Clock | None = None,
    patience: Patience = IMPATIENT,
    base: Identity | None = None,
    workers: int = 1,
) -> WiredClouds:
    """The adapter over the simulator in this process; one worker makes calls in a fixed order."""
    return WiredClouds(
        transport=InMemoryTransport(dispatcher),
        base=base or Keys(BASE, BASE_KEY_ID, BASE_KEY_SECRET),
        access_of=access_of(*accesses),
        clock=clock or TickingClock(),
        patience=patience,
        workers=workers,
    )


def http_clouds(
    endpoint: str,
    *,
    accesses: Iterable[AccountAccess] = (),
    clock: Clock | None = None,
    base_key_id: str = BASE_KEY_ID,
    base_key_secret: str = BASE_KEY_SECRET,
    read_timeout: timedelta = timedelta(seconds=5),
) -> SdkClouds:
    """The adapter as the service uses it, towards an endpoint on loopback."""
    return SdkClouds(
        ecs_endpoint=endpoint,
        sts_endpoint=endpoint,
        base_access_key_id=base_key_id,
        base_access_key_secret=base_key_secret,
        base_role_name=None,
        access_of=access_of(*accesses),
        clock=clock or TickingClock(),
        read_timeout=read_timeout,
        retry_attempts=3,
        retry_total=timedelta(seconds=5),
        retry_wait=timedelta(0),
    )


# --- estates -----------------------------------------------------------------------

Document = dict[str, Any]


def group_entry(
    group_id: str,
    *,
    account: str = ACCOUNT,
    vpc_id: str | None = None,
    rules: Iterable[Document] = (),
    **fields: object,
) -> Document:
    """Spell a group of an estate: a basic one without rules unless told otherwise."""
    entry: Document = {
        "SecurityGroupId": group_id,
        "SecurityGroupName": group_id,
        "OwnerId": account,
        "RegionId": REGION,
        "SecurityGroupType": "normal",
        "Rules": list(rules),
        **fields,
    }
    return entry if vpc_id is None else entry | {"VpcId": vpc_id}


def instance_entry(
    instance_id: str,
    group_ids: Iterable[str],
    *,
    private_ip: str = "10.0.0.1",
    account: str = ACCOUNT,
    vpc_id: str | None = None,
    **fields: object,
) -> Document:
    """Spell an instance of an estate: a running one in the classic network."""
    entry: Document = {
        "InstanceId": instance_id,
        "InstanceName": instance_id,
        "OwnerId": account,
        "RegionId": REGION,
        "ZoneId": f"{REGION}-b",
        "Status": "Running",
        "InstanceNetworkType": "vpc" if vpc_id else "classic",
    }
    if "NetworkInterfaces" not in fields:
        entry |= {"PrivateIp": private_ip, "SecurityGroupIds": list(group_ids)}
    return entry | ({"VpcId": vpc_id} if vpc_id else {}) | fields


def estate(
    *,
    groups: Iterable[Document] = (),
    instances: Iterable[Document] = (),
    external_id: str | None = None,
    trusted: str = BASE_ACCOUNT,
    **more: list[Document],
) -> Document:
    """Spell an estate of the service's own account, two more that trust it, and a VPC."""
    role: Document = {"RoleName": ROLE, "TrustedAccountIds": [trusted]}
    if external_id is not None:
        role["ExternalId"] = external_id
    key = {"AccessKeyId": BASE_KEY_ID, "AccessKeySecret": BASE_KEY_SECRET}
    return {
        "accounts": [
            {"AccountId": BASE_ACCOUNT, "Login": "base@example.com", "AccessKeys": [key]},
            {"AccountId": ACCOUNT, "Login": "a@example.com", "Roles": [role]},
            {"AccountId": OTHER_ACCOUNT, "Login": "b@example.com", "Roles": [role]},
        ],
        "vpcs": [{"VpcId": "vpc-1", "OwnerId": ACCOUNT, "RegionId": REGION}],
        "security_groups": list(groups),
        "instances": list(instances),
        **more,
    }
