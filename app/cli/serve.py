"""`intercom serve`: the service."""

import socket
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.loading import fail, load_settings

if TYPE_CHECKING:
    import uvicorn

    from app.bootstrap import Service
    from app.settings import Settings


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    role: Annotated[
        str, typer.Option(help="all, api (accepts requests) or worker (carries them out).")
    ] = "all",
    executor_id: Annotated[
        str | None, typer.Option(help="Name of this process, unique among replicas.")
    ] = None,
) -> None:
    """Serve the API and carry operations out, until SIGTERM."""
    settings = load_settings()
    if executor_id is not None:
        settings = settings.model_copy(update={"executor_id": executor_id})
    service = built(settings, role)
    with closing(listen(host, port)) as listener, closing(service):
        run(service, settings, listener)


def built(settings: "Settings", role: str) -> "Service":
    """Build the service and start it.

    Raises:
        typer.Exit: it cannot run here; why is printed.
    """
    import os

    from app.adapters.ecs.environment import UnsafeEnvironmentError, refuse_environment
    from app.bootstrap import SchemaError, build
    from app.cli.logs import configure
    from app.domain.errors import StorageUnavailableError
    from app.settings import Role
    from app.workflow.errors import EngineError

    try:
        refuse_environment(os.environ, base_role_name=settings.base_role_name)
        configure(settings.log_format)
        service = build(settings, role=Role(role))
        service.start()
    except (
        UnsafeEnvironmentError,
        SchemaError,
        EngineError,
        StorageUnavailableError,
        ValueError,
    ) as error:
        raise fail(str(error)) from None
    return service


def listen(host: str, port: int) -> socket.socket:
    """Take the port.

    Raises:
        typer.Exit: somebody else has it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise fail(f"cannot listen on {host} port {port}: {error.strerror}") from None
    return listener


def address_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(
    service: "Service",
    settings: "Settings",
    listener: socket.socket,
    when_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; say so in one line as soon as requests are answered."""
    from app.cli.version import version
    from app.main import create_app

    address = address_of(listener)

    def ready() -> None:
        if when_ready is None:
            sys.stdout.write(f"intercom ready at {address}\n")
            sys.stdout.flush()
        else:
            when_ready(address)

    app = create_app(
        service.house,
        identity=service.house.identity,
        docs_key=settings.administrator_key if settings.is_simulated else None,
        allowed_hosts=settings.allowed_hosts,
        body_limit_bytes=settings.body_limit_bytes,
        requests_per_minute=settings.caller_limit,
        require_if_match=settings.require_if_match,
        version=version(),
        only_health=service.role == "worker",
    )
    server = _server(app, ready, service.drain)
    server.run(sockets=[listener])


def _server(
    app: object, when_ready: Callable[[], None], drain: Callable[[], None]
) -> "uvicorn.Server":
    import uvicorn

    class Server(uvicorn.Server):
        """Says when it is ready, and takes SIGTERM for a good end: exit code 0.

        The first signal drains: readiness falls at once, steps end, and only then are
        requests refused. A second one does not wait for that.
        """

        draining: threading.Thread | None = None

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            when_ready()

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's
            if self.draining is not None:
                self.should_exit = self.force_exit = True
                return
            self.draining = threading.Thread(target=self.drain, name="drain", daemon=True)
            self.draining.start()

        def drain(self) -> None:
            try:
                drain()
            finally:
                self.should_exit = True

    config = uvicorn.Config(
        app,  # type: ignore[arg-type]  # an ASGI application, whose type uvicorn spells at length
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=2,
    )
    return Server(config)
