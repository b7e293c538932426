"""Faults: what goes wrong, in which calls, and when; a kind is a value here and a line in KINDS."""

from __future__ import annotations

import enum
import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from app.simulator.clock import Latch
from app.simulator.errors import ControlError
from app.simulator.hands import check_edit
from app.simulator.settings import seconds
from app.simulator.state.store import Store


class When(enum.Enum):
    """Whether a fault strikes before the action is carried out, or after it."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with an error; struck after the action, the action stays done."""

    code: str
    status: int
    message: str


@dataclass(frozen=True, slots=True)
class LoseReply:
    """Close the connection without a reply."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait, while other calls go on."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Silence:
    """Never answer: wait until the caller gives up, at most so long, then close the connection."""

    seconds: float | None


@dataclass(frozen=True, slots=True)
class Hold:
    """Wait until the fault is deleted."""

    released: Latch = field(default_factory=Latch)


@dataclass(frozen=True, slots=True)
class Edit:
    """Let somebody else change the cloud at this instant; the store finds out what is possible."""

    changes: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Late:
    """Apply the action later, after so many more calls or so much time; answer at once or never."""

    after_calls: int | None
    after_seconds: float | None
    is_answered: bool


@dataclass(frozen=True, slots=True)
class Stale:
    """Let a read see the world before the last `calls` changing calls, or so many seconds ago."""

    calls: int | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Partial:
    """Let only the first `applied` items of a batch take effect, then refuse or claim success."""

    applied: int
    refusal: Refuse | None


SHAPES = ("html", "truncated", "code_in_200", "wrong_types")


@dataclass(frozen=True, slots=True)
class Malform:
    """Answer with something that is no answer; without a shape each strike draws one."""

    shape: str | None


Befalling: TypeAlias = Refuse | LoseReply | Pause | Silence | Hold | Edit
"""What happens at an instant before or after the action."""

Twist: TypeAlias = Late | Stale | Partial | Malform
"""What changes how the action is carried out, or what its reply looks like."""

Effect: TypeAlias = Befalling | Twist


@dataclass(slots=True)
class Fault:
    """A fault as it was described, with what it does and how often it did."""

    fault_id: str
    description: Mapping[str, object]
    action: str | None
    account_id: str | None
    nth: int | None
    probability: float | None
    times: int | None
    when: When
    effect: Effect
    chance: random.Random
    matched: int = 0
    struck: int = 0

    def draw_shape(self, shape: str | None) -> str:
        """Return the shape of a malformed reply, drawn from the fault's chance unless given."""
        return shape or self.chance.choice(SHAPES)

    def strikes(self, action: str, account_id: str) -> bool:
        """Tell whether the fault strikes this call, which is counted if it matches."""
        if self.action not in (None, action) or self.account_id not in (None, account_id):
            return False
        self.matched += 1
        if self.times is not None and self.struck >= self.times:
            return False
        if self.nth is not None and self.matched != self.nth:
            return False
        if self.probability is not None and self.chance.random() >= self.probability:
            return False
        self.struck += 1
        return True


class Faults:
    """The list of faults, in the order in which they were put."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._seed: int | None = None

    def striking(self, action: str, account_id: str) -> list[Fault]:
        """Return the faults that strike this call, in order."""
        return [fault for fault in self._faults if fault.strikes(action, account_id)]

    def put(self, body: object, store: Store) -> None:
        """Replace all faults; ControlError says what is wrong with the new ones, if anything."""
        faults, seed = parse_faults(body)
        for fault in faults:
            if isinstance(fault.effect, Edit):
                check_edit(store, fault.effect.changes, fault.fault_id)
        self.clear()
        self._faults, self._seed = faults, seed

    def clear(self) -> None:
        """Delete all faults, and let go on what they hold."""
        for fault in self._faults:
            _release(fault)
        self._faults, self._seed = [], None

    def delete(self, fault_id: str) -> None:
        """Delete one fault, and let go on what it holds."""
        for fault in self._faults:
            if fault.fault_id == fault_id:
                _release(fault)
                self._faults.remove(fault)
                return
        raise ControlError(f"no fault has the id {fault_id!r}", 404)

    def as_json(self) -> object:
        """Return what PUT takes: a list, in an object beside the seed where one was given."""
        faults = [dict(fault.description) for fault in self._faults]
        return faults if self._seed is None else {"seed": self._seed, "faults": faults}


def _release(fault: Fault) -> None:
    if isinstance(fault.effect, Hold):
        fault.effect.released.open()


# ---- parsing


def parse_faults(body: object) -> tuple[list[Fault], int | None]:
    """Return the faults and the seed that `body` describes."""
    seed: object = None
    if isinstance(body, Mapping):
        _refuse_unknown(body, {"seed", "faults"}, "faults")
        seed, body = body.get("seed"), body.get("faults", [])
    if seed is not None and type(seed) is not int:
        raise ControlError("seed must be a whole number")
    if not isinstance(body, list):
        raise ControlError("faults must be a list, or an object with seed and faults")
    numbers = itertools.count(1)
    faults = [_parse_fault(item, seed, numbers) for item in body]
    if len({fault.fault_id for fault in faults}) != len(faults):
        raise ControlError("two faults have one id")
    return faults, seed if isinstance(seed, int) else None


def _parse_fault(item: object, seed: object, numbers: itertools.count[int]) -> Fault:
    fields = _object(item, "a fault")
    fault_id = fields.get("id", f"fault-{next(numbers)}")
    if not isinstance(fault_id, str) or not fault_id:
        raise ControlError("id of a fault must be a string")
    kind = _kind(fields, fault_id)
    _refuse_unknown(fields, {"id", "match", "times", "when", "kind", *kind.fields}, fault_id)
    match = _object(fields.get("match", {}), f"{fault_id}: match")
    _refuse_unknown(match, {"action", "account_id", "nth", "probability"}, f"{fault_id}: match")
    return Fault(
        fault_id=fault_id,
        description=MappingProxyType({"id": fault_id, **fields}),
        action=_text(match, "action", fault_id),
        account_id=_text(match, "account_id", fault_id),
        nth=_count(match, "nth", fault_id),
        probability=_probability(match, fault_id),
        times=_count(fields, "times", fault_id),
        when=_when(fields, kind, fault_id),
        effect=kind.parse(fields, fault_id),
        chance=random.Random(f"{seed}/{fault_id}" if seed is not None else None),
    )


def _object(value: object, label: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ControlError(f"{label} must be an object")
    return value


def _refuse_unknown(fields: Mapping[str, object], known: set[str], label: str) -> None:
    for name in fields:
        if name not in known:
            raise ControlError(f"{label}: unknown field {name!r}")


def _text(fields: Mapping[str, object], name: str, label: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise ControlError(f"{label}: {name} must be a string")
    return value


def _count(fields: Mapping[str, object], name: str, label: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if type(value) is not int or value < 1:
        raise ControlError(f"{label}: {name} must be a whole number from 1")
    return value


def _probability(match: Mapping[str, object], label: str) -> float | None:
    value = match.get("probability")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ControlError(f"{label}: probability must be within 0 and 1")
    return float(value)


def _when(fields: Mapping[str, object], kind: Kind, label: str) -> When:
    value = fields.get("when")
    if value is None:
        return kind.usually
    if value not in ("before", "after"):
        raise ControlError(f"{label}: when must be before or after")
    return When(value)


# ---- the kinds


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: its own fields, when it strikes unless told, and how it is read."""

    fields: tuple[str, ...]
    usually: When
    parse: Callable[[Mapping[str, object], str], Effect]


def _refusal(fields: Mapping[str, object], label: str) -> Refuse:
    code, status = _text(fields, "code", label), _count(fields, "status", label)
    if not code or status is None or not 400 <= status <= 599:
        raise ControlError(f"{label}: an error needs a code, and a status within 400 and 599")
    return Refuse(code, status, _text(fields, "message", label) or f"{code} as ordered.")


def _parse_throttle(fields: Mapping[str, object], label: str) -> Effect:
    code = _text(fields, "code", label) or "Throttling.User"
    return Refuse(code, 400, "Request was denied due to user flow control.")


def _parse_pause(fields: Mapping[str, object], label: str) -> Effect:
    return Pause(seconds(fields.get("seconds"), f"{label}: seconds"))


_EDITS = ("add_rules", "remove_rule_ids", "join", "leave")


def _parse_edit(fields: Mapping[str, object], label: str) -> Effect:
    within = _object(fields.get("edit", {}), f"{label}: edit")
    _refuse_unknown(within, set(_EDITS), f"{label}: edit")
    changes = {**within, **{name: fields[name] for name in _EDITS if name in fields}}
    if not changes:
        raise ControlError(f"{label}: an edit needs one of {', '.join(_EDITS)}")
    for name, items in changes.items():
        if not isinstance(items, list):
            raise ControlError(f"{label}: {name} must be a list")
        for item in items:
            _check_edit_item(name, item, label)
    return Edit(changes)


def _check_edit_item(name: str, item: object, label: str) -> None:
    if name == "remove_rule_ids":
        if not isinstance(item, str):
            raise ControlError(f"{label}: remove_rule_ids must hold strings")
        return
    wanted = {"group_id", "rule"} if name == "add_rules" else {"group_id", "instance_id"}
    if set(_object(item, f"{label}: {name}")) != wanted:
        raise ControlError(f"{label}: {name} must hold objects of {' and '.join(sorted(wanted))}")


def _parse_silence(fields: Mapping[str, object], label: str) -> Effect:
    if fields.get("when") == "after":
        raise ControlError(f"{label}: what is not applied cannot strike after it was")
    return Silence(_optional_seconds(fields, "seconds", label))


def _optional_seconds(fields: Mapping[str, object], name: str, label: str) -> float | None:
    value = fields.get(name)
    return None if value is None else seconds(value, f"{label}: {name}")


def _check_one_of_two(fields: Mapping[str, object], label: str, one: str, other: str) -> None:
    if (fields.get(one) is None) == (fields.get(other) is None):
        raise ControlError(f"{label}: needs either {one} or {other}")


def _parse_late(fields: Mapping[str, object], label: str) -> Effect:
    _check_one_of_two(fields, label, "after_calls", "after_seconds")
    reply = fields.get("reply", "lost")
    if reply not in ("lost", "success"):
        raise ControlError(f"{label}: reply must be lost or success")
    return Late(
        _count(fields, "after_calls", label),
        _optional_seconds(fields, "after_seconds", label),
        reply == "success",
    )


def _parse_stale(fields: Mapping[str, object], label: str) -> Effect:
    _check_one_of_two(fields, label, "calls", "seconds")
    return Stale(_count(fields, "calls", label), _optional_seconds(fields, "seconds", label))


def _parse_partial(fields: Mapping[str, object], label: str) -> Effect:
    applied = fields.get("applied")
    if type(applied) is not int or applied < 0:
        raise ControlError(f"{label}: applied must be a whole number from 0")
    is_refused = fields.get("code") is not None or fields.get("status") is not None
    return Partial(applied, _refusal(fields, label) if is_refused else None)


def _parse_malform(fields: Mapping[str, object], label: str) -> Effect:
    shape = _text(fields, "shape", label)
    if shape is not None and shape not in SHAPES:
        raise ControlError(f"{label}: shape must be one of {', '.join(SHAPES)}")
    return Malform(shape)


_EXPIRED = Refuse("InvalidSecurityToken.Expired", 400, "Specified SecurityToken is expired.")
_FORBIDDEN = Refuse(
    "Forbidden.RAM", 403, "User not authorized to operate on the specified resource, or this API."
)

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "error": Kind(("code", "status", "message"), When.BEFORE, _refusal),
        "throttle": Kind(("code",), When.BEFORE, _parse_throttle),
        "expired_token": Kind((), When.BEFORE, lambda *_: _EXPIRED),
        "forbidden": Kind((), When.BEFORE, lambda *_: _FORBIDDEN),
        "reply_lost": Kind((), When.AFTER, lambda *_: LoseReply()),
        "not_applied_timeout": Kind(("seconds",), When.BEFORE, _parse_silence),
        "applied_late": Kind(("after_calls", "after_seconds", "reply"), When.BEFORE, _parse_late),
        "stale_read": Kind(("calls", "seconds"), When.BEFORE, _parse_stale),
        "partial_batch": Kind(
            ("applied", "code", "status", "message"), When.BEFORE, _parse_partial
        ),
        "malformed_reply": Kind(("shape",), When.AFTER, _parse_malform),
        "delay": Kind(("seconds",), When.BEFORE, _parse_pause),
        "hold": Kind((), When.BEFORE, lambda *_: Hold()),
        "edit": Kind(("edit", *_EDITS), When.BEFORE, _parse_edit),
    }
)
"""`when` says nothing to the kinds that change how the action itself is carried out."""


def _kind(fields: Mapping[str, object], label: str) -> Kind:
    name = fields.get("kind")
    if not isinstance(name, str) or name not in KINDS:
        raise ControlError(f"{label}: kind must be one of {', '.join(KINDS)}")
    return KINDS[name]
