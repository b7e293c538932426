"""The control interface under /_simulator: ground truth, packets, journal, faults, settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from app.simulator.dispatcher import Dispatcher
from app.simulator.errors import ControlError, EstateError
from app.simulator.packets import Verdict, judge

PREFIX = "/_simulator"
_FAULT = f"{PREFIX}/faults/"

Answer: TypeAlias = tuple[int, object]
"""An HTTP status, and a body for JSON; None is no body."""


def control(dispatcher: Dispatcher, method: str, path: str, body: bytes) -> Answer:
    """Answer one control call; what is wrong with it is said in `error`."""
    try:
        with dispatcher.lock:
            dispatcher.settle()
            return _answer(dispatcher, method, path, body)
    except EstateError as error:
        return 422, {"error": str(error)}
    except ControlError as error:
        return error.status, {"error": str(error)}


def _answer(dispatcher: Dispatcher, method: str, path: str, body: bytes) -> Answer:
    if path.startswith(_FAULT):
        if method != "DELETE":
            raise ControlError("one fault can only be deleted", 405)
        dispatcher.faults.delete(path.removeprefix(_FAULT))
        return 204, None
    methods = _ROUTES.get(path)
    if methods is None:
        raise ControlError(f"there is nothing at {path}", 404)
    route = methods.get(method)
    if route is None:
        raise ControlError(f"{path} takes {', '.join(methods)}", 405)
    return route(dispatcher, body)


def _parsed(body: bytes) -> object:
    """Return a body's values; refuse half a character too, which could not be answered again."""
    try:
        parsed: object = json.loads(body)
        if b"\\ud" in body.lower():
            json.dumps(parsed, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ControlError(f"the body is not JSON: {error}") from error
    return parsed


def _put_estate(dispatcher: Dispatcher, body: bytes) -> Answer:
    dispatcher.replace_estate(_parsed(body))
    return 200, dispatcher.estate()


def _packets(dispatcher: Dispatcher, body: bytes) -> Answer:
    described = _parsed(body)
    if isinstance(described, list):
        return 200, [_judge(dispatcher, packet).as_json() for packet in described]
    return 200, _judge(dispatcher, described).as_json()


def _judge(dispatcher: Dispatcher, described: object) -> Verdict:
    return judge(dispatcher.store, described, dispatcher.settings.variants)


def _clear_calls(dispatcher: Dispatcher, _: bytes) -> Answer:
    dispatcher.journal.clear()
    return 204, None


def _put_faults(dispatcher: Dispatcher, body: bytes) -> Answer:
    dispatcher.put_faults(_parsed(body))
    return 200, dispatcher.faults.as_json()


def _clear_faults(dispatcher: Dispatcher, _: bytes) -> Answer:
    dispatcher.faults.clear()
    return 204, None


def _put_settings(dispatcher: Dispatcher, body: bytes) -> Answer:
    dispatcher.put_settings(_parsed(body))
    return 200, dispatcher.settings.as_json()


def _clock(dispatcher: Dispatcher) -> Answer:
    settings = dispatcher.settings
    return 200, {
        "now": dispatcher.timestamp(),
        "frozen": settings.clock_frozen,
        "offset_seconds": settings.clock_offset_seconds,
    }


def _put_clock(dispatcher: Dispatcher, body: bytes) -> Answer:
    dispatcher.put_clock(_parsed(body))
    dispatcher.settle()
    return _clock(dispatcher)


_ROUTES: Mapping[str, Mapping[str, Callable[[Dispatcher, bytes], Answer]]] = MappingProxyType(
    {
        f"{PREFIX}/estate": {
            "GET": lambda dispatcher, _: (200, dispatcher.estate()),
            "PUT": _put_estate,
        },
        f"{PREFIX}/packets": {"POST": _packets},
        f"{PREFIX}/calls": {
            "GET": lambda dispatcher, _: (200, dispatcher.journal.as_json()),
            "DELETE": _clear_calls,
        },
        f"{PREFIX}/faults": {
            "GET": lambda dispatcher, _: (200, dispatcher.faults.as_json()),
            "PUT": _put_faults,
            "DELETE": _clear_faults,
        },
        f"{PREFIX}/settings": {
            "GET": lambda dispatcher, _: (200, dispatcher.settings.as_json()),
            "PUT": _put_settings,
        },
        f"{PREFIX}/clock": {
            "GET": lambda dispatcher, _: _clock(dispatcher),
            "PUT": _put_clock,
        },
    }
)
