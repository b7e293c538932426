"""The simulated cloud over HTTP: an ASGI application, and uvicorn to run it on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.simulator.control import PREFIX, Answer, control
from app.simulator.demo import demo_estate
from app.simulator.dispatcher import Dispatcher, Reply, Steps, Wait
from app.simulator.errors import ApiError, ReplyLostError
from app.simulator.keeping import kept, read_estate
from app.simulator.wire import read_call, to_json

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8090
_LARGEST_HEAD_BYTES = 1024 * 1024
_LARGEST_CALL_BYTES = 4 * 1024 * 1024
_LARGEST_CONTROL_BYTES = 256 * 1024 * 1024
_HANG_UP = "app.simulator.hang_up"
_NO_PATH = re.compile(rb"\Ahttps?://[^/?#]*(?=[?#]|\Z)", re.IGNORECASE)
"""An absolute target without a path, which stands for the path `/`."""

_TOO_LARGE = ApiError(
    "RequestEntityTooLarge", 413, "The body is larger than 4 MiB, or the headers than 1 MiB."
)
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

    def refuse_unread(self, error: ApiError) -> Reply:
        """Return the answer to bytes that are no request."""
        return self._dispatcher.refuse_unread(error)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one HTTP request, or close its connection without an answer."""
        if scope["type"] != "http":
            return
        try:
            if scope["path"] == PREFIX or scope["path"].startswith(f"{PREFIX}/"):
                status, payload, content_type = await self._control(scope, receive)
            else:
                reply = await self._answer(scope, receive)
                status, payload, content_type = reply.status, reply.encoded(), reply.content_type
        except ReplyLostError:
            await _hang_up(scope, receive)
            return
        await _send(send, status, payload, content_type)

    async def _answer(self, scope: Message, receive: Receive) -> Reply:
        """Answer a call; ReplyLostError if nobody is to be answered, or nobody waits any more."""
        body = await _read(scope, receive, limit=_LARGEST_CALL_BYTES)
        if body is None:
            return self.refuse_unread(_TOO_LARGE)
        return await self._call(scope, body, receive)

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

    async def _control(self, scope: Message, receive: Receive) -> tuple[int, bytes, str]:
        """Answer a control call with a status, a body and its type; ReplyLostError as above."""
        if not self._has_control:
            return 404, b"the control interface is off", "text/plain"
        status, answer = await self._controlled(scope, receive)
        return status, b"" if answer is None else to_json(answer), "application/json"

    async def _controlled(self, scope: Message, receive: Receive) -> Answer:
        body = await _read(scope, receive, limit=_LARGEST_CONTROL_BYTES)
        if body is None:
            return 413, {"error": "the body is larger than 256 MiB"}
        answer = control(self._dispatcher, scope["method"], scope["path"], body)
        if scope["method"] in ("PUT", "DELETE") and not await self._keep(receive):
            return 500, {"error": "the estate could not be written to its file"}
        return answer

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


async def _read(scope: Message, receive: Receive, *, limit: int) -> bytes | None:
    """Return the body, or None if it is larger than `limit` bytes.

    ReplyLostError if the client has gone before all of it was there.
    """
    if _declared_bytes(scope) > limit:
        return None
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ReplyLostError("the client has gone")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _declared_bytes(scope: Message) -> int:
    """Return the length that the headers declare; 0 where they declare none."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0


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

    What cannot be read as HTTP is refused in the API's own words too, and so is what never ends.
    `_unread_bytes`: how much has come since the parser last made something of it.
    """

    _unread_bytes = 0
    _is_within_head = False
    _is_within_body = False

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._unread_bytes += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._refuse(_UNREADABLE)
        else:
            if self._unread_bytes > _LARGEST_HEAD_BYTES:
                self._refuse(_TOO_LARGE)

    def _parse(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                data = self._without_upgrade() + data[offer.args[0] :]
            else:
                return

    def _without_upgrade(self) -> bytes:
        """Return the head of a request that offers another protocol, without the offer.

        Java's client offers HTTP/2 that way; the parser would take the body for that protocol's.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version()
        if method == b"CONNECT":
            raise httptools.HttpParserError("this is no proxy")
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        lines = [b"%b %b HTTP/%b" % (method, self.url, version.encode())]
        lines += [b"%b: %b" % pair for pair in self.headers if pair[0] != b"upgrade"]
        return b"\r\n".join((*lines, b"", b""))

    def eof_received(self) -> None:
        """Refuse what ends within a request, unless it is answered; then the connection closes."""
        is_answered = self._is_within_body and self.cycle.response_complete
        is_within = self._is_within_head or self._is_within_body
        if is_within and not is_answered and not self.transport.is_closing():
            self._refuse(_UNREADABLE)

    def _refuse(self, error: ApiError) -> None:
        application = self.config.app
        reply = application.refuse_unread(error) if isinstance(application, Application) else None
        status, body = (reply.status, reply.encoded()) if reply else (error.status, b"")
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
            "content-type: text/xml;charset=utf-8\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_within_head = True
        extensions: dict[str, Any] = {_HANG_UP: self.transport.close}
        self.scope["extensions"] = extensions

    def on_headers_complete(self) -> None:
        self._unread_bytes = 0
        if self.parser.should_upgrade():
            return  # it is read once more, without the offer
        self._is_within_head, self._is_within_body = False, True
        self.url = _NO_PATH.sub(rb"\g<0>/", self.url)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unread_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unread_bytes = 0
        if self.parser.should_upgrade():
            return
        self._is_within_body = False
        super().on_message_complete()


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
