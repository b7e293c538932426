"""What the nouns share: finding, adding and paging rows."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from sqlalchemy import Column, Connection, RowMapping, Select, Table, insert, select, update

from app.domain.errors import AlreadyExistsError, NotFoundError
from app.ports.store import Page

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")

Values: TypeAlias = Mapping[str, Any]


def values_of(item: "DataclassInstance") -> dict[str, Any]:
    """Return the fields of a value by name, tuples as lists; documents are not copied."""
    read = {field.name: getattr(item, field.name) for field in fields(item)}
    return {name: list(it) if isinstance(it, tuple) else it for name, it in read.items()}


def find(connection: Connection, key: Column[str], value: str) -> RowMapping | None:
    """Return the row of the key's table whose unique `key` has this value."""
    return connection.execute(select(key.table).where(key == value)).mappings().one_or_none()


def add(connection: Connection, table: Table, key: Column[str], values: Values) -> None:
    """Add a row. Two writers never interleave, so looking first is enough.

    Raises:
        AlreadyExistsError: there is a row with this key.
    """
    if find(connection, key, values[key.name]) is not None:
        raise AlreadyExistsError("there is one with this id already", id=values[key.name])
    connection.execute(insert(table).values(values))


def change(connection: Connection, table: Table, key: Column[str], values: Values) -> None:
    """Replace the values of a row.

    Raises:
        NotFoundError: there is no row with this key.
    """
    changed = connection.execute(update(table).where(key == values[key.name]).values(values))
    if changed.rowcount == 0:
        raise NotFoundError("there is none with this id", id=values[key.name])


def page(
    connection: Connection,
    query: Select[Any],
    place: Column[int],
    *,
    limit: int,
    position: int | None,
    read: Callable[[RowMapping], T],
) -> Page[T]:
    """Return the next rows of `query` below `position`, newest first."""
    if position is not None:
        query = query.where(place < position)
    query = query.order_by(place.desc()).limit(limit + 1)
    rows = connection.execute(query).mappings().all()
    more = len(rows) > limit
    rows = rows[:limit]
    return Page(tuple(read(row) for row in rows), rows[-1][place] if more else None)
