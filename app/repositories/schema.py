"""The tables' versions: bring a database to this version, and say which one it has."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from app.domain.errors import StorageUnavailableError
from app.repositories import engines

_APP = Path(__file__).resolve().parent.parent


def folder() -> Path:
    """Return where the migrations are: inside the installed package, or beside it in a checkout."""
    installed = _APP / "migrations"
    return installed if installed.is_dir() else _APP.parent / "migrations"


def configuration(connection: Connection | None = None) -> Config:
    """Return what Alembic needs to know; `connection` is in a transaction that it shares."""
    config = Config()
    config.set_main_option("script_location", str(folder()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@cache
def head() -> str:
    """Return the version of the tables that this code was written for."""
    newest = ScriptDirectory.from_config(configuration()).get_current_head()
    assert newest is not None
    return newest


def revision(connection: Connection) -> str | None:
    """Return the version of the database's tables; None if it has none of ours."""
    return MigrationContext.configure(connection).get_current_revision()


def current(url: str) -> str | None:
    """Return the version of the tables at `url`; None if there are none of ours."""
    with _transaction(url) as connection:
        return revision(connection)


def migrate(url: str) -> None:
    """Bring the tables at `url` to this version, all or nothing; may be repeated."""
    with _transaction(url) as connection:
        command.upgrade(configuration(connection), "head")


def downgrade(url: str, to: str) -> None:
    """Take the tables at `url` back to revision `to` (`base`: before the first)."""
    with _transaction(url) as connection:
        command.downgrade(configuration(connection), to)


@contextmanager
def _transaction(url: str) -> Iterator[Connection]:
    # Rebuilding a table in SQLite drops the old one: with foreign keys on, rows would go too.
    engine = engines.write_engine(engines.read_url(url), foreign_keys=False)
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise StorageUnavailableError("the database cannot be migrated") from error
    finally:
        engine.dispose()
