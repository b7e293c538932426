"""API keys as rows: never the key itself."""

from sqlalchemy import Connection, RowMapping, select

from app.domain.api_keys import ApiKey
from app.domain.concerns import Noun
from app.domain.principals import Role, Sight
from app.ports.store import Page
from app.repositories import rows
from app.repositories.around import Around
from app.repositories.concerns import SqlConcerns, is_seen
from app.repositories.tables import api_keys


def _api_key(row: RowMapping) -> ApiKey:
    values = {name: row[name] for name in row if name != "position"}
    grants = {account_id: Role(role) for account_id, role in row["grants"].items()}
    return ApiKey(**(values | {"grants": grants}))


def _values(key: ApiKey) -> dict[str, object]:
    grants = {account_id: role.value for account_id, role in key.grants.items()}
    return rows.values_of(key) | {"grants": grants}


class SqlApiKeys:
    def __init__(self, connection: Connection, around: Around) -> None:
        self._connection = connection
        self._around = around

    def add(self, key: ApiKey) -> None:
        rows.add(self._connection, api_keys, api_keys.c.api_key_id, _values(key))
        self._around.note(Noun.API_KEY, key.api_key_id)
        SqlConcerns(self._connection).keep(Noun.API_KEY, key.api_key_id, key.concern)

    def get(self, api_key_id: str) -> ApiKey | None:
        row = rows.find(self._connection, api_keys.c.api_key_id, api_key_id)
        return None if row is None else _api_key(row)

    def with_prefix(self, prefix: str) -> ApiKey | None:
        row = rows.find(self._connection, api_keys.c.prefix, prefix)
        return None if row is None else _api_key(row)

    def page(self, *, limit: int, position: int | None, within: Sight) -> Page[ApiKey]:
        query = select(api_keys)
        seen = is_seen(Noun.API_KEY, api_keys.c.api_key_id, within)
        return rows.page(
            self._connection,
            query if seen is None else query.where(seen),
            api_keys.c.position,
            limit=limit,
            position=position,
            read=_api_key,
        )

    def update(self, key: ApiKey) -> None:
        rows.change(self._connection, api_keys, api_keys.c.api_key_id, _values(key))
