"""Calls that overlap, so that a read of many things costs little more than one round trip."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Together:
    """A small pool of threads that every account and region shares.

    What runs in it must not start anything in it. With one worker everything runs at once in
    the calling thread, in order: a seeded test needs the same order each time.
    """

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, "ecs") if workers > 1 else None

    def start(self, ask: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> "Future[R]":
        """Begin a call; what it raises comes out of `result()`, or at once where it ran at once."""
        if self._pool is not None:
            return self._pool.submit(copy_context().run, lambda: ask(*args, **kwargs))
        done: Future[R] = Future()
        done.set_result(ask(*args, **kwargs))
        return done

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def results(futures: "Iterable[Future[R]]") -> list[R]:
    """Wait for all, in order; the first error ends it."""
    return [future.result() for future in futures]
