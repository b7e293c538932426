"""Connections to SQLite and PostgreSQL that keep what the store promises.

Writers never interleave: in SQLite because a transaction takes the write lock when it begins
(one that reads first and writes later would fail at once, whatever its timeout), in PostgreSQL
because it takes an advisory lock. Readers see one instant and wait for nobody.
"""

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

WRITERS_KEY = 0x45435301
"""Number of the advisory lock that writers take; any number will do that nobody else uses."""

PATIENCE_SECONDS = 30


def read_url(text: str) -> URL:
    """Return the address of the database, with the driver that we bring."""
    url = make_url(text)
    if url.drivername in {"postgresql", "postgres"}:
        return url.set(drivername="postgresql+psycopg")
    return url


def write_engine(url: URL, *, foreign_keys: bool = True) -> Engine:
    """Return an engine whose every transaction excludes all other writers."""
    if url.get_backend_name() == "sqlite":
        # One connection: threads then queue in Python, which wakes the next one at once.
        engine = create_engine(
            url, hide_parameters=True, pool_size=1, max_overflow=0, pool_timeout=PATIENCE_SECONDS
        )
        _prepare_sqlite(engine, begin="BEGIN IMMEDIATE", foreign_keys=foreign_keys)
        event.listen(engine, "first_connect", _keep_a_write_ahead_log)
        return engine
    engine = create_engine(
        url, hide_parameters=True, pool_pre_ping=True, connect_args=_postgresql_arguments()
    )
    event.listen(engine, "begin", _exclude_other_writers)
    return engine


def read_engine(url: URL) -> Engine:
    """Return an engine that cannot write; each of its transactions sees one instant."""
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, hide_parameters=True, pool_size=10, max_overflow=30)
        _prepare_sqlite(engine, begin="BEGIN", foreign_keys=True, query_only=True)
        return engine
    return create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        connect_args=_postgresql_arguments(),
        execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
    )


def counting_engine(url: URL) -> Engine:
    """Return an engine for counters: its writers do not wait for those of `write_engine`, except
    in SQLite, where there is one lock. What the last moment before a power loss counted may be
    gone after it.
    """
    if url.get_backend_name() == "sqlite":
        engine = create_engine(
            url, hide_parameters=True, pool_size=1, max_overflow=0, pool_timeout=PATIENCE_SECONDS
        )
        _prepare_sqlite(engine, begin="BEGIN IMMEDIATE", foreign_keys=True, synchronous="NORMAL")
        return engine
    arguments = _postgresql_arguments()
    arguments["options"] += " -c synchronous_commit=off"
    return create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=arguments)


def _prepare_sqlite(
    engine: Engine,
    *,
    begin: str,
    foreign_keys: bool,
    query_only: bool = False,
    synchronous: str = "FULL",  # a backup must survive a power loss
) -> None:
    settings = (
        f"PRAGMA busy_timeout = {PATIENCE_SECONDS * 1000}",
        f"PRAGMA foreign_keys = {foreign_keys:d}",
        f"PRAGMA synchronous = {synchronous}",
        f"PRAGMA query_only = {query_only:d}",
    )

    def set_up(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        for setting in settings:
            connection.cursor().execute(setting)

    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", set_up)
    event.listen(engine, "begin", start)


def _keep_a_write_ahead_log(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # Lasts beyond this connection. Without it readers and the writer wait for one another.
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {PATIENCE_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode = WAL")


def _postgresql_arguments() -> dict[str, str]:
    # A process that stops with an open transaction must not keep the writers out for ever.
    limit = f"{PATIENCE_SECONDS}s"
    return {
        "options": f"-c lock_timeout={limit} -c idle_in_transaction_session_timeout={limit}",
        "application_name": "intercom",
    }


def _exclude_other_writers(connection: Connection) -> None:
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS_KEY})")
