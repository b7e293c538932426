"""The simulated cloud without HTTP: one object that answers calls, and may be shared by threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias, assert_never

from app.simulator import wire
from app.simulator.actions import ACTIONS
from app.simulator.actions.regions import exists
from app.simulator.actions.request import ECS, STS, Action, Body, Product, Request
from app.simulator.credentials import Caller, Nonces, Sessions, authenticate
from app.simulator.errors import ApiError, ReplyLostError, missing_parameter
from app.simulator.faults import Edit, Fault, Faults, Hold, LoseReply, Pause, Refuse, When
from app.simulator.hands import edit
from app.simulator.journal import CallEntry, Journal
from app.simulator.parameters import Parameters
from app.simulator.settings import Settings, parse_settings
from app.simulator.state.estate import Json, dump, load
from app.simulator.state.identifiers import Identifiers
from app.simulator.tokens import ClientTokens
from app.simulator.wire import SignedHeaders

Wait: TypeAlias = Pause | Hold

_VERSIONS = {product.version: product for product in (ECS, STS)}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: the status, the body as values, and how the caller wants it written."""

    status: int
    body: Body
    root: str
    is_json: bool

    @property
    def content_type(self) -> str:
        """The media type of `encoded()`."""
        return "application/json;charset=utf-8" if self.is_json else "text/xml;charset=utf-8"

    def encoded(self) -> bytes:
        """Return the body as it goes over the wire."""
        return wire.to_json(self.body) if self.is_json else wire.to_xml(self.root, self.body)


Steps: TypeAlias = Generator[Wait, None, Reply]
"""An answer in the making: it yields what to wait for, never while it holds the lock."""


class Dispatcher:
    """The cloud: ground truth, credentials, faults, journal and settings behind one lock.

    `handle` takes a signed call, `call` one whose caller is known already; both block while a
    fault lets them wait, and raise ReplyLostError where a connection would be closed without a
    reply. `steps` leaves the waiting to whoever drives it, which is how the server does it.
    """

    def __init__(
        self,
        estate: object = None,
        *,
        seed: int = 0,
        settings: Settings | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.lock = threading.RLock()
        self.faults = Faults()
        self.journal = Journal()
        self.settings = settings or Settings()
        self._identifiers = Identifiers(seed)
        self._clock = clock
        self._sleep = sleep
        self._sessions = Sessions()
        self._nonces = Nonces()
        self._tokens = ClientTokens()
        self.store = load(estate if estate is not None else {}, self._identifiers)

    # ---- the estate

    def estate(self) -> Json:
        """Return the ground truth, canonical and sorted."""
        with self.lock:
            return dump(self.store)

    def replace_estate(self, estate: object) -> None:
        """Put another ground truth in place; EstateError leaves the present one.

        Sessions, faults and the journal stay; client tokens go, as they spoke of the old one.
        """
        with self.lock:
            fresh = load(estate, self._identifiers)
            fresh.version += self.store.version
            self.store = fresh
            self._tokens = ClientTokens()

    def put_faults(self, body: object) -> None:
        """Replace all faults; ControlError says what is wrong with the new ones."""
        with self.lock:
            self.faults.put(body, self.store)

    def put_settings(self, body: object) -> None:
        """Replace all settings; ControlError names an unknown or a wrong field."""
        with self.lock:
            self.settings = parse_settings(body)

    def now(self) -> float:
        """Return the cloud's time, in seconds since 1970."""
        return self._clock() + self.settings.clock_offset_seconds

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
                return reply
            if isinstance(wait, Hold):
                wait.released.wait()
            else:
                self._sleep(wait.seconds)

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
            yield Pause(half_way)
        entry = self._enter(parameters, headers)
        try:
            body = yield from self._carry_out(method, parameters, entry, caller, signed_headers)
        except ApiError as error:
            reply = self._refusal(parameters, error)
            entry.code = error.code
        else:
            reply = self._reply(parameters, 200, body)
        if half_way:
            yield Pause(half_way)
        entry.status = reply.status
        return reply

    def _enter(self, parameters: Mapping[str, str], headers: Mapping[str, str]) -> CallEntry:
        at = datetime.fromtimestamp(self.now(), UTC).isoformat(timespec="microseconds")
        with self.lock:
            return self.journal.enter(
                at=at.replace("+00:00", "Z"),
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
            faults = self.faults.striking(action.name, caller.account_id)
            entry.faults.extend(fault.fault_id for fault in faults)
        for fault in faults:
            if fault.when is When.BEFORE:
                yield from self._befall(fault)
        with self.lock:
            body = self._apply(action, caller, parameters, entry)
        for fault in faults:
            if fault.when is When.AFTER:
                yield from self._befall(fault)
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

    def _befall(self, fault: Fault) -> Generator[Wait, None, None]:
        match fault.effect:
            case Refuse(code, status, message):
                raise ApiError(code, status, message)
            case LoseReply():
                raise ReplyLostError(fault.fault_id)
            case Pause() | Hold() as wait:
                yield wait
            case Edit(changes):
                with self.lock:
                    edit(self.store, changes)
            case _:
                assert_never(fault.effect)

    def _apply(
        self, action: Action, caller: Caller, parameters: Mapping[str, str], entry: CallEntry
    ) -> Body:
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
        try:
            body = (
                self._tokens.once(request, action)
                if action.takes_token
                else action.handler(request)
            )
        finally:
            entry.version = self.store.version
        entry.applied = True
        return body

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

    def _refusal(self, parameters: Mapping[str, str], error: ApiError) -> Reply:
        """Return an error's body. Source: ECS API, Responses."""
        product = _VERSIONS.get(parameters.get("Version", ""), ECS)
        body: Body = {
            "HostId": product.host,
            "Code": error.code,
            "Message": error.message,
            "Recommend": f"https://error-center.aliyun.com/status/search?Keyword={error.code}",
        }
        return self._reply(parameters, error.status, body)


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


def _check_region(request: Request, action: Action) -> None:
    if not request.region_id:
        if action.needs_region:
            raise missing_parameter("RegionId")
    elif _product(action) is ECS and not exists(request.store, request.region_id):
        raise ApiError("InvalidRegionId.NotFound", 404, "The specified RegionId does not exist.")


def _product(action: Action) -> Product:
    return ECS if (ECS.version, action.name) in ACTIONS else STS
