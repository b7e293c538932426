"""What can be set while the simulator runs: quotas, pace, clock, consistency and variants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from dataclasses import fields as dataclass_fields

from app.simulator.clock import Clock
from app.simulator.errors import ControlError
from app.simulator.state.quotas import DEFAULT_PROFILE, PROFILES, Quotas

LONGEST_SECONDS = 10 * 366 * 24 * 3600
_LARGEST_NUMBER = 2**53


@dataclass(frozen=True, slots=True)
class Variants:
    """Points on which the vendor's pages disagree, or which changed over the years.

    Source: ECS API, AuthorizeSecurityGroup, RevokeSecurityGroup, LeaveSecurityGroup,
    ModifySecurityGroupPolicy, DescribeSecurityGroupReferences; ECS user guide, Security group
    rules, Advanced security groups and Scenarios. `enterprise_egress`: whether a new enterprise
    group has a rule that lets everything out, as the console makes it. `foreign_groups_in_vpc`:
    whether a group in a VPC may name one of another account: in the same VPC, in none, or in any
    of its region. `several_peers`: what becomes of a rule with a block and a group.
    """

    revoke_of_missing_rule: str = "success"
    leave_of_non_member: str = "not_found"
    classic_network_offered: bool = True
    inner_access: str = "beats_rules"
    group_peers_cover_ipv6: bool = True
    enterprise_egress: str = "closed"
    unknown_key_status: int = 404
    join_limit_status: int = 403
    protocol_case: str = "any"
    foreign_groups_in_vpc: str = "same_vpc"
    references_in_json: str = "nested"
    priority_type: str = "text"
    several_peers: str = "block_wins"

    def status_of(self, code: str, status: int) -> int:
        """Return the HTTP status of a refusal, where the pages name two."""
        match code, status:
            case "InvalidAccessKeyId.NotFound", 404:
                return self.unknown_key_status
            case "InstanceSecurityGroupLimitExceeded", 403:
                return self.join_limit_status
            case _:
                return status


_CHOICES: Mapping[str, tuple[object, ...]] = {
    "revoke_of_missing_rule": ("success", "refused"),
    "leave_of_non_member": ("not_found", "not_in_group", "success"),
    "classic_network_offered": (True, False),
    "inner_access": ("beats_rules", "yields_to_rules"),
    "group_peers_cover_ipv6": (True, False),
    "enterprise_egress": ("closed", "open"),
    "unknown_key_status": (404, 400),
    "join_limit_status": (403, 400),
    "protocol_case": ("any", "lower"),
    "foreign_groups_in_vpc": ("same_vpc", "none", "any_vpc"),
    "references_in_json": ("nested", "flat"),
    "priority_type": ("text", "number"),
    "several_peers": ("block_wins", "refused"),
}

_THROTTLING_CODES = ("Throttling.User", "Throttling", "Throttling.Api")


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Calls in a minute for each account, region and action; None does not limit.

    An action that is named in `actions` has its own limit, reads and writes of ECS else theirs.
    """

    reads_per_minute: int | None = None
    writes_per_minute: int | None = None
    actions: Mapping[str, int | None] = field(default_factory=dict)
    code: str = _THROTTLING_CODES[0]

    def of(self, action: str, *, is_read: bool | None) -> int | None:
        """Return the limit of an action; one that is neither read nor write has only its own."""
        default = self.reads_per_minute if is_read else self.writes_per_minute
        return self.actions.get(action, None if is_read is None else default)


@dataclass(frozen=True, slots=True)
class Consistency:
    """When reads see a write: after so many seconds and so many reads, none by default.

    Of several replicas the first sees it at once, the last after the whole delay, and those in
    between in equal steps; which one answers a read is drawn from the seed. Writes, their checks
    and the packet walk always know the truth.
    """

    delay_seconds: float = 0.0
    delay_reads: int = 0
    replicas: int = 1
    seed: int = 0

    @property
    def is_immediate(self) -> bool:
        """Tell whether every read sees every write."""
        return not (self.delay_seconds or self.delay_reads)

    def lag(self, replica: int) -> tuple[float, int]:
        """Return the seconds and the reads that a replica lags behind."""
        if self.replicas == 1:
            return self.delay_seconds, self.delay_reads
        steps = self.replicas - 1
        return self.delay_seconds * replica / steps, -(-self.delay_reads * replica // steps)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; each PUT replaces them whole, and what it leaves out is the default again."""

    profile: str = DEFAULT_PROFILE
    quotas: Quotas = field(default_factory=Quotas)
    round_trip_seconds: float = 0.0
    clock_offset_seconds: float = 0.0
    clock_frozen: bool = False
    consistency: Consistency = field(default_factory=Consistency)
    rate_limits: RateLimits = field(default_factory=RateLimits)
    variants: Variants = field(default_factory=Variants)

    def as_json(self) -> dict[str, object]:
        """Return what GET answers, and PUT takes."""
        return asdict(self)


def parse_settings(body: object) -> Settings:
    """Return the settings that `body` describes; ControlError names an unknown or wrong field."""
    fields = _object(body, "the settings", Settings().as_json())
    profile = fields.get("profile", DEFAULT_PROFILE)
    if not isinstance(profile, str) or profile not in PROFILES:
        raise ControlError(f"profile must be one of {', '.join(PROFILES)}")
    try:
        quotas = PROFILES[profile].with_changes(
            _object(fields.get("quotas", {}), "quotas", asdict(Quotas()))
        )
    except ValueError as error:
        raise ControlError(str(error)) from error
    return Settings(
        profile=profile,
        quotas=quotas,
        round_trip_seconds=seconds(fields.get("round_trip_seconds", 0), "round_trip_seconds"),
        clock_offset_seconds=seconds(
            fields.get("clock_offset_seconds", 0), "clock_offset_seconds", lowest=-LONGEST_SECONDS
        ),
        clock_frozen=flag(fields.get("clock_frozen", False), "clock_frozen"),
        consistency=_consistency(fields.get("consistency", {})),
        rate_limits=_rate_limits(fields.get("rate_limits", {})),
        variants=_variants(fields.get("variants", {})),
    )


@dataclass(frozen=True, slots=True)
class ClockChange:
    """What a control call wants of the clock; None leaves it as it is."""

    frozen: bool | None
    offset_seconds: float | None
    advance_seconds: float

    def apply_to(self, clock: Clock) -> None:
        """Stop or start the clock first, then set it, then move it."""
        if self.frozen:
            clock.set(offset=clock.offset, is_frozen=True)
        elif self.frozen is False:
            clock.thaw()
        offset = clock.offset if self.offset_seconds is None else self.offset_seconds
        clock.set(offset=offset + self.advance_seconds, is_frozen=clock.is_frozen)


def parse_clock(body: object) -> ClockChange:
    """Return the change that `body` describes; ControlError names an unknown or wrong field."""
    fields = _object(
        body, "the clock", {field.name: None for field in dataclass_fields(ClockChange)}
    )
    frozen, offset = fields.get("frozen"), fields.get("offset_seconds")
    return ClockChange(
        frozen=None if frozen is None else flag(frozen, "frozen"),
        offset_seconds=None
        if offset is None
        else seconds(offset, "offset_seconds", lowest=-LONGEST_SECONDS),
        advance_seconds=seconds(
            fields.get("advance_seconds", 0), "advance_seconds", lowest=-LONGEST_SECONDS
        ),
    )


def _object(body: object, label: str, known: Mapping[str, object]) -> Mapping[str, object]:
    if not isinstance(body, Mapping):
        raise ControlError(f"{label} must be an object")
    for name in body:
        if name not in known:
            raise ControlError(f"{label}: unknown field {name!r}; known are {', '.join(known)}")
    return body


def seconds(value: object, label: str, *, lowest: float = 0) -> float:
    """Return a span of time; ControlError unless it is a number of `lowest` to ten years."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ControlError(f"{label} must be a number of seconds")
    if not lowest <= value <= LONGEST_SECONDS:
        raise ControlError(f"{label} must be within {lowest:g} and {LONGEST_SECONDS:g} seconds")
    return float(value)


def flag(value: object, label: str) -> bool:
    """Return a boolean; ControlError unless it is one."""
    if not isinstance(value, bool):
        raise ControlError(f"{label} must be true or false")
    return value


def _whole(value: object, label: str, lowest: int) -> int:
    if type(value) is not int or not lowest <= value <= _LARGEST_NUMBER:
        raise ControlError(f"{label} must be a whole number from {lowest}")
    return value


def _consistency(body: object) -> Consistency:
    fields = _object(body, "consistency", asdict(Consistency()))
    return Consistency(
        delay_seconds=seconds(fields.get("delay_seconds", 0), "consistency: delay_seconds"),
        delay_reads=_whole(fields.get("delay_reads", 0), "consistency: delay_reads", 0),
        replicas=_whole(fields.get("replicas", 1), "consistency: replicas", 1),
        seed=_whole(fields.get("seed", 0), "consistency: seed", 0),
    )


def _rate_limits(body: object) -> RateLimits:
    fields = _object(body, "rate_limits", asdict(RateLimits()))
    actions = fields.get("actions", {})
    if not isinstance(actions, Mapping):
        raise ControlError("rate_limits: actions must be an object")
    code = fields.get("code", RateLimits().code)
    if not isinstance(code, str) or code not in _THROTTLING_CODES:
        raise ControlError(f"rate_limits: code must be one of {', '.join(_THROTTLING_CODES)}")
    return RateLimits(
        reads_per_minute=_limit(fields.get("reads_per_minute"), "reads_per_minute"),
        writes_per_minute=_limit(fields.get("writes_per_minute"), "writes_per_minute"),
        actions={str(name): _limit(limit, str(name)) for name, limit in actions.items()},
        code=code,
    )


def _limit(value: object, name: str) -> int | None:
    return None if value is None else _whole(value, f"rate_limits: {name}", 0)


def _variants(body: object) -> Variants:
    fields = _object(body, "variants", _CHOICES)
    for name, value in fields.items():
        if value not in _CHOICES[name]:
            choices = ", ".join(str(choice) for choice in _CHOICES[name])
            raise ControlError(f"variants: {name} must be one of {choices}")
    return Variants(**fields)  # type: ignore[arg-type]  # names and values checked above
