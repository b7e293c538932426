"""The simulated cloud over HTTP: an ASGI application, and uvicorn to run it on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.simulator.control import PREFIX, control
from app.simulator.demo import demo_estate
from app.simulator.dispatcher import Dispatcher, Reply, Steps, Wait
from app.simulator.errors import ApiError, ReplyLostError
from app.simulator.keeping import kept, read_estate
from app.simulator.wire import read_call, to_json

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8090
_LARGEST_CALL_BYTES = 4 * 1024 * 1024
_HANG_UP = "app.simulator.hang_up"

_TOO_LARGE = ApiError("RequestEntityTooLarge", 413, "The request is larger than 4 MiB.")
_UNREADABLE = ApiError("InvalidRequest", 400, "The request is no HTTP request.")
"""The vendor documents no code for either: these are invented."""

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


class Application:
    """The ASGI application: control calls under /_simulator, the cloud's API everywhere else.

    Without control, what is under /_simulator is not found.
    """

    def __init__(self, dispatcher: Dispatcher, *, has_control: bool = True) -> None:
        self._dispatcher = dispatcher
        self._has_control = has_control
        self._waiting: set[asyncio.Event] = set()
        self._is_ending = False

    def end(self) -> None:
        """Hang up on all calls that wait for something, because the server ends."""
        self._is_ending = True
        for going_on in self._waiting:
            going_on.set()

    def refuse_unread(self) -> Reply:
        """Return the answer to bytes that are no request."""
        return self._dispatcher.refuse_unread(_UNREADABLE)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one HTTP request, or close its connection without an answer."""
        if scope["type"] != "http":
            return
        if scope["path"] == PREFIX or scope["path"].startswith(f"{PREFIX}/"):
            await self._control(scope, receive, send)
            return
        body = await _read(receive, limit=_LARGEST_CALL_BYTES)
        if body is None:
            reply = self._dispatcher.refuse_unread(_TOO_LARGE)
            await _send(send, reply.status, reply.encoded(), reply.content_type)
            return
        try:
            reply = await self._call(scope, body, receive)
        except ReplyLostError:
            await _hang_up(scope, receive)
            return
        await _send(send, reply.status, reply.encoded(), reply.content_type)

    async def _call(self, scope: Message, body: bytes, receive: Receive) -> Reply:
        """Answer a call whose parameters are in the query, a form body, or both, or in headers."""
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        method, path = scope["method"], scope.get("raw_path") or b"/"
        query = scope["query_string"].decode("latin-1")
        call = read_call(method, path.decode("latin-1"), query, headers, body)
        steps = self._dispatcher.steps(
            method, call.parameters, headers, signed_headers=call.signed_headers
        )
        return await self._drive(steps, receive)

    async def _drive(self, steps: Steps, receive: Receive) -> Reply:
        while True:
            try:
                wait = next(steps)
            except StopIteration as stop:
                reply: Reply = stop.value
                return reply
            await self._wait(wait, receive)

    async def _wait(self, wait: Wait, receive: Receive) -> None:
        """Wait for what a call waits for, while other calls go on."""
        going_on = asyncio.Event()
        set_event = _setter(going_on)
        self._waiting.add(going_on)
        hang_up = asyncio.create_task(_gone(receive, going_on)) if wait.is_silent else None
        try:
            if wait.latch is not None:
                wait.latch.then(set_event)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(going_on.wait(), None if wait.is_endless else wait.seconds)
        finally:
            if wait.latch is not None:
                wait.latch.forget(set_event)
            if hang_up is not None:
                hang_up.cancel()
            self._waiting.discard(going_on)
        if self._is_ending:
            raise ReplyLostError("the server ends")

    async def _control(self, scope: Message, receive: Receive, send: Send) -> None:
        body = await _read(receive, limit=None) or b""
        if not self._has_control:
            await _send(send, 404, b"the control interface is off", "text/plain")
            return
        status, answer = control(self._dispatcher, scope["method"], scope["path"], body)
        try:
            if scope["method"] in ("PUT", "DELETE") and not await self._keep(receive):
                status, answer = 500, {"error": "the estate could not be written to its file"}
        except ReplyLostError:
            await _hang_up(scope, receive)
            return
        payload = b"" if answer is None else to_json(answer)
        await _send(send, status, payload, "application/json")

    async def _keep(self, receive: Receive) -> bool:
        """Wait until the present estate is kept; False if that failed."""
        version = self._dispatcher.store.version
        latch = self._dispatcher.until_kept(version)
        if latch is not None:
            await self._wait(Wait(0, latch, is_endless=True), receive)
            return self._dispatcher.until_kept(version) is None
        return True


def _setter(event: asyncio.Event) -> Callable[[], None]:
    """Return what sets the event from any thread."""
    loop = asyncio.get_running_loop()

    def set_event() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and the call with it
            loop.call_soon_threadsafe(event.set)

    return set_event


async def _gone(receive: Receive, going_on: asyncio.Event) -> None:
    """Go on when the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
    going_on.set()


async def _read(receive: Receive, *, limit: int | None) -> bytes | None:
    """Return the body, or None if it is larger than `limit` bytes."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        chunk = message.get("body", b"")
        size += len(chunk)
        if limit is not None and size > limit:
            return None
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


async def _send(send: Send, status: int, body: bytes, content_type: str) -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    if body:
        headers.append((b"content-type", content_type.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _hang_up(scope: Message, receive: Receive) -> None:
    """Close the connection without a reply, which clients see as a connection error."""
    scope["extensions"][_HANG_UP]()
    while (await receive())["type"] != "http.disconnect":
        pass


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol, which lets the application close a connection without a reply.

    What cannot be read as HTTP is refused in the API's own words too.
    """

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's signature
        application = self.config.app
        reply = application.refuse_unread() if isinstance(application, Application) else None
        body = reply.encoded() if reply else b""
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: text/xml;charset=utf-8\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[str, Any] = {_HANG_UP: self.transport.close}
        self.scope["extensions"] = extensions


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it is ready, and takes SIGTERM for a good end."""

    def __init__(
        self,
        config: uvicorn.Config,
        when_ready: Callable[[], None],
        when_ending: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._when_ready = when_ready
        self._when_ending = when_ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._when_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._when_ending()
        await super().shutdown(sockets=sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # uvicorn's signature
        """Stop; the signal is not raised again, so that the process ends with 0."""
        self.should_exit = True


def _server(
    dispatcher: Dispatcher, when_ready: Callable[[], None], *, has_control: bool = True
) -> _Server:
    application = Application(dispatcher, has_control=has_control)
    config = uvicorn.Config(
        application,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=3600,
        timeout_graceful_shutdown=1,
    )
    return _Server(config, when_ready, application.end)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    estate: object = None,
    *,
    faults: object = None,
    keep_in: Path | None = None,
    has_control: bool = True,
) -> None:
    """Run the simulator until SIGTERM or SIGINT; port 0 takes a free one.

    Prints one line with the address when it is ready. Without an estate it is the demo's, and the
    file that the estate is kept in goes before both. EstateError and ControlError say why an
    estate or the faults cannot be.
    """
    earlier = None if keep_in is None else read_estate(keep_in)
    begun = demo_estate() if estate is None else estate
    dispatcher = Dispatcher(begun if earlier is None else earlier)
    if faults is not None:
        dispatcher.put_faults(faults)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(contextlib.closing(_listen(host, port)))
        if keep_in is not None:
            stack.enter_context(kept(dispatcher, keep_in))
        line = f"simulator ready at {_url(listener)}\n"
        _warn_beyond_loopback(listener)
        _server(dispatcher, lambda: _say(line), has_control=has_control).run(sockets=[listener])


def _warn_beyond_loopback(listener: socket.socket) -> None:
    """Say it where others can reach a cloud whose keys everybody may read."""
    host = listener.getsockname()[0]
    if not ipaddress.ip_address(host).is_loopback:
        sys.stderr.write(f"warning: the simulator listens on {host}, not on loopback only\n")


def _say(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Running:
    """A simulator that runs in a thread; its dispatcher can be asked without HTTP too."""

    url: str
    endpoint: str
    dispatcher: Dispatcher


@contextlib.contextmanager
def running(
    estate: object = None, *, dispatcher: Dispatcher | None = None, host: str = DEFAULT_HOST
) -> Iterator[Running]:
    """Run a simulator in a thread, on a free port, as long as the block lasts.

    Without an estate or a dispatcher it holds the demo's estate.
    """
    if dispatcher is None:
        dispatcher = Dispatcher(demo_estate() if estate is None else estate)
    ready = threading.Event()
    with contextlib.closing(_listen(host, 0)) as listener:
        url = _url(listener)
        server = _server(dispatcher, ready.set)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            if not ready.wait(timeout=30):
                raise RuntimeError("the simulator did not start")
            yield Running(url, url.removeprefix("http://"), dispatcher)
        finally:
            server.should_exit = True
            thread.join(timeout=10)
