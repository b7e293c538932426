"""Network namespaces without a name: they are gone with the process that holds them, even a killed
one, so that nothing is ever left behind and nothing needs sweeping.

A namespace belongs to a thread. Whoever enters one comes back to where it was; a socket stays in
the namespace in which it was opened.
"""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

NEW_NETWORK = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


class NamespacesForbiddenError(OSError):
    """This process may not make namespaces, or not what belongs in them."""


class Namespace:
    """A network of its own, with nothing in it but a loopback device."""

    def __init__(self) -> None:
        home = _current()
        try:
            if _LIBC.unshare(NEW_NETWORK):
                raise NamespacesForbiddenError(ctypes.get_errno(), "unshare is refused")
            self._own = _current()
        finally:
            _enter(home)
            os.close(home)

    @property
    def path(self) -> str:
        """The namespace as a file, for `ip link … netns`."""
        return f"/proc/{os.getpid()}/fd/{self._own}"

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Let the block, and what it starts, see this network."""
        home = _current()
        try:
            _enter(self._own)
            yield
        finally:
            _enter(home)
            os.close(home)

    def run(self, *command: str, text: str = "") -> None:
        """Run a program in this network; `text` is its standard input."""
        with self.entered():
            ended = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
        if ended.returncode:
            raise NamespacesForbiddenError(ended.returncode, f"{command}: {ended.stderr}\n{text}")

    def close(self) -> None:
        """Let go of it; the last to do so ends it, with all its devices and rules."""
        with suppress(OSError):
            os.close(self._own)


def _current() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _enter(namespace: int) -> None:
    if _LIBC.setns(namespace, NEW_NETWORK):
        raise NamespacesForbiddenError(ctypes.get_errno(), "setns is refused")
