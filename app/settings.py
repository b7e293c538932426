"""All that is configurable, read once: environment variables with the prefix INTERCOM_."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _seconds(value: object) -> object:
    """Let a bare number stand for seconds, as environment variables spell it."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


Seconds = Annotated[timedelta, BeforeValidator(_seconds), Field(gt=timedelta(0))]
"""A length of time: a number of seconds, or ISO 8601 such as PT5M."""

SecondsOrNone = Annotated[timedelta, BeforeValidator(_seconds), Field(ge=timedelta(0))]
"""A length of time that may be 0."""

DEMO_KEY_ID = "intercom-demo-key-id"
DEMO_KEY_SECRET = "intercom-demo-key-secret"  # noqa: S105 - published: it opens a simulator only
DEMO_API_KEY = "intercom-demo-api-key"


class Cloud(StrEnum):
    SIMULATOR = "simulator"
    ALIBABA = "alibaba"


class Role(StrEnum):
    """What a process does: accept requests, carry operations out, or both."""

    ALL = "all"
    API = "api"
    WORKER = "worker"


class Settings(BaseSettings):
    """Every setting with its default; only the choice of cloud has none."""

    model_config = SettingsConfigDict(env_prefix="INTERCOM_", frozen=True, extra="ignore")

    cloud: Cloud = Field(
        description="Which cloud to change: `simulator` or `alibaba`. No default, on purpose."
    )
    ecs_endpoint: str | None = Field(
        None,
        description="Where ECS answers, as URL or `host:port`; required for the simulator, "
        "empty for `alibaba` (each region's own).",
    )
    sts_endpoint: str | None = Field(
        None, description="Where STS answers; like `ECS_ENDPOINT`, and given together with it."
    )
    database_url: str = Field(
        "sqlite:///intercom.sqlite3",
        description="`sqlite:///FILE` for one process, `postgresql://…` for many replicas.",
    )
    access_key_id: str | None = Field(
        None,
        description="Access key of the base identity, which assumes the roles of the accounts. "
        "For the simulator the demo estate's key is the default.",
    )
    access_key_secret: SecretStr | None = Field(
        None, description="Its secret; never written anywhere."
    )
    base_role_name: str | None = Field(
        None,
        description="Instead of a key: the RAM role of the instance that the service runs on.",
    )
    api_key: SecretStr | None = Field(
        None,
        description="Key of the first administrator, sent as `Authorization: Bearer …`; "
        f"required for `alibaba`, for the simulator `{DEMO_API_KEY}` by default.",
    )
    api_key_lifetime: Seconds = Field(
        timedelta(days=90),
        ge=timedelta(days=1),
        description="How long an API key is valid at most; whoever hands one out may say less.",
    )
    idempotency_key_required: bool = Field(
        False, description="Whether a change without an `Idempotency-Key` is refused."
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        ("127.0.0.1", "localhost", "::1"),
        description="Names that the Host header may have, separated by commas; `*` allows all.",
    )
    body_limit_bytes: int = Field(1_048_576, ge=1024, description="Largest request body.")
    requests_per_minute: int | None = Field(
        None,
        ge=0,
        description="Requests that one caller may send to one process in a minute, all of them at "
        "once; more are answered with 429. 0 sets no limit. 3000 for `alibaba`, else none.",
    )
    require_if_match: bool = Field(
        default=False,
        description="Whether what changes or removes something of ours must say in `If-Match` what "
        "it has seen (428).",
    )
    executor_id: str = Field(
        "intercom-1",
        pattern=r"^[A-Za-z0-9._-]{1,60}$",
        description="Name of this process, the same after a restart and unique among replicas.",
    )
    lease: Seconds = Field(
        timedelta(seconds=30),
        description="How long a replica may be silent before another one takes over what it ran; "
        "PostgreSQL only.",
    )
    sweep_interval: Seconds | None = Field(
        None,
        description="How often operations that were left behind, and effects that came late, are "
        "looked for: 30 s for `alibaba`, else 5 s.",
    )
    late_window: Seconds | None = Field(
        None,
        description="How long after a rollback effects of calls without an answer are looked "
        "for: an hour for `alibaba`, else a minute.",
    )
    backup_lifetime: Seconds = Field(
        timedelta(days=90),
        ge=timedelta(hours=1),
        description="How long a backup is kept that nothing needs: no operation, no connection "
        "that stands, no plan to restore it.",
    )
    backup_versions: int = Field(
        3, ge=1, description="Newest backups of a group that are kept however old they are."
    )
    drain_patience: Seconds = Field(
        timedelta(seconds=20),
        le=timedelta(seconds=22),
        description="How long steps that run may take to end when the service stops; what takes "
        "longer goes on elsewhere.",
    )
    drain_notice: Seconds | None = Field(
        None,
        le=timedelta(seconds=20),
        description="How long requests are still answered after `/readyz` says no, so that a proxy "
        "can notice: 3 s for `alibaba`, else 0.1 s.",
    )
    worker_concurrency: int = Field(
        8, ge=1, le=100, description="Operations that one process carries out at a time."
    )
    polling_interval: Seconds = Field(
        timedelta(milliseconds=30), description="How often the queue of operations is looked at."
    )
    plan_lifetime: Seconds = Field(
        timedelta(hours=1), description="How long a plan can be applied."
    )
    check_interval: SecondsOrNone | None = Field(
        None,
        description="How often each connection is looked at for drift, one after another and a few "
        "a minute: an hour for `alibaba`, else 5 minutes; 0: only when asked.",
    )
    connection_lifetime: Seconds = Field(
        timedelta(days=3660),
        description="How far ahead the time may be at which a connection ends by itself.",
    )
    settle_window: Seconds | None = Field(
        None,
        description="How long a change may stay unseen before it counts as absent: "
        "10 minutes for `alibaba`, 5 seconds for the simulator.",
    )
    look_interval: Seconds | None = Field(
        None,
        description="Pause between two looks for a change: 2 s for `alibaba`, else 0.25 s.",
    )
    throttle_pause: Seconds | None = Field(
        None,
        description="Pause after a call that the cloud did not let through: a minute is lost "
        "whole, so 61 s for `alibaba`; 0.5 s for the simulator.",
    )
    sends: int = Field(
        4, ge=1, le=20, description="How often one change is sent at most, with the same token."
    )
    rate_limits: Annotated[Mapping[str, int] | None, NoDecode] = Field(
        None,
        description="Quotas of the cloud in calls a minute, by action, account and region, such as "
        "`*=100,Describe*=500,JoinSecurityGroup=60`, each at least 20; half of each is used. "
        "`*=100,Describe*=500` for `alibaba` (yours stand in its Quota Center), none for the "
        "simulator.",
    )
    connect_timeout: Seconds = Field(
        timedelta(seconds=3), description="For a connection to the cloud."
    )
    read_timeout: Seconds = Field(
        timedelta(seconds=15), description="For the answer to a call of the cloud."
    )
    read_attempts: int = Field(
        4, ge=1, le=20, description="How often a reading call is made before giving up."
    )
    pool_size: int = Field(
        16, ge=1, le=64, description="Calls of the cloud at the same time, per account and region."
    )
    inventory_max_age: SecondsOrNone | None = Field(
        None,
        description="How old what was read of an account and region may be when a question is "
        "answered from it: 60 s for `alibaba`, else 5 s; 0 reads for every question. Plans and "
        "operations always read anew.",
    )
    inventory_capacity: int = Field(
        200_000,
        ge=0,
        description="How much is kept for questions: rules, instances and members of groups "
        "together, very roughly 1 KB each.",
    )
    max_addresses: int = Field(
        65_536,
        ge=1,
        description="Most source addresses that one request may open to, and most that rules may "
        "let reach one port.",
    )
    guardrails_file: Path | None = Field(
        None,
        description="TOML file with what may never be opened, see docs/guardrails.md; without one "
        "only `MAX_ADDRESSES` guards.",
    )
    rules_per_group: int = Field(200, ge=1, description="Quota of the cloud: rules of a group.")
    rules_per_nic: int = Field(
        1000, ge=1, description="Quota: rules of all groups of one network interface."
    )
    groups_per_nic: int = Field(5, ge=1, description="Quota: groups of one network interface.")
    members_per_classic_group: int = Field(
        1000, ge=1, description="Quota: instances in a group of the classic network."
    )
    members_per_vpc_group: int = Field(
        2000, ge=1, description="Quota: private addresses in a basic group of a VPC."
    )
    groups_per_account: int = Field(
        100, ge=1, description="Quota: groups of an account in a region."
    )
    peer_groups_per_group: int = Field(
        20, ge=1, description="Quota: distinct groups that the rules of a group name."
    )
    log_format: str = Field(
        "json", pattern="^(json|console)$", description="`json` for machines, `console` for people."
    )

    @model_validator(mode="before")
    @classmethod
    def _split_hosts(cls, values: dict[str, object]) -> dict[str, object]:
        hosts = values.get("allowed_hosts")
        if isinstance(hosts, str):
            names = tuple(name.strip() for name in hosts.split(",") if name.strip())
            return values | {"allowed_hosts": names}
        return values

    @field_validator("rate_limits", mode="before")
    @classmethod
    def _split_limits(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        limits: dict[str, int] = {}
        for each in filter(None, (part.strip() for part in value.split(","))):
            name, _, calls = each.partition("=")
            if not calls.strip().isdecimal() or int(calls) < SMALLEST_QUOTA:
                msg = f"{each!r} is no limit: write ACTION=CALLS, at least {SMALLEST_QUOTA}"
                raise ValueError(msg)
            limits[name.strip()] = int(calls)
        return limits

    @property
    def quotas(self) -> Mapping[str, int]:
        """The rate limits in force."""
        if self.rate_limits is not None:
            return self.rate_limits
        return {} if self.is_simulated else DEFAULT_QUOTAS

    @model_validator(mode="after")
    def _check_cloud(self) -> Self:
        if self.cloud is Cloud.SIMULATOR:
            self._check_simulator()
        else:
            self._check_alibaba()
        return self

    def _check_simulator(self) -> None:
        for name, endpoint in (
            ("INTERCOM_ECS_ENDPOINT", self.ecs_endpoint),
            ("INTERCOM_STS_ENDPOINT", self.sts_endpoint),
        ):
            if endpoint is None:
                msg = f"{name} is required when INTERCOM_CLOUD is simulator"
                raise ValueError(msg)
            host = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}").hostname or ""
            if host == REAL_CLOUD or host.endswith(f".{REAL_CLOUD}"):
                msg = f"{name} points at the real cloud, but INTERCOM_CLOUD is simulator"
                raise ValueError(msg)

    def _check_alibaba(self) -> None:
        if self.api_key is None or len(self.api_key.get_secret_value()) < SHORTEST_KEY:
            msg = f"INTERCOM_API_KEY of at least {SHORTEST_KEY} characters is required"
            raise ValueError(msg)
        keys = (self.access_key_id, self.access_key_secret)
        if self.base_role_name is None and None in keys:
            msg = (
                "a base identity is required: INTERCOM_ACCESS_KEY_ID and "
                "INTERCOM_ACCESS_KEY_SECRET, or INTERCOM_BASE_ROLE_NAME"
            )
            raise ValueError(msg)
        if (self.ecs_endpoint is None) is not (self.sts_endpoint is None):
            msg = "INTERCOM_ECS_ENDPOINT and INTERCOM_STS_ENDPOINT are given together"
            raise ValueError(msg)

    @property
    def is_simulated(self) -> bool:
        return self.cloud is Cloud.SIMULATOR

    @property
    def caller_limit(self) -> int | None:
        """Requests a minute in force; None: no limit."""
        usual = 0 if self.is_simulated else DEFAULT_CALLER_LIMIT
        return (usual if self.requests_per_minute is None else self.requests_per_minute) or None

    @property
    def administrator_key(self) -> str:
        """The API key in force."""
        return self.api_key.get_secret_value() if self.api_key is not None else DEMO_API_KEY

    @property
    def base_key(self) -> tuple[str | None, str | None]:
        """Access key id and secret of the base identity in force."""
        secret = self.access_key_secret
        if self.base_role_name is None and self.is_simulated and self.access_key_id is None:
            return DEMO_KEY_ID, DEMO_KEY_SECRET
        return self.access_key_id, None if secret is None else secret.get_secret_value()


DEFAULT_QUOTAS: Mapping[str, int] = {"*": 100, "Describe*": 500}
"""Our own guess: the cloud publishes no figures for these actions."""

DEFAULT_CALLER_LIMIT = 3000
SMALLEST_QUOTA = 20
REAL_CLOUD = "aliyuncs.com"
SHORTEST_KEY = 16
