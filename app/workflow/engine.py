"""The durable engine: runs an operation to its end, whatever happens to the process."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeAlias

from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer
from sqlalchemy import Connection

from app.domain.errors import StorageUnavailableError
from app.ports.steps import Steps
from app.workflow import guards
from app.workflow.errors import (
    EngineError,
    Interrupted,
    NoOperationError,
    NotRunningError,
    SecondEngineError,
)
from app.workflow.lock import ExecutorLock, Lock, ProcessLock
from app.workflow.steps import DurableSteps

log = logging.getLogger(__name__)

Operation: TypeAlias = Callable[[str, Steps], None]

VERSION = "2"
"""Of the sequences of steps. A process recovers only work of its own version, so another one
is for a change that must not meet old work, and needs that to be drained first."""

QUEUE = "operations"
WORKFLOW = "operation"
SCHEMA = "dbos"
RECOVERIES = 100
"""How often an operation is begun again before the engine gives it up as one that kills us."""

LIVE = 256
"""Operations begun and not ended in one process. Many may wait for one another: were the limit
small, those that wait could keep out the one that they wait for. Steps have a smaller limit."""

THREADS = 4 * LIVE
"""Operations taken up again after a crash come on top of those from the queue."""

_process = threading.Lock()


class DurableEngine:
    """Runs operations from a queue that is kept in the database of the store.

    Order of use: construct, `register` what an operation does, `launch`; `close` at the end.
    `executor_id` says whose interrupted operations are taken up at launch: the same one after
    every start of this process, and never the same in two living ones. `name` has at least
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
        self._closing = threading.Event()
        self._active = 0
        self._idle = threading.Condition()
        if self._file is not None:
            guards.check_versions()

    @property
    def is_running(self) -> bool:
        return self._dbos is not None and not self._closing.is_set()

    def register(self, operation: Operation) -> None:
        """Say what an operation does; once, before `launch`."""
        if self._operation is not None:
            msg = "what an operation does was said before"
            raise EngineError(msg)
        self._operation = operation

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

    def enqueue(self, connection: Connection, operation_id: str) -> None:
        """Put an operation into the queue, in the transaction that is open on `connection`.

        An operation that is or was in the queue already is left as it is.
        """
        self._connected().enqueue_in_transaction(
            connection,
            {
                "workflow_name": WORKFLOW,
                "queue_name": QUEUE,
                "workflow_id": operation_id,
                "app_version": VERSION,
            },
            operation_id,
        )

    def close(self, *, patience: timedelta = timedelta(seconds=10)) -> None:
        """Let every operation finish its step, for so long, and stop; they go on at next launch.

        A step that needs longer is left behind as if the process had been killed in it.
        """
        if self._dbos is None:
            self._disconnect()
            return
        for event in self._dbos.background_thread_stop_events:
            event.set()
        self._closing.set()
        with self._idle:
            if not self._idle.wait_for(self._is_idle, timeout=patience.total_seconds()):
                log.warning("steps cut short: %d operations did not reach the next", self._active)
        self._stop()

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
        self._lock.take()
        self._closing.clear()
        self.prepare()
        self._dbos = DBOS(config=self._config())
        DBOS.workflow(name=WORKFLOW, max_recovery_attempts=RECOVERIES)(self._registered())
        DBOS.listen_queues([QUEUE])
        DBOS.launch()

    def _config(self) -> DBOSConfig:
        return DBOSConfig(
            name=self._name,
            system_database_url=self._address,
            dbos_system_schema=SCHEMA,
            serializer=DBOSPortableJSONSerializer(),
            application_version=VERSION,
            executor_id=self._executor_id,
            max_executor_threads=THREADS,
            enable_otlp=False,
            log_level="WARNING",
            notification_listener_polling_interval_sec=0.1,  # how long closing may take
        )

    def _registered(self) -> Callable[[str], None]:
        def operation(operation_id: str) -> None:
            self._run(operation_id)

        return operation

    def _run(self, operation_id: str) -> None:
        if self._operation is None:
            raise NotRunningError
        with self._counted():
            steps = DurableSteps(closing=self._closing, permits=self._permits)
            try:
                self._operation(operation_id, steps)
            except (Interrupted, StorageUnavailableError) as error:
                self._interrupted(operation_id, error)
                raise Interrupted from error

    def _interrupted(self, operation_id: str, error: BaseException) -> None:
        if self._closing.is_set():
            log.info("operation %s goes on at the next launch", operation_id)
            return
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
            if status is None or status.executor_id != self._executor_id:
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

    def _stop(self) -> None:
        DBOS.destroy(destroy_registry=True)
        self._dbos = None
        self._disconnect()
        self._lock.release()
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
