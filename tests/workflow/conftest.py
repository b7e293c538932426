from tests.support.databases import (
    database_url,
    empty_url,
    postgresql,
    postgresql_url,
    sqlite_url,
)

__all__ = ["database_url", "empty_url", "postgresql", "postgresql_url", "sqlite_url"]
