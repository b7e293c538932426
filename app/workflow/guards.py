"""What must hold before the engine may touch a database."""

import sqlite3
import sys
from pathlib import Path

from sqlalchemy import URL, make_url

from app.workflow.errors import UnsupportedSqliteError


def check_versions(
    python: tuple[int, ...] = sys.version_info[:2],
    sqlite: tuple[int, ...] = sqlite3.sqlite_version_info,
) -> None:
    """Refuse a pair of versions on which the engine's queues never start.

    From Python 3.12 on it asks SQLite for `unixepoch('subsec')`, which gives NULL before 3.42.

    Raises:
        UnsupportedSqliteError: this is such a pair.
    """
    if python >= (3, 12) and sqlite < (3, 42):
        spelled = ".".join(str(part) for part in sqlite)
        msg = (
            f"SQLite {spelled} is too old for Python 3.12 or newer: "
            "bring SQLite 3.42, Python 3.11 or a PostgreSQL database"
        )
        raise UnsupportedSqliteError(msg)


def read_url(text: str) -> URL:
    """Return the address of the database as the engine wants it, without a driver's name."""
    url = make_url(text)
    return url.set(drivername=url.get_backend_name())


def sqlite_file(url: URL) -> Path | None:
    """Return the file of a SQLite database; None for another one."""
    if url.get_backend_name() != "sqlite":
        return None
    if not url.database or url.database == ":memory:":
        msg = "operations are kept in a file: a SQLite database in memory would forget them"
        raise UnsupportedSqliteError(msg)
    return Path(url.database).absolute()


def keep_a_write_ahead_log(database: Path) -> None:
    """Make readers and the writer of the file independent; lasts beyond this connection."""
    connection = sqlite3.connect(database, timeout=30)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()
