"""The store: transactions on SQLite or PostgreSQL."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import (
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.domain.errors import StorageUnavailableError
from app.domain.principals import Sight
from app.ports.store import Asked
from app.repositories import engines, schema
from app.repositories.work import SqlWork


class NoEngineError(RuntimeError):
    """The store was built without a durable engine to hand operations to."""


def refuse(_: Connection, operation_id: str, _anew: bool) -> None:
    msg = f"operation {operation_id} cannot be enqueued: the store has no engine"
    raise NoEngineError(msg)


class SqlStore:
    """The store on the database at `url`; opens no connection before its first use.

    `enqueue` is the durable engine's, called with the connection of the open transaction.
    `tenure` says on whose behalf a thread writes (None: nobody's in particular): what an
    operation writes is refused once another process has taken over. `sight` is what whoever
    acts may see: listings show nothing else. `asked` is the request that is being answered.
    """

    def __init__(
        self,
        *,
        url: str,
        enqueue: Callable[[Connection, str, bool], None] = refuse,
        tenure: Callable[[], str | None] = lambda: None,
        sight: Callable[[], Sight] = lambda: None,
        asked: Callable[[], Asked | None] = lambda: None,
    ) -> None:
        address = engines.read_url(url)
        self._writer = engines.write_engine(address)
        self._reader = engines.read_engine(address)
        self._enqueue = enqueue
        self._tenure = tenure
        self._sight = sight
        self._asked = asked

    @contextmanager
    def write(self) -> Iterator[SqlWork]:
        with self._work(self._writer) as work:
            tenure_id = self._tenure()
            if tenure_id is not None:
                work.replicas.check(tenure_id)
            yield work

    @contextmanager
    def read(self) -> Iterator[SqlWork]:
        with self._work(self._reader) as work:
            yield work

    def is_ready(self) -> bool:
        try:
            with self._reader.connect() as connection:
                return schema.revision(connection) == schema.head()
        except SQLAlchemyError:
            return False

    def close(self) -> None:
        """Close every connection."""
        self._writer.dispose()
        self._reader.dispose()

    @contextmanager
    def _work(self, engine: Engine) -> Iterator[SqlWork]:
        try:
            with engine.connect() as connection:
                connection.begin()  # closing the connection undoes what was not committed
                yield SqlWork(
                    connection, enqueue=self._enqueue, sight=self._sight(), asked=self._asked()
                )
        except UNAVAILABLE as error:
            # The text of the database's error may hold values: it stays inside.
            reason = type(error).__name__
            raise StorageUnavailableError("the database cannot be used", reason=reason) from error


UNAVAILABLE = (
    InterfaceError,
    InternalError,
    OperationalError,
    PoolTimeoutError,
    ProgrammingError,  # PostgreSQL's answer where tables of this version are missing
)
"""What may pass. Values that no column can hold are errors of ours and stay what they are."""
