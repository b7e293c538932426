"""One process among the replicas: its tenure, and taking over from those that are no more.

A tenure that was not heard of for a lease is ended by whoever notices. From then on nothing
that its operations write is accepted, so no call of theirs begins; what had begun before is
over after the grace, which is longer than any call. Only then are they taken over.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta

from app.domain.errors import StorageUnavailableError
from app.ports.store import Store

log = logging.getLogger(__name__)

BEATS_A_LEASE = 6
STOP_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a replica may be silent, and how long a call of its may be under way.

    `alone`: a lock says that there is no other process, so whoever is found is no more.
    """

    lease: timedelta = timedelta(seconds=30)
    grace: timedelta = timedelta(seconds=20)
    alone: bool = False


class Membership:
    """Begun before the engine is launched, `start`ed after it, ended before it closes."""

    def __init__(
        self,
        *,
        store: Store,
        name: str,
        version: str,
        terms: Terms,
        recover: Callable[[str], bool],
        holders: Callable[[], Collection[str]],
        lost: Callable[[], None],
    ) -> None:
        """`recover` takes over what a tenure began and says whether nothing is left of it;
        `holders` are tenures that have begun something and not ended it; `lost` is called once
        if our own tenure is over, from a thread of its own.
        """
        self._store = store
        self._terms = terms
        self._recover = recover
        self._holders = holders
        self._lost = lost
        self._over = threading.Event()
        with store.write() as work:
            self.tenure_id = work.replicas.enlist(name, version)
            if terms.alone:
                work.replicas.lapse(self.tenure_id, timedelta(0))
            work.commit()
        self._heard = time.monotonic()
        self._thread = threading.Thread(target=self._keep, name="membership", daemon=True)

    @property
    def is_fresh(self) -> bool:
        """Whether the others cannot have taken us for gone, by our own clock.

        A process that was frozen finds out here, even where it was frozen after it had
        looked into the database.
        """
        silence = time.monotonic() - self._heard
        return self._terms.alone or silence < self._terms.lease.total_seconds()

    @property
    def is_eldest(self) -> bool:
        with self._store.read() as work:
            return next(iter(work.replicas.living()), None) == self.tenure_id

    def living_versions(self) -> frozenset[str]:
        with self._store.read() as work:
            return frozenset(work.replicas.living().values())

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more, and let go of the database."""
        self._over.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=STOP_SECONDS)

    def leave(self) -> None:
        """Say that our last call has come to its end, so that nobody has to wait."""
        self.stop()
        try:
            with self._store.write() as work:
                work.replicas.leave(self.tenure_id)
                work.commit()
        except StorageUnavailableError:
            log.warning("tenure %s ends without a word", self.tenure_id)

    def _keep(self) -> None:
        every = self._terms.lease / BEATS_A_LEASE
        while not self._over.is_set():
            try:
                if not self._beat():
                    log.warning("tenure %s was taken over", self.tenure_id)
                    threading.Thread(target=self._lost, name="relaunch", daemon=True).start()
                    return
                self._take_over()
            except StorageUnavailableError as error:
                log.warning("the database cannot be used: %s", error)
            except Exception:
                log.exception("taking over failed; it is tried again")
            self._over.wait(every.total_seconds())

    def _beat(self) -> bool:
        if self._terms.alone:
            return True
        began = time.monotonic()
        with self._store.write() as work:
            lives = work.replicas.beat(self.tenure_id)
            if lives:
                for gone in work.replicas.lapse(self.tenure_id, self._terms.lease):
                    log.warning("tenure %s was not heard of any more", gone)
            work.commit()
        if lives:
            self._heard = began
        return lives

    def _take_over(self) -> None:
        grace = timedelta(0) if self._terms.alone else self._terms.grace
        with self._store.read() as work:
            due = work.replicas.due(grace)
        for tenure_id in due:
            if self._over.is_set():
                return
            if self._recover(tenure_id):
                with self._store.write() as work:
                    work.replicas.settle(tenure_id)
                    work.commit()
        for tenure_id in sorted(self._strays()):
            self._recover(tenure_id)

    def _strays(self) -> set[str]:
        """Tenures that hold something although they were settled: a process that was frozen
        for long takes one more operation from the queue before it learns that it is over.
        """
        if self._terms.alone:
            return set()
        with self._store.read() as work:
            known = {*work.replicas.living(), *work.replicas.due(timedelta(0))}
        return set(self._holders()) - known
