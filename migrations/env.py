"""How Alembic reaches the database.

The service hands over an open connection (`app.repositories.schema`). A developer who writes
a migration gives an address: `alembic -c migrations/alembic.ini -x url=… revision --autogenerate`.
Logging is left as the service set it up.
"""

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.schema import SchemaItem

from app.repositories import engines
from app.repositories.tables import metadata


def is_ours(
    _item: SchemaItem, name: str | None, kind: str, reflected: bool, _twin: SchemaItem | None
) -> bool:
    """Leave out what others keep in the same database: the durable engine's tables."""
    return not (kind == "table" and reflected and name not in metadata.tables)


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_object=is_ours,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    shared: Connection | None = context.config.attributes.get("connection")
    if shared is not None:
        run(shared)
        return
    url = context.get_x_argument(as_dictionary=True)["url"]
    engine = engines.write_engine(engines.read_url(url), foreign_keys=False)
    with engine.begin() as connection:
        run(connection)


main()
