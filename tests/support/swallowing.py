"""A wire to PostgreSQL that swallows the confirmation of one commit, and ends the connection."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

SOCKET = ".s.PGSQL.5432"


class Swallower:
    """Passes everything on, both ways, until it is told which commit nobody is to hear of."""

    def __init__(self, server: Path, folder: Path) -> None:
        self._server = server / SOCKET
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / SOCKET))
        self._listener.listen()
        self._marker: bytes | None = None
        self.swallowed = threading.Event()

    def swallow_commit_after(self, statement: str) -> None:
        """The next commit of a connection that has sent such a statement gets no answer."""
        self.swallowed.clear()
        self._marker = statement.encode()

    def serve(self) -> None:
        with contextlib.suppress(OSError):  # the listener is closed at the end
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._server))
                wire = _Wire(self, client, server)
                for way in (wire.up, wire.down):
                    threading.Thread(target=way, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def is_meant(self, sent: bytes) -> bool:
        return self._marker is not None and self._marker in sent

    def done(self) -> None:
        self._marker = None
        self.swallowed.set()


class _Wire:
    """One connection: after its commit was sent on, the answer to it goes nowhere."""

    def __init__(self, owner: Swallower, client: socket.socket, server: socket.socket) -> None:
        self._owner = owner
        self._client = client
        self._server = server
        self._is_meant = False
        self._is_deaf = False

    def up(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._client.recv(65536):
                self._is_meant = self._is_meant or self._owner.is_meant(data)
                self._is_deaf = self._is_deaf or (self._is_meant and b"COMMIT" in data)
                self._server.sendall(data)
        self._end()

    def down(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._server.recv(65536):
                if self._is_deaf:
                    self._owner.done()
                    break
                self._client.sendall(data)
        self._end()

    def _end(self) -> None:
        for end in (self._client, self._server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextlib.contextmanager
def swallowing(server: Path, folder: Path) -> Iterator[Swallower]:
    """Stand between a database's users and its server: they ask for the socket in `folder`."""
    swallower = Swallower(server, folder)
    threading.Thread(target=swallower.serve, daemon=True).start()
    try:
        yield swallower
    finally:
        swallower.close()
