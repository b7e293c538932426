"""The durable engine: runs an operation to its end, whatever happens to the process."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeAlias

from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer
from sqlalchemy import Connection

from app.domain.errors import StorageUnavailableError, SupersededError
from app.ports.engine import Fate
from app.ports.steps import Steps
from app.ports.store import Store
from app.workflow import fates, guards
from app.workflow.errors import (
    EngineError,
    Interrupted,
    NoOperationError,
    NotRunningError,
    SecondEngineError,
)
from app.workflow.lock import ExecutorLock, Lock, ProcessLock
from app.workflow.membership import Membership, Terms
from app.workflow.steps import DurableSteps

log = logging.getLogger(__name__)

Operation: TypeAlias = Callable[[str, Steps], None]

VERSION = "2"
"""Of the sequences of steps. A process goes on only with journals of its own version; what an
earlier one left is begun anew where it has touched nothing, and else needs attention."""

QUEUE = "operations"
WORKFLOW = "operation"
SCHEMA = "dbos"
RECOVERIES = 100
"""How often an operation is begun again before the engine gives it up as one that kills us."""

LIVE = 256
"""Operations begun and not ended in one process. Many may wait for one another: were the limit
small, those that wait could keep out the one that they wait for. Steps have a smaller limit."""

QUEUE_STOP_SECONDS = 2
RECORD_SECONDS = 2
POLL_SECONDS = 0.005

THREADS = 4 * LIVE
"""Operations taken up again after a crash come on top of those from the queue."""

_process = threading.Lock()

_tenure: ContextVar[str | None] = ContextVar("tenure", default=None)
"""On whose behalf this thread runs an operation."""


@dataclass(frozen=True, slots=True)
class Chore:
    """What is done now and then beside operations, in a thread of its own.

    By one living replica, the one that has lived longest; or `everywhere`.
    """

    name: str
    do: Callable[[], None]
    every: timedelta
    everywhere: bool = False


class DurableEngine:
    """Runs operations from a queue that is kept in the database of the store.

    Order of use: construct, `register` what an operation does, `launch`; `close` at the end.
    `executor_id` says whose interrupted operations are taken up at launch: the same one after
    every start of this process, and never the same in two living ones. With a `store` there
    may be replicas, which take over from one another by the `terms`. `name` has at least
    three characters. At most `concurrency` steps run at a time; an operation that pauses takes
    no part in that. One that met an unusable database is tried again after `revival`.
    """

    def __init__(
        self,
        *,
        database_url: str,
        executor_id: str,
        name: str = "intercom",
        concurrency: int = 8,
        polling_interval: timedelta = timedelta(milliseconds=30),
        revival: timedelta = timedelta(seconds=5),
        terms: Terms | None = None,
    ) -> None:
        self._url = guards.read_url(database_url)
        self._executor_id = executor_id
        self._name = name
        self._permits = threading.Semaphore(concurrency)
        self._revival = revival
        self._polling_interval = polling_interval
        self._file = guards.sqlite_file(self._url)
        self._lock: Lock = (
            ExecutorLock(self._url, executor_id) if self._file is None else ProcessLock(self._file)
        )
        self._operation: Operation | None = None
        self._client: DBOSClient | None = None
        self._dbos: DBOS | None = None
        self._terms = terms or Terms(alone=self._file is not None)
        self._chores: tuple[Chore, ...] = ()
        self._store: Store | None = None
        self._membership: Membership | None = None
        self._lifecycle = threading.RLock()
        self._closing = threading.Event()
        self._ended = threading.Event()
        self._launched = False
        self._active = 0
        self._idle = threading.Condition()
        if self._file is not None:
            guards.check_versions()

    @property
    def is_running(self) -> bool:
        return self._dbos is not None and not self._closing.is_set()

    def register(
        self,
        operation: Operation,
        *,
        store: Store | None = None,
        chores: Sequence[Chore] = (),
    ) -> None:
        """Say what an operation does; once, before `launch`.

        `store` is where replicas know of one another; without one there are no chores.
        """
        if self._operation is not None:
            msg = "what an operation does was said before"
            raise EngineError(msg)
        self._operation, self._store, self._chores = operation, store, tuple(chores)

    def prepare(self) -> None:
        """Make the engine's own tables and its queue: all that `enqueue` needs.

        `launch` does it too. A process that only accepts operations calls this alone.
        """
        _quieten()
        if self._file is not None:
            guards.keep_a_write_ahead_log(self._file)
        DBOS.migrate(self._address, schema=SCHEMA)
        self._connected().register_queue(
            QUEUE,
            worker_concurrency=LIVE,
            polling_interval_sec=self._polling_interval.total_seconds(),
        )

    def launch(self) -> None:
        """Begin to run operations, those first that an earlier process left unfinished.

        Raises:
            NoOperationError: `register` was not called.
            SecondEngineError: an engine runs in this process already.
            SecondProcessError: another process uses the same SQLite file.
        """
        if self._operation is None:
            raise NoOperationError
        if not _process.acquire(blocking=False):
            msg = "an engine runs in this process already"
            raise SecondEngineError(msg)
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        for each in self._chores:
            thread = threading.Thread(target=self._keep_doing, args=[each], daemon=True)
            thread.name = f"chore {each.name}"
            thread.start()

    def enqueue(self, connection: Connection, operation_id: str, anew: bool = False) -> None:
        """Put an operation into the queue, in the transaction that is open on `connection`.

        An operation that is or was in the queue already is left as it is; `anew` gives it a
        journal of this version beside the one that it has.
        """
        self._connected().enqueue_in_transaction(
            connection,
            {
                "workflow_name": WORKFLOW,
                "queue_name": QUEUE,
                "workflow_id": fates.renewed(operation_id, VERSION) if anew else operation_id,
                "app_version": VERSION,
            },
            operation_id,
        )

    def tenure(self) -> str | None:
        """Return the tenure on whose behalf this thread runs an operation, if it does."""
        return _tenure.get()

    def check_fresh(self) -> None:
        """Refuse to make a call that others may have given up waiting for.

        Raises:
            SupersededError
        """
        membership = self._membership
        if _tenure.get() is None or membership is None:
            return
        if membership.tenure_id != _tenure.get() or not membership.is_fresh:
            raise SupersededError("this process was silent for longer than its lease")

    def abandoned(self, operation_ids: Collection[str]) -> Mapping[str, Fate]:
        """Return those of the operations that nobody will go on with."""
        if self._membership is None or not self.is_running:
            return {}
        versions = self._membership.living_versions() | {VERSION}
        return fates.abandoned(operation_ids, versions, VERSION)

    def close(self, *, patience: timedelta = timedelta(seconds=10)) -> None:
        """Let every operation finish its step, for so long, and stop; they go on at next launch.

        A step that needs longer is left behind as if the process had been killed in it.
        """
        self._ended.set()  # who tries to launch again in vain gives up, and the lock with it
        with self._lifecycle:
            if not self._launched:
                self._disconnect()
                return
            if self._dbos is not None:
                self._finish(patience)
            self._stop()

    def _finish(self, patience: timedelta) -> None:
        self._let_go()
        with self._idle:
            idle = self._idle.wait_for(self._is_idle, timeout=patience.total_seconds())
        if not idle:
            log.warning("steps cut short: %d operations did not reach the next", self._active)
        elif self._membership is not None:
            self._membership.leave()

    def _let_go(self) -> None:
        """Claim nothing more, and begin no further step."""
        assert self._dbos is not None
        for event in self._dbos.background_thread_stop_events:
            event.set()
        self._closing.set()
        # What the queue has claimed by now is counted among the active ones, or comes back.
        for thread in self._dbos._background_threads:  # noqa: SLF001 - no public way to wait
            if "queue" in thread.name:
                thread.join(timeout=QUEUE_STOP_SECONDS)

    def _relaunch(self) -> None:
        """Begin again as somebody else: what ran here belongs to another process by now."""
        with self._lifecycle:
            if self._dbos is None or self._closing.is_set():
                return
            self._let_go()
            self._forget()
            while not self._ended.is_set():
                try:
                    self._begin()
                except Exception:
                    log.exception("the engine could not be launched again yet")
                    self._forget()
                    self._ended.wait(self._revival.total_seconds())
                else:
                    return

    @property
    def leads(self) -> bool:
        """Whether this process does what one replica does for all of them."""
        membership = self._membership
        return self.is_running and membership is not None and membership.is_eldest

    def _keep_doing(self, chore: Chore) -> None:
        while not self._ended.wait(chore.every.total_seconds()):
            try:
                if self.is_running and (chore.everywhere or self.leads):
                    chore.do()
            except Exception:
                log.exception("chore %s was left undone; it is done later", chore.name)

    @property
    def _address(self) -> str:
        return self._url.render_as_string(hide_password=False)

    def _connected(self) -> DBOSClient:
        if self._client is None:
            self._client = DBOSClient(
                system_database_url=self._address,
                dbos_system_schema=SCHEMA,
                serializer=DBOSPortableJSONSerializer(),
                application_name=self._name,
                lazy=True,
            )
        return self._client

    def _start(self) -> None:
        self._launched = True
        self._ended.clear()
        self._lock.take()
        self.prepare()
        self._begin()

    def _begin(self) -> None:
        """Launch as a new tenure. Runs of an earlier one keep the event that ended them."""
        self._closing = threading.Event()
        if self._store is not None:
            self._membership = Membership(
                store=self._store,
                name=self._executor_id,
                version=VERSION,
                terms=self._terms,
                recover=partial(fates.recover, version=VERSION),
                holders=partial(fates.holders, version=VERSION),
                lost=self._relaunch,
            )
        self._dbos = DBOS(config=self._config())
        DBOS.workflow(name=WORKFLOW, max_recovery_attempts=RECOVERIES)(self._registered())
        DBOS.listen_queues([QUEUE])
        DBOS.launch()
        if self._membership is not None:
            self._membership.start()

    @property
    def _identity(self) -> str:
        return self._executor_id if self._membership is None else self._membership.tenure_id

    def _config(self) -> DBOSConfig:
        return DBOSConfig(
            name=self._name,
            system_database_url=self._address,
            dbos_system_schema=SCHEMA,
            serializer=DBOSPortableJSONSerializer(),
            application_version=VERSION,
            executor_id=self._identity,
            max_executor_threads=THREADS,
            enable_otlp=False,
            log_level="WARNING",
            notification_listener_polling_interval_sec=0.1,  # how long closing may take
        )

    def _registered(self) -> Callable[[str], None]:
        closing = self._closing
        tenure_id = None if self._membership is None else self._membership.tenure_id

        def operation(operation_id: str) -> None:
            token = _tenure.set(tenure_id)
            try:
                self._run(operation_id, closing)
            finally:
                _tenure.reset(token)

        return operation

    def _run(self, operation_id: str, closing: threading.Event) -> None:
        if self._operation is None:
            raise NotRunningError
        workflow_id = DBOS.workflow_id or operation_id
        with self._counted():
            steps = DurableSteps(closing=closing, permits=self._permits)
            try:
                self._operation(operation_id, steps)
            except (Interrupted, StorageUnavailableError) as error:
                if closing.is_set():
                    log.info("operation %s goes on elsewhere or later", operation_id)
                else:
                    self._interrupted(workflow_id, error)
                raise Interrupted from error

    def _interrupted(self, operation_id: str, error: BaseException) -> None:
        log.warning("operation %s interrupted, to be revived", operation_id, exc_info=error)
        self._revive_later(operation_id)

    def _revive_later(self, operation_id: str) -> None:
        timer = threading.Timer(self._revival.total_seconds(), self._revive, [operation_id])
        timer.daemon = True
        timer.start()

    def _revive(self, operation_id: str) -> None:
        """Put an interrupted operation into the queue again, if it is still this process's."""
        if not self.is_running:
            return
        try:
            status = DBOS.get_workflow_status(operation_id)
            if status is None or status.executor_id != self._identity:
                return
            DBOS.resume_workflow(operation_id, queue_name=QUEUE)
        except Exception:
            log.exception("operation %s could not be revived yet", operation_id)
            self._revive_later(operation_id)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._idle:
            self._active += 1
        try:
            yield
        finally:
            with self._idle:
                self._active -= 1
                self._idle.notify_all()

    def _is_idle(self) -> bool:
        return self._active == 0

    def _forget(self) -> None:
        """Let the engine underneath go, and the tenure with it."""
        if self._membership is not None:
            self._membership.stop()
        self._await_records()
        DBOS.destroy(destroy_registry=True)
        self._dbos = None

    def _await_records(self) -> None:
        """Let what has just ended be recorded before the connections for it are gone.

        Only of those that stopped by themselves: nobody waits for a step that was left behind.
        """
        if self._dbos is None:
            return
        active = self._dbos._active_workflows_set  # noqa: SLF001 - no public way to wait
        end = time.monotonic() + RECORD_SECONDS
        while len(active.activeList()) > self._active and time.monotonic() < end:
            time.sleep(POLL_SECONDS)

    def _stop(self) -> None:
        self._forget()
        self._ended.set()
        self._disconnect()
        self._lock.release()
        self._launched = False
        _process.release()

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.destroy()
            self._client = None


def _quieten() -> None:
    """Keep the engine's warnings, in our own log; nothing on the console.

    It adds a handler only where there is none, and below WARNING it advertises its vendor.
    """
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logger.setLevel(logging.WARNING)
