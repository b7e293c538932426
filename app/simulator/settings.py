"""What can be set while the simulator runs: quotas, pace, clock and variants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from app.simulator.errors import ControlError
from app.simulator.state.quotas import DEFAULT_PROFILE, PROFILES, Quotas

LONGEST_SECONDS = 10 * 366 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Variants:
    """Points on which the vendor's pages disagree, or which changed over the years.

    Source: ECS API, RevokeSecurityGroup and LeaveSecurityGroup.
    """

    revoke_of_missing_rule: str = "success"
    leave_of_non_member: str = "not_found"
    classic_network_offered: bool = True


_CHOICES: Mapping[str, tuple[object, ...]] = {
    "revoke_of_missing_rule": ("success", "refused"),
    "leave_of_non_member": ("not_found", "not_in_group", "success"),
    "classic_network_offered": (True, False),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; each PUT replaces them whole, and what it leaves out is the default again."""

    profile: str = DEFAULT_PROFILE
    quotas: Quotas = field(default_factory=Quotas)
    round_trip_seconds: float = 0.0
    clock_offset_seconds: float = 0.0
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
        variants=_variants(fields.get("variants", {})),
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


def _variants(body: object) -> Variants:
    fields = _object(body, "variants", _CHOICES)
    for name, value in fields.items():
        if value not in _CHOICES[name]:
            choices = ", ".join(str(choice) for choice in _CHOICES[name])
            raise ControlError(f"variants: {name} must be one of {choices}")
    return Variants(**fields)  # type: ignore[arg-type]  # names and values checked above
