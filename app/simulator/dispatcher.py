"""The simulated cloud without HTTP: one object that answers calls, and may be shared by threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeAlias, assert_never

from app.simulator import garbling, wire
from app.simulator.actions import ACTIONS
from app.simulator.actions.regions import exists
from app.simulator.actions.request import ECS, STS, Action, Body, Product, Request
from app.simulator.clock import Clock, Latch
from app.simulator.credentials import Caller, Nonces, Sessions, authenticate
from app.simulator.errors import (
    ApiError,
    MalformedReplyError,
    ReplyLostError,
    internal_error,
    missing_parameter,
)
from app.simulator.faults import (
    Edit,
    Effect,
    Fault,
    Faults,
    Hold,
    Late,
    LoseReply,
    Malform,
    Partial,
    Pause,
    Refuse,
    Silence,
    Stale,
    When,
)
from app.simulator.hands import edit
from app.simulator.journal import CallEntry, Journal
from app.simulator.lateness import LateCalls
from app.simulator.parameters import Parameters
from app.simulator.past import Past
from app.simulator.ram import resources_of
from app.simulator.settings import Settings, parse_clock, parse_settings
from app.simulator.state.estate import Json, dump, load
from app.simulator.state.identifiers import Identifiers
from app.simulator.throttling import Throttle
from app.simulator.tokens import ClientTokens
from app.simulator.wire import SignedHeaders


@dataclass(frozen=True, slots=True)
class Wait:
    """What a call waits for: so many seconds, unless the latch opens before.

    `is_endless`: only the latch ends it, because the clock stands still or nobody set an end.
    `is_silent`: the caller may end it, by closing the connection.
    """

    seconds: float
    latch: Latch | None = None
    is_endless: bool = False
    is_silent: bool = False


_VERSIONS = {product.version: product for product in (ECS, STS)}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: the status, the body as values, and how the caller wants it written.

    `raw`: what goes over the wire is no answer at all, and `body` is empty.
    """

    status: int
    body: Body
    root: str
    is_json: bool
    raw: bytes | None = None

    @property
    def content_type(self) -> str:
        """The media type of `encoded()`."""
        if self.raw == garbling.HTML:
            return "text/html"
        return "application/json;charset=utf-8" if self.is_json else "text/xml;charset=utf-8"

    def encoded(self) -> bytes:
        """Return the body as it goes over the wire."""
        if self.raw is not None:
            return self.raw
        return wire.to_json(self.body) if self.is_json else wire.to_xml(self.root, self.body)

    def plain(self) -> Reply:
        """Return the same answer, with nothing but values in its body."""
        return replace(self, body=_plain(self.body))

    def malformed(self, shape: str) -> Reply:
        """Return what a broken gateway makes of this answer."""
        match shape:
            case "html":
                return replace(self, body={}, raw=garbling.HTML)
            case "truncated":
                whole = self.encoded()
                return replace(self, body={}, raw=whole[: len(whole) // 2])
            case "code_in_200":
                return replace(self, body=garbling.error_of(self.body["RequestId"]))
            case _:
                body = _plain(self.body)
                return replace(
                    self, body={name: garbling.twisted(item) for name, item in body.items()}
                )


def _plain(body: Body) -> Body:
    return {name: wire.plain(item) for name, item in body.items()}


Steps: TypeAlias = Generator[Wait, None, Reply]
"""An answer in the making: it yields what to wait for, never while it holds the lock."""


class Dispatcher:
    """The cloud: ground truth, credentials, faults, journal and settings behind one lock.

    `handle` takes a signed call, `call` one whose caller is known already; both block while a
    fault lets them wait, and raise ReplyLostError where a connection would be closed without a
    reply. `steps` leaves the waiting to whoever drives it, which is how the server does it.

    Waiting follows the clock: a call that is delayed goes on when the clock is moved far enough.
    With a `sleep` of its own the cloud waits for nothing else, which is how tests let time pass.
    """

    until_kept: Callable[[int], Latch | None]
    """What to wait for until a version of the ground truth is safe; None if it is already."""

    def __init__(
        self,
        estate: object = None,
        *,
        seed: int = 0,
        settings: Settings | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self.lock = threading.RLock()
        self.until_kept = nobody_keeps
        self.faults = Faults()
        self.journal = Journal()
        self.settings = settings or Settings()
        self._identifiers = Identifiers(seed)
        self.clock = Clock(clock)
        self._sleep = sleep
        self._throttle = Throttle()
        self._past = Past()
        self._late = LateCalls()
        self._sessions = Sessions()
        self._nonces = Nonces()
        self._tokens = ClientTokens()
        self.store = load(estate if estate is not None else {}, self._identifiers)
        self.store.begin()
        self._follow_settings()

    # ---- the estate

    def estate(self) -> Json:
        """Return the ground truth, canonical and sorted."""
        with self.lock:
            self.settle()
            return dump(self.store)

    def replace_estate(self, estate: object) -> None:
        """Put another ground truth in place; EstateError leaves the present one.

        Sessions, faults and the journal stay; client tokens go, as they spoke of the old one.
        """
        with self.lock:
            fresh = load(estate, self._identifiers)
            fresh.begin(self.store.version + 1)
            self.store = fresh
            self._tokens = ClientTokens()
            self._past = Past()
            self._past.follow(self.settings.consistency)
            self._late.forget()

    def edit(self, changes: Mapping[str, object]) -> None:
        """Let somebody else's hand make the changes that are possible now."""
        with self.lock:
            before = self.store.version
            edit(self.store, changes)
            self._note(before)

    def settle(self) -> None:
        """Let late calls take effect that are due by now; the caller holds the lock."""
        if self._late:
            self._late.settle(self.now())

    def put_faults(self, body: object) -> None:
        """Replace all faults; ControlError says what is wrong with the new ones."""
        with self.lock:
            self.faults.put(body, self.store)

    def put_settings(self, body: object) -> None:
        """Replace all settings; ControlError names an unknown or a wrong field."""
        with self.lock:
            self.settings = parse_settings(body)
            self._follow_settings()

    def _follow_settings(self) -> None:
        settings = self.settings
        self.clock.set(offset=settings.clock_offset_seconds, is_frozen=settings.clock_frozen)
        self._past.follow(settings.consistency)

    def put_clock(self, body: object) -> None:
        """Set, move, stop or start the clock; ControlError names an unknown or a wrong field."""
        with self.lock:
            parse_clock(body).apply_to(self.clock)
            self.settings = replace(
                self.settings,
                clock_offset_seconds=self.clock.offset,
                clock_frozen=self.clock.is_frozen,
            )

    def now(self) -> float:
        """Return the cloud's time, in seconds since 1970."""
        return self.clock.now()

    def timestamp(self) -> str:
        """Return the cloud's time in full."""
        at = datetime.fromtimestamp(self.now(), UTC).isoformat(timespec="microseconds")
        return at.replace("+00:00", "Z")

    # ---- calls

    def handle(
        self,
        method: str,
        parameters: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        signed_headers: SignedHeaders | None = None,
    ) -> Reply:
        """Answer a signed call; blocks while faults let it wait."""
        return self._drive(
            self.steps(method, parameters, headers or {}, signed_headers=signed_headers)
        )

    def call(self, caller: Caller, action: str, parameters: Mapping[str, str]) -> Reply:
        """Answer a call whose caller is known; the version is found by the action."""
        version = next((key for key, name in ACTIONS if name == action), ECS.version)
        full = {"Version": version, "Format": "JSON", **parameters, "Action": action}
        return self._drive(self.steps("POST", full, {}, caller=caller))

    def _drive(self, steps: Steps) -> Reply:
        while True:
            try:
                wait = next(steps)
            except StopIteration as stop:
                reply: Reply = stop.value
                return reply.plain()
            self._wait(wait)

    def _wait(self, wait: Wait) -> None:
        is_held = wait.is_endless and not wait.is_silent and wait.latch is not None
        if self._sleep is not None and not (is_held and not wait.seconds):
            self._sleep(wait.seconds)
        elif wait.latch is None:
            time.sleep(wait.seconds)
        elif not (wait.is_endless and wait.is_silent):
            wait.latch.wait(None if wait.is_endless else wait.seconds)

    def steps(
        self,
        method: str,
        parameters: Mapping[str, str],
        headers: Mapping[str, str],
        *,
        caller: Caller | None = None,
        signed_headers: SignedHeaders | None = None,
    ) -> Steps:
        """Answer a call step by step; ReplyLostError if it is to get no reply."""
        half_way = self.settings.round_trip_seconds / 2
        if half_way:
            yield Wait(half_way)
        entry = self._enter(parameters, headers)
        try:
            body = yield from self._carry_out(method, parameters, entry, caller, signed_headers)
        except ApiError as error:
            reply = self._refusal(parameters, error)
            entry.code = error.code
        except MalformedReplyError as garbled:
            reply = self._reply(parameters, 200, garbled.body).malformed(garbled.shape)
        else:
            reply = self._reply(parameters, 200, body)
        finally:
            self._count(entry)
        if not (yield from self._keep(entry)):
            failure = internal_error()
            reply = self._refusal(parameters, failure)
            entry.code = failure.code
        if half_way:
            yield Wait(half_way)
        entry.status = reply.status
        return reply

    def _keep(self, entry: CallEntry) -> Generator[Wait, None, bool]:
        """Wait until what the call changed is kept; False if that failed."""
        if entry.action.startswith(_READS):
            return True
        latch = self.until_kept(entry.version)
        if latch is not None:
            yield Wait(0, latch, is_endless=True)
            return self.until_kept(entry.version) is None
        return True

    def _count(self, entry: CallEntry) -> None:
        """Let late calls take effect that waited for this one to end."""
        with self.lock:
            if self._late:
                self._late.count(entry.seq)

    def _enter(self, parameters: Mapping[str, str], headers: Mapping[str, str]) -> CallEntry:
        with self.lock:
            return self.journal.enter(
                at=self.timestamp(),
                parameters=parameters,
                user_agent=headers.get("user-agent", ""),
                version=self.store.version,
            )

    def _carry_out(
        self,
        method: str,
        parameters: Mapping[str, str],
        entry: CallEntry,
        caller: Caller | None,
        signed_headers: SignedHeaders | None,
    ) -> Generator[Wait, None, Body]:
        """Admit the call, let faults befall it, and carry it out in between."""
        with self.lock:
            action, caller = self._admit(method, parameters, caller, signed_headers)
            entry.account_id = caller.account_id
            self._throttle.admit(
                self.settings.rate_limits,
                account_id=caller.account_id,
                region_id=parameters.get("RegionId", ""),
                action=action.name,
                is_read=_is_read(action) if _product(action) is ECS else None,
                now=self.now(),
            )
            _check_policy(action, caller, parameters)
            tokens = self._tokens
            flight = tokens.begin(caller.account_id, action, parameters)
            faults = self.faults.striking(action.name, caller.account_id)
            entry.faults.extend(fault.fault_id for fault in faults)
        try:
            for fault in faults:
                if isinstance(fault.effect, Silence):
                    tokens.end(flight)  # the call does not get to where tokens are known
                if fault.when is When.BEFORE:
                    yield from self._befall(fault, {})
            with self.lock:
                effects = [each.effect for each in faults]
                body = self._apply(action, caller, parameters, entry, effects)
        finally:
            tokens.end(flight)
        for fault in faults:
            if fault.when is When.AFTER:
                yield from self._befall(fault, body)
        return body

    def _admit(
        self,
        method: str,
        parameters: Mapping[str, str],
        caller: Caller | None,
        signed_headers: SignedHeaders | None,
    ) -> tuple[Action, Caller]:
        """Return the action and the caller; ApiError in the gateway's order of checks."""
        if method not in ("GET", "POST"):
            raise ApiError("UnsupportedHTTPMethod", 403, "This http method is not supported.")
        action = _action(parameters)
        if caller is None:
            caller = authenticate(
                method,
                parameters,
                store=self.store,
                sessions=self._sessions,
                nonces=self._nonces,
                now=self.now(),
                signed_headers=signed_headers,
            )
        return action, caller

    def _befall(self, fault: Fault, body: Body) -> Generator[Wait, None, None]:
        match fault.effect:
            case Refuse(code, status, message):
                raise ApiError(code, status, message)
            case LoseReply():
                raise ReplyLostError(fault.fault_id)
            case Malform(shape):
                raise MalformedReplyError(fault.draw_shape(shape), body)
            case Silence(seconds):
                yield from self._pass(seconds, is_silent=True)
                raise ReplyLostError(fault.fault_id)
            case Pause(seconds):
                yield from self._pass(seconds)
            case Hold(released):
                yield Wait(0, released, is_endless=True)
            case Edit(changes):
                self.edit(changes)
            case Late() | Stale() | Partial():
                pass  # these strike while the action is carried out
            case _:
                assert_never(fault.effect)

    def _pass(
        self, seconds: float | None, *, is_silent: bool = False
    ) -> Generator[Wait, None, None]:
        """Let time pass by the cloud's clock, wherever it is moved meanwhile."""
        ends = self.now() + (seconds or 0)
        while True:
            change = self.clock.next_change
            left = max(ends - self.now(), 0)
            if seconds is not None and not left:
                return
            is_endless = seconds is None or self.clock.is_frozen
            yield Wait(left, change, is_endless, is_silent)
            if not change.is_open:
                return

    def _apply(
        self,
        action: Action,
        caller: Caller,
        parameters: Mapping[str, str],
        entry: CallEntry,
        effects: Sequence[Effect],
    ) -> Body:
        """Carry out a call now, or see to it that it will be."""
        self.settle()
        late = next((effect for effect in effects if isinstance(effect, Late)), None)
        if late is None:
            return self._perform(action, caller, parameters, entry, effects)
        rest = [effect for effect in effects if effect is not late]

        def perform() -> None:
            with suppress(ApiError):
                self._perform(action, caller, parameters, entry, rest)

        due_at = None if late.after_seconds is None else self.now() + late.after_seconds
        self._late.add(entry.seq, late.after_calls, due_at, perform)
        if late.is_answered:
            return {}
        raise ReplyLostError("applied late")

    def _perform(
        self,
        action: Action,
        caller: Caller,
        parameters: Mapping[str, str],
        entry: CallEntry,
        effects: Sequence[Effect],
    ) -> Body:
        """Carry out a call: a read on what it is to see, anything else on the ground truth."""
        request = Request(
            caller=caller,
            region_id=parameters.get("RegionId", ""),
            parameters=Parameters(parameters),
            store=self.store,
            settings=self.settings,
            sessions=self._sessions,
            now=self.now(),
        )
        _check_region(request, action)
        before = self.store.version
        try:
            if _is_read(action):
                stale = [effect for effect in effects if isinstance(effect, Stale)]
                with self.store.as_of(self._past.read(stale, before, request.now)):
                    body = action.handler(request)
            else:
                partial = next((each for each in effects if isinstance(each, Partial)), None)
                body = self._write(request, action, entry, partial)
        finally:
            entry.version = self.store.version
            self._note(before)
        entry.applied = True
        return body

    def _write(
        self, request: Request, action: Action, entry: CallEntry, partial: Partial | None
    ) -> Body:
        """Carry out a write once; of a partial one only the first items, whatever is answered."""
        if partial is not None:
            whole = action.handler

            def first_items(request: Request) -> Body:
                some = request.parameters.with_first_items(partial.applied)
                body = whole(replace(request, parameters=some)) if some else {}
                entry.applied = bool(some)
                if partial.refusal is not None:
                    refusal = partial.refusal
                    raise ApiError(refusal.code, refusal.status, refusal.message)
                return body

            action = replace(action, handler=first_items)
        if action.takes_token:
            return self._tokens.once(request, action)
        return action.handler(request)

    def _note(self, version_before: int) -> None:
        if self.store.version != version_before:
            self._past.note(version_before, self.now())

    # ---- answers

    def _reply(self, parameters: Mapping[str, str], status: int, body: Body) -> Reply:
        with self.lock:
            request_id = self._identifiers.request()
        return Reply(
            status,
            {"RequestId": request_id, **body},
            f"{parameters.get('Action', '')}Response" if status == 200 else "Error",
            parameters.get("Format", "XML").upper() == "JSON",
        )

    def refuse_unread(self, error: ApiError) -> Reply:
        """Return the answer to what was not read as a call, in XML, which is the default."""
        return self._refusal({}, error)

    def _refusal(self, parameters: Mapping[str, str], error: ApiError) -> Reply:
        """Return an error's body. Source: ECS API, Responses."""
        product = _VERSIONS.get(parameters.get("Version", ""), ECS)
        body: Body = {
            "HostId": product.host,
            "Code": error.code,
            "Message": error.message,
            "Recommend": f"https://error-center.aliyun.com/status/search?Keyword={error.code}",
        }
        status = self.settings.variants.status_of(error.code, error.status)
        return self._reply(parameters, status, body)


def nobody_keeps(version: int) -> Latch | None:  # noqa: ARG001  # as whoever keeps it is asked
    """Wait for nothing: the estate is kept in memory alone."""
    return None


def _action(parameters: Mapping[str, str]) -> Action:
    for name in ("Action", "Version"):
        if not parameters.get(name):
            raise missing_parameter(name)
    action = ACTIONS.get((parameters["Version"], parameters["Action"]))
    if action is None:
        raise ApiError(
            "InvalidAction.NotFound",
            404,
            "Specified api is not found, please check your url and method.",
        )
    return action


def _check_policy(action: Action, caller: Caller, parameters: Mapping[str, str]) -> None:
    """Refuse what the session's policy does not allow; who one is may always be asked.

    Source: STS API, AssumeRole; ECS API, Authorization rules.
    """
    if caller.policy is None or action.name == "GetCallerIdentity":
        return
    is_ecs = _product(action) is ECS
    name = f"{'ecs' if is_ecs else 'sts'}:{action.name}"
    about = resources_of(action.name, caller.account_id, Parameters(parameters))
    if not caller.policy.allows(name, about):
        raise ApiError(
            "Forbidden.RAM" if is_ecs else "NoPermission",
            403,
            "User not authorized to operate on the specified resource, or this API.",
        )


_READS = ("Describe", "List")


def _is_read(action: Action) -> bool:
    return action.name.startswith(_READS)


def _check_region(request: Request, action: Action) -> None:
    if not request.region_id:
        if action.needs_region:
            raise missing_parameter("RegionId")
    elif _product(action) is ECS and not exists(request.store, request.region_id):
        raise ApiError("InvalidRegionId.NotFound", 404, "The specified RegionId does not exist.")


def _product(action: Action) -> Product:
    return ECS if (ECS.version, action.name) in ACTIONS else STS
